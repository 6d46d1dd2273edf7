"""When a log's key was stolen: the log ends, and its tree goes on under another origin with another key.

Order: (1) the entry `log:succeeded`, which commits to the old head, and the new key's row, in one transaction,
committed; (2) the head guard moves to the new origin. Until (2) nothing of the new origin can be signed, because the
guard refuses; a second run completes it. Every entry keeps its index, and is proved again under the new name.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction

from core.canonical import Json
from ledger import alarms, custody, head, keys, log, merkle, notes, sequencer, tiles
from ledger.events import EventType
from ledger.models import Checkpoint, Entry, LogKey
from ledger.rotation import ACTOR, ROLE, WAIT, RotationRefused, sha256
from ledger.storedtree import read_tile, stored_size

logger = structlog.get_logger()

ALARM: Final = "key"
FROZEN: Final = (
    "An operator froze the log because its key may be known to others: entries are kept, nothing is signed. What to do:"
    " docs/keys.md, “A log key was stolen”; `manage.py succeed_log` ends this."
)


@dataclass(frozen=True)
class Succession:
    """old: the head with which the old log ended. new: the successor's public key. repeated: it had been done."""

    old: notes.TreeHead
    new: keys.LogVerifier
    repeated: bool = False


def freeze() -> None:
    """Nothing is signed from now on, until `succeed`."""
    alarms.raise_alarm(ALARM, FROZEN)


def unfreeze() -> None:
    """It was a false alarm: the log signs again."""
    alarms.clear(ALARM)


def succeed() -> Succession:
    """This tree goes on as the log that ASSAY_LOG_ORIGIN names now. Done twice, it returns what was done.

    Raises RotationRefused, head.HeadMismatch, keys.KeyMissing, keys.BadKey.
    """
    origin = settings.ASSAY_LOG_ORIGIN
    with head.only_one(WAIT) as mine, sequencer.one_host() as ours:
        if not (mine and ours):
            raise RotationRefused("The sequencer is at work. Stop it, and run this again.")
        final, guarded = _final_head(), head.last_signed()
        done = guarded is not None and guarded.origin == origin
        if not done:
            ended = _refuse_fork(final, guarded)
            if not LogKey.objects.filter(origin=origin).exists():
                _record(ended, custody.next_log_signer().verifier)
            head.swap(ended, notes.TreeHead(origin, ended.size, ended.root))
            logger.warning("log succeeded by another", old=ended.origin, new=origin, size=ended.size)
            final = ended
    unfreeze()
    for alarm in alarms.open_alarms():
        if alarm.kind == "quorum" or alarm.kind.startswith("witness:"):
            alarms.clear(alarm.kind)  # they were about the log that has ended
    custody.promise_attestation()
    return Succession(final, custody.log_verifier(), repeated=done)


def _final_head() -> notes.TreeHead:
    """The last head of the log before this one. Raises RotationRefused when there is none."""
    origin = settings.ASSAY_LOG_ORIGIN
    first = LogKey.objects.filter(origin=origin).order_by("pk").first()
    checkpoints = Checkpoint.objects.all() if first is None else Checkpoint.objects.filter(size__lte=first.since)
    newest = checkpoints.order_by("-size").first()
    final = None if newest is None else notes.parse_tree_head(notes.parse(newest.note).text)
    if final is not None and first is not None and final.size < first.since <= stored_size():
        final = notes.TreeHead(final.origin, first.since, merkle.root(tiles.Nodes(read_tile), first.since))
    if final is None or final.origin == origin:
        raise RotationRefused(
            f"There is no other log that {origin} could succeed. First set ASSAY_LOG_ORIGIN to the new name for every"
            " process, then run this again with that name."
        )
    if not LogKey.objects.filter(origin=final.origin).exists():
        raise RotationRefused(
            f"The public keys of {final.origin} were never recorded. Set ASSAY_LOG_ORIGIN={final.origin} once more, run"
            " `manage.py prepare`, then set the new name and run this again."
        )
    return final


def _refuse_fork(final: notes.TreeHead, guarded: notes.TreeHead | None) -> notes.TreeHead:
    """The guard, if the stored tree begins with what the old log has signed. Raises HeadMismatch."""
    if guarded is None or guarded.origin != final.origin or guarded.size < final.size:
        raise head.HeadMismatch(
            f"The head guard {head.head_path()} does not hold the end of {final.origin}. Nothing was changed. Put it"
            " back, or, if you know that no newer checkpoint was published, run `manage.py sequencer --adopt-head`."
        )
    node = tiles.Nodes(read_tile)
    for known in (final, guarded):
        if known.size > stored_size() or merkle.root(node, known.size) != known.root:
            raise head.HeadMismatch(
                f"The database does not hold the {known.size} entries that {final.origin} has signed. Nothing was"
                " changed. Restore the newest copy of the database first."
            )
    return guarded


def _record(final: notes.TreeHead, new: keys.LogVerifier) -> None:
    past = LogKey.objects.filter(origin=final.origin)
    facts: dict[str, Json] = {
        "origin": final.origin,
        "size": final.size,
        "root": final.root.hex(),
        "keys": sorted(sha256(vkey) for vkey in past.values_list("vkey", flat=True)),
        "new": new.vkey,
    }
    with transaction.atomic():
        log.append(EventType.LOG_SUCCEEDED, actor=ACTOR, role=ROLE, facts=facts)
        past.filter(until=None).update(until=final.size)
        LogKey.objects.create(origin=new.name, vkey=new.vkey, since=final.size)


def broken_history() -> str | None:
    """What is wrong with the ends and beginnings of this tree's logs; None if nothing. For `check_log`."""
    entries = Entry.objects.filter(type=EventType.LOG_SUCCEEDED).order_by("pk").values_list("leaf", flat=True)
    stated = {facts["origin"]: facts for facts in (json.loads(bytes(leaf))["facts"] for leaf in entries)}
    origins = list(dict.fromkeys(LogKey.objects.order_by("pk").values_list("origin", flat=True)))
    for old, new in pairwise(origins):
        since = LogKey.objects.filter(origin=new).order_by("pk").values_list("since", flat=True)[0]
        if old not in stated or since > stored_size():
            return f"{new} goes on where {old} ended, but no entry log:succeeded says so"
        # The guard may have held a head whose checkpoint row was never stored, or was lost with a backup's rest.
        if (stated[old]["size"], stated[old]["root"]) != (since, merkle.root(tiles.Nodes(read_tile), since).hex()):
            return f"the entry log:succeeded names another end of {old} than the tree has there"
    return _unexplained({facts["new"] for facts in stated.values()})


def _unexplained(successors: set[str]) -> str | None:
    """Every key but the tree's first came by a rotation or a succession: a row alone makes no key."""
    introduced = LogKey.objects.filter(rotation="").order_by("pk").values_list("vkey", flat=True)
    ours = [vkey for vkey in introduced if keys.key_type(vkey) == notes.ED25519]
    strange = [vkey for vkey in ours[1:] if vkey not in successors]
    return f"nothing in the log introduced the key {strange[0]}" if strange else None
