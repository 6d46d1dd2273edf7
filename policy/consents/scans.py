"""The scan log (R24): which software of this office looked at a work, when, and on which basis."""

import datetime as dt
import json
from dataclasses import dataclass

from detection import registry
from detection.models import Run
from detection.permission import NO_BASIS
from policy.consents import bases
from policy.models import ProcessingBasis
from provenance.models import Asset

MOST = 100


@dataclass(frozen=True)
class Look:
    """title: of the detector. refused: it did not look, for want of a basis. basis: “consent” or a ground of law, where
    it looks at people; "" where it does not, or where it looked before bases were recorded.
    """

    detector: str
    title: str
    at: dt.datetime
    refused: bool
    basis: str

    @property
    def ground(self) -> str:
        """The ground of law in words; "" for consent and for none."""
        return dict(ProcessingBasis.Ground.choices).get(self.basis, "")


def looks(asset: Asset) -> list[Look]:
    """The latest first, at most 100. Two queries."""
    titles = {info.name: info.title for info in registry.all_detectors()}
    over = Run.objects.filter(asset=asset, state__in=(Run.State.DONE, Run.State.FAILED)).select_related("entry")
    rows = over.exclude(finished_at=None).order_by("-finished_at")[:MOST]
    return [_look(row, titles.get(row.detector, row.detector)) for row in rows]


def _look(run: Run, title: str) -> Look:
    facts = json.loads(bytes(run.entry.leaf))["facts"] if run.entry else {}
    assert run.finished_at is not None  # the rows that are asked for
    return Look(run.detector, title, run.finished_at, run.error_code == NO_BASIS, str(facts.get("basis", "")))


def is_consent(look: Look) -> bool:
    return look.basis == bases.CONSENT
