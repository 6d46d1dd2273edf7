"""What a dishonest office, which holds the signing key, could write: both verifiers say the same of each, and why."""

import base64
import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nacl.bindings
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import keys, notes
from tests.ledger import forge
from tests.ledger.verifiers import Both

pytestmark = pytest.mark.xdist_group("mutations")

Members = dict[str, bytes]
Change = Callable[[Members], None]


@pytest.fixture(scope="module")
def log() -> forge.Log:
    return forge.Log(7)


@pytest.fixture(scope="module")
def small(log: forge.Log) -> Members:
    return forge.unpacked(forge.bundle(log, 2, 3, previous=3, stamped=5, files={"m": b"more"}))


def edit(name: str, old: bytes, new: bytes) -> Change:
    def change(members: Members) -> None:
        assert old in members[name], (name, old)
        members[name] = members[name].replace(old, new, 1)

    return change


def put(name: str, data: bytes) -> Change:
    return lambda members: members.update({name: data})


def without(*names: str) -> Change:
    def change(members: Members) -> None:
        for name in names:
            del members[name]

    return change


def in_turn(*changes: Change) -> Change:
    def change(members: Members) -> None:
        for one in changes:
            one(members)

    return change


def asked(**changes: Any) -> dict[str, Any]:
    """The query of a manifest."""
    return {"since": None, "until": None, "types": [], "slack": 0} | changes


