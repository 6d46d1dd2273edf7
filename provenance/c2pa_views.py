"""What is taken from the C2PA library's several views of one file. Pure; for guarded children, on strangers' words."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from provenance import codes
from provenance.manifest_reading import KINDS, active, mappings, text

HASHES: Final = ("c2pa.hash.data", "c2pa.hash.bmff", "c2pa.hash.boxes", "c2pa.hash.collection")
_FOUND_IN: Final = re.compile(r".*, found in \[([^\]]*)\] trust anchors")
# Codes that depend on the time of signing, which a trusted stamp tells.
_BY_THE_CLOCK: Final = frozenset({codes.EXPIRED, codes.INSIDE_VALIDITY, codes.OUTSIDE_VALIDITY})


# --- The hash that binds a manifest to its file ------------------------------------------------------------------


def bindings(crjson: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{manifest label: {label of its hash assertion: {"alg", "hash": hex, "exclusions": how many}}}; the reader's own
    JSON leaves hash assertions out."""
    manifests = crjson.get("manifests")
    return {
        str(manifest.get("label")): found
        for manifest in (manifests if isinstance(manifests, list) else ())
        if isinstance(manifest, dict) and (found := dict(_hashes(manifest.get("assertions"))))
    }


def _hashes(assertions: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for label, data in assertions.items() if isinstance(assertions, dict) else ():
        if label.startswith(HASHES) and isinstance(data, dict):
            alg, ranges = str(data.get("alg") or "")[:20], data.get("exclusions")
            left_out = len(ranges) if isinstance(ranges, list) else 0
            yield label, {"alg": alg, "hash": _hex(data.get("hash")), "exclusions": left_out}


def _hex(value: Any) -> str:
    """Bytes as crJSON writes them: b64'…'."""
    if not isinstance(value, str) or len(value) > 128 or not (value.startswith("b64'") and value.endswith("'")):
        return ""
    try:
        return base64.b64decode(value[4:-1], validate=True).hex()
    except ValueError:
        return ""


# --- Which list vouched ------------------------------------------------------------------------------------------


def vouchers(results: Any) -> Iterator[tuple[bool, str]]:
    """(for a time-stamp, not a signer; URI of the list that vouched, "" if none is told) of every certificate that was
    trusted, in the active manifest and in all before it. The library tells it in words alone, after the name that a
    certificate gives itself."""
    if isinstance(results, dict):
        if results.get("code") == codes.STAMP_TRUSTED:
            yield True, str(results.get("explanation")).rpartition(", trust list: ")[2]
        elif results.get("code") == codes.TRUSTED:
            found = _FOUND_IN.fullmatch(str(results.get("explanation")))
            yield False, found[1] if found else ""
        else:
            for one in results.values():
                yield from vouchers(one)
    elif isinstance(results, list):
        for one in results:
            yield from vouchers(one)


# --- The time, from a reading of its own -------------------------------------------------------------------------


def take_time(told: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Change in `told` what depends on the time-stamp of the active manifest to what `other`, a reading of the same
    file with more lists, says of it; nothing else is taken over."""
    label = told["store"].get("active_manifest") or ""
    instead = other.get("store") or {}
    if instead.get("active_manifest") != label or label not in (instead.get("manifests") or {}):
        return
    _take_codes(told["store"].get("validation_results") or {}, instead.get("validation_results") or {})
    told["store"]["manifests"][label]["signature_info"] = instead["manifests"][label].get("signature_info")
    signatures = {one.get("label"): one.get("signature") for one in other["crjson"].get("manifests") or []}
    for manifest in told["crjson"].get("manifests") or []:
        if manifest.get("label") == label and signatures.get(label):
            manifest["signature"] = signatures[label]


def _take_codes(results: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    told, instead = results.get("activeManifest") or {}, other.get("activeManifest") or {}
    for kind in KINDS:
        kept = [one for one in told.get(kind) or [] if not _about_time(one)]
        told[kind] = [*kept, *(one for one in instead.get(kind) or [] if _about_time(one))]


def _about_time(status: Mapping[str, Any]) -> bool:
    code = str(status.get("code"))
    return code.startswith(("timeStamp.", "timeOfSigning.")) or code in _BY_THE_CLOCK


# --- Identities --------------------------------------------------------------------------------------------------


def identity_kinds(store: Mapping[str, Any]) -> Iterator[str]:
    """The signature type of each identity assertion of the active manifest, empty where it tells none."""
    for one in mappings(active(store).get("assertions")):
        if str(one.get("label", "")).startswith("cawg.identity"):
            data = one.get("data")
            payload = data.get("signer_payload") if isinstance(data, dict) else None
            yield text(payload.get("sig_type"), 120) if isinstance(payload, dict) else ""
