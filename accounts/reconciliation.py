"""Roles and tokens, and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterator

from accounts.models import MachineToken, Membership
from accounts.tokens import opaque
from ledger.events import EventType
from ledger.reconciliation import leaves, states


def roles() -> Iterator[str]:
    """Nobody has a role that was not granted."""
    granted = {leaf["object"]: leaf["facts"]["role"] for leaf in leaves(EventType.ROLE_GRANTED)}
    rows = Membership.objects.order_by("pk").values_list("pk", "role").iterator()
    yield from states("the role of", ((f"membership:{pk}", role) for pk, role in rows), granted)


def tokens() -> Iterator[str]:
    """No machine token may more than what it was made for, and none was revoked and works."""
    recorded = {leaf["object"]: _scopes(leaf["facts"]["scopes"]) for leaf in leaves(EventType.TOKEN_CREATED)}
    for leaf in leaves(EventType.TOKEN_REVOKED):
        recorded[leaf["object"]] = "revoked"
    rows = MachineToken.objects.order_by("pk").iterator()
    yield from states("the scope of", ((opaque(row), _scopes(row.scopes)) for row in rows), recorded)


def _scopes(scopes: list[str]) -> str:
    return " ".join(sorted(scopes))
