"""Transparency reports: counted in the log, counted again to the same number, published by two, never changed (I22)."""

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from ledger import log, sequencer
from ledger.events import EventType
from ledger.models import Change, Entry, SealedSection
from policy.audits import reconciliation_reports
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Appeal, Case, Figure, Notice, Person, TransparencyReport
from policy.rights import data_rights
from policy.transparency import reports, sections, writers
from tests.policy import bundles, busy
from tests.policy.busy import AFTER, MARCH, NOON
from tests.policy.conftest import TERMS, FileNotice, MakeAsset

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
PURPOSE = "Yearly supervision of this office, file 12/2026"


@pytest.fixture(autouse=True)
def _in_march(any_date: None) -> Iterator[None]:
    with time_machine.travel(NOON):
        yield


@pytest.fixture
def month(make_asset: MakeAsset, file_notice: FileNotice, alice: User, rita: User, ravi: User) -> None:
    """Notices of three kinds, two of them about copyright; of those about likeness six are decided, one overturned."""
    filed = busy.notices(make_asset, file_notice, alice, likeness=6, fraud=5, copyright=2)
    with time_machine.travel(NOON.replace(hour=15)):
        decided = [*busy.decide(filed[:5], rita, "hide"), *busy.decide(filed[5:6], rita, "no_action")]
        busy.overturn(decided[0], alice, ravi)
    sequencer.tick()


@pytest.fixture
def frozen(month: None, olga: User) -> TransparencyReport:
    with time_machine.travel(AFTER):
        report = reports.make(olga, *MARCH)
        reports.freeze(report, olga)
        sequencer.tick()
    return report


@pytest.fixture
def published(frozen: TransparencyReport, lena: User) -> TransparencyReport:
    with time_machine.travel(AFTER):
        reports.publish(frozen, lena)
        sequencer.tick()
    return frozen


def value(report: TransparencyReport, key: str) -> Any:
    return report.figures.get(key=key).value


def shown(report: TransparencyReport, key: str) -> Any:
    return report.figures.get(key=key).shown


def nothing_differs(report: TransparencyReport) -> bool:
    return reports.rerun([report]) == {report.pk: []}


# --- Counting --------------------------------------------------------------------------------------------------------


def test_a_report_counts_what_happened(published: TransparencyReport) -> None:
    assert value(published, "notices") == 13
    assert value(published, "notices_by_category") == {"copyright": 2, "fraud": 5, "likeness": 6}
    assert value(published, "decisions_by_outcome") == {"hide": 5, "no_action": 1}
    assert value(published, "answer_time")["count"] == 6
    assert value(published, "answer_time")["median"] == pytest.approx(3 * 3600, abs=60)
    assert value(published, "appeals_by_outcome") == {"overturn": 1}
    assert value(published, "overturned_by_category") == {"likeness": 1}
    assert (value(published, "uncited"), value(published, "own")) == (0, 0)
    assert published.tree_size > 0


def test_small_numbers_are_hidden_with_another_beside_them(published: TransparencyReport) -> None:
    """The public log says that there were thirteen notices; without another number, the two could be computed."""
    category = shown(published, "notices_by_category")
    assert (category["copyright"], category["fraud"], category["likeness"], category["ncii"]) == (None, None, 6, 0)
    assert shown(published, "notices") == 13
    assert shown(published, "appeals_decided") is None
    assert shown(published, "answer_time") == value(published, "answer_time")["median"]
    assert shown(published, "uncited") == 0


def test_the_numbers_agree_with_a_count_over_a_regulators_bundle(published: TransparencyReport, greta: User) -> None:
    """By nothing but `json`: leaves and disclosures, as they stand in the file."""
    Person.objects.update(contact_proved_at=now())  # an authority reaches what somebody known reported
    sequencer.tick()
    with bundles.members(bundles.taken(greta, purpose=PURPOSE)) as bundle:
        leaves, about = _lines(bundle)
    march = {n: leaf for n, leaf in leaves.items() if "2027-03-01" <= leaf["ts"][:10] <= "2027-03-31"}
    of: dict[str, dict[int, Any]] = defaultdict(dict)
    for n, leaf in march.items():
        of[leaf["type"]][n] = leaf
    assert value(published, "notices") == len(of["notice:filed"])
    assert value(published, "notices_by_category") == Counter(about[n]["category"] for n in of["notice:filed"])
    assert value(published, "notices_by_kind") == Counter(about[n]["kind"] for n in of["notice:filed"])
    outcomes = Counter(leaf["facts"]["outcome"] for leaf in of["decision:made"].values())
    assert value(published, "decisions_by_outcome") == outcomes
    assert value(published, "uncited") == sum(not about[n]["rules"] for n in of["decision:made"])
    of_case = {leaf["object"]: about[n]["category"] for n, leaf in leaves.items() if leaf["type"] == "case:opened"}
    overturned = [leaf for leaf in of["appeal:decided"].values() if leaf["facts"]["outcome"] == "overturn"]
    assert value(published, "overturned_by_category") == Counter(of_case[leaf["object"]] for leaf in overturned)
    assert value(published, "works") == len(of["asset:registered"])


