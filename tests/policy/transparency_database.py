"""A copy of the EU's transparency database on this machine, as far as its documentation describes it: what it takes,
what it refuses and in which words; one wrong record, and none of the call is taken.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, Final

from policy.deciding import tdb

TOKEN: Final = "7|a-token-of-the-tests"
Answer = tuple[int, dict[str, Any]]
_NOT_UNIQUE = "The identifier given is not unique within this platform."


class Database:
    """kept: {number: its id}. calls: the paths asked. next: answers given instead of its own, the first first; None as
    an answer: it does what was asked, and the answer is lost. wrong: {number: errors} that it has against a record.
    """

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.calls: list[str] = []
        self.next: list[Answer | None] = []
        self.wrong: dict[str, dict[str, list[str]]] = {}
        self.url = ""

    def answer(self, path: str, token: str, body: Any) -> Answer:
        self.calls.append(path)
        scripted = self.next.pop(0) if self.next else ()
        if scripted:
            return scripted
        own = self._own(path, token, body)
        return (502, {}) if scripted is None else own

    def _own(self, path: str, token: str, body: Any) -> Answer:
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Unauthenticated."}
        return {"/api/v1/statements": self._many, "/api/v1/statement": self._one}[path](body)

    def _many(self, body: Any) -> Answer:
        records = body["statements"]
        errors: dict[str, Any] = dict(tdb.batch_problems(records))
        for n, one in enumerate(records):
            errors |= {f"statement_{n}": self.wrong[one["puid"]]} if one["puid"] in self.wrong else {}
        if errors:
            return 422, {"errors": errors}
        if doubled := [one["puid"] for one in records if one["puid"] in self.kept]:
            said = "The platform identifier(s) are not all unique within this call."
            return 422, {"message": said, "errors": {"puid": [said], "existing_puids": doubled}}
        return 201, {"statements": [self._keep(one) for one in records]}

    def _one(self, record: Any) -> Answer:
        if errors := tdb.problems(record):
            return 422, {"message": "wrong", "errors": errors}
        if (puid := record["puid"]) in self.kept:
            existing = {**record, "uuid": self.kept[puid]}
            return 422, {"message": _NOT_UNIQUE, "errors": {"puid": [_NOT_UNIQUE]}, "existing": existing}
        return 201, self._keep(record)

    def _keep(self, record: Any) -> dict[str, Any]:
        self.kept[record["puid"]] = str(uuid.uuid4())
        return {**record, "uuid": self.kept[record["puid"]]}


@contextmanager
def running() -> Iterator[Database]:
    """It listens on 127.0.0.1 until the block ends."""
    database = Database()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = database.answer(self.path, self.headers.get("Authorization", ""), body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    database.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield database
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
