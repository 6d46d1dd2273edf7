"""`manage.py up`: every process of the office in the foreground, and one fate for all of them.

If any child dies the others are stopped and the exit status is not zero: a service that is half up is worse than one
that is down, because nobody notices. Ctrl-C and SIGTERM stop everything and exit 0.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

import structlog

log = structlog.get_logger()

GRACE = 15.0  # seconds from SIGTERM to SIGKILL


@dataclass(frozen=True)
class Service:
    """One child: its name for people and its command line (argv)."""

    name: str
    argv: Sequence[str]


class Stopped(Exception):
    """A signal asked the supervisor to stop."""


class Supervisor:
    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, _stop)
        for service in self._services:
            # Own process groups: a Ctrl-C in the terminal reaches only us, and we stop them in order.
            self._children[service.name] = subprocess.Popen(  # noqa: S603 - our own commands
                service.argv, start_new_session=True, stdin=subprocess.DEVNULL
            )

    def watch(self) -> int:
        """Wait until a child dies or a signal arrives; stop the rest. Returns the exit status."""
        try:
            while True:
                for name, child in self._children.items():
                    if child.poll() is not None:
                        log.error("up.child_died", service=name, status=child.returncode)
                        sys.stderr.write(f"\n{name} ended with status {child.returncode}; stopping everything.\n")
                        return 1
                time.sleep(0.2)
        except Stopped:
            return 0
        finally:
            self.stop()

    def stop(self) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + GRACE
        for child in self._children.values():
            try:
                child.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("up.killed", pid=child.pid)
            # The group may outlive its leader (a pool child in a long native call).
            _signal_group(child, signal.SIGKILL)
            child.wait()

    def wait_until_answering(self, host: str, port: int, *, name: str, seconds: float = 60.0) -> bool:
        """Whether the web server answers within `seconds` while every child lives.

        name: what it is called, for the Host header. A redirect to TLS is an answer too, and is not followed.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(child.poll() is not None for child in self._children.values()):
                return False
            if _answers(host, port, name):
                return True
            time.sleep(0.2)
        return False


def _answers(host: str, port: int, name: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": name})
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def port_is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def services(host: str, port: int) -> list[Service]:
    """The children of the embedded default: the same commands a unit file or container would run."""
    python, celery = sys.executable, [sys.executable, "-m", "celery", "-A", "config", "--quiet"]
    threads = os.environ.get("ASSAY_WEB_THREADS", "8")
    concurrency = os.environ.get("ASSAY_WORKERS", "2")
    web = [python, "-m", "gunicorn", "config.wsgi", "--bind", f"{host}:{port}", "--worker-class", "gthread"]
    web += ["--workers", os.environ.get("ASSAY_WEB_WORKERS", "1"), "--threads", threads, "--timeout", "120"]
    web += ["--log-level", "warning", "--no-control-socket"]
    quiet = ["--loglevel", "WARNING"]
    work = [*celery, "worker", *quiet, "--without-gossip", "--without-mingle"]
    # Networks have a worker of their own (`core.jobs`): a video of an hour keeps no receipt waiting.
    quick = ["-Q", "urgent,celery,detect", "-c", concurrency, "-n", "quick@%h"]
    slow = ["-Q", "urgent,infer", "-c", "1", "-n", "inference@%h"]
    return [
        Service("sequencer", [python, "manage.py", "sequencer"]),
        Service("web", web),
        Service("worker", [*work, *quick]),
        Service("inference", [*work, *slow]),
        Service("beat", [*celery, "beat", *quiet, "--pidfile", ""]),
    ]


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped(signal.Signals(signum).name)


def _signal_group(child: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    try:
        os.killpg(child.pid, signum)
    except ProcessLookupError:
        return