def _lines(bundle: zipfile.ZipFile) -> tuple[dict[int, Any], dict[int, Any]]:
    first = json.loads(bundle.read("manifest.json"))["range"]["first"]
    leaves = {n: json.loads(line) for n, line in enumerate(bundle.read("leaves.jsonl").splitlines(), first)}
    opened = [json.loads(line) for line in bundle.read("disclosures.jsonl").splitlines()]
    return leaves, {row["index"]: row["value"] for row in opened if row["name"] == "about"}


def test_each_month_has_its_row_also_where_nothing_was(month: None, olga: User) -> None:
    """R11: of each month it is said that no decision was without a citation."""
    with time_machine.travel(AFTER):
        report = reports.make(olga, MARCH[0].replace(year=2026, month=12), MARCH[1])
        reports.freeze(report, olga)
    none = {"2026-12": 0, "2027-01": 0, "2027-02": 0, "2027-03": 0}
    assert shown(report, "uncited_by_month") == none
    assert shown(report, "decisions_by_month") == {**none, "2027-03": 6}


def test_exemptions_that_were_weighed_are_counted_in_the_log(
    make_asset: MakeAsset, file_notice: FileNotice, alice: User, rita: User, olga: User
) -> None:
    notice, _ = file_notice(make_asset(alice), exemptions=["satire"])
    case = cases.assign(notice.case, rita)
    decisions.decide(case, rita, outcome="no_action", exemptions=["satire", "news"], **TERMS)
    sequencer.tick()
    with time_machine.travel(AFTER):
        report = reports.make(olga, *MARCH)
        reports.freeze(report, olga)
    assert value(report, "exemptions") == {"news": 1, "satire": 1}


# --- Counting again (I22) --------------------------------------------------------------------------------------------


def test_every_figure_gives_the_same_number_whatever_happens_afterwards(
    published: TransparencyReport, make_asset: MakeAsset, file_notice: FileNotice, alice: User, rita: User
) -> None:
    """New entries, also dated into the period; changed rows; people who are forgotten."""
    late = busy.notices(make_asset, file_notice, alice, ncii=2)  # in March again, but above the range
    busy.decide(late, rita, "hide")
    Case.objects.update(category="fraud", jurisdictions=["US"])
    Notice.objects.update(category="fraud", kind="order")
    Appeal.objects.update(outcome="uphold")
    for notice in Notice.objects.exclude(pk__in=[row.pk for row in late]):
        data_rights.erase(notice.filer)
    sequencer.tick()
    assert nothing_differs(published)
    assert value(published, "notices_by_category") == {"copyright": 2, "fraud": 5, "likeness": 6}


def test_a_sealed_value_that_is_gone_is_told_as_that(published: TransparencyReport) -> None:
    SealedSection.objects.filter(name="about", entry__type="notice:filed").delete()
    found = {one.key: one for one in reports.rerun([published])[published.pk]}
    assert found["notices_by_category"].counted == {}
    assert found["notices_by_category"].unreadable == 13
    assert "notices" not in found
    assert list(reconciliation_reports.figures()) == []


def test_a_figure_that_somebody_changed_is_found_the_next_night(published: TransparencyReport) -> None:
    assert list(reconciliation_reports.figures()) == []
    Figure.objects.filter(report=published, key="missed").update(value=3, shown=0)
    assert [words for words in reconciliation_reports.figures() if "missed" in words]
    Figure.objects.filter(report=published, key="missed").update(value=0, shown=7)
    assert [words for words in reconciliation_reports.figures() if "what is published of" in words]
    assert Change.objects.filter(table="policy_figure", operation="UPDATE").exists()


def test_the_command_counts_again_and_fails_where_something_differs(published: TransparencyReport) -> None:
    told = io.StringIO()
    call_command("report", "rerun", stdout=told)
    assert told.getvalue().endswith("version 1: same\n")
    Figure.objects.filter(report=published, key="notices").update(value=9)
    with pytest.raises(CommandError):
        call_command("report", "rerun", str(published.pk), stdout=told)
    assert "notices was 9, is 13" in told.getvalue()


# --- Two people, and never again -------------------------------------------------------------------------------------


def test_who_made_it_does_not_publish_it(frozen: TransparencyReport, olga: User, alice: User, greta: User) -> None:
    for somebody in (olga, alice, greta):
        with pytest.raises(Forbidden):
            reports.publish(frozen, somebody)
    assert TransparencyReport.objects.get().state == "frozen"


