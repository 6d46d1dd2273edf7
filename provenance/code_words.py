"""The words for every status code: C2PA 2.4 §15.2.2 tables 2 to 4, older C2PA codes, CAWG Identity 1.3, and our own.

One row a code: the code, what it means, what to do next. Pure; looked up through `provenance.codes`.
"""

from enum import Enum
from typing import Final


class Step(Enum):
    """What somebody who relies on the file can do. Few on purpose: people learn them."""

    NOTHING = "Nothing to do."
    ORIGINAL = "Ask whoever gave you the file for the file as it was first published, and check that one."
    SOURCE = "Do not rely on the credential; ask the publisher for the file, and tell them that theirs is damaged."
    MAKER = "Tell the maker of the program that wrote the credential; until then, treat it as not checked."
    SIGNER = "Find out by another way who published the file; a name in a credential proves nothing by itself."
    SIGNER_RENEW = "Ask the signer for a copy that is signed again with a certificate in force."
    STAMP = "Rely on the signature, not on the date; ask the signer to use a time-stamp service that you trust."
    LIST = "If you trust that service, ask the operator to add it to the trust lists."
    REVOKED = "Do not rely on this signature; ask the publisher for a file that is signed with a valid certificate."
    REVOCATION = "If much depends on it, ask the certificate's issuer whether it was withdrawn."
    EARLIER = "Ask for the earlier file and check it by itself, before you rely on what was made from it."
    BRING = "If you can get the credential as a file, check the two together."
    IDENTITY = "Treat the named people as unconfirmed; the check of the file itself stands by itself."
    WEAK = "Ask the signer for a copy that is signed with a current method."
    COMPARE = "Compare the file with the registered work, and use the registered one if they differ."
    OPERATOR = "Do not rely on this credential, and tell the operator of this office."
    DATE = "Choose a later date to judge it by."
    SEND = "Send the file itself: the credential inside it, if there is one, is then checked."
    UNKNOWN = "Treat the credential as not checked, and tell the operator of this office, naming the code."


_CHANGED = "The file was changed after it was signed: its content no longer matches the credential."
_BINDING = "The part of the credential that names the file's content is damaged."
_STATEMENT = "A statement of the credential cannot be read."
_CLOUD = "A statement kept elsewhere is described wrongly."
_GAPS = "The credential leaves parts of the file unprotected."
_COSE = "The statement about the people behind the file is signed in a way that cannot be read."
_VC = "The statement about the people behind the file is not well formed."

