"""What the tests of rule packs share: our terms with another clock, and a version taken all the way."""

import copy
import datetime as dt
from collections.abc import Sequence
from typing import Any

import yaml

from accounts.models import Membership, Organisation, Role, User
from policy.law import rule_packs, rules
from policy.models import Clock, PackVersion
from policy.rulebook import packs

OFFICE = yaml.safe_load(packs.read_folder(rules.PACKS / "office"))


def person(name: str, *roles: Role) -> User:
    home, _ = Organisation.objects.get_or_create(name="The Office")
    user = User.objects.create_user(f"{name.lower()}@example.org", name=name)
    for role in roles:
        Membership.objects.create(user=user, organisation=home, role=role)
    return user


def office(version: str = "2", days: int = 5, **more: Any) -> str:
    """Our terms with another time to decide."""
    document = copy.deepcopy(OFFICE)
    document["pack"]["version"] = version
    row = next(row for row in document["rules"] if row["id"] == "office.terms.review")
    row["clock"] = {**row["clock"], "value": days, "text": f"a reviewer decides within {days} days"}
    row.update(more)
    for golden in document["golden"]:
        if "office.terms.review" in golden.get("expect", {}):
            day = dt.datetime.fromisoformat(golden["at"]) + dt.timedelta(days=days)
            golden["expect"]["office.terms.review"] = day.isoformat()
    return str(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))


def published(author: User, *others: User, text: str = "", **how: Any) -> PackVersion:
    row = rule_packs.propose(author, text or office())
    rule_packs.submit(row, author)
    for one in others:
        rule_packs.approve(row, one)
    rule_packs.publish(row, author, **how)
    return row


def decide_clock(notice: Any) -> Clock:
    return Clock.objects.get(notice=notice, rule_id="office.terms.review")


def reaching(day: dt.date, *, pending: bool, when: str = "", pause: Sequence[str] = ()) -> str:
    """Our terms, in which another time to decide begins that day. when, pause: its condition and why it may rest."""
    document = yaml.safe_load(office())
    row = next(row for row in document["rules"] if row["id"] == "office.terms.review")
    clock = {"value": 3, "unit": "calendar_days", "pause": [*pause]}
    more = {"clock": clock, "supersedes": row["id"], "applies_to_pending": pending, "when": when or row["when"]}
    document["rules"].append({**copy.deepcopy(row), **more, "id": "office.terms.review2", "effective_from": str(day)})
    row["effective_to"] = str(day)
    return str(yaml.safe_dump(document))


def without(rule_id: str) -> str:
    """Our terms, a rule fewer."""
    document = yaml.safe_load(office())
    document["rules"] = [row for row in document["rules"] if row["id"] != rule_id]
    named = [(golden, {*golden.get("expect", {}), *golden.get("absent", [])}) for golden in document["golden"]]
    document["golden"] = [golden for golden, names in named if rule_id not in names]
    return str(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
