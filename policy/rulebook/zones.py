"""Time zones for deadlines: each offset asked for is recorded, so that a clock recomputes on any host (I14)."""

import datetime as dt
import functools
import importlib.metadata
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

UTC = "UTC"


class Zone:
    """A zone by IANA name. offsets: seconds east of UTC by what was asked ("start", or a local time in ISO form).

    recorded: the offsets of an earlier computing, used instead of this host's time zone database.
    """

    def __init__(self, name: str = UTC, recorded: Mapping[str, int] | None = None) -> None:
        self.name = name
        self.offsets: dict[str, int] = dict(recorded or {})

    def wall(self, instant: dt.datetime) -> dt.datetime:
        """The local time of the instant a clock starts at, naive."""
        instant = instant.astimezone(dt.UTC)
        if self.name == UTC:
            return instant.replace(tzinfo=None)
        if "start" not in self.offsets:
            self.offsets["start"] = _seconds(instant.astimezone(zone(self.name)))
        return instant.replace(tzinfo=None) + dt.timedelta(seconds=self.offsets["start"])

    def instant(self, wall: dt.datetime) -> dt.datetime:
        """The instant of a local time: one that the clocks skip moves on by the gap, of two the earlier counts."""
        if self.name == UTC:
            return wall.replace(tzinfo=dt.UTC)
        key = wall.isoformat()
        if key not in self.offsets:
            self.offsets[key] = _seconds(wall.replace(tzinfo=zone(self.name), fold=0))
        return wall.replace(tzinfo=dt.UTC) - dt.timedelta(seconds=self.offsets[key])


def _seconds(at: dt.datetime) -> int:
    offset = at.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@functools.cache
def zone(name: str) -> zoneinfo.ZoneInfo:
    """Raises ValueError for a name that this host does not know."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error


@functools.cache
def tzdata() -> str:
    """Which time zone database this host reads, as `zoneinfo` looks for it: the system's first, then the package's."""
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / "tzdata.zi").is_file():
            with (folder / "tzdata.zi").open(encoding="utf-8") as file:
                return f"system {file.readline().removeprefix('# version').strip()}"
        if (folder / "Europe").is_dir():
            return "system, version not stated"
    try:
        return f"tzdata {importlib.metadata.version('tzdata')}"
    except importlib.metadata.PackageNotFoundError:
        return "none"
