"""Measuring detectors of edits: pictures edited on purpose, the picture's score and how well the map points.

Trials are written once as PNG, with their masks, and go through the same harness as everything else. Beside each row's
AUC over pictures stands `pixel_auc`: over the edited pictures, the mean chance that an edited place is hotter than an
untouched one of the same picture. 0.5 is chance: edits lie anywhere.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection import conditions, metrics
from detection.calibration import Calibration, Rate
from detection.detectors import Answer
from detection.evaluation import faithfulness, tables
from detection.evaluation.conditions import CONDITIONS, Condition
from detection.evaluation.faithfulness import Pair
from detection.evaluation.harness import Scored
from detection.evaluation.suite import Item
from detection.training import cut_outs, splicing
from detection.training.augmentation import Rgb
from detection.training.photographs import Photograph, photographs, shelves_of
from detection.training.sources import Use, publisher
from detection.training.splicing import CutOut, Edited
from detection.weighing import weigh

Map = npt.NDArray[np.float32]
Look = Callable[[Rgb], tuple[float, Map]]  # the picture's logit, and its map
LARGEST = 448  # pixels a side of a trial
REALS, EACH = 40, 8  # untouched pictures of a publisher, and pictures of each kind of edit
MEASURED = {name: CONDITIONS[name] for name in ("as_is", "jpeg_70", "resize_jpeg_70", "social")}
RARELY = {name: happens for name, happens in CONDITIONS.items() if name not in MEASURED}  # on every third picture
# What changes the frame, so that the mask no longer lies over the picture.
REFRAMED = frozenset({"screenshot", "crop"})
UNTOUCHED = "untouched"
EDITED = 0.3  # of a place that is new, to count as edited


def trials(
    root: Path,
    name: str = "trials",
    *,
    seed: int,
    kinds: Sequence[str] = splicing.KINDS,
    reals: int = REALS,
    each: int = EACH,
) -> list[Item]:
    """Those under root/edits/<name>, made first where there are none."""
    folder = root / "edits" / name
    if not folder.exists():
        partial = folder.with_name(f"{name}.part")
        objects = cut_outs.cut_outs(root, Use.TEST) if splicing.CUT_OUT in kinds else ()
        write_trials(photographs(root), partial, seed=seed, reals=reals, each=each, kinds=kinds, objects=objects)
        partial.rename(folder)
    return [_item(path) for path in sorted(folder.glob("*.png"))]


def _item(path: Path) -> Item:
    source, picture, kind = path.stem.split("~")
    return Item(path, kind != UNTOUCHED, publisher(source), kind if kind != UNTOUCHED else "", f"{source}/{picture}")


def write_trials(
    found: Sequence[Photograph],
    folder: Path,
    *,
    seed: int = 0,
    reals: int = REALS,
    each: int = EACH,
    kinds: Sequence[str] = splicing.KINDS,
    objects: Sequence[CutOut] = (),
) -> list[Item]:
    """Of every publisher up to `reals` untouched crops and `each` of every kind of edit, with its mask beside it.
    objects: to paste, where `kinds` has CUT_OUT."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    items = []
    for shelf in shelves_of(found):
        picked = [shelf[int(index)] for index in rng.permutation(len(shelf))]
        for index, one in enumerate(picked[:reals]):
            donor = picked[(index + 1) % len(picked)]
            chosen = ("", *kinds) if index < each else ("",)
            items += [_written(folder, one, kind, _made(one, donor, kind, objects, rng)) for kind in chosen]
    return items


def _made(
    host: Photograph, donor: Photograph, kind: str, objects: Sequence[CutOut], rng: np.random.Generator
) -> Edited:
    side = min(LARGEST, *host.pixels.shape[:2], *donor.pixels.shape[:2]) // 16 * 16
    start = splicing.aged(host.crop(side, rng), rng, least=70)
    if not kind:
        return splicing.untouched(start)
    if kind == splicing.CUT_OUT:
        return splicing.with_object(start, objects[int(rng.integers(len(objects)))], rng)
    return splicing.edited(start, donor.crop(side, rng), kind, rng)


def _written(folder: Path, host: Photograph, kind: str, made: Edited) -> Item:
    source, _, picture = host.name.partition("/")
    path = folder / f"{source}~{picture.replace('~', '-')}~{kind or UNTOUCHED}.png"
    Image.fromarray(made.pixels.round().clip(0, 255).astype(np.uint8)).save(path)
    Image.fromarray((made.mask * 255).round().clip(0, 255).astype(np.uint8)).save(_mask_path(path), "PNG")
    return _item(path)


def _mask_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.mask")


