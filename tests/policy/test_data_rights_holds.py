"""Legal holds: what an erasure waits for, and that it is completed when they end. And what replay empties again."""

import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import MachineToken, User
from accounts.tokens import create_token
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger import vault
from ledger.models import Entry, PersonKey, SealedSection
from ledger.receipts import disclosures_for
from policy.consents import consent
from policy.filing import notices
from policy.models import Consent, DataRequest, Hold, Notice, Person
from policy.rights import data_rights, holds, people
from provenance.models import Asset
from tests.policy.conftest import FileNotice, leaf_of

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]

BASIS = "office.terms.consent"
NEXT_YEAR = dt.date(now().year + 1, 6, 30)


def hold_on(subject: str, by: User) -> Hold:
    return holds.place_hold(by, on=subject, basis=BASIS, review_date=NEXT_YEAR)


@pytest.mark.parametrize("subject", ["the notifier", "the case", "the work"])
def test_what_is_under_a_hold_is_kept_until_its_release_and_then_goes_by_itself(
    asset: Asset, file_notice: FileNotice, ravi: User, settle: Settle, subject: str
) -> None:
    notice, _ = file_notice(asset)
    on = {"the notifier": notice.filer.actor, "the case": notice.case.object, "the work": f"asset:{asset.pk}"}[subject]
    hold = hold_on(on, ravi)
    request = data_rights.erase(notice.filer)
    assert request.state == DataRequest.State.PARTLY_DONE
    assert request.receipt["held_back"] == [{"basis": BASIS, "review_date": NEXT_YEAR.isoformat()}]
    assert not request.receipt["key_destroyed"]
    assert people.name_and_contact(notice.filer)[0] == "Dana Hill"
    assert not Entry.objects.filter(type="erasure:performed").exists()
    holds.release_hold(hold, ravi)
    settle()
    request.refresh_from_db()
    assert request.state == DataRequest.State.DONE
    assert request.receipt["held_back"] == []
    assert request.receipt["key_destroyed"]
    assert notices.contents(Notice.objects.get())["statement"] == ""
    assert leaf_of("erasure:performed")["facts"]["keys"] == request.receipt["keys"]


def test_everybody_whom_a_hold_reaches_is_locked_before_it_is_placed(
    asset: Asset, file_notice: FileNotice, ravi: User
) -> None:
    notice, _ = file_notice(asset)
    for on in (notice.case.object, f"asset:{asset.pk}"):
        kind, _, pk = on.partition(":")
        locked = [who for rows in holds._reached(kind, uuid.UUID(pk)) for who in rows]
        hold = hold_on(on, ravi)
        everybody: list[Person | User] = [*Person.objects.all(), *User.objects.all()]
        assert {who.actor for who in locked} == {who.actor for who in everybody if hold in holds.reaching(who)}
        assert notice.filer in locked
        assert asset.owner in locked


def test_of_two_holds_the_last_one_counts(asset: Asset, file_notice: FileNotice, ravi: User, settle: Settle) -> None:
    notice, _ = file_notice(asset)
    first, second = hold_on(notice.filer.actor, ravi), hold_on(notice.case.object, ravi)
    request = data_rights.erase(notice.filer)
    assert len(request.receipt["held_back"]) == 2
    holds.release_hold(first, ravi)
    settle()
    assert DataRequest.objects.get().state == DataRequest.State.PARTLY_DONE
    holds.release_hold(second, ravi)
    settle()
    assert DataRequest.objects.get().state == DataRequest.State.DONE


def test_asking_again_meanwhile_says_why_it_waits_and_until_when(
    asset: Asset, file_notice: FileNotice, ravi: User
) -> None:
    notice, _ = file_notice(asset)
    hold_on(notice.filer.actor, ravi)
    data_rights.erase(notice.filer)
    with pytest.raises(Conflict, match="legal hold keeps") as refused:
        data_rights.erase(notice.filer)
    assert BASIS in refused.value.detail and NEXT_YEAR.isoformat() in refused.value.detail
    assert DataRequest.objects.count() == 1


def test_a_hold_on_somebody_else_keeps_nothing_of_danas(asset: Asset, file_notice: FileNotice, ravi: User) -> None:
    notice, _ = file_notice(asset)
    other, _ = file_notice(asset, name="Eve Stone", email="eve@example.org")
    hold_on(other.filer.actor, ravi)
    assert data_rights.erase(notice.filer).state == DataRequest.State.DONE


def test_under_a_hold_consent_ends_and_an_account_is_closed_at_once(
    asset: Asset, alice: User, ravi: User, settle: Settle
) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="+47 900", purposes=["publish"])
    consent.grant(asked)
    create_token(alice, name="camera", scopes=["assets:read"], days=3)
    hold = hold_on(f"asset:{asset.pk}", ravi)
    data_rights.erase(asked.depiction.person)
    request = data_rights.erase(alice)
    alice.refresh_from_db()
    assert Consent.objects.get().state == "withdrawn"
    assert (alice.is_active, alice.name, alice.has_usable_password()) == (False, "Alice", False)
    assert not MachineToken.objects.exists()
    assert request.receipt["rows"]["tokens"] == 1
    holds.release_hold(hold, ravi)
    settle()
    alice.refresh_from_db()
    assert alice.name == ""
    assert {row.state for row in DataRequest.objects.all()} == {"done"}


