"""Which detectors there are: every folder under detection/detectors, no list to keep."""

import hashlib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core import jobs
from core.problems import NotFound
from detection import cards, detectors, weights
from detection.detectors import About, Standing
from provenance import media

ROOM = Path(__file__).resolve().parent
# What every detector's result depends on.
SHARED = ("detectors/__init__.py",)
CALIBRATION = "calibration.json"
# Quick and light: it reads bytes and decodes nothing, so it may run in the web process's nursery while somebody waits.
AT_ONCE = "declared"


@dataclass(frozen=True)
class DetectorInfo:
    """A detector as it is installed. model_digest: “sha256:” and hex, see `digest_of`. card: Markdown. calibrated: its
    error rates have been measured. missing: what it needs and is not installed; it is switched off then.
    """

    about: About
    model_digest: str
    card: str
    calibrated: bool = False
    missing: tuple[str, ...] = ()

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
    def experimental(self) -> bool:
        """Shown to reviewers only; raises no flag."""
        return self.about.standing is Standing.EXPERIMENTAL

    @property
    def is_slow(self) -> bool:
        """It asks networks: not while somebody waits, and by a worker of its own."""
        return self.about.queue == jobs.INFER

    @property
    def function(self) -> str:
        """What the nursery calls."""
        return f"detection.detectors.{self.name}.detector:examine"


@lru_cache(maxsize=1)
def all_detectors() -> tuple[DetectorInfo, ...]:
    """Every installed detector, by name: a folder without a card is none. Read once a process, like the source it
    describes.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(detectors.__path__) if module.ispkg)
    return tuple(_load(name) for name in names if (ROOM / "detectors" / name / cards.CARD).exists())


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
    if info.missing:
        return f"not examined: “{info.title}” is switched off, because {', '.join(info.missing)} is not installed."
    return ""


def _load(name: str) -> DetectorInfo:
    about: About = importlib.import_module(f"detection.detectors.{name}").ABOUT
    if about.name != name:
        raise RuntimeError(f"the detector in folder {name} calls itself {about.name}")
    folder = ROOM / "detectors" / name
    shared = [ROOM / file for file in (*SHARED, *about.shares)]
    missing = tuple(module for module in about.needs if not _is_installed(module))
    missing += tuple(network for network in about.weights if not weights.is_installed(network))
    calibrated = (folder / CALIBRATION).exists()
    return DetectorInfo(about, digest_of(folder, shared), cards.markdown(cards.read(folder)), calibrated, missing)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package whose module it would be
        return False


def digest_of(folder: Path, shared: Iterable[Path] = ()) -> str:
    """SHA-256 over the name and content of every file that decides what a detector computes.

    The files of its folder (source, weights, parameters; not what is said about it: card and evaluation) and the
    shared source files, by name. Each counts as name, NUL, SHA-256 of the content; so that changing, adding, moving or
    removing one changes the digest.
    """
    own = [path for path in folder.rglob("*") if path.is_file() and not _is_said(path)]
    named = {path.relative_to(folder).as_posix(): path for path in own}
    named |= {
        f"shared/{path.relative_to(ROOM).as_posix() if path.is_relative_to(ROOM) else path.name}": path
        for path in shared
    }
    digest = hashlib.sha256()
    for name in sorted(named):
        digest.update(name.encode() + b"\0" + hashlib.sha256(named[name].read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"


def _is_said(path: Path) -> bool:
    return path.suffix == ".md" or path.name in (cards.CARD, cards.EVALUATION) or "__pycache__" in path.parts
