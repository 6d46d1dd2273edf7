"""What this office owes people about their data, and what it keeps: how much waits, and what is due first."""

import datetime as dt
from typing import Any

from django.db.models import Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.clock import now
from policy.authority import ACTS, Act
from policy.deciding import hashlist
from policy.models import Breach, Clock, Consultation, DataRequest
from policy.rights import holds
from web import hash_list

operators = role_required(*ACTS[Act.ANSWER_DATA_REQUEST].roles)


@operators
@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "data/operations.html", {"cards": [*cards(), *of_authorities(signed_in(request))]})


def cards() -> list[dict[str, object]]:
    """One a room, for the desk as well. number: what waits. due: the first deadline among it."""
    asked = DataRequest.objects.filter(state__in=DataRequest.OPEN)
    untold = Breach.objects.filter(state=Breach.State.OPEN)
    reviews = holds.in_force().filter(review_date__lte=now().date()).count()
    listed = hash_list.listed_entries().filter(state__in=hashlist.LISTED)
    copies = listed.values("decision", "notice").distinct().count()
    return [
        card("shield", "Requests about data", "/operations/data/", asked.count(), "wait for an answer", _first(asked)),
        card("flag", "Breaches", "/operations/breaches/", untold.count(), "not told to the authority", _first(untold)),
        card("book", "Legal holds", "/operations/holds/", reviews, "whose review is due"),
        card("copy", "Blocked copies", "/blocked-copies/", copies, "works on the list"),
        card("tree", "Transparency reports", "/operations/reports/", None, "made, counted, published"),
        card("eye", "Register of notices", "/operations/register/", None, "rows, and links for researchers"),
    ]


def of_authorities(user: User) -> list[dict[str, object]]:
    """The cards about authorities, of those that this person may open."""
    found = []
    if user.has_role(*ACTS[Act.KEEP_REGULATORS].roles):
        path = "/operations/regulators/"
        found.append(card("person", "Accounts of authorities", path, None, "invited, renewed, suspended"))
    if user.has_role(*ACTS[Act.CONSULT].roles):
        waiting = Consultation.objects.filter(state=Consultation.State.OPEN).count()
        found.append(card("mail", "Consultations", "/operations/consultations/", waiting, "open with authorities"))
    return found


def _first(rows: "QuerySet[Any]") -> dt.datetime | None:
    """The first deadline that still runs, or was missed, of what waits."""
    alive = Clock.objects.filter(state__in=(Clock.State.RUNNING, Clock.State.BREACHED), settled_at=None)
    of = "data_request" if rows.model is DataRequest else "breach"
    first: dt.datetime | None = alive.filter(**{f"{of}__in": rows.values("pk")}).aggregate(due=Min("due_at"))["due"]
    return first


def card(
    icon: str, title: str, path: str, number: int | None, words: str, due: dt.datetime | None = None
) -> dict[str, object]:
    return {"icon": icon, "title": title, "path": path, "number": number, "words": words, "due": due}
