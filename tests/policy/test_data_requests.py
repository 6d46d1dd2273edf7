"""Every kind of request about one's own data, from asking to the answer: none is accepted and never carried out."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger import vault
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.audits import reconciliation_rights
from policy.consents import consent
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, Clock, DataRequest, Notice, Person
from policy.rights import data_answers, data_letters, data_requests, data_rights, people
from policy.rights.data_requests import Kind, State
from provenance import restriction
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, leaf_of

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]


@pytest.fixture
def dana(asset: Asset, file_notice: FileNotice) -> Person:
    return file_notice(asset)[0].filer


def carry_out(request: DataRequest, by: User) -> None:
    """As the desk's page does for each kind."""
    match request.kind:
        case Kind.ERASE:
            data_rights.carry_out(request, by)
        case Kind.RECTIFY:
            data_answers.correct(request, by, name="Dana Hall")
        case Kind.RESTRICT:
            data_answers.restrict(request, by)
        case Kind.OBJECT:
            data_answers.uphold(request, by)
        case Kind.HUMAN:
            data_answers.look_at_all(request, by)
        case _:
            data_rights.hand_out(request, by)


@pytest.mark.parametrize("kind", Kind.values)
def test_a_request_of_every_kind_that_came_by_letter_is_carried_out(
    kind: str, dana: Person, olga: User, ravi: User, rita: User, settle: Settle, any_date: None
) -> None:
    request = data_letters.receive(olga, dana, kind, text="Please do this with my data.")
    assert request.state == State.VERIFYING
    data_letters.proved(request, ravi, "letter")
    data_requests.take(request, olga)
    with time_machine.travel(now() + data_letters.TO_STOP_IT, tick=False):
        carry_out(request, olga)
    if kind == Kind.HUMAN:
        settle_case(request, rita)
    request.refresh_from_db()
    assert request.state == State.DONE and request.done_at
    assert not request.clocks.filter(state__in=Clock.ALIVE, purpose=Clock.Purpose.DATA_REQUEST).exists()
    settle()
    assert list(reconciliation_rights.rights()) == []


def test_a_lead_puts_a_request_back_that_nobody_goes_on_with(dana: Person, olga: User, ravi: User) -> None:
    request = data_requests.ask(dana, Kind.OBJECT, text="I object to statistics.")
    with pytest.raises(Conflict, match="Nobody has"):
        data_requests.take_back(request, ravi, "Olga is ill.")
    data_requests.take(request, olga)
    with pytest.raises(Forbidden):
        data_requests.take_back(request, olga, "I am going away.")
    with pytest.raises(Problem, match="few words"):
        data_requests.take_back(request, ravi, "")
    data_requests.take_back(request, ravi, "Olga is ill.")
    assert leaf_of("data:put_back")["object"] == f"request:{request.pk}"
    assert {clock.state for clock in request.clocks.all()} == {"running"}
    data_requests.take(DataRequest.objects.get(), ravi)
    assert DataRequest.objects.get().handled_by == ravi
    asked = data_answers.look_again(dana, Asset.objects.get())
    with pytest.raises(Conflict, match="Nobody has"):  # it waits for its case
        data_requests.take_back(asked, ravi, "Olga is ill.")
    assert list(reconciliation_rights.rights()) == []


def test_a_digest_alone_names_no_work_that_is_not_public(asset: Asset, file_notice: FileNotice, dana: Person) -> None:
    stranger = file_notice(name="Mallory", email="m@example.org", file_sha256=asset.original_sha256)[0].filer
    assert data_answers.works_of(stranger, told=True) == [asset]
    restriction.restrict(asset, "hidden")
    assert data_answers.works_of(stranger) == [asset] and data_answers.works_of(stranger, told=True) == []
    with pytest.raises(NotFound):
        data_answers.look_again(stranger, asset)
    assert data_answers.works_of(dana, told=True) == [asset], "she named it herself"


def settle_case(request: DataRequest, rita: User) -> None:
    assert data_answers.settle() == 0
    for pk in request.receipt["cases"]:
        case = cases.assign(Case.objects.get(pk=pk), rita)
        decisions.decide(case, rita, outcome="no_action", **TERMS)
    assert data_answers.settle() == 1


def test_what_can_be_done_at_once_is_done_at_once(dana: Person) -> None:
    made = [data_rights.access(dana)[0], data_rights.port(dana)[0], data_answers.restrict_own(dana)]
    made += [data_answers.correct_own(dana, name="Dana Hall", contact="dana@example.com"), data_rights.erase(dana)]
    assert {request.state for request in made} == {State.DONE}


def test_what_they_gave_is_what_they_take_along(dana: Person) -> None:
    _, given = data_rights.port(dana)
    text = json.dumps(given)
    assert "Dana Hill" in text and "never agreed" in text
    assert "digest" not in text, "what this office made of it is not theirs to take along"


