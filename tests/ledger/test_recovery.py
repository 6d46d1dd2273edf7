"""A database put back from an older copy, and its log brought back from what was published: real processes, files."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger import keys, merkle, notes, tiles
from ledger.merkle import HASH_SIZE
from tests import processes
from tests.ledger.test_kill import environment, manage, rows, write

pytestmark = pytest.mark.xdist_group("kill")  # what is made once is made in one process

# In the tree of the backup; appended before it, and waiting for the tree; appended after it.
BEFORE, WAITED, AFTER = 252, 2, 9
SIGNED = BEFORE + WAITED + AFTER
ORIGIN = "assay.localhost/log"
# Many entries in one transaction: quicker than one each.
MANY = """
import sys, django
django.setup()
from django.db import transaction
from ledger import log
from ledger.events import EventType
with transaction.atomic():
    for n in range(int(sys.argv[1])):
        log.append(EventType.ACCESS_AUDITED, actor="user:alice", role="creator", facts={"n": n})
"""
ERASE = """
import sys, django
django.setup()
from django.db import transaction
from ledger import log, vault
from ledger.events import EventType
with transaction.atomic():
    erasure = vault.destroy(sys.argv[1])
    facts = {"ground": "eu.gdpr.17", "count": len(erasure.indices), "keys": erasure.keys}
    said = {"facts": facts, "sealed": {"indices": log.Sealed(erasure.indices, "request:1")}}
    log.append(EventType.ERASURE_PERFORMED, actor="system", role="system", object="request:1", **said)
"""


@pytest.fixture(scope="module")
def restored_office(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose database is from before the last entries; copies from before and after (`old`, `copy`)."""
    var = shutil.copytree(migrated, tmp_path_factory.mktemp("office") / "var")
    write_many(var, BEFORE)
    publish(var, "old")
    write_many(var, WAITED)
    backup(var / "assay.sqlite3", var / "backup.sqlite3")
    assert write(var, AFTER) == 0
    publish(var, "copy")
    backup(var / "backup.sqlite3", var / "assay.sqlite3")
    return var


@pytest.fixture
def restored(restored_office: Path, tmp_path: Path) -> Path:
    return shutil.copytree(restored_office, tmp_path / "var")


def write_many(var: Path, count: int) -> None:
    run(var, MANY, str(count))


def run(var: Path, script: str, *arguments: str) -> None:
    settings = {**environment(var), "DJANGO_SETTINGS_MODULE": "config.settings"}
    processes.run("-c", script, *arguments, environment=settings).check_returncode()


def backup(source: Path, target: Path) -> None:
    for leftover in target.parent.glob(f"{target.name}*"):
        leftover.unlink()
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def publish(var: Path, name: str) -> None:
    assert manage(var, "sequencer", "--once").returncode == 0
    done = manage(var, "publish_log", str(var / name))
    assert done.returncode == 0, done.stderr


