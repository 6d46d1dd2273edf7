"""Who is a party outside of a case: to what is done about an account, a person, a work, a listed copy, an organisation.

A role lets somebody do these things; nobody does them in their own matter (R25). One table says what each kind of row
touches, three say what makes a party. Cases have theirs in `policy.authority`.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from accounts.models import Membership, Organisation, User
from core.problems import Forbidden
from policy import authority
from policy.authority import Conflict
from policy.models import (
    Case,
    Consent,
    DeclaredConflict,
    HashEntry,
    Hold,
    Misuse,
    Notice,
    Person,
    ProcessingBasis,
    TrustedFlagger,
)
from provenance.models import Asset

_NOTHING: Final = Q(pk__in=[])


class Touched(NamedTuple):
    """What an act about a row touches, as conditions on accounts, works, cases and organisations."""

    users: Q = _NOTHING
    works: Q = _NOTHING
    cases: Q = _NOTHING
    organisations: Q = _NOTHING


def refuse_party(user: User, *subjects: Model | None) -> None:
    """Raises Forbidden, with the fact in plain words, if `user` is a party to what is done about one of these rows.

    None: about nobody and no work in particular. A constant number of queries for each row.
    """
    for subject in subjects:
        if subject is not None and (why := _why(user, _TOUCHED[type(subject)](subject))):
            raise Forbidden(f"{why}, so somebody else does this.", code="party.conflict")


def _why(user: User, touched: Touched) -> str:
    tables: tuple[tuple[QuerySet[Any], list[Conflict]], ...] = (
        (User.objects.filter(touched.users), _with_people(user)),
        (Asset.objects.filter(touched.works), _with_works(user)),
        (Organisation.objects.filter(touched.organisations), _with_organisations(user)),
    )
    found = (authority.first_conflict(rows, conflicts) for rows, conflicts in tables)
    return next(filter(None, found), "") or authority.party_in(Case.objects.filter(touched.cases), user)


# --- What each kind of row touches ---------------------------------------------------------------------------------


def _of_user(row: User) -> Touched:
    """Them, their works, and those that they reported."""
    return Touched(users=Q(pk=row.pk), works=Q(owner=row) | Q(notices__account=row))


def _of_person(row: Person) -> Touched:
    """Works that they reported or that show them, and the account with which they filed."""
    filers = Q(filer=row)
    if row.contact_mark and row.contact_proved_at:
        filers |= Q(filer__contact_mark=row.contact_mark, filer__contact_proved_at__isnull=False)
    filed = Notice.objects.filter(filers)
    works = Q(pk__in=filed.values("asset")) | Q(depictions__person=row)
    return Touched(users=Q(pk__in=filed.values("account")), works=works)


def _of_entry(row: HashEntry) -> Touched:
    """The case that listed it, and every work that has these bytes."""
    cases = Q(decisions__hash_entries=row) | Q(notices__hash_entries=row)
    return Touched(cases=cases, works=Q(renditions__sha256=row.value) if row.value else _NOTHING)


def _of_organisation(row: Organisation) -> Touched:
    return Touched(organisations=Q(pk=row.pk))


def _of_hold(row: Hold) -> Touched:
    subject = row.person or row.user or row.case or row.asset
    assert subject is not None
    return _TOUCHED[type(subject)](subject)


def _of_misuse(row: Misuse) -> Touched:
    if row.user is not None:
        return _of_user(row.user)
    assert row.person is not None
    return _of_person(row.person)


_TOUCHED: Final[dict[type[Model], Callable[[Any], Touched]]] = {
    User: _of_user,
    Person: _of_person,
    Misuse: _of_misuse,
    Asset: lambda row: Touched(works=Q(pk=row.pk)),
    Case: lambda row: Touched(cases=Q(pk=row.pk)),
    Consent: lambda row: Touched(works=Q(depictions__consents=row)),
    ProcessingBasis: lambda row: Touched(works=Q(pk=row.asset_id) if row.asset_id else _NOTHING),
    HashEntry: _of_entry,
    Hold: _of_hold,
    Organisation: _of_organisation,
    TrustedFlagger: lambda row: _of_organisation(row.organisation),
}


# --- What makes a party --------------------------------------------------------------------------------------------


def _declared(user: User) -> QuerySet[DeclaredConflict]:
    return DeclaredConflict.objects.filter(reviewer=user, ended_at=None)


def _with_people(user: User) -> list[Conflict]:
    known = Q(user=OuterRef("pk")) | Q(organisation__memberships__user=OuterRef("pk"))
    return [
        Conflict("This is about you", Q(pk=user.pk)),
        Conflict("You declared a conflict with whom this is about", Q(Exists(_declared(user).filter(known)))),
    ]


def _with_works(user: User) -> list[Conflict]:
    filed = Notice.objects.filter(asset=OuterRef("pk"))
    theirs = Membership.objects.filter(user=user).values("organisation")
    owner = Q(user=OuterRef("owner")) | Q(organisation__memberships__user=OuterRef("owner"))
    return [
        Conflict("A work of yours is part of this", Q(owner=user)),
        Conflict("You reported a work that is part of this", Q(Exists(filed.filter(account=user)))),
        Conflict(
            "Your organisation reported a work that is part of this",
            Q(Exists(filed.filter(flagger__organisation__in=theirs))),
        ),
        Conflict(
            "You declared a conflict with the owner of a work that is part of this",
            Q(Exists(_declared(user).filter(owner))),
        ),
    ]


def _with_organisations(user: User) -> list[Conflict]:
    member = Membership.objects.filter(user=user, organisation=OuterRef("pk"))
    return [
        Conflict("This is about your organisation", Q(Exists(member))),
        Conflict(
            "You declared a conflict with this organisation",
            Q(Exists(_declared(user).filter(organisation=OuterRef("pk")))),
        ),
    ]
