"""A person's rights over their own data: see it, and have it erased while the log stays provable (I12).

Erasing destroys the person's key and the openings of what is sealed for them, empties their columns, and stops their
consent. Leaves, proofs, exports and the root stay as they are; the receipt shows the root before and after. What a
legal hold keeps is erased when the hold is released; what a restore brings back is erased again (`ledger.erasures`).
"""

import datetime as dt
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict
from ledger import erasures, log, merkle, reading, tiles, vault
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from ledger.receipts import receipt_for
from ledger.storedtree import read_tile
from policy.consents import consent
from policy.deciding import hashlist
from policy.desk import cases, quality
from policy.models import Consent, DataRequest, HashEntry, Hold, Person
from policy.redress import appeals
from policy.rights import data_letters, data_requests, emptying, holdings, holds
from policy.rights.holdings import Who
from policy.rights.personal_fields import ELSEWHERE
from provenance.assertions import METADATA, says_more_than_title
from provenance.redaction import REDACT

State = DataRequest.State
GROUND = "eu.gdpr.17"  # erasure; the clock for answering is eu.gdpr.12.3
RECEIPT = "assay-erasure/1"

Row = TypeVar("Row", Person, User)


class AlreadyErased(Conflict):
    def __init__(self) -> None:
        super().__init__("This was erased before; there is nothing left to erase.", code="data.erased")


class Held(Conflict):
    def __init__(self, held_back: list[dict[str, str]]) -> None:
        grounds = "; ".join(f"{hold['basis']}, looked at again by {hold['review_date']}" for hold in held_back)
        super().__init__(
            f"Erasure was requested before. A legal hold keeps the rest ({grounds}).",
            code="data.held",
            next_step="Nothing: it is erased as soon as the hold is released.",
        )


def what_we_hold(who: Who) -> dict[str, Any]:
    """Everything held about a person or an account: by registered field, sealed in the log, and where else to ask."""
    return {"fields": list(holdings.by_field(who)), "log": holdings.in_log(who), "elsewhere": ELSEWHERE}


def access(who: Who) -> tuple[DataRequest, dict[str, Any]]:
    """Answer a request for access at once, and record that it was answered."""
    return _answer_at_once(who, DataRequest.Kind.ACCESS), what_we_hold(who)


def port(who: Who) -> tuple[DataRequest, list[dict[str, Any]]]:
    """Answer a request to take one's data along: what they gave us themselves, by field (GDPR 20)."""
    return _answer_at_once(who, DataRequest.Kind.PORT), list(holdings.given_by(who))


def hand_out(request: DataRequest, by: User) -> dict[str, Any]:
    """Answer a request for access, or to take one's data along, that came by letter and was proved and taken by `by`.

    What was opened, and for whom, is on record. Raises Forbidden, Conflict, also while who is concerned can stop it.
    """
    data_requests.taken_by(request, by)
    data_letters.refuse_hasty(request)
    with transaction.atomic():
        data_requests.finish(request, {}, by=by)
    return what_we_hold(data_requests.who_asks(request))


def _answer_at_once(who: Who, kind: DataRequest.Kind) -> DataRequest:
    """One request and one entry a day and person: a further download is told under the same."""
    day_ago = now() - dt.timedelta(days=1)
    today = who.data_requests.filter(kind=kind, state=State.DONE, written_by=None, created_at__gt=day_ago)
    if (earlier := today.order_by("-created_at").first()) is not None:
        return earlier
    with transaction.atomic():
        request = data_requests.ask(who, kind)
        data_requests.finish(request, {})
    return request


def plan(who: Who) -> list[dict[str, str]]:
    """What erasing would do to which field of theirs, before it is done; under a hold it is done after its release."""
    return [{"field": row["field"], "method": row["erased"]} for row in holdings.by_field(who)]


def erase(who: Who, *, by: User | None = None) -> DataRequest:
    """Erase a person (from their link, or number and PIN) or an account. Irrevocable once it returns.

    by: the operator who carries it out for them; None when they do it themselves. The request's `receipt` has the keys
    destroyed, the rows emptied, what a hold kept with its basis and review date, and the log's root before and after at
    the same size. With a hold the request is partly done, and completed by a job after the hold's release.

    Who appealed or was told something after an erasure has a key again, and can be erased again, with a receipt of its
    own. Raises AlreadyErased when nothing is left, Held while a hold keeps the rest; of two at once the second gets it.
    """
    with transaction.atomic():
        who = _locked(who)
        held_back = _refuse_in_vain(who)
        request = data_requests.ask(who, DataRequest.Kind.ERASE, by=by, plan=plan(who))
        _erase_or_keep(request, who, held_back, by)
    return request


