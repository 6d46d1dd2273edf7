"""A model version in two forms that others read: a CycloneDX 1.6 ML-BOM, and a model card with Hugging Face's front
matter.

Both are made from `card.yaml` and `evaluation.json`, so they cannot say anything else. CycloneDX: component of type
“machine-learning-model” with its modelCard (https://cyclonedx.org/docs/1.6/json/, modelCard.quantitativeAnalysis and
.considerations). No time and no serial number, so that the same version has the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from detection import cards
from detection.cards import Card

BOM: Final = "bom.cdx.json"
_SLICED: Final = (("auc", "AUC"), ("fpr", "false-positive rate"), ("tpr", "true-positive rate"))
_PLAIN: Final = (("tpr_at_1", "TPR at 1 % FPR"), ("ece", "ECE"), ("cllr", "Cllr"), ("abstained", "abstained"))


def write(folder: Path, detector: str, version: str) -> None:
    """Write `bom.cdx.json` into a folder that has a card. Raises Problem for a card that is not complete."""
    made = cyclonedx(cards.read(folder), folder, detector, version)
    (folder / BOM).write_text(json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def cyclonedx(card: Card, folder: Path, detector: str, version: str) -> dict[str, Any]:
    """The ML-BOM of the version whose files are in `folder`."""
    reference = f"pkg:generic/assay/{detector}@{version}"
    model = {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": detector,
        "version": version,
        "description": card.summary,
        "licenses": [{"license": {"name": card.licence}}],
        "hashes": [{"alg": "SHA-256", "content": content} for content in _hashes(folder)],
        "modelCard": _model_card(card, reference),
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": model},
        "components": [_data(one, number) for number, one in enumerate(card.data)],
        "dependencies": [{"ref": reference, "dependsOn": [f"data-{number}" for number, _ in enumerate(card.data)]}],
    }


def _hashes(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.onnx")):
        yield hashlib.sha256(path.read_bytes()).hexdigest()


def _model_card(card: Card, reference: str) -> dict[str, Any]:
    return {
        "bom-ref": f"{reference}#card",
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "classification",
            "datasets": [{"ref": f"data-{number}"} for number, _ in enumerate(card.data)],
            "inputs": [{"format": str(card.preprocessing.get("kind", "picture"))}],
            "outputs": [{"format": "log10 likelihood ratio"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(card))},
        "considerations": {
            "useCases": list(card.intended_use),
            "technicalLimitations": [*card.limits, *(f"Not for: {one}" for one in card.out_of_scope)],
            "performanceTradeoffs": [card.cannot],
            "fairnessAssessments": [{"groupAtRisk": "people shown", "mitigationStrategy": card.groups}],
        },
    }


def _metrics(card: Card) -> Iterator[dict[str, Any]]:
    """One metric a figure, its slice being split, what was held out, and condition."""
    for row in cards.rows(card):
        where = f"{row['split']} / {row['held_out']} / {row['condition']}"
        for name, words in _SLICED:
            if row.get(name):
                value, low, high = row[name]
                bounds = {"lowerBound": f"{low:.4f}", "upperBound": f"{high:.4f}"}
                yield {"type": words, "value": f"{value:.4f}", "slice": where, "confidenceInterval": bounds}
        for name, words in _PLAIN:
            if row.get(name) is not None:
                yield {"type": words, "value": f"{row[name]:.4f}", "slice": where}


def _data(one: Mapping[str, Any], number: int) -> dict[str, Any]:
    made = {
        "type": "data",
        "bom-ref": f"data-{number}",
        "name": str(one["name"]),
        "version": str(one["version"]),
        "licenses": [{"license": {"name": str(one["licence"])}}],
        "data": [{"type": "dataset", "name": str(one["name"]), "classification": str(one["use"])}],
    }
    if one.get("sha256"):
        made["hashes"] = [{"alg": "SHA-256", "content": str(one["sha256"])}]
    return made


def hugging_face(card: Card, detector: str, version: str) -> str:
    """The card as a README with front matter (https://huggingface.co/docs/hub/model-cards): results by row."""
    results = [_result(row) for row in cards.rows(card) if row.get("auc")]
    front = {
        "license": card.licence,
        "library_name": "onnx",
        "tags": ["media-forensics", detector],
        "datasets": sorted({str(one["name"]) for one in card.data}),
        "model-index": [{"name": f"{detector} {version}", "results": results}],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n{cards.markdown(card)}"


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": {"type": "binary-classification"},
        "dataset": {"name": f"{row['held_out']}, held out", "type": row["split"], "config": row["condition"]},
        "metrics": [{"type": "auc", "value": round(float(row["auc"][0]), 4)}],
    }
