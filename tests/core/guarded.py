"""Functions that misbehave, for the guard's tests. They run in guarded children only."""

import ctypes
import os
import socket
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

from core.guard import Channel
from core.problems import Problem


def double(number: int) -> int:
    return number * 2


def abort() -> None:
    os.abort()


def hang() -> None:
    time.sleep(60)


def spin() -> None:
    while True:
        pass


def burn(seconds: float, mib: int = 0) -> int:
    """Use so much CPU time and touch so much memory; for what is counted, not limited."""
    touched = b"x" * (mib << 20)
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return len(touched)


def eat_memory() -> int:
    return len(bytearray(2 << 30))


def write(path: str, size: int) -> None:
    with Path(path).open("wb") as file:
        file.write(b"x" * size)


def refuse() -> None:
    raise Problem("media.odd", "The file is odd", status=422, detail="Very odd.", next_step="Send an even one.")


def connect(port: int) -> str:
    socket.create_connection(("127.0.0.1", port), timeout=1)
    return "connected"


def connect_below_python(port: int) -> int:
    """connect(2) through libc, past Python's audit hook: only the kernel can stop it."""
    return _below_python("connect", port)


def bind_below_python(port: int) -> int:
    return _below_python("bind", port)


def _below_python(call: str, port: int) -> int:
    """0, or the negative number of the error."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.socket(2, 1, 0)
    address = struct.pack("=H", 2) + struct.pack("!H4s", port, socket.inet_aton("127.0.0.1")) + bytes(8)
    return -ctypes.get_errno() if getattr(libc, call)(handle, address, len(address)) else 0


def converse(report: Callable[[int, str], None], ask: Callable[[bytes], bytes]) -> str:
    report(50, "half way")
    return ask(b"what is the word?").decode()


def environment() -> list[str]:
    return sorted(os.environ)


def claim_to_be(pid: int) -> None:
    """What an exploited parser could say about itself."""
    _say({"kind": "started", "pid": pid})
    time.sleep(60)


def make_up_a_problem(rest: dict[str, object]) -> None:
    _say({"kind": "problem", "code": "media.odd", "title": "Odd", "rest": rest})
    time.sleep(60)


def _say(message: dict[str, object]) -> None:
    for path in sorted(Path("/proc/self/fd").iterdir()):
        try:
            if not stat.S_ISSOCK(os.fstat(int(path.name)).st_mode):
                continue
        except OSError:
            continue
        with socket.socket(fileno=os.dup(int(path.name))) as end:
            Channel(end).send(message)


def answer_and_stay(report: Callable[[int, str], None]) -> None:
    report(os.getpid(), "")
    _say({"kind": "result", "value": "done"})
    time.sleep(60)


def read(path: str, hidden: str) -> list[str]:
    """What the child can read: the file it was handed, and one whose path it was told in disguise."""
    seen = []
    for one in (path, hidden.removeprefix("file:")):
        try:
            seen.append(Path(one).read_text())
        except PermissionError:
            seen.append("refused")
    return seen


def overwrite(path: str) -> str:
    try:
        Path(path).write_text("spoiled")
    except PermissionError:
        return "refused"
    return "written"


def signal_parent() -> str:
    try:
        os.kill(os.getppid(), 0)
    except PermissionError:
        return "refused"
    return "allowed"
