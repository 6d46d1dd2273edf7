"""Registered works without the rest of the office: rows and stored bytes, no signing."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction

from accounts.models import User
from core import storage
from detection import labels, permission, registry
from detection.detectors import About, Question, Standing
from detection.registry import DetectorInfo
from ledger import log
from ledger.events import EventType
from provenance import media
from provenance.models import Asset, Rendition
from tests.detection.federated import Federation

# Nothing of it opens the database, and importing the detector takes seconds.
collect_ignore = [] if connection.vendor == "sqlite" else ["test_forensics.py"]

Work = Callable[..., Asset]


Install = Callable[..., DetectorInfo]


@dataclass(frozen=True)
class Misbehaving(DetectorInfo):
    """A detector whose function is one of tests.detection.misbehaving."""

    @property
    def function(self) -> str:
        return f"tests.detection.misbehaving:{self.name}"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """install(name) → the detector of that name from tests.detection.misbehaving, beside those that are there."""

    def one(name: str, version: str = "1", **more: Any) -> DetectorInfo:
        standing = Standing.EXPERIMENTAL if more.pop("experimental", False) else Standing.SHIPPED
        about = About(
            name, name, version, Question.SYNTHETIC, ("image",), "a made picture", standing,
            preload=("tests.detection.misbehaving",), wall=20, **more,
        )  # fmt: skip
        info = Misbehaving(about, "sha256:" + "0" * 64, "", calibrated=True, standing=standing)
        real = [known for known in registry.all_detectors() if known.name != name]
        monkeypatch.setattr(registry, "all_detectors", lambda: (info, *real))
        return info

    return one


@pytest.fixture
def allowed() -> Iterator[dict[str, str]]:
    """Which works may be trained on, by id, instead of asking the room above."""
    told: dict[str, str] = {}
    before = list(labels._basis)
    labels.register_basis(lambda asset: told.get(str(asset.pk), ""))
    yield told
    labels._basis[:] = before


@pytest.fixture
def basis() -> Iterator[None]:
    """The office has a basis for looking at faces and voices, instead of asking the room above."""
    before = list(permission._gate)
    permission.register_permission(lambda asset: permission.Permission("gdpr.6.1.f"))
    yield
    permission._gate[:] = before


@pytest.fixture
def own_models(db: None) -> Iterator[None]:
    """What a test registers is gone after it."""
    yield
    shutil.rmtree(Path(settings.ASSAY_VAR) / "models", ignore_errors=True)


@pytest.fixture
def work(db: None, basis: None) -> Work:
    """work(owner, data, media_type) → a registered work whose original file is `data`, in an office with a basis."""

    def register(owner: User, data: bytes, media_type: str = "image/jpeg", title: str = "Launch") -> Asset:
        key, sha256 = storage.keep_bytes(data)
        with transaction.atomic():
            entry = log.append(EventType.ASSET_REGISTERED, actor=owner.actor, role="creator", facts={"sha256": sha256})
            asset = Asset.objects.create(
                owner=owner,
                title=title,
                kind=media.kind_of(media_type),
                media_type=media_type,
                source_type="digitalCapture",
                original_sha256=hashlib.sha256(data).hexdigest(),
                entry=entry,
            )
            Rendition.objects.create(
                asset=asset,
                role="original",
                sha256=sha256,
                size=len(data),
                media_type=media_type,
                key=key,
                width=1,
                height=1,
            )
        return asset

    return register


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)
