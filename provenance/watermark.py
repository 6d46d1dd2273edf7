"""An invisible watermark of 32 bits in a picture: optional, off by default (docs/provenance.md, "Watermark").

RivaGAN (Zhang et al. 2019) through ONNX, with the weights that the package invisible-watermark ships; the package
itself is never imported, because it wants PyTorch and OpenCV. Its network sees the picture at 256 × 256 pixels; what it
would change there is scaled up and added, so that any size can be marked and the mark survives resizing. Untrusted
files: guarded children only. The libraries are loaded at first use.
"""

import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.problems import Problem
from provenance import images, media

ALGORITHM = "rivagan-32"  # as models.Fingerprint calls it
EDGE = 256  # pixels
BITS = 32
THRESHOLD = 0.52  # above it a bit is read as 1, as the package does
# How strongly the mark is put in: as the network would, and more where it does not take at once. At 1.0 a picture keeps
# 43 dB, at 1.6 39 dB (peak signal to noise).
GAINS = (1.0, 1.3, 1.6, 2.0)
MAX_WRONG = 1  # bits of a mark that was just put in; some pictures keep one for themselves

_WRITTEN: dict[str, tuple[str, dict[str, Any]]] = {
    media.JPEG: ("JPEG", {"quality": 95, "subsampling": 0}),
    media.PNG: ("PNG", {}),
    media.WEBP: ("WEBP", {"quality": 95}),
}
Pixels = npt.NDArray[np.float32]


def mark(path: str, target: str, media_type: str, *, code: str, max_pixels: int) -> None:
    """Write the picture in `path` with `code` (hex of 4 bytes) in it to `target`, in the same format.

    Upright, in sRGB, with its EXIF. Raises Problem media.* and for moving pictures.
    """
    picture = images.decode(Path(path), media_type, max_pixels=max_pixels)
    with Image.open(path) as opened:
        if getattr(opened, "n_frames", 1) > 1 and media_type != media.JPEG:
            raise Problem(
                "asset.watermark_moving",
                "Moving pictures cannot be marked",
                status=422,
                detail="The invisible watermark goes into single pictures.",
                next_step="Register the work without it.",
            )
    shape = picture.convert("RGBA") if "A" in picture.getbands() or "transparency" in picture.info else None
    changed = marked((shape or picture).convert("RGB"), bytes.fromhex(code))
    if shape is not None:
        changed.putalpha(shape.getchannel("A"))
    kind, options = _WRITTEN[media_type]
    changed.save(target, kind, exif=picture.info.get("exif", b""), **options)


def marked(picture: Image.Image, code: bytes) -> Image.Image:
    """An RGB picture (mode "RGB", any size) with `code` (4 bytes) in it, as weakly as it can be read back.

    Raises Problem for a picture that does not take the mark.
    """
    residual = _residual(picture, code)
    tried = []
    for gain in GAINS:
        changed = _added(picture, gain * residual)
        tried.append((errors(code_in(changed), code), changed))
        if not tried[-1][0]:
            return changed
    wrong, least = min(tried, key=lambda one: one[0])
    if wrong <= MAX_WRONG:
        return least
    raise Problem(
        "asset.watermark_lost",
        "This picture does not take the mark",
        status=422,
        detail="The invisible watermark could not be read back from the marked picture.",
        next_step="Register the work without it.",
    )


def _residual(picture: Image.Image, code: bytes) -> Pixels:
    """What the network would change, in levels of 255, red first, shape (256, 256, 3)."""
    small = _scaled(picture)
    data = np.unpackbits(np.frombuffer(code, dtype=np.uint8)).astype(np.float32)[None]
    (answer,) = _session("encoder").run(None, {"frame": _frame(small), "data": data})
    residual: Pixels = 127.5 * (np.clip(answer[0, :, 0], -1, 1).transpose(1, 2, 0)[..., ::-1] - small)
    return residual


def code_in(picture: Image.Image) -> bytes:
    """The four bytes read from an RGB picture; four bytes of chance where there is no mark."""
    (answer,) = _session("decoder").run(None, {"frame": _frame(_scaled(picture))})
    return np.packbits(answer[0] > THRESHOLD).tobytes()


def errors(code: bytes, other: bytes) -> int:
    """Bits that differ."""
    return (int.from_bytes(code) ^ int.from_bytes(other)).bit_count()


def _scaled(picture: Image.Image) -> Pixels:
    """-1 to 1, shape (256, 256, 3), red first."""
    small = picture.resize((EDGE, EDGE), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.float32) / 127.5 - 1


def _frame(small: Pixels) -> Pixels:
    """As the network was trained: one frame of one video, blue first, shape (1, 3, 1, 256, 256)."""
    return np.ascontiguousarray(small[..., ::-1].transpose(2, 0, 1)[None, :, None])


def _added(picture: Image.Image, residual: Pixels) -> Image.Image:
    """residual: levels of 255, shape (256, 256, 3). One channel at a time, to hold little memory."""
    channels = []
    for number, channel in enumerate(picture.split()):
        change = Image.fromarray(np.ascontiguousarray(residual[..., number], dtype=np.float32))
        large = np.asarray(change.resize(picture.size, Image.Resampling.BICUBIC))
        values = np.clip(np.rint(np.asarray(channel, dtype=np.float32) + large), 0, 255)
        channels.append(Image.fromarray(values.astype(np.uint8)))
    return Image.merge("RGB", channels)


@functools.cache
def _session(part: str) -> Any:
    onnxruntime = importlib.import_module("onnxruntime")  # not installed everywhere
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(_weights(part)), options, providers=["CPUExecutionProvider"])


def _weights(part: str) -> Path:
    spec = importlib.util.find_spec("imwatermark")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the weights of the watermark are not installed (requirements/watermark.txt)")
    return Path(spec.submodule_search_locations[0]) / f"rivagan_{part}.onnx"
