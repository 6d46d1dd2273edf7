"""Which examinations of a work count today, and for whom: of each detector one, by what serves now."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch

from accounts.models import User
from detection import registry
from detection.models import Finding, ModelVersion, Run

Viewer = User | AnonymousUser | None


def runs_of(viewer: Viewer, *assets: UUID, **filters: Any) -> list[Run]:
    """With their findings, by detector. viewer: None is anyone, who may see these works. filters: of the runs.

    A detector has one run a work: by the version in service or, where that has not looked yet, the latest by a version
    that was not taken out of service. What became experimental since is for reviewers, whatever it was then.
    """
    findings = Prefetch("findings", queryset=Finding.objects.order_by("pk"))
    runs = Run.objects.shown_to(viewer).filter(asset__in=assets, **filters).order_by("detector", "pk")
    kept = _current(runs.prefetch_related(findings))
    return kept if Run.sees_experiments(viewer) else [run for run in kept if not _is_experimental_now(run.detector)]


def _current(runs: Iterable[Run]) -> list[Run]:
    """runs: the oldest first."""
    serving, retired = _serving(), _retired()
    found: dict[tuple[UUID, str], Run] = {}
    for run in runs:
        place = run.asset_id, run.detector
        withdrawn = (run.detector, run.version.partition("+")[2]) in retired
        if _serves(run, serving) or (not withdrawn and not _serves(found.get(place), serving)):
            found[place] = run
    return list(found.values())


def _serves(run: Run | None, serving: Mapping[str, str]) -> bool:
    return run is not None and run.version == serving.get(run.detector)


def _serving() -> dict[str, str]:
    """The version that a run by each detector has today."""
    champions = dict(ModelVersion.objects.filter(stage=ModelVersion.Stage.CHAMPION).values_list("detector", "version"))
    installed = {info.name: info.version for info in registry.all_detectors()}
    return {name: f"{own}+{champions[name]}" if name in champions else own for name, own in installed.items()}


def _retired() -> set[tuple[str, str]]:
    return set(ModelVersion.objects.filter(stage=ModelVersion.Stage.RETIRED).values_list("detector", "version"))


def _is_experimental_now(name: str) -> bool:
    return any(info.name == name and info.experimental for info in registry.all_detectors())
