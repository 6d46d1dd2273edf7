"""Pictures on pages that are not public: served by the page's own view, never cached, never under a lasting address."""

import io
from functools import lru_cache

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from PIL import Image

from core.problems import NotFound
from core.storage import open_file
from provenance.delivery import GUARD, name_of, stored
from provenance.models import Asset, Rendition

VEIL_WIDTH = 20  # pixels: colours and rough shapes, no face, no text


def picture(asset: Asset, *roles: str) -> HttpResponseBase:
    """The first rendition of `roles` there is (by default the preview), inline. Raises NotFound."""
    file = _rendition(asset, roles or (Rendition.Role.PREVIEW,))
    return _closed(stored(file.key, file.media_type, name_of(asset, file)))


def veil(asset: Asset) -> HttpResponseBase:
    """The preview reduced to a few pixels, so that what is sealed does not even reach the reviewer's browser."""
    drawn = _veiled(_rendition(asset, (Rendition.Role.PREVIEW,)).key)
    return _closed(HttpResponse(drawn, content_type="image/png", headers=GUARD))


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


def _closed(response: HttpResponseBase) -> HttpResponseBase:
    """No browser keeps it: what may be looked at here is decided at each look."""
    del response["ETag"]
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex"
    return response
