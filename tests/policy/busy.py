"""A busy month of an office: notices about many works, decided and appealed by the verbs themselves."""

import datetime as dt
from typing import Any

from accounts.models import User
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Decision
from policy.redress import appeals
from tests.policy.conftest import TERMS, FileNotice, MakeAsset

MARCH = (dt.date(2027, 3, 1), dt.date(2027, 3, 31))
NOON = dt.datetime(2027, 3, 10, 12, tzinfo=dt.UTC)
AFTER = dt.datetime(2027, 4, 2, 12, tzinfo=dt.UTC)


def notices(make_asset: MakeAsset, file_notice: FileNotice, owner: User, **how_many: int) -> list[Any]:
    """So many notices of each category, each about a work of its own."""
    return [
        file_notice(make_asset(owner, f"{category} {n}"), category=category)[0]
        for category, number in how_many.items()
        for n in range(number)
    ]


def decide(filed: list[Any], rita: User, outcome: str) -> list[Decision]:
    return [decisions.decide(cases.assign(row.case, rita), rita, outcome=outcome, **TERMS) for row in filed]


def overturn(decision: Decision, owner: User, ravi: User, outcome: str = "overturn") -> None:
    appeal = appeals.file_appeal(decision, user=owner, grounds="This is a photograph of my own harbour.")
    appeals.decide_appeal(appeal, ravi, outcome=outcome, reasons="The owner showed the negatives of the work.")
