"""An independent verifier (encypher-c2pa) must agree with ours on integrity and binding, for every embedded format.

What it sees differently is listed, with the reason, in docs/provenance.md.
"""

import hashlib
from pathlib import Path
from typing import Any

import encypher_c2pa
import pytest

from provenance import guarded, judgement, trust
from provenance.assertions import Statement, build_manifest
from provenance.verification import judged
from tests.provenance import media_made, tampering
from tests.provenance.signing_desk import Desk
from tests.provenance.tamper_cases import CASES

# Bytes and the engines are the same on both databases; what the desk has signed is signed once.
pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.xdist_group("desk")]

# Nothing is left to agree on where the credential is gone.
SIGNED = [case for case, (_, wanted) in CASES.items() if wanted.presence == "embedded"]


def _second(data: bytes, media_type: str, **more: Any) -> tuple[str, str]:
    """Its integrity and hard binding. It sends nothing: neither a question about the file nor how it went."""
    try:
        report = encypher_c2pa.verify(data, media_type, no_default_trust=True, telemetry=False, **more)
    except ValueError as error:
        return "refused", str(error).split(":")[0]
    return report["integrity"], report["hard_binding"]


def _ours(path: Path, media_type: str, manifest: Path | None = None) -> str:
    policy = trust.policy()
    found = guarded.read_credential(path, media_type, policy=policy, manifest=manifest)
    return judgement.verdicts(judged(found, policy))["integrity"].state


@pytest.fixture(autouse=True)
def _no_traces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would write its settings into the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.parametrize("media_type", media_made.EMBEDDABLE)
@pytest.mark.parametrize("case", SIGNED)
def test_both_engines_agree_on_integrity_and_binding(case: str, media_type: str, desk: Desk, db: None) -> None:
    """What ours says of each is proven by test_tamper_matrix."""
    make, wanted = CASES[case]
    integrity, binding = _second(make(desk, media_type), media_type)
    assert (integrity == "valid" and binding == "match") == (wanted.integrity == "intact"), (integrity, binding)


@pytest.mark.parametrize("media_type", ["image/jpeg", "video/mp4", "application/pdf"])
def test_both_engines_agree_on_a_detached_manifest(media_type: str, tmp_path: Path, db: None) -> None:
    data = media_made.make(media_type)
    said = Statement("asset:of-this-test", "A photograph", media_type, "digitalCapture", "allowed")
    store = guarded.sign_detached(hashlib.sha256(data).hexdigest(), manifest=build_manifest(said))
    manifest = media_made.written(tmp_path, "m.c2pa", store)
    for brought, ours in ((data, "intact"), (data + b"x", "broken")):
        assert _ours(media_made.written(tmp_path, "file", brought), media_type, manifest) == ours
        integrity, binding = _second(brought, media_type, manifest_store=store)
        assert (integrity == "valid" and binding == "match") == (ours == "intact"), (integrity, binding)


# --- Where they differ, as docs/provenance.md lists it ---------------------------------------------------------------


def test_it_refuses_to_read_a_riff_file_with_bytes_behind_its_end(desk: Desk, db: None) -> None:
    """Ours reads it and finds the content changed; both give it no credit."""
    for media_type in tampering.RIFF:
        data = tampering.appended(media_type, desk.signed(media_type))
        assert _second(data, media_type) == ("refused", "verification_error")


def test_it_knows_fewer_types_of_files_beside_which_a_manifest_may_stand(tmp_path: Path, db: None) -> None:
    data = media_made.make("video/webm")
    said = Statement("asset:of-this-test", "A clip", "video/webm", "digitalCapture", "allowed")
    store = guarded.sign_detached(hashlib.sha256(data).hexdigest(), manifest=build_manifest(said))
    assert _second(data, "video/webm", manifest_store=store) == ("refused", "unsupported_mime")
    file, manifest = (media_made.written(tmp_path, name, data) for name, data in (("f", data), ("m.c2pa", store)))
    assert _ours(file, "video/webm", manifest) == "intact"


def test_it_stops_at_the_first_broken_seal_and_leaves_the_content_open(desk: Desk, db: None) -> None:
    data = tampering.signature_edited("image/jpeg", desk.signed("image/jpeg"))
    assert _second(data, "image/jpeg") == ("invalid", "unknown")


def test_it_calls_a_file_without_a_credential_invalid(desk: Desk, db: None) -> None:
    """Ours has a word of its own for that: absent."""
    assert _second(desk.plain("image/jpeg"), "image/jpeg") == ("invalid", "unknown")
