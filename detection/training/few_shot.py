"""A head of this installation's own: the last layer of a network, moved a little by what people here confirmed.

Where the value lies: a few dozen confirmed fakes and local real media moved a detector that was at chance for them to
0.72–0.87 (detection-methods.md 2a). Only the last linear layer changes; it is pulled towards its parent, so that
little data moves it little. Old examples (*rehearsal*) hold half of the weight, or the head would forget
what it was made for. A *frozen reference* that nothing was fitted on judges it beside its parent, source by source: a
child that became worse for any of them is not made.

Needs `onnx`, so it runs where models are trained; PyTorch is not needed. Everything is deterministic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from scipy import optimize, special, stats

from core.problems import Problem
from detection import metrics
from detection.metrics import Array

FEATURES: Final = "few_shot_features"
PULLS: Final = (30.0, 3.0, 0.3, 0.03)  # towards the parent; strongest first
REHEARSED: Final = 0.5  # of the weight of all items, however many there are of either
AUC_LOSS: Final = 0.02  # on the frozen reference, of any source or generator
FEWEST: Final = 8  # new items


@dataclass(frozen=True)
class Head:
    """weight: (d,), bias: of the last layer, whose output is the logit. node: where it is in the graph."""

    weight: Array
    bias: float
    node: int


@dataclass(frozen=True)
class Examples:
    """features: (n, d) of the last layer's input, the mean over the tiles of a file where there are several. made: (n,)
    1 or 0. sources: (n,) names of source or generator.
    """

    features: Array
    made: npt.NDArray[np.int64]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class Change:
    """What became of one source or generator on the frozen reference; fpr: at the parent's own 2 % threshold."""

    source: str
    parent_auc: float
    auc: float
    parent_fpr: float | None
    fpr: float | None
    p: float  # that so many more false signals are chance, after Holm
    n: int

    @property
    def worse(self) -> bool:
        more = self.fpr is not None and self.parent_fpr is not None and self.fpr > self.parent_fpr and self.p < 0.05
        return self.auc < self.parent_auc - AUC_LOSS or more


# --- The graph -------------------------------------------------------------------------------------------------------


def head_of(model: onnx.ModelProto) -> Head:
    """The last layer. Raises Problem where the first output is not that of a `Gemm` with one row."""
    graph = model.graph
    wanted = graph.output[0].name
    place = next((n for n, node in enumerate(graph.node) if wanted in node.output), -1)
    node = graph.node[place] if place >= 0 else None
    if node is None or node.op_type != "Gemm" or len(node.input) != 3:
        raise _refused("its first output is not that of a linear layer")
    settings = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    if settings.get("alpha", 1.0) != 1.0 or settings.get("beta", 1.0) != 1.0 or settings.get("transA", 0):
        raise _refused("its last layer is scaled")
    tensors = {one.name: one for one in graph.initializer}
    if node.input[1] not in tensors or node.input[2] not in tensors:
        raise _refused("the weights of its last layer are computed")
    weight, bias = (numpy_helper.to_array(tensors[name]).astype(np.float64) for name in node.input[1:])
    if weight.size != max(weight.shape) or bias.size != 1:
        raise _refused("its last layer has more than one output")
    return Head(weight.ravel(), float(bias.ravel()[0]), place)


def with_features(data: bytes) -> bytes:
    """The same network, with the input of its last layer as a further output FEATURES."""
    model = onnx.load_model_from_string(data)
    source = model.graph.node[head_of(model).node].input[0]
    model.graph.node.append(onnx.helper.make_node("Identity", [source], [FEATURES]))
    model.graph.output.append(onnx.helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, None))
    return bytes(model.SerializeToString(deterministic=True))


def with_head(data: bytes, weight: Array, bias: float) -> bytes:
    """The network with another last layer; everything else byte for byte the same tensors."""
    model = onnx.load_model_from_string(data)
    node = model.graph.node[head_of(model).node]
    new = {node.input[1]: np.asarray(weight, dtype=np.float32), node.input[2]: np.asarray([bias], dtype=np.float32)}
    for tensor in model.graph.initializer:
        if tensor.name in new:
            shaped = new[tensor.name].reshape(tuple(tensor.dims))
            tensor.CopyFrom(numpy_helper.from_array(shaped, tensor.name))
    return bytes(model.SerializeToString(deterministic=True))


# --- Fitting ---------------------------------------------------------------------------------------------------------


def refit(parent: Head, new: Examples, rehearsal: Examples) -> tuple[Head, float]:
    """The child's head, and the pull it was fitted with: judged on new sources left out in turn.

    Raises Problem for fewer than FEWEST new items, or a rehearsal without both classes.
    """
    if len(new) < FEWEST:
        raise _refused(f"{len(new)} confirmed items are too few: it takes {FEWEST}")
    if len(set(rehearsal.made.tolist())) < 2:
        raise _refused("there is nothing to rehearse of one of the classes")
    losses = {pull: _left_out(parent, new, rehearsal, pull) for pull in PULLS}
    pull = _strongest(losses)
    return _fit(parent, new, rehearsal, pull), pull


def _strongest(losses: Mapping[float, Array]) -> float:
    """The strongest pull that is no worse than the best one by more than a standard error (Breiman et al. 1984,
    3.4.3).
    """
    best = min(PULLS, key=lambda one: float(losses[one].mean()))
    for pull in PULLS:
        worse = losses[pull] - losses[best]
        if worse.mean() <= worse.std() / np.sqrt(len(worse)):
            return pull
    return best


