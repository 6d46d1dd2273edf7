"""Time-stamps for media: this office's own, somebody else's, and what is refused of either.

The tests against OpenSSL need its program `openssl` (package `openssl` of Debian and others, version 1.1 or newer).
"""

import datetime as dt
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import time_machine
from asn1crypto import tsp
from cryptography import x509
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerifierBuilder, decode_timestamp_response

from accounts.models import User
from core.problems import Problem
from ledger import posting
from ledger.timestampauthority import Authority
from provenance import authority, stamping, trust
from provenance.models import Asset
from tests.provenance import certificates_made as made
from tests.provenance.asking import reported
from tests.provenance.conftest import Register

# Bytes and the engine are the same on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

REPLY = "application/timestamp-reply"
Respond = Callable[[bytes], tuple[int, str, bytes]]


SHORT = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": b"x"}


def request_over(message: bytes, *, nonce: bool = True, algorithm: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
    builder = TimestampRequestBuilder().data(message).hash_algorithm(algorithm)
    return builder.nonce(nonce=nonce).cert_request(cert_request=True).build().as_bytes()


def changed(request: bytes, **fields: Any) -> bytes:
    asked = tsp.TimeStampReq.load(request).copy()
    for name, value in fields.items():
        asked[name] = value
    return bytes(asked.dump())


# --- This office's own -------------------------------------------------------------------------------------------


def test_the_certificate_stands_directly_under_the_root_and_is_alone_in_the_token() -> None:
    office = authority.this_office()
    response = decode_timestamp_response(stamping.authority().stamp(request_over(b"a photograph")))
    [der] = response.signed_data.certificates
    own = authority.time_authority().certificate
    own.verify_directly_issued_by(office.roots[0])
    assert x509.load_der_x509_certificate(der) == own
    verifier = VerifierBuilder().add_root_certificate(office.roots[0]).build()
    assert verifier.verify_message(response, b"a photograph")


def test_openssl_accepts_our_stamp(tmp_path: Path) -> None:
    assert shutil.which("openssl"), "this test runs OpenSSL's own program: install Debian's package openssl"
    (tmp_path / "data").write_bytes(b"a photograph")
    (tmp_path / "root.pem").write_text(authority.this_office().root)
    (tmp_path / "token.tsr").write_bytes(stamping.authority().stamp(request_over(b"a photograph")))
    words = ["openssl", "ts", "-verify", "-data", "data", "-in", "token.tsr", "-CAfile", "root.pem"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout, done.stderr


# By name: each request has a random number in it, and every test process must know the tests by the same words.
REQUESTS: dict[str, bytes] = {
    "nothing": b"",
    "nonsense": b"nonsense",
    "cut short": request_over(b"x")[:-1],
    "with something behind it": request_over(b"x") + b"\0",
    "another hash": request_over(b"x", algorithm=HashAlgorithm.SHA512),
    "without the certificate": changed(request_over(b"x"), cert_req=False),
    "an extension": changed(request_over(b"x"), extensions=[{"extn_id": "1.2.3.4", "extn_value": bytes(300)}]),
    "a short hash": changed(request_over(b"x"), message_imprint=SHORT),
    "a megabyte": bytes(1 << 20),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_a_child_that_asks_for_something_else_gets_nothing(what: str) -> None:
    with pytest.raises(Problem) as refusal:
        stamping.authority().stamp(REQUESTS[what])
    assert refusal.value.code == "media.unparseable"


def test_a_registered_work_carries_a_stamp_of_this_office(
    photo: bytes, alice: User, register: Register, signed_bytes: Callable[[Asset], bytes], tmp_path: Path
) -> None:
    asset = register(alice, photo)
    path = tmp_path / "signed.jpg"
    path.write_bytes(signed_bytes(asset))
    time = reported(path).verdicts["time"]
    assert time.state == "stamped"
    assert time.more["authority"] == "Assay time stamping"
    assert all(row.stamped_at is not None for row in asset.manifests.all())
    assert {row.stamped_at.year for row in asset.manifests.all() if row.stamped_at} == {dt.datetime.now(dt.UTC).year}


# --- Somebody else's ---------------------------------------------------------------------------------------------


class Served:
    """An authority of time on a port of this machine, which answers as it is told to."""

    def __init__(self) -> None:
        self.respond: Respond = lambda _: (500, "text/plain", b"")
        self.asked: list[bytes] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                served.asked.append(query)
                status, kind, body = served.respond(query)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{served.port}/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


@pytest.fixture(scope="module")
def danas_root() -> made.Made:
    return made.root("Dana’s root of time")


@pytest.fixture
def danas_time(danas_root: made.Made) -> Authority:
    leaf = made.time_stamper(danas_root)
    return Authority(leaf.key_pem + leaf.pem)


@pytest.fixture
def served(settings: Any, tmp_path: Path, danas_root: made.Made, danas_time: Authority) -> Iterator[Served]:
    """Dana's authority, configured."""
    served = Served()
    served.respond = lambda query: (200, REPLY, danas_time.respond(query))
    (tmp_path / "roots.pem").write_text(danas_root.pem)
    settings.ASSAY_TSA_URL = f"http://127.0.0.1:{served.port}/tsa"
    settings.ASSAY_TSA_CA = str(tmp_path / "roots.pem")
    yield served
    served.stop()


def test_somebody_elses_authority_stamps_and_its_name_is_told(
    served: Served,
    photo: bytes,
    alice: User,
    register: Register,
    signed_bytes: Callable[[Asset], bytes],
    tmp_path: Path,
) -> None:
    asset = register(alice, photo)
    path = tmp_path / "signed.jpg"
    path.write_bytes(signed_bytes(asset))
    time = reported(path).verdicts["time"]
    assert (time.state, time.more["authority"]) == ("stamped", "Dana’s time")
    assert len(served.asked) == asset.manifests.count()


def test_old_stamps_stay_good_when_the_old_roots_are_kept_as_a_list(
    served: Served,
    danas_root: made.Made,
    settings: Any,
    photo: bytes,
    alice: User,
    register: Register,
    signed_bytes: Callable[[Asset], bytes],
    tmp_path: Path,
) -> None:
    path = tmp_path / "signed.jpg"
    path.write_bytes(signed_bytes(register(alice, photo)))
    settings.ASSAY_TSA_URL = ""
    assert reported(path).verdicts["time"].state == "untrusted_stamp"
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    trust.add_list(trust.NewList("urn:example:time", "Dana’s time", "1", "tsa", danas_root.pem, past))
    assert reported(path).verdicts["time"].state == "stamped"


def of_a_stranger(_: Authority) -> Respond:
    leaf = made.time_stamper(made.root("Mallory’s"))
    other = Authority(leaf.key_pem + leaf.pem)
    return lambda query: (200, REPLY, other.respond(query))


def replay(dana: Authority) -> Respond:
    before = dana.respond(request_over(b"before"))
    return lambda _: (200, REPLY, before)


def for_another(dana: Authority) -> Respond:
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)}
    return lambda query: (200, REPLY, dana.respond(changed(query, message_imprint=imprint)))


def at_another_time(dana: Authority) -> Respond:
    def respond(query: bytes) -> tuple[int, str, bytes]:
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), tick=False):
            return 200, REPLY, dana.respond(query)

    return respond


