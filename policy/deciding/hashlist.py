"""The office's list of blocked copies: digests of works that a person decided about, with the decision behind each.

Only the exact SHA-256 of an active entry with a human decision behind it refuses a registration, in kinds of issues
that a rule lists (I8); to what looks or sounds the same nobody is led until a reviewer has looked. An entry that a
person asked for, or that holds in some places only, keeps nothing out and hides nothing: a reviewer is told. An entry
that has run out, is suspended or withdrawn does neither, and what is withdrawn loses its digest (I23).
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from core import beat
from core.clock import now
from core.problems import Conflict, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from policy import authority, parties
from policy.law import rules
from policy.models import Case, Category, Decision, HashEntry, Notice
from policy.rulebook.vocabulary import REFUSE_COPIES
from provenance import matching
from provenance.models import Asset, Fingerprint

BLOCKED: Final = frozenset({"hash_blocked"})
# By which codes alone two works are called the same, and how near they must be (provenance.matching). The difference
# hash has too few bits for that, and the office computes no PDQ: such entries are kept for those who exchange lists.
_SURE: Final = {
    Fingerprint.Algorithm.ISCC_IMAGE: matching.RE_ENCODED,
    Fingerprint.Algorithm.ISCC_AUDIO: matching.RECORDING_RE_ENCODED,
    Fingerprint.Algorithm.FRAMES: matching.RECORDING_RE_ENCODED,
}
_BATCH: Final = 500


def block(decision: Decision) -> list[HashEntry]:
    """Put the work of `decision` on the list: every file's SHA-256 and every fingerprint. In the decision's
    transaction.
    """
    asset = decision.case.asset
    assert asset is not None
    category = _category(decision.case, decision.case.category)
    expires = decision.ends_at or _until(category, decision.starts_at or now())
    entries = [
        HashEntry(
            algorithm=algorithm,
            value=value,
            category=category,
            decision=decision,
            territory=decision.territory,
            expires_at=expires,
        )
        for algorithm, value in _digests(asset)
    ]
    return _add(entries, decision.case.object, decision.entry, decision=str(decision.pk))


# Hexadecimal digits of each algorithm's digest.
DIGITS: Final = {
    HashEntry.Algorithm.SHA256: 64,
    HashEntry.Algorithm.ISCC_IMAGE: 64,
    HashEntry.Algorithm.DHASH: 16,
    HashEntry.Algorithm.PDQ: 64,
    HashEntry.Algorithm.ISCC_AUDIO: 64,
    HashEntry.Algorithm.FRAMES: 64,
}
MOST: Final = 20
LISTED: Final = (HashEntry.State.ACTIVE, HashEntry.State.SUSPENDED)


def submit(notice: Notice, digests: Sequence[tuple[str, str]]) -> list[HashEntry]:
    """A person's own digests, (algorithm, hex) made on their device, so that no file leaves it: copies are shown to a
    reviewer, and none is refused before a person has decided. Raises Problem with `errors`, Conflict beyond MOST or
    for a notice that was taken back or found unfounded.
    """
    chosen = sorted(dict.fromkeys((algorithm, value.strip().lower()) for algorithm, value in digests))
    if not chosen or any(not _is_digest(*one) for one in chosen):
        known = ", ".join(f"{name} ({digits} digits)" for name, digits in DIGITS.items())
        raise invalid({"digests": [f"Digests in hexadecimal, each of one of: {known}."]})
    with transaction.atomic():
        _refuse_over(notice)
        held = set(notice.hash_entries.filter(state__in=LISTED).values_list("algorithm", "value"))
        new = [one for one in chosen if one not in held]
        if len(held) + len(new) > MOST:
            raise Conflict(f"A notice takes at most {MOST} digests.", code="hash.too_many")
        return _add(_own(notice, new), notice.case.object, notice.entry) if new else []


def _refuse_over(notice: Notice) -> None:
    """Raises Conflict for a notice that is over. It stays as it is until the transaction ends."""
    locked = Notice.objects.select_for_update().get(pk=notice.pk)
    if locked.state in (Notice.State.WITHDRAWN, Notice.State.UNFOUNDED):
        raise Conflict(
            f"The notice is {locked.get_state_display()}; nothing is kept in sight for it.",
            code="hash.notice_over",
            next_step="If it was found unfounded, say on its page why it is not. Or file a new notice.",
        )


def _own(notice: Notice, digests: Iterable[tuple[str, str]]) -> list[HashEntry]:
    category = _category(notice.case, notice.category)
    until = _until(category, now())
    return [
        HashEntry(algorithm=algorithm, value=value, category=category, notice=notice, expires_at=until)
        for algorithm, value in digests
    ]


def _is_digest(algorithm: str, value: str) -> bool:
    digits = DIGITS.get(HashEntry.Algorithm(algorithm)) if algorithm in HashEntry.Algorithm.values else None
    return len(value) == digits and all(sign in "0123456789abcdef" for sign in value)


def _category(case: Case, category: str) -> str:
    """What is a child's stays with who is trained for it (I24), whatever else it is."""
    return case.training if case.training == Category.CHILD_SAFETY else category


