"""Codes of one algorithm, packed in this process' memory, and the search over them (decision 0008).

Held in lanes of 64 bits: the first 64 bits of every code side by side, then the next. A query looks at the first lane
alone and at the rest of the few codes that are near in it. What the search finds is a hint: whoever asks reads the
rows again, so a code whose row was erased, or a work that is hidden, is never told.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from provenance.models import Fingerprint

Lanes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

BLOCK = 1 << 15  # codes compared at a time: one lane of them and its counts stay in the core's own cache
CHUNK = 20_000  # rows read from the database at a time
# The newest codes are read anew for every search: what was written, changed or rolled back there needs no bookkeeping,
# and a transaction that commits after a later one (numbers are not commit order) is seen when it does; what comes even
# later than that is found when everything is read again.
RECENT = 512
# After so many seconds everything is read again, so that an erased code leaves this memory too.
HELD_FOR = 3600.0
MAX_HITS = 2_000


@dataclass(frozen=True)
class Codes:
    """pks: of the Fingerprint rows, ascending, shape (n,). lanes: shape (width, n), 64 bits of each code a lane."""

    pks: Rows
    lanes: Lanes

    @classmethod
    def of(cls, rows: Sequence[tuple[int, bytes]], bits: int) -> "Codes":
        """rows: (pk, code); a code of other than `bits` bits is left out, one of less than 64 is filled up with 0."""
        size = bits // 8
        rows = [(pk, code) for pk, code in rows if len(code) == size]
        return cls(np.array([pk for pk, _ in rows], dtype=np.int64), packed([code for _, code in rows], bits))

    @classmethod
    def joined(cls, parts: Sequence["Codes"]) -> "Codes":
        return cls(
            np.concatenate([one.pks for one in parts]),
            np.ascontiguousarray(np.concatenate([one.lanes for one in parts], axis=1)),
        )

    def __len__(self) -> int:
        return len(self.pks)

    def split(self, at: int) -> "tuple[Codes, Codes]":
        return Codes(self.pks[:at], self.lanes[:, :at]), Codes(self.pks[at:], self.lanes[:, at:])

    def within(self, queries: Lanes, limit: int, first: int) -> "Hits":
        """Codes at most `limit` bits from the nearest of `queries` (shape (width, q)).

        first: bits that may differ in the first lane. A match that differs more there than `first` is missed; of
        codes that have 64 bits only it is `limit`.
        """
        found = [self._in_block(start, queries, limit, first) for start in range(0, len(self), BLOCK)]
        return Hits.joined(found)

    def _in_block(self, start: int, queries: Lanes, limit: int, first: int) -> "Hits":
        block = self.lanes[:, start : start + BLOCK]
        size = block.shape[1]
        nearest = np.full(size, limit + 1, dtype=np.uint16)
        different, counts = np.empty(size, dtype=np.uint64), np.empty(size, dtype=np.uint8)
        for query in queries.T:
            np.bitwise_xor(block[0], query[0], out=different)
            np.bitwise_count(different, out=counts)
            near = np.flatnonzero(counts <= first)
            if len(near):
                rest = np.bitwise_count(block[1:, near] ^ query[1:, None]).sum(axis=0, dtype=np.uint16)
                nearest[near] = np.minimum(nearest[near], rest + counts[near])
        hits = np.flatnonzero(nearest <= limit)
        return Hits(self.pks[start + hits], nearest[hits])


@dataclass(frozen=True)
class Hits:
    """pks of Fingerprint rows and the bits by which each differs from the nearest query."""

    pks: Rows
    bits: npt.NDArray[np.uint16]

    @classmethod
    def joined(cls, parts: "Sequence[Hits]") -> "Hits":
        if not parts:
            return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint16))
        return cls(np.concatenate([one.pks for one in parts]), np.concatenate([one.bits for one in parts]))

    def nearest(self, many: int = MAX_HITS) -> Iterator[tuple[int, int]]:
        """(pk, bits), nearest first, older first among equals."""
        for at in np.lexsort((self.pks, self.bits))[:many]:
            yield int(self.pks[at]), int(self.bits[at])


def packed(codes: Iterable[bytes], bits: int) -> Lanes:
    """Codes of `bits` bits as lanes, shape (width, n); the order of bytes does not matter to a Hamming distance."""
    width = max(1, bits // 64)
    table = np.frombuffer(b"".join(code.ljust(8 * width, b"\0") for code in codes), dtype=np.uint64)
    return np.ascontiguousarray(table.reshape(-1, width).T)


class CodeIndex:
    """All codes of one algorithm, for this process; safe to use from several threads."""

    def __init__(self, algorithm: str, bits: int) -> None:
        self._algorithm = algorithm
        self._bits = bits
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Read everything again at the next search."""
        self._settled = Codes.of([], self._bits)
        self._read_at = time.monotonic()

    def within(self, codes: Iterable[bytes], limit: int, first: int) -> Hits:
        """See `Codes.within`; codes: the queries, all of this algorithm."""
        queries = packed(codes, self._bits)
        return Hits.joined([part.within(queries, limit, first) for part in self._parts()])

    def _parts(self) -> tuple[Codes, Codes]:
        """What is settled, and the newest codes, just read."""
        with self._lock:
            if time.monotonic() - self._read_at > HELD_FOR:
                self.forget()
            recent = self._after(self._settled)
            if len(self._settled) and len(recent) < RECENT:
                # Codes were taken away, or this is not the database it was: nothing held can be relied on.
                self.forget()
                recent = self._after(self._settled)
            if len(recent) > 2 * RECENT:
                older, recent = recent.split(len(recent) - RECENT)
                self._settled = Codes.joined([self._settled, older])
            return self._settled, recent

    def _after(self, settled: Codes) -> Codes:
        last = int(settled.pks[-1]) if len(settled) else 0
        rows = Fingerprint.objects.filter(algorithm=self._algorithm, pk__gt=last).order_by("pk")
        found = rows.values_list("pk", "value").iterator(chunk_size=CHUNK)
        return Codes.joined([Codes.of([], self._bits), *self._chunks(found)])

    def _chunks(self, rows: Iterable[tuple[int, bytes | memoryview]]) -> Iterator[Codes]:
        chunk: list[tuple[int, bytes]] = []
        for pk, value in rows:
            chunk.append((pk, bytes(value)))
            if len(chunk) == CHUNK:
                yield Codes.of(chunk, self._bits)
                chunk.clear()
        yield Codes.of(chunk, self._bits)
