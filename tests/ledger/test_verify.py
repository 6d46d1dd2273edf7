"""The offline verifier: accepts what is true, names what is not, never crashes, needs nothing of ours but itself."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.problems import Problem
from ledger import (
    audit,
    container,
    custody,
    jcs,
    keys,
    notes,
    receipts,
    sequencer,
    verify,
    verify_checks,
    verify_log,
    verify_source,
)
from ledger.bundle import BundleScope
from ledger.models import Entry
from tests.ledger import forge
from tests.ledger.bundles import Members, disclosed, failures, members_of, packed, resigned, table_of, written
from tests.ledger.conftest import DANA, Record, erase

pytestmark = pytest.mark.django_db


@pytest.fixture
def bundle(signed_log: Callable[[int], list[Entry]]) -> bytes:
    """Entries 1 to 3 of five, with all their values disclosed."""
    signed_log(5)
    return written(1, 3)


def test_an_untouched_bundle_is_verified_with_and_without_the_key(bundle: bytes) -> None:
    assert failures(bundle) == {}
    assert failures(bundle, custody.log_verifier()) == {}
    assert verify.verify_file(bundle).key_from == "file"
    assert verify.verify_file(bundle, custody.log_verifier()).key_from == "argument"


def test_a_bundle_of_the_whole_log_gives_the_signed_root(signed_log: Callable[[int], list[Entry]]) -> None:
    signed_log(5)
    verdict = verify.verify_file(written(0, 5))
    assert verdict.ok
    assert "all 5 entries of the log together give the signed root" in [check.message for check in verdict.checks]


def test_a_bundle_without_entries_is_still_a_signed_answer(signed_log: Callable[[int], list[Entry]]) -> None:
    signed_log(1)
    assert failures(written(0, 0), custody.log_verifier()) == {}


def test_any_zip_program_reads_it(bundle: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.testzip() is None
        assert "Statement 2 of Dana" in archive.read("entries.csv").decode()
        assert b"inquiry 7" in archive.read("manifest.json")
        assert "assay-verify.pyz" in archive.read("README.md").decode()


def test_one_changed_byte_in_any_member_is_named(bundle: bytes) -> None:
    members, chance = members_of(bundle), random.Random(2)
    assert len(members) == 12
    for name, data in [(name, data) for name, data in members.items() if data]:
        places = {0, len(data) - 1, *(chance.randrange(len(data)) for _ in range(25))}
        for place in places:
            changed = bytearray(data)
            changed[place] ^= 1 << chance.randrange(8)
            found = failures(packed({**members, name: bytes(changed)}))
            assert any(name in message for message in found.values()), (name, place, found)


def test_one_changed_byte_anywhere_in_the_file_is_refused(bundle: bytes) -> None:
    chance = random.Random(3)
    directory = bundle.index(b"PK\1\2")
    places = [*range(60), *range(directory, directory + 120), *range(len(bundle) - 60, len(bundle))]
    places += [chance.randrange(len(bundle)) for _ in range(500)]
    for place in places:
        changed = bytearray(bundle)
        changed[place] ^= 1 << chance.randrange(8)
        assert failures(bytes(changed)), place


def test_a_file_cut_short_or_made_longer_is_refused(bundle: bytes) -> None:
    chance = random.Random(4)
    for end in [0, 1, 3, 4, 30, 31, len(bundle) - 1, *(chance.randrange(len(bundle)) for _ in range(60))]:
        assert failures(bundle[:end])
    assert "zip file" in failures(bundle + b"\0")
    assert "zip file" in failures(b"MZ" + bundle)


def test_random_bytes_never_crash_it() -> None:
    chance = random.Random(5)
    for start in (b"", b"PK\3\4", b"{", b'{"format":"assay-receipt/1"', b"PK\5\6"):
        for _ in range(40):
            assert failures(start + chance.randbytes(chance.randrange(200)))


def hostile_zips(members: Members) -> Iterator[tuple[str, bytes]]:
    for name, options in {"deflated": {"compression": zipfile.ZIP_DEFLATED}, "other times": {}}.items():
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", **options) as archive:  # type: ignore[call-overload]
            for member, data in members.items():
                archive.writestr(member, data)
        yield name, target.getvalue()
    with zipfile.ZipFile(target, "a") as archive:
        archive.comment = b"Dana's address"
    yield "a comment", target.getvalue()
    yield "a gap", packed(members).replace(b"PK\1\2", b"hidden PK\1\2", 1)


def test_a_zip_written_another_way_is_refused_although_its_members_are_right(bundle: bytes) -> None:
    for name, data in hostile_zips(members_of(bundle)):
        found = failures(data)
        assert {"a comment": "zip file", "a gap": "zip file", "deflated": "packing", "other times": "zip file"}[
            name
        ] in found
        assert len(found) == 1, (name, found)


def test_members_in_another_order_are_refused(bundle: bytes) -> None:
    members = members_of(bundle)
    assert "order" in failures(packed(dict(reversed(members.items()))))["members"]


def test_a_member_twice_or_with_an_escaping_name_cannot_be_written_or_read(bundle: bytes) -> None:
    writer = container.Writer(io.BytesIO())
    writer.add("a", b"1")
    for name in ("../evil", "/etc/passwd", "a\\b", "", "a//b", ".hidden", "a"):
        with pytest.raises(container.BadName):
            writer.add(name, b"")
    first = bundle[: bundle.index(b"PK\3\4", 4)]
    assert "twice" in failures(first + bundle)["member names"]


@pytest.mark.parametrize("removed", ["leaves.jsonl", "range-proof", "manifest.json", "manifest.sig", "policy"])
def test_a_missing_member_is_named(bundle: bytes, removed: str) -> None:
    members = members_of(bundle)
    del members[removed]
    assert any(removed in message for message in failures(packed(members)).values())


def test_an_added_member_is_named(bundle: bytes) -> None:
    found = failures(packed({**members_of(bundle), "extra.txt": b"more"}))
    assert "extra.txt" in found["members"]


def test_mallorys_own_log_is_refused_when_the_key_is_known(bundle: bytes) -> None:
    log = custody.log_signer()
    mallory = keys.LogSigner(log.name, b"m" * 32)
    members = members_of(bundle)
    body = notes.parse(members["checkpoint"]).text
    members["checkpoint"] = str(notes.sign(body, mallory)).encode()
    members["policy"] = f"log {mallory.verifier.vkey}\nquorum none\n".encode()
    forged = resigned(members, mallory)
    assert failures(forged) == {}
    assert set(failures(forged, log.verifier)) == {"key", "manifest signature", "checkpoint"}


def test_a_dishonest_office_cannot_change_an_entry(bundle: bytes) -> None:
    """It holds the signing key, and still cannot fit another leaf into the tree it signed."""
    members = members_of(bundle)
    members["leaves.jsonl"] = members["leaves.jsonl"].replace(b"image", b"video", 1)
    members["entries.csv"] = table_of(members)
    found = failures(resigned(members))
    assert set(found) == {"inclusion"}
    assert "do not lead to the signed root" in found["inclusion"]


def test_a_dishonest_office_cannot_disclose_another_value(bundle: bytes) -> None:
    members = members_of(bundle)
    for name in ("disclosures.jsonl", "entries.csv"):
        members[name] = members[name].replace(b"Statement 2 of Dana", b"Statement 2 of Bob")
    found = failures(resigned(members))
    assert "“statement” of entry 2 is not the value that was recorded" in found["disclosures"]


def test_a_dishonest_office_cannot_leave_an_entry_out(bundle: bytes) -> None:
    members = members_of(bundle)
    lines = members["leaves.jsonl"].splitlines(keepends=True)
    members["leaves.jsonl"] = lines[0] + lines[2]
    assert "entry 2 is in the table" in failures(resigned(members))["missing entries"]
    members["entries.csv"] = table_of(members)
    assert "2 entries are here, and the range has 3" in failures(resigned(members))["missing entries"]
    members["disclosures.jsonl"] = b""
    shorter = resigned(members, range={"first": 1, "count": 2})
    assert {"inclusion"} < set(failures(shorter))


def test_a_table_that_says_something_else_is_refused(bundle: bytes) -> None:
    members = members_of(bundle)
    members["entries.csv"] = members["entries.csv"].replace(b"creator", b"regulator", 1)
    assert set(failures(resigned(members))) == {"table"}


@pytest.mark.parametrize(
    "change",
    [
        {"range": {"first": -1, "count": 3}},
        {"range": {"first": True, "count": 3}},
        {"range": {"first": 1, "count": 10**15}},
        {"range": []},
        {"selection": {"by": "list", "count": 2}},
        {"selection": {"by": "query", "count": 3}},
        {"selection": {"by": "chance", "count": 3}},
        {"query": {"since": "today", "until": None, "types": [], "slack": 0}},
        {"query": {"since": None, "until": None, "types": ["b", "a"], "slack": 0}},
        {"query": {"since": None, "until": None, "types": [], "slack": -1}},
        {"members": []},
        {"members": {}},
        {"format": "assay-bundle/3"},
        {"origin": 5},
        {"origin": "other.example/log"},
        {"checkpoint": None},
        {"disclosures": 1},
    ],
)
def test_a_signed_manifest_that_makes_no_sense_is_refused(bundle: bytes, change: dict[str, object]) -> None:
    assert failures(resigned(members_of(bundle), **change))


def test_old_bundles_and_the_log_verify_after_an_erasure_and_new_ones_show_nothing(bundle: bytes) -> None:
    before = audit.check_log()
    assert erase(DANA).indices
    assert failures(bundle, custody.log_verifier()) == {}
    new = written(1, 3)
    assert failures(new, custody.log_verifier()) == {}
    assert b"of Dana" in bundle
    assert b"of Dana" not in new
    assert audit.check_log().root == before.root


def test_a_value_that_would_be_a_formula_stays_text_in_the_table(record: Record) -> None:
    record(sealed={"statement": '=HYPERLINK("http://mallory.example")'})
    sequencer.tick()
    table = members_of(written(0, 1))["entries.csv"].decode()
    assert ',"{""actor"":' in table
    assert ",=" not in table
    assert '"=' not in table.replace('""', "'")


def test_an_export_beyond_what_is_signed_or_out_of_order_is_refused(record: Record) -> None:
    with pytest.raises(Problem, match="nothing_signed"):
        written(0, 0)
    record(sealed={"statement": "one"})
    sequencer.tick()
    record(sealed={"statement": "two"})
    with pytest.raises(Problem, match="not_signed"):
        written(0, 2)
    sequencer.tick()
    for wrong in (disclosed(1, 1), reversed([*disclosed(0, 1)]), [*disclosed(0, 1), *disclosed(0, 1)]):
        with pytest.raises(ValueError, match=r"outside|order"):
            written(0, 1, disclosures=wrong)
    for selected in ([1, 0], [0, 0], [2], [-1]):
        with pytest.raises(ValueError, match=r"outside|order"):
            written(0, 2, scope=BundleScope(0, 2, selected))


def test_a_receipt_verifies_with_the_logs_key_and_no_change_of_it_does(bundle: bytes) -> None:
    receipt = receipts.receipt_for(Entry.objects.get(sequence__index=2))
    assert receipt is not None
    fields, key = dict(receipt.as_dict()), custody.log_verifier()
    assert failures(jcs.encode(fields), key) == {}
    assert verify.verify_file(jcs.encode(fields)).key_from == "file"
    other = receipts.receipt_for(Entry.objects.get(sequence__index=3))
    assert other is not None
    for name, value in other.as_dict().items():
        if value != fields[name]:
            assert failures(jcs.encode({**fields, name: value}), key), name
    assert failures(jcs.encode({**other.as_dict(), "index": 2}), key)


def test_a_receipt_says_each_thing_once_and_nothing_else(bundle: bytes) -> None:
    receipt = receipts.receipt_for(Entry.objects.get(sequence__index=2))
    assert receipt is not None
    fields, key = receipt.as_dict(), custody.log_verifier()
    assert "canonical" in failures(json.dumps(fields).encode(), key)["receipt"]
    assert "canonical" in failures(b'{"index":7,' + jcs.encode(fields)[1:], key)["receipt"]
    assert "too many: verdict" in failures(jcs.encode({**fields, "verdict": "genuine"}), key)["receipt"]


@pytest.fixture
def bare(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Python with nothing but PyNaCl and the folder `ledger/`: no site-packages, no Django, no database."""
    place = tmp_path / "bare"
    shutil.copytree(Path(verify.__file__).parent, place / "ledger", ignore=shutil.ignore_patterns("__pycache__"))
    site = Path(sysconfig.get_path("purelib"))
    for found in (site / "nacl", *site.glob("_cffi_backend*")):
        (place / found.name).symlink_to(found)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-m", "ledger.verify", *map(str, arguments)],
            cwd=place, env={"PATH": os.defpath, "PYTHONUTF8": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_the_command_works_on_a_bare_machine(
    bare: Callable[..., subprocess.CompletedProcess[str]], bundle: bytes, tmp_path: Path
) -> None:
    file, key = tmp_path / "bundle.zip", custody.log_verifier()
    file.write_bytes(bundle)
    good = bare(file, "--key", key.vkey)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.count("✓") == 25
    assert "bundle.zip: verified" in good.stdout
    without = bare(file)
    assert without.returncode == 0
    assert key.fingerprint in without.stdout
    assert "The key came from the file itself" in without.stdout
    file.write_bytes(bundle.replace(b"Statement 2 of Dana", b"Statement 3 of Dana"))
    bad = bare(file, "--json")
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["ok"] is False
    assert "disclosures" in [check["name"] for check in json.loads(bad.stdout)["checks"] if check["ok"] is False]
    for wrong in (
        [], [tmp_path / "none.zip"], [file, "--key", "nonsense"], [file, "--tree-only"], [file, "--since", file],
        [file, "--policy", file], [file, "--policy", tmp_path / "none"], ["http:///", "--tree-only"],
    ):  # fmt: skip
        done = bare(*wrong)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), wrong


