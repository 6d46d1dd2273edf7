"""What a transparency report counts, part by part: queries without dates, their labels, and what is still missing.

Parts 1.1 to 2 follow Annex I of Implementing Regulation (EU) 2024/2835, A to D are this office's own. A figure is
called by its key, the cells of a table `<key>/<label>`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from policy.transparency import template_dsa, template_office
from policy.transparency.suppression import Sum
from policy.transparency.template import Definition, Part

PARTS: Final = (*template_dsa.PARTS, *template_office.PARTS)
QUESTIONS: Final = template_dsa.QUESTIONS


def definitions() -> Iterator[tuple[Part, Definition]]:
    """Every figure with its part, in order."""
    return ((part, one) for part in PARTS for one in part.figures)


@cache
def by_key() -> Mapping[str, Definition]:
    return {one.key: one for _part, one in definitions()}


def sums(cells: Mapping[str, int]) -> list[Sum]:
    """What adds up to what, of these cells."""
    found = []
    for _part, one in definitions():
        parts = tuple(name for name in cells if name.startswith(f"{one.key}/"))
        if parts and one.totals and set(one.totals) <= set(cells):
            found.append(Sum(one.totals, parts))
    return found
