"""I12 and what belongs to it: an erasure reaches every column, every stored byte and every value of the log, once and
again after a restore, and anybody can check its receipt without this office.
"""

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models

from accounts.models import User
from core import storage
from core.clock import now
from core.problems import Conflict, NotFound
from ledger import audit, custody, merkle, notes, reading, vault
from ledger.models import Entry
from policy.audits import reconciliation_appeals, reconciliation_rights
from policy.consents import consent
from policy.deciding import decisions, hashlist
from policy.desk import cases
from policy.filing import attachments, notice_pins, notices
from policy.models import (
    Appeal,
    Attachment,
    Case,
    DataRequest,
    Decision,
    HashEntry,
    Hold,
    Notice,
    Person,
    SecondReview,
)
from policy.redress import appeal_dialogue, appeals
from policy.rights import data_requests, data_rights, emptying, holds, personal_fields, sealed_columns
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, MakeAsset

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]
LETTER = b"A letter from Dana Hill, with her signature."
SAID = ("Dana", "Hill", "dana@example.org")


@pytest.fixture
def appealed(asset: Asset, file_notice: FileNotice, rita: User, ravi: User) -> Appeal:
    """Dana's notice with a document, decided by Rita; her appeal with a document, heard by Ravi, with a question."""
    notice, _ = file_notice(asset)
    notices.attach(notice, SimpleUploadedFile("Dana Hill.txt", LETTER))
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="no_action", **TERMS)
    file = SimpleUploadedFile("more.txt", b"Another letter of Dana Hill.")
    appeal = appeals.file_appeal(decision, notice=notice, grounds="It shows me, Dana Hill.", files=[file])
    appeals.assign(appeal, ravi)
    appeal_dialogue.ask(appeal, ravi, "Which of the people in it are you?")
    appeal_dialogue.answer(appeal, "The one on the left, Dana Hill.")
    return appeal


def everything() -> str:
    """All rows of the rooms that hold personal data, as text; and what of it any key still opens."""
    text = []
    for name in personal_fields.PERSONAL:
        label, _, column = name.rpartition(".")
        model = apps.get_model(label)
        rows = list(sealed_columns.with_owner(model._default_manager.all()))
        if column.startswith("sealed_"):
            known = vault.keys_of(bytes(getattr(row, column)) for row in rows)
            text += [str(sealed_columns.opened(row, column, known)) for row in rows if getattr(row, column)]
        else:
            field: models.Field[Any, Any] = model._meta.get_field(column)
            text += [str(getattr(row, field.attname)) for row in rows]
    return "\n".join(text)


def leaves() -> str:
    return b"".join(bytes(entry.leaf) for entry in Entry.objects.all()).decode()


def test_i12_every_column_and_every_stored_byte_of_dana_goes_and_the_root_stays(
    appealed: Appeal, settle: Settle, django_capture_on_commit_callbacks: Any
) -> None:
    assert appealed.notice
    dana = appealed.notice.filer
    hashlist.submit(appealed.notice, [("pdq-256", "0f" * 32)])
    settle()
    keys = list(Attachment.objects.values_list("key", flat=True))
    assert len(keys) == 2 and all(storage.exists(key) for key in keys)
    assert all(said in everything() for said in SAID)
    before = audit.check_log()
    with django_capture_on_commit_callbacks(execute=True):
        request = data_rights.erase(dana)
    settle()
    assert audit.check_log().erased > before.erased
    assert request.receipt["log"]["root_before"] == request.receipt["log"]["root_after"]
    assert not any(said in everything() for said in SAID)
    assert not any(storage.exists(key) for key in keys)
    assert request.receipt["rows"] | {"attachments": 2, "messages": 3, "hash_entries": 0} == request.receipt["rows"]
    assert str(dana.pk) not in leaves() and not any(said in leaves() for said in SAID)
    with pytest.raises(NotFound):
        attachments.open_for(Attachment.objects.first() or Attachment())


