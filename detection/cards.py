"""The card of a detector: what it measures, on what it was measured, and how often it was wrong there.

`card.yaml` is written by hand; `evaluation.json`, of learned detectors, by the committed harness (`manage.py
evaluate`). `read` joins them; `markdown` is what people are shown. There is no pooled figure and none from
cross-validation inside a source: the rows are per held-out source or generator and per condition, each with its
interval.

evaluation.json:
    {"command": str, "seed": int, "made_on": "2026-11-23", "threshold": float | null, "calibration": str,
     "data": [{"name", "version", "sha256", "licence", "use"}],
     "rows": [{"split": "leave_one_source_out" | "leave_one_generator_out" | "unseen", "held_out": str,
               "condition": "as_is" | "jpeg_70" | …, "n_real": int, "n_fake": int,
               "auc": [value, low, high] | null, "fpr": [value, low, high] | null, "tpr": [value, low, high] | null,
               "tpr_at_1": float | null, "ece": float | null, "cllr": float | null, "cllr_min": float | null,
               "abstained": float | null}],
     "peers": [{"name", "version", "split", "held_out", "condition", "n_real", "n_fake", "auc": [value, low, high]}],
     "notes": [str], "model_sha256": hex of the network that was measured, "against": hex of its parent's, which the
     harness compared it with on the same files (`manage.py model learn`)}
fpr, tpr and abstained are of one look at the file (`calibration.answer`); in public “signals” must stand in every
re-shipped copy too (`detection.weighing`). What the harness adds to a row beyond these is kept and not shown.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core.problems import Problem
from detection import conditions
from detection.conditions import AS_IS
from detection.hostile_text import readable

CARD, EVALUATION = "card.yaml", "evaluation.json"
LARGEST = 256 * 1024
# Below this across sources a detector ships as experimental.
SHIPPABLE_AUC = 0.65
_TEXTS = ("summary", "measures", "cannot", "method", "licence", "change_reason")
_LISTS = ("intended_use", "out_of_scope", "limits", "references")
_DATA = ("name", "version", "licence", "use")
_WEIGHTS = ("file", "from", "licence")
_LONGEST = 4000
SPLITS = {
    "leave_one_source_out": "Leaving one source of real files out",
    "leave_one_generator_out": "Leaving one generator out",
    "unseen": "Sources and generators that nobody tuned on",
}


@dataclass(frozen=True)
class Card:
    """A card as data; field names as in CycloneDX's and Hugging Face's model cards where they have one.

    summary: one sentence. measures, cannot, method: Markdown paragraphs. data: what it was made and measured with, each
    {name, version, licence, use: train | calibrate | test, sha256?, items?, url?}. weights: [{file, from, licence,
    sha256?}], [] for rules. preprocessing: of the network's input ({} for rules). groups: what is known of groups of
    people. change_reason: why this version is not the last one. biometric: it looks at people’s faces or voices.
    """

    summary: str
    measures: str
    cannot: str
    method: str
    licence: str
    change_reason: str
    intended_use: tuple[str, ...]
    out_of_scope: tuple[str, ...]
    limits: tuple[str, ...]
    references: tuple[str, ...]
    data: tuple[Mapping[str, Any], ...] = ()
    weights: tuple[Mapping[str, Any], ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    groups: str = "Not audited: no consented, labelled set was available."
    biometric: bool = False
    evaluation: Mapping[str, Any] | None = None


def read(folder: Path, *, name: str = CARD) -> Card:
    """The card in a detector's or a model's folder, with its evaluation if there is one. Raises Problem
    `detection.card_refused`, which names the field.
    """
    try:
        told = plain_yaml(folder / name)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _refused(f"{name} is missing or is no YAML.") from error
    evaluation = folder / EVALUATION
    try:
        measured = json.loads(evaluation.read_text()) if evaluation.exists() else None
    except ValueError as error:
        raise _refused(f"{EVALUATION} is damaged.") from error
    return from_dict(told, measured)


class _Plain(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # a few hundred bytes of them name billions of values
            raise yaml.YAMLError("anchors and aliases are not read")
        return super().compose_node(parent, index)


def plain_yaml(path: Path) -> Any:
    """The values in a file that somebody else may have written: no tags, no aliases, at most `LARGEST` bytes. Raises
    OSError, ValueError, yaml.YAMLError.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    return yaml.load(path.read_bytes(), Loader=_Plain)  # noqa: S506 - a SafeLoader


