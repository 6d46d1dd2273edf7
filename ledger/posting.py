"""One POST to a machine that the operator named: a witness or a time-stamping authority. No database, no Django.

Redirects are not followed, TLS certificates are verified, an answer is short and does not take long.
"""

import http.client
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# Seconds of silence.
PATIENCE: Final = 5
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
            connection.request("POST", path, body, {"Content-Type": content_type})
            return _read(connection.getresponse())
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Reply(0, f"{type(error).__name__}: {error}".encode(errors="replace"))


def _read(response: http.client.HTTPResponse) -> Reply:
    data = response.read(MAX_ANSWER + 1)
    if len(data) > MAX_ANSWER:
        raise ValueError("its answer is too long")
    return Reply(response.status, data, response.getheader("Content-Type", "").partition(";")[0].strip())


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=PATIENCE)
    return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=ssl.create_default_context())
