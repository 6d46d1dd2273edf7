"""Which detectors there are: every folder under detection/detectors, no list to keep."""

import hashlib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core import jobs
from core.problems import NotFound
from detection import cards, closure, criteria, detectors, weights
from detection.detectors import About, Standing
from provenance import media

ROOM = Path(__file__).resolve().parent
MODEL, MANIFEST, CALIBRATION = "model.onnx", "manifest.json", "calibration.json"
ADAPTER = "adapter.json"  # beside a model that others made: how it is fed
REFERENCE = "reference.json"  # beside a model measured here: what its scores looked like then (`drift`)
# Quick and light: it reads bytes and decodes nothing, so it may run in the web process's nursery while somebody waits.
AT_ONCE = "declared"


@dataclass(frozen=True)
class DetectorInfo:
    """A detector as it is installed. model_digest: “sha256:” and hex, see `digest_of`. card: Markdown. measured: its
    error rates in a sentence, "" without. calibrated: they were measured. standing: whatever it calls itself, too low a
    figure across sources makes it experimental. missing: what it needs and is not installed; it is switched off then.
    biometric: it looks at people’s faces or voices, for which there must be a basis (`detection.permission`).
    """

    about: About
    model_digest: str
    card: str
    measured: str = ""
    calibrated: bool = False
    standing: Standing = Standing.SHIPPED
    missing: tuple[str, ...] = ()
    biometric: bool = False

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
    def reads(self) -> str:
        """“pictures, video”."""
        return ", ".join(_KIND_WORDS.get(one, one) for one in self.kinds)

    @property
    def missing_words(self) -> str:
        """What is missing, for people."""
        return ", ".join(weights.called(one) for one in self.missing)

    @property
    def experimental(self) -> bool:
        """Shown to reviewers only; raises no flag."""
        return self.standing is Standing.EXPERIMENTAL

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
    return tuple(_load(name) for name in _folders())


def abouts() -> tuple[About, ...]:
    """What every installed detector says of itself, by name. Quick: reads no card, no network and no source."""
    return tuple(_about(name) for name in _folders())


def _folders() -> list[str]:
    names = sorted(module.name for module in pkgutil.iter_modules(detectors.__path__) if module.ispkg)
    return [name for name in names if (ROOM / "detectors" / name / cards.CARD).exists()]


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
        return f"not examined: “{info.title}” reads {info.reads}, not {_KIND_WORDS.get(kind, kind)}."
    if info.about.media_types and media_type not in info.about.media_types:
        return f"not examined: “{info.title}” cannot read files of this kind ({media.name_of(media_type)})."
    if info.missing:
        return f"not examined: “{info.title}” is switched off, because {info.missing_words} is not installed."
    return ""


def _load(name: str) -> DetectorInfo:
    about = _about(name)
    if about.name != name:
        raise RuntimeError(f"the detector in folder {name} calls itself {about.name}")
    folder = ROOM / "detectors" / name
    missing = tuple(network for network in about.weights if not weights.is_installed(network))
    card = cards.read(folder)
    return DetectorInfo(
        about=about,
        model_digest=digest_of(folder, decided_by(folder.glob("*.py"))),
        card=cards.markdown(card, refusals=_refusals(about, folder, card)),
        measured=cards.in_short(card),
        calibrated=(folder / CALIBRATION).exists(),
        standing=_standing(about, card),
        missing=missing,
        biometric=card.biometric,
    )


def _about(name: str) -> About:
    about: About = importlib.import_module(f"detection.detectors.{name}").ABOUT
    return about


def _refusals(about: About, folder: Path, card: cards.Card) -> list[str] | None:
    """What the release gate has against the figures of a network; None for rules, which it is not asked about."""
    if not (folder / MODEL).exists():
        return None
    figures = criteria.of_figures(card.evaluation or {}, criteria.grid_of(about.kinds))
    return [f"{one.title}: {one.words}" for one in figures.failed]


def _standing(about: About, card: cards.Card) -> Standing:
    across = cards.cross_source_auc(card)
    too_weak = across is not None and across < cards.SHIPPABLE_AUC
    return Standing.EXPERIMENTAL if too_weak else about.standing


def decided_by(sources: Iterable[Path], room: Path = ROOM) -> dict[str, Path]:
    """By name, what a detector's sources lead to: every source file that they import (`detection.closure`), the
    networks of the detectors among these, and the manifests of the networks made at set-up that those ask.
    """
    found = closure.of(sources, room)
    asked = {path.parent for path in found if path.parent.parent == room / "detectors"}
    named = {path.relative_to(room).as_posix(): path for path in found}
    named |= {path.relative_to(room).as_posix(): path for folder in asked for path in folder.glob("*.onnx")}
    wanted = {name for folder in asked for name in _about(folder.name).weights if weights.is_installed(name)}
    return named | {f"weights/{name}": weights.folder(name) / weights.MANIFEST for name in wanted}


def digest_of(folder: Path | None, decides: Mapping[str, Path]) -> str:
    """SHA-256 over the name and content of every file that decides what a detector computes.

    The files of its folder (source, weights, parameters; not what is said about it: card and evaluation) and what they
    lead to (`decided_by`). Each counts as name, NUL, SHA-256 of the content; so that changing, adding, moving or
    removing one changes the digest.
    """
    own = [path for path in folder.rglob("*") if path.is_file() and not _is_said(path)] if folder else []
    named = {f"shared/{name}": path for name, path in decides.items() if path not in own}
    named |= {path.relative_to(folder).as_posix(): path for path in own if folder}
    digest = hashlib.sha256()
    for name in sorted(named):
        digest.update(name.encode() + b"\0" + hashlib.sha256(named[name].read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"


@lru_cache(maxsize=1)
def brought_digest() -> str:
    """Of what runs a model that others made, in whichever detector's place."""
    return digest_of(None, decided_by([ROOM / "brought_detector.py"]))


def _is_said(path: Path) -> bool:
    return path.suffix == ".md" or path.name in (cards.CARD, cards.EVALUATION) or "__pycache__" in path.parts
