"""Packs of rules and clocks, and what the log and their own inputs say about them (`ledger.reconciliation`)."""

from collections.abc import Iterator

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves
from policy.law import clocks, pack_signing
from policy.models import Clock, PackApproval, PackVersion
from policy.rulebook.packs import digest_of

_STATE = {
    EventType.PACK_PROPOSED: PackVersion.State.DRAFT,
    EventType.PACK_SUBMITTED: PackVersion.State.IN_REVIEW,
    EventType.PACK_APPROVED: PackVersion.State.IN_REVIEW,
    EventType.PACK_PUBLISHED: PackVersion.State.IN_FORCE,
    EventType.PACK_RETIRED: PackVersion.State.RETIRED,
}


def packs() -> Iterator[str]:
    """Every version made here and every approval has its entry; each version is in the state that the log left it in,
    has the text of its digest, and, once published, a signature that verifies.
    """
    yield from compare(PackVersion.objects.filter(origin=PackVersion.Origin.OFFICE), _proposed)
    yield from compare(PackApproval.objects.select_related("pack"), _approved)
    last = {leaf["object"]: _STATE[EventType(leaf["type"])] for leaf in leaves(*_STATE)}
    for row in PackVersion.objects.order_by("pk").iterator(100):
        if digest_of(row.content) != row.digest:
            yield f"the text of {row} is not that of its digest"
        recorded = last.get(f"pack:{row.pk}", PackVersion.State.DRAFT)
        # The second approval is an entry like the first.
        state = PackVersion.State.IN_REVIEW if row.state == PackVersion.State.APPROVED else row.state
        if state != recorded:
            yield f"the pack {row} is “{row.state}”, and the log says “{recorded}”"
        if row.state == PackVersion.State.IN_FORCE and not pack_signing.holds(row):
            yield f"the signature of {row} does not verify"


def _proposed(row: PackVersion) -> Said:
    facts = {"name": row.name, "version": row.version, "digest": row.digest}
    return Said(EventType.PACK_PROPOSED, f"pack:{row.pk}", facts)


def _approved(row: PackApproval) -> Said:
    facts = {"digest": row.pack.digest, "as_legal": row.as_legal}
    return Said(EventType.PACK_APPROVED, f"pack:{row.pack_id}", facts)


def deadlines() -> Iterator[str]:
    """Every deadline recomputes from what its row holds (I14). Clocks older than the inputs have none."""
    for clock in Clock.objects.exclude(inputs={}).order_by("pk").iterator(1000):
        if clocks.recompute(clock) != clock.due_at:
            yield f"the deadline of clock {clock.pk} ({clock.rule_id}) does not follow from its inputs"
