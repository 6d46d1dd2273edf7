"""The decided case that “How we decide” walks through: chosen by a person, and told with what the public may see alone.

The choice is an entry of the log and nothing else. It opens nothing that was sealed: all that the page tells of real
people is in the public leaves already, what happened when, outcomes, rules. What changed a work is no example, because
the log has that change at the same moment beside the work. Only in demo mode, where everybody is made up, an example
may be told with its words and its work. Whatever made the choice right is asked again each time the page is read.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models import Role, User
from accounts.people import leading_role
from core.problems import Conflict
from ledger import log, reading
from ledger.events import EventType
from ledger.models import Entry
from policy import authority, parties
from policy.models import SEVERITY, Action, Appeal, Case, Category, Clock, Decision, Hold

# What entries are about, by the first half of their type, and how many are told.
_TOLD: Final = ("case", "notice", "flag", "media", "decision", "action", "appeal")
_MOST: Final = 60
# What harms a body, a child, or follows an order is no example for anybody.
_GRAVE: Final = 3
_OVER: Final = (Case.State.DECIDED, Case.State.CLOSED)
_TOOK_EFFECT: Final = (
    Decision.State.IN_EFFECT,
    Decision.State.EXPIRED,
    Decision.State.REVERSED,
    Decision.State.SUPERSEDED,
)


@dataclass(frozen=True)
class Example:
    """words: it is told with its words and its work (demo mode). story: the indices of its entries, as they were when
    it was chosen. entry: of the choice.
    """

    case: Case
    words: bool
    story: Sequence[int]
    entry: Entry


# --- Choosing ------------------------------------------------------------------------------------------------------


def choose(case: Case, by: User, *, words: bool = False) -> Example:
    """Show this case on the public page from now on. Raises Forbidden for who may not or is a party; Conflict, with the
    reason, for a case that cannot be an example.
    """
    authority.may(by, authority.Act.CHOOSE_EXAMPLE)
    parties.refuse_party(by, case)
    if why := why_not(case, words=words):
        raise Conflict(f"This case cannot be the example: {why}.", code="example.unfit")
    story = _story(case)
    with transaction.atomic():
        entry = log.append(
            EventType.EXAMPLE_CHOSEN,
            actor=by.actor,
            role=_role(by),
            object=case.object,
            refs=[case.entry] if case.entry else [],
            facts={"words": words, "entries": story},
        )
    return Example(case, words, story, entry)


def end(by: User) -> None:
    """Show no example any more. Raises Forbidden; Conflict if there is none."""
    authority.may(by, authority.Act.CHOOSE_EXAMPLE)
    chosen = _last()
    if chosen is None:
        raise Conflict("There is no example.", code="example.none")
    with transaction.atomic():
        object = reading.content(chosen)["object"]
        log.append(EventType.EXAMPLE_ENDED, actor=by.actor, role=_role(by), object=object, refs=[chosen])


def _story(case: Case) -> list[int]:
    """The indices of all entries about a case. Canonical JSON is searched as bytes; asked once, when it is chosen."""
    about = f'"object":"{case.object}"'.encode()
    kinds = [kind for kind in EventType if kind.partition(":")[0] in _TOLD]
    since = Entry.objects.filter(type__in=kinds, pk__gte=case.entry_id or 0).select_related("sequence").order_by("pk")
    found = [entry.index for entry in since.iterator(500) if about in bytes(entry.leaf)]
    if None in found:
        raise Conflict("Its last entries wait for their place in the log: try again in a minute.", code="example.early")
    return [index for index in found if index is not None][:_MOST]


def _role(by: User) -> str:
    return leading_role(by, Role.LEAD_REVIEWER, Role.LEGAL)


def why_not(case: Case, *, words: bool) -> str:
    """Why a case cannot be the example, in words that end a sentence; "" if it can."""
    if words and not settings.DEMO:
        return "only a demonstration, where everybody is made up, tells an example with its words"
    if case.minor or SEVERITY.get(case.category, 1) >= _GRAVE or case.category == Category.AUTHORITY_ORDER:
        return "cases about a child, about somebody’s body or from an order are never shown"
    if case.state not in _OVER or decision_of(case) is None:
        return "it is not decided"
    if Hold.objects.filter(Q(case=case) | Q(asset__cases=case), released_at=None).exists():
        return "a legal hold keeps it"
    return "" if settings.DEMO else _of_real_people(case)


def _of_real_people(case: Case) -> str:
    """Nothing is told while somebody can still be heard, and nothing by which the work could be found."""
    if Action.objects.filter(decision__case=case).exists():
        return "it changed something about a work, so the log’s times would tell which work it was"
    if Appeal.objects.filter(Appeal.OPEN, decision__case=case).exists():
        return "an appeal is not over"
    waiting = (Clock.State.RUNNING, Clock.State.PAUSED)
    if Clock.objects.filter(decision__case=case, purpose=Clock.Purpose.APPEAL, state__in=waiting).exists():
        return "the time to appeal is not over"
    return ""


# --- Reading -------------------------------------------------------------------------------------------------------


def shown() -> Example | None:
    """The example, if one is chosen and may still be shown."""
    chosen = _last()
    if chosen is None:
        return None
    leaf = reading.content(chosen)
    case = Case.objects.select_related("asset", "entry").get(pk=uuid.UUID(leaf["object"].partition(":")[2]))
    words = bool(leaf["facts"]["words"])
    return None if why_not(case, words=words) else Example(case, words, leaf["facts"]["entries"], chosen)


def _last() -> Entry | None:
    """The entry of the choice that stands."""
    kinds = (EventType.EXAMPLE_CHOSEN, EventType.EXAMPLE_ENDED)
    last = Entry.objects.filter(type__in=kinds).order_by("-pk").first()
    return last if last is not None and last.type == EventType.EXAMPLE_CHOSEN else None


def decision_of(case: Case) -> Decision | None:
    """The first decision of a case that took effect and was no measure for the meantime."""
    found = case.decisions.filter(state__in=_TOOK_EFFECT, interim=False).select_related("decider", "entry")
    return found.order_by("pk").first()


def appeal_of(decision: Decision) -> Appeal | None:
    """The first appeal against it that was decided."""
    decided = decision.appeals.exclude(outcome="").select_related("entry", "decider")
    return decided.order_by("decided_at").first()


def entries(example: Example) -> list[Entry]:
    """The public entries of its story that a checkpoint covers, in order, with their index."""
    found = Entry.objects.filter(sequence__index__in=example.story, sequence__index__lt=reading.signed_size())
    return list(found.select_related("sequence").order_by("sequence__index"))


def clocks(example: Example, decision: Decision, appeal: Appeal | None) -> list[Clock]:
    """Its deadlines. Of real people only those of our own terms: another would say which law and which place."""
    own = Clock.objects.filter(case=example.case) | Clock.objects.filter(decision=decision)
    found = own | Clock.objects.filter(appeal=appeal) if appeal else own
    rows = found.exclude(purpose=Clock.Purpose.DUTY).order_by("started_at", "due_at")
    return [clock for clock in rows if example.words or clock.rule_id.startswith("office.")]
