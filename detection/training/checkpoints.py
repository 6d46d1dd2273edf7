"""Published checkpoints as ONNX: weights alone (safetensors) of three families, drawn again as networks.

The code of each family is our own; what has to agree with the published one are the names and shapes of tensors and
what is computed with them. Sizes are read off the shapes, so smaller and larger members of a family load as well. A
tensor that is missing, left over or of another shape is named. Nothing is unpickled: safetensors is a header of JSON
and raw numbers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from core.problems import Problem
from detection.training import aasist, clip_head, efficientnet, export

Tensors = Mapping[str, Tensor]
Draw = Callable[["Shelf", Tensor], Tensor]

FAMILIES: Final[Mapping[str, Draw]] = {
    "aasist": aasist.forward,
    "sbi": efficientnet.forward,
    "univfd": clip_head.forward,
}
# Some checkpoints carry what training needed, or wrap everything in the name of the module that held it.
_PREFIXES: Final = ("module.", "net.", "model.")
_UNUSED: Final = ("num_batches_tracked",)


class Shelf:
    """Tensors by name, each taken at least once by a network that is drawn from them."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = dict(tensors)
        self.taken: set[str] = set()

    def __call__(self, name: str, *shape: int) -> Tensor:
        """The tensor; shape: what it must be, -1 where any size goes. Raises Problem."""
        self.taken.add(name)
        if name not in self._tensors:
            raise refused(f"there is no tensor `{name}` in it")
        found = self._tensors[name]
        if shape and (
            found.dim() != len(shape) or any(w not in (-1, s) for w, s in zip(shape, found.shape, strict=True))
        ):
            raise refused(f"`{name}` is {list(found.shape)}, not {[side if side >= 0 else 'any' for side in shape]}")
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def left_over(self) -> list[str]:
        return sorted(name for name in self._tensors if name not in self.taken)

    def numbered(self, start: str) -> Iterator[str]:
        """“start.0.”, “start.1.”, … as far as there are any."""
        number = 0
        while any(name.startswith(f"{start}.{number}.") for name in self._tensors):
            yield f"{start}.{number}."
            number += 1


class Drawn(nn.Module):
    """A network whose weights are on a shelf."""

    def __init__(self, draw: Draw, shelf: Shelf) -> None:
        super().__init__()
        self._draw, self._shelf = draw, shelf

    def forward(self, x: Tensor) -> Tensor:
        return self._draw(self._shelf, x)


def to_onnx(path: str, family: str, out: str, shape: Sequence[int]) -> None:
    """Write `model.onnx` for the safetensors file into `out`. shape: of one input. Raises Problem, also for tensors
    that the network has no use for, which a checkpoint of the family does not have.
    """
    torch.set_num_threads(1)
    shelf = Shelf(_named(_read(Path(path))))
    drawn = Drawn(FAMILIES[family], shelf)
    with torch.no_grad():
        drawn(torch.zeros(*shape))
    left = shelf.left_over()
    if left:
        raise refused(f"{len(left)} of its tensors have no place in a network of this family, such as `{left[0][:80]}`")
    export.to_onnx(drawn, shape, Path(out))


def _read(path: Path) -> Tensors:
    try:
        tensors = load_file(path)
    except Exception as error:  # safetensors' own class is not public
        raise refused(f"it is no safetensors file ({str(error)[:120]})") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise refused(f"`{name[:80]}` has weights that are no numbers")
    return {name: tensor.to(torch.float32) for name, tensor in tensors.items() if not name.endswith(_UNUSED)}


def _named(tensors: Tensors) -> Tensors:
    """Without the prefix of the module around them; of a whole CLIP its image tower and the head."""
    if any("visual." in name for name in tensors):
        kept = {name: one for name, one in tensors.items() if "visual." in name or name.startswith("fc.")}
        return {name.rpartition("visual.")[2]: tensor for name, tensor in kept.items()}
    for prefix in _PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def refused(why: str) -> Problem:
    return Problem(
        "detection.model_refused",
        "This model cannot be used",
        status=422,
        detail=f"The model was not loaded, because {why}.",
        next_step="docs/models.md says what each family consists of.",
    )
