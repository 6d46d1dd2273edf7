"""Registered works without the rest of the office: rows and stored bytes, no signing."""

import hashlib
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from accounts.models import User
from core import storage
from ledger import log
from ledger.events import EventType
from provenance import media
from provenance.models import Asset, Rendition

# Nothing of it opens the database, and importing the detector takes seconds.
collect_ignore = [] if connection.vendor == "sqlite" else ["test_forensics.py"]

Work = Callable[..., Asset]


@pytest.fixture
def work(db: None) -> Work:
    """work(owner, data, media_type) → a registered work whose original file is `data`."""

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
