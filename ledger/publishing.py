"""The public log over HTTP, as C2SP tlog-tiles: any existing client can verify and mirror it from these addresses.

`ledger.publication` writes the same files for a static server.
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from core.problems import NotFound
from ledger import publication, reading, tiles
from ledger.merkle import HASH_SIZE
from ledger.storedtree import read_tile

_MAX_LEVEL = 63


@login_not_required
@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """The newest signed tree head, with its cosignatures. 404 while the log is empty."""
    newest = reading.latest_checkpoint()
    if newest is None:
        raise NotFound("checkpoint yet")
    return _moment(reading.checkpoint_text(newest))


@login_not_required
@require_safe
def text(request: HttpRequest, name: str) -> HttpResponse:
    """One of `publication.TEXTS`: keys, policy, rotations, attestation, certificate. 404 where there is none yet."""
    content = publication.TEXTS[name]()
    if content is None:
        raise NotFound(f"{name} of this log yet")
    return _moment(content)


@login_not_required
@require_safe
def tile(request: HttpRequest, level: str, path: str) -> HttpResponse:
    """`<L>/<N>[.p/<W>]`: hashes of the tree; a partial tile is cut to the width asked for."""
    number = int(level)
    if number > _MAX_LEVEL:
        raise NotFound("tile")
    n, width = _signed_tile(number, path)
    return _immutable(read_tile(number, n)[: width * HASH_SIZE])


@login_not_required
@require_safe
def entry_bundle(request: HttpRequest, path: str) -> HttpResponse:
    """`entries/<N>[.p/<W>]`: up to 256 leaves, each after its length (uint16, big-endian)."""
    return _immutable(publication.entry_bundle(*_signed_tile(0, path)))


def _signed_tile(level: int, path: str) -> tuple[int, int]:
    """The tile's n and width, if the newest checkpoint covers that much of it. Raises NotFound."""
    try:
        n, width = tiles.parse_path(path)
    except tiles.BadTile as error:
        raise NotFound("tile") from error
    if width > tiles.width_of(level, n, reading.signed_size()):
        raise NotFound("tile")
    return n, width


def _moment(text: str) -> HttpResponse:
    return HttpResponse(text, content_type=publication.TEXT, headers={"Cache-Control": publication.A_MOMENT})


def _immutable(data: bytes) -> HttpResponse:
    # Also right for a partial tile: its address names its width, and a tile only grows by keeping its beginning.
    return HttpResponse(data, content_type=publication.BINARY, headers={"Cache-Control": publication.FOR_EVER})
