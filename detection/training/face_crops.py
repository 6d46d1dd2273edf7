"""Faces to train and measure with, for the detector of generated and blended faces (`detectors/face`).

Real faces: those that MTCNN finds in photographs, and thumbnails of people in page templates (adults, stock pictures).
Not as a camera took them: the same faces blended with themselves (SBI: Shiohara & Yamasaki, CVPR 2022), faces of a
small GAN, and faces found in pictures that modern generators made. All are brought to one size and sent through the
same saves. What is kept is crops in a scratch folder; no face is ever shipped, named or compared with another.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from detection.detectors.face.scoring import faces_in, luma_of
from detection.evaluation.suite import Item, thinned
from detection.faces import Finder
from detection.training import augmentation, data, simulated, splicing
from detection.training.augmentation import Rgb
from detection.training.sources import DCGAN, SOURCES, Registry, Source, Use

T = TypeVar("T")
PICTURES = 60  # of one source and generator, in which faces are looked for
SEARCHED = 640  # pixels, the shorter side of the picture in which faces are looked for
SELF_BLEND, GAN = "self_blend", "dcgan"

_TABLER = next(one for one in SOURCES if one.name == "tabler")
_ADMIN = next(one for one in SOURCES if one.name == "admin-lte")
# Thumbnails of people; the photographs of the same packages are sources of `sources` already.
FACES = (
    Source("tabler-faces", Registry.NPM, _TABLER.package, _TABLER.version, _TABLER.sha256, _TABLER.licence,
           r"demo/faces/.*\.jpg$"),
    Source("admin-faces", Registry.NPM, _ADMIN.package, _ADMIN.version, _ADMIN.sha256, _ADMIN.licence,
           r"dist/img/user\d-.*\.jpg$"),
)  # fmt: skip
# Landscapes, rooms, animals and things: what looks like a face there is none.
NOBODY = ("mate", "plasma", "lomiri", "interiors", "gcompris")
PUBLISHER = {"tabler-faces": "tabler", "admin-faces": "themes"}


def sources() -> tuple[Source, ...]:
    """Everything in which faces are looked for."""
    return (*FACES, *(one for one in SOURCES if not one.drawn and not one.name.startswith(NOBODY)))


def write_crops(root: Path, folder: Path, finder: Finder, *, told: Callable[[Item], None] = lambda item: None) -> None:
    """One PNG for each face found, as <use>/<publisher>~<generator>~<picture>~<n>.png, and faces of the GAN."""
    for use in Use:
        (folder / use).mkdir(parents=True, exist_ok=True)
    for source in sources():
        data.unpack(source, root)
        for item in thinned(data.items(root, [source]), PICTURES):
            told(item)
            publisher = PUBLISHER.get(item.source, item.source)
            stem = f"{publisher}~{item.generator}~{item.group.replace('/', '-').replace('~', '-')}"
            for index, crop in enumerate(crops_of(data.read(item), finder)):
                Image.fromarray(crop).save(folder / source.use / f"{stem}~{index}.png")
    for index, rgb in enumerate(simulated.dcgan_faces(data.fetch(DCGAN, root), 200, seed=0)):
        Image.fromarray(rgb).save(folder / Use.TRAIN / f"gan~{GAN}~{index}~0.png")


def crops_of(rgb: Rgb, finder: Finder, most: int = 4) -> Iterator[Rgb]:
    """The largest faces of a picture."""
    return (crop for _, crop in faces_in(augmentation.smallest_side(rgb, SEARCHED), finder)[:most])


def read_crops(folder: Path, use: Use) -> list[Item]:
    """What `write_crops` wrote, in a stable order."""
    found = []
    for path in sorted((folder / use).glob("*.png")):
        publisher, generator, picture, _ = path.stem.split("~")
        found.append(Item(path, bool(generator), publisher, generator, f"{publisher}/{picture}"))
    return found


def blended(face: Rgb, rng: np.random.Generator) -> Rgb:
    """The face blended with a slightly changed copy of itself, inside an oval where eyes, nose and mouth are."""
    mask = _oval(face.shape[0], rng)[..., None]
    part = face.astype(np.float32)
    if rng.random() < 0.6:
        part = np.stack([splicing.resized(splicing.resized(plane, float(rng.uniform(0.5, 0.9))), to=face.shape[:2])
                         for plane in part.transpose(2, 0, 1)], axis=2)  # fmt: skip
    if rng.random() < 0.5:
        part = augmentation.saved(part.clip(0, 255).astype(np.uint8), int(rng.integers(40, 90))).astype(np.float32)
    toned = part * rng.uniform(0.9, 1.1, 3) + rng.uniform(-12, 12, 3)
    moved = ndimage.shift(toned, (*rng.uniform(-2.5, 2.5, 2), 0), order=1, mode="nearest")
    return np.asarray((face + mask * (moved - face)).clip(0, 255).round(), np.uint8)


def _oval(side: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(side, side), 0…1: about where MTCNN's box is in a crop with MARGIN, wavy and soft."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    reach = 1 + sum(rng.normal(0, 0.05) * np.cos(k * angles + rng.uniform(0, 6.3)) for k in (1, 2, 3))
    across, down = side * rng.uniform(0.2, 0.3), side * rng.uniform(0.22, 0.32)
    x, y = side * rng.uniform(0.46, 0.54), side * rng.uniform(0.46, 0.58)
    outline = zip(x + across * reach * np.cos(angles), y + down * reach * np.sin(angles), strict=True)
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).polygon([(float(a), float(b)) for a, b in outline], fill=1)
    soft = ndimage.gaussian_filter(np.asarray(canvas, np.float32), side * rng.uniform(0.01, 0.06))
    return np.asarray(soft * rng.uniform(0.6, 1.0), np.float32)


def travelled(face: Rgb, rng: np.random.Generator) -> Rgb:
    """Both classes alike: down to a size that every source has, then through the world."""
    return augmentation.shipped(augmentation.matched(face, 112, rng), rng)


@dataclass(frozen=True)
class Drawn:
    """Where a training face comes from."""

    source: str
    generator: str


def make_examples(items: Sequence[Item], count: int, *, seed: int = 0) -> tuple[npt.NDArray[np.float32], list[Drawn]]:
    """`count` faces: 45 % real, 25 % self-blended, the rest of the generators that are there with equal chances."""
    rng = np.random.default_rng(seed)
    reals = _shelves((one for one in items if not one.synthetic), lambda one: one.source)
    fakes = _shelves((one for one in items if one.synthetic), lambda one: one.generator)
    luma, origins = [], []
    for _ in range(count):
        blend, shelves = False, reals
        if (chance := rng.random()) > 0.7:
            shelves = fakes
        elif chance > 0.45:
            blend = True
        item = _one(_one(shelves, rng), rng)
        face = read(item)
        luma.append(luma_of(travelled(blended(face, rng) if blend else face, rng)))
        origins.append(Drawn(item.source, SELF_BLEND if blend else item.generator))
    return np.stack(luma), origins


def _shelves(items: Iterable[Item], key: Callable[[Item], str]) -> list[list[Item]]:
    shelves: dict[str, list[Item]] = {}
    for one in items:
        shelves.setdefault(key(one), []).append(one)
    return [shelves[name] for name in sorted(shelves)]


def _one(things: Sequence[T], rng: np.random.Generator) -> T:
    return things[int(rng.integers(len(things)))]


def read(item: Item) -> Rgb:
    with Image.open(item.path) as image:
        return np.asarray(image.convert("RGB"))
