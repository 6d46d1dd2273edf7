"""An address counts once a link that went to it was used: until then anybody may have typed it."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from core import jobs
from core.models import Job
from core.problems import NotFound
from ledger.models import Entry
from policy.audits import reconciliation_notices
from policy.desk import cases
from policy.filing import address_proof, misuse, notice_ends, notices
from policy.models import Misuse, Notice, Person
from policy.rights import data_rights, people
from tests.policy.conftest import FileNotice, MakeAsset

pytestmark = pytest.mark.django_db
JO = "jo@press.example"
OFTEN = 4


def _link_of_last_letter() -> str:
    for job in Job.objects.filter(state=Job.State.QUEUED, name="policy.acknowledge_notice"):
        jobs.run(str(job.pk))
    (link,) = re.findall(r"/notice/address/\S+", str(mail.outbox[-1].body))
    return str(link)


def _token(notice: Notice) -> str:
    return address_proof.path(notice).split("/")[-2]


def _unfounded(notice: Notice, rita: User) -> None:
    notice = Notice.objects.select_related("case", "filer", "account", "entry").get(pk=notice.pk)
    notice.case = cases.assign(notice.case, rita)
    notice_ends.unfounded(notice, rita, "unserious")


def test_mallory_ruins_nobodys_record_by_typing_their_address_and_reads_none(
    client: Client, make_asset: MakeAsset, alice: User, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    for n in range(OFTEN):
        _unfounded(file_notice(make_asset(alice, f"Harbour {n}"), email=JO)[0], rita)
    assert not Misuse.objects.exists(), "nobody proved the address"
    for n in range(OFTEN):
        notice, _ = file_notice(make_asset(alice, f"Pier {n}"), email=JO)
        address_proof.prove(_token(notice))
        _unfounded(notice, rita)
    row = Misuse.objects.get()
    assert (row.factors["absolute"], row.factors["of"]) == (OFTEN, OFTEN), "what was only typed is not Jo’s"
    misuse.warn(row, ravi)
    asked, pin = file_notice(make_asset(alice, "Quay"), email=JO)
    client.post(reverse("notice"), {"number": asked.number, "pin": pin})
    page = client.get(reverse("notice_status", args=[asked.number]))
    assert page.status_code == 200 and "manifestly unfounded" not in page.content.decode()
    address_proof.prove(_token(asked))
    page = client.get(reverse("notice_status", args=[asked.number]))
    assert f"{OFTEN} of {OFTEN} notices were found manifestly unfounded" in page.content.decode()


def test_the_letter_has_a_link_that_proves_by_a_button_and_not_by_being_opened(
    client: Client, make_asset: MakeAsset, alice: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(make_asset(alice), email=JO)
    link = _link_of_last_letter()
    page = client.get(link)
    assert page.status_code == 200 and notice.number in page.content.decode()
    assert "Harbour" not in page.content.decode(), "the link opens nothing"
    assert Person.objects.get(pk=notice.filer_id).contact_proved_at is None, "mail programs open links"
    assert client.post(link).status_code == 302
    proved = Person.objects.get(pk=notice.filer_id).contact_proved_at
    assert proved is not None
    entries = Entry.objects.count()
    address_proof.prove(_token(notice))
    assert Person.objects.get(pk=notice.filer_id).contact_proved_at == proved and Entry.objects.count() == entries
    assert client.get("/notice/address/nonsense/").status_code == 404
    assert not [*reconciliation_notices.notices()]


def test_another_address_is_proved_anew_and_an_old_link_is_over(
    make_asset: MakeAsset, alice: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(make_asset(alice), email=JO)
    old = _token(notice)
    address_proof.prove(old)
    notices.complete_notice(notice, email=JO, more="It is the left half.")
    assert Person.objects.get(pk=notice.filer_id).contact_proved_at is not None, "the same address stays proved"
    notices.complete_notice(notice, email="dana@example.org")
    person = Person.objects.get(pk=notice.filer_id)
    assert person.contact_proved_at is None and person.contact_mark == people.mark("dana@example.org")
    with pytest.raises(NotFound):
        address_proof.prove(old)
    assert address_proof.path(notice) != old and "/notice/address/" in _link_of_last_letter()
    data_rights.erase(person)
    with pytest.raises(NotFound):
        address_proof.prove(_token(notice))


def test_who_files_with_an_account_needs_no_link(
    make_asset: MakeAsset, alice: User, mallory: User, file_notice: FileNotice
) -> None:
    file_notice(make_asset(alice), by=mallory, email=JO)
    for job in Job.objects.filter(state=Job.State.QUEUED, name="policy.acknowledge_notice"):
        jobs.run(str(job.pk))
    assert "/notice/address/" not in str(mail.outbox[-1].body)
