"""Packs in the database: two keys, a signature, and what becomes of open cases. Petra edits rules, Leo is a lawyer."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from core import health
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from policy import checks
from policy.audits import reconciliation_rules
from policy.deciding import approvals, decisions
from policy.desk import cases
from policy.law import clocks, pack_signing, rule_packs, rules
from policy.models import Clock, PackApproval, PackVersion
from policy.rulebook import conditions, facts, packs
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import REASONS, TERMS, FileNotice, about_of, leaf_of
from tests.policy.rule_texts import decide_clock, office, person, published, without

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


# --- The way of a version ------------------------------------------------------------------------------------------


def test_a_policy_editor_changes_one_clock_and_open_cases_keep_theirs(
    asset: Asset, file_notice: FileNotice, petra: User, leo: User, olga: User
) -> None:
    before, _ = file_notice(asset)
    row = published(petra, leo, olga)
    after, _ = file_notice(asset, category="privacy")
    old, new = decide_clock(before), decide_clock(after)
    assert old.due_at == old.started_at + dt.timedelta(days=7)
    assert new.due_at == new.started_at + dt.timedelta(days=5)
    assert (old.legal_status, new.legal_status) == ("draft", "approved")
    assert new.pack == row.digest
    assert clocks.reach_pending() == 0
    old.refresh_from_db()
    assert old.due_at == clocks.recompute(old)
    assert rules.rule(old.rule_id, old.pack).clock["value"] == 7
    assert rules.rule(new.rule_id, new.pack).clock["value"] == 5


@pytest.mark.parametrize("dropped", [False, True])
def test_i1_a_decision_cites_the_rule_that_its_case_runs_under(
    asset: Asset, file_notice: FileNotice, petra: User, leo: User, olga: User, rita: User, dropped: bool
) -> None:
    """I13: a later version changed its clock, or has no such rule any more."""
    notice, _ = file_notice(asset)
    case, old = cases.assign(notice.case, rita), decide_clock(notice)
    published(petra, leo, olga, text=without("office.terms.review") if dropped else "")
    said: dict[str, Any] = {"outcome": "label", "ground": "terms", "rule_ids": ["office.terms.review"], **REASONS}
    decision = decisions.decide(case, rita, **said)
    assert decision.rule_refs == [
        {
            "id": old.rule_id,
            "instrument": old.instrument,
            "article": old.article,
            "status": "draft",
            "pack": old.pack,
        }
    ]
    assert about_of("decision:made")["rule_packs"] == [old.pack]


def test_i18_a_held_decision_needs_the_second_person_that_its_own_pack_asked_for(
    asset: Asset, file_notice: FileNotice, petra: User, leo: User, olga: User, rita: User, ravi: User
) -> None:
    """A version without the row does not let anybody approve who is no lead reviewer."""
    notice, _ = file_notice(asset, answers={"public_figure": "yes"})
    case = cases.assign(notice.case, rita)
    decision = decisions.decide(case, rita, outcome="label", **TERMS)
    assert [rule["id"] for rule in decision.held_for] == ["office.terms.two_keys_public_figure"]
    published(petra, leo, olga, text=without("office.terms.two_keys_public_figure"))
    assert approvals.reasons(decision) == ["Terms of this office, 15 Two people decide about a person in public life."]
    with pytest.raises(Forbidden, match="a lead reviewer approves"):
        decisions.approve(decision, _person("Sam", Role.REVIEWER))
    assert decisions.approve(decision, ravi).state == "in_effect"


def test_old_cases_replay_under_their_old_rule_when_the_software_ships_another(
    asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = decide_clock(file_notice(asset)[0])
    kept = PackVersion.objects.get(digest=clock.pack)
    assert (kept.origin, kept.name, kept.content) == ("shipped", "office", rules.version(clock.pack).text)
    law, _ = rules.shipped()
    upgraded = packs.parse(office(version="1", days=3))
    rules._book.cache_clear()
    monkeypatch.setattr(rules, "shipped", lambda: (law, upgraded))
    assert rules.rule("office.terms.review").clock["value"] == 3
    assert rules.rule(clock.rule_id, clock.pack).clock["value"] == 7
    assert clocks.recompute(clock) == clock.due_at
    fresh = decide_clock(file_notice(asset, category="fraud")[0])
    assert PackVersion.objects.get(digest=fresh.pack).version == f"1+{fresh.pack[:8]}"


def test_every_step_is_in_the_log(petra: User, leo: User, olga: User) -> None:
    row = published(petra, leo, olga)
    rule_packs.retire(row, olga)
    kinds = list(Entry.objects.filter(type__startswith="pack:").order_by("pk").values_list("type", flat=True))
    steps = ["proposed", "submitted", "approved", "approved", "published", "retired"]
    assert kinds == [f"pack:{step}" for step in steps]
    leaf = leaf_of("pack:published")
    assert leaf["facts"]["digest"] == row.digest
    assert leaf["facts"]["signer"] == row.signer
    assert leaf["object"] == f"pack:{row.pk}"


def test_two_people_approve_neither_of_them_the_author_and_one_a_lawyer(petra: User, leo: User, olga: User) -> None:
    row = rule_packs.propose(petra, office())
    with pytest.raises(Conflict):
        rule_packs.approve(row, leo)
    rule_packs.submit(row, petra)
    with pytest.raises(Forbidden, match="You wrote this version"):
        rule_packs.approve(row, petra)
    rule_packs.approve(row, olga)
    assert (row.state, rule_packs.lacks(row)) == ("in_review", "1 more approval")
    with pytest.raises(Conflict, match="already"):
        rule_packs.approve(row, olga)
    with pytest.raises(Conflict, match="still needs 1 more approval"):
        rule_packs.publish(row, olga)
    second = person("Paul", Role.POLICY_EDITOR)
    rule_packs.approve(row, second)
    assert (row.state, rule_packs.lacks(row)) == ("in_review", "the approval of a lawyer")
    rule_packs.approve(row, leo)
    assert row.state == "approved"
    assert set(PackApproval.objects.values_list("by__name", "as_legal")) == {
        ("Olga", False),
        ("Paul", False),
        ("Leo", True),
    }


def test_who_has_no_role_in_it_changes_no_rule(petra: User, leo: User, rita: User, alice: User, greta: User) -> None:
    row = rule_packs.propose(petra, office())
    rule_packs.submit(row, petra)
    for user in (rita, alice, greta):
        with pytest.raises(Forbidden):
            rule_packs.propose(user, office("3"))
        with pytest.raises(Forbidden):
            rule_packs.approve(row, user)
        with pytest.raises(Forbidden):
            rule_packs.publish(row, user)
        with pytest.raises(Forbidden):
            rule_packs.retire(row, user)
    assert PackVersion.objects.get().state == "in_review"


def test_a_version_comes_into_force_at_its_moment_and_never_before(petra: User, leo: User, olga: User) -> None:
    start = now() + dt.timedelta(days=3)
    with pytest.raises(Problem) as refusal:
        published(petra, leo, olga, effective_from=now() - dt.timedelta(days=1))
    assert "never in the past" in str(refusal.value.extra)
    row = PackVersion.objects.get()
    rule_packs.publish(row, petra, effective_from=start)
    assert rules.rule("office.terms.review").clock["value"] == 7
    (after,) = (rule for rule in rules.pack(start).rules if rule.id == "office.terms.review")
    assert after.clock["value"] == 5


def test_a_retired_version_gives_way_to_the_one_before(petra: User, leo: User, olga: User) -> None:
    first = published(petra, leo, olga)
    second = published(petra, leo, olga, text=office("3", 4))
    assert rules.rule("office.terms.review").clock["value"] == 4
    rule_packs.retire(second, olga)
    assert rules.rule("office.terms.review").clock["value"] == 5
    rule_packs.retire(first, olga)
    assert rules.rule("office.terms.review").clock["value"] == 7


def _with(rule_id: str, version: str, row: str = "office.terms.consent") -> str:
    """Our terms with one rule under another id."""
    return office(version).replace(row, rule_id)


def test_a_version_must_go_together_with_those_that_begin_later(petra: User, leo: User, olga: User) -> None:
    start = now() + dt.timedelta(days=3)
    law = packs.read_folder(rules.PACKS / "law").replace('version: "1"', 'version: "2"', 1)
    published(petra, leo, olga, text=law.replace("us.dmca.512.g", "office.terms.doubled"), effective_from=start)
    clash = _with("office.terms.doubled", "2")
    with pytest.raises(Problem) as refusal:
        published(petra, leo, olga, text=clash)
    assert f"office.terms.doubled'], from {start:%A %Y-%m-%d}" in str(refusal.value.extra["errors"])
    with time_machine.travel(start + dt.timedelta(hours=1)):
        assert "office.terms.doubled" in {rule.id for rule in rules.all_rules()}


def test_what_comes_back_after_a_withdrawal_must_go_together_as_well(petra: User, leo: User, olga: User) -> None:
    law = packs.read_folder(rules.PACKS / "law").replace('version: "1"', 'version: "2"', 1)
    moved = published(petra, leo, olga, text=law.replace("us.dmca.512.g", "us.dmca.moved"))
    with pytest.raises(Forbidden, match="somebody else takes it out of force"):
        rule_packs.retire(moved, petra)
    published(petra, leo, olga, text=_with("us.dmca.512.g", "2"))
    with pytest.raises(Problem, match="two packs have a rule of one id"):
        rule_packs.retire(moved, olga)
    assert PackVersion.objects.get(pk=moved.pk).state == "in_force"


def test_a_version_that_a_later_release_cannot_load_is_passed_over_and_start_up_says_so(
    petra: User, leo: User, olga: User, asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = published(petra, leo, olga, text=office(when='channel == "notice" && !satire'))
    clock = decide_clock(file_notice(asset)[0])
    assert clock.pack == row.digest
    assert list(checks.check_published(None, databases=["default"])) == []
    names = {name: value for name, value in facts.FACTS.items() if name != "satire"}
    for module in (facts, conditions):
        monkeypatch.setattr(module, "FACTS", names)
    for cache in (rules._book, rules.usable, packs.parse, packs.recall, conditions.read):
        cache.cache_clear()
    law, terms = (packs.recall(one.text) for one in rules.shipped())
    monkeypatch.setattr(rules, "shipped", lambda: (law, terms))
    assert rules.rule("office.terms.review").clock["value"] == 7
    (warning,) = checks.check_published(None, databases=["default"])
    assert "office 2: this release of the software cannot load it" in warning.msg
    # What a clock was computed with is read as it was.
    assert rules.rule(clock.rule_id, clock.pack).clock["value"] == 5
    assert clocks.recompute(clock) == clock.due_at


def test_a_version_that_clashes_with_what_a_release_brings_is_passed_over(
    petra: User, leo: User, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(petra, leo, olga)
    published(petra, leo, olga, text=_with("us.dmca.moved", "3"))
    law, terms = rules.shipped()
    brought = packs.parse(law.text.replace("us.dmca.512.g", "us.dmca.moved"))
    monkeypatch.setattr(rules, "shipped", lambda: (brought, terms))
    rules._book.cache_clear()
    assert rules.rule("office.terms.review").clock["value"] == 5
    assert len(rules.faults()) == 1
    assert "office 3: two packs have a rule of one id" in rules.faults()[0]


def test_a_version_that_is_passed_over_is_said_once_and_health_says_it_as_long_as_it_is_so(
    petra: User, leo: User, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules.check().ok
    row = published(petra, leo, olga)
    PackVersion.objects.filter(pk=row.pk).update(signature=bytes(64))
    said: list[str] = []
    monkeypatch.setattr(rules.log, "error", lambda event, why: said.append(why))
    rules._say.cache_clear()
    for _ in range(3):
        rules.pack()
    assert said == ["office 2: its signature does not verify"]
    assert not rules.check().ok and said[0] in rules.check().detail
    later = published(petra, leo, olga, text=office("3", 4))
    begins = now() + dt.timedelta(days=9)
    PackVersion.objects.filter(pk=later.pk).update(effective_from=begins)
    assert "office 3" in rules.check().detail, "one that begins later as well"
    assert rules.check in health._more


def test_the_book_in_force_costs_one_query(petra: User, leo: User, olga: User) -> None:
    published(petra, leo, olga)
    rules.pack()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(3):
            rules.pack()
    assert len(queries) == 3


# --- What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (office(when='categry == "x"'), "unknown facts"),
        (office(when="jurisdictions.all(a, jurisdictions.all(b, a == b))"), "inside another"),
        (office(effective_from="2026-02-01"), "starts no clock"),
        (office(shape="round"), "unknown"),
        ("pack: [", "not YAML"),
    ],
)
def test_a_pack_with_a_fault_is_refused_and_nothing_is_kept(petra: User, text: str, says: str) -> None:
    with pytest.raises(Problem) as refusal:
        rule_packs.propose(petra, text)
    assert says in str(refusal.value.extra["errors"])
    assert not PackVersion.objects.exists()
    assert not Entry.objects.filter(type="pack:proposed").exists()


def test_a_pack_that_takes_too_long_is_refused(petra: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.guard import Limits

    monkeypatch.setattr(rule_packs, "_LIMITS", Limits(memory=1 << 30, cpu=10, wall=0.0))
    with pytest.raises(Problem) as refusal:
        rule_packs.propose(petra, office())
    assert "too much time" in str(refusal.value.extra)


def test_a_version_is_there_once(petra: User) -> None:
    rule_packs.propose(petra, office())
    with pytest.raises(Problem, match="give the changed pack a new version"):
        rule_packs.propose(petra, office(days=6))
    assert PackVersion.objects.count() == 1


def test_a_bad_signature_is_refused_and_the_previous_pack_stays_in_force(
    petra: User, leo: User, olga: User, caplog: pytest.LogCaptureFixture
) -> None:
    first = published(petra, leo, olga)
    second = published(petra, leo, olga, text=office("3", 4))
    rule_packs.verify(second)
    PackVersion.objects.filter(pk=second.pk).update(signature=bytes(64))
    second.refresh_from_db()
    with pytest.raises(Problem, match="does not verify"):
        rule_packs.verify(second)
    assert rules.rule("office.terms.review").clock["value"] == 5
    # The first with the digest of another text, the date moved, and another key.
    assert first.effective_from is not None
    PackVersion.objects.filter(pk=first.pk).update(effective_from=first.effective_from - dt.timedelta(days=1))
    assert rules.rule("office.terms.review").clock["value"] == 7


def test_another_key_signs_nothing_here_and_a_lost_key_is_not_replaced(
    petra: User, leo: User, olga: User, settings: Any
) -> None:
    row = published(petra, leo, olga)
    key, public = settings.ASSAY_KEYS / "packs.key", settings.ASSAY_KEYS / "packs.vkey"
    assert (key.stat().st_mode & 0o777, public.stat().st_mode & 0o777) == (0o600, 0o644)
    assert pack_signing.holds(row)
    for path in (key, public):
        path.rename(path.with_suffix(".away"))
    assert not pack_signing.holds(row)
    with pytest.raises(Problem, match="key"):
        published(petra, leo, olga, text=office("3", 4))
    assert PackVersion.objects.get(version="3").state == "approved"
    assert not key.exists()


def test_a_text_that_was_changed_after_approval_is_not_published(petra: User, leo: User, olga: User) -> None:
    row = rule_packs.propose(petra, office())
    rule_packs.submit(row, petra)
    for one in (leo, olga):
        rule_packs.approve(row, one)
    row.content = office(days=1)
    with pytest.raises(Problem, match="not what was approved"):
        rule_packs.publish(row, petra)


def test_the_audit_finds_a_changed_text_a_state_without_entry_and_a_moved_deadline(
    petra: User, leo: User, olga: User, asset: Asset, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset)
    row = published(petra, leo, olga)
    assert [*reconciliation_rules.packs(), *reconciliation_rules.deadlines()] == []
    PackVersion.objects.filter(pk=row.pk).update(content="other", signature=b"")
    Clock.objects.filter(pk=decide_clock(notice).pk).update(due_at=now())
    PackVersion.objects.filter(origin="shipped", name="law").update(state="in_force")
    PackApproval.objects.filter(by=leo).update(as_legal=False)
    found = " ".join([*reconciliation_rules.packs(), *reconciliation_rules.deadlines()])
    for said in ("is not that of its digest", "does not verify", "the log says “draft”", "as_legal", "does not follow"):
        assert said in found, said