def test_only_leads_and_operators_place_and_release_holds(
    asset: Asset, alice: User, rita: User, ravi: User, olga: User
) -> None:
    for nobody in (alice, rita):
        with pytest.raises(Forbidden):
            hold_on(f"asset:{asset.pk}", nobody)
    hold = hold_on(f"asset:{asset.pk}", olga)
    with pytest.raises(Forbidden):
        holds.release_hold(hold, rita)
    holds.release_hold(hold, ravi)
    with pytest.raises(Conflict):
        holds.release_hold(hold, ravi)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"on": "asset:no-such"}, NotFound),
        ({"on": "notice:1"}, Problem),
        ({"basis": "no.such.rule"}, NotFound),
        ({"review_date": dt.date(2020, 1, 1)}, Problem),
    ],
)
def test_a_hold_needs_a_subject_a_basis_and_a_day_to_come(
    asset: Asset, ravi: User, wrong: dict[str, Any], refusal: type[Problem]
) -> None:
    right: dict[str, Any] = {"on": f"asset:{asset.pk}", "basis": BASIS, "review_date": NEXT_YEAR}
    with pytest.raises(refusal):
        holds.place_hold(ravi, **{**right, **wrong})
    assert not Hold.objects.exists()


def test_the_log_says_that_there_is_a_hold_and_not_on_whom(asset: Asset, file_notice: FileNotice, ravi: User) -> None:
    notice, _ = file_notice(asset)
    hold = hold_on(notice.filer.actor, ravi)
    holds.release_hold(hold, ravi)
    leaf = leaf_of("hold:placed")
    assert leaf["facts"] == {"basis": BASIS, "review_date": NEXT_YEAR.isoformat(), "on": "person"}
    assert str(notice.filer_id) not in json.dumps(leaf)
    opened = {one.name: one.value for one in disclosures_for(Entry.objects.get(type="hold:placed"))}
    assert opened == {"actor": ravi.actor, "subject": notice.filer.actor}
    assert leaf_of("hold:released")["object"] == leaf["object"]


# --- After a restore -------------------------------------------------------------------------------------------------


def test_replay_empties_what_a_backup_brings_back_of_dana(asset: Asset, file_notice: FileNotice, alice: User) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="+47 900", purposes=["publish"])
    consent.grant(asked)
    dana, count = asked.depiction.person, Entry.objects.count()
    row = Person.objects.get(pk=dana.pk)
    data_rights.empty_again(dana.actor)
    after = Person.objects.get(pk=dana.pk)
    assert row.sealed_contact and not after.sealed_contact and after.erased_at
    assert Consent.objects.get().state == "withdrawn"
    assert Entry.objects.count() == count, "it may not grow before it is recovered"


def test_replay_empties_an_account_and_leaves_others_alone(alice: User, bob: User) -> None:
    data_rights.empty_again(alice.actor)
    data_rights.empty_again("request:0193aaaa-0000-7000-8000-000000000001")
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.name, alice.is_active) == ("", False)
    assert (bob.name, bob.is_active) == ("Bob", True)


def test_a_second_replay_of_an_erased_account_changes_nothing(alice: User) -> None:
    data_rights.erase(alice)
    before = User.objects.filter(pk=alice.pk).values("email", "name", "is_active").get()
    data_rights.empty_again(alice.actor)
    assert User.objects.filter(pk=alice.pk).values("email", "name", "is_active").get() == before
    assert not vault.has_key(alice.actor)
    assert not SealedSection.objects.filter(person=alice.actor).exists()
    assert not PersonKey.objects.filter(person=alice.actor).exists()


# --- At the command line ---------------------------------------------------------------------------------------------


def test_olga_places_lists_and_releases_a_hold(asset: Asset, olga: User, capsys: pytest.CaptureFixture[str]) -> None:
    on = f"asset:{asset.pk}"
    call_command("hold", "place", on, "--basis", BASIS, "--review", NEXT_YEAR.isoformat(), "--by", olga.email)
    hold = Hold.objects.get()
    Hold.objects.update(review_date=now().date())
    call_command("hold", "list")
    assert f"{hold.pk}  {on}  {BASIS}" in (listed := capsys.readouterr().out) and "review is due" in listed
    call_command("hold", "review", str(hold.pk), "--review", NEXT_YEAR.isoformat(), "--by", olga.email)
    call_command("hold", "list")
    assert "review is due" not in capsys.readouterr().out
    call_command("hold", "release", str(hold.pk), "--by", olga.email)
    with pytest.raises(CommandError, match="released before"):
        call_command("hold", "release", str(hold.pk), "--by", olga.email)
    with pytest.raises(CommandError, match="no such hold"):
        call_command("hold", "release", "1", "--by", olga.email)
    with pytest.raises(CommandError, match="day to come"):
        call_command("hold", "place", on, "--basis", BASIS, "--review", "2020-01-01", "--by", olga.email)
