"""Settled notices for the register: filed as always, decided and closed by hand, so that fifteen take no minute."""

import datetime as dt
from collections.abc import Callable

from accounts.models import User
from policy.models import Case, Decision, Notice
from provenance.models import Asset
from tests.policy.conftest import FileNotice, MakeAsset

# In the quarter before the one in which tests publish.
CLOSED = dt.datetime(2026, 8, 20, 9, 30, tzinfo=dt.UTC)
PERIOD = "2026-Q4"
ISSUES = ("likeness", "copyright", "fraud")
Settled = Callable[..., Notice]


def settle(case: Case, decider: User, outcome: str = "hide", at: dt.datetime = CLOSED) -> Decision:
    decision = Decision.objects.create(
        case=case,
        decider=decider,
        outcome=outcome,
        ground="terms",
        rule_refs=[],
        facts_text="It shows what the notice says.",
        explanation="The terms ask for it.",
        automated_detection=False,
        starts_at=at,
    )
    Notice.objects.filter(case=case).update(state=Notice.State.ANSWERED)
    Case.objects.filter(pk=case.pk).update(state=Case.State.CLOSED, closed_at=at)
    return decision


def settled(make_asset: MakeAsset, file_notice: FileNotice, decider: User) -> Settled:
    """Makes one notice by a filer of its own, about a work of an owner of its own."""
    count = 0

    def make(category: str = "likeness", outcome: str = "hide", **other: object) -> Notice:
        nonlocal count
        count += 1
        owner = User.objects.create_user(f"owner{count}@example.org", name=f"Owner {count}")
        work: Asset = make_asset(owner, f"Harbour view {count}")
        notice, _ = file_notice(work, **{"category": category, "email": f"dana{count}@example.org", **other})
        settle(notice.case, decider, outcome)
        return Notice.objects.select_related("case", "filer").get(pk=notice.pk)

    return make


def fifteen(make: Settled) -> list[Notice]:
    """Five of each of three issues: enough that each row says what it was about."""
    return [make(category) for category in ISSUES for _ in range(5)]
