"""Who may do what: the one place for roles and conflicts of interest, as plain predicates.

Each predicate returns nothing or raises Forbidden with the reason in plain words. A conflict is one row of a table:
a sentence, and the condition under which it holds in the database. So the queue that leaves a case out, the page that
says why and the verb that refuses can never disagree. Why no policy engine: docs/decisions/0009.
"""

import uuid
from collections.abc import Collection, Iterable
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from django.db import models
from django.db.models import Case as Choose
from django.db.models import Exists, IntegerField, OuterRef, Q, QuerySet, Value, When

from accounts.models import REVIEWERS, Membership, Role, User
from core.problems import Forbidden
from policy.desk import reviewers
from policy.law import rules
from policy.models import (
    Appeal,
    Case,
    Category,
    Decision,
    DeclaredConflict,
    Notice,
    Recusal,
    StatementOfReasons,
)


class Act(StrEnum):
    """What needs a role, `subject:verb`. The code of the refusal is `<subject>.role`."""

    REVIEW = "case:review"
    TAKE_BACK = "case:take_back"
    SEE_MEDIA = "case:see_media"
    APPROVE = "decision:approve"
    HEAR_APPEAL = "appeal:hear"
    RECORD_OUT_OF_COURT = "appeal:out_of_court"
    ASK_SECOND_LOOK = "flag:raise"
    JUDGE_NOTICE = "notice:judge"
    LIFT_BLOCK = "counter_notice:lift"
    DESIGNATE_FLAGGER = "flagger:designate"
    JUDGE_MISUSE = "misuse:judge"
    SUSPEND = "suspension:impose"
    MANAGE_REVIEWERS = "reviewer:manage"
    SEE_QUALITY = "quality:see"
    EXPORT_STATEMENTS = "statement:export"
    KEEP_HASH_LIST = "hash_list:keep"
    RECORD_BASIS = "basis:record"
    STOP_CONSENT = "consent:stop"
    PLACE_HOLD = "hold:place"
    ANSWER_DATA_REQUEST = "data:answer"
    RECORD_BREACH = "breach:record"
    EDIT_RULES = "rules:edit"
    PUBLISH_RULES = "rules:publish"
    MAKE_EXPORT = "export:make"
    READ_LOG = "audit:read"
    WRITE_REPORT = "report:write"
    PUBLISH_REPORT = "report:publish"
    KEEP_REGISTER = "register:keep"
    REDACT_REGISTER = "register:redact"
    GRANT_RESEARCH = "research:grant"
    CHOOSE_EXAMPLE = "example:choose"
    READ_CASE_FILE = "case_file:read"
    KEEP_REGULATORS = "regulator:keep"
    CONSULT = "consultation:write"
    PROPOSE = "proposal:write"
    READ_COMMENTS = "comment:read"
    REFER = "referral:record"


class Allowed(NamedTuple):
    """Who may, and what everybody else reads."""

    roles: tuple[Role, ...]
    sentence: str


_OPERATING = (Role.LEAD_REVIEWER, Role.OPERATOR)
_WRITING = (Role.LEGAL, Role.POLICY_EDITOR)

