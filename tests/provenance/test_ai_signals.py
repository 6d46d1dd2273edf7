"""What a credential says about generative models, by the names of the conformance programme."""

from collections.abc import Mapping
from typing import Any

import pytest

from provenance.ai_signals import C2PA, IPTC, SENTENCES, signals


def _manifest(
    *actions: tuple[str, str], complete: bool = True, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    listed = [{"action": name, **({"digitalSourceType": source} if source else {})} for name, source in actions]
    return {
        "claim.v2": {"dc:title": "A photograph", "gathered_assertions": []},
        "assertions": {"c2pa.actions.v2": {"actions": listed, "allActionsIncluded": complete}, **(more or {})},
    }


def _names(*manifests: dict[str, Any]) -> list[str]:
    return [one.name.split("signal_")[1] for one in signals({"manifests": list(manifests)})]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (C2PA + "empty", "blankCanvas"),
        (IPTC + "digitalCapture", "capturedMedia"),
        (IPTC + "computationalCapture", "capturedMedia"),
        (IPTC + "compositeCapture", "capturedMediaStitched"),
        (IPTC + "composite", "compositionMayContainGenAI"),
        (IPTC + "trainedAlgorithmicMedia", "fullyGenAIMedia"),
        (IPTC + "digitalCreation", "nonGenAIDigitalCreation"),
        (IPTC + "compositeWithTrainedAlgorithmicMedia", "partlyGenAICreation"),
        (IPTC + "screenCapture", "screenCaptureMayContainGenAI"),
    ],
)
def test_how_a_file_began(source: str, name: str) -> None:
    assert _names(_manifest(("c2pa.created", source))) == [name]


@pytest.mark.parametrize(
    ("action", "source", "names"),
    [
        ("c2pa.edited", IPTC + "trainedAlgorithmicMedia", ["perceptibleGenAI"]),
        ("c2pa.edited", IPTC + "compositeSynthetic", ["perceptibleGenAI"]),
        ("c2pa.edited", C2PA + "trainedAlgorithmicData", ["perceptibleGenAI"]),
        ("c2pa.edited", IPTC + "humanEdits", ["perceptibleNonGenAI"]),
        ("c2pa.edited", IPTC + "composite", ["perceptibleNonGenAI", "perceptiblePossiblyGenAI"]),
        ("c2pa.edited", "", []),
        ("c2pa.published", "", ["nonEditorial"]),
        ("c2pa.converted", IPTC + "trainedAlgorithmicMedia", ["nonEditorial"]),
        ("c2pa.unknown", "", ["ambiguousActions"]),
        ("com.example.sharpened", "", ["ambiguousActions"]),
    ],
)
def test_what_was_done_to_it(action: str, source: str, names: list[str]) -> None:
    began = ("c2pa.created", IPTC + "digitalCapture")
    assert _names(_manifest(began, (action, source))) == ["capturedMedia", *names]


@pytest.mark.parametrize(
    "manifest",
    [
        _manifest(),
        _manifest(("c2pa.opened", ""), complete=False),
        {"assertions": {}},
        {"assertions": {"c2pa.actions": {"actions": [{"action": "c2pa.opened"}]}}},
        {
            **_manifest(("c2pa.opened", "")),
            "claim.v2": {"gathered_assertions": [{"url": "self#jumbf=c2pa.assertions/c2pa.actions.v2"}]},
        },
    ],
)
def test_a_record_that_is_not_complete_is_called_ambiguous(manifest: dict[str, Any]) -> None:
    assert _names(manifest) == ["ambiguousActions"]


def test_an_ingredient_without_a_credential_is_of_unknown_provenance() -> None:
    known = {"c2pa.ingredient.v3": {"activeManifest": {"url": "self#jumbf=/c2pa/x"}}}
    assert _names(_manifest(("c2pa.opened", ""), more=known)) == []
    bare = {"c2pa.ingredient.v3__1": {"relationship": "componentOf"}}
    assert _names(_manifest(("c2pa.opened", ""), more={**known, **bare})) == ["mediaUnknownProvenance"]


def test_signals_of_earlier_files_are_told_apart_from_the_files_own() -> None:
    generated = _manifest(("c2pa.created", IPTC + "trainedAlgorithmicMedia"))
    told = signals({"manifests": [_manifest(("c2pa.opened", "")), generated, generated]})
    assert [one.as_dict() for one in told] == [
        {
            "name": "inception:signal_fullyGenAIMedia",
            "sentence": "It was made by a generative model.",
            "of": "earlier_file",
            "title": "A photograph",
        }
    ]


def test_every_signal_has_a_sentence() -> None:
    assert all(words.startswith(("It was", "What was")) and words.endswith(".") for words in SENTENCES.values())
    assert signals(None) == signals({"manifests": "x"}) == []