HOSTILE: dict[str, tuple[Callable[[Authority], Respond], str]] = {
    "nothing": (lambda _: lambda _: (200, REPLY, b""), "no time-stamp that holds"),
    "noise": (lambda _: lambda _: (200, REPLY, b"\x30\x80" * 40), "no time-stamp that holds"),
    "a web page": (lambda a: lambda q: (200, "text/html", a.respond(q)), "text/html"),
    "an error": (lambda a: lambda q: (500, REPLY, a.respond(q)), "answered 500"),
    "a redirect": (lambda a: lambda q: (302, REPLY, a.respond(q)), "answered 302"),
    "too much": (lambda a: lambda q: (200, REPLY, a.respond(q) + bytes(1 << 17)), "too long"),
    "a refusal": (lambda _: lambda _: (200, REPLY, bytes.fromhex("30053003020102")), "status 2"),
    "a replay": (replay, "Nonce"),
    "another imprint": (for_another, "Mismatch"),
    "a stranger": (of_a_stranger, "no time-stamp that holds"),
    "another time": (at_another_time, "clock"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_does_not_hold_goes_into_no_credential(served: Served, danas_time: Authority, kind: str) -> None:
    make, words = HOSTILE[kind]
    served.respond = make(danas_time)
    with pytest.raises(stamping.NotStamped, match=words) as refusal:
        stamping.authority().stamp(request_over(b"a photograph"))
    assert refusal.value.status == 503
    assert "127.0.0.1" in refusal.value.detail
    assert len(served.asked) == 1


def test_a_dead_authority_is_named_and_nothing_is_kept(
    served: Served, photo: bytes, alice: User, register: Register, leaves_nothing: None
) -> None:
    with pytest.raises(Problem) as refusal:
        served.respond = lambda _: (500, "text/plain", b"")
        register(alice, photo)
    assert (refusal.value.code, refusal.value.status) == ("office.not_stamped", 503)
    assert "The time-stamp authority 127.0.0.1" in refusal.value.detail
    assert "Nothing was kept" in refusal.value.detail


def test_an_operator_may_choose_to_go_on_without(
    served: Served, settings: Any, photo: bytes, alice: User, register: Register
) -> None:
    settings.ASSAY_TSA_OPTIONAL = True
    served.respond = lambda _: (500, "text/plain", b"")
    asset = register(alice, photo)
    assert [row.stamped_at for row in asset.manifests.all()] == [None] * asset.manifests.count()
    assert asset.manifests.exists()


def test_nobody_listening_is_a_plain_refusal(settings: Any, tmp_path: Path, danas_root: made.Made) -> None:
    (tmp_path / "roots.pem").write_text(danas_root.pem)
    settings.ASSAY_TSA_URL, settings.ASSAY_TSA_CA = "http://127.0.0.1:9/", str(tmp_path / "roots.pem")
    with pytest.raises(stamping.NotStamped, match="127"):
        stamping.authority().stamp(request_over(b"x"))


@pytest.mark.parametrize(("url", "roots"), [("nonsense", ""), ("file:///etc/passwd", ""), ("http://x/", "/nowhere")])
def test_settings_that_cannot_be_right_are_named(settings: Any, url: str, roots: str) -> None:
    settings.ASSAY_TSA_URL, settings.ASSAY_TSA_CA = url, roots
    with pytest.raises(stamping.NotStamped, match="ASSAY_TSA_"):
        stamping.authority()


@pytest.fixture
def dripping() -> Iterator[int]:
    """A port where somebody sends a byte now and then, for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        end, _ = server.accept()
        with end:
            end.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            while not over.wait(0.05):
                try:
                    end.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    yield server.getsockname()[1]
    over.set()
    thread.join(10)
    server.close()


def test_an_authority_that_answers_byte_by_byte_is_hung_up_on(dripping: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "AT_MOST", 0.3)
    reply = posting.post(f"http://127.0.0.1:{dripping}/", b"x", "application/timestamp-query")
    assert reply.status == 0
