"""The language of figures: pure, without a database."""

from typing import Any

import pytest

from policy.transparency import figures, sections
from policy.transparency.figures import BadQuery, Question, Said


def said(index: int, kind: str, day: str = "2026-03-10", **more: Any) -> Said:
    facts = more.pop("facts", {})
    about = more.pop("about", facts)
    role, object = more.pop("role", "system"), more.pop("object", "case:1")
    return Said(index, kind, f"{day}T{more.pop('time', '12:00:00')}.000000Z", role, object, facts, about)


def counted(query: dict[str, Any], *entries: Said, first: int = 0, size: int = 1000) -> Any:
    return figures.count({"it": Question(query, first, size)}, entries)["it"]


NOTICES = {"of": ["notice:filed"]}


def test_only_entries_of_the_range_and_the_days_count() -> None:
    query = {**NOTICES, "since": "2026-03-01", "until": "2026-03-31"}
    days = ["2026-02-28", "2026-03-01", "2026-03-31", "2026-04-01"]
    entries = [said(n, "notice:filed", day) for n, day in enumerate(days)]
    assert counted(query, *entries).value == 2
    assert counted(query, *entries, size=2).value == 1
    assert counted(query, *entries, first=2).value == 1


def test_a_table_counts_a_list_once_for_each_member() -> None:
    query = {**NOTICES, "by": "facts.tags"}
    entries = [said(n, "notice:filed", facts={"tags": tags}) for n, tags in enumerate([["a", "b", "a"], ["a"], []])]
    assert counted(query, *entries).value == {"a": 2, "b": 1, "none": 1}


def test_a_link_is_looked_for_before_the_entry_and_before_the_period() -> None:
    link = {"filed": {"of": ["notice:filed"], "key": "facts.notice", "with": "facts.notice"}}
    query = {"of": ["notice:answered"], "links": link, "by": "filed.about.kind", "since": "2026-03-01"}
    entries = [
        said(0, "notice:filed", "2026-01-01", facts={"notice": "x"}, about={"kind": "order"}),
        said(1, "notice:answered", facts={"notice": "x"}),
        said(2, "notice:answered", facts={"notice": "y"}),
        said(3, "notice:filed", facts={"notice": "y"}, about={"kind": "report"}),
    ]
    assert counted(query, *entries).value == {"order": 1, "none": 1}
    assert figures.looks_back(query)


def test_a_median_is_of_whole_seconds_to_the_first_end() -> None:
    link = {"filed": {"of": ["notice:filed"], "key": "facts.notice", "with": "facts.notice"}}
    query = {"of": ["notice:answered"], "links": link, "distinct": "facts.notice", "seconds_from": "filed"}
    entries = [said(n, "notice:filed", time="00:00:00", facts={"notice": n}) for n in range(2)]
    ends = [(0, "00:01:40"), (1, "00:05:00"), (0, "23:00:00")]
    entries += [said(5 + n, "notice:answered", time=time, facts={"notice": of}) for n, (of, time) in enumerate(ends)]
    assert counted(query, *entries).value == {"median": 200, "count": 2}


def test_the_latest_of_each_counts_whatever_day_it_is_of() -> None:
    days = {"since": "2026-03-01", "until": "2026-03-31"}
    query = {"of": ["reviewer:changed"], "latest": "object", "where": [["facts.paused", "is", False]], **days}
    paused = [("r:1", "2025-01-01", False), ("r:2", "2025-01-01", False), ("r:2", "2026-03-02", True)]
    paused += [("r:1", "2026-04-01", True)]
    entries = [
        said(n, "reviewer:changed", day, object=who, facts={"paused": is_}) for n, (who, day, is_) in enumerate(paused)
    ]
    assert counted(query, *entries).value == 1


def test_what_cannot_be_read_any_more_is_told_and_not_guessed() -> None:
    entries = [said(0, "notice:filed", about=None), said(1, "notice:filed", about={"kind": "order"})]
    assert counted({**NOTICES, "by": "about.kind"}, *entries) == ({"order": 1, "unreadable": 1}, 1)
    assert counted({**NOTICES, "where": [["about.kind", "is", "order"]]}, *entries) == (1, 1)


def test_a_clause_that_fails_in_the_open_needs_no_seal() -> None:
    query = {**NOTICES, "where": [["facts.state", "is", "valid"], ["about.kind", "is", "order"]]}
    assert counted(query, said(0, "notice:filed", facts={"state": "incomplete"}, about=None)) == (0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"off": ["notice:filed"]},
        {},
        {**NOTICES, "by": "fact.kind"},
        {**NOTICES, "by": "about.kind", "list": ["day"]},
        {**NOTICES, "where": [["facts.state", "equals", "valid"]]},
        {**NOTICES, "seconds_from": "filed"},
        {**NOTICES, "links": {"filed": {"of": ["notice:filed"]}}},
    ],
)
def test_a_word_that_is_spelled_wrong_is_no_silent_zero(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadQuery):
        counted(wrong)


def test_every_figure_of_the_report_is_a_query_of_this_language() -> None:
    keys = [one.key for _part, one in sections.definitions()]
    assert len(set(keys)) == len(keys)
    for _part, one in sections.definitions():
        figures.check({**one.query, "since": "2026-01-01", "until": "2026-12-31"})
        assert set(one.totals) <= {
            *keys,
            *(f"{key}/{label}" for key in keys for label in sections.by_key()[key].labels),
        }


def test_what_stands_in_the_open_can_be_counted_by_anybody() -> None:
    public = {one.key: figures.is_public(one.query) for _part, one in sections.definitions()}
    assert public["notices"] and public["appeals_by_outcome"] and public["missed_by_purpose"]
    assert not any(
        public[key]
        for key in ("notices_by_kind", "missed_by_rule", "orders_time", "overturned_by_category", "exemptions")
    )
