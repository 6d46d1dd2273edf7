"""Which key is used when, who can do without, and what happens when one is missing; a new master key for the vault."""

import base64
import datetime as dt
import itertools
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from ledger import acknowledgements, custody, keys, notes, rewrapping, rotation, sequencer, vault
from ledger.keystores.files import FileStore
from ledger.models import Entry, LogKey, PersonKey
from tests.ledger.conftest import Record

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]
ORIGIN = "assay.localhost/log"
PEOPLE = [f"person:{n}" for n in range(7)]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.ASSAY_KEYS = tmp_path / "keys"
    return tmp_path / "keys"


def rewrap() -> str:
    said = StringIO()
    call_command("rewrap_vault", stdout=said)
    return said.getvalue()


@pytest.fixture
def sealed() -> dict[str, bytes]:
    with transaction.atomic():
        return {person: vault.seal(person, person.encode(), "here") for person in PEOPLE}


def all_open(sealed: dict[str, bytes]) -> bool:
    return all(vault.unseal(person, blob, "here") == person.encode() for person, blob in sealed.items())


def versions() -> list[int]:
    return list(PersonKey.objects.order_by("person").values_list("version", flat=True))


# --- The log's key -------------------------------------------------------------------------------------------------


def test_the_key_is_made_on_first_use_and_its_public_half_recorded(folder: Path) -> None:
    custody.prepare()
    assert LogKey.objects.get().vkey == custody.log_signer().verifier.vkey
    assert custody.log_verifiers() == custody.all_verifiers() == (custody.log_verifier(),)
    assert custody.rotations() == []
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    public = "promise.attestation.vkey"
    assert modes == {"log.key": 0o600, "vault-1.key": 0o600, "promise.key": 0o600, public: 0o644}


def test_readers_and_promises_need_no_log_key(signed_log: Grow, folder: Path, client: Client) -> None:
    signed_log(2)
    custody.prepare()
    vkey = custody.log_verifier().vkey
    (folder / "log.key").unlink()
    assert custody.log_verifier().vkey == vkey
    assert vkey in client.get("/log/key").content.decode()
    assert custody.promise_attestation()
    assert custody.promise_signer().sign(b"promise\n")
    with pytest.raises(keys.KeyMissing):
        custody.log_signer()


