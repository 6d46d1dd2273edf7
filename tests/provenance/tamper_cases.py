"""What may happen to a signed file, and the verdict each change must get (findings on C2PA, 2026-11-22)."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.provenance import tampering
from tests.provenance.signing_desk import Desk

Make = Callable[[Desk, str], bytes]


@dataclass(frozen=True)
class Wanted:
    """code: among those of the verdict it decides; “content” stands for the hash of the format's own kind."""

    presence: str = "embedded"
    integrity: str = "intact"
    ingredients: str = "none"
    code: str = ""

    def code_for(self, media_type: str) -> str:
        content = f"assertion.{'bmffHash' if media_type in tampering.BMFF else 'dataHash'}.mismatch"
        return content if self.code == "content" else self.code


UNTOUCHED = Wanted()
CHANGED = Wanted(integrity="broken", code="content")
GONE = Wanted(presence="none", integrity="absent")

CASES: dict[str, tuple[Make, Wanted]] = {
    "untouched": (lambda desk, kind: desk.signed(kind), UNTOUCHED),
    "pixel bit": (lambda desk, kind: tampering.content_bit(kind, desk.signed(kind), desk.plain(kind)), CHANGED),
    "appended bytes": (lambda desk, kind: tampering.appended(kind, desk.signed(kind)), CHANGED),
    "metadata edit": (lambda desk, kind: tampering.metadata_edited(kind, desk.signed(kind)), CHANGED),
    "assertion edit": (
        lambda desk, kind: tampering.store_replaced(kind, desk.signed(kind), b"c2pa.created", b"c2pa.crEated"),
        Wanted(integrity="broken", code="assertion.hashedURI.mismatch"),
    ),
    "claim edit": (
        lambda desk, kind: tampering.store_replaced(kind, desk.signed(kind), b"xmp.iid:", b"xmp.iie:"),
        Wanted(integrity="broken", code="claimSignature.mismatch"),
    ),
    "signature edit": (
        lambda desk, kind: tampering.signature_edited(kind, desk.signed(kind)),
        Wanted(integrity="broken", code="claimSignature.mismatch"),
    ),
    "ingredient edit": (
        lambda desk, kind: tampering.store_replaced(kind, desk.child(kind), b"c2pa.created", b"c2pa.crEated"),
        Wanted(integrity="broken", ingredients="damaged", code="ingredient.manifest.mismatch"),
    ),
    "stripped": (lambda desk, kind: tampering.stripped(kind, desk.signed(kind)), GONE),
    "re-encoded": (lambda desk, kind: tampering.re_encoded(kind, desk.signed(kind)), GONE),
    "good child": (lambda desk, kind: desk.child(kind), Wanted(ingredients="intact")),
    "tampered ingredient under a good parent": (
        lambda desk, kind: desk.child_of_a_changed_file(kind),
        Wanted(ingredients="damaged", code="content"),
    ),
}
