"""Small numbers are hidden so that nobody computes them: tried by computing."""

import itertools
from collections.abc import Iterator, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.transparency.suppression import SMALLEST, Sum, computed, hidden

TABLE = Sum(("all",), ("all/a", "all/b", "all/c", "all/d"))


def table(*values: int) -> dict[str, int]:
    return {"all": sum(values), **dict(zip(TABLE.parts, values, strict=True))}


def test_a_single_small_number_takes_the_next_smallest_with_it() -> None:
    assert hidden(table(3, 9, 20, 0), [TABLE]) == {"all/a", "all/b"}


def test_nothing_small_is_nothing_hidden_and_nobody_is_shown() -> None:
    assert hidden(table(5, 9, 20, 0), [TABLE]) == frozenset()


def test_two_ones_are_no_secret_where_the_sum_is_two() -> None:
    """Their sum is what is shown less the rest, so a third goes with them."""
    assert hidden(table(1, 1, 20, 30), [TABLE]) == {"all/a", "all/b", "all/c"}


def test_a_small_total_is_hidden_with_its_parts() -> None:
    assert hidden(table(3, 0, 0, 0), [TABLE]) == {"all", "all/a"}


def test_where_everybody_can_count_the_total_the_whole_table_is_hidden() -> None:
    """The log says that there were three; the zeros would say of which kind."""
    assert hidden(table(3, 0, 0, 0), [TABLE], public={"all"}) == {"all", *TABLE.parts}


def test_what_the_office_says_of_itself_is_shown_however_small() -> None:
    assert hidden(table(1, 2, 0, 0), [TABLE], plain=table(0, 0, 0, 0)) == frozenset()


def test_a_hidden_part_of_one_table_is_the_hidden_total_of_another() -> None:
    orders = Sum(("all/a",), ("orders/eu", "orders/us"))
    numbers = {**table(3, 9, 20, 0), "orders/eu": 3, "orders/us": 0}
    assert {"all/a", "all/b", "orders/eu"} <= hidden(numbers, [TABLE, orders])


def test_what_is_withheld_is_hidden_however_large_and_cannot_be_computed() -> None:
    assert hidden(table(9, 20, 30, 0), [TABLE], public={"all"}, withheld=TABLE.parts) == set(TABLE.parts)
    assert hidden(table(9, 20, 30, 0), [TABLE], withheld=["all/b"]) == {"all/a", "all/b"}


def test_linear_algebra_finds_what_no_single_sum_shows() -> None:
    sums = [Sum(("x",), ("a", "b")), Sum(("y",), ("b", "c")), Sum(("z",), ("a", "c"))]
    assert computed(sums, {"a", "b", "c"}) == {"a", "b", "c"}
    assert computed(sums[:2], {"a", "b", "c"}) == frozenset()


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.booleans())
def test_no_reader_of_page_and_log_can_compute_a_hidden_number(values: list[int], total_is_public: bool) -> None:
    numbers = table(*values)
    gone = hidden(numbers, [TABLE], public={"all"} if total_is_public else ())
    assert {name for name, number in numbers.items() if 0 < number < SMALLEST} <= gone
    for name in gone & set(TABLE.parts):
        possible = {world[name] for world in _worlds(numbers, gone, total_is_public)}
        assert len(possible) > 1, (numbers, gone, name)


def _worlds(numbers: Mapping[str, int], gone: frozenset[str], total_is_public: bool) -> Iterator[dict[str, int]]:
    """Every table that looks the same: zeros are shown, unless all of a table is hidden."""
    unknown = [name for name in TABLE.parts if name in gone]
    least = 0 if len(unknown) == len(TABLE.parts) else 1
    rest = numbers["all"] - sum(numbers[name] for name in TABLE.parts if name not in gone)
    if "all" in gone and not total_is_public:
        yield from (dict.fromkeys(unknown, guess) for guess in (1, 2))
        return
    for guess in itertools.product(range(least, rest + 1), repeat=len(unknown) - 1):
        if rest - sum(guess) >= least:
            yield dict(zip(unknown, (*guess, rest - sum(guess)), strict=True))
