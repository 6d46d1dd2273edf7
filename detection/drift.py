"""Whether a detector's scores still look like those it was calibrated on, for each tenant: fifty items are enough to
see.

A flag on a single item did not work when it was tried; a test on a population did (a shifted source at p < 1e-14, a
benign one quiet, detection-methods.md finding 5). So every 50 new scores of one detector on works of one organisation
are compared with a reference, by the two-sample Kolmogorov-Smirnov test and by the population stability index (PSI),
and Holm's correction keeps many windows from raising an alarm by chance.

The reference is `reference.json` of the model in service, which `manage.py model measure` and `model learn` write of
this office's own real files ({"scores": […]}); or, where there is none, the first REFERENCE scores that the model gave
to works of the same organisation: then an alarm means “no longer as it was here”. The networks that come with Assay
have none: they were measured on others' files, and every office would look shifted beside those.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Role, User
from core.canonical import Json
from core.clock import now
from core.health import Check
from core.problems import Forbidden, NotFound, Problem
from detection import drift_alarms, registry, versions
from detection.models import DriftWindow, Finding
from ledger import log as ledger_log
from ledger.events import EventType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

log = structlog.get_logger()

WINDOW: Final = 50
REFERENCE: Final = 200
BINS: Final = 10
ALPHA: Final = 0.01  # of the whole family of tests of one look
ACTOR: Final = "system:detection"
_LOOK: Final = 10_000  # scores of one tenant and detector in one look
_UNREADABLE: Final = (Problem, OSError, ValueError, KeyError, TypeError)  # what a changed model or reference leads to

Scores: TypeAlias = "Sequence[float] | npt.NDArray[np.float64]"


@dataclass(frozen=True)
class Judgement:
    """p of both tests after Holm's correction over everything that was looked at together."""

    ks_p: float
    psi: float
    psi_p: float

    @property
    def shifted(self) -> bool:
        return min(self.ks_p, self.psi_p) < ALPHA


def judge(pairs: Sequence[tuple[Scores, Scores]]) -> list[Judgement]:
    """Each pair is (reference, window). Raises ValueError for one that is empty."""
    from scipy import stats  # not in the web process, which only imports this module

    from detection import metrics

    raw, indices = [], []
    for reference, window in pairs:
        index, p = psi(reference, window)
        indices.append(index)
        raw += [float(stats.ks_2samp(reference, window).pvalue), p]
    corrected = metrics.holm(raw)
    return [Judgement(corrected[2 * n], indices[n], corrected[2 * n + 1]) for n in range(len(pairs))]


def psi(reference: Scores, window: Scores) -> tuple[float, float]:
    """The population stability index over BINS bins of equal mass of the reference, and its p.

    Without a shift PSI / (1/n + 1/m) follows chi-square with BINS - 1 degrees of freedom (Yurdakul & Naranjo,
    “Statistical properties of the population stability index”, 2020); half a count is added to each bin.
    """
    import numpy as np
    from scipy import stats

    if not len(reference) or not len(window):
        raise ValueError("no scores")
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, one, side="right"), minlength=edges.size + 1) for one in (reference, window)
    ]
    before, after = ((one + 0.5) / (one.sum() + 0.5 * one.size) for one in counts)
    index = float(((after - before) * np.log(after / before)).sum())
    scale = 1 / len(reference) + 1 / len(window)
    return index, float(stats.chi2.sf(index / scale, edges.size)) if edges.size else 1.0


# --- In this office --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """The scores of one detector, by one model, on works of one organisation."""

    detector: str
    digest: str
    organisation: UUID | None

    @property
    def source(self) -> str:
        return f"organisation:{self.organisation}" if self.organisation else "organisation:none"

    def findings(self) -> QuerySet[Finding]:
        """Oldest first: ids grow with time. Also those without a score: too small, no face."""
        mine = {"run__detector": self.detector, "run__model_digest": self.digest}
        return (
            Finding.objects.filter(**mine, run__asset__organisation=self.organisation)
            .exclude(calibration="")
            .order_by("pk")
        )


def watch() -> list[DriftWindow]:
    """Judge every full window that was not judged yet, all together. A shifted one is an alarm, with its entry.

    A stream that cannot be read stops no other one: it is left out, and `check` names it.
    """
    waiting: list[tuple[Stream, Scores, list[tuple[UUID, float]]]] = []
    for stream in _streams():
        try:
            reference, fresh = _apart(stream)
        except _UNREADABLE as error:
            log.error("detection.drift_unread", detector=stream.detector, source=stream.source, why=str(error)[:300])
            continue
        starts = range(0, len(fresh) - WINDOW + 1, WINDOW)
        waiting += ((stream, reference, fresh[start : start + WINDOW]) for start in starts)
    judgements = judge([(reference, [score for _, score in window]) for _, reference, window in waiting])
    return [_keep(one[0], one[2], found) for one, found in zip(waiting, judgements, strict=True)]


def _streams() -> Iterator[Stream]:
    keys = ("run__detector", "run__model_digest", "run__asset__organisation")
    found = Finding.objects.exclude(calibration="").order_by(*keys).values_list(*keys).distinct()
    return (Stream(*key) for key in found)


