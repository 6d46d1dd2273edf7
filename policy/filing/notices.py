"""Notices: what anybody files, with or without an account. Filed, completed, asked about, read.

Coming back is `filing.notice_pins`; how a notice ends `filing.notice_ends` and `filing.notice_answers`; which laws its
answers lead to `policy.filing.guided`.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from django.core.files.base import File
from django.db import transaction

from accounts.models import User
from core import jobs
from core.canonical import Json
from core.clock import now
from core.problems import Conflict
from core.states import move
from detection.models import Finding
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy.desk import cases
from policy.filing import attachments, disputes, flags, guided, misuse, notice_checks, notice_clocks
from policy.filing.notice_checks import refuse_fields
from policy.filing.notice_pins import new_number, new_pin
from policy.law import clocks
from policy.models import Category, Clock, Flag, Notice, TrustedFlagger
from policy.rights import people
from provenance.models import Asset, Rendition

__all__ = [
    "ask",
    "attach",
    "complete_notice",
    "contents",
    "file_notice",
    "heard_again",
    "note_action",
    "refuse_fields",
]

TEXT: Final = "policy.notice.text"
MORE: Final = "more"
TIMES: Final = notice_checks.TIMES
# In the log. That somebody says they are the one shown is among what is sealed.
ROLE: Final = "notifier"
_PARTS: Final = ("statement", "url_or_text")
# What a reviewer may ask for: every question, and more words or a better address.
ASKABLE: Final = (*guided.QUESTIONS, "statement", "place")


def file_notice(
    *,
    asset: Asset | None = None,
    url_or_text: str = "",
    file_sha256: str = "",
    category: str = "",
    jurisdiction: str,
    statement: str = "",
    name: str = "",
    email: str = "",
    good_faith: bool,
    as_depicted: bool = False,
    exemptions: Collection[str] = (),
    by: User | None = None,
    kind: str = Notice.Kind.REPORT,
    flag: Flag | None = None,
    finding: Finding | None = None,
    answers: Mapping[str, str] | None = None,
    details: Mapping[str, str] | None = None,
    sworn: Collection[str] = (),
    language: str = "en",
    flagger: TrustedFlagger | None = None,
    documents: Iterable["File[bytes]"] = (),
    client_key: str = "",
    pin: tuple[str, str] | None = None,
) -> tuple[Notice, str]:
    """File a notice, open or join a case, start the clocks its law gives. Returns the notice and its PIN, told once.

    details: further answers in words, by `guided.QUESTIONS`. sworn: ids of `guided.statements`. documents: attached.
    flag, finding: which one is wrong, for the kind "false_positive". pin: (PIN, hash) when many are filed at once.

    Raises Problem `request.invalid` with `errors` for each wrong field, Forbidden for who is suspended from filing.
    What a law wants and is missing makes the notice incomplete: that law's clock does not start, ours for asking does
    (I16).
    """
    texts = notice_checks.stripped({"statement": statement, "url_or_text": url_or_text})
    given = notice_checks.stripped({**(details or {}), "name": name, "email": email})
    notice = Notice(
        kind=kind,
        account=by,
        flagger=flagger,
        flag=flag,
        finding=finding,
        asset=_subject(asset, flag, finding) or _registered(file_sha256),
        file_sha256=file_sha256,
        category=_category(kind, category, flag, finding),
        jurisdiction=jurisdiction,
        language=language,
        as_depicted=as_depicted,
        good_faith=good_faith,
        exemptions=sorted(exemptions),
        answers=dict(answers or {}),
        client_key=client_key,
    )
    checks = (notice_checks.notice(notice, texts), notice_checks.sworn(sworn), notice_checks.details(given))
    notice_checks.refuse(*checks)
    misuse.refuse_suspended(notice)
    told, notice.pin_hash = pin or new_pin()
    with transaction.atomic():
        _file(notice, {**given, **texts}, sworn)
        for document in documents:
            attachments.keep(notice.filer.actor, document, notice=notice, entry=notice.entry)
    return notice, told


def _subject(asset: Asset | None, flag: Flag | None, finding: Finding | None) -> Asset | None:
    if flag is not None:
        return flag.asset
    return finding.run.asset if finding is not None else asset


def _category(kind: str, said: str, flag: Flag | None, finding: Finding | None) -> str:
    """What the case is about: as the disputed flag's case, else as the kind says, else as the filer said."""
    if flag is not None:
        return flag.case.category
    if finding is not None:
        return Category.UNLABELLED_SYNTHETIC  # what a finding is a reason to ask about
    of_kind: dict[str, str] = {
        Notice.Kind.PRIVACY: Category.PRIVACY,
        Notice.Kind.ORDER: Category.AUTHORITY_ORDER,
    }
    return of_kind.get(kind, said)