def _digests(asset: Asset) -> list[tuple[str, str]]:
    files = {asset.original_sha256, *asset.renditions.values_list("sha256", flat=True)}
    likenesses = asset.fingerprints.filter(algorithm__in=HashEntry.Algorithm.values)
    codes = [(row.algorithm, bytes(row.value).hex()) for row in likenesses]
    return [(HashEntry.Algorithm.SHA256, sha256) for sha256 in sorted(files)] + sorted(codes)


def _until(category: str, at: dt.datetime) -> dt.datetime | None:
    """When the office's terms let a digest run out; None where no row of them gives a number."""
    facts = {"category": category, "decision": Decision.Outcome.HASH_BLOCK.value}
    return max((clock.due_at for clock in rules.due(facts, at, events=BLOCKED) if clock.due_at), default=None)


def _add(entries: list[HashEntry], about: str, because: Entry | None, **facts: str) -> list[HashEntry]:
    entry = log.append(
        EventType.HASH_BLOCKED,
        actor="system",
        role="system",
        object=about,
        refs=[because] if because else [],
        facts={"entries": [str(row.pk) for row in entries], "algorithms": [row.algorithm for row in entries], **facts},
    )
    for row in entries:
        row.entry = entry
    return HashEntry.objects.bulk_create(entries)


# --- Leaving the list ----------------------------------------------------------------------------------------------


def suspend(decision: Decision) -> int:
    """The decision's entries block nothing any more (I4). In the caller's transaction. Returns how many."""
    return _move(decision.hash_entries.filter(state=HashEntry.State.ACTIVE), HashEntry.State.SUSPENDED)


def withdraw(entries: QuerySet[HashEntry]) -> int:
    """Take these off the list for good; their digests go with the next `tidy` (I23). In the caller's transaction."""
    return _move(entries.filter(state__in=LISTED), HashEntry.State.WITHDRAWN)


def withdraw_by(by: User, entries: QuerySet[HashEntry]) -> int:
    """A lead reviewer or operator who is no party takes entries off the list. Raises Forbidden, Conflict when none is
    left on it.
    """
    authority.may(by, authority.Act.KEEP_HASH_LIST)
    parties.refuse_party(by, *entries)
    with transaction.atomic():
        withdrawn = withdraw(entries)
    if not withdrawn:
        raise Conflict("These are off the list already.", code="hash.withdrawn")
    return withdrawn


def purge(entries: QuerySet[HashEntry]) -> int:
    """Take these off the list and forget their digests at once (I23): who asked for them is forgotten. In the caller's
    transaction. Returns how many.
    """
    withdraw(entries)
    return _move(entries.filter(state__in=(HashEntry.State.WITHDRAWN, HashEntry.State.EXPIRED)), HashEntry.State.PURGED)


