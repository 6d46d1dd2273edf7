"""Machine tokens: `Authorization: Bearer assay_…`. Made by a person for a machine, never wider than the person."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import MachineToken, Scope, User
from accounts.people import leading_role
from core.clock import now
from core.problems import NotFound, Problem
from ledger.events import EventType
from ledger.log import append

MAX_DAYS = 366
MAX_TOKENS = 50


class MachineTokenAuthentication(TokenAuthentication):
    """knox's token under RFC 6750's word. Unlike knox's own, an expired token stays listed for its owner to see."""

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def authenticate_credentials(self, token: bytes) -> tuple[User, MachineToken]:
        """The owner and the token. The digest is the key: the secret has 256 bits, so the look-up leaks nothing."""
        digest = hash_token(token.decode("latin-1"))
        found = MachineToken.objects.select_related("user").filter(digest=digest).first()
        if found is None or not found.user.is_active:
            raise AuthenticationFailed("This token is not known here, or was revoked.")
        if found.expiry is not None and found.expiry <= now():
            raise AuthenticationFailed("This token has expired; its owner can make a new one at /tokens/.")
        return found.user, found


@transaction.atomic
def create_token(user: User, *, name: str, scopes: Sequence[str], days: int) -> tuple[MachineToken, str]:
    """A token for `days` days; returns it with its secret, which is never seen again. Raises Problem."""
    if not name.strip() or not scopes or not set(scopes) <= set(Scope.values):
        raise Problem("token.invalid", "The token needs a name and known scopes", detail="Choose at least one scope.")
    if not 1 <= days <= MAX_DAYS:
        raise Problem("token.expiry", "The token lives too long", detail=f"At most {MAX_DAYS} days.")
    if user.auth_token_set.count() >= MAX_TOKENS:
        raise Problem("token.too_many", "Too many tokens", detail="Revoke one you no longer use.", status=409)
    row, secret = MachineToken.objects.create(  # type: ignore[no-untyped-call]  # knox publishes no types
        user=user, name=name.strip(), scopes=sorted(scopes), expiry=dt.timedelta(days=days)
    )
    append(
        EventType.TOKEN_CREATED,
        actor=user.actor,
        role=leading_role(user),
        object=opaque(row),
        facts={"scopes": sorted(scopes), "days": days},
    )
    return row, secret


@transaction.atomic
def revoke_token(user: User, digest: str) -> str:
    """Forget one of the user's own tokens; it stops working at once. Returns its name. Raises NotFound."""
    row = MachineToken.objects.filter(user=user, digest=digest).first()
    if row is None or MachineToken.objects.filter(pk=row.pk).delete()[0] != 1:
        raise NotFound("token")
    append(EventType.TOKEN_REVOKED, actor=user.actor, role=leading_role(user), object=opaque(row))
    return str(row.name)


def opaque(row: MachineToken) -> str:
    """The log's name for a token: a part of its digest, from which nothing can be derived."""
    return f"token:{row.digest[:32]}"
