"""Time stamps (RFC 3161): stored only when they hold, and accepted by OpenSSL, which knows nothing of this office.

The tests against OpenSSL need its program `openssl` (package `openssl` of Debian and others, version 1.1 or newer).
"""

import datetime as dt
import hashlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

from core import clock
from ledger import alarms, reading, sequencer, timestampauthority, timestamping, verify_stamp
from ledger.keys import BadKey, KeyMissing
from ledger.models import Checkpoint, Entry, Stamp
from ledger.tasks import stamp as hourly
from ledger.timestampauthority import Authority
from tests.ledger.conftest import Record

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]
needs_openssl = pytest.mark.usefixtures("_openssl_is_there")


@pytest.fixture
def _openssl_is_there() -> None:
    assert shutil.which("openssl"), "these tests run OpenSSL's own program: install Debian's package openssl"


@pytest.fixture(autouse=True)
def _own_keys(settings: Any, tmp_path: Path) -> None:
    """The authority's key of one test is not seen by the next."""
    keys = tmp_path / "keys"
    shutil.copytree(settings.ASSAY_KEYS, keys)
    (keys / "tsa.key").unlink(missing_ok=True)
    settings.ASSAY_KEYS = keys


def openssl(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)


def openssl_verifies(stamp: Stamp, data: bytes, roots: str, folder: Path) -> bool:
    (folder / "token.tsr").write_bytes(bytes(stamp.token))
    (folder / "data").write_bytes(data)
    (folder / "roots.pem").write_text(roots)
    words = ("ts", "-verify", "-data", "data", "-in", "token.tsr", "-CAfile", "roots.pem")
    return "Verification: OK" in openssl(*words, cwd=folder).stdout


# --- Our own authority ---------------------------------------------------------------------------------------------


def test_the_newest_checkpoint_is_stamped_once(signed_log: Grow, record: Record) -> None:
    assert timestamping.stamp() is None
    signed_log(3)
    made = timestamping.stamp()
    assert made is not None
    assert (made.checkpoint_id, made.authority) == (3, "own")
    assert timestamping.stamp() is None
    record()
    sequencer.tick()
    hourly()
    assert list(Stamp.objects.order_by("checkpoint").values_list("checkpoint", flat=True)) == [3, 4]


def test_a_stamp_is_over_the_checkpoint_as_signed_and_says_the_hour(signed_log: Grow) -> None:
    signed_log(2)
    at = dt.datetime(2027, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
    with time_machine.travel(at, tick=False):
        made = timestamping.stamp()
    assert made is not None
    assert made.at == at
    read = verify_stamp.read(bytes(made.token))
    assert read.imprint == hashlib.sha256(Checkpoint.objects.get(size=2).note.encode()).digest()
    assert read.time == "20270504030201Z"


@needs_openssl
def test_openssl_accepts_our_stamp_with_the_published_certificate_alone(
    signed_log: Grow, client: Client, tmp_path: Path
) -> None:
    signed_log(2)
    assert client.get("/log/tsa.crt", HTTP_ACCEPT="application/json").status_code == 404
    made = timestamping.stamp()
    assert made is not None
    note = Checkpoint.objects.get(size=2).note.encode()
    published = client.get("/log/tsa.crt").content.decode()
    assert "PRIVATE" not in published
    assert openssl_verifies(made, note, published, tmp_path)
    assert not openssl_verifies(made, note + b"x", published, tmp_path)
    stranger = Authority(timestampauthority._issue()).certificate
    assert not openssl_verifies(made, note, pem(stranger), tmp_path)
    shown = openssl("x509", "-in", "roots.pem", "-noout", "-ext", "extendedKeyUsage", cwd=tmp_path).stdout
    (tmp_path / "roots.pem").write_text(published)
    shown = openssl("x509", "-in", "roots.pem", "-noout", "-ext", "extendedKeyUsage", cwd=tmp_path).stdout
    assert "critical" in shown
    assert "Time Stamping" in shown


@needs_openssl
def test_openssls_own_requests_are_answered_too(tmp_path: Path) -> None:
    authority = timestampauthority.this_office()
    (tmp_path / "data").write_bytes(b"something")
    (tmp_path / "own.pem").write_text(pem(authority.certificate))
    for options, with_certificate in ((["-cert"], True), (["-cert", "-no_nonce"], True), ([], False)):
        openssl("ts", "-query", "-data", "data", "-sha256", *options, "-out", "query.tsq", cwd=tmp_path)
        (tmp_path / "reply.tsr").write_bytes(authority.respond((tmp_path / "query.tsq").read_bytes()))
        words = ["ts", "-verify", "-queryfile", "query.tsq", "-in", "reply.tsr", "-CAfile", "own.pem"]
        words += [] if with_certificate else ["-untrusted", "own.pem"]
        done = openssl(*words, cwd=tmp_path)
        assert "Verification: OK" in done.stdout, done.stderr


def test_serial_numbers_are_unique_and_large() -> None:
    authority = timestampauthority.this_office()
    query = TimestampRequestBuilder().data(b"x").hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=False).build()
    serials = {
        decode_timestamp_response(authority.respond(query.as_bytes())).tst_info.serial_number for _ in range(200)
    }
    assert len(serials) == 200
    assert max(serials) > 1 << 100


