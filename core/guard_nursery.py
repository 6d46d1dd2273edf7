"""The nursery of `core.guard`: imports modules once, then forks one limited child for every socket it is handed.

Run as `python -m core.guard_nursery FD MODULE...`. It knows no Django and holds no secrets.
"""

import base64
import ctypes
import importlib
import inspect
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from core import isolation, landlock
from core.guard import ROOT, Channel
from core.problems import Problem

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38


def serve(fd: int, modules: list[str]) -> None:
    """Fork a child per socket received on `fd`, until the other side closes it."""
    libc = ctypes.CDLL(None, use_errno=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    for module in modules:
        importlib.import_module(module)
    with socket.socket(fileno=fd) as server:
        while True:
            _, fds, _, _ = socket.recv_fds(server, 1, 1)
            if not fds:
                return
            nursery = os.getpid()
            if os.fork() == 0:
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != nursery:
                    os._exit(1)
                _child(socket.socket(fileno=fds[0]), libc)
                os._exit(0)
            os.close(fds[0])


def _child(end: socket.socket, libc: ctypes.CDLL) -> None:
    channel = Channel(end)
    try:
        channel.send({"kind": "started", "pid": os.getpid()})
        request = channel.receive()
        if request is None:
            return
        _confine(request["limits"], _named(request["arguments"]), libc)
        channel.send({"kind": "result", "value": _run(request, channel)})
    except Problem as problem:
        rest = {
            "status": problem.status,
            "detail": problem.detail,
            "next_step": problem.next_step,
            "extra": problem.extra,
        }
        channel.send({"kind": "problem", "code": problem.code, "title": problem.title, "rest": rest})
    except BaseException:
        channel.send({"kind": "error", "error": traceback.format_exc(limit=-4)[-2000:]})


def _run(request: dict[str, Any], channel: Channel) -> Any:
    module, _, name = request["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    arguments: dict[str, Any] = request["arguments"]
    parameters = inspect.signature(function).parameters
    if "report" in parameters:
        arguments["report"] = lambda percent, note="": channel.send(
            {"kind": "progress", "percent": percent, "note": note}
        )
    if "ask" in parameters:

        def ask(data: bytes) -> bytes:
            channel.send({"kind": "ask", "data": base64.b64encode(data).decode()})
            answer = channel.receive()
            return base64.b64decode(answer["answer"]) if answer else b""

        arguments["ask"] = ask
    return function(**arguments)


def _named(value: Any) -> list[Path]:
    """Every absolute path among the arguments: what the caller hands over is what the child may touch."""
    if isinstance(value, str):
        return [Path(value)] if value.startswith("/") else []
    if isinstance(value, dict):
        return [path for item in value.values() for path in _named(item)]
    if isinstance(value, list):
        return [path for item in value for path in _named(item)]
    return []


def _code() -> list[Path]:
    """What Python and its libraries read: themselves, and what the machine says of itself. No data folder, no home."""
    ours = [folder for folder in ROOT.iterdir() if (folder / "__init__.py").exists()]
    python = [Path(folder) for folder in {sys.prefix, sys.base_prefix} if Path(folder) != ROOT]
    system = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc", "/sys/devices/system")
    return [*ours, *python, *map(Path, (*system, "/dev/null", "/dev/urandom", "/dev/zero"))]


def _confine(limits: dict[str, Any], paths: list[Path], libc: ctypes.CDLL) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu"], limits["cpu"] + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["output"], limits["output"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0)
    # Where the kernel refuses this, Landlock refuses TCP below; Python's own sockets are refused in any case.
    isolation.leave_network(libc)
    # Files to read, and the folders of files to write: not the keys, not the database, not other people's uploads.
    inputs = [path for path in paths if path.is_file()]
    outputs = [path if path.is_dir() else path.parent for path in paths if not path.is_file()]
    landlock.confine(readable=[*_code(), *inputs], writable=[*outputs, Path("/dev/null")])
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _: tuple[Any, ...]) -> None:
    if event in (
        "socket.connect",
        "socket.bind",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "os.exec",
        "os.posix_spawn",
    ):
        raise PermissionError(f"{event} is not allowed in a guarded child")


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
