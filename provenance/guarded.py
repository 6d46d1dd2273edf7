"""The way from this process to provenance.parsing: one nursery, the office's limits, Problems coming back."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from core.guard import Limits, Nursery
from provenance import authority

_nursery = Nursery("provenance.parsing")
LIMITS = Limits(memory=3 << 30, cpu=60, wall=90.0)


@dataclass(frozen=True)
class Description:
    """What decoding told. width, height: pixels, as shown (orientation applied). fingerprints: algorithm to bytes."""

    kind: str
    width: int
    height: int
    seconds: Decimal | None
    preview_width: int
    preview_height: int
    fingerprints: dict[str, bytes]


def describe(path: Path, media_type: str, *, preview: Path) -> Description:
    """Decode `path` and write a preview JPEG without metadata to `preview`. Raises Problem."""
    told = _nursery.call(
        "provenance.parsing:describe",
        {
            "path": str(path),
            "media_type": media_type,
            "preview": str(preview),
            "max_pixels": settings.ASSAY_MAX_PIXELS,
            "max_seconds": settings.ASSAY_MAX_SECONDS,
        },
        limits=LIMITS,
    )
    return Description(
        kind=told["kind"],
        width=told["width"],
        height=told["height"],
        seconds=Decimal(told["seconds"]) if told["seconds"] else None,
        preview_width=told["preview"]["width"],
        preview_height=told["preview"]["height"],
        fingerprints={name: bytes.fromhex(value) for name, value in told["fingerprints"].items()},
    )


def read_credential(path: Path, media_type: str) -> dict[str, Any]:
    """The Content Credentials of `path` as provenance.c2pa.read returns them, judged by this office's trust list."""
    told: dict[str, Any] = _nursery.call(
        "provenance.parsing:read_credential",
        {"path": str(path), "media_type": media_type, "anchors": authority.this_office().anchors},
        limits=LIMITS,
    )
    return told


def sign(
    path: Path, target: Path, media_type: str, *, manifest: dict[str, Any], ingredient: dict[str, Any] | None
) -> bytes:
    """Write `path` with `manifest` signed and embedded to `target`; returns the manifest store (JUMBF bytes).

    The private key stays in this process: the child asks for one signature.
    """
    office = authority.this_office()
    told = _nursery.call(
        "provenance.parsing:sign",
        {
            "path": str(path),
            "target": str(target),
            "media_type": media_type,
            "manifest": manifest,
            "ingredient": ingredient,
            "anchors": office.anchors,
            "chain": office.chain,
        },
        limits=LIMITS,
        ask=office.signing_answers(),
    )
    return bytes.fromhex(told["store"])
