"""Measuring a model that was brought along on files of this office's own, before it is taken in.

A suite is a folder: `real/<source>/…` and `made/<generator>/…`. Every file is scored under every condition in guarded
children; then each source of real files and each generator is held out in turn: the calibration that its row is made
with has not seen it. What is written is what the gate reads (`evaluation.json`) and what serves (`calibration.json`,
fitted on everything). The model itself was made elsewhere; whether it has seen these files nobody here can know, and
a note says so.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from core.guard import Limits
from core.problems import Problem
from detection import calibration, network, registry, trials
from detection.calibration import Calibration, Domain
from detection.evaluation import tables
from detection.evaluation.harness import Scored, of
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
    """folder: of `brought.prepared`. Writes evaluation, calibration and reference into `out`. Raises Problem.

    A file must be as the detector wants it whose network this model replaces: its domain goes over to it, but for what
    that network itself sees of a file.
    """
    items = suite(suite_folder)
    scored = _scored(folder, items)
    detector = json.loads((folder / registry.ADAPTER).read_text())["detector"]
    domain = replace(domain_of(registry.ROOM / "detectors" / detector), mean=(), scale=(), limit=0.0)
    fitted, measured = fit(scored, domain=domain), rows(scored)
    out.mkdir(parents=True, exist_ok=True)
    fitted.with_error_rates(list(tables.rates(measured))).write(out / registry.CALIBRATION)
    write_reference(out, scored, fitted)
    tables.write(
        out,
        command=f"manage.py model measure --suite {suite_folder.name}",
        seed=tables.SEED,
        rows=measured,
        data=data_of(items),
        calibration=fitted.id,
        threshold=fitted.threshold,
        notes=[NOTE],
        model_sha256=hashlib.sha256((folder / registry.MODEL).read_bytes()).hexdigest(),
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


def domain_of(folder: Path) -> Domain:
    """What a file must be like for the model in this folder; anything, where it has no calibration. Raises Problem."""
    found = Calibration.beside(folder)
    return found.domain if found else Domain()


def fit(scored: Sequence[Scored], without: str = "", *, domain: Domain | None = None) -> Calibration:
    """On files as they are, of every source and generator but `without`. Raises Problem where nothing can be fitted."""
    rows = [one for one in scored if one.condition == calibration.AS_IS and one.score == one.score]
    rows = [one for one in rows if without != _name(one)]
    try:
        return calibration.fit(
            [one.score for one in rows],
            [int(one.item.synthetic) for one in rows],
            [_name(one) for one in rows],
            domain=domain,
        )
    except ValueError as error:
        raise network.refused(f"its scores cannot be calibrated ({error})") from error


def write_reference(out: Path, scored: Sequence[Scored], fitted: Calibration) -> None:
    """What the scores of real files looked like here, as they are, for `detection.drift`: log10 likelihood ratios."""
    reals = of(scored, condition=calibration.AS_IS, synthetic=False)
    scores = [round(fitted.llr(one.score)[0], 3) for one in reals]
    (out / registry.REFERENCE).write_text(json.dumps({"scores": scores}) + "\n")


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
