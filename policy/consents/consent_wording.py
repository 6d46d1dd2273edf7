"""The texts of the consent notice, by version and language: what a person read is what they are held to.

One file a language in `consent_notices/<version>/`. A text once published is never edited; a change is a new version.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from core.problems import NotFound

FOLDER: Final = Path(__file__).resolve().parent.parent / "consent_notices"
CURRENT: Final = "1"


@dataclass(frozen=True)
class Wording:
    """One version in one language. sha256: of the file. words: its sentences by name, two groups of them by value."""

    version: str
    language: str
    sha256: str
    words: Mapping[str, Any]

    def purpose(self, value: str) -> str:
        """The sentence that asks for one purpose."""
        return str(self.words["purposes"][value])

    def state(self, standing: str) -> str:
        return str(self.words["states"][standing])

    def said(self, state: str) -> str:
        """What the person reads after they answered."""
        return str(self.words["said"][state])


@lru_cache(maxsize=1)
def languages() -> dict[str, str]:
    """Codes of the languages that the notice is there in, and their names in themselves."""
    found = sorted(path.stem for path in (FOLDER / CURRENT).glob("*.yaml"))
    return {code: str(wording(CURRENT, code).words["language"]) for code in sorted(found, key=lambda one: one != "en")}


@lru_cache(maxsize=32)
def wording(version: str, language: str) -> Wording:
    """The text. version "": of consents older than the versions, which read the first. Raises NotFound."""
    path = FOLDER / (version or CURRENT) / f"{language}.yaml"
    known = path.parent.parent == FOLDER and (version or CURRENT).isalnum() and language.isalpha()
    if not known or not path.is_file():
        raise NotFound("consent notice")
    data = path.read_bytes()
    return Wording(version or CURRENT, language, hashlib.sha256(data).hexdigest(), yaml.safe_load(data))
