"""Keys on a PKCS#11 token (SoftHSM2, a real one in software) and in a KMS, behind the same door as files."""

import datetime as dt
import multiprocessing
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import nacl.signing
import pytest
from botocore.stub import Stubber
from django.db import transaction
from moto import mock_aws

from ledger import audit, custody, keys, keystores, notes, rewrapping, rotation, sequencer, vault
from ledger.keystores.kms import ALGORITHM, SPEC, KmsStore
from ledger.keystores.token import TokenStore
from ledger.models import PersonKey
from tests.ledger.conftest import Record

ORIGIN = "assay.localhost/log"
PIN = "271828"
LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


# --- PKCS#11 -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SoftHSM2 with an empty folder of tokens."""
    found = next((path for path in LIBRARIES if Path(path).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.fail("SoftHSM2 is not installed: `apt-get install softhsm2` (as .ci/run does)")
    ground = tmp_path_factory.mktemp("softhsm")
    (ground / "tokens").mkdir()
    (ground / "softhsm2.conf").write_text(f"directories.tokendir = {ground}/tokens\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(ground / "softhsm2.conf"))
        yield found


@pytest.fixture
def spec(library: str) -> str:
    """ASSAY_KEY_STORE for a token of its own."""
    label = f"assay-{secrets.token_hex(4)}"
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    import pkcs11

    pkcs11.lib(library).reinitialize()  # SoftHSM looks for tokens when it is initialised
    keystores._opened.clear()
    return f"pkcs11:{library}?token={label}"


@pytest.fixture
def store(spec: str, tmp_path: Path) -> keystores.KeyStore:
    return keystores.open_store(keystores.Place(spec, tmp_path, PIN))


@pytest.fixture
def on_the_token(spec: str, settings: Any, tmp_path: Path) -> None:
    settings.ASSAY_KEYS = tmp_path / "keys"
    settings.ASSAY_KEY_STORE, settings.ASSAY_KEY_STORE_PIN = spec, PIN


def test_a_checkpoint_signed_by_the_token_is_verified_by_pynacl(store: keystores.KeyStore) -> None:
    signer = store.new_log_signer(ORIGIN)
    text = notes.TreeHead(ORIGIN, 7, b"r" * 32).text()
    note = notes.parse(str(notes.sign(text, signer)))
    nacl.signing.VerifyKey(signer.verifier.public_key).verify(text.encode(), note.signatures[0].signature)
    assert notes.open_checkpoint(str(note), ORIGIN, [keys.parse_vkey(signer.verifier.vkey)]).size == 7


def test_a_key_on_the_token_cannot_be_taken_out(spec: str, tmp_path: Path) -> None:
    from pkcs11 import Attribute, ObjectClass
    from pkcs11.exceptions import AttributeSensitive

    store = TokenStore(*_parts(spec), PIN, tmp_path)
    store.new_log_signer(ORIGIN)
    store.new_master_key(1)
    with store._open() as session:
        kept = [*session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})]
        kept += session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: True})
        assert len(kept) == 2
        for key in kept:
            with pytest.raises(AttributeSensitive):
                key[Attribute.VALUE]


def test_a_master_key_is_unwrapped_by_the_token_only(store: keystores.KeyStore, spec: str, tmp_path: Path) -> None:
    store.new_master_key(1)
    key = store.master_key(1)
    assert len(key) == 32
    [file] = tmp_path.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("vault-1.wrapped", 0o600)
    assert key not in file.read_bytes()
    again = TokenStore(*_parts(spec), PIN, tmp_path)
    assert again.master_key(1) == key
    assert again.master_versions() == [1]
    good = file.read_text()
    file.write_text(("B" if good[0] == "A" else "A") + good[1:])
    with pytest.raises(keys.KeyStoreAway):
        TokenStore(*_parts(spec), PIN, tmp_path).master_key(1)


def test_a_wrapped_key_that_is_taken_away_is_missing_at_once(store: keystores.KeyStore, tmp_path: Path) -> None:
    store.new_master_key(1)
    store.master_key(1)
    (tmp_path / "vault-1.wrapped").unlink()
    with pytest.raises(keys.KeyMissing, match="put it back"):
        store.master_key(1)


@pytest.mark.parametrize("mistake", ["pin", "token", "library"])
def test_what_is_wrong_with_the_token_is_said_without_the_pin(
    spec: str, library: str, tmp_path: Path, mistake: str
) -> None:
    pin = "314159" if mistake == "pin" else PIN
    wrong = {
        "pin": spec,
        "token": f"pkcs11:{library}?token=nobody",
        "library": "pkcs11:/nowhere/libnothing.so?token=assay",
    }[mistake]
    with pytest.raises(keys.KeyStoreAway) as refusal:
        keystores.open_store(keystores.Place(wrong, tmp_path, pin)).log_signers()
    assert pin not in f"{refusal.value} {refusal.value.__cause__} {keystores.Place(wrong, tmp_path, pin)!r}"


