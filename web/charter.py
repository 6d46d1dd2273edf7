"""The charter's pages: the text that binds the office, whether it was adopted and signed, and every version."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.problems import NotFound
from policy.law import charter, rules
from web import prose
from web.languages import NAMES, spoken, switch


@login_not_required
@require_safe
@spoken
def page(request: HttpRequest, language: str, version: int | None = None) -> HttpResponse:
    """What the office is bound to; before it has adopted one, the newest text, called a draft. Or one version."""
    known, bound = charter.versions(), charter.adopted()
    shown = charter.text(version or (bound.version if bound and bound.version in known else known[-1]), language)
    here = [version] if version else []
    context = {
        "charter": shown,
        "text": prose.as_html(shown.text),
        "headings": prose.headings(shown.text),
        "bound": bound,
        "is_bound": bound is not None and bound.holds and bound.version == shown.version,
        "versions": list(reversed(known)),
        "adoptions": charter.adoptions(),
        "citing": _citing(),
        "switch": switch("charter_version" if version else "charter", language, *here),
    }
    return render(request, "learn/charter.html", context)


def _citing() -> list[tuple[int, list[rules.Rule]]]:
    """(clause, the rules of today that rest on it, the first of each article)."""
    found: dict[int, dict[str, rules.Rule]] = {}
    for rule in rules.pack().rules:
        for clause in rule.charter:
            found.setdefault(clause, {}).setdefault(rule.article, rule)
    return [(clause, list(of.values())) for clause, of in sorted(found.items())]


@login_not_required
@require_safe
def raw(request: HttpRequest, language: str, version: int) -> HttpResponse:
    """The file whose SHA-256 is signed, byte for byte."""
    if language not in NAMES:
        raise NotFound("charter")
    headers = {"Content-Language": language}
    return HttpResponse(charter.raw(version, language), content_type="text/markdown; charset=utf-8", headers=headers)