def test_i23_what_was_kept_out_at_danas_wish_is_purged_with_her(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    hashlist.submit(notice, [("pdq-256", "0f" * 32)])
    data_rights.erase(notice.filer)
    entry = HashEntry.objects.get()
    assert (entry.state, entry.value) == ("purged", "")
    assert Entry.objects.filter(type__in=["hash:withdrawn", "hash:purged"]).count() == 2


def test_a_case_stays_decidable_after_everybody_without_an_account_was_erased_in_the_middle(
    asset: Asset, file_notice: FileNotice, alice: User, rita: User, ravi: User, settle: Settle
) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="dana@example.org", purposes=["publish"])
    consent.grant(asked)
    notice, pin = file_notice(asset)
    cases.assign(notice.case, rita)
    for person in (asked.depiction.person, notice.filer):
        data_rights.erase(person)
    decision = decisions.decide(Case.objects.get(pk=notice.case_id), rita, outcome="hide", **TERMS)
    appeal = appeals.file_appeal(decision, user=alice, grounds="This is my own photograph of the harbour.")
    appeals.assign(appeal, ravi)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons="The clause does not reach this work.")
    settle()
    assert Decision.objects.get(pk=decision.pk).state == Decision.State.REVERSED
    assert notice_pins.notice_by_pin(notice.number, pin).state in ("answered", "valid")
    assert not any(said in everything() + leaves() for said in SAID)
    audit.check_log()


def test_what_a_restore_brings_back_of_the_new_columns_is_emptied_again(appealed: Appeal, alice: User) -> None:
    assert appealed.notice
    dana, count = appealed.notice.filer, Entry.objects.count()
    hashlist.submit(appealed.notice, [("pdq-256", "0f" * 32)])
    data_requests.ask(dana, "object", text="I, Dana, object to statistics.")
    count = Entry.objects.count()
    data_rights.empty_again(dana.actor)
    vault.destroy(dana.actor)  # as `ledger.erasures` does beside it
    assert not any(said in everything() for said in SAID)
    assert HashEntry.objects.get().value == ""
    assert Entry.objects.count() == count, "it may not grow before it is recovered"


@pytest.fixture
def busy(appealed: Appeal, make_asset: MakeAsset, file_notice: FileNotice, alice: User, ravi: User) -> User:
    """Ravi hears Dana's appeal, and has a case, a request about data and a second look in hand."""
    cases.assign(file_notice(make_asset(alice, "Market at dawn"))[0].case, ravi)
    assert appealed.notice
    request = data_requests.ask(appealed.notice.filer, "object", text="I, Dana, object to statistics.")
    data_requests.take(request, ravi)
    review, _ = SecondReview.objects.get_or_create(decision=appealed.decision, defaults={"entry": appealed.entry})
    SecondReview.objects.filter(pk=review.pk).update(reviewer=ravi)
    appeal_dialogue.ask(appealed, ravi, "And since when is it there?")
    return ravi


def test_what_somebody_had_in_hand_who_is_erased_waits_for_others(busy: User) -> None:
    data_rights.erase(busy)
    assert not Case.objects.filter(assigned_to=busy).exists()
    appeal = Appeal.objects.get()
    assert (appeal.state, appeal.assigned_to) == ("filed", None)
    assert not appeal.clocks.filter(purpose="message", state="running").exists()
    assert not appeal.clocks.filter(state="paused").exists(), "our own time runs on"
    request = DataRequest.objects.get(kind="object")
    assert (request.state, request.handled_by) == ("received", None)
    assert SecondReview.objects.get().reviewer is None
    said = Entry.objects.filter(
        type__in=["case:assigned", "appeal:assigned", "data:put_back", "decision:reviewed_again"]
    )
    assert {entry.type for entry in said.order_by("-pk")[:4]} == set(said.values_list("type", flat=True))
    rows = [*reconciliation_appeals.appeals(), *reconciliation_rights.rights()]
    assert rows == []


def test_i12_what_a_restore_brings_back_of_a_reviewer_is_emptied_without_a_word_in_the_log(busy: User) -> None:
    count = Entry.objects.count()
    data_rights.empty_again(busy.actor)
    assert Entry.objects.count() == count, "it may not grow before it is recovered"
    busy.refresh_from_db()
    assert not busy.is_active


