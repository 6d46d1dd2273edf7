"""What a bundle handed out, and whether it still may be: an account, a case or a key may be another since."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final
from uuid import UUID

from core.canonical import Json
from ledger import vault
from ledger.models import PersonKey, SealedSection
from ledger.receipts import Disclosure
from policy.audits import openings, queries
from policy.models import Export, RegulatorAccount

_CHUNK: Final = 500


def noted(found: Iterable[tuple[int, Disclosure]], indices: set[int]) -> Iterator[tuple[int, Disclosure]]:
    """The same; `indices` gets those of the entries of which something is opened."""
    for index, one in found:
        indices.add(index)
        yield index, one


def of(account: RegulatorAccount, cases: Collection[str], indices: Collection[int]) -> dict[str, Json]:
    """What is kept with the bundle: the account's terms, the cases that it is about, the keys of what it opens."""
    return {
        "authority": account.authority,
        "jurisdictions": sorted(account.jurisdictions),
        "scopes": sorted(account.scopes),
        "cases": sorted(cases),
        "keys": sorted(_keys(sorted(indices), openings.sections_for(account.scopes))),
    }


def _keys(indices: list[int], wanted: dict[str, tuple[str, ...]]) -> set[str]:
    names = {name for each in wanted.values() for name in each}
    found: set[str] = set()
    for at in range(0, len(indices), _CHUNK):
        rows = SealedSection.objects.filter(entry__sequence__index__in=indices[at : at + _CHUNK], name__in=names)
        for type, name, blob in rows.values_list("entry__type", "name", "ciphertext"):
            if name in wanted[type]:
                found.add(UUID(bytes=vault.key_id(bytes(blob))).hex)
    return found


def stands(export: Export, account: RegulatorAccount) -> bool:
    """Whether all that it opened may be opened for them today. False for bundles of which nothing is known."""
    was = export.handed
    if not was or was["authority"] != account.authority:
        return False
    if any(not set(was[terms]) <= set(getattr(account, terms)) for terms in ("jurisdictions", "scopes")):
        return False
    return set(was["cases"]) <= queries.objects(queries.in_reach(account)) and _held(was["keys"])


def _held(keys: list[str]) -> bool:
    """Whether no key was destroyed since: what was erased is not handed out again."""
    parts = (keys[at : at + _CHUNK] for at in range(0, len(keys), _CHUNK))
    return all(PersonKey.objects.filter(pk__in=[UUID(hex=key) for key in part]).count() == len(part) for part in parts)
