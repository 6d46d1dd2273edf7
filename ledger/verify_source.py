"""Where a whole log is read from: a folder, or the address of a static server (C2SP tlog-tiles). Knows no Django."""

import http.client
import os
import stat
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Thread
from typing import IO, Protocol

# A resource has this many seconds, and one more for each _SLOWEST bytes that have come.
PATIENCE = 60.0
_SLOWEST = 16 << 10
_PAUSES = (0.5, 2.0)
_TRY_AGAIN = (429, 500, 502, 503, 504)
_ABSENT = (404, 410)


class Unreadable(OSError):
    """A resource that could not be read, in words."""


class Source(Protocol):
    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes at this path, None when there is nothing. Raises Unreadable, also beyond `limit` bytes."""


class Folder:
    """The files that `manage.py publish_log` writes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str, limit: int) -> bytes | None:
        try:
            # Without waiting: to open a pipe would wait for its writer.
            with os.fdopen(os.open(self.root / path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Unreadable(f"{path} is not a file")
                return _at_most(file, limit, path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Unreadable:
            raise
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from error


class Web:
    """A log at an http or https address; redirects to another host are refused."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/") + "/"
        parts = urllib.parse.urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("an address of a log is http(s)://host/path")
        self._opener = urllib.request.build_opener(_SameHost)

    def read(self, path: str, limit: int) -> bytes | None:
        deadline, answer = _Deadline(), Future[bytes | None]()
        # A thread, since no time-out of a socket ends a server that sends a byte now and then, headers included.
        Thread(target=_fulfil, args=(answer, lambda: self._tried(path, limit, deadline)), daemon=True).start()
        while not answer.done():
            left = deadline.left()
            if left <= 0:
                raise Unreadable(f"{self.address}{path}: the server is too slow")
            wait([answer], left)
        try:
            return answer.result()
        finally:
            del answer  # it holds the error, which holds this frame: sockets would wait for the garbage collector

    def _tried(self, path: str, limit: int, deadline: "_Deadline") -> bytes | None:
        for pause in (*_PAUSES, None):
            try:
                return self._read(path, limit, deadline)
            except _Passing as error:
                if pause is None:
                    raise Unreadable(str(error)) from error
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _read(self, path: str, limit: int, deadline: "_Deadline") -> bytes | None:
        # The scheme was checked above: this opens no local file.
        request = urllib.request.Request(self.address + path, headers={"User-Agent": "assay-verify"})  # noqa: S310
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return deadline.at_most(answer, limit, path)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _ABSENT:
                    return None
                problem = f"{self.address}{path}: the server answers {error.code}"
                raise (_Passing if error.code in _TRY_AGAIN else Unreadable)(problem) from error
        except Unreadable:
            raise
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _Passing(f"{self.address}{path} cannot be fetched: {reason}") from error


class _Deadline:
    """When one resource must have come, all tries together."""

    def __init__(self) -> None:
        self._start, self._come = time.monotonic(), 0

    def left(self) -> float:
        """Seconds."""
        return self._start + PATIENCE + self._come / _SLOWEST - time.monotonic()

    def at_most(self, answer: IO[bytes], limit: int, path: str) -> bytes:
        """The whole answer, or Unreadable when time is up: the thread that reads it ends, too."""
        data = bytearray()
        while len(data) <= limit and (piece := answer.read(min(_SLOWEST, limit + 1 - len(data)))):
            data += piece
            self._come += len(piece)
            if self.left() <= 0:
                raise Unreadable(f"{path}: the server is too slow")
        return _within(bytes(data), limit, path)


def _fulfil(answer: "Future[bytes | None]", fetch: Callable[[], bytes | None]) -> None:
    try:
        answer.set_result(fetch())
    except BaseException as error:  # whatever it is, it is raised where the answer is awaited
        answer.set_exception(error)
    finally:
        del answer


class _Passing(Exception):
    """A failure that may pass: worth another try."""


class _SameHost(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # type: ignore[no-untyped-def]  # the parts of a response, as urllib passes them
        self, req: urllib.request.Request, fp, code, msg, headers, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            fp.close()
            raise Unreadable(f"{req.full_url} redirects to another host, {after.netloc}: refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _at_most(file: IO[bytes], limit: int, path: str) -> bytes:
    return _within(file.read(limit + 1), limit, path)


def _within(data: bytes, limit: int, path: str) -> bytes:
    if len(data) > limit:
        raise Unreadable(f"{path} is larger than {limit} bytes, which nothing of its kind may be")
    return data
