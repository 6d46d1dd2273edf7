"""Pictures that the detector of generated pictures is to say nothing about: drawings, screenshots, scans.

A second linear head on the same features tells them from photographs and from what generators make; what it is sure of
is out of domain, and the detector abstains (`detection.weighing`). A distance from the training features alone did not
tell them apart (detection-methods.md, finding 5), so some are shown to it, and others, of other publishers, are kept to
measure how often it abstains.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from detection import metrics
from detection.evaluation.suite import Item, thinned
from detection.training import data
from detection.training.augmentation import Rgb
from detection.training.sources import OUTSIDE

Array = npt.NDArray[np.float64]
MOST = 60  # of each publisher
LEAST_SIDE = 160  # pixels
KEPT_IN = 0.99  # share of photographs and of generated pictures that stay in the domain
LIMIT = 1.0  # of the head’s output `outside`, which is shifted so that its line lies here
PAGES = "written-pages"
_PAGES, _SIDE = 20, (620, 877)  # A4 at 75 dots an inch
_SEED = 11


def items(root: Path) -> list[Item]:
    """What has been fetched (`data`) and the pages that `pages` has made; the source is the publisher."""
    found = [item for item in data.items(root, OUTSIDE) if _is_large(item.path)]
    written = [Item(path, False, PAGES) for path in sorted((root / "simulated" / PAGES).glob("*.png"))]
    return thinned([*found, *written], MOST)


def _is_large(path: Path) -> bool:
    with Image.open(path) as image:
        return min(image.size) >= LEAST_SIDE


def pages(root: Path) -> None:
    """Write pages of text, once: what a scanned letter or a screenshot of text shows."""
    folder = root / "simulated" / PAGES
    folder.mkdir(parents=True, exist_ok=True)
    words = [word for source in OUTSIDE for word in (source.name, source.package, source.licence)]
    for index in range(_PAGES):
        Image.fromarray(_page(words, np.random.default_rng((_SEED, index)))).save(folder / f"{index:02d}.png")


def _page(words: Sequence[str], rng: np.random.Generator) -> Rgb:
    paper, ink = rng.integers(225, 256), rng.integers(0, 90)
    image = Image.new("RGB", _SIDE, (int(paper),) * 3)
    pen, size = ImageDraw.Draw(image), int(rng.integers(11, 20))
    font, left = ImageFont.load_default(size), int(rng.integers(20, 80))
    for top in range(int(rng.integers(20, 90)), _SIDE[1] - 40, int(size * rng.uniform(1.2, 1.9))):
        said = " ".join(rng.choice(words, int(rng.integers(2, 7))))
        pen.text((left, top), said, fill=(int(ink),) * 3, font=font)
    return np.asarray(image)


def line(inside: npt.ArrayLike) -> float:
    """The score above which a picture is out of domain, by the scores of pictures that are not."""
    return float(np.quantile(np.asarray(inside, dtype=np.float64), KEPT_IN))


def abstentions(scores: Mapping[str, npt.ArrayLike]) -> list[dict[str, Any]]:
    """By source: how many of its pictures lie above LIMIT, with the exact interval, as `evaluation.json` keeps it."""
    rows = []
    for source, told in sorted(scores.items()):
        away = np.asarray(told, dtype=np.float64) > LIMIT
        count, total = int(away.sum()), int(away.size)
        rows.append({"source": source, "n": total,
                     "abstained": [count / total, *metrics.rate_interval(count, total)]})  # fmt: skip
    return rows


def note(rows: Sequence[Mapping[str, Any]]) -> str:
    """What `abstentions` found, for the card."""
    told = ", ".join(f"{row['source']} {row['abstained'][0]:.0%} of {row['n']}" for row in rows)
    return f"Says nothing because a picture looks like a drawing, a screenshot or a scan: {told}."
