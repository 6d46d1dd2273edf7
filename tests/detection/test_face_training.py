"""Faces are made over where a face is; heads are measured on nothing that they were fitted on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from detection import metrics, network
from detection.evaluation.suite import Item
from detection.training import face, face_crops, face_head, face_making
from detection.training.face_features import Features, Studio, changed, journey
from detection.training.face_making import KINDS, SELF_BLEND, SWAP, Portrait
from detection.training.sources import Use
from tests.conftest import PHOTOGRAPHS

POINTS = np.array([[45, 50], [80, 50], [63, 68], [50, 88], [76, 88]], np.float32)


def portrait(left: int = 200) -> Portrait:
    rgb = np.asarray(Image.open(PHOTOGRAPHS / "coffee.jpg").convert("RGB"))[100:228, left : left + 128]
    return Portrait(np.ascontiguousarray(rgb), POINTS)


def item(name: str, publisher: str = "tabler", generator: str = "") -> Item:
    return Item(Path(f"{name}.png"), bool(generator), publisher, generator, f"{publisher}/{name}")


@pytest.mark.parametrize("kind", [SELF_BLEND, SWAP])
def test_a_face_is_made_over_between_brows_and_chin_and_nowhere_else(kind: str) -> None:
    rng, alice, bob = np.random.default_rng(4), portrait(), portrait(60)
    made = face_making.swapped(alice, bob, rng) if kind == SWAP else face_making.self_blended(alice, rng)
    away = np.abs(made.astype(int) - alice.rgb)
    assert away[60:80, 50:75].mean() > 0.5
    assert away[:6].max() == away[:, :3].max() == 0


def test_features_of_a_turned_donor_come_to_lie_on_the_landmarks() -> None:
    turn = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32) * 1.5
    matrix = face_making._similarity(POINTS, POINTS @ turn.T + 7)
    assert np.allclose(POINTS @ matrix[:, :2].T + matrix[:, 2], POINTS @ turn.T + 7, atol=1e-3)


def test_landmarks_are_scaled_with_the_portrait() -> None:
    half = portrait().at_most(64)
    assert half.rgb.shape == (64, 64, 3)
    assert np.allclose(half.points, POINTS / 2)


def test_a_face_takes_the_same_journey_every_time_and_none_is_magnified() -> None:
    rgb = portrait().rgb
    assert (changed(rgb, item("alice"), "v1") == changed(rgb, item("alice"), "v1")).all()
    sides = [journey(rgb, np.random.default_rng(seed)).shape[0] for seed in range(30)]
    assert min(sides) < 80 and max(sides) <= 160


def test_a_face_is_read_as_it_was_written_with_its_landmarks(tmp_path: Path) -> None:
    (tmp_path / Use.TRAIN).mkdir()
    face_crops._write(tmp_path / Use.TRAIN / "tabler~~alice~0.png", portrait())
    face_crops._write(tmp_path / Use.TRAIN / "comfy-image~flux~poster~0.png", portrait())
    generated, real = face_crops.read_crops(tmp_path, Use.TRAIN)
    assert (generated.generator, real.generator) == (face_crops.MODERN, "")
    assert (face_crops.read(real).rgb == portrait().rgb).all()
    assert np.allclose(face_crops.read(real).points, POINTS)
    swap = face_crops.remade([real, generated], [SWAP])
    assert [(one.synthetic, one.generator, one.group) for one in swap] == [(True, SWAP, real.group)]


def test_no_face_is_swapped_with_itself(tmp_path: Path) -> None:
    (tmp_path / Use.TRAIN).mkdir()
    for name, left in (("alice", 200), ("bob", 60)):
        face_crops._write(tmp_path / Use.TRAIN / f"tabler~~{name}~0.png", portrait(left))
    alice, bob = face_crops.read_crops(tmp_path, Use.TRAIN)
    studio = Studio(tmp_path, (alice, bob))
    made = studio.portrait(face_crops.remade([alice], [SWAP])[0])
    assert made.rgb.shape == (128, 128, 3), "or its size would tell a made face from a real one"
    assert np.abs(made.rgb.astype(int) - portrait().rgb).max() > 20


@pytest.fixture
def people() -> list[Item]:
    reals = [item(f"{publisher}{n}", publisher) for publisher in ("tabler", "themes", "samples") for n in range(12)]
    made = face_crops.remade(reals, KINDS)
    return [*reals, *made, *(item(f"poster{n}", "comfy-image", face_crops.MODERN) for n in range(20))]


def test_what_is_left_out_is_not_trained_on_nor_its_person(people: list[Item]) -> None:
    for table, split in face.splits(people, seed=1):
        trained, tested = ([people[i] for i in part] for part in (split.train, split.test))
        assert tested and not set(split.train) & set(split.test)
        assert not {one.group for one in trained} & {one.group for one in tested}
        if table == "leave_one_generator_out":
            assert split.held_out not in {one.generator for one in trained}
        else:
            assert split.held_out not in {one.source for one in trained}


def test_every_kind_and_every_publisher_is_left_out_once(people: list[Item]) -> None:
    names = [split.held_out for _, split in face.splits(people, seed=1)]
    assert {name: names.count(name) for name in names} == {
        **dict.fromkeys((*KINDS, face_crops.MODERN), face.FOLDS),
        **dict.fromkeys(("tabler", "themes", "samples"), 1),
    }


def test_a_head_finds_what_tells_the_classes_apart(people: list[Item]) -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(len(people), 8))
    rows[:, 3] += [2.0 * one.synthetic for one in people]
    part = Features(tuple(people), rows)
    head = face_head.fit([part])
    assert list(np.abs(head.weight).argmax(axis=1)) == [3, 3]
    scores = face.cross_scored(people, [part], {"as_is": part}, seed=1)
    assert {one.condition for found in scores.values() for one in found} == {"as_is"}
    made = [one.score for one in scores["leave_one_generator_out"] if one.item.synthetic]
    real = [one.score for one in scores["leave_one_source_out"] if not one.item.synthetic]
    assert metrics.auc(real, made) > 0.75


def test_what_is_exported_answers_as_the_head_that_was_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    head = face_head.Head(rng.normal(size=(2, 6)), rng.normal(size=2))
    face._export(head, tmp_path)
    rows = rng.normal(size=(4, 6))
    assert np.allclose(network.Network(tmp_path / network.MODEL).run(rows)[:, 0], head(rows), atol=1e-4)
