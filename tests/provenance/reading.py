"""How a stranger reads what this office signed: the library's own reader, with this office's roots as trust list."""

import io
import json
from typing import Any

import c2pa

from provenance import trust
from provenance.c2pa import settings_for


def read(data: bytes, media_type: str, *, manifest: bytes | None = None) -> Any:
    """The reader's JSON. manifest: a manifest store that stands beside the file."""
    context = c2pa.Context.from_dict(settings_for(trust.policy().anchors))
    with c2pa.Reader(media_type, io.BytesIO(data), manifest, context=context) as reader:
        return json.loads(reader.json())


def active(store: Any) -> Any:
    return store["manifests"][store["active_manifest"]]


def said(manifest: Any) -> dict[str, Any]:
    """What a manifest says, by label."""
    return {one["label"]: one["data"] for one in manifest["assertions"]}


def codes(store: Any, kind: str = "failure") -> list[str]:
    return [one["code"] for one in store["validation_results"]["activeManifest"][kind]]
