"""CLIP's image tower with one linear head, as UniversalFakeDetect has it: (N, 3, side, side) to (N, 1), a logit of
fake.

Ojha et al., “Towards Universal Fake Image Detectors that Generalize Across Generative Models”, CVPR 2023, on Radford
et al., “Learning Transferable Visual Models From Natural Language Supervision”, ICML 2021. Names of tensors as in
openai/CLIP (`visual.…`, there under `model.`) and `fc`. The published file holds the head alone; the tower goes into
the same file.
"""

from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from detection.training.checkpoints import Shelf

HEAD: Final = 64  # channels of one attention head


def forward(shelf: "Shelf", x: Tensor) -> Tensor:
    """Raises Problem for tensors that are not of this family."""
    patches = shelf("conv1.weight", -1, 3, -1, -1)
    width, side = patches.shape[0], patches.shape[2]
    tokens = F.conv2d(x, patches, stride=side).flatten(2).transpose(1, 2)
    first = shelf("class_embedding", width).expand(tokens.shape[0], 1, width)
    count = tokens.shape[1] + 1
    x = torch.cat([first, tokens], 1) + shelf("positional_embedding", count, width)
    x = _norm(shelf, "ln_pre", x)
    for name in shelf.numbered("transformer.resblocks"):
        x = x + _attention(shelf, f"{name}attn.", _norm(shelf, f"{name}ln_1", x))
        x = x + _wide(shelf, f"{name}mlp.", _norm(shelf, f"{name}ln_2", x))
    told = _norm(shelf, "ln_post", x[:, 0]) @ shelf("proj", width, -1)
    return F.linear(told, shelf("fc.weight", 1, told.shape[1]), shelf("fc.bias", 1))


def _attention(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    tokens, width = int(x.shape[1]), int(x.shape[2])
    joint = F.linear(x, shelf(f"{name}in_proj_weight", 3 * width, width), shelf(f"{name}in_proj_bias", 3 * width))
    query, key, value = (part.view(-1, tokens, width // HEAD, HEAD).transpose(1, 2) for part in joint.chunk(3, -1))
    weights = (query @ key.transpose(2, 3) / HEAD**0.5).softmax(-1)
    mixed = (weights @ value).transpose(1, 2).reshape(-1, tokens, width)
    return F.linear(mixed, shelf(f"{name}out_proj.weight", width, width), shelf(f"{name}out_proj.bias", width))


def _wide(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    x = F.linear(x, shelf(f"{name}c_fc.weight", -1, -1), shelf(f"{name}c_fc.bias", -1))
    x = x * torch.sigmoid(1.702 * x)  # CLIP's own approximation of GELU
    return F.linear(x, shelf(f"{name}c_proj.weight", -1, -1), shelf(f"{name}c_proj.bias", -1))


def _norm(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    weight = shelf(f"{name}.weight", -1)
    return F.layer_norm(x, (int(weight.shape[0]),), weight, shelf(f"{name}.bias", -1))