def _apart(stream: Stream) -> tuple[Scores, list[tuple[UUID, float]]]:
    """(reference, what was not judged yet). Nothing is judged before there is a reference."""
    mine = stream.findings()
    brought = _brought_reference(stream)
    own = [] if brought else list(islice(_scores(mine), REFERENCE))
    if not brought and len(own) < REFERENCE:
        return [], []
    last = DriftWindow.objects.filter(detector=stream.detector, digest=stream.digest, source=stream.source)
    newest = last.order_by("-created_at", "-pk").values_list("last_finding", flat=True).first()
    after = newest or (own[-1][0] if own else None)
    fresh = mine.filter(pk__gt=after) if after else mine
    return brought or [score for _, score in own], list(islice(_scores(fresh), _LOOK))


def _scores(findings: QuerySet[Finding]) -> Iterator[tuple[UUID, float]]:
    """log10 likelihood ratio of each file as it is, also where the public answer is “can't say”. A file without a
    score is passed over, and so is a text that a child wrote which is no number.
    """
    for pk, details, score in findings.values_list("pk", "details", "score").iterator():
        shipped = details.get("re_shipped", {})
        text = shipped.get("as_is", score) if isinstance(shipped, Mapping) else score
        try:
            value = float(text)
        except (TypeError, ValueError):
            continue
        if math.isfinite(value):
            yield pk, value


def _unwatched() -> list[str]:
    """Detectors with scores whose reference cannot be read. One stream of a detector stands for all of a model."""
    seen: dict[tuple[str, str], bool] = {}
    for stream in _streams():
        model = stream.detector, stream.digest
        if model not in seen:
            seen[model] = _unreadable(stream)
    return sorted({detector for (detector, _), unreadable in seen.items() if unreadable})


def _unreadable(stream: Stream) -> bool:
    try:
        _brought_reference(stream)
    except _UNREADABLE:
        return True
    return False


def _brought_reference(stream: Stream) -> list[float]:
    """`reference.json` of the model that gave these scores, if it serves now and has one. Raises one of _UNREADABLE."""
    try:
        info = registry.detector(stream.detector)
    except NotFound:  # no longer installed: its old scores are judged by themselves
        return []
    artefact = versions.in_service(stream.detector)
    served = versions.serving_digest(info.model_digest, artefact) if artefact else info.model_digest
    folder = artefact.folder if artefact else registry.ROOM / "detectors" / info.name
    path = folder / registry.REFERENCE
    if served != stream.digest or not path.is_file():
        return []
    scores = [float(one) for one in json.loads(path.read_text())["scores"]]
    if not all(map(math.isfinite, scores)):
        raise ValueError(f"reference.json of {stream.detector} holds what is no number")
    return scores


def _keep(stream: Stream, window: list[tuple[UUID, float]], found: Judgement) -> DriftWindow:
    with transaction.atomic():
        row = DriftWindow(
            detector=stream.detector,
            digest=stream.digest,
            source=stream.source,
            size=len(window),
            last_finding=window[-1][0],
            ks_p=f"{found.ks_p:.3g}",
            psi=f"{found.psi:.3f}",
            psi_p=f"{found.psi_p:.3g}",
            alarmed=found.shifted,
        )
        if found.shifted:
            facts: dict[str, Json] = {"detector": row.detector, "digest": row.digest, "source": row.source}
            figures: dict[str, Json] = {
                "step": "alarmed",
                "size": row.size,
                "ks_p": row.ks_p,
                "psi": row.psi,
                "psi_p": row.psi_p,
            }
            row.entry = ledger_log.append(
                EventType.DRIFT_ALARMED, actor=ACTOR, role="system", object=f"drift:{row.pk}", facts=facts | figures
            )
            log.warning("detection.drift", **facts, ks_p=row.ks_p)
        row.save(force_insert=True)
        if found.shifted:
            drift_alarms.tell_operators(row)
    return row


def clear(detector: str, by: User) -> int:
    """Somebody looked into the open alarms of a detector. Returns how many there were; recorded. Raises Forbidden."""
    if not by.has_role(Role.OPERATOR):
        raise Forbidden("Clearing an alarm needs the role of an operator.", code="model.role")
    alarms = DriftWindow.objects.filter(detector=detector, alarmed=True, cleared_at=None)
    with transaction.atomic():
        for row in alarms:
            ledger_log.append(
                EventType.DRIFT_ALARMED,
                actor=by.actor,
                role=Role.OPERATOR.value,
                object=f"drift:{row.pk}",
                refs=[row.entry] if row.entry else [],
                facts={"detector": row.detector, "digest": row.digest, "step": "cleared"},
            )
        return alarms.update(cleared_at=now())


def check() -> Check:
    """For `core.health`: detectors that cannot be watched, and open alarms."""
    unread = _unwatched()
    if unread:
        return Check(
            "drift",
            False,
            f"The scores of {', '.join(unread)} are not watched: their reference cannot be read, or their model was"
            " changed (manage.py model verify).",
        )
    names = sorted(set(DriftWindow.objects.filter(alarmed=True, cleared_at=None).values_list("detector", flat=True)))
    if not names:
        return Check("drift", True, "the scores of every detector look as they did when it was measured")
    return Check(
        "drift",
        False,
        f"The scores of {', '.join(names)} have shifted. Look at what comes in, then roll back"
        " (manage.py model rollback) or clear the alarm (manage.py model drift --clear).",
    )
