"""What is held about one person or account, read along the register of personal fields."""

import base64
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import models
from django.db.models import Q

from accounts.models import User
from ledger import vault
from ledger.models import Entry, PersonKey, SealedSection
from ledger.receipts import disclosures_for
from policy.models import Attachment, Person
from policy.rights import sealed_columns
from policy.rights.personal_fields import GIVEN, PERSONAL


class Path(NamedTuple):
    """How a model's rows lead to the person or the account they are about: any of the lookups named, none if empty."""

    person: str
    user: str


PATHS: dict[str, Path] = {
    "policy.Person": Path("pk", "notices__account"),
    "policy.Depiction": Path("person", ""),
    "policy.Consent": Path("depiction__person", "requested_by"),
    "policy.Notice": Path("filer", "account"),
    "policy.Case": Path("", "assigned_to"),
    "policy.Decision": Path("", "decider"),
    "policy.StatementOfReasons": Path("notice__filer person", "user"),
    "policy.Appeal": Path("notice__filer person", "user"),
    "policy.DataRequest": Path("person", "user"),
    "policy.Export": Path("", "user"),
    "policy.RegulatorAccount": Path("", "user"),
    "policy.SavedQuery": Path("", "user"),
    "policy.ConsultationMessage": Path("", "by"),
    "policy.Referral": Path("", "by"),
    "policy.Webhook": Path("", "made_by"),
    # Comments are made without an account, under any name.
    "policy.Comment": Path("", ""),
    "policy.Proposal": Path("", "by"),
    "policy.TransparencyReport": Path("", "made_by published_by"),
    "policy.MediaView": Path("", "reviewer"),
    "policy.Hold": Path("person", "user"),
    "policy.ProcessingBasis": Path("", "recorded_by"),
    "policy.RegisterEntry": Path("notice__filer", "notice__account"),
    "policy.ResearchAccess": Path("", "granted_by"),
    # By the actor under whose key it is sealed: see `rows`.
    "policy.Attachment": Path("", ""),
    "policy.AppealMessage": Path("appeal__notice__filer appeal__person", "appeal__user"),
    "policy.CounterNotice": Path("", "by"),
    "policy.OutOfCourt": Path("", "opened_by"),
    "policy.HashEntry": Path("notice__filer", ""),
    "policy.Suspension": Path("", "user"),
    "policy.Strike": Path("", "user"),
    "policy.Misuse": Path("person", "user"),
    "policy.ReviewerProfile": Path("", "user"),
    "policy.Recusal": Path("", "reviewer"),
    "policy.DeclaredConflict": Path("", "reviewer"),
    "policy.SecondReview": Path("", "reviewer"),
    "policy.PackVersion": Path("", "author"),
    "policy.PackApproval": Path("", "by"),
    "policy.BreachParty": Path("person", "user"),
    "policy.Breach": Path("", "opened_by"),
    "accounts.User": Path("", "pk"),
    "accounts.Membership": Path("", "user"),
    "accounts.MachineToken": Path("", "user"),
    "accounts.LoginLink": Path("", "user"),
    "account.EmailAddress": Path("", "user"),
    "mfa.Authenticator": Path("", "user"),
    "provenance.Asset": Path("", "owner"),
    "detection.Finding": Path("", "run__asset__owner"),
    "detection.ModelVersion": Path("", "registered_by"),
    "detection.Approval": Path("", "by"),
    "detection.Label": Path("", "submitter"),
    "detection.Corroboration": Path("", "by"),
    "detection.Audit": Path("", "audited_by"),
    # A report is about a file; nothing says whose file it was.
    "provenance.KeptReport": Path("", ""),
}

Who = Person | User


def rows(label: str, who: Who) -> "models.QuerySet[Any]":
    """The rows of a model that are about `who`."""
    if label == "sessions.Session":
        return _sessions(who)
    if label == "policy.Attachment":
        return Attachment.objects.filter(owner__in=actors_of(who)).order_by("pk")
    path = PATHS[label].user if isinstance(who, User) else PATHS[label].person
    everyone: models.QuerySet[Any] = apps.get_model(label)._default_manager.all()
    if not path:
        return everyone.none()
    about = reduce(or_, (Q(**{lookup: who.pk}) for lookup in path.split()))
    # By a subquery: a join that names a row twice would give it twice.
    return everyone.filter(pk__in=everyone.filter(about).values("pk")).order_by("pk")


