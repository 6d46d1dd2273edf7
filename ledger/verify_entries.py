"""The entries of a bundle, verified in one pass and in constant memory: leaves, and beside them disclosures, selection
and table, line by line. Pure. Format: `docs/formats.md`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Any, TypeAlias

from ledger import bundleformat as form
from ledger import container, merkle, notes, verify_checks, verify_naming
from ledger.verify_checks import Failed, Unchecked, decoded, exactly, items, natural

_SECOND = 1_000_000
_TOLD = 1 << 14

# How many entries were looked at, and of how many.
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class Scope:
    """What the manifest says of the entries. listed: those asked for are in a list, and do not follow from the query.

    slack: seconds by which the order of the index and of the times may differ.
    """

    first: int
    count: int
    query: form.Query
    slack: int
    listed: bool
    selected: int
    disclosures: int

    @property
    def end(self) -> int:
        return self.first + self.count


class Entries:
    """One pass over all entries; the checks, asked afterwards, say what it found."""

    def __init__(
        self, archive: container.Archive, scope: Scope, head: notes.TreeHead | None, progress: Progress | None
    ) -> None:
        self.archive, self.scope, self.head, self.progress = archive, scope, head, progress
        self.whole = False
        self.unproved = ""
        self.times = _Times()
        self.named: dict[str, str] | None = None

    def leaves(self) -> str:
        fold, self.disclosed = self._fold(), Disclosures(self.archive, self.scope)
        self.table = _Table(self.archive)
        self.selection: _Listed | _Matching
        self.selection = _Listed(self.archive, self.scope) if self.scope.listed else _Matching(self.scope)
        count = 0
        for index, leaf in enumerate(lines(self.archive, form.LEAVES), self.scope.first):
            fields = decoded(f"{form.LEAVES}: entry {index}", leaf)
            if not isinstance(fields, dict):
                raise Failed(f"{form.LEAVES}: entry {index} is not an object")
            digest = merkle.leaf_hash(leaf)
            if fold:
                fold.add(digest)
            self.table.compare(form.csv_row(index, leaf, digest, fields, self.disclosed.of(index, fields)))
            self.selection.look(index, fields)
            self.times.look(fields.get("ts"))
            count += 1
            if self.progress and (count % _TOLD == 0 or count == self.scope.count):
                self.progress(count, self.scope.count)
        self.whole = True
        self._conclude(fold)
        return f"{count} entries, each in its one form"

    def _fold(self) -> merkle.RangeFold | None:
        if self.head is None:
            return None
        try:
            proof = form.parse_hashes(whole(self.archive, form.RANGE_PROOF))
            return merkle.RangeFold(self.scope.first, self.scope.count, self.head.size, proof)
        except (Failed, ValueError) as error:
            self.unproved = f"{form.RANGE_PROOF}: {error}"
        return None

    def _conclude(self, fold: merkle.RangeFold | None) -> None:
        self.disclosed.finish()
        self.table.finish()
        self.selection.finish()
        if fold is None or self.head is None:
            return
        try:
            # Without entries there is nothing to prove, and no hash to prove it with.
            if fold.root() != self.head.root and self.scope.count:
                self.unproved = "the entries together do not lead to the signed root: they are not those of the log"
        except merkle.ProofError as error:
            self.unproved = str(error)

    def inclusion(self) -> str:
        scope, size = self.scope, self._size()
        if self.unproved:
            raise Failed(self.unproved)
        if not self.whole:
            raise Unchecked("the leaves could not be read")
        if not scope.count:
            return "there is no entry to prove"
        if scope.count == size:
            return f"all {size} entries of the log together give the signed root"
        return (
            f"entries {scope.first} to {scope.end - 1}, all of them and in this order, are in the signed tree of {size}"
        )

    def untouched(self, name: str, otherwise: str) -> str:
        """One of the ways to tamper with entries: not this one, since they are proved; or this one, with the place."""
        if self.whole and self.head and not self.unproved:
            return otherwise
        if self.named is None:
            self.named = verify_naming.what_happened(self.archive, self.scope.first, self.scope.count)
        if name in self.named:
            raise Failed(self.named[name])
        raise Unchecked("the entries are not proved, and what happened to them cannot be told")

    def selected(self) -> str:
        self._read()
        return self.selection.verdict()

    def edges(self) -> str:
        """That nothing that was asked for can be left out at the two ends of the range."""
        self._read()
        size, query = self._size(), self.scope.query
        if self.scope.listed and not query.dated:
            return "the office chose the range: no dates were asked for"
        return "; ".join(filter(None, (self._lower(query.since), self._upper(query.until, size), self.times.words())))

    def _lower(self, since: str | None) -> str:
        first, slack = self.scope.first, self.scope.slack
        if first == 0:
            return "the range begins with the log"
        if since is None:
            return self._open("begin")
        if not self.times.is_before(since, slack):
            raise Failed(f"the range does not reach back before {since}: entries could be left out at its beginning")
        return (
            f"entry {first}, of {self.times.first}, is over {slack} s before {since}: by that clock so are all before"
        )

    def _upper(self, until: str | None, size: int) -> str:
        last, slack = self.scope.end - 1, self.scope.slack
        if self.scope.end == size:
            return "the range ends with the log as it was signed"
        if until is None:
            return self._open("end")
        if not self.times.is_after(until, slack):
            raise Failed(f"the range does not reach beyond {until}: entries could be left out at its end")
        return f"entry {last}, of {self.times.last}, is {slack} s or more after {until}: by that clock so are all after"

    def _open(self, where: str) -> str:
        if self.scope.listed:
            return ""
        raise Failed(f"no date was asked for, and the range does not {where} with the log: entries could be left out")

    def disclosures(self) -> str:
        self._read()
        if self.disclosed.problem:
            raise Failed(self.disclosed.problem)
        return f"{self.disclosed.count} disclosed values are those that were recorded"

    def owners(self) -> str:
        self._read()
        if not self.disclosed.problem:
            return "each value is of the entry that it is shown with"
        wrong = self.disclosed.wrong
        owner = wrong and verify_naming.owner_of(self.archive, self.scope.first, wrong)
        if wrong is None or owner is None:
            raise Unchecked("the disclosures do not hold")
        raise Failed(f"“{wrong['name']}”, shown as that of entry {wrong['index']}, is that of entry {owner}")

    def tabled(self) -> str:
        self._read()
        return self.table.verdict()

    def _size(self) -> int:
        if self.head is None:
            raise Unchecked("there is no valid checkpoint to check against")
        return self.head.size

    def _read(self) -> None:
        if not self.whole:
            raise Unchecked("the leaves could not be read")


class Disclosures:
    """The disclosed values in their order, each checked against its entry.

    problem: the first one, in words. wrong: the row that its entry does not commit to.
    """

    def __init__(self, archive: container.Archive, scope: Scope) -> None:
        self._scope, self._rows = scope, self._read(archive)
        self.problem, self.count = "", 0
        self.wrong: dict[str, Any] | None = None
        self._next = self._advance()

    def of(self, index: int, fields: dict[str, Any]) -> dict[str, Any]:
        """The values disclosed of this entry, by name."""
        values: dict[str, Any] = {}
        while self._next is not None and self._next["index"] == index:
            row = self._next
            try:
                verify_checks.check_disclosure(fields, index, row)
            except (Failed, ValueError) as error:
                self.wrong = row if not self.problem else self.wrong
                self.problem = self.problem or str(error)
            values[row["name"]] = row["value"]
            self._next = self._advance()
        return values

    def finish(self) -> None:
        stray, stated = self._next, self._scope.disclosures
        if stray is not None and not self.problem:
            self.wrong = stray
            self.problem = f"{form.DISCLOSURES}: line {self.count} is not a disclosure of an entry that is here"
        if self.count != stated and not self.problem:
            self.problem = f"{form.DISCLOSURES} holds {self.count} values, the manifest says {stated}"

    def _advance(self) -> dict[str, Any] | None:
        try:
            return next(self._rows, None)
        except (Failed, ValueError) as error:
            self.problem = self.problem or str(error)
            return None

    def _read(self, archive: container.Archive) -> Iterator[dict[str, Any]]:
        last = (-1, "")
        for number, line in enumerate(lines(archive, form.DISCLOSURES), 1):
            where = f"{form.DISCLOSURES} line {number}"
            row = exactly(decoded(where, line), ("index", "name", "salt", "value"), where)
            place = natural(row["index"]), verify_checks.text_of(row["name"], "the name of a disclosure")
            if place <= last:
                raise Failed(f"{where} is not in order, or is there twice")
            last, self.count = place, number
            if place[0] < self._scope.first:
                raise Failed(f"{where} is not a disclosure of an entry that is here")
            yield row


class _Table:
    """`entries.csv`, compared row by row with what leaves and disclosures give."""

    def __init__(self, archive: container.Archive) -> None:
        self._same = True
        self._part = opened(archive, form.CSV)
        self.compare(form.CSV_HEADER)

    def compare(self, row: bytes) -> None:
        self._same = self._same and self._part.read(len(row)) == row

    def finish(self) -> None:
        self._same = self._same and not self._part.read(1)

    def verdict(self) -> str:
        if not self._same:
            raise Failed(f"{form.CSV} does not say what the leaves and disclosures say")
        return f"{form.CSV} says what the leaves and disclosures say"


class _Matching:
    """Which entries were asked for, computed from their own times and types."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self._count = scope, 0

    def look(self, index: int, fields: dict[str, Any]) -> None:
        self._count += self._scope.query.matches(fields)

    def finish(self) -> None:
        """There is nothing to read to its end."""

    def verdict(self) -> str:
        if self._count != self._scope.selected:
            raise Failed(f"{self._count} entries match dates and kinds, the manifest says {self._scope.selected}")
        return f"recomputed: {self._count} entries match the dates and kinds that were asked for"


