"""One plain sentence for every code a C2PA validator gives (C2PA 2.4 §15.2.2), and what each of them decides.

Codes decide, never the library's one-word state: it calls files “valid” that carry a failure, and “invalid” when
nothing was checked at all.
"""

from typing import Final

# Failures of trust alone: the credential is intact, but nobody this office knows vouches for its signer.
UNTRUSTED: Final = frozenset({"signingCredential.untrusted"})
TRUSTED: Final = "signingCredential.trusted"
SIGNATURE_VALID: Final = "claimSignature.validated"
# One of these must have been seen, or the file itself was never compared with its credential.
BOUND: Final = frozenset(
    {
        "assertion.dataHash.match",
        "assertion.bmffHash.match",
        "assertion.boxesHash.match",
        "assertion.collectionHash.match",
    }
)
NOT_CHECKED: Final = "assay.notChecked"
UNREADABLE: Final = "assay.unreadable"
REMOTE: Final = "manifest.inaccessible"

_CHANGED = "The file was changed after it was signed: its content no longer matches the credential."

SENTENCES: Final[dict[str, str]] = {
    # Integrity of the file
    "assertion.dataHash.match": "The content of the file is the one that was signed.",
    "assertion.bmffHash.match": "The content of the video is the one that was signed.",
    "assertion.boxesHash.match": "The content of the file is the one that was signed.",
    "assertion.collectionHash.match": "The files of this collection are the ones that were signed.",
    "assertion.dataHash.mismatch": _CHANGED,
    "assertion.bmffHash.mismatch": _CHANGED,
    "assertion.boxesHash.mismatch": _CHANGED,
    "assertion.collectionHash.mismatch": _CHANGED,
    "assertion.boxesHash.unknownBox": "The file holds a part that its credential does not know.",
    "assertion.dataHash.malformed": "The part of the credential that names the file's content is damaged.",
    "assertion.bmffHash.malformed": "The part of the credential that names the video's content is damaged.",
    "assertion.dataHash.additionalExclusionsPresent": "The credential leaves parts of the file unprotected.",
    "assertion.bmffHash.additionalExclusionsPresent": "The credential leaves parts of the video unprotected.",
    "hardBindings.missing": "The credential does not say which content it belongs to.",
    "assertion.multipleHardBindings": "The credential names its content more than once, which is not allowed.",
    # Integrity of the credential
    "claimSignature.validated": "The signature over the credential is correct.",
    "claimSignature.insideValidity": "It was signed while the signer's certificate was in force.",
    "claimSignature.outsideValidity": "It was signed outside the time in which the signer's certificate was in force.",
    "claimSignature.mismatch": "The credential was changed after it was signed: its signature does not fit.",
    "claimSignature.missing": "The credential has no signature.",
    "claim.missing": "The credential's statement is missing.",
    "claim.multiple": "The credential has more than one statement, which is not allowed.",
    "claim.malformed": "The credential's statement is damaged.",
    "claim.cbor.invalid": "The credential's statement cannot be read.",
    "claim.hardBindings.missing": "The credential does not say which content it belongs to.",
    "claim.required.missing": "A required part of the credential is missing.",
    "assertion.hashedURI.match": "A statement in the credential is the one that was signed.",
    "assertion.hashedURI.mismatch": "A statement inside the credential was changed after it was signed.",
    "assertion.missing": "A statement of the credential is missing.",
    "assertion.undeclared": "The credential holds a statement that its signer did not list.",
    "assertion.inaccessible": "A statement of the credential is kept elsewhere and was not looked up.",
    "assertion.notRedacted": "A statement that should have been removed is still there.",
    "assertion.selfRedacted": "The credential removes a statement of its own, which is not allowed.",
    "assertion.required.missing": "A required statement of the credential is missing.",
    "assertion.json.invalid": "A statement of the credential cannot be read.",
    "assertion.cbor.invalid": "A statement of the credential cannot be read.",
    "assertion.outsideManifest": "A statement of the credential points outside of it.",
    "assertion.external.created": "A statement kept elsewhere is presented as the signer's own.",
    "assertion.action.ingredientMismatch": "The credential says what was opened, but not which earlier file that was.",
    "assertion.action.malformed": "What the credential says was done to the file cannot be read.",
    "assertion.action.redacted": "What was done to the file was removed from the credential, which is not allowed.",
    "assertion.action.redactionMismatch": "The credential records a removal that does not fit.",
    "assertion.action.skipped": "The credential names an action that this office does not judge.",
    "assertion.ingredient.malformed": "What the credential says about an earlier file is damaged.",
    "assertion.cloud-data.hardBinding": "The credential keeps its link to the content elsewhere, which is not allowed.",
    "assertion.cloud-data.labelMismatch": "A statement kept elsewhere is not the one that is named.",
    "assertion.cloud-data.malformed": "A statement kept elsewhere is described wrongly.",
    "assertion.cloud-data.actions": "The credential keeps its list of actions elsewhere, which is not allowed.",
    "manifest.inaccessible": (
        "The credential of this file is kept at another address. This office never opens addresses it finds in files, "
        "so it cannot judge it."
    ),
    "manifest.multipleParents": "The credential names more than one direct predecessor, which is not allowed.",
    "manifest.update.invalid": "A later addition to the credential is not allowed.",
    "manifest.update.wrongParents": "A later addition to the credential does not name what it adds to.",
    "manifest.compressed.invalid": "The compressed credential cannot be read.",
    "manifest.timestamp.invalid": "A time-stamp that was added later is not correct.",
    "manifest.timestamp.wrongParents": "A time-stamp that was added later does not name what it belongs to.",
    "manifest.unknownProvenance": "Where this file comes from is not recorded.",
    "manifest.unreferenced": "The file holds a credential that nothing refers to.",
    "algorithm.unsupported": "The credential uses a method that this office does not know.",
    "algorithm.deprecated": "The credential uses a method that is being given up.",
    "general.error": "The credential could not be checked.",
    # The signer
    "signingCredential.trusted": "The signer's certificate is on a list that this office trusts.",
    "signingCredential.untrusted": "This office does not know the signer: no list it trusts has the certificate.",
    "signingCredential.invalid": "The signer's certificate may not be used for signing media.",
    "signingCredential.expired": (
        "The signer's certificate has expired, and no trusted time-stamp shows that it was signed before that."
    ),
    "signingCredential.revoked": "The signer's certificate was withdrawn by whoever issued it.",
    "signingCredential.notRevoked": "The signer's certificate was not withdrawn.",
    "signingCredential.unknown": "Whether the signer's certificate was withdrawn could not be found out.",
    "signingCredential.ocsp.skipped": "Whether the signer's certificate was withdrawn was not looked up.",
    "signingCredential.ocsp.notRevoked": "The signer's certificate was not withdrawn.",
    "signingCredential.ocsp.revoked": "The signer's certificate was withdrawn by whoever issued it.",
    "signingCredential.ocsp.inaccessible": "Whether the signer's certificate was withdrawn could not be looked up.",
    "signingCredential.ocsp.unknown": "Whether the signer's certificate was withdrawn is not known.",
    # Time
    "timeStamp.trusted": "A time-stamp from a service that this office trusts says when it was signed.",
    "timeStamp.validated": "The time-stamp is correct.",
    "timeStamp.untrusted": "The time-stamp comes from a service that this office does not know.",
    "timeStamp.mismatch": "The time-stamp belongs to something else.",
    "timeStamp.malformed": "The time-stamp cannot be read.",
    "timeStamp.outsideValidity": "The time-stamp was made outside the time in which its certificate was in force.",
    "timeStamp.credentialInvalid": "The certificate of the time-stamp may not be used for that.",
    "timeOfSigning.insideValidity": "It was signed while the signer's certificate was in force.",
    "timeOfSigning.outsideValidity": "It was signed outside the time in which the signer's certificate was in force.",
    # Earlier files
    "ingredient.manifest.validated": "The credential of an earlier file is the one that was recorded.",
    "ingredient.manifest.mismatch": "The credential of an earlier file was changed after it was recorded.",
    "ingredient.manifest.missing": "The credential of an earlier file is missing.",
    "ingredient.hashedURI.mismatch": "What was recorded about an earlier file was changed.",
    "ingredient.claimSignature.validated": "The signature of an earlier file's credential is correct.",
    "ingredient.claimSignature.mismatch": "The signature of an earlier file's credential does not fit.",
    "ingredient.claimSignature.missing": "The signature of an earlier file's credential is missing.",
    "ingredient.unknownProvenance": "Where an earlier file comes from is not recorded.",
    # This office
    NOT_CHECKED: "The credential could not be checked completely, so this office does not call it valid.",
    UNREADABLE: "The file carries a credential that is damaged beyond reading.",
}


def sentence(code: str) -> str:
    """What `code` means, in one sentence."""
    if code in SENTENCES:
        return SENTENCES[code]
    if code.startswith("cawg."):
        return f"A statement about the people behind the file was not confirmed ({code[:80]})."
    return f"The check gave a result that this office has no words for yet ({code[:80]})."