def recover(var: Path, copy: str = "copy", *more: str) -> str:
    done = manage(var, "recover_log", "--from", str(var / copy), *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(var: Path, copy: str = "copy", *more: str) -> str:
    """What it says when it refuses; nothing was changed."""
    state = "SELECT count(*) || max(id) FROM ledger_entry", "SELECT length(data) FROM ledger_tile ORDER BY id"
    before = [rows(var, query) for query in state]
    done = manage(var, "recover_log", "--from", str(var / copy), *more)
    assert done.returncode == 1
    assert [rows(var, query) for query in state] == before
    return done.stderr


def opened(checkpoint: Path) -> notes.TreeHead:
    vkey = (checkpoint.parent / "key").read_text().splitlines()[0]
    return notes.open_checkpoint(checkpoint.read_text(), ORIGIN, [keys.parse_vkey(vkey)])


def published_tiles(copy: Path, size: int) -> tiles.Nodes:
    def read(level: int, n: int) -> bytes:
        return (copy / f"tile/{level}/{tiles.path_of(n, tiles.width_of(level, n, size))}").read_bytes()

    return tiles.Nodes(read)


def test_the_guard_says_how_to_recover(restored: Path) -> None:
    once = manage(restored, "sequencer", "--once")
    assert once.returncode == 1, "nothing waits, and it is said all the same"
    assert "restore the newest copy of the database" in once.stderr
    assert "recover_log --from" in once.stderr


def test_a_restored_log_gets_its_entries_back_and_signs_on(restored: Path) -> None:
    said = recover(restored)
    assert f"holds {SIGNED} entries again; the backup had {BEFORE}. {AFTER} came from the copy, {WAITED} had" in said
    assert "rows of the office newer than the backup" in said
    assert write(restored, 3) == 0
    check = manage(restored, "check_log", "--log-only")
    assert check.returncode == 0, check.stderr
    old = opened(restored / "copy" / "checkpoint")
    publish(restored, "copy")
    new = opened(restored / "copy" / "checkpoint")
    assert (old.size, new.size) == (SIGNED, SIGNED + 4), "three more, and log:recovered"
    node = published_tiles(restored / "copy", new.size)
    merkle.verify_consistency(old.size, old.root, new.size, new.root, merkle.consistency(node, old.size, new.size))
    leaves = [leaf for width in ("000", "001.p/11") for leaf in published_leaves(restored, width)]
    for index in (0, BEFORE - 1, BEFORE, SIGNED - 1, new.size - 1):
        path = merkle.inclusion(node, index, new.size)
        merkle.verify_inclusion(merkle.leaf_hash(leaves[index]), index, new.size, path, new.root)


def published_leaves(var: Path, name: str) -> list[bytes]:
    return tiles.split_bundle((var / "copy" / "tile" / "entries" / name).read_bytes())


def test_what_was_appended_after_the_restore_comes_after_what_was_published(restored: Path) -> None:
    """SQLite gave them places that the published log gave to others."""
    assert write(restored, 2) == 0, "the office goes on; it only does not sign"
    late = rows(restored, "SELECT hex(leaf_hash) FROM ledger_entry ORDER BY id DESC LIMIT 2")
    assert "2 were appended after the restore and come next" in recover(restored)
    assert manage(restored, "sequencer", "--once").returncode == 0
    by_index = 'SELECT hex(leaf_hash) FROM ledger_sequence JOIN ledger_entry ON id = entry_id ORDER BY "index" DESC'
    assert rows(restored, by_index)[1:3] == late, "the very last one says that the log was recovered"
    check = manage(restored, "check_log", "--log-only")
    assert check.returncode == 0, check.stderr
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        rows(restored, "DELETE FROM ledger_sequence RETURNING 1")


def test_a_second_recovery_has_nothing_to_do(restored: Path) -> None:
    recover(restored)
    assert "nothing is missing" in refusal(restored)


def test_a_copy_older_than_the_guard_cannot_complete_it(restored: Path) -> None:
    said = refusal(restored, "old")
    assert f"ends at size {BEFORE}, but {SIGNED} were signed" in said


def test_a_guard_that_is_lost_too_needs_the_operators_word(restored: Path) -> None:
    (restored / "ledger" / "head").unlink()
    assert "--adopt-head" in refusal(restored)
    recover(restored, "copy", "--adopt-head")
    assert write(restored, 3) == 0
    assert manage(restored, "check_log", "--log-only").returncode == 0


def change_leaf(copy: Path) -> None:
    path = copy / "tile" / "entries" / "001.p" / "7"
    leaves = tiles.split_bundle(path.read_bytes())
    fields = json.loads(leaves[2])
    path.write_bytes(tiles.bundle([*leaves[:2], leaves[2].replace(fields["nonce"].encode(), b"A" * 24), *leaves[3:]]))


def change_tile(copy: Path) -> None:
    path = copy / "tile" / "0" / "001.p" / "7"
    path.write_bytes(bytes(HASH_SIZE) + path.read_bytes()[HASH_SIZE:])


def cut_bundle(copy: Path) -> None:
    path = copy / "tile" / "entries" / "001.p" / "7"
    path.write_bytes(path.read_bytes()[:-1])


def lose_bundle(copy: Path) -> None:
    (copy / "tile" / "entries" / "001.p" / "7").unlink()


def forge_checkpoint(copy: Path) -> None:
    path = copy / "checkpoint"
    path.write_text(path.read_text().replace("\n263\n", "\n264\n"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change_leaf, "do not lead to the root"),
        (change_tile, "do not lead to the root"),
        (cut_bundle, "ends inside an entry"),
        (lose_bundle, "there is no such file"),
        (forge_checkpoint, "not one of the log"),
    ],
)
def test_a_damaged_or_forged_copy_changes_nothing(restored: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(restored / "copy")
    assert said in refusal(restored)


def test_a_backup_of_another_history_is_not_completed(restored: Path) -> None:
    with closing(sqlite3.connect(restored / "assay.sqlite3")) as database, database:
        [(data,)] = database.execute("SELECT data FROM ledger_tile WHERE level = 0")
        database.execute("DROP TRIGGER ledger_tile_only_grows")
        database.execute("UPDATE ledger_tile SET data = ? WHERE level = 0", [bytes(HASH_SIZE) + data[HASH_SIZE:]])
    assert "are not those that were published" in refusal(restored)


# --- Keys ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recovered_office(restored_office: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole office again, and a backup of it (`before`)."""
    var = shutil.copytree(restored_office, tmp_path_factory.mktemp("recovered") / "var")
    recover(var)
    assert write(var, 1) == 0
    backup(var / "assay.sqlite3", var / "before")
    return var


@pytest.fixture(scope="module")
def rotated_office(
    recovered_office: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Its key was rotated, its log published, its database put back from before. param: days of overlap."""
    var = shutil.copytree(recovered_office, tmp_path_factory.mktemp("rotated") / "var")
    done = manage(var, "rotate_log_key", "--overlap", str(request.param))
    assert done.returncode == 0, done.stderr
    assert write(var, 1) == 0
    publish(var, "copy")
    backup(var / "before", var / "assay.sqlite3")
    return var


@pytest.fixture
def rotated(rotated_office: Path, tmp_path: Path) -> Path:
    return shutil.copytree(rotated_office, tmp_path / "var")


def signers(copy: Path) -> list[int]:
    return [line.key_id for line in notes.parse((copy / "checkpoint").read_text()).signatures]


@pytest.mark.parametrize(("rotated_office", "lines"), [(30, 2), (0, 1)], indirect=["rotated_office"])
def test_a_backup_from_before_a_rotation_signs_on_with_the_keys_of_now(rotated: Path, lines: int) -> None:
    copy = rotated / "copy"
    keys_then, statements, signed_by = (copy / "key").read_text(), (copy / "rotations").read_text(), signers(copy)
    assert len(signed_by) == lines
    recover(rotated)
    assert write(rotated, 1) == 0
    publish(rotated, "copy")
    assert (copy / "rotations").read_text() == statements
    assert (copy / "key").read_text() == keys_then
    assert signers(copy) == signed_by
    check = manage(rotated, "check_log", "--log-only")
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("rotated_office", [30], indirect=True)
def test_a_copy_whose_rotation_statement_is_missing_or_forged_changes_nothing(rotated: Path) -> None:
    statements = rotated / "copy" / "rotations"
    text = statements.read_text()
    statements.write_text("")
    assert "lacks the statement" in refusal(rotated)
    statements.write_text(text.replace("\n— ", "\n— x", 1))
    assert "cannot be used" in refusal(rotated)
    statements.write_text(text)
    recover(rotated)


@pytest.mark.parametrize("rotated_office", [0], indirect=True)
def test_replaying_erasures_from_a_copy_follows_its_rotations(rotated: Path) -> None:
    done = manage(rotated, "replay_erasures", "--from", str(rotated / "copy"))
    assert done.returncode == 0, done.stderr


def test_a_succession_after_the_backup_cannot_be_recovered_and_it_says_what_to_do(
    recovered_office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    var = shutil.copytree(recovered_office, tmp_path / "var")
    new = "assay.localhost/log2"
    plain = environment
    monkeypatch.setattr("tests.ledger.test_kill.environment", lambda var: {**plain(var), "ASSAY_LOG_ORIGIN": new})
    done = manage(var, "succeed_log", "--origin", new)
    assert done.returncode == 0, done.stderr
    publish(var, "successor")
    backup(var / "before", var / "assay.sqlite3")
    assert "Restore a backup from after the succession" in refusal(var, "successor")


# --- Erasures --------------------------------------------------------------------------------------------------------


def secrets_of(var: Path) -> list[bytes]:
    """Everything Alice's openings could be recovered with: her wrapped key, and some ciphertexts."""
    with closing(sqlite3.connect(var / "assay.sqlite3")) as database:
        keys = database.execute("SELECT wrapped FROM ledger_personkey").fetchall()
        sections = database.execute("SELECT ciphertext FROM ledger_sealedsection LIMIT 20").fetchall()
    return [bytes(value) for (value,) in (*keys, *sections)]


def files_holding(var: Path, secret: bytes) -> list[str]:
    """The files of the database with these bytes anywhere in them, free pages included."""
    return [path.name for path in sorted(var.glob("assay.sqlite3*")) if secret in path.read_bytes()]


def test_no_opening_is_left_in_a_backup_that_was_restored_and_prepared(restored: Path) -> None:
    """Alice is erased after the backup; `prepare`, which runs before anything is served, erases her again."""
    backup(restored / "assay.sqlite3", restored / "before")
    secrets = secrets_of(restored)
    assert len(secrets) == 21
    run(restored, ERASE, "user:alice")
    assert [files_holding(restored, secret) for secret in secrets] == [[]] * 21, "erased from the live database"
    backup(restored / "before", restored / "assay.sqlite3")
    assert all(files_holding(restored, secret) for secret in secrets), "the backup still has it"
    done = manage(restored, "prepare")
    assert done.returncode == 0, done.stderr
    assert [files_holding(restored, secret) for secret in secrets] == [[]] * 21
    again = manage(restored, "replay_erasures")
    assert "No destroyed key is in the database" in again.stdout


def test_recovery_replays_what_the_recovered_entries_say(restored: Path) -> None:
    """The journal is lost with the disk; the published log knows."""
    recover(restored)
    backup(restored / "assay.sqlite3", restored / "before")
    run(restored, ERASE, "user:alice")
    publish(restored, "copy")
    backup(restored / "before", restored / "assay.sqlite3")
    (restored / "ledger" / "erasures").unlink()
    assert "Erased again: 1 keys" in recover(restored)
    assert rows(restored, "SELECT count(*) FROM ledger_personkey") == ["0"]
    assert rows(restored, "SELECT count(*) FROM ledger_sealedsection") == ["0"]
    assert manage(restored, "sequencer", "--once").returncode == 0
    check = manage(restored, "check_log", "--log-only")
    assert check.returncode == 0, check.stderr