def test_a_reviewers_profile_goes_with_the_account_and_the_alias_stays(rita: User) -> None:
    rows = emptying.empty_account(rita)
    profile = rita.reviewer_profile
    profile.refresh_from_db()
    assert rows["reviewer"] == 1
    assert (profile.languages, profile.trained, profile.paused, profile.alias) == ([], {}, True, "R-Rita")


def test_the_receipt_is_checked_offline_with_nothing_but_the_logs_public_key(
    asset: Asset, file_notice: FileNotice, settle: Settle
) -> None:
    notice, _ = file_notice(asset)
    settle()
    request = data_rights.erase(notice.filer)
    settle()
    receipt = json.loads(json.dumps(data_rights.whole_receipt(request)))
    verifiers = custody.all_verifiers()
    # From here on only the receipt and the key.
    head = notes.open_checkpoint(receipt["log"]["checkpoint"], reading_origin(), verifiers)
    assert head.size == receipt["log"]["size"]
    assert head.root.hex() == receipt["log"]["root_before"] == receipt["log"]["root_after"]
    proof = receipt["proof"]
    leaf = base64.b64decode(proof["leaf"])
    later = notes.open_checkpoint(proof["checkpoint"], reading_origin(), verifiers)
    path = [base64.b64decode(each) for each in proof["proof"]]
    merkle.verify_inclusion(merkle.leaf_hash(leaf), proof["index"], later.size, path, later.root)
    said = json.loads(leaf)
    assert said["type"] == "erasure:performed" and said["facts"]["keys"] == receipt["keys"]
    assert said["object"] == f"request:{receipt['request']}"


def reading_origin() -> str:
    signed = reading.latest_checkpoint()
    assert signed
    return signed.note.splitlines()[0]


def test_i11_a_hold_keeps_what_an_erasure_would_take_and_never_a_work_in_public(
    asset: Asset, file_notice: FileNotice, alice: User, rita: User, ravi: User
) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="", purposes=["publish"])
    consent.grant(asked)
    notice, _ = file_notice(asset)
    review = (now() + dt.timedelta(days=200)).date()
    hold = holds.place_hold(ravi, on=f"asset:{asset.pk}", basis="office.terms.consent", review_date=review)
    consent.withdraw(asked)
    assert consent.is_withheld(asset), "un-publishing by the person shown"
    decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    asset.refresh_from_db()
    assert asset.is_hidden, "un-publishing by a decision"
    request = data_rights.erase(notice.filer)
    assert request.receipt["held_back"] == [{"basis": hold.basis, "review_date": review.isoformat()}]
    assert notices.contents(Notice.objects.get())["name"] == "Dana Hill"


def test_a_hold_is_reviewed_before_its_day_and_overdue_after_it(asset: Asset, olga: User, ravi: User) -> None:
    later = (now() + dt.timedelta(days=400)).date()
    review = (now() + dt.timedelta(days=3)).date()
    hold = holds.place_hold(olga, on=f"asset:{asset.pk}", basis="office.terms.consent", review_date=review)
    stale = Hold.objects.get()
    holds.review_hold(hold, ravi, review_date=later)
    assert Hold.objects.get().review_date == later
    with pytest.raises(Conflict):
        holds.review_hold(stale, olga, review_date=later)
    Hold.objects.update(review_date=now().date())
    assert [holds.overdue(each) for each in holds.in_force()] == [True]


def test_everybody_whom_a_hold_reaches_is_found_the_other_way_round(
    asset: Asset, file_notice: FileNotice, alice: User, bob: User, ravi: User
) -> None:
    mine, _ = file_notice(asset, by=bob)
    other, _ = file_notice(name="Eve", email="eve@example.org", url_or_text="Somewhere else")
    review = (now() + dt.timedelta(days=200)).date()
    for on in (f"asset:{asset.pk}", mine.case.object, mine.filer.actor, bob.actor):
        hold = holds.place_hold(ravi, on=on, basis="office.terms.consent", review_date=review)
        kept = set(holds.kept_people())
        assert kept == {person for person in Person.objects.all() if holds.reaching(person)}, on
        assert mine.filer in kept and other.filer not in kept
        holds.release_hold(hold, ravi)
