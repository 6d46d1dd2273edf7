"""The public list of rules: what law, since when, how sure we are, and that all of it is a draft."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.clock import now
from policy import rules

# `applies_to` is not shown: which tier this office is in is the operator's and the lawyer's question.
STATUS_WORDS = {
    "in_force": "in force",
    "superseded": "replaced by a later rule",
    "bill": "a bill: not law, never applied",
    "voluntary": "voluntary, or our own terms",
    "unknown": "not known whether in force: never applied",
}
STATUS_TONES = {"in_force": "ok", "superseded": "neutral", "bill": "warn", "voluntary": "info", "unknown": "warn"}
PLACES = {"*": "Everywhere (our own terms)", **rules.JURISDICTIONS}


@login_not_required
def rule_list(request: HttpRequest) -> HttpResponse:
    """All rules of the pack, by jurisdiction; `?jurisdiction=EU` shows one."""
    chosen = request.GET.get("jurisdiction", "")
    present = sorted({rule.jurisdiction for rule in rules.all_rules()})
    shown = [rule for rule in rules.all_rules() if not chosen or rule.jurisdiction == chosen]
    places = [(code, PLACES.get(code, code)) for code in present]
    groups = [
        (name, rows) for code, name in places if (rows := [_row(rule) for rule in shown if rule.jurisdiction == code])
    ]
    context = {"groups": groups, "places": places, "chosen": chosen, "count": len(shown), "pack": rules.pack()}
    return render(request, "rules/list.html", context)


@login_not_required
def rule_page(request: HttpRequest, rule_id: str) -> HttpResponse:
    """One rule, whole, with its condition and source."""
    rule = rules.rule(rule_id)
    context = {**_row(rule), "pack": rules.pack(), "place": PLACES.get(rule.jurisdiction, rule.jurisdiction)}
    return render(request, "rules/rule.html", context)


def _row(rule: rules.Rule) -> dict[str, object]:
    return {
        "rule": rule,
        "status": STATUS_WORDS[rule.status],
        "tone": STATUS_TONES[rule.status],
        "today": rule.in_force(now().date()),
        "legal_status": rules.LEGAL_STATUS,
    }
