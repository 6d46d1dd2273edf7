"""Transparency reports for everybody: what was counted, how, and what is hidden; files; counting again."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.problems import NotFound
from policy.models import Figure, TransparencyReport
from policy.transparency import reports, sections, suppression, writers
from policy.transparency.template import Definition, Part, Rate
from web.charts import Mark

# What the first page shows of the newest report.
HEADLINES: Final = ("notices", "decisions", "appeals_decided", "missed", "uncited", "exports")
_FILES: Final[dict[str, tuple[Callable[[TransparencyReport], bytes], str]]] = {
    "json": (writers.as_json, "application/json"),
    "csv": (writers.as_csv, "text/csv; charset=utf-8"),
    "xlsx": (writers.as_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


@login_not_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The newest report in short, and all of them."""
    rows = list(reports.published())
    newest = next((row for row in rows if row.state == TransparencyReport.State.PUBLISHED), None)
    context = {
        "rows": rows,
        "forms": tuple(_FILES),
        "newest": newest,
        "headlines": _headlines(newest) if newest else [],
        "rates": _rates(newest) if newest else [],
    }
    return render(request, "transparency/overview.html", context)


def _headlines(report: TransparencyReport) -> list[dict[str, Any]]:
    kept = writers.shown(report)
    return [_number(sections.by_key()[key], kept[key]) for key in HEADLINES if key in kept]


def _rates(report: TransparencyReport) -> list[dict[str, Any]]:
    kept = writers.shown(report)
    return [_rate(rate, kept) for part in sections.PARTS for rate in part.rates]


@login_not_required
@require_safe
def newest_version(request: HttpRequest, since: str, until: str) -> HttpResponse:
    report = reports.find(reports.published(), since=_day(since), until=_day(until))
    return redirect("transparency_report", since, until, report.version)


@login_not_required
@require_safe
def report_page(request: HttpRequest, since: str, until: str, version: int) -> HttpResponse:
    """Every published version stays at its address."""
    report = _published(since, until, version)
    context = {
        **told(report),
        "versions": reports.published().filter(since=report.since, until=report.until),
        "rerun": reports.last_rerun(report),
    }
    return render(request, "transparency/report.html", context)


@login_not_required
@require_safe
def download(request: HttpRequest, since: str, until: str, version: int, form: str) -> HttpResponse:
    report = _published(since, until, version)
    if form not in _FILES:
        raise NotFound("file")
    write, kind = _FILES[form]
    response = HttpResponse(write(report), content_type=kind)
    name = f"transparency-{report.since}-{report.until}-v{report.version}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@login_not_required
@require_POST
def rerun(request: HttpRequest, since: str, until: str, version: int) -> HttpResponse:
    """Anybody may have it counted again; it is done at most once in an hour."""
    report = _published(since, until, version)
    reports.ask_rerun(report)
    messages.info(request, _("It is being counted again. Open this page again in a moment to see what came out."))
    return redirect("transparency_report", since, until, version)


def _published(since: str, until: str, version: int) -> TransparencyReport:
    return reports.find(reports.published(), since=_day(since), until=_day(until), version=version)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise NotFound("report") from None


# --- What a report says, for its page --------------------------------------------------------------------------------


def told(report: TransparencyReport) -> dict[str, Any]:
    """The context that `transparency/_parts.html` reads. One query for the figures, however many."""
    kept = writers.shown(report)
    return {
        "report": report,
        "parts": [_part(part, kept, report) for part in sections.PARTS],
        "smallest": suppression.SMALLEST,
    }


def _part(part: Part, kept: dict[str, Figure], report: TransparencyReport) -> dict[str, Any]:
    there = [(one, kept[one.key]) for one in part.figures if one.key in kept]
    return {
        "part": part,
        "anchor": f"part-{part.key.replace('.', '-')}",
        "numbers": [_number(one, row) for one, row in there if "by" not in one.query and not one.columns],
        "tables": [_table(one, row) for one, row in there if "by" in one.query],
        "lists": [_number(one, row) for one, row in there if one.columns],
        "rates": [_rate(rate, kept) for rate in part.rates],
        "words": [(question, report.words.get(name, "")) for name, question in part.words.items()],
    }


def _number(one: Definition, row: Figure) -> dict[str, Any]:
    return {"one": one, "row": row, "value": row.shown, "time": "seconds_from" in one.query, "query": _query(row)}


def _table(one: Definition, row: Figure) -> dict[str, Any]:
    lines = writers.lines(one, row.shown)
    monthly = row.query.get("by") == "month"  # a month in which nothing was is one all the same
    return {
        "one": one,
        "row": row,
        "lines": [line for line in lines if monthly or line.value != 0],
        "zeros": [line.words for line in lines if not monthly and line.value == 0],
        "marks": [Mark(line.words, line.value) for line in lines],
        "monthly": monthly,
        "query": _query(row),
    }


def _query(row: Figure) -> str:
    return json.dumps(row.query, ensure_ascii=False, sort_keys=True)


def _rate(rate: Rate, kept: dict[str, Figure]) -> dict[str, Any]:
    """Shown only when both numbers are: a share of a hidden number would tell it."""
    part, whole = (_cell(name, kept) for name in (rate.part, rate.whole))
    percent = round(100 * part / whole) if part is not None and whole else None
    return {"title": rate.title, "part": part, "whole": whole, "percent": percent}


def _cell(name: str, kept: dict[str, Figure]) -> int | None:
    key, _slash, label = name.partition("/")
    shown = kept[key].shown if key in kept else None
    found: int | None = shown.get(label) if label and shown else shown
    return found
