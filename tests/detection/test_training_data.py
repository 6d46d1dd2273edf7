"""Training pictures: fetched once, pinned, unpacked as they are."""

import hashlib
import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from core.problems import Problem
from detection.evaluation.suite import Item
from detection.training import augmentation, data
from detection.training.generators import OTHER, family
from detection.training.sources import BY_NAME, SOURCES, WEIGHTS, Registry, Source


def _picture(form: str = "PNG", size: tuple[int, int] = (300, 240), shade: int = 90) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(shade).integers(0, shade, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(noise).save(buffer, form)
    return buffer.getvalue()


def _wheel(root: Path, files: dict[str, bytes]) -> Source:
    path = root / "packages" / "alice_pictures-1.0-py3-none-any.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source("alice", Registry.PYPI, "alice-pictures", "1.0", sha256, "CC0", r"\.png$", "logo")


def test_a_package_that_is_already_there_is_not_fetched_again(tmp_path: Path) -> None:
    source = _wheel(tmp_path, {"alice/a.png": _picture()})
    assert data.fetch(source, tmp_path).name == "alice_pictures-1.0-py3-none-any.whl"


def test_a_package_with_other_bytes_than_the_pinned_ones_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _wheel(tmp_path, {"alice/a.png": _picture()})
    other = replace(source, sha256="0" * 64)
    monkeypatch.setattr(data, "_download", lambda pinned, folder: (folder / "alice_pictures-1.0.whl").write_bytes(b"x"))
    with pytest.raises(Problem, match="not_pinned"):
        data.fetch(other, tmp_path)


def test_a_client_that_fails_is_told_of_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise subprocess.CalledProcessError(1, "pip", stderr=b"no such version")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(Problem, match="no such version"):
        data.fetch(SOURCES[0], tmp_path)


def test_only_the_pictures_that_the_source_names_are_unpacked_byte_for_byte(tmp_path: Path) -> None:
    wanted = _picture()
    source = _wheel(tmp_path, {"alice/a.png": wanted, "alice/logo.png": _picture(), "alice/readme.txt": b"hello"})
    folder = data.unpack(source, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["alice_a.png"]
    assert (folder / "alice_a.png").read_bytes() == wanted
    [item] = data.items(tmp_path, [source])
    assert (item.synthetic, item.source, item.group) == (False, "alice", "alice/alice_a")


def test_pictures_in_an_npm_package_are_found(tmp_path: Path) -> None:
    path = tmp_path / "packages" / "alice-pictures-1.0.tgz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        content = _picture("JPEG")
        member = tarfile.TarInfo("package/img/a.jpg")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    source = Source("alice", Registry.NPM, "alice-pictures", "1.0", sha256, "MIT", r"\.jpg$")
    assert [one.name for one in data.unpack(source, tmp_path).iterdir()] == ["img_a.jpg"]


def test_pictures_inside_a_qt_resource_are_found_by_their_length() -> None:
    content = _picture("WEBP", (400, 300), 250)
    resource = b"qres" + b"\0" * 40 + len(content).to_bytes(4) + content + b"RIFF\0\0\0\0WEBP" + b"\0" * 30
    [(name, found)] = data._of_qt("rcc/animals.rcc", resource)
    assert (name, found) == ("animals/48.webp", content)


def test_the_manifest_changes_with_any_byte_of_any_picture(tmp_path: Path) -> None:
    source = _wheel(tmp_path, {"alice/a.png": _picture()})
    picture = data.unpack(source, tmp_path) / "alice_a.png"
    before = data.manifest(tmp_path, [source])
    picture.write_bytes(_picture(shade=91))
    after = data.manifest(tmp_path, [source])
    assert before["alice"]["pictures"] == after["alice"]["pictures"] == 1
    assert before["alice"]["pictures_sha256"] != after["alice"]["pictures_sha256"]


def test_what_is_transparent_is_read_as_white_and_of_moving_pictures_the_middle_frame(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    frames = [Image.new("RGB", (40, 30), (shade, shade, shade)) for shade in (0, 120, 240)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert (data.read(Item(tmp_path / "clear.png", False, "alice")) == 255).all()
    assert (data.read(Item(tmp_path / "moving.webp", False, "alice")) == 120).all()


def test_every_source_is_pinned_and_says_its_licence() -> None:
    for one in (*SOURCES, *WEIGHTS):
        assert len(one.sha256) == 64
        assert int(one.sha256, 16)
        assert one.licence
        assert one.version
    names = [source.name for source in SOURCES]
    assert len(names) == len(set(names))
    assert any(source.generator == BY_NAME for source in SOURCES)


@pytest.mark.parametrize(
    ("name", "generator"),
    [("api_bfl_flux3_t2i-1", "flux"), ("image_qwen_image_2_1_t2i-1", "qwen"), ("api_veo3-1", "google"),
     ("video_wan2.1_fun_camera-1", "wan"), ("api_openai_dall_e_3_t2i-1", "openai"), ("image_pixeldit_t2i-1", OTHER)],
)  # fmt: skip
def test_the_name_of_a_template_tells_its_generator(name: str, generator: str) -> None:
    assert family(name) == generator


def test_a_journey_is_the_same_for_the_same_seed_and_keeps_pictures_pictures() -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (260, 320, 3)).astype(np.uint8)
    for seed in range(12):
        first = augmentation.shipped(rgb, np.random.default_rng(seed))
        assert first.dtype == np.uint8
        assert first.shape[2] == 3
        assert np.array_equal(first, augmentation.shipped(rgb, np.random.default_rng(seed)))


def test_a_window_of_a_picture_that_is_too_small_is_enlarged_to_fit() -> None:
    rgb = np.zeros((40, 90, 3), dtype=np.uint8)
    assert augmentation.window(rgb, 64).shape == (64, 64, 3)
    assert augmentation.window(rgb, 32, np.random.default_rng(0)).shape == (32, 32, 3)
