"""The rule book as it is shipped, and what may not be loaded. Without a database."""

import copy
import datetime as dt
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from policy import checks
from policy.law import rules
from policy.rulebook import comparing, computing, conditions, packs, vocabulary
from policy.rulebook.facts import complete
from policy.rulebook.packs import Book, bind, parse

NCII = {"category": "ncii", "channel": "notice"}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def book() -> Book:
    return bind(rules.shipped())


def due(facts: dict[str, Any], start: str) -> dict[str, dt.datetime | None]:
    return {clock.rule_id: clock.due_at for clock in book().due(facts, at(start))}


def test_the_rule_book_knows_no_django() -> None:
    code = "import sys, policy.rulebook.trial, policy.rulebook.comparing; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=rules.PACKS.parent.parent, check=False).returncode == 0


# --- What is shipped -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", rules.shipped(), ids=lambda pack: pack.name)
def test_every_golden_case_comes_out(pack: packs.Pack) -> None:
    assert packs.run_golden(pack) == []


@pytest.mark.parametrize("pack", rules.shipped(), ids=lambda pack: pack.name)
def test_each_first_day_is_looked_at_from_both_sides(pack: packs.Pack) -> None:
    assert [rule for rule in packs.unproven(pack) if rule not in _SAME_DAY] == []


# Rules of the office that begin on a day whose eve another test already looks at, through the same condition.
_SAME_DAY: frozenset[str] = frozenset()


def test_of_two_countries_the_shortest_clock_comes_first() -> None:
    first = book().due({**NCII, "jurisdictions": ["US", "IN"]}, at("2026-06-01T12:00"))[0]
    assert (first.rule_id, first.due_at) == ("in.it.3.2.b.v2026", at("2026-06-01T14:00"))


def test_a_bill_is_silent() -> None:
    assert "uk.osa.10.3A.bill" not in due({**NCII, "jurisdictions": ["GB"]}, "2030-01-01T00:00")
    silent = [rule for rule in book().rules if rule.status in ("bill", "unknown")]
    assert silent
    assert not any(rule.in_force(dt.date(2040, 1, 1)) for rule in silent)
    assert all(rule.shadow_when and rule.when == "false" for rule in silent)


def test_a_counter_notice_is_answered_between_business_day_10_and_14_without_the_holidays() -> None:
    facts = {"category": "copyright", "channel": "counter_notice", "jurisdictions": ["US"]}
    clock = next(c for c in book().due(facts, at("2026-07-01T12:00")) if c.rule_id == "us.dmca.512.g")
    assert (clock.not_before, clock.due_at) == (at("2026-07-16T12:00"), at("2026-07-22T12:00"))
    assert any("2026-07-03 (Independence Day (observed))" in sentence for sentence in clock.trace)
    beyond = next(c for c in book().due(facts, at("2036-07-01T12:00")) if c.rule_id == "us.dmca.512.g")
    assert any("known for 2021 to 2035 only" in sentence for sentence in beyond.trace)


def test_a_rule_without_a_number_has_no_deadline_and_says_so() -> None:
    facts = {"jurisdictions": ["EU"], "channel": "notice"}
    clock = next(c for c in book().due(facts, at("2026-06-01T00:00")) if c.rule_id == "eu.dsa.16.2.fields")
    assert clock.due_at is None
    assert any("gives no number" in sentence for sentence in clock.trace)


def test_every_clock_says_draft_and_why() -> None:
    for clock in book().due({**NCII, "jurisdictions": ["US"]}, at("2026-06-01T00:00")):
        assert clock.status == "draft"
        assert "not legal advice" in clock.trace[-1]
        assert clock.rule_id in clock.trace[0]


def test_a_rule_of_an_approved_pack_is_no_draft_and_still_no_advice() -> None:
    approved = bind([one.approved() for one in rules.shipped()])
    for clock in approved.due({**NCII, "jurisdictions": ["US"]}, at("2026-06-01T00:00")):
        assert clock.status == "approved"
        assert "Not legal advice" in clock.trace[-1]