def test_what_was_changed_after_it_was_counted_is_not_published(frozen: TransparencyReport, lena: User) -> None:
    Figure.objects.filter(report=frozen, key="missed").update(shown=0, query={"of": ["notice:filed"]})
    with pytest.raises(Conflict, match="changed since"):
        reports.publish(frozen, lena)


def test_what_is_sent_back_is_counted_anew(frozen: TransparencyReport, lena: User, olga: User) -> None:
    with time_machine.travel(AFTER):
        reports.send_back(frozen, lena)
        assert (frozen.state, frozen.sha256, frozen.figures.count()) == ("draft", "", 0)
        reports.freeze(frozen, olga)
    assert nothing_differs(frozen)
    assert list(reconciliation_reports.figures()) == []


def test_a_correction_is_a_new_version_and_the_old_one_stays_as_it_was(
    published: TransparencyReport, lena: User, olga: User
) -> None:
    before = writers.as_json(published)
    with time_machine.travel(AFTER):
        second = reports.correct(published, lena, "The words on appeals were about another month.")
        with pytest.raises(Conflict):
            reports.correct(published, olga, "The words on appeals were about another month.")
        reports.write(second, lena, {"complaints": "One appeal was decided."})
        reports.freeze(second, lena)
        reports.publish(second, olga)
    published.refresh_from_db()
    assert (published.state, second.version, second.corrects) == ("corrected", 2, published)
    assert writers.as_json(published) == before
    assert hashlib.sha256(before).hexdigest() == published.sha256
    assert list(reconciliation_reports.figures()) == []
    with pytest.raises(Conflict):
        reports.write(second, lena, {"complaints": "None was."})


def test_the_log_has_the_digest_of_what_is_published(published: TransparencyReport) -> None:
    leaf = json.loads(bytes(Entry.objects.get(type="report:published").leaf))
    assert leaf["facts"]["sha256"] == hashlib.sha256(writers.as_json(published)).hexdigest()
    assert leaf["object"] == f"report:{published.pk}"


def test_a_correction_counts_what_the_first_version_counted(
    published: TransparencyReport,
    make_asset: MakeAsset,
    file_notice: FileNotice,
    alice: User,
    lena: User,
    olga: User,
) -> None:
    """One notice more, dated into the period: counted, it would say of itself what it is about. So would an erasure."""
    file_notice(make_asset(alice, "victim"), category="ncii")
    SealedSection.objects.filter(name="about", entry__type="notice:filed").earliest("pk").delete()
    sequencer.tick()
    with time_machine.travel(AFTER):
        second = reports.correct(published, lena, "The words on appeals were about another month.")
        reports.freeze(second, lena)
        reports.publish(second, olga)
    assert (second.tree_size, second.root) == (published.tree_size, published.root)
    told = [{row.key: (row.first, row.size, row.shown) for row in one.figures.all()} for one in (published, second)]
    assert told[0] == told[1]
    assert list(reconciliation_reports.figures()) == []


def test_who_wrote_its_words_or_counted_it_does_not_publish_it(
    frozen: TransparencyReport, lena: User, olga: User, ravi: User
) -> None:
    """Lena writes, Ravi counts what Olga has begun: none of the three publishes, though Olga wrote the words last."""
    with time_machine.travel(AFTER):
        reports.send_back(frozen, ravi)
        reports.write(frozen, lena, {"mistakes": "We are never wrong."})
        reports.write(frozen, olga, {"mistakes": "Nothing that we know of."})
        reports.freeze(frozen, ravi)
        for somebody in (olga, lena, ravi):
            with pytest.raises(Forbidden, match="another person"):
                reports.publish(frozen, somebody)
    assert TransparencyReport.objects.get().state == "frozen"


@pytest.mark.parametrize("filed", [{"ncii": 5}, {"ncii": 6, "ncii_deepfake": 5, "fraud": 5}, {"ncii": 9, "fraud": 9}])
def test_a_period_of_one_kind_of_cases_does_not_say_which(
    filed: dict[str, int], make_asset: MakeAsset, file_notice: FileNotice, alice: User, rita: User, olga: User
) -> None:
    """The log has every case of the month: a table with one row would be said of each of them."""
    busy.decide(busy.notices(make_asset, file_notice, alice, **filed)[:5], rita, "hide")
    sequencer.tick()
    with time_machine.travel(AFTER):
        report = reports.make(olga, *MARCH)
        reports.freeze(report, olga)
    for key in ("notices_by_category", "actions_on_notices_by_category"):
        assert set(shown(report, key).values()) == {None}
    assert shown(report, "notices") == sum(filed.values())


