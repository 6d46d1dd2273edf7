"""What somebody takes along: everything held about them, to read and for machines, with the proofs (GDPR 15, 20).

A ZIP of `README.txt`, `readable.html` (no script, no address is loaded), `data.json`, the documents they sent and, as
far as they are signed, `receipts/<index>.json` for each entry of the log that holds something of theirs, which
`python -m ledger.verify` checks without this office.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.template.loader import render_to_string

from accounts.models import User
from core.clock import now
from ledger.models import Entry
from ledger.receipts import receipt_for
from policy.consents import consent_receipts
from policy.filing import attachments
from policy.models import Consent, DataRequest, Person
from policy.rights import data_requests, data_rights, holdings
from policy.rights.holdings import Who

ACCESS: Final = "assay-access/1"
PORTABLE: Final = "assay-portable/1"
# Made in the request of a person who waits: the rest of the proofs are in the log itself, for anybody.
MAX_RECEIPTS: Final = 500


def access(who: Who) -> tuple[DataRequest, bytes]:
    """Answer a request for access and pack what is held. Returns the request and the ZIP."""
    request, held = data_rights.access(who)
    return request, _pack(request, who, held)


def hand_out(request: DataRequest, by: User) -> bytes:
    """The same for a request that came by letter, which `by` has proved and taken; it is answered with it."""
    return _pack(request, data_requests.who_asks(request), data_rights.hand_out(request, by))


def _pack(request: DataRequest, who: Who, held: Mapping[str, Any]) -> bytes:
    texts = {
        "README.txt": readme(request),
        "readable.html": readable(request, held),
        "data.json": as_json(access_json(request, held)),
        **dict(_receipts(who, held)),
    }
    return _zip({**{name: text.encode() for name, text in texts.items()}, **dict(_documents(who))})


def _documents(who: Who) -> Iterator[tuple[str, bytes]]:
    """What they attached, as they sent it."""
    for row in holdings.rows("policy.Attachment", who).exclude(key=""):
        yield f"documents/{str(row.pk)[-12:]}{attachments.SUFFIX[row.media_type]}", attachments.open_for(row)


def portable(who: Who) -> tuple[DataRequest, str]:
    """Answer a request to take one's data along: JSON of what they gave us, and of what they agreed to."""
    request, given = data_rights.port(who)
    body = {**_header(PORTABLE, request), "given": given, "consents": [_consent(each) for each in _consents(who)]}
    return request, as_json(body)


def access_json(request: DataRequest, held: Mapping[str, Any]) -> dict[str, Any]:
    return {**_header(ACCESS, request), **held}


def _header(format: str, request: DataRequest) -> dict[str, Any]:
    return {
        "format": format,
        "office": settings.ASSAY_OFFICE_NAME,
        "request": str(request.pk),
        "made_at": request.created_at.isoformat(),
    }


def as_json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False, default=str)


def readme(request: DataRequest) -> str:
    return render_to_string("data/package_readme.txt", {"request_row": request, "office": settings.ASSAY_OFFICE_NAME})


def readable(request: DataRequest, held: Mapping[str, Any]) -> str:
    """One page that opens in any browser, without network and without scripts."""
    context = {
        "request_row": request,
        "office": settings.ASSAY_OFFICE_NAME,
        "rows": [in_words(row) for row in held["fields"]],
    }
    return render_to_string("data/package.html", {**context, "log": held["log"], "elsewhere": held["elsewhere"]})


def _receipts(who: Who, held: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    indices = sorted({row["index"] for row in held["log"] if row["index"] is not None})[:MAX_RECEIPTS]
    for entry in Entry.objects.filter(sequence__index__in=indices).select_related("sequence").order_by("pk"):
        if receipt := receipt_for(entry):
            yield f"receipts/{entry.index}.json", as_json(receipt.as_dict())
    for each in _consents(who):
        yield f"receipts/consent-{each.pk}.json", as_json(consent_receipts.receipt(each))


def _consents(who: Who) -> list[Consent]:
    if not isinstance(who, Person):
        return []
    mine = Consent.objects.filter(depiction__person=who).select_related("depiction__asset", "depiction__person")
    return list(mine.order_by("pk"))


def _consent(row: Consent) -> dict[str, Any]:
    return {
        "asset": str(row.depiction.asset_id),
        "asked_at": row.created_at.isoformat(),
        "answer": row.state,
        "answered_at": row.answered_at.isoformat() if row.answered_at else None,
        "purposes": row.granted,
    }


def _zip(files: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, now().timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return whole.getvalue()


# --- In words ------------------------------------------------------------------------------------------------------


def in_words(held: Mapping[str, Any]) -> dict[str, Any]:
    """A registered field with its name in words and its values as lines of text."""
    _, model, column = str(held["field"]).split(".")
    lines = [line for value in held["values"] for line in _lines(value)]
    return {**held, "name": f"{spaced(model)}: {spaced(column.removeprefix('sealed_'))}", "lines": lines}


def spaced(name: str) -> str:
    """`StatementOfReasons` as “statement of reasons”."""
    apart = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return apart.replace("_", " ").strip()


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{spaced(str(key))}: {text}" for key, text in value.items() if text]
    return [str(value)]