ACTS: Final[dict[Act, Allowed]] = {
    Act.REVIEW: Allowed(REVIEWERS, "Reviewing cases needs the role of a reviewer."),
    Act.TAKE_BACK: Allowed((Role.LEAD_REVIEWER,), "What somebody else has in hand is put back by lead reviewers."),
    Act.SEE_MEDIA: Allowed(REVIEWERS, "The media of a case are for its reviewers."),
    Act.APPROVE: Allowed(REVIEWERS, "Approving a decision needs the role of a reviewer."),
    Act.HEAR_APPEAL: Allowed(REVIEWERS, "Deciding appeals needs the role of a reviewer."),
    Act.RECORD_OUT_OF_COURT: Allowed(
        (Role.LEAD_REVIEWER, Role.LEGAL), "What an out-of-court body does is recorded by lead reviewers and lawyers."
    ),
    Act.ASK_SECOND_LOOK: Allowed(REVIEWERS, "Asking for a second look needs the role of a reviewer."),
    Act.JUDGE_NOTICE: Allowed(REVIEWERS, "Calling a notice unfounded needs the role of a reviewer."),
    Act.LIFT_BLOCK: Allowed(
        (Role.LEAD_REVIEWER,), "Whether an action in court is there is looked at by lead reviewers."
    ),
    Act.DESIGNATE_FLAGGER: Allowed(_OPERATING, "Trusted flaggers are entered by lead reviewers and operators."),
    Act.JUDGE_MISUSE: Allowed((Role.LEAD_REVIEWER,), "Misuse is warned of and ended by lead reviewers."),
    Act.SUSPEND: Allowed((Role.LEAD_REVIEWER,), "Accounts are suspended and reinstated by lead reviewers."),
    Act.MANAGE_REVIEWERS: Allowed((Role.LEAD_REVIEWER,), "The roster of reviewers is kept by lead reviewers."),
    Act.SEE_QUALITY: Allowed((Role.LEAD_REVIEWER,), "The quality of reviews is looked at by lead reviewers."),
    Act.EXPORT_STATEMENTS: Allowed(
        _OPERATING, "Statements are exported to the transparency database by lead reviewers and operators."
    ),
    Act.KEEP_HASH_LIST: Allowed(_OPERATING, "The list of blocked copies is kept by lead reviewers and operators."),
    Act.RECORD_BASIS: Allowed(
        (Role.LEAD_REVIEWER, Role.LEGAL, Role.OPERATOR),
        "A legal basis is recorded by lead reviewers, lawyers and operators.",
    ),
    Act.STOP_CONSENT: Allowed((Role.LEAD_REVIEWER,), "A consent is stopped by the person shown, or by lead reviewers."),
    Act.PLACE_HOLD: Allowed(_OPERATING, "Holds are placed and released by lead reviewers and operators."),
    Act.ANSWER_DATA_REQUEST: Allowed(
        _OPERATING, "Requests about personal data are answered by lead reviewers and operators."
    ),
    Act.RECORD_BREACH: Allowed(_OPERATING, "Breaches are recorded by lead reviewers and operators."),
    Act.EDIT_RULES: Allowed(_WRITING, "Rules are written and submitted by policy editors and lawyers."),
    Act.PUBLISH_RULES: Allowed(
        (*_WRITING, Role.OPERATOR),
        "Rules are approved, published and retired by policy editors, lawyers and operators.",
    ),
    Act.MAKE_EXPORT: Allowed((Role.REGULATOR,), "Exports are made by regulators."),
    Act.READ_LOG: Allowed((Role.REGULATOR, Role.OPERATOR), "The audit log is read by regulators and operators."),
    Act.WRITE_REPORT: Allowed(
        (Role.LEAD_REVIEWER, Role.LEGAL, Role.OPERATOR),
        "Transparency reports are made by lead reviewers, lawyers and operators.",
    ),
    Act.PUBLISH_REPORT: Allowed(
        (Role.LEAD_REVIEWER, Role.LEGAL, Role.OPERATOR),
        "Transparency reports are published by lead reviewers, lawyers and operators.",
    ),
    Act.KEEP_REGISTER: Allowed(_OPERATING, "The register of notices is kept by lead reviewers and operators."),
    Act.REDACT_REGISTER: Allowed(
        (Role.LEAD_REVIEWER,), "What somebody wrote is redacted for researchers by lead reviewers."
    ),
    Act.GRANT_RESEARCH: Allowed(_OPERATING, "Links for researchers are given by lead reviewers and operators."),
    Act.CHOOSE_EXAMPLE: Allowed(
        (Role.LEAD_REVIEWER, Role.LEGAL),
        "The case that the public reads as an example is chosen by lead reviewers and lawyers.",
    ),
    Act.READ_CASE_FILE: Allowed((Role.REGULATOR,), "The files of cases are opened by regulators."),
    Act.KEEP_REGULATORS: Allowed((Role.OPERATOR,), "Accounts of authorities are kept by operators."),
    Act.CONSULT: Allowed(
        (Role.LEGAL, Role.LEAD_REVIEWER, Role.OPERATOR),
        "For the office, lawyers, lead reviewers and operators write to authorities.",
    ),
    Act.PROPOSE: Allowed(_WRITING, "Changes of the rules are proposed and answered by policy editors and lawyers."),
    Act.READ_COMMENTS: Allowed(
        (*_WRITING, Role.LEAD_REVIEWER), "Comments are read by policy editors, lawyers and lead reviewers."
    ),
    Act.REFER: Allowed((Role.LEAD_REVIEWER,), "What is handed to an authority is recorded by lead reviewers."),
}


