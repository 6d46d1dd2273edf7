"""Verbs on rule packs: propose, submit, approve, publish, retire. A change of law needs no change of code.

A version is text: nothing it says is evaluated before it was read and checked, and an author's version is evaluated in
a guarded child process only, with limits. Versions are kept for ever.
"""

import datetime as dt
from typing import Any, Final

from django.db import IntegrityError, transaction

from accounts.models import Role, User
from accounts.people import leading_role
from core.clock import now
from core.guard import Limits, Nursery, Unparseable
from core.problems import Conflict, Forbidden, Problem, invalid
from core.states import move
from ledger import keys, log
from ledger.events import EventType
from policy import authority
from policy.authority import ACTS, Act
from policy.law import pack_signing, rules
from policy.models import PackApproval, PackVersion
from policy.rulebook import dates, packs
from policy.rulebook.packs import Book, Pack

# Who writes and reads rules, and who may let a version that two others approved come into force.
EDITORS: Final = ACTS[Act.EDIT_RULES].roles
PUBLISHERS: Final = ACTS[Act.PUBLISH_RULES].roles
APPROVALS: Final = 2
_nursery = Nursery("policy.rulebook.trial")
_LIMITS = Limits(memory=1 << 30, cpu=10, wall=15.0, output=1 << 10)


def examine(text: str) -> dict[str, Any]:
    """What is wrong with an author's text, found in a guarded child: {"errors": […], "unproven": [rule ids]}."""
    if len(text.encode()) > packs.MAX_BYTES:
        return {"errors": [f"a pack has at most {packs.MAX_BYTES} bytes"], "unproven": []}
    try:
        report: dict[str, Any] = _nursery.call("policy.rulebook.trial:examine", {"text": " " + text}, limits=_LIMITS)
    except Unparseable:
        return {"errors": ["The pack took too much time or memory to be tested."], "unproven": []}
    return report


def propose(by: User, text: str) -> PackVersion:
    """A new draft. Raises Forbidden; Problem with `errors` when it does not load or a golden test fails; Conflict."""
    authority.may(by, Act.EDIT_RULES)
    text = text.replace("\r\n", "\n")
    if errors := examine(text)["errors"]:
        raise invalid({"content": errors}, detail="The pack was not accepted. Nothing was kept.")
    pack = packs.parse(text)
    _check_fits(pack)
    row = PackVersion(
        name=pack.name,
        version=pack.version,
        digest=pack.digest,
        content=text,
        origin=PackVersion.Origin.OFFICE,
        author=by,
    )
    try:
        with transaction.atomic():
            row.entry = _record(EventType.PACK_PROPOSED, row, by)
            row.save(force_insert=True)
    except IntegrityError as error:
        words = f"{pack.name} {pack.version} is there already: give the changed pack a new version."
        raise invalid({"content": [words]}, detail=words) from error
    return row


def submit(row: PackVersion, by: User) -> None:
    """Ask for approval. Raises Forbidden, Conflict."""
    authority.may(by, Act.EDIT_RULES)
    with transaction.atomic():
        move(row, PackVersion.MOVES, PackVersion.State.IN_REVIEW)
        _record(EventType.PACK_SUBMITTED, row, by)


def approve(row: PackVersion, by: User) -> PackApproval:
    """One of two approvals by people who did not write it, of whom one is a lawyer. Raises Forbidden, Conflict."""
    authority.may(by, Act.PUBLISH_RULES)
    if row.author_id == by.pk:
        raise Forbidden("You wrote this version, so two other people approve it.", code="rules.own")
    if row.state != PackVersion.State.IN_REVIEW:
        raise Conflict(f"This version is “{row.get_state_display()}”, not waiting for approval.", code="state.move")
    approval = PackApproval(pack=row, by=by, as_legal=by.has_role(Role.LEGAL))
    try:
        with transaction.atomic():
            approval.entry = _record(EventType.PACK_APPROVED, row, by, as_legal=approval.as_legal)
            approval.save(force_insert=True)
            # Locked, so that of two approvals at once the second sees the first.
            PackVersion.objects.select_for_update().get(pk=row.pk)
            if not lacks(row):
                move(row, PackVersion.MOVES, PackVersion.State.APPROVED)
    except IntegrityError as error:
        raise Conflict("You approved this version already.", code="rules.again") from error
    return approval


def lacks(row: PackVersion) -> str:
    """What a version still needs before it may be published, in words; "" when nothing."""
    given = [(one.by_id, one.as_legal) for one in row.approvals.all()]
    missing = APPROVALS - len({who for who, _ in given if who != row.author_id})
    if missing > 0:
        return f"{missing} more approval{'s' if missing > 1 else ''}"
    return "" if any(legal for _, legal in given) else "the approval of a lawyer"


