"""What is trained or measured here lies beside what serves, until an office takes it in."""

import importlib
import inspect
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import User
from core.problems import Conflict
from detection import registry, versions
from detection.management.commands import evaluate, train
from detection.training import made
from tests.detection import models_made

FACE = registry.ROOM / "detectors" / "face"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Training and measuring that write a small network, in the place of `detection.training`; where they wrote."""
    wrote: list[Path] = []

    def write(root: Path, say: Callable[[str], None], *, seed: int, folder: Path) -> None:
        made_here = models_made.folder(tmp_path / f"net-{len(wrote)}")
        for name in ("model.onnx", "parity.json", "manifest.json"):
            (folder / name).write_bytes((made_here / name).read_bytes())
        wrote.append(folder)

    def measure(root: Path, say: Callable[[str], None], *, seed: int, folder: Path) -> None:
        assert (folder / "model.onnx").exists()
        (folder / "evaluation.json").write_text(json.dumps(models_made.evaluation()))
        wrote.append(folder)

    module = {"train": write, "evaluate": measure}
    for command in (train, evaluate):
        monkeypatch.setattr(command, "trainer", lambda name, verb: module[verb])
    return wrote


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("own_models")
def test_what_is_trained_here_is_a_folder_that_an_office_registers_and_what_serves_stays(
    trained: list[Path], tmp_path: Path, olga: User
) -> None:
    before = files(FACE)
    folder = tmp_path / "new"
    assert f"manage.py model register face {folder}" in run("train", "face", "--out", str(folder))
    run("evaluate", "face", "--of", str(folder))
    assert trained == [folder, folder] and files(FACE) == before
    # Its card, and the networks that are not trained again; of the installed one's calibration nothing.
    assert {"card.yaml", "model.onnx", "parity.json", "manifest.json", "evaluation.json"} <= set(files(folder))
    assert not {"calibration.json", "detector.py"} & set(files(folder))
    assert {name for name in before if name.endswith(".onnx")} == {
        name for name in files(folder) if name.endswith(".onnx")
    }
    row = versions.register(folder, detector="face", version="t2.0", reason="Trained here.", by=olga)
    assert versions.opened(row).folder.name == "t2.0"


def test_without_a_folder_it_lies_with_the_training_data(trained: list[Path]) -> None:
    run("train", "face")
    run("train", "face")  # again: what was there before goes
    run("evaluate", "face")
    assert {str(path) for path in trained} == {str(Path(settings.ASSAY_VAR) / "training" / "made" / "face")}


def test_measuring_what_was_not_trained_here_measures_a_copy_of_what_is_installed(
    trained: list[Path], tmp_path: Path
) -> None:
    before = files(FACE)
    run("evaluate", "face", "--of", str(tmp_path / "copy"))
    copied = files(tmp_path / "copy")
    assert files(FACE) == before and copied["model.onnx"] == before["model.onnx"]
    assert copied["evaluation.json"] != before["evaluation.json"]


def test_only_who_says_so_writes_into_the_tree(trained: list[Path], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="serves at once"):
        run("train", "face", "--out", str(FACE))
    with pytest.raises(CommandError, match="serves at once"):
        run("evaluate", "face", "--of", str(registry.ROOM / "detectors" / "voice"))
    assert trained == []
    assert made.folder_for(tmp_path, "face", None, into_tree=True) == FACE
    before = files(FACE)
    assert made.begun(FACE, "face") == FACE and files(FACE) == before


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("Dear Bob")
    with pytest.raises(Conflict, match="holds something"):
        made.begun(tmp_path, "face")
    assert (tmp_path / "letters.txt").read_text() == "Dear Bob"


EVERY = [
    *((f"detection.training.{name}", verb) for name in ("face", "edited_image", "synthetic_image", "voice", "video")
      for verb in ("train", "evaluate")),
    ("detection.training.copy_move", "evaluate"),
    *((f"detection.evaluation.{name}", "evaluate") for name in ("forensics", "history", "sound_quality", "structure")),
]  # fmt: skip


@pytest.mark.parametrize(("module", "verb"), EVERY)
def test_whatever_is_trained_or_measured_goes_where_it_is_told(module: str, verb: str) -> None:
    pytest.importorskip("torch")
    taken = inspect.signature(getattr(importlib.import_module(module), verb)).parameters
    assert {"seed", "folder"} <= set(taken)
