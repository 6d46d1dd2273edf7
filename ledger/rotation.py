"""The log's key changes hands: the new key and the old one sign side by side for a while.

The new key is made, both keys sign one statement, and in one transaction the entry `key:rotated` and the new key's row
appear. From then on both sign each checkpoint until the overlap ends. A crash loses nothing: before the transaction a
second run takes the same new key again, after it there is nothing left to do.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Min
from django.utils.translation import gettext as _

from core.clock import now
from core.health import Check
from ledger import alarms, bundleformat, custody, head, keys, log, notes, reading, sequencer, verify_checks
from ledger.events import EventType
from ledger.keystores.files import log_key_files
from ledger.models import Entry, LogKey, PersonKey

logger = structlog.get_logger()

ACTOR: Final = "system:keys"
ROLE: Final = "system"
WAIT: Final = 30.0  # seconds for the sequencer to finish its tick


class RotationRefused(RuntimeError):
    """The log's key was not changed. The message says why and what to do."""


@dataclass(frozen=True)
class Rotation:
    """old, new: public keys. ends: when the old one stops signing. repeated: it had been done already."""

    old: keys.LogVerifier
    new: keys.LogVerifier
    ends: dt.datetime
    repeated: bool = False


def rotate(overlap: dt.timedelta) -> Rotation:
    """A new key for this log; the old one signs beside it for `overlap`. While one is under way, that one is returned.

    Raises RotationRefused, keys.KeyMissing, keys.BadKey.
    """
    with head.only_one(WAIT) as mine, sequencer.one_host() as ours:
        if not (mine and ours):
            raise RotationRefused("The sequencer does not come to an end of its work. Stop it, and run this again.")
        done = _under_way() or _begin(overlap)
    custody.renew_attestation()
    return done


def end_overlap() -> int:
    """Keys that have a successor sign no further tree. Returns how many stopped."""
    older = LogKey.objects.filter(origin=settings.ASSAY_LOG_ORIGIN, until=None, retires_at__isnull=False)
    older.update(retires_at=now())
    return custody.end_overlaps()


def statement(old: keys.LogVerifier, new: keys.LogVerifier, size: int) -> str:
    """The text of a rotation statement (docs/formats.md, “Signed statements”)."""
    return f"{bundleformat.ROTATION}\n{new.name}\n{old.vkey}\n{new.vkey}\n{size}\n"


def _under_way() -> Rotation | None:
    custody.end_overlaps()
    new, *older = custody.log_verifiers()
    if not older:
        return None
    ends = LogKey.objects.get(vkey=older[0].vkey).retires_at or now()
    return Rotation(older[0], new, ends, repeated=True)


def _begin(overlap: dt.timedelta) -> Rotation:
    alarm = alarms.halting()
    if alarm is not None:
        raise RotationRefused(f"An alarm about the log is open, and nothing was changed: {alarm.message}")
    old, new = custody.log_signer(), custody.next_log_signer()
    ends = now() + overlap
    _record(old, new, ends)
    logger.warning("log key rotated", old=old.verifier.vkey, new=new.verifier.vkey)
    return Rotation(old.verifier, new.verifier, ends)


def _record(old: keys.SigningKey, new: keys.SigningKey, ends: dt.datetime) -> None:
    size = reading.signed_size()
    note = str(notes.sign(statement(old.verifier, new.verifier, size), new, old))
    facts = {"old": old.verifier.vkey, "new": new.verifier.vkey, "statement": sha256(note)}
    with transaction.atomic():
        log.append(EventType.KEY_ROTATED, actor=ACTOR, role=ROLE, facts=facts)
        LogKey.objects.filter(vkey=old.verifier.vkey).update(retires_at=ends)
        LogKey.objects.create(origin=new.name, vkey=new.verifier.vkey, since=size, rotation=note)


