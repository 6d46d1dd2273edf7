"""The keys of this installation: joins the settings and the database with the pure `ledger.keys` and `keystores`.

A key is made on first use only. When the database shows that a key existed before, a missing private key is an error
and never a new one: that would silently fork the log or lose every sealed section. The public half of each key that
signs, or has signed, is a row of LogKey, so that whoever only verifies needs no private key.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.core.management import CommandError
from django.db.models import Max

from core.clock import now
from ledger import bundleformat, durable, keys, mldsa, notes
from ledger.keystores import KeyStore, Place, open_store
from ledger.models import Checkpoint, LogKey, PersonKey

log = structlog.get_logger()

PROMISE: Final = "promise"


@dataclass(frozen=True)
class KeyTime:
    """A public key and the sizes of the trees it may have signed."""

    origin: str
    verifier: notes.Verifier
    since: int
    until: int | None

    def covers(self, size: int) -> bool:
        return self.since <= size and (self.until is None or size <= self.until)


def store() -> KeyStore:
    """Where the private keys are (`ASSAY_KEY_STORE`). Raises keys.BadKey when the setting is not in its form."""
    place = Place(
        settings.ASSAY_KEY_STORE,
        _folder(),
        settings.ASSAY_KEY_STORE_PIN,
        settings.ASSAY_LOG_KEY,
        settings.ASSAY_VAULT_KEY,
    )
    return open_store(place)


# --- The log's keys ------------------------------------------------------------------------------------------------


def log_signers() -> tuple[notes.Signer, ...]:
    """Every key that signs now: the current one, those whose overlap is not over, ML-DSA-44 if it is switched on.

    Only for the sequencer: keys whose overlap is over are retired here. Raises keys.KeyMissing, keys.BadKey.
    """
    rows = _current_rows() or [_introduce_first()]
    if any(row.retires_at is not None and row.retires_at <= now() for row in rows):
        end_overlaps()
        rows = _current_rows()
    signers: list[notes.Signer] = [_signer_of(row) for row in rows]
    return (*signers, _mldsa_signer()) if settings.ASSAY_LOG_MLDSA else tuple(signers)


def log_signer() -> keys.SigningKey:
    """The current key. Raises keys.KeyMissing, keys.BadKey."""
    rows = _current_rows()
    return _signer_of(rows[0] if rows else _introduce_first())


def log_verifiers() -> tuple[keys.LogVerifier, ...]:
    """The public keys that sign now, the current one first. No private key is read once the first was recorded."""
    return tuple(keys.parse_vkey(row.vkey) for row in _current_rows()) or (_first_signer().verifier,)


def log_verifier() -> keys.LogVerifier:
    return log_verifiers()[0]


def all_verifiers(origin: str | None = None) -> tuple[keys.LogVerifier, ...]:
    """Every Ed25519 key that this log, or the one of this origin, signs or has signed with, newest first."""
    rows = _ed25519(LogKey.objects.filter(origin=origin or settings.ASSAY_LOG_ORIGIN).order_by("-pk"))
    return tuple(keys.parse_vkey(row.vkey) for row in rows) or (log_verifiers() if origin is None else ())


def key_times() -> list[KeyTime]:
    """Every key of every origin this tree had, ML-DSA-44 included, oldest first: for checking old checkpoints."""
    if not LogKey.objects.exists():
        return [KeyTime(settings.ASSAY_LOG_ORIGIN, log_verifier(), 0, None)]
    return [KeyTime(row.origin, _verifier(row.vkey), row.since, row.until) for row in LogKey.objects.order_by("pk")]


def open_old_checkpoint(note: str, key_times: Iterable[KeyTime]) -> notes.TreeHead:
    """Any checkpoint of this tree: signed, at its size, by an Ed25519 key whose time it was. Raises notes.BadNote."""
    tree = notes.parse_tree_head(notes.parse(note).text)
    then = [key.verifier for key in key_times if key.origin == tree.origin and key.covers(tree.size)]
    notes.open_note(note, then)  # every line of a known key, ML-DSA-44's too
    return notes.open_checkpoint(note, tree.origin, [one for one in then if isinstance(one, keys.LogVerifier)])


def log_vkeys() -> list[str]:
    """The vkey of every key that signs now, ML-DSA-44 last."""
    rows = LogKey.objects.filter(origin=settings.ASSAY_LOG_ORIGIN, until=None).order_by("-pk")
    second = [row.vkey for row in rows if keys.key_type(row.vkey) == mldsa.ML_DSA_44]
    return [one.vkey for one in log_verifiers()] + (second if settings.ASSAY_LOG_MLDSA else [])


def rotations(origin: str | None = None) -> list[str]:
    """The rotation statements of this log, signed notes, oldest first."""
    rows = LogKey.objects.filter(origin=origin or settings.ASSAY_LOG_ORIGIN).exclude(rotation="")
    return list(rows.order_by("pk").values_list("rotation", flat=True))


def end_overlaps() -> int:
    """Retire the keys whose overlap is over: they sign no further tree. Returns how many."""
    over = LogKey.objects.filter(until=None, retires_at__lte=now())
    return over.update(until=_signed_size()) if over.exists() else 0


def next_log_signer() -> keys.SigningKey:
    """A key of this origin that has not signed yet, made if there is none: what a rotation turns to.

    The same one again when a rotation was interrupted. Raises keys.KeyMissing, keys.BadKey.
    """
    held, origin = store(), settings.ASSAY_LOG_ORIGIN
    known = set(LogKey.objects.values_list("vkey", flat=True))
    waiting = (one for one in held.log_signers() if one.name == origin and one.verifier.vkey not in known)
    return next(waiting, None) or held.new_log_signer(origin)


def _current_rows() -> list[LogKey]:
    origin = settings.ASSAY_LOG_ORIGIN
    return _ed25519(LogKey.objects.filter(origin=origin, until=None).order_by("-pk"))


def _ed25519(rows: Iterable[LogKey]) -> list[LogKey]:
    return [row for row in rows if keys.key_type(row.vkey) == notes.ED25519]


def _verifier(vkey: str) -> notes.Verifier:
    return mldsa.parse_vkey(vkey) if keys.key_type(vkey) == mldsa.ML_DSA_44 else keys.parse_vkey(vkey)


def _signer_of(row: LogKey) -> keys.SigningKey:
    signer = store().log_signer(row.vkey)
    if signer is None:
        shown = row.vkey.rsplit("+", 1)[0]
        raise keys.KeyMissing(f"the private key of {shown} is missing: put it back from its backup ({_where()})")
    return signer


def _where() -> str:
    return settings.ASSAY_KEY_STORE.partition("?")[0] or str(_folder() / "log.key")


def _introduce_first() -> LogKey:
    """Record this log's first key. Raises keys.KeyMissing, keys.BadKey."""
    verifier = _first_signer().verifier
    return LogKey.objects.get_or_create(vkey=verifier.vkey, defaults={"origin": verifier.name, "since": 0})[0]


