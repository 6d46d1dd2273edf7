"""`{% load learning %}`: the words of the learning pages' language, and links to the right page from elsewhere."""

import datetime as dt
from collections.abc import Iterator

from django import template
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from policy.deciding.statement_prose import language_of
from policy.models import Affected, Notice, StatementOfReasons
from web.learning_pages import page

register = template.Library()


@register.filter
def spoken(words: object) -> str:
    """A label of a state, a kind or an event in the language of the page."""
    return gettext(str(words))


@register.filter
def day(when: dt.date) -> SafeString:
    """“23 November 2026”, “23. November 2026”."""
    return format_html('<time datetime="{}">{}</time>', when.isoformat(), _day(when))


@register.filter
def at(when: dt.datetime | None) -> SafeString:
    """The day, and the minute with its zone."""
    if when is None:
        return SafeString("—")
    local = timezone.localtime(when)
    written = f"{_day(local)}, {local:%H:%M} {local.tzname()}"
    return format_html('<time datetime="{}">{}</time>', when.isoformat(), written)


def _day(when: dt.date) -> str:
    return str(formats.date_format(when, "j. F Y" if get_language() == "de" else "j F Y"))


@register.simple_tag
def learn(slug: str, language: str = "en") -> SafeString:
    """A link to a topic, by its own title, in the language of who reads."""
    return _link(slug, language_of(language))


@register.simple_tag
def learn_of_statement(statement: StatementOfReasons) -> SafeString:
    """What helps whoever reads a statement of reasons: a list of links, in its language (R03)."""
    return _list(_of_statement(statement), language_of(statement.locale))


@register.simple_tag
def learn_of_notice(notice: Notice) -> SafeString:
    """What helps whoever filed a notice, most of all one that was not followed."""
    shown = ["if-you-are-shown"] if notice.as_depicted else []
    return _list(["how-we-work", *shown, "what-detection-can-do"], language_of(notice.language))


def _of_statement(statement: StatementOfReasons) -> Iterator[str]:
    yield "how-we-work"
    if statement.recipient == Affected.DEPICTED or (statement.notice and statement.notice.as_depicted):
        yield "if-you-are-shown"
    if statement.structured.get("automated_detection") == "AUTOMATED_DETECTION_YES":
        yield "what-detection-can-do"


def _list(slugs: list[str] | Iterator[str], language: str) -> SafeString:
    items = format_html_join("", "<li>{}</li>", ((_link(slug, language),) for slug in slugs))
    return format_html('<ul class="learn-links" lang="{}">{}</ul>', language, items)


def _link(slug: str, language: str) -> SafeString:
    address, title = reverse("learn_topic", args=[language, slug]), page(slug, language).told.title
    return format_html('<a href="{}" hreflang="{}">{}</a>', address, language, title)
