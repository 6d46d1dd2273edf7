"""Web hooks, statements handed to the EU's database, proposals with what the public says, and what the log says."""

import hashlib
from collections.abc import Iterator

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.hooks import tdb_client
from policy.models import Comment, Proposal, TdbSubmission, Webhook
from policy.transparency import proposals

_HOOKS = (EventType.WEBHOOK_MADE, EventType.WEBHOOK_CHANGED, EventType.WEBHOOK_DISABLED)
_PROPOSALS = (
    EventType.PROPOSAL_DRAFTED,
    EventType.PROPOSAL_OPENED,
    EventType.PROPOSAL_CLOSED,
    EventType.PROPOSAL_ANSWERED,
    EventType.PROPOSAL_WITHDRAWN,
)
_COMMENTS = {
    EventType.COMMENT_RECEIVED: Comment.State.RECEIVED,
    EventType.COMMENT_SHOWN: Comment.State.SHOWN,
    EventType.COMMENT_WITHHELD: Comment.State.WITHHELD,
    EventType.ERASURE_PERFORMED: Comment.State.WITHHELD,
}
_MOVED = {"paused": Webhook.State.PAUSED, "resumed": Webhook.State.ACTIVE}


def webhooks() -> Iterator[str]:
    """Every web hook has its entry, tells the events its members chose, and is on or off as the log left it."""
    yield from compare(Webhook.objects.all(), _made)
    state: dict[str, str] = {}
    events: dict[str, str] = {}
    for leaf in leaves(*_HOOKS):
        if leaf["type"] == EventType.WEBHOOK_DISABLED:
            state[leaf["object"]] = Webhook.State.DISABLED
        else:
            state[leaf["object"]] = _MOVED.get(leaf["facts"].get("what"), state.get(leaf["object"], "active"))
        if "events" in leaf["facts"]:
            events[leaf["object"]] = ", ".join(leaf["facts"]["events"])
    rows = list(Webhook.objects.order_by("pk"))
    yield from states("the state of", ((f"webhook:{row.pk}", row.state) for row in rows), state)
    yield from states("the events of", ((f"webhook:{row.pk}", ", ".join(row.events)) for row in rows), events)


def _made(hook: Webhook) -> Said:
    return Said(EventType.WEBHOOK_MADE, f"webhook:{hook.pk}", {"signing": hook.signing})


def consultations() -> Iterator[str]:
    """Every proposal has its entry, says what the log has a digest of, and is where the log left it. Every comment was
    sent, and is shown only if somebody read it; no reply was changed.
    """
    yield from compare(Proposal.objects.all(), lambda row: Said(EventType.PROPOSAL_DRAFTED, _object(row)))
    last = {leaf["object"]: leaf["facts"] for leaf in leaves(*_PROPOSALS)}
    rows = list(Proposal.objects.order_by("pk"))
    for fact, says in (("state", lambda row: row.state), ("sha256", proposals.digest)):
        said = {name: facts[fact] for name, facts in last.items()}
        yield from states(f"the {fact} of", ((_object(row), says(row)) for row in rows), said)
    answers = {name: facts.get("answer_sha256", "") for name, facts in last.items()}
    yield from states("the answer of", ((_object(row), _sha256(row.answer)) for row in rows), answers)
    yield from compare(Comment.objects.all(), _received)
    yield from _comment_states()


def _object(row: Proposal) -> str:
    return f"proposal:{row.pk}"


def _received(row: Comment) -> Said:
    words = {"words": proposals.words_of(row)}
    return Said(EventType.COMMENT_RECEIVED, proposals.actor_of(row), {"proposal": str(row.proposal_id)}, words)


def _comment_states() -> Iterator[str]:
    state: dict[str, str] = {}
    for leaf in leaves(*_COMMENTS):
        if leaf["object"].startswith("comment:"):
            state[leaf["object"]] = _COMMENTS[EventType(leaf["type"])]
    replies = {leaf["object"]: leaf["facts"]["reply_sha256"] for leaf in leaves(EventType.COMMENT_REPLIED)}
    rows = list(Comment.objects.order_by("pk").values_list("pk", "state", "reply"))
    yield from states("the state of", ((f"comment:{pk}", now) for pk, now, _ in rows), state)
    yield from states("the reply to", ((f"comment:{pk}", _sha256(text)) for pk, _, text in rows), replies, "")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def submissions() -> Iterator[str]:
    """Every statement that was handed over, or rehearsed, says what its last entry says under seal."""
    yield from compare(
        TdbSubmission.objects.all(),
        lambda row: Said(EventType.STATEMENT_SUBMITTED, "", sealed={"about": tdb_client.recorded(row)}),
    )