def _first_signer() -> keys.SigningKey:
    """This log's first key, which is made if nothing was ever signed. Raises keys.KeyMissing, keys.BadKey."""
    held, origin = store(), settings.ASSAY_LOG_ORIGIN
    if LogKey.objects.exists():
        raise keys.BadKey(_another_origin(LogKey.objects.order_by("-pk")[0].origin))
    signers = held.log_signers()
    mine = [signer for signer in signers if signer.name == origin]
    if not mine and signers:
        raise keys.BadKey(_another_origin(signers[0].name))
    if not mine and Checkpoint.objects.exists():
        raise keys.KeyMissing(f"the log's private key is missing: put it back from its backup ({_where()})")
    return mine[0] if mine else held.new_log_signer(origin)


def _another_origin(name: str) -> str:
    return (
        f"the log's key is of the log {name}, but this log's origin is set to {settings.ASSAY_LOG_ORIGIN}. Set"
        f" ASSAY_LOG_ORIGIN={name} again; or, if that log has ended for good, run `manage.py succeed_log`"
    )


def _mldsa_signer() -> mldsa.MlDsaSigner:
    origin = settings.ASSAY_LOG_ORIGIN
    second = [row for row in LogKey.objects.filter(origin=origin, until=None) if _is_mldsa(row)]
    path = _generation("log-mldsa", ".key")
    signer = mldsa.signer(path, origin, create=not second)
    if not second:
        LogKey.objects.get_or_create(vkey=signer.verifier.vkey, defaults={"origin": origin, "since": _signed_size()})
    elif second[0].vkey != signer.verifier.vkey:
        raise keys.BadKey(f"{path.name} is not the ML-DSA-44 key that this log signs with: put that one back")
    return signer


def _is_mldsa(row: LogKey) -> bool:
    return keys.key_type(row.vkey) == mldsa.ML_DSA_44


def _generation(name: str, suffix: str) -> Path:
    """The file of a key that is made anew with each origin of this tree."""
    number = LogKey.objects.values("origin").distinct().count()
    return _folder() / (f"{name}{suffix}" if number <= 1 else f"{name}-{number}{suffix}")


