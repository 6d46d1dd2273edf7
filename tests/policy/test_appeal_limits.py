"""An appeal never makes it worse for who appeals, in any dimension, nor takes a case out of somebody's hands."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Role, User
from core.clock import now
from core.problems import Conflict, Problem
from policy.deciding import decisions
from policy.desk import cases
from policy.models import (
    Appeal,
    Case,
    Decision,
    Notice,
)
from policy.redress import appeal_limits, appeals
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import TERMS

pytestmark = pytest.mark.django_db
GROUNDS = "The label is wrong: this is a photograph of my own harbour."
WHY = "The owner showed the negatives of the work."
LATER, LATEST = (now() + timedelta(days=days) for days in (30, 300))
SHAPES: list[dict[str, Any]] = [
    {"outcome": "no_action"},
    {"outcome": "label"},
    {"outcome": "label", "ends_at": LATER},
    {"outcome": "age_restrict", "also": ["suspend"]},
    {"outcome": "geo_restrict", "territory": ["DK"]},
    {"outcome": "geo_restrict", "territory": ["EU"], "also": ["hash_block"]},
    {"outcome": "geo_restrict", "territory": ["US", "DK"]},
    {"outcome": "hide"},
    {"outcome": "hide", "ends_at": LATER},
    {"outcome": "hide", "ends_at": LATEST, "also": ["hash_block"]},
    {"outcome": "remove"},
    {"outcome": "hash_block"},
    {"outcome": "hash_block", "territory": ["DK"]},
    {"outcome": "suspend"},
    {"outcome": "suspend", "ends_at": LATEST},
]


@pytest.fixture
def hidden(case: Case, rita: User) -> Decision:
    return decisions.decide(case, rita, outcome="hide", **TERMS)


@pytest.fixture
def appeal(hidden: Decision, alice: User) -> Appeal:
    return appeals.file_appeal(hidden, user=alice, grounds=GROUNDS)


def _bites(said: dict[str, Any], place: str, at: Any) -> tuple[int, bool, bool]:
    """What somebody in that place cannot see at that moment, and what else the owner bears then."""
    if "ends_at" in said and at >= said["ends_at"]:
        return (0, False, False)
    outcomes, where = {said["outcome"], *said.get("also", ())}, said.get("territory", [])
    here = not where or place in where or ("EU" in where and place == "DK")
    seen = {"label": 1, "age_restrict": 2, "geo_restrict": 3 if here else 0, "hide": 3, "remove": 4}
    unseen = max((seen.get(outcome, 0) for outcome in outcomes), default=0)
    return (unseen, here and "hash_block" in outcomes, "suspend" in outcomes)


def test_one_decision_is_within_another_exactly_when_it_bites_nowhere_and_never_more() -> None:
    """Over all pairs: in Denmark, Germany, the United States and elsewhere; now, in two months and in a year."""
    places, moments = ("DK", "EU", "US", ""), [now() + timedelta(days=days) for days in (0, 60, 400)]
    for old in SHAPES:
        for new in SHAPES:
            bites = [(_bites(new, place, at), _bites(old, place, at)) for place in places for at in moments]
            expected = all(mine <= theirs for ours, others in bites for mine, theirs in zip(ours, others, strict=True))
            pair = [appeal_limits.of_replacement(said) for said in (new, old)]
            assert pair[0] and pair[1] and pair[0].within(pair[1]) == expected, (old, new)


def test_for_who_appeals_the_same_for_ever_is_worse_than_for_thirty_days(
    case: Case, rita: User, alice: User, ravi: User
) -> None:
    until = now() + timedelta(days=30)
    decision = decisions.decide(case, rita, outcome="hide", ends_at=until, **TERMS)
    filed = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    longer: list[dict[str, Any]] = [{"outcome": "hide"}, {"outcome": "hide", "ends_at": until + timedelta(days=1)}]
    for instead in longer:
        with pytest.raises(Problem) as refused:
            appeals.decide_appeal(filed, ravi, outcome="modify", reasons=WHY, replacement={**TERMS, **instead})
        assert "no longer" in str(refused.value.extra["errors"])
    shorter = {**TERMS, "outcome": "hide", "ends_at": until - timedelta(days=20)}
    appeals.decide_appeal(filed, ravi, outcome="modify", reasons=WHY, replacement=shorter)


def test_a_suspended_uploader_who_appeals_is_not_removed_from_the_register_instead(
    case: Case, rita: User, ravi: User, alice: User
) -> None:
    decision = decisions.approve(decisions.decide(case, rita, outcome="suspend", also=["hash_block"], **TERMS), ravi)
    filed = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    hearer = _person("Sam", Role.REVIEWER)
    for outcome, said in (("remove", "choose something weaker"), ("suspend", "give it an end")):
        with pytest.raises(Problem) as refused:
            appeals.decide_appeal(
                filed, hearer, outcome="modify", reasons=WHY, replacement={**TERMS, "outcome": outcome}
            )
        assert said in str(refused.value.extra["errors"])


def test_nothing_is_changed_on_appeal_while_the_case_is_being_looked_at_again(
    hidden: Decision, appeal: Appeal, alice: User, ravi: User, asset: Asset
) -> None:
    """Dana won her appeal, and Sam has the case: Alice's appeal is upheld or overturned, and takes it from nobody."""
    theirs = appeals.file_appeal(hidden, notice=Notice.objects.get(), grounds="It should be gone, not only hidden.")
    appeals.decide_appeal(theirs, ravi, outcome="overturn", reasons=WHY)
    sam, tess = _person("Sam", Role.REVIEWER), _person("Tess", Role.REVIEWER)
    for taken in (False, True):
        fresh = Appeal.objects.select_related("decision__case__asset", "user", "entry").get(pk=appeal.pk)
        with pytest.raises(Problem) as refused:
            instead = {"outcome": "label", **TERMS}
            appeals.decide_appeal(fresh, tess, outcome="modify", reasons=WHY, replacement=instead)
        assert "looked at again" in str(refused.value.extra["errors"])
        if not taken:
            cases.assign(Case.objects.get(), sam)
    fresh = Appeal.objects.select_related("decision__case__asset", "user", "entry").get(pk=appeal.pk)
    with pytest.raises(Conflict, match="looked at again"), transaction.atomic():
        decisions.replace(fresh.decision, tess, outcome="label", **TERMS)
    appeals.decide_appeal(fresh, tess, outcome="overturn", reasons=WHY)
    asset.refresh_from_db()
    case = Case.objects.get()
    assert (asset.restriction, case.state, case.assigned_to) == ("", "in_review", sam)
    assert Notice.objects.get().state == "valid", "Sam answers it"
    decisions.decide(case, sam, outcome="hide", **TERMS)
    assert (Notice.objects.get().state, set(case.flags.values_list("state", flat=True))) == ("answered", {"confirmed"})