def test_an_event_starts_its_own_clocks_only() -> None:
    facts = {"category": "likeness", "jurisdictions": ["EU"], "synthetic": True, "decision": "disable"}
    clocks = book().due(facts, at("2026-09-01T00:00"), {"recipient_informed_of_decision"})
    assert {clock.rule_id for clock in clocks} == {"eu.dsa.20", "office.terms.appeal"}


@pytest.mark.parametrize(
    "facts",
    [{"categry": "ncii"}, {"category": 1}, {"minor": "yes"}, {"jurisdictions": "US"}, {"jurisdictions": [1]}],
)
def test_a_fact_that_is_unknown_or_of_the_wrong_type_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(rules.RuleError):
        book().due(facts, at("2026-06-01T00:00"))


def test_start_up_finds_nothing_to_object_to() -> None:
    assert not [*checks.check_rules(None), *checks.check_words(None), *checks.check_register(None)]


def test_start_up_names_a_broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise rules.RuleError("law 1: us.tida.223a: unknown facts ['categry']")

    monkeypatch.setattr(rules, "shipped", broken)
    (error,) = checks.check_rules(None)
    assert "us.tida.223a" in error.msg


# --- A clock recomputes from its inputs alone (I14) ----------------------------------------------------------------


def every_golden_clock() -> Iterator[computing.ComputedClock]:
    for pack in rules.shipped():
        for golden in pack.golden:
            yield from pack.due(golden.facts, golden.at, golden.events)


