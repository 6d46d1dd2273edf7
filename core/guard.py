"""Guarded calls: run a pure function on untrusted bytes in a child process that can do no harm.

`call("provenance.parsing:describe", {...})` forks a child from a small server process (the *nursery*) that has imported
the module already, so a call costs milliseconds. The child has limits on memory, CPU time and wall time, no network,
sees only the files that its arguments name (Landlock), writes none above a limit, and dies with its parent. Arguments
and results are JSON; files travel as paths. The function may report progress and may call back into the parent (`ask`),
which is how signing keys stay out of the child.

A child that crashes, hangs or hits a limit is a `Problem` with code `media.unparseable`, and one line in the log.
"""

import base64
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from core.problems import Problem

log = structlog.get_logger()

AT_ONCE = 4  # children of one nursery; half of the web server's default threads
PATIENCE = 10.0  # seconds to wait for a place

ROOT = Path(__file__).resolve().parent.parent
Ask = Callable[[bytes], bytes]
Progress = Callable[[int, str], None]


@dataclass(frozen=True)
class Limits:
    """memory: bytes of address space. cpu, wall: seconds. output: bytes a written file may have."""

    memory: int = 3 << 30
    cpu: int = 60
    wall: float = 60.0
    output: int = 4 << 30


class Unparseable(Problem):
    """The child died. The words blame nobody: the file may be hostile, damaged, or only unusual."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "media.unparseable",
            "The file could not be examined",
            status=422,
            detail=f"Examining the file {why}. Nothing was kept.",
            next_step="Check that the file opens on your own device; saving it again with another program often helps.",
        )


class Busy(Problem):
    """More files are being examined than this process takes at once: a few slow ones must not hold every thread."""

    def __init__(self) -> None:
        super().__init__(
            "office.busy",
            "The office is busy",
            status=503,
            detail="Several large files are being examined just now. Nothing was kept.",
            next_step="Try again in a minute.",
        )


class Nursery:
    """A server process that has imported `modules` and forks a guarded child for every call.

    One per (process, purpose); safe to use from several threads; starts by itself and starts again when it died.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._pid = 0
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., Nursery] | None = None

    def call(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        limits: Limits | None = None,
        progress: Progress | None = None,
        ask: Ask | None = None,
    ) -> Any:
        """Run `module:function(**arguments)` in a fresh guarded child and return its JSON result.

        The function gets `report=` (percent, note) and `ask=` (bytes to bytes) when it names them as parameters.
        Raises the `Problem` the function raised, Unparseable, or Busy.
        """
        if not self._places.acquire(timeout=PATIENCE):
            raise Busy
        try:
            return self._call(function, arguments, limits or Limits(), progress, ask)
        finally:
            self._places.release()

    def _call(
        self,
        function: str,
        arguments: Mapping[str, Any],
        limits: Limits,
        progress: Progress | None,
        ask: Ask | None,
    ) -> Any:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._send_to_nursery(theirs)
            started = time.monotonic()
            request = {"function": function, "arguments": dict(arguments), "limits": vars(limits)}
            channel = Channel(ours)
            channel.send(request)
            return self._converse(channel, function, started + limits.wall, progress, ask)

    def _converse(
        self, channel: "Channel", function: str, deadline: float, progress: Progress | None, ask: Ask | None
    ) -> Any:
        # Only the first message is the nursery's own: a child that the file has taken over sends what it likes later.
        first = channel.receive(deadline)
        child = _open(first["pid"]) if first is not None and first["kind"] == "started" else None
        try:
            return self._listen(channel, function, deadline, progress, ask)
        finally:
            if child is not None:
                _kill(child)

    def _listen(
        self, channel: "Channel", function: str, deadline: float, progress: Progress | None, ask: Ask | None
    ) -> Any:
        while True:
            message = channel.receive(deadline)
            if message is None:
                why = "took too long and was stopped" if time.monotonic() >= deadline else "made the examiner crash"
                log.warning("guard.child_died", function=function, why=why)
                raise Unparseable(why)
            match message["kind"]:
                case "progress":
                    if progress:
                        progress(message["percent"], message["note"])
                case "ask" if ask:
                    channel.send({"answer": base64.b64encode(ask(base64.b64decode(message["data"]))).decode()})
                case "problem":
                    raise _refusal(message)
                case "result":
                    return message["value"]
                case _:
                    log.warning("guard.child_failed", function=function, error=message.get("error"))
                    raise Unparseable("failed")

    def _send_to_nursery(self, end: socket.socket) -> None:
        """Hand one end of a fresh socket pair to the nursery, starting it when there is none (or after a fork)."""
        with self._lock:
            for attempt in (1, 2):
                server = self._server(fresh=attempt == 2)
                try:
                    socket.send_fds(server, [b"!"], [end.fileno()])
                    return
                except OSError:
                    log.warning("guard.nursery_died", modules=self._modules)
            raise Unparseable("was not possible just now")

    def _server(self, *, fresh: bool) -> socket.socket:
        if self._socket is None or self._pid != os.getpid() or fresh:
            self.close()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-m", "core.guard_nursery", str(theirs.fileno()), *self._modules],
                    pass_fds=[theirs.fileno()],
                    cwd=ROOT,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                )
            self._socket, self._pid = ours, os.getpid()
            self._end = weakref.finalize(self, _end, self._process, ours, self._pid)
        return self._socket

    def close(self) -> None:
        """Stop the server process, if this process started one."""
        if self._end is not None:
            self._end()
        self._socket = self._process = self._end = None


