"""Making people: by the operator, by the demo, and by themselves at sign-up."""

from collections.abc import Iterable

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts.models import Membership, Organisation, Role, User
from core.problems import Conflict, Problem
from ledger.events import EventType
from ledger.log import Sealed, append


@transaction.atomic
def create_person(
    email: str, name: str, *, roles: Iterable[str], organisation: str, password: str | None = None
) -> User:
    """A person with a verified address and `roles` at the organisation of that name (made if it is new).

    Whoever calls this vouches for the address. Without password they come in by a login link or a passkey.
    Raises Problem (bad address, role or password) and Conflict (the address has an account).
    """
    chosen = [_role(role) for role in roles]
    address = _address(email)
    if User.objects.filter(email__iexact=address).exists():
        raise Conflict("This e-mail address has an account already.", code="person.exists")
    if password is not None:
        _check_password(password)
    user = User.objects.create_user(address, password, name=name.strip())
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    home, _ = Organisation.objects.get_or_create(name=organisation.strip())
    for role in dict.fromkeys(chosen):
        grant_role(user, home, role)
    return user


def account(email: str) -> User:
    """The active account with this address, for commands that are told who acts. Raises Problem."""
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise Problem("person.unknown", "No such account", status=404, detail=f"There is no account {email}.")
    return user


@transaction.atomic
def welcome_creator(user: User) -> None:
    """Give a person who signed up the creator's role in a studio of their own, whose name says nothing about them."""
    studio = Organisation.objects.create(name=f"Studio {user.pk.hex[-8:]}")
    grant_role(user, studio, Role.CREATOR, by=user)


@transaction.atomic
def grant_role(user: User, organisation: Organisation, role: Role, *, by: User | None = None) -> Membership:
    """The one way to give somebody a role, so that every role is in the log. by: None is the operator's command line.

    The leaf says which role was given; to whom and where is sealed under that person's key.
    """
    membership = Membership.objects.create(user=user, organisation=organisation, role=role)
    append(
        EventType.ROLE_GRANTED,
        actor=by.actor if by else "system",
        role="person" if by == user else "operator",
        object=f"membership:{membership.pk}",
        facts={"role": role.value},
        sealed={"person": Sealed({"person": user.actor, "organisation": str(organisation.pk)}, user.actor)},
    )
    user.__dict__.pop("roles", None)  # it was asked before, and is remembered
    return membership


def leading_role(user: User, *among: Role) -> str:
    """The role under which the ledger records what `user` does: the first of `among` they hold, else their first."""
    held = [role for role in (among or tuple(Role)) if role in user.roles]
    return held[0] if held else "person"


def reviewing_role(user: User) -> str:
    """The role under which somebody works at the review desk: leads act as leads."""
    return leading_role(user, Role.LEAD_REVIEWER, Role.REVIEWER)


def _role(value: str) -> Role:
    try:
        return Role(value)
    except ValueError:
        known = ", ".join(Role.values)
        raise Problem("person.role", "There is no such role", detail=f"“{value}” is none of: {known}.") from None


def _address(email: str) -> str:
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise Problem("person.email", "That is no e-mail address", detail=f"“{email}” cannot receive mail.") from None
    return address


def _check_password(password: str) -> None:
    try:
        validate_password(password)
    except ValidationError as error:
        raise Problem("person.password", "The password is too weak", detail=" ".join(error.messages)) from None
