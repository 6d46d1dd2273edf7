"""What people and time do with cases, decisions and appeals; `test_case_decision_machine.py` says where it begins."""

import datetime as dt
from typing import Any, Final

from django.core.files.base import ContentFile
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from accounts.models import User
from core import storage
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from policy import authority
from policy.consents import consent
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import asking, notice_ends, notices
from policy.models import Appeal, Case, Category, Clock, Decision, Hold, Notice, OutOfCourt, Person
from policy.redress import appeal_dialogue, appeals, out_of_court
from policy.rights import data_rights, holds
from tests.policy.conftest import REASONS, TERMS
from tests.policy.machines.stage import Stage, again, pick

NUMBER: Final = st.integers(0, 11)
WHY: Final = "The owner showed the negatives of the work."
GROUNDS: Final = "The decision is wrong: please look at the work again."
LAW: Final[dict[str, Any]] = {
    "ground": "terms",
    "rule_ids": ["eu.dsa.16.2.fields", "office.terms.consent"],
    **REASONS,
}
ONE_COUNTRY: Final[dict[str, Any]] = {"ground": "illegal", "rule_ids": ["us.tida.223a"], **REASONS}
# What a reviewer may decide; every outcome, alone and with another, by law and by our terms.
ASKED: Final[tuple[dict[str, Any], ...]] = (
    {"outcome": "hide", **LAW},
    {"outcome": "no_action", **TERMS},
    {"outcome": "remove", **LAW},
    {"outcome": "hide", "interim": True, **TERMS},
    {"outcome": "hide", "also": ["hash_block", "suspend"], **LAW},
    {"outcome": "geo_restrict", "territory": ["DK"], **TERMS},
    {"outcome": "label", **TERMS},
    {"outcome": "hide", "days": 3, **LAW},
    {"outcome": "suspend", **TERMS},
    {"outcome": "geo_restrict", "territory": ["US"], **ONE_COUNTRY},
    {"outcome": "geo_restrict", "territory": ["EU"], "interim": True, **TERMS},
    {"outcome": "age_restrict", "exemptions": ["satire"], **TERMS},
    {"outcome": "label", **TERMS, "rule_ids": ["office.terms.review"]},
)
FILED: Final[tuple[dict[str, Any], ...]] = (
    {"category": "likeness", "jurisdiction": "EU"},
    {"category": "ncii", "jurisdiction": "US"},
    {"category": "ncii", "jurisdiction": "IN", "sworn": []},
    {"category": "likeness", "jurisdiction": "DK", "exemptions": ["satire"]},
    {"category": "election", "jurisdiction": "EU"},
    {"category": "child_safety", "jurisdiction": "EU"},
    {"category": "impersonation", "jurisdiction": "EU", "answers": {"minor": "yes"}},
)
OPEN_APPEALS: Final = Appeal.UNDECIDED


def judges(case: Case) -> set[Any]:
    """Who may not judge this case (any more), found without asking the product: parties, earlier judges, recused."""
    took = case.decisions.filter(interim=False).exclude(starts_at=None).values_list("decider", "approver")
    told = Decision.objects.filter(statements__notice__case=case, interim=False).exclude(starts_at=None)
    heard = Appeal.objects.filter(decision__case=case).values_list("decider", flat=True)
    filed = case.notices.values_list("account", flat=True)
    gone = case.recusals.values_list("reviewer", flat=True)
    both = [*took, *told.values_list("decider", "approver")]
    owner = case.asset.owner_id if case.asset else None
    return {owner, *filed, *gone, *heard, *(pk for pair in both for pk in pair)} - {None}


def partial(appeal: Appeal) -> set[Any]:
    """Who may not decide this appeal (I2), found without asking the product."""
    case = appeal.decision.case
    took = [pk for pair in case.decisions.values_list("decider", "approver") for pk in pair if pk]
    managers = User.objects.filter(manages__user__in=took).values_list("pk", flat=True)
    heard = Appeal.objects.filter(decision__case=case).exclude(decision=appeal.decision).exclude(decider=None)
    told = appeal.decision.statements.exclude(notice=None).values_list("notice__account", flat=True)
    filed = case.notices.values_list("account", flat=True)
    gone = case.recusals.values_list("reviewer", flat=True)
    owner = case.asset.owner_id if case.asset else None
    return {owner, *took, *managers, *heard.values_list("decider", flat=True), *told, *filed, *gone} - {None}


