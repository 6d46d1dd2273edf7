"""The invariants I1 to I25 of due process, as questions to the whole database: each holds of every row, always.

Nothing here is told what a test did: each function looks at all rows there are and raises AssertionError naming the
first that breaks it. The state machines ask them after every step; `test_invariants.py` builds what each is about, and
tries to break it. They count and compare for themselves, from the invariant's own words, instead of asking the code
under test whether it did well.
"""

from collections.abc import Callable
from typing import Final

from tests.policy.invariants.deadlines import Memory, i13, i14, i15, i16, i17, past_stays
from tests.policy.invariants.deciding import i1, i2, i3, i4, i5, i6, i7, i8, i18, never_worse
from tests.policy.invariants.knowing import i9, i10, i11, i12, i20, i23, i24, i25
from tests.policy.invariants.record import agrees, log_agrees

__all__ = [
    "ALWAYS",
    "Memory",
    "agrees",
    "i1",
    "i2",
    "i3",
    "i4",
    "i5",
    "i6",
    "i7",
    "i8",
    "i9",
    "i10",
    "i11",
    "i12",
    "i13",
    "i14",
    "i15",
    "i16",
    "i17",
    "i18",
    "i20",
    "i23",
    "i24",
    "i25",
    "log_agrees",
    "never_worse",
    "past_stays",
]

ALWAYS: Final[tuple[Callable[[], None], ...]] = (
    *(i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11, i12, i14, i15, i16, i17, i18, i20, i23, i24, i25),
    *(never_worse, log_agrees),
)
