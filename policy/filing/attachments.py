"""Documents that come with a notice or a message in an appeal: few, small, of four plain kinds, and
sealed under the key of who sent them, so that erasing that person makes them unreadable.

What a file is, its first bytes say and not its name. Nothing opens them here: they are given out as downloads.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from django.core.files.base import File

from core import storage
from core.problems import Conflict, NotFound, Problem
from ledger import vault
from ledger.models import Entry
from policy.models import AppealMessage, Attachment, Category, Notice
from policy.rights import people

MAX_BYTES: Final = 5 << 20
MAX_FILES: Final = 5
NAME, BYTES = "policy.attachment.name", "policy.attachment.bytes"
_SIGNATURES: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
TEXT: Final = "text/plain"
SUFFIX: Final = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", TEXT: ".txt"}


def keep(
    owner: str,
    file: "File[bytes]",
    *,
    notice: Notice | None = None,
    message: AppealMessage | None = None,
    entry: Entry | None = None,
) -> Attachment:
    """Seal and store one document of `owner` ("person:…", "user:…") for either a notice or a message.
    Run inside the verb's transaction; entry: the verb's own, which accounts for the row.

    Raises Problem `attachment.…`: too large, empty, of no allowed kind; Conflict when there are five already.
    """
    data = _read(file)
    media_type = sniff(data)
    _refuse_picture(media_type, notice)
    row = Attachment(owner=owner, notice=notice, message=message, media_type=media_type, entry=entry)
    _refuse_many(row)
    row.size = len(data)
    row.sealed_name = people.seal(owner, {"name": _name(file.name or "", media_type)}, NAME)
    row.key, _ = storage.keep_bytes(vault.seal(owner, data, BYTES))
    row.save(force_insert=True)
    return row


def _refuse_picture(media_type: str, notice: Notice | None) -> None:
    """Nobody is to send, and nobody here to keep, what it is a crime to have."""
    if notice is not None and notice.category == Category.CHILD_SAFETY and media_type.startswith("image/"):
        raise Problem(
            "attachment.child",
            "Do not send us the picture",
            status=415,
            detail="This report is about a child in danger. The picture was not kept.",
            next_step="Say where it is; that is enough. You can add a digest that you make on your own device.",
        )


def open_for(attachment: Attachment) -> bytes:
    """The document. Raises NotFound once its sender was erased."""
    if not attachment.key:
        raise NotFound("document")
    with storage.open_file(attachment.key) as file:
        sealed = file.read()
    try:
        return vault.unseal(attachment.owner, sealed, BYTES)
    except vault.Erased as error:
        raise NotFound("document") from error


def name_of(attachment: Attachment, known: vault.Keys | None = None) -> str:
    """As its sender called it, without folders and controls; "" once they were erased."""
    value = people.unseal(attachment.owner, attachment.sealed_name, NAME, known)
    return value["name"] if value else ""


def stored_keys() -> Iterable[str]:
    """For `core.storage.register_references`."""
    return Attachment.objects.exclude(key="").values_list("key", flat=True).iterator()


def sniff(data: bytes) -> str:
    """The media type, by the first bytes; plain text when all of it is. Raises Problem."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if _is_text(data):
        return TEXT
    raise Problem(
        "attachment.kind",
        "This kind of document is not taken",
        status=415,
        detail="PDF, PNG, JPEG and plain text are taken; what arrived is none of them, whatever its name says.",
        next_step="Save it as a PDF, or send a picture of it.",
    )


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any(unicodedata.category(each) == "Cc" and each not in "\t\r\n\f" for each in text)


def _read(file: "File[bytes]") -> bytes:
    data: bytes = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Problem(
            "attachment.too_large",
            "The document is too large",
            status=413,
            detail=f"A document may have {MAX_BYTES >> 20} MiB at most; nothing of it was kept.",
            next_step="Send a smaller scan, or only the pages that matter.",
        )
    if not data:
        raise Problem(
            "attachment.empty",
            "The document is empty",
            detail="No byte arrived.",
            next_step="Check that it opens on your own device, then send it again.",
        )
    return data


def _refuse_many(row: Attachment) -> None:
    parent = {"notice": row.notice, "message": row.message}
    if sum(each is not None for each in parent.values()) != 1:
        raise ValueError("a document belongs to one thing")
    if Attachment.objects.filter(**{name: each for name, each in parent.items() if each}).count() >= MAX_FILES:
        raise Conflict(
            f"There are {MAX_FILES} documents already, and that is the most.",
            code="attachment.many",
            next_step="Put what is left into one document.",
        )


def _name(said: str, media_type: str) -> str:
    """The last part of a name, printable, with the ending that its bytes ask for."""
    base = re.sub(r"[\\/]", "/", said).rpartition("/")[2]
    plain = "".join(each for each in base if each.isprintable() and each not in '<>:"|?*').strip(". ")
    stem = plain.rpartition(".")[0] or plain or "document"
    return stem[:100] + SUFFIX[media_type]
