"""Accounts of authorities: invited for some places, on a legal basis, until a day; used from the first visit on.

Whether an account stands is asked at every request (`entitled`): a suspended or expired one opens no page, no call of
the API and no download from that moment on.
"""

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.mfa import lacks_second_factor
from accounts.models import SECOND_FACTOR_ROLES, Membership, Organisation, Role, User
from accounts.people import create_person, grant_role, leading_role
from core import beat
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority, parties
from policy.authority import Act
from policy.deciding import plain_texts
from policy.filing.notice_checks import refuse
from policy.law import rules
from policy.models import RegulatorAccount

State, Scope = RegulatorAccount.State, RegulatorAccount.Scope
# Never all: “another country” is every other one.
PLACES: Final[Mapping[str, str]] = {code: name for code, name in rules.JURISDICTIONS.items() if code != "XX"}
LONGEST_DAYS: Final = 731
_PERSON = re.compile(r"\b(?:user|person):", re.ASCII)
# Whoever has one of these works or registers here.
_INSIDERS: Final = (SECOND_FACTOR_ROLES | {Role.CREATOR}) - {Role.REGULATOR}
_WORDS: Final = {
    State.INVITED: "Your access was not taken up yet: open the page “Audit” in the browser first.",
    State.SUSPENDED: "Your access is suspended.",
    State.EXPIRED: "Your access has ended.",
}


@dataclass(frozen=True)
class Terms:
    """What an authority's person may do here. days: from now on; the rest as the columns of RegulatorAccount."""

    authority: str
    jurisdictions: Collection[str]
    legal_basis: str
    scopes: Collection[str]
    days: int

    def columns(self) -> dict[str, Any]:
        """Of a RegulatorAccount. Raises Problem with `errors`."""
        refuse(self._wrong())
        return {
            "authority": self.authority.strip(),
            "jurisdictions": sorted(set(self.jurisdictions)),
            "legal_basis": self.legal_basis.strip(),
            "scopes": sorted(set(self.scopes)),
            "expires_at": now() + dt.timedelta(days=self.days),
        }

    def _wrong(self) -> dict[str, str | bool]:
        known = bool(self.jurisdictions) and set(self.jurisdictions) <= set(PLACES)
        return {
            "authority": unfit(self.authority, 3, 120),
            "jurisdictions": "" if known else "Choose at least one of the places; nobody has all.",
            "legal_basis": unfit(self.legal_basis, 5, 200),
            "scopes": "" if set(self.scopes) <= set(Scope.values) else "Choose from the list.",
            "days": wrong_days(self.days),
        }


def unfit(text: str, least: int, most: int, names: Collection[str] = ()) -> str:
    """Why these words cannot be read by everybody: too short, too long, of several lines, or with personal data; empty
    when they can. names: of people, which must not stand in them.
    """
    text = text.strip()
    if not least <= len(text) <= most or not text.isprintable():
        return f"Between {least} and {most} characters, in one line."
    if _PERSON.search(text):
        return "Leave out ids of people: everybody can read this."
    return plain_texts.leak(text, names)


def wrong_days(days: int) -> str:
    return "" if 1 <= days <= LONGEST_DAYS else f"Between 1 and {LONGEST_DAYS} days."


# --- Whether it stands ---------------------------------------------------------------------------------------------


def of(user: User) -> RegulatorAccount | None:
    """Their account, in whatever state; None for others. One query, each time: nothing is remembered."""
    return RegulatorAccount.objects.select_related("entry", "user").filter(user=user).first()


def entitled(user: User) -> RegulatorAccount:
    """The account by which they may look at this moment. Raises Forbidden with the reason in plain words."""
    authority.may(user, Act.MAKE_EXPORT)
    account = of(user)
    if why := why_not(account):
        raise Forbidden(why, code="regulator.not_active", next_step="Ask the operator of this office.")
    assert account is not None
    return account


def reader(user: User) -> RegulatorAccount | None:
    """By which account they read the log; None for operators of the office. Raises Forbidden."""
    authority.may(user, Act.READ_LOG)
    return None if user.has_role(Role.OPERATOR) and not user.has_role(Role.REGULATOR) else entitled(user)


def why_not(account: RegulatorAccount | None) -> str:
    """Why the account opens nothing; empty when it stands."""
    if account is None:
        return "Your account was not set up for an authority yet."
    if account.state != State.ACTIVE:
        return _WORDS[State(account.state)]
    if account.user.roles & _INSIDERS:
        return "You work or register here by now, and nobody supervises themselves."
    return _WORDS[State.EXPIRED] if account.expires_at <= now() else ""


def activate(user: User) -> RegulatorAccount | None:
    """The first visit after the sign-in takes the invitation up; later ones change nothing. None without an account.

    Raises Forbidden without a second factor, and once the invitation has run out.
    """
    account = of(user)
    if account is None or account.state != State.INVITED:
        return account
    if lacks_second_factor(user):
        raise Forbidden("Set up a second factor first.", code="auth.second_factor")
    if account.expires_at <= now():
        raise Forbidden(_WORDS[State.EXPIRED], code="regulator.not_active", next_step="Ask the operator.")
    with transaction.atomic():
        move(account, RegulatorAccount.MOVES, State.ACTIVE)
        _record(EventType.REGULATOR_ACTIVATED, account, user, {})
    return account


# --- The office's side ---------------------------------------------------------------------------------------------


def for_desk() -> QuerySet[RegulatorAccount]:
    """All accounts, those that end first first."""
    return RegulatorAccount.objects.select_related("user", "entry").order_by("expires_at", "pk")


