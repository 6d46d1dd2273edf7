"""“How we decide”: a walk through one decided case, made of its rows and its entries in the log when it is read."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.problems import NotFound
from detection.shown import runs_of
from policy.deciding.statement_prose import prose
from policy.law import rules
from policy.models import Action, Affected, Appeal, Clock, Decision, Flag, MediaView
from policy.transparency import example
from policy.transparency.example import Example
from provenance.models import Asset
from web.findings import in_order
from web.languages import spoken, switch
from web.verdicts import EVENTS


@login_not_required
@require_safe
@spoken
def walk(request: HttpRequest, language: str) -> HttpResponse:
    """The example that was chosen, or that there is none; never more than the public may see."""
    chosen = example.shown()
    context: dict[str, Any] = {"switch": switch("how_we_decide", language), "example": chosen}
    if chosen is not None:
        context |= _story(chosen, language)
    return render(request, "learn/decide.html", context)


def _story(chosen: Example, language: str) -> dict[str, Any]:
    decision = example.decision_of(chosen.case)
    assert decision is not None  # or it could not be shown
    appeal = example.appeal_of(decision)
    entries = example.entries(chosen)
    return {
        "case": chosen.case,
        "decision": decision,
        "appeal": appeal,
        "another": appeal is not None and appeal.decider_id not in (decision.decider_id, decision.approver_id),
        "origins": sorted({Flag.Origin(one).label for one in chosen.case.flags.values_list("origin", flat=True)}),
        "notices": chosen.case.notices.count(),
        "looks": MediaView.objects.filter(case=chosen.case).count(),
        "clocks": [_deadline(clock) for clock in example.clocks(chosen, decision, appeal)],
        "rules": [_rule(ref) for ref in decision.rule_refs],
        "undone": decision.actions.filter(state=Action.State.REVERSED).count(),
        "done": decision.actions.exclude(state=Action.State.REVERSED).count(),
        "entries": [{"entry": one, "words": EVENTS.get(one.type, one.type)} for one in entries],
        **(_in_words(chosen, decision, appeal, language) if chosen.words else {}),
    }


def _in_words(chosen: Example, decision: Decision, appeal: Appeal | None, language: str) -> dict[str, Any]:
    """What only a demonstration tells: the work, what detectors found in it, and what was written."""
    work = Asset.objects.visible_to(AnonymousUser()).filter(cases=chosen.case).first()
    runs = runs_of(None, work.pk) if work else []
    told = decision.statements.filter(recipient=Affected.UPLOADER, corrected_by=None).order_by("pk").first()
    return {
        "work": work,
        "found": in_order(finding for run in runs for finding in run.findings.all()),
        "statement": prose(told.structured, language) if told else "",
        "reasons": appeal.reasons if appeal else "",
    }


def _deadline(clock: Clock) -> dict[str, Any]:
    """A clock, its rule, and how much of its time was used, in percent; None where it has no end or still runs."""
    end = clock.ended_at or clock.settled_at
    given = (clock.due_at - clock.started_at).total_seconds() if clock.due_at else 0.0
    used = (end - clock.started_at).total_seconds() / given if end and given > 0 else None
    return {
        "clock": clock,
        "rule": _known(clock.rule_id, clock.pack),
        "used": None if used is None else min(100, round(100 * used)),
    }


def _rule(ref: Mapping[str, str]) -> dict[str, Any]:
    return {"ref": ref, "rule": _known(ref["id"], ref.get("pack", ""))}


def _known(rule_id: str, pack: str) -> rules.Rule | None:
    try:
        return rules.rule(rule_id, pack)
    except NotFound:
        return None
