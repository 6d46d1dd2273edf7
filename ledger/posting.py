"""One POST to another machine: a witness, a time-stamping authority, a web hook. No database, no Django.

Redirects are not followed, TLS certificates are verified, an answer is short and does not take long.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

# Seconds of silence, and of all together: a machine that sends a byte now and then must not hold a thread for hours.
PATIENCE: Final = 5
AT_MOST: Final = 20.0
MAX_ANSWER: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Reply:
    """status: 0 when nothing was understood; then `body` says why. content_type: without parameters."""

    status: int
    body: bytes
    content_type: str = ""


def post(
    url: str,
    body: bytes,
    content_type: str,
    *,
    headers: Mapping[str, str] | None = None,
    address: str = "",
    at_most: float | None = None,
    longest: int = MAX_ANSWER,
) -> Reply:
    """Never raises for what is at the other end.

    headers: more of them. address: the IP address to speak to, where the caller looked the host's name up and judged
    what it found; TLS and the Host header still go by the name. at_most: seconds of all together.
    longest: bytes of an answer; a longer one is none.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("its address is not http(s)")
        over_at = time.monotonic() + (AT_MOST if at_most is None else at_most)
        connection = _connection(parts.scheme, parts.hostname, parts.port)
        connection.sock = _dialled(parts, address)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            with _hung_up_at(over_at, connection.sock):
                connection.request("POST", path, body, {"Content-Type": content_type, **(headers or {})})
                return _read(connection.getresponse(), longest)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Reply(0, f"{type(error).__name__}: {error}".encode(errors="replace"))


def _dialled(parts: SplitResult, address: str) -> socket.socket:
    """Connected, and for https with the certificate of the host's name verified."""
    host = parts.hostname or ""
    end = socket.create_connection((address or host, parts.port or _PORTS[parts.scheme]), PATIENCE)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return end if parts.scheme == "http" else ssl.create_default_context().wrap_socket(end, server_hostname=host)


@contextlib.contextmanager
def _hung_up_at(over_at: float, end: socket.socket) -> Iterator[None]:
    """The timeout of a socket counts from byte to byte; this one from before the connection was made."""
    over = threading.Event()
    timer = threading.Timer(max(0.0, over_at - time.monotonic()), _hang_up, [end, over])
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


def _read(response: http.client.HTTPResponse, longest: int) -> Reply:
    data = response.read(longest + 1)
    if len(data) > longest:
        raise ValueError("its answer is too long")
    return Reply(response.status, data, response.getheader("Content-Type", "").partition(";")[0].strip())


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    return (http.client.HTTPConnection if scheme == "http" else http.client.HTTPSConnection)(host, port)
