"""A bundle as a file over HTTP: whole, or from where a download broke off. For the page and the API alike."""

from collections.abc import Iterator
from functools import partial
from typing import IO, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from accounts.models import User
from core import beat, ranges, storage
from core.ranges import Part
from policy.audits import exports, handed
from policy.models import Export

TYPE: Final = "application/zip"
_PIECE: Final = 1 << 18


def file_name(export: Export) -> str:
    return f"assay-export-{str(export.pk)[-12:]}.zip"


def answer(request: HttpRequest, export: Export, user: User) -> HttpResponseBase:
    """The bytes, or with HEAD only what is said of them. Each download is recorded once, however often it goes on.

    Raises as `exports.open_export`, and Problem (416) for a part that is not there.
    """
    exports.check(export, user)
    part = _part(request, export)
    if request.method == "HEAD":
        response: HttpResponseBase = HttpResponse(content_type=TYPE)
    else:
        file = exports.open_export(export, user, start=part.start)
        response = StreamingHttpResponse(_Pieces(file, part), content_type=TYPE)
    return _with_headers(response, export, part)


def _part(request: HttpRequest, export: Export) -> Part:
    """All of it if what was begun is another file (RFC 9110, 13.1.5); its digest is its name, and never changes."""
    condition = request.headers.get("If-Range", "")
    header = request.headers.get("Range", "") if condition in ("", _etag(export)) else ""
    return ranges.asked(header, export.size)


def lapse() -> int:
    """Lets go of bundles that may not be handed out any more. Run by beat; returns how many."""
    rows = Export.objects.exclude(key="").select_related("user__regulator_account", "entry")
    return beat.each([row for row in rows[:500] if not _stands(row)], _let_go)


def _stands(export: Export) -> bool:
    """A suspended account may stand again; what its bundles hold is asked all the same."""
    account = getattr(export.user, "regulator_account", None)
    return account is not None and handed.stands(export, account)


def _let_go(export: Export) -> None:
    key = export.key  # of its file, which goes once that is on record
    exports.expire([export])
    transaction.on_commit(partial(storage.remove, key))


class _Pieces:
    """The bytes of a part, from where the file stands. Django closes it with the response, read or not."""

    def __init__(self, file: IO[bytes], part: Part) -> None:
        self.file, self.left = file, part.end - part.start

    def __iter__(self) -> Iterator[bytes]:
        while self.left > 0 and (piece := self.file.read(min(_PIECE, self.left))):
            self.left -= len(piece)
            yield piece

    def close(self) -> None:
        self.file.close()


def _etag(export: Export) -> str:
    return f'"{export.sha256}"'


def _with_headers(response: HttpResponseBase, export: Export, part: Part) -> HttpResponseBase:
    response["ETag"] = _etag(export)
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = str(part.end - part.start)
    response["Content-Disposition"] = f'attachment; filename="{file_name(export)}"'
    # Kept by nobody between, and asked for again each time: access may have ended since.
    response["Cache-Control"] = "private, no-store"
    if not part.whole:
        response.status_code = 206
        response["Content-Range"] = part.content_range
    return response
