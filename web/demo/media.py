"""The demo's media: real photographs (credits beside them), and one picture that declares itself synthetic."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import storage
from core.guard import Nursery
from core.storage import Scratch

PHOTOGRAPHS = Path(__file__).resolve().parent / "photographs"

# What a widely used image generator writes into its files.
DECLARATION = "a cat on a chair, soft light\nSteps: 30, Sampler: Euler a, CFG scale: 7, Seed: 1234, Model: demo"

_nursery = Nursery("PIL.Image", "web.demo.media")


def photograph(name: str) -> Path:
    """A credited photograph by its name without suffix."""
    return PHOTOGRAPHS / f"{name}.jpg"


@contextmanager
def as_upload(path: Path) -> Iterator[Scratch]:
    """The file as it would arrive in an upload."""
    with path.open("rb") as file, storage.receive(iter(lambda: file.read(storage.CHUNK), b"")) as scratch:
        yield scratch


def make_declared_synthetic(target: Path) -> Path:
    """Write a PNG whose text declares a generator, drawn from the cat's photograph."""
    _nursery.call("web.demo.media:draw_synthetic", {"source": str(photograph("cat")), "target": str(target)})
    return target


def make_recompressed(source: Path, target: Path) -> Path:
    """What a social network does: smaller, compressed again, every credential gone."""
    _nursery.call("web.demo.media:recompress", {"source": str(source), "target": str(target)})
    return target


def draw_synthetic(source: str, target: str) -> None:
    """Runs in a guarded child: the web process decodes no image."""
    from PIL import Image, ImageFilter, ImageOps, PngImagePlugin

    with Image.open(source) as image:
        drawn = ImageOps.posterize(image.convert("RGB").filter(ImageFilter.SMOOTH_MORE), 5)
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", DECLARATION)
    drawn.save(target, pnginfo=text)


def recompress(source: str, target: str) -> None:
    """Runs in a guarded child."""
    from PIL import Image

    with Image.open(source) as image:
        small = image.convert("RGB").resize((image.width * 2 // 3, image.height * 2 // 3))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=70)
    Path(target).write_bytes(written.getvalue())