LAST = forge.Log(7)
CHECKPOINT = LAST.checkpoint()
TEXT = CHECKPOINT.split("\n\n")[0] + "\n"
MANY = [forge.Key(f"w{number}.example", "w", 4) for number in range(70)]
WRONG: dict[str, Change] = {
    "rotation by the new key alone": put(
        "rotations", (forge.note(forge.rotation().split("\n\n")[0] + "\n", forge.LOG) + "\n").encode()
    ),
    "rotation signed by a third key, too": put(
        "rotations",
        (forge.note(forge.rotation().split("\n\n")[0] + "\n", forge.OLD, forge.LOG, forge.WITNESS) + "\n").encode(),
    ),
    "rotation of another log": put("rotations", (forge.rotation(origin="other.example/log") + "\n").encode()),
    "rotation not followed by an empty line": put("rotations", forge.rotation().encode()),
    "rotations in no order": put("rotations", f"{forge.rotation(size=5)}\n{forge.rotation(size=2)}\n".encode()),
    "rotation at a size with a leading zero": put("rotations", (forge.rotation(size="02") + "\n").encode()),  # type: ignore[arg-type]
    "rotation from a key to itself": put("rotations", (forge.rotation(forge.LOG, forge.LOG) + "\n").encode()),
    "policy without quorum": put("policy", f"log {forge.LOG.vkey}\n".encode()),
    "policy with a log twice": put("policy", f"log {forge.LOG.vkey}\nlog {forge.LOG.vkey}\nquorum none\n".encode()),
    "policy with an unknown member": put("policy", f"log {forge.LOG.vkey}\ngroup g 1 x\nquorum g\n".encode()),
    "policy with carriage returns": put("policy", f"log {forge.LOG.vkey}\r\nquorum none\r\n".encode()),
    "policy without end": put("policy", f"log {forge.LOG.vkey}\nquorum none".encode()),
    "policy of another key": put("policy", forge.policy(log=forge.MALLORY).encode()),
    "a disclosure twice": lambda m: m.update({"disclosures.jsonl": m["disclosures.jsonl"] * 2}),
    "disclosures in no order": lambda m: m.update(
        {"disclosures.jsonl": b"\n".join(sorted(m["disclosures.jsonl"].splitlines(), reverse=True)) + b"\n"}
    ),
    "a disclosed value that is another": edit("disclosures.jsonl", b"Statement 2", b"Statement 9"),
    "a disclosure with a space": edit("disclosures.jsonl", b'"index":2', b'"index": 2'),
    "a disclosure with an escape that need not be": edit("disclosures.jsonl", b"Dana", b"\\u0044ana"),
    "a disclosure with a float": edit("disclosures.jsonl", b'"index":2', b'"index":2.0'),
    "a disclosure of minus zero": edit("disclosures.jsonl", b'"index":2', b'"index":-0'),
    "a disclosure with a further member": edit("disclosures.jsonl", b'"index":2', b'"extra":1,"index":2'),
    "a disclosure with an index twice": edit("disclosures.jsonl", b'"index":2', b'"index":2,"index":2'),
    "a disclosure of an entry that is not here": edit("disclosures.jsonl", b'"index":4', b'"index":5'),
    "a salt with padding bits": lambda m: _twin_salt(m),
    "an empty line among the leaves": edit("leaves.jsonl", b"\n", b"\n\n"),
    "leaves not ended": lambda m: m.update({"leaves.jsonl": m["leaves.jsonl"][:-1]}),
    "a leaf of other bytes": edit("leaves.jsonl", b'"image"', b'"video"'),
    "a byte order mark": edit("leaves.jsonl", b"{", b"\xef\xbb\xbf{"),
    "half a surrogate pair": edit("disclosures.jsonl", b"Dana", b"\xed\xa0\x80ana"),
    "another row in the table": edit("entries.csv", b"creator", b"regulator"),
    "line feeds in the table": lambda m: m.update({"entries.csv": m["entries.csv"].replace(b"\r\n", b"\n")}),
    "a checkpoint without final newline": lambda m: m.update({"checkpoint": m["checkpoint"][:-1]}),
    "a checkpoint with an extension line": put("checkpoint", forge.note(TEXT + "more\n", forge.LOG).encode()),
    "a checkpoint with a leading zero": put(
        "checkpoint", forge.note(TEXT.replace("\n7\n", "\n07\n"), forge.LOG).encode()
    ),
    "a checkpoint with a negative size": put("checkpoint", forge.note(TEXT.replace("\n7", "\n-7"), forge.LOG).encode()),
    "a checkpoint with a huge size": put(
        "checkpoint", forge.note(TEXT.replace("\n7\n", f"\n{1 << 63}\n"), forge.LOG).encode()
    ),
    "a checkpoint of another origin": put("checkpoint", forge.note("x" + TEXT, forge.LOG).encode()),
    "a checkpoint signed twice by one key": put("checkpoint", forge.note(TEXT, forge.LOG, forge.LOG).encode()),
    "a wrong cosignature by a known witness": put(
        "checkpoint", (forge.note(TEXT, forge.LOG) + forge.WITNESS.line("other\n")).encode()
    ),
    "sixty-five signatures": put("checkpoint", forge.note(TEXT, forge.LOG, *MANY[:64]).encode()),
    "an earlier checkpoint that is not one": put("previous/checkpoint", forge.Log(8).checkpoint().encode()),
    "an earlier checkpoint by Mallory": put("previous/checkpoint", LAST.checkpoint(3, [forge.MALLORY]).encode()),
    "no consistency proof": put("previous/consistency", b""),
    "half of the earlier export": without("previous/consistency"),
    "the other half of the earlier export": without("previous/checkpoint"),
    "a stamp without its checkpoint": without("stamps/checkpoint", "stamps/consistency"),
    "a stamped checkpoint without stamp": without("stamps/own.tsr", "stamps/eu-tsa.tsr"),
    "a stamp of something else": put("stamps/own.tsr", forge.stamp(b"something else")),
    "a stamp that was not granted": lambda m: m.update({"stamps/own.tsr": forge.stamp(m["stamps/checkpoint"], 2)}),
    "a stamp over SHA-1": lambda m: m.update(
        {"stamps/own.tsr": forge.stamp(m["stamps/checkpoint"], algorithm="2b0e03021a")}
    ),
    "a stamp cut short": lambda m: m.update({"stamps/own.tsr": m["stamps/own.tsr"][:-1]}),
    "bytes after a stamp": lambda m: m.update({"stamps/own.tsr": m["stamps/own.tsr"] + b"\5\0"}),
    "a range proof of another range": lambda m: m.update(
        {"range-proof": b"".join(m["range-proof"].splitlines(True)[::-1])}
    ),
    "a range proof that is too long": lambda m: m.update({"range-proof": m["range-proof"] + b"A" * 43 + b"=\n"}),
    "a range proof that is too short": lambda m: m.update({"range-proof": m["range-proof"].split(b"\n", 1)[1]}),
    "a range proof with a short hash": edit("range-proof", b"=\n", b"=\nAAAA\n"),
    "a range proof without end": lambda m: m.update({"range-proof": m["range-proof"][:-1]}),
    "no range proof": without("range-proof"),
    "an empty range proof": put("range-proof", b""),
    "an entry left out": lambda m: m.update({"leaves.jsonl": m["leaves.jsonl"].split(b"\n", 1)[1]}),
    "an entry twice": lambda m: m.update({"leaves.jsonl": m["leaves.jsonl"] + m["leaves.jsonl"].splitlines(True)[0]}),
    "entries in another order": lambda m: m.update(
        {"leaves.jsonl": b"".join(m["leaves.jsonl"].splitlines(True)[::-1])}
    ),
    "no list of what was asked for": without("selected.jsonl"),
    "an empty list of what was asked for": put("selected.jsonl", b""),
    "a list with a run that is none": put("selected.jsonl", b"[2,3,4]\n"),
    "a list with a run of none": put("selected.jsonl", b"[2,3]\n[5,0]\n"),
    "a list with neighbouring runs": put("selected.jsonl", b"[2,2]\n[4,1]\n"),
    "a list beyond the range": put("selected.jsonl", b"[3,3]\n"),
    "a list before the range": put("selected.jsonl", b"[1,3]\n"),
    "a list with spaces": put("selected.jsonl", b"[2, 3]\n"),
    "a list of texts": put("selected.jsonl", b'["2","3"]\n'),
    "a file out of order": put("files/a.txt", b"more"),
    "a file out of its folder": put("files", b"more"),
    "a member too many": put("more.txt", b"more"),
    "a policy too few": without("policy"),
}
RIGHT: dict[str, Change] = {
    "another text for people": put("README.md", b"Anything.\n"),
    "a comment in the policy": lambda m: m.update({"policy": b"# Greta watches\n\n" + m["policy"]}),
    "tabs in the policy": lambda m: m.update({"policy": m["policy"].replace(b" ", b"\t ")}),
    "a policy with a quorum that is not reached": put(
        "policy", forge.policy("w", forge.Key("w", "v", 4)).replace("greta", "w").encode()
    ),
    "a policy with groups": put(
        "policy", forge.policy("all3").replace("quorum", "group any1 any greta\ngroup all3 all any1\nquorum").encode()
    ),
    "a further file": put("files/z.txt", b"more"),
    "a list of fewer entries": put("selected.jsonl", b"[2,1]\n[4,1]\n"),
    "a second rotation": put(
        "rotations", f"{forge.rotation()}\n{forge.rotation(forge.LOG, forge.Key(forge.ORIGIN, 'n'), 6)}\n".encode()
    ),
    "no rotation and no earlier export": in_turn(
        put("rotations", b""), without("previous/checkpoint", "previous/consistency")
    ),
    "no stamps": without("stamps/checkpoint", "stamps/consistency", "stamps/own.tsr", "stamps/eu-tsa.tsr"),
    "only one stamp": without("stamps/eu-tsa.tsr"),
}  # fmt: skip


