"""AASIST and AASIST-L: (N, 64600) samples at 16 kHz to (N, 2) logits, the second of bona fide speech.

Jung et al., “AASIST: Audio Anti-Spoofing using Integrated Spectro-Temporal Graph Attention Networks”, ICASSP 2022.
Names of tensors as in clovaai/aasist (models/AASIST.py, commit 8ec3bf9); dropout does nothing here.
"""

from functools import cache
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from detection.training.checkpoints import Shelf

# config/AASIST.conf and AASIST-L.conf: what is not in the weights, by the first width of the graphs.
POOLED: Final = {64: (0.5, 0.7, 0.5, 0.5), 24: (0.4, 0.5, 0.7, 0.5)}
TEMPERATURES: Final = (2.0, 2.0, 100.0)
BANDS, TAPS, RATE = 70, 129, 16_000


def forward(shelf: "Shelf", x: Tensor) -> Tensor:
    """Raises Problem for tensors that are not of this family."""
    x = F.conv1d(x.unsqueeze(1), filters().unsqueeze(1)).unsqueeze(1)
    x = F.selu(_norm(shelf, "first_bn", F.max_pool2d(x.abs(), 3)))
    for name in shelf.numbered("encoder"):
        x = _block(shelf, f"{name}0.", x)
    ratios = _ratios(shelf)
    spectral = x.abs().amax(3).transpose(1, 2) + shelf("pos_S", 1, -1, -1)
    spectral = _pool(shelf, "pool_S", _attend(shelf, "GAT_layer_S", spectral, TEMPERATURES[0]), ratios[0])
    temporal = _attend(shelf, "GAT_layer_T", x.abs().amax(2).transpose(1, 2), TEMPERATURES[1])
    temporal = _pool(shelf, "pool_T", temporal, ratios[1])
    branches = [_branch(shelf, number, temporal, spectral, ratios[2]) for number in (1, 2)]
    t, s, master = (torch.maximum(one, other) for one, other in zip(*branches, strict=True))
    hidden = [t.abs().amax(1), t.mean(1), s.abs().amax(1), s.mean(1), master.squeeze(1)]
    return F.linear(torch.cat(hidden, 1), shelf("out_layer.weight", 2, -1), shelf("out_layer.bias", 2))


@cache
def filters() -> Tensor:
    """(70, 129): band-pass filters between points that are even on the mel scale, Hamming-windowed; not trained."""
    top = 2595 * torch.log10(torch.tensor(1 + RATE / 2 / 700, dtype=torch.float64))
    edges = 700 * (10 ** (torch.linspace(0, 1, BANDS + 1, dtype=torch.float64) * top / 2595) - 1)
    taps = torch.arange(TAPS, dtype=torch.float64) - (TAPS - 1) / 2
    low = 2 * edges[:, None] / RATE * torch.sinc(2 * edges[:, None] * taps / RATE)
    window = torch.hamming_window(TAPS, periodic=False, dtype=torch.float64)
    return ((low[1:] - low[:-1]) * window).to(torch.float32)


def _ratios(shelf: "Shelf") -> tuple[float, ...]:
    from detection.training.checkpoints import refused

    width = int(shelf("GAT_layer_S.att_proj.weight", -1, -1).shape[0])
    if width not in POOLED:
        raise refused(f"its graphs are {width} wide, and AASIST's are 64, AASIST-L's 24")
    return POOLED[width]


