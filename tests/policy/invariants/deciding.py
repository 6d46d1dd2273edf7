"""I1 to I8 and I18: what decides, what that does, and what an appeal undoes."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, Final

from core.clock import now
from ledger.events import EventType
from policy.deciding import decisions, hashlist, tdb
from policy.law import rules
from policy.models import (
    Action,
    Appeal,
    Case,
    Clock,
    Decision,
    Flag,
    HashEntry,
    Notice,
    OutOfCourt,
    StatementOfReasons,
    Strike,
    Suspension,
)
from provenance import restriction
from provenance.models import Asset
from tests.policy.invariants.record import leaves

STRENGTH: Final = ("labelled", "age_restricted", "hidden")
GRAVE: Final = ("remove", "hash_block", "suspend")
MACHINES: Final = ("declared_synthetic", "copy_of_hidden", "copy_of_listed")
PURGE: Final = "purge"


def effective() -> Iterator[Decision]:
    """Every decision that took effect once, whatever became of it."""
    rows = Decision.objects.exclude(starts_at=None).select_related("case__asset__owner", "decider", "approver", "entry")
    yield from rows.order_by("pk")


def i1() -> None:
    """No decision is in effect without at least one rule that was in force when its start event happened."""
    for decision in effective():
        case = decision.case
        assert decision.rule_refs, f"I1: {decision.pk} cites no rule"
        days = {case.created_at.date(), *(at.date() for at in case.notices.values_list("created_at", flat=True))}
        days |= {at.date() for at in case.clocks.values_list("started_at", flat=True)}
        for ref in decision.rule_refs:
            rule = rules.rule(ref["id"], ref["pack"])
            assert any(rule.in_force(day) for day in days), f"I1: {ref['id']} was not law in {decision.pk}"
            begun = case.clocks.filter(rule_id=ref["id"], started_at__lte=decision.created_at)
            packs = set(begun.values_list("pack", flat=True))
            assert not packs or ref["pack"] in packs, f"I1: {decision.pk} cites {ref['id']} as its case never had it"


def i2() -> None:
    """Who decides an appeal is none of its decider, approver, proposer, their manager, or anybody with a conflict."""
    for appeal in Appeal.objects.exclude(decider=None).select_related("decision__case__asset", "decider"):
        case, decider, at = appeal.decision.case, appeal.decider, appeal.decided_at
        earlier = case.decisions.filter(created_at__lte=at).exclude(replaces=appeal)
        took_part = {pk for row in earlier.values_list("decider", "approver") for pk in row if pk}
        proposed = Decision.objects.filter(pk__in=earlier.values("pk"))
        leads = proposed.filter(decider__reviewer_profile__manager=decider)
        leads |= proposed.filter(approver__reviewer_profile__manager=decider)
        parties = {appeal.user_id, case.asset.owner_id if case.asset else None}
        parties |= set(case.notices.filter(created_at__lte=at).values_list("account", flat=True))
        recused = case.recusals.filter(reviewer=decider, created_at__lte=at)
        assert decider is not None
        assert decider.pk not in took_part | parties, f"I2: {decider.name} decided {appeal.pk} about their own part"
        assert not leads.exists(), f"I2: {decider.name} manages who decided what {appeal.pk} is against"
        assert not recused.exists(), f"I2: {decider.name} had given back the case of {appeal.pk}"


# --- What it does ----------------------------------------------------------------------------------------------------


def i3() -> None:
    """An action without an inverse runs only when nobody can be heard about it any more, or a rule says so."""
    done = {leaf["facts"]["decision"]: at for at, leaf in leaves(EventType.ACTION_EXECUTED) if _is_for_good(leaf)}
    for action in Action.objects.filter(inverse="", state=Action.State.EXECUTED).select_related("decision__case"):
        decision, at = action.decision, done[str(action.decision_id)]
        if decision.case.category == "child_safety":  # office.terms.child_safety: remove_at_once
            continue
        clocks = Clock.objects.filter(case=decision.case_id, purpose__in=("appeal", "final"), started_at__lte=at)
        open_then = clocks.filter(due_at__gt=at).exclude(ended_at__lte=at)
        assert not open_then.exists(), f"I3: {action.pk} ran while {open_then.first()} left time to be heard"
        appeals = Appeal.objects.filter(decision__case=decision.case_id, created_at__lte=at)
        undecided = appeals.filter(decided_at=None).exclude(state=Appeal.State.WITHDRAWN)
        assert not undecided.exists(), f"I3: {action.pk} ran while an appeal was heard"
        outside = OutOfCourt.objects.filter(appeal__in=appeals, created_at__lte=at).exclude(closed_at__lte=at)
        assert not outside.exists(), f"I3: {action.pk} ran while a body outside looked at it"


def _is_for_good(leaf: dict[str, Any]) -> bool:
    return not leaf["facts"]["inverse"]


def i4() -> None:
    """Overturned means: every action reversed, digests off the list, strike void, register amended; or no closing."""
    overturned = Appeal.objects.filter(outcome=Appeal.Outcome.OVERTURN, role="uploader").values("decision")
    undone = Decision.objects.filter(state__in=(Decision.State.REVERSED, Decision.State.SUPERSEDED))
    for decision in Decision.objects.filter(pk__in=overturned) | undone:
        left = standing(decision)
        assert not left or decision.case.state != Case.State.CLOSED, f"I4: {decision.pk} closed with {left} standing"
        if decision.state == Decision.State.REVERSED:
            assert bool(left) == bool(decisions.unreversed(decision)), f"I4: {decision.pk}: {left}"
    for decision in Decision.objects.filter(pk__in=overturned, state__in=("in_effect", "expired")):
        raise AssertionError(f"I4: {decision.pk} was overturned and still counts")
    _visible_follows_from_actions()


def standing(decision: Decision) -> list[Any]:
    """What of a decision that was undone is there still; of one superseded not what was deleted for good before."""
    acts = decision.actions.exclude(state=Action.State.REVERSED)
    if decision.state == Decision.State.SUPERSEDED:
        acts = acts.exclude(kind=PURGE, state=Action.State.EXECUTED)
    return [
        *acts,
        *decision.hash_entries.filter(state=HashEntry.State.ACTIVE),
        *decision.suspensions.filter(state=Suspension.State.ACTIVE),
        *Strike.objects.filter(decision=decision, voided_at=None),
    ]


def _visible_follows_from_actions() -> None:
    """The register shows the strongest restriction that an action in force asks for, and nothing else."""
    for asset in Asset.objects.all():
        acting = Action.objects.filter(decision__case__asset=asset, state=Action.State.EXECUTED)
        ranks = [STRENGTH.index(kind) for kind in acting.values_list("kind", flat=True) if kind in STRENGTH]
        expected = STRENGTH[max(ranks)] if ranks else ""
        assert asset.restriction == expected, f"I4: “{asset}” is “{asset.restriction}”, its actions say “{expected}”"
        places = {place for row in acting.filter(kind="geo_restricted") for place in row.decision.territory}
        assert set(asset.hidden_in) == places, f"I4: “{asset}” is hidden in {asset.hidden_in}, not {places}"


def never_worse() -> None:
    """An appeal never makes it worse for who appeals: no more, nowhere else and no longer; for the others no less."""
    for appeal in Appeal.objects.exclude(replacement=None).select_related("decision", "replacement"):
        old, new = appeal.decision, appeal.replacement
        assert new is not None
        less, more = (new, old) if appeal.role == "uploader" else (old, new)
        assert _within(less, more), f"{appeal.pk} of the {appeal.role}: {_shape(old)} became {_shape(new)}"


_SIGHT: Final = {"label": 1, "age_restrict": 2, "geo_restrict": 3, "hide": 4, "remove": 5}


def _shape(decision: Decision) -> tuple[int, set[str], set[str], dt.datetime | None]:
    named = {decision.outcome, *decision.also}
    sight = max((_SIGHT.get(one, 0) for one in named), default=0)
    return sight, named & {"hash_block", "suspend"}, set(decision.territory), decision.ends_at


def _within(less: Decision, more: Decision) -> bool:
    (sight, besides, places, ends), (most, all_of_it, wide, latest) = _shape(less), _shape(more)
    shorter = latest is None or sight == 0 or (ends is not None and ends <= latest)
    no_wider = not wide or sight == 0 or (bool(places) and places <= wide)
    return sight <= most and besides <= all_of_it and no_wider and shorter


# --- What is said ----------------------------------------------------------------------------------------------------


def i5() -> None:
    """Everybody affected whom the office can reach has a statement of reasons no later than the restriction's start."""
    for decision in effective():
        case, told = decision.case, decision.statements.filter(corrects=None)
        assert all(row.created_at <= _first_action(decision) for row in told), f"I5: {decision.pk} acted first"
        owner = case.asset.owner_id if case.asset else None
        if decision.outcome != Decision.Outcome.NO_ACTION or decision.also:
            reasons = told.filter(user=owner, recipient="uploader")
            assert reasons.exists(), f"I5: the owner has no reasons of {decision.pk}"
        before = case.notices.filter(created_at__lte=decision.starts_at).exclude(state=Notice.State.WITHDRAWN)
        missed = before.exclude(pk__in=told.exclude(notice=None).values("notice"))
        assert not missed.exists(), f"I5: {missed.first()} has no reasons of {decision.pk}"