def test_a_key_this_process_may_not_read_is_named_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    custody.prepare()

    def refuse(self: Path, *_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(keys.KeyMissing, match="may not read"):
        custody.log_signer()


def test_a_recorded_key_is_never_made_again_even_before_the_first_signature(folder: Path) -> None:
    custody.log_signer()
    (folder / "log.key").unlink()
    with pytest.raises(keys.KeyMissing, match="put it back"):
        custody.log_signer()
    assert list(folder.iterdir()) == []


def test_a_log_from_before_the_rows_is_taken_over_with_its_key(signed_log: Grow, record: Record, folder: Path) -> None:
    signed_log(1)
    vkey = custody.log_verifier().vkey
    LogKey.objects.all().delete()
    record()
    assert sequencer.tick() is not None
    assert custody.log_verifier().vkey == vkey
    LogKey.objects.all().delete()
    (folder / "log.key").unlink()
    with pytest.raises(keys.KeyMissing):
        custody.log_verifier()


def test_another_key_in_the_place_of_the_recorded_one_is_refused(folder: Path) -> None:
    custody.log_signer()
    (folder / "log.key").write_text(keys.LogSigner(ORIGIN, b"m" * 32).skey + "\n")
    with pytest.raises(keys.KeyMissing):
        custody.log_signer()


def test_keys_can_be_given_by_the_environment(settings: Any, folder: Path, record: Record) -> None:
    given = keys.LogSigner(ORIGIN, b"g" * 32)
    settings.ASSAY_LOG_KEY = given.skey
    settings.ASSAY_VAULT_KEY = base64.b64encode(b"v" * 32).decode()
    record()
    assert sequencer.tick() is not None
    assert custody.log_verifier() == given.verifier
    assert custody.master_key() == b"v" * 32
    assert not list(folder.glob("log*")) and not list(folder.glob("vault*"))


def test_a_key_of_the_environment_is_rotated_by_adding_a_line(settings: Any, tmp_path: Path, signed_log: Grow) -> None:
    settings.ASSAY_LOG_KEY = keys.LogSigner(ORIGIN, b"g" * 32).skey
    signed_log(1)
    with pytest.raises(CommandError, match="rotate_log_key --make FILE"):
        call_command("rotate_log_key")
    call_command("rotate_log_key", "--make", tmp_path / "new.key", stdout=StringIO())
    assert (tmp_path / "new.key").stat().st_mode & 0o777 == 0o600
    settings.ASSAY_LOG_KEY += "\n" + (tmp_path / "new.key").read_text()
    call_command("rotate_log_key", stdout=StringIO())
    assert len(custody.log_signers()) == 2
    with pytest.raises(CommandError, match="exists already"):
        call_command("rotate_log_key", "--make", tmp_path / "new.key")


def test_a_lost_promise_key_is_not_replaced_once_it_was_vouched_for(folder: Path) -> None:
    custody.promise_attestation()
    (folder / "promise.key").unlink()
    with pytest.raises(keys.KeyMissing, match="put it back"):
        custody.promise_signer()


def test_promises_go_on_after_a_rotation_by_a_sequencer_that_has_a_folder_of_its_own(
    settings: Any, folder: Path, tmp_path: Path, signed_log: Grow, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/keys.md recommends it: the web server reads no log key, the sequencer no promise key."""
    custody.prepare()
    old, promise = custody.log_verifier(), custody.promise_signer().verifier
    sequencers = tmp_path / "sequencer"
    sequencers.mkdir()
    (folder / "log.key").rename(sequencers / "log.key")
    settings.ASSAY_KEYS = sequencers
    [entry] = signed_log(1)
    rotation.rotate(dt.timedelta())
    sequencer.tick()
    assert sorted(path.name for path in sequencers.iterdir() if "promise" in path.name) == [], "it makes none up"
    settings.ASSAY_KEYS = folder
    monkeypatch.setattr(acknowledgements, "in_transaction", lambda: False)  # the test's own
    said = acknowledgements.acknowledge(entry)
    assert notes.open_note(said.promise_key, [old]).text.endswith(f"{promise.vkey}\n")
    assert client.get("/log/promise-key").content.decode() == said.promise_key
    # The operator gives the sequencer the public attestation: then it is renewed with each rotation.
    (sequencers / "promise.attestation.vkey").write_text(said.promise_key)
    settings.ASSAY_KEYS = sequencers
    rotation.rotate(dt.timedelta())
    sequencer.tick()
    renewed = (sequencers / "promise.attestation.vkey").read_text()
    assert notes.open_note(renewed, [custody.log_verifier()]).text == notes.parse(said.promise_key).text


def test_an_attestation_by_a_stranger_is_none(folder: Path, signed_log: Grow) -> None:
    custody.promise_attestation()
    text = notes.parse((folder / "promise.attestation.vkey").read_text()).text
    forged = notes.sign(text, keys.LogSigner(ORIGIN, b"m" * 32))
    (folder / "promise.attestation.vkey").write_text(str(forged))
    assert custody.kept_attestation() is None
    assert custody.promise_attestation() != str(forged)


def test_where_no_promise_key_can_be_vouched_for_its_address_is_not_found(
    folder: Path, signed_log: Grow, client: Client
) -> None:
    signed_log(1)
    (folder / "log.key").unlink()
    assert client.get("/log/promise-key").status_code == 404


def test_a_stolen_promise_key_is_replaced_as_the_runbook_says(folder: Path) -> None:
    custody.promise_attestation()
    stolen = custody.promise_signer().verifier
    for name in ("promise.key", "promise.attestation.vkey"):
        (folder / name).unlink()
    custody.prepare()
    assert custody.promise_signer().verifier != stolen
    assert stolen.vkey not in custody.promise_attestation()


def test_preparing_with_a_missing_key_says_what_to_do(folder: Path) -> None:
    custody.prepare()
    (folder / "log.key").unlink()
    with pytest.raises(CommandError, match="put it back"):
        call_command("prepare")


def test_a_key_made_beforehand_is_the_one_the_rotation_takes(signed_log: Grow, folder: Path) -> None:
    signed_log(1)
    call_command("rotate_log_key", "--make", folder / "log-2.key", stdout=StringIO())
    made = keys.read_log_signer(folder / "log-2.key").verifier
    call_command("rotate_log_key", stdout=StringIO())
    assert custody.log_verifier() == made


def test_an_attestation_that_was_changed_is_made_again(folder: Path) -> None:
    good = custody.promise_attestation()
    (folder / "promise.attestation.vkey").write_text(good.replace("assay-promise-key/1", "assay-promise-key/2"))
    again = custody.promise_attestation()
    assert again == good
    assert notes.open_note(again, [custody.log_verifier()])


@pytest.mark.parametrize(
    "damage", ["PRIVATE+KEY+x+00000000+{0}", "{0}", "PRIVATE+KEY+assay.localhost/log+ffffffff+{0}"]
)
def test_no_message_and_no_representation_shows_a_private_key(settings: Any, folder: Path, damage: str) -> None:
    seed = base64.b64encode(b"\x01" + secrets.token_bytes(32)).decode()
    settings.ASSAY_LOG_KEY = damage.format(seed)
    with pytest.raises(keys.BadKey) as refusal:
        custody.log_signer()
    settings.ASSAY_LOG_KEY = ""
    settings.ASSAY_VAULT_KEY = f"one:{seed}"
    with pytest.raises(keys.BadKey) as second:
        custody.master_key()
    signer = keys.LogSigner(ORIGIN, b"g" * 32)
    shown = f"{refusal.value} {second.value} {signer!r} {FileStore(folder, signer.skey)!r} {custody.store()!r}"
    assert seed not in shown
    assert signer.skey.rsplit("+", 1)[1] not in shown
    assert repr(b"g" * 32) not in shown


# --- The vault's master keys ---------------------------------------------------------------------------------------


def test_everything_opens_after_rewrapping_and_needs_the_new_key_only(sealed: dict[str, bytes], folder: Path) -> None:
    said = rewrap()
    assert versions() == [2] * len(PEOPLE)
    assert f"({len(PEOPLE)} keys were changed)" in said
    assert "No row names master key 1 any more" in said
    (folder / "vault-1.key").unlink()
    assert all_open(sealed)
    assert custody.newest_version() == 2
    assert (folder / "vault-2.key").stat().st_mode & 0o777 == 0o600
    assert base64.b64encode(custody.master_key(2)).decode() not in said


def test_rewrapping_that_was_killed_goes_on_where_it_was(
    sealed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(rewrapping, "BATCH", 3)

    def killed_halfway(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrapping.rewrap(killed_halfway)
    assert sorted(versions()) == [1] * 4 + [2] * 3
    assert all_open(sealed)
    done = rewrapping.rewrap()
    assert (done.version, done.changed, done.unused) == (2, 4, [1])
    assert all_open(sealed)
    assert not (folder / "vault-3.key").exists()


def test_killed_before_the_first_row_the_new_key_is_used_by_the_next_run(
    sealed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_at_once(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrapping.rewrap(killed_at_once)
    assert rewrapping.rewrap().version == 2


def test_somebody_new_who_is_sealed_for_meanwhile_gets_the_newest_key(
    sealed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrapping, "BATCH", 3)

    def append_meanwhile(done: int, total: int) -> None:
        person = f"person:late-{done}"
        with transaction.atomic():
            sealed[person] = vault.seal(person, person.encode(), "here")
            sealed["person:0"] = vault.seal("person:0", b"person:0", "here")

    rewrapping.rewrap(append_meanwhile)
    assert set(versions()) == {2}
    assert all_open(sealed)


def test_a_row_made_by_somebody_who_read_the_old_version_is_rewrapped_too(sealed: dict[str, bytes]) -> None:
    """The new person's key was wrapped just before the new master key came, and is stored only now."""
    key, id = keys.new_key(), PersonKey(person="person:late").pk
    wrapped, version = custody.wrap(key, id)

    def store_late(done: int, total: int) -> None:
        if done == total:
            late = {"wrapped": wrapped, "version": version}
            PersonKey.objects.get_or_create(id=id, person="person:late", defaults=late)

    rewrapping.rewrap(store_late)
    assert set(versions()) == {2}
    assert custody.unwrap(PersonKey.objects.get(pk=id)) == key


def test_a_person_erased_meanwhile_stays_erased(sealed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    real = custody.wrap

    def erase_just_before(key: bytes, key_id: Any, version: int | None = None) -> tuple[bytes, int]:
        PersonKey.objects.filter(pk=key_id, person="person:3").delete()
        return real(key, key_id, version)

    monkeypatch.setattr(custody, "wrap", erase_just_before)
    assert rewrapping.rewrap().changed == len(PEOPLE) - 1
    assert not PersonKey.objects.filter(person="person:3").exists()


@pytest.mark.django_db(transaction=True)
def test_everything_that_others_seal_during_a_rewrapping_opens_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrapping, "BATCH", 4)
    sealed: dict[str, bytes] = {}
    stop = threading.Event()

    def seal_until_told(name: str) -> None:
        try:
            for number in itertools.count():
                person = f"person:{name}-{number}"
                with transaction.atomic():
                    blob = vault.seal(person, person.encode(), "here")
                sealed[person] = blob
                if stop.wait(0.01):  # SQLite lets whoever asks in a tight loop in first
                    return
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as office:
        writers = [office.submit(seal_until_told, name) for name in ("alice", "bob")]
        try:
            while len(sealed) < 20:
                time.sleep(0.01)
            first = rewrapping.rewrap()
        finally:
            stop.set()
        for writer in writers:
            writer.result()
    if set(versions()) != {first.version}:
        assert rewrapping.rewrap().version == first.version
    assert set(versions()) == {2}
    assert len(sealed) >= 20
    assert all_open(sealed)


def test_a_missing_old_master_key_is_named_and_nothing_is_changed(sealed: dict[str, bytes], folder: Path) -> None:
    (folder / "vault-1.key").unlink()
    with pytest.raises(CommandError, match=r"vault-1\.key is missing: put it back"):
        rewrap()
    assert versions() == [1] * len(PEOPLE)
    assert list(folder.glob("vault-*")) == []


def test_a_wrong_old_master_key_is_named_and_nothing_is_changed(sealed: dict[str, bytes], folder: Path) -> None:
    right = (folder / "vault-1.key").read_text()
    (folder / "vault-1.key").write_text(base64.b64encode(b"w" * 32).decode())
    with pytest.raises(CommandError, match="another one wrapped it"):
        rewrap()
    assert versions() == [1] * len(PEOPLE)
    (folder / "vault-1.key").write_text(right)
    rewrap()
    assert all_open(sealed)


def test_a_new_master_key_that_is_lost_is_never_replaced(sealed: dict[str, bytes], folder: Path) -> None:
    rewrap()
    (folder / "vault-2.key").unlink()
    with pytest.raises(keys.KeyMissing), transaction.atomic():
        vault.seal("person:new", b"x", "here")
    assert not rotation.check().ok
    assert "vault's master key 2 is missing" in rotation.check().detail


def test_a_master_key_of_the_environment_is_rewrapped_by_adding_a_line(settings: Any) -> None:
    first, second = (base64.b64encode(letter * 32).decode() for letter in (b"1", b"2"))
    settings.ASSAY_VAULT_KEY = first
    with transaction.atomic():
        blob = vault.seal("person:dana", b"value", "here")
    with pytest.raises(CommandError, match="openssl rand -base64 32"):
        rewrap()
    settings.ASSAY_VAULT_KEY = f"{first}\n2:{second}"
    rewrap()
    settings.ASSAY_VAULT_KEY = f"2:{second}"
    assert vault.unseal("person:dana", blob, "here") == b"value"
