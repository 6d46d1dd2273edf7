"""What is held about one person or account, read along the register of personal fields."""

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import models

from accounts.models import User
from ledger.models import Entry, SealedSection
from ledger.receipts import disclosures_for
from policy import people
from policy.appeals import grounds_of
from policy.models import Appeal, Notice, Person
from policy.notices import contents
from policy.personal_fields import PERSONAL


class Path(NamedTuple):
    """How a model's rows lead to the person or the account they are about; empty where they never do."""

    person: str
    user: str


PATHS: dict[str, Path] = {
    "policy.Person": Path("pk", ""),
    "policy.Depiction": Path("person", ""),
    "policy.Consent": Path("depiction__person", "requested_by"),
    "policy.Notice": Path("filer", "account"),
    "policy.Case": Path("", "assigned_to"),
    "policy.Decision": Path("", "decider"),
    "policy.StatementOfReasons": Path("notice__filer", "user"),
    "policy.Appeal": Path("notice__filer", "user"),
    "policy.DataRequest": Path("person", "user"),
    "policy.Export": Path("", "user"),
    "policy.MediaView": Path("", "reviewer"),
    "policy.Hold": Path("person", "user"),
    "policy.ProcessingBasis": Path("", "recorded_by"),
    "policy.Attachment": Path("notice__filer", "counter_notice__by"),
    "policy.AppealMessage": Path("appeal__notice__filer", "appeal__user"),
    "policy.CounterNotice": Path("", "by"),
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
    path = PATHS[label].user if isinstance(who, User) else PATHS[label].person
    manager = apps.get_model(label)._default_manager
    found: models.QuerySet[Any] = manager.filter(**{path: who.pk}) if path else manager.none()
    return found.order_by("pk")


def _sessions(who: Who) -> "models.QuerySet[Any]":
    mine = sessions_of(who) if isinstance(who, User) else []
    return Session.objects.filter(pk__in=[session.pk for session in mine]).order_by("pk")


def sessions_of(user: User) -> list[Session]:
    """The browsers that are, or were, signed in as `user`. No column says whose a session is, so each one is opened."""
    return [one for one in Session.objects.iterator() if one.get_decoded().get(SESSION_KEY) == str(user.pk)]


def by_field(who: Who) -> Iterator[dict[str, Any]]:
    """Each registered field with what is in it about `who`; fields with nothing in them are left out."""
    for name, field in PERSONAL.items():
        label, _, column = name.rpartition(".")
        values = [value for row in rows(label, who) if (value := _readable(row, column)) not in ("", None)]
        if values:
            yield {
                "field": name,
                "purpose": field.purpose,
                "basis": field.basis,
                "retention": field.retention,
                "erased": field.erased,
                "values": values,
            }


def _readable(row: models.Model, column: str) -> Any:
    match row, column:
        case Person(), "sealed_contact":
            name, contact = people.name_and_contact(row)
            return {"name": name, "contact": contact} if name or contact else ""
        case Notice(), "sealed_text":
            text = contents(row)
            return {key: text[key] for key in ("statement", "url_or_text")} if text["statement"] else ""
        case Appeal(), "sealed_grounds":
            return grounds_of(row)
        case _, "password" | "pin_hash":
            return "a slow, salted hash" if getattr(row, column) else ""
        case Authenticator(), "data":
            return f"the secret of a second factor ({row.get_type_display()})"
        case Session(), _:
            return f"a signed-in browser, until {row.expire_date:%Y-%m-%d}"
    value = getattr(row, column)
    return f"this {row._meta.verbose_name} of {_when(row)}" if isinstance(value, models.Model) else value


def _when(row: models.Model) -> str:
    at = getattr(row, "created_at", None) or getattr(row, "joined_at", None)
    return f"{at:%Y-%m-%d}" if at else "an earlier day"


def in_log(actor: str) -> list[dict[str, Any]]:
    """The sealed sections of the log that this person's key opens: the place, and what it says."""
    entries = Entry.objects.filter(pk__in=SealedSection.objects.filter(person=actor).values("entry"))
    found = []
    for entry in entries.select_related("sequence").order_by("pk"):
        names = list(entry.sections.filter(person=actor).values_list("name", flat=True))
        for opened in disclosures_for(entry, names):
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
