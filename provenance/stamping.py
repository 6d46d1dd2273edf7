"""Time-stamps (RFC 3161) for the media this office signs: its own authority, or the one named by ASSAY_TSA_URL.

The own one's certificate stands directly under this office's root and goes into the token alone, which every reader
accepts that was tried. It is this office's word about its own clock; an authority of somebody else proves more.
The request comes from a guarded child, which a hostile file may have taken over: it is read strictly, and its answer is
checked before the child gets it. The only address ever called is the operator's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import structlog
from asn1crypto import tsp
from cryptography import x509
from django.conf import settings

from core.problems import Problem
from ledger import timestamping
from provenance import authority as certification
from provenance import trust

log = structlog.get_logger()

MAX_REQUEST: Final = 512  # bytes; the library's have about 60


class NotStamped(Problem):
    """No time-stamp that holds could be had. `signing` goes on without only where ASSAY_TSA_OPTIONAL allows it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            "office.not_stamped",
            "The time-stamp could not be made",
            status=503,
            detail=f"The time-stamp authority {name} gave no time-stamp that holds: {why}. Nothing was kept.",
            next_step="Try again in a few minutes; if it happens again, tell the operator.",
        )


class BadStampRequest(Problem):
    """What asked for a time-stamp is no request that this office passes on."""

    def __init__(self, why: str) -> None:
        super().__init__("media.unparseable", "The file could not be examined", status=422, detail=f"It {why}.")


@dataclass(frozen=True)
class _Asked:
    """A TimeStampReq. digest: the SHA-256 to be stamped. nonce: None if there is none."""

    digest: bytes
    nonce: int | None


@dataclass(frozen=True)
class StampAuthority:
    """name: for people. optional: whether signing may go on without a stamp. answer: TimeStampReq to TimeStampResp."""

    name: str
    optional: bool
    answer: Callable[[bytes], bytes] = field(repr=False)
    roots: Callable[[], list[x509.Certificate]] = field(repr=False)

    def stamp(self, request_der: bytes) -> bytes:
        """The TimeStampResp (DER) to a TimeStampReq (DER) over a SHA-256, checked: status, signature, certificate,
        imprint, nonce, time. Raises BadStampRequest, NotStamped.
        """
        asked = _read_request(request_der)
        try:
            response = self.answer(request_der)
            timestamping.checked(response, asked.digest, asked.nonce, self.roots())
        except (timestamping.NotStamped, ValueError, TypeError, KeyError) as error:
            log.warning("stamping.refused", authority=self.name, why=str(error)[:200])
            raise NotStamped(self.name, str(error)[:200] or type(error).__name__) from error
        return response


def authority() -> StampAuthority:
    """Whoever stamps media for this office. Raises NotStamped (the settings are wrong), KeyMissing."""
    if not settings.ASSAY_TSA_URL:
        own = certification.time_authority()
        return StampAuthority("of this office", False, own.respond, lambda: certification.this_office().roots)
    wrong = trust.check_configured_time()
    if wrong:
        raise NotStamped("of the settings", wrong[0])
    url = settings.ASSAY_TSA_URL
    name = urlsplit(url).hostname or ""
    return StampAuthority(name, settings.ASSAY_TSA_OPTIONAL, partial(timestamping.ask, url), trust.configured_roots)


def _read_request(request: bytes) -> _Asked:
    if len(request) > MAX_REQUEST:
        raise BadStampRequest("asked for a time-stamp with too long a request")
    try:
        asked = tsp.TimeStampReq.load(request, strict=True)
        imprint, nonce = asked["message_imprint"], asked["nonce"].native
        algorithm, digest = imprint["hash_algorithm"]["algorithm"].dotted, bytes(imprint["hashed_message"].native)
        plain = not asked["extensions"].native and bool(asked["cert_req"].native)
    except (ValueError, TypeError, KeyError) as error:
        raise BadStampRequest("asked for a time-stamp with what is no request") from error
    if algorithm != timestamping.SHA256 or len(digest) != 32 or not plain:
        raise BadStampRequest("asked for a time-stamp that this office does not have made")
    return _Asked(digest, nonce)
