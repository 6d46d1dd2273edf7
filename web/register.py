"""The public page of the register: its signed head, what was written lately, how to mirror and check it."""

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import reading
from ledger.custody import log_verifier
from ledger.models import Entry
from web.verdicts import EVENTS

SHOWN = 25
# A page of one kind looks at so many entries, so that a rare kind costs no more than a common one.
WINDOW = 20_000
_COUNTS = "register.counts"


@login_not_required
@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """`?type=` shows one kind of entry, `?before=<index>` older ones. Only what a checkpoint covers."""
    head = reading.latest_checkpoint()
    size = head.size if head else 0
    kind = request.GET.get("type", "")
    kind = kind if kind in EVENTS else ""
    before = _index(request.GET.get("before", ""), size)
    rows, older = _page(before, kind)
    context = {
        "head": head,
        "root": head.note.split("\n")[2] if head else "",
        "checkpoint": reading.checkpoint_text(head) if head else "",
        "vkey": log_verifier().vkey,
        "counts": _counted(kind, size),
        "kind": kind,
        "rows": [_row(entry) for entry in rows],
        "older": older,
        "looked_at": before - (older or 0),
    }
    return render(request, "web/register.html", context)


def _page(before: int, kind: str) -> tuple[list[Entry], int | None]:
    """The entries below `before`, the newest first, and where the next page begins, if there may be one."""
    lowest = max(0, before - (WINDOW if kind else SHOWN))
    found = Entry.objects.filter(sequence__index__lt=before, sequence__index__gte=lowest)
    found = found.filter(type=kind) if kind else found
    rows = list(found.select_related("sequence").order_by("-sequence__index")[:SHOWN])
    end = rows[-1].sequence.index if len(rows) == SHOWN else lowest
    return rows, end or None


def _index(text: str, size: int) -> int:
    return min(int(text), size) if text.isascii() and text.isdigit() and len(text) < 19 else size


def _counted(kind: str, size: int) -> list[dict[str, object]]:
    found = _counts(size)
    return [
        {"type": name, "words": words, "number": found[name], "current": name == kind}
        for name, words in EVENTS.items()
        if name in found
    ]


def _counts(size: int) -> dict[str, int]:
    """How many signed entries there are of each type. Kept, and only what came since is counted: leaves stay."""
    counted, found = cache.get(_COUNTS, (0, {}))
    if counted > size:  # another database than the one that was counted
        counted, found = 0, {}
    if counted < size:
        new = Entry.objects.filter(sequence__index__gte=counted, sequence__index__lt=size)
        for name, number in new.order_by("type").values_list("type").annotate(number=Count("pk")):
            found[name] = found.get(name, 0) + number
        cache.set(_COUNTS, (size, found), timeout=None)
    return dict(found)


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
