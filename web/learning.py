"""The learning pages: what deepfakes are, what detection can do, what to do. Every version stays at its address."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from core.problems import NotFound
from policy.law import rules
from web import prose
from web.languages import spoken, switch
from web.learning_pages import every_version, newest, page
from web.measured import measured


@login_not_required
@require_safe
@spoken
def contents(request: HttpRequest, language: str) -> HttpResponse:
    """Every topic in a sentence."""
    return render(request, "learn/contents.html", {"pages": newest(language), "switch": switch("learn", language)})


@login_not_required
@require_safe
@spoken
def topic(request: HttpRequest, language: str, slug: str, version: int | None = None) -> HttpResponse:
    """A topic as it stands today, or as it was in a version before."""
    shown = page(slug, language, version)
    versions = every_version()[slug, language]
    here = [slug, version] if version else [slug]
    context = {
        "page": shown,
        "text": prose.as_html(shown.told.text, INSERTS),
        "headings": prose.headings(shown.told.text),
        "versions": list(versions),
        "newest": next(iter(versions)),
        "others": [one for one in newest(language) if one.slug != slug],
        "switch": switch("learn_version" if version else "learn_topic", language, *here),
    }
    return render(request, "learn/topic.html", context)


# --- What the texts leave to be computed ---------------------------------------------------------------------------


def _figures(_nothing: str) -> SafeString:
    return SafeString(render_to_string("learn/_figures.html", {"detectors": measured()}))


def _time(rule_id: str) -> SafeString:
    """How long a rule of today gives, with a link to it: “7 days”."""
    try:
        rule = rules.rule(rule_id)
    except NotFound:  # an office that left this rule out of its pack
        return format_html('<a href="{}">{}</a>', reverse("rules"), _("a time that the rules of this office name"))
    return format_html('<a href="{}">{}</a>', reverse("rule", args=[rule_id]), _duration(rule.clock))


def _duration(clock: Mapping[str, Any]) -> str:
    value, unit = clock.get("value"), clock.get("unit")
    counted = {
        "hours": ngettext("{n} hour", "{n} hours", value or 0),
        "calendar_days": ngettext("{n} day", "{n} days", value or 0),
        "business_days": ngettext("{n} business day", "{n} business days", value or 0),
        "months": ngettext("{n} month", "{n} months", value or 0),
        "years": ngettext("{n} year", "{n} years", value or 0),
    }
    return counted[str(unit)].format(n=value) if value is not None and unit in counted else _("no number of days")


INSERTS: prose.Inserts = {"figures": _figures, "time": _time}