def _block(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    out = F.selu(_norm(shelf, f"{name}bn1", x)) if f"{name}bn1.weight" in shelf else x
    out = F.conv2d(out, shelf(f"{name}conv1.weight", -1, -1, 2, 3), shelf(f"{name}conv1.bias", -1), padding=(1, 1))
    out = F.selu(_norm(shelf, f"{name}bn2", out))
    out = F.conv2d(out, shelf(f"{name}conv2.weight", -1, -1, 2, 3), shelf(f"{name}conv2.bias", -1), padding=(0, 1))
    if f"{name}conv_downsample.weight" in shelf:
        weight, bias = shelf(f"{name}conv_downsample.weight", -1, -1, 1, 3), shelf(f"{name}conv_downsample.bias", -1)
        x = F.conv2d(x, weight, bias, padding=(0, 1))
    return F.max_pool2d(out + x, (1, 3))


def _norm(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    return F.batch_norm(
        *(x, shelf(f"{name}.running_mean", -1), shelf(f"{name}.running_var", -1)),
        *(shelf(f"{name}.weight", -1), shelf(f"{name}.bias", -1)),
    )


def _linear(shelf: "Shelf", name: str, x: Tensor) -> Tensor:
    return F.linear(x, shelf(f"{name}.weight", -1, -1), shelf(f"{name}.bias", -1))


def _attend(shelf: "Shelf", name: str, x: Tensor, temperature: float) -> Tensor:
    """Graph attention over all pairs of nodes: (N, nodes, width) to (N, nodes, width')."""
    pairs = torch.tanh(_linear(shelf, f"{name}.att_proj", x.unsqueeze(2) * x.unsqueeze(1)))
    scores = (pairs @ shelf(f"{name}.att_weight", -1, 1)).squeeze(-1) / temperature
    return _mixed(shelf, name, x, scores.softmax(-1))


def _mixed(shelf: "Shelf", name: str, x: Tensor, attention: Tensor) -> Tensor:
    mixed = _linear(shelf, f"{name}.proj_with_att", attention @ x) + _linear(shelf, f"{name}.proj_without_att", x)
    return F.selu(_norm(shelf, f"{name}.bn", mixed.transpose(1, 2)).transpose(1, 2))


def _pool(shelf: "Shelf", name: str, x: Tensor, ratio: float) -> Tensor:
    """The share `ratio` of nodes with the highest scores, weighted by them."""
    scores = torch.sigmoid(_linear(shelf, f"{name}.proj", x))
    _, kept = torch.topk(scores, max(int(int(x.shape[1]) * ratio), 1), dim=1)
    return torch.gather(x * scores, 1, kept.expand(-1, -1, x.shape[2]))


def _branch(shelf: "Shelf", number: int, t: Tensor, s: Tensor, ratio: float) -> tuple[Tensor, Tensor, Tensor]:
    """One of the two paths through the heterogeneous graphs, with its own master node."""
    master = shelf(f"master{number}", 1, 1, -1)
    t, s, master = _stacked(shelf, f"HtrgGAT_layer_ST{number}1", t, s, master)
    s, t = _pool(shelf, f"pool_hS{number}", s, ratio), _pool(shelf, f"pool_hT{number}", t, ratio)
    more_t, more_s, more = _stacked(shelf, f"HtrgGAT_layer_ST{number}2", t, s, master)
    return t + more_t, s + more_s, master + more


def _stacked(shelf: "Shelf", name: str, t: Tensor, s: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Attention over nodes of both kinds, whose weights differ by the kinds of a pair."""
    nodes = int(t.shape[1])
    x = torch.cat([_linear(shelf, f"{name}.proj_type1", t), _linear(shelf, f"{name}.proj_type2", s)], 1)
    pairs = torch.tanh(_linear(shelf, f"{name}.att_proj", x.unsqueeze(2) * x.unsqueeze(1)))
    w11, w12, w22 = (shelf(f"{name}.att_weight{kinds}", -1, 1) for kinds in ("11", "12", "22"))
    upper = torch.cat([pairs[:, :nodes, :nodes] @ w11, pairs[:, :nodes, nodes:] @ w12], 2)
    lower = torch.cat([pairs[:, nodes:, :nodes] @ w12, pairs[:, nodes:, nodes:] @ w22], 2)
    attention = (torch.cat([upper, lower], 1).squeeze(-1) / TEMPERATURES[2]).softmax(-1)
    told = torch.tanh(_linear(shelf, f"{name}.att_projM", x * master)) @ shelf(f"{name}.att_weightM", -1, 1)
    seen = (told / TEMPERATURES[2]).softmax(1).transpose(1, 2) @ x
    master = _linear(shelf, f"{name}.proj_with_attM", seen) + _linear(shelf, f"{name}.proj_without_attM", master)
    x = _mixed(shelf, name, x, attention)
    return x[:, :nodes], x[:, nodes:], master
