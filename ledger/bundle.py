"""Bundles: a part of the log with its proofs, to be verified offline by `ledger.verify`. Format: `docs/formats.md`.

Written as a stream, in constant memory whatever the number of entries: the leaves from the database, the disclosures
as they come, then the table out of both.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from django.conf import settings
from django.db.models import QuerySet

from core.canonical import Json, canonical_json
from core.clock import now
from core.problems import Problem
from ledger import bundleformat as form
from ledger import bundlewords, container, custody, merkle, notes, proofs, reading
from ledger.bundletable import write_table
from ledger.models import Checkpoint, Entry, Stamp
from ledger.receipts import Disclosure

_CHUNK: Final = 2000
_PIECE: Final = 1 << 18

# A disclosure, as the bundle has it.
Row = Mapping[str, Json]


@dataclass(frozen=True)
class BundleScope:
    """What a bundle is of: `count` entries from index `first` on, without a gap (`bundle_scope` works it out).

    since, until, types: the query by date and kind, [since, until), all kinds if none; what a verifier checks again.
    selected: the indices asked for, ascending, where the query asked for more than that; None: all that match.
    """

    first: int
    count: int
    selected: Iterable[int] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    types: Sequence[str] = ()


@dataclass(frozen=True)
class BundleSummary:
    """first, count: the range of indices. selected: how many of them were asked for. manifest_sha256: hex; names the
    bundle for ever.
    """

    first: int
    count: int
    selected: int
    disclosures: int
    size: int
    root: str
    manifest_sha256: str


def bundle_scope(
    checkpoint: Checkpoint,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    types: Sequence[str] = (),
    selected: Iterable[int] | None = None,
) -> BundleScope:
    """The range that provably has every entry of [since, until) that the checkpoint covers.

    It reaches an entry beyond each date that is older, or newer, by more than `edge_slack`; or to the log's end.
    """
    slack = dt.timedelta(seconds=edge_slack()) if since or until else dt.timedelta(0)
    covered = Entry.objects.filter(sequence__index__lt=checkpoint.size)
    first, end = 0, checkpoint.size
    if since:
        first = _index(covered.filter(created_at__lt=since - slack).order_by("-sequence__index"), 0)
        # Whatever the promise: no entry of these dates is left out.
        first = min(first, _index(covered.filter(created_at__gte=since).order_by("sequence__index"), first))
    if until:
        last = _index(covered.filter(created_at__gte=until + slack).order_by("sequence__index"), end - 1)
        end = max(last, first, _index(covered.filter(created_at__lt=until).order_by("-sequence__index"), 0)) + 1
        end = min(end, checkpoint.size)
    return BundleScope(first, end - first, selected, since, until, tuple(sorted(set(types))))


def _index(rows: QuerySet[Entry], default: int) -> int:
    found = rows.values_list("sequence__index", flat=True).first()
    return default if found is None else found


def edge_slack() -> int:
    """Seconds by which the order of the index and that of the entries' times may differ: an entry is in the tree
    within the maximum merge delay, and clocks are behind each other by no more than what an append tolerates.
    """
    return settings.ASSAY_LOG_MMD + math.ceil(settings.ASSAY_LOG_CLOCK_TOLERANCE)


def write_bundle(
    target: IO[bytes],
    *,
    scope: BundleScope,
    disclosures: Iterable[tuple[int, Disclosure]],
    about: Mapping[str, Json],
    files: Mapping[str, Path | bytes] | None = None,
    checkpoint: Checkpoint | None = None,
    previous: Checkpoint | None = None,
    progress: Callable[[int], None] | None = None,
) -> BundleSummary:
    """Write the bundle of a scope into an empty file that can be sought in and read.

    disclosures: opened sections (`receipts.disclosures_for`), ascending by index and name, all inside the scope.
    about: what the bundle is for, as JSON; no personal data that is not in scope.
    files: further members by name, under `files/`: a report, rule packs, media.
    checkpoint: the newest by default; must cover the scope.
    previous: that of the reader's last bundle, to show that the log only grew since.
    progress: is told how many entries are written, every 2,000.
    Raises Problem when nothing is signed yet, not all of the scope is, or the file would be larger than 4 GiB;
    ValueError for disclosures or selected indices that are out of order or outside of the scope.
    """
    checkpoint = checkpoint or reading.latest_checkpoint()
    if checkpoint is None:
        raise Problem("export.nothing_signed", "There is nothing to export yet", status=409, detail="The log is empty.")
    try:
        return _Bundle(target, scope, checkpoint, progress).write(disclosures, about, files or {}, previous)
    except container.TooLarge as error:
        raise Problem(
            "export.too_large",
            "Too much for one export",
            detail="One export file holds at most 4 GiB.",
            next_step="Choose a shorter time, and make several exports.",
        ) from error


class _Bundle:
    """One bundle while it is written."""

    def __init__(
        self, target: IO[bytes], scope: BundleScope, checkpoint: Checkpoint, progress: Callable[[int], None] | None
    ) -> None:
        self.scope, self.progress = scope, progress
        self.zip = container.Writer(target)
        self.head, self.checkpoint = _head(checkpoint), reading.checkpoint_text(checkpoint)
        self.tree = proofs.nodes(checkpoint.size)
        self.made_at = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.disclosed = self.selected = 0
        self.query = form.Query(_moment(scope.since), _moment(scope.until), tuple(scope.types))

    def write(
        self,
        disclosures: Iterable[tuple[int, Disclosure]],
        about: Mapping[str, Json],
        files: Mapping[str, Path | bytes],
        previous: Checkpoint | None,
    ) -> BundleSummary:
        if self.scope.first + self.scope.count > self.head.size:
            raise _not_signed()
        self._lines(form.LEAVES, self._leaves())
        self._lines(form.DISCLOSURES, map(canonical_json, self._rows(disclosures)))
        self.selected = write_table(self.zip, self.scope.first, self.query)
        if self.scope.selected is not None:
            self._lines(form.SELECTED, map(canonical_json, self._ranges(self.scope.selected)))
        for name, data in self._small(previous):
            self.zip.add(name, data)
        self._files(files)
        manifest = self._manifest(about)
        self.zip.add(form.MANIFEST, manifest)
        self.zip.add(form.SIGNATURE, str(notes.sign(form.signed_text(manifest), custody.log_signer())).encode())
        self.zip.finish()
        first, count, root = self.scope.first, self.scope.count, self.head.root.hex()
        digest = form.sha256(manifest)
        return BundleSummary(first, count, self.selected, self.disclosed, self.head.size, root, digest)

    def _lines(self, name: str, lines: Iterable[bytes]) -> None:
        with self.zip.member(name) as part:
            pending, size = list[bytes](), 0
            for line in lines:
                pending.append(line)
                size += len(line)
                if size > _PIECE:
                    part.write(form.join_lines(pending))
                    pending, size = [], 0
            part.write(form.join_lines(pending))

    def _leaves(self) -> Iterator[bytes]:
        first, end = self.scope.first, self.scope.first + self.scope.count
        for start in range(first, end, _CHUNK):
            stop = min(start + _CHUNK, end)
            rows = Entry.objects.filter(sequence__index__gte=start, sequence__index__lt=stop)
            leaves = list(rows.order_by("sequence__index").values_list("leaf", flat=True))
            if len(leaves) != stop - start:
                raise _not_signed()
            yield from map(bytes, leaves)
            if self.progress:
                self.progress(stop - first)

    def _rows(self, disclosures: Iterable[tuple[int, Disclosure]]) -> Iterator[Row]:
        last, first = (-1, ""), self.scope.first
        for index, one in disclosures:
            if not first <= index < first + self.scope.count:
                raise ValueError(f"a disclosure of entry {index} is outside of the bundle")
            if (index, one.name) <= last:
                raise ValueError(f"the disclosures of entry {index} are out of order")
            last = index, one.name
            self.disclosed += 1
            yield {"index": index, **one.as_dict()}

    def _ranges(self, selected: Iterable[int]) -> Iterator[Sequence[int]]:
        """The indices as [first, count] of each run of neighbours."""
        self.selected, start, end = 0, -1, -1
        last = self.scope.first + self.scope.count
        for index in selected:
            if not max(end, self.scope.first) <= index < last:
                raise ValueError(f"the selected index {index} is out of order, or outside of the bundle")
            if index != end and end >= 0:
                yield [start, end - start]
            start = start if index == end else index
            end = index + 1
            self.selected += 1
        if end >= 0:
            yield [start, end - start]

    def _small(self, previous: Checkpoint | None) -> Iterator[tuple[str, bytes]]:
        first, count = self.scope.first, self.scope.count
        yield form.RANGE_PROOF, form.hash_lines(merkle.range_proof(self.tree, first, count, self.head.size))
        yield form.CHECKPOINT, self.checkpoint.encode()
        yield form.POLICY, reading.policy().text().encode()
        yield form.ROTATIONS, form.join_notes(custody.rotations())
        if previous is not None and self._is_earlier(previous):
            yield form.PREVIOUS_CHECKPOINT, reading.checkpoint_text(previous).encode()
            yield form.PREVIOUS_CONSISTENCY, self._consistency(previous.size)
        yield from self._stamps()
        yield form.README, self._readme()
        yield form.SCHEMA, canonical_json(bundlewords.SCHEMA)

    def _stamps(self) -> Iterator[tuple[str, bytes]]:
        """The newest time-stamped checkpoint up to this one, as it was stamped, and its stamps."""
        newest = Stamp.objects.filter(checkpoint__size__lte=self.head.size).order_by("-checkpoint_id").first()
        if newest is None or not self._is_earlier(newest.checkpoint):
            return
        stamped = newest.checkpoint
        responses = {_plain(stamp.authority): bytes(stamp.token) for stamp in stamped.stamps.all()}
        # Without cosignatures: those came later than the stamp, and are not what it is over.
        yield form.STAMPS_CHECKPOINT, stamped.note.encode()
        yield form.STAMPS_CONSISTENCY, self._consistency(stamped.size)
        for authority in sorted(responses):
            yield form.stamp_name(authority), responses[authority]

    def _is_earlier(self, checkpoint: Checkpoint) -> bool:
        # A log that succeeded another one keeps its tree, but signs under another name.
        return checkpoint.size <= self.head.size and _head(checkpoint).origin == self.head.origin

    def _consistency(self, size: int) -> bytes:
        return form.hash_lines(merkle.consistency(self.tree, size, self.head.size))

    def _files(self, files: Mapping[str, Path | bytes]) -> None:
        for name in sorted(files):
            content = files[name]
            with self.zip.member(form.FILES + name) as part:
                for piece in [content] if isinstance(content, bytes) else _pieces(content):
                    part.write(piece)

    def _manifest(self, about: Mapping[str, Json]) -> bytes:
        return canonical_json(
            {
                "format": form.FORMAT,
                "about": dict(about),
                "made_at": self.made_at,
                "origin": self.head.origin,
                "checkpoint": {"size": self.head.size, "root": self.head.root.hex()},
                "range": {"first": self.scope.first, "count": self.scope.count},
                "query": {
                    "since": self.query.since,
                    "until": self.query.until,
                    "types": list(self.query.types),
                    "slack": edge_slack() if self.query.dated else 0,
                },
                "selection": {"by": "query" if self.scope.selected is None else "list", "count": self.selected},
                "disclosures": self.disclosed,
                "members": {m.name: {"size": m.size, "sha256": m.sha256} for m in self.zip.members.values()},
            }
        )

    def _readme(self) -> bytes:
        first, count, key = self.scope.first, self.scope.count, custody.log_verifier()
        text = bundlewords.README.format(
            origin=key.name,
            made_at=self.made_at,
            first=first,
            last=first + count - 1 if count else "(none)",
            count=count,
            size=self.head.size,
            selected=f"; {self.selected} of them were asked for" if self.selected != count else "",
            disclosed=self.disclosed,
            vkey=key.vkey,
            fingerprint=key.fingerprint,
        )
        return text.encode()


def _not_signed() -> Problem:
    return Problem(
        "export.not_signed", "These entries are not all signed yet", status=409, next_step="Try again in a moment."
    )


def _head(checkpoint: Checkpoint) -> notes.TreeHead:
    return notes.parse_tree_head(notes.parse(checkpoint.note).text)


def _moment(at: dt.datetime | None) -> str | None:
    """As a leaf's `ts`."""
    return f"{at.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z" if at else None


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(container.CHUNK):
            yield piece


def _plain(authority: str) -> str:
    """An authority's host name as it can stand in a member's name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", authority).lstrip("._-") or "authority"
