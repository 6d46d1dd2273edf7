"""What can be installed for faces today, on the same crops: @vladmandic/human's `antispoof` net (MIT).

Its graph (nine layers, TensorFlow.js) is read from the npm package and computed here in NumPy; nothing of it is
shipped. It gives the chance that a face is real, of a 128 x 128 crop in 0…1.
"""

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.pictures import Rgb
from detection.training.sources import Registry, Weights

Array = npt.NDArray[np.float32]
SIDE = 128
ANTISPOOF = Weights("antispoof", Registry.NPM, "@vladmandic/human", "3.3.6",
                    "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7", "MIT",
                    "package/models/antispoof.bin")  # fmt: skip
_CONVOLUTIONS = (("unknown", "unknown_0"), ("unknown_1", "unknown_2"), ("unknown_3", "unknown_4"))


@dataclass(frozen=True)
class AntiSpoof:
    """weights: by the names in the package's JSON."""

    weights: Mapping[str, Array]

    def logit(self, face: Rgb) -> float:
        """Higher: rather not real. face: a square crop with little around the face."""
        small = Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        x: Array = np.asarray(small, np.float32) / np.float32(255)
        for kernel, bias in _CONVOLUTIONS:
            x = np.maximum(_pooled(_convolved(x, self.weights[kernel]) + self.weights[bias]), np.float32(0))
        hidden = np.maximum(x.reshape(-1) @ self.weights["unknown_5"] + self.weights["unknown_6"], 0)
        return -float((hidden @ self.weights["unknown_7"] + self.weights["unknown_8"])[0])


def read(package: Path) -> AntiSpoof:
    """From the npm tarball. Raises KeyError for another package."""
    with tarfile.open(package) as archive:
        told, content = (_member(archive, f"package/models/antispoof.{kind}") for kind in ("json", "bin"))
    weights, at = {}, 0
    for entry in json.loads(told)["weightsManifest"][0]["weights"]:
        half = (entry.get("quantization") or {}).get("dtype") == "float16"
        kind = np.dtype(np.float16) if half else np.dtype(entry["dtype"])
        size = int(np.prod(entry["shape"])) * kind.itemsize
        weights[entry["name"]] = np.frombuffer(content[at : at + size], kind).reshape(entry["shape"]).astype(np.float32)
        at += size
    return AntiSpoof(weights)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def _convolved(x: Array, kernel: Array) -> Array:
    """(H, W, in) with (3, 3, in, out), no padding: (H - 2, W - 2, out)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))
    return np.asarray(np.tensordot(windows, kernel, axes=([2, 3, 4], [2, 0, 1])), np.float32)


def _pooled(x: Array) -> Array:
    height, width = (side // 2 * 2 for side in x.shape[:2])
    return np.asarray(x[:height, :width].reshape(height // 2, 2, width // 2, 2, -1).max(axis=(1, 3)), np.float32)
