"""What other rules would have changed, and the command. Petra edits rules, Leo is a lawyer."""

import datetime as dt
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from core.clock import now
from policy.law import clocks, rule_impact, rules
from policy.models import Clock
from policy.rulebook import packs
from provenance.models import Asset
from tests.policy.conftest import FileNotice
from tests.policy.rule_texts import OFFICE, office, person, reaching

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _keys(settings: Any, tmp_path: Path) -> Iterator[None]:
    """A folder of keys for each test: versions are rolled back with the database, keys are not."""
    settings.ASSAY_KEYS = tmp_path / "keys"
    yield
    rules._book.cache_clear()


@pytest.fixture
def petra(db: None) -> User:
    return person("Petra", Role.POLICY_EDITOR)


@pytest.fixture
def leo(db: None) -> User:
    return person("Leo", Role.LEGAL)


# --- What would have been different --------------------------------------------------------------------------------


@pytest.mark.usefixtures("any_date")
def test_the_impact_report_of_the_last_90_days_is_right(asset: Asset, file_notice: FileNotice) -> None:
    start = now()
    with time_machine.travel(start - dt.timedelta(days=100)):
        file_notice(asset)
    with time_machine.travel(start - dt.timedelta(days=6)):
        running, _ = file_notice(asset, category="privacy")
    with time_machine.travel(start - dt.timedelta(days=20)):
        met, _ = file_notice(asset, category="fraud")
    with time_machine.travel(start - dt.timedelta(days=16)):
        clocks.end(met.clocks.all(), Clock.State.MET)
    report = rule_impact.impact(packs.parse(office(days=5)))
    assert report.counts == {"earlier": 2, "later": 0, "new": 0, "gone": 0}
    # The one that was met after four days would have been in time; the one that runs on its sixth day would not.
    assert {(one.case_id, one.missed) for one in report.moved} == {
        (str(running.case_id), True),
        (str(met.case_id), False),
    }
    assert rule_impact.impact(packs.parse(office(days=9))).counts["later"] == 2
    assert rule_impact.impact(packs.parse(office(days=7))).missed == 0
    assert len(rule_impact.impact(packs.parse(office(days=5)), days=120).moved) == 3
    privacy_only = packs.parse(office(days=7, when='channel == "notice" && category == "privacy"'))
    assert rule_impact.impact(privacy_only).counts == {"earlier": 0, "later": 0, "new": 0, "gone": 1}
    same = rules.pack().packs[1]
    assert rule_impact.impact(same).moved == []
    assert rule_impact.impact(same).clocks == 2


@pytest.mark.usefixtures("any_date")
def test_a_rule_that_begins_later_is_asked_as_if_it_were_there(asset: Asset, file_notice: FileNotice) -> None:
    file_notice(asset)
    later = packs.parse(reaching(now().date() + dt.timedelta(days=40), pending=False))
    (one,) = rule_impact.impact(later).moved
    assert (one.how, one.rule_id) == ("earlier", "office.terms.review2")


@pytest.mark.usefixtures("any_date")
def test_a_bill_in_shadow_says_what_it_would_change_and_starts_no_clock(asset: Asset, file_notice: FileNotice) -> None:
    start = now()
    with time_machine.travel(start - dt.timedelta(days=4)):
        file_notice(asset, category="ncii", jurisdiction="GB")
    file_notice(asset, category="privacy", jurisdiction="GB")
    found = {one.rule.id: one for one in rule_impact.shadows()}
    british = found["uk.osa.10.3A.bill"]
    assert (british.notices, british.shorter, british.missed) == (1, 1, 1)
    assert found["us.nofakes.2026"].notices == 0
    assert not Clock.objects.filter(rule_id__contains="bill").exists()


def test_the_reports_cost_as_many_queries_for_one_notice_as_for_many(asset: Asset, file_notice: FileNotice) -> None:
    draft = packs.parse(office(days=5))
    counts = []
    for category in ("likeness", "privacy", "fraud"):
        file_notice(asset, category=category)
        with CaptureQueriesContext(connection) as queries:
            rule_impact.impact(draft)
            rule_impact.shadows()
        counts.append(len(queries))
    assert len(set(counts)) == 1
    assert counts[0] <= 5


# --- The command ---------------------------------------------------------------------------------------------------


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("rules", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_takes_a_version_from_export_to_publication(
    petra: User, leo: User, olga: User, tmp_path: Path
) -> None:
    exported = told("export", "office")
    assert packs.digest_of(exported) == rules.shipped()[1].digest
    path = tmp_path / "office.yaml"
    path.write_text(office(), encoding="utf-8")
    assert f"{len(OFFICE['rules'])} rules" in told("lint", str(path))
    assert "Every golden test comes out." in told("test", str(path))
    assert "+ value: 5" in told("diff", "office", str(path))
    assert "a draft" in told("propose", str(path), "--by", petra.email)
    told("submit", "office@2", "--by", petra.email)
    assert "still needs 1 more" in told("approve", "office@2", "--by", olga.email)
    assert "to be published" in told("approve", "office@2", "--by", leo.email)
    assert "signed" in told("publish", "office@2", "--by", olga.email)
    assert "value: 5" in told("export", "office")
    assert "No rule differs." in told("diff", "office@2", str(path))
    assert "retired" in told("retire", "office@2", "--by", olga.email)


def test_explain_says_until_when_and_why_the_others_did_not_match() -> None:
    facts = ("category=ncii", "jurisdictions=US,IN", "channel=notice")
    said = told("explain", *facts, "--at", "2026-06-01T12:00Z")
    assert "us.tida.223a  [draft]  Wednesday 2026-06-03 12:00 UTC" in said
    assert "in.it.3.2.b.v2021  [superseded]  It ended on 2026-02-20; the day is 2026-06-01." in said
    assert '"EU" in jurisdictions does not hold: jurisdictions is [IN, US].' in said
    assert said.index("in.it.3.2.b.v2026  [draft]") < said.index("us.tida.223a  [draft]")
    with pytest.raises(CommandError, match="is no fact"):
        told("explain", "categry=ncii")
    with pytest.raises(CommandError, match="true or false"):
        told("explain", "minor=yes")


def test_the_command_refuses_in_words(tmp_path: Path, petra: User) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(office(when="jurisdictions.all(a, jurisdictions.all(b, a == b))"), encoding="utf-8")
    for verb in ("lint", "test"):
        with pytest.raises(CommandError, match="inside another"):
            told(verb, str(path))
    path.write_text(office().replace("2026-01-06", "2026-01-09"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"office\.terms\.review is due 2026-01-06"):
        told("test", str(path))
    with pytest.raises(CommandError, match="no such file"):
        told("lint", "nowhere.yaml")
    with pytest.raises(CommandError, match="no such rule pack"):
        told("approve", "office@9", "--by", petra.email)
    with pytest.raises(CommandError, match="between 1 and 3650"):
        told("impact", "--days", "0")


def test_impact_and_shadow_are_printed(asset: Asset, file_notice: FileNotice, tmp_path: Path) -> None:
    notice, _ = file_notice(asset)
    path = tmp_path / "office.yaml"
    path.write_text(office(), encoding="utf-8")
    said = told("impact", "--pack", str(path), "--days", "90")
    assert "1 clocks of this pack were looked at." in said
    assert "1 earlier, 0 later, 0 new, 0 gone." in said
    assert str(notice.case_id)[-6:] in said
    assert "uk.osa.10.3A.bill  [bill]  0 notices" in told("impact")
