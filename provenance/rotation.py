"""The certificate that signs media changes hands: a fresh one of this office, or one that the operator brings.

From the moment its file is there the new one signs, in every process; the old one stays trusted for what it signed,
and its private key can be destroyed. The file is written last, inside the transaction of the entry
`certificate:rotated`; killed between file and commit, a second run writes the entry and changes nothing else.
"""

import datetime as dt
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from core.clock import now
from core.health import Check
from core.problems import Conflict, Problem
from ledger import log as ledger
from ledger.durable import write_once
from ledger.events import EventType
from ledger.keys import BadKey, KeyMissing
from ledger.models import Entry
from provenance import authority, certificates, revocation, tokens, trust
from provenance.authority import Authority, alone, chain_numbers, leaf_of, numbered, this_office

log = structlog.get_logger()

ACTOR: Final = "system:keys"
ROLE: Final = "system"
ISSUED, BROUGHT, TIME = "issued", "brought", "time"
REMIND: Final = dt.timedelta(days=90)
URGENT: Final = dt.timedelta(days=14)


@dataclass(frozen=True)
class Rotation:
    """old, new: the certificates. how: issued, brought or time. repeated: it was under way; now it is recorded."""

    old: x509.Certificate
    new: x509.Certificate
    how: str
    repeated: bool = False


def rotate() -> Rotation:
    """A fresh certificate under this office's root signs from now on. Raises KeyMissing, BadKey, LogError."""
    office = this_office()
    with alone(office.folder):
        unfinished = _finish(office)
        if unfinished:
            return unfinished
        made = certificates.new_leaf(settings.ASSAY_OFFICE_NAME, authority.own_root(office))
        return _install(office, made.certificate, made.pem + office.root, ISSUED, made.key_pem)


def rotate_time() -> Rotation:
    """A fresh certificate stamps the time from now on; stamps of the old one stay good. Raises as `rotate`."""
    old, office = authority.time_authority().certificate, this_office()
    with alone(office.folder):
        number = authority.newest_time(office.folder) + 1
        path = office.folder / numbered("tsa", number, "key")
        with _undone(path), transaction.atomic():
            new = authority.issue_time(office, number)
            _record(old, new, TIME)
        return Rotation(old, new, TIME)


def bring(chain: str, key: str = "") -> Rotation:
    """A certificate of somebody else signs from now on.

    chain: PEM, the signing one first. key: its private key (PEM), or `pkcs11:…&key=LABEL`; empty, when ASSAY_C2PA_KEY
    holds it and shall go on holding it. One signature is made and checked first. Raises Problem certificate.*,
    KeyMissing, BadKey; nothing is kept.
    """
    office = this_office()
    found = certificates.read_all(chain, code="certificate.pem")
    algorithm = certificates.check_signer(found)
    _refuse_known(office, found[0])
    _try(found[0], algorithm, key or settings.ASSAY_C2PA_KEY)
    with alone(office.folder):
        unfinished = _finish(office)
        if unfinished:
            return unfinished
        return _install(office, found[0], certificates.as_pem(found), BROUGHT, key)


def _install(office: Authority, new: x509.Certificate, chain: str, how: str, key: str) -> Rotation:
    number = office.number + 1
    secret = office.folder / numbered("leaf", number, "key")
    secret.unlink(missing_ok=True)  # of a run that was killed before its certificate was there: it never signed
    if key:
        write_once(secret, key.strip() + "\n")
    with _undone(secret, office.folder / numbered("chain", number, "pem")), transaction.atomic():
        _record(office.certificate, new, how)
        write_once(office.folder / numbered("chain", number, "pem"), chain)
    log.warning("authority.rotated", how=how, old=office.serial, new=str(new.serial_number))
    return Rotation(office.certificate, new, how)


