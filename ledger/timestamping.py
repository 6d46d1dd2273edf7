"""RFC 3161 time stamps over checkpoints: what the log held at that hour, said by an authority of time.

The stamp is over SHA-256 of the checkpoint as it was signed: `Checkpoint.note`, without cosignatures, which come later.
Whoever made it, it is checked against the authority's certificate before it is stored.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from django.conf import settings

from core import clock
from ledger import alarms, posting, reading, timestampauthority
from ledger.keys import BadKey, KeyMissing
from ledger.models import Stamp

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

log = structlog.get_logger()

SHA256: Final = "2.16.840.1.101.3.4.2.1"
# How far the authority's clock may be from ours: one of the two is wrong, and a person should look.
CLOCK_SKEW: Final = dt.timedelta(minutes=5)

FAILED: Final = (
    "The newest checkpoint has no time stamp: {why}. The log goes on without. What to do: see that the authority"
    " answers and that ASSAY_TSA_CA holds its root certificate, then run `manage.py stamp_log`. This alarm ends by"
    " itself with the next stamp."
)


class NotStamped(RuntimeError):
    """The authority gave no stamp that holds; in words. Nothing was stored."""


@dataclass(frozen=True)
class _Authority:
    """name: `own`, or the host. roots: whom its certificate must lead to. url: empty for our own."""

    name: str
    roots: tuple[x509.Certificate, ...]
    url: str = ""

    def respond(self, request: bytes) -> bytes:
        """Raises NotStamped."""
        return ask(self.url, request) if self.url else timestampauthority.this_office().respond(request)


def stamp() -> Stamp | None:
    """Have the newest checkpoint stamped; None if it is already, or if nothing is signed.

    Raises NotStamped, and raises the alarm “stamp”, which does not stop the log.
    """
    try:
        made = _stamp()
    except (NotStamped, KeyMissing, BadKey) as error:
        alarms.raise_alarm("stamp", FAILED.format(why=error), halts=False)
        raise NotStamped(str(error)) from error
    alarms.clear("stamp")
    return made


def _stamp() -> Stamp | None:
    newest = reading.latest_checkpoint()
    if newest is None:
        return None
    authority = _authority()
    if newest.stamps.filter(authority=authority.name).exists():
        return None
    token, at = _obtain(authority, newest.note.encode())
    made, new = Stamp.objects.get_or_create(
        checkpoint=newest, authority=authority.name, defaults={"token": token, "at": at}
    )
    log.info("checkpoint stamped", size=newest.size, authority=authority.name)
    return made if new else None


def _authority() -> _Authority:
    """Raises NotStamped, KeyMissing, BadKey."""
    url = settings.ASSAY_TSA_URL
    if not url:
        return _Authority(timestampauthority.OWN, (timestampauthority.this_office().certificate,))
    name = urlsplit(url).hostname or ""
    if not name or name == timestampauthority.OWN:
        raise NotStamped("ASSAY_TSA_URL is not an http(s) address")
    try:
        roots = x509.load_pem_x509_certificates(Path(settings.ASSAY_TSA_CA).read_bytes())
    except (OSError, ValueError) as error:
        raise NotStamped(f"ASSAY_TSA_CA={settings.ASSAY_TSA_CA} is not a file of PEM certificates") from error
    return _Authority(name, tuple(roots), url)


def _obtain(authority: _Authority, message: bytes) -> tuple[bytes, dt.datetime]:
    """The response (DER) over SHA-256 of `message`, checked, and its time. Raises NotStamped."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    builder = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    try:
        data = authority.respond(request.as_bytes())
        return data, checked(data, hashlib.sha256(message).digest(), request.nonce, authority.roots)
    except NotStamped as error:
        raise NotStamped(f"{authority.name}: {error}") from error


# --- An authority of time, for the log and for media ----------------------------------------------------------------


def ask(url: str, request: bytes) -> bytes:
    """The answer (DER) to a TimeStampReq (DER): one POST to a fixed address (ledger.posting). Raises NotStamped."""
    reply = posting.post(url, request, "application/timestamp-query")
    if reply.status == 200 and reply.content_type == "application/timestamp-reply":
        return reply.body
    if reply.status == 0:
        raise NotStamped(reply.body[:200].decode(errors="replace"))
    raise NotStamped(f"it answered {reply.status} ({reply.content_type or 'nothing'})")


def checked(data: bytes, digest: bytes, nonce: int | None, roots: Iterable[x509.Certificate]) -> dt.datetime:
    """The time in a TimeStampResp (DER): status, signature, certificate, imprint, nonce and clock hold.

    digest: the SHA-256 that was to be stamped. nonce: of the request, None if it had none. roots: whom the
    authority's certificate must lead to. Raises NotStamped.
    """
    from rfc3161_client import VerificationError, VerifierBuilder

    response = _granted(data)
    builder = VerifierBuilder(nonce=nonce)
    for root in dict.fromkeys(roots):
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify(response, digest)
        info = response.tst_info
    except (VerificationError, ValueError) as error:
        raise NotStamped(f"the stamp does not hold: {error}") from error
    if info.message_imprint.hash_algorithm.dotted_string != SHA256:
        raise NotStamped("the stamp is not over a SHA-256")
    if abs(info.gen_time - clock.now()) > CLOCK_SKEW:
        raise NotStamped(f"the stamp says {info.gen_time:%Y-%m-%d %H:%M:%S} UTC: is its clock wrong, or ours?")
    return info.gen_time


def _granted(data: bytes) -> "TimeStampResponse":
    """Raises NotStamped for a refusal, and for what is no response."""
    try:
        response = decoded(data)
        status, why = response.status, response.status_string
    except (ValueError, TypeError, KeyError) as error:
        raise NotStamped("what it answered is no time-stamp response") from error
    if status != 0:
        raise NotStamped(f"it refused (status {status}): {', '.join(why)}")
    return response


def decoded(data: bytes) -> "TimeStampResponse":
    """A TimeStampResp (DER). Raises ValueError, TypeError, KeyError."""
    from asn1crypto import cms, tsp
    from rfc3161_client import decode_timestamp_response

    try:
        return decode_timestamp_response(data)
    except ValueError:
        # It insists on the order of DER; OpenSSL's authority writes the signer's certificate first. Certificates are
        # not signed, so for this check they may be sorted; what is stored stays as it came.
        response = tsp.TimeStampResp.load(data, strict=True)
        signed = response["time_stamp_token"]["content"]
        signed["certificates"] = cms.CertificateSet(sorted(signed["certificates"], key=lambda one: one.dump()))
        return decode_timestamp_response(response.dump())
