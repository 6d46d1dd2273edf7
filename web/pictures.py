"""Pictures on pages that are not public: served by the page's own view, never cached, never under a lasting address."""

import io
from functools import lru_cache

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from PIL import Image, ImageFilter

from core.problems import NotFound
from core.storage import open_file
from provenance.delivery import GUARD, name_of, stored
from provenance.models import Asset, Rendition

VEIL_WIDTH = 20  # pixels: colours and rough shapes, no face, no text
SOFTNESS = 24  # the blur's radius as a part of the width: a figure can be told, a face cannot


def picture(asset: Asset, *roles: str) -> HttpResponseBase:
    """The first rendition of `roles` there is (by default the preview), inline. Raises NotFound."""
    file = _rendition(asset, roles or (Rendition.Role.PREVIEW,))
    return _closed(stored(file.key, file.media_type, name_of(asset, file)))


def veil(asset: Asset) -> HttpResponseBase:
    """The preview reduced to a few pixels, so that what is sealed does not even reach the reviewer's browser."""
    return _drawn(_veiled(_rendition(asset, (Rendition.Role.PREVIEW,)).key))


def softened(asset: Asset) -> HttpResponseBase:
    """The preview, blurred and grey."""
    return _drawn(_softened(_rendition(asset, (Rendition.Role.PREVIEW,)).key))


def greyed(asset: Asset) -> HttpResponseBase:
    """The preview without colour."""
    return _drawn(_greyed(_rendition(asset, (Rendition.Role.PREVIEW,)).key))


def closed(key: str, media_type: str, filename: str) -> HttpResponseBase:
    """A stored file that no browser keeps."""
    return _closed(stored(key, media_type, filename))


@lru_cache(maxsize=256)
def _veiled(key: str) -> bytes:
    image = _preview(key)
    return _png(image.resize((VEIL_WIDTH, max(1, round(VEIL_WIDTH * image.height / image.width)))))


@lru_cache(maxsize=32)
def _softened(key: str) -> bytes:
    image = _preview(key).convert("L")
    return _png(image.filter(ImageFilter.GaussianBlur(max(2, image.width // SOFTNESS))))


@lru_cache(maxsize=32)
def _greyed(key: str) -> bytes:
    return _png(_preview(key).convert("L"))


def _preview(key: str) -> Image.Image:
    # The preview was drawn by this office from decoded pixels: it is the one media file that is safe to decode here.
    with open_file(key) as file, Image.open(file) as image:
        return image.convert("RGB")


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _drawn(data: bytes) -> HttpResponseBase:
    return _closed(HttpResponse(data, content_type="image/png", headers=GUARD))


def _rendition(asset: Asset, roles: tuple[str, ...]) -> Rendition:
    files = {file.role: file for file in asset.renditions.filter(role__in=roles)}
    for role in roles:
        if role in files:
            return files[role]
    raise NotFound("picture")


def _closed(response: HttpResponseBase) -> HttpResponseBase:
    """No browser keeps it: what may be looked at here is decided at each look."""
    del response["ETag"]
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex"
    return response
