"""The roster: who is trained for what, who reads which language, who reports to whom, and what each can bear (R01).

A lead reviewer keeps it; the operator's command line too, so that an office has a first one. What a person chooses for
themselves (how media are shown, whom they should not judge) only they change, and it can only make things stricter.
"""

import secrets
from collections.abc import Collection
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import REVIEWERS, Organisation, User
from accounts.people import leading_role, reviewing_role
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, invalid
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.desk import exposure
from policy.desk.exposure import Step
from policy.models import Category, DeclaredConflict, ReviewerProfile

_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
MOST_BUDGET: Final = 1000


def profiles() -> QuerySet[ReviewerProfile]:
    """Everybody on the roster, by name."""
    return ReviewerProfile.objects.select_related("user", "manager").order_by("user__name", "pk")


def without_profile() -> QuerySet[User]:
    """Active people with the role of a reviewer whom nobody has entered on the roster yet."""
    known = ReviewerProfile.objects.values("user")
    rows = User.objects.filter(is_active=True, memberships__role__in=REVIEWERS).exclude(pk__in=known)
    return rows.distinct().order_by("name", "pk")


def set_profile(
    user: User,
    *,
    by: User | None,
    trained: Collection[str] | None = None,
    languages: Collection[str] | None = None,
    manager: User | None = None,
    paused: bool | None = None,
    budget: int | None = None,
) -> ReviewerProfile:
    """Enter or change a reviewer's profile; what is None stays. by: None is the operator's command line.

    trained: all categories they are trained for from now on; those that stay keep their day. Who reads no language
    gets English. Raises Forbidden (no lead; oneself), Problem with `errors`.
    """
    _may_set(user, by)
    _check(user, trained, languages, manager, budget)
    given = {"languages": languages and sorted(set(languages)), "manager": manager, "paused": paused, "budget": budget}
    try:
        with transaction.atomic():
            profile = ReviewerProfile.objects.select_for_update().filter(user=user).first() or _new(user)
            if trained is not None:
                profile.trained = {value: profile.trained.get(value, f"{now():%Y-%m-%d}") for value in sorted(trained)}
            for name, value in given.items():
                if value is not None:
                    setattr(profile, name, value)
            _save(profile, by)
    except IntegrityError as error:
        raise Conflict("Somebody else entered this person a moment ago.", code="state.race") from error
    return profile


def _may_set(user: User, by: User | None) -> None:
    if by is None:
        return
    authority.may(by, authority.Act.MANAGE_REVIEWERS)
    if by == user:
        raise Forbidden(
            "Nobody keeps their own entry on the roster.",
            code="reviewer.self",
            next_step="Ask another lead reviewer, or the operator (`manage.py reviewer`).",
        )


def _check(
    user: User,
    trained: Collection[str] | None,
    languages: Collection[str] | None,
    manager: User | None,
    budget: int | None,
) -> None:
    wrong: dict[str, str | bool] = {
        "user": not user.has_role(*REVIEWERS) and "This person has no role of a reviewer.",
        "trained": not set(trained or ()) <= set(Category.values) and "Choose from the categories.",
        "languages": any(not _is_language(code) for code in languages or ()) and "Codes like “en” or “pt-BR”.",
        "manager": manager == user and "Nobody is their own manager.",
        "budget": budget is not None and not 0 < budget <= MOST_BUDGET and f"From 1 to {MOST_BUDGET} points a day.",
    }
    if errors := {field: [message] for field, message in wrong.items() if message}:
        raise invalid(errors)


def _is_language(code: str) -> bool:
    head, _, region = code.partition("-")
    return 2 <= len(head) <= 3 and head.isascii() and head.islower() and head.isalpha() and len(region) <= 4


def _new(user: User) -> ReviewerProfile:
    return ReviewerProfile(user=user, alias=_alias(), languages=["en"])


def _alias() -> str:
    """Says nothing about the person, and is not their number either."""
    return f"Reviewer {''.join(secrets.choice(_LETTERS) for _ in range(5))}"


def _save(profile: ReviewerProfile, by: User | None) -> None:
    """Row and entry. The leaf knows the profile by its id only; whose it is, and who leads, is sealed."""
    person = profile.user.actor
    about: dict[str, Json] = {"person": person, "manager": profile.manager.actor if profile.manager else ""}
    entry = log.append(
        EventType.REVIEWER_CHANGED,
        actor=by.actor if by else "system",
        role=leading_role(by) if by else "operator",
        object=f"reviewer:{profile.pk}",
        facts=facts_of(profile),
        sealed={"person": Sealed(about, person), "floor": Sealed(profile.floor, person)},
    )
    profile.entry = profile.entry or entry
    profile.save()


def facts_of(profile: ReviewerProfile) -> dict[str, Json]:
    """What the log says of an entry of the roster, so that it can be exported (R01): nothing of the person."""
    return {
        "trained": sorted(profile.trained),
        "languages": list(profile.languages),
        "paused": profile.paused,
        "budget": profile.budget,
    }