def _registered(file_sha256: str) -> Asset | None:
    """The work that one of these exact bytes belongs to. It is not told to the filer, who may not know of it."""
    rendition = Rendition.objects.filter(sha256=file_sha256).select_related("asset").order_by("asset_id").first()
    return rendition.asset if file_sha256 and rendition else None


def _file(notice: Notice, given: dict[str, str], sworn: Collection[str]) -> None:
    """In the verb's transaction. given: everything typed, by question."""
    notice.number = new_number()
    notice.acknowledged_at = notice.created_at
    notice.sworn = guided.swear(sworn, notice.created_at)
    notice.filer = people.new_person(name=given["name"], contact=given["email"], language=notice.language)
    notice.sealed_text = people.seal(notice.filer.actor, _words(given), TEXT)
    notice.case = disputes.case_of(notice) or cases.open_or_join(
        notice.asset,
        category=guided.room(notice),
        jurisdictions=[notice.jurisdiction],
        language=notice.language,
        vulnerable=int(notice.as_depicted),
        minor=guided.about_a_child(notice),
    )
    notice.missing = guided.missing(notice, given)
    notice.state = Notice.State.INCOMPLETE if notice.missing else Notice.State.VALID
    notice.entry = _record_filing(notice, given)
    notice.save(force_insert=True)
    notice_clocks.begin(notice, given, notice.entry)
    if notice.missing:
        notice_clocks.wait(notice, notice.entry)
    if notice.asset is not None and notice.kind != Notice.Kind.FALSE_POSITIVE:
        flags.raise_flag(notice.asset, Flag.Origin.NOTICE, case=notice.case, notice=notice)
    if given["email"]:
        jobs.enqueue("policy.acknowledge_notice", notice=str(notice.pk))


def _words(given: Mapping[str, str]) -> dict[str, str]:
    """What goes under the filer's key beside their name and address: what is always there, and what has an answer."""
    said = {name: text for name, text in given.items() if text and name not in ("name", "email")}
    return {**dict.fromkeys(_PARTS, ""), **said}


def _record_filing(notice: Notice, given: dict[str, str]) -> Entry:
    owner = notice.filer.actor
    contact = {name: given[name] for name in ("name", "email")}
    return log.append(
        EventType.NOTICE_FILED,
        actor=owner,
        role=ROLE,
        object=notice.case.object,
        refs=[row.entry for row in (notice.case, notice.flag) if row is not None and row.entry is not None],
        facts={
            "notice": str(notice.pk),
            "state": notice.state,
        },
        sealed={
            "text": Sealed(_words(given), owner),
            "contact": Sealed(contact, owner),
            "about": Sealed(about(notice), notice.case.object),
            "answers": Sealed(answers_of(notice), owner),
        },
    )


def about(notice: Notice) -> dict[str, Json]:
    """What its entry says of the matter, sealed under the case: beside a work it would accuse (R22, I8)."""
    named = {name: str(getattr(notice, name)) for name in ("kind", "category", "jurisdiction")}
    return {**named, "trusted_flagger": str(notice.flagger_id or "")}


def answers_of(notice: Notice) -> dict[str, Json]:
    """What its entry says of the filer's answers, sealed under their own key: who is shown, of what age, is theirs."""
    return {
        "answers": notice.answers,
        "as_depicted": notice.as_depicted,
        "exemptions": notice.exemptions,
        "sworn": [f"{row['statement']}@{row['version']}" for row in notice.sworn],
    }