def test_only_requests_over_a_sha256_are_answered() -> None:
    authority = timestampauthority.this_office()
    sha512 = TimestampRequestBuilder().data(b"x").hash_algorithm(HashAlgorithm.SHA512).build().as_bytes()
    good = TimestampRequestBuilder().data(b"x").hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
    policy = tsp.TimeStampReq.load(good).copy()
    policy["req_policy"] = "1.2.3.4"
    short = tsp.TimeStampReq.load(good).copy()
    short["message_imprint"]["hashed_message"] = b"short"
    for request in (b"", b"nonsense", sha512, good + b"\0", good[:-1], policy.dump(), short.dump()):
        with pytest.raises(timestampauthority.BadRequest):
            authority.respond(request)


def test_the_key_is_made_once_is_secret_and_is_never_replaced_silently(signed_log: Grow, settings: Any) -> None:
    signed_log(1)
    assert timestamping.stamp() is not None
    path = Path(settings.ASSAY_KEYS) / "tsa.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert timestampauthority.this_office().certificate == timestampauthority.this_office().certificate
    kept = path.read_text()
    path.unlink()
    with pytest.raises(KeyMissing):
        timestampauthority.this_office()
    path.write_text(kept[: len(kept) // 2])
    with pytest.raises(BadKey):
        timestampauthority.this_office()


def test_a_lost_key_raises_an_alarm_that_does_not_stop_the_log(signed_log: Grow, settings: Any, record: Record) -> None:
    signed_log(1)
    timestamping.stamp()
    path = Path(settings.ASSAY_KEYS) / "tsa.key"
    kept = path.read_text()
    path.unlink()
    record()
    assert sequencer.tick() is not None
    hourly()
    (alarm,) = alarms.open_alarms()
    assert (alarm.kind, alarm.halts) == ("stamp", False)
    assert "tsa.key is missing" in alarm.message
    record()
    assert sequencer.tick() is not None
    path.write_text(kept)
    hourly()
    assert alarms.open_alarms() == []
    assert reading.latest_checkpoint() == Checkpoint.objects.filter(stamps__authority="own").order_by("-size").first()


def test_a_stamp_that_is_stored_cannot_be_changed(signed_log: Grow) -> None:
    signed_log(1)
    made = timestamping.stamp()
    assert made is not None
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_stamp SET token = %s", [b"another"])


# --- Somebody else's authority -------------------------------------------------------------------------------------


def pem(*certificates: x509.Certificate) -> str:
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def certificate(
    name: str, key: Any, issuer: str, issuer_key: Any, *extensions: tuple[x509.ExtensionType, bool]
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - dt.timedelta(days=1))
        .not_valid_after(clock.now() + dt.timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


Respond = Callable[[bytes], tuple[int, str, bytes]]
REPLY = "application/timestamp-reply"


class Served:
    """An authority on a port of this machine, which answers as it is told to."""

    def __init__(self) -> None:
        self.respond: Respond = lambda _: (500, "text/plain", b"")
        self.asked: list[bytes] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query"
                served.asked.append(query)
                status, kind, body = served.respond(query)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


@pytest.fixture
def served(settings: Any) -> Iterator[Served]:
    made = Served()
    settings.ASSAY_TSA_URL = f"http://127.0.0.1:{made.server.server_port}/tsa?for=assay"
    yield made
    made.stop()


@pytest.fixture
def elsewhere(settings: Any, tmp_path: Path) -> Authority:
    """An authority with our code and a key of its own, which this office trusts by its certificate."""
    authority = Authority(timestampauthority._issue())
    (tmp_path / "roots.pem").write_text(pem(authority.certificate))
    settings.ASSAY_TSA_CA = str(tmp_path / "roots.pem")
    return authority


CONFIG = """
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
certs = root.pem
signer_key = tsa.key
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
"""


@needs_openssl
def test_a_stamp_by_openssls_authority_under_a_root_is_checked_and_stored(
    served: Served, settings: Any, signed_log: Grow, tmp_path: Path
) -> None:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    authority = (x509.BasicConstraints(ca=True, path_length=None), True)
    purpose = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
    root = certificate("Root", root_key, "Root", root_key, authority)
    (tmp_path / "tsa.pem").write_text(pem(certificate("Authority of time", key, "Root", root_key, purpose)))
    (tmp_path / "root.pem").write_text(pem(root))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "tsa.key").write_bytes(secret)
    (tmp_path / "serial").write_text("01")
    (tmp_path / "tsa.cnf").write_text(CONFIG)

    def respond(query: bytes) -> tuple[int, str, bytes]:
        (tmp_path / "query.tsq").write_bytes(query)
        done = openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "out", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return 200, REPLY, (tmp_path / "out").read_bytes()

    served.respond = respond
    settings.ASSAY_TSA_CA = str(tmp_path / "root.pem")
    signed_log(2)
    made = timestamping.stamp()
    assert made is not None
    assert made.authority == "127.0.0.1"
    note = Checkpoint.objects.get(size=2).note.encode()
    assert openssl_verifies(made, note, pem(root), tmp_path)
    assert verify_stamp.read(bytes(made.token)).imprint == hashlib.sha256(note).digest()


def replay(authority: Authority) -> Respond:
    """An answer to a request of before: same imprint, another nonce."""
    note = Checkpoint.objects.get(size=2).note.encode()
    builder = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256)
    before = authority.respond(builder.cert_request(cert_request=True).build().as_bytes())
    return lambda _: (200, REPLY, before)


def for_another(authority: Authority) -> Respond:
    """The right nonce, over something else."""

    def respond(query: bytes) -> tuple[int, str, bytes]:
        asked = tsp.TimeStampReq.load(query).copy()
        asked["message_imprint"]["hashed_message"] = bytes(32)
        return 200, REPLY, authority.respond(asked.dump())

    return respond


def refusing(authority: Authority) -> Respond:
    # TimeStampResp ::= SEQUENCE { status SEQUENCE { status INTEGER rejection(2) } }
    return lambda _: (200, REPLY, bytes.fromhex("30053003020102"))


def of_a_stranger(authority: Authority) -> Respond:
    other = Authority(timestampauthority._issue())
    return lambda query: (200, REPLY, other.respond(query))


def at_another_time(authority: Authority) -> Respond:
    def respond(query: bytes) -> tuple[int, str, bytes]:
        with time_machine.travel(dt.datetime(2031, 1, 1, tzinfo=dt.UTC), tick=False):
            return 200, REPLY, authority.respond(query)

    return respond


def changed(authority: Authority) -> Respond:
    """One byte of the signed time is another one."""

    def respond(query: bytes) -> tuple[int, str, bytes]:
        data = bytearray(authority.respond(query))
        year = data.index(str(clock.now().year).encode() + b"", data.index(b"\x18\x0f"))
        data[year + 13] ^= 1
        return 200, REPLY, bytes(data)

    return respond


HOSTILE: dict[str, tuple[Callable[[Authority], Respond], str]] = {
    "nothing": (lambda _: lambda _: (200, REPLY, b""), "no time-stamp response"),
    "noise": (lambda _: lambda _: (200, REPLY, b"\x30\x80" * 40), "no time-stamp response"),
    "a web page": (lambda a: lambda q: (200, "text/html", a.respond(q)), "text/html"),
    "an error": (lambda a: lambda q: (500, REPLY, a.respond(q)), "answered 500"),
    "a redirect": (lambda a: lambda q: (302, REPLY, a.respond(q)), "answered 302"),
    "too much": (lambda a: lambda q: (200, REPLY, a.respond(q) + bytes(1 << 17)), "too long"),
    "a replay": (replay, "another request|Nonce"),
    "another imprint": (for_another, "Mismatch"),
    "a refusal": (refusing, "status 2"),
    "a stranger": (of_a_stranger, "does not hold"),
    "another time": (at_another_time, "clock"),
    "a changed byte": (changed, "does not hold"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_does_not_hold_is_not_stored_and_raises_an_alarm(
    served: Served, elsewhere: Authority, signed_log: Grow, kind: str
) -> None:
    signed_log(2)
    make, words = HOSTILE[kind]
    served.respond = make(elsewhere)
    with pytest.raises(timestamping.NotStamped, match=words):
        timestamping.stamp()
    assert Stamp.objects.count() == 0
    (alarm,) = alarms.open_alarms()
    assert (alarm.kind, alarm.halts) == ("stamp", False)
    served.respond = lambda query: (200, REPLY, elsewhere.respond(query))
    assert timestamping.stamp() is not None
    assert alarms.open_alarms() == []


def test_each_request_has_its_own_nonce(served: Served, elsewhere: Authority, signed_log: Grow) -> None:
    signed_log(2)
    for _ in range(3):
        with pytest.raises(timestamping.NotStamped):
            timestamping.stamp()
    assert len({tsp.TimeStampReq.load(query)["nonce"].native for query in served.asked}) == 3


def test_a_new_authority_stamps_what_the_old_one_had_stamped(
    signed_log: Grow, served: Served, elsewhere: Authority, settings: Any
) -> None:
    signed_log(2)
    url, settings.ASSAY_TSA_URL = settings.ASSAY_TSA_URL, ""
    assert timestamping.stamp() is not None
    settings.ASSAY_TSA_URL = url
    served.respond = lambda query: (200, REPLY, elsewhere.respond(query))
    assert timestamping.stamp() is not None
    assert sorted(Stamp.objects.values_list("authority", flat=True)) == ["127.0.0.1", "own"]


@pytest.mark.parametrize(("url", "roots"), [("nonsense", ""), ("http://own/", ""), ("http://127.0.0.1:9/", "/nowhere")])
def test_settings_that_cannot_be_right_are_named(signed_log: Grow, settings: Any, url: str, roots: str) -> None:
    signed_log(1)
    settings.ASSAY_TSA_URL, settings.ASSAY_TSA_CA = url, roots
    with pytest.raises(timestamping.NotStamped, match="ASSAY_TSA_"):
        timestamping.stamp()


def test_the_command_stamps_and_says_so(signed_log: Grow, settings: Any) -> None:
    out = StringIO()
    call_command("stamp_log", stdout=out)
    signed_log(2)
    call_command("stamp_log", stdout=out)
    assert out.getvalue().splitlines()[0].startswith("Nothing to stamp")
    assert out.getvalue().splitlines()[1].startswith("Size 2 stamped by own")
    settings.ASSAY_TSA_URL = "nonsense"
    with pytest.raises(CommandError, match="ASSAY_TSA_URL"):
        call_command("stamp_log", stdout=out)
