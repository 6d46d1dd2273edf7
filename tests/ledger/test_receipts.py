"""What is handed out: the acknowledgement at once, then the receipt, as JSON, tlog-proof and COSE, and cosigned."""

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import nacl.signing
import pytest
from django.db import transaction
from django.test import Client

from accounts.models import User
from core.problems import Problem
from ledger import (
    acknowledgements,
    cose,
    custody,
    keys,
    log,
    merkle,
    notes,
    proofs,
    reading,
    receipts,
    sequencer,
    vault,
    verify,
)
from ledger.events import EventType
from ledger.models import Checkpoint, Cosignature, Entry, Tile
from tests.append_only import protect, unprotect
from tests.ledger.conftest import ALICE, DANA, Record
from tests.ledger.cosigners import Witnesses

pytestmark = pytest.mark.django_db

MEMBERS = "format index leaf leaf_hash entry disclosures proof checkpoint tlog_proof policy rotations"
Grow = Callable[[int], list[Entry]]


def receipt_of(entry: Entry, **more: Any) -> receipts.Receipt:
    found = receipts.receipt_for(Entry.objects.get(pk=entry.pk), **more)
    assert found is not None
    return found


def failures(data: bytes, **trust: Any) -> dict[str, str]:
    return {one.name: one.message for one in verify.verify_file(data, **trust).checks if one.ok is False}


# --- The acknowledgement -------------------------------------------------------------------------------------------


def test_an_entry_is_acknowledged_before_it_has_an_index(record: Record) -> None:
    entry = record()
    promised = acknowledgements.acknowledge(entry)
    lines = notes.parse(promised.promise).text.splitlines()
    assert lines[:2] == ["assay-promise/1", "assay.localhost/log"]
    assert base64.b64decode(lines[2]) == promised.leaf_hash == merkle.leaf_hash(bytes(entry.leaf))
    assert lines[3] == json.loads(bytes(entry.leaf))["ts"]
    assert lines[4] == "3600"
    assert verify.verify_file(promised.as_json(), custody.log_verifier()).ok


def test_the_promise_is_the_same_whenever_it_is_asked_for(record: Record, settings: Any) -> None:
    settings.ASSAY_LOG_MMD = 60
    entry = record()
    before = acknowledgements.acknowledge(entry)
    sequencer.tick()
    assert acknowledgements.acknowledgement_of(entry.pk) == before
    assert "\n60\n" in before.promise


def test_nothing_is_promised_that_may_still_be_rolled_back(record: Record) -> None:
    with transaction.atomic():
        entry = log.append(EventType.ASSET_REGISTERED, actor="system", role="system")
        with pytest.raises(acknowledgements.NotCommitted):
            acknowledgements.acknowledge(entry)


def test_anybody_who_knows_the_number_gets_the_acknowledgement(record: Record, api: Any) -> None:
    entry = record()
    answer = api().get(f"/api/v1/log/acknowledgements/{entry.pk}")
    assert answer.content == acknowledgements.acknowledge(entry).as_json()
    assert json.loads(answer.content)["entry"] == entry.pk
    for missing in (entry.pk + 1, 10**30):
        assert api().get(f"/api/v1/log/acknowledgements/{missing}").status_code == 404


def test_without_the_promise_key_the_office_says_so_and_loses_nothing(record: Record, settings: Any, api: Any) -> None:
    entry = record()
    acknowledgements.acknowledge(entry)
    for file in settings.ASSAY_KEYS.glob("promise*.key"):
        kept = file.read_bytes()
        file.unlink()
    try:
        answer = api().get(f"/api/v1/log/acknowledgements/{entry.pk}")
    finally:
        file.write_bytes(kept)
        file.chmod(0o600)
    assert (answer.status_code, answer.json()["code"]) == (503, "log.no_promise")


# --- The receipt ---------------------------------------------------------------------------------------------------