# --- What is missing -----------------------------------------------------------------------------------------------


def complete_notice(
    notice: Notice,
    *,
    name: str = "",
    email: str = "",
    details: Mapping[str, str] | None = None,
    more: str = "",
    sworn: Collection[str] = (),
) -> Notice:
    """The filer adds what was missing; the clocks that waited for it start now (the cure time is their start, I16).

    more: further words, where more was asked. Raises Problem with `errors`, or when nothing of it is new: an empty
    answer would call a reviewer back for nothing. Conflict once the filer was erased, the notice is over, or was added
    to too often.
    """
    added = notice_checks.stripped({**(details or {}), "name": name, "email": email})
    too_long = {"more": len(more) > 5000 and "At most 5,000 characters."}
    notice_checks.refuse(notice_checks.details(added), notice_checks.sworn(sworn), too_long)
    with transaction.atomic():
        _hear(notice)
        before, asked, had = contents(notice), set(notice.missing), len(notice.sworn)
        given = _add(notice, {**{k: text for k, text in added.items() if text}, MORE: more.strip()}, sworn)
        notice_checks.addition(before, given, fresh=len(notice.sworn) > had)
        notice.missing = _still_missing(notice, given, more.strip())
        entry = _record_completion(notice, given)
        if notice.state == Notice.State.INCOMPLETE and not notice.missing:
            move(notice, Notice.MOVES, Notice.State.VALID, missing=[])
            clocks.end(notice.clocks.filter(purpose=Clock.Purpose.ASK), Clock.State.MET)
        Notice.objects.filter(pk=notice.pk).update(
            missing=notice.missing, sworn=notice.sworn, sealed_text=notice.sealed_text
        )
        if notice.state in Notice.WAITING:
            notice_clocks.begin(notice, given, entry)
            heard = cases.answered if asked - set(notice.missing) else cases.touch
            heard(notice.case)
    return notice


def _hold(notice: Notice) -> None:
    """The notice as it is now, kept so until the caller's transaction ends: of two answers at once the second is added
    to the first.
    """
    changing = ("state", "missing", "sworn", "sealed_text")
    notice.refresh_from_db(fields=changing, from_queryset=Notice.objects.select_for_update())


def _hear(notice: Notice) -> None:
    """Hold it, because its filer adds something. Raises Conflict once they were erased, or the notice is over."""
    people.refuse_erased(notice.filer)
    _hold(notice)
    if notice.state not in (*Notice.WAITING, Notice.State.ANSWERED):
        raise Conflict("This notice is over; nothing can be added to it.", code="notice.over")


def _add(notice: Notice, added: Mapping[str, str], sworn: Collection[str]) -> dict[str, str]:
    """Everything the filer has said, with what is new, sealed again."""
    before = contents(notice)
    longer = "\n\n".join(text for text in (before.get(MORE, ""), added.get(MORE, "")) if text)
    given = {**before, **added, MORE: longer}
    given[TIMES] = str(int(before.get(TIMES, 0)) + 1)
    people.keep_contact(notice.filer, name=given["name"], contact=given["email"])
    if given["email"] and given["email"] != before["email"]:
        jobs.enqueue("policy.acknowledge_notice", notice=str(notice.pk))
    notice.sealed_text = people.seal(notice.filer.actor, _words(given), TEXT)
    sworn_before = {row["statement"] for row in notice.sworn}
    notice.sworn = [*notice.sworn, *guided.swear([each for each in sworn if each not in sworn_before], now())]
    return given


def _still_missing(notice: Notice, given: Mapping[str, str], more: str) -> list[str]:
    """What laws miss, and what a reviewer asked for and did not get."""
    by_law = set(guided.missing(notice, given))
    asked = set(notice.missing) - by_law
    again = {each for each in asked if each in ("statement", "place") and not more}
    return sorted(by_law | again | guided.lacks(asked - {"statement", "place"}, notice, given))


