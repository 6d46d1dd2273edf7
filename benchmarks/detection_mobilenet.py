"""MobileNetV3-Large (Howard et al., “Searching for MobileNetV3”, ICCV 2019, table 1): the yardstick of target T1.

It is no network of the office's. The target was measured on it, so that machines can be compared.
"""

import torch
from torch import Tensor, nn

SIDE = 224
# Kernel, expansion, output, squeeze-and-excite, hard swish (else ReLU), stride.
ROWS = (
    (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1), (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
)  # fmt: skip


def _layer(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outside, eps=1e-3)]


def _rounded(width: float) -> int:
    """To a multiple of eight, never a tenth less (the paper's released code)."""
    near = max(8, int(width + 4) // 8 * 8)
    return near if near >= 0.9 * width else near + 8


class Squeeze(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        inside = _rounded(width / 4)
        layers = nn.Conv2d(width, inside, 1), nn.ReLU(), nn.Conv2d(inside, width, 1), nn.Hardsigmoid()
        self.weigh = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        weighed: Tensor = x * self.weigh(x.mean((2, 3), keepdim=True))
        return weighed


class Bottleneck(nn.Module):
    def __init__(self, inside: int, kernel: int, wide: int, outside: int, *, squeeze: bool, hard: bool, stride: int):
        super().__init__()
        act = nn.Hardswish if hard else nn.ReLU
        layers = [*_layer(inside, wide), act(inplace=True)] if wide != inside else []
        layers += [*_layer(wide, wide, kernel, stride, wide), act(inplace=True)]
        layers += [Squeeze(wide)] if squeeze else []
        self.layers = nn.Sequential(*layers, *_layer(wide, outside))
        self.adds = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        told: Tensor = self.layers(x)
        return x + told if self.adds else told


class MobileNetV3Large(nn.Module):
    """(N, 3, SIDE, SIDE) to (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_layer(3, 16, 3, 2), nn.Hardswish(inplace=True)]
        inside = 16
        for kernel, wide, outside, squeeze, hard, stride in ROWS:
            layers.append(Bottleneck(inside, kernel, wide, outside, squeeze=squeeze, hard=hard, stride=stride))
            inside = outside
        self.layers = nn.Sequential(*layers, *_layer(inside, 960), nn.Hardswish(inplace=True))
        self.head = nn.Sequential(nn.Linear(960, 1280), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Tensor:
        told: Tensor = self.head(self.layers(x).mean((2, 3)))
        return told


def write(folder: str) -> str:
    """The network with drawn weights as a file of ours; its path."""
    from pathlib import Path

    from detection.network import MODEL
    from detection.training.export import to_onnx

    torch.manual_seed(3)
    to_onnx(MobileNetV3Large(), (1, 3, SIDE, SIDE), Path(folder))
    return str(Path(folder) / MODEL)