def test_the_receipt_is_canonical_and_its_members_are_those_of_the_format(signed_log: Grow) -> None:
    receipt = receipt_of(signed_log(5)[2])
    fields = json.loads(receipt.as_json())
    assert set(fields) == set(MEMBERS.split())
    assert receipt.as_json() == json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert fields["policy"].startswith(f"log {custody.log_verifier().vkey}")
    assert fields["policy"].endswith("quorum none\n")
    assert failures(receipt.as_json(), trusted=custody.log_verifier()) == {}


def test_who_is_signed_in_sees_their_own_sections_and_nobody_elses(alice: User, bob: User, api: Any) -> None:
    with transaction.atomic():
        log.append(
            EventType.ASSET_REGISTERED,
            actor=alice.actor,
            role="creator",
            sealed={"title": log.Sealed("Sunset", alice.actor), "shown": log.Sealed("Dana", DANA)},
        )
    sequencer.tick()
    address = "/api/v1/log/entries/0/receipt"
    own = json.loads(api(alice).get(address).content)
    assert [(one["name"], one["value"]) for one in own["disclosures"]] == [("actor", alice.actor), ("title", "Sunset")]
    assert failures(api(alice).get(address).content, trusted=custody.log_verifier()) == {}
    for stranger in (api(), api(bob)):
        assert json.loads(stranger.get(address).content)["disclosures"] == []
    vault.destroy(alice.actor)
    assert json.loads(api(alice).get(address).content)["disclosures"] == []


