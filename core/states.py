"""State machines: a dict of allowed moves, one conditional UPDATE, one exception."""

from collections.abc import Mapping, Set
from typing import Any

from django.db import models

from core.problems import Conflict

Moves = Mapping[str, Set[str]]


def move(row: models.Model, moves: Moves, to: str, *, field: str = "state", **also: Any) -> None:
    """Move `row.<field>` to `to`, setting the fields of `also` in the same UPDATE.

    The UPDATE is conditional on the state this process read, so of two racing callers one wins and the other gets
    `Conflict`. Raises Conflict for a move that is not in `moves`.
    """
    current = getattr(row, field)
    name = row._meta.verbose_name
    if to not in moves.get(current, frozenset()):
        raise Conflict(f"This {name} is “{current}” and cannot become “{to}”.", code="state.move")
    changed = type(row)._default_manager.filter(pk=row.pk, **{field: current}).update(**{field: to}, **also)
    if changed != 1:
        raise Conflict(
            f"This {name} was changed by somebody else a moment ago.",
            code="state.race",
            next_step="Reload the page and look at it again.",
        )
    setattr(row, field, to)
    for key, value in also.items():
        setattr(row, key, value)
