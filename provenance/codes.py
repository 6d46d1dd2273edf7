"""One plain sentence and one next step for every code a C2PA or CAWG validator gives, and which verdict it belongs to.

Sources: C2PA 2.4 §15.2.2 (standard status codes) with those of 1.0 to 2.3 that old files still carry, and the CAWG
Identity Assertion 1.3, §7.2 and §8. The words live in `provenance.code_words`; this module knows how to look them up.

Codes decide, never the library's one-word state: it calls files “valid” that carry a failure, and “invalid” when
nothing was checked at all.
"""

from typing import Final

from provenance.code_words import NEXT_STEPS, SENTENCES, Step

TRUSTED: Final = "signingCredential.trusted"
UNTRUSTED_CODE: Final = "signingCredential.untrusted"
# Failures of trust alone: the credential is intact, but nobody this office knows vouches for its signer.
UNTRUSTED: Final = frozenset({UNTRUSTED_CODE})
SIGNATURE_VALID: Final = "claimSignature.validated"
SIGNATURE_MISMATCH: Final = "claimSignature.mismatch"
NOT_FOR_MEDIA: Final = "signingCredential.invalid"
HASH_MATCH: Final = "assertion.dataHash.match"
HASH_MISMATCH: Final = "assertion.dataHash.mismatch"
# One of these must have been seen, or the file itself was never compared with its credential.
BOUND: Final = frozenset(
    {
        HASH_MATCH,
        "assertion.bmffHash.match",
        "assertion.boxesHash.match",
        "assertion.collectionHash.match",
        "assertion.multiAssetHash.match",
    }
)
EXPIRED: Final = "signingCredential.expired"
REVOKED: Final = "signingCredential.revoked"
STAMP_TRUSTED: Final = "timeStamp.trusted"
STAMP_UNTRUSTED: Final = "timeStamp.untrusted"
STAMP_VALID: Final = "timeStamp.validated"
INSIDE_VALIDITY: Final = "claimSignature.insideValidity"
OUTSIDE_VALIDITY: Final = "claimSignature.outsideValidity"
REMOTE: Final = "manifest.inaccessible"
UNKNOWN_PROVENANCE: Final = "ingredient.unknownProvenance"
NOT_CHECKED: Final = "assay.notChecked"
UNREADABLE: Final = "assay.unreadable"
NOT_YET: Final = "assay.notYetSigned"
STAMPED_LATER: Final = "assay.stampedLater"
CLAIMED: Final = "assay.claimedByHash"
OTHER_BYTES: Final = "assay.otherBytes"
UNRECORDED: Final = "assay.unrecorded"
IDENTITY_NOT_JUDGED: Final = "assay.identityNotJudged"
SOFT_BINDING_MISMATCH: Final = "assay.softBinding.mismatch"
SOFT_BINDING_MATCH: Final = "assay.softBinding.match"
SOFT_BINDING_UNKNOWN: Final = "assay.softBinding.notCompared"
REVOKED_LATER: Final = "assay.revokedLater"

_TIME: Final = frozenset({EXPIRED, NOT_YET, STAMPED_LATER, INSIDE_VALIDITY, OUTSIDE_VALIDITY})
_REVOCATION: Final = frozenset({REVOKED, REVOKED_LATER, "signingCredential.notRevoked", "signingCredential.unknown"})
_BY_PREFIX: Final = (
    ("cawg.", "identity"),
    ("assay.identity", "identity"),
    ("timeStamp.", "time"),
    ("timeOfSigning.", "time"),
    ("signingCredential.ocsp.", "revocation"),
    ("signingCredential.", "signer"),
    ("ingredient.", "ingredients"),
    ("assay.softBinding.", "soft_binding"),
    (OTHER_BYTES, "whole_file"),
    (UNRECORDED, "whole_file"),
    (REMOTE, "presence"),
    (UNREADABLE, "presence"),
)


def topic(code: str) -> str:
    """The verdict that `code` belongs to, a key of provenance.judgement.verdicts.

    What nobody knows yet counts for integrity: a failure of tomorrow must not pass as a remark.
    """
    if code in _TIME:
        return "time"
    if code in _REVOCATION:
        return "revocation"
    return next((name for prefix, name in _BY_PREFIX if code.startswith(prefix)), "integrity")


def known(code: str) -> bool:
    return code in SENTENCES


def sentence(code: str) -> str:
    """What `code` means, in one sentence."""
    if code in SENTENCES:
        return SENTENCES[code]
    if code.startswith("cawg."):
        return f"A statement about the people behind the file was not confirmed ({code[:80]})."
    return f"The check gave a result that this office has no words for yet ({code[:80]})."


def next_step(code: str) -> str:
    """What somebody who relies on the file can do about `code`, in one sentence."""
    if code in NEXT_STEPS:
        return NEXT_STEPS[code].value
    return Step.IDENTITY.value if code.startswith("cawg.") else Step.UNKNOWN.value


def coded(code: str) -> dict[str, str]:
    """{code, sentence, next_step}: how a verdict shows a code."""
    return {"code": code[:120], "sentence": sentence(code), "next_step": next_step(code)}