def test_a_machines_token_opens_nothing(alice: User, api: Any) -> None:
    from accounts.models import MachineToken, Scope

    with transaction.atomic():
        log.append(EventType.ASSET_REGISTERED, actor=alice.actor, role="creator")
    sequencer.tick()
    tokens: Any = MachineToken.objects
    _, token = tokens.create(alice, name="camera", scopes=list(Scope))
    answer = api().get("/api/v1/log/entries/0/receipt", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert json.loads(answer.content)["disclosures"] == []


def test_a_receipt_that_does_not_lead_to_the_signed_root_is_never_given_out(signed_log: Grow) -> None:
    rows = signed_log(3)
    unprotect()
    try:
        Tile.objects.filter(level=0, n=0).update(data=b"x" * 96)
        with pytest.raises(Problem, match=r"log\.damaged"):
            receipts.receipt_for(Entry.objects.get(pk=rows[0].pk))
    finally:
        protect()


def test_tiles_folded_from_another_database_do_no_harm(signed_log: Grow) -> None:
    rows = signed_log(3)
    entry = Entry.objects.get(pk=rows[0].pk)
    right = receipt_of(entry).proof
    for folded in proofs._cache._partial.values():
        folded._rows = [b"x" * len(row) for row in folded._rows]
    assert receipt_of(entry).proof == right


# --- Cosigned ------------------------------------------------------------------------------------------------------


@pytest.fixture
def witnesses(tmp_path: Path, settings: Any) -> Witnesses:
    return Witnesses(tmp_path, settings, threshold=2)


def newest() -> Checkpoint:
    found = reading.latest_checkpoint()
    assert found is not None
    return found


def test_without_witnesses_there_is_no_cosigned_receipt(signed_log: Grow, api: Any) -> None:
    signed_log(1)
    answer = api().get("/api/v1/log/entries/0/receipt?checkpoint=cosigned")
    assert (answer.status_code, answer.json()["code"]) == (404, "receipt.not_cosigned")
    assert "newest checkpoint" in answer.json()["next_step"]
    assert api().get("/api/v1/log/entries/0/receipt?checkpoint=x").status_code == 400


def test_the_cosigned_receipt_is_under_the_newest_checkpoint_with_a_quorum(
    signed_log: Grow, witnesses: Witnesses, api: Any
) -> None:
    signed_log(2)
    witnesses.cosign(newest(), 0, 1)
    signed_log(1)
    witnesses.cosign(newest(), 0)
    signed_log(1)
    body = json.loads(api().get("/api/v1/log/entries/1/receipt?checkpoint=cosigned").content)
    assert body["checkpoint"].split("\n")[1] == "2"
    assert json.loads(api().get("/api/v1/log/entries/1/receipt").content)["checkpoint"].split("\n")[1] == "4"
    assert api().get("/api/v1/log/entries/2/receipt?checkpoint=cosigned").status_code == 404
    data = api().get("/api/v1/log/entries/1/receipt?checkpoint=cosigned").content
    assert failures(data, policy=reading.policy()) == {}
    assert "witnesses" in failures(api().get("/api/v1/log/entries/1/receipt").content, policy=reading.policy())


def test_the_published_checkpoint_carries_each_witness_once_and_after_the_log(
    signed_log: Grow, witnesses: Witnesses, client: Client
) -> None:
    signed_log(1)
    witnesses.cosign(newest(), 1, 0)
    (again,) = Cosignature.objects.filter(name="greta.example/witness")
    line = notes.parse_signature(again.line)
    later = notes.Signature(line.name, line.key_id, (again.timestamp + 9).to_bytes(8, "big") + line.signature[8:])
    newest().cosignatures.create(name=again.name, key_id=again.key_id, line=later.line(), timestamp=again.timestamp + 9)
    published = notes.parse(client.get("/log/checkpoint").content)
    names = [one.name for one in published.signatures]
    assert names == ["assay.localhost/log", "greta.example/witness", "paper.example/witness"]
    assert published.signatures[1] == later


def test_a_cosignature_that_was_changed_in_the_database_does_not_count(signed_log: Grow, witnesses: Witnesses) -> None:
    signed_log(1)
    witnesses.cosign(newest(), 0)
    witnesses.cosign(newest(), 1)
    assert reading.latest_cosigned() == newest()
    unprotect()
    try:
        row = Cosignature.objects.get(name="paper.example/witness")
        line = notes.parse_signature(row.line)
        forged = notes.Signature(line.name, line.key_id, line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
        Cosignature.objects.filter(pk=row.pk).update(line=forged.line())
        assert reading.latest_cosigned() is None
        assert reading.confirmations(reading.checkpoint_text(newest())) == []
    finally:
        protect()


def test_the_policy_is_published_with_key_witnesses_and_quorum(witnesses: Witnesses, client: Client) -> None:
    text = client.get("/log/policy").content.decode()
    assert text.splitlines()[0].startswith(f"log {custody.log_verifier().vkey} ")
    assert [one.verifier for one in witnesses.signers] == [one.verifier for one in reading.policy().witnesses.values()]
    assert text.endswith("group both 2 w0 w1\nquorum both\n")


def test_a_damaged_policy_file_is_a_problem_in_words(
    signed_log: Grow, witnesses: Witnesses, settings: Any, api: Any
) -> None:
    signed_log(1)
    Path(settings.ASSAY_LOG_POLICY).write_text("quorum nobody\n")
    answer = api().get("/api/v1/log/entries/0/receipt")
    assert (answer.status_code, answer.json()["code"]) == (503, "log.policy")


# --- COSE ----------------------------------------------------------------------------------------------------------


def test_an_independent_cbor_library_reads_the_receipt_as_rfc_9942_says(signed_log: Grow) -> None:
    receipt = receipt_of(signed_log(5)[3])
    message = cbor2.loads(receipt.as_cose())
    assert message.tag == 18
    protected, unprotected, payload, signature = message.value
    verifier = custody.log_verifier()
    assert cbor2.loads(protected) == {1: -8, 4: verifier.key_id.to_bytes(4, "big"), 395: 1}
    assert payload is None
    assert list(unprotected) == [396]
    size, index, path = cbor2.loads(unprotected[396][-1][0])
    assert (size, index, path) == (5, 3, receipt.proof)
    root = merkle.root_from_inclusion(merkle.leaf_hash(receipt.leaf), index, size, path)
    signed = cbor2.dumps(["Signature1", protected, b"", root], canonical=True)
    nacl.signing.VerifyKey(verifier.public_key).verify(signed, signature)


def test_the_cose_receipt_verifies_for_its_own_leaf_only(signed_log: Grow, api: Any) -> None:
    rows = signed_log(5)
    answer = api().get("/api/v1/log/entries/3/receipt.cose", HTTP_ACCEPT="application/cose")
    assert answer["Content-Type"] == "application/cose"
    found = cose.verify(answer.content, bytes(rows[3].leaf_hash), custody.log_verifier())
    assert (found.index, found.size) == (3, 5)
    with pytest.raises(cose.BadCose, match="not over the root"):
        cose.verify(answer.content, bytes(rows[2].leaf_hash), custody.log_verifier())
    other = keys.LogSigner("mallory.example/log", b"m" * 32).verifier
    with pytest.raises(cose.BadCose, match="another key"):
        cose.verify(answer.content, bytes(rows[3].leaf_hash), other)


def test_no_changed_byte_of_a_cose_receipt_is_accepted(signed_log: Grow) -> None:
    rows = signed_log(5)
    data, verifier = receipt_of(rows[3]).as_cose(), custody.log_verifier()
    for place in range(len(data)):
        for bit in (0, 3, 7):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises((cose.BadCose, merkle.ProofError)):
                cose.verify(bytes(changed), bytes(rows[3].leaf_hash), verifier)
    for cut in (data[:-1], data + b"\0", b"", b"\xd2"):
        with pytest.raises(cose.BadCose):
            cose.verify(cut, bytes(rows[3].leaf_hash), verifier)


def test_random_bytes_never_crash_the_cbor_reader() -> None:
    chance = random.Random(7)
    for start in (b"", b"\xd2\x84", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x81" * 40, b"\xa1\xa1"):
        for _ in range(200):
            with pytest.raises(cose.BadCose):
                cose.parse(start + chance.randbytes(chance.randrange(80)))


@pytest.mark.parametrize("value", [0, 23, 24, 255, 256, 65535, 65536, 2**32, 2**63, -1, -24, -25, -(2**40)])
def test_numbers_are_written_as_cbor2_writes_them(value: int) -> None:
    for each in (value, [value], {value: [b"x" * 300, "é", None]}):
        assert cose.encode(each) == cbor2.dumps(each, canonical=True)
        assert cose.decode(cose.encode(each)) == each


@pytest.mark.parametrize(
    "longer", ["1800", "190017", "5800", "9800", "a2000000 00", "a201000000", "f7", "f4", "fb" + "00" * 8]
)
def test_what_could_be_written_shorter_or_otherwise_is_refused(longer: str) -> None:
    with pytest.raises(cose.BadCose):
        cose.decode(bytes.fromhex(longer.replace(" ", "")))


def test_the_logs_key_signs_no_root_that_it_has_not_signed_before(signed_log: Grow) -> None:
    receipt = receipt_of(signed_log(2)[0])
    tree = notes.TreeHead("assay.localhost/log", 2, b"m" * 32)
    mallory = keys.LogSigner("assay.localhost/log", b"m" * 32)
    forged = receipts.Receipt(0, receipt.leaf, receipt.proof, str(notes.sign(tree.text(), mallory)))
    with pytest.raises(notes.BadNote):
        forged.as_cose()


def test_a_tree_signed_under_a_former_name_has_no_cose_receipt_and_says_why(signed_log: Grow, settings: Any) -> None:
    receipt = receipt_of(signed_log(2)[0])
    assert receipt.as_cose()
    settings.ASSAY_LOG_ORIGIN = "assay.localhost/log2"
    with pytest.raises(Problem) as refused:
        receipt.as_cose()
    assert (refused.value.code, refused.value.status) == ("receipt.former_log", 409)


def test_old_receipts_keep_their_word_after_an_erasure(signed_log: Grow) -> None:
    row = signed_log(3)[1]
    kept, opened = receipt_of(row).as_json(), receipt_of(row, holder=DANA)
    assert [one.name for one in opened.disclosures] == ["statement"]
    assert [one.name for one in receipt_of(row, holder=ALICE).disclosures] == ["actor"]
    vault.destroy(DANA)
    assert receipt_of(row, holder=DANA).disclosures == ()
    assert failures(kept) == failures(opened.as_json()) == {}
    assert receipt_of(row).as_json() == kept