def test_a_correction_is_sealed_in_the_log_and_the_old_value_stays_as_it_was(dana: Person) -> None:
    data_answers.correct_own(dana, name="Dana Hall", contact="dana@example.com")
    dana.refresh_from_db()
    assert people.name_and_contact(dana) == ("Dana Hall", "dana@example.com")
    assert dana.contact_mark == people.mark("dana@example.com")
    opened = {one.name: one.value for one in disclosures_for(Entry.objects.get(type="data:answered"))}
    assert opened["new"] == {"name": "Dana Hall", "contact": "dana@example.com"}
    filed = {one.name: one.value for one in disclosures_for(Entry.objects.get(type="notice:filed"))}
    assert "Dana Hill" in json.dumps(filed)
    assert "Hall" not in b"".join(bytes(entry.leaf) for entry in Entry.objects.all()).decode()


def test_an_operator_corrects_name_and_title_of_an_account_and_nothing_of_others(
    asset: Asset, alice: User, bob: User, olga: User
) -> None:
    request = data_requests.ask(bob, Kind.RECTIFY, text="My name and the title are wrong.")
    data_requests.take(request, olga)
    with pytest.raises(NotFound):
        data_answers.correct(request, olga, name="Robert", titles={str(asset.pk): "Mine"})
    bob.refresh_from_db()
    asset.refresh_from_db()
    assert (bob.name, asset.title) == ("Bob", "Harbour at noon")
    with pytest.raises(Problem, match="wrong"):
        data_answers.correct(request, olga, contact="bob@example.com")
    data_answers.correct(request, olga, name="Robert")
    bob.refresh_from_db()
    assert bob.name == "Robert"


def test_only_who_has_taken_a_request_carries_it_out(dana: Person, olga: User, ravi: User, rita: User) -> None:
    request = data_requests.ask(dana, Kind.RECTIFY, text="My name is written wrongly.")
    with pytest.raises(Forbidden):
        data_requests.take(request, rita)
    with pytest.raises(Conflict, match="Take the request"):
        data_answers.correct(request, olga, name="Dana Hall")
    data_requests.take(request, olga)
    assert leaf_of("access:audited")["facts"] == {"what": "data_request", "kind": "rectify"}
    with pytest.raises(Conflict):
        data_answers.correct(request, ravi, name="Dana Hall")


def test_nobody_answers_their_own_request(olga: User) -> None:
    request = data_requests.ask(olga, Kind.OBJECT, text="I object to statistics about me.")
    with pytest.raises(Conflict, match="your own"):
        data_requests.take(request, olga)


# --- Deadlines -----------------------------------------------------------------------------------------------------


def test_the_month_rests_where_its_rule_lets_it_while_proof_is_waited_for(
    dana: Person, olga: User, any_date: None
) -> None:
    with time_machine.travel("2026-01-31T12:00Z", tick=False):
        request = data_letters.receive(olga, dana, Kind.OBJECT, text="I object to statistics about me.")
    states = dict(request.clocks.values_list("rule_id", "state"))
    assert states["office.terms.data"] == Clock.State.PAUSED
    with time_machine.travel("2026-02-10T12:00Z", tick=False):
        data_letters.proved(request, olga, "in_person")
    office = request.clocks.get(rule_id="office.terms.data")
    assert office.due_at == dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC), "28 February, and the ten days of waiting"


def test_two_more_months_are_taken_once_and_told_with_the_reason(
    dana: Person, olga: User, settle: Settle, mailoutbox: list[Any], any_date: None
) -> None:
    with time_machine.travel("2026-01-31T12:00Z", tick=False):
        request = data_requests.ask(dana, Kind.OBJECT, text="I object to statistics about me.")
    with time_machine.travel("2026-02-20T12:00Z", tick=False):
        data_requests.extend(request, olga, "complex")
        with pytest.raises(Conflict):
            data_requests.extend(request, olga, "complex")
        settle()
    due = {clock.rule_id: clock.due_at for clock in request.clocks.all()}
    assert due["eu.gdpr.12.3"] == dt.datetime(2026, 4, 30, 12, tzinfo=dt.UTC)
    (told,) = [mail for mail in mailoutbox if "your request" in mail.subject]
    assert told.to == ["dana@example.org"] and "object" not in told.body.lower(), "mail is open"


def test_a_refusal_has_a_ground_and_ends_the_clock(dana: Person, olga: User, settle: Settle) -> None:
    request = data_requests.ask(dana, Kind.OBJECT, text="I object to statistics about me.")
    assert data_requests.objects(dana)
    with pytest.raises(Problem):
        data_requests.refuse(request, olga, "because")
    data_requests.refuse(request, olga, DataRequest.Refusal.DUTY)
    assert leaf_of("data:refused")["facts"] == {"kind": "object", "ground": "duty"}
    assert not data_requests.objects(dana)
    with pytest.raises(Conflict):
        data_requests.refuse(request, olga, DataRequest.Refusal.DUTY)


