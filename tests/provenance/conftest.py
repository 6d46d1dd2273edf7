"""Ground for the provenance tests: registering, and seeing that nothing is left."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from core import jobs, storage
from core.models import Job
from core.problems import Problem
from ledger.models import Entry, SealedSection
from provenance import guarded, marking, media
from provenance.models import Asset, Fingerprint, Manifest, Rendition
from provenance.registration import register_asset
from tests.provenance import media_made
from tests.provenance.signing_desk import Desk

# The watermark is an optional extra: what needs it is not collected where it is not installed.
collect_ignore = [] if all(map(importlib.util.find_spec, marking.PARTS)) else ["test_watermark.py"]

Register = Callable[..., Asset]
Describe = Callable[..., guarded.Description]
FORMATS = {"photo.jpg": "image/jpeg", "photo.png": "image/png", "photo.webp": "image/webp", "clip.mp4": "video/mp4"}


@pytest.fixture(autouse=True)
def _asset_process() -> None:
    """`asset.process` belongs to policy; where policy is not there yet, a job is recorded and nobody runs it."""
    if "asset.process" not in jobs._handlers:
        jobs.handler("asset.process")(lambda job: None)


@pytest.fixture(scope="session")
def media_files(photo: bytes) -> dict[str, bytes]:
    """One file of each accepted format, by name."""
    makers = (media_made.as_jpeg, media_made.as_png, media_made.as_webp, media_made.as_mp4)
    return dict(zip(FORMATS, (make(photo) for make in makers), strict=True))


@pytest.fixture
def register(db: None) -> Register:
    """`register(alice, data, filename=…)`: through the real verb, from a scratch file."""

    def call(owner: User, data: bytes, *, title: str = "A photograph", **options: Any) -> Asset:
        with storage.receive([data]) as scratch:
            return register_asset(owner, scratch, title=title, **options)

    return call


@pytest.fixture
def signed_bytes() -> Callable[[Asset], bytes]:
    def read(asset: Asset, role: str = "signed") -> bytes:
        with storage.open_file(asset.rendition(role).key) as file:
            return file.read()

    return read


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, data: bytes) -> Path:
        return media_made.written(tmp_path, name, data)

    return write


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """What it signs, it signs once a session, in the first test that asks; that test must have the database."""
    return Desk(tmp_path_factory.mktemp("desk"))


def close_files(response: Any) -> None:
    """What a server does after the last byte; `response.close()` would close the test's database connection too."""
    for close in response._resource_closers:
        close()


def what_is_kept() -> dict[str, object]:
    """Every trace a registration can leave."""
    var = Path(settings.ASSAY_VAR)
    models = (Asset, Rendition, Manifest, Fingerprint, Entry, SealedSection, Job)
    rows = {model.__name__: model.objects.count() for model in models}
    stored = sorted(str(path.relative_to(var)) for path in (var / "media").rglob("*") if path.is_file())
    return {**rows, "stored": stored, "scratch": sorted(path.name for path in (var / "scratch").iterdir())}


@pytest.fixture
def leaves_nothing(db: None) -> Iterator[None]:
    """The test ends with exactly the rows, stored files and scratch files it began with."""
    before = what_is_kept()
    yield
    assert what_is_kept() == before


@pytest.fixture(scope="session")
def made() -> Callable[[str], bytes]:
    """One file of each format, made once."""
    files: dict[str, bytes] = {}

    def one(media_type: str) -> bytes:
        return files.setdefault(media_type, media_made.make(media_type))

    return one


@pytest.fixture
def describe(on_disk: Callable[[str, bytes], Path], tmp_path: Path) -> Describe:
    """`describe(data, media_type=…, search=…)`: through the guarded door; the preview is `tmp_path / "preview.jpg"`."""

    def call(data: bytes, media_type: str = "", *, search: bool = False) -> guarded.Description:
        path = on_disk("work", data)
        preview = tmp_path / "preview.jpg"
        preview.unlink(missing_ok=True)  # a child reads files that are there and writes those that are not
        return guarded.describe(path, media_type or media.sniff(path), preview=preview, search=search)

    return call


def refused(describe: Describe, data: bytes, media_type: str = "") -> Problem:
    """The refusal of a file, which says in words what to do."""
    with pytest.raises(Problem) as refusal:
        describe(data, media_type)
    assert 400 <= refusal.value.status < 500
    assert refusal.value.next_step
    return refusal.value
