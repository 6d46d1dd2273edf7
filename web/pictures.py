"""Pictures on pages that are not public: served by the page's own view, never cached, never under a lasting address."""

import io
from functools import lru_cache
from typing import TypeVar

from django.http import FileResponse, HttpResponse
from PIL import Image

from core.problems import NotFound
from core.storage import open_file
from provenance.models import Asset, Rendition

R = TypeVar("R", HttpResponse, FileResponse)
VEIL_WIDTH = 20  # pixels: colours and rough shapes, no face, no text


def picture(asset: Asset, *roles: str) -> FileResponse:
    """The first rendition of `roles` there is (by default the preview), inline. Raises NotFound."""
    file = _rendition(asset, roles or (Rendition.Role.PREVIEW,))
    response = FileResponse(open_file(file.key), content_type=file.media_type)
    return _closed(response)


def veil(asset: Asset) -> HttpResponse:
    """The preview reduced to a few pixels, so that what is sealed does not even reach the reviewer's browser."""
    return _closed(HttpResponse(_veiled(_rendition(asset, (Rendition.Role.PREVIEW,)).key), content_type="image/png"))


@lru_cache(maxsize=256)
def _veiled(key: str) -> bytes:
    # The preview was drawn by this office from decoded pixels: it is the one media file that is safe to decode here.
    with open_file(key) as file, Image.open(file) as image:
        small = image.convert("RGB").resize((VEIL_WIDTH, max(1, round(VEIL_WIDTH * image.height / image.width))))
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()


def _rendition(asset: Asset, roles: tuple[str, ...]) -> Rendition:
    files = {file.role: file for file in asset.renditions.filter(role__in=roles)}
    for role in roles:
        if role in files:
            return files[role]
    raise NotFound("picture")


def _closed(response: R) -> R:
    response["Cache-Control"] = "no-store, private"
    response["Content-Disposition"] = "inline"
    response["X-Robots-Tag"] = "noindex"
    return response