def from_dict(told: Any, evaluation: Mapping[str, Any] | None = None) -> Card:
    """Raises Problem `detection.card_refused` for a field that is missing, unknown or of the wrong shape."""
    if not isinstance(told, Mapping):
        raise _refused("A card is a list of named fields.")
    fields: dict[str, Any] = {name: _text(told, name) for name in _TEXTS}
    fields |= {name: _texts(told, name) for name in _LISTS}
    fields |= {"data": _rows(told, "data", _DATA), "weights": _rows(told, "weights", _WEIGHTS)}
    fields |= {"groups": _text(told, "groups")} if "groups" in told else {}
    fields |= {"preprocessing": told.get("preprocessing") or {}, "biometric": told.get("biometric", False)}
    if unknown := sorted(str(name) for name in set(told) - set(Card.__dataclass_fields__) | set(told) & {"evaluation"}):
        raise _refused(f"Unknown field: {readable(unknown[0], 60)}.")
    if not isinstance(fields["preprocessing"], Mapping):
        raise _refused("`preprocessing` is a list of named values.")
    if not isinstance(fields["biometric"], bool):
        raise _refused("`biometric` is true or false.")
    return Card(**fields, evaluation=evaluation)


def rows(card: Card, *, condition: str = "") -> list[Mapping[str, Any]]:
    """The measured rows, all of them or those of one condition."""
    measured = card.evaluation["rows"] if card.evaluation else []
    return [row for row in measured if condition in ("", row["condition"])]


def cross_source_auc(card: Card) -> float | None:
    """The mean over held-out sources and generators of the AUC on files as they are, each counting the same whatever
    its size; None where none was measured. It decides whether a detector is experimental and is never shown.
    """
    found = [row["auc"][0] for row in rows(card, condition=AS_IS) if row.get("auc")]
    return sum(found) / len(found) if found else None


def in_short(card: Card) -> str:
    """“On 19 sources and generators it had not seen: AUC 0.56 to 1.00, false signals in 0 to 2 % of real files.”, from
    the worst row to the best, never pooled; "" where files were not measured as they are.
    """
    measured = rows(card, condition=AS_IS)
    areas = [row["auc"][0] for row in measured if row.get("auc")]
    false = [row["fpr"][0] for row in measured if row.get("fpr")]
    if not areas:
        return ""
    held_out = len({row["held_out"] for row in measured})
    said = f"On {held_out} sources and generators it had not seen: AUC {min(areas):.2f} to {max(areas):.2f}"
    return said + (
        f", false signals in {100 * min(false):.0f} to {100 * max(false):.0f} % of real files." if false else "."
    )


# --- For people ------------------------------------------------------------------------------------------------------


def markdown(card: Card, *, refusals: Sequence[str] | None = None) -> str:
    """The card as a page: words first, then the tables. refusals: what the release gate has against its figures
    (`detection.criteria.of_figures`), None where it was not asked.
    """
    parts = [
        card.summary,
        *_section("What it measures", card.measures),
        *_section("What it cannot", card.cannot),
        *_section("Use", _bullets(card.intended_use)),
        *_section("Not for", _bullets(card.out_of_scope)),
        *_section("How", card.method),
        *_section("Limits", _bullets(card.limits)),
        *_section("Faces and voices", _OF_PEOPLE if card.biometric else ""),
        *_section("Groups of people", card.groups),
        *_section("Release gate", _gate(refusals) if refusals is not None else ""),
        *_section("Measured", "\n\n".join(_measured(card.evaluation)) if card.evaluation else ""),
        *_section("Data", _data(_data_of(card), trained=bool(card.weights))),
        *_section("Weights", _weights(card.weights)),
        *_section("Sources", _bullets(card.references)),
        *_section("Licence", card.licence),
        *_section("Why this version", card.change_reason),
    ]
    return "\n\n".join(parts) + "\n"


_OF_PEOPLE = (
    "It looks at people’s faces or voices. It says nothing about who they are and compares nobody with anybody; still "
    "a work is examined only if everybody shown agreed, or if the office has recorded another basis (/bases/)."
)


def _gate(refusals: Sequence[str]) -> str:
    if not refusals:
        return "Its figures meet every bar that a new version has to meet."
    return (
        "A new version with these figures would not be let into service by the gate (docs/models.md); this one came "
        "with Assay, and what it says is to be read with that in mind:\n\n" + _bullets(refusals)
    )


_MEASURED = ("held out", "file", "real", "looked for", "AUC", "false signals", "found", "can’t say", "Cllr")


