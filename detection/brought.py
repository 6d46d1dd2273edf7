"""Bring your own model: checked, wrapped, registered as a challenger like any other. Nothing is ever unpickled.

A file comes with a card (`detection.cards`, with `preprocessing` as in `detection.adapters`). It is opened in a
guarded child only. What is kept beside it: `adapter.json`, how it is fed; `parity.json`, what it answers to a fixed
input on the machine that took it in; the office's own measurements of it, without which the gate refuses it and its
readings can't say anything.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Final

from django.conf import settings

from accounts.models import User
from core.guard import Limits, Nursery
from core.problems import Problem
from detection import adapters, bom, cards, network, registry, trials, versions
from detection.adapters import Preprocessing
from detection.calibration import Calibration
from detection.models import ModelVersion
from detection.registry import DetectorInfo
from detection.trials import Trial

ADAPTER: Final = registry.ADAPTER
CALIBRATION: Final = "calibration.json"
_KINDS: Final = {"picture": {"image", "video"}, "sound": {"audio"}}
# The first bytes of files that run code when they are opened by what made them.
_PICKLED: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04", b"\x89HDF")
_CONVERT: Final = Limits(memory=12 << 30, cpu=900, wall=1200.0)
_converting = Nursery("detection.training.checkpoints")


def bring(
    file: Path,
    card: Path,
    *,
    detector: str,
    version: str,
    reason: str,
    by: User,
    measured: Path | None = None,
) -> ModelVersion:
    """Take in an ONNX file, or a safetensors file of one of the families, as a challenger for `detector`.

    measured: the folder that `manage.py model measure` wrote. Raises
    Problem for a file, card or measurement that cannot be used, and as `versions.register` does; then nothing is
    kept.
    """
    info = registry.detector(detector)
    with prepared(file, card, info) as folder:
        for name in (cards.EVALUATION, CALIBRATION, registry.REFERENCE):
            if measured is not None:
                _copied(measured / name, folder / name)
        if measured is not None:
            Calibration.read(folder / CALIBRATION)
            _check_measured(folder)
        bom.write(folder, detector, version)
        network.write_manifest(folder)
        return versions.register(folder, detector=detector, version=version, reason=reason, by=by, brought=True)


@contextmanager
def prepared(file: Path, card: Path, info: DetectorInfo) -> Iterator[Path]:
    """A folder with the model, its card and how it is fed, tried out; gone afterwards. Raises Problem."""
    told = _card(card)
    fed = adapters.from_card(told.preprocessing)
    if not _KINDS[fed.kind] & set(info.kinds):
        raise _refused(f"“{info.title}” reads {', '.join(info.kinds)}, and this model a {fed.kind}")
    with tempfile.TemporaryDirectory(dir=Path(settings.ASSAY_VAR) / "scratch") as made:
        folder = Path(made)
        _model(file, folder / network.MODEL, fed)
        network.write_manifest(folder)
        trial = trials.try_file(folder / network.MODEL, shape=fed.shape, parity=False)
        _check_output(trial, fed)
        shutil.copyfile(card, folder / cards.CARD)
        _write(folder / network.PARITY, {"seed": 0, "shape": list(trial.shape), "outputs": _shown(trial)})
        about = {"detector": info.name, "looks_for": info.about.looks_for, "question": info.about.question.value}
        _write(folder / ADAPTER, {"preprocessing": fed.as_dict(), **about})
        network.write_manifest(folder)
        yield folder


def _card(path: Path) -> cards.Card:
    told = cards.read(path.parent, name=path.name)
    if not told.weights or not told.data:
        raise Problem(
            "detection.card_refused",
            "The card is not complete",
            status=422,
            detail="A model that is brought along says in `weights` where it is from, in `data` what it learnt from.",
            next_step="docs/models.md has an example.",
        )
    return told


def _model(file: Path, target: Path, fed: Preprocessing) -> None:
    """The file as ONNX. Looked at from outside only: by its name and its first bytes."""
    try:
        with file.open("rb") as opened:
            start, size = opened.read(16), file.stat().st_size
    except OSError as error:
        raise _refused(f"{file.name} cannot be opened ({error.strerror})") from error
    if start.startswith(_PICKLED):
        raise Problem(
            "model.pickled",
            "This file could run code",
            status=422,
            detail=f"{file.name} is a pickle, a PyTorch archive or the like: opening it runs what is written in it, so"
            " it was not opened.",
            next_step="Export it as ONNX, or save its tensors as safetensors, on the machine where you trust it.",
        )
    if size > network.MAX_MODEL:
        raise _refused(f"it is larger than {network.MAX_MODEL >> 20} MiB")
    if file.suffix == ".safetensors":
        _convert(file, target, fed)
    elif file.suffix == ".onnx":
        shutil.copyfile(file, target)
    else:
        raise _refused("it is neither an .onnx nor a .safetensors file")


def _convert(file: Path, target: Path, fed: Preprocessing) -> None:
    """Tensors alone are no network: their family says which one. PyTorch draws it, so this works where models are
    trained.
    """
    if not fed.family:
        families = ", ".join(adapters.FAMILIES)
        raise _refused(f"safetensors are weights alone, and its card names no `preprocessing.family` ({families})")
    out = target.parent / "out"
    out.mkdir()
    arguments = {"path": str(file.resolve()), "family": fed.family, "out": str(out), "shape": fed.shape}
    try:
        _converting.call("detection.training.checkpoints:to_onnx", arguments, limits=_CONVERT)
        (out / network.MODEL).replace(target)
    except FileNotFoundError as error:
        raise _refused("it could not be turned into ONNX; that needs the packages of requirements/train.txt") from error
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _check_output(trial: Trial, fed: Preprocessing) -> None:
    name = fed.output or next(iter(trial.outputs))
    values = prod(trial.outputs.get(name, [0]))
    wanted = 2 if fed.form in ("logits", "probabilities") else 1
    if values != wanted:
        raise _refused(f"its output {name[:40]!r} has {values} values for one input, and its card means {wanted}")


def _shown(trial: Trial) -> dict[str, list[float]]:
    return {name: [float(f"{value:.7g}") for value in values] for name, values in trial.answers}


def _check_measured(folder: Path) -> None:
    """Raises Problem for an evaluation of another network than the one in `folder`."""
    try:
        told = json.loads((folder / cards.EVALUATION).read_text()).get("model_sha256")
    except (ValueError, AttributeError) as error:
        raise _refused("the evaluation beside it is damaged") from error
    if told != hashlib.sha256((folder / network.MODEL).read_bytes()).hexdigest():
        raise _refused("the evaluation beside it is of another network, or does not say of which")


def _copied(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise _refused(f"{source.name} is missing beside it") from error


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def _refused(why: str) -> Problem:
    return network.refused(why)


def files(folder: Path) -> Sequence[Path]:
    """What a guarded child is named of a prepared folder."""
    return sorted(path for path in folder.iterdir() if path.is_file())
