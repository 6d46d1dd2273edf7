"""What the log says of a decision: its structure in the open, its words sealed under the case."""

from collections.abc import Iterable, Sequence
from typing import Any

from accounts.people import reviewing_role
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy.models import Decision


def say(
    type: EventType, decision: Decision, *, refs: Sequence[Entry] = (), held_for: Sequence[str] = (), **more: Any
) -> Entry:
    """The entry of a decision: what is done in the open; why, its texts, and what a notice says of who is shown, sealed
    under the case. held_for: ids of the rules that ask for a second person, because of a person in public life perhaps.
    """
    case = decision.case
    return log.append(
        type,
        actor=decision.decider.actor,
        role=reviewing_role(decision.decider),
        object=case.object,
        refs=[*([case.entry] if case.entry else []), *entries(decision), *refs],
        facts={
            "decision": str(decision.pk),
            "outcome": decision.outcome,
            "also": decision.also,
            "interim": decision.interim,
            "ends_at": decision.ends_at.isoformat() if decision.ends_at else None,
            "automated_detection": decision.automated_detection,
            "automated_decision": decision.automated_decision,
            **more,
        },
        sealed={
            "about": Sealed(_about(decision, held_for), case.object),
            "reasons": Sealed({"facts_text": decision.facts_text, "explanation": decision.explanation}, case.object),
        },
    )


def _about(decision: Decision, held_for: Sequence[str]) -> dict[str, Any]:
    """Also which law it rests on: the next entry is about a work that is not shown, and both together would say why."""
    return {
        "category": decision.case.category,
        "territory": decision.territory,
        "ground": decision.ground,
        "rules": ids(decision.rule_refs),
        "rule_packs": sorted({rule["pack"] for rule in decision.rule_refs}),
        "held_for": list(held_for),
        "exemptions": decision.exemptions,
    }


def ids(refs: Iterable[dict[str, str]]) -> list[str]:
    return [rule["id"] for rule in refs]


def entries(decision: Decision) -> list[Entry]:
    return [decision.entry] if decision.entry else []
