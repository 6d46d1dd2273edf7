"""Nothing opens an address that a file names. A trap on this machine counts every connection, whoever asks.

The library is closed twice: by settings, and by a resolver that sends no request. Each lock is tried without the other,
and without both the trap snaps: the proof would notice a mistyped setting.
"""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import c2pa
import cbor2
import pytest

from accounts.models import User
from core.problems import Problem
from provenance import assertions, authority, questions, stamping, trust
from provenance import c2pa as engine
from provenance.assertions import Statement
from provenance.verification import verify_file
from tests.provenance import media_made
from tests.provenance.conftest import Register

# Bytes and the engine are the same on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

Write = Callable[[str, bytes], Path]
HOSTS = ["127.0.0.1", "localhost", "0x7f000001", "2130706433"]
SVG, JPEG = "image/svg+xml", "image/jpeg"
# The library refuses a `did:web` on this machine by itself, so whoever is asked for this one is watched instead.
ISSUER = "identity.example"


class Trap:
    """Takes any connection, notes what it says first, and hangs up."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            visitor, _ = self._listening.accept()
            with visitor:
                visitor.settimeout(2)
                said = visitor.recv(200)
                if said == b"over":
                    return
                self.visits.append(said)
                visitor.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"over")
        self._thread.join()
        self._listening.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture
def anchors() -> list[dict[str, str]]:
    return trust.policy().anchors


# --- Files that call out -----------------------------------------------------------------------------------------


def _svg_that_calls(port: int) -> bytes:
    there = f"http://127.0.0.1:{port}"
    return f"""<?xml version="1.0"?><?xml-stylesheet href="{there}/style.css"?>
<!DOCTYPE svg [<!ENTITY x SYSTEM "{there}/entity">]>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">
<image xlink:href="{there}/picture.png" width="9" height="9"/><use href="{there}/shape.svg#a"/>
<style>@import url("{there}/import.css");</style></svg>""".encode()


def _with_did_web(path: Path, target: Path, port: int, anchors: list[dict[str, str]]) -> None:
    """A JPEG whose credential holds an identity that an issuer with a `did:web` vouches for (CAWG identity 1.1 §8.1);
    its other addresses are those of the trap."""
    payload = {"referenced_assertions": [], "sig_type": "cawg.identity_claims_aggregation"}
    verified = {
        "type": "cawg.social_media",
        "username": "mallory",
        "uri": f"http://127.0.0.1:{port}/mallory",
        "verifiedAt": "2026-01-01T00:00:00Z",
        "provider": {"id": f"http://127.0.0.1:{port}/", "name": "Mallory & Sons"},
    }
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://cawg.io/identity/1.1/ica/context/"],
        "type": ["VerifiableCredential", "IdentityClaimsAggregationCredential"],
        "issuer": f"did:web:{ISSUER}",
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"verifiedIdentities": [verified], "c2paAsset": payload},
    }
    protected = cbor2.dumps({1: -8, 3: "application/vc"})
    cose = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, json.dumps(credential).encode(), bytes(64)]))
    identity = {
        "label": "cawg.identity",
        "created": True,
        "data": {"signer_payload": payload, "signature": list(cose), "pad1": []},
    }
    manifest = assertions.build_manifest(_statement())
    manifest["assertions"].append(identity)
    engine.sign(path, target, JPEG, manifest=manifest, signer=_signer(anchors), ask=_ask())


def _statement(media_type: str = JPEG, **options: Any) -> Statement:
    return Statement("asset:1", "A file", media_type, "print", "allowed", **options)


def _signer(anchors: list[dict[str, str]], *, stamp: bool = False) -> dict[str, Any]:
    office = authority.this_office()
    return {"chain": office.chain, "algorithm": office.algorithm, "stamp": stamp, "anchors": anchors}


def _ask() -> Callable[[bytes], bytes]:
    sign, stamper = authority.this_office().signing_answers(), stamping.authority()

    def answer(question: bytes) -> bytes:
        return stamper.stamp(question[1:]) if question[:1] == questions.STAMP else sign(question[1:])

    return answer


def _use(path: Path, media_type: str, folder: Path, anchors: list[dict[str, str]]) -> None:
    """Everything this office has the library do with an upload, in this very process, without the guard's network
    namespace: read it, take it in as an ingredient, sign over it with a thumbnail, sign beside it."""
    engine.read(path, media_type, anchors=anchors)
    about: dict[str, Any] = {
        "manifest": assertions.build_manifest(_statement(media_type, has_parent=True, thumbnail=True)),
        "signer": _signer(anchors, stamp=True),
        "parent": path,
        "ingredient": {"title": "x", "relationship": "parentOf", "label": "parent"},
    }
    # What calls out may be refused; it may not call.
    with suppress(c2pa.C2paError):
        engine.sign(path, folder / "signed", media_type, thumbnail=True, ask=_ask(), **about)
    with suppress(c2pa.C2paError):
        engine.sign_detached(bytes(32), ask=_ask(), **about)
    if (folder / "signed").exists():
        engine.read(folder / "signed", media_type, anchors=anchors)


# --- Locked ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_a_remote_manifest_is_never_fetched(
    host: str, trap: Trap, photo: bytes, on_disk: Write, tmp_path: Path, anchors: list[dict[str, str]]
) -> None:
    path = on_disk("remote.jpg", media_made.naming_an_address(photo, f"http://{host}:{trap.port}/m.c2pa"))
    assert engine.read(path, JPEG, anchors=anchors)["presence"] == "remote"
    _use(path, JPEG, tmp_path, anchors)
    assert trap.visits == []


def test_what_an_svg_refers_to_is_never_fetched(
    trap: Trap, on_disk: Write, tmp_path: Path, anchors: list[dict[str, str]]
) -> None:
    path = on_disk("calls.svg", _svg_that_calls(trap.port))
    _use(path, SVG, tmp_path, anchors)
    assert trap.visits == []


def test_an_identity_by_did_web_is_told_and_not_resolved(
    trap: Trap, photo: bytes, on_disk: Write, tmp_path: Path, anchors: list[dict[str, str]]
) -> None:
    path = tmp_path / "identity.jpg"
    _with_did_web(on_disk("photo.jpg", photo), path, trap.port, anchors)
    found = engine.read(path, JPEG, anchors=anchors)
    assert found["identity"]["kinds"] == ["cawg.identity_claims_aggregation"]
    assert found["identity"]["judged"] is False
    _use(path, JPEG, tmp_path, anchors)
    assert trap.visits == []


def test_signing_with_a_time_stamp_asks_the_parent_and_nobody_else(
    trap: Trap, photo: bytes, on_disk: Write, tmp_path: Path, anchors: list[dict[str, str]]
) -> None:
    asked: list[bytes] = []
    answer = _ask()

    def ask(question: bytes) -> bytes:
        asked.append(question[:1])
        return answer(question)

    source, target = on_disk("photo.jpg", photo), tmp_path / "signed.jpg"
    manifest = assertions.build_manifest(_statement())
    engine.sign(source, target, JPEG, manifest=manifest, signer=_signer(anchors, stamp=True), ask=ask)
    assert asked == [questions.SIGN, questions.STAMP]
    found = engine.read(target, JPEG, anchors=anchors)
    success = {one["code"] for one in found["store"]["validation_results"]["activeManifest"]["success"]}
    assert "timeStamp.trusted" in success


def test_a_file_whose_credential_is_elsewhere_is_reported_as_such(trap: Trap, photo: bytes, on_disk: Write) -> None:
    path = on_disk("remote.jpg", media_made.naming_an_address(photo, f"http://127.0.0.1:{trap.port}/m.c2pa"))
    report = verify_file(path, "00" * 32)
    assert report.credential.state == "unreadable"
    assert report.credential.codes == ["manifest.inaccessible"]
    assert "127.0.0.1" in report.credential.reasons[0]
    assert trap.visits == []


def test_a_file_whose_credential_is_elsewhere_is_not_registered(
    trap: Trap, photo: bytes, alice: User, register: Register, leaves_nothing: None
) -> None:
    with pytest.raises(Problem) as refusal:
        register(alice, media_made.naming_an_address(photo, f"http://127.0.0.1:{trap.port}/m.c2pa"))
    assert (refusal.value.code, refusal.value.status) == ("media.remote_manifest", 422)
    assert trap.visits == []


# --- The locks, one by one ---------------------------------------------------------------------------------------


def _mistyped(anchors: list[dict[str, str]], **options: Any) -> dict[str, Any]:
    """The library swallows a setting that it does not know, and keeps its own: fetch."""
    wrong = engine.settings_for(anchors, **options)
    wrong["verify"]["remote_manifest_fetchh"] = wrong["verify"].pop("remote_manifest_fetch")
    del wrong["core"]["allowed_network_hosts"]
    return wrong


def _read(data: bytes, context: Any) -> None:
    try:
        c2pa.Reader(JPEG, io.BytesIO(data), context=context).close()
    except c2pa.C2paError:
        return


class Recorder:
    """Notes for which addresses the library asks its resolver, and refuses."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, method: str, url: str, body: bytes) -> None:
        self.asked.append(url)


