"""One POST to a machine that the operator named: a witness or a time-stamping authority. No database, no Django.

Redirects are not followed, TLS certificates are verified, an answer is short and does not take long.
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# Seconds of silence, and of all together: a machine that sends a byte now and then must not hold a thread for hours.
PATIENCE: Final = 5
AT_MOST: Final = 20.0
MAX_ANSWER: Final = 1 << 16


@dataclass(frozen=True)
class Reply:
    """status: 0 when nothing was understood; then `body` says why. content_type: without parameters."""

    status: int
    body: bytes
    content_type: str = ""


def post(url: str, body: bytes, content_type: str) -> Reply:
    """Never raises for what is at the other end."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("its address is not http(s)")
        connection = _connection(parts.scheme, parts.hostname, parts.port)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            with _hung_up_after(AT_MOST, connection):
                connection.request("POST", path, body, {"Content-Type": content_type})
                return _read(connection.getresponse())
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Reply(0, f"{type(error).__name__}: {error}".encode(errors="replace"))


@contextlib.contextmanager
def _hung_up_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """The timeout of a socket counts from byte to byte; this one counts from the beginning."""
    connection.connect()
    over = threading.Event()
    timer = threading.Timer(seconds, _hang_up, [connection.sock, over])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if over.is_set():  # what was read is not all there was
        raise TimeoutError("it took too long to answer")


def _hang_up(end: socket.socket, over: threading.Event) -> None:
    over.set()
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _read(response: http.client.HTTPResponse) -> Reply:
    data = response.read(MAX_ANSWER + 1)
    if len(data) > MAX_ANSWER:
        raise ValueError("its answer is too long")
    return Reply(response.status, data, response.getheader("Content-Type", "").partition(";")[0].strip())


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=PATIENCE)
    return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=ssl.create_default_context())
