"""Reports as everybody reads them, and their desk; the numbers on the page are those that were counted."""

import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core import jobs
from core.models import Job
from ledger import log, sequencer
from ledger.events import EventType
from policy.models import TransparencyReport
from policy.transparency import reports
from tests.policy.busy import AFTER, MARCH, NOON
from web import charts
from web.charts import Mark
from web.templatetags.charts import span

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
PAGE = "/transparency/2027-03-01/2027-03-31/v1/"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture(autouse=True)
def _in_march(settings: object) -> Iterator[None]:
    settings.ASSAY_LOG_CLOCK_TOLERANCE = 10**9  # type: ignore[attr-defined]
    with time_machine.travel(NOON):
        yield


@pytest.fixture
def report(olga: User) -> TransparencyReport:
    """Seven deadlines to decide missed and two others, twelve works."""
    with transaction.atomic():
        for n in range(9):
            facts = {"purpose": "decide" if n < 7 else "data", "clock": str(n)}
            log.append(EventType.CLOCK_MISSED, actor="system", role="system", facts=facts)
        for _ in range(12):
            log.append(EventType.ASSET_REGISTERED, actor="system", role="creator")
    sequencer.tick()
    with time_machine.travel(AFTER):
        made = reports.make(olga, *MARCH)
        reports.write(made, olga, {"mistakes": "Nine deadlines were missed."})
        reports.freeze(made, olga)
    return made


@pytest.fixture
def published(report: TransparencyReport, lena: User) -> TransparencyReport:
    with time_machine.travel(AFTER):
        reports.publish(report, lena)
    return report


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