class Channel:
    """Length-prefixed JSON messages over a stream socket."""

    MAX = 64 << 20

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message).encode()
        self._end.sendall(struct.pack("!I", len(data)) + data)

    def receive(self, deadline: float | None = None) -> dict[str, Any] | None:
        """The next message; None when the other side is gone or the deadline (time.monotonic()) passed."""
        head = self._read(4, deadline)
        if head is None:
            return None
        (size,) = struct.unpack("!I", head)
        data = self._read(size, deadline) if size <= self.MAX else None
        return None if data is None else json.loads(data)

    def _read(self, size: int, deadline: float | None) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._end], [], [], timeout)[0]:
                return None
            try:
                part = self._end.recv(min(size - len(parts), 1 << 20))
            except ConnectionResetError:
                return None
            if not part:
                return None
            parts += part
        return bytes(parts)


def _end(process: subprocess.Popen[bytes], end: socket.socket, pid: int) -> None:
    end.close()
    if pid == os.getpid():  # after a fork the server is the parent's, not ours
        process.kill()
        process.wait()


# What of a child's words is passed on: a code, and characters.
_CODE = re.compile(r"[a-z][a-z_0-9]{0,30}(?:\.[a-z][a-z_0-9]{0,40})?")
_TITLE, _WORDS = 120, 600


def _refusal(message: Mapping[str, Any]) -> Problem:
    """The Problem the child raised; Unparseable when a child that the file has taken over made it up.

    Its words are cut, and it brings no further members: nothing large goes out this way.
    """
    try:
        told = Problem(str(message["code"]), str(message["title"]), **message["rest"])
        if isinstance(told.status, int) and 400 <= told.status < 500 and _CODE.fullmatch(told.code):
            detail, next_step = str(told.detail)[:_WORDS], str(told.next_step)[:_WORDS]
            return Problem(told.code, told.title[:_TITLE], status=told.status, detail=detail, next_step=next_step)
    except (KeyError, TypeError, ValueError):
        pass
    return Unparseable("failed")


def _open(pid: int) -> int | None:
    """A descriptor of the child itself, so that its number, used again, never names another process."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # it is over already


def _kill(child: int) -> None:
    """Also after its answer: a child that the file has taken over need not end by itself."""
    try:
        signal.pidfd_send_signal(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(child)


# What a nursery is told of our environment: where programs and libraries are. Never a secret (ASSAY_*).
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_PASSED_ON_PREFIXES = ("PYTHON", "LC_", "OMP_", "MKL_", "COVERAGE_")


# Threads that numeric libraries start when they are imported would not live on in a fork, cost each nursery memory, and
# make children fight for the cores that the workers are counted by.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _environment() -> dict[str, str]:
    told = os.environ.items()
    kept = {name: value for name, value in told if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)}
    return {**kept, **_ONE_THREAD}
