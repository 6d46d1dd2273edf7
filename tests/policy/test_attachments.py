"""Documents: few, small, of four plain kinds by their bytes, sealed, and gone with their sender."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from core import storage
from core.problems import Conflict, NotFound, Problem
from ledger import vault
from policy.filing import attachments, notices
from policy.models import Attachment, Notice
from provenance.models import Asset
from tests.policy.conftest import FileNotice

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7\nthe contract with Dana Hill\n"


def document(data: bytes = PDF, name: str = "contract.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def notice(asset: Asset, file_notice: FileNotice) -> Notice:
    return file_notice(asset)[0]


def test_a_document_is_sealed_where_it_is_stored_and_opened_for_who_sent_it(notice: Notice) -> None:
    notices.attach(notice, document())
    row = Attachment.objects.get()
    with storage.open_file(row.key) as file:
        stored = file.read()
    assert b"Dana Hill" not in stored + bytes(row.sealed_name)
    assert attachments.open_for(row) == PDF
    assert (attachments.name_of(row), row.media_type, row.size) == ("contract.pdf", "application/pdf", len(PDF))
    assert row.entry is not None and row.key in set(attachments.stored_keys())


def test_a_document_comes_with_a_notice_or_the_notice_does_not_come(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, documents=[document(), document(b"what I saw on Tuesday", "note.txt")])
    assert notice.attachments.count() == 2
    with pytest.raises(Problem):
        file_notice(asset, documents=[document(), document(b"MZ\x90\x00\x03", "contract.pdf")])
    assert Notice.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\nrest", "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        ("Grüße, in words only.\n".encode(), "text/plain"),
    ],
)
def test_what_a_document_is_its_bytes_say(notice: Notice, data: bytes, media_type: str) -> None:
    notices.attach(notice, document(data, "trick.exe"))
    row = Attachment.objects.get()
    assert row.media_type == media_type
    assert attachments.name_of(row).endswith(attachments.SUFFIX[media_type])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "attachment.empty"),
        (b"MZ\x90\x00\x03\x00\x00\x00", "attachment.kind"),
        (b"PK\x03\x04\x14\x00\x00\x00", "attachment.kind"),
        (b"text with a bell \x07", "attachment.kind"),
        (PDF + b" " * attachments.MAX_BYTES, "attachment.too_large"),
    ],
)
def test_anything_else_is_refused_in_words_and_not_kept(notice: Notice, data: bytes, code: str) -> None:
    with pytest.raises(Problem) as refusal:
        notices.attach(notice, document(data))
    assert refusal.value.code == code and refusal.value.next_step
    assert not Attachment.objects.exists()


def test_five_are_the_most(notice: Notice) -> None:
    for _ in range(attachments.MAX_FILES):
        notices.attach(notice, document(b"a note"))
    with pytest.raises(Conflict):
        notices.attach(notice, document())
    assert Attachment.objects.count() == attachments.MAX_FILES


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b\r\n.pdf", 'x"><script>.pdf', "C:\\temp\\me.pdf", "...."])
def test_a_name_is_only_a_name(notice: Notice, name: str) -> None:
    notices.attach(notice, document(name=name))
    kept = attachments.name_of(Attachment.objects.get())
    assert kept.endswith(".pdf") and not set(kept) & set('/\\<>"\r\n\x00')


def test_a_document_is_gone_with_its_senders_key(notice: Notice) -> None:
    notices.attach(notice, document())
    vault.destroy(notice.filer.actor)
    row = Attachment.objects.get()
    assert attachments.name_of(row) == ""
    with pytest.raises(NotFound):
        attachments.open_for(row)
