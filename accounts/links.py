"""One-time login links: for demo people, and for the operator who lets somebody in.

The link's secret is kept as a hash. It works once, for 24 hours, and only for a POST: programs that preview links in
mails and chats send GET, and must not use it up.
"""

import datetime as dt
import hashlib
import secrets

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import LoginLink, User
from accounts.people import leading_role
from core.clock import now
from core.problems import Problem
from ledger.events import EventType
from ledger.log import Sealed, append

LIFE = dt.timedelta(hours=24)


class LinkSpent(Problem):
    """Unknown, expired and used links get the same words: a guesser learns nothing."""

    def __init__(self) -> None:
        super().__init__(
            "link.spent",
            "This link does not work any more",
            status=410,
            detail="A login link works once, within 24 hours.",
            next_step="Ask the person who sent it for a new one, or sign in with your e-mail address.",
        )


@transaction.atomic
def make_login_link(user: User) -> str:
    """The path of a fresh login link for `user`; the only time its secret is seen. Whoever makes it could use it."""
    secret = secrets.token_urlsafe(32)
    LoginLink.objects.filter(expires_at__lt=now()).delete()
    LoginLink.objects.create(token_hash=_hash(secret), user=user, expires_at=now() + LIFE)
    person = Sealed(user.actor, user.actor)
    append(
        EventType.LOGIN_LINK_MADE, actor="system", role="operator", object=_opaque(secret), sealed={"person": person}
    )
    return reverse("login_link", args=[secret])


def look_up(secret: str) -> User:
    """Whose link this is, without using it. Raises LinkSpent."""
    link = _usable(secret).select_related("user").first()
    if link is None or not link.user.is_active:
        raise LinkSpent
    return link.user


@transaction.atomic
def use_login_link(secret: str) -> User:
    """Spend the link and return its person; of two who race, one gets in. Raises LinkSpent."""
    user = look_up(secret)
    if _usable(secret).update(used_at=now()) != 1:
        raise LinkSpent
    append(EventType.LOGIN_LINK_USED, actor=user.actor, role=leading_role(user), object=_opaque(secret))
    return user


def _usable(secret: str) -> QuerySet[LoginLink]:
    return LoginLink.objects.filter(token_hash=_hash(secret), used_at=None, expires_at__gt=now())


def _opaque(secret: str) -> str:
    """The log's name for a link: a part of its hash, from which nothing can be derived."""
    return f"login_link:{_hash(secret)[:32]}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