@pytest.fixture
def remote(trap: Trap, photo: bytes) -> bytes:
    return media_made.naming_an_address(photo, f"http://127.0.0.1:{trap.port}/m.c2pa")


@pytest.fixture
def identity(trap: Trap, photo: bytes, on_disk: Write, tmp_path: Path, anchors: list[dict[str, str]]) -> bytes:
    _with_did_web(on_disk("photo.jpg", photo), tmp_path / "identity.jpg", trap.port, anchors)
    return (tmp_path / "identity.jpg").read_bytes()


def test_without_either_lock_the_trap_snaps(trap: Trap, remote: bytes, anchors: list[dict[str, str]]) -> None:
    """The control: the trap works, the file does call, and a mistyped setting makes the proofs above fail."""
    _read(remote, c2pa.Context.from_dict(_mistyped(anchors)))
    assert len(trap.visits) == 1
    assert trap.visits[0].startswith(b"GET /m.c2pa ")


def test_the_resolver_alone_holds(trap: Trap, remote: bytes, anchors: list[dict[str, str]]) -> None:
    recorder = Recorder()
    _read(remote, engine.ClosedContext(_mistyped(anchors), recorder))
    assert recorder.asked == [f"http://127.0.0.1:{trap.port}/m.c2pa"]
    assert trap.visits == []


def test_the_settings_alone_hold(trap: Trap, remote: bytes, anchors: list[dict[str, str]]) -> None:
    _read(remote, c2pa.Context.from_dict(engine.settings_for(anchors)))
    assert trap.visits == []


def test_a_did_web_is_asked_for_when_identities_are_judged_and_refused_by_the_resolver(
    trap: Trap, identity: bytes, anchors: list[dict[str, str]]
) -> None:
    recorder = Recorder()
    _read(identity, engine.ClosedContext(_mistyped(anchors, identities=True), recorder))
    assert recorder.asked == [f"https://{ISSUER}/.well-known/did.json"]
    assert trap.visits == []


def test_a_did_web_is_not_even_asked_for_as_this_office_reads(
    trap: Trap, identity: bytes, anchors: list[dict[str, str]]
) -> None:
    recorder = Recorder()
    _read(identity, engine.ClosedContext(engine.settings_for(anchors), recorder))
    assert recorder.asked == []
    assert trap.visits == []
