"""Every code a validator gives has one plain sentence, one next step and one verdict it belongs to."""

import pytest

from provenance import codes
from provenance.code_words import SENTENCES
from provenance.judgement import STATES

# C2PA 2.4 §15.2.2, tables 2, 3 and 4.
SPECIFICATION = """
assertion.accessible assertion.bmffHash.match assertion.boxesHash.match assertion.collectionHash.match
assertion.dataHash.match assertion.hashedURI.match assertion.multiAssetHash.match
assertion.alternativeContentRepresentation.match claimSignature.insideValidity claimSignature.validated
ingredient.claimSignature.validated ingredient.manifest.validated signingCredential.ocsp.notRevoked
signingCredential.trusted timeStamp.trusted timeStamp.validated

algorithm.deprecated assertion.bmffHash.additionalExclusionsPresent assertion.boxesHash.additionalExclusionsPresent
assertion.dataHash.additionalExclusionsPresent ingredient.unknownProvenance signingCredential.ocsp.inaccessible
signingCredential.ocsp.skipped signingCredential.ocsp.unknown timeOfSigning.insideValidity
timeOfSigning.outsideValidity timeStamp.credentialInvalid timeStamp.malformed timeStamp.mismatch
timeStamp.outsideValidity timeStamp.untrusted

algorithm.unsupported assertion.action.ingredientMismatch assertion.action.malformed assertion.action.redacted
assertion.action.redactionMismatch assertion.action.softBindingMissing assertion.bmffHash.malformed
assertion.bmffHash.mismatch assertion.boxesHash.malformed assertion.boxesHash.mismatch assertion.boxesHash.unknownBox
assertion.cbor.invalid assertion.cloud-data.actions assertion.cloud-data.hardBinding assertion.cloud-data.malformed
assertion.cloud-data.labelMismatch assertion.collectionHash.incorrectFileCount assertion.collectionHash.invalidURI
assertion.collectionHash.malformed assertion.collectionHash.mismatch assertion.dataHash.malformed
assertion.dataHash.mismatch assertion.dataHash.redacted assertion.external-reference.created
assertion.external-reference.hashMismatch assertion.external-reference.labelMismatch
assertion.external-reference.malformed assertion.hardBinding.redacted assertion.hashedURI.mismatch
assertion.inaccessible assertion.ingredient.malformed assertion.json.invalid assertion.missing
assertion.multiAssetHash.malformed assertion.multiAssetHash.missingPart assertion.multiAssetHash.mismatch
assertion.alternativeContentRepresentation.malformed assertion.alternativeContentRepresentation.hashMismatch
assertion.alternativeContentRepresentation.missing assertion.multipleHardBindings assertion.notRedacted
assertion.outsideManifest assertion.selfRedacted assertion.timestamp.malformed assertion.undeclared
claim.cbor.invalid claim.hardBindings.missing claim.malformed claim.missing claim.multiple claimSignature.missing
claimSignature.mismatch claimSignature.outsideValidity general.error hashedURI.missing hashedURI.mismatch
ingredient.claimSignature.missing ingredient.claimSignature.mismatch ingredient.manifest.missing
ingredient.manifest.mismatch livevideo.assertion.invalid livevideo.continuityMethod.invalid livevideo.init.invalid
livevideo.manifest.invalid livevideo.segment.invalid livevideo.sessionkey.invalid manifest.compressed.invalid
manifest.html.multipleManifests manifest.inaccessible manifest.multipleParents
manifest.structuredText.emptyReference manifest.structuredText.malformedReference
manifest.structuredText.multipleReferences manifest.structuredText.noManifest
manifest.structuredText.noResolutionPath manifest.timestamp.invalid manifest.timestamp.wrongParents
manifest.text.corruptedWrapper manifest.text.multipleWrappers manifest.update.invalid manifest.update.wrongParents
signingCredential.invalid signingCredential.ocsp.revoked signingCredential.untrusted
"""
# CAWG Identity Assertion 1.3: its own codes, those of X.509 and those of identity claims aggregation.
IDENTITY = """
cawg.identity.trusted cawg.identity.well-formed cawg.identity.cbor.invalid cawg.identity.assertion.mismatch
cawg.identity.assertion.duplicate cawg.identity.hard_binding_missing cawg.identity.hard_binding_incorrect
cawg.identity.sig_type.unknown cawg.identity.pad.invalid cawg.identity.credential_revoked
cawg.identity.network_traffic_blocked cawg.identity.expected_partial_claim.mismatch
cawg.identity.expected_claim_generator.mismatch cawg.identity.unexpected_countersigner
cawg.identity.expected_countersigner.mismatch cawg.identity.expected_countersigner.missing
cawg.x509.algorithm.unsupported cawg.x509.credential.trusted cawg.x509.credential.untrusted
cawg.x509.credential.invalid cawg.x509.credential.expired cawg.x509.signature.validated
cawg.x509.signature.mismatch cawg.x509.signature.inside_validity cawg.x509.signature.outside_validity
cawg.x509.time_stamp.trusted cawg.x509.time_stamp.validated cawg.x509.time_stamp.malformed
cawg.x509.time_stamp.mismatch cawg.x509.time_stamp.untrusted cawg.x509.time_stamp.outside_validity
cawg.x509.time_stamp.credential_invalid cawg.x509.time_of_signing.inside_validity
cawg.x509.time_of_signing.outside_validity cawg.x509.ocsp.not_revoked cawg.x509.ocsp.skipped
cawg.ica.credential_valid cawg.ica.invalid_cose_sign1 cawg.ica.invalid_alg cawg.ica.invalid_content_type
cawg.ica.invalid_verifiable_credential cawg.ica.signer_payload.mismatch cawg.ica.invalid_issuer
cawg.ica.did_unavailable cawg.ica.did_unsupported_method cawg.ica.invalid_did_document cawg.ica.untrusted_issuer
cawg.ica.signature_mismatch cawg.ica.time_stamp.validated cawg.ica.time_stamp.invalid cawg.ica.valid_from.missing
cawg.ica.valid_from.invalid cawg.ica.valid_until.invalid cawg.ica.revocation.unsupported
cawg.ica.revocation.unavailable cawg.ica.credential.not_revoked cawg.ica.credential.revoked
cawg.ica.verified_identities.missing cawg.ica.verified_identities.invalid
"""


