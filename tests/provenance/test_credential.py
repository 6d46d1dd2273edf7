"""Codes decide what a credential is called, never the library's one-word state."""

from collections.abc import Mapping
from typing import Any

from provenance.credential import judge


def _store(success: list[str], failure: list[str], **more: Any) -> Mapping[str, Any]:
    results = {
        "activeManifest": {"success": [{"code": c} for c in success], "failure": [{"code": c} for c in failure]},
        **more,
    }
    manifests = {"urn:c2pa:1": {"signature_info": {"issuer": "X"}}}
    store = {"active_manifest": "urn:c2pa:1", "manifests": manifests, "validation_results": results}
    return {"presence": "embedded", "store": {**store, "validation_state": "Trusted"}}


GOOD = ["claimSignature.validated", "assertion.dataHash.match"]


def test_nothing_checked_is_never_called_valid() -> None:
    for success in ([], ["claimSignature.validated"], ["assertion.dataHash.match"]):
        credential = judge(_store(success, []))
        assert credential.state == "unreadable"
        assert credential.codes[0] == "assay.notChecked"


def test_a_failure_counts_although_the_library_says_trusted() -> None:
    assert judge(_store(GOOD, ["assertion.missing"])).state == "invalid"
    assert judge(_store(GOOD, ["signingCredential.expired"])).state == "invalid"
    assert judge(_store(GOOD, ["a.code.of.tomorrow"])).state == "invalid"
    assert judge(_store(GOOD, ["signingCredential.untrusted"])).state == "valid"


def test_a_failure_in_an_earlier_files_delta_counts() -> None:
    delta = {"validationDeltas": {"failure": [{"code": "ingredient.manifest.mismatch"}]}}
    assert judge(_store(GOOD, [], ingredientDeltas=[delta])).state == "invalid"


def test_trust_needs_our_own_list() -> None:
    trusted = [*GOOD, "signingCredential.trusted"]
    assert judge(_store(trusted, [], trustListUri="urn:assay:this-office")).trust == "this_office"
    assert judge(_store(trusted, [], trustListUri="urn:somebody-else")).trust == "unknown_signer"
    assert judge(_store(trusted, [])).trust == "unknown_signer"
    assert judge(_store(GOOD, [])).trust == "unknown_signer"


def test_people_who_are_not_confirmed_make_nothing_invalid() -> None:
    assert judge(_store(GOOD, ["cawg.ica.did_unavailable"])).state == "valid"