def may(user: User, act: Act) -> None:
    """Raises Forbidden, saying who may, unless `user` has one of the roles of `act`."""
    roles, sentence = ACTS[act]
    if not user.has_role(*roles):
        raise Forbidden(sentence, code=f"{act.partition(':')[0]}.role")


# --- Conflicts in a case -------------------------------------------------------------------------------------------

# What took effect once, and was no measure for the meantime: who decided that has judged the case.
_JUDGED = (
    Decision.State.IN_EFFECT,
    Decision.State.EXPIRED,
    Decision.State.REVERSED,
    Decision.State.SUPERSEDED,
)
# The duty of a rule whose second person is a lead reviewer.
LEAD: Final = "second_person_is_a_lead_reviewer"
UNTRAINED: Final = "You were not trained for cases of this kind"


class Conflict(NamedTuple):
    """why: the fact, in words that a sentence can begin with. where: the rows it holds for."""

    why: str
    where: Q


def _parties(user: User) -> list[Conflict]:
    """Cases in which `user` is a party, or close to one."""
    filed = Notice.objects.filter(case=OuterRef("pk"))
    declared = DeclaredConflict.objects.filter(reviewer=user, ended_at=None)
    theirs = Membership.objects.filter(user=user).values("organisation")
    owner = Q(user=OuterRef("asset__owner")) | Q(organisation__memberships__user=OuterRef("asset__owner"))
    filer = Q(account__in=declared.values("user")) | Q(flagger__organisation__in=declared.values("organisation"))
    filer |= Q(account__memberships__organisation__in=declared.values("organisation"))
    known = Q(Exists(declared.filter(owner))) | Q(Exists(filed.filter(filer)))
    return [
        Conflict("This work is yours", Q(asset__owner=user)),
        Conflict("You filed a notice in this case", Q(Exists(filed.filter(account=user)))),
        Conflict(
            "Your organisation filed a notice in this case",
            Q(Exists(filed.filter(flagger__organisation__in=theirs))),
        ),
        Conflict("You declared a conflict with somebody in this case", known),
        Conflict(
            "You said that you should not review this case",
            Q(Exists(Recusal.objects.filter(case=OuterRef("pk"), reviewer=user))),
        ),
    ]


def _judges(user: User) -> list[Conflict]:
    """Cases that `user` has judged already, alone or as the second person, or as the hearer of an appeal."""
    judged = Q(state__in=_JUDGED, interim=False) & (Q(decider=user) | Q(approver=user))
    own = Decision.objects.filter(judged, case=OuterRef("pk"))
    # A notice that was reopened into a newer case brings the decision about it along.
    told = StatementOfReasons.objects.filter(
        notice__case=OuterRef("pk"), decision__in=Decision.objects.filter(judged).values("pk")
    )
    heard = Appeal.objects.filter(decision__case=OuterRef("pk"), decider=user)
    return [
        Conflict("You decided this case before", Q(Exists(own)) | Q(Exists(told))),
        Conflict("You decided an appeal in this case", Q(Exists(heard))),
    ]


def _untrained(user: User) -> Conflict:
    """Cases that `user` was not trained for: a child's are for who was trained for children, whatever the issue."""
    trained = reviewers.categories(user)
    fit = Q(minor=False, category__in=trained)
    return Conflict(UNTRAINED, ~(fit | Q(minor=True)) if Category.CHILD_SAFETY in trained else ~fit)


def _case_conflicts(user: User) -> list[Conflict]:
    return [*_parties(user), *_judges(user), _untrained(user)]


def conflicts(user: User) -> Q:
    """The cases that `user` may not review, for `Case.objects.exclude(…)`: parties, earlier judges, not trained."""
    return _any(_case_conflicts(user))


def _any(found: Iterable[Conflict]) -> Q:
    return reduce(or_, (conflict.where for conflict in found))


def _why(rows: "QuerySet[Any]", found: Collection[Conflict]) -> dict[uuid.UUID, str]:
    """{id: the first fact that holds}, of the rows for which one does. One query, whatever their number."""
    whens = [When(conflict.where, then=Value(n)) for n, conflict in enumerate(found)]
    first = Choose(*whens, output_field=IntegerField(null=True))
    facts = [conflict.why for conflict in found]
    named = rows.order_by().annotate(first=first).filter(first__isnull=False).values_list("pk", "first")
    return {pk: facts[n] for pk, n in named}


