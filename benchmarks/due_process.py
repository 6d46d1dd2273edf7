"""The review desk with 100,000 cases: the queue page, the case page and search, each against the same with 100 cases.

`python benchmarks/due_process.py [--cases N]`. In a data folder of its own: real rows, sealed notices, real pages
through Django's test client, one process. Prints p50 and p95 in milliseconds, the number of queries, and the ratio to
the small office, measured in the same run; the machine is named beside them.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.table import machine

SMALL: Final = 100
BATCH: Final = 2_000
ROUNDS: Final = 60
DECIDED: Final = 0.4  # of all cases
EMAIL: Final = "rita@bench.example"


def set_up(folder: str) -> None:
    """An empty office in `folder`."""
    os.environ |= {"ASSAY_VAR": folder, "DJANGO_SETTINGS_MODULE": "config.settings", "ASSAY_LOG_LEVEL": "ERROR"}
    import django

    django.setup()
    from core.preparation import prepare

    prepare()


# --- The rows ------------------------------------------------------------------------------------------------------


def people() -> tuple[Any, Any]:
    """A creator and a trained reviewer."""
    from accounts.people import create_person
    from policy.desk import roster
    from policy.models import Category

    alice = create_person("alice@bench.example", "Alice", roles=["creator"], organisation="Studio")
    rita = create_person(EMAIL, "Rita", roles=["reviewer"], organisation="The Office")
    roster.set_profile(rita, by=None, trained=Category.values, languages=["en", "de"])
    return alice, rita


def seed(alice: Any, rita: Any, first: int, count: int) -> None:
    """`count` cases more, each about a work of its own, with a sealed notice, a flag, two clocks and, of two in five, a
    decision. In batches, each one transaction with one entry.
    """
    for start in range(first, first + count, BATCH):
        _batch(alice, rita, range(start, min(start + BATCH, first + count)))


def _batch(alice: Any, rita: Any, numbers: range) -> None:
    from django.db import transaction

    from ledger import log
    from ledger.events import EventType
    from policy.models import Case, Clock, Decision, Flag, Notice, Person
    from provenance.models import Asset

    chance = random.Random(numbers.start)
    with transaction.atomic():
        entry = log.append(EventType.CASE_OPENED, actor="system", role="system", facts={"seeded": len(numbers)})
        works = [_work(alice, entry, number) for number in numbers]
        cases = [_case(work, entry, chance) for work in works]
        persons = [Person() for _ in cases]
        rows: list[tuple[type[Any], list[Any]]] = [
            (Asset, works),
            (Case, cases),
            (Person, persons),
            (Notice, _notices(numbers, cases, persons, entry)),
            (
                Flag,
                [Flag(asset=c.asset, case=c, origin="notice", reason="Somebody filed.", entry=entry) for c in cases],
            ),
            (Clock, [clock for case in cases for clock in _clocks(case, entry)]),
            (Decision, [_decision(case, rita, entry) for case in cases if case.state in ("decided", "closed")]),
        ]
        for model, made in rows:
            model.objects.bulk_create(made, batch_size=500)


def _work(alice: Any, entry: Any, number: int) -> Any:
    from provenance.models import Asset

    title = f"{('Harbour', 'Portrait', 'Street', 'Speech')[number % 4]} {number}"
    return Asset(
        owner=alice,
        title=title,
        kind="image",
        media_type="image/jpeg",
        source_type="digitalCapture",
        original_sha256=f"{number:064x}",
        entry=entry,
    )


def _case(work: Any, entry: Any, chance: random.Random) -> Any:
    import datetime as dt

    from core.clock import now
    from policy.models import NO_DEADLINE, SEVERITY, Case, Category

    category = chance.choice([value for value in Category.values if value != Category.CHILD_SAFETY])
    opened = now() - dt.timedelta(hours=chance.randrange(24 * 90))
    due = opened + dt.timedelta(days=7) if chance.random() < 0.9 else None
    decided = chance.random() < DECIDED
    return Case(
        asset=work,
        state=chance.choice(["decided", "closed"]) if decided else "open",
        category=category,
        jurisdictions=chance.choice([["EU"], ["US"], ["EU", "IN"]]),
        language=chance.choice(["en", "en", "de", "fr"]),
        severity=SEVERITY.get(category, 1),
        vulnerable=int(chance.random() < 0.3),
        next_due_at=None if decided else due,
        next_rule_id="office.terms.review" if due and not decided else "",
        queue_at=due.replace(minute=0, second=0, microsecond=0) if due and not decided else NO_DEADLINE,
        created_at=opened,
        entry=entry,
    )


def _notices(numbers: range, cases: list[Any], persons: list[Any], entry: Any) -> list[Any]:
    """Their words sealed, each under a key of its filer."""
    from core.canonical import canonical_json
    from ledger import vault
    from policy.filing.notices import TEXT
    from policy.models import Notice

    keys = vault.sealing_keys(person.actor for person in persons)
    words = canonical_json({"statement": "This shows me and I never agreed to it.", "url_or_text": ""})
    return [
        Notice(
            number=f"AS-2026-{number // 10_000:04}-{number % 10_000:04}",
            pin_hash="!",
            filer=person,
            asset=case.asset,
            case=case,
            state="answered" if case.state in ("decided", "closed") else "valid",
            category=case.category,
            jurisdiction=case.jurisdictions[0],
            good_faith=True,
            sealed_text=keys[person.actor].seal(words, TEXT),
            created_at=case.created_at,
            entry=entry,
        )
        for number, case, person in zip(numbers, cases, persons, strict=True)
    ]


def _clocks(case: Any, entry: Any) -> Iterator[Any]:
    from policy.models import Clock

    state = "running" if case.state == "open" else "met"
    for rule, due in (("office.terms.review", case.next_due_at), ("eu.dsa.16", None)):
        yield Clock(
            case=case,
            purpose="decide",
            state=state,
            rule_id=rule,
            instrument="Terms of this office",
            article="3",
            jurisdiction="*",
            pack="0" * 64,
            started_at=case.created_at,
            due_at=due,
            trace=["Seeded."],
            entry=entry,
        )


def _decision(case: Any, rita: Any, entry: Any) -> Any:
    from policy.models import Decision

    return Decision(
        case=case,
        decider=rita,
        outcome=random.Random(case.pk.int).choice(["no_action", "label", "hide"]),
        ground="terms",
        rule_refs=[
            {"id": "office.terms.consent", "instrument": "Terms", "article": "1", "status": "draft", "pack": ""}
        ],
        facts_text="Seeded facts.",
        explanation="Seeded explanation.",
        automated_detection=False,
        starts_at=case.created_at,
        entry=entry,
    )


# --- What is measured ----------------------------------------------------------------------------------------------


def pages() -> dict[str, Callable[[], str]]:
    """What is asked, by its name; each time about another case."""
    from policy.models import Case, Notice

    chance = random.Random(11)
    waiting = list(Case.objects.filter(state="open").values_list("pk", flat=True)[:2000])
    numbers = list(Notice.objects.values_list("number", flat=True)[:2000])
    titles = list(Case.objects.values_list("asset__title", flat=True)[:2000])
    return {
        "queue page": lambda: "/review/",
        "second page, filtered by place": lambda: "/review/?place=EU&language=*&page=2",
        "case page": lambda: f"/review/{chance.choice(waiting)}/",
        "search: number of a notice": lambda: f"/review/?q={chance.choice(numbers)}",
        "search: beginning of a title": lambda: f"/review/?q={chance.choice(titles)}",
        "search: id of a case": lambda: f"/review/?q={chance.choice(waiting)}",
        "search: last digits of a case": lambda: f"/review/?q=case+{str(chance.choice(waiting))[-6:]}",
        "search: rule": lambda: "/review/?q=office.terms.review",
        "search: kind of issue": lambda: "/review/?q=likeness",
    }


def measure(rita: Any) -> dict[str, tuple[float, float, int]]:
    """{page: (p50, p95 in milliseconds, queries)}; the first of each is not counted."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(HTTP_HOST="localhost")
    client.force_login(rita, backend="allauth.account.auth_backends.AuthenticationBackend")
    found = {}
    for name, address in pages().items():
        with CaptureQueriesContext(connection) as queries:
            _ask(client, address())
        asked = len(queries)  # the next request forgets them
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            _ask(client, address())
            times.append((time.perf_counter() - started) * 1000)
        found[name] = (statistics.median(times), statistics.quantiles(times, n=20)[18], asked)
    return found


