"""EfficientNet of any size, as self-blended-image detectors have it: (N, 3, H, W) 0…1 to (N, 2) logits, the second of
fake.

Tan & Le, “EfficientNet”, ICML 2019. Names of tensors as in efficientnet_pytorch 0.7.1, which
mapooon/SelfBlendedImages uses (there under `net.`); padding as TensorFlow's “SAME”. Strides are not in the weights: a
stage begins where the number of channels changes, and the stages' strides are the same for B0 to B7.
"""

import math
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from detection.training.checkpoints import Shelf

STRIDES: Final = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
EPSILON: Final = 1e-3


def forward(shelf: "Shelf", x: Tensor) -> Tensor:
    """Raises Problem for tensors that are not of this family."""
    from detection.training.checkpoints import refused

    x = F.silu(_norm(shelf, "_bn0", _conv(shelf, "_conv_stem", x, 2)))
    stage, before = -1, 0
    for name in shelf.numbered("_blocks"):
        channels = shelf(f"{name}_project_conv.weight", -1, -1, 1, 1).shape[0]
        first, before = channels != before, channels
        stage += first
        if stage >= len(STRIDES):
            raise refused("it has more stages than an EfficientNet")
        x = _block(shelf, name, x, STRIDES[stage] if first else 1)
    x = F.silu(_norm(shelf, "_bn1", _conv(shelf, "_conv_head", x, 1))).mean((2, 3))
    return F.linear(x, shelf("_fc.weight", 2, -1), shelf("_fc.bias", 2))


def _block(shelf: "Shelf", name: str, x: Tensor, stride: int) -> Tensor:
    """Expansion, depthwise convolution, squeeze and excitation, projection; added to what came in where it fits."""
    out = x
    if f"{name}_expand_conv.weight" in shelf:
        out = F.silu(_norm(shelf, f"{name}_bn0", _conv(shelf, f"{name}_expand_conv", x, 1)))
    out = F.silu(_norm(shelf, f"{name}_bn1", _conv(shelf, f"{name}_depthwise_conv", out, stride, apart=True)))
    squeezed = F.silu(_biased(shelf, f"{name}_se_reduce", out.mean((2, 3), keepdim=True)))
    out = out * torch.sigmoid(_biased(shelf, f"{name}_se_expand", squeezed))
    out = _norm(shelf, f"{name}_bn2", _conv(shelf, f"{name}_project_conv", out, 1))
    return out + x if stride == 1 and out.shape[1] == x.shape[1] else out


def _conv(shelf: "Shelf", name: str, x: Tensor, stride: int, *, apart: bool = False) -> Tensor:
    weight = shelf(f"{name}.weight", -1, -1, -1, -1)
    sides = [
        _around(int(side), int(kernel), stride) for side, kernel in zip(x.shape[2:], weight.shape[2:], strict=True)
    ]
    padded = F.pad(x, (*sides[1], *sides[0]))
    return F.conv2d(padded, weight, stride=stride, groups=weight.shape[0] if apart else 1)


def _around(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """“SAME”: so much before and after that ceil(side / stride) values come out."""
    more = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
    return more // 2, more - more // 2


def _biased(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    return F.conv2d(x, shelf(f"{name}.weight", -1, -1, 1, 1), shelf(f"{name}.bias", -1))


def _norm(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    return F.batch_norm(
        *(x, shelf(f"{name}.running_mean", -1), shelf(f"{name}.running_var", -1)),
        *(shelf(f"{name}.weight", -1), shelf(f"{name}.bias", -1)),
        eps=EPSILON,
    )
