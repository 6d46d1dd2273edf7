"""Certificates whose signatures do not count any more, by serial number. No responder is asked over the network.

What was signed before the date of a revocation goes on counting when a trusted time-stamp shows it: the date is that of
the theft, as far as it is known, not that of the entry.
"""

import datetime as dt
import re
from collections.abc import Collection
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from core.clock import now
from core.problems import Conflict, Problem
from ledger import log as ledger
from ledger.events import EventType
from provenance import authority
from provenance.models import Revocation

ACTOR: Final = "system:keys"
ROLE: Final = "system"
_DECIMAL = re.compile(r"[0-9]{1,60}", re.ASCII)
_HEXADECIMAL = re.compile(r"(?:0x)?([0-9a-f]{1,2}(?::[0-9a-f]{2})+|(?<=0x)[0-9a-f]{1,49})", re.ASCII | re.IGNORECASE)


def revoke(
    serial: str,
    *,
    reason: str,
    issuer: str = "",
    revoked_at: dt.datetime | None = None,
) -> Revocation:
    """Signatures of this certificate do not count from `revoked_at` on (now, if None). Logs `certificate:revoked`.

    serial: decimal, `0x…`, or `AB:CD:…` as tools print it. issuer: common name or organisation of who issued it; empty
    for any, which is safe, because serial numbers are random. Raises Problem certificate.*; nothing is kept.
    """
    number, at = read_serial(serial), revoked_at or now()
    _check(number, issuer, reason, at)
    facts = {"serial": number, "issuer": issuer, "revoked_at": at.astimezone(dt.UTC).isoformat()}
    try:
        with transaction.atomic():
            _refuse_twice(number, issuer)
            entry = ledger.append(EventType.CERTIFICATE_REVOKED, actor=ACTOR, role=ROLE, facts=facts)
            return Revocation.objects.create(
                serial=number, issuer=issuer, revoked_at=at, reason=reason.strip(), entry=entry
            )
    except IntegrityError as error:
        raise _twice(number) from error


def of(serial: str, issuer: str | Collection[str], as_of: dt.datetime | None = None) -> Revocation | None:
    """The revocation that stands against a signature of this certificate, if there is one.

    serial: decimal. issuer: any names of who issued it, as the certificate has them. as_of: the moment that counts: the
    trusted time-stamp's, or else the date for which is judged (now, if None).
    """
    names = {issuer} if isinstance(issuer, str) else set(issuer)
    rows = Revocation.objects.filter(serial=serial, revoked_at__lte=as_of or now()).order_by("revoked_at", "pk")
    # A name that is not known excuses nobody.
    known = {name for name in names if name}
    return next((row for row in rows if not row.issuer or not known or row.issuer in known), None)


def every() -> QuerySet[Revocation]:
    """The newest first."""
    return Revocation.objects.order_by("-added_at", "-pk")


def read_serial(text: str) -> str:
    """Decimal. Raises Problem certificate.serial."""
    text = text.strip()
    if _DECIMAL.fullmatch(text):
        return str(int(text))
    match = _HEXADECIMAL.fullmatch(text)
    number = str(int(match[1].replace(":", ""), 16)) if match else ""
    if not match or len(number) > 60:
        raise _refused(
            "certificate.serial",
            "This is no serial number",
            f"“{text[:80]}” is neither decimal, nor 0x followed by hexadecimal digits, nor pairs of them with colons.",
            "`openssl x509 -noout -serial` prints it in hexadecimal: put 0x before it.",
        )
    return number


def _check(serial: str, issuer: str, reason: str, at: dt.datetime) -> None:
    if at.tzinfo is None or at > now():
        raise _refused(
            "certificate.dates",
            "The date is not possible",
            "A certificate is revoked from now on, or from a moment in the past, given with its time zone.",
            "Give another date.",
        )
    if len(issuer) > 200 or "@" in issuer or not issuer.isprintable():
        raise _refused(
            "certificate.issuer",
            "This is no issuer's name",
            "Who issued it is told by a common name or organisation of up to 200 characters, without an address.",
            "Leave it out: serial numbers are random.",
        )
    if not reason.strip() or len(reason) > 300 or not reason.isprintable():
        raise _refused(
            "certificate.reason",
            "The reason is missing",
            "A reason has 1 to 300 characters.",
            "Say why, in a sentence.",
        )
    _refuse_in_use(serial)


def _refuse_in_use(serial: str) -> None:
    """A revoked certificate must not go on signing: every registration would fail its own check."""
    if not authority.folder().is_dir():
        return
    office = authority.this_office()
    in_use = {office.serial: "rotate"}
    if authority.newest_time(office.folder):
        in_use[str(authority.time_authority().certificate.serial_number)] = "rotate --time"
    if serial in in_use:
        raise Conflict(
            "This certificate signs for this office just now.",
            code="certificate.in_use",
            next_step=f"Run `manage.py media_certificate {in_use[serial]}` first, then revoke the old one.",
        )


def _refuse_twice(serial: str, issuer: str) -> None:
    if Revocation.objects.filter(serial=serial, issuer=issuer).exists():
        raise _twice(serial)


def _twice(serial: str) -> Conflict:
    return Conflict(
        f"Certificate {serial} is revoked already.",
        code="certificate.revoked",
        next_step="`manage.py revoke_certificate --list` shows from when on.",
    )


def _refused(code: str, title: str, detail: str, next_step: str) -> Problem:
    return Problem(code, title, status=422, detail=f"{detail} Nothing was kept.", next_step=next_step)