def follow(published: bytes) -> list[tuple[str, verify_checks.Rotation]]:
    """The rotations of a published copy (`rotations`) that this database does not know, oldest first, with their notes.

    Each is signed by both of its keys, and they lead forward from the newest key that is known here. Raises ValueError.
    """
    texts = bundleformat.split_notes(published)
    if not texts:
        return []
    try:
        steps = verify_checks.read_rotations(texts, settings.ASSAY_LOG_ORIGIN)
    except verify_checks.Failed as error:
        raise ValueError(str(error)) from error
    known, found = list(custody.all_verifiers()), []
    for text, step in zip(texts, steps, strict=True):
        if step.new in known:
            continue
        if step.old != known[0]:
            raise ValueError(f"no rotation leads from the newest key known here, {known[0].vkey}, to {step.new.vkey}")
        known.insert(0, step.new)
        found.append((text, step))
    return found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def broken_history() -> str | None:
    """What is wrong with the rows of keys, compared with the log's own entries and with the private keys (as far as
    this process may read them); None if nothing. For `check_log`.
    """
    current = custody.log_verifier().vkey
    with suppress(keys.KeyMissing):
        held = custody.store().log_signers()
        if held and custody.store().log_signer(current) is None:
            return f"the log's key is said to be {current}, but the private keys here are of others"
    # The rows first: a rotation brings row and entry together, so whatever row is seen here has its entry below.
    rows = list(LogKey.objects.exclude(rotation="").order_by("pk"))
    recorded = {
        json.loads(bytes(leaf))["facts"]["statement"]
        for leaf in Entry.objects.filter(type=EventType.KEY_ROTATED).values_list("leaf", flat=True)
    }
    for row in rows:
        wrong = _broken_statement(row, recorded)
        if wrong:
            return f"the rotation to {row.vkey}: {wrong}"
        recorded.discard(sha256(row.rotation))
    return f"an entry key:rotated names the statement {min(recorded)}, but no key came by it" if recorded else None


def _broken_statement(row: LogKey, recorded: set[str]) -> str | None:
    if sha256(row.rotation) not in recorded:
        return "no entry key:rotated names its statement"
    try:
        kind, origin, old, new, _size = notes.parse(row.rotation).text[:-1].split("\n")
        for vkey in (old, new):
            notes.open_note(row.rotation, [keys.parse_vkey(vkey)])
    except (ValueError, notes.BadNote, keys.BadKey) as error:
        return f"its statement is not signed by both keys ({error})"
    if (kind, origin, new) != (bundleformat.ROTATION, row.origin, row.vkey):
        return "its statement is about another key"
    return None if LogKey.objects.filter(vkey=old, origin=origin).exists() else "it comes from an unknown key"


def check() -> Check:
    """For `core.health`: what the keys ask of the operator."""
    held = custody.store().master_versions()
    missing = [str(version) for version in named_versions() if version not in held]
    if missing:
        lost = ", ".join(missing)
        return Check("ledger keys", False, _("the vault's master key %s is missing: put it back") % lost)
    return Check("ledger keys", True, "; ".join(_reminders()) or _("nothing to do"))


def named_versions() -> Iterator[int]:
    """Versions of the master key that still wrap somebody's key, ascending; one look into the index for each."""
    version = 0
    while found := PersonKey.objects.filter(version__gt=version).aggregate(least=Min("version"))["least"]:
        version = int(found)
        yield version


def _reminders() -> Iterator[str]:
    rows = LogKey.objects.filter(origin=settings.ASSAY_LOG_ORIGIN, until=None, retires_at__isnull=False)
    for row in rows:
        yield _("two keys sign until %(day)s") % {"day": f"{row.retires_at:%Y-%m-%d %H:%M} UTC"}
    for path in retired_files():
        yield _("%(file)s signs no longer: destroy it, and its backups") % {"file": path.name}


def retired_files() -> list[Path]:
    """Private keys in files that sign no further tree, as far as this process may read them."""
    retired = set(LogKey.objects.exclude(until=None).values_list("vkey", flat=True))
    found = []
    for path in log_key_files(Path(settings.ASSAY_KEYS)):
        with suppress(keys.KeyMissing, keys.BadKey):
            if keys.read_log_signer(path).verifier.vkey in retired:
                found.append(path)
    return found
