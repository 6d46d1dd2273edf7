"""What decides a result is found by following imports, so that no list can be forgotten."""

import shutil
from pathlib import Path

import pytest

from detection import closure, registry, versions, weights
from detection.artefacts import Artefact


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A copy of the sources and networks, free to be changed."""
    copied = shutil.ignore_patterns("__pycache__", "migrations", "training", "evaluation", "federation", "management")
    return Path(shutil.copytree(registry.ROOM, tmp_path / "detection", ignore=copied))


def digest(room: Path, name: str) -> str:
    closure._imported.cache_clear()
    folder = room / "detectors" / name
    return registry.digest_of(folder, registry.decided_by(folder.glob("*.py"), room))


def test_a_copy_of_everything_has_the_digest_that_is_told(room: Path) -> None:
    for info in registry.all_detectors.__wrapped__():  # as it is now, whatever this process has read before
        assert digest(room, info.name) == info.model_digest


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("face", "places.py"),
        ("face", "detectors/synthetic_image/front.py"),
        ("voice", "onnxfile.py"),
        ("voice", "reasons.py"),
        ("synthetic_image", "onnxfile.py"),
        ("video", "detectors/synthetic_image/detector.py"),
        ("video", "detectors/synthetic_image/model.onnx"),
        ("video", "detectors/face/refines.onnx"),
        ("declared", "hostile_text.py"),
        ("declared", "detectors/__init__.py"),
    ],
)
def test_a_file_that_is_shared_changes_the_digest_of_each_detector_it_decides(
    room: Path, name: str, changed: str
) -> None:
    before = digest(room, name)
    with (room / changed).open("ab") as file:
        file.write(b"\n")
    assert digest(room, name) != before


def test_what_a_detector_does_not_use_leaves_its_digest_alone(room: Path) -> None:
    before = digest(room, "declared")
    for name in ("voice_features.py", "network.py", "detectors/face/model.onnx", "brought_detector.py"):
        with (room / name).open("ab") as file:
            file.write(b"\n")
    assert digest(room, "declared") == before


def test_a_network_made_at_set_up_counts_by_its_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "folder", lambda name: tmp_path / name)
    names = ("synthetic_image", "video")  # the one asks it, the other asks the one
    without = [digest(registry.ROOM, name) for name in names]
    tower = tmp_path / "clip-vit-b16"
    tower.mkdir()
    digests = [without]
    for told in ("{}", '{"files": {}}'):
        (tower / weights.MANIFEST).write_text(told)
        digests.append([digest(registry.ROOM, name) for name in names])
    assert all(len(set(of_one)) == 3 for of_one in zip(*digests, strict=True))


def test_a_model_of_others_is_served_under_the_digest_of_what_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def served(*files: str) -> str:
        return versions.serving_digest("sha256:a", Artefact(Path(), "face", "x1", "sha256:b", files))

    ours, others = served("model.onnx"), served("adapter.json", "model.onnx")
    assert ours != others
    monkeypatch.setattr(registry, "brought_digest", lambda: "sha256:c")
    assert served("model.onnx") == ours and served("adapter.json", "model.onnx") != others


def test_an_import_inside_a_function_counts_and_one_elsewhere_does_not(tmp_path: Path) -> None:
    room = tmp_path / "detection"
    room.mkdir()
    for name, text in (
        ("a.py", "import json\nfrom core import ids\ndef f():\n    from detection.b import thing\n"),
        ("b.py", "from detection import c\nimport detection.a\n"),
        ("c.py", ""),
        ("d.py", "from detection import a\n"),
    ):
        (room / name).write_text(text)
    assert {path.name for path in closure.of([room / "a.py"], room)} == {"a.py", "b.py", "c.py"}
