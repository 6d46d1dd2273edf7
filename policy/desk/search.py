"""Finding a case: by the number of a notice, the id or title of a work, the id of a case, a rule, or a kind of issue.

What was typed decides by its shape which of these it is, so that each search is one condition on one index. Words of
notices are sealed and not searched, and nobody is found by name.
"""

import re
import uuid
from typing import Final

from django.db.models import Q, QuerySet

from accounts.models import User
from policy import authority
from policy.models import Case, Category, Clock, Notice
from provenance.models import Asset

LONGEST: Final = 120
_NUMBER: Final = re.compile(r"AS-[0-9]{4}(-[0-9A-Z]{1,4}){0,2}")
_RULE: Final = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")
# How a page calls a case: “case 3f2a1b”.
_SHORT: Final = re.compile(r"(?:case )?([0-9a-f]{6})")
_FEWEST: Final = 2
# A title that so many works begin with finds nothing; the first of them are looked at.
_TITLES: Final = 500


def find(user: User, text: str) -> QuerySet[Case]:
    """The cases `user` may meet in a list that fit, the newest first; never a child's (I24)."""
    rows = authority.general_cases(user).filter(matching(text))
    return rows.select_related("asset", "assigned_to").order_by("-pk")


def matching(text: str) -> Q:
    """The condition on cases that this text stands for; of less than two letters none fits."""
    text = " ".join(text.split())[:LONGEST]
    if len(text) < _FEWEST:
        return Q(pk__in=[])
    if (found := _by_id(text)) is not None:
        return found
    if _NUMBER.fullmatch(text.upper()):
        return Q(pk__in=Notice.objects.filter(number__startswith=text.upper()).values("case"))
    if _RULE.fullmatch(text):
        return Q(pk__in=Clock.objects.filter(rule_id=text, case__isnull=False).values("case"))
    return _by_words(text)


def _by_id(text: str) -> Q | None:
    """A whole id, of a case or of a work, also as a part of an address."""
    for part in reversed(text.strip("/").split("/")):
        try:
            pk = uuid.UUID(part)
        except ValueError:
            continue
        return Q(pk=pk) | Q(asset=pk)
    return None


def _by_words(text: str) -> Q:
    """A kind of issue, by its name or the beginning of its label; else the beginning of a title."""
    low = text.lower()
    short = _SHORT.fullmatch(low)
    kinds = [value for value, label in Category.choices if low == value or str(label).lower().startswith(low)]
    titled = Asset.objects.filter(title__istartswith=text).values("pk")[:_TITLES]
    if short:
        return Q(pk__endswith=short[1]) | Q(asset__in=titled)
    return Q(category__in=kinds) | Q(asset__in=titled) if kinds else Q(asset__in=titled)
