"""A text for the public in a file: a head between two lines `---` (YAML), then Markdown.

Head: title, summary (one sentence), date, review_due, and history: [{version, date, change}], the newest first.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

# How old a text or a measured figure may be before somebody has to look at it again, in days.
OLDEST: Final = 180


@dataclass(frozen=True)
class Change:
    """A line of a text's history."""

    version: int
    date: dt.date
    words: str


@dataclass(frozen=True)
class HeadedText:
    """language: from the file's name, `<…>.<language>.md`. sha256: of the file's bytes, as they are kept."""

    language: str
    version: int
    title: str
    summary: str
    date: dt.date
    review_due: dt.date
    history: tuple[Change, ...]
    text: str
    sha256: str

    def why_stale(self, day: dt.date) -> str:
        """Why it has to be looked at again by that day; "" if it has not."""
        if day > self.review_due:
            return f"was to be reviewed by {self.review_due}"
        return f"is more than {OLDEST} days old" if (day - self.date).days > OLDEST else ""


def read(path: Path) -> HeadedText:
    """`<version>.<language>.md`. Raises ValueError, naming the file, for a head that is not as above."""
    data = path.read_bytes()
    version, _, language = path.stem.partition(".")
    try:
        _, head, text = data.decode().split("---\n", 2)
        told: Mapping[str, Any] = yaml.safe_load(head)
        return HeadedText(
            language=language,
            version=int(version),
            title=told["title"],
            summary=told["summary"],
            date=told["date"],
            review_due=told["review_due"],
            history=tuple(Change(one["version"], one["date"], one["change"]) for one in told["history"]),
            text=text.strip(),
            sha256=hashlib.sha256(data).hexdigest(),
        )
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name} has no head that can be read: {error}") from error
