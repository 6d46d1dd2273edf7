"""Published checkpoints, as random weights of the right shape."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from accounts.models import User
from core.problems import Problem
from detection import brought, network, versions
from detection.training import checkpoints, efficientnet
from tests.detection import checkpoints_made, models_made
from tests.detection.checkpoints_made import Tensors

SHAPES = {"aasist": [1, 64_600], "sbi": [1, 3, 64, 64], "univfd": [1, 3, 56, 56]}
MADE: dict[str, Callable[[], Tensors]] = {
    "aasist": checkpoints_made.aasist_l,
    "sbi": checkpoints_made.sbi,
    "univfd": checkpoints_made.univfd,
}


def drawn(tensors: Tensors, family: str, x: torch.Tensor) -> torch.Tensor:
    kept = {name: one for name, one in tensors.items() if not name.endswith("num_batches_tracked")}
    shelf = checkpoints.Shelf(checkpoints._named(kept))
    with torch.no_grad():
        answer = checkpoints.FAMILIES[family](shelf, x)
    assert shelf.left_over() == []
    return answer


def test_the_light_aasist_has_as_many_parameters_as_its_authors_say() -> None:
    tensors = checkpoints_made.aasist_l()
    trained = {name: one for name, one in tensors.items() if "running" not in name and "num_batches" not in name}
    assert sum(one.numel() for one in trained.values()) == 85_306


@pytest.mark.parametrize("family", ["sbi", "univfd"])
def test_a_checkpoint_becomes_a_network_that_gives_the_same_answers(family: str, tmp_path: Path) -> None:
    tensors = MADE[family]()
    save_file(tensors, tmp_path / "net.safetensors")
    checkpoints.to_onnx(str(tmp_path / "net.safetensors"), family, str(tmp_path / "out"), SHAPES[family])
    x = np.random.default_rng(2).random(SHAPES[family], dtype=np.float32)
    answer = network.Network(tmp_path / "out" / "model.onnx").run(x)
    expected = drawn(tensors, family, torch.from_numpy(x)).numpy()
    assert answer.shape == ((1, 2) if family == "sbi" else (1, 1))
    assert np.abs(answer - expected).max() < 1e-3 * max(1, np.abs(expected).max())


def test_clips_attention_is_pytorchs_own() -> None:
    tensors = checkpoints_made.univfd(layers=1)
    name = "model.visual.transformer.resblocks.0.attn."
    theirs = torch.nn.MultiheadAttention(128, 2, batch_first=True)
    theirs.load_state_dict({key.removeprefix(name): one for key, one in tensors.items() if key.startswith(name)})
    from detection.training import clip_head

    shelf = checkpoints.Shelf(checkpoints._named(tensors))
    x = torch.randn(2, 5, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mine = clip_head._attention(shelf, "transformer.resblocks.0.attn.", x)
        assert torch.allclose(mine, theirs(x, x, x, need_weights=False)[0], atol=1e-5)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(380, 3, 2), (95, 5, 2), (24, 3, 1), (7, 5, 2)])
def test_padding_gives_as_many_values_as_tensorflow_says(side: int, kernel: int, stride: int) -> None:
    before, after = efficientnet._around(side, kernel, stride)
    assert (side + before + after - kernel) // stride + 1 == -(-side // stride) and 0 <= after - before <= 1


def test_the_sinc_filters_of_aasist_pass_their_band_and_no_other() -> None:
    from detection.training import aasist

    spectrum = torch.fft.rfft(aasist.filters(), 4096).abs()
    peaks = spectrum.argmax(1) * 16_000 / 4096
    assert aasist.filters().shape == (70, 129) and bool((peaks[1:] >= peaks[:-1]).all())
    assert peaks[0] < 200 and 7_000 < peaks[-1] <= 8_000


@pytest.mark.parametrize("family", list(MADE))
@pytest.mark.parametrize("change", ["missing", "more", "shape", "nan"])
def test_a_checkpoint_that_is_not_of_the_family_is_refused_by_the_name_of_a_tensor(
    family: str, change: str, tmp_path: Path
) -> None:
    tensors = MADE[family]()
    last = {"aasist": "out_layer.bias", "sbi": "net._fc.bias", "univfd": "fc.bias"}[family]
    match change:
        case "missing":
            del tensors[last]
        case "more":
            more = "model.visual.extra" if family == "univfd" else last.replace("bias", "extra")
            tensors[more] = torch.zeros(3)
        case "shape":
            tensors[last] = torch.zeros(7)
        case "nan":
            tensors[last][0] = float("nan")
    save_file(tensors, tmp_path / "net.safetensors")
    with pytest.raises(Problem) as refused:
        shape = [1, 24_000] if family == "aasist" else SHAPES[family]  # short sound: quick
        checkpoints.to_onnx(str(tmp_path / "net.safetensors"), family, str(tmp_path / "out"), shape)
    assert refused.value.code == "detection.model_refused"
    assert ("extra" if change == "more" else last.removeprefix("net.")) in refused.value.detail


@pytest.mark.parametrize("data", [b"", b"\xff" * 64, struct.pack("<Q", 2**40) + b"{}", pytest.param(b"\x10", id="cut")])
def test_what_is_no_safetensors_file_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(data)
    with pytest.raises(Problem, match="no safetensors file"):
        checkpoints.to_onnx(str(tmp_path / "net.safetensors"), "aasist", str(tmp_path / "out"), [1, 24_000])


def test_safetensors_of_a_family_are_taken_in_like_an_onnx_file(olga: User, tmp_path: Path) -> None:
    save_file(checkpoints_made.univfd(), tmp_path / "net.safetensors")
    card = models_made.card_file(tmp_path, preprocessing={"family": "univfd", "side": 56})
    row = brought.bring(
        *(tmp_path / "net.safetensors", card), detector="forensics", version="u1", reason="A published head.", by=olga
    )
    artefact = versions.opened(row)
    assert json.loads((artefact.folder / "adapter.json").read_text())["preprocessing"]["family"] == "univfd"
    assert "model.onnx" in artefact.files and not any(name.endswith("safetensors") for name in artefact.files)