def _twin_salt(members: Members) -> None:
    salt = json.loads(members["disclosures.jsonl"].splitlines()[0])["salt"]
    twin = salt[:-2] + chr(ord(salt[-2]) + 1) + "="
    assert base64.b64decode(twin) == base64.b64decode(salt)
    edit("disclosures.jsonl", salt.encode(), twin.encode())(members)


@pytest.mark.parametrize("case", WRONG)
def test_a_resealed_bundle_is_refused_by_both_when_it_holds(case: str, both: Both, small: Members) -> None:
    members = dict(small)
    WRONG[case](members)
    assert not both.accept(forge.resealed(members))


@pytest.mark.parametrize("case", RIGHT)
def test_a_resealed_bundle_is_accepted_by_both_with(case: str, both: Both, small: Members) -> None:
    members = dict(small)
    RIGHT[case](members)
    listed = sum(json.loads(run)[1] for run in members["selected.jsonl"].splitlines())
    assert both.accept(forge.resealed(members, selection={"by": "list", "count": listed}))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "assay-bundle/1"}, {"range": {"first": -1, "count": 3}}, {"range": {"first": True, "count": 3}},
        {"range": {"first": 2, "count": 10**15}}, {"range": {"first": 2, "count": 3, "more": 1}}, {"range": []},
        {"range": {"first": 1, "count": 3}}, {"range": {"first": 2, "count": 2}}, {"range": {"first": 2, "count": 0}},
        {"range": {"first": 2**53 - 1, "count": 3}}, {"range": {"first": 2, "count": 2**53 - 1}},
        {"selection": {"by": "list", "count": 2}}, {"selection": {"by": "query", "count": 3}}, {"selection": ""},
        {"selection": {"by": "chance", "count": 3}}, {"selection": {"by": "list", "count": True}}, {"query": {}},
        {"query": asked(since="today")}, {"query": asked(since="2026-02-30T00:00:00.000000Z")},
        {"query": asked(since="0000-01-01T00:00:00.000000Z")}, {"query": asked(until="2026-11-23T24:00:00.000000Z")},
        {"query": asked(until="2026-11-23T23:59:60.000000Z")}, {"query": asked(until=5)}, {"query": asked(slack=-1)},
        {"query": asked(types=["b", "a"])}, {"query": asked(types=["a", "a"])}, {"query": asked(types=[5])},
        {"query": asked(types=["asset:removed"])}, {"query": asked(more=1)}, {"query": asked(types="a")},
        {"query": asked(since="2026-11-23T03:00:00.000002Z")}, {"query": asked(until="2026-11-23T03:00:00.000005Z")},
        {"query": asked(since="2026-11-23T03:00:00.000003Z", slack=2**53 - 1)},
        {"origin": 5}, {"origin": "other.example/log"}, {"checkpoint": None}, {"made_at": 5},
        {"checkpoint": {"size": 7, "root": LAST.tree.root(0, 7).hex().upper()}}, {"disclosures": 2}, {"more": 1},
        {"checkpoint": {"size": 8, "root": LAST.tree.root(0, 7).hex()}}, {"disclosures": True}, {"members": []},
        {"about": json.loads("[" * 70 + "]" * 70)},
    ],
    ids=str,
)  # fmt: skip
def test_a_signed_manifest_that_makes_no_sense_is_refused_by_both(
    change: dict[str, Any], both: Both, small: Members
) -> None:
    fields = json.loads(small["manifest.json"]) | change
    content = {name: data for name, data in small.items() if not name.startswith("manifest.")}
    assert not both.accept(forge.sealed(forge.canonical(fields), content))


