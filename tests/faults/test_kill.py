"""kill -9 in the worst moments: then every job is done or visibly failed, nothing is half registered, the log holds."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.conftest import PHOTOGRAPHS
from tests.office import Office

pytestmark = pytest.mark.xdist_group("office")

STATE = """
import json
from core.models import Job
from provenance.models import Asset
from detection.models import Run
from core import storage
print(json.dumps({
    "jobs": sorted(Job.objects.values_list("state", flat=True)),
    "runs": sorted(Run.objects.values_list("state", flat=True)),
    "assets": Asset.objects.count(),
    "half": sum(1 for a in Asset.objects.all()
                if a.renditions.count() < 3 or not a.manifests.exists() or not a.fingerprints.exists()),
    "scratch": sorted(p.name for p in storage.scratch_dir().iterdir()),
}))
"""


def _state(office: Office) -> dict[str, list[str] | int]:
    return dict(json.loads(office.python(STATE)))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "var")


def test_the_worker_is_killed_in_the_middle_of_an_analysis(office: Office) -> None:
    with office:
        office.wait_for(lambda: office.count("core_job", "state = 'running'") > 0, "an analysis to be under way")
        for pid in office.children("celery -A config --quiet worker"):
            _kill(pid)
        assert office.wait_until_down() == 1, "one dead child takes the office down, visibly"
        assert "worker ended" in office.text
        office.start()
        office.wait_for(office.jobs_are_over, "every job to be over")
        state = _state(office)
        assert set(state["jobs"]) <= {"done", "failed"}  # type: ignore[arg-type]
        assert set(state["runs"]) == {"done"}  # type: ignore[arg-type]
        assert state["half"] == 0
        checked = office.manage("check_log", check=False)
        assert checked.returncode == 0, checked.stdout
    assert office.stop() == 0


def test_the_web_server_is_killed_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    with Office(tmp_path / "var", {"ASSAY_EXAMINE": "quick"}) as office:
        office.login("Olga")  # the last line of the greeting: the demo's works are registered
        office.wait_for(office.jobs_are_over, "the seeded works to be examined")
        before = _state(office)
        upload = _half_an_upload(office.port, office)
        office.wait_for(lambda: bool(_scratch(office)), "the upload to arrive in part")
        for pid in office.children("gunicorn"):
            _kill(pid)
        upload.close()
        assert office.wait_until_down() == 1
        _age(office)
        office.start()
        office.wait_for(office.jobs_are_over, "every job to be over")
        after = _state(office)
        assert (after["assets"], after["half"], after["scratch"]) == (before["assets"], 0, [])
        checked = office.manage("check_log", check=False)
        assert checked.returncode == 0, checked.stdout


def _half_an_upload(port: int, office: Office) -> socket.socket:
    """A registration whose second half never comes, authenticated by a machine token."""
    token = office.python(
        "from accounts.models import Scope, User\nfrom accounts.tokens import create_token\n"
        "user = User.objects.filter(memberships__role='creator').first()\n"
        "row, token = create_token(user, name='t', scopes=[Scope.ASSETS_WRITE], days=1)\nprint(token)"
    ).strip()
    photo = (PHOTOGRAPHS / "deep-field.jpg").read_bytes()
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = head + photo * 4
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        b"POST /api/v1/assets HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + f"Authorization: Bearer {token}\r\nContent-Length: {len(body) * 10}\r\n".encode()
        + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        + body
    )
    return connection


def _scratch(office: Office) -> list[Path]:
    return [path for path in (office.var / "scratch").iterdir() if path.is_file() and path.stat().st_size > 0]


def _age(office: Office) -> None:
    """An hour passes for what was left behind."""
    for path in (office.var / "scratch").iterdir():
        os.utime(path, (time.time() - 7200, time.time() - 7200))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