def test_i14_every_golden_clock_recomputes_from_its_inputs_after_json(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = list(every_golden_clock())
    assert len(clocks) > 80
    # Neither this host's time zones nor any pack are asked again.
    monkeypatch.setattr("policy.rulebook.zones.zone", lambda name: pytest.fail("asked the host"))
    monkeypatch.setattr(packs, "parse", lambda text: pytest.fail("asked a pack"))
    for clock in clocks:
        inputs = json.loads(json.dumps(clock.inputs))
        assert computing.replay(inputs) == (clock.due_at, clock.not_before), clock.rule_id


def test_inputs_name_the_pack_the_calendar_and_the_time_zone_data() -> None:
    facts = {"category": "copyright", "channel": "counter_notice", "jurisdictions": ["US"]}
    clock = next(c for c in book().due(facts, at("2026-07-01T12:00")) if c.rule_id == "us.dmca.512.g")
    law = rules.shipped()[0]
    assert clock.inputs["pack"] == clock.pack == law.digest
    assert clock.inputs["calendar"]["digest"] == law.calendars["us.federal"].digest
    assert clock.inputs["calendar"]["holidays"] == {"2026-07-03": "Independence Day (observed)"}
    assert clock.inputs["zone"]["tzdata"]
    assert clock.inputs["facts"] == facts


def test_a_pause_and_an_extension_move_the_deadline_exactly() -> None:
    (clock,) = (
        c
        for c in book().due({"jurisdictions": ["EU"], "channel": "dsr"}, at("2026-11-30T10:00"))
        if c.rule_id == "eu.gdpr.12.3"
    )
    assert computing.replay(clock.inputs).due_at == at("2026-12-30T10:00")
    # One month and two more are three months from the start: 28 February, not 30 January and a month.
    assert computing.replay({**clock.inputs, "extension": {"reason": "complex"}}).due_at == at("2027-02-28T10:00")
    pauses = [{"from": "2026-12-01T00:00:00+00:00", "to": "2026-12-03T06:30:00+00:00", "reason": "awaiting_identity"}]
    assert computing.replay({**clock.inputs, "pauses": pauses}).due_at == at("2027-01-01T16:30")
    open_pause = [{**pauses[0], "to": None}]
    assert computing.replay({**clock.inputs, "pauses": open_pause}).due_at == at("2026-12-30T10:00")


def test_i14_a_local_deadline_recomputes_on_a_host_without_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    local = {"value": 1, "unit": "months", "zone": "Europe/Berlin", "end_of_day": True}
    pack = parse(changed({"clock": {**local, "extension": {"value": 2, "unit": "months"}}}))
    # From 23:30 on 31 December in Berlin; 31 January ends at 23:00 UTC, 31 March, in summer time, at 22:00.
    clock = next(c for c in pack.due(complete({"channel": "notice"}), at("2026-12-31T22:30")) if "review" in c.rule_id)
    monkeypatch.setattr("policy.rulebook.zones.zone", lambda name: pytest.fail("asked the host"))
    assert clock.due_at == computing.replay(clock.inputs).due_at == at("2027-01-31T22:59:59")
    assert computing.replay({**clock.inputs, "extension": {"reason": "complex"}}).due_at == at("2027-03-31T21:59:59")
    assert any("Days are counted in Europe/Berlin" in sentence for sentence in clock.trace)


def test_inputs_of_another_format_are_refused() -> None:
    with pytest.raises(rules.RuleError, match="assay-clock/1"):
        computing.replay({"format": "assay-clock/2"})


# --- What may not be loaded ----------------------------------------------------------------------------------------

GOOD = yaml.safe_load(packs.read_folder(rules.PACKS / "office"))


def changed(change: dict[str, Any], number: int = 2) -> str:
    document = copy.deepcopy(GOOD)
    document["rules"][number].update(change)
    return str(yaml.safe_dump(document, allow_unicode=True))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"when": 'categry == "ncii"'}, "unknown facts"),
        ({"status": "planned"}, "unknown status"),
        ({"status": "bill"}, "applies to nothing"),
        ({"shadow_when": "minor"}, "only what does not apply runs in shadow"),
        ({"effective_from": "19 May 2026"}, "not a date"),
        ({"effective_from": dt.date(2026, 5, 19)}, "not a date"),
        ({"effective_from": "2026-02-01", "effective_to": "2026-01-01"}, "ends before"),
        ({"clock": {"value": 3, "unit": "fortnights"}}, "no span"),
        ({"clock": {"value": -1, "unit": "hours"}}, "no span"),
        ({"clock": {"value": 999_999, "unit": "years"}}, "no span"),
        ({"clock": {"value": 1.5, "unit": "hours"}}, "no span"),
        ({"clock": {"value": None, "unit": "hours"}}, "a number and a unit"),
        ({"clock": {"value": 1, "unit": "hours", "speed": 3}}, "unknown in clock"),
        ({"clock": {"value": 1, "unit": "hours", "end_of_day": True}}, "end with a day"),
        ({"clock": {"value": 1, "unit": "business_days", "calendar": "fr.public"}}, "unknown calendar"),
        ({"clock": {"value": 1, "unit": "months", "zone": "Europe/Atlantis"}}, "unknown time zone"),
        ({"clock": {"value": 1, "unit": "months", "pause": ["holiday_mood"]}}, "unknown reasons to pause"),
        ({"clock": {"value": 1, "unit": "months", "extension": {"value": 2}}}, "a number and a unit"),
        ({"clock": "soon"}, "clock is a mapping"),
        ({"deadline": "soon"}, "unknown"),
        ({"jurisdiction": "ATLANTIS"}, "unknown jurisdiction"),
        ({"duties": "decide"}, "duties is a list"),
        ({"id": 7}, "id is a text"),
        ({"article": "x" * 121}, "article is a text of at most 120"),
        ({"applies_to_pending": "yes"}, "true or false"),
        ({"supersedes": "office.terms.nothing"}, "superseded and not there"),
        ({"id": "office.terms.ask"}, "share an id"),
        ({"start_event": "notice_submited"}, "unknown start_event 'notice_submited': perhaps 'notice_submitted'"),
    ],
)
def test_a_malformed_row_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(rules.RuleError, match=says) as refusal:
        parse(changed(change))
    assert "office 1" in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start_event": "the_moon_is_full"}, "unknown start_event 'the_moon_is_full'$"),
        ({"duties": ["second_aproval"]}, "unknown duty 'second_aproval': perhaps 'second_approval'"),
        ({"duties": ["Remove at once"]}, "perhaps 'remove_at_once'"),
        ({"start_event": "decision_proposed", "duties": ["two_people"]}, "has the duty second_approval, or it does"),
        ({"start_event": "misuse_counted"}, "at_least has absolute and percent"),
        ({"start_event": "misuse_counted", "at_least": {"absolute": 3, "percent": "50"}}, "are whole"),
        ({"start_event": "misuse_counted", "at_least": ["absolute:3", "percent:50"]}, "at_least has absolute"),
        ({"at_least": {"absolute": 3}}, "no numbers with this start_event"),
    ],
)
def test_a_name_that_would_do_nothing_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(rules.RuleError, match=says):
        vocabulary.check({"start_event": "notice_submitted", **change}, "office 1")