def _sessions(who: Who) -> "models.QuerySet[Any]":
    mine = sessions_of(who) if isinstance(who, User) else []
    return Session.objects.filter(pk__in=[session.pk for session in mine]).order_by("pk")


def sessions_of(user: User) -> list[Session]:
    """The browsers that are, or were, signed in as `user`. No column says whose a session is, so each one is opened."""
    return [one for one in Session.objects.iterator() if one.get_decoded().get(SESSION_KEY) == str(user.pk)]


def filers_of(who: Who) -> list[Person]:
    """An account's notices are sealed under keys of their own, each of a person who stands for the filer."""
    if not isinstance(who, User):
        return []
    return list(Person.objects.filter(pk__in=who.notices.values("filer")).order_by("pk"))


def actors_of(who: Who) -> list[str]:
    """Under whose keys their data is sealed."""
    return [who.actor, *(filer.actor for filer in filers_of(who))]


def by_field(who: Who) -> Iterator[dict[str, Any]]:
    """Each registered field with what is in it about `who`; fields with nothing in them are left out.

    A query for each model and for each link to somebody, and one for all keys.
    """
    known, seen = _keys(who), dict[str, list[Any]]()
    for name, field in PERSONAL.items():
        label, _, column = name.rpartition(".")
        if kind := _links_to(label, column):
            values = _linked(label, column, who) if isinstance(who, kind) else []
        else:
            if label not in seen:
                seen[label] = list(sealed_columns.with_owner(rows(label, who)))
            values = [value for row in seen[label] if (value := _readable(row, column, known)) not in ("", None)]
        if values:
            yield {
                "field": name,
                "purpose": field.purpose,
                "basis": field.basis,
                "retention": field.retention,
                "erased": field.erased,
                "values": values,
            }


def _links_to(label: str, column: str) -> type[Person] | type[User] | None:
    """Whether a column is a link to a person or an account: then it is about whom it names, whosever the row is."""
    field = apps.get_model(label)._meta.get_field(column)
    linked = field.related_model if isinstance(field, models.ForeignKey) else None
    return linked if linked in (Person, User) else None


def _linked(label: str, column: str, who: Who) -> list[str]:
    named: models.QuerySet[Any] = apps.get_model(label)._default_manager.filter(**{column: who.pk})
    return [f"this {row._meta.verbose_name} of {_when(row)}" for row in named.order_by("pk")]


def given_by(who: Who) -> Iterator[dict[str, Any]]:
    """What they gave this office themselves, by field: what they may take along (GDPR 20)."""
    return ({"field": row["field"], "values": row["values"]} for row in by_field(who) if row["field"] in GIVEN)


def _keys(who: Who) -> vault.Keys:
    return {row.pk: row for row in PersonKey.objects.filter(person__in=actors_of(who))}


def _readable(row: models.Model, column: str, known: vault.Keys) -> Any:
    if column.startswith("sealed_"):
        return sealed_columns.opened(row, column, known)
    match row, column:
        case _, "password" | "pin_hash":
            return "a slow, salted hash" if getattr(row, column) else ""
        case Person(), "contact_mark":
            return "a keyed digest of your address" if getattr(row, column) else ""
        case Authenticator(), "data":
            return f"the secret of a second factor ({row.get_type_display()})"
        case Session(), _:
            return f"a signed-in browser, until {row.expire_date:%Y-%m-%d}"
    field = row._meta.get_field(column)
    if isinstance(field, models.ForeignKey):
        # By its column: the row it names need not be fetched.
        return f"this {row._meta.verbose_name} of {_when(row)}" if getattr(row, field.attname) else None
    return getattr(row, column) or None


def _when(row: models.Model) -> str:
    at = getattr(row, "created_at", None) or getattr(row, "joined_at", None)
    return f"{at:%Y-%m-%d}" if at else "an earlier day"


def in_log(who: Who) -> list[dict[str, Any]]:
    """The sealed sections of the log that their keys open: the place, and what it says. Five queries, however many."""
    actors = actors_of(who)
    entries = Entry.objects.filter(pk__in=SealedSection.objects.filter(person__in=actors).values("entry"))
    found, known = [], _keys(who)
    for entry in entries.select_related("sequence").prefetch_related("sections").order_by("pk"):
        names = [section.name for section in entry.sections.all() if section.person in actors]
        for opened in disclosures_for(entry, names, known):
            found.append(
                {
                    "index": entry.index,
                    "type": entry.type,
                    "section": opened.name,
                    "salt": base64.b64encode(opened.salt).decode(),
                    "value": opened.value,
                }
            )
    return found
