"""Whether the people in a work may be looked at: faces and voices are read only on a recorded basis (R08).

Which detectors read them stands on their cards (`biometric: true`). On which basis is known to a room above; as long
as nobody answers, nothing is looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.problems import Problem
from detection.registry import DetectorInfo
from provenance.models import Asset

NO_BASIS: Final = "processing.no_basis"


@dataclass(frozen=True)
class Permission:
    """basis: “consent” or a ground of law (“gdpr.6.1.f”), "" for none. why: slug of what is missing then."""

    basis: str = ""
    why: str = ""


Gate = Callable[[Asset], Permission]
_gate: list[Gate] = []


def register_permission(gate: Gate) -> None:
    """Called once by the room that knows consent (AppConfig.ready)."""
    _gate[:] = [gate]


def of(asset: Asset) -> Permission:
    """As it stands now."""
    return _gate[0](asset) if _gate else Permission(why="nobody_to_ask")


def words(info: DetectorInfo) -> str:
    """Why the detector did not look. The same whatever is missing: who said no is nobody else's business."""
    return (
        f"not examined: “{info.title}” looks at faces or voices, and there is neither consent of everybody shown nor "
        "another recorded basis for that."
    )


def basis_for(info: DetectorInfo, asset: Asset) -> str:
    """On which basis the detector may look at the work; "" where it looks at no people. Raises Problem `NO_BASIS`."""
    if not info.biometric:
        return ""
    found = of(asset)
    if found.basis:
        return found.basis
    raise Problem(
        NO_BASIS,
        "Nobody’s face or voice is examined without a basis",
        status=403,
        detail=words(info).replace("not", "Not", 1),
        next_step="The owner asks the people shown, for the purpose of examining; then it is tried again.",
        extra={"why": found.why},
    )


def is_refused(info: DetectorInfo, asset: Asset) -> bool:
    return info.biometric and not of(asset).basis
