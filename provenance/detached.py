"""A detached manifest judged without the file: over a SHA-256 that somebody names. Pure.

The reader, given a manifest store alone, compares it with no file and says so with a mismatch. A detached manifest of
this office binds the whole file, byte for byte (a data hash without exclusions, C2PA 2.4 §18.5), so the comparison can
be made with the file's SHA-256 alone.
"""

from collections.abc import Mapping
from typing import Any, Final

from provenance import codes
from provenance.manifest_reading import KINDS, mapping, mappings, results, text

# What the reader says when it has compared the manifest with the wrong bytes, or with none.
_NOT_COMPARED: Final = frozenset({codes.HASH_MATCH, codes.HASH_MISMATCH})
_MAX_UPDATES: Final = 50


def bound_by_hash(found: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """`found` (provenance.c2pa.read of a manifest store alone) as if the file with that SHA-256 had been compared.

    The presence becomes `detached`. Only a hash over the whole file can be compared so; any other stays a mismatch.
    """
    if found["presence"] not in ("embedded", "detached"):
        return dict(found)
    store = mapping(found.get("store"))
    bound = whole_file_hash(found, text(store.get("active_manifest"), 400)) == sha256
    judged = {**mapping(store.get("validation_results")), "activeManifest": _compared(results(store), bound=bound)}
    return {**found, "presence": "detached", "store": {**store, "validation_results": judged}}


def whole_file_hash(found: Mapping[str, Any], label: str) -> str:
    """The SHA-256 (hex) of the file that the manifest `label`, or the one it updates, is bound to; empty unless it is
    one hash over the whole file."""
    bindings = mapping(mapping(found.get("detailed")).get("bindings"))
    manifests = mapping(mapping(found.get("store")).get("manifests"))
    for _ in range(_MAX_UPDATES):
        if label in bindings:
            return _whole(mapping(bindings[label]))
        parents = [
            text(one.get("active_manifest"), 400)
            for one in mappings(mapping(manifests.get(label)).get("ingredients"))
            if one.get("relationship") == "parentOf"
        ]
        if len(parents) != 1:
            return ""
        (label,) = parents
    return ""


def _whole(binding: Mapping[str, Any]) -> str:
    if len(binding) != 1:
        return ""
    ((label, told),) = binding.items()
    whole = label == "c2pa.hash.data" and mapping(told).get("alg") == "sha256" and not mapping(told).get("exclusions")
    return text(mapping(told).get("hash"), 64) if whole else ""


def _compared(told: Mapping[str, Any], *, bound: bool) -> dict[str, Any]:
    kept = {kind: [one for one in mappings(told.get(kind)) if one.get("code") not in _NOT_COMPARED] for kind in KINDS}
    kept["success" if bound else "failure"].append({"code": codes.HASH_MATCH if bound else codes.HASH_MISMATCH})
    return {**told, **kept}
