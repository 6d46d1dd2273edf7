"""The writer of bundles: what goes in, that it verifies, and what it says of an earlier bundle, witnesses and time."""

import datetime as dt
import json
from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import User
from core.problems import Problem
from ledger import bundleformat as form
from ledger import custody, log, merkle, notes, reading, rotation, sequencer, timestamping, verify
from ledger.events import EventType
from ledger.models import Checkpoint, Entry, LogKey
from policy.audits.exports import open_export
from tests.ledger.bundles import failures, members_of, written
from tests.ledger.conftest import Record
from tests.policy.bundles import taken

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]


def said(data: bytes, check: str) -> str:
    (found,) = (one.message for one in verify.verify_file(data).checks if one.name == check)
    return found


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint.objects.get(size=size)


def test_the_members_are_those_of_the_format_in_its_order(signed_log: Grow) -> None:
    signed_log(4)
    data = written(1, 2)
    assert list(members_of(data)) == [
        *("leaves.jsonl", "disclosures.jsonl", "entries.csv", "selected.jsonl", "range-proof", "checkpoint", "policy"),
        *("rotations", "README.md", "schema.json", "manifest.json", "manifest.sig"),
    ]
    assert failures(data, custody.log_verifier()) == {}


def test_the_readme_names_both_verifiers_and_the_check_of_a_stamp(signed_log: Grow) -> None:
    signed_log(1)
    readme = members_of(written(0, 1))[form.README].decode()
    for words in ("python -m ledger.verify", "contrib/verify-go", "openssl ts -verify", custody.log_verifier().vkey):
        assert words in readme
    assert "{" not in readme


def test_a_bundle_shows_that_it_continues_an_earlier_one(signed_log: Grow) -> None:
    signed_log(3)
    signed_log(4)
    data = written(2, 3, previous=checkpoint(3))
    members = members_of(data)
    assert members[form.PREVIOUS_CHECKPOINT].decode() == checkpoint(3).note
    old, new = (notes.parse_tree_head(notes.parse(checkpoint(size).note).text) for size in (3, 7))
    proof = form.parse_hashes(members[form.PREVIOUS_CONSISTENCY])
    merkle.verify_consistency(3, old.root, 7, new.root, proof)
    assert failures(data, custody.log_verifier()) == {}
    assert "3 entries" in said(data, "earlier export")


def test_the_same_state_twice_needs_no_proof_and_still_verifies(signed_log: Grow) -> None:
    signed_log(3)
    data = written(0, 3, previous=checkpoint(3))
    assert members_of(data)[form.PREVIOUS_CONSISTENCY] == b""
    assert failures(data) == {}


def test_a_later_checkpoint_is_not_taken_for_an_earlier_one(signed_log: Grow) -> None:
    signed_log(3)
    signed_log(2)
    data = written(0, 2, checkpoint=checkpoint(3), previous=checkpoint(5))
    assert form.PREVIOUS_CHECKPOINT not in members_of(data)
    assert failures(data) == {}


def test_the_newest_stamp_up_to_the_checkpoint_goes_along(signed_log: Grow) -> None:
    signed_log(2)
    timestamping.stamp()
    signed_log(1)
    data = written(0, 3)
    members = members_of(data)
    assert members[form.STAMPS_CHECKPOINT].decode() == checkpoint(2).note
    assert members[form.stamp_name("own")] == bytes(checkpoint(2).stamps.get().token)
    assert failures(data, custody.log_verifier()) == {}
    assert "own at" in said(data, "time stamps")
    timestamping.stamp()
    assert members_of(written(0, 2, checkpoint=checkpoint(2)))[form.STAMPS_CONSISTENCY] == b""


def test_an_authoritys_name_becomes_a_members_name(signed_log: Grow) -> None:
    signed_log(2)
    timestamping.stamp()
    own = checkpoint(2).stamps.get()
    checkpoint(2).stamps.create(authority="time.example:8080", token=own.token, at=own.at)
    data = written(0, 2)
    assert "stamps/time.example-8080.tsr" in members_of(data)
    assert failures(data) == {}


def test_after_a_rotation_the_old_key_still_verifies_a_new_bundle(signed_log: Grow, record: Record) -> None:
    signed_log(2)
    old = custody.log_verifier()
    rotation.rotate(dt.timedelta(0))
    record()
    sequencer.tick()
    assert LogKey.objects.count() == 2
    data = written(0, 3)
    assert len(form.split_notes(members_of(data)[form.ROTATIONS])) == 1
    for key in (old, custody.log_verifier()):
        assert failures(data, key) == {}


def test_an_entry_that_is_not_signed_cannot_be_exported(signed_log: Grow, record: Record) -> None:
    signed_log(2)
    record()
    for more in ({}, {"checkpoint": checkpoint(2)}):
        with pytest.raises(Problem, match="not all signed"):
            written(0, 3, **more)
    signed_log(1)
    with pytest.raises(Problem, match="not all signed"):
        written(0, 3, checkpoint=checkpoint(2))


def test_the_next_export_of_a_regulator_continues_their_last_one(signed_log: Grow, greta: User) -> None:
    signed_log(3)
    first = taken(greta, purpose="The first quarter’s audit")
    sequencer.tick()
    second = taken(greta, purpose="The second quarter’s audit")
    with open_export(first, greta) as file:
        assert form.PREVIOUS_CHECKPOINT not in members_of(file.read())
    with open_export(second, greta) as file:
        data = file.read()
    assert members_of(data)[form.PREVIOUS_CHECKPOINT].decode().split("\n")[1] == str(first.tree_size)
    assert failures(data, custody.log_verifier()) == {}
    assert json.loads(members_of(data)[form.MANIFEST])["checkpoint"]["size"] == second.tree_size


def test_proofs_of_many_tiles_hold(record: Record) -> None:
    with transaction.atomic():
        for _ in range(600):
            log.append(EventType.ASSET_REGISTERED, actor="system", role="system")
    sequencer.tick()
    data = written(250, 300)
    assert failures(data, custody.log_verifier()) == {}
    assert reading.signed_size() == 600