@pytest.mark.parametrize(
    "about", ["", None, [], {"😀": 1, "\uffff": 2, "a": '\u2028\x7f\x1f\b"\\/'}, [[[[9007199254740991, -1]]]], True]
)
def test_what_a_bundle_is_about_can_be_any_json(about: Any, both: Both, small: Members) -> None:
    content = {name: data for name, data in small.items() if not name.startswith("manifest.")}
    raw = forge.canonical(json.loads(small["manifest.json"]) | {"about": about})
    if isinstance(about, dict):  # RFC 8785 orders by UTF-16, where the pair of surrogates comes first
        raw = raw.replace('"\uffff":2,"😀":1'.encode(), '"😀":1,"\uffff":2'.encode())
    assert both.accept(forge.sealed(raw, content))


def test_numbers_and_escapes_in_any_other_form_are_refused_by_both(both: Both, small: Members) -> None:
    content = {name: data for name, data in small.items() if not name.startswith("manifest.")}
    wrong = [
        b"-0",
        b"01",
        b"1.0",
        b"1e3",
        b"9007199254740992",
        b"+1",
        b"NaN",
        b"tru",
        b"[1,]",
        b'{"b":1,"a":2}',
        b"- 1",
    ]
    wrong += [b'"\\u000a"', b'"\\u001F"', b'"\\/"', b'"\\u00e9"', b'"\xff"', b'"\n"', b'"\\ud800"', b"1 ", b"'a'", b""]
    wrong += [
        b'{"a":1,"a":1}',
        b"[1 ,2]",
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b'"\\u0008"',
        '{"\uffff":2,"😀":1}'.encode(),
    ]
    for about in wrong:
        raw = small["manifest.json"].replace(b'"about":{"purpose":"inquiry 7"}', b'"about":' + about, 1)
        assert not both.accept(forge.sealed(raw, content)), about


