"""Bundles: a part of the log with its proofs, to be verified offline by `ledger.verify`. Format: `docs/formats.md`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO

from core.canonical import Json, canonical_json
from core.clock import now
from core.problems import Problem
from ledger import bundleformat as form
from ledger import container, custody, keys, merkle, notes, proofs, reading
from ledger.models import Checkpoint, Entry, Stamp
from ledger.receipts import Disclosure

# A bundle is checked in memory by whoever receives it; beyond this, export in parts.
MAX_ENTRIES = 50_000
_CHUNK = 2000

README = """# An extract from a public register of media

This file was written by the register **{origin}** at {made_at}. It holds {count} entries of the register,
numbers {first} to {last}, without a gap{selected}, as they were when the register had {size} entries.

**You need not believe us, or this text.** The register signs its whole content, again and again, as one number (the
“root”). Each entry here comes with a proof that it is part of that number, so that nothing in it can have been changed,
removed or moved since.

| member | what it is |
|---|---|
| `entries.csv` | the entries as a table, for reading |
| `leaves.jsonl` | the entries exactly as they were recorded, one a line; these bytes are what is proved |
| `disclosures.jsonl` | {disclosed} sealed values, opened; the salt shows that each is the one recorded |
| `proofs/` | one proof an entry (C2SP tlog-proof) |
| `checkpoint` | the signed root (C2SP tlog-checkpoint), with the signatures of witnesses, if there are any |
| `policy` | the register's public keys, and who witnesses it (C2SP tlog-policy) |
| `rotations` | how each key of the register took over from the one before |
| `previous/` | if it is there: the proof that nothing in an earlier extract was changed since |
| `stamps/` | if it is there: when an authority of time saw the register (RFC 3161) |
| `manifest.json`, `manifest.sig` | the digest of every member, signed |

## To verify it

Two programs check everything, without a network. Either, on a machine with Python 3.11 or newer, with the folder
`ledger/` of Assay:

    pip install pynacl
    python -m ledger.verify this-file.zip --key '{vkey}'

or the one in `contrib/verify-go/` of Assay, which shares no code with the first, on a machine with Go:

    verify-go --key '{vkey}' this-file.zip

Compare the key's fingerprint with one that you got by another way (telephone, letter, the register's page):

    {fingerprint}

A time stamp's own signature is checked with the certificate of its authority, which you need from elsewhere:

    unzip this-file.zip
    openssl ts -verify -data stamps/checkpoint -in stamps/NAME.tsr -CAfile authority.crt

A value that is sealed and not disclosed here shows only as a commitment; so does one that was erased at a person's
request. Neither makes any check fail.
"""


@dataclass(frozen=True)
class BundleSummary:
    """first, count: the range of indices. manifest_sha256: hex; names the bundle for ever."""

    first: int
    count: int
    disclosures: int
    size: int
    root: str
    manifest_sha256: str


def write_bundle(
    target: IO[bytes],
    *,
    entries: Sequence[int],
    disclosures: Mapping[int, Sequence[Disclosure]],
    about: Mapping[str, Json],
    checkpoint: Checkpoint | None = None,
    previous: Checkpoint | None = None,
) -> BundleSummary:
    """Write the bundle of these indices and everything between the smallest and the largest, so that gaps cannot hide.

    entries: the indices asked for (the manifest names them as `selected`); may be empty.
    disclosures: opened sections by index, all inside the range (`receipts.disclosures_for`).
    about: what the bundle is for, as JSON; no personal data that is not in scope.
    checkpoint: the newest by default; must cover all of `entries`.
    previous: that of the reader's last bundle, to show that the log only grew since.
    Raises Problem when nothing is signed yet or there are more than 50,000 entries; NotFound beyond the checkpoint.
    """
    checkpoint = checkpoint or reading.latest_checkpoint()
    if checkpoint is None:
        raise Problem("export.nothing_signed", "There is nothing to export yet", status=409, detail="The log is empty.")
    scope = _Scope(checkpoint, sorted(set(entries)), now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    opened = _disclosure_rows(disclosures, scope.indices)
    signer = custody.log_signer()
    members = _members(scope, opened, previous, signer.verifier)
    digests = {name: _digest(data) for name, data in chain(members.items(), _proofs(scope))}
    manifest = _manifest(scope, about, len(opened), digests)
    signature = str(notes.sign(form.signed_text(manifest), signer)).encode()
    first_two = [(form.MANIFEST, manifest), (form.SIGNATURE, signature)]
    container.write(target, chain(first_two, members.items(), _proofs(scope)))
    first, count = scope.indices.start, len(scope.indices)
    return BundleSummary(first, count, len(opened), scope.head.size, scope.head.root.hex(), form.sha256(manifest))


class _Scope:
    """What a bundle is of: the indices in it, those that were asked for, and the tree they are proved in."""

    def __init__(self, checkpoint: Checkpoint, selected: Sequence[int], made_at: str) -> None:
        first, count = _range(selected)
        self.indices, self.selected, self.made_at = range(first, first + count), selected, made_at
        self.head, self.checkpoint = _head(checkpoint), reading.checkpoint_text(checkpoint)
        self.tree = proofs.nodes(checkpoint.size)


def _members(
    scope: _Scope, opened: Sequence[Mapping[str, Json]], previous: Checkpoint | None, key: keys.LogVerifier
) -> dict[str, bytes]:
    """Every member between the manifest's signature and the proofs, in the order of the format."""
    leaves = _leaves(scope)
    return {
        form.README: _readme(scope, len(opened), key),
        form.CHECKPOINT: scope.checkpoint.encode(),
        form.POLICY: reading.policy().text().encode(),
        form.ROTATIONS: form.join_notes(custody.rotations()),
        form.LEAVES: form.join_lines(leaves),
        form.CSV: form.entries_csv(scope.indices.start, leaves, opened),
        form.DISCLOSURES: form.join_lines(canonical_json(row) for row in opened),
        **_previous(previous, scope),
        **_stamps(scope),
    }