def test_each_event_a_rule_may_start_with_happens_in_code_or_stands_in_a_law() -> None:
    room = rules.PACKS.parent
    # The vocabulary itself and the packs name every event; only what code does counts.
    elsewhere = {"rulebook", "migrations", "models", "management"}
    sources = [path for path in room.rglob("*.py") if path.parent.name not in elsewhere]
    text = "".join(path.read_text() for path in sources)
    assert {event for event in vocabulary.RAISED if f'"{event}"' not in text} == set()
    assert {row.start_event for row in book().rules} >= vocabulary.ON_RECORD
    assert not vocabulary.RAISED & vocabulary.ON_RECORD


def test_the_loader_knows_the_duties_that_code_acts_on_and_no_others() -> None:
    found = set()
    for path in rules.PACKS.parent.rglob("*.py"):
        if asked := re.findall(r"\b([A-Z_]+) in (?:\w+\.)?duties", path.read_text()):
            name = ".".join(path.relative_to(rules.PACKS.parent.parent).with_suffix("").parts)
            found |= {getattr(importlib.import_module(name), constant) for constant in asked}
    assert found == vocabulary.ACTED_ON


def test_a_row_with_a_field_left_out_is_refused() -> None:
    document = copy.deepcopy(GOOD)
    del document["rules"][0]["source"]
    with pytest.raises(rules.RuleError, match=r"office\.terms\.consent: missing \['source'\]"):
        parse(yaml.safe_dump(document))


def two_versions(first: dict[str, Any], second: dict[str, Any]) -> str:
    document = copy.deepcopy(GOOD)
    row = document["rules"][2]
    document["rules"] = [
        {**copy.deepcopy(row), "id": "office.terms.review.v1", **first},
        {**copy.deepcopy(row), "id": "office.terms.review.v2", **second},
    ]
    return str(yaml.safe_dump(document))


def test_overlapping_dates_of_one_rule_are_refused() -> None:
    with pytest.raises(rules.RuleError, match=r"review\.v1 and office\.terms\.review\.v2 overlap"):
        parse(two_versions({"effective_to": "2026-07-01"}, {"effective_from": "2026-06-30"}))
    with pytest.raises(rules.RuleError, match="overlap: both would be law on 2026-07-01"):
        parse(two_versions({}, {"effective_from": "2026-07-01"}))
    with pytest.raises(rules.RuleError, match="must end on the day on which"):
        later = {"effective_from": "2026-07-02", "supersedes": "office.terms.review.v1"}
        parse(two_versions({"effective_to": "2026-07-01"}, later))
    exact = {"effective_from": "2026-07-01", "supersedes": "office.terms.review.v1"}
    assert len(parse(two_versions({"effective_to": "2026-07-01"}, exact)).rules) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not YAML"),
        ("[]", "sections"),
        ("pack: {format: assay-pack/1}\nextra: 1", "sections"),
        ("pack: {format: other/1, name: x, version: '1'}", "assay-pack/1"),
        ("pack: {format: assay-pack/1, name: X Y, version: '1'}", "name"),
        ("pack: {format: assay-pack/1, name: terms, version: one}", "version"),
        ("pack: {format: assay-pack/1, name: terms, version: 1}", "version"),
        ("pack: {format: assay-pack/1, name: terms, version: '1'}\nrules: []", "golden tests"),
        ("pack: &a {format: assay-pack/1, name: terms, version: '1'}\nrules: [*a, *a]", "aliases"),
        ("pack: {format: assay-pack/1, name: a, name: terms, version: '1'}", "stands twice"),
        ("pack: !!python/object/apply:os.system ['true']", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("#" * (packs.MAX_BYTES + 1), "at most"),
    ],
)
def test_a_text_that_is_no_pack_is_refused(text: str, says: str) -> None:
    with pytest.raises(rules.RuleError, match=says):
        parse(text)


