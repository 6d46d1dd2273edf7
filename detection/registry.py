"""Which detectors there are: every folder under detection/detectors, no list to keep."""

import hashlib
import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.problems import NotFound
from detection import detectors
from detection.detectors import About

ROOM = Path(__file__).resolve().parent
# What every detector's result depends on.
SHARED = ("detectors/__init__.py",)


@dataclass(frozen=True)
class DetectorInfo:
    """A detector as it is installed. model_digest: “sha256:” and hex, see `digest_of`. card: Markdown."""

    about: About
    model_digest: str
    card: str
    calibrated: bool = False

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def title(self) -> str:
        return self.about.title

    @property
    def version(self) -> str:
        return self.about.version

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.about.kinds

    @property
    def function(self) -> str:
        """What the nursery calls."""
        return f"detection.detectors.{self.name}.detector:examine"


@lru_cache(maxsize=1)
def all_detectors() -> tuple[DetectorInfo, ...]:
    """Every installed detector, by name. Read once a process, like the source it describes."""
    names = sorted(module.name for module in pkgutil.iter_modules(detectors.__path__) if module.ispkg)
    return tuple(_load(name) for name in names)


def detector(name: str) -> DetectorInfo:
    """The detector called `name`. Raises NotFound."""
    for info in all_detectors():
        if info.name == name:
            return info
    raise NotFound("detector")


def for_kind(kind: str) -> tuple[DetectorInfo, ...]:
    """The detectors that read media of this kind (“image”, “video”)."""
    return tuple(info for info in all_detectors() if kind in info.kinds)


def _load(name: str) -> DetectorInfo:
    about: About = importlib.import_module(f"detection.detectors.{name}").ABOUT
    if about.name != name:
        raise RuntimeError(f"the detector in folder {name} calls itself {about.name}")
    folder = ROOM / "detectors" / name
    shared = [ROOM / file for file in (*SHARED, *about.shares)]
    return DetectorInfo(about, digest_of(folder, shared), (folder / "card.md").read_text())


def digest_of(folder: Path, shared: Iterable[Path] = ()) -> str:
    """SHA-256 over the name and content of every file that decides what a detector computes.

    The files of its folder (source, weights, parameters; not its card) and the shared source files, by name. Each
    counts as name, NUL, SHA-256 of the content; so that changing, adding, moving or removing one changes the digest.
    """
    own = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".md" and "__pycache__" not in path.parts
    ]
    named = {path.relative_to(folder).as_posix(): path for path in own}
    named |= {f"shared/{path.name}": path for path in shared}
    digest = hashlib.sha256()
    for name in sorted(named):
        digest.update(name.encode() + b"\0" + hashlib.sha256(named[name].read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"
