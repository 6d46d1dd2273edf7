"""The invisible watermark, by the real network: it is not seen, it survives, it is recorded, and it leads back.

An optional extra: collected only where requirements/watermark.txt is installed (`make test` installs it).
"""

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from accounts.models import User
from core import storage
from core.problems import Problem
from provenance import marking, matching, watermark
from provenance.models import Asset, Fingerprint
from provenance.verification import verify_file
from tests.provenance import photographs_made as made
from tests.provenance.conftest import Register

# Pictures and the network are the same on both databases; marking them once is enough.
pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.xdist_group("watermark")]

CODE = bytes.fromhex("a53c960f")
Read = Callable[..., bytes]


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    return [made.photograph(seed) for seed in range(5)]


@pytest.fixture(scope="module")
def marked(photographs: list[Image.Image]) -> list[Image.Image]:
    return [watermark.marked(one, CODE) for one in photographs]


@pytest.fixture
def switched_on(settings: Any) -> None:
    settings.ASSAY_WATERMARK = True


def _errors(picture: Image.Image) -> int:
    return watermark.errors(watermark.code_in(picture), CODE)


def test_the_library_has_no_way_to_call_home() -> None:
    """From 1.30 on its builds for Linux send telemetry unless told not to; the pinned one does not know how."""
    spec = importlib.util.find_spec("onnxruntime")
    assert spec and spec.submodule_search_locations
    libraries = list(Path(spec.submodule_search_locations[0]).rglob("*.so*"))
    assert libraries
    assert not [path.name for path in libraries if b"events.data.microsoft" in path.read_bytes()]


def test_a_mark_is_read_back_and_is_not_seen(photographs: list[Image.Image], marked: list[Image.Image]) -> None:
    for plain, with_mark in zip(photographs, marked, strict=True):
        assert _errors(with_mark) <= watermark.MAX_WRONG
        difference = np.asarray(plain, dtype=np.float64) - np.asarray(with_mark, dtype=np.float64)
        assert 10 * np.log10(255**2 / (difference**2).mean()) > 35  # dB, peak signal to noise


@pytest.mark.parametrize("name", ["JPEG q75", "JPEG q50", "half the size", "crop 10 %"])
def test_a_mark_survives_what_happens_to_most_photographs(name: str, marked: list[Image.Image]) -> None:
    changes = [made.jpeg(75), made.jpeg(50), made.resized(0.5), made.cropped(0.1)]
    change = dict(zip(["JPEG q75", "JPEG q50", "half the size", "crop 10 %"], changes, strict=True))[name]
    few = [_errors(change(one)) <= matching.WATERMARK_ERRORS for one in marked]
    assert sum(few) >= 0.8 * len(few)


def test_an_unmarked_picture_has_no_mark_of_ours(photographs: list[Image.Image]) -> None:
    assert all(_errors(one) > matching.WATERMARK_ERRORS for one in photographs)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _jpeg(picture: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92, **options)
    return out.getvalue()


@pytest.mark.usefixtures("switched_on")
def test_a_marked_work_says_so_in_its_credential_and_keeps_its_original(
    photographs: list[Image.Image], alice: User, register: Register, signed_bytes: Read
) -> None:
    data = _jpeg(photographs[0])
    asset = register(alice, data, watermark=True)
    assert signed_bytes(asset, "original") == data
    with Image.open(io.BytesIO(signed_bytes(asset))) as signed:
        assert watermark.code_in(signed.convert("RGB")) == marking.code_of(f"asset:{asset.pk}")
    kept = asset.fingerprints.get(algorithm=Fingerprint.Algorithm.WATERMARK)
    assert bytes(kept.value) == marking.code_of(f"asset:{asset.pk}")
    said = {one["label"]: one["data"] for one in asset.manifests.get(form="embedded").active["assertions"]}
    assert "c2pa.watermarked.bound" in [one["action"] for one in said["c2pa.actions.v2"]["actions"]]
    beside = {one["label"]: one["data"] for one in asset.manifests.get(form="detached").active["assertions"]}
    assert "c2pa.watermarked.bound" not in [one["action"] for one in beside["c2pa.actions.v2"]["actions"]]


@pytest.mark.usefixtures("switched_on")
def test_a_tight_crop_that_no_fingerprint_forgives_is_found_by_its_mark(
    photographs: list[Image.Image], alice: User, register: Register, signed_bytes: Read
) -> None:
    """Cut at a corner, and turned a little: not among the ways in which a file is looked at."""
    works = [register(alice, _jpeg(one), title=f"{n}", watermark=True) for n, one in enumerate(photographs[:4])]
    found = []
    for work in works:
        with Image.open(io.BytesIO(signed_bytes(work))) as signed:
            cut = signed.convert("RGB").crop((round(signed.width * 0.08), round(signed.height * 0.08), *signed.size))
        with storage.receive([_png(cut)]) as scratch:
            matches = verify_file(scratch.path, scratch.sha256).matches
        assert {one.asset_id for one in matches} <= {work.pk}
        found += [one.how for one in matches]
    assert found.count("watermark") >= 3


@pytest.mark.usefixtures("switched_on")
def test_a_transparent_picture_stays_transparent(
    photographs: list[Image.Image], alice: User, register: Register, signed_bytes: Read
) -> None:
    clear = photographs[1].copy()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    asset = register(alice, _png(clear), watermark=True)
    with Image.open(io.BytesIO(signed_bytes(asset))) as signed:
        assert signed.mode == "RGBA"
        assert signed.getchannel("A").tobytes() == clear.getchannel("A").tobytes()


@pytest.mark.usefixtures("switched_on", "leaves_nothing")
def test_what_cannot_be_marked_is_refused_and_not_quietly_left_unmarked(
    photographs: list[Image.Image], alice: User, register: Register
) -> None:
    moving = io.BytesIO()
    photographs[0].save(moving, "WEBP", save_all=True, append_images=[photographs[1]])
    tiff = io.BytesIO()
    photographs[0].save(tiff, "TIFF")
    for data, code in ((moving.getvalue(), "asset.watermark_moving"), (tiff.getvalue(), "asset.watermark_format")):
        with pytest.raises(Problem) as refusal:
            register(alice, data, watermark=True)
        assert refusal.value.code == code


@pytest.mark.usefixtures("leaves_nothing")
def test_where_it_is_off_nobody_is_marked_and_nothing_is_looked_for(
    photographs: list[Image.Image], marked: list[Image.Image], alice: User, register: Register
) -> None:
    with pytest.raises(Problem) as refusal:
        register(alice, _jpeg(photographs[0]), watermark=True)
    assert refusal.value.code == "asset.watermark_off"
    assert Asset.objects.count() == 0