_ROWS: Final[tuple[tuple[str, str, Step], ...]] = (
    # --- Success (table 2)
    ("assertion.accessible", "A statement kept elsewhere could be read.", Step.NOTHING),
    ("assertion.bmffHash.match", "The content of the file is the one that was signed.", Step.NOTHING),
    ("assertion.boxesHash.match", "The content of the file is the one that was signed.", Step.NOTHING),
    ("assertion.collectionHash.match", "The files of this collection are the ones that were signed.", Step.NOTHING),
    ("assertion.dataHash.match", "The content of the file is the one that was signed.", Step.NOTHING),
    ("assertion.hashedURI.match", "A statement in the credential is the one that was signed.", Step.NOTHING),
    ("assertion.multiAssetHash.match", "A part of the file is the one that was signed.", Step.NOTHING),
    (
        "assertion.alternativeContentRepresentation.match",
        "The preserved original that the credential names is the one that was signed.",
        Step.NOTHING,
    ),
    (
        "claimSignature.insideValidity",
        "It was signed while the signer's certificate was in force.",
        Step.NOTHING,
    ),
    ("claimSignature.validated", "The signature over the credential is correct.", Step.NOTHING),
    ("ingredient.claimSignature.validated", "The signature of an earlier file's credential is correct.", Step.NOTHING),
    ("ingredient.manifest.validated", "The credential of an earlier file is the one that was recorded.", Step.NOTHING),
    ("signingCredential.ocsp.notRevoked", "The signer's certificate was not withdrawn.", Step.NOTHING),
    ("signingCredential.notRevoked", "The signer's certificate was not withdrawn.", Step.NOTHING),
    ("signingCredential.trusted", "The signer's certificate is on a list that this office trusts.", Step.NOTHING),
    (
        "timeStamp.trusted",
        "A time-stamp from a service that this office trusts says when it was signed.",
        Step.NOTHING,
    ),
    ("timeStamp.validated", "The time-stamp is correct.", Step.NOTHING),
    # --- Informational (table 3)
    ("algorithm.deprecated", "The credential uses a method that is being given up.", Step.WEAK),
    ("assertion.bmffHash.additionalExclusionsPresent", _GAPS, Step.COMPARE),
    ("assertion.boxesHash.additionalExclusionsPresent", _GAPS, Step.COMPARE),
    ("assertion.dataHash.additionalExclusionsPresent", _GAPS, Step.COMPARE),
    ("ingredient.unknownProvenance", "Where an earlier file comes from is not recorded.", Step.EARLIER),
    ("manifest.unknownProvenance", "Where this file comes from is not recorded.", Step.ORIGINAL),
    ("manifest.unreferenced", "The file holds a credential that nothing refers to.", Step.MAKER),
    (
        "signingCredential.ocsp.inaccessible",
        "Whether the signer's certificate was withdrawn could not be looked up.",
        Step.REVOCATION,
    ),
    (
        "signingCredential.ocsp.skipped",
        "Whether the signer's certificate was withdrawn was not looked up.",
        Step.REVOCATION,
    ),
    (
        "signingCredential.ocsp.unknown",
        "Whether the signer's certificate was withdrawn is not known.",
        Step.REVOCATION,
    ),
    (
        "signingCredential.unknown",
        "Whether the signer's certificate was withdrawn could not be found out.",
        Step.REVOCATION,
    ),
    (
        "timeOfSigning.insideValidity",
        "The signer says it was signed while the certificate was in force.",
        Step.NOTHING,
    ),
    (
        "timeOfSigning.outsideValidity",
        "The signer says it was signed at a time when the certificate was not in force.",
        Step.STAMP,
    ),
    ("timeStamp.credentialInvalid", "The certificate of the time-stamp may not be used for that.", Step.STAMP),
    ("timeStamp.malformed", "The time-stamp cannot be read.", Step.STAMP),
    ("timeStamp.mismatch", "The time-stamp belongs to something else.", Step.STAMP),
    (
        "timeStamp.outsideValidity",
        "The time-stamp was made outside the time in which its certificate was in force.",
        Step.STAMP,
    ),
    ("timeStamp.untrusted", "The time-stamp comes from a service that this office does not know.", Step.LIST),
    # --- Failures (table 4): the file and its credential
    ("algorithm.unsupported", "The credential uses a method that this office does not know.", Step.WEAK),
    ("assertion.bmffHash.mismatch", _CHANGED, Step.ORIGINAL),
    ("assertion.boxesHash.mismatch", _CHANGED, Step.ORIGINAL),
    ("assertion.collectionHash.mismatch", _CHANGED, Step.ORIGINAL),
    ("assertion.dataHash.mismatch", _CHANGED, Step.ORIGINAL),
    ("assertion.multiAssetHash.mismatch", _CHANGED, Step.ORIGINAL),
    ("assertion.multiAssetHash.missingPart", "A part of the file that was signed is missing.", Step.ORIGINAL),
    ("assertion.boxesHash.unknownBox", "The file holds a part that its credential does not know.", Step.ORIGINAL),
    (
        "assertion.collectionHash.incorrectFileCount",
        "A file that was signed with this collection is missing from it.",
        Step.ORIGINAL,
    ),
    ("assertion.collectionHash.invalidURI", "The credential points outside its collection of files.", Step.MAKER),
    ("assertion.bmffHash.malformed", _BINDING, Step.MAKER),
    ("assertion.boxesHash.malformed", _BINDING, Step.MAKER),
    ("assertion.collectionHash.malformed", _BINDING, Step.MAKER),
    ("assertion.dataHash.malformed", _BINDING, Step.MAKER),
    ("assertion.multiAssetHash.malformed", _BINDING, Step.MAKER),
    ("assertion.dataHash.redacted", "The credential's link to its content was removed.", Step.SOURCE),
    ("assertion.hardBinding.redacted", "The credential's link to its content was removed.", Step.SOURCE),
    ("assertion.multipleHardBindings", "The credential names its content more than once.", Step.MAKER),
    ("claim.hardBindings.missing", "The credential does not say which content it belongs to.", Step.MAKER),
    ("hardBindings.missing", "The credential does not say which content it belongs to.", Step.MAKER),
    ("assertion.action.ingredientMismatch", "It does not say which earlier file was opened or placed.", Step.MAKER),
    ("assertion.action.malformed", "What the credential says was done to the file is badly formed.", Step.MAKER),
    ("assertion.action.redacted", "The record of what was done to the file was removed.", Step.SOURCE),
    ("assertion.action.redactionMismatch", "The credential records a removal that does not fit.", Step.MAKER),
    ("assertion.action.softBindingMissing", "A watermark is recorded, and the code it carries is not.", Step.MAKER),
    ("assertion.action.skipped", "The credential names an action that this office does not judge.", Step.NOTHING),
    ("assertion.cbor.invalid", _STATEMENT, Step.MAKER),
    ("assertion.json.invalid", _STATEMENT, Step.MAKER),
    ("assertion.cloud-data.actions", "The list of actions is kept elsewhere, which is not allowed.", Step.MAKER),
    ("assertion.cloud-data.hardBinding", "The link to the content is kept elsewhere.", Step.MAKER),
    ("assertion.cloud-data.labelMismatch", "A statement kept elsewhere is not the one that is named.", Step.MAKER),
    ("assertion.cloud-data.malformed", _CLOUD, Step.MAKER),
    ("assertion.external-reference.created", "A statement kept elsewhere is given as the signer's own.", Step.MAKER),
    ("assertion.external.created", "A statement kept elsewhere is given as the signer's own.", Step.MAKER),
    ("assertion.external-reference.hashMismatch", "A statement kept elsewhere was changed.", Step.SOURCE),
    (
        "assertion.external-reference.labelMismatch",
        "A statement kept elsewhere is not the one that is named.",
        Step.MAKER,
    ),
    ("assertion.external-reference.malformed", _CLOUD, Step.MAKER),
    (
        "assertion.hashedURI.mismatch",
        "A statement inside the credential was changed after it was signed.",
        Step.SOURCE,
    ),
    ("hashedURI.mismatch", "Something that the credential refers to was changed after it was signed.", Step.SOURCE),
    ("hashedURI.missing", "Something that the credential refers to is missing.", Step.SOURCE),
    ("assertion.inaccessible", "A statement of the credential is kept elsewhere and was not looked up.", Step.SOURCE),
    ("assertion.ingredient.malformed", "What the credential says about an earlier file is damaged.", Step.MAKER),
    ("assertion.missing", "A statement of the credential is missing.", Step.SOURCE),
    ("assertion.required.missing", "A required statement of the credential is missing.", Step.MAKER),
    ("assertion.metadata.disallowed", "The credential holds metadata that is not allowed there.", Step.MAKER),
    ("assertion.notRedacted", "A statement that should have been removed is still there.", Step.MAKER),
    ("assertion.selfRedacted", "The credential removes a statement of its own, which is not allowed.", Step.MAKER),
    ("assertion.outsideManifest", "A statement of the credential points outside of it.", Step.MAKER),
    ("assertion.undeclared", "The credential holds a statement that its signer did not list.", Step.SOURCE),
    ("assertion.timestamp.malformed", "A time-stamp that was added later cannot be read.", Step.STAMP),
    (
        "assertion.alternativeContentRepresentation.malformed",
        "What the credential says about the preserved original is badly formed.",
        Step.MAKER,
    ),
    (
        "assertion.alternativeContentRepresentation.hashMismatch",
        "The preserved original that the credential names was changed.",
        Step.SOURCE,
    ),
    (
        "assertion.alternativeContentRepresentation.missing",
        "The preserved original that the credential names is missing.",
        Step.SOURCE,
    ),
    ("claim.cbor.invalid", "The credential's statement cannot be read.", Step.SOURCE),
    ("claim.malformed", "The credential's statement is damaged.", Step.SOURCE),
    ("claim.missing", "The credential's statement is missing.", Step.SOURCE),
    ("claim.multiple", "The credential has more than one statement, which is not allowed.", Step.MAKER),
    ("claim.required.missing", "A required part of the credential is missing.", Step.MAKER),
    ("claimSignature.missing", "The credential has no signature.", Step.SOURCE),
    (
        "claimSignature.mismatch",
        "The credential was changed after it was signed: its signature does not fit.",
        Step.SOURCE,
    ),
    (
        "claimSignature.outsideValidity",
        "It was signed outside the time in which the signer's certificate was in force.",
        Step.SIGNER_RENEW,
    ),
    ("general.error", "The credential could not be checked.", Step.UNKNOWN),
    # --- Earlier files
    ("ingredient.claimSignature.missing", "The signature of an earlier file's credential is missing.", Step.EARLIER),
    ("ingredient.claimSignature.mismatch", "The signature of an earlier file's credential was changed.", Step.EARLIER),
    ("ingredient.hashedURI.mismatch", "What was recorded about an earlier file was changed.", Step.EARLIER),
    ("ingredient.manifest.missing", "The credential of an earlier file is missing.", Step.EARLIER),
    (
        "ingredient.manifest.mismatch",
        "The credential of an earlier file was changed after it was recorded.",
        Step.EARLIER,
    ),
    # --- Live video (§19)
    ("livevideo.assertion.invalid", "A part of the live video is out of order or from another stream.", Step.SOURCE),
    ("livevideo.continuityMethod.invalid", "How the parts of the live video are linked is not known.", Step.MAKER),
    ("livevideo.init.invalid", "The first part of the live video holds what it may not.", Step.MAKER),
    ("livevideo.manifest.invalid", "The credential of a part of the live video failed its check.", Step.SOURCE),
    ("livevideo.segment.invalid", "A part of the live video is not the one that was signed.", Step.SOURCE),
    ("livevideo.sessionkey.invalid", "The key that signed the live video is not valid.", Step.SOURCE),
    # --- Where the credential is kept
    (
        "manifest.inaccessible",
        "The credential of this file is kept at another address. This office never opens addresses it finds in "
        "files, so it cannot judge it.",
        Step.BRING,
    ),
    ("manifest.compressed.invalid", "The compressed credential cannot be read.", Step.SOURCE),
    ("manifest.html.multipleManifests", "The page holds more than one credential, so none counts.", Step.MAKER),
    ("manifest.multipleParents", "The credential names more than one direct predecessor.", Step.MAKER),
    ("manifest.structuredText.emptyReference", "The place for the credential in the text is empty.", Step.BRING),
    (
        "manifest.structuredText.malformedReference",
        "What the text names as its credential is no address.",
        Step.BRING,
    ),
    ("manifest.structuredText.multipleReferences", "The text names more than one credential.", Step.MAKER),
    ("manifest.structuredText.noManifest", "The text carries no complete credential.", Step.BRING),
    ("manifest.structuredText.noResolutionPath", "Where the text's credential is kept is not said.", Step.BRING),
    ("manifest.text.corruptedWrapper", "The credential in the text is damaged.", Step.ORIGINAL),
    ("manifest.text.multipleWrappers", "The text carries more than one credential, so none counts.", Step.MAKER),
    ("manifest.timestamp.invalid", "A time-stamp that was added later holds what it may not.", Step.STAMP),
    ("manifest.timestamp.wrongParents", "A time-stamp that was added later does not say to what.", Step.STAMP),
    ("manifest.update.invalid", "A later addition to the credential is not allowed.", Step.SOURCE),
    ("manifest.update.wrongParents", "A later addition to the credential does not say to what.", Step.SOURCE),
    # --- The signer
    (
        "signingCredential.untrusted",
        "This office does not know the signer: no list it trusts has the certificate.",
        Step.SIGNER,
    ),
    ("signingCredential.invalid", "The signer's certificate may not be used for signing media.", Step.SIGNER),
    (
        "signingCredential.expired",
        "The signer's certificate has expired, and no trusted time-stamp shows that it was signed before that.",
        Step.SIGNER_RENEW,
    ),
    (
        "signingCredential.revoked",
        "The signer's certificate was withdrawn before this was provably signed.",
        Step.REVOKED,
    ),
    (
        "signingCredential.ocsp.revoked",
        "The signer's certificate was withdrawn by whoever issued it.",
        Step.REVOKED,
    ),
    # --- People (CAWG Identity 1.3)
    ("cawg.identity.trusted", "A statement names who is behind the file, and it is confirmed.", Step.NOTHING),
    ("cawg.identity.well-formed", "A statement names who is behind the file, and it is well formed.", Step.IDENTITY),
    ("cawg.identity.cbor.invalid", "The statement about the people behind the file cannot be read.", Step.IDENTITY),
    (
        "cawg.identity.assertion.mismatch",
        "The statement about the people behind the file belongs to another content.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.assertion.duplicate",
        "The statement about the people behind the file names the same thing twice.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.assertion.cycle",
        "The statements about the people behind the file refer to one another in a circle.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.hard_binding_missing",
        "The statement about the people behind the file does not say which content it means.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.hard_binding_incorrect",
        "The statement about the people behind the file means another content.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.sig_type.unknown",
        "The statement about the people behind the file is signed in a way that this office does not know.",
        Step.IDENTITY,
    ),
    ("cawg.identity.pad.invalid", _VC, Step.IDENTITY),
    ("cawg.identity.signature.invalid", "The signature of the people named does not fit.", Step.IDENTITY),
    ("cawg.identity.credential_revoked", "The proof of who is behind the file was withdrawn.", Step.IDENTITY),
    ("cawg.identity.credential.revoked", "The proof of who is behind the file was withdrawn.", Step.IDENTITY),
    ("cawg.identity.credential.not_revoked", "The proof of who is behind the file was not withdrawn.", Step.NOTHING),
    ("cawg.identity.credential.untrusted", "Nobody this office knows vouches for the people named.", Step.IDENTITY),
    ("cawg.identity.credential.invalid", "The proof of who is behind the file may not be used so.", Step.IDENTITY),
    (
        "cawg.identity.credential.ocsp_unknown",
        "Whether the proof of who is behind the file was withdrawn is not known.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.network_traffic_blocked",
        "Who is behind the file could only be checked over the network, which this office never does.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.expected_partial_claim.mismatch",
        "The people named expected another credential than this one.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.expected_claim_generator.mismatch",
        "The people named expected another program to sign.",
        Step.IDENTITY,
    ),
    (
        "cawg.identity.unexpected_countersigner",
        "Somebody signed along whom the people named did not expect.",
        Step.IDENTITY,
    ),
    ("cawg.identity.expected_countersigner.mismatch", "Another person signed along than expected.", Step.IDENTITY),
    ("cawg.identity.expected_countersigner.missing", "A person who was to sign along did not.", Step.IDENTITY),
    ("cawg.identity.expected_countersigner.duplicate", "A person is expected to sign along twice.", Step.IDENTITY),
    ("cawg.identity.timestamp.malformed", "The time-stamp of the people named cannot be read.", Step.IDENTITY),
    ("cawg.identity.timestamp.untrusted", "The time-stamp of the people named is from an unknown service.", Step.LIST),
    ("cawg.x509.algorithm.unsupported", _COSE, Step.IDENTITY),
    ("cawg.x509.credential.trusted", "The certificate of the people named is on a trusted list.", Step.NOTHING),
    ("cawg.x509.credential.untrusted", "No list this office trusts has the certificate of those named.", Step.IDENTITY),
    ("cawg.x509.credential.invalid", "The certificate of the people named may not be used for that.", Step.IDENTITY),
    ("cawg.x509.credential.expired", "The certificate of the people named has expired.", Step.IDENTITY),
    ("cawg.x509.signature.validated", "The signature of the people named is correct.", Step.NOTHING),
    ("cawg.x509.signature.mismatch", "The signature of the people named does not fit.", Step.IDENTITY),
    (
        "cawg.x509.signature.inside_validity",
        "The people named signed while their certificate was in force.",
        Step.NOTHING,
    ),
    (
        "cawg.x509.signature.outside_validity",
        "The people named signed when their certificate was not in force.",
        Step.IDENTITY,
    ),
    ("cawg.x509.time_stamp.trusted", "A trusted time-stamp says when the people named signed.", Step.NOTHING),
    ("cawg.x509.time_stamp.validated", "The time-stamp of the people named is correct.", Step.NOTHING),
    ("cawg.x509.time_stamp.malformed", "The time-stamp of the people named cannot be read.", Step.IDENTITY),
    ("cawg.x509.time_stamp.mismatch", "The time-stamp of the people named belongs to something else.", Step.IDENTITY),
    ("cawg.x509.time_stamp.untrusted", "The time-stamp of the people named is from an unknown service.", Step.LIST),
    (
        "cawg.x509.time_stamp.outside_validity",
        "The time-stamp of the people named was made when its certificate was not in force.",
        Step.IDENTITY,
    ),
    (
        "cawg.x509.time_stamp.credential_invalid",
        "The certificate behind the time-stamp of the people named may not be used so.",
        Step.IDENTITY,
    ),
    (
        "cawg.x509.time_of_signing.inside_validity",
        "The people named say they signed while their certificate was in force.",
        Step.NOTHING,
    ),
    (
        "cawg.x509.time_of_signing.outside_validity",
        "The people named say they signed when their certificate was not in force.",
        Step.IDENTITY,
    ),
    ("cawg.x509.ocsp.not_revoked", "The certificate of the people named was not withdrawn.", Step.NOTHING),
    ("cawg.x509.ocsp.skipped", "Whether their certificate was withdrawn was not looked up.", Step.REVOCATION),
    ("cawg.x509.ocsp.inaccessible", "Whether their certificate was withdrawn could not be looked up.", Step.REVOCATION),
    ("cawg.x509.ocsp.unknown", "Whether their certificate was withdrawn is not known.", Step.REVOCATION),
    ("cawg.x509.ocsp.revoked", "The certificate of the people named was withdrawn.", Step.IDENTITY),
    ("cawg.ica.credential_valid", "A service confirms who is behind the file.", Step.NOTHING),
    ("cawg.ica.invalid_cose_sign1", _COSE, Step.IDENTITY),
    ("cawg.ica.invalid_alg", _COSE, Step.IDENTITY),
    ("cawg.ica.invalid_content_type", _COSE, Step.IDENTITY),
    ("cawg.ica.invalid_verifiable_credential", _VC, Step.IDENTITY),
    ("cawg.ica.signer_payload.mismatch", "The proof of who is behind the file belongs to another file.", Step.IDENTITY),
    ("cawg.ica.invalid_issuer", "The service that vouches for the people named is named wrongly.", Step.IDENTITY),
    (
        "cawg.ica.did_unavailable",
        "Who vouches for the people behind the file could only be found out over the network.",
        Step.IDENTITY,
    ),
    (
        "cawg.ica.did_unsupported_method",
        "The service that vouches for the people named is named in a way this office does not know.",
        Step.IDENTITY,
    ),
    ("cawg.ica.invalid_did_document", "The key of the service that vouches cannot be read.", Step.IDENTITY),
    ("cawg.ica.untrusted_issuer", "This office does not know the service that vouches for those named.", Step.IDENTITY),
    ("cawg.ica.signature_mismatch", "The signature of the service that vouches does not fit.", Step.IDENTITY),
    ("cawg.ica.time_stamp.validated", "The time-stamp of the service that vouches is correct.", Step.NOTHING),
    ("cawg.ica.time_stamp.invalid", "The time-stamp of the service that vouches is not correct.", Step.IDENTITY),
    ("cawg.ica.valid_from.missing", "From when the proof of who is behind the file holds is not said.", Step.IDENTITY),
    ("cawg.ica.valid_from.invalid", "The proof of who is behind the file did not hold yet.", Step.IDENTITY),
    ("cawg.ica.valid_until.invalid", "The proof of who is behind the file no longer holds.", Step.IDENTITY),
    ("cawg.ica.revocation.unsupported", "Whether that proof was withdrawn cannot be found out here.", Step.IDENTITY),
    ("cawg.ica.revocation.unavailable", "Whether that proof was withdrawn could not be looked up.", Step.IDENTITY),
    ("cawg.ica.credential.not_revoked", "The proof of who is behind the file was not withdrawn.", Step.NOTHING),
    ("cawg.ica.credential.revoked", "The proof of who is behind the file was withdrawn.", Step.IDENTITY),
    ("cawg.ica.verified_identities.missing", "The proof names nobody.", Step.IDENTITY),
    ("cawg.ica.verified_identities.invalid", "The proof names people in a way that is not allowed.", Step.IDENTITY),
    # --- This office
    (
        "assay.notChecked",
        "The credential could not be checked completely, so this office does not call it valid.",
        Step.UNKNOWN,
    ),
    ("assay.unreadable", "The file carries a credential that is damaged beyond reading.", Step.ORIGINAL),
    (
        "assay.stampedLater",
        "Its trusted time-stamp is later than the date you chose; nothing shows that it had been signed by then.",
        Step.DATE,
    ),
    (
        "assay.claimedByHash",
        "Somebody registered this fingerprint; nobody here has seen the file.",
        Step.SEND,
    ),
    ("assay.notYetSigned", "By the date you chose, this had not been signed yet.", Step.DATE),
    (
        "assay.otherBytes",
        "This office signed this work, but these are not the bytes it gave out: parts that a credential does not "
        "protect were changed or added.",
        Step.COMPARE,
    ),
    (
        "assay.unrecorded",
        "The file carries this office's signature, but the register has no record of it.",
        Step.OPERATOR,
    ),
    (
        "assay.identityNotJudged",
        "The credential names people behind the file; this office keeps that apart and did not confirm it.",
        Step.IDENTITY,
    ),
    ("assay.softBinding.match", "The code that the credential gives for its content fits this file.", Step.NOTHING),
    (
        "assay.softBinding.mismatch",
        "The code that the credential gives for its content does not fit this file: it may belong to another one.",
        Step.COMPARE,
    ),
    (
        "assay.softBinding.notCompared",
        "The credential gives a code for its content that this office could not compare.",
        Step.NOTHING,
    ),
    (
        "assay.revokedLater",
        "The signer's certificate was withdrawn, but a trusted time-stamp shows that this was signed before.",
        Step.NOTHING,
    ),
)

SENTENCES: Final[dict[str, str]] = {code: words for code, words, _ in _ROWS}
NEXT_STEPS: Final[dict[str, Step]] = {code: step for code, _, step in _ROWS}
