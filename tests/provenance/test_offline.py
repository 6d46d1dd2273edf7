"""Nothing opens an address that a file names. A trap server on this machine counts who comes."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import c2pa
import pytest

from accounts.models import User
from core.problems import Problem
from provenance import c2pa as engine
from provenance.authority import this_office
from provenance.signing import build_manifest
from provenance.verification import verify_file
from tests.provenance import media_made
from tests.provenance.conftest import Register

Write = Callable[[str, bytes], Path]


class Trap:
    def __init__(self) -> None:
        self.visits: list[str] = []
        trap = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                trap.visits.append(self.path)
                self.send_error(404)

            def log_message(self, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    thread = threading.Thread(target=trap.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield trap
    trap.server.shutdown()
    thread.join()
    trap.server.server_close()


HOSTS = ["127.0.0.1", "localhost", "0x7f000001", "2130706433"]


def _read_and_open(path: Path, context: c2pa.Context) -> None:
    """Everything the library does with an upload: read it, take it in as an ingredient, sign over it."""
    with path.open("rb") as file, pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/jpeg", file, context=context)
    builder = c2pa.Builder(json.dumps({"title": "x"}), context=context)
    with path.open("rb") as file:
        try:
            builder.add_ingredient(json.dumps({"title": "x"}), "image/jpeg", file)
        except c2pa.C2paError:
            return


@pytest.mark.parametrize("host", HOSTS)
def test_reading_adding_and_signing_a_file_with_a_remote_manifest_calls_nobody(
    host: str, trap: Trap, photo: bytes, on_disk: Write, tmp_path: Path, db: None
) -> None:
    """In this very process, without the guard's network namespace: the settings alone must hold."""
    path = on_disk("remote.jpg", media_made.naming_an_address(photo, f"http://{host}:{trap.port}/m.c2pa"))
    office = this_office()
    assert engine.read(path, "image/jpeg", anchors=office.anchors)["presence"] == "remote"
    _read_and_open(path, engine.context(office.anchors))
    manifest = build_manifest(
        asset="asset:1", title="x", media_type="image/jpeg", source_type="print", training="allowed", has_parent=False
    )
    engine.sign(
        path,
        tmp_path / "signed.jpg",
        "image/jpeg",
        manifest=manifest,
        ingredient=None,
        anchors=office.anchors,
        chain=office.chain,
        ask=office.signing_answers(),
    )
    assert engine.read(tmp_path / "signed.jpg", "image/jpeg", anchors=office.anchors)["presence"] == "embedded"
    assert trap.visits == []


def test_a_mistyped_setting_would_be_noticed(trap: Trap, photo: bytes, db: None) -> None:
    """The control: the trap works, and the library swallows a setting it does not know."""
    wrong = engine.settings_for(this_office().anchors)
    wrong["verify"]["remote_manifest_fetchh"] = wrong["verify"].pop("remote_manifest_fetch")
    del wrong["core"]["allowed_network_hosts"]
    data = media_made.naming_an_address(photo, f"http://127.0.0.1:{trap.port}/m.c2pa")
    with pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/jpeg", io.BytesIO(data), context=c2pa.Context.from_dict(wrong))
    assert trap.visits == ["/m.c2pa"]


def test_a_file_whose_credential_is_elsewhere_is_reported_as_such(
    trap: Trap, photo: bytes, on_disk: Write, db: None
) -> None:
    path = on_disk("remote.jpg", media_made.naming_an_address(photo, f"http://127.0.0.1:{trap.port}/m.c2pa"))
    report = verify_file(path, "00" * 32)
    assert report.credential.state == "unreadable"
    assert report.credential.codes == ["manifest.inaccessible"]
    assert "never opens addresses" in report.credential.reasons[0]
    assert "127.0.0.1" in report.credential.reasons[0]
    assert trap.visits == []


def test_a_file_whose_credential_is_elsewhere_is_not_registered(
    trap: Trap, photo: bytes, alice: User, register: Register, leaves_nothing: None
) -> None:
    with pytest.raises(Problem) as refusal:
        register(alice, media_made.naming_an_address(photo, f"http://127.0.0.1:{trap.port}/m.c2pa"))
    assert (refusal.value.code, refusal.value.status) == ("media.remote_manifest", 422)
    assert trap.visits == []