def _signed_size() -> int:
    return int(Checkpoint.objects.aggregate(size=Max("size"))["size"] or 0)


# --- The key of promises -------------------------------------------------------------------------------------------


def promise_signer() -> keys.LogSigner:
    """The key that signs promises (docs/formats.md), a file beside the web process. Raises keys.KeyMissing, BadKey."""
    name = f"{settings.ASSAY_LOG_ORIGIN}/{PROMISE}"
    path = _promise_path()
    # It may be made anew only as long as nobody holds a promise of this log: its attestation is handed out with each.
    return keys.log_signer(path, name, create=not _attestation_path().exists())


def promise_attestation() -> str:
    """The note by which the log's keys vouch for the promise key; made if there is none, by whoever may read both keys.

    Raises keys.KeyMissing, keys.BadKey.
    """
    text = _vouching(promise_signer().verifier.vkey)
    kept = kept_attestation()
    return kept if kept is not None and notes.parse(kept).text == text else _vouch(text)


def kept_attestation() -> str | None:
    """The attestation that lies here; any key of this log may have signed it, for rotations lead from it to today's."""
    try:
        kept = _attestation_path().read_text(encoding="utf-8")
        text = notes.open_note(kept, all_verifiers()).text
    except (OSError, UnicodeDecodeError, notes.BadNote):
        return None
    return kept if text.startswith(_vouching("")[:-1]) else None


def renew_attestation() -> None:
    """After a rotation the keys that sign now vouch for the promise key, if its public half is known here.

    It may well not be: the key of promises is the web server's. Then the old attestation goes on being accepted.
    """
    try:
        kept = kept_attestation()
        if kept is not None:
            _vouch(notes.parse(kept).text)
        elif _promise_path().exists():
            promise_attestation()
    except (OSError, keys.KeyMissing) as error:
        log.warning("the promise key is still vouched for by the old key", error=str(error))


def _vouching(promise: str) -> str:
    return f"{bundleformat.PROMISE_KEY}\n{settings.ASSAY_LOG_ORIGIN}\n{promise}\n"


def _vouch(text: str) -> str:
    made = str(notes.sign(text, *(_signer_of(row) for row in _current_rows() or [_introduce_first()])))
    durable.replace(_attestation_path(), made, 0o644)
    return made


def _promise_path() -> Path:
    return _generation("promise", ".key")


def _attestation_path() -> Path:
    # `.vkey` is what core.health takes for public.
    return _generation("promise", ".attestation.vkey")


# --- The vault's master keys ---------------------------------------------------------------------------------------


def newest_version() -> int:
    """Of the vault's master keys: the newest that is held here or named by a row; 1 when there is none."""
    named = PersonKey.objects.aggregate(newest=Max("version"))["newest"] or 1
    return max(named, *store().master_versions(), 1)


def master_key(version: int | None = None) -> bytes:
    """The vault's master key of this version, the newest by default. Raises keys.KeyMissing, keys.BadKey."""
    version = newest_version() if version is None else version
    held = store()
    try:
        return held.master_key(version)
    except keys.KeyStoreAway:
        raise
    except keys.KeyMissing:
        # Only the very first is made here, before anything was sealed; `rewrap_vault` makes the later ones.
        if version > 1 or held.master_versions() or PersonKey.objects.exists():
            raise
    held.new_master_key(version)
    return held.master_key(version)


def wrap(key: bytes, key_id: uuid.UUID, version: int | None = None) -> tuple[bytes, int]:
    """A person's data key wrapped by the master key of this version (the newest by default), and the version.

    Raises keys.KeyMissing, keys.BadKey.
    """
    version = newest_version() if version is None else version
    return keys.encrypt(master_key(version), key, wrapping_context(key_id)), version


def unwrap(row: PersonKey) -> bytes:
    """Raises keys.CannotOpen, keys.KeyMissing, keys.BadKey."""
    return keys.decrypt(master_key(row.version), bytes(row.wrapped), wrapping_context(row.pk))


def wrapping_context(key_id: uuid.UUID) -> bytes:
    """What a wrapped key is authenticated with (docs/formats.md, “Sealed section”)."""
    return b"person-key:" + key_id.bytes


# --- Before the office opens ---------------------------------------------------------------------------------------


def prepare() -> None:
    """Every key is there, and recorded. For `manage.py prepare` and `up`: raises CommandError."""
    try:
        log_signers()
        promise_attestation()
        master_key()
    except (keys.KeyMissing, keys.BadKey) as error:
        raise CommandError(str(error)) from error


def _folder() -> Path:
    return Path(settings.ASSAY_KEYS)
