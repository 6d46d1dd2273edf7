"""The public pages about rules: what law, since when, how sure we are, whether it is a draft, and bills in shadow."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import User
from core.clock import now
from policy.law import rule_impact, rule_packs, rules
from policy.rulebook.rows import PAUSES

# `applies_to` is not shown in the list: which tier this office is in is the operator's and the lawyer's question.
STATUS_WORDS = {
    "in_force": "in force",
    "superseded": "replaced by a later rule",
    "bill": "a bill: not law, never applied",
    "voluntary": "voluntary, or our own terms",
    "unknown": "not known whether in force: never applied",
}
STATUS_TONES = {"in_force": "ok", "superseded": "neutral", "bill": "warn", "voluntary": "info", "unknown": "warn"}
LEGAL_WORDS = {
    "draft": "Not legal advice: a draft until it was checked by a lawyer.",
    "approved": "Approved by two people, one of them a lawyer, and signed. Not legal advice.",
}
PLACES = {"*": "Everywhere (our own terms)", **rules.JURISDICTIONS}
# Smaller figures could point at a single case.
FEW = 5
_KEPT = 6 * 3600


@login_not_required
def rule_list(request: HttpRequest) -> HttpResponse:
    """All rules of the packs in force, by jurisdiction; `?jurisdiction=EU` shows one."""
    chosen = request.GET.get("jurisdiction", "")
    book = rules.pack()
    present = sorted({rule.jurisdiction for rule in book.rules})
    shown = [rule for rule in book.rules if not chosen or rule.jurisdiction == chosen]
    places = [(code, PLACES.get(code, code)) for code in present]
    groups = [
        (name, rows) for code, name in places if (rows := [_row(rule) for rule in shown if rule.jurisdiction == code])
    ]
    context = {
        "groups": groups,
        "places": places,
        "chosen": chosen,
        "count": len(shown),
        "packs": book.packs,
        "drafts": any(rule.legal_status == "draft" for rule in book.rules),
        "desk": _works_on_rules(request),
    }
    return render(request, "rules/list.html", context)


@login_not_required
def rule_page(request: HttpRequest, rule_id: str) -> HttpResponse:
    """One rule, whole, with its condition and source; `?pack=<digest>`: as it was in that version."""
    digest = request.GET.get("pack", "")
    rule = rules.rule(rule_id, digest)
    pack = rules.version(rule.pack)
    context = {
        **_row(rule),
        "pack": pack,
        "place": PLACES.get(rule.jurisdiction, rule.jurisdiction),
        "advice": LEGAL_WORDS[rule.legal_status],
        "pauses": [PAUSES[reason] for reason in rule.clock.get("pause", ())],
        "calendar": pack.calendars.get(rule.clock.get("calendar", "")),
        "golden": [one for one in pack.golden if rule.id in {*one.expect, *one.absent, *one.shadow}],
        "older": digest not in ("", *(one.digest for one in rules.pack().packs)),
    }
    return render(request, "rules/rule.html", context)


@login_not_required
def bills(request: HttpRequest) -> HttpResponse:
    """Bills run in shadow: what each would have changed in the last 90 days, were it law."""
    desk = _works_on_rules(request)
    counted = _counted() if desk else _counted_lately()
    rows = [
        {**_row(rule), **_figures(counted.get(rule.id, {}), whole=desk)}
        for rule in rules.all_rules()
        if rule.shadow_when
    ]
    return render(request, "rules/bills.html", {"rows": rows, "days": rule_impact.DAYS, "desk": desk})


def _counted() -> dict[str, dict[str, Any]]:
    names, most = ("notices", "shorter", "missed", "cases"), rule_impact.ON_A_PAGE
    return {row.rule.id: {name: getattr(row, name) for name in names} for row in rule_impact.shadows(most=most)}


def _counted_lately() -> dict[str, dict[str, Any]]:
    """The public's figures are counted four times a day: whoever asks often costs the office nothing."""
    key = f"rules.shadows.{rules.pack().digest}"
    kept: dict[str, dict[str, Any]] | None = cache.get(key)
    if kept is None:
        kept = _counted()
        cache.set(key, kept, _KEPT)
    return kept


def _figures(counted: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    said = {name: _figure(counted.get(name, 0), whole=whole) for name in ("notices", "shorter", "missed")}
    return {**said, "cases": counted.get("cases", [])[:20] if whole else []}


def _figure(count: int, *, whole: bool) -> str:
    return str(count) if whole or not 0 < count < FEW else f"fewer than {FEW}"


def _works_on_rules(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.has_role(*rule_packs.PUBLISHERS)


def _row(rule: rules.Rule) -> dict[str, Any]:
    return {
        "rule": rule,
        "status": STATUS_WORDS[rule.status],
        "tone": STATUS_TONES[rule.status],
        "today": rule.in_force(now().date()),
        "legal_status": rule.legal_status,
    }
