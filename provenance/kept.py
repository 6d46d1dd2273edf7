"""Reports that somebody asked a lasting link for. The file is not kept, and the report goes after its days."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.clock import now
from core.problems import Conflict, NotFound, Problem
from provenance import descent, restriction
from provenance.models import KeptReport

DAYS = 30  # as the register of personal fields promises (policy.rights.personal_fields)
MAX_BYTES = 1 << 20  # of the report as JSON; the manifests of strangers are quoted in it


def keep(report: Mapping[str, Any]) -> KeptReport:
    """Keep `report` (`verification.Report.as_dict()`, made for the public) for 30 days.

    Whoever has the link can read it; its id has 74 random bits. Raises Problem report.too_large (413), Conflict
    report.not_public for one that names a work the public may not know of.
    """
    if len(json.dumps(report, ensure_ascii=False).encode()) > MAX_BYTES:
        raise _too_large()
    if not _is_public(report):
        raise Conflict(
            "The report names a work that the public does not see.",
            code="report.not_public",
            next_step="Save it as a file instead.",
        )
    until = now() + dt.timedelta(days=DAYS)
    return KeptReport.objects.create(sha256=report["file"]["sha256"], report=dict(report), until=until)


def get(pk: UUID) -> KeptReport:
    """The report, until its day. Raises NotFound afterwards, and while a work that it names is hidden or withheld.

    The whole report is withheld then: its verdicts tell of the work in words, too.
    """
    found = KeptReport.objects.filter(pk=pk, until__gt=now()).first()
    if found is None or not _is_public(found.report):
        raise NotFound("report")
    return found


def delete(pk: UUID) -> None:
    """Take a kept report away before its day. Raises NotFound."""
    if not KeptReport.objects.filter(pk=pk).delete()[0]:
        raise NotFound("report")


def expire() -> int:
    """Delete what is past its day; returns how many. Run by beat once an hour; `get` does not wait for it."""
    return KeptReport.objects.filter(until__lte=now()).delete()[0]


def _is_public(report: Mapping[str, Any]) -> bool:
    register = report["register"]
    named = {one["asset_id"] for one in (*register["matches"], *register.get("claims", ()))}
    if register["exact"]:
        named.add(register["exact"]["asset_id"])
    public = restriction.public().filter(pk__in=named).count() == len(named)
    return public and len(descent.handed_out(named, None)) == len(named)


def _too_large() -> Problem:
    return Problem(
        "report.too_large",
        "The report is too large to be kept",
        status=413,
        detail=f"A kept report has at most {MAX_BYTES >> 20} MiB; this file's credential says more than that.",
        next_step="Save the report as a file instead.",
    )
