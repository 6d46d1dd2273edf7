"""Which numbers of a report are hidden: small ones, and as many others as keep them from being computed. Pure.

A number from 1 to 4 is hidden (R09); 0 is shown, for nobody is in it. What is hidden is never marked as small: it may
be the other number that was hidden with it. Whoever computes has more than the page: the log is public, so a number
that can be counted there is taken as known where it is the sum of numbers that cannot. In no sum may the hidden parts
be fewer than two, or their possible values lie closer than a small number is wide; where not enough is left to hide,
the whole table is. At the end linear algebra has the last word: what follows from all sums together is not hidden yet.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

SMALLEST: Final = 5


class Sum(NamedTuple):
    """The numbers called `totals`, together, are the numbers called `parts`, together."""

    totals: tuple[str, ...]
    parts: tuple[str, ...]


def hidden(
    numbers: Mapping[str, int],
    sums: Sequence[Sum],
    *,
    plain: Collection[str] = (),
    public: Collection[str] = (),
    withheld: Collection[str] = (),
) -> frozenset[str]:
    """The names of the numbers that are not shown. numbers: none below 0.

    plain: what the office says of itself, shown however small. public: what anybody can count in the log. withheld:
    hidden whatever they are.
    """
    table = _Table(dict(numbers), [Sum(*map(tuple, one)) for one in sums], frozenset(plain), frozenset(public))
    small = {name for name, number in numbers.items() if 0 < number < SMALLEST and name not in table.plain}
    table.hidden = small | set(withheld)
    while any(table.widen(one) for one in table.sums) or table.open_up():
        """Each number that is hidden may lay bare another sum."""
    return frozenset(table.hidden)


def computed(sums: Sequence[Sum], unknown: Collection[str]) -> frozenset[str]:
    """Which of the unknown numbers follow from these sums and the known ones, whatever those are."""
    names = sorted(unknown)
    rows = _reduced([[Fraction(_sign(one, name)) for name in names] for one in sums])
    return frozenset(names[found[0]] for row in rows if len(found := [n for n, value in enumerate(row) if value]) == 1)


@dataclass
class _Table:
    numbers: dict[str, int]
    sums: list[Sum]
    plain: frozenset[str]
    public: frozenset[str]
    hidden: set[str] = field(default_factory=set)

    def widen(self, one: Sum) -> bool:
        """Hide one more of the parts, if what is hidden of them could be computed. Whether something was hidden."""
        unknown = [name for name in one.parts if name in self.hidden]
        if not unknown or not all(self._known(name, one) for name in one.totals) or self._wide(unknown):
            return False
        return self._hide_one_more(one)

    def open_up(self) -> bool:
        """Hide more where all sums together give a number away, to who reads the page or the log beside it."""
        for unknown in (self.hidden, self.hidden - self.public):
            found = computed(self.sums, unknown) - (self.public if unknown is not self.hidden else frozenset())
            for name in sorted(found):
                if any(self._hide_one_more(one) for one in self.sums if name in (*one.parts, *one.totals)):
                    return True
        return False

    def _known(self, name: str, one: Sum) -> bool:
        return name not in self.hidden or (name in self.public and not set(one.parts) <= self.public)

    def _wide(self, unknown: Sequence[str]) -> bool:
        """Each of them is at least 1, unless nothing was left to hide but zeros."""
        together = sum(self.numbers[name] for name in unknown)
        if any(not self.numbers[name] for name in unknown):
            return True
        return len(unknown) > 1 and together - len(unknown) >= SMALLEST - 1

    def _hide_one_more(self, one: Sum) -> bool:
        shown = [name for name in one.parts if name not in self.hidden and name not in self.plain]
        counted = sorted((self.numbers[name], name) for name in shown if self.numbers[name])
        self.hidden |= {counted[0][1]} if counted else set(shown)
        return bool(shown)


def _sign(one: Sum, name: str) -> int:
    return (name in one.totals) - (name in one.parts)


def _reduced(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """Reduced row echelon form (Gauss and Jordan), exact."""
    done = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((n for n in range(done, len(rows)) if rows[n][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        rows[done] = [value / rows[done][column] for value in rows[done]]
        for n in range(len(rows)):
            if n != done and rows[n][column]:
                factor = rows[n][column]
                rows[n] = [value - factor * above for value, above in zip(rows[n], rows[done], strict=True)]
        done += 1
    return rows[:done]
