"""Where `manage.py train` and `manage.py evaluate` leave what they make: a folder that `manage.py model register` takes
in. What serves stays what it was.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from core.problems import Conflict, Problem
from detection import cards, registry

# What is made anew; kept from the installed detector, it would be said of another network.
_MADE = (registry.MODEL, registry.MANIFEST, "parity.json", cards.EVALUATION)


def folder_for(root: Path, name: str, chosen: Path | None, *, into_tree: bool) -> Path:
    """root: of the training data. chosen: by who calls, None for root/made/<name>. Raises Problem."""
    if into_tree:
        return registry.ROOM / "detectors" / name
    if chosen is not None and chosen.resolve().is_relative_to(registry.ROOM):
        raise Problem(
            "model.into_tree",
            "That is where the installed detectors are",
            status=422,
            detail=f"What lies in {chosen} serves at once, past signature and gate.",
            next_step="Choose another folder, or --into-tree if you maintain Assay's own networks.",
        )
    return chosen or root / "made" / name


def begun(folder: Path, name: str, *, again: bool = False) -> Path:
    """A folder with what a new network of this detector comes with: its card, and networks that are not trained again.

    again: whether what was made there before may go. In the tree: the folder as it is. Raises Conflict for a folder
    that holds something.
    """
    beside = registry.ROOM / "detectors" / name
    if folder == beside:
        return folder
    if again:
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} holds something.", code="model.made", next_step="Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for path in _data(beside):
        if path.name not in _MADE and not path.name.endswith(registry.CALIBRATION):
            shutil.copyfile(path, folder / path.name)
    return folder


def measured(folder: Path, name: str) -> Path:
    """The folder as `train` left it; where it is not there, a new one with the files of the installed detector."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for path in _data(registry.ROOM / "detectors" / name):
            shutil.copyfile(path, folder / path.name)
    return folder


def _data(beside: Path) -> Iterator[Path]:
    """What a detector's folder holds besides its source."""
    return (path for path in sorted(beside.iterdir()) if path.is_file() and path.suffix != ".py")
