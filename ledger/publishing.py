"""The public log over HTTP, as C2SP tlog-tiles: any existing client can verify and mirror it from these addresses."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from core.problems import NotFound
from ledger import custody, reading, tiles
from ledger.merkle import HASH_SIZE
from ledger.models import Entry
from ledger.storedtree import read_tile

_MAX_LEVEL = 63
_FOR_EVER = "public, max-age=31536000, immutable"
_A_MOMENT = "public, max-age=2"
_TEXT = "text/plain; charset=utf-8"


@login_not_required
@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """The newest signed tree head. 404 while the log is empty."""
    newest = reading.latest_checkpoint()
    if newest is None:
        raise NotFound("checkpoint yet")
    return HttpResponse(newest.note, content_type=_TEXT, headers={"Cache-Control": _A_MOMENT})


@login_not_required
@require_safe
def key(request: HttpRequest) -> HttpResponse:
    """The log's public key (C2SP vkey), one line."""
    return HttpResponse(custody.log_verifier().vkey + "\n", content_type=_TEXT, headers={"Cache-Control": _A_MOMENT})


@login_not_required
@require_safe
def tile(request: HttpRequest, level: str, path: str) -> HttpResponse:
    """`<L>/<N>[.p/<W>]`: hashes of the tree; a partial tile is cut to the width asked for."""
    number = int(level)
    if number > _MAX_LEVEL:
        raise NotFound("tile")
    n, width = _signed_tile(number, path)
    data = read_tile(number, n)
    return _immutable(data[: width * HASH_SIZE])


@login_not_required
@require_safe
def entry_bundle(request: HttpRequest, path: str) -> HttpResponse:
    """`entries/<N>[.p/<W>]`: up to 256 leaves, each after its length (uint16, big-endian)."""
    n, width = _signed_tile(0, path)
    first = n * tiles.WIDTH
    rows = Entry.objects.filter(sequence__index__gte=first, sequence__index__lt=first + width)
    leaves = rows.order_by("sequence__index").values_list("leaf", flat=True)
    return _immutable(tiles.bundle(bytes(leaf) for leaf in leaves))


def _signed_tile(level: int, path: str) -> tuple[int, int]:
    """The tile's n and width, if the newest checkpoint covers that much of it. Raises NotFound."""
    try:
        n, width = tiles.parse_path(path)
    except tiles.BadTile as error:
        raise NotFound("tile") from error
    if width > tiles.width_of(level, n, reading.signed_size()):
        raise NotFound("tile")
    return n, width


def _immutable(data: bytes) -> HttpResponse:
    # Also right for a partial tile: its address names its width, and a tile only grows by keeping its beginning.
    return HttpResponse(data, content_type="application/octet-stream", headers={"Cache-Control": _FOR_EVER})
