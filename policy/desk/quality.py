"""Whether reviewers agree: a random share of decisions is decided again by somebody who does not see the first answer.

A second answer changes nothing in the case. Agreement is Cohen's κ (Educational and Psychological Measurement 20,
1960) over pairs of first and second outcome, by category and by language, always with the number of pairs (R31).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.models import User
from accounts.people import reviewing_role
from core.clock import now
from core.problems import Conflict, Forbidden, invalid
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.deciding import decision_checks
from policy.desk import reviewers
from policy.models import Case, Decision, SecondReview

_SPACE: Final = 10_000


def draw(decision: Decision) -> SecondReview | None:
    """Draw the decision for a second, blind look, or not. Run inside the decision's transaction, once it takes effect.

    By the digest of the decision's id, which nobody chooses: the draw can be checked, and cannot be influenced.
    Interim measures are not drawn: they are no answer yet. Nor are children's cases: nobody looks at one for the sake
    of a figure (I24).
    """
    if decision.interim or decision.case.minor or not is_drawn(decision):
        return None
    # Its entry is the decision's own; the second answer gets one of its own.
    return SecondReview.objects.create(decision=decision, entry=decision.entry)


def is_drawn(decision: Decision) -> bool:
    """Whether this decision's id falls into the office's share (ASSAY_SECOND_REVIEW_PERCENT)."""
    number = int.from_bytes(hashlib.sha256(decision.pk.bytes).digest()[:8], "big")
    return number % _SPACE < settings.ASSAY_SECOND_REVIEW_PERCENT * _SPACE // 100


# --- Looking again -------------------------------------------------------------------------------------------------


def waiting(user: User) -> QuerySet[SecondReview]:
    """Second looks that `user` may take or has taken, the oldest first; none of their own decisions and conflicts."""
    profile = reviewers.profile_of(user)
    if profile is None or reviewers.resting(profile):
        return SecondReview.objects.none()
    fit = authority.general_cases(user).filter(language__in=profile.languages).exclude(authority.conflicts(user))
    rows = SecondReview.objects.filter(done_at=None, decision__case__in=fit.values("pk"))
    rows = rows.filter(Q(reviewer=None) | Q(reviewer=user)).exclude(decision__approver=user)
    return rows.select_related("decision__case__asset").order_by("created_at")


def in_hand(case: Case, user: User) -> SecondReview | None:
    """The second look at this case that `user` has taken and not answered: until then the first answer is hidden."""
    return SecondReview.objects.filter(decision__case=case, reviewer=user, done_at=None).first()


def take(review: SecondReview, user: User) -> SecondReview:
    """Of two who take it at once one gets it. Raises Forbidden, Conflict."""
    if not waiting(user).filter(pk=review.pk).exists():
        raise Forbidden("Somebody else looks at this one again.", code="quality.not_yours")
    if review.reviewer_id != user.pk:
        with transaction.atomic():
            free = SecondReview.objects.filter(pk=review.pk, reviewer=None, done_at=None)
            if not free.update(reviewer=user):
                raise Conflict("Somebody else took it a moment ago.", code="state.race")
            _record(review, user, {"how": "taken"})
    review.reviewer = user
    return review


def answer(review: SecondReview, user: User, *, outcome: str, rule_ids: Sequence[str]) -> SecondReview:
    """The second answer; it changes nothing but what is known about agreement. Raises Forbidden, Conflict, Problem."""
    if review.reviewer_id != user.pk:
        raise Forbidden("Take it first: only who looks again answers.", code="quality.not_yours")
    _check(review, outcome, rule_ids)
    cited = sorted(set(rule_ids))
    with transaction.atomic():
        open_one = SecondReview.objects.filter(pk=review.pk, reviewer=user, done_at=None)
        if not open_one.update(outcome=outcome, rule_ids=cited, done_at=now()):
            raise Conflict("You have answered this one.", code="quality.again")
        _record(review, user, {"how": "answered", "outcome": outcome}, rules=cited)
    review.refresh_from_db()
    return review


def put_all_back(reviewer: User) -> None:
    """Every second look that `reviewer`, whose account is closed, has not answered. In the caller's transaction."""
    for review in SecondReview.objects.filter(reviewer=reviewer, done_at=None).select_related("decision__case"):
        SecondReview.objects.filter(pk=review.pk, done_at=None).update(reviewer=None)
        _record(review, None, {"how": "put_back"})


def _check(review: SecondReview, outcome: str, rule_ids: Sequence[str]) -> None:
    known = {rule.id for rule in decision_checks.citable(review.decision.case)}
    errors = {}
    if outcome not in Decision.Outcome.values:
        errors["outcome"] = ["Choose one of the outcomes."]
    if not rule_ids or not set(rule_ids) <= known:
        errors["rule_ids"] = ["Cite at least one rule that was in force when the case was opened."]
    if errors:
        raise invalid(errors)


def _record(review: SecondReview, user: User | None, facts: dict[str, object], **about: Any) -> None:
    decision = review.decision
    log.append(
        EventType.DECISION_REVIEWED_AGAIN,
        actor=user.actor if user else "system",
        role=reviewing_role(user) if user else "system",
        object=decision.case.object,
        refs=[decision.entry] if decision.entry else [],
        facts={"decision": str(decision.pk), **facts},  # type: ignore[dict-item]
        sealed={"about": Sealed(about, decision.case.object)} if about else {},
    )


# --- Agreement -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """n: pairs. agreed: of them with the same outcome. kappa: None where chance alone would always agree, or n is 0."""

    category: str
    language: str
    n: int
    agreed: int
    kappa: float | None


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's κ of (first, second) answers; None where it is not defined: no pairs, or one and the same answer only."""
    n = len(pairs)
    if not n:
        return None
    observed = sum(first == second for first, second in pairs) / n
    first, second = Counter(one for one, _ in pairs), Counter(two for _, two in pairs)
    expected = sum(first[answer] * second[answer] for answer in first) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def agreement() -> list[Agreement]:
    """By category and language, the fullest first, after one line over all."""
    rows = _answered().values_list(
        "decision__case__category", "decision__case__language", "decision__outcome", "outcome"
    )
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {("", ""): []}
    for category, language, first, second in rows:
        groups.setdefault((category, language), []).append((first, second))
        groups["", ""].append((first, second))
    return sorted((_agreement(*key, pairs) for key, pairs in groups.items()), key=lambda one: -one.n)


def _answered() -> QuerySet[SecondReview]:
    return SecondReview.objects.exclude(done_at=None).order_by("pk")


def _agreement(category: str, language: str, pairs: Sequence[tuple[str, str]]) -> Agreement:
    return Agreement(category, language, len(pairs), sum(one == two for one, two in pairs), kappa(pairs))


def disagreements(lead: User) -> QuerySet[SecondReview]:
    """Answered, with another outcome than the first; of cases that `lead` may meet in a list, the newest first. For
    leads.
    """
    seen = authority.general_cases(lead)
    rows = _answered().exclude(outcome=F("decision__outcome")).filter(decision__case__in=seen.values("pk"))
    return rows.select_related("decision__case__asset").order_by("-done_at")
