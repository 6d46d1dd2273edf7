"""How little a row of the public register says, so that it points at no work and at nobody. Pure: no Django.

What a watcher has already: the log, in which each decision has its moment and its outcome, and the page of a work,
which says when it is not shown. What a work was reported for they have not: beside the work it would accuse somebody
(R22). So every row is one of at least SMALLEST that read the same and differ in work, case, owner and filer; where
there are fewer, they say less (RUNGS), and in the end wait. And if all that were not shown in a quarter were about one
issue, nobody would need to know which row is a work's: rows with one outcome, before and after an appeal, are about at
least KINDS groups of issues, none of them more than half of the rows, or do not say which (k-anonymity and ℓ-diversity:
Sweeney 2002, Machanavajjhala and others 2007).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

SMALLEST: Final = 5
KINDS: Final = 3
TOLD: Final = ("kind", "category", "group", "place", "outcome", "appeal")
# From the most that is told to the least.
RUNGS: Final[tuple[tuple[str, ...], ...]] = (
    ("kind", "category", "place", "outcome", "appeal"),
    ("kind", "category", "outcome", "appeal"),
    ("category", "outcome"),
    ("group", "outcome"),
    ("outcome",),
)
_INTIMATE, _PERSON, _PUBLIC = "intimate", "person", "public"
GROUPS: Final[Mapping[str, str]] = {
    "ncii": _INTIMATE,
    "ncii_deepfake": _INTIMATE,
    "likeness": _PERSON,
    "impersonation": _PERSON,
    "privacy": _PERSON,
    "defamation": _PERSON,
    "election": _PUBLIC,
    "fraud": _PUBLIC,
    "copyright": "copyright",
    "unlabelled_synthetic": "label",
}
_REST: Final = "rest"
# What a row says, by name of TOLD; "" for what it does not say.
Told = dict[str, str]


def group_of(category: str) -> str:
    return GROUPS.get(category, _REST)


@dataclass(frozen=True)
class Candidate:
    """A notice that could be told of. apart: its case, work, owner and filer, in this order, by any names."""

    key: Hashable
    kind: str
    category: str
    place: str
    outcome: str
    appeal: str
    apart: tuple[Hashable, ...]

    @property
    def group(self) -> str:
        return group_of(self.category)

    def told(self, rung: Iterable[str]) -> Told:
        """What the row says on this rung; "" for what it does not say."""
        return {name: getattr(self, name) if name in rung else "" for name in TOLD}


def coarsen(rows: Collection[Candidate]) -> dict[Hashable, Told]:
    """{key: what its row says} of those that may be told of now; the others wait until there are more."""
    told = _climb(rows, RUNGS)
    fates: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for row in rows:
        if row.key in told:
            fates[row.outcome, told[row.key]["appeal"]].append(row)
    open_ones = {row.key: told[row.key] for fate in fates.values() if mixed(fate, told) for row in fate}
    return open_ones | _climb([row for row in rows if row.key not in open_ones], RUNGS[-1:])


def enough(rows: Collection[Candidate]) -> bool:
    """Whether they come from SMALLEST different cases, works, owners and filers."""
    columns = zip(*(row.apart for row in rows), strict=True)
    return bool(rows) and all(len(set(column)) >= SMALLEST for column in columns)


def _climb(rows: Collection[Candidate], rungs: Iterable[tuple[str, ...]]) -> dict[Hashable, Told]:
    left, told = list(rows), dict[Hashable, Told]()
    for rung in rungs:
        cells: dict[tuple[str, ...], list[Candidate]] = defaultdict(list)
        for row in left:
            cells[tuple(row.told(rung).values())].append(row)
        told |= {row.key: row.told(rung) for cell in cells.values() if enough(cell) for row in cell}
        left = [row for row in left if row.key not in told]
    return told


def mixed(rows: Collection[Candidate], told: Mapping[Hashable, Told]) -> bool:
    """Whether rows whose works a watcher can tell by what became of them leave open what each was reported for."""
    groups = Counter(row.group for row in rows if told[row.key]["category"] or told[row.key]["group"])
    return varied(groups, len(rows))


def varied(groups: Mapping[str, int], of: int) -> bool:
    """Whether so many of each group, among `of` in all, leave open what any one of them is about."""
    return not groups or (len(groups) >= KINDS and max(groups.values()) * 2 <= of)