def test_periods_that_overlap_are_not_published_both(published: TransparencyReport, olga: User) -> None:
    """From March, and the first quarter less March, a hidden number could be computed."""
    with time_machine.travel(AFTER), pytest.raises(Conflict, match="computed"):
        reports.make(olga, MARCH[0].replace(month=1), MARCH[1])


# --- When it may be counted ------------------------------------------------------------------------------------------


def test_the_last_moments_of_a_period_are_waited_for(month: None, olga: User) -> None:
    with time_machine.travel(AFTER.replace(day=1, hour=0, minute=30)):
        report = reports.make(olga, *MARCH)
        with pytest.raises(Conflict, match="only just"):
            reports.freeze(report, olga)


def test_entries_that_are_not_signed_yet_are_waited_for(month: None, olga: User) -> None:
    with transaction.atomic():
        log.append(EventType.NOTICE_FILED, actor="system", role="system", object="case:1")
    with time_machine.travel(AFTER):
        report = reports.make(olga, *MARCH)
        with pytest.raises(Conflict, match="not signed yet"):
            reports.freeze(report, olga)
    assert not Figure.objects.exists()


def test_a_period_that_is_not_over_is_not_counted(frozen: TransparencyReport, lena: User, olga: User) -> None:
    """Of two counts of one month, a day apart, the difference would say what the one case between them is about."""
    with time_machine.travel(AFTER):
        reports.send_back(frozen, lena)
    with time_machine.travel(AFTER.replace(month=3, day=31)), pytest.raises(Conflict, match="not over"):
        reports.freeze(frozen, olga)
    assert not Figure.objects.exists()


@pytest.mark.parametrize(
    "days", [(MARCH[1], MARCH[0]), (MARCH[0], MARCH[1]), (MARCH[0].replace(year=2025), MARCH[0]), (MARCH[0], MARCH[0])]
)
def test_a_wrong_period_is_refused(days: Any, olga: User) -> None:
    with pytest.raises(Problem, match="missing or wrong"):
        reports.make(olga, *days)
    assert not TransparencyReport.objects.exists()


@pytest.mark.parametrize("words", [{"mistakes": "Ask dana@example.org"}, {"gossip": "No."}, {"mistakes": "x" * 4001}])
def test_words_for_everybody_carry_no_addresses(words: dict[str, str], frozen: TransparencyReport, lena: User) -> None:
    reports.send_back(frozen, lena)
    with pytest.raises(Problem):
        reports.write(frozen, lena, words)
    assert TransparencyReport.objects.get().words == {}


# --- Files -----------------------------------------------------------------------------------------------------------


def test_the_table_has_every_figure_and_no_formula(published: TransparencyReport) -> None:
    published.words = {"mistakes": '=HYPERLINK("http://example.org")'}
    rows = list(csv.DictReader(io.StringIO(writers.as_csv(published).decode())))
    assert {row["figure"] for row in rows} >= {one.key for _part, one in sections.definitions() if not one.columns}
    by_cell = {(row["figure"], row["label"]): row for row in rows}
    assert by_cell["notices", ""]["value"] == "13"
    assert by_cell["notices_by_category", "copyright"]["value"] == ""
    assert by_cell["notices_by_category", "copyright"]["note"] == "hidden"
    assert by_cell["notices_by_category", "copyright"]["dsa_category"].startswith("STATEMENT_CATEGORY_")
    assert by_cell["words.mistakes", ""]["value"].startswith("'=")
    assert [row for row in rows if row["part"] == "1.8" and row["note"].startswith("missing")]


def test_the_workbook_has_a_sheet_for_each_part_and_no_formula(published: TransparencyReport) -> None:
    published.words = {"mistakes": "=1+1"}
    with zipfile.ZipFile(io.BytesIO(writers.as_xlsx(published))) as book:
        sheets = [name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
        assert len(sheets) == len(sections.PARTS)
        assert not any(b"<f>" in book.read(name) for name in sheets)


def test_no_file_says_a_hidden_number(published: TransparencyReport) -> None:
    figure = next(
        row for row in json.loads(writers.as_json(published))["figures"] if row["key"] == "notices_by_category"
    )
    assert "value" not in figure
    assert (figure["shown"]["copyright"], figure["shown"]["fraud"]) == (None, None)


def test_an_office_where_nothing_happened_publishes_zeros(olga: User, alice: User) -> None:
    with transaction.atomic():
        log.append(EventType.ASSET_REGISTERED, actor=alice.actor, role="creator")
    sequencer.tick()
    with time_machine.travel(AFTER):
        report = reports.make(olga, *MARCH)
        reports.freeze(report, olga)
    assert (shown(report, "notices"), shown(report, "works")) == (0, None)
    assert nothing_differs(report)
