"""What a web hook says: that something happened to a work, a case or a notice of the organisation. Ids, states, links;
no words, names, categories or reasons: whoever may read those reads them here, signed in.

Everything is told from the signed log, so nothing is told that is not on record, and the receiver can check that it is.
A case about a child is told to nobody (I24).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings

from core.canonical import Json, canonical_json
from core.clock import now
from ledger import reading
from ledger.events import EventType
from ledger.models import Entry
from policy.models import Case, Notice
from provenance.models import Asset

TEST: Final = "webhook:test"
_WORKS: Final = (
    EventType.ASSET_REGISTERED,
    EventType.ASSET_RESTRICTED,
    EventType.ASSET_RESTORED,
    EventType.MANIFEST_UPDATED,
    EventType.MANIFEST_REDACTED,
    EventType.DETECTION_RECORDED,
    EventType.CONSENT_REQUESTED,
    EventType.CONSENT_GIVEN,
    EventType.CONSENT_REFUSED,
    EventType.CONSENT_WITHDRAWN,
    EventType.CONSENT_RENEWED,
    EventType.CONSENT_EXPIRED,
    EventType.CONSENT_HALTED,
    EventType.CONSENT_INVALIDATED,
)
_CASES: Final = (
    EventType.CASE_OPENED,
    EventType.CASE_REOPENED,
    EventType.CASE_CLOSED,
    EventType.FLAG_RAISED,
    EventType.FLAG_SETTLED,
    EventType.DECISION_MADE,
    EventType.DECISION_EXPIRED,
    EventType.ACTION_EXECUTED,
    EventType.ACTION_REVERSED,
    EventType.APPEAL_DECIDED,
    EventType.APPEAL_FINAL,
)
# To the trusted flagger who filed it.
_NOTICES: Final = (
    EventType.NOTICE_FILED,
    EventType.NOTICE_COMPLETED,
    EventType.NOTICE_ANSWERED,
    EventType.NOTICE_UNFOUNDED,
    EventType.NOTICE_REOPENED,
    EventType.NOTICE_WITHDRAWN,
)
EVENTS: Final[tuple[EventType, ...]] = (*_WORKS, *_CASES, *_NOTICES)


class Told(NamedTuple):
    """One event for one organisation. number: its entry's index. key: the entry's leaf hash, hex: once a web hook."""

    organisation: UUID
    type: str
    number: int
    key: str
    payload: dict[str, Json]


class _Leaf(NamedTuple):
    """entry: signed, with its index. about: the work or case ("asset:<id>", "case:<id>"), or the id of a notice."""

    entry: Entry
    type: EventType
    at: str
    about: str


def told(entries: Iterable[Entry]) -> list[Told]:
    """What these signed entries (types of EVENTS) say to organisations, in their order. At most three queries."""
    leaves = [_read(entry) for entry in entries]
    about = {leaf.about for leaf in leaves}
    found = {**_works(_ids("asset:", about)), **_cases(_ids("case:", about)), **_notices(_ids("", about))}
    return [_one(leaf, *found[leaf.about]) for leaf in leaves if leaf.about in found]


def test() -> dict[str, Json]:
    """The payload of a test."""
    return {"type": TEST, "at": now().isoformat(timespec="seconds"), "office": settings.ASSAY_URL}


def body(payload: Mapping[str, Json]) -> bytes:
    """As it is sent, and signed."""
    return canonical_json(payload)


def _read(entry: Entry) -> _Leaf:
    leaf: dict[str, Any] = reading.content(entry)
    type = EventType(leaf["type"])
    about = str(leaf["facts"].get("notice", "")) if type in _NOTICES else leaf["object"]
    return _Leaf(entry, type, leaf["ts"], about)


def _one(leaf: _Leaf, organisation: UUID, about: dict[str, Json]) -> Told:
    index, key = leaf.entry.sequence.index, bytes(leaf.entry.leaf_hash).hex()
    payload: dict[str, Json] = {
        "type": leaf.type.value,
        "at": leaf.at,
        "office": settings.ASSAY_URL,
        "organisation": str(organisation),
        **about,
        "entry": {"index": index, "leaf_hash": key, "url": f"{settings.ASSAY_URL}/api/v1/log/entries/{index}"},
    }
    return Told(organisation, leaf.type.value, index, key, payload)


# --- Whose it is -----------------------------------------------------------------------------------------------------

_Found = dict[str, tuple[UUID, dict[str, Json]]]


def _ids(prefix: str, about: Iterable[str]) -> list[str]:
    if not prefix:
        return sorted(one for one in about if one and ":" not in one)
    return sorted(one.removeprefix(prefix) for one in about if one.startswith(prefix))


def _works(ids: Sequence[str]) -> _Found:
    """Works of organisations, by object."""
    rows = Asset.objects.filter(pk__in=ids, organisation__isnull=False).values_list("pk", "organisation", "restriction")
    return {f"asset:{pk}": (organisation, {"work": _work(pk, state)}) for pk, organisation, state in rows}


def _cases(ids: Sequence[str]) -> _Found:
    """Cases about works of organisations, by object."""
    rows = Case.objects.filter(pk__in=ids, minor=False, asset__organisation__isnull=False)
    named = rows.values_list("pk", "state", "asset__organisation", "asset", "asset__restriction")
    return {
        f"case:{pk}": (organisation, {"case": {"id": str(pk), "state": state}, "work": _work(work, restriction)})
        for pk, state, organisation, work, restriction in named
    }


def _notices(ids: Sequence[str]) -> _Found:
    """Notices that organisations filed as trusted flaggers, by id."""
    rows = Notice.objects.filter(pk__in=ids, case__minor=False, flagger__isnull=False)
    named = rows.values_list("pk", "flagger__organisation", "number", "state", "outcome")
    return {
        str(pk): (organisation, {"notice": _notice(number, state, outcome)})
        for pk, organisation, number, state, outcome in named
    }


def _notice(number: str, state: str, outcome: str) -> Json:
    links = _links(f"notices/{number}", f"notice/{number}/")
    return {"number": number, "state": state, "outcome": outcome, **links}


def _work(pk: UUID, restriction: str) -> Json:
    """state: what the public sees of it, "none" being no restriction."""
    return {"id": str(pk), "state": restriction or "none", **_links(f"assets/{pk}", f"studio/{pk}/")}


def _links(api: str, page: str) -> dict[str, Json]:
    """api: for programs, with a token or PIN. page: for people."""
    return {"api": f"{settings.ASSAY_URL}/api/v1/{api}", "page": f"{settings.ASSAY_URL}/{page}"}
