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
def key(request: HttpRequest) -> HttpResponse:
    """The log's current public keys (C2SP vkey), one a line."""
    return _moment(publication.key_text())


@login_not_required
@require_safe
def policy(request: HttpRequest) -> HttpResponse:
    """The office's tlog-policy: its keys, its witnesses, its quorum."""
    return _moment(publication.policy_text())


@login_not_required
@require_safe
def rotations(request: HttpRequest) -> HttpResponse:
    """The statements that tie each key to the one before, oldest first, each followed by an empty line."""
    return _moment(publication.rotations_text())


@login_not_required
@require_safe
def promise_key(request: HttpRequest) -> HttpResponse:
    """The attestation of the key that signs promises, by the log's key. 404 as long as there is none."""
    attestation = publication.promise_key_text()
    if attestation is None:
        raise NotFound("attestation of the promise key")
    return _moment(attestation)


@login_not_required
@require_safe
def tsa_certificate(request: HttpRequest) -> HttpResponse:
    """The certificate (PEM) of this office's own time stamps. 404 if it never made one."""
    certificate = publication.tsa_text()
    if certificate is None:
        raise NotFound("time-stamping certificate")
    return _moment(certificate)


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
