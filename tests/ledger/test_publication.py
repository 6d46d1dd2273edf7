"""The log as static files: a reader never sees a checkpoint whose tiles are missing, nor a history that went back."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from ledger import custody, keys, merkle, notes, proofs, publication, sequencer, targets, tiles, timestamping, verify
from ledger.models import Checkpoint, Entry, Tile
from tests.append_only import protect, unprotect
from tests.ledger.conftest import Record

pytestmark = pytest.mark.django_db


class Sites:
    """A folder that is published into, and what a reader without our code can say about it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, **options: Any) -> publication.Published:
        return publication.publish(targets.Folder(self.root), **options)

    def files(self) -> set[str]:
        found = (file for file in self.root.rglob("*") if file.is_file())
        return {str(file.relative_to(self.root)) for file in found if ".scratch" not in file.parts}

    def read(self) -> int:
        """Read everything the checkpoint covers, and compare it with the signed root. Returns its size."""
        tree = notes.open_checkpoint((self.root / "checkpoint").read_bytes(), ORIGIN, [custody.log_verifier()])
        hashes = []
        for n in range(-(-tree.size // tiles.WIDTH)):
            path = tiles.path_of(n, tiles.width_of(0, n, tree.size))
            leaves = tiles.split_bundle((self.root / "tile/entries" / path).read_bytes())
            hashes += [merkle.leaf_hash(leaf) for leaf in leaves]
            assert (self.root / "tile/0" / path).read_bytes() == b"".join(hashes[n * tiles.WIDTH :])
        assert merkle.root_of(hashes) == tree.root
        assert tree.size == len(hashes)
        return tree.size


ORIGIN = "assay.localhost/log"
Grown = Callable[[int], int]


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, settings: Any) -> None:
    """Keys of its own: whether this office has ever stamped shows in what it publishes."""
    settings.ASSAY_KEYS = tmp_path / "keys"


@pytest.fixture
def site(tmp_path: Path) -> Sites:
    return Sites(tmp_path / "site")


@pytest.fixture
def grown(record: Record) -> Grown:
    """Let the log grow to so many signed entries."""

    def grow(size: int) -> int:
        for _ in range(size - Entry.objects.count()):
            record(actor="system")
        sequencer.tick()
        return size

    return grow


def test_nothing_is_published_before_something_is_signed(site: Sites) -> None:
    with pytest.raises(publication.Refused, match="Nothing is signed yet"):
        site.publish()


def test_the_folder_holds_what_the_office_serves(site: Sites, grown: Grown, client: Client) -> None:
    grown(300)
    site.publish()
    assert site.read() == 300
    timestamping.stamp()
    assert site.publish().written == 1
    for name in site.files():
        assert client.get(f"/log/{name}").content == (site.root / name).read_bytes(), name
    assert site.files() == {
        "checkpoint", "key", "policy", "rotations", "promise-key", "tsa.crt", "tile/0/000", "tile/0/001.p/44",
        "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44",
    }  # fmt: skip


def test_the_offline_verifier_accepts_the_folder(site: Sites, grown: Grown) -> None:
    grown(300)
    site.publish()
    assert verify.main([str(site.root), "--key", custody.log_verifier().vkey]) == 0


def test_only_new_files_are_written_and_immutable_ones_never_again(site: Sites, grown: Grown) -> None:
    grown(300)
    assert site.publish().written == 10
    before = {name: (site.root / name).stat().st_ino for name in site.files()}
    assert site.publish().written == 0
    grown(310)
    done = site.publish()
    assert (done.before, done.size, done.written) == (300, 310, 3)  # a tile, a bundle, the checkpoint
    assert site.read() == 310
    for name in ("tile/0/000", "tile/entries/000", "tile/0/001.p/44", "key", "policy"):
        assert (site.root / name).stat().st_ino == before[name], name


def test_a_partial_tile_goes_when_the_full_one_is_there(site: Sites, grown: Grown) -> None:
    grown(250)
    site.publish()
    grown(260)
    site.publish()
    assert "tile/0/000.p/250" not in site.files()
    assert not (site.root / "tile/entries/000.p").exists()
    assert site.read() == 260


def test_a_lost_file_is_found_by_looking_for_all(site: Sites, grown: Grown) -> None:
    grown(300)
    site.publish()
    (site.root / "tile/0/000").unlink()
    assert site.publish().written == 0
    assert site.publish(everything=True).written == 1
    assert site.read() == 300


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("persisted", [False, True], ids=["before the write", "after the write"])
def test_a_run_killed_at_any_write_leaves_a_whole_log_and_is_continued(
    site: Sites, grown: Grown, monkeypatch: pytest.MonkeyPatch, persisted: bool
) -> None:
    grown(250)
    site.publish()
    grown(520)
    write, countdown = targets.Folder.write, [0]

    def failing(self: targets.Folder, *arguments: Any) -> None:
        countdown[0] -= 1
        if countdown[0] < 0 and not persisted:
            raise PowerCut
        write(self, *arguments)
        if countdown[0] < 0:
            raise PowerCut

    cuts = 0
    for allowed in range(20):
        copy = Sites(site.root.with_name(f"copy-{allowed}"))
        shutil.copytree(site.root, copy.root)
        countdown[0] = allowed
        with monkeypatch.context() as patch, suppress(PowerCut):
            patch.setattr(targets.Folder, "write", failing)
            copy.publish()
            break
        cuts += 1
        assert copy.read() in ((250, 520) if persisted else (250,))
        done = copy.publish()
        assert copy.read() == 520
        assert done.kept >= allowed - 4  # what the killed run left is not written again
    assert cuts >= 8


def test_a_killed_process_leaves_no_half_file_and_is_continued(site: Sites, grown: Grown) -> None:
    """SIGKILL, for real, in the middle of the bytes of a file."""
    grown(300)
    site.publish()
    code = (
        "import os, signal, pathlib; from ledger import targets\n"
        "class Cut(bytes): pass\n"
        f"folder = targets.Folder(pathlib.Path({str(site.root)!r}))\n"
        "sync = os.fsync\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "with folder.alone(): folder.write('checkpoint', b'half', 't', 'c')\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert list((site.root / ".scratch").glob("new-*"))
    assert site.read() == 300
    site.publish()
    assert not list((site.root / ".scratch").glob("new-*"))


def test_two_publishers_do_not_meet_in_one_folder(site: Sites, grown: Grown) -> None:
    grown(3)
    with targets.Folder(site.root).alone(), pytest.raises(targets.Changed, match="another process"):
        site.publish()


# --- What is refused -----------------------------------------------------------------------------------------------


def test_a_database_from_an_older_backup_cannot_take_the_published_log_back(site: Sites, grown: Grown) -> None:
    grown(5)
    old = Checkpoint.objects.get()
    grown(9)
    site.publish()
    unprotect()
    try:
        Checkpoint.objects.exclude(pk=old.pk).delete()
    finally:
        protect()
    with pytest.raises(publication.Refused, match="older backup"):
        site.publish()
    assert site.read() == 9


def test_a_database_from_before_a_rotation_does_not_take_its_statement_back(site: Sites, grown: Grown) -> None:
    grown(5)
    site.publish()
    (site.root / "rotations").write_text("a statement that this database does not know\n")
    with pytest.raises(publication.Refused, match="key rotations that this database does not know"):
        site.publish()
    assert "a statement" in (site.root / "rotations").read_text()


def test_another_history_is_never_published_over_the_first(site: Sites, grown: Grown) -> None:
    grown(4)
    site.publish()
    signer = custody.log_signer()
    for size, root in ((4, b"x" * 32), (3, b"y" * 32)):
        forked = notes.sign(notes.TreeHead(ORIGIN, size, root).text(), signer)
        (site.root / "checkpoint").write_text(str(forked))
        with pytest.raises(publication.Refused, match="Another history"):
            site.publish()
        assert (site.root / "checkpoint").read_text() == str(forked)


@pytest.mark.parametrize("who", ["another log", "another key", "garbage"])
def test_a_target_that_is_not_this_logs_is_left_alone(site: Sites, grown: Grown, who: str) -> None:
    grown(2)
    name = "mallory.example/log" if who == "another log" else ORIGIN
    signer = keys.LogSigner(name, b"m" * 32)
    text = str(notes.sign(notes.TreeHead(name, 1, b"x" * 32).text(), signer))
    site.root.mkdir()
    (site.root / "checkpoint").write_text("hello" if who == "garbage" else text)
    with pytest.raises(publication.Refused, match="not one of this log"):
        site.publish()


def test_a_damaged_tree_is_not_published(site: Sites, grown: Grown) -> None:
    grown(300)
    unprotect()
    try:
        tile = Tile.objects.get(level=0, n=0)
        Tile.objects.filter(pk=tile.pk).update(data=b"x" * 32 + bytes(tile.data)[32:])
        with pytest.raises(publication.Refused, match=r"Tile 0/0 does not fold"):
            site.publish()
        Tile.objects.filter(pk=tile.pk).update(data=tile.data)
        row = Entry.objects.get(sequence__index=7)
        Entry.objects.filter(pk=row.pk).update(leaf=bytes(row.leaf).replace(b"image", b"video"))
        with pytest.raises(publication.Refused, match="not those of their tile"):
            site.publish()
    finally:
        protect()
    assert "checkpoint" not in site.files()
    proofs.forget()


# --- The command ---------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_did_and_what_it_refused(
    site: Sites, grown: Grown, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="Nothing is signed yet"):
        call_command("publish_log", str(site.root))
    grown(3)
    call_command("publish_log", str(site.root))
    call_command("publish_log", str(site.root), "--all")
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("3 entries (0 before); 7 files written, 0 there")
    assert said[1].endswith("3 entries; nothing new")
    for wrong in ("https://example.org/log", ""):
        with pytest.raises(CommandError, match="not a folder"):
            call_command("publish_log", wrong)


def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path, grown: Grown) -> None:
    grown(1)
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="Nothing was published"):
        call_command("publish_log", str(tmp_path / "file" / "site"))


