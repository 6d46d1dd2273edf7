"""What browsers and files say by themselves about use: recorded and shown, and never taken as consent.

Read of a file: the training and mining preference of its own credential (CAWG), a reservation against text and data
mining (PLUS), and its licence where it is a well-known one. Only enumerations are kept, no words of the file's.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.db import transaction

from core import storage
from core.canonical import Json
from core.problems import Problem
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from policy.models import Consent, Signal
from provenance import guarded
from provenance.manifest_reading import active, assertions, mapping, text
from provenance.models import Asset, Manifest, Rendition
from provenance.vocabulary import TRAINING_USES

Kind = Signal.Kind
Said = tuple[Kind, dict[str, Json]]
USES: Final = ("allowed", "notAllowed", "constrained")
# https://creativecommons.org/licenses/, and the public domain tools beside them.
_CC: Final = re.compile(
    r"https?://creativecommons\.org/(?:licenses/([a-z-]{2,12})|publicdomain/(zero|mark))/(\d\.\d)", re.IGNORECASE
)
_LICENCE_FIELDS: Final = ("cc:license", "xmpRights:WebStatement", "dc:rights", "plus:Licensor")
# PLUS Data Mining (IPTC Photo Metadata 2023.1): the last part of the vocabulary's address.
_MINING: Final = re.compile(r"^(?:.*/)?(DMI-[A-Z-]{2,60})$")
_METADATA: Final = ("cawg.metadata", "c2pa.metadata", "stds.iptc", "stds.iptc.photo-metadata")


def browser_says(consent: Consent, header: str) -> None:
    """Note that the person's browser sends Global Privacy Control (`Sec-GPC: 1`), once a consent."""
    if header.strip() != "1" or consent.signals.filter(kind=Kind.GPC).exists():
        return
    with transaction.atomic():
        if Consent.objects.select_for_update().get(pk=consent.pk).signals.filter(kind=Kind.GPC).exists():
            return
        person = consent.depiction.person
        value: dict[str, Json] = {"Sec-GPC": "1"}
        entry = _record(consent.depiction.asset, Kind.GPC, value, actor=person.actor, role="depicted")
        Signal.objects.create(consent=consent, kind=Kind.GPC, value=value, entry=entry)


def file_says(asset: Asset) -> list[Signal]:
    """Read what the file's own credential says, as it was sent; the same again adds nothing. A file that cannot be
    read says nothing.
    """
    if not asset.held or not _had_credential(asset):
        return []
    original = asset.rendition(Rendition.Role.ORIGINAL)
    try:
        with storage.local_copy(original.key) as path:
            found = guarded.read_credential(path, original.media_type)
    except Problem:
        return []
    return [_keep(asset, kind, value) for kind, value in said_by(mapping(found.get("store")))]


def _had_credential(asset: Asset) -> bool:
    """The credential that a file came with is an ingredient of ours."""
    made = Manifest.objects.filter(asset=asset).values_list("active", flat=True)
    return any(one.get("ingredients") for one in made if isinstance(one, dict))


def said_by(store: Mapping[str, Any]) -> list[Said]:
    """What a manifest store's active manifest says. store: the C2PA reader's JSON; any of it may be hostile."""
    told: list[Said] = []
    for label, data in assertions(active(store)):
        told += _training(data) if label in ("cawg.training-mining", "c2pa.training-mining") else []
        told += _metadata(data) if label.split("__")[0] in _METADATA else []
    return told


def _training(data: Mapping[str, Any]) -> Iterator[Said]:
    entries = mapping(data.get("entries"))
    known = {
        **{name: name for name in TRAINING_USES},
        **{name.replace("cawg.", "c2pa."): name for name in TRAINING_USES},
    }
    uses: dict[str, Json] = {
        known[name]: use for name in known if (use := text(mapping(entries.get(name)).get("use"), 20)) in USES
    }
    if uses:
        yield Kind.CAWG, uses


def _metadata(data: Mapping[str, Any]) -> Iterator[Said]:
    mining = _MINING.match(text(data.get("plus:DataMining"), 200))
    if mining:
        yield Kind.TDM, {"plus:DataMining": mining[1]}
    for name in _LICENCE_FIELDS:
        found = _CC.search(text(data.get(name), 300))
        if found:
            yield Kind.LICENCE, {"licence": _spdx(found)}
            return


def _spdx(found: re.Match[str]) -> str:
    """“CC-BY-SA-4.0”; of the public domain tools “CC0-1.0” and “CC-PDM-1.0”."""
    terms, tool, version = found.groups()
    if tool:
        return f"{'CC0' if tool.lower() == 'zero' else 'CC-PDM'}-{version}"
    return f"CC-{terms.upper()}-{version}"


def _keep(asset: Asset, kind: Kind, value: dict[str, Json]) -> Signal:
    known = Signal.objects.filter(asset=asset, consent=None, kind=kind).order_by("pk")
    for row in known:
        if row.value == value:
            return row
    with transaction.atomic():
        entry = _record(asset, kind, value, actor="system:policy", role="system")
        return Signal.objects.create(asset=asset, kind=kind, value=value, entry=entry)


def _record(asset: Asset, kind: Kind, value: dict[str, Json], *, actor: str, role: str) -> Entry:
    facts: dict[str, Json] = {"kind": str(kind), "value": value}
    return log.append(EventType.SIGNAL_SEEN, actor=actor, role=role, object=f"asset:{asset.pk}", facts=facts)


# --- In words --------------------------------------------------------------------------------------------------------

_USE_WORDS = {
    "allowed": "allowed",
    "notAllowed": "not allowed",
    "constrained": "allowed under conditions that the file does not tell; taken as not allowed",
}
_USE_NAMES = {
    "cawg.data_mining": "text and data mining",
    "cawg.ai_training": "training models",
    "cawg.ai_generative_training": "training generative models",
    "cawg.ai_inference": "use by models",
}


def words(row: Signal) -> str:
    """One sentence for people."""
    match row.kind:
        case Kind.GPC:
            return "The person’s browser asks not to sell or share their data (Global Privacy Control)."
        case Kind.CAWG:
            told = "; ".join(
                f"{_USE_NAMES.get(name, name)}: {_USE_WORDS.get(use, use)}" for name, use in row.value.items()
            )
            return f"The file says of itself: {told}."
        case Kind.TDM:
            return f"The file says about text and data mining: {row.value.get('plus:DataMining', '')}."
    return f"The file names a licence: {row.value.get('licence', '')}."
