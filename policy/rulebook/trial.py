"""What the guarded child does with an author's pack: read it, run its golden tests, say what is wrong."""

from typing import Any, Final

from policy.rulebook import packs
from policy.rulebook.facts import RuleError

# Who reads twenty sentences about what is wrong corrects them first.
MOST: Final = 20


def examine(text: str) -> dict[str, Any]:
    """{"errors": […], "unproven": [rule ids]}. text: after one space, so that it never looks like a path."""
    try:
        pack = packs.parse(text[1:])
    except RuleError as error:
        return {"errors": [str(error)], "unproven": []}
    return {"errors": packs.run_golden(pack)[:MOST], "unproven": packs.unproven(pack)}
