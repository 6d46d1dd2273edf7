"""What the page of a report shows besides the report's own words: cards, chain, and the registered works it names."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from provenance import restriction
from provenance.models import Asset, Fingerprint, Rendition
from web.assets import is_sealed, refusal_to_show
from web.chain_picture import File, chain_picture, files
from web.findings import Sorted, in_order
from web.verdict_cards import cards
from web.verdicts import verdict

MOST_WORKS = 6


@dataclass(frozen=True)
class Work:
    """A registered work that the report names, as the public may see it now.

    match: its row in the report ({tier, distance, how, algorithm}); comparable: its preview may be laid beside the
    file that was sent, in the browser of whoever sent it.
    """

    asset: Asset
    match: Mapping[str, str]
    preview: Rendition | None
    sealed: bool
    refusal: str

    @property
    def algorithm(self) -> str:
        """How it was found, in words."""
        return dict(Fingerprint.Algorithm.choices).get(self.match["algorithm"], self.match["algorithm"])

    @property
    def sha256(self) -> str:
        """Of the file whose credential is the work's: the signed one, or the one that was never sent."""
        signed = [one.sha256 for one in self.asset.renditions.all() if one.role == Rendition.Role.SIGNED]
        return signed[0] if signed else self.asset.original_sha256

    @property
    def comparable(self) -> bool:
        return self.preview is not None and not self.sealed and not self.refusal


def page_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The context of web/report.html. report: `provenance.verification.Report.as_dict()`."""
    told, silent = cards(report)
    listed = files(report["chain"]) if report["chain"] else []
    return {
        "report": report,
        "sha256": report["file"]["sha256"],
        "verdict": verdict(report),
        "cards": told,
        "silent": silent,
        "chain": listed,
        "chain_picture": _picture(listed),
        "works": list(_works(report)),
        "noticed": noticed(report),
        "as_json": json.dumps(report, indent=2, ensure_ascii=False),
    }


def _picture(listed: list[File]) -> SafeString | None:
    """A file without predecessors is no chain."""
    return chain_picture(listed) if len(listed) > 1 else None


def _works(report: Mapping[str, Any]) -> Iterator[Work]:
    """In the report's order. A work hidden or withheld since the report was made is not there any more."""
    matches = {match["asset_id"]: match for match in report["register"]["matches"]}
    assets = restriction.public().filter(pk__in=list(matches)).prefetch_related("renditions")
    found = {str(asset.pk): asset for asset in assets}
    for key in [key for key in matches if key in found][:MOST_WORKS]:
        asset = found[key]
        previews = [one for one in asset.renditions.all() if one.role == Rendition.Role.PREVIEW]
        preview = previews[0] if previews else None
        yield Work(asset, matches[key], preview, is_sealed(asset), refusal_to_show(asset, None))


def noticed(report: Mapping[str, Any]) -> Sorted:
    """What detectors found in this file, or in the registered work with these very bytes; what was read just now is not
    repeated. Each finding with its `run`.
    """
    runs = report["sections"].get("findings", {}).get("runs", [])
    exact = (report["register"]["exact"] or {}).get("asset_id")
    now = [run for run in runs if run["about"] == "this_file"]
    known = {run["detector"] for run in now}
    before = [run for run in runs if run["asset_id"] and run["asset_id"] == exact and run["detector"] not in known]
    return in_order({**finding, "run": run} for run in (*now, *before) for finding in run["findings"])