def _record_completion(notice: Notice, given: Mapping[str, str], **facts: bool) -> Entry:
    """The entry that the clocks of a cured notice begin with."""
    owner = notice.filer.actor
    contact = {name: given[name] for name in ("name", "email")}
    cured = notice.state == Notice.State.INCOMPLETE and not notice.missing
    return log.append(
        EventType.NOTICE_COMPLETED,
        actor=owner,
        role=ROLE,
        object=notice.case.object,
        refs=[notice.entry] if notice.entry else [],
        facts={"notice": str(notice.pk), "state": Notice.State.VALID if cured else notice.state, **facts},
        sealed={"text": Sealed(_words(given), owner), "contact": Sealed(contact, owner)},
    )


def ask(notice: Notice, fields: Collection[str]) -> Notice:
    """Ask the filer for more: the notice waits for it, with a clock of its own, and no law's clock is stopped.

    fields: of ASKABLE, or "sworn:<id>". Run inside the transaction that records who asked for what (`cases.wait`).
    """
    known = {*ASKABLE, *(guided.SWORN + each for each in guided.statements())}
    unknown = sorted(set(fields) - known)
    refuse_fields({"fields": f"Not among what can be asked: {', '.join(unknown)}."} if unknown else {})
    refuse_fields({} if fields else {"fields": "Choose what you need to know."})
    _hold(notice)
    missing = sorted({*notice.missing, *fields})
    if notice.state == Notice.State.VALID:
        move(notice, Notice.MOVES, Notice.State.INCOMPLETE, missing=missing)
    elif notice.state == Notice.State.INCOMPLETE:
        Notice.objects.filter(pk=notice.pk).update(missing=missing)
        notice.missing = missing
    else:
        raise Conflict("This notice is over; nothing can be asked.", code="notice.over")
    notice_clocks.wait(notice)
    jobs.enqueue("policy.tell_notice", notice=str(notice.pk), about="asked")
    return notice


def heard_again(notice: Notice, grounds: str) -> None:
    """The filer contested that the notice is unfounded: kept with their words, and its clocks start anew. Run inside
    the verb's transaction.
    """
    _hold(notice)
    given = _add(notice, {MORE: grounds}, ())
    Notice.objects.filter(pk=notice.pk).update(sealed_text=notice.sealed_text)
    entry = _record_completion(notice, given, contested=True)
    notice_clocks.begin(notice, given, entry, anew=True)
    if notice.missing:
        notice_clocks.wait(notice, entry)
    cases.touch(notice.case)


def note_action(notice: Notice, said: Mapping[str, str], sworn: Collection[str] = ()) -> None:
    """What the filer told, and swore, of an action in court, with their other words. Run inside the verb's transaction.

    Raises Conflict once the filer was erased, or the notice is over.
    """
    _hear(notice)
    given = {**contents(notice), **{f"action_{name}": text for name, text in said.items()}}
    sealed = people.seal(notice.filer.actor, _words(given), TEXT)
    notice.sworn = [*notice.sworn, *guided.swear(sworn, now())]
    Notice.objects.filter(pk=notice.pk).update(sealed_text=sealed, sworn=notice.sworn)
    notice.sealed_text = sealed


# --- Reading -------------------------------------------------------------------------------------------------------


def contents(notice: Notice, known: vault.Keys | None = None) -> dict[str, str]:
    """What the filer wrote and who they said they are; empty strings once they were erased.

    known: `vault.keys_of` when many are read at once.
    """
    text = people.unseal(notice.filer.actor, notice.sealed_text, TEXT, known) or {}
    name, email = people.name_and_contact(notice.filer, known)
    return {**dict.fromkeys(_PARTS, ""), **text, "name": name, "email": email}


def attach(notice: Notice, document: "File[bytes]") -> None:
    """Add a document to a notice that is not over. Raises Problem for a wrong file, Conflict."""
    with transaction.atomic():
        _hear(notice)
        entry = log.append(
            EventType.NOTICE_COMPLETED,
            actor=notice.filer.actor,
            role=ROLE,
            object=notice.case.object,
            refs=[notice.entry] if notice.entry else [],
            facts={"notice": str(notice.pk), "state": notice.state, "documents": 1},
        )
        attachments.keep(notice.filer.actor, document, notice=notice, entry=entry)
        cases.touch(notice.case)
