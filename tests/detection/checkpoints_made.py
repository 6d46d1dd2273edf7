"""Random weights with the names and shapes of published checkpoints."""

import math

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class Maker:
    def __init__(self, seed: int = 3) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.tensors: Tensors = {}

    def add(self, name: str, *shape: int, scale: float = 0.2) -> None:
        self.tensors[name] = torch.randn(*shape, generator=self.random) * scale

    def linear(self, name: str, inside: int, outside: int) -> None:
        self.add(f"{name}.weight", outside, inside, scale=1.2 / inside**0.5)
        self.add(f"{name}.bias", outside)

    def conv(self, name: str, *shape: int, bias: bool = True) -> None:
        self.add(f"{name}.weight", *shape, scale=1.2 / math.prod(shape[1:]) ** 0.5)
        if bias:
            self.add(f"{name}.bias", shape[0])

    def norm(self, name: str, width: int, *, running: bool = True) -> None:
        self.add(f"{name}.weight", width)
        self.tensors[f"{name}.weight"] += 1
        self.add(f"{name}.bias", width)
        if running:
            self.add(f"{name}.running_mean", width)
            self.tensors[f"{name}.running_var"] = torch.rand(width, generator=self.random) + 0.5
            self.tensors[f"{name}.num_batches_tracked"] = torch.tensor(7)


def aasist_l() -> Tensors:
    """85,306 parameters, as clovaai/aasist's README says of AASIST-L."""
    made, widths, (g0, g1) = Maker(), [(1, 32), (32, 32), (32, 24), (24, 24), (24, 24), (24, 24)], (24, 32)
    made.norm("first_bn", 1)
    for number, (inside, outside) in enumerate(widths):
        name = f"encoder.{number}.0"
        if number:
            made.norm(f"{name}.bn1", inside)
        made.conv(f"{name}.conv1", outside, inside, 2, 3)
        made.norm(f"{name}.bn2", outside)
        made.conv(f"{name}.conv2", outside, outside, 2, 3)
        if inside != outside:
            made.conv(f"{name}.conv_downsample", outside, inside, 1, 3)
    made.add("pos_S", 1, 23, 24)
    for number in (1, 2):
        made.add(f"master{number}", 1, 1, g0)
    for kind in "ST":
        name = f"GAT_layer_{kind}"
        made.add(f"{name}.att_weight", g0, 1)
        for part in ("att_proj", "proj_with_att", "proj_without_att"):
            made.linear(f"{name}.{part}", 24, g0)
        made.norm(f"{name}.bn", g0)
        made.linear(f"pool_{kind}.proj", g0, 1)
    for branch in (1, 2):
        for step, inside in ((1, g0), (2, g1)):
            _heterogeneous(made, f"HtrgGAT_layer_ST{branch}{step}", inside, g1)
        for kind in "ST":
            made.linear(f"pool_h{kind}{branch}.proj", g1, 1)
    made.linear("out_layer", 5 * g1, 2)
    return made.tensors


def _heterogeneous(made: Maker, name: str, inside: int, outside: int) -> None:
    for part in ("proj_type1", "proj_type2"):
        made.linear(f"{name}.{part}", inside, inside)
    for part in ("att_proj", "att_projM", "proj_with_att", "proj_without_att", "proj_with_attM", "proj_without_attM"):
        made.linear(f"{name}.{part}", inside, outside)
    for kinds in ("11", "22", "12", "M"):
        made.add(f"{name}.att_weight{kinds}", outside, 1)
    made.norm(f"{name}.bn", outside)


# Blocks, channels and kernels of EfficientNet-B4's stages; a quarter as wide and less deep unless `whole`.
_B4 = [(2, 24, 3, 1), (4, 32, 3, 6), (4, 56, 5, 6), (6, 112, 3, 6), (6, 160, 5, 6), (8, 272, 5, 6), (2, 448, 3, 6)]


def sbi(*, whole: bool = False) -> Tensors:
    """EfficientNet-B4 with two classes, in a module `net`, as mapooon/SelfBlendedImages saves it."""
    made = Maker()
    share, last = (1, 1792) if whole else (4, 64)
    before = 48 // share
    made.conv("net._conv_stem", before, 3, 3, 3, bias=False)
    made.norm("net._bn0", before)
    number = 0
    for blocks, channels, kernel, expand in _B4:
        for _ in range(blocks if whole else min(blocks, 2)):
            _block(made, f"net._blocks.{number}", before, channels // share, kernel, expand)
            before, number = channels // share, number + 1
    made.conv("net._conv_head", last, before, 1, 1, bias=False)
    made.norm("net._bn1", last)
    made.linear("net._fc", last, 2)
    return made.tensors


def _block(made: Maker, name: str, inside: int, outside: int, kernel: int, expand: int) -> None:
    wide, squeezed = inside * expand, max(1, inside // 4)
    if expand > 1:
        made.conv(f"{name}._expand_conv", wide, inside, 1, 1, bias=False)
        made.norm(f"{name}._bn0", wide)
    made.conv(f"{name}._depthwise_conv", wide, 1, kernel, kernel, bias=False)
    made.norm(f"{name}._bn1", wide)
    made.conv(f"{name}._se_reduce", squeezed, wide, 1, 1)
    made.conv(f"{name}._se_expand", wide, squeezed, 1, 1)
    made.conv(f"{name}._project_conv", outside, wide, 1, 1, bias=False)
    made.norm(f"{name}._bn2", outside)


def univfd(width: int = 128, layers: int = 2, patch: int = 14, side: int = 56, out: int = 48) -> Tensors:
    """A CLIP tower like ViT-L/14 (width 1024, 24 layers, side 224, out 768), its text tower, and the linear head."""
    made = Maker()
    made.add("model.visual.conv1.weight", width, 3, patch, patch, scale=0.05)
    made.add("model.visual.class_embedding", width)
    made.add("model.visual.positional_embedding", (side // patch) ** 2 + 1, width)
    for name in ("ln_pre", "ln_post"):
        made.norm(f"model.visual.{name}", width, running=False)
    for number in range(layers):
        name = f"model.visual.transformer.resblocks.{number}"
        made.add(f"{name}.attn.in_proj_weight", 3 * width, width)
        made.add(f"{name}.attn.in_proj_bias", 3 * width)
        made.linear(f"{name}.attn.out_proj", width, width)
        made.linear(f"{name}.mlp.c_fc", width, 4 * width)
        made.linear(f"{name}.mlp.c_proj", 4 * width, width)
        for norm in ("ln_1", "ln_2"):
            made.norm(f"{name}.{norm}", width, running=False)
    made.add("model.visual.proj", width, out)
    made.add("model.transformer.resblocks.0.attn.in_proj_bias", 96)  # of the text tower, which is not needed
    made.add("model.logit_scale", 1)
    made.linear("fc", out, 1)
    return made.tensors
