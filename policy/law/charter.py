"""The charter: what this office promises about how it works (R11). Versioned texts that the office adopts and signs.

`policy/charter/<version>.<language>.md` came with the software; an office that wants words of its own writes the next
version into `charter/` of its data folder, in every language. A version binds once somebody adopted it: its digests,
signed with the office's key for packs, are an entry of the log, which is all that is kept of it.
"""

import base64
import binascii
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from accounts.models import Role, User
from core import headed_text
from core.headed_text import HeadedText
from core.problems import Conflict, NotFound
from ledger import log, reading
from ledger.events import EventType
from ledger.models import Entry
from policy import authority
from policy.deciding.statement_prose import LANGUAGES
from policy.law import pack_signing

FORMAT: Final = "assay-charter-signature/1"
SHIPPED: Final = Path(__file__).resolve().parent.parent / "charter"
_ROLES = (Role.LEGAL, Role.POLICY_EDITOR, Role.OPERATOR)


@dataclass(frozen=True)
class Adoption:
    """That the office bound itself to a version. holds: this office's key signed these digests, and the files still
    have them.
    """

    version: int
    texts: Mapping[str, str]
    signer: str
    signature: str
    holds: bool
    entry: Entry


def versions() -> list[int]:
    """The versions whose texts are here in every language, ascending."""
    found = [{path.stem for path in _files(language)} for language in LANGUAGES]
    named = [{int(stem.partition(".")[0]) for stem in stems if stem.partition(".")[0].isdigit()} for stems in found]
    return sorted(set.intersection(*named))


def _files(language: str) -> list[Path]:
    return [path for folder in (_own(), SHIPPED) for path in folder.glob(f"*.{language}.md")]


def _own() -> Path:
    return Path(settings.ASSAY_VAR) / "charter"


def text(version: int, language: str) -> HeadedText:
    """The charter's text; the office's own where it has written this version. Raises NotFound."""
    path = _path(version, language)
    return _read(path, path.stat().st_mtime_ns)


def raw(version: int, language: str) -> bytes:
    """The file as it was signed. Raises NotFound."""
    return _path(version, language).read_bytes()


def _path(version: int, language: str) -> Path:
    named = f"{version}.{language}.md"
    found = next((path for folder in (_own(), SHIPPED) if (path := folder / named).is_file()), None)
    if found is None:
        raise NotFound("charter")
    return found


@functools.lru_cache(maxsize=32)
def _read(path: Path, _changed: int) -> HeadedText:
    return headed_text.read(path)


# --- Adopting ------------------------------------------------------------------------------------------------------


def adopt(by: User, version: int) -> Adoption:
    """Bind the office to a version. Raises Forbidden; NotFound; Conflict for the one that is adopted already."""
    authority.may(by, authority.Act.PUBLISH_RULES)
    digests = _digests(version)
    with transaction.atomic():
        now = adopted()
        if now is not None and now.holds and (now.version, now.texts) == (version, digests):
            raise Conflict(f"Version {version} of the charter is adopted already.", code="charter.adopted")
        signature, signer = pack_signing.sign_text(_signed(version, digests))
        log.append(
            EventType.CHARTER_ADOPTED,
            actor=by.actor,
            role=next(role.value for role in _ROLES if by.has_role(role)),
            object=f"charter:{version}",
            facts={
                "version": version,
                "texts": digests,
                "signer": signer,
                "signature": base64.b64encode(signature).decode(),
            },
        )
    found = adopted()
    assert found is not None
    return found


def adopted() -> Adoption | None:
    """What the office is bound to; None before its first adoption. One query, and one to sign in."""
    entry = Entry.objects.filter(type=EventType.CHARTER_ADOPTED).select_related("sequence").order_by("-pk").first()
    return _adoption(entry) if entry else None


def adoptions() -> list[Adoption]:
    """Every one, the newest first."""
    rows = Entry.objects.filter(type=EventType.CHARTER_ADOPTED).select_related("sequence").order_by("-pk")
    return [_adoption(entry) for entry in rows]


def _adoption(entry: Entry) -> Adoption:
    facts: dict[str, Any] = reading.content(entry)["facts"]
    version, texts = facts["version"], facts["texts"]
    signed = pack_signing.verifies(facts["signer"], _signed(version, texts), _decoded(facts["signature"]))
    return Adoption(version, texts, facts["signer"], facts["signature"], signed and _unchanged(version, texts), entry)


def _unchanged(version: int, texts: Mapping[str, str]) -> bool:
    try:
        return _digests(version) == texts
    except NotFound:
        return False


def _digests(version: int) -> dict[str, str]:
    return {language: text(version, language).sha256 for language in LANGUAGES}


def _signed(version: int, digests: Mapping[str, str]) -> bytes:
    lines = [FORMAT, str(version), *(f"{language} {digests.get(language, '')}" for language in LANGUAGES)]
    return ("\n".join(lines) + "\n").encode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
