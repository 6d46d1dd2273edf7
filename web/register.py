"""The public page of the register: its signed head, what was written lately, how to mirror and check it."""

from django.contrib.auth.decorators import login_not_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import reading
from ledger.custody import log_verifier
from ledger.models import Entry
from web.verdicts import EVENTS

SHOWN = 25


@login_not_required
@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """`?type=` shows one kind of entry, `?before=<index>` older ones. Only what a checkpoint covers."""
    head = reading.latest_checkpoint()
    size = head.size if head else 0
    kind = request.GET.get("type", "")
    before = _index(request.GET.get("before", ""), size)
    signed = Entry.objects.filter(sequence__index__lt=size)
    rows = signed.filter(sequence__index__lt=before).select_related("sequence").order_by("-sequence__index")
    if kind in EVENTS:
        rows = rows.filter(type=kind)
    shown = [_row(entry) for entry in rows[: SHOWN + 1]]
    context = {
        "head": head,
        "root": head.note.split("\n")[2] if head else "",
        "vkey": log_verifier().vkey,
        "counts": _counts(kind, size),
        "kind": kind if kind in EVENTS else "",
        "rows": shown[:SHOWN],
        "older": shown[SHOWN - 1]["index"] if len(shown) > SHOWN else None,
    }
    return render(request, "web/register.html", context)


def _index(text: str, size: int) -> int:
    return min(int(text), size) if text.isascii() and text.isdigit() and len(text) < 19 else size


def _counts(kind: str, size: int) -> list[dict[str, object]]:
    counted = Entry.objects.filter(sequence__index__lt=size).values_list("type").annotate(number=Count("pk"))
    found = dict(counted.order_by("type"))
    return [
        {"type": name, "words": words, "number": found[name], "current": name == kind}
        for name, words in EVENTS.items()
        if name in found
    ]


def _row(entry: Entry) -> dict[str, object]:
    leaf = reading.content(entry)
    kind, _, name = str(leaf.get("object", "")).partition(":")
    return {
        "index": entry.sequence.index,
        "type": entry.type,
        "words": EVENTS.get(entry.type, entry.type),
        "when": entry.created_at,
        "asset": name if kind == "asset" else "",
        "role": leaf.get("role", ""),
        "hash": bytes(entry.leaf_hash).hex(),
    }
