"""No byte of an export or a receipt can change unseen: each is changed, and both verifiers look."""

import json
import os
import random

import pytest

from ledger import keys, verify
from tests.ledger import forge
from tests.ledger.verifiers import Both, Patch, difference, patched

pytestmark = pytest.mark.xdist_group("mutations")


def each_bit(data: bytes) -> list[Patch]:
    """Every file that differs from this one in a single bit."""
    return [{at: bytes([data[at] ^ 1 << bit])} for at in range(len(data)) for bit in range(8)]


@pytest.fixture(scope="module")
def small() -> bytes:
    """Three of seven entries, with a value disclosed of each, a cosignature, a rotation, an earlier export, stamps."""
    return forge.bundle(forge.Log(7), 2, 3, previous=3, stamped=5, files={"report.pdf": b"%PDF-"})


def test_the_small_export_verifies_untouched_and_holds_every_kind_of_member(both: Both, small: bytes) -> None:
    assert both.accept(small)
    names = set(forge.unpacked(small))
    assert {"policy", "rotations", "previous/consistency", "stamps/consistency", "stamps/own.tsr"} < names
    assert len(names) == 19


def test_every_changed_bit_of_a_small_export_is_rejected_by_both(both: Both, small: bytes) -> None:
    patches = each_bit(small)
    assert len(patches) == 8 * len(small)
    assert both.survivors(small, patches) == []


def test_every_changed_bit_of_a_receipt_is_rejected_or_in_what_the_office_says_of_its_witnesses(both: Both) -> None:
    """The enclosed policy is information; what it may say differently changes neither entry nor proof nor key."""
    receipt = forge.receipt(forge.Log(7), 3)
    whole = json.loads(receipt)
    for patch in both.survivors(receipt, each_bit(receipt)):
        found = json.loads(patched(receipt, patch))
        assert {name for name in whole if found[name] != whole[name]} == {"policy"}, patch
        assert found["policy"].splitlines()[0] == whole["policy"].splitlines()[0], patch


def test_thousands_of_random_changes_of_a_large_export_are_rejected_by_both(both: Both) -> None:
    """Ten thousand under `make load`."""
    large = forge.bundle(forge.Log(1200), 200, 800, previous=120, stamped=1160)
    assert len(large) > 500_000
    assert both.accept(large)
    chance = random.Random(11)
    patches = []
    for _ in range(10_000 if "ASSAY_LOAD" in os.environ else 2_000):
        at = chance.randrange(len(large))
        patches.append({at: bytes([large[at] ^ chance.randrange(1, 256)])})
    assert both.survivors(large, patches) == []


def test_members_changed_by_the_holder_of_the_key_are_judged_alike_by_both(both: Both, small: bytes) -> None:
    """With new digests and a new signature the change reaches the check of its own member: what lies behind the zip
    file, the digests and the manifest's signature is compared, too. Only what is not proved may change: the text for
    people, and what is said of witnesses and authorities."""
    members, chance = forge.unpacked(small), random.Random(12)
    patches, changed = [], []
    for name in [name for name in members if not name.startswith("manifest.")]:
        for _ in range(160):
            at = chance.randrange(len(members[name]))
            data = patched(members[name], {at: bytes([members[name][at] ^ 1 << chance.randrange(7)])})
            patches.append(difference(small, forge.resealed(members | {name: data})))
            changed.append(name)
    survivors = both.survivors(small, patches)
    accepted = {name for name, patch in zip(changed, patches, strict=True) if patch in survivors}
    assert "README.md" in accepted
    # A checkpoint's cosignature under a name that nobody knows, and what an authority says beside the digest
    # (its own signature is for whoever has its certificate), are not checked here.
    told = {"README.md", "schema.json", "files/report.pdf"}
    assert accepted <= {*told, "policy", "checkpoint", "previous/checkpoint", "stamps/own.tsr", "stamps/eu-tsa.tsr"}


def test_stopping_at_the_first_failure_gives_the_same_verdict(small: bytes) -> None:
    chance, key = random.Random(13), keys.parse_vkey(forge.LOG.vkey)
    assert verify.verify_file(small, key, thorough=False).ok
    for _ in range(300):
        at = chance.randrange(len(small))
        damaged = patched(small, {at: bytes([small[at] ^ 1 << chance.randrange(8)])})
        brief, thorough = (verify.verify_file(damaged, key, thorough=mode) for mode in (False, True))
        assert brief.ok == thorough.ok
        assert next(check.name for check in thorough.checks if not check.ok) == brief.checks[-1].name
