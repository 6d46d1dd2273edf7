"""The way from this process to provenance.parsing: one nursery, the office's limits, Problems coming back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from core.guard import Ask, Limits, Nursery, Unparseable
from core.problems import Problem
from provenance import authority, media, questions, stamping, trust
from provenance.matching import AS_IT_IS, Queries
from provenance.validity import TrustPolicy

log = structlog.get_logger()

_nursery = Nursery("provenance.parsing")
LIMITS = Limits(memory=3 << 30, cpu=60, wall=90.0)
ASKED = Limits(memory=3 << 30, cpu=20, wall=30.0)  # for a question that anybody may ask, with any file
PRESENCES = ("none", "embedded", "detached", "remote", "unreadable")
KINDS = ("image", "video", "audio", "document", "file")
MARKED = frozenset({media.JPEG, media.PNG, media.WEBP})  # what a watermark is put into
MAX_QUERIES, MAX_NOTES, MAX_CODE = 100, 20, 64  # what is believed of a child's answer; a code in bytes


@dataclass(frozen=True)
class Description:
    """What decoding told. width, height: pixels, as shown (orientation applied). fingerprints: algorithm to bytes.

    queries: codes of what the picture may have been made of, [(how, code)] by algorithm. notes: what was not examined,
    and why, in words. There is a preview if `preview_width` is there.
    """

    kind: str
    width: int | None
    height: int | None
    seconds: Decimal | None
    preview_width: int | None
    preview_height: int | None
    fingerprints: dict[str, bytes]
    queries: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def looked_for(self) -> Queries:
        """What to look up: the codes of the file as it is, and those of what it may have been made of."""
        return {**{name: [(AS_IT_IS, code)] for name, code in self.fingerprints.items()}, **self.queries}


def describe(
    path: Path, media_type: str, *, preview: Path, search: bool = False, limits: Limits | None = None
) -> Description:
    """Decode `path` and write a preview JPEG without metadata to `preview`, where the kind has one. Raises Problem.

    search: whether to tell `queries` too.
    """
    told = _nursery.call(
        "provenance.parsing:describe",
        {
            "path": str(path),
            "media_type": media_type,
            "preview": str(preview),
            "max_pixels": settings.ASSAY_MAX_PIXELS,
            "max_seconds": settings.ASSAY_MAX_SECONDS,
            "search": search,
            "mark": search and settings.ASSAY_WATERMARK and media_type in MARKED,
        },
        limits=limits or LIMITS,
    )
    try:
        return _description(told)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        # A hostile file may have taken the child over: what it says is data to check like any upload.
        raise Unparseable("failed") from error


def mark(path: Path, target: Path, media_type: str, code: bytes) -> None:
    """See provenance.watermark.mark. code: four bytes. Raises Problem."""
    arguments = {"path": str(path), "target": str(target), "media_type": media_type, "code": code.hex()}
    _nursery.call("provenance.watermark:mark", {**arguments, "max_pixels": settings.ASSAY_MAX_PIXELS}, limits=LIMITS)


def _description(told: Mapping[str, Any]) -> Description:
    drawn = told["preview"] or {"width": None, "height": None}
    return Description(
        kind=_one_of(told["kind"], KINDS),
        width=_number(told["width"]),
        height=_number(told["height"]),
        seconds=_seconds(told["seconds"]),
        preview_width=_number(drawn["width"]),
        preview_height=_number(drawn["height"]),
        fingerprints={str(name): _code(value) for name, value in told["fingerprints"].items()},
        queries={
            str(name): [(str(how)[:60], _code(value)) for how, value in those][:MAX_QUERIES]
            for name, those in told["queries"].items()
        },
        notes=[str(note)[:300] for note in told["notes"][:MAX_NOTES]],
    )


def _one_of(value: object, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError("not a kind")
    return str(value)


def _number(value: object) -> int | None:
    if value is not None and not (isinstance(value, int) and 0 <= value < 1 << 31):
        raise ValueError("not a number of pixels")
    return value


def _seconds(value: object) -> Decimal | None:
    seconds = None if value is None else Decimal(str(value))
    if seconds is not None and not (seconds.is_finite() and 0 <= seconds < 1_000_000):
        raise ValueError("not a length")
    return seconds


def _code(value: str) -> bytes:
    code = bytes.fromhex(value)
    if not 0 < len(code) <= MAX_CODE:
        raise ValueError("not a code")
    return code


def read_credential(
    path: Path,
    media_type: str,
    *,
    policy: TrustPolicy | None = None,
    manifest: Path | None = None,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """The Content Credentials of `path` as provenance.c2pa.read returns them.

    policy: whom to believe; without one, whom this office believes now. manifest: a manifest store (JUMBF) that
    stands beside the file, to be read instead of what the file carries.
    """
    believed = policy or trust.policy()
    told: Any = _nursery.call(
        "provenance.parsing:read_credential",
        {
            "path": str(path),
            "media_type": media_type,
            "anchors": believed.anchors,
            "manifest": str(manifest) if manifest else "",
            "as_of": believed.as_of.isoformat() if believed.as_of else "",
        },
        limits=limits or LIMITS,
    )
    if not isinstance(told, dict) or told.get("presence") not in PRESENCES:
        raise Unparseable("failed")
    credential: dict[str, Any] = told
    return credential


# --- Signing ---------------------------------------------------------------------------------------------------------


def sign(
    path: Path,
    target: Path,
    media_type: str,
    *,
    manifest: Mapping[str, Any],
    parent: Path | None = None,
    ingredient: Mapping[str, Any] | None = None,
    thumbnail: bool = False,
    update: bool = False,
) -> bytes:
    """Write `path` with `manifest` signed, stamped and embedded to `target`; returns the manifest store (JUMBF bytes).

    parent, ingredient: the file whose credentials are taken in, and how it is described. thumbnail: make one.
    update: an update manifest. Raises Problem; stamping.NotStamped when there is no time-stamp and there must be one.
    """
    arguments = {
        "path": str(path),
        "target": str(target),
        "media_type": media_type,
        "manifest": json.dumps(manifest),
        "parent": str(parent) if parent else "",
        "ingredient": json.dumps(ingredient),
        "thumbnail": thumbnail,
        "update": update,
    }
    return _sign("provenance.parsing:sign", arguments)


def sign_detached(
    sha256: str,
    *,
    manifest: Mapping[str, Any],
    parent: Path | None = None,
    ingredient: Mapping[str, Any] | None = None,
) -> bytes:
    """The manifest store for the file with that SHA-256 (lower-case hex), which need not be here.

    parent, ingredient: the file, when it is here and carries credentials, and how it is described as an ingredient.
    """
    arguments = {
        "sha256": sha256,
        "manifest": json.dumps(manifest),
        "parent": str(parent) if parent else "",
        "ingredient": json.dumps(ingredient),
    }
    return _sign("provenance.parsing:sign_detached", arguments)


def update_detached(store: Path, *, manifest: Mapping[str, Any], ingredient: Mapping[str, Any]) -> bytes:
    """The manifest store in the file `store`, with the update `manifest` on top of it."""
    arguments = {"path": str(store), "manifest": json.dumps(manifest), "ingredient": json.dumps(ingredient)}
    return _sign("provenance.parsing:update_detached", arguments)


def _sign(function: str, arguments: Mapping[str, Any]) -> bytes:
    """Keys stay in this process, and so does the way to the time-stamp authority: the child asks.

    What a person wrote travels inside JSON texts: a title that looks like a path must not open that path to the child.
    """
    stamper = stamping.authority()
    try:
        return _signed(function, arguments, stamper)
    except stamping.NotStamped as problem:
        if not stamper.optional:
            raise
        log.warning("signing.unstamped", why=problem.detail)
        if "target" in arguments:  # a child may write new files only
            Path(arguments["target"]).unlink(missing_ok=True)
        return _signed(function, arguments, None)


def _signed(function: str, arguments: Mapping[str, Any], stamper: stamping.StampAuthority | None) -> bytes:
    office = authority.this_office()
    signer = {
        "chain": office.chain,
        "algorithm": office.algorithm,
        "stamp": stamper is not None,
        "anchors": trust.policy().anchors,
    }
    answers = _Answers(office.signing_answers(), stamper)
    try:
        told = _nursery.call(function, {**arguments, "signer": signer}, limits=LIMITS, ask=answers)
        return bytes.fromhex(told["store"])
    except stamping.NotStamped:  # of this process, never of a child
        raise
    except (Problem, KeyError, TypeError, ValueError) as error:
        if not answers.given and isinstance(error, Problem):
            raise
        # The words of a child that holds a signature may spell it: nothing of them leaves this process.
        log.warning("guarded.not_signed", function=function, given=answers.given)
        raise Unparseable("failed while it was signed") from None


class _Answers:
    """One signature and one time-stamp, to answer a child with that a hostile file may have taken over.

    given: whether it was handed either.
    """

    def __init__(self, sign_it: Ask, stamper: stamping.StampAuthority | None) -> None:
        self._sign_it, self._stamper = sign_it, stamper
        self._stamped = self.given = False

    def __call__(self, question: bytes) -> bytes:
        match question[:1]:
            case questions.SIGN:
                self.given = True
                return self._sign_it(question[1:])
            case questions.STAMP if self._stamper is not None and not self._stamped:
                self._stamped = self.given = True
                return self._stamper.stamp(question[1:])
        log.error("guarded.question_refused", kind=question[:1].hex(), size=len(question))
        raise Unparseable("asked for what it may not have")
