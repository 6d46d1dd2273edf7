"""Requests about one's own data, with legal holds placed, released and looked at again in between."""

import datetime as dt
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from ledger import vault
from policy.audits import reconciliation, reconciliation_rights
from policy.consents import consent
from policy.deciding import hashlist
from policy.filing import notices
from policy.models import Clock, DataRequest, HashEntry, Hold, Notice, Person
from policy.rights import data_answers, data_letters, data_requests, data_rights, holds, people
from tests.policy import invariants
from tests.policy.machines.conftest import Play
from tests.policy.machines.stage import Stage, again, pick

NUMBER: Final = st.integers(0, 11)
KINDS: Final = tuple(DataRequest.Kind.values)
OPEN: Final = DataRequest.OPEN
BASIS: Final = "us.dmca.512.g"


class DataRequestMachine(Stage):
    """Dana filed a notice, gave a digest of her own and agreed to a work; Dan filed one about the same work."""

    asked = (
        *(invariants.i9, invariants.i11, invariants.i12, invariants.i14, invariants.i23),
        invariants.agrees(reconciliation_rights.rights, reconciliation.answers, reconciliation.cases),
    )

    def begin(self) -> None:
        for name in ("Dana Hill", "Dan Brook"):
            notices.file_notice(
                asset=self.cast.work,
                category="likeness",
                jurisdiction="EU",
                statement="This shows me and I never agreed to it.",
                name=name,
                email=f"{name[:4].strip().lower()}@example.org",
                good_faith=True,
                as_depicted=True,
            )
            self.later()
        first = Notice.objects.order_by("pk").first()
        assert first
        hashlist.submit(first, [("pdq-256", "0f" * 32)])
        _, path = consent.ask_consent(
            self.cast.work, self.cast.alice, name="Dina", contact="dina@example.org", purposes=["publish"]
        )
        consent.grant(consent.consent_by_token(path.split("/")[2]))
        self.work_off()

    def person(self, n: int) -> Person:
        return pick(Person.objects.all(), n)

    # --- They themselves --------------------------------------------------------------------------------------------

    @rule(n=NUMBER)
    def they_have_themselves_erased(self, n: int) -> None:
        person = self.person(n)
        kept = holds.reaching(person)
        erased = data_rights.is_erased(person)
        waiting = person.data_requests.filter(kind="erase", state="partly_done").exists()
        if erased or (kept and waiting):
            problem = self.refused(lambda: data_rights.erase(person), Conflict)
            assert not kept or erased or BASIS in problem.detail, "it says what keeps it"
            return
        request = data_rights.erase(person)
        assert request.state == ("partly_done" if kept else "done")
        assert len(request.receipt["held_back"]) == len(kept)
        assert vault.has_key(person.actor) is bool(kept)
        assert bool(people.name_and_contact(again(person))[0]) is bool(kept)
        assert not any(
            consent.allows(row, "publish") for depiction in person.depictions.all() for row in depiction.consents.all()
        )
        self.reached["partly" if kept else "erased"] += 1

    @rule(n=NUMBER, kind=st.sampled_from(["access", "port", "restrict", "lift", "rectify", "human"]))
    def they_ask_for_something_else(self, n: int, kind: str) -> None:
        person = self.person(n)
        asks: dict[str, Any] = {
            "access": lambda: data_rights.access(person),
            "port": lambda: data_rights.port(person),
            "restrict": lambda: data_answers.restrict_own(person),
            "lift": lambda: data_answers.lift(person),
            "rectify": lambda: data_answers.correct_own(person, name="Dana Hall", contact="dana@example.com"),
            "human": lambda: data_answers.look_again(person, self.cast.work),
        }
        if self.tried(asks[kind], kind):
            self.reached["asked"] += 1
            if kind == "rectify":
                assert people.name_and_contact(again(person)) == ("Dana Hall", "dana@example.com")
            assert kind != "restrict" or data_requests.is_restricted(again(person))

    # --- By letter --------------------------------------------------------------------------------------------------

    @precondition(lambda self: DataRequest.objects.filter(state__in=OPEN).count() < 4)
    @rule(n=NUMBER, kind=st.sampled_from(KINDS))
    def a_letter_comes(self, n: int, kind: str) -> None:
        person, text = self.person(n), "Please do this with my data."
        self.refused(lambda: data_letters.receive(self.cast.rita, person, kind, text=text), Forbidden)
        if self.tried(lambda: data_letters.receive(self.cast.olga, person, kind, text=text), "by letter"):
            request = person.data_requests.order_by("pk").last()
            assert request and request.state == "verifying"
            assert not request.clocks.filter(state="running", rule_id="office.terms.data").exists(), "it rests"

    def _open(self, n: int, *states: str) -> DataRequest:
        rows = DataRequest.objects.filter(state__in=states).select_related("person", "user", "entry", "handled_by")
        return pick(rows, n)

    @precondition(lambda self: DataRequest.objects.filter(state="verifying").exists())
    @rule(n=NUMBER)
    def who_asks_is_proved(self, n: int) -> None:
        request, other = self._open(n, "verifying"), self._open(n, "verifying")
        self.refused(lambda: data_requests.take(request, self.cast.olga), Conflict)
        data_letters.proved(request, self.cast.ravi, "letter")
        self.refused(lambda: data_letters.proved(other, self.cast.ravi, "letter"), Conflict)
        assert not request.clocks.filter(state="paused").exists()

    @precondition(lambda self: DataRequest.objects.filter(state="received").exists())
    @rule(n=NUMBER)
    def one_takes_it_and_the_other_is_late(self, n: int) -> None:
        request, other = self._open(n, "received"), self._open(n, "received")
        data_requests.take(request, self.cast.olga)
        self.refused(lambda: data_requests.take(other, self.cast.ravi), Conflict)
        self.refused(lambda: self._carry_out(request, self.cast.ravi), Conflict)

    @precondition(lambda self: DataRequest.objects.filter(state="planned", handled_by__isnull=False).exists())
    @rule(n=NUMBER)
    def it_is_carried_out(self, n: int) -> None:
        rows = DataRequest.objects.filter(state="planned", handled_by__isnull=False)
        request = pick(rows.select_related("person", "user", "entry", "handled_by"), n)
        by = request.handled_by
        assert by
        if self.tried(lambda: self._carry_out(request, by), "carried out"):
            request = again(request)
            assert request.state != "planned" or request.kind == "human"
            alive = request.clocks.filter(state__in=("running", "paused"), purpose=Clock.Purpose.DATA_REQUEST)
            assert request.kind == "human" or not alive.exists(), "answered, and a deadline runs"

    def _carry_out(self, request: DataRequest, by: User) -> None:
        kinds: dict[str, Any] = {
            "erase": data_rights.carry_out,
            "rectify": lambda row, who: data_answers.correct(row, who, name="Dana Hall"),
            "restrict": data_answers.restrict,
            "object": data_answers.uphold,
            "human": data_answers.look_at_all,
        }
        kinds.get(request.kind, data_rights.hand_out)(request, by)

    @precondition(lambda self: DataRequest.objects.filter(state__in=OPEN).exists())
    @rule(n=NUMBER, ground=st.sampled_from(["not_identified", "duty", "", "because"]))
    def it_is_refused_on_a_ground_of_the_law(self, n: int, ground: str) -> None:
        request, other = self._open(n, *OPEN), self._open(n, *OPEN)
        if ground not in ("not_identified", "duty"):
            self.refused(lambda: data_requests.refuse(request, self.cast.olga, ground), Problem)
            return
        data_requests.refuse(request, self.cast.olga, ground)
        self.refused(lambda: data_requests.refuse(other, self.cast.olga, ground), Conflict)
        self.reached["refused"] += 1

    @precondition(lambda self: DataRequest.objects.filter(state__in=OPEN).exists())
    @rule(n=NUMBER)
    def more_time_is_taken_once(self, n: int) -> None:
        request = self._open(n, *OPEN)
        if self.tried(lambda: data_requests.extend(request, self.cast.olga, "complex"), "extended"):
            self.refused(lambda: data_requests.extend(request, self.cast.olga, "complex"), Conflict)

    # --- Holds ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: Hold.objects.filter(released_at=None).count() < 2)
    @rule(n=NUMBER, on=st.sampled_from(["person", "asset", "case", "user"]))
    def a_hold_is_placed(self, n: int, on: str) -> None:
        notice = Notice.objects.order_by("pk").first()
        assert notice
        pk = {
            "person": self.person(n).pk,
            "asset": self.cast.work.pk,
            "case": notice.case_id,
            "user": self.cast.alice.pk,
        }
        said: dict[str, Any] = {"basis": BASIS, "review_date": now().date() + dt.timedelta(days=90)}
        self.refused(lambda: holds.place_hold(self.cast.rita, on=f"{on}:{pk[on]}", **said), Forbidden)
        past = {**said, "review_date": now().date()}
        self.refused(lambda: holds.place_hold(self.cast.olga, on=f"{on}:{pk[on]}", **past), Problem)
        holds.place_hold(self.cast.olga, on=f"{on}:{pk[on]}", **said)
        self.reached["held"] += 1

    @precondition(lambda self: Hold.objects.filter(released_at=None).exists())
    @rule(n=NUMBER, needed=st.booleans())
    def a_hold_is_looked_at_again(self, n: int, needed: bool) -> None:
        hold = pick(Hold.objects.filter(released_at=None), n)
        other, later = again(hold), max(hold.review_date, now().date()) + dt.timedelta(days=30)
        if needed:
            holds.review_hold(hold, self.cast.olga, review_date=later)
            self.refused(lambda: holds.review_hold(other, self.cast.ravi, review_date=later), Conflict)
            return
        holds.release_hold(hold, self.cast.olga)
        self.refused(lambda: holds.release_hold(other, self.cast.ravi), Conflict)
        self.work_off()
        for request in DataRequest.objects.filter(kind="erase", state="partly_done"):
            assert holds.reaching(data_requests.who_asks(request)), "nothing keeps it, and it was not erased"
        self.reached["released"] += 1

    @rule(days=st.sampled_from([1, 35, 100]))
    def time_passes(self, days: int) -> None:
        self.work_off()
        self.wait(dt.timedelta(days=days))
        self.reached["missed"] += Clock.objects.filter(purpose="data", state="breached").count()

    @rule()
    def nothing_of_who_was_erased_is_left(self) -> None:
        for person in Person.objects.exclude(erased_at=None):
            assert people.name_and_contact(person) == ("", "") or vault.has_key(person.actor)
            assert not HashEntry.objects.filter(notice__filer=person).exclude(state="purged").exists()


def erased(self: DataRequestMachine) -> None:
    self.they_have_themselves_erased(0)


def held(on: str) -> Any:
    return lambda self: self.a_hold_is_placed(0, on)


def released(self: DataRequestMachine) -> None:
    self.a_hold_is_looked_at_again(0, False)


def letter(kind: str) -> Any:
    return lambda self: self.a_letter_comes(0, kind)


proved = (lambda self: self.who_asks_is_proved(0), lambda self: self.one_takes_it_and_the_other_is_late(0))
STORIES: Final[dict[str, Any]] = {
    "nothing is asked": (),
    "a hold keeps what was to be erased": (held("asset"), erased),
    "two holds, and the first is released": (held("case"), held("person"), erased, released),
    "erased after a hold": (held("asset"), erased, released),
    "a letter, proved and taken": (letter("erase"), *proved),
    "an objection and a restriction": (letter("object"), *proved, letter("restrict")),
}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("story", STORIES)
def test_what_is_asked_is_done_or_refused_and_a_hold_beats_an_erasure(story: str, run: Play) -> None:
    run(DataRequestMachine, STORIES[story], examples=2, steps=7)