@dataclass(frozen=True)
class Pointed:
    """How well the map of one edited picture points. pixel_auc: edited against untouched places."""

    item: Item
    condition: str
    held_out: str
    pixel_auc: float


def measure(
    items: Iterable[Item],
    look: Look,
    *,
    held_out: str = "",
    conditions: Mapping[str, Condition] = MEASURED,
    rarely: Mapping[str, Condition] = MappingProxyType({}),
    told: Callable[[int], None] = lambda done: None,
) -> tuple[list[Scored], list[Pointed]]:
    """Every item under every condition, and every third under those in `rarely` as well. told: called with how many
    items are done."""
    scored: list[Scored] = []
    pointed: list[Pointed] = []
    for done, item in enumerate(items, 1):
        rgb, mask = read(item)
        for name, happens in ({**conditions, **rarely} if _third(item) else conditions).items():
            logit, heat = look(happens(rgb))
            scored.append(Scored(item, name, logit, held_out))
            if item.synthetic and name not in REFRAMED:
                pointed += [Pointed(item, name, held_out, value) for value in _pixel_auc(heat, mask)]
        told(done)
    return scored, pointed


def _third(item: Item) -> bool:
    return hashlib.sha256(item.path.name.encode()).digest()[0] % 3 == 0


def read(item: Item) -> tuple[Rgb, Map]:
    """The picture, and its mask in 0…1."""
    with Image.open(item.path) as image, Image.open(_mask_path(item.path), formats=("PNG",)) as mask:
        return np.asarray(image.convert("RGB"), np.uint8), np.asarray(mask, np.float32) / np.float32(255)


def _pixel_auc(heat: Map, mask: Map) -> Iterator[float]:
    """Nothing where the edit is too small or too large for a place of the map."""
    height, width = heat.shape
    small = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BOX))
    inside = small > EDITED
    if inside.any() and not inside.all():
        yield metrics.auc(heat[~inside], heat[inside])


def rows(
    scored: Sequence[Scored], pointed: Sequence[Pointed], calibration: tables.Calibrated | None
) -> list[dict[str, Any]]:
    """Per publisher: its untouched and its edited pictures. Scores with held_out "" are of a network (or a rule) that
    was trained on none of them."""
    told = []
    for condition in dict.fromkeys(one.condition for one in scored):
        for source in sorted({one.item.source for one in scored}):
            mine = [one for one in scored if one.condition == condition and one.item.source == source]
            there = [one for one in pointed if one.condition == condition and one.item.source == source]
            split = "leave_one_source_out" if mine[0].held_out else "unseen"
            told.append(_row(mine, there, calibration, split, source, condition))
    return told


def kind_rows(
    scored: Sequence[Scored],
    pointed: Sequence[Pointed],
    calibration: tables.Calibrated | None,
    kind: str,
    fold: str = "",
) -> list[dict[str, Any]]:
    """One kind of edit, as the fold saw it that had left it out, against the untouched pictures of the same fold."""
    told = []
    split = "leave_one_generator_out" if fold else "unseen"
    for condition in dict.fromkeys(one.condition for one in scored):
        mine = [one for one in scored if one.condition == condition and one.held_out == fold]
        there = [one for one in pointed if one.condition == condition and one.held_out == fold]
        of_kind = [one for one in mine if one.item.generator in ("", kind)]
        maps = [one for one in there if one.item.generator == kind]
        told.append(_row(of_kind, maps, calibration, split, kind, condition))
    return told


def cells(pointed: Sequence[Pointed]) -> list[dict[str, Any]]:
    """Pixel AUC of every publisher, kind of edit and condition: [mean, low, high], bootstrapped over photographs."""
    keys = sorted({(one.held_out == "", one.item.source, one.item.generator, one.condition) for one in pointed})
    told = []
    for unseen, source, kind, condition in keys:
        mine = [
            one for one in pointed if (one.item.source, one.item.generator, one.condition) == (source, kind, condition)
        ]
        split = "unseen" if unseen else "leave_one_source_out"
        told.append({"split": split, "source": source, "kind": kind, "condition": condition, "n": len(mine),
                     "pixel_auc": _mean(mine)})  # fmt: skip
    return told


def _row(
    scored: Sequence[Scored],
    pointed: Sequence[Pointed],
    calibration: tables.Calibrated | None,
    split: str,
    held_out: str,
    condition: str,
) -> dict[str, Any]:
    reals, fakes = ([one for one in scored if one.item.synthetic == synthetic] for synthetic in (False, True))
    row = tables.row(reals, fakes, calibration, split=split, held_out=held_out, condition=condition)
    return {**row, "pixel_auc": _mean(pointed)}


