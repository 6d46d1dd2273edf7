"""Measuring a model that was brought along on files of this office's own, before it is taken in.

A suite is a folder: `real/<source>/…` and `made/<generator>/…`. Every file is scored under every condition in guarded
children; then each source of real files and each generator is held out in turn: the calibration that its row is made
with has not seen it. What is written is what the gate reads (`evaluation.json`) and what serves (`calibration.json`,
fitted on everything). The model itself was made elsewhere; whether it has seen these files nobody here can know, and
a note says so.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from core.guard import Limits
from core.problems import Problem
from detection import calibration, network, trials
from detection.calibration import Calibration
from detection.evaluation import tables
from detection.evaluation.harness import Scored
from detection.evaluation.suite import Item
from provenance import media

_LIMITS: Final = Limits(memory=6 << 30, cpu=600, wall=900.0)
_BATCH: Final = 40  # files a child scores
NOTE: Final = "Made elsewhere: whether it was trained on files like these, or on these, is not known here."


def suite(folder: Path) -> list[Item]:
    """Raises Problem for a folder without two real sources and two generators, which nothing could be held out of."""
    items = [*_items(folder / "real", made=False), *_items(folder / "made", made=True)]
    sources = {item.source for item in items if not item.synthetic}
    generators = {item.generator for item in items if item.synthetic}
    if min(len(sources), len(generators)) < 2:
        raise Problem(
            "model.suite",
            "Too few sources to measure with",
            status=422,
            detail=f"{folder} has {len(sources)} real sources and {len(generators)} generators; it takes two of each.",
            next_step="Put files into real/<source>/ and made/<generator>/.",
        )
    return items


def _items(folder: Path, *, made: bool) -> Iterator[Item]:
    for path in sorted(folder.glob("*/*")):
        if path.is_file() and not path.name.startswith("."):
            name = path.parent.name
            group = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            yield Item(path, synthetic=made, source=name, generator=name if made else "", group=group)


def measure(folder: Path, suite_folder: Path, out: Path) -> None:
    """folder: of `brought.prepared`. Writes both files into `out`. Raises Problem."""
    items = suite(suite_folder)
    scored = _scored(folder, items)
    fitted = fit(scored)
    out.mkdir(parents=True, exist_ok=True)
    fitted.write(out / "calibration.json")
    tables.write(
        out,
        command=f"manage.py model measure --suite {suite_folder.name}",
        seed=tables.SEED,
        rows=rows(scored),
        data=data_of(items),
        calibration=fitted.id,
        threshold=fitted.threshold,
        notes=[NOTE],
    )


def _scored(folder: Path, items: Sequence[Item]) -> list[Scored]:
    files = [str(path) for path in sorted(folder.iterdir()) if path.is_file()]
    scored = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        types = [media.sniff(item.path) for item in batch]
        arguments = {"model": files, "paths": [str(item.path.resolve()) for item in batch], "types": types}
        told = trials.nursery.call("detection.modelchild:score_all", arguments, limits=_LIMITS)
        for item, scores in zip(batch, told, strict=True):
            scored += [Scored(item, name, _number(score)) for name, score in scores.items()]
    return scored


def _number(told: object) -> float:
    return float(told) if isinstance(told, int | float) else float("nan")


def fit(scored: Sequence[Scored], without: str = "") -> Calibration:
    """On files as they are, of every source and generator but `without`. Raises Problem where nothing can be fitted."""
    rows = [one for one in scored if one.condition == calibration.AS_IS and one.score == one.score]
    rows = [one for one in rows if without != _name(one)]
    try:
        return calibration.fit(
            [one.score for one in rows], [int(one.item.synthetic) for one in rows], [_name(one) for one in rows]
        )
    except ValueError as error:
        raise network.refused(f"its scores cannot be calibrated ({error})") from error


def rows(scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """One a source, generator and condition, each by a calibration that has not seen it."""
    made_rows = []
    for name in sorted({_name(one) for one in scored}):
        fitted = fit(scored, without=name) if _can_leave(scored, name) else None
        made = next(one.item.synthetic for one in scored if _name(one) == name)
        split = "leave_one_generator_out" if made else "leave_one_source_out"
        for condition in dict.fromkeys(one.condition for one in scored):
            here = [one for one in scored if one.condition == condition and one.score == one.score]
            held = [one for one in here if _name(one) == name]
            others = [one for one in here if one.item.synthetic != made]
            reals, fakes = (others, held) if made else (held, others)
            made_rows.append(tables.row(reals, fakes, fitted, split=split, held_out=name, condition=condition))
    return made_rows


def _can_leave(scored: Sequence[Scored], name: str) -> bool:
    """Whether what is left can be calibrated: both classes, and two names that can be left out in turn."""
    rest = {(_name(one), one.item.synthetic) for one in scored if _name(one) != name}
    return len({made for _, made in rest}) == 2 and len(rest) >= 3


def _name(one: Scored) -> str:
    return one.item.generator or one.item.source


def data_of(items: Sequence[Item], use: str = "calibrate and test") -> list[dict[str, Any]]:
    """A row of the card for each source and generator, with a digest over its files."""
    told = []
    for name in sorted({item.generator or item.source for item in items}):
        mine = sorted(item.group for item in items if (item.generator or item.source) == name)
        digest = hashlib.sha256(" ".join(mine).encode()).hexdigest()
        about = {"name": name, "version": "this office's own", "sha256": digest, "licence": "held by this office"}
        told.append({**about, "use": use, "items": len(mine)})
    return told
