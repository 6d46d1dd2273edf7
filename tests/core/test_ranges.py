"""Which part of a file a download asks for."""

import pytest

from core.problems import Problem
from core.ranges import asked


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=4-", (4, 10)),
        ("bytes=4-6", (4, 7)),
        ("bytes=4-99", (4, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        # Several ranges, another unit, nonsense: all of it, which a client must be ready for.
        ("bytes=0-1,4-5", (0, 10)),
        ("lines=1-2", (0, 10)),
        ("bytes=6-4", (0, 10)),
        ("bytes=-", (0, 10)),
        ("bytes=٣-", (0, 10)),
    ],
)
def test_one_range_is_understood_and_anything_else_is_the_whole_file(header: str, part: tuple[int, int]) -> None:
    found = asked(header, 10)
    assert (found.start, found.end) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=11-12", "bytes=-0"])
def test_a_part_beyond_the_end_is_refused_with_the_size(header: str) -> None:
    with pytest.raises(Problem) as refused:
        asked(header, 10)
    assert (refused.value.status, refused.value.extra["size"]) == (416, 10)


def test_a_part_says_where_it_stands() -> None:
    assert asked("bytes=4-6", 10).content_range == "bytes 4-6/10"
