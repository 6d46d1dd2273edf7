"""Error rates by group of people, and how large a gap is that chance alone makes. Pure; numbers in, numbers out.

Of each group: FPR (real files with “signals”), FNR (generated or edited ones with “no signals”), abstention, each
with its exact interval. `k` counts people, by their consents, and not files. A group is left out of a rate for which
it has fewer than `k` people, or items, and its count with it; if those left out are fewer than `k` people together, the
smallest of the others goes with them, so that nobody who knows the total finds them by subtraction; and abstention,
which counts real and made files together, is told only of groups whose two counts may both be known.
The largest gap between groups is above zero without any true gap, so it stands beside its *noise floor*: what it
would be, median and 95th percentile, if every group had the pooled rate. Each group is compared with the pooled rest
by Fisher's exact test, and Holm's correction accounts for all groups and rates together (detection-methods.md 3c).
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detection.detectors import Answer

K: Final = 20
DRAWS: Final = 4000
THRESHOLD: Final = 0.05  # a gap above it, that is no noise, opens a case against the model
ALPHA: Final = 0.05  # of all groups and rates together
RATES: Final = ("fpr", "fnr", "abstention")

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """One item of an audit: never kept. group: "" of somebody who gave none. made: generated or edited. answer: the
    public one. people: ids of the consents of those shown; () stands for somebody who is in no other item.
    """

    group: str
    made: bool
    answer: Answer
    people: tuple[str, ...] = ()


@dataclass
class _Cell:
    """Errors among the items of one group, and who is in them."""

    k: int = 0
    n: int = 0
    people: set[str | int] = field(default_factory=set)


@dataclass(frozen=True)
class GroupRate:
    """k errors among n items of this group: rate, its 95 % interval, p against the pooled rest after Holm."""

    group: str
    k: int
    n: int
    rate: float
    low: float
    high: float
    p: float = 1.0


@dataclass(frozen=True)
class RateTable:
    """gap: largest less smallest rate; its interval by bootstrap. floor: median and 95th percentile of that gap if
    there were none. left_out: how many groups are not in it.
    """

    rate: str
    groups: tuple[GroupRate, ...]
    gap: float
    gap_interval: tuple[float, float]
    floor: tuple[float, float]
    left_out: int

    @property
    def flagged(self) -> bool:
        """A gap over the threshold, over what chance makes, and of a group that differs from the rest."""
        differs = any(one.p < ALPHA for one in self.groups)
        return self.gap > max(THRESHOLD, self.floor[1]) and differs


def tables(items: Sequence[Told], *, k: int = K, seed: int = 0) -> list[RateTable]:
    """One table a rate; a rate for which fewer than two groups have `k` people has none."""
    from detection import metrics  # which brings SciPy: not in the web process

    random = np.random.default_rng(seed)
    cells = {rate: _counted(rate, items) for rate in RATES}
    told = {rate: _told(cells[rate], k) for rate in ("fpr", "fnr")}
    both = {group for group in cells["abstention"] if all(group in told[rate] for rate in told if group in cells[rate])}
    told["abstention"] = _told(cells["abstention"], k, both)
    made = [one for rate in RATES if (one := _table(rate, cells[rate], told[rate], random)) is not None]
    corrected = iter(metrics.holm([group.p for table in made for group in table.groups]))
    return [_with_p(table, corrected) for table in made]


def _with_p(table: RateTable, corrected: Iterator[float]) -> RateTable:
    groups = tuple(GroupRate(**{**asdict(one), "p": next(corrected)}) for one in table.groups)
    return RateTable(table.rate, groups, table.gap, table.gap_interval, table.floor, table.left_out)


def _told(cells: Mapping[str, _Cell], k: int, among: Container[str] | None = None) -> set[str]:
    """The groups whose counts are told. among: those that may be; None for all."""
    enough = {group for group, cell in cells.items() if group and min(cell.n, len(cell.people)) >= k}
    large = sorted((len(cells[group].people), group) for group in enough)
    told = [group for _, group in large if among is None or group in among]
    while told and 0 < len(set[str | int]().union(*(cells[group].people for group in cells if group not in told))) < k:
        told.pop(0)  # the smallest
    return set(told)


def _table(rate: str, cells: Mapping[str, _Cell], told: set[str], random: np.random.Generator) -> RateTable | None:
    if len(told) < 2:
        return None
    large = {group: cells[group] for group in sorted(told)}
    hits = np.asarray([cell.k for cell in large.values()], dtype=np.int64)
    sizes = np.asarray([cell.n for cell in large.values()], dtype=np.int64)
    groups = tuple(_group(name, n, hits, sizes) for n, name in enumerate(large))
    left_out = sum(1 for group in cells if group and group not in told)
    draws = _gaps(random, hits / sizes, sizes)
    edges = float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))
    gap = float(np.ptp(hits / sizes))
    return RateTable(rate, groups, gap, edges, noise_floor(sizes, hits.sum() / sizes.sum(), random), left_out)


def _counted(rate: str, items: Sequence[Told]) -> dict[str, _Cell]:
    wrong = {"fpr": Answer.SIGNALS, "fnr": Answer.NO_SIGNALS, "abstention": Answer.CANT_SAY}[rate]
    cells: dict[str, _Cell] = {}
    for place, item in enumerate(items):
        if rate == "abstention" or item.made == (rate == "fnr"):
            cell = cells.setdefault(item.group, _Cell())
            cell.k, cell.n = cell.k + (item.answer is wrong), cell.n + 1
            cell.people |= set(item.people) or {place}
    return cells


def _group(name: str, place: int, hits: Counts, sizes: Counts) -> GroupRate:
    from scipy import stats  # not in the web process, which imports this module only

    from detection import metrics

    k, n = int(hits[place]), int(sizes[place])
    rest_k, rest_n = int(hits.sum()) - k, int(sizes.sum()) - n
    low, high = metrics.rate_interval(k, n)
    p = float(stats.fisher_exact([[k, n - k], [rest_k, rest_n - rest_k]]).pvalue)
    return GroupRate(name, k, n, k / n, low, high, p)


def noise_floor(sizes: Counts, rate: float, random: np.random.Generator) -> tuple[float, float]:
    """Median and 95th percentile of the largest gap between groups of these sizes that all have this rate."""
    draws = _gaps(random, np.full(sizes.size, rate), sizes)
    return float(np.median(draws)), float(np.quantile(draws, 0.95))


def _gaps(random: np.random.Generator, rates: npt.NDArray[np.float64], sizes: Counts) -> npt.NDArray[np.float64]:
    """(DRAWS,): to draw n items with replacement from k errors among n is to draw from Binomial(n, k / n)."""
    drawn = random.binomial(sizes, rates, size=(DRAWS, sizes.size)) / sizes
    return np.asarray(np.ptp(drawn, axis=1), dtype=np.float64)


def as_json(tables: Sequence[RateTable]) -> list[Mapping[str, Any]]:
    """What an `Audit` keeps: numbers as text."""
    return [
        {
            "rate": table.rate,
            "gap": _text(table.gap),
            "gap_interval": [_text(one) for one in table.gap_interval],
            "noise_floor": [_text(one) for one in table.floor],
            "left_out": table.left_out,
            "flagged": table.flagged,
            "groups": [
                {"group": one.group, "k": one.k, "n": one.n, "rate": _text(one.rate)}
                | {"interval": [_text(one.low), _text(one.high)], "p": f"{one.p:.3g}"}
                for one in table.groups
            ],
        }
        for table in tables
    ]


def _text(value: float) -> str:
    return f"{value:.4f}"
