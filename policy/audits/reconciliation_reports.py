"""Transparency reports and what the log says: their figures are counted again, every night (I22)."""

from collections.abc import Iterator

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.models import TransparencyReport
from policy.transparency import report_document, reports

_STATES = {
    EventType.REPORT_DRAFTED: TransparencyReport.State.DRAFT,
    EventType.REPORT_FROZEN: TransparencyReport.State.FROZEN,
    EventType.REPORT_PUBLISHED: TransparencyReport.State.PUBLISHED,
    EventType.REPORT_CORRECTED: TransparencyReport.State.CORRECTED,
}


def figures() -> Iterator[str]:
    """Every report has its entry and is in the state that the log left it in; what is published is what the log has
    the digest of; and every figure of it gives the same number again.
    """
    yield from compare(TransparencyReport.objects.all(), _drafted)
    rows = list(TransparencyReport.objects.prefetch_related("figures").order_by("pk"))
    told = list(leaves(*_STATES))
    last = {leaf["object"]: _STATES[EventType(leaf["type"])].value for leaf in told}
    yield from states("the state of", ((_object(row), row.state) for row in rows), last)
    counted = [row for row in rows if row.state != TransparencyReport.State.DRAFT]
    digests = {leaf["object"]: leaf["facts"]["sha256"] for leaf in told if "sha256" in leaf["facts"]}
    now = ((_object(row), report_document.sha256(row, row.figures.all())) for row in counted)
    yield from states("what is published of", now, digests)
    for pk, differences in reports.rerun(counted).items():
        changed = (one for one in differences if not one.unreadable)
        yield from (f"figure {one.key} of report {pk} is not what is counted now" for one in changed)


def _drafted(row: TransparencyReport) -> Said:
    facts = {"since": row.since.isoformat(), "until": row.until.isoformat(), "version": row.version}
    return Said(EventType.REPORT_DRAFTED, _object(row), facts)


def _object(row: TransparencyReport) -> str:
    return f"report:{row.pk}"