def tidy() -> int:
    """What the hour does: entries run out, those of decisions undone for good are withdrawn, and what is off the list
    loses its digest. Returns how many changed. Run by beat.
    """
    late = HashEntry.objects.filter(state__in=LISTED, expires_at__lt=now())
    over = HashEntry.objects.filter(state=HashEntry.State.SUSPENDED, decision__case__state=Case.State.CLOSED)
    over = over.exclude(decision__state=Decision.State.IN_EFFECT)
    off = HashEntry.objects.filter(state__in=(HashEntry.State.WITHDRAWN, HashEntry.State.EXPIRED))
    steps = ((late, HashEntry.State.EXPIRED), (over, HashEntry.State.WITHDRAWN), (off, HashEntry.State.PURGED))
    changed: list[int] = []
    beat.each(steps, lambda step: changed.append(_step(*step)))
    return sum(changed)


def _step(rows: QuerySet[HashEntry], state: HashEntry.State) -> int:
    named = list(rows.values_list("pk", flat=True)[:_BATCH])
    return _move(HashEntry.objects.filter(pk__in=named), state) if named else 0


_EVENT: Final = {
    HashEntry.State.SUSPENDED: EventType.HASH_SUSPENDED,
    HashEntry.State.WITHDRAWN: EventType.HASH_WITHDRAWN,
    HashEntry.State.EXPIRED: EventType.HASH_WITHDRAWN,
    HashEntry.State.PURGED: EventType.HASH_PURGED,
}


def _move(rows: QuerySet[HashEntry], state: HashEntry.State) -> int:
    """One entry in the log for what belongs to one decision or notice; the digests are not in it."""
    also = {"value": ""} if state == HashEntry.State.PURGED else {}
    found = list(rows.select_related("entry", "decision__case", "notice__case").order_by("pk"))
    by_origin: dict[str, list[HashEntry]] = {}
    for row in found:
        move(row, HashEntry.MOVES, state, **also)
        by_origin.setdefault(case_of(row).object, []).append(row)
    for about, moved in by_origin.items():
        log.append(
            _EVENT[state],
            actor="system",
            role="system",
            object=about,
            refs=list({row.entry.pk: row.entry for row in moved if row.entry}.values()),
            facts={"entries": [str(row.pk) for row in moved], "state": state.value},
        )
    return len(found)


def case_of(row: HashEntry) -> Case:
    """The case whose decision or notice put it on the list."""
    origin = row.decision or row.notice
    assert origin is not None
    return origin.case


# --- Asking --------------------------------------------------------------------------------------------------------


def _active() -> QuerySet[HashEntry]:
    return HashEntry.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now()), state=HashEntry.State.ACTIVE)


def refuses(category: str) -> bool:
    """Whether a rule in force lists this kind of issue as one in which the same bytes are kept out (I8)."""
    facts = {"category": category, "decision": Decision.Outcome.HASH_BLOCK.value}
    return any(REFUSE_COPIES in rule.duties for rule in rules.matching(facts, now(), events=BLOCKED))


def keep_out(rows: Iterable[HashEntry]) -> bool:
    """Whether a person decided, for everywhere, that copies are kept out, in a kind of issue that a rule lists."""
    decided = {row.category for row in rows if row.decision_id and not row.territory}
    return any(refuses(category) for category in decided)


def blocked(sha256: str) -> bool:
    """Whether a file of exactly these bytes is refused (I8)."""
    return keep_out(_active().filter(algorithm=HashEntry.Algorithm.SHA256, value=sha256))


def naming(asset: Asset) -> list[HashEntry]:
    """The entries that name this work, or what looks or sounds the same."""
    exact = _active().filter(algorithm=HashEntry.Algorithm.SHA256, value=asset.original_sha256)
    found = set(exact.values_list("pk", flat=True))
    for code in asset.fingerprints.filter(algorithm__in=_SURE):
        found |= _near(code.algorithm, bytes(code.value))
    return list(HashEntry.objects.filter(pk__in=found).select_related("decision__case", "notice__case"))


def _near(algorithm: str, code: bytes) -> set[uuid.UUID]:
    wanted, most = int.from_bytes(code), _SURE[Fingerprint.Algorithm(algorithm)] * len(code) * 8
    rows = _active().filter(algorithm=algorithm).values_list("pk", "value")
    return {
        pk
        for pk, value in rows.iterator(chunk_size=5000)
        if len(value) == 2 * len(code) and (int(value, 16) ^ wanted).bit_count() <= most
    }