@pytest.mark.parametrize("specified", [SPECIFICATION, IDENTITY])
def test_every_code_of_the_specifications_has_words(specified: str) -> None:
    assert [code for code in specified.split() if not codes.known(code)] == []


def test_every_code_has_one_plain_sentence_and_one_next_step() -> None:
    for code, words in SENTENCES.items():
        assert words.endswith("."), code
        assert "fake" not in words
        assert codes.next_step(code).endswith("."), code
        assert codes.topic(code) in STATES, code


def test_words_of_success_ask_nothing_of_anybody() -> None:
    good = [code for code in SENTENCES if code.endswith((".match", ".validated", ".trusted", "insideValidity"))]
    assert len(good) > 15
    assert {codes.next_step(code) for code in good} == {"Nothing to do."}


def test_an_unknown_code_is_told_honestly_and_counts() -> None:
    assert "no words for yet" in codes.sentence("a.code.of.tomorrow")
    assert "naming the code" in codes.next_step("a.code.of.tomorrow")
    assert codes.topic("a.code.of.tomorrow") == "integrity"
    assert "people behind the file" in codes.sentence("cawg.of.tomorrow")
    assert codes.topic("cawg.of.tomorrow") == "identity"
    assert "people behind the file" in codes.sentence("cawg.ica.did_unavailable")
    assert len(codes.coded("x" * 10_000)["sentence"]) < 300