class CaseMachine(Stage):
    """Where an example begins is a story; what happens then is up to hypothesis."""

    def begin(self) -> None:
        storage.keep_bytes(b"what the work shows")  # an earlier example may have deleted it for good
        _, path = consent.ask_consent(
            self.cast.work, self.cast.alice, name="Dana Hill", contact="dana@example.org", purposes=["publish"]
        )
        self.dana = consent.grant(consent.consent_by_token(path.split("/")[2])).depiction.person

    # --- Notices ----------------------------------------------------------------------------------------------------

    def _file(self, said: dict[str, Any], **who: Any) -> None:
        more = {"sworn": ["tida.not_consensual"], "name": "Dana Hill", "email": "dana@example.org", **said, **who}
        statement = "This shows me and I never agreed to it."
        notices.file_notice(asset=self.cast.work, statement=statement, good_faith=True, as_depicted=True, **more)

    @precondition(lambda self: Notice.objects.count() < 4)
    @rule(said=st.sampled_from(FILED), by_bob=st.booleans())
    def somebody_files_a_notice(self, said: dict[str, Any], by_bob: bool) -> None:
        self.tried(lambda: self._file(said, by=self.cast.bob if by_bob else None), "filed")

    @precondition(lambda self: Notice.objects.filter(state="incomplete").exists())
    @rule(n=NUMBER)
    def the_filer_adds_what_is_missing(self, n: int) -> None:
        notice = pick(Notice.objects.filter(state="incomplete").select_related("case", "filer"), n)
        answers = {"name": "Dana Hill", "email": "dana@example.org", "more": "Look at the left."}
        sworn = [each.removeprefix("sworn:") for each in notice.missing if each.startswith("sworn:")]
        details = {each: "as asked" for each in notice.missing if each in ("work", "signature", "provision")}
        self.tried(lambda: notices.complete_notice(notice, **answers, sworn=sworn, details=details), "completed")

    @precondition(lambda self: Notice.objects.filter(state="valid").exists())
    @rule(n=NUMBER)
    def the_filer_takes_it_back(self, n: int) -> None:
        notice = pick(Notice.objects.filter(state="valid").select_related("case", "filer"), n)
        other = again(notice)
        notice_ends.withdraw(notice)
        self.refused(lambda: notice_ends.withdraw(other), Conflict)

    @precondition(lambda self: Notice.objects.filter(state="valid", case__state="in_review").exists())
    @rule(n=NUMBER)
    def the_reviewer_asks_the_filer(self, n: int) -> None:
        notice = pick(Notice.objects.filter(state="valid", case__state="in_review").select_related("case"), n)
        assert notice.case.assigned_to
        asking.ask(notice.case, notice.case.assigned_to, notice, ["statement"])
        self.reached["asked"] += 1

    # --- The desk ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: Case.objects.filter(state__in=Case.WAITING).exists())
    @rule(n=NUMBER, who=NUMBER)
    def a_reviewer_takes_a_case_and_a_second_one_is_late(self, n: int, who: int) -> None:
        case = pick(Case.objects.filter(state__in=Case.WAITING).select_related("asset"), n)
        reviewer, other = self.cast.reviewers[who % 4], again(case)
        if reviewer.pk in judges(case):
            self.refused(lambda: cases.assign(case, reviewer), Forbidden)
            return
        cases.assign(case, reviewer)
        self.refused(lambda: cases.assign(other, reviewer), Conflict)

    @precondition(lambda self: Case.objects.filter(state="in_review").exists())
    @rule(n=NUMBER, put_back=st.booleans())
    def a_reviewer_gives_a_case_back(self, n: int, put_back: bool) -> None:
        case = pick(Case.objects.filter(state="in_review").select_related("assigned_to"), n)
        assert case.assigned_to
        if put_back or case.recusals.count() > 1:
            cases.release(case, case.assigned_to)
        else:
            cases.recuse(case, case.assigned_to, "conflict")
            self.reached["recused"] += 1

    @precondition(lambda self: Case.objects.filter(state__in=("in_review", "awaiting_info", "proposed")).exists())
    @rule(n=NUMBER, own=st.booleans())
    def a_lead_takes_a_case_back_or_who_proposed_the_proposal(self, n: int, own: bool) -> None:
        rows = Case.objects.filter(state__in=("in_review", "awaiting_info", "proposed"))
        case = pick(rows.select_related("asset", "assigned_to"), n)
        held = case.decisions.filter(state="held").select_related("case", "decider", "entry").first()
        self.refused(lambda: cases.take_back(case, self.cast.rosa, "She is away."), Forbidden)
        if held and own:
            self.refused(
                lambda: decisions.withdraw_proposal(
                    held, self.cast.ravi if held.decider != self.cast.ravi else self.cast.rita
                ),
                Forbidden,
            )
            decisions.withdraw_proposal(held, held.decider)
        elif self.tried(lambda: cases.take_back(case, self.cast.ravi, "She is away."), "taken back"):
            assert again(case).assigned_to is None
        assert not held or again(held).state == "withdrawn" or not own

    # --- Deciding ---------------------------------------------------------------------------------------------------

    def _decide(self, case: Case, by: User, asked: dict[str, Any], **more: Any) -> Decision:
        said = {name: value for name, value in asked.items() if name != "days"}
        if "days" in asked:
            said["ends_at"] = now() + dt.timedelta(days=asked["days"])
        return decisions.decide(case, by, **said, **more)

    @precondition(lambda self: Case.objects.filter(state="in_review").exists())
    @rule(n=NUMBER, asked=st.sampled_from(ASKED))
    def the_reviewer_decides_and_again_at_once(self, n: int, asked: dict[str, Any]) -> None:
        case = pick(Case.objects.filter(state="in_review").select_related("asset", "assigned_to"), n)
        other, by = Case.objects.select_related("asset").get(pk=case.pk), case.assigned_to
        assert by
        weighed = {**asked, "exemptions": sorted({*asked.get("exemptions", ()), *self._claims(case)})}
        if not self.tried(lambda: self._decide(case, by, weighed), "decided"):
            return  # `us.tida.223a` was no law in this case
        self.reached[f"decided {asked['outcome']}"] += 1
        if not asked.get("interim"):
            self.refused(lambda: self._decide(other, by, weighed), Conflict, Forbidden)

    def _claims(self, case: Case) -> set[str]:
        return {each for notice in case.notices.all() for each in notice.exemptions}

    @precondition(lambda self: Case.objects.filter(state="in_review").exists())
    @rule(n=NUMBER, asked=st.sampled_from(ASKED))
    def nobody_else_decides_it(self, n: int, asked: dict[str, Any]) -> None:
        case = pick(Case.objects.filter(state="in_review").select_related("asset"), n)
        for other in (*self.cast.reviewers, self.cast.alice, self.cast.mallory, self.cast.olga):
            if other.pk != case.assigned_to_id:
                self.refused(lambda by=other: self._decide(case, by, asked), Forbidden)  # type: ignore[misc]
        assert case.assigned_to
        stale = case.version - 1
        self.refused(lambda: self._decide(case, case.assigned_to, ASKED[1], version=stale), Problem)  # type: ignore[arg-type]

    @precondition(lambda self: Decision.objects.filter(state="held").exists())
    @rule(n=NUMBER, who=NUMBER, agrees=st.booleans())
    def a_second_person_reads_the_proposal(self, n: int, who: int, agrees: bool) -> None:
        held = Decision.objects.filter(state="held").select_related("case__asset", "decider", "entry")
        decision, by = pick(held, n), self.cast.reviewers[who % 4]
        other = held.get(pk=decision.pk)
        if by.pk in judges(decision.case) | {decision.decider_id}:
            self.refused(lambda: decisions.approve(decision, by), Forbidden)
            self.refused(lambda: decisions.send_back(decision, by, "It should be labelled only."), Forbidden)
        elif not agrees:
            decisions.send_back(decision, by, "It should be labelled only.")
            self.reached["sent back"] += 1
            self.refused(lambda: decisions.approve(other, by), Conflict, Forbidden)
        elif self.tried(lambda: decisions.approve(decision, by), "approved"):
            self.refused(lambda: decisions.approve(other, by), Conflict, Forbidden)
        else:  # a notice that came meanwhile claims what was not weighed
            assert not self._claims(decision.case) <= set(decision.exemptions)

    # --- Appeals ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: Decision.objects.filter(state__in=("in_effect", "expired", "reversed")).exists())
    @rule(n=NUMBER, who=st.sampled_from(["user", "notice", "person"]))
    def somebody_appeals(self, n: int, who: str) -> None:
        rows = Decision.objects.filter(state__in=("in_effect", "expired", "reversed")).select_related(
            "case__asset", "entry"
        )
        decision = pick(rows, n)
        given: dict[str, Any] = {"user": self.cast.alice, "person": self.dana}
        told = decision.statements.exclude(notice=None).first()
        if who == "notice" and told:
            given["notice"] = told.notice
        if who not in given:
            return
        appellant = {who: given[who]}
        if self.tried(lambda: appeals.file_appeal(decision, **appellant, grounds=GROUNDS), f"appealed by {who}"):
            self.refused(lambda: appeals.file_appeal(decision, **appellant, grounds=GROUNDS), Conflict)

    @rule(n=NUMBER)
    def mallory_appeals_what_does_not_concern_her(self, n: int) -> None:
        rows = Decision.objects.exclude(state="held").select_related("case__asset", "entry")
        if rows.exists():
            decision = pick(rows, n)
            self.refused(lambda: appeals.file_appeal(decision, user=self.cast.mallory, grounds=GROUNDS), Forbidden)

    @precondition(lambda self: Appeal.objects.filter(state__in=OPEN_APPEALS).exists())
    @rule(n=NUMBER, who=NUMBER, outcome=st.sampled_from(["overturn", "uphold", "modify", "inadmissible"]), to=NUMBER)
    def somebody_else_decides_the_appeal(self, n: int, who: int, outcome: str, to: int) -> None:
        appeal, hearer = pick(undecided(), n), self.cast.reviewers[who % 4]
        other, case = undecided().get(pk=appeal.pk), appeal.decision.case
        said: dict[str, Any] = {"outcome": outcome, "reasons": WHY}
        if outcome == "modify":
            instead = {name: value for name, value in ASKED[to].items() if name not in ("interim", "days")}
            said["replacement"] = {**instead, "exemptions": sorted(self._claims(case))}
        if hearer.pk in partial(appeal):
            self.refused(lambda: appeals.decide_appeal(appeal, hearer, **said), Forbidden)
            self.refused(lambda: appeals.assign(appeal, hearer), Forbidden)
        elif outcome == "modify" and case.state in Case.UNDECIDED:
            self.refused(lambda: appeals.decide_appeal(appeal, hearer, **said))  # whoever has the case decides it
        elif self.tried(lambda: appeals.decide_appeal(appeal, hearer, **said), f"appeal: {outcome}"):
            self.reached[f"{outcome} for the {appeal.role}"] += 1
            self.refused(
                lambda: appeals.decide_appeal(other, hearer, outcome="uphold", reasons=WHY), Conflict, Forbidden
            )

    @precondition(lambda self: Appeal.objects.filter(state__in=OPEN_APPEALS).exists())
    @rule(n=NUMBER, who=NUMBER, ends=st.sampled_from(["answer", "lapse", "withdraw", "release"]))
    def an_appeal_is_talked_about(self, n: int, who: int, ends: str) -> None:
        appeal, hearer = pick(undecided(), n), self.cast.reviewers[who % 4]
        if not self.tried(lambda: appeals.assign(appeal, hearer)):
            return
        if ends == "release":
            appeals.release(appeal, hearer)
            return
        appeal_dialogue.ask(appeal, hearer, "Do you have the negatives?")
        self.reached[f"asked, then {ends}"] += 1
        if ends == "answer":
            appeal_dialogue.answer(appeal, "Yes, here.", [ContentFile(b"frames 1 to 12", name="negatives.txt")])
        elif ends == "withdraw":
            appeals.withdraw(appeal)
        else:
            self.wait(dt.timedelta(days=15))

    @precondition(lambda self: Appeal.objects.filter(state="decided").exists())
    @rule(n=NUMBER, outcome=st.sampled_from(["appellant", "office", "settled"]), complied=st.booleans())
    def a_body_outside_looks_at_it(self, n: int, outcome: str, complied: bool) -> None:
        appeal = pick(Appeal.objects.filter(state="decided").select_related("decision__case__asset", "entry"), n)
        self.refused(
            lambda: out_of_court.open_dispute(appeal, self.cast.rosa, body="A Body", reference="1/26"), Forbidden
        )
        if appeal.decider == self.cast.ravi:
            self.refused(
                lambda: out_of_court.open_dispute(appeal, self.cast.ravi, body="A Body", reference="1/26"), Forbidden
            )
        dispute = out_of_court.open_dispute(appeal, self.cast.lena, body="A Body", reference="1/26")
        self.every_invariant_holds()
        other = OutOfCourt.objects.select_related("appeal__decision__case__asset", "entry").get(pk=dispute.pk)
        said: dict[str, Any] = {"outcome": outcome, "complied": complied}
        if complied and outcome == "appellant":
            self.refused(lambda: out_of_court.close_dispute(dispute, self.cast.lena, **said), Forbidden)
            said["document"] = ContentFile(b"For the appellant.", name="award.txt")
        if self.tried(lambda: out_of_court.close_dispute(dispute, self.cast.leo, **said), "out of court"):
            self.refused(lambda: out_of_court.close_dispute(other, self.cast.leo, **said), Conflict)

    # --- What happens besides ---------------------------------------------------------------------------------------

    @rule(days=st.sampled_from([1, 4, 8, 40, 200]))
    def time_passes(self, days: int) -> None:
        self.wait(dt.timedelta(days=days))
        closed = Case.objects.filter(state="closed").count()
        self.reached["closed"] += closed
        self.reached["purged"] += Decision.objects.filter(actions__kind="purge", actions__state="executed").count()
        self.reached["missed"] += Clock.objects.filter(state="breached").count()

    @precondition(lambda self: not Hold.objects.filter(released_at=None).exists())
    @rule(on=st.sampled_from(["asset", "case"]))
    def a_hold_is_placed(self, on: str) -> None:
        about = self.cast.work if on == "asset" else Case.objects.order_by("pk").first()
        assert about
        day = now().date() + dt.timedelta(days=60)
        holds.place_hold(self.cast.olga, on=f"{on}:{about.pk}", basis="us.dmca.512.g", review_date=day)

    @precondition(lambda self: Hold.objects.filter(released_at=None).exists())
    @rule()
    def the_hold_is_released(self) -> None:
        hold = Hold.objects.get(released_at=None)
        other = again(hold)
        self.refused(lambda: holds.release_hold(hold, self.cast.rosa), Forbidden)
        holds.release_hold(hold, self.cast.olga)
        self.refused(lambda: holds.release_hold(other, self.cast.olga), Conflict)

    @precondition(lambda self: Person.objects.filter(erased_at=None, notices__isnull=False).exists())
    @rule(n=NUMBER)
    def dana_has_herself_erased(self, n: int) -> None:
        """In the middle of it: the case goes on as before, without her name."""
        person = pick(Person.objects.filter(erased_at=None, notices__isnull=False).distinct(), n)
        if self.tried(lambda: data_rights.erase(person), "erased"):
            assert b"Dana" not in b"".join(bytes(row.sealed_text) for row in person.notices.all())

    @rule(who=NUMBER)
    def the_desk_shows_what_one_may_take(self, who: int) -> None:
        """The list leaves out exactly the cases that the verb would refuse."""
        user = self.cast.reviewers[who % 4]
        waiting = Case.objects.filter(state__in=Case.WAITING).select_related("asset")
        listed = set(waiting.exclude(authority.conflicts(user)))
        assert listed == {case for case in waiting if user.pk not in judges(case)}
        assert not authority.general_cases(user).filter(category=Category.CHILD_SAFETY).exists()


def undecided() -> Any:
    rows = Appeal.objects.filter(state__in=OPEN_APPEALS)
    return rows.select_related("decision__case__asset", "notice__filer", "person", "user", "entry")
