"""Three institutions' material for the drill: photographs by different publishers, each made again in part by a
machine.
What is made again is made differently in each institution (`resynthesis`), so that none has what the others have. Both
classes get the same crops, the same scaling and the same saves, or the codec would give the class away. The
coordinator's reference set is the four photographs in the tree, which belong to no institution.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.problems import Problem
from detection.federation import features, resynthesis
from detection.federation.holding import Holding, Item
from detection.federation.plan import TRAIN
from detection.training import data
from detection.training.augmentation import resized, saved
from detection.training.sources import SOURCES

PHOTOGRAPHS: Final = Path(__file__).resolve().parent.parent.parent / "web" / "demo" / "photographs"
SIDE: Final = 264  # pixels of a picture: two tiles, and divisible by what resynthesis divides by
CROPS: Final = 4  # of a work
REFERENCE_CROPS: Final = 10
HELD_OUT: Final = 3  # one work in so many
_QUALITIES: Final = (0, 95, 90, 80, 70)  # of JPEG; 0: not saved
_FAMILIES: Final = tuple(resynthesis.FAMILIES)

# Institution: its sources (detection.training.sources), and how often each family of re-synthesis is used.
INSTITUTIONS: Final[Mapping[str, tuple[tuple[str, ...], tuple[float, ...]]]] = {
    "wallpapers": (("mate", "plasma"), (0.55, 0.15, 0.15, 0.15)),
    "tabler": (("tabler",), (0.15, 0.55, 0.15, 0.15)),
    "creative-tim": (("material-kit", "material-dashboard"), (0.15, 0.15, 0.35, 0.35)),
}
EVENLY: Final = (0.25, 0.25, 0.25, 0.25)
Luma = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """One photograph. licence: what allows training with it."""

    path: Path
    licence: str


def works(root: Path, say: Callable[[str], None]) -> dict[str, list[Work]]:
    """Each institution's photographs, fetched into `root` if they are not there. Where a registry's client is missing,
    the photographs in the tree serve: one for each institution, which shows the machinery and says nothing about
    accuracy.
    """
    try:
        return {name: list(_fetched(sources, root)) for name, (sources, _) in INSTITUTIONS.items()}
    except Problem as problem:
        say(f"{problem.detail or problem.title} The photographs in the tree are used instead: one an institution.")
        here = sorted(PHOTOGRAPHS.glob("*.jpg"))
        return {name: [Work(path, "CC0-1.0")] for name, path in zip(INSTITUTIONS, here, strict=False)}


def reference_works() -> list[Work]:
    return [Work(path, "CC0-1.0") for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]


def holding(name: str, given: list[Work], mix: tuple[float, ...], *, seed: int, crops: int, measure: bool) -> Holding:
    """measure: whether some works are held out. Deterministic: the same works and seed give the same holding."""
    rng = np.random.default_rng(seed)
    rows, items = [], []
    for index, work in enumerate(given):
        for real in cropped(work.path, crops, rng):
            held_out = measure and (index % HELD_OUT == 0 if len(given) >= HELD_OUT else rng.random() < 1 / HELD_OUT)
            again = resynthesis.made_again(real, str(rng.choice(_FAMILIES, p=mix)), rng)
            for made, luma in ((False, real), (True, again)):
                shown = _saved(luma, int(rng.choice(_QUALITIES)))
                rows.append(described(shown))
                sha256 = hashlib.sha256(shown.tobytes()).hexdigest()
                items.append(Item(sha256, f"{name}-{index}", made, held_out, (TRAIN,), f"licence:{work.licence}"))
    return Holding(name, np.array(rows, dtype=np.float32), tuple(items))


def described(luma: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The features of one picture: the mean over its tiles."""
    return np.asarray(np.mean([features.describe(tile) for tile in features.tiles(luma, 9)], axis=0), np.float32)


def cropped(path: Path, count: int, rng: np.random.Generator) -> Iterator[Luma]:
    """`count` squares of SIDE pixels, anywhere in the photograph, which is scaled down first: that ends its own
    history.
    """
    with Image.open(path) as image:
        image.draft("RGB", (data.LONGEST, data.LONGEST))
        image.thumbnail((data.LONGEST, data.LONGEST), Image.Resampling.LANCZOS)
        rgb = np.asarray(image.convert("RGB"))
    rgb = resized(rgb, max(rng.uniform(0.55, 0.85), SIDE / min(rgb.shape[:2]) + 0.01), filter=2)
    luma = np.asarray(Image.fromarray(rgb).convert("L"), dtype=np.float64)
    for _ in range(count):
        top, left = (int(rng.integers(0, side - SIDE + 1)) for side in luma.shape)
        yield luma[top : top + SIDE, left : left + SIDE]


def _saved(luma: Luma, quality: int) -> npt.NDArray[np.uint8]:
    pixels = luma.round().clip(0, 255).astype(np.uint8)
    if not quality:
        return pixels
    return saved(np.repeat(pixels[:, :, None], 3, axis=2), quality)[:, :, 0]


def _fetched(sources: tuple[str, ...], root: Path) -> Iterator[Work]:
    for source in SOURCES:
        if source.name in sources:
            for path in sorted(data.unpack(source, root).iterdir()):
                yield Work(path, source.licence)
