"""Notices: anybody may report a work, with or without an account, and learns what became of it by number and PIN.

An address that a notice names is text to us: stored sealed, shown to the reviewer, never fetched.
"""

import datetime as dt
import re
import secrets
from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F

from accounts.models import User
from core.clock import now
from core.problems import Problem, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import cases, clocks, people, rules
from policy.flags import raise_flag
from policy.models import Category, Clock, Exemption, Flag, Notice, Person
from provenance.models import Asset, Rendition
from provenance.vocabulary import SYNTHETIC

TEXT = "policy.notice.text"
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that is misread on paper or on the telephone
PIN_DIGITS = 8
MAX_WRONG_PINS = 5
LOCKED_FOR = dt.timedelta(minutes=15)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(rf"AS-[0-9]{{4}}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}")

# Fields that laws ask for, by the field of our form that answers them; others are part of every notice.
_ANSWERS = {
    "notifier_name": "name",
    "notifier_email": "email",
    "contact": "email",
    "contact_information": "email",
    "signature": "name",
    "signature_physical_or_electronic": "name",
}


def file_notice(
    *,
    asset: Asset | None = None,
    url_or_text: str = "",
    file_sha256: str = "",
    category: str,
    jurisdiction: str,
    statement: str,
    name: str = "",
    email: str = "",
    good_faith: bool,
    as_depicted: bool = False,
    exemptions: Collection[str] = (),
    by: User | None = None,
) -> tuple[Notice, str]:
    """File a notice, open or join a case, start the clocks its law gives. Returns the notice and its PIN, told once.

    Raises Problem `request.invalid` with `errors` for each wrong field. What a law wants and is missing makes the
    notice incomplete: that law's clock does not start, ours for asking does (I16).
    """
    text = {"statement": statement.strip(), "url_or_text": url_or_text.strip()}
    given = {"name": name.strip(), "email": email.strip()}
    _check(asset, text, given, file_sha256, category, jurisdiction, good_faith, exemptions)
    asset = asset or _registered(file_sha256)
    pin = "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS))
    pin_hash = make_password(pin)  # slow on purpose, so before the transaction
    with transaction.atomic():
        notice = Notice(
            number=new_number(),
            pin_hash=pin_hash,
            filer=people.new_person(name=given["name"], contact=given["email"]),
            account=by,
            asset=asset,
            file_sha256=file_sha256,
            category=category,
            jurisdiction=jurisdiction,
            as_depicted=as_depicted,
            good_faith=good_faith,
            exemptions=sorted(exemptions),
        )
        notice.sealed_text = people.seal(notice.filer.actor, text, TEXT)
        notice.case = cases.open_or_join(asset, category=category, jurisdictions=[jurisdiction])
        _record(notice, text, given)
        _start_clocks(notice, given, notice.entry)
        if asset is not None:
            raise_flag(asset, Flag.Origin.NOTICE, case=notice.case, notice=notice)
    return notice, pin


