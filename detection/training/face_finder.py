"""MTCNN's three nets with the weights in facenet-pytorch's wheel (MIT), as modules that can be written as ONNX.

Layer by layer what facenet_pytorch/models/mtcnn.py 2.6.0 does; each gives one tensor, the probability of a face first.
Nothing is trained here.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from detection.training import export
from detection.training.sources import Registry, Weights

MTCNN = Weights("mtcnn", Registry.PYPI, "facenet-pytorch", "2.6.0",
                "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca", "MIT",
                "facenet_pytorch/data/onet.pt")  # fmt: skip


class Proposes(nn.Module):
    """(N, 3, H, W) to (N, 5, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return torch.cat([self.conv4_1(x).softmax(1)[:, 1:], self.conv4_2(x)], dim=1)


class Refines(nn.Module):
    """(N, 3, 24, 24) to (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.prelu1(self.conv1(x)))
        x = self.pool(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x)).permute(0, 3, 2, 1).flatten(1)
        x = self.prelu4(self.dense4(x))
        return torch.cat([self.dense5_1(x).softmax(1)[:, 1:], self.dense5_2(x)], dim=1)


class Places(nn.Module):
    """(N, 3, 48, 48) to (N, 15)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.pool, self.pool3 = nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, 2, ceil_mode=True)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.prelu1(self.conv1(x)))
        x = self.pool(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x)).permute(0, 3, 2, 1).flatten(1)
        x = self.prelu5(self.dense5(x))
        return torch.cat([self.dense6_1(x).softmax(1)[:, 1:], self.dense6_2(x), self.dense6_3(x)], dim=1)


# Name in the wheel, module, example input. “places” puts its points last, x before y.
NETS: Mapping[str, tuple[str, type[nn.Module], tuple[int, ...]]] = {
    "proposes": ("pnet", Proposes, (1, 3, 60, 84)),
    "refines": ("rnet", Refines, (4, 3, 24, 24)),
    "places": ("onet", Places, (4, 3, 48, 48)),
}


def ported(wheel: Path, name: str) -> nn.Module:
    """One of NETS with its weights. Nothing is unpickled but tensors. Raises KeyError or RuntimeError for another
    wheel."""
    stem, module, _ = NETS[name]
    with zipfile.ZipFile(wheel) as archive:
        data = io.BytesIO(archive.read(f"facenet_pytorch/data/{stem}.pt"))
    net = module()
    net.load_state_dict(torch.load(data, weights_only=True))
    return net.eval()


def write_finder(wheel: Path, folder: Path) -> None:
    """The three nets as `proposes.onnx`, `refines.onnx`, `places.onnx`, each with its parity fixture."""
    for name, (_, _, shape) in NETS.items():
        export.to_onnx(ported(wheel, name), shape, folder, outputs=("faces",), name=f"{name}.onnx", free=FREE[name])


# Axes that a picture decides. The first net slides over a picture of any size.
FREE: Mapping[str, tuple[int, ...]] = {"proposes": (0, 2, 3), "refines": (0,), "places": (0,)}