def test_the_desk_lists_what_is_due_first_first_with_few_queries(
    asset: Asset, file_notice: FileNotice, any_date: None, django_assert_num_queries: Any
) -> None:
    for day, name in ((3, "Eve"), (1, "Dana"), (2, "Finn")):
        with time_machine.travel(f"2026-02-0{day}T12:00Z", tick=False):
            filer = file_notice(asset, name=name, email=f"{name}@example.org".lower())[0].filer
            data_requests.ask(filer, Kind.OBJECT, text="I object to statistics about me.")
    with django_assert_num_queries(1):
        rows = list(data_requests.for_desk())
        names = [row.person for row in rows]
    assert [row.created_at.day for row in rows] == [1, 2, 3] and len(names) == 3


# --- What others must heed -----------------------------------------------------------------------------------------


def test_an_objection_of_somebody_shown_reaches_the_work_until_it_is_refused(
    asset: Asset, alice: User, olga: User
) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="", purposes=["publish"])
    assert not data_requests.objects(asset)
    request = data_requests.ask(asked.depiction.person, Kind.OBJECT, text="I object to being compared.")
    assert data_requests.objects(asset) and data_requests.objects(asked.depiction.person)
    assert not data_requests.objects(alice)
    data_requests.refuse(request, olga, DataRequest.Refusal.DUTY)
    assert not data_requests.objects(asset)


def test_a_restriction_of_somebody_shown_keeps_the_work_from_being_used_until_it_is_lifted(
    asset: Asset, alice: User, olga: User, settle: Settle, mailoutbox: list[Any]
) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana", contact="dana@example.org", purposes=["publish"])
    dana = asked.depiction.person
    mailoutbox.clear()
    data_answers.restrict_own(dana)
    with pytest.raises(Conflict, match="stored and not used"):
        data_requests.refuse_restricted(asset)
    data_answers.lift(dana, by=olga)
    data_requests.refuse_restricted(asset)
    settle()
    assert any("request about your data" in mail.subject for mail in mailoutbox), "told before it is used again"
    with pytest.raises(Conflict):
        data_answers.lift(dana)


def test_an_account_is_restricted_by_an_operator_and_works_of_its_own_with_it(
    asset: Asset, alice: User, olga: User
) -> None:
    request = data_requests.ask(alice, Kind.RESTRICT)
    assert not data_requests.is_restricted(alice)
    data_requests.take(request, olga)
    data_answers.restrict(request, olga)
    assert data_requests.is_restricted(alice) and data_requests.is_restricted(asset)
    data_answers.lift(alice)
    assert not data_requests.is_restricted(alice)


def test_a_person_looks_again_at_a_work_that_concerns_who_asks(
    asset: Asset, make_asset: Any, bob: User, dana: Person, rita: User
) -> None:
    with pytest.raises(NotFound):
        data_answers.look_again(dana, make_asset(bob, "Somebody else"))
    request = data_answers.look_again(dana, asset)
    case = Case.objects.get(pk=request.receipt["cases"][0])
    assert case.category == "privacy" and case.next_due_at, "it has its place in the queue"
    settle_case(request, rita)
    request.refresh_from_db()
    assert request.state == State.DONE


def test_the_same_is_not_asked_twice_and_not_for_who_was_erased(dana: Person) -> None:
    data_requests.ask(dana, Kind.OBJECT, text="I object to statistics about me.")
    with pytest.raises(Conflict, match="already"):
        data_requests.ask(dana, Kind.OBJECT, text="I object to statistics about me.")
    with pytest.raises(Problem):
        data_requests.ask(dana, Kind.RECTIFY, text="no")
    data_rights.erase(dana)
    with pytest.raises(Conflict, match="erased"):
        data_requests.ask(dana, Kind.RECTIFY, text="My name is written wrongly.")
    assert not vault.has_key(dana.actor)


def test_what_they_wrote_goes_with_them(dana: Person) -> None:
    request = data_requests.ask(dana, Kind.OBJECT, text="I, Dana, object to statistics.")
    assert data_requests.text_of(request) == "I, Dana, object to statistics."
    data_rights.erase(dana)
    request.refresh_from_db()
    assert bytes(request.sealed_text) == b"" and data_requests.text_of(request) == ""


def test_an_account_sees_and_erases_what_its_notices_said(asset: Asset, file_notice: FileNotice, bob: User) -> None:
    notice, _ = file_notice(asset, by=bob, name="Bob Baker")
    held = json.dumps(data_rights.what_we_hold(bob), default=str)
    assert "Bob Baker" in held and "never agreed" in held
    data_rights.erase(bob)
    assert not vault.has_key(notice.filer.actor)
    assert Notice.objects.get().sealed_text in (b"", memoryview(b""))
    assert Person.objects.get(pk=notice.filer_id).erased_at is not None


def test_erasing_says_beforehand_what_will_be_done_to_which_column(dana: Person) -> None:
    plan = {step["field"]: step["method"] for step in data_rights.plan(dana)}
    assert plan["policy.Person.sealed_contact"] == "key destroyed"
    assert plan["policy.Notice.filer"] == "kept"
    request = data_rights.erase(dana)
    assert {step["field"] for step in request.plan} >= set(plan)
    assert now() >= request.created_at
