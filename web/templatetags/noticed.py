"""What other pages show of notices: a way to a counter-notice, what was asked and sworn, reasons of a list."""

from collections.abc import Mapping, Sequence

from django import template

from accounts.models import User
from policy.filing import counter_notices, guided
from policy.models import CounterNotice, Decision, Notice

register = template.Library()


@register.simple_tag
def counter_notice_way(decision: Decision, user: object) -> CounterNotice | bool:
    """This person's counter-notice against the decision; else whether the law opens one to them."""
    if not isinstance(user, User) or decision.case.asset is None or decision.case.asset.owner_id != user.pk:
        return False
    return decision.counter_notices.filter(by=user).first() or counter_notices.open_to(decision, user)


@register.filter
def further_words(words: Mapping[str, str]) -> list[tuple[str, str]]:
    """(label, answer) of what laws and reviewers asked for, beside the statement and the place."""
    labels = {"more": "Added later", "action_court": "Action filed at", "action_reference": "Its file number"}
    labels |= {name: question.label for name, question in guided.QUESTIONS.items()}
    return [(label, words[name]) for name, label in labels.items() if words.get(name)]


@register.filter
def sworn_texts(sworn: Sequence[Mapping[str, str]]) -> list[str]:
    """The statements, word for word, in the version that was sworn."""
    return [guided.sworn_text(each["statement"], each["version"]) for each in sworn]


@register.simple_tag
def unfounded_reasons() -> list[tuple[str, str]]:
    return [(value, label) for value, label in Notice.Unfounded.choices if value]