def first_conflict(rows: "QuerySet[Any]", found: Collection[Conflict]) -> str:
    """The first fact that holds for one of the rows; empty when none does. One query."""
    return next(iter(_why(rows, found).values()), "")


def own_cases(user: User) -> QuerySet[Case]:
    """The cases in which `user` is a party, or close to one."""
    return Case.objects.filter(_any(_parties(user)))


def party_in(cases: QuerySet[Case], user: User) -> str:
    """Why `user` is a party in one of these cases; empty when in none. Outside of cases: `policy.parties`."""
    return first_conflict(cases, _parties(user))


def _only(model: type[models.Model], row: models.Model) -> "QuerySet[Any]":
    return model._default_manager.filter(pk=row.pk)


# --- Cases ---------------------------------------------------------------------------------------------------------


def visible_cases(user: User) -> QuerySet[Case]:
    """The cases a reviewer may open: all but those in which they are a party. Children's only for who is trained
    for them; lists leave these out on top (`general_cases`), so that nobody meets one by chance (I24).
    """
    if not user.has_role(*REVIEWERS):
        return Case.objects.none()
    rows = Case.objects.exclude(_any(_parties(user)))
    return rows if Category.CHILD_SAFETY in reviewers.categories(user) else rows.exclude(minor=True)


def general_cases(user: User) -> QuerySet[Case]:
    """What general lists, searches and exports may show to `user`: no child's case, whoever looks (I24)."""
    return visible_cases(user).exclude(minor=True)


def may_open(case: Case, user: User) -> None:
    """Raises Forbidden if `user` may not open this case: no reviewer, a party, or not trained for a child's."""
    may(user, Act.REVIEW)
    if why := _why(_only(Case, case), _parties(user)).get(case.pk):
        raise Forbidden(f"{why}, so it is for other reviewers.", code="case.conflict")
    if case.minor and case.training not in reviewers.categories(user):
        raise Forbidden(f"{UNTRAINED}, so it is for other reviewers.", code="case.training")


def may_review(case: Case, user: User) -> None:
    """Raises Forbidden, with the reason in plain words, if `user` may not take this case now (I19, I24)."""
    _may_judge(case, user)
    if why := reviewers.why_not(user, case.training):
        raise Forbidden(why, code="case.resting")


def _may_judge(case: Case, user: User) -> None:
    may(user, Act.REVIEW)
    if why := _why(_only(Case, case), _case_conflicts(user)).get(case.pk):
        raise Forbidden(f"{why}, so somebody else reviews it.", code="case.conflict")


def in_hand(case: Case, user: User) -> None:
    """Raises Forbidden unless `user` has taken the case."""
    if case.assigned_to_id != user.pk:
        raise Forbidden(
            "Take the case first: only its reviewer does this.",
            code="case.not_yours",
            next_step="Assign it to yourself.",
        )


def may_decide(case: Case, user: User) -> None:
    """Raises Forbidden unless `user` has taken the case and may judge it. Pause and exposure are not asked: who has
    looked already may finish what they have in hand.
    """
    in_hand(case, user)
    _may_judge(case, user)


def may_see_media(case: Case, user: User) -> None:
    """Raises Forbidden unless `user` may open the case and was trained for what it shows (R25)."""
    may(user, Act.SEE_MEDIA)
    may_open(case, user)
    if case.training not in reviewers.categories(user):
        raise Forbidden(f"{UNTRAINED}, so its media stay sealed for you.", code="case.training")


# --- Second approvals ----------------------------------------------------------------------------------------------


def may_approve(decision: Decision, user: User) -> None:
    """Raises Forbidden if `user` may not be the second person (I18): who proposed it never is, nor any party, nor who
    judged the case before; a lead reviewer where the reason for asking wants one.
    """
    may(user, Act.APPROVE)
    if decision.decider_id == user.pk:
        raise Forbidden("You proposed this decision, so a second person approves it.", code="decision.conflict")
    if why := _why(_only(Case, decision.case), _case_conflicts(user)).get(decision.case_id):
        raise Forbidden(f"{why}, so another person approves the decision.", code="decision.conflict")
    if Role.LEAD_REVIEWER not in user.roles and (rule := _wants_lead(decision)):
        raise Forbidden(f"{rule.article}: a lead reviewer approves this decision.", code="decision.lead")


