"""Where a whole log is read from: a folder, or the address of a static server (C2SP tlog-tiles). Knows no Django."""

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, Protocol

_TIMEOUT = 20.0
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
            with (self.root / path).open("rb") as file:
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
        for pause in (*_PAUSES, None):
            try:
                return self._read(path, limit)
            except _Passing as error:
                if pause is None:
                    raise Unreadable(str(error)) from error
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _read(self, path: str, limit: int) -> bytes | None:
        # The scheme was checked above: this opens no local file.
        request = urllib.request.Request(self.address + path, headers={"User-Agent": "assay-verify"})  # noqa: S310
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return _at_most(answer, limit, path)
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


class _Passing(Exception):
    """A failure that may pass: worth another try."""


class _SameHost(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # type: ignore[no-untyped-def]  # the parts of a response, as urllib passes them
        self, req: urllib.request.Request, fp, code, msg, headers, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            raise Unreadable(f"{req.full_url} redirects to another host, {after.netloc}: refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _at_most(file: IO[bytes], limit: int, path: str) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(f"{path} is larger than {limit} bytes, which nothing of its kind may be")
    return data