def _first_action(decision: Decision) -> dt.datetime:
    at: dt.datetime = decision.actions.order_by("created_at").values_list("created_at", flat=True).first() or now()
    return at


def i6(names: tuple[str, ...] = ("Dana", "Hill", "Alice", "@example.org")) -> None:
    """What a statement says, and what leaves for the transparency database, carries nobody's name or address."""
    for row in StatementOfReasons.objects.all():
        said = json.dumps([row.tdb, {**row.structured, "redress": None}], ensure_ascii=False)
        assert not [name for name in names if name in said], f"I6: {row.pk} names somebody: {said}"
        assert row.tdb is None or not tdb.problems(row.tdb), f"I6: {row.pk}: {tdb.problems(row.tdb or {})}"


def i7() -> None:
    """The automation fields follow from who and what acted; every statement and every entry says the same."""
    for decision in effective():
        before = Flag.objects.filter(case=decision.case, created_at__lte=decision.created_at, origin__in=MACHINES)
        assert decision.automated_detection or not before.exists(), f"I7: {decision.pk} forgot a machine's flag"
        assert decision.entry is not None
        said = json.loads(bytes(decision.entry.leaf))
        assert (said["facts"]["automated_detection"], said["role"] != "system") == (decision.automated_detection, True)
        expected = f"AUTOMATED_DETECTION_{'YES' if decision.automated_detection else 'NO'}"
        for structured in decision.statements.values_list("structured", flat=True):
            automation = (structured["automated_detection"], structured["automated_decision"])
            assert automation == (expected, "AUTOMATED_DECISION_NOT_AUTOMATED"), f"I7: {decision.pk} says {automation}"