def _mean(pointed: Sequence[Pointed], rounds: int = 1000) -> list[float] | None:
    """Mean and its 95 % interval, bootstrapped over photographs."""
    if not pointed:
        return None
    groups = sorted({one.item.group for one in pointed})
    sums = np.array([[sum(p.pixel_auc for p in pointed if p.item.group == g) for g in groups],
                     [sum(p.item.group == g for p in pointed) for g in groups]], dtype=np.float64)  # fmt: skip
    drawn = np.random.default_rng(tables.SEED).integers(0, len(groups), (rounds, len(groups)))
    means = sums[0][drawn].sum(axis=1) / sums[1][drawn].sum(axis=1)
    return [float(sums[0].sum() / sums[1].sum()), *(float(edge) for edge in np.quantile(means, [0.025, 0.975]))]


def rates(told: Sequence[Mapping[str, Any]]) -> list[Rate]:
    """What a calibration keeps of rows that are per publisher."""
    return [
        Rate(
            row["condition"],
            row["held_out"],
            row["n_real"],
            row["n_fake"],
            fpr=row["fpr"][0] if row["fpr"] else None,
            tpr=row["tpr"][0] if row["tpr"] else None,
            fpr_interval=(row["fpr"][1], row["fpr"][2]) if row["fpr"] else None,
            tpr_interval=(row["tpr"][1], row["tpr"][2]) if row["tpr"] else None,
            abstained=row["abstained"],
        )
        for row in told
    ]


def notes(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each publisher and kind of edit: how well the map points, under each condition."""
    lines: dict[str, list[str]] = {}
    for row in told:
        if row.get("pixel_auc"):
            value, low, high = row["pixel_auc"]
            name = conditions.words(row["condition"])
            lines.setdefault(row["held_out"], []).append(f"{name} {value:.2f} ({low:.2f} to {high:.2f})")
    return [f"Map, {held_out}, pixel AUC: {'; '.join(parts)}." for held_out, parts in lines.items()]


PUBLIC = ("as_is", "jpeg_70", "resize_jpeg_70")  # where the false-positive rate is promised


def in_public(items: Iterable[Item], look: Look, calibration: Calibration) -> list[dict[str, Any]]:
    """How many untouched pictures of each source get the answer “signals” as it is given in public, after asking again
    of re-shipped copies (`detection.weighing`): count, of how many, and the exact interval of the share."""
    answers: dict[tuple[str, str], list[bool]] = {}
    for item in items:
        if not item.synthetic:
            rgb, _ = read(item)
            for name in PUBLIC:
                told = weigh(lambda one: look(one)[0], CONDITIONS[name](rgb), calibration)
                answers.setdefault((item.source, name), []).append(told.answer is Answer.SIGNALS)
    return [
        {"source": source, "condition": name, "signals": sum(told), "n": len(told),
         "interval": list(metrics.rate_interval(sum(told), len(told)))}
        for (source, name), told in sorted(answers.items())
    ]  # fmt: skip


def public_notes(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for the card."""
    parts = [f"{one['source']}, {conditions.words(one['condition'])}: {one['signals']} of {one['n']}" for one in told]
    return [f"Untouched photographs that the public answer, after re-shipping, called signals: {'; '.join(parts)}."]


PAIRED = 256  # pixels a side of a pair


def pairs(found: Sequence[Photograph], *, each: int, seed: int, kinds: Sequence[str] = splicing.KINDS) -> list[Pair]:
    """Of every publisher `each` of every kind of edit, beside the picture as it was before."""
    rng = np.random.default_rng(seed)
    made = []
    for shelf in shelves_of(found):
        for index, one in enumerate(rng.permutation(len(shelf))[: each * len(kinds)]):
            donor = shelf[int(rng.integers(len(shelf)))].crop(PAIRED, rng)
            start = splicing.aged(shelf[int(one)].crop(PAIRED, rng), rng, least=70).round()
            done = splicing.edited(start, donor, kinds[index % len(kinds)], rng)
            made.append(Pair(_whole(done.pixels), _whole(start), done.mask > EDITED))
    return made


def _whole(pixels: splicing.Pixels) -> Rgb:
    return pixels.round().clip(0, 255).astype(np.uint8)


def faithful(found: Sequence[Photograph], look: Look, *, each: int, seed: int, **more: Any) -> dict[str, Any]:
    """Deletion and insertion with the maps of `look` beside shuffled ones (`detection.evaluation.faithfulness`)."""
    made = pairs(found, each=each, seed=seed, **more)
    told = faithfulness.measured(lambda rgb: look(rgb)[0], lambda rgb: look(rgb)[1], made, seed=seed)
    return told.as_dict()
