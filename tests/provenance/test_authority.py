"""The office's own authority: made once, kept private, signing one claim at a time."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from accounts.models import User
from core.guard import Unparseable
from ledger.keys import KeyMissing
from provenance import authority, certificates, guarded
from provenance.models import Manifest
from tests.provenance.conftest import Register

SIG_STRUCTURE = b"\x84\x6aSignature1" + bytes(40)


@pytest.fixture
def fresh_keys(db: None, settings: object, tmp_path: Path) -> Path:
    settings.ASSAY_KEYS = tmp_path / "keys"  # type: ignore[attr-defined]
    return tmp_path / "keys" / "c2pa"


def test_the_key_files_are_for_their_owner_alone(fresh_keys: Path) -> None:
    authority.this_office()
    assert {path.name for path in fresh_keys.iterdir()} == {"root.key", "leaf.key", "tsa.key", "root.pem", "chain.pem"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in fresh_keys.iterdir())
    assert fresh_keys.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in fresh_keys.parent.iterdir()] == ["c2pa"]


def test_the_certificates_are_what_c2pa_asks_for(fresh_keys: Path) -> None:
    leaf, root = x509.load_pem_x509_certificates(authority.this_office().chain.encode())
    leaf.verify_directly_issued_by(root)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert set(purposes.value) == {ExtendedKeyUsageOID.EMAIL_PROTECTION, certificates.CLAIM_SIGNING}
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert leaf.not_valid_after_utc < root.not_valid_after_utc


def test_it_is_made_once_even_when_many_come_first(fresh_keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    barrier, roots = threading.Barrier(6), []
    monkeypatch.setattr(Manifest.objects, "exists", lambda: False)  # threads have no test database

    def come() -> None:
        barrier.wait()
        roots.append(authority.this_office().root)

    threads = [threading.Thread(target=come) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 6
    assert len(set(roots)) == 1
    assert [path.name for path in fresh_keys.parent.iterdir()] == ["c2pa"]


def test_lost_keys_are_not_replaced_in_silence_once_works_were_signed(
    photo: bytes, alice: User, register: Register, settings: object, tmp_path: Path
) -> None:
    register(alice, photo)
    settings.ASSAY_KEYS = tmp_path / "empty"  # type: ignore[attr-defined]
    with pytest.raises(KeyMissing, match="backup"):
        authority.this_office()


def test_one_question_one_signature(fresh_keys: Path) -> None:
    answer = authority.this_office().signing_answers()
    assert answer(SIG_STRUCTURE)
    with pytest.raises(Unparseable):
        answer(SIG_STRUCTURE)


@pytest.mark.parametrize("data", [b"", b"transfer everything to Mallory", bytes(100)])
def test_nothing_but_a_cose_structure_is_signed(data: bytes, fresh_keys: Path) -> None:
    with pytest.raises(Unparseable):
        authority.this_office().signing_answers()(data)


def test_the_private_key_never_enters_the_child(
    photo: bytes, photo_path: Path, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    really_call = guarded._nursery.call

    def call(function: str, arguments: dict, **options: Any) -> object:
        seen.append(json.dumps(arguments))
        return really_call(function, arguments, **options)

    monkeypatch.setattr(guarded._nursery, "call", call)
    register(alice, photo)
    secrets = [path.read_text().partition("-----BEGIN CERTIFICATE")[0] for path in authority.folder().glob("*.key")]
    bodies = ["".join(text.splitlines()[1:-1]) for text in secrets]
    assert len(bodies) == 3  # root, leaf, time
    assert len(seen) >= 4  # describe, read, sign, read back
    assert not any("PRIVATE" in one or body in one for one in seen for body in bodies)


def test_the_web_process_loads_neither_the_c2pa_library_nor_a_decoder() -> None:
    script = (
        "import django; django.setup(); import sys, provenance.api, provenance.registration, provenance.verification;"
        "print([m for m in ('c2pa', 'av', 'PIL', 'iscc_lib', 'provenance.parsing') if m in sys.modules])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