def publish(row: PackVersion, by: User, *, effective_from: dt.datetime | None = None) -> None:
    """Sign the version and let it come into force, now or at a later moment: clocks that start from then on follow it.

    Raises Forbidden, Conflict, and Problem with `errors` for a moment that has passed or tests that fail.
    """
    authority.may(by, Act.PUBLISH_RULES)
    start = effective_from or now()
    if start < now() - dt.timedelta(minutes=1):
        raise invalid({"effective_from": ["A version comes into force now or later, never in the past."]})
    if missing := lacks(row):
        raise Conflict(f"This version still needs {missing}.", code="rules.approvals")
    _check_content(row)
    row.effective_from = start
    try:
        signature, signer = pack_signing.sign(row)
    except (keys.KeyMissing, keys.BadKey) as error:
        raise Problem("rules.key", "The key for rule packs is not there", status=503, detail=str(error)) from error
    with transaction.atomic():
        also: dict[str, Any] = {
            "effective_from": start,
            "signature": signature,
            "signer": signer,
            "published_at": now(),
        }
        _lock()
        move(row, PackVersion.MOVES, PackVersion.State.IN_FORCE, **also)
        _record(EventType.PACK_PUBLISHED, row, by, effective_from=start.isoformat(), signer=signer)
        _check_fits()


def retire(row: PackVersion, by: User) -> None:
    """Withdraw a version: what was in force before it, or came with the software, is in force again.

    Clocks that run keep the rule they began with (I13). Raises Forbidden, for its author as well once it is in force;
    Conflict; Problem with `errors` when what comes back does not go together with the other packs.
    """
    authority.may(by, Act.PUBLISH_RULES)
    if row.state == PackVersion.State.IN_FORCE and row.author_id == by.pk:
        raise Forbidden("You wrote this version, so somebody else takes it out of force.", code="rules.own")
    with transaction.atomic():
        _lock()
        move(row, PackVersion.MOVES, PackVersion.State.RETIRED, retired_at=now())
        _record(EventType.PACK_RETIRED, row, by)
        _check_fits()


def verify(row: PackVersion) -> None:
    """Raises Problem `rules.signature` unless the text is the one that was signed, by this office's key."""
    if packs.digest_of(row.content) != row.digest or not pack_signing.holds(row):
        raise Problem(
            "rules.signature",
            "The signature of this pack does not verify",
            status=409,
            detail=f"{row}: the text or its signature was changed, or another key signed it. It is not used.",
            next_step="What was in force before it stays in force. Publish a new version.",
        )


def keep(book: Book) -> None:
    """Have the shipped packs of this book on record as well, so that an old case can be read after an upgrade.

    In the transaction of the clocks that follow them, whose entry accounts for the rows.
    """
    kept = set(
        PackVersion.objects.filter(digest__in=[one.digest for one in book.packs]).values_list("digest", flat=True)
    )
    for one in book.packs:
        if one.digest not in kept:
            PackVersion.objects.get_or_create(digest=one.digest, defaults=_shipped(one))


def _shipped(pack: Pack) -> dict[str, Any]:
    """Two releases may ship one version with different texts while nobody looks: the digest tells them apart."""
    taken = PackVersion.objects.filter(name=pack.name, version=pack.version).exists()
    named = f"{pack.version}+{pack.digest[:8]}" if taken else pack.version
    return {"name": pack.name, "version": named, "content": pack.text, "origin": PackVersion.Origin.SHIPPED}


# --- What they share -----------------------------------------------------------------------------------------------


def _lock() -> None:
    """Of two who change what is in force at once, the second sees what the first did."""
    alive = (PackVersion.State.APPROVED, PackVersion.State.IN_FORCE)
    list(PackVersion.objects.select_for_update().filter(state__in=alive).order_by("pk").values_list("pk"))


def _check_fits(*proposed: Pack) -> None:
    """At no moment, now or when a version begins that waits for its own, may one rule have two texts; `proposed` as if
    it were in force from now on. Raises Problem with `errors`.
    """
    at = now()
    begins = [(row.effective_from or at, rules.usable(row.digest)) for row in rules.in_force() if not rules.fault(row)]
    begins = sorted([*begins, *((at, pack) for pack in proposed)], key=lambda begin: begin[0])
    for moment in sorted({at, *(since for since, _ in begins if since > at)}):
        newest = {pack.name: pack for since, pack in begins if since <= moment}
        try:
            rules.together(newest.values())
        except rules.RuleError as error:
            words = f"{error}, from {dates.moment(moment)} on"
            raise invalid({"content": [words]}, detail=words) from error


def _check_content(row: PackVersion) -> None:
    if packs.digest_of(row.content) != row.digest:
        raise Problem("rules.changed", "The text is not what was approved", status=409, detail=f"{row} was changed.")
    if errors := examine(row.content)["errors"]:
        raise invalid({"content": errors}, detail="A golden test fails. Nothing was published.")


def _record(kind: EventType, row: PackVersion, by: User, **more: Any) -> Any:
    return log.append(
        kind,
        actor=by.actor,
        role=leading_role(by, *PUBLISHERS),
        object=f"pack:{row.pk}",
        refs=[row.entry] if row.entry else [],
        facts={"name": row.name, "version": row.version, "digest": row.digest, **more},
    )
