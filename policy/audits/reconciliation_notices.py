"""What became of notices, flaggers, misuse and counter-notices, and what the log says about it."""

from collections.abc import Iterator

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.models import Attachment, CounterNotice, Misuse, Notice, TrustedFlagger

_MISUSE = {
    EventType.MISUSE_WARNED: Misuse.State.WARNED,
    EventType.MISUSE_SUSPENDED: Misuse.State.SUSPENDED,
    EventType.MISUSE_ENDED: Misuse.State.ENDED,
}
_COUNTER = {
    EventType.COUNTER_NOTICE_FORWARDED: CounterNotice.State.FORWARDED,
    EventType.COUNTER_NOTICE_RESTORED: CounterNotice.State.RESTORED,
    EventType.COUNTER_NOTICE_BLOCKED: CounterNotice.State.BLOCKED,
    EventType.COUNTER_NOTICE_LIFTED: CounterNotice.State.FORWARDED,
    EventType.COUNTER_NOTICE_WITHDRAWN: CounterNotice.State.WITHDRAWN,
}
_WAITS = (
    *(EventType.NOTICE_FILED, EventType.NOTICE_COMPLETED),
    *(EventType.CASE_WAITING, EventType.NOTICE_REOPENED),
)
_PLACED = (EventType.NOTICE_FILED, EventType.NOTICE_COMPLETED, EventType.NOTICE_REOPENED)
_ENDED = {
    EventType.NOTICE_ANSWERED: "answered",
    EventType.NOTICE_WITHDRAWN: "taken back",
    EventType.NOTICE_UNFOUNDED: "found unfounded",
}
_RECEIVED = (EventType.COUNTER_NOTICE_FILED, EventType.COUNTER_NOTICE_COMPLETED)


def notices() -> Iterator[str]:
    """Every flagger, observation, document and counter-notice has its entry, and is in the state that the log left it
    in; every notice waits as it was recorded last, or has the outcome that was.
    """
    yield from compare(TrustedFlagger.objects.all(), _designated)
    changed = {leaf["object"]: leaf["facts"]["state"] for leaf in leaves(EventType.FLAGGER_CHANGED)}
    flaggers = TrustedFlagger.objects.order_by("pk").values_list("pk", "state").iterator()
    rows = ((f"flagger:{pk}", state) for pk, state in flaggers)
    yield from states("the state of", rows, changed, TrustedFlagger.State.ACTIVE)
    yield from compare(Misuse.objects.all(), lambda row: Said(EventType.MISUSE_OBSERVED, f"misuse:{row.pk}"))
    judged = {leaf["object"]: _MISUSE[EventType(leaf["type"])] for leaf in leaves(*_MISUSE)}
    observed = Misuse.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the state of", ((f"misuse:{pk}", state) for pk, state in observed), judged, "observed")
    yield from compare(CounterNotice.objects.all(), _countered)
    filed = CounterNotice.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the counter-notice", ((str(pk), state) for pk, state in filed), _counter_states())
    yield from (
        f"attachment {pk} has no entry" for pk in Attachment.objects.filter(entry=None).values_list("pk", flat=True)
    )
    waiting = Notice.objects.filter(state__in=Notice.WAITING).order_by("pk").values_list("pk", "state").iterator()
    yield from states("waiting notice", ((str(pk), state) for pk, state in waiting), _waiting())
    yield from _outcomes()
    yield from _whereabouts()


def _waiting() -> dict[str, str]:
    last: dict[str, str] = {}
    for leaf in leaves(*_WAITS):
        facts = leaf["facts"]
        if leaf["type"] == EventType.NOTICE_REOPENED:
            last |= dict.fromkeys(facts["reopened"], Notice.State.VALID)
        elif "notice" in facts:  # who filed it was asked; a case that goes on names none
            last[facts["notice"]] = facts.get("state", Notice.State.INCOMPLETE)
    return last


def _designated(row: TrustedFlagger) -> Said:
    facts = {"jurisdiction": row.jurisdiction, "areas": row.areas, "valid_from": row.valid_from.isoformat()}
    return Said(EventType.FLAGGER_DESIGNATED, f"flagger:{row.pk}", facts)


def _countered(row: CounterNotice) -> Said:
    facts = {"counter_notice": str(row.pk), "decision": str(row.decision_id)}
    return Said(EventType.COUNTER_NOTICE_FILED, facts=facts)


def _counter_states() -> dict[str, str]:
    last: dict[str, str] = {}
    for leaf in leaves(*_RECEIVED, *_COUNTER):
        kind, facts = EventType(leaf["type"]), leaf["facts"]
        received = CounterNotice.State.INCOMPLETE if facts.get("missing") else CounterNotice.State.VALID
        last[facts["counter_notice"]] = received if kind in _RECEIVED else facts.get("state", _COUNTER[kind])
    return last


def _outcomes() -> Iterator[str]:
    answered = {leaf["facts"]["notice"]: leaf["facts"]["outcome"] for leaf in leaves(EventType.NOTICE_ANSWERED)}
    rows = Notice.objects.filter(state=Notice.State.ANSWERED).exclude(outcome="").order_by("pk")
    said = ((str(pk), outcome) for pk, outcome in rows.values_list("pk", "outcome").iterator())
    yield from states("the outcome of notice", said, answered)
    ended = {leaf["facts"]["notice"] for leaf in leaves(EventType.NOTICE_WITHDRAWN, EventType.NOTICE_UNFOUNDED)}
    over = Notice.objects.filter(state__in=(Notice.State.WITHDRAWN, Notice.State.UNFOUNDED)).order_by("pk")
    for pk, state in over.values_list("pk", "state").iterator():
        if str(pk) not in ended:
            yield f"notice {pk} is “{state}”, and the log says nothing of it"


def _whereabouts() -> Iterator[str]:
    """Every notice is in the case that it was filed in or moved to, and none waits that the log has ended."""
    where: dict[str, str] = {}
    ended: dict[str, str] = {}
    for leaf in leaves(*_PLACED, *_ENDED):
        kind, facts = EventType(leaf["type"]), leaf["facts"]
        if kind in _ENDED:
            ended[facts["notice"]] = _ENDED[kind]
        elif kind == EventType.NOTICE_REOPENED:
            where |= dict.fromkeys(facts.get("notices", []), leaf["object"])
            ended |= dict.fromkeys(facts["reopened"], "")
        else:
            where |= {facts["notice"]: leaf["object"]} if kind == EventType.NOTICE_FILED else {}
            ended |= {facts["notice"]: ""} if facts.get("contested") else {}
    rows = Notice.objects.order_by("pk").values_list("pk", "case_id", "state").iterator()
    for pk, case, state in rows:
        if where.get(str(pk)) != f"case:{case}":
            yield f"notice {pk} is in case {case}, and the log says otherwise"
        if state in Notice.WAITING and ended.get(str(pk)):
            yield f"notice {pk} is “{state}”, and the log says that it was {ended[str(pk)]}"