# --- An S3 bucket --------------------------------------------------------------------------------------------------


class Store:
    """A real S3 endpoint on this machine, and a client of its own to look into it."""

    def __init__(self, endpoint: str, settings: Any) -> None:
        import importlib

        given = {"region_name": "eu-central-1", "access_key": "assay", "secret_key": "assay-secret"}
        settings.ASSAY_S3 = {"endpoint_url": endpoint, **given}
        make: Any = importlib.import_module("boto3").client
        self.client = make(
            "s3",
            endpoint_url=endpoint,
            region_name="eu-central-1",
            aws_access_key_id="assay",
            aws_secret_access_key="assay-secret",
        )
        self.bucket = f"mirror-{secrets.token_hex(4)}"
        self.client.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def names(self) -> set[str]:
        return {one["Key"] for one in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])}

    def get(self, key: str) -> Any:
        return self.client.get_object(Bucket=self.bucket, Key=key)


@pytest.fixture
def store(settings: Any) -> Iterator[Store]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield Store(f"http://{host}:{port}", settings)
    server.stop()


@pytest.mark.services
@pytest.mark.only_on("sqlite")
@pytest.mark.xdist_group("services")
def test_a_bucket_is_published_with_the_headers_a_cdn_needs(store: Store, grown: Grown, client: Client) -> None:
    grown(250)
    target = targets.target_for(f"s3://{store.bucket}/log")
    publication.publish(target)
    grown(300)
    done = publication.publish(target)
    assert done.before == 250
    assert publication.publish(target).written == 0
    assert "log/tile/0/000.p/250" not in store.names()
    for key in store.names():
        found, served = store.get(key), client.get(f"/{key}")
        assert found["Body"].read() == served.content, key
        assert (found["ContentType"], found["CacheControl"]) == (served["Content-Type"], served["Cache-Control"]), key


@pytest.mark.services
@pytest.mark.only_on("sqlite")
@pytest.mark.xdist_group("services")
def test_of_two_publishers_to_a_bucket_the_later_checkpoint_is_not_overwritten(store: Store, grown: Grown) -> None:
    grown(2)
    slow, quick = (targets.target_for(f"s3://{store.bucket}") for _ in range(2))
    publication.publish(slow)
    seen = slow.read("checkpoint")
    grown(5)
    publication.publish(quick)
    published = quick.read("checkpoint")
    with pytest.raises(targets.Changed):
        slow.swap("checkpoint", seen, b"an older one", publication.TEXT, publication.A_MOMENT)
    with pytest.raises(targets.Changed):
        slow.swap("checkpoint", None, b"a first one", publication.TEXT, publication.A_MOMENT)
    assert quick.read("checkpoint") == published
    with pytest.raises(targets.Unreachable):
        publication.publish(targets.target_for("s3://no-such-bucket"))