def new_number() -> str:
    """`AS-2026-7F3K-9QXM`: the year and 39 random bits; the PIN guards it, not its rarity."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"AS-{now():%Y}-{random[:4]}-{random[4:]}"


def _registered(file_sha256: str) -> Asset | None:
    """The work that one of these exact bytes belongs to. It is not told to the filer, who may not know of it."""
    rendition = Rendition.objects.filter(sha256=file_sha256).select_related("asset").order_by("asset_id").first()
    return rendition.asset if file_sha256 and rendition else None


def _record(notice: Notice, text: dict[str, str], given: dict[str, str]) -> None:
    owner = notice.filer.actor
    notice.missing = _missing(notice, given)
    notice.state = Notice.State.INCOMPLETE if notice.missing else Notice.State.VALID
    notice.entry = log.append(
        EventType.NOTICE_FILED,
        actor=owner,
        role="depicted" if notice.as_depicted else "notifier",
        object=notice.case.object,
        refs=[notice.case.entry] if notice.case.entry else [],
        facts={
            "notice": str(notice.pk),
            "category": notice.category,
            "jurisdiction": notice.jurisdiction,
            "exemptions": notice.exemptions,
            "state": notice.state,
        },
        sealed={"text": Sealed(text, owner), "contact": Sealed(given, owner)},
    )
    notice.save(force_insert=True)


# --- What is wrong, what is missing, what is due -------------------------------------------------------------------


def _check(
    asset: Asset | None,
    text: dict[str, str],
    given: dict[str, str],
    file_sha256: str,
    category: str,
    jurisdiction: str,
    good_faith: bool,
    exemptions: Collection[str],
) -> None:
    wrong = {
        "category": category not in Category.values and "Choose one of the categories.",
        "jurisdiction": jurisdiction not in rules.JURISDICTIONS and "Choose one of the places.",
        "statement": not 10 <= len(text["statement"]) <= 5000 and "Between 10 and 5,000 characters.",
        "url_or_text": _bad_place(asset, text["url_or_text"], file_sha256),
        "file_sha256": bool(file_sha256) and not _SHA256.fullmatch(file_sha256) and "64 lower-case hex digits.",
        "name": len(given["name"]) > 120 and "At most 120 characters.",
        "email": bool(given["email"]) and _bad_email(given["email"]),
        "good_faith": not good_faith and "A notice needs your statement of good faith.",
        "exemptions": bool(set(exemptions) - set(Exemption.values)) and "Choose from the list.",
    }
    refuse_fields({field: message for field, message in wrong.items() if message})


def refuse_fields(errors: dict[str, Any]) -> None:
    """Raises Problem `request.invalid` when there are errors: {field: message}."""
    if errors:
        raise invalid({field: [message] for field, message in errors.items()})


def _bad_place(asset: Asset | None, place: str, file_sha256: str) -> str:
    if len(place) > 2000:
        return "At most 2,000 characters."
    if asset is None and not place and not file_sha256:
        return "Say what you report: a work registered here, a file, or an address or description."
    return ""


def _bad_email(address: str) -> str:
    try:
        validate_email(address)
    except ValidationError:
        return "This is not an e-mail address."
    return "At most 200 characters." if len(address) > 200 else ""


def facts_of(notice: Notice) -> dict[str, Any]:
    """The notice as facts for rules: choices and yes/no answers only, never a word of its text (I25)."""
    asset = notice.asset
    return {
        "category": notice.category,
        "jurisdictions": [notice.jurisdiction],
        "channel": "notice",
        "role": "depicted" if notice.as_depicted else "other",
        "content_kind": asset.kind if asset else "",
        "synthetic": bool(asset and asset.source_type in SYNTHETIC)
        or notice.category in (Category.NCII_DEEPFAKE, Category.UNLABELLED_SYNTHETIC),
        "intimate": notice.category in (Category.NCII, Category.NCII_DEEPFAKE),
        "minor": notice.category == Category.CHILD_SAFETY,
        "satire": Exemption.SATIRE in notice.exemptions,
        "news": Exemption.NEWS in notice.exemptions,
        "licensed": Exemption.LICENSED in notice.exemptions,
    }


def _matched(notice: Notice) -> Iterable[rules.Rule]:
    return [rules.rule(clock.rule_id) for clock in rules.due(facts_of(notice), now(), events=clocks.NOTICE)]


def _lacks(rule: rules.Rule, notice: Notice, given: dict[str, str]) -> set[str]:
    if notice.category == Category.CHILD_SAFETY:
        return set()  # DSA 16(2)(c): no name and no address is asked for these
    return {_ANSWERS[field] for field in rule.required_fields if field in _ANSWERS and not given[_ANSWERS[field]]}


def _missing(notice: Notice, given: dict[str, str]) -> list[str]:
    return sorted({field for rule in _matched(notice) for field in _lacks(rule, notice, given)})


def _start_clocks(notice: Notice, given: dict[str, str], begun_by: Entry | None) -> None:
    """Clocks of the laws whose fields are all there and that do not run yet; and the clock for asking, if needed."""
    running = set(notice.clocks.filter(purpose=Clock.Purpose.DECIDE).values_list("rule_id", flat=True))
    complete = {rule.id for rule in _matched(notice) if not _lacks(rule, notice, given)} - running
    on: dict[str, Any] = {"case": notice.case, "notice": notice, "entry": begun_by}
    clocks.start(Clock.Purpose.DECIDE, facts_of(notice), clocks.NOTICE, only=complete, **on)
    if notice.missing:
        clocks.start(Clock.Purpose.ASK, facts_of(notice), clocks.ASK, **on)


def complete_notice(notice: Notice, *, name: str = "", email: str = "") -> Notice:
    """The filer adds what was missing; the clocks that waited for it start now (the cure time is their start).

    Raises Problem with `errors`, Conflict once the filer was erased.
    """
    wrong = {"email": bool(email.strip()) and _bad_email(email.strip()), "name": len(name) > 120 and "Too long."}
    refuse_fields({field: message for field, message in wrong.items() if message})
    old_name, old_email = people.name_and_contact(notice.filer)
    given = {"name": name.strip() or old_name, "email": email.strip() or old_email}
    with transaction.atomic():
        people.refuse_erased(notice.filer)
        contact = {"name": given["name"], "contact": given["email"]}
        sealed = people.seal(notice.filer.actor, contact, people.CONTACT)
        Person.objects.filter(pk=notice.filer_id).update(sealed_contact=sealed)
        notice.filer.sealed_contact = sealed
        missing = _missing(notice, given)
        if notice.state == Notice.State.INCOMPLETE and not missing:
            move(notice, Notice.MOVES, Notice.State.VALID, missing=missing)
            clocks.end(notice.clocks.filter(purpose=Clock.Purpose.ASK), Clock.State.MET)
            _start_clocks(notice, given, _record_completion(notice, given))
        else:
            _record_completion(notice, given)
    return notice


def _record_completion(notice: Notice, given: dict[str, str]) -> Entry:
    """The entry that the clocks of a cured notice begin with."""
    owner = notice.filer.actor
    return log.append(
        EventType.NOTICE_COMPLETED,
        actor=owner,
        role="depicted" if notice.as_depicted else "notifier",
        object=notice.case.object,
        refs=[notice.entry] if notice.entry else [],
        facts={"notice": str(notice.pk), "state": notice.state},
        sealed={"contact": Sealed(given, owner)},
    )


# --- Coming back ---------------------------------------------------------------------------------------------------


class NoSuchNotice(Problem):
    """One answer for a wrong number, a wrong PIN and a locked notice, so that none can be told from another."""

    def __init__(self) -> None:
        super().__init__(
            "notice.not_found",
            "Number and PIN do not match",
            status=404,
            detail="No notice answers to this number and PIN.",
            next_step=f"Check both. After {MAX_WRONG_PINS} wrong tries a number rests for 15 minutes.",
        )


def notice_by_pin(number: str, pin: str) -> Notice:
    """The notice, for whoever has its number and PIN. Raises NoSuchNotice.

    The same work is done whether the number exists or not, so the time tells nothing either.
    """
    number, pin = number.strip().upper(), re.sub(r"[\s-]", "", pin)[:32]
    well_formed = Notice.objects.filter(number=number) if _NUMBER.fullmatch(number) else Notice.objects.none()
    notice = well_formed.select_related("filer", "case", "asset").first()
    if notice is None:
        make_password(pin)
        raise NoSuchNotice
    resting = notice.locked_until is not None and notice.locked_until > now()
    fits = check_password(pin, notice.pin_hash)
    if resting:
        raise NoSuchNotice
    if not fits:
        _count_wrong(notice)
        raise NoSuchNotice
    if notice.wrong_pins:
        Notice.objects.filter(pk=notice.pk).update(wrong_pins=0, locked_until=None)
    return notice


def _count_wrong(notice: Notice) -> None:
    """The database adds, so that tries in parallel all count."""
    Notice.objects.filter(pk=notice.pk).update(wrong_pins=F("wrong_pins") + 1)
    Notice.objects.filter(pk=notice.pk, wrong_pins__gte=MAX_WRONG_PINS).update(
        wrong_pins=0, locked_until=now() + LOCKED_FOR
    )


def contents(notice: Notice) -> dict[str, str]:
    """What the filer wrote and who they said they are; empty strings once they were erased."""
    text = people.unseal(notice.filer.actor, notice.sealed_text, TEXT) or {"statement": "", "url_or_text": ""}
    name, email = people.name_and_contact(notice.filer)
    return {**text, "name": name, "email": email}
