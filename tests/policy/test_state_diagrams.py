"""The diagrams in the document for lawyers are the tables that the code follows."""

from pathlib import Path

import pytest
from django.conf import settings
from django.db import models

from policy import state_diagrams

DOCUMENT = Path(settings.BASE_DIR) / "docs" / "due-process.md"


def test_the_document_shows_the_tables_as_they_are() -> None:
    assert state_diagrams.is_current(DOCUMENT), "run `manage.py states --write`"


@pytest.mark.parametrize("model", state_diagrams.MACHINES)
def test_every_state_can_be_reached_and_every_move_leads_to_a_state(model: type[models.Model]) -> None:
    states = {value for value, _ in model._meta.get_field("state").choices}  # type: ignore[union-attr]
    moves = model.MOVES  # type: ignore[attr-defined]
    assert set(moves) <= states
    assert {new for targets in moves.values() for new in targets} <= states
    reached = set(state_diagrams._first(model, moves))
    while more := {new for old in reached for new in moves.get(old, ())} - reached:
        reached |= more
    assert reached == states


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no"):
        state_diagrams.written("# Due process\n")