def _left_out(parent: Head, new: Examples, rehearsal: Examples, pull: float) -> Array:
    """(n,) loss of each new item by the head fitted without its source (or fold, where all are of one)."""
    folds = np.asarray(new.sources) if len(set(new.sources)) > 1 else np.arange(len(new)).astype(str)
    if len(set(folds.tolist())) == len(new):
        folds = (np.arange(len(new)) % 5).astype(str)
    losses = np.zeros(len(new))
    for fold in np.unique(folds):
        held = folds == fold
        head = _fit(parent, _chosen(new, ~held), rehearsal, pull)
        losses[held] = _loss(head, _chosen(new, held))
    return losses


def _fit(parent: Head, new: Examples, rehearsal: Examples, pull: float) -> Head:
    features = np.concatenate([new.features, rehearsal.features])
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    signs = np.where(np.concatenate([new.made, rehearsal.made]) == 1, 1.0, -1.0)
    weights = np.concatenate([_balanced(new, 1 - REHEARSED), _balanced(rehearsal, REHEARSED)])
    design = (features - centre) / scale
    start = parent.weight * scale
    offset = parent.bias + float(parent.weight @ centre)
    told = design @ start + offset

    def cost(step: Array) -> tuple[float, Array]:
        margin = signs * (told + design @ step[:-1] + step[-1])
        slope = -weights * signs * special.expit(-margin)
        penalty = pull * float(step[:-1] @ step[:-1]) / len(step)
        gradient = np.append(design.T @ slope + 2 * pull * step[:-1] / len(step), slope.sum())
        return float((weights * np.logaddexp(0, -margin)).sum()) + penalty, gradient

    found = optimize.minimize(
        cost, np.zeros(design.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500}
    )
    weight = (start + found.x[:-1]) / scale
    return Head(weight, offset + float(found.x[-1]) - float(weight @ centre), parent.node)


def _balanced(items: Examples, total: float) -> Array:
    """Weights that sum to `total`, alike for each class and, within it, for each source."""
    weight = np.zeros(len(items))
    names, classes = np.asarray(items.sources), np.unique(items.made)
    for label in classes:
        members = np.unique(names[items.made == label])
        for name in members:
            chosen = (items.made == label) & (names == name)
            weight[chosen] = total / (classes.size * members.size * chosen.sum())
    return weight


def _loss(head: Head, items: Examples) -> Array:
    signs = np.where(items.made == 1, 1.0, -1.0)
    return np.asarray(np.logaddexp(0, -signs * logits(head, items)), dtype=np.float64)


def logits(head: Head, items: Examples) -> Array:
    return np.asarray(items.features @ head.weight + head.bias, dtype=np.float64)


def _chosen(items: Examples, mask: npt.NDArray[np.bool_]) -> Examples:
    names = tuple(name for name, kept in zip(items.sources, mask, strict=True) if kept)
    return Examples(items.features[mask], items.made[mask], names)


# --- Against the parent ----------------------------------------------------------------------------------------------


def compared(parent: Head, child: Head, reference: Examples) -> list[Change]:
    """Every source and generator of the frozen reference, by both heads. Raises Problem for only one class."""
    if len(set(reference.made.tolist())) < 2:
        raise _refused("the frozen reference needs real files and made ones")
    before, after, names = logits(parent, reference), logits(child, reference), np.asarray(reference.sources)
    real = reference.made == 0
    at = metrics.threshold_at(before[real], 0.02)
    told = []
    for name in sorted(set(reference.sources)):
        mine = (names == name) & real if (names == name)[real].any() else names == name
        against = ~real if real[mine].any() else real
        rates = [(scores[mine] >= at) for scores in (before, after)] if real[mine].any() else None
        told.append(_change(name, [(s[mine], s[against]) for s in (before, after)], bool(real[mine].any()), rates))
    corrected = metrics.holm([one.p for one in told])
    return [Change(**{**vars(one), "p": p}) for one, p in zip(told, corrected, strict=True)]


def _change(name: str, pairs: Sequence[tuple[Array, Array]], is_real: bool, rates: Sequence[Any] | None) -> Change:
    areas = [metrics.auc(mine, others) if is_real else metrics.auc(others, mine) for mine, others in pairs]
    count = len(pairs[0][0])
    if rates is None:
        return Change(name, areas[0], areas[1], None, None, 1.0, count)
    before, after = (int(one.sum()) for one in rates)
    # McNemar's exact test: of the files on which the two differ, how many became false signals?
    became, ceased = int((~rates[0] & rates[1]).sum()), int((rates[0] & ~rates[1]).sum())
    p = float(stats.binomtest(became, became + ceased, alternative="greater").pvalue) if became + ceased else 1.0
    return Change(name, areas[0], areas[1], before / count, after / count, p, count)


def check(changes: Sequence[Change]) -> None:
    """Raises Problem `model.biased` that names what became worse."""
    worse = [
        f"{one.source}: AUC {one.parent_auc:.3f} to {one.auc:.3f}"
        + ("" if one.fpr is None else f", false signals {one.parent_fpr:.3f} to {one.fpr:.3f}")
        for one in changes
        if one.worse
    ]
    if worse:
        raise Problem(
            "model.biased",
            "The new head is worse than its parent for somebody",
            status=409,
            detail="On the frozen reference it is worse than its parent: " + "; ".join(worse[:5]) + ".",
            next_step="Add confirmed items of other sources, or more to rehearse.",
        )


def as_json(changes: Sequence[Change]) -> list[Mapping[str, Any]]:
    return [
        {name: round(one, 4) if isinstance(one, float) else one for name, one in vars(each).items()} for each in changes
    ]


def _refused(why: str) -> Problem:
    return Problem(
        "model.few_shot",
        "No head can be fitted",
        status=422,
        detail=f"No head was fitted, because {why}.",
        next_step="docs/models.md says what learning from feedback needs.",
    )
