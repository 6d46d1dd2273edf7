"""The networks as they are trained, in PyTorch: what ONNX Runtime is timed beside.

Each is the module out of `detection/training`, in eval mode, under no_grad, on one thread, NCHW, its normalisation not
folded: what somebody writes who serves what was trained. Weights are as drawn, since time does not depend on them;
`is_same` holds the module to the file in the tree. The tower was never a module of ours: `Tower` is one as one would
write it today, with the file's own weights, and its answers are compared.
"""

import collections
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from benchmarks.detection_mobilenet import MobileNetV3Large


def _temporal() -> nn.Module:
    from detection.detectors.video.changes import NAMES
    from detection.training.video import Temporal

    return Temporal(np.zeros(len(NAMES), np.float32), np.ones(len(NAMES), np.float32))


def _trained(place: str) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        import importlib

        module, _, name = place.partition(":")
        made: nn.Module = getattr(importlib.import_module(f"detection.training.{module}"), name)()
        return made

    return made


# By path below the detectors' folder.
MODULES: dict[str, Callable[[], nn.Module]] = {
    "edited_image/model.onnx": _trained("localiser:Localiser"),
    "face/proposes.onnx": _trained("face_finder:Proposes"),
    "face/refines.onnx": _trained("face_finder:Refines"),
    "face/places.onnx": _trained("face_finder:Places"),
    "video/model.onnx": _temporal,
}


class Eager:
    """`run(batch)` answers like `detection.network.Network.run`."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module.eval()

    def run(self, batch: Any) -> Any:
        """The first output, as an array."""
        with torch.no_grad():
            told = self._module(torch.from_numpy(batch))
        return (told[0] if isinstance(told, tuple) else told).numpy()


def eager(net: str, path: Path) -> Eager:
    """The peer of a network; for a file outside the detectors' folders, the yardstick or the tower. Raises KeyError for
    a network whose module is not known here, ValueError for a module that is another net than the file."""
    if net.startswith("weights/"):
        return Eager(Tower(path))
    if net not in MODULES:
        return Eager(MobileNetV3Large()) if Path(net).is_absolute() else _unknown(net)
    module = MODULES[net]()
    if not is_same(module, path):
        raise ValueError(f"{net} is not what its module makes: which module trained it?")
    return Eager(module)


def _unknown(net: str) -> Eager:
    raise KeyError(f"no module is named for {net} in benchmarks/detection_peers.py")


def is_same(module: nn.Module, path: Path) -> bool:
    """Whether exporting the module gives the nodes, and weights of the shapes, that the file has."""
    import json

    from detection.network import MODEL, PARITY
    from detection.training.export import lighter, to_onnx

    fixture = path.with_name(PARITY if path.name == MODEL else f"{path.stem}.{PARITY}")
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        shipped = Path(folder) / "shipped.onnx"
        shutil.copy(path, shipped)
        lighter(shipped)
        graph = onnx.load_model_from_string(path.read_bytes()).graph
        sides = graph.input[0].type.tensor_type.shape.dim
        free = tuple(index for index, side in enumerate(sides) if side.dim_param)
        names = [one.name for one in graph.output]
        to_onnx(module, json.loads(fixture.read_text())["shape"], Path(folder) / "made", outputs=names, free=free)
        return _parts(shipped) == _parts(Path(folder) / "made" / MODEL)


def _parts(path: Path) -> tuple[collections.Counter[str], set[tuple[int, ...]]]:
    """Nodes by kind, and the shapes of weights; how many there are of each says nothing: equal ones are kept once."""
    graph = onnx.load_model_from_string(path.read_bytes()).graph
    shapes = {tuple(one.dims) for one in graph.initializer if len(one.dims) > 1}
    return collections.Counter(node.op_type for node in graph.node), shapes


# --- The tower --------------------------------------------------------------------------------------------------------

WIDTH, HEADS, PATCH = 768, 12, 16


class Block(nn.Module):
    """One layer of CLIP's image encoder (Radford et al. 2021): (N, tokens, WIDTH) to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer_norm1(x)
        q, k, v = (of(y).unflatten(-1, (HEADS, -1)).transpose(1, 2) for of in (self.q_proj, self.k_proj, self.v_proj))
        x = x + self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        y = self.fc1(self.layer_norm2(x))
        told: Tensor = x + self.fc2(y * torch.sigmoid(1.702 * y))  # the paper's approximation of GELU
        return told


class Tower(nn.Module):
    """(N, 3, 224, 224) to the class tokens after some layers, as in the file. Raises ValueError for another file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load_model_from_string(path.read_bytes()).graph
        kept = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
        self._products = {n.output[0].split("/MatMul")[0]: kept[n.input[1]] for n in graph.node
                          if n.op_type == "MatMul" and n.input[1] in kept}  # fmt: skip
        self._kept = kept
        made = {name: node for node in graph.node for name in node.output}
        self.outputs = [[_layer_of(made[one].input[0]) for one in made[out.name].input] for out in graph.output]
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.first, self.places = (nn.Parameter(kept[f"vision_model.embeddings.{one}"])
                                   for one in ("class_embedding", "position_embedding.weight"))  # fmt: skip
        self.norm = nn.LayerNorm(WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(max(max(one) for one in self.outputs) + 1)))
        with torch.no_grad():
            self._fill()

    def _fill(self) -> None:
        self.patches.weight.copy_(self._kept["vision_model.embeddings.patch_embedding.weight"])
        for one in ("weight", "bias"):
            getattr(self.norm, one).copy_(self._kept[f"vision_model.pre_layrnorm.{one}"])
        for index, block in enumerate(self.blocks):
            for name, part in block.named_children():
                inside = {"layer_norm1": "", "layer_norm2": "", "fc1": "mlp.", "fc2": "mlp."}.get(name, "self_attn.")
                place = f"vision_model.encoder.layers.{index}.{inside}{name}"
                told = dict(part.named_parameters())
                told["bias"].copy_(self._kept[f"{place}.bias"])
                product = self._products.get("/" + place.replace(".", "/").replace("layers/", "layers."))
                told["weight"].copy_(self._kept[f"{place}.weight"] if product is None else product.T)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.norm(torch.cat([self.first.expand(len(x), 1, -1), x], dim=1) + self.places)
        first = []
        for block in self.blocks:
            x = block(x)
            first.append(x[:, 0])
        return torch.cat([first[index] for index in self.outputs[0]], dim=1)


def _layer_of(name: str) -> int:
    """Of “/vision_model/encoder/layers.5/Add_1_output_0”, 5."""
    return int(name.split("layers.")[1].split("/")[0])
