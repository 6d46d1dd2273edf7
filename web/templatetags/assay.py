"""`{% load assay %}`: icons, punches, moments and the words that states and events have on every page."""

import datetime as dt
from collections.abc import Mapping

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

from core.clock import now
from detection import examination, registry, wording
from detection.models import Finding, Run
from provenance.models import Asset, Rendition
from web.findings import Sorted, in_order

register = template.Library()

# 24 × 24 outlines, drawn for this office.
ICONS: Mapping[str, str] = {
    "upload": "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
    "download": "M12 4v12M7 11l5 5 5-5M4 16v4h16v-4",
    "seal": "M9 3h6l6 6v6l-6 6H9l-6-6V9zM8.5 12l2.5 2.5 4.5-5",
    "image": "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
    "video": "M4 6h11v12H4zM15 10l5-3v10l-5-3",
    "scale": "M12 4v16M7 20h10M5 7h14M5 7l-3 7h6zM19 7l-3 7h6z",
    "flag": "M5 21V4h12l-2 4 2 4H5",
    "person": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 3.5-6 8-6s8 2 8 6",
    "clock": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2",
    "key": "M8 15a4 4 0 1 0 0-.01M11 12l9-9M16 7l3 3",
    "book": "M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11",
    "search": "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5",
    "check": "M4 12l5 5L20 6",
    "cross": "M6 6l12 12M18 6L6 18",
    "warning": "M12 4l9 16H3zM12 10v4M12 17h.01",
    "info": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5M12 8h.01",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "arrow": "M5 12h14M13 6l6 6-6 6",
    "eye": "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
    "copy": "M8 8h12v12H8zM16 8V4H4v12h4",
    "tree": "M12 4v5M12 9H6v4M12 9h6v4M4 13h4v4H4zM16 13h4v4h-4zM10 2h4v3h-4z",
    "plus": "M12 5v14M5 12h14",
    "shield": "M12 3l8 3v6c0 5-3.5 8-8 9-4.500-1-8-4-8-9V6z",
    "mail": "M3 6h18v12H3zM3 7l9 7 9-7",
}

# The outlines of a row of hallmarks on silver: each mark has a cartouche of its own.
SHAPES: Mapping[str, str] = {
    "octagon": "M20 4h24l16 16v24L44 60H20L4 44V20z",
    "shield": "M6 5h52v30c0 14-12 21-26 25C18 56 6 49 6 35z",
    "oval": "M32 4c17 0 28 12 28 28S49 60 32 60 4 48 4 32 15 4 32 4z",
    "square": "M6 6h52v52H6z",
    "lozenge": "M32 3l29 29-29 29L3 32z",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An inline outline icon, decorative (hidden from assistive technology)."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{}"/></svg>', ICONS[name]
    )


@register.simple_tag
def punch(shape: str, glyph: str) -> SafeString:
    """One hallmark: a cartouche (`octagon|shield|oval|square|lozenge`) around an icon's outline. Decorative."""
    return format_html(
        '<svg viewBox="0 0 64 64" aria-hidden="true" focusable="false" fill="none" stroke="currentColor" '
        'stroke-linejoin="round" stroke-linecap="round"><path d="{}" stroke-width="2.5"/>'
        '<path d="{}" stroke-width="1" transform="translate(32 32) scale(.86) translate(-32 -32)"/>'
        '<path d="{}" stroke-width="1.6" transform="translate(17 17) scale(1.25)"/></svg>',
        SHAPES[shape],
        SHAPES[shape],
        ICONS[glyph],
    )


@register.simple_tag
def moment(when: dt.datetime | None, form: str = "long") -> SafeString:
    """A `<time>` with date, minute and zone; `form="relative"` adds how long ago. assay.js shows the local time."""
    if when is None:
        return mark_safe("—")
    local = timezone.localtime(when)
    text = f"{local.day} {local:%b %Y, %H:%M} {local.tzname()}"
    if form == "relative":
        text = f"{text} ({since(when)})"
    return format_html('<time datetime="{}" data-local>{}</time>', when.isoformat(), text)


@register.filter
def since(when: dt.datetime) -> str:
    """“3 hours ago”, “in 2 days”, “just now”."""
    here = now()
    if abs((here - when).total_seconds()) < 60:
        return "just now"
    return f"in {timesince(here, when, depth=1)}" if when > here else f"{timesince(when, here, depth=1)} ago"


@register.filter
def short(digest: str) -> str:
    """The first and last characters of a digest or id; the full value belongs in a title or a copy button."""
    text = str(digest)
    return text if len(text) <= 20 else f"{text[:10]}…{text[-6:]}"


# State words of every room, by tone. Unknown words are neutral.
_TONES: Mapping[str, str] = {
    **dict.fromkeys(("valid", "done", "granted", "registered", "given", "active", "upheld", "signed"), "ok"),
    **dict.fromkeys(("flagged", "labelled", "requested", "asked", "open", "moderate", "age_restricted", "due"), "warn"),
    **dict.fromkeys(("invalid", "failed", "refused", "withdrawn", "hidden", "strong", "overdue", "overturned"), "bad"),
    **dict.fromkeys(("queued", "running", "unknown_signer", "weak", "assigned"), "info"),
}


@register.filter
def tone(state: object) -> str:
    """The tone (`ok|warn|bad|info|neutral`) of a state word, for `data-tone`."""
    return _TONES.get(str(state), "neutral")


@register.filter
def words(code: object) -> str:
    """`age_restricted` as “age restricted”; `asset:registered` as “asset registered”."""
    return str(code).replace("_", " ").replace(":", " ").replace("-", " ").replace(".", " ")


@register.filter
def get(mapping: Mapping[str, object], key: str) -> object:
    """`mapping[key]`, or nothing."""
    return mapping.get(key)


@register.filter
def detector_title(name: str) -> str:
    """A detector's title; one that was removed since is called by its name."""
    return next((info.title for info in registry.all_detectors() if info.name == name), name)


@register.filter
def drawn(asset: Asset) -> bool:
    """Whether the office has a picture of the work: of drawings, documents and works never sent it has none."""
    return asset.renditions.filter(role=Rendition.Role.PREVIEW).exists()


@register.filter
def unexamined(asset: Asset) -> list[str]:
    """What no detector could look at, and why: “not examined: …”, each reason once."""
    return list(dict.fromkeys(why for _, why in examination.unexamined(asset)))


@register.inclusion_tag("web/_weight.html", takes_context=True)
def weight(context: Context, finding: Finding) -> dict[str, object]:
    """How far to trust a finding; what it means only at the prevalences that the reader has chosen
    (?prevalence=0.01)."""
    request = context.get("request")
    asked = request.GET.getlist("prevalence") if request else []
    chosen = [value for value in wording.PREVALENCES if value in asked]
    return {
        "finding": finding,
        "prevalences": list(zip(wording.PREVALENCES, wording.PREVALENCE_WORDS, strict=True)),
        "chosen_prevalences": chosen,
        "meanings": [wording.posterior_words(finding.llr, value) for value in chosen] if finding.llr else [],
    }


@register.simple_tag
def found_in(runs: list[Run]) -> Sorted:
    """All findings of these runs, apart by their answer."""
    return in_order(finding for run in runs for finding in run.findings.all())


@register.filter
def done(runs: list[Run]) -> list[Run]:
    """The runs that came to an end with findings or without; a queued or failed one has examined nothing."""
    return [run for run in runs if run.state == Run.State.DONE]