def carry_out(request: DataRequest, by: User) -> None:
    """Erase what was asked for by letter: `request` was proved, and taken by `by`, who is somebody else. Raises
    Forbidden, Conflict while who is concerned can still stop it, and as `erase`.
    """
    data_requests.taken_by(request, by)
    data_letters.refuse_hasty(request)
    with transaction.atomic():
        who = _locked(data_requests.who_asks(request))
        held_back = _refuse_in_vain(who)
        DataRequest.objects.filter(pk=request.pk).update(plan=plan(who))
        _erase_or_keep(request, who, held_back, by)


def _refuse_in_vain(who: Who) -> list[dict[str, str]]:
    """What holds keep of them. Raises AlreadyErased and Held."""
    if is_erased(who):
        raise AlreadyErased
    held_back = [_held(hold) for hold in holds.reaching(who)]
    if held_back and _requests(who).filter(state=DataRequest.State.PARTLY_DONE).exists():
        raise Held(held_back)
    return held_back


def _erase_or_keep(request: DataRequest, who: Who, held_back: list[dict[str, str]], by: User | None) -> None:
    stop_consent(who)
    if isinstance(who, User):
        _hand_on(who)
    if held_back:
        _keep(request, who, held_back, by)
    else:
        _carry_out(request, who, by)


@jobs.handler(holds.COMPLETE)
def complete(job: Job) -> None:
    """After a hold's release: erase what it kept, unless another hold keeps it still."""
    with transaction.atomic():
        request = DataRequest.objects.select_for_update().get(pk=uuid.UUID(str(job.args["request"])))
        who = _locked(data_requests.who_asks(request))
        if request.state == DataRequest.State.PARTLY_DONE and not holds.reaching(who):
            _carry_out(request, who, None)


def empty_again(actor: str) -> None:
    """After a restore: empty what the erasure of this person or account had emptied (`ledger.erasures.register`).

    Appends nothing: the log says already what was done, and may not grow before it is recovered.
    """
    person, user = _row(Person, "person", actor), _row(User, "user", actor)
    if person:
        standing = Consent.objects.filter(depiction__person=person, state__in=[*Consent.STANDS, Consent.State.HALTED])
        standing.update(state=Consent.State.WITHDRAWN, granted=[], answered_at=now())
        emptying.empty_person(person)
    if user:
        emptying.empty_account(user)


def _row(model: type[Row], kind: str, actor: str) -> Row | None:
    """Whom the log calls `<kind>:<id>`, if it is one of these."""
    with suppress(ValueError):
        if actor.startswith(f"{kind}:"):
            return model._default_manager.filter(pk=uuid.UUID(actor.removeprefix(f"{kind}:"))).first()
    return None


erasures.register(empty_again)


def is_erased(who: Who) -> bool:
    """Whether this person or account was erased before, and nothing was sealed for them since."""
    if vault.has_key(who.actor):
        return False
    if isinstance(who, User):
        return _requests(who).filter(state=DataRequest.State.DONE).exists()
    return Person.objects.filter(pk=who.pk).exclude(erased_at=None).exists()


def _locked(who: Who) -> Who:
    """The row as it is now, held until the transaction ends (SQLite has one writer from BEGIN on)."""
    if isinstance(who, User):
        return User.objects.select_for_update().get(pk=who.pk)
    return Person.objects.select_for_update().get(pk=who.pk)


def _held(hold: Hold) -> dict[str, str]:
    """For the receipt: why the rest is kept, and when somebody asks whether it must be."""
    return {"basis": hold.basis, "review_date": hold.review_date.isoformat()}


def _requests(who: Who) -> "QuerySet[DataRequest]":
    return who.data_requests.filter(kind=DataRequest.Kind.ERASE)


# --- Carrying it out -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forgotten:
    """rows: how many were emptied, by name. indices: of log entries that lost a value. keys: digests of the keys."""

    rows: dict[str, int]
    indices: list[int]
    keys: list[str]


def forget(who: Who) -> Forgotten:
    """Empty every column of theirs and destroy their keys. The caller records it (`record`), in its transaction."""
    filers = holdings.filers_of(who)
    # What was kept out at their wish is kept out no more, and its digest is gone (I23).
    hashlist.purge(HashEntry.objects.filter(notice__filer__in=filers if isinstance(who, User) else [who]))
    rows = emptying.empty_account(who) if isinstance(who, User) else emptying.empty_person(who)
    for filer in filers:
        rows = _sum(rows, emptying.empty_person(filer))
    destroyed = [vault.destroy(actor) for actor in (who.actor, *(filer.actor for filer in filers))]
    indices = sorted({index for erasure in destroyed for index in erasure.indices})
    return Forgotten(rows, indices, [key for erasure in destroyed for key in erasure.keys])


