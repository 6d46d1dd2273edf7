import copy
import datetime as dt
from typing import Any

import pytest
import yaml

from policy import checks, rules

NCII = {"category": "ncii", "channel": "notice"}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def due(facts: dict[str, Any], start: str) -> dict[str, dt.datetime | None]:
    return {clock.rule_id: clock.due_at for clock in rules.due(facts, at(start))}


def test_take_it_down_gives_48_hours_from_its_first_day_and_not_before() -> None:
    facts = {**NCII, "jurisdictions": ["US"]}
    assert "us.tida.223a" not in due(facts, "2026-05-18T23:59")
    assert due(facts, "2026-05-19T00:00")["us.tida.223a"] == at("2026-05-21T00:00")


def test_india_gives_24_hours_before_its_amendment_and_2_after() -> None:
    facts = {**NCII, "jurisdictions": ["IN"]}
    assert due(facts, "2026-02-19T12:00")["in.it.3.2.b.v2021"] == at("2026-02-20T12:00")
    after = due(facts, "2026-02-20T12:00")
    assert after["in.it.3.2.b.v2026"] == at("2026-02-20T14:00")
    assert "in.it.3.2.b.v2021" not in after


def test_of_two_countries_the_shortest_clock_comes_first() -> None:
    first = rules.due({**NCII, "jurisdictions": ["US", "IN"]}, at("2026-06-01T12:00"))[0]
    assert (first.rule_id, first.due_at) == ("in.it.3.2.b.v2026", at("2026-06-01T14:00"))


def test_a_bill_is_silent() -> None:
    assert "uk.osa.10.3A.bill" not in due({**NCII, "jurisdictions": ["GB"]}, "2030-01-01T00:00")
    assert not any(rule.in_force(dt.date(2040, 1, 1)) for rule in rules.all_rules() if rule.status == "bill")


def test_a_counter_notice_is_answered_between_business_day_10_and_14() -> None:
    facts = {"category": "copyright", "channel": "counter_notice", "jurisdictions": ["US"]}
    (clock,) = rules.due(facts, at("2026-07-01T12:00"))
    assert (clock.not_before, clock.due_at) == (at("2026-07-15T12:00"), at("2026-07-21T12:00"))
    assert any("public holidays are not taken out" in sentence for sentence in clock.trace)


def test_denmark_lies_in_the_eu() -> None:
    assert "eu.dsa.16.2.fields" in due({"jurisdictions": ["DK"], "channel": "notice"}, "2026-06-01T00:00")


def test_a_rule_without_a_number_has_no_deadline_and_says_so() -> None:
    facts = {"jurisdictions": ["EU"], "channel": "notice"}
    clock = next(c for c in rules.due(facts, at("2026-06-01T00:00")) if c.rule_id == "eu.dsa.16.2.fields")
    assert clock.due_at is None
    assert any("gives no number" in sentence for sentence in clock.trace)


def test_every_clock_says_draft_and_why() -> None:
    for clock in rules.due({**NCII, "jurisdictions": ["US"]}, at("2026-06-01T00:00")):
        assert clock.status == "draft"
        assert "not legal advice" in clock.trace[-1]
        assert clock.rule_id in clock.trace[0]


def test_the_same_facts_give_the_same_trace_again() -> None:
    facts, start = {**NCII, "jurisdictions": ["US", "IN", "EU"]}, at("2026-06-01T00:00")
    assert rules.due(facts, start) == rules.due(facts, start)


def test_an_event_starts_its_own_clocks_only() -> None:
    facts = {"category": "likeness", "jurisdictions": ["EU"], "synthetic": True, "decision": "hide"}
    clocks = rules.due(facts, at("2026-09-01T00:00"), events={"recipient_informed_of_decision"})
    assert {clock.rule_id for clock in clocks} == {"eu.dsa.20", "office.terms.appeal"}


@pytest.mark.parametrize("facts", [{"categry": "ncii"}, {"category": 1}, {"minor": "yes"}, {"jurisdictions": "US"}])
def test_a_fact_that_is_unknown_or_of_the_wrong_type_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(rules.RuleError):
        rules.due(facts, at("2026-06-01T00:00"))


GOOD = yaml.safe_load((rules.FOLDER / "office.yaml").read_text())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"when": 'categry == "ncii"'}, "unknown facts"),
        ({"when": 'category == "ncii" && category + 1 == 2'}, "not use"),
        ({"when": 'category.matches("n.*")'}, "not use"),
        ({"when": "[1,2,3].all(x, [1,2].all(y, x == y))"}, "unknown facts"),
        ({"when": 'channel == "notice" && minor'}, None),
        ({"when": 'channel == "notice" && category'}, "mixes types|not true or false"),
        ({"when": "category"}, "not true or false"),
        ({"when": "1 +"}, "cannot be read"),
        ({"when": "true || " * 60 + "true"}, "at most 400"),
        ({"status": "planned"}, "unknown status"),
        ({"status": "bill"}, "applies to nothing"),
        ({"effective_from": "19 May 2026"}, "not a date"),
        ({"effective_from": "2026-02-01", "effective_to": "2026-01-01"}, "ends before"),
        ({"clock": {"value": 3, "unit": "fortnights"}}, "no span"),
        ({"clock": {"value": -1, "unit": "hours"}}, "no span"),
        ({"clock": {"value": None, "unit": "hours"}}, "a number and a unit"),
        ({"clock": {"value": 1, "unit": "hours", "speed": 3}}, "unknown in clock"),
        ({"deadline": "soon"}, "unknown"),
    ],
)
def test_a_malformed_row_is_refused_by_name(change: dict[str, Any], says: str | None) -> None:
    document = copy.deepcopy(GOOD)
    document["rules"][2].update(change)
    if says is None:
        rules.load(document, "test.yaml")
        return
    with pytest.raises(rules.RuleError, match=says) as refusal:
        rules.load(document, "test.yaml")
    assert "test.yaml: office.terms.review" in str(refusal.value)


def test_a_row_with_a_field_left_out_is_refused() -> None:
    document = copy.deepcopy(GOOD)
    del document["rules"][0]["source"]
    with pytest.raises(rules.RuleError, match="missing"):
        rules.load(document, "test.yaml")


def test_start_up_finds_nothing_to_object_to() -> None:
    assert not [*checks.check_rules(None), *checks.check_words(None), *checks.check_register(None)]


def test_start_up_names_a_broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> rules.Pack:
        raise rules.RuleError("jurisdictions.yaml: us.tida.223a: unknown facts ['categry']")

    monkeypatch.setattr(rules, "pack", broken)
    (error,) = checks.check_rules(None)
    assert "us.tida.223a" in error.msg
