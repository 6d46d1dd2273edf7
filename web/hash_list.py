"""The list of copies, for who keeps it: by which decision or notice, in which places, until when; and taking off."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Max, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import role_required, signed_in
from core.problems import NotFound, Problem
from policy import authority
from policy.deciding import hashlist
from policy.models import Decision, HashEntry, Notice

keeping = role_required(*authority.ACTS[authority.Act.KEEP_HASH_LIST].roles)
Listed = dict[str, Any]


def listed_entries() -> QuerySet[HashEntry]:
    """No child's (I24)."""
    return HashEntry.objects.exclude(Q(decision__case__minor=True) | Q(notice__case__minor=True))


def _listed() -> QuerySet[HashEntry, Any]:
    """What one decision or one notice put on the list, in one row; the digests themselves are shown nowhere."""
    on = Q(state__in=hashlist.LISTED)
    rows = (
        listed_entries()
        .values("decision", "notice")
        .annotate(
            entries=Count("pk"),
            until=Max("expires_at"),
            newest=Max("created_at"),
            on=Min("state", filter=on),
            off=Max("state", filter=~on),
        )
    )
    return rows.order_by("-newest", "decision", "notice")


@keeping
@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    rows = Paginator(_listed(), 25).get_page(request.GET.get("page"))
    return render(request, "review/hash_list.html", {"page": rows, "rows": _with_origins(list(rows))})


def _with_origins(rows: list[Listed]) -> list[Listed]:
    decisions = Decision.objects.select_related("case__asset").in_bulk([row["decision"] for row in rows])
    notices = Notice.objects.select_related("case__asset").in_bulk([row["notice"] for row in rows])
    states = dict(HashEntry.State.choices)
    return [
        {
            **row,
            "decision": decisions.get(row["decision"]),
            "notice": notices.get(row["notice"]),
            "state": states[row["on"] or row["off"]],
        }
        for row in rows
    ]


@keeping
@never_cache
@require_POST
def withdraw(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take what one decision or one notice put there off the list; its digests go within the hour."""
    entries = listed_entries().filter(Q(decision=pk) | Q(notice=pk))
    if not entries.exists():
        raise NotFound("entry")
    try:
        hashlist.withdraw_by(signed_in(request), entries)
    except Problem as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, "Off the list. Its digests are emptied within the hour.")
    return redirect("hash_list")
