"""The learning pages as files: `web/learn/<slug>/<version>.<language>.md` (`core.headed_text`).

A version that was published is never edited: a change is a new file in every language, and old ones stay readable.
`web/learn/SHA256SUMS` holds what was published.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core import headed_text
from core.headed_text import HeadedText
from core.problems import NotFound
from web.languages import NAMES

FOLDER: Final = Path(__file__).resolve().parent / "learn"
# In the order in which they are listed: from what is asked first to what is looked up.
TOPICS: Final = (
    "what-deepfakes-are",
    "what-detection-can-do",
    "what-a-credential-proves",
    "if-you-are-shown",
    "consent",
    "how-we-work",
    "your-data",
    "glossary",
)


@dataclass(frozen=True)
class Page:
    """One version of one topic in one language."""

    slug: str
    told: HeadedText


@functools.cache
def every_version() -> Mapping[tuple[str, str], Mapping[int, Page]]:
    """(slug, language) → version → page, the newest first. Read once a process, like the source beside it."""
    return {(slug, language): _versions(slug, language) for slug in TOPICS for language in NAMES}


def _versions(slug: str, language: str) -> dict[int, Page]:
    found = [headed_text.read(path) for path in (FOLDER / slug).glob(f"*.{language}.md")]
    return {one.version: Page(slug, one) for one in sorted(found, key=lambda one: -one.version)}


def page(slug: str, language: str, version: int | None = None) -> Page:
    """The newest version, or that one. Raises NotFound."""
    versions = every_version().get((slug, language), {})
    found = next(iter(versions.values()), None) if version is None else versions.get(version)
    if found is None:
        raise NotFound("page")
    return found


def newest(language: str) -> list[Page]:
    """Every topic as it stands today, in order."""
    return [page(slug, language) for slug in TOPICS]
