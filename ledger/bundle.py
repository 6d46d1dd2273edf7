"""Bundles: a part of the log with its proofs, to be verified offline by `ledger.verify`. Format: `docs/formats.md`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from core.canonical import Json, canonical_json
from core.clock import now
from core.problems import Problem
from ledger import bundleformat as form
from ledger import container, custody, notes, proofs, reading
from ledger.keys import LogSigner
from ledger.models import Checkpoint, Entry
from ledger.receipts import Disclosure, receipt_for

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
| `checkpoint` | the signed root (C2SP tlog-checkpoint) |
| `key.txt` | the register's public key |
| `manifest.json`, `manifest.sig` | the digest of every member, signed |

To verify it, on a machine with Python 3.11 or newer and no network, with the folder `ledger/` of Assay:

    pip install pynacl
    python -m ledger.verify this-file.zip --key '{vkey}'

Compare the key's fingerprint with one that you got by another way (telephone, letter, the register's page):

    {fingerprint}

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
) -> BundleSummary:
    """Write the bundle of these indices and everything between the smallest and the largest, so that gaps cannot hide.

    entries: the indices asked for (the manifest names them as `selected`); may be empty.
    disclosures: opened sections by index, all inside the range (`receipts.disclosures_for`).
    about: what the bundle is for, as JSON; no personal data that is not in scope.
    checkpoint: the newest by default; must cover all of `entries`.
    Raises Problem when nothing is signed yet or there are more than 50,000 entries; NotFound beyond the checkpoint.
    """
    checkpoint = checkpoint or reading.latest_checkpoint()
    if checkpoint is None:
        raise Problem("export.nothing_signed", "There is nothing to export yet", status=409, detail="The log is empty.")
    selected = sorted(set(entries))
    first, count = (selected[0], selected[-1] - selected[0] + 1) if selected else (0, 0)
    if count > MAX_ENTRIES:
        raise Problem(
            "export.too_large",
            "Too many entries for one export",
            detail=f"These are {count} entries; one export holds at most {MAX_ENTRIES}.",
            next_step="Choose a shorter time, and make several exports.",
        )
    signer = custody.log_signer()
    leaves, proof_texts = _leaves_and_proofs(first, count, checkpoint)
    opened = _disclosure_rows(disclosures, range(first, first + count))
    made_at = now().strftime("%Y-%m-%dT%H:%M:%SZ")
    facts: dict[str, int | str] = {
        "made_at": made_at,
        "first": first,
        "count": count,
        "size": checkpoint.size,
        "disclosed": len(opened),
    }
    members = {
        form.README: _readme(facts, selected, signer),
        form.CHECKPOINT: checkpoint.note.encode(),
        form.KEYS: f"{signer.verifier.vkey}\n".encode(),
        form.LEAVES: form.join_lines(leaves),
        form.CSV: form.entries_csv(first, leaves, opened),
        form.DISCLOSURES: form.join_lines(canonical_json(row) for row in opened),
        **{form.proof_name(index): text.encode() for index, text in enumerate(proof_texts, first)},
    }
    manifest = canonical_json(
        {
            "format": form.FORMAT,
            "about": dict(about),
            "made_at": made_at,
            "origin": signer.name,
            "checkpoint": {"size": checkpoint.size, "root": bytes(checkpoint.root).hex()},
            "range": {"first": first, "count": count},
            "selected": selected,
            "disclosures": len(opened),
            "members": {name: {"size": len(data), "sha256": form.sha256(data)} for name, data in members.items()},
        }
    )
    signature = str(notes.sign(form.signed_text(manifest), signer)).encode()
    container.write(target, [(form.MANIFEST, manifest), (form.SIGNATURE, signature), *members.items()])
    return BundleSummary(
        first, count, len(opened), checkpoint.size, bytes(checkpoint.root).hex(), form.sha256(manifest)
    )


def _leaves_and_proofs(first: int, count: int, checkpoint: Checkpoint) -> tuple[list[bytes], list[str]]:
    leaves, texts, node = [], [], proofs.nodes()
    for entry in _in_range(first, count):
        receipt = receipt_for(entry, checkpoint=checkpoint, node=node)
        if receipt is None:
            break
        leaves.append(receipt.leaf)
        texts.append(receipt.as_tlog_proof())
    if len(leaves) != count:
        raise Problem(
            "export.not_signed", "These entries are not all signed yet", status=409, next_step="Try again in a moment."
        )
    return leaves, texts


def _in_range(first: int, count: int) -> Iterator[Entry]:
    rows = Entry.objects.select_related("sequence").filter(
        sequence__index__gte=first, sequence__index__lt=first + count
    )
    return rows.order_by("sequence__index").iterator(_CHUNK)


def _disclosure_rows(disclosures: Mapping[int, Sequence[Disclosure]], scope: range) -> list[dict[str, Json]]:
    rows: list[dict[str, Json]] = []
    for index in sorted(disclosures):
        if index not in scope:
            raise ValueError(f"a disclosure of entry {index} is outside of the bundle")
        rows += [{"index": index, **one.as_dict()} for one in sorted(disclosures[index], key=lambda one: one.name)]
    return rows


def _readme(facts: Mapping[str, int | str], selected: Sequence[int], signer: LogSigner) -> bytes:
    first, count = int(facts["first"]), int(facts["count"])
    asked = f"; {len(selected)} of them were asked for" if len(selected) != count else ""
    verifier = signer.verifier
    text = README.format(
        **facts,
        origin=signer.name,
        last=first + count - 1 if count else "(none)",
        selected=asked,
        vkey=verifier.vkey,
        fingerprint=verifier.fingerprint,
    )
    return text.encode()
