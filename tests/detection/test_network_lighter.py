"""An exported network is written in a lighter form, which answers the same."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from detection.network import Network, parity_input
from detection.training import export


class Pooled(nn.Module):
    """Means over windows that overlap by half, and slopes of its own below zero."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.slopes = nn.Conv2d(3, 12, 3, bias=False), nn.PReLU(12, init=0.3)
        self.norm, self.pool = nn.BatchNorm2d(12), nn.AvgPool2d((8, 4), (4, 2))
        self.other = nn.AvgPool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        told: Tensor = self.other(self.pool(self.slopes(self.norm(self.conv(x))))).mean((2, 3))
        return told


@pytest.fixture
def exported(tmp_path: Path) -> tuple[nn.Module, Path]:
    torch.manual_seed(1)
    module = Pooled().eval()
    nn.init.normal_(module.norm.get_buffer("running_mean"))
    export.to_onnx(module, (1, 3, 40, 40), tmp_path, free=(0, 2, 3))
    return module, tmp_path / "model.onnx"


def test_the_lighter_network_answers_like_the_module_for_other_pictures_and_sizes(
    exported: tuple[nn.Module, Path],
) -> None:
    module, path = exported
    net = Network(path)
    for shape in ([1, 3, 40, 40], [3, 3, 64, 48]):
        batch = 4 * parity_input(9, shape) - 2
        with torch.no_grad():
            expected = module(torch.from_numpy(batch)).numpy()
        assert net.run(batch) == pytest.approx(expected, abs=1e-5)
        assert np.ptp(expected) > 0.05


def test_what_is_slow_is_gone_and_what_has_no_quicker_form_stays(exported: tuple[nn.Module, Path]) -> None:
    nodes = onnx.load_model_from_string(exported[1].read_bytes()).graph.node
    kinds = [node.op_type for node in nodes]
    assert "PRelu" not in kinds and "BatchNormalization" not in kinds
    kernels = [list(one.ints) for node in nodes for one in node.attribute if one.name == "kernel_shape"]
    assert sorted(kernels) == [[2, 2], [3, 3], [3, 3], [4, 2]]


def test_making_it_lighter_twice_is_making_it_lighter_once(exported: tuple[nn.Module, Path]) -> None:
    before = exported[1].read_bytes()
    export.lighter(exported[1])
    assert exported[1].read_bytes() == before
