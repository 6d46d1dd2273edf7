"""Ground for the provenance tests: registering, and seeing that nothing is left."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from core import jobs, storage
from core.models import Job
from ledger.models import Entry, SealedSection
from provenance.models import Asset, Fingerprint, Manifest, Rendition
from provenance.registration import register_asset
from tests.provenance import media_made

Register = Callable[..., Asset]
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

    def call(owner: User, data: bytes, *, title: str = "A photograph", **options: str) -> Asset:
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
