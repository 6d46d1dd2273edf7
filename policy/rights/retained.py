"""The table of what this office lets go of by itself: each line finds its rows and purges them (`rights.retention`).

What stands in the register of personal fields and in no line here stays for as long as the register says: the people
and accounts behind it can have it erased, and cases, decisions and the log are kept as proof.
"""

import secrets
from functools import partial
from typing import Any, Final

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from accounts.models import LoginLink
from core import storage
from policy.audits import exports
from policy.consents import consent
from policy.models import Appeal, Clock, Consent, DataRequest, Export, HashEntry, Notice, Person
from policy.rights import data_rights, holds, retention
from policy.rights.data_rights import Forgotten
from policy.rights.retention import Done, Keeping
from provenance.models import KeptReport

_ENDED: Final = (Consent.State.REFUSED, Consent.State.WITHDRAWN, Consent.State.EXPIRED, Consent.State.INVALIDATED)
_ANSWERED: Final = (DataRequest.State.DONE, DataRequest.State.REFUSED)
_GONE: Final = "gone:"
_KEPT_OUT: Final = (HashEntry.State.ACTIVE, HashEntry.State.SUSPENDED)


def daily() -> list[Done]:
    """What beat has done once a day."""
    return retention.run(TABLE)


# --- People without an account -------------------------------------------------------------------------------------


def _people() -> "QuerySet[Person]":
    """With whom nothing is going on: every case is closed, no consent stands or is asked for, nothing waits."""
    me = OuterRef("pk")
    answers = Consent.objects.filter(Q(depiction__person=me) | Q(proxy=me))
    filed = Notice.objects.filter(filer=me)
    going_on = (
        filed.filter(case__closed_at=None),
        answers.exclude(state__in=_ENDED),
        DataRequest.objects.filter(person=me).exclude(state__in=_ANSWERED),
        Appeal.objects.filter(Appeal.OPEN, Q(person=me) | Q(notice__filer=me)),
        HashEntry.objects.filter(notice__filer=me, state__in=_KEPT_OUT),
    )
    quiet = Person.objects.filter(*(~Exists(each) for each in going_on), erased_at=None)
    closed = Subquery(filed.order_by("-case__closed_at").values("case__closed_at")[:1])
    answered = Subquery(answers.order_by("-answered_at").values("answered_at")[:1])
    last = Greatest(Coalesce(closed, answered, F("created_at")), Coalesce(answered, closed, F("created_at")))
    return quiet.annotate(kept_from=last).prefetch_related("notices__case")


def _lapsed() -> "QuerySet[Person]":
    """Whose notice lacks what a law asks for, who were asked, and did not answer in time."""
    asked = Clock.objects.filter(notice__filer=OuterRef("pk"), purpose=Clock.Purpose.ASK)
    running = asked.filter(state__in=(Clock.State.RUNNING, Clock.State.PAUSED))
    more = Notice.objects.filter(filer=OuterRef("pk")).exclude(state=Notice.State.INCOMPLETE)
    ended = asked.order_by().values("notice__filer").annotate(last=Max("ended_at")).values("last")
    silent = Person.objects.filter(~Exists(running), ~Exists(more), Exists(asked), erased_at=None)
    return silent.annotate(kept_from=Subquery(ended)).prefetch_related("notices__case")


def _places(person: Person) -> list[str]:
    return sorted({place for notice in person.notices.all() for place in notice.case.jurisdictions})


def _forget(people: list[Person], object: str) -> None:
    """As an erasure, but that nobody asked for it: columns emptied, keys destroyed, what was sealed gone."""
    forgotten = [data_rights.forget(person) for person in people]
    indices = sorted({index for each in forgotten for index in each.indices})
    keys = [key for each in forgotten for key in each.keys]
    data_rights.record(Forgotten({}, indices, keys), ground="retention", object=object)


# --- Links, sessions, files ----------------------------------------------------------------------------------------


def _ended_consents() -> "QuerySet[Consent]":
    rows = Consent.objects.filter(state__in=_ENDED).exclude(token_hash__startswith=_GONE)
    return rows.annotate(kept_from=Coalesce("answered_at", "created_at"))


def _close_links(consents: list[Consent], object: str) -> None:
    """The link opens nothing any more; what was answered stays on record."""
    for row in consents:
        Consent.objects.filter(pk=row.pk).update(token_hash=f"{_GONE}{secrets.token_hex(28)}")


def _questions() -> "QuerySet[Consent]":
    """Asked, and neither answered nor asked again since."""
    rows = Consent.objects.filter(state=Consent.State.REQUESTED).annotate(kept_from=F("created_at"))
    return rows.select_related("depiction__asset")


def _let_run_out(consents: list[Consent], object: str) -> None:
    """The link still opens, and answers, until it goes as the others do."""
    for row in consents:
        consent.lapse(row)


def _held_consents() -> "QuerySet[Consent]":
    return Consent.objects.filter(depiction__person__in=holds.kept_people())


def _exports() -> "QuerySet[Export]":
    return Export.objects.exclude(key="").annotate(kept_from=F("created_at"))


def _delete_bundles(rows: list[Export], object: str) -> None:
    """The file goes; that it was made, of what and for whom, stays on record, with its digest."""
    keys = [row.key for row in rows]
    exports.expire(rows)
    for key in keys:
        transaction.on_commit(partial(storage.remove, key))


def _ended(model: Any, column: str) -> "QuerySet[Any]":
    return model.objects.annotate(kept_from=F(column))  # type: ignore[no-any-return]


def _delete(rows: list[Any], object: str) -> None:
    for row in rows:
        row.delete()


TABLE: Final = (
    Keeping(
        "people",
        "Name, contact and words of people without an account, once nothing about them is going on",
        "business_ended",
        _people,
        _forget,
        held=holds.kept_people,
        places=_places,
    ),
    Keeping(
        "incomplete_notices",
        "Name, contact and words of who filed an incomplete notice and did not answer our question",
        "question_lapsed",
        _lapsed,
        _forget,
        held=holds.kept_people,
        places=_places,
    ),
    Keeping(
        "consent_questions",
        "Questions about consent that nobody answered",
        "consent_requested",
        _questions,
        _let_run_out,
    ),
    Keeping(
        "consent_links",
        "The link of a consent that was refused, withdrawn or ran out",
        "consent_ended",
        _ended_consents,
        _close_links,
        held=_held_consents,
    ),
    Keeping("exports", "Files of bundles that a regulator took", "export_made", _exports, _delete_bundles),
    Keeping(
        "kept_reports",
        "Reports about a file that somebody kept",
        "kept_report_ended",
        partial(_ended, KeptReport, "until"),
        _delete,
    ),
    Keeping(
        "login_links",
        "Login links that were used or ran out",
        "login_link_ended",
        partial(_ended, LoginLink, "expires_at"),
        _delete,
    ),
    Keeping(
        "sessions",
        "Browsers that were signed in",
        "session_ended",
        partial(_ended, Session, "expire_date"),
        _delete,
    ),
)