def test_random_changes_of_any_length_are_judged_alike_by_both(both: Both, small: Members) -> None:
    chance = random.Random(21)
    for _ in range(150):
        members = dict(small)
        name = chance.choice([name for name in members if name not in ("manifest.json", "manifest.sig", "README.md")])
        data = members[name] or b"\n"
        at, until = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        piece = chance.choice([b"", b"\n", b"\0", b'"', data[at:until] * 2, chance.randbytes(3)])
        members[name] = data[:at] + piece + data[min(until, at + 4) :]
        both.accept(forge.resealed(members))


def test_receipts_are_judged_alike_by_both(both: Both, log: forge.Log) -> None:
    good = json.loads(forge.receipt(log, 3))
    assert both.accept(forge.receipt(log, 3))
    assert both.accept(forge.receipt(log, 3), key=None)
    assert both.accept(forge.receipt(log, 3), key=forge.OLD)
    assert not both.accept(forge.receipt(log, 3), key=forge.MALLORY)
    assert not both.accept(json.dumps(good).encode())
    assert not both.accept(forge.receipt(log, 3) + b"\n")
    other = json.loads(forge.receipt(log, 4))
    for name in good:
        assert not both.accept(forge.receipt(log, 3, **{name: None})), name
        if other[name] != good[name]:
            assert not both.accept(forge.receipt(log, 3, **{name: other[name]})), name
    wrong: list[dict[str, Any]] = [{"more": 1}, {"format": "assay-receipt/2"}, {"rotations": ""}, {"proof": ""}]
    for changes in [*wrong, {"disclosures": {}}]:
        assert not both.accept(forge.receipt(log, 3, **changes)), changes
    twice = [log.entries[3].disclosure()] * 2
    assert not both.accept(forge.receipt(log, 3, disclosures=twice))
    assert both.accept(forge.receipt(log, 3, disclosures=[]))
    assert not both.accept(forge.receipt(log, 3, proof=[], index=0))


def test_acknowledgements_are_judged_alike_by_both(both: Both, log: forge.Log) -> None:
    entry = log.entries[2]
    assert both.accept(forge.acknowledgement(entry))
    assert not both.accept(forge.acknowledgement(entry), key=None)
    assert not both.accept(forge.acknowledgement(entry), key=forge.MALLORY)
    assert not both.accept(forge.acknowledgement(entry, leaf_hash="00" * 32))
    assert not both.accept(forge.acknowledgement(entry, more=1))
    assert not both.accept(forge.acknowledgement(entry, entry="12"))
    promise = json.loads(forge.acknowledgement(entry))["promise"].split("\n\n")[0] + "\n"
    for text, key in (
        (promise, forge.LOG),
        (promise.replace("\n60\n", "\n060\n"), forge.PROMISE),
        ("x\n", forge.PROMISE),
    ):
        assert not both.accept(forge.acknowledgement(entry, promise=forge.note(text, key)))
    for origin, key in ((forge.ORIGIN, forge.MALLORY), ("other.example/log", forge.LOG)):
        attestation = forge.note(f"assay-promise-key/1\n{origin}\n{forge.PROMISE.vkey}\n", key)
        assert not both.accept(forge.acknowledgement(entry, promise_key=attestation))


def test_a_policy_of_ones_own_decides_the_key_and_the_quorum(both: Both, small: Members, log: forge.Log) -> None:
    ravi = forge.Key("witness.example/ravi", "r", 4)
    bundle = forge.resealed(small)
    both_witnesses = forge.policy("none").replace(
        "quorum none", f"witness ravi {ravi.vkey}\ngroup g 2 greta ravi\nquorum g"
    )
    for data in (bundle, forge.receipt(log, 3)):
        assert both.accept(data, policy=forge.policy("greta"))
        assert both.accept(data, policy=forge.policy("greta", log=forge.OLD))
        assert both.accept(data, policy=both_witnesses.replace("group g 2", "group g any"))
        assert not both.accept(data, policy=both_witnesses)
        assert not both.accept(data, policy=forge.policy("greta", ravi))
        assert not both.accept(data, policy=forge.policy("none", log=forge.MALLORY))
        assert not both.accept(data, policy=f"witness greta {forge.WITNESS.vkey}\nquorum greta\n")


# --- Which keys count after a rotation, and for which sizes ---------------------------------------------------------

NEWEST = forge.Key(forge.ORIGIN, "n")
Statement = tuple[forge.Key, forge.Key, int]
OLD_TO_LOG: Statement = (forge.OLD, forge.LOG, 5)