def pause(user: User, *, by: User | None) -> ReviewerProfile:
    """No queue until somebody ends it. Everybody may pause themselves."""
    return _own_pause(user) if by == user else set_profile(user, by=by, paused=True)


def _own_pause(user: User) -> ReviewerProfile:
    with transaction.atomic():
        profile = _profile(user)
        profile.paused = True
        _save(profile, user)
    return profile


def resume(user: User, *, by: User | None) -> ReviewerProfile:
    """End a pause: a lead reviewer does."""
    return set_profile(user, by=by, paused=False)


# --- One's own choices ---------------------------------------------------------------------------------------------


def set_floor(user: User, *, highest: str = "", daily: int | None = None) -> ReviewerProfile:
    """How this person wants media to be shown: at most up to `highest`, and `daily` points; "" and None: as the office.

    Only ever stricter than the office (`policy.desk.exposure`). Raises NotFound, Problem with `errors`.
    """
    with transaction.atomic():
        profile = _profile(user)
        wrong = {
            "highest": highest not in ("", *Step.values) and "Choose one of the steps.",
            "daily": daily is not None and exposure.checked_daily(daily, profile.budget),
        }
        if errors := {field: [message] for field, message in wrong.items() if message}:
            raise invalid(errors)
        profile.floor = {
            **({"highest": highest} if highest else {}),
            **({"daily": daily} if daily is not None else {}),
        }
        _save(profile, user)
    return profile


def _profile(user: User) -> ReviewerProfile:
    # Of this row alone: PostgreSQL locks nothing that an outer join may leave empty.
    rows = ReviewerProfile.objects.select_for_update(of=("self",)).select_related("user", "manager")
    row = rows.filter(user=user).first()
    if row is None:
        raise NotFound("entry of yours on the roster")
    return row


def conflicts_of(user: User) -> QuerySet[DeclaredConflict]:
    """Those that stand."""
    rows = DeclaredConflict.objects.filter(reviewer=user, ended_at=None)
    return rows.select_related("user", "organisation").order_by("pk")


def declare(user: User, *, email: str = "", organisation: str = "") -> DeclaredConflict:
    """“I should not judge this person (by the address of their account)”, or “anybody of this organisation”.

    Raises Forbidden, Problem with `errors`; the same again gives the first one back.
    """
    authority.may(user, authority.Act.REVIEW)
    with_whom = _whom(user, email.strip(), organisation.strip())
    if same := conflicts_of(user).filter(**with_whom).first():
        return same
    with transaction.atomic():
        row = DeclaredConflict(reviewer=user, **with_whom)
        row.entry = _record_conflict(row, ended=False)
        row.save(force_insert=True)
    return row


def _whom(user: User, email: str, organisation: str) -> dict[str, Any]:
    if bool(email) == bool(organisation):
        raise invalid({"email": ["Name a person or an organisation, one at a time."]})
    if email:
        person = User.objects.filter(email__iexact=email, is_active=True).first()
        if person is None or person == user:
            raise invalid({"email": ["No account of somebody else has this address here."]})
        return {"user": person}
    home = Organisation.objects.filter(name__iexact=organisation).first()
    if home is None:
        raise invalid({"organisation": ["No organisation has this name here."]})
    return {"organisation": home}


def end_conflict(row: DeclaredConflict, user: User) -> None:
    """It stands no more. Raises Forbidden for anybody but who declared it."""
    if row.reviewer_id != user.pk:
        raise Forbidden("Only who declared it ends it.", code="conflict.not_yours")
    with transaction.atomic():
        if DeclaredConflict.objects.filter(pk=row.pk, ended_at=None).update(ended_at=now()):
            _record_conflict(row, ended=True)


def _record_conflict(row: DeclaredConflict, *, ended: bool) -> Any:
    whom = row.user.actor if row.user else f"organisation:{row.organisation_id}"
    return log.append(
        EventType.CONFLICT_DECLARED,
        actor=row.reviewer.actor,
        role=reviewing_role(row.reviewer),
        object=f"conflict:{row.pk}",
        refs=[row.entry] if row.entry else [],
        facts={"with": "account" if row.user else "organisation", "ended": ended},
        sealed={"whom": Sealed(whom, row.reviewer.actor)},
    )


# --- What leads look at --------------------------------------------------------------------------------------------


def readers() -> dict[str, int]:
    """{language: how many working reviewers read it}."""
    counts: dict[str, int] = {}
    for languages in ReviewerProfile.objects.filter(paused=False).values_list("languages", flat=True):
        for code in languages:
            counts[code] = counts.get(code, 0) + 1
    return counts


def untaught() -> list[str]:
    """Categories that nobody who works is trained for: cases of these would wait for ever."""
    trained = ReviewerProfile.objects.filter(paused=False).values_list("trained", flat=True)
    return sorted(set(Category.values) - {value for each in trained for value in each})
