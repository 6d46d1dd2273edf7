"""Everything that must be there before the office opens. Safe to run again; upper rooms add their steps at start-up."""

from collections.abc import Callable

from django.core.management import call_command

from core import jobs, storage

_more: list[Callable[[], object]] = []


def register(step: Callable[[], object]) -> None:
    """Add a step of an upper room, such as making its keys (called from AppConfig.ready)."""
    _more.append(step)


def prepare(*, static: bool = True) -> None:
    """Bring database, cache table, keys and static files up to date, and repair what a killed process left."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    if static:
        call_command("collectstatic", verbosity=0, interactive=False)
    for step in _more:
        step()
    storage.sweep_uploads()
    jobs.sweep()
