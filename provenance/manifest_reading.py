"""Careful access to the JSON of the C2PA reader. Pure.

Every word in it is a stranger's, and a child process that a hostile file has taken over sends what it likes: nothing
here trusts a type, and text is shortened to one printable line.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

MAX_STORE: Final = 8 << 20  # bytes of a manifest store, and of each JSON about it; ours have some thousand
MAX_ACTIONS: Final = 50

# Names of C2PA actions in words (spec 2.4 §18.15.4.7); an action missing here is shown by its own name.
ACTIONS = {
    "c2pa.created": "was created",
    "c2pa.opened": "was opened from an earlier file",
    "c2pa.placed": "had another file placed into it",
    "c2pa.removed": "had a part removed",
    "c2pa.edited": "was edited",
    "c2pa.edited.metadata": "had its metadata edited",
    "c2pa.color_adjustments": "had its colours adjusted",
    "c2pa.adjustedColor": "had its colours adjusted",
    "c2pa.cropped": "was cropped",
    "c2pa.resized": "was resized",
    "c2pa.resized.proportional": "was resized",
    "c2pa.orientation": "was rotated or flipped",
    "c2pa.filtered": "had a filter applied",
    "c2pa.drawing": "was drawn on",
    "c2pa.addedText": "had text added",
    "c2pa.enhanced": "was enhanced",
    "c2pa.converted": "was converted to another format",
    "c2pa.transcoded": "was encoded again",
    "c2pa.repackaged": "was packed again",
    "c2pa.trimmed": "was shortened",
    "c2pa.published": "was published",
    "c2pa.redacted": "had a part of its record removed",
    "c2pa.dubbed": "was dubbed",
    "c2pa.translated": "was translated",
    "c2pa.watermarked": "was watermarked",
    "c2pa.watermarked.bound": "was watermarked",
    "c2pa.watermarked.unbound": "was watermarked",
    "c2pa.unknown": "was changed in a way nobody recorded",
}


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def text(value: Any, limit: int = 300) -> str:
    """A stranger's words: text only, one line, shortened. Nothing for what is no text or number."""
    if not isinstance(value, str | int | float):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)[: limit * 2]).split())[:limit]


def once(items: Iterable[str]) -> list[str]:
    """`items` in their order, each one time."""
    return list(dict.fromkeys(items))


def active(store: Mapping[str, Any]) -> Mapping[str, Any]:
    """The active manifest of the reader's JSON; empty when there is none."""
    return mapping(mapping(store.get("manifests")).get(text(store.get("active_manifest"), 400)))


def results(store: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was found out about the active manifest: a `status-codes-map` (C2PA 2.4 §15.2.1)."""
    return mapping(mapping(store.get("validation_results")).get("activeManifest"))


KINDS: Final = ("success", "informational", "failure")


def status_codes(results: Any, *kinds: str) -> list[str]:
    """results: a `status-codes-map`. kinds: of KINDS; all of them, if none is named."""
    found = (one for kind in kinds or KINDS for one in mappings(mapping(results).get(kind)))
    return [text(one.get("code"), 120) for one in found if one.get("code")]


def assertions(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Label, without the number of a repeated one (§6.4), and data of every assertion whose data is a map."""
    for one in mappings(manifest.get("assertions")):
        if isinstance(one.get("data"), Mapping):
            yield text(one.get("label"), 120).split("__")[0], one["data"]


def generator(manifest: Mapping[str, Any]) -> str:
    """The program that wrote the claim, as it calls itself."""
    infos = mappings(manifest.get("claim_generator_info"))
    if infos:
        return f"{text(infos[0].get('name'))} {text(infos[0].get('version'), 60)}".strip()
    return text(manifest.get("claim_generator"))


def actions(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    """{action, words, source_type: IPTC key, when} of every recorded action, what is absent being empty."""
    told = []
    for label, data in assertions(manifest):
        if label in ("c2pa.actions", "c2pa.actions.v2"):
            told += [_action(one) for one in mappings(data.get("actions"))]
    return told[:MAX_ACTIONS]


def _action(action: Mapping[str, Any]) -> dict[str, str]:
    name = text(action.get("action"), 80)
    return {
        "action": name,
        "words": ACTIONS.get(name, f"had “{name}” done to it"),
        "source_type": text(action.get("digitalSourceType")).rsplit("/", 1)[-1],
        "when": text(action.get("when"), 40),
    }


def signer(manifest: Mapping[str, Any], *, trusted: bool) -> dict[str, Any]:
    """{name, confirmed, statement, serial}. The name is a name only when a trust list vouches for it."""
    signature = mapping(manifest.get("signature_info"))
    name = text(signature.get("common_name") or signature.get("issuer"))
    return {
        "name": name if trusted else "",
        "confirmed": trusted,
        "statement": _statement(name, trusted=trusted),
        "serial": text(signature.get("cert_serial_number"), 80),
    }


def _statement(name: str, *, trusted: bool) -> str:
    if trusted:
        return f"Signed by {name}." if name else "Signed by a signer that a trust list vouches for without a name."
    if not name:
        return "The signer gives no name, and this office cannot confirm who it is."
    return f"It says it was signed by “{name}”, which this office cannot confirm."
