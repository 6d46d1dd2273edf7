"""Which clocks a notice starts, and when: each law's own when nothing that it asks for is missing (I16)."""

from collections.abc import Mapping
from typing import Any

from ledger.models import Entry
from policy.filing import guided
from policy.law import clocks
from policy.models import Clock, Notice


def begin(notice: Notice, given: Mapping[str, str], because: Entry | None, *, anew: bool = False) -> None:
    """Start the clocks of the laws whose fields are all there and that do not run yet.

    because: the entry of the filing, or of what was added since. anew: also those that were missed before the notice
    was over for a while. Run inside the verb's transaction.
    """
    on: dict[str, Any] = {"case": notice.case, "notice": notice, "entry": because}
    complete = {law.rule.id for law in guided.laws(notice) if not guided.lacking(law, notice, given)}
    complete -= _begun(notice, anew=anew)
    for way in guided.ways(notice):
        begun = clocks.start(way.purpose, way.facts, way.events, only=complete, **on)
        complete -= {clock.rule_id for clock in begun}  # one law, one clock, whichever way led to it
    # An acknowledgement was given in this very transaction: number and PIN.
    clocks.end(notice.clocks.filter(purpose=Clock.Purpose.DUTY), Clock.State.MET)


def wait(notice: Notice, because: Entry | None = None) -> None:
    """Our own clock for asking; no law's clock is stopped by it. One asked for before is replaced."""
    clocks.end(notice.clocks.filter(purpose=Clock.Purpose.ASK), Clock.State.VOID)
    on: dict[str, Any] = {"case": notice.case, "notice": notice, "entry": because}
    clocks.start(Clock.Purpose.ASK, guided.facts_of(notice), clocks.ASK, **on)


def _begun(notice: Notice, *, anew: bool) -> set[str]:
    alive = notice.clocks.exclude(state=Clock.State.VOID).exclude(purpose=Clock.Purpose.ASK)
    if anew:
        alive = alive.filter(settled_at=None)
    return set(alive.values_list("rule_id", flat=True))