def test_a_pack_that_breaks_its_own_golden_test_is_refused() -> None:
    pack = parse(changed({"clock": {"value": 8, "unit": "calendar_days"}}))
    with pytest.raises(rules.RuleError, match=r"office\.terms\.review is due 2026-01-09T12:00:00"):
        packs.check(pack)


def test_golden_tests_name_rules_that_exist() -> None:
    document = copy.deepcopy(GOOD)
    document["golden"][0]["absent"] = ["office.terms.typo"]
    assert any("no such rule: office.terms.typo" in one for one in packs.run_golden(parse(yaml.safe_dump(document))))


def test_two_packs_may_not_have_one_rule() -> None:
    document = copy.deepcopy(GOOD)
    document["pack"]["name"] = "second"
    with pytest.raises(rules.RuleError, match="two packs have a rule of one id"):
        bind([*rules.shipped(), parse(yaml.safe_dump(document))])


# --- Why not, and what changed -------------------------------------------------------------------------------------


def why_not(rule_id: str, facts: dict[str, Any], day: str, events: set[str] | None = None) -> list[str]:
    rule = next(rule for rule in book().rules if rule.id == rule_id)
    return comparing.why_not(rule, complete(facts), dt.date.fromisoformat(day), events)


def test_the_part_of_the_condition_that_fails_is_named_with_what_was_said() -> None:
    facts = {"category": "likeness", "channel": "notice", "jurisdictions": ["US"]}
    assert why_not("us.tida.223a", facts, "2026-06-01") == [
        'none of: category == "ncii" or category == "ncii_deepfake" does not hold: category is “likeness”.'
    ]
    assert why_not("us.tida.223a", {**NCII, "jurisdictions": ["GB"]}, "2026-05-18") == [
        "It applies from 2026-05-19 on; the day is 2026-05-18.",
        '"US" in jurisdictions does not hold: jurisdictions is [GB].',
    ]


def test_dates_events_and_status_are_reasons_as_well() -> None:
    facts = {**NCII, "jurisdictions": ["IN"]}
    assert why_not("in.it.3.2.b.v2021", facts, "2026-02-20") == ["It ended on 2026-02-20; the day is 2026-02-20."]
    assert why_not("in.it.3.2.b.v2026", facts, "2026-02-20", {"appeal_filed"}) == [
        "It starts with “complaint_by_individual_or_on_behalf”, which did not happen."
    ]
    assert "a bill and not law" in why_not("uk.osa.10.3A.bill", facts, "2026-06-01")[0]
    assert "cited" in why_not("office.terms.consent", facts, "2026-06-01")[0]
    assert "not known, so it never" in why_not("kr.sex.14-2", facts, "2026-06-01")[0]
    assert why_not("in.it.3.2.b.v2026", facts, "2026-02-20") == []


def test_a_difference_names_the_rule_and_the_field() -> None:
    old = parse(yaml.safe_dump(GOOD))
    new = parse(changed({"clock": {"value": 8, "unit": "calendar_days", "text": "eight days"}}))
    (change,) = comparing.diff(old, new)
    assert (change.rule_id, change.what) == ("office.terms.review", "clock")
    assert "7" in change.before and "eight days" in change.after
    fewer = copy.deepcopy(GOOD)
    fewer["rules"] = [row for row in fewer["rules"] if row["id"] != "office.terms.ask"]
    fewer["golden"] = fewer["golden"][:2]
    fewer["calendars"]["us.federal"]["covers"] = [2021, 2030]
    assert {(one.rule_id, one.what) for one in comparing.diff(old, parse(yaml.safe_dump(fewer)))} == {
        ("office.terms.ask", "gone"),
        ("calendar us.federal", "holidays"),
    }
    assert [one.what for one in comparing.diff(parse(yaml.safe_dump(fewer)), old)].count("new") == 1
    assert conditions.read("true").holds({})