def test_a_whole_log_in_a_folder_is_verified_on_a_bare_machine(
    bare: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    log, earlier, own = tmp_path / "log", tmp_path / "earlier", tmp_path / "own-policy"
    log.mkdir()
    hashes = forge.write_log(log, forge.many_leaves(600, 100), forge.LOG, forge.WITNESS)
    earlier.write_text(forge.note(f"{forge.ORIGIN}\n300\n{forge.b64(forge.root_of(hashes[:300]))}\n", forge.LOG))
    own.write_text(forge.policy("greta"))
    good = bare(log, "--policy", own, "--since", earlier)
    assert (good.returncode, good.stderr) == (0, "")
    assert "cosigned by greta" in good.stdout
    assert "each of 600 entries is canonical and hashes to its tile" in good.stdout
    assert "the first 300 entries are those of the earlier checkpoint" in good.stdout
    assert "log: verified" in good.stdout
    earlier.write_text(forge.note(f"{forge.ORIGIN}\n300\n{forge.b64(hashes[0])}\n", forge.LOG))
    assert "✗ consistency: the first 300 entries are not those" in bare(log, "--since", earlier).stdout
    entries = log / "tile/entries/001"
    entries.write_bytes(entries.read_bytes().replace(b'{"n":300,', b'{"n":301,'))
    bad = bare(log, "--key", forge.LOG.vkey)
    assert bad.returncode == 1
    assert "tile/0/001: hash 44 is not that of entry 300: the one or the other was changed" in bad.stdout


def test_what_is_missing_or_too_large_in_a_log_is_named(tmp_path: Path) -> None:
    forge.write_log(tmp_path, forge.many_leaves(300, 100))

    def problem() -> str:
        verdict = verify_log.Log(verify_source.Folder(tmp_path), verify_checks.Trust()).verdict
        return next((check.message for check in verdict.checks if check.ok is False), "")

    assert problem() == ""
    tile = tmp_path / "tile/1/000.p/1"
    tile.unlink()
    assert problem() == "tile/1/000.p/1 is missing"
    tile.write_bytes(b"\0" * 8193)
    assert problem() == "tile/1/000.p/1 is larger than 8192 bytes, which nothing of its kind may be"
    tile.write_bytes(b"\0" * 64)
    assert problem() == "tile/1/000.p/1 holds 64 bytes instead of 32"
    (tmp_path / "key").unlink()
    assert "publishes no key" in problem()
    (tmp_path / "checkpoint").unlink()
    assert "not the place of a log" in problem()


def test_no_step_goes_forward_after_one_backward() -> None:
    old, new, hers = (keys.parse_vkey(key.vkey) for key in (forge.OLD, forge.LOG, forge.MALLORY))
    forked = [verify_checks.Rotation(old, new, 5), verify_checks.Rotation(old, hers, 5)]
    assert verify_checks.reachable([new], forked) == [verify_checks.Term(new), verify_checks.Term(old, 0, 5)]
    circle = [verify_checks.Rotation(old, new, 5), verify_checks.Rotation(new, old, 9)]
    assert {term.verifier for term in verify_checks.reachable([new], circle)} == {old, new}


def test_tree_only_reads_nothing_of_a_leaf_but_its_bytes(tmp_path: Path) -> None:
    forge.write_log(tmp_path, [b"not JSON", b"{}"])
    trust, source = verify_checks.Trust(), verify_source.Folder(tmp_path)
    assert verify_log.Log(source, trust, tree_only=True).verdict.ok
    whole = verify_log.Log(source, trust).verdict
    assert "entry 0 is in the tree, but is not canonical JSON" in whole.checks[-1].message


def test_progress_is_told_to_whoever_asks(tmp_path: Path) -> None:
    forge.write_log(tmp_path, forge.many_leaves(600, 100))
    told: list[tuple[int, int]] = []
    source = verify_source.Folder(tmp_path)
    verify_log.Log(source, verify_checks.Trust(), progress=lambda done, size: told.append((done, size)))
    assert told == [(256, 600), (512, 600), (600, 600)]


@pytest.mark.parametrize("address", ["ftp://x/", "http://", "https:///log", "http://x/?a=b", "file:///etc"])
def test_an_address_that_is_none_of_a_log_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="http"):
        verify_source.Web(address)


def test_words_of_a_file_cannot_paint_over_the_verdict() -> None:
    """Escape sequences, line ends and writing direction are spelled, so that a forged ✓ stays inside its line."""
    assert verify._plain("a\x1b[8m\n✓ b\u202e–") == "a\\x1b[8m\\n✓ b\\u202e–"


def test_a_pipe_in_a_published_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint")
    with pytest.raises(verify_source.Unreadable, match="not a file"):
        verify_source.Folder(tmp_path).read("checkpoint", 1000)