def test_a_forked_worker_opens_a_session_of_its_own(spec: str, tmp_path: Path) -> None:
    place = keystores.Place(spec, tmp_path, PIN)
    keystores.open_store(place).new_master_key(1)
    key = keystores.open_store(place).master_key(1)
    signer = keystores.open_store(place).new_log_signer(ORIGIN)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_in_the_child, args=(place, queue))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    same_key, signature = queue.get()
    assert same_key == key
    assert signer.verifier.verifies(b"from the child\n", signature)
    assert signer.verifier.verifies(b"and from here\n", signer.sign(b"and from here\n"))


def test_two_processes_that_start_at_once_make_one_master_key_that_opens(spec: str, tmp_path: Path) -> None:
    from pkcs11 import Attribute, ObjectClass

    place = keystores.Place(spec, tmp_path / "keys", PIN)
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(3), context.SimpleQueue()
    children = [context.Process(target=_start_at_once, args=(place, barrier, queue)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    made = {queue.get() for _ in children}
    assert made == {TokenStore(*_parts(spec), PIN, tmp_path / "keys").master_key(1)}
    with TokenStore(*_parts(spec), PIN, tmp_path / "keys")._open() as session:
        kept = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: True})
        assert [key.label for key in kept] == ["assay-vault-1"]


def _start_at_once(place: keystores.Place, barrier: Any, queue: Any) -> None:
    barrier.wait(30)
    store = keystores.open_store(place)
    store.new_master_key(1)
    queue.put(store.master_key(1))


def test_a_master_key_that_would_not_open_again_is_not_kept(
    store: keystores.KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokenStore, "wrapped_new_key", lambda *_: bytes(40))
    with pytest.raises(keys.KeyStoreAway):
        store.new_master_key(1)
    assert list(tmp_path.iterdir()) == []


def _in_the_child(place: keystores.Place, queue: Any) -> None:
    store = keystores.open_store(place)
    queue.put((store.master_key(1), store.log_signers()[0].sign(b"from the child\n")))


