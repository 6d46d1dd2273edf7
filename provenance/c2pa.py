"""The only importer of the C2PA library. Used in guarded children alone (provenance.parsing); knows no Django.

Every context is offline: the library, left to itself, opens the addresses it finds in hostile files, on reading and on
adding ingredients. Two settings stop it, and since a mistyped setting is accepted in silence,
`tests/provenance/test_offline.py` watches what really happens. Contexts die in a fork, so each process makes its own.
"""

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import c2pa

MAX_STORE = 8 << 20  # bytes of manifest JSON that are passed on; ours have a few thousand


Anchors = dict[str, str]


def settings_for(anchors: Anchors) -> dict[str, Any]:
    """The library's settings. anchors: trust lists, PEM by the URI under which a verdict names the list."""
    return {
        "verify": {
            "verify_after_reading": True,
            "verify_after_sign": True,
            "verify_trust": True,
            "ocsp_fetch": False,
            "remote_manifest_fetch": False,
        },
        "core": {
            "allowed_network_hosts": [],
            # Identity assertions would be resolved by did:web, over the network; offline that fails genuine files.
            "decode_identity_assertions": False,
        },
        "builder": {"thumbnail": {"enabled": False}},
        "trust": {
            "anchors": [
                {"trust_anchors": pem, "trust_uri": uri, "trust_kind": "manifest"} for uri, pem in anchors.items()
            ]
        },
    }


@lru_cache(maxsize=4)
def _context(pid: int, anchors: tuple[tuple[str, str], ...]) -> c2pa.Context:
    return c2pa.Context.from_dict(settings_for(dict(anchors)))


def context(anchors: Anchors) -> c2pa.Context:
    """This process's offline context for these anchors."""
    return _context(os.getpid(), tuple(anchors.items()))


def read(path: Path, media_type: str, *, anchors: Anchors) -> dict[str, Any]:
    """What the file's Content Credentials are, as the library tells it.

    Returns {"presence": "none"}, {"presence": "remote", "host": …}, {"presence": "unreadable", "error": …} or
    {"presence": "embedded", "store": the library's JSON}.
    """
    try:
        with path.open("rb") as file, c2pa.Reader(media_type, file, context=context(anchors)) as reader:
            text = reader.json()
    except c2pa.C2paError as error:
        return _absence(error)
    if len(text) > MAX_STORE:
        return {"presence": "unreadable", "error": "the manifest store is too large"}
    return {"presence": "embedded", "store": json.loads(text)}


def _absence(error: Exception) -> dict[str, Any]:
    words = str(error)
    if words.startswith("ManifestNotFound"):
        return {"presence": "none"}
    if words.startswith("Remote"):  # “RemoteManifest: …” or “Remote: …”
        return {"presence": "remote", "host": _host(words)}
    return {"presence": "unreadable", "error": words[:300]}


def _host(words: str) -> str:
    """The host of the address in the library's message, for the report; the address itself is never opened."""
    try:
        return (urlsplit(words.rsplit(" ", 1)[-1]).hostname or "")[:253]
    except ValueError:
        return ""


def sign(
    source: Path,
    target: Path,
    media_type: str,
    *,
    manifest: dict[str, Any],
    ingredient: dict[str, Any] | None,
    anchors: Anchors,
    chain: str,
    ask: Callable[[bytes], bytes],
) -> bytes:
    """Write `source` with the signed manifest embedded to `target`; returns the manifest store (JUMBF bytes).

    ingredient: when given, `source` with the credentials it carries becomes the ingredient described.
    ask: signs the claim (ES256) outside this process; chain: its certificates, PEM, leaf first.
    """
    builder = c2pa.Builder(json.dumps(manifest), context=context(anchors))
    if ingredient is not None:
        with source.open("rb") as file:
            builder.add_ingredient(json.dumps(ingredient), media_type, file)
    signer = c2pa.Signer.from_callback(ask, c2pa.C2paSigningAlg.ES256, chain)
    with source.open("rb") as reading, target.open("w+b") as writing:
        store: bytes = builder.sign(signer, media_type, reading, writing)
    return store
