"""Bundles as tests want them: written of a range, read whole, and packed again with other members."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ledger import bundleformat as form
from ledger import container, custody, jcs, keys, notes, receipts, verify
from ledger.bundle import BundleScope, write_bundle
from ledger.bundletable import write_table
from ledger.models import Entry
from ledger.receipts import Disclosure

Members = dict[str, bytes]


def disclosed(first: int, count: int) -> Iterator[tuple[int, Disclosure]]:
    """Every value of these entries that is not erased."""
    rows = Entry.objects.filter(sequence__index__gte=first, sequence__index__lt=first + count)
    for row in rows.order_by("sequence__index"):
        for one in receipts.disclosures_for(row):
            yield row.sequence.index, one


def written(first: int, count: int, **more: Any) -> bytes:
    """A bundle of these entries, all of them asked for one by one, with all their values."""
    usual = {"scope": BundleScope(first, count, range(first, first + count)), "disclosures": disclosed(first, count)}
    target = io.BytesIO()
    write_bundle(target, **{**usual, "about": {"purpose": "inquiry 7"}, **more})
    return target.getvalue()


def members_of(bundle: bytes) -> Members:
    """Raises container.BadContainer."""
    archive = container.scan(io.BytesIO(bundle))
    return {name: archive.read(name) for name in archive.members}


def packed(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    writer = container.Writer(target)
    for name, data in members.items():
        writer.add(name, data)
    writer.finish()
    return target.getvalue()


def resigned(members: Members, signer: notes.Signer | None = None, /, **changes: Any) -> bytes:
    """What the holder of a signing key can make of changed members; `changes` replace members of the manifest."""
    content = {n: d for n, d in members.items() if n not in (form.MANIFEST, form.SIGNATURE)}
    manifest = json.loads(members[form.MANIFEST]) | {
        "members": {n: {"size": len(d), "sha256": form.sha256(d)} for n, d in content.items()}
    }
    raw = jcs.encode(manifest | changes)
    signature = str(notes.sign(form.signed_text(raw), signer or custody.log_signer())).encode()
    return packed({**content, form.MANIFEST: raw, form.SIGNATURE: signature})


def table_of(members: Members) -> bytes:
    """The table that goes with these leaves and disclosures, its numbers running on from the manifest's first."""
    target = io.BytesIO()
    writer = container.Writer(target)
    writer.add(form.LEAVES, members[form.LEAVES])
    writer.add(form.DISCLOSURES, members[form.DISCLOSURES])
    write_table(writer, json.loads(members[form.MANIFEST])["range"]["first"], form.Query())
    return writer.open(form.CSV).read()


def failures(data: bytes, key: keys.LogVerifier | None = None) -> dict[str, str]:
    """What does not hold, by the name of the check, each in words."""
    verdict = verify.verify_file(data, key)
    assert verdict.ok == all(check.ok for check in verdict.checks)
    return {check.name: check.message for check in verdict.checks if check.ok is False}