_AS_SAID = "get the public answer *signals*."
_ONE_LOOK = (
    "reach the threshold of *signals* in one look, unless a note below says otherwise. In service the detector looks "
    "again at re-shipped copies and says *signals* only if all of them agree: of fewer files of both kinds. Where they "
    "do not agree it can’t say."
)


def _measured(evaluation: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "Per source, never pooled: every figure is of files whose source or generator was held out. In brackets the "
        "95 % interval. “Looked for” counts the generated or edited files; “false signals” and “found” are the shares "
        f"of real files and of these that {_ONE_LOOK if evaluation.get('calibration') else _AS_SAID}"
    )
    for split, title in SPLITS.items():
        measured = [row for row in evaluation["rows"] if row["split"] == split]
        as_they_are = [row for row in measured if row["condition"] == AS_IS]
        changed = [row for row in measured if row["condition"] != AS_IS]
        if measured:
            yield f"**{title}**"
        for part in filter(None, (as_they_are, changed)):
            yield _table(*_without_idle([_MEASURED, *(_measured_row(row) for row in part)]))
    if evaluation.get("peers"):
        yield "**Others on the same files**"
        yield _table(
            ("detector", "held out", "file", "real", "looked for", "AUC"), [_peer(row) for row in evaluation["peers"]]
        )
    if evaluation.get("notes"):
        yield _bullets(evaluation["notes"])
    yield f"Made by `{evaluation['command']}`, seed {evaluation['seed']}, on {evaluation['made_on']}."


def _without_idle(lines: Sequence[Sequence[str]]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Head and body, without a column “can’t say” in which there is nothing."""
    idle = _MEASURED.index("can’t say")
    if all(line[idle] in ("", "0.00") for line in lines[1:]):
        lines = [(*line[:idle], *line[idle + 1 :]) for line in lines]
    return lines[0], lines[1:]


def _measured_row(row: Mapping[str, Any]) -> Sequence[str]:
    return (
        str(row["held_out"]),
        conditions.words(row["condition"]),
        str(row["n_real"]),
        str(row["n_fake"]),
        _interval(row.get("auc")),
        _interval(row.get("fpr")),
        _interval(row.get("tpr")),
        _number(row.get("abstained")),
        _number(row.get("cllr")),
    )


def _peer(row: Mapping[str, Any]) -> Sequence[str]:
    who = f"{row['name']} {row.get('version', '')}".strip()
    condition = conditions.words(row["condition"])
    return who, str(row["held_out"]), condition, str(row["n_real"]), str(row["n_fake"]), _interval(row.get("auc"))


def _data_of(card: Card) -> Sequence[Mapping[str, Any]]:
    """What is written by hand, and what the harness counted itself."""
    counted = card.evaluation.get("data", ()) if card.evaluation else ()
    return [*card.data, *(one for one in counted if one["name"] not in {told["name"] for told in card.data})]


def _data(data: Sequence[Mapping[str, Any]], *, trained: bool) -> str:
    if not data:
        return "Not told." if trained else "None: nothing was trained."
    found = [
        (str(one["name"]), str(one["version"]), str(one.get("items", "")), str(one["licence"]), str(one["use"]))
        for one in data
    ]
    return _table(("name", "version", "items", "licence", "used to"), found)


def _weights(weights: Sequence[Mapping[str, Any]]) -> str:
    return _table(("file", "from", "licence"), [(str(w["file"]), str(w["from"]), str(w["licence"])) for w in weights])


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    if not body:
        return ""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _interval(value: Sequence[float] | None) -> str:
    """“0.87 (0.81 to 0.92)”."""
    return "" if not value else f"{value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


# --- Checks ----------------------------------------------------------------------------------------------------------


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        raise _refused(f"`{name}` is missing, is no text, or has more than {_LONGEST:,} characters.")
    return value.strip()


def _texts(told: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = told.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) and len(one) <= _LONGEST for one in value):
        raise _refused(f"`{name}` is missing or is no list of texts.")
    return tuple(value)


def _rows(told: Mapping[str, Any], name: str, needed: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    value = told.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise _refused(f"`{name}` is no list of entries.")
    for one in value:
        absent = [field for field in needed if not str(one.get(field, "")).strip()]
        if absent:
            raise _refused(f"An entry of `{name}` has no `{absent[0]}`.")
    return tuple(value)


def _refused(detail: str) -> Problem:
    return Problem(
        "detection.card_refused",
        "The card is not complete",
        status=422,
        detail=detail,
        next_step="docs/detection.md, “The card”, has every field; copy a detector’s card.yaml to start.",
    )