class _Listed:
    """Which entries were asked for, as a list of runs that the office chose; each must match dates and kinds."""

    def __init__(self, archive: container.Archive, scope: Scope) -> None:
        self._scope, self._count, self._problem = scope, 0, ""
        self._runs = self._read(archive)
        self._run = self._advance()

    def look(self, index: int, fields: dict[str, Any]) -> None:
        while self._run and self._run.stop <= index:
            self._run = self._advance()
        if self._run and index in self._run and not self._scope.query.matches(fields):
            self._problem = self._problem or f"entry {index} is listed, and does not match dates and kinds"

    def finish(self) -> None:
        while self._run:
            self._run = self._advance()

    def verdict(self) -> str:
        if self._problem or self._count != self._scope.selected:
            raise Failed(self._problem or f"{form.SELECTED} is not as long as the manifest says")
        return (
            f"{self._count} entries are listed, each of the dates and kinds that were asked for; whether others belong "
            "to them, too, does not follow from the entries themselves"
        )

    def _advance(self) -> range | None:
        try:
            return next(self._runs, None)
        except (Failed, ValueError) as error:
            self._problem = self._problem or str(error)
            return None

    def _read(self, archive: container.Archive) -> Iterator[range]:
        end = -1
        for number, line in enumerate(lines(archive, form.SELECTED), 1):
            where = f"{form.SELECTED} line {number}"
            run = [natural(value) for value in items(decoded(where, line), where)]
            if len(run) != 2 or run[0] <= end or run[0] < self._scope.first or not run[1]:
                raise Failed(f"{where} is not the next run of selected entries")
            end = run[0] + run[1]
            if end > self._scope.end:
                raise Failed(f"{where} lies outside of the range")
            self._count += run[1]
            yield range(run[0], end)