def _wants_lead(decision: Decision) -> rules.Rule | None:
    return next((rule for rule in rules.cited(decision.held_for) if LEAD in rule.duties), None)


# --- Appeals -------------------------------------------------------------------------------------------------------


def _appeal_conflicts(user: User) -> list[Conflict]:
    """Why `user` may not decide an appeal (I2): any part in it, or not trained for the case."""
    untrained = _untrained(user)
    case = Case.objects.filter(untrained.where, pk=OuterRef("decision__case"))
    return [*taken_part(user), Conflict(untrained.why, Q(Exists(case)))]


def taken_part(user: User) -> list[Conflict]:
    """The appeals in which `user` has a part: in any decision of the case, or in the case itself."""
    case = OuterRef("decision__case")
    decisions = Decision.objects.filter(case=case)
    lead = Q(decider__reviewer_profile__manager=user) | Q(approver__reviewer_profile__manager=user)
    elsewhere = Appeal.objects.filter(decision__case=case, decider=user).exclude(decision=OuterRef("decision"))
    # A notice may have moved to a newer case since; its statement of reasons stays with the decision.
    told = StatementOfReasons.objects.filter(decision=OuterRef("decision"), notice__account=user)
    return [
        Conflict("You took the decision that is appealed", Q(decision__decider=user)),
        Conflict("You approved the decision that is appealed", Q(decision__approver=user)),
        Conflict("You took a decision in this case", Q(Exists(decisions.filter(decider=user)))),
        Conflict("You approved a decision in this case", Q(Exists(decisions.filter(approver=user)))),
        Conflict("Somebody who reports to you decided in this case", Q(Exists(decisions.filter(lead)))),
        Conflict("This appeal is yours", Q(user=user)),
        *(Conflict(each.why, Q(Exists(Case.objects.filter(each.where, pk=case)))) for each in _parties(user)),
        Conflict("You filed a notice in this case", Q(Exists(told))),
        Conflict("You decided an earlier appeal in this case", Q(Exists(elsewhere))),
    ]


def why_not_appeals(user: User, appeals: "QuerySet[Appeal]") -> dict[uuid.UUID, str]:
    """{id: why `user` may not decide it} of those of `appeals` for which there is a reason. A constant number of
    queries.
    """
    found = _why(appeals, _appeal_conflicts(user))
    return {pk: _not_this_appeal(why) for pk, why in found.items()}


def _not_this_appeal(why: str) -> str:
    return f"{why}, so another reviewer decides this appeal."


def may_decide_appeal(appeal: Appeal, user: User) -> None:
    """Raises Forbidden, with the reason in plain words, if `user` may not decide this appeal (I2).

    Nobody judges their own case: not who proposed, took or approved any decision in it, not their manager, not who
    appeals, not the owner, not who filed a notice, not who declared a conflict or gave the case back.
    """
    may(user, Act.HEAR_APPEAL)
    _refuse_conflict(appeal, user)
    if appeal.assigned_to_id not in (None, user.pk):
        raise Forbidden("Somebody else hears this appeal.", code="appeal.not_yours")


def _refuse_conflict(appeal: Appeal, user: User) -> None:
    if why := why_not_appeals(user, Appeal.objects.filter(pk=appeal.pk)).get(appeal.pk):
        raise Forbidden(why, code="appeal.conflict")


def may_take_appeal_back(appeal: Appeal, user: User) -> None:
    """Raises Forbidden if `user` may not put it back on the desk out of its hearer's hands: no lead reviewer, or
    somebody who may not decide it, and so has no say in who hears it either (I2).
    """
    may(user, Act.TAKE_BACK)
    _refuse_conflict(appeal, user)


def may_hear(appeal: Appeal, user: User) -> None:
    """Raises Forbidden if `user` may not take this appeal now: as `may_decide_appeal`, and who is paused, has looked
    at enough for today, or does not read the appellant's language.
    """
    may_decide_appeal(appeal, user)
    if why := reviewers.why_not(user, appeal.decision.case.training):
        raise Forbidden(why, code="appeal.resting")
    profile = reviewers.profile_of(user)
    if profile is not None and not {appeal.language, appeal.language.partition("-")[0]} & set(profile.languages):
        raise Forbidden(
            f"This appeal is written in a language ({appeal.language}) that is not among yours on the roster, so "
            "another reviewer hears it.",
            code="appeal.language",
        )
