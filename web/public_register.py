"""The register of notices for everybody, and with redacted words for researchers who were given a link."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from policy.law import rules
from policy.models import Category, Notice, RegisterEntry
from policy.transparency import register, research
from policy.transparency.coarsening import SMALLEST, TOLD
from web.forms_public import RegisterFilter
from web.privacy import open_private

SHOWN = 50
COLUMNS = ("number", "quarter", "state", *TOLD, "amended")


@login_not_required
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """`?issue=`, `?place=`, `?outcome=`, `?period=` choose, `?page=` turns."""
    form = RegisterFilter(request.GET, register.periods())
    found = register.rows(**form.cleaned_data) if form.is_valid() else RegisterEntry.objects.none()
    page = Paginator(found, SHOWN).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": [told(row) for row in page],
        "asked": any(request.GET.get(name) for name in form.fields),
        "smallest": SMALLEST,
    }
    return render(request, "register/notices.html", context, status=200 if form.is_valid() else 422)


@login_not_required
@require_safe
def notices_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The whole register. Every value is one of ours, or random: no cell can be a formula."""
    response = StreamingHttpResponse(_lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="register-of-notices.csv"'
    return response


class _Line:
    """A file that gives back what is written to it."""

    def write(self, line: str) -> str:
        return line


def _lines() -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for row in register.rows().iterator(1000):
        yield writer.writerow(_cells(row))


def _cells(row: RegisterEntry) -> list[str]:
    said = row.shown if row.state == RegisterEntry.State.PUBLISHED else {}
    return [row.number, row.period, row.state, *(said.get(name, "") for name in TOLD), row.amended if said else ""]


@open_private
@require_safe
def researcher(request: HttpRequest, token: str) -> HttpResponse:
    """The same rows, with what was redacted. That the link is read is on record."""
    access = research.opened(token)
    page = Paginator(research.rows(), SHOWN).get_page(request.GET.get("page"))
    rows = [{**told(row), "words": row.redacted_text} for row in page]
    return render(request, "register/research.html", {"access": access, "page": page, "rows": rows})


def told(row: RegisterEntry) -> dict[str, Any]:
    """What a row says, in words; "" for what it does not say. A withheld one says its number and quarter."""
    base = {"number": row.number, "period": row.period, "withheld": row.state != RegisterEntry.State.PUBLISHED}
    if base["withheld"]:
        return base
    said = row.shown
    return {
        **base,
        "kind": Notice.Kind(said["kind"]).label if said["kind"] else "",
        "issue": _issue(said),
        "place": rules.JURISDICTIONS.get(said["place"], said["place"]),
        "outcome": register.Outcome(said["outcome"]).label,
        "restricts": said["outcome"] not in (register.Outcome.NONE, register.Outcome.CHANGED),
        "appeal": register.Heard(said["appeal"]).label if said["appeal"] else "",
        "amended": row.amended,
    }


def _issue(said: dict[str, str]) -> str:
    if said["category"]:
        return str(Category(said["category"]).label)
    return str(register.Group(said["group"]).label) if said["group"] else ""
