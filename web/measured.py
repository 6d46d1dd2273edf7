"""How often the detectors were wrong, for people who are not engineers: read from the cards when the page is opened.

No figure is pooled. Of each detector the worst source and the least and most found kind are named, each with its 95 %
interval and number of files, as its card has them.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detection import cards, registry, versions
from detection.conditions import AS_IS
from detection.registry import DetectorInfo


@dataclass(frozen=True)
class Share:
    """A share of files in percent with its 95 % interval, of how many files, and which ones."""

    percent: int
    low: int
    high: int
    files: int
    source: str


@dataclass(frozen=True)
class Measured:
    """One detector. worst: real files that it took for what it looks for, in the source where that came most often
    (where several are equal, the one that is least certain). least, most: of those that it looks for, how many it
    found. sources: how many groups of files it was measured on.
    """

    info: DetectorInfo
    version: str
    made_on: dt.date
    sources: int
    worst: Share
    least: Share
    most: Share


def measured() -> list[Measured]:
    """Those with error rates on files as they are, experimental ones last."""
    found = [one for info in registry.all_detectors() if (one := _measured(info))]
    return sorted(found, key=lambda one: one.info.experimental)


def dates() -> Iterator[tuple[str, dt.date]]:
    """(detector, day of its figures) of every card that came with the software. Asks no database: CI does this too."""
    for about in registry.abouts():
        card = cards.read(registry.ROOM / "detectors" / about.name)
        if card.evaluation:
            yield about.name, dt.date.fromisoformat(card.evaluation["made_on"])


def _card(info: DetectorInfo) -> tuple[cards.Card, str]:
    """The card of what examines today, and its version: this office's own model where one is in service."""
    champion = versions.champion(info.name)
    if champion is None:
        return cards.read(registry.ROOM / "detectors" / info.name), info.version
    return versions.card_of(champion), f"{info.version}+{champion.version}"


def _measured(info: DetectorInfo) -> Measured | None:
    card, version = _card(info)
    rows = [row for row in cards.rows(card, condition=AS_IS) if row.get("fpr") and row.get("tpr")]
    if not rows or card.evaluation is None:
        return None
    false = sorted(rows, key=lambda row: (row["fpr"][0], row["fpr"][2]))
    found = sorted(rows, key=lambda row: row["tpr"][0])
    return Measured(
        info=info,
        version=version,
        made_on=dt.date.fromisoformat(card.evaluation["made_on"]),
        sources=len({row["held_out"] for row in rows}),
        worst=_share(false[-1], "fpr", "n_real"),
        least=_share(found[0], "tpr", "n_fake"),
        most=_share(found[-1], "tpr", "n_fake"),
    )


def _share(row: Mapping[str, Any], rate: str, count: str) -> Share:
    value: Sequence[float] = row[rate]
    percent, low, high = (round(100 * one) for one in value)
    # Where some files were not asked about (too short, too noisy), the share is of the others.
    files = row.get(count.replace("n_", "asked_"), row[count])
    return Share(percent, low, high, files, row["held_out"])
