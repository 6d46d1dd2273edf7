"""What a credential says about generative models, by the names of the C2PA conformance programme. Pure.

The rules are those of its asset rubric `asset-rubric-signals-local` (2026-08-06), one per name, over the actions and
digital source types of each manifest in the crJSON document. Three things are wider than the rubric: repeated
assertions (`…__1`) count as the first does; an ingredient of any version without a manifest is of unknown provenance;
and version 1 actions are read too, with the ambiguity they always carry. A signal repeats what the signer said; it
detects nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from provenance.manifest_reading import mapping, mappings, text

IPTC: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
C2PA: Final = "http://c2pa.org/digitalsourcetype/"
INCEPTION: Final = frozenset({"c2pa.created", "c2pa.opened"})
NON_EDITORIAL: Final = frozenset(
    {
        "c2pa.converted",
        "c2pa.published",
        "c2pa.repackaged",
        "c2pa.transcoded",
        "c2pa.resized.proportional",
        "c2pa.enhanced",
        "c2pa.edited.metadata",
        "c2pa.watermarked",
        "c2pa.watermarked.bound",
        "c2pa.watermarked.unbound",
        "c2pa.redacted",
    }
)
GEN_AI: Final = frozenset(
    {
        IPTC + "trainedAlgorithmicMedia",
        IPTC + "compositeWithTrainedAlgorithmicMedia",
        IPTC + "compositeSynthetic",
        C2PA + "trainedAlgorithmicData",
    }
)
POSSIBLY_GEN_AI: Final = frozenset({IPTC + "digitalArt", IPTC + "composite"})
MAX_MANIFESTS: Final = 200

SENTENCES: Final[dict[str, str]] = {
    "inception:signal_blankCanvas": "It was begun on an empty canvas.",
    "inception:signal_capturedMedia": "It was captured by a camera, a microphone or another device.",
    "inception:signal_capturedMediaStitched": "It was put together from several captures.",
    "inception:signal_compositionMayContainGenAI": "It was composed of parts, which may come from a generative model.",
    "inception:signal_fullyGenAIMedia": "It was made by a generative model.",
    "inception:signal_mediaUnknownProvenance": "It was made from something whose origin is not recorded.",
    "inception:signal_nonGenAIDigitalCreation": "It was made with digital tools, without a generative model.",
    "inception:signal_partlyGenAICreation": "It was made in part by a generative model.",
    "inception:signal_screenCaptureMayContainGenAI": (
        "It was captured from a screen, which may have shown what a generative model made."
    ),
    "transformation:signal_ambiguousActions": "What was done to it is not recorded completely, or not clearly.",
    "transformation:signal_nonEditorial": "It was handled in ways that do not change what it shows.",
    "transformation:signal_perceptibleGenAI": "It was visibly or audibly changed by a generative model.",
    "transformation:signal_perceptibleNonGenAI": "It was visibly or audibly changed, without a generative model.",
    "transformation:signal_perceptiblePossiblyGenAI": (
        "It was visibly or audibly changed, and whether by a generative model is not said."
    ),
}

# Inception signals by the digital source type of a created or opened file.
_INCEPTIONS: Final[dict[str, str]] = {
    C2PA + "empty": "blankCanvas",
    IPTC + "digitalCapture": "capturedMedia",
    IPTC + "computationalCapture": "capturedMedia",
    IPTC + "compositeCapture": "capturedMediaStitched",
    IPTC + "composite": "compositionMayContainGenAI",
    IPTC + "trainedAlgorithmicMedia": "fullyGenAIMedia",
    IPTC + "digitalCreation": "nonGenAIDigitalCreation",
    IPTC + "compositeWithTrainedAlgorithmicMedia": "partlyGenAICreation",
    IPTC + "screenCapture": "screenCaptureMayContainGenAI",
}


@dataclass(frozen=True)
class Signal:
    """name: the rubric's. of: this_file (its own manifest) or earlier_file. title: of that file, as it is called."""

    name: str
    of: str
    title: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "sentence": SENTENCES[self.name], "of": self.of, "title": self.title}


def signals(crjson: Any) -> list[Signal]:
    """The signals of every manifest in a crJSON document, those of the active one (the first) first."""
    told: dict[tuple[str, str, str], Signal] = {}
    for number, manifest in enumerate(mappings(mapping(crjson).get("manifests"))[:MAX_MANIFESTS]):
        of = "this_file" if number == 0 else "earlier_file"
        title = text(_claim(manifest).get("dc:title"))
        for name in _of_manifest(manifest):
            told.setdefault((name, of, title), Signal(name, of, title))
    return list(told.values())


def _of_manifest(manifest: Mapping[str, Any]) -> Iterator[str]:
    actions = list(_actions(manifest))
    for action in actions:
        name, source = text(action.get("action"), 80), text(action.get("digitalSourceType"))
        if name in INCEPTION and source in _INCEPTIONS:
            yield f"inception:signal_{_INCEPTIONS[source]}"
    if _unknown_provenance(manifest):
        yield "inception:signal_mediaUnknownProvenance"
    if _ambiguous(manifest, actions):
        yield "transformation:signal_ambiguousActions"
    for name, applies in _TRANSFORMATIONS.items():
        if any(applies(text(one.get("action"), 80), text(one.get("digitalSourceType"))) for one in actions):
            yield f"transformation:signal_{name}"


def _perceptible(action: str) -> bool:
    return bool(action) and action not in INCEPTION and action not in NON_EDITORIAL


_TRANSFORMATIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "nonEditorial": lambda action, source: action in NON_EDITORIAL,
    "perceptibleGenAI": lambda action, source: _perceptible(action) and source in GEN_AI,
    "perceptibleNonGenAI": lambda action, source: _perceptible(action) and bool(source) and source not in GEN_AI,
    "perceptiblePossiblyGenAI": lambda action, source: _perceptible(action) and source in POSSIBLY_GEN_AI,
}


def _assertions(manifest: Mapping[str, Any], *labels: str) -> Iterator[Mapping[str, Any]]:
    for label, data in mapping(manifest.get("assertions")).items():
        if text(label, 120).split("__")[0] in labels:
            yield mapping(data)


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for data in _assertions(manifest, "c2pa.actions.v2", "c2pa.actions"):
        yield from mappings(data.get("actions"))


def _claim(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(manifest.get("claim.v2") or manifest.get("claim"))


def _unknown_provenance(manifest: Mapping[str, Any]) -> bool:
    labels = ("c2pa.ingredient.v3", "c2pa.ingredient.v2", "c2pa.ingredient")
    ingredients = [one for one in _assertions(manifest, *labels) if one]
    return any(not (one.get("activeManifest") or one.get("c2pa_manifest")) for one in ingredients)


def _ambiguous(manifest: Mapping[str, Any], actions: list[Mapping[str, Any]]) -> bool:
    """None, or not said to be all, or of somebody's own kind, or called unknown, or not vouched for by the signer."""
    names = [text(one.get("action"), 80) for one in actions]
    complete = any(one.get("allActionsIncluded") is True for one in _assertions(manifest, "c2pa.actions.v2"))
    gathered = mappings(_claim(manifest).get("gathered_assertions"))
    return (
        not names
        or not complete
        or any(name and not name.startswith("c2pa.") for name in names)
        or "c2pa.unknown" in names
        or any("c2pa.actions" in text(one.get("url")) for one in gathered)
    )