class _Cells(HTMLParser):
    """The rows of tables, as lists of texts."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        self._open = tag in ("td", "th")
        if self._open:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.rows[-1][-1] += data.strip()


def test_every_number_on_the_page_is_what_its_query_gives_again(published: TransparencyReport) -> None:
    """I22."""
    page = Client().get(PAGE)
    assert page.status_code == 200
    cells = _Cells()
    cells.feed(page.content.decode())
    assert ["Decide", "7"] in cells.rows and ["Answer the data request", "2"] in cells.rows
    assert reports.rerun([published]) == {published.pk: []}
    text = page.content.decode()
    assert "Nine deadlines were missed." in text
    assert published.sha256 in text and published.root in text
    assert "Missing from the law’s template" in text


def test_charts_have_their_numbers_in_words_beside_a_table(published: TransparencyReport) -> None:
    text = Client().get(PAGE).content.decode()
    assert re.search(
        r'<svg class="chart"[^>]* role="img" aria-label="Deadlines missed, by what was due\. '
        r'Decide: 7; Answer the data request: 2\."',
        text,
    )
    assert not re.search(r"<svg[^>]*style=|<rect[^>]*style=", text)


def test_a_draft_and_a_frozen_report_are_nobody_elses_to_read(report: TransparencyReport, olga: User) -> None:
    assert Client().get(PAGE).status_code == 404
    assert "2027-03-01" not in Client().get("/transparency/").content.decode()
    assert as_(olga).get(f"/operations/reports/{report.pk}/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/transparency/", PAGE, f"{PAGE}report.json", f"{PAGE}report.csv", f"{PAGE}report.xlsx"]
)
def test_pages_and_files_ask_the_database_a_fixed_number_of_times(path: str, published: TransparencyReport) -> None:
    Client().get(path)
    with CaptureQueriesContext(connection) as queries:
        assert Client().get(path).status_code == 200
    assert len(queries) <= 12


def test_the_json_is_what_the_log_has_the_digest_of(published: TransparencyReport) -> None:
    data = Client().get(f"{PAGE}report.json").content
    assert hashlib.sha256(data).hexdigest() == published.sha256
    assert json.loads(data)["format"] == "assay-transparency-report/1"


def test_the_period_alone_leads_to_its_newest_version(published: TransparencyReport) -> None:
    assert Client().get("/transparency/2027-03-01/2027-03-31/")["Location"] == PAGE


@pytest.mark.parametrize(
    "path", ["/transparency/x/y/v1/", "/transparency/2027-03-01/2027-03-31/v2/", f"{PAGE}report.exe"]
)
def test_what_is_not_there_is_not_found(path: str, published: TransparencyReport) -> None:
    assert Client().get(path).status_code == 404


def test_anybody_has_it_counted_again_once_in_an_hour(published: TransparencyReport) -> None:
    for _ in range(2):
        assert Client().post(f"{PAGE}rerun/").status_code == 302
    (job,) = Job.objects.filter(name=reports.RERUN)
    jobs.run(str(job.pk))
    assert "the same" in Client().get(PAGE).content.decode()
    assert Client().get(f"{PAGE}rerun/").status_code == 405


def test_a_figure_that_differs_is_told_on_the_page(published: TransparencyReport) -> None:
    published.figures.filter(key="missed").update(value=8)
    Client().post(f"{PAGE}rerun/")
    jobs.run(str(Job.objects.get(name=reports.RERUN).pk))
    assert re.search(r"differs</span>\s*missed", Client().get(PAGE).content.decode())
    cache.clear()


def test_olga_makes_a_report_at_the_desk_and_lena_publishes_it(olga: User, lena: User) -> None:
    with transaction.atomic():
        log.append(EventType.ASSET_REGISTERED, actor="system", role="creator")
    sequencer.tick()
    with time_machine.travel(AFTER):
        made = as_(olga).post("/operations/reports/", {"since": "2027-03-01", "until": "2027-03-31"})
        one = made["Location"]
        assert "error-summary" not in as_(olga).get(one).content.decode()
        as_(olga).post(one, {"mistakes": "None that we know of."})
        assert as_(olga).post(f"{one}freeze/").status_code == 302
        assert "being counted" in as_(olga).get(one).content.decode()
        jobs.run(str(Job.objects.get(name=reports.FREEZE).pk))
        assert as_(olga).post(f"{one}publish/").status_code == 403
        assert as_(lena).post(f"{one}publish/").status_code == 302
        assert "None that we know of." in Client().get(PAGE).content.decode()
        wrong = as_(lena).post(f"{one}correct/", {"why": "no"})
        assert wrong.status_code == 422
        assert as_(lena).post(f"{one}correct/", {"why": "A word was missing in the text."}).status_code == 302
    assert TransparencyReport.objects.count() == 2


@pytest.mark.parametrize("days", [("2027-03-31", "2027-03-01"), ("", "soon"), ("2027-03-01", "2027-12-31")])
def test_a_wrong_period_is_shown_beside_its_field(days: tuple[str, str], olga: User) -> None:
    page = as_(olga).post("/operations/reports/", {"since": days[0], "until": days[1]})
    assert page.status_code == 422
    assert "error-summary" in page.content.decode()


def test_the_desk_is_for_who_makes_reports(alice: User, rita: User) -> None:
    for somebody in (alice, rita):
        assert as_(somebody).get("/operations/reports/").status_code == 403


def test_an_office_without_a_report_says_so() -> None:
    assert "No report yet" in Client().get("/transparency/").content.decode()


# --- Drawing ---------------------------------------------------------------------------------------------------------


def test_a_hidden_number_is_drawn_alike_whatever_it_is() -> None:
    drawing = str(charts.bars([Mark("one", None), Mark("two", 40), Mark("three", 0)], "Notices"))
    assert 'aria-label="Notices. one: hidden; two: 40."' in drawing
    assert drawing.count("<rect") == 2 and "three" not in drawing
    assert (
        str(charts.bars([Mark("one", None), Mark("two", 10)], "x")).count('class="hidden" x="1" y="20" width="44"') == 1
    )


def test_nothing_is_drawn_of_nothing_and_labels_are_escaped() -> None:
    assert charts.bars([Mark("one", 0)], "Notices") == "" == charts.columns([], "Notices")
    assert "<b>" not in charts.bars([Mark("<b>", 5)], "<b>")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (59, "59 seconds"), (3600, "1 hour"), (90_061, "1 day 1 hour"), (172_859, "2 days")],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert span(seconds) == words
