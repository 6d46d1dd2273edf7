"""The transition tables as pictures and tables for `docs/due-process.md`: drawn from `MOVES`, never by hand."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from django.db import models

from core.states import Moves
from policy.models import (
    Action,
    Appeal,
    Breach,
    Case,
    Clock,
    Comment,
    Consent,
    Consultation,
    CounterNotice,
    DataRequest,
    Decision,
    Export,
    Flag,
    HashEntry,
    HookDelivery,
    Misuse,
    Notice,
    OutOfCourt,
    PackVersion,
    Proposal,
    RegisterEntry,
    RegulatorAccount,
    Suspension,
    TdbSubmission,
    TransparencyReport,
    TrustedFlagger,
    Webhook,
)

BEGIN, END = "<!-- states: written by `manage.py states --write` -->", "<!-- end of states -->"
MACHINES: tuple[type[models.Model], ...] = (
    *(Notice, Case, Flag, Decision, Action, Appeal, OutOfCourt, CounterNotice, Consent, DataRequest, Breach),
    *(Clock, HashEntry, Misuse, Suspension, TrustedFlagger, PackVersion),
    *(RegulatorAccount, Export, Consultation, TransparencyReport, RegisterEntry, Proposal, Comment),
    *(Webhook, HookDelivery, TdbSubmission),
)


def whole() -> str:
    """All machines, as Markdown: a Mermaid diagram and the same in words, each between nothing but blank lines."""
    return "\n".join(line for model in MACHINES for line in _machine(model))


def written(document: str) -> str:
    """`document` with the part between the marks replaced. Raises ValueError when a mark is missing."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no “{BEGIN}” … “{END}”")
    return f"{before}{BEGIN}\n\n{whole()}\n{END}{after}"


def is_current(path: Path) -> bool:
    """Whether the document shows the tables as they are."""
    text = path.read_text()
    return written(text) == text


def _machine(model: type[models.Model]) -> Iterator[str]:
    moves: Moves = model.MOVES  # type: ignore[attr-defined]
    words = dict(model._meta.get_field("state").choices)  # type: ignore[union-attr, arg-type]
    yield f"### {str(model._meta.verbose_name).capitalize()}"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f"  {state}: {label}" for state, label in words.items())
    yield from (f"  [*] --> {state}" for state in _first(model, moves))
    yield from (f"  {old} --> {new}" for old, new in _edges(moves))
    yield from (f"  {state} --> [*]" for state in words if not moves.get(state))
    yield "```"
    yield ""
    yield "| from | it can become |"
    yield "|---|---|"
    for state in words:
        reached = ", ".join(f"“{words[new]}”" for new in words if new in moves.get(state, frozenset()))
        yield f"| “{words[state]}” | {reached or 'nothing: it ends here'} |"
    yield ""


def _first(model: type[models.Model], moves: Moves) -> Sequence[str]:
    """The states a row may begin in: `BEGINS` where there are several, else the column's default, else the first."""
    field = model._meta.get_field("state")
    usual = str(field.get_default()) if field.has_default() else next(iter(moves))  # type: ignore[union-attr]
    return tuple(str(state) for state in getattr(model, "BEGINS", (usual,)))


def _edges(moves: Moves) -> Iterator[tuple[str, str]]:
    for old, targets in moves.items():
        for new in sorted(targets):
            yield str(old), str(new)