def _proofs(scope: _Scope) -> Iterator[tuple[str, bytes]]:
    """Made twice, for the manifest and for the file, and never held together: each one has the whole checkpoint."""
    for index in scope.indices:
        yield form.proof_name(index), _proof(index, scope)


def _digest(data: bytes) -> Json:
    return {"size": len(data), "sha256": form.sha256(data)}


def _manifest(scope: _Scope, about: Mapping[str, Json], disclosures: int, members: dict[str, Json]) -> bytes:
    return canonical_json(
        {
            "format": form.FORMAT,
            "about": dict(about),
            "made_at": scope.made_at,
            "origin": scope.head.origin,
            "checkpoint": {"size": scope.head.size, "root": scope.head.root.hex()},
            "range": {"first": scope.indices.start, "count": len(scope.indices)},
            "selected": scope.selected,
            "disclosures": disclosures,
            "members": members,
        }
    )


def _range(selected: Sequence[int]) -> tuple[int, int]:
    """The first index and how many from it on. Raises Problem when they are too many."""
    if not selected:
        return 0, 0
    count = selected[-1] - selected[0] + 1
    if count > MAX_ENTRIES:
        raise Problem(
            "export.too_large",
            "Too many entries for one export",
            detail=f"These are {count} entries; one export holds at most {MAX_ENTRIES}.",
            next_step="Choose a shorter time, and make several exports.",
        )
    return selected[0], count


def _head(checkpoint: Checkpoint) -> notes.TreeHead:
    return notes.parse_tree_head(notes.parse(checkpoint.note).text)


def _leaves(scope: _Scope) -> list[bytes]:
    first, end = scope.indices.start, scope.indices.stop
    rows = Entry.objects.filter(sequence__index__gte=first, sequence__index__lt=end).order_by("sequence__index")
    leaves = [bytes(leaf) for leaf in rows.values_list("leaf", flat=True).iterator(_CHUNK)]
    if len(leaves) != end - first or end > scope.head.size:
        raise Problem(
            "export.not_signed", "These entries are not all signed yet", status=409, next_step="Try again in a moment."
        )
    return leaves


def _proof(index: int, scope: _Scope) -> bytes:
    path = proofs.path_to_root(index, scope.tree)
    return str(notes.LoggedProof(index, tuple(path), scope.checkpoint)).encode()


def _previous(previous: Checkpoint | None, scope: _Scope) -> dict[str, bytes]:
    if previous is None or not _is_earlier(previous, scope.head):
        return {}
    return {
        form.PREVIOUS_CHECKPOINT: reading.checkpoint_text(previous).encode(),
        form.PREVIOUS_CONSISTENCY: _consistency(previous.size, scope),
    }


def _stamps(scope: _Scope) -> dict[str, bytes]:
    """The newest time-stamped checkpoint up to this one, as it was stamped, and its stamps; empty if there is none."""
    newest = Stamp.objects.filter(checkpoint__size__lte=scope.head.size).order_by("-checkpoint_id").first()
    if newest is None or not _is_earlier(newest.checkpoint, scope.head):
        return {}
    stamped = newest.checkpoint
    responses = {_plain(stamp.authority): bytes(stamp.token) for stamp in stamped.stamps.all()}
    return {
        # Without cosignatures: those came later than the stamp, and are not what it is over.
        form.STAMPS_CHECKPOINT: stamped.note.encode(),
        form.STAMPS_CONSISTENCY: _consistency(stamped.size, scope),
        **{form.stamp_name(authority): responses[authority] for authority in sorted(responses)},
    }


def _is_earlier(checkpoint: Checkpoint, head: notes.TreeHead) -> bool:
    # A log that succeeded another one keeps its tree, but signs under another name.
    return checkpoint.size <= head.size and _head(checkpoint).origin == head.origin


def _consistency(size: int, scope: _Scope) -> bytes:
    return form.consistency_bytes(merkle.consistency(scope.tree, size, scope.head.size))


def _plain(authority: str) -> str:
    """An authority's host name as it can stand in a member's name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", authority).lstrip("._-") or "authority"


def _disclosure_rows(disclosures: Mapping[int, Sequence[Disclosure]], scope: range) -> list[dict[str, Json]]:
    rows: list[dict[str, Json]] = []
    for index in sorted(disclosures):
        if index not in scope:
            raise ValueError(f"a disclosure of entry {index} is outside of the bundle")
        rows += [{"index": index, **one.as_dict()} for one in sorted(disclosures[index], key=lambda one: one.name)]
    return rows


def _readme(scope: _Scope, disclosed: int, key: keys.LogVerifier) -> bytes:
    count = len(scope.indices)
    text = README.format(
        origin=key.name,
        made_at=scope.made_at,
        first=scope.indices.start,
        last=scope.indices[-1] if count else "(none)",
        count=count,
        size=scope.head.size,
        selected=f"; {len(scope.selected)} of them were asked for" if len(scope.selected) != count else "",
        disclosed=disclosed,
        vkey=key.vkey,
        fingerprint=key.fingerprint,
    )
    return text.encode()