def i8() -> None:
    """No work is out of public sight, and none carries a label, but by a person: a reviewer's decision, or the answer
    of who is shown; or because it is a copy of what a person decided about. The same holds of what refuses a file.
    """
    for action in Action.objects.exclude(state=Action.State.FAILED).select_related("decision"):
        assert action.decision.starts_at is not None, f"I8: {action.pk} acts for a decision that is not in effect"
    for asset in Asset.objects.exclude(pk__in=restriction.public().values("pk")):
        acts = Action.objects.filter(decision__case__asset=asset, state=Action.State.EXECUTED)
        answers = asset.flags.filter(origin__in=("consent_withdrawn", "consent_refused"), state="raised")
        assert acts.exists() or answers.exists() or _copies(asset), f"I8: no person took “{asset}” out of sight"
    for asset in Asset.objects.exclude(restriction=""):
        assert Action.objects.filter(decision__case__asset=asset).exists(), f"I8: nobody decided about “{asset}”"
    nobodys = HashEntry.objects.filter(decision=None, algorithm="sha256", state=HashEntry.State.ACTIVE)
    decided = HashEntry.objects.exclude(decision=None).values("value")
    for entry in nobodys.exclude(value__in=decided):
        assert not hashlist.blocked(entry.value), f"I8: {entry.pk} refuses a file, and nobody decided about it"


def _copies(asset: Asset) -> bool:
    """Whether somebody decided about something that this could be a copy of, everywhere."""
    if not asset.flags.filter(origin="copy_of_hidden", state="raised").exists():
        return False
    everywhere = any(not row.territory for row in HashEntry.objects.exclude(decision=None))
    return everywhere or Asset.objects.filter(restriction="hidden").exclude(pk=asset.pk).exists()


# --- Two people ------------------------------------------------------------------------------------------------------


def i18() -> None:
    """Nobody is the second person to what they proposed, and nothing that needs two acts before the second agreed."""
    for decision in Decision.objects.all():
        assert decision.approver_id != decision.decider_id, f"I18: {decision.pk} was approved by who proposed it"
        if decision.starts_at is None:
            done = decision.actions.exists() or decision.statements.exists() or decision.hash_entries.exists()
            assert not done, f"I18: {decision.pk} acts before a second person agreed"
            assert decision.state not in ("in_effect", "expired", "reversed", "superseded"), f"I18: {decision.pk}"
        elif decision.held_for:
            assert decision.approver_id and decision.approved_at, f"I18: {decision.pk} needed two people"
        elif {decision.outcome, *decision.also} & set(GRAVE) and not decision.interim:
            weaker = Appeal.objects.filter(replacement=decision).exists()  # who heard the appeal was the second
            assert weaker, f"I18: {decision.pk} ({decision.outcome}) took effect by one person"
    held = set(Decision.objects.filter(state=Decision.State.HELD).values_list("case", flat=True))
    proposed = set(Case.objects.filter(state=Case.State.PROPOSED).values_list("pk", flat=True))
    assert proposed == held, "I18: a proposal without its case, or a case without its proposal"
