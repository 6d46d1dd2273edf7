"""What a row of the public register may say: never so little company that it points at a work (R09, R22). Pure."""

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.models import Category
from policy.transparency.coarsening import GROUPS, KINDS, SMALLEST, TOLD, Candidate, coarsen, group_of

MIXED = ("likeness", "copyright", "fraud")


def row(n: int, category: str = "likeness", outcome: str = "not_shown", **other: str) -> Candidate:
    said = {"kind": "report", "place": "EU", "appeal": "", **other}
    return Candidate(key=n, category=category, outcome=outcome, apart=(n, n, n, n), **said)


def some(first: int, number: int, category: str = "likeness", **other: str) -> list[Candidate]:
    return [row(n, category, **other) for n in range(first, first + number)]


def mixed(**other: str) -> list[Candidate]:
    """Five of each of three issues: enough to say which."""
    return [one for at, category in enumerate(MIXED) for one in some(at * 100, 5, category, **other)]


def test_five_alike_say_everything_and_four_say_nothing() -> None:
    told = coarsen(mixed())
    assert set(told) == {n + at * 100 for n in range(5) for at in range(3)}
    assert told[0] == {
        "kind": "report",
        "category": "likeness",
        "group": "",
        "place": "EU",
        "outcome": "not_shown",
        "appeal": "",
    }
    assert coarsen(some(0, 4)) == {}


def test_the_only_one_from_a_place_does_not_say_the_place() -> None:
    told = coarsen([*mixed(), *some(500, 4, place="EU"), row(600, place="DK")])
    assert told[500]["place"] == "EU"  # one of nine
    assert 600 not in told  # alone at every rung that is left to it: it waits
    told = coarsen([*mixed(), *some(500, 4, place="GB"), row(600, place="DK")])
    assert {told[n]["place"] for n in (500, 501, 502, 503, 600)} == {""}
    assert told[600]["category"] == "likeness"


def test_rare_issues_of_one_group_are_told_as_the_group() -> None:
    rare = [*some(500, 3, "ncii"), *some(510, 2, "ncii_deepfake")]
    told = coarsen([*mixed(), *rare])
    assert {(told[one.key]["category"], told[one.key]["group"]) for one in rare} == {("", "intimate")}


def test_five_notices_about_one_work_by_one_owner_or_by_one_filer_are_no_company() -> None:
    for place in range(4):
        same = [
            Candidate(**{**vars(one), "apart": tuple(0 if at == place else one.key for at in range(4))})
            for one in some(0, 9)
        ]
        assert coarsen(same) == {}, place


def test_where_all_works_not_shown_were_about_one_issue_no_row_says_which() -> None:
    """Mallory sees on its page that Alice's work is not shown, and would need no more than that."""
    told = coarsen(some(0, 20, "ncii_deepfake"))
    assert {(one["category"], one["group"], one["outcome"]) for one in told.values()} == {("", "", "not_shown")}
    most = coarsen([*mixed(), *some(500, 40, "ncii_deepfake")])
    assert not any(one["category"] or one["group"] for one in most.values())
    undone = [*some(500, 5, "ncii", outcome="none", appeal="changed"), *mixed(outcome="none")]
    told_undone = coarsen(undone)
    assert told_undone[500] == {**dict.fromkeys(TOLD, ""), "outcome": "none"}, "what came back is seen to come back"
    assert told_undone[0]["category"] == "likeness"
    calm = coarsen([*mixed(), *some(500, 20, "ncii_deepfake", outcome="none")])
    assert calm[0]["category"] == "likeness", "another outcome has nothing to do with it"


CANDIDATES = st.lists(
    st.tuples(
        st.sampled_from(Category.values),
        st.sampled_from(["EU", "US", "XX"]),
        st.sampled_from(["none", "not_shown"]),
        st.sampled_from(["", "upheld"]),
        st.integers(0, 30),
    ),
    max_size=60,
)


@given(CANDIDATES)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_no_row_stands_alone_and_no_outcome_gives_its_issue_away(drawn: list[tuple[str, ...]]) -> None:
    rows = [
        Candidate(n, "report", category, place, outcome, appeal, (n, work, work, n))
        for n, (category, place, outcome, appeal, work) in enumerate(drawn)
    ]
    told = coarsen(rows)
    cells: dict[tuple[str, ...], list[Candidate]] = {}
    for one in rows:
        if one.key in told:
            cells.setdefault(tuple(told[one.key][name] for name in TOLD), []).append(one)
    for cell in cells.values():
        assert all(len({each.apart[at] for each in cell}) >= SMALLEST for at in range(4))
    for outcome, appeal in itertools.product(("none", "not_shown"), ("", "upheld")):
        seen = [one for one in rows if one.key in told and one.outcome == outcome]
        shown = [one for one in seen if told[one.key]["appeal"] == appeal]
        said = Counter(one.group for one in shown if told[one.key]["category"] or told[one.key]["group"])
        assert not said or (len(said) >= KINDS and max(said.values()) * 2 <= len(shown))


def test_every_category_has_a_group() -> None:
    assert set(GROUPS) <= set(Category.values)
    assert {group_of(each) for each in ("other", "authority_order")} == {"rest"}
