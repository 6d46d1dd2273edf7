"""The public register of notices and its researchers, and what the log says about them."""

from collections.abc import Iterator

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.models import RegisterEntry, ResearchAccess
from policy.transparency import register, research

_STATES = {
    EventType.REGISTER_PUBLISHED: RegisterEntry.State.PUBLISHED,
    EventType.REGISTER_WITHHELD: RegisterEntry.State.WITHHELD,
}


def rows() -> Iterator[str]:
    """Every row says what was published of its notice, is shown or withheld as the log left it, and no words are given
    out that nobody redacted. Every link has its entry, and works as long as that says.
    """
    yield from compare(RegisterEntry.objects.all(), _published)
    last = {leaf["object"]: _STATES[EventType(leaf["type"])].value for leaf in leaves(*_STATES)}
    yield from states("the state of", ((_object(number), state) for number, state in _column("state")), last)
    redacted = {leaf["object"]: leaf["facts"]["words"] for leaf in leaves(EventType.REGISTER_REDACTED)}
    shown = ((_object(number), "redacted") for number, text in _column("redacted_text") if text)
    yield from states("the words of", shown, redacted)
    yield from compare(ResearchAccess.objects.all(), _granted)
    revoked = {leaf["object"]: "revoked" for leaf in leaves(EventType.RESEARCH_REVOKED)}
    links = ((f"research:{row.pk}", "revoked" if row.revoked_at else "given") for row in ResearchAccess.objects.all())
    yield from states("the link", links, revoked, "given")


def _column(name: str) -> Iterator[tuple[str, str]]:
    return RegisterEntry.objects.order_by("pk").values_list("number", name).iterator()


def _object(number: str) -> str:
    return f"register:{number}"


def _published(row: RegisterEntry) -> Said:
    facts = {"period": row.period, **({"amended": row.amended} if row.amended else {})}
    return Said(EventType.REGISTER_PUBLISHED, _object(row.number), facts, {"about": register.about(row)})


def _granted(access: ResearchAccess) -> Said:
    facts = {"expires_at": access.expires_at.isoformat()}
    return Said(EventType.RESEARCH_GRANTED, f"research:{access.pk}", facts, {"about": research.about(access)})
