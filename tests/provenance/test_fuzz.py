"""Ten thousand broken files of every format: none brings the office down, holds it up, or gets an answer of 5xx.

Every tenth of them is tried by `make test`, all by `make load`.
"""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given, settings, strategies
from rest_framework.test import APIClient

from accounts.models import User
from core.guard import Limits, Nursery, Unparseable
from core.problems import Problem
from provenance import guarded, media
from tests.provenance import fuzzing, media_made
from tests.provenance.signing_desk import Desk

# Bytes and the engine are the same on both databases.
pytestmark = pytest.mark.only_on("sqlite")

# More of what is quick to decode; 10,100 in all.
SHARES = {
    "image/jpeg": 900, "image/png": 900, "image/webp": 900, "image/tiff": 900, "image/gif": 900, "image/avif": 700,
    "image/heic": 600, "image/jxl": 900, "image/svg+xml": 1000, "application/pdf": 1000, "audio/wav": 250,
    "audio/mpeg": 250, "audio/flac": 250, "audio/mp4": 250, "video/mp4": 150, "video/quicktime": 125,
    "video/avi": 125,
}  # fmt: skip
EVERY = int(os.environ.get("FUZZ_EVERY", "10"))
BATCH = Limits(memory=3 << 30, cpu=550, wall=560.0)


@dataclass
class Tried:
    """outcomes: how often each; escaped: errors no caller expects; died: numbers of files that killed their child."""

    outcomes: dict[str, int] = field(default_factory=dict)
    escaped: list[Any] = field(default_factory=list)
    died: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def nursery() -> Any:
    one = Nursery("provenance.parsing", "tests.provenance.fuzzing")
    yield one
    one.close()


def _try_all(nursery: Nursery, good: Path, media_type: str, work: Path, end: int, step: int = 1) -> Tried:
    """The files range(0, end, step); after one that kills its child, the next child goes on behind it."""
    tried, at = Tried(), 0
    while at < end:
        number = at

        def here(_: int, note: str) -> None:
            nonlocal number
            number = int(note)

        arguments = {
            "good": str(good), "media_type": media_type, "work": str(work), "first": at, "end": end, "step": step,
        }  # fmt: skip
        try:
            told = nursery.call("tests.provenance.fuzzing:batch", arguments, limits=BATCH, progress=here)
        except Unparseable:
            tried.died.append(number)
            at = number + step
            continue
        tried.outcomes, tried.escaped = told["outcomes"], told["escaped"]
        break
    return tried


def _small(media_type: str) -> bytes:
    return media_made.make(media_type, width=48, seconds=0.3)


def test_ten_thousand_broken_files_get_an_answer(db: None, desk: Desk, nursery: Nursery, tmp_path: Path) -> None:
    """Signed files, so that the credential's parser is tried as well. A child may die: then that one file is refused,
    and nothing else happens; here none does, and if one ever should, it is named.
    """
    assert sum(SHARES.values()) >= 10_000 and set(SHARES) == media.EMBEDDABLE
    goods = {}
    for number, media_type in enumerate(SHARES):
        folder = tmp_path / str(number)
        folder.mkdir()
        goods[media_type] = media_made.written(tmp_path, f"good-{number}", desk.sign(media_type, _small(media_type)))

    def run(item: tuple[int, str]) -> tuple[str, Tried]:
        number, media_type = item
        work = tmp_path / str(number) / "new"
        return media_type, _try_all(nursery, goods[media_type], media_type, work, SHARES[media_type], EVERY)

    with ThreadPoolExecutor(2) as pool:
        tried = dict(pool.map(run, enumerate(SHARES)))
    assert {name: one.escaped[:3] for name, one in tried.items() if one.escaped} == {}
    assert {name: one.died for name, one in tried.items() if one.died} == {}
    for media_type, one in tried.items():
        count = len(range(0, SHARES[media_type], EVERY))
        assert sum(one.outcomes.values()) == 2 * count  # each was decoded and its credential read
        assert one.outcomes.get("media.truncated", 0) + one.outcomes.get("credential unreadable", 0) > 0, media_type


def test_a_file_that_kills_its_child_is_one_refused_file(nursery: Nursery, tmp_path: Path) -> None:
    """What the batch above relies on when it goes on behind a dead child."""
    seen: list[str] = []
    with pytest.raises(Unparseable) as refusal:
        nursery.call(
            "tests.provenance.fuzzing:abort_at",
            {"work": str(tmp_path / "new"), "number": 7},
            progress=lambda _, note: seen.append(note),
        )
    assert (refusal.value.code, refusal.value.status, seen) == ("media.unparseable", 422, ["7"])
    good = media_made.written(tmp_path, "good", _small("image/png"))
    assert _try_all(nursery, good, "image/png", tmp_path / "new", 3).died == []


def test_random_bytes_after_each_magic_are_refused(tmp_path: Path) -> None:
    heads = {media_type: _small(media_type)[:24] for media_type in sorted(media.EMBEDDABLE)}
    for media_type, head in heads.items():
        path = media_made.written(tmp_path, "x", head + os.urandom(4000))
        with pytest.raises(Problem) as refusal:
            guarded.describe(path, media_type, preview=tmp_path / "p.jpg")
        assert 400 <= refusal.value.status < 500, media_type


HEADS = (
    b"", b"ID3\x04\0\0", b"\xff\xfb", b"\xff\xf1", b"\0\0\0\x18ftyp", b"RIFF", b"FORM", b"OggS", b"\x1aE\xdf\xa3",
    b"BM", b"<", b"<?xml", b"<!--", b"<!DOCTYPE [", b"\xff\xfe<\0", b"\xef\xbb\xbf", b"G" * 377, b"%PDF-",
    b"\0\0\0\x0cJXL ",
)  # fmt: skip


@given(head=strategies.sampled_from(HEADS), rest=strategies.binary(max_size=800), name=strategies.text(max_size=40))
@settings(max_examples=800, deadline=None)
def test_telling_a_file_by_its_content_never_fails(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, rest: bytes, name: str
) -> None:
    """This is done in the office's own process, before any child sees the file."""
    path = media_made.written(tmp_path_factory.getbasetemp(), "told", head + rest)
    media_type = media.sniff(path)
    assert media.checked_type(media_type) == media_type
    assert media.kind_of(media_type) in guarded.KINDS
    assert media.suffix(media_type).startswith(".")
    if head + rest:
        media.embeds(path, media_type)
    with contextlib.suppress(Problem):
        media.check_name(name, media_type)


@pytest.mark.parametrize("media_type", sorted(SHARES))
def test_no_broken_file_makes_the_office_answer_5xx(media_type: str, alice: User) -> None:
    client = APIClient()
    client.force_authenticate(alice)
    for number in range(2):
        data = fuzzing.broken(_small(media_type), media_type, 50_000 + number)
        upload = SimpleUploadedFile(f"work{media.suffix(media_type)}", data or b"x")
        answer = client.post("/api/v1/verifications", {"file": upload}, format="multipart")
        assert answer.status_code < 500, (media_type, number, answer.content[:300])
        upload = SimpleUploadedFile("work", data or b"x")
        form = {"file": upload, "title": "Broken", "source_type": "print", "training": "allowed"}
        answer = client.post("/api/v1/assets", form, format="multipart")
        assert answer.status_code < 500, (media_type, number, answer.content[:300])