@pytest.mark.django_db
@pytest.mark.usefixtures("on_the_token")
def test_a_whole_log_lives_with_its_keys_on_the_token(record: Record, settings: Any) -> None:
    """Seal, sign, rotate, rewrap; on disk there is no private key but that of promises."""
    record(sealed={"title": "Sunset"})
    sequencer.tick()
    rotation.rotate(dt.timedelta(days=1))
    record()
    newest = sequencer.tick()
    assert newest is not None
    assert len(notes.parse(newest.note).signatures) == 2
    assert rewrapping.rewrap().version == 2
    assert set(PersonKey.objects.values_list("version", flat=True)) == {2}
    assert audit.check_log().sections == 3
    custody.promise_attestation()
    assert sorted(path.name for path in Path(settings.ASSAY_KEYS).iterdir()) == [
        "promise.attestation.vkey",
        "promise.key",
        "vault-1.wrapped",
        "vault-2.wrapped",
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("on_the_token")
def test_a_token_that_is_away_stops_signing_and_makes_no_new_key(record: Record, settings: Any) -> None:
    record()
    sequencer.tick()
    record()
    settings.ASSAY_KEY_STORE = settings.ASSAY_KEY_STORE.rpartition("=")[0] + "=gone"
    with pytest.raises(keys.KeyStoreAway):
        sequencer.tick()
    with pytest.raises(keys.KeyStoreAway), transaction.atomic():
        vault.seal("person:dana", b"x", "here")


@pytest.mark.parametrize("spec", ["pkcs11:", "pkcs11:/lib.so", "kms:", "safe:1", "files"])
def test_a_setting_that_names_no_store_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(keys.BadKey, match="ASSAY_KEY_STORE must be"):
        keystores.open_store(keystores.Place(spec, tmp_path))


@pytest.mark.django_db
def test_an_office_moves_from_files_to_a_token_by_rotating_and_rewrapping(
    record: Record, settings: Any, tmp_path: Path, spec: str
) -> None:
    settings.ASSAY_KEYS = tmp_path / "keys"
    record(sealed={"title": "Sunset"})
    sequencer.tick()
    settings.ASSAY_KEY_STORE, settings.ASSAY_KEY_STORE_PIN = spec, PIN
    rotation.rotate(dt.timedelta())
    assert rewrapping.rewrap().unused == [1]
    record()
    sequencer.tick()
    assert [path.name for path in rotation.retired_files()] == ["log.key"]
    for name in ("log.key", "vault-1.key"):
        (settings.ASSAY_KEYS / name).unlink()
    record()
    assert sequencer.tick() is not None
    assert audit.check_log().checkpoints == 3
    assert list(Path(settings.ASSAY_KEYS).glob("log*.key")) == []


def _parts(spec: str) -> tuple[str, str]:
    library, _, label = spec.removeprefix("pkcs11:").partition("?token=")
    return library, label


# --- KMS -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto's KMS, in this process: it knows symmetric keys and aliases, but no Ed25519 keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield boto3.client("kms")


def test_the_kms_wraps_master_keys(aws: Any, tmp_path: Path) -> None:
    store = KmsStore("assay", tmp_path)
    store.new_master_key(1)
    store.new_master_key(2)
    assert {store.master_key(1), store.master_key(2)} == {
        KmsStore("assay", tmp_path).master_key(1),
        KmsStore("assay", tmp_path).master_key(2),
    }
    assert store.master_key(1) != store.master_key(2)
    assert [alias["AliasName"] for alias in aws.list_aliases()["Aliases"] if "assay" in alias["AliasName"]] == [
        "alias/assay-vault-1",
        "alias/assay-vault-2",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"vault-1.wrapped", "vault-2.wrapped"}


def test_a_wrapped_key_of_another_version_does_not_open(aws: Any, tmp_path: Path) -> None:
    store = KmsStore("assay", tmp_path)
    store.new_master_key(1)
    store.new_master_key(2)
    (tmp_path / "vault-2.wrapped").write_text((tmp_path / "vault-1.wrapped").read_text())
    with pytest.raises(keys.KeyStoreAway, match="refused"):
        KmsStore("assay", tmp_path).master_key(2)


def test_a_kms_without_the_alias_is_named(aws: Any, tmp_path: Path) -> None:
    KmsStore("assay", tmp_path).new_master_key(1)
    aws.delete_alias(AliasName="alias/assay-vault-1")
    with pytest.raises(keys.KeyStoreAway, match="restore the alias"):
        KmsStore("assay", tmp_path).master_key(1)


def test_the_log_key_of_the_kms_signs_as_ed25519(tmp_path: Path) -> None:
    """The conversation is the one that botocore's model of the service allows; the signature is a real one."""
    key = nacl.signing.SigningKey(b"k" * 32)
    spki = bytes.fromhex("302a300506032b6570032100") + bytes(key.verify_key)
    text = notes.TreeHead(ORIGIN, 7, b"r" * 32).text()
    client = boto3.client("kms", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    tags = [{"TagKey": "assay-origin", "TagValue": ORIGIN}]
    asked = {"KeyId": "k-1", "Message": text.encode(), "MessageType": "RAW", "SigningAlgorithm": ALGORITHM}
    made = {"KeySpec": SPEC, "KeyUsage": "SIGN_VERIFY", "Description": f"Signs the log {ORIGIN}", "Tags": tags}
    alias = {"AliasName": "alias/assay-log-1", "TargetKeyId": "k-1"}
    with Stubber(client) as stub:
        stub.add_response("list_aliases", {"Aliases": []})
        stub.add_response("create_key", {"KeyMetadata": {"KeyId": "k-1"}}, made)
        stub.add_response("create_alias", {}, alias)
        stub.add_response("get_public_key", {"PublicKey": spki}, {"KeyId": "k-1"})
        stub.add_response("list_resource_tags", {"Tags": tags}, {"KeyId": "k-1"})
        stub.add_response("sign", {"Signature": key.sign(text.encode()).signature}, asked)
        stub.add_response("list_aliases", {"Aliases": [alias]})
        store = KmsStore("assay", tmp_path, client)
        signer = store.new_log_signer(ORIGIN)
        note = str(notes.sign(text, signer))
        assert store.log_signer(signer.verifier.vkey) is not None
        assert store.log_signer(signer.verifier.vkey) is not None  # a second time without asking the service
        stub.assert_no_pending_responses()
    assert notes.open_checkpoint(note, ORIGIN, [signer.verifier]).size == 7


def test_a_kms_without_ed25519_is_named(tmp_path: Path) -> None:
    client = boto3.client("kms", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_response("list_aliases", {"Aliases": []})
        stub.add_client_error("create_key", "UnsupportedOperationException", "not here: SECRET")
        with pytest.raises(keys.KeyStoreAway, match="offers Ed25519 keys") as refusal:
            KmsStore("assay", tmp_path, client).new_log_signer(ORIGIN)
    assert "SECRET" not in str(refusal.value)