def chain(*statements: Statement) -> bytes:
    return "".join(f"{forge.rotation(*statement)}\n" for statement in statements).encode()


def bundle_by(
    size: int, *statements: Statement, signers: tuple[forge.Key, ...], sealer: forge.Key | None = None
) -> bytes:
    """A bundle of the last entry of a log of `size`, which encloses the first signer's key and these statements."""
    log = forge.Log(size, signers)
    content = forge.members(log, size - 1, 1, rich=False) | {"rotations": chain(*statements)}
    return forge.sealed(forge.manifest(content, log, size - 1, 1), content, sealer or signers[0])


def test_keys_are_reached_over_several_rotations_in_both_directions(both: Both, small: Members) -> None:
    first = (forge.OLD, forge.LOG, 3)
    bundle = forge.resealed(small | {"rotations": chain(first, (forge.LOG, NEWEST, 7))})
    for key in (forge.OLD, forge.LOG, NEWEST, None):
        assert both.accept(bundle, key=key)
    assert not both.accept(bundle, key=forge.MALLORY)
    assert both.accept(forge.resealed(small | {"rotations": chain(first, first)}))


@pytest.mark.parametrize(("size", "accepted"), [(4, True), (5, True), (6, False), (900, False)])
def test_a_thief_of_the_old_key_extends_no_log_for_who_pins_the_new_one(both: Both, size: int, accepted: bool) -> None:
    bundle = bundle_by(size, OLD_TO_LOG, signers=(forge.OLD,))
    assert both.accept(bundle, key=forge.LOG) == accepted
    assert both.accept(bundle, key=forge.OLD)  # who pins the old key alone can be deceived: docs/threat-model.md
    log = forge.Log(size, (forge.OLD,))
    receipt = forge.receipt(log, 0, rotations=[forge.rotation(*OLD_TO_LOG)])
    assert both.accept(receipt, key=forge.LOG) == accepted
    assert both.accept(receipt, key=None) == accepted


@pytest.mark.parametrize(("size", "accepted"), [(4, False), (5, True), (6, True)])
def test_the_new_key_signs_no_tree_smaller_than_the_rotation_for_who_pins_the_old_one(
    both: Both, size: int, accepted: bool
) -> None:
    bundle = bundle_by(size, OLD_TO_LOG, signers=(forge.LOG,))
    assert both.accept(bundle, key=forge.OLD) == accepted
    assert both.accept(bundle, key=forge.LOG)


@pytest.mark.parametrize(("size", "accepted"), [(5, True), (6, False)])
def test_a_bound_holds_for_the_keys_further_back_too(both: Both, size: int, accepted: bool) -> None:
    """The thief of the old key says, in order, that a key of hers was before it, until much later."""
    hers = (forge.MALLORY, forge.OLD, 900)
    assert both.accept(bundle_by(size, OLD_TO_LOG, hers, signers=(forge.MALLORY,)), key=forge.LOG) == accepted
    oldest = (NEWEST, forge.OLD, 2)
    assert not both.accept(bundle_by(4, oldest, OLD_TO_LOG, signers=(forge.LOG,)), key=NEWEST)
    assert both.accept(bundle_by(size, oldest, OLD_TO_LOG, signers=(forge.LOG,)), key=NEWEST)


def test_a_thief_of_the_old_key_leads_to_no_key_of_her_own(both: Both) -> None:
    for size in (4, 5, 6):
        hers = (forge.OLD, forge.MALLORY, 5)
        alone = bundle_by(size, hers, signers=(forge.MALLORY,))
        forked = bundle_by(size, OLD_TO_LOG, hers, signers=(forge.MALLORY,))
        onward = bundle_by(size, OLD_TO_LOG, hers, (forge.MALLORY, NEWEST, 5), signers=(NEWEST,))
        for bundle in (alone, forked, onward):
            assert not both.accept(bundle, key=forge.LOG)
        assert not both.accept(forked, key=forge.OLD)
        assert "fork" in both.by_go["checks"][-1]["message"]


def test_two_sizes_for_one_rotation_are_a_fork(both: Both) -> None:
    twice = bundle_by(7, OLD_TO_LOG, (forge.OLD, forge.LOG, 6), signers=(forge.LOG,))
    for key in (forge.LOG, forge.OLD, None):
        assert not both.accept(twice, key=key)


