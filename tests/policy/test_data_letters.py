"""What anybody can ask for in another's name, by letter: told to whom it concerns, and never one person's work."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger import vault
from policy.audits import reconciliation_rights
from policy.consents import consent
from policy.models import DataRequest, DeclaredConflict, Person
from policy.rights import data_answers, data_letters, data_requests, data_rights, people
from policy.rights.data_requests import Kind, State
from policy.tasks import MINUTE
from provenance.models import Asset
from tests.policy.conftest import FileNotice, MakeAsset, leaf_of
from tests.web import stage

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]


@pytest.fixture
def dana(asset: Asset, file_notice: FileNotice) -> Person:
    return file_notice(asset)[0].filer


# --- Two people ----------------------------------------------------------------------------------------------------


def test_one_operator_alone_reads_nothing_and_erases_nobody(alice: User, olga: User, ravi: User) -> None:
    for kind in (Kind.ACCESS, Kind.ERASE):
        request = data_letters.receive(ravi, alice, kind)
        data_letters.proved(request, ravi, "letter")
        with pytest.raises(Conflict, match="somebody else carries it out"):
            data_requests.take(request, ravi)
        with pytest.raises(Conflict, match="Take the request"):
            data_rights.hand_out(request, ravi)
        data_requests.take(request, olga)
        with pytest.raises(Conflict, match="Take the request"):
            data_rights.carry_out(request, ravi)
    alice.refresh_from_db()
    assert alice.is_active and alice.name == "Alice"


def test_how_it_was_proved_is_on_record(dana: Person, olga: User) -> None:
    request = data_letters.receive(olga, dana, Kind.ACCESS)
    for how in ("", "a feeling"):
        with pytest.raises(Problem) as refused:
            data_letters.proved(request, olga, how)
        assert "how" in str(refused.value.extra["errors"])
    data_letters.proved(request, olga, "code")
    assert leaf_of("data:proved")["facts"] == {"kind": "access", "how": "code"}
    assert (request.proved_by, request.handled_by) == (olga, None)
    assert list(reconciliation_rights.rights()) == []
    DataRequest.objects.update(proved_how="letter")
    assert any("proof" in said for said in reconciliation_rights.rights())


# --- Parties -------------------------------------------------------------------------------------------------------


def every_verb(request: DataRequest, by: User) -> list[Callable[[], object]]:
    return [
        lambda: data_letters.receive(by, data_requests.who_asks(request), Kind.PORT),
        lambda: data_letters.proved(request, by, "letter"),
        lambda: data_requests.take(request, by),
        lambda: data_requests.take_back(request, by, "They are ill."),
        lambda: data_requests.refuse(request, by, "duty"),
        lambda: data_requests.extend(request, by, "complex"),
    ]


def test_who_is_reported_learns_nothing_about_who_reported_them_and_refuses_nothing(
    make_asset: MakeAsset, file_notice: FileNotice, ravi: User, olga: User
) -> None:
    filer = file_notice(make_asset(ravi, "By Ravi"))[0].filer
    request = data_letters.receive(olga, filer, Kind.ACCESS)
    for verb in every_verb(request, ravi):
        with pytest.raises(Forbidden, match="A work of yours"):
            verb()
    data_letters.proved(request, olga, "letter")


def test_who_says_that_somebody_is_shown_does_not_answer_for_them(
    make_asset: MakeAsset, ravi: User, olga: User
) -> None:
    asked, _ = consent.ask_consent(make_asset(ravi), ravi, name="Dana Hill", contact="", purposes=["publish"])
    request = data_letters.receive(olga, asked.depiction.person, Kind.ERASE)
    for verb in every_verb(request, ravi):
        with pytest.raises(Forbidden, match="A work of yours"):
            verb()


def test_a_declared_conflict_with_an_account_holds_at_the_data_desk_too(alice: User, ravi: User, olga: User) -> None:
    DeclaredConflict.objects.create(reviewer=ravi, user=alice)
    request = data_letters.receive(olga, alice, Kind.ACCESS)
    for verb in every_verb(request, ravi):
        with pytest.raises(Forbidden, match="declared a conflict"):
            verb()


def test_a_lead_has_no_hand_in_the_data_of_a_fellow_reviewer(rita: User, ravi: User, olga: User) -> None:
    request = data_letters.receive(olga, rita, Kind.ERASE)
    for verb in every_verb(request, ravi):
        with pytest.raises(Forbidden, match="by operators"):
            verb()


# --- Who is concerned ----------------------------------------------------------------------------------------------


def test_alice_is_told_at_her_own_address_and_stops_an_erasure_in_her_name(
    alice: User, olga: User, ravi: User, settle: Settle, mailoutbox: list[Any]
) -> None:
    request = data_letters.receive(ravi, alice, Kind.ERASE)
    settle()
    (told,) = [mail for mail in mailoutbox if "in your name" in mail.subject]
    assert told.to == [alice.email] and "not you" in told.body and "eras" not in told.body, "mail is open"
    data_letters.proved(request, ravi, "letter")
    data_requests.take(request, olga)
    with pytest.raises(Conflict, match="until then"):
        data_rights.carry_out(request, olga)
    hers = stage.browser(alice)
    assert "It was not me" in hers.get("/my-data/account/").content.decode()
    hers.post("/my-data/account/", {"do": "not_mine", "request": str(request.pk)})
    with time_machine.travel(now() + dt.timedelta(days=4), tick=False), pytest.raises(Conflict):
        data_rights.carry_out(DataRequest.objects.get(), olga)
    alice.refresh_from_db()
    assert DataRequest.objects.get().state == State.REFUSED and alice.name == "Alice"
    assert "It was not me" not in hers.get("/my-data/account/").content.decode()


def test_nobody_stops_the_request_of_another_or_their_own_of_today(alice: User, bob: User, olga: User) -> None:
    request = data_letters.receive(olga, alice, Kind.ERASE)
    own = data_requests.ask(bob, Kind.OBJECT, text="I object to statistics.")
    for pk in (str(request.pk), str(own.pk), "", "nonsense"):
        with pytest.raises(NotFound):
            data_letters.disown(bob, pk)


def test_after_three_days_an_erasure_by_letter_is_carried_out(
    dana: Person, olga: User, ravi: User, any_date: None
) -> None:
    request = data_letters.receive(olga, dana, Kind.ERASE)
    data_letters.proved(request, ravi, "in_person")
    data_requests.take(request, olga)
    with time_machine.travel(request.created_at + dt.timedelta(hours=73), tick=False):
        data_rights.carry_out(request, olga)
    assert not vault.has_key(dana.actor)


# --- In haste (N6) -------------------------------------------------------------------------------------------------


def taken(dana: Person, kind: str, ravi: User, olga: User, text: str = "", how: str = "letter") -> DataRequest:
    """Written down and proved by Ravi, in the hands of Olga."""
    request = data_letters.receive(ravi, dana, kind, text=text)
    data_letters.proved(request, ravi, how)
    data_requests.take(request, olga)
    return request


def test_n6_nothing_is_handed_out_and_no_address_changed_before_dana_had_time_to_stop_it(
    dana: Person, ravi: User, olga: User, any_date: None
) -> None:
    moved = taken(dana, Kind.RECTIFY, ravi, olga, "My address is another one now.")
    with pytest.raises(Conflict, match="until then"):
        data_answers.correct(moved, olga, contact="mallory@evil.example")
    package = taken(dana, Kind.ACCESS, ravi, olga)
    with pytest.raises(Conflict, match="until then"):
        data_rights.hand_out(package, olga)
    assert people.name_and_contact(dana)[1] == "dana@example.org"
    with time_machine.travel(moved.created_at + dt.timedelta(hours=73), tick=False):
        data_answers.correct(moved, olga, contact="dana@example.com")
        assert data_rights.hand_out(package, olga)["fields"]


def test_n6_for_thirty_days_the_old_address_is_told_too_and_a_code_to_the_new_one_proves_nothing(
    dana: Person, ravi: User, olga: User, settle: Settle, mailoutbox: list[Any], any_date: None
) -> None:
    for later, address in ((73, "mallory@evil.example"), (2 * 73, "mallory2@evil.example")):
        moved = taken(dana, Kind.RECTIFY, ravi, olga, "My address is another one now.")
        with time_machine.travel(moved.created_at + dt.timedelta(hours=later), tick=False):
            data_answers.correct(moved, olga, contact=address)
    settle()
    mailoutbox.clear()
    with time_machine.travel(now() + dt.timedelta(days=8), tick=False):
        request = data_letters.receive(ravi, dana, Kind.ERASE)
        settle()
        told = [mail.to[0] for mail in mailoutbox if "in your name" in mail.subject]
        assert told == ["mallory2@evil.example", "dana@example.org", "mallory@evil.example"]
        with pytest.raises(Problem) as refused:
            data_letters.proved(request, ravi, "code")
        assert "proves nothing" in str(refused.value.extra["errors"])
        data_letters.proved(request, ravi, "in_person")
    with time_machine.travel(now() + dt.timedelta(days=45), tick=False):
        dana.refresh_from_db()
        assert data_requests.addresses_of(dana) == ["mallory2@evil.example"]


def test_what_dana_corrects_herself_is_told_at_the_new_address_alone(dana: Person) -> None:
    data_answers.correct_own(dana, name="Dana Hill", contact="dana@example.com")
    assert data_requests.addresses_of(dana) == ["dana@example.com"]


# --- A proof that does not come ------------------------------------------------------------------------------------


def test_a_proof_that_does_not_come_ends_the_request_and_is_told(
    dana: Person, olga: User, settle: Settle, mailoutbox: list[Any], any_date: None
) -> None:
    assert data_letters.lapse in MINUTE
    with time_machine.travel("2026-02-01T12:00Z", tick=False):
        request = data_letters.receive(olga, dana, Kind.ACCESS)
        due = request.clocks.get(purpose="ask")
        assert (due.rule_id, due.due_at) == ("office.terms.data_proof", dt.datetime(2026, 2, 15, 12, tzinfo=dt.UTC))
        on_desk = data_requests.for_desk().get()
        assert vars(on_desk)["due"] == due.due_at, "it has its place on the desk"
        settle()
    (asked,) = [mail for mail in mailoutbox if "in your name" in mail.subject]
    assert "proof" in asked.body and asked.to == ["dana@example.org"]
    with time_machine.travel("2026-02-14T12:00Z", tick=False):
        assert data_letters.lapse() == 0
    with time_machine.travel("2026-02-16T12:00Z", tick=False):
        assert data_letters.lapse() == 1 and data_letters.lapse() == 0
        settle()
    request.refresh_from_db()
    assert (request.state, request.refusal) == (State.REFUSED, "not_identified")
    assert not request.clocks.filter(state__in=("running", "paused")).exists()
    assert [mail for mail in mailoutbox if "your request" in mail.subject]
    assert list(reconciliation_rights.rights()) == []


def test_a_proof_in_time_ends_the_wait(dana: Person, olga: User) -> None:
    request = data_letters.receive(olga, dana, Kind.ACCESS)
    data_letters.proved(request, olga, "letter")
    assert request.clocks.get(purpose="ask").state == "met"
    with time_machine.travel(now() + dt.timedelta(days=20), tick=False):
        assert data_letters.lapse() == 0