def _ask(client: Any, address: str) -> None:
    answer = client.get(address)
    if answer.status_code != 200:
        raise SystemExit(f"{address} answered {answer.status_code}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the review desk with many cases.")
    parser.add_argument("--cases", type=int, default=100_000, help="how many cases (default 100,000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        set_up(folder)
        alice, rita = people()
        seed(alice, rita, 0, SMALL)
        small = measure(rita)
        started = time.perf_counter()
        seed(alice, rita, SMALL, options.cases - SMALL)
        print(f"{options.cases:,} cases, seeded in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        large = measure(rita)
    report(options.cases, small, large)


def report(cases: int, small: dict[str, tuple[float, float, int]], large: dict[str, tuple[float, float, int]]) -> None:
    print("; ".join([*machine(), "SQLite", "one process, Django's test client"]))
    print(f"{'':<36}{'p50 ms':>9}{'p95 ms':>9}{'queries':>9}{f'p50, {SMALL} cases':>18}{'queries':>9}{'ratio':>8}")
    for name, (p50, p95, queries) in large.items():
        base, _, before = small[name]
        print(f"{name:<36}{p50:>9.1f}{p95:>9.1f}{queries:>9}{base:>18.1f}{before:>9}{p50 / base:>8.2f}")
    print(f"{cases:,} cases; a ratio of 1.00 is as fast as with {SMALL}.")


if __name__ == "__main__":
    main()