class _undone:
    """What was written is taken away again when the transaction fails."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for path in reversed(self._paths):
                path.unlink(missing_ok=True)


def _finish(office: Authority) -> Rotation | None:
    """The rotation that was killed before its entry was written, if there is one."""
    if office.number == 1 or office.serial in _recorded():
        return None
    before = [number for number in chain_numbers(office.folder) if number < office.number]
    old = leaf_of(office.folder, before[-1]) if before else office.certificate
    how = BROUGHT if office.is_brought else ISSUED
    with transaction.atomic():
        _record(old, office.certificate, how)
    return Rotation(old, office.certificate, how, repeated=True)


def _recorded() -> set[str]:
    leaves = Entry.objects.filter(type=EventType.CERTIFICATE_ROTATED).values_list("leaf", flat=True)
    return {json.loads(bytes(leaf))["facts"]["new"] for leaf in leaves}


def _record(old: x509.Certificate, new: x509.Certificate, how: str) -> None:
    facts = {
        "how": how,
        "old": str(old.serial_number),
        "new": str(new.serial_number),
        "certificate": certificates.fingerprint(certificates.pem_of(new)),
        "until": new.not_valid_after_utc.isoformat(),
    }
    ledger.append(EventType.CERTIFICATE_ROTATED, actor=ACTOR, role=ROLE, facts=facts)


def _refuse_known(office: Authority, leaf: x509.Certificate) -> None:
    if leaf in (leaf_of(office.folder, number) for number in chain_numbers(office.folder)):
        raise Conflict(
            "This certificate signs, or signed, for this office already.",
            code="certificate.known",
            next_step="Bring a new one, with a key of its own.",
        )


def _try(leaf: x509.Certificate, algorithm: str, key: str) -> None:
    """Sign what can be nothing else, and check it with the certificate. Raises Problem, KeyMissing, BadKey."""
    if not key:
        raise KeyMissing("give the certificate's private key: as a file, or in ASSAY_C2PA_KEY")
    text = b"assay: does this key belong to this certificate? " + secrets.token_bytes(16)
    if not tokens.is_token(key) and certificates.read_key(key).public_key() != leaf.public_key():
        raise _foreign()
    if not certificates.verifies(leaf, algorithm, authority.sign_with(key, algorithm, text), text):
        raise _foreign()


def _foreign() -> Problem:
    return Problem(
        "certificate.key",
        "The certificates cannot be used",
        status=422,
        detail="The private key is not this certificate's. Nothing was kept.",
        next_step="Bring the key that the certificate was asked for with.",
    )


# --- Health --------------------------------------------------------------------------------------------------------


def check() -> Check:
    """For `core.health`: what the certificates for media ask of the operator. Nobody is asked over the network."""
    if not authority.folder().is_dir():
        return Check("media certificate", True, _("none yet: it is made with the first start"))
    try:
        office = this_office()
        wrong = [*_wrong(office), *trust.check_configured_time()]
    except (KeyMissing, BadKey, ValueError, OSError) as error:
        return Check("media certificate", False, str(error))
    told = "; ".join(wrong or _reminders(office)) or _("nothing to do")
    return Check("media certificate", not wrong, told)


def _wrong(office: Authority) -> Iterator[str]:
    yield from _ending(office, lambda left: left < URGENT)
    if revocation.of(office.serial, "", now()) is not None:
        yield _("the certificate that signs media is revoked: run `manage.py media_certificate rotate`")
    if settings.ASSAY_C2PA_CHAIN and not _is_taken(office):
        yield _("ASSAY_C2PA_CHAIN names a certificate that does not sign yet: run `manage.py media_certificate bring`")


def _is_taken(office: Authority) -> bool:
    found = certificates.read_all(Path(settings.ASSAY_C2PA_CHAIN).read_text(errors="replace"), code="certificate.pem")
    return found[0] == office.certificate


def _reminders(office: Authority) -> Iterator[str]:
    yield from _ending(office, lambda left: left < REMIND)
    for path in retired_keys(office):
        yield _("%(file)s signs no longer: destroy it, and its backups") % {"file": path.name}


def _ending(office: Authority, soon: Callable[[dt.timedelta], bool]) -> Iterator[str]:
    found = [(office.certificate, _("signs media"), "rotate")]
    if not settings.ASSAY_TSA_URL and authority.newest_time(office.folder):
        found.append((authority.time_authority().certificate, _("stamps the time of media"), "rotate --time"))
    for certificate, what, command in found:
        if soon(certificate.not_valid_after_utc - now()):
            yield _("the certificate that %(what)s ends on %(day)s: run `manage.py media_certificate %(command)s`") % {
                "what": what,
                "day": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
                "command": command,
            }


def retired_keys(office: Authority) -> list[Path]:
    """Private keys, in files, of certificates that sign or stamp no longer."""
    older = [office.folder / numbered("leaf", number, "key") for number in range(1, office.number)]
    newest = authority.newest_time(office.folder)
    older += [office.folder / numbered("tsa", number, "key") for number in range(1, newest)]
    return [path for path in older if path.exists()]
