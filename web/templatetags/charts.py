"""`{% load charts %}`: a figure's table as a chart, a span of time in words."""

from collections.abc import Iterable

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from web import charts
from web.charts import Mark

register = template.Library()

_UNITS = ((86_400, "%d day", "%d days"), (3600, "%d hour", "%d hours"), (60, "%d minute", "%d minutes"))


@register.simple_tag
def bar_chart(marks: Iterable[Mark], title: str) -> SafeString:
    """SVG, its text alternative being the numbers; nothing where there is nothing to draw."""
    return charts.bars(list(marks), title)


@register.simple_tag
def column_chart(marks: Iterable[Mark], title: str) -> SafeString:
    return charts.columns(list(marks), title)


@register.filter
def span(seconds: int) -> str:
    """“3 days 4 hours”: the two largest units, rounded down; under a minute in seconds."""
    told, rest = [], int(seconds)
    for size, one, many in _UNITS:
        number, rest = divmod(rest, size)
        if number:
            told.append(ngettext(one, many, number) % number)
    return " ".join(told[:2]) or ngettext("%d second", "%d seconds", rest) % rest
