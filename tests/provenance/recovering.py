"""Asking the Soft Binding Resolution API, and what happens to photographs on their way through the web."""

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from provenance import softbinding

Api = Callable[..., APIClient]
HERE = "/api/v1/softbinding"


def by_content(client: APIClient, data: bytes, media_type: str = "image/jpeg", **query: Any) -> Any:
    path = f"{HERE}/matches/byContent?{urlencode(query)}"
    return client.post(path, data, content_type=media_type)


def by_binding(client: APIClient, value: bytes | str, alg: str = softbinding.ALG, **query: Any) -> Any:
    text = value if isinstance(value, str) else base64.b64encode(value).decode()
    return client.get(f"{HERE}/matches/byBinding", {"alg": alg, "value": text, **query})


def re_encoded(photo: bytes, *, quality: int = 20, share: float = 0.5) -> bytes:
    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    smaller = picture.resize((round(picture.width * share), round(picture.height * share)))
    out = io.BytesIO()
    smaller.save(out, "JPEG", quality=quality)
    return out.getvalue()


def verified(client: APIClient, data: bytes, store: bytes) -> Mapping[str, Any]:
    """The verdicts on a file with a manifest beside it, by name."""
    form = {"file": SimpleUploadedFile("photo.jpg", data), "manifest": SimpleUploadedFile("photo.c2pa", store)}
    verdicts = client.post("/api/v1/verifications", form, format="multipart").json()["verdicts"]
    return {name: verdict["state"] for name, verdict in verdicts.items()}