def find(pk: UUID | str) -> RegulatorAccount:
    """Raises NotFound."""
    try:
        return for_desk().get(pk=pk)
    except (RegulatorAccount.DoesNotExist, ValidationError) as error:
        raise NotFound("account of an authority") from error


def invite(by: User | None, terms: Terms, *, email: str, name: str = "") -> RegulatorAccount:
    """An account for an authority's person, who need not have one here yet. by: None for the command line.

    Raises Forbidden, Problem with `errors`, Conflict while they have an account that has not ended, and for whoever
    works or registers here: nobody supervises themselves.
    """
    _may(by)
    columns = terms.columns()
    with transaction.atomic():
        user = _person(by, email, name, columns["authority"])
        account = of(user)
        if account is None:
            return _make(by, user, columns)
        move(account, RegulatorAccount.MOVES, State.INVITED, invited_by=by, **columns)
        _record(EventType.REGULATOR_INVITED, account, by, facts_of(account))
    return account


def _make(by: User | None, user: User, columns: Mapping[str, Any]) -> RegulatorAccount:
    account = RegulatorAccount(user=user, invited_by=by, **columns)
    account.entry = _record(EventType.REGULATOR_INVITED, account, by, facts_of(account))
    account.save(force_insert=True)
    return account


def _person(by: User | None, email: str, name: str, organisation: str) -> User:
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        return create_person(email, name, roles=[Role.REGULATOR], organisation=organisation)
    if by is not None:
        parties.refuse_party(by, user)
    if user.roles & _INSIDERS:
        raise Conflict(
            "This person works or registers here, and nobody supervises themselves.",
            code="regulator.person",
            next_step="Use an address of the authority.",
        )
    if not user.is_active:
        raise Conflict("This person's account is closed.", code="regulator.person")
    if not user.has_role(Role.REGULATOR):
        home, _ = Organisation.objects.get_or_create(name=organisation)
        grant_role(user, home, Role.REGULATOR, by=by)
    return user


def suspend(account: RegulatorAccount, by: User | None, why: str = "") -> None:
    """From now on it opens nothing. why: sealed under the key of the person. Raises Forbidden, Conflict."""
    _may(by, account)
    with transaction.atomic():
        move(account, RegulatorAccount.MOVES, State.SUSPENDED)
        _record(EventType.REGULATOR_SUSPENDED, account, by, {}, why.strip()[:300])


def resume(account: RegulatorAccount, by: User | None) -> None:
    """A suspended account stands again, as it was. Raises Forbidden, Conflict."""
    _may(by, account)
    with transaction.atomic():
        move(account, RegulatorAccount.MOVES, State.ACTIVE)
        _record(EventType.REGULATOR_CHANGED, account, by, {"change": "resumed"})


def renew(account: RegulatorAccount, by: User | None, days: int) -> None:
    """It ends in so many days from now. Raises Forbidden, Problem with `errors`, Conflict once it has ended."""
    _may(by, account)
    if words := wrong_days(days):
        raise invalid({"days": [words]})
    until = now() + dt.timedelta(days=days)
    with transaction.atomic():
        rows = RegulatorAccount.objects.filter(pk=account.pk).exclude(state=State.EXPIRED)
        if not rows.update(expires_at=until):
            raise Conflict("This access has ended.", code="regulator.ended", next_step="Invite the person again.")
        account.expires_at = until
        _record(EventType.REGULATOR_CHANGED, account, by, {"change": "renewed", "expires_at": until.isoformat()})


def end(account: RegulatorAccount, by: User | None) -> None:
    """For good; the person can be invited again, on other terms. Raises Forbidden, Conflict."""
    _may(by, account)
    with transaction.atomic():
        _end(account, by)


def expire() -> int:
    """Those whose day has come, or who work or register here by now. Run by beat; returns how many."""
    insiders = Exists(Membership.objects.filter(user=OuterRef("user"), role__in=_INSIDERS))
    past = RegulatorAccount.objects.filter(Q(expires_at__lte=now()) | insiders).exclude(state=State.EXPIRED)
    return beat.each(past.select_related("user", "entry")[:500], lambda account: _end(account, None))


def _end(account: RegulatorAccount, by: User | None) -> None:
    move(account, RegulatorAccount.MOVES, State.EXPIRED)
    _record(EventType.REGULATOR_EXPIRED, account, by, {})


def _may(by: User | None, account: RegulatorAccount | None = None) -> None:
    if by is not None:
        authority.may(by, Act.KEEP_REGULATORS)
        parties.refuse_party(by, account.user if account else None)


# --- The log -------------------------------------------------------------------------------------------------------


def facts_of(account: RegulatorAccount) -> dict[str, Json]:
    """What everybody may know: which authority, for where, by which law, what it may have opened, and until when."""
    return {
        "authority": account.authority,
        "jurisdictions": account.jurisdictions,
        "legal_basis": account.legal_basis,
        "scopes": account.scopes,
        "expires_at": account.expires_at.isoformat(),
    }


def _record(
    type: EventType, account: RegulatorAccount, by: User | None, facts: Mapping[str, Json], why: str = ""
) -> Entry:
    person = account.user.actor
    sealed = {"person": Sealed(person, person), **({"why": Sealed(why, person)} if why else {})}
    return log.append(
        type,
        actor=by.actor if by else "system",
        role=leading_role(by, Role.OPERATOR, Role.REGULATOR) if by else "system",
        object=f"regulator:{account.pk}",
        refs=[account.entry] if account.entry else [],
        facts=facts,
        sealed=sealed,
    )