class _Times:
    """What the entries' own times say: of the first and last entry, and how far they run back."""

    def __init__(self) -> None:
        self.first: Any = None
        self.last: Any = None
        self._highest, self._back, self._begun = "", 0, False

    def look(self, at: Any) -> None:
        if not self._begun:
            self.first, self._begun = at, True
        self.last = at
        if not isinstance(at, str):
            return
        if at >= self._highest:
            self._highest = at
        else:
            one, other = form.parse_time(self._highest), form.parse_time(at)
            self._back = max(self._back, (one or 0) - other) if other is not None else self._back

    def is_before(self, moment: str, slack: int) -> bool:
        at, limit = form.parse_time(self.first), form.parse_time(moment)
        return at is not None and limit is not None and at < limit - slack * _SECOND

    def is_after(self, moment: str, slack: int) -> bool:
        at, limit = form.parse_time(self.last), form.parse_time(moment)
        return at is not None and limit is not None and at >= limit + slack * _SECOND

    def words(self) -> str:
        return f"inside it the times never run back by more than {-(-self._back // _SECOND)} s"


def opened(archive: container.Archive, name: str) -> BufferedReader:
    """A member as a stream. Raises Failed, Unchecked."""
    if name not in archive.members:
        raise Failed(f"{name} is missing") if archive.members else Unchecked("the zip file could not be read")
    return archive.open(name)


def whole(archive: container.Archive, name: str) -> bytes:
    """A small member. Raises Failed, Unchecked."""
    data = opened(archive, name).read(form.MAX_WHOLE + 1)
    if len(data) > form.MAX_WHOLE:
        raise Failed(f"{name} is larger than {form.MAX_WHOLE} bytes, which nothing of its kind may be")
    return data


def lines(archive: container.Archive, name: str) -> Iterator[bytes]:
    """The lines of a member. Raises Failed when one is empty, not ended or longer than any reader must hold."""
    part = opened(archive, name)
    while line := part.readline(form.MAX_LINE + 1):
        if line[-1:] != b"\n" or len(line) < 2:
            raise Failed(f"{name}: each line must be non-empty, ended by a newline and at most 16 MiB long")
        yield line[:-1]