def test_a_retired_keys_line_is_ignored_where_it_does_not_count_and_must_hold_where_it_does(
    both: Both, log: forge.Log
) -> None:
    text = log.checkpoint().split("\n\n")[0] + "\n"
    for line, by_old in ((forge.OLD.line(text), True), (forge.OLD.line("other\n"), False)):
        checkpoint = forge.note(text, forge.LOG) + line
        proof, rotations = log.tlog_proof(3, checkpoint, 7), [forge.rotation(*OLD_TO_LOG)]
        receipt = forge.receipt(log, 3, checkpoint=checkpoint, tlog_proof=proof, rotations=rotations)
        assert both.accept(receipt, key=forge.LOG)
        assert both.accept(receipt, key=forge.OLD) == by_old


def test_a_manifest_is_signed_by_a_key_that_counts_for_its_checkpoint_or_came_later(both: Both) -> None:
    assert not both.accept(bundle_by(7, OLD_TO_LOG, signers=(forge.LOG,), sealer=forge.OLD), key=forge.LOG)
    earlier = bundle_by(4, OLD_TO_LOG, signers=(forge.OLD,), sealer=forge.LOG)
    for key in (forge.OLD, forge.LOG):
        assert both.accept(earlier, key=key)


def test_an_earlier_checkpoint_has_a_size_of_its_own(both: Both, small: Members) -> None:
    bundle = forge.resealed(small | {"rotations": chain((forge.OLD, forge.LOG, 2))})  # the old key signed one of 3
    assert not both.accept(bundle, key=forge.LOG)
    assert both.accept(bundle, key=forge.OLD)


@dataclass(frozen=True)
class Seeded(forge.Key):
    """Numbers found by trying: both keys have the id 16b36d9b."""

    number: int = 0

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % self.number).digest())


def test_two_keys_with_one_id_are_refused_by_both(both: Both) -> None:
    one, other = Seeded(forge.ORIGIN, "", number=47590), Seeded(forge.ORIGIN, "", number=126934)
    assert (one.id, one.vkey == other.vkey) == (other.id, False)
    for signer in (one, other):
        bundle = bundle_by(3, signers=(signer,))
        assert both.accept(bundle, key=signer)
        for logs in ((one, other), (other, one)):
            policy = "".join(f"log {key.vkey}\n" for key in logs) + "quorum none\n"
            assert not both.accept(bundle, policy=policy)
    with pytest.raises(notes.BadNote, match="same key id"):
        notes.open_note(forge.note("text\n", one), [keys.parse_vkey(one.vkey), keys.parse_vkey(other.vkey)])


# --- Signatures that only some libraries accept ---------------------------------------------------------------------


IDENTITY = bytes([1]) + bytes(31)


@dataclass(frozen=True)
class Weak(forge.Key):
    """A public key of small order, with the one signature that fits every text."""

    point: bytes = b""

    @property
    def typed(self) -> bytes:
        return b"\1" + self.point

    def line(self, text: str, time: int = 0) -> str:
        return f"— {self.name} {forge.b64(self.id + IDENTITY + bytes(32))}\n"


def test_a_signature_that_only_a_lenient_library_accepts_is_refused_by_both(both: Both, log: forge.Log) -> None:
    """With a key of small order one signature fits every text (RFC 8032 lets implementations accept it)."""
    assert not keys.LogVerifier("x", IDENTITY).verifies(b"any text", IDENTITY + bytes(32))
    for point in (IDENTITY, bytes(32), bytes([0xEE]) + b"\xff" * 30 + b"\x7f"):
        weak = Weak(forge.ORIGIN, "?", point=point)
        text = forge.note(log.checkpoint().split("\n\n")[0] + "\n", weak)
        receipt = forge.receipt(
            log, 3, checkpoint=text, tlog_proof=log.tlog_proof(3, text, 7), rotations=[], policy=forge.policy(log=weak)
        )
        assert not both.accept(receipt, key=weak)
        assert not both.accept(receipt, key=None)


def test_the_strict_rule_is_that_of_libsodium() -> None:
    with pytest.raises(Exception, match="forged"):
        nacl.bindings.crypto_sign_open(bytes([1]) + bytes(63) + b"any text", bytes([1]) + bytes(31))
