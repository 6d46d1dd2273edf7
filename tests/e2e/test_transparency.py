"""A transparency report in the browser: made, counted, published by another, read; its charts, tables and files."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.office import Office

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]
Visitors = Callable[[], Visitor]

# Deadlines and works enough, in the month before, that something is drawn; a demo's own few cases are all hidden.
BUSY = """
from django.db import transaction
from ledger import log
from ledger.events import EventType as E
from ledger.log import Sealed
import datetime as dt
import time_machine
from core.clock import now
from django.conf import settings
settings.ASSAY_LOG_CLOCK_TOLERANCE = 10**9
last = now().replace(day=1, hour=12) - dt.timedelta(days=1)
with time_machine.travel(last), transaction.atomic():
    for n, (category, number) in enumerate({"likeness": 31, "fraud": 22, "copyright": 14, "impersonation": 3}.items()):
        for m in range(number):
            case, about = f"case:0197f000-0000-7000-8000-{n:04d}{m:08d}", {"category": category, "kind": "report"}
            about |= {"jurisdiction": "EU" if m % 3 else "US", "trusted_flagger": ""}
            log.append(E.NOTICE_FILED, actor="system", role="system", object=case, facts={"notice": f"{n}-{m}"},
                       sealed={"about": Sealed(about, case)})
            if m % 2:
                facts = {"notice": f"{n}-{m}", "outcome": "accepted" if m % 4 == 1 else "declined"}
                log.append(E.NOTICE_ANSWERED, actor="system", role="system", object=case, facts=facts)
    for rule, number in {"eu.gdpr.12.3": 4, "us.tida.223a": 1}.items():
        for _ in range(number):
            facts = {"rule": rule, "purpose": "decide", "clock": "", "rule_pack": "", "due_at": None}
            log.append(E.CLOCK_MISSED, actor="system", role="system", object="", facts=facts)
print(last.replace(day=1).date(), last.date())
"""


def test_a_report_is_made_counted_published_by_another_and_read(office: Office, visitor: Visitors) -> None:
    since, until = office.python(BUSY).strip().splitlines()[-1].split()
    office.wait_for(
        lambda: office.count("ledger_checkpoint", "size >= (SELECT count(*) FROM ledger_sequence)") > 0, "a checkpoint"
    )
    anybody = visitor()
    anybody.page.goto("/transparency/")
    anybody.look("transparency-none")
    olga = visitor()
    olga.enter("Olga")
    page = olga.page
    page.goto("/operations/reports/")
    page.fill("input[name=since]", since)
    page.fill("input[name=until]", until)
    page.get_by_role("button", name="Begin it").click()
    page.fill("textarea[name=mistakes]", "Five deadlines were missed. A second reviewer was trained.")
    page.get_by_role("button", name="Keep the words").click()
    olga.look("transparency-draft")
    page.get_by_role("button", name="Count it").click()
    office.wait_for(
        lambda: office.count("policy_transparencyreport", "state = 'frozen'") == 1, "the figures to be counted"
    )
    page.reload()
    expect(page.get_by_role("button", name="Publish it")).to_have_count(0)
    olga.look("transparency-frozen")
    ravi = visitor()
    ravi.enter("Ravi")
    ravi.page.goto(page.url)
    ravi.page.get_by_role("button", name="Publish it").click()
    _is_read(anybody)


def _is_read(anybody: Visitor) -> None:
    page = anybody.page
    page.goto("/transparency/")
    anybody.look("transparency")
    page.get_by_role("link", name="Read the whole report").click()
    chart = page.get_by_role("img", name="Reports and privacy concerns, by what they are about")
    expect(chart).to_be_visible()
    expect(page.get_by_role("row", name="Use of a person's face, voice or body").first).to_be_visible()
    page.get_by_text("How part 1.3 was counted").click()
    anybody.look("transparency-report")
    with page.expect_download() as saved:
        page.get_by_role("link", name="XLSX").click()
    assert saved.value.suggested_filename.endswith(".xlsx")