def _sum(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


def stop_consent(who: Who) -> None:
    """Erasure withdraws what was agreed to, before the key that signs for the person is gone."""
    if isinstance(who, Person):
        consent.withdraw_all(who)


def _hand_on(user: User) -> None:
    """What an account that is closed had in hand here waits for others. Said in the log, so it is no part of what a
    restore does again (`empty_again`).
    """
    for put_all_back in (cases.put_all_back, appeals.put_all_back, data_requests.put_all_back, quality.put_all_back):
        put_all_back(user)


def record(
    forgotten: Forgotten, *, ground: str, object: str, by: User | None = None, refs: Iterable[Entry] = ()
) -> Entry:
    """How many entries lost an opening, on which ground and which keys went, for everybody; which entries, sealed.

    A public list would tie together, for ever, entries of which nobody else can see that they concern one person; the
    digest of a key is random and used once, and lets a restored database find what must go again (decision 5).
    """
    return log.append(
        EventType.ERASURE_PERFORMED,
        actor=by.actor if by else "system",
        role="operator" if by else "system",
        object=object,
        refs=list(refs),
        facts={"ground": ground, "count": len(forgotten.indices), "keys": list(forgotten.keys)},
        sealed={"indices": Sealed(list(forgotten.indices), object)},
    )


def _carry_out(request: DataRequest, who: Who, by: User | None) -> None:
    """Everything goes, and the log says so."""
    size = reading.signed_size()
    before = _root(size)
    if isinstance(who, User):
        _redact_what_they_said(request, who)
    forgotten = forget(who)
    refs = [request.entry] if request.entry else []
    performed = record(forgotten, ground=GROUND, object=f"request:{request.pk}", by=by, refs=refs)
    destroyed = {"key_destroyed": not vault.has_key(who.actor), "indices": forgotten.indices, "keys": forgotten.keys}
    _done(
        request,
        {**_receipt(request, forgotten.rows), **destroyed, **_proof_of(size, before), "entry": _leaf_hash(performed)},
        DataRequest.State.DONE,
    )


def _keep(request: DataRequest, who: Who, held_back: list[dict[str, str]], by: User | None) -> None:
    """Under a hold: consent has been stopped, the ways in go, and the receipt says what is kept and why."""
    rows = emptying.close_account(who) if isinstance(who, User) else {}
    size = reading.signed_size()
    kept = {"key_destroyed": False, "indices": [], "keys": [], "held_back": held_back}
    receipt = {**_receipt(request, rows), **kept, **_proof_of(size, _root(size))}
    data_requests.finish(request, receipt, by=by, state=DataRequest.State.PARTLY_DONE)


def _done(request: DataRequest, receipt: dict[str, Any], state: DataRequest.State) -> None:
    data_requests.finish(request, receipt, state=state)


def _receipt(request: DataRequest, rows: dict[str, int]) -> dict[str, Any]:
    return {
        "format": RECEIPT,
        "request": str(request.pk),
        "ground": GROUND,
        "rows": rows,
        "held_back": [],
        "erased_at": now().isoformat(),
    }


def _root(size: int) -> str:
    """The root over the first `size` leaves, computed from the stored tree, hex."""
    # Read again each time, not from the proofs' shared tiles: before and after must be two readings.
    return merkle.root(tiles.Nodes(read_tile), size).hex()


def _proof_of(size: int, before: str) -> dict[str, Any]:
    """The root before and after, and the signed checkpoint of that size, with which anybody can check it offline."""
    signed = reading.latest_checkpoint()
    note = reading.checkpoint_text(signed) if signed and signed.size == size else ""
    return {"log": {"size": size, "root_before": before, "root_after": _root(size), "checkpoint": note}}


def _leaf_hash(entry: Entry) -> str:
    return bytes(entry.leaf_hash).hex()


def whole_receipt(request: DataRequest) -> dict[str, Any]:
    """The receipt with the proof that the log records the erasure, from the next checkpoint on (`assay-receipt/1`)."""
    leaf_hash = request.receipt.get("entry", "")
    performed = Entry.objects.filter(leaf_hash=bytes.fromhex(leaf_hash)).first() if leaf_hash else None
    proof = receipt_for(performed) if performed else None
    return {**request.receipt, "proof": proof.as_dict() if proof else None}


def _redact_what_they_said(request: DataRequest, user: User) -> None:
    """What they had put into the credentials of their works besides the title: their name, as a rule."""
    for asset in user.assets.prefetch_related("manifests"):
        if any(says_more_than_title(manifest.active) for manifest in asset.manifests.all()):
            key, ground = f"{REDACT}:{request.pk}:{asset.pk}", f"erasure:{request.pk}"
            jobs.enqueue(REDACT, key=key, asset=str(asset.pk), labels=[METADATA], ground=ground)
