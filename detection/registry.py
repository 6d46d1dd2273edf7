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
from provenance import media

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


_KIND_WORDS = {"image": "pictures", "video": "video", "audio": "sound", "document": "documents", "file": "other files"}


def why_not(info: DetectorInfo, kind: str, media_type: str, *, held: bool = True) -> str:
    """Why this detector cannot examine such a work: words that begin with “not examined”. "" if it can.

    held: whether this office has the file.
    """
    if not held:
        return "not examined: the file was never sent to this office; only its SHA-256 is registered."
    if kind not in info.kinds:
        able = ", ".join(_KIND_WORDS.get(one, one) for one in info.kinds)
        return f"not examined: “{info.title}” reads {able}, not {_KIND_WORDS.get(kind, kind)}."
    if info.about.media_types and media_type not in info.about.media_types:
        return f"not examined: “{info.title}” cannot read files of this kind ({media.name_of(media_type)})."
    return ""


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
