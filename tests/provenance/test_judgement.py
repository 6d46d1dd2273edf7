"""The nine verdicts, from what a reader says and what the office knows. No file, no database."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance import codes
from provenance.ai_signals import signals
from provenance.credential import Circumstances, judge
from provenance.detached import bound_by_hash, whole_file_hash
from provenance.judgement import (
    STATES,
    Evidence,
    Likeness,
    Verdict,
    Withdrawn,
    counts_as_revoked,
    verdicts,
)
from provenance.likeness import bytes_of, declared_likeness
from provenance.validity import (
    ABSENT,
    EXPIRED,
    STAMPED,
    THIS_OFFICE,
    UNSTAMPED,
    UNTRUSTED_STAMP,
    Certificate,
    NamedList,
    SigningTime,
    TrustPolicy,
)

ACTIVE = "urn:c2pa:active"
MONDAY = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)
OFFICIAL = "https://example.org/c2pa-trust-list.pem"
POLICY = TrustPolicy(
    None,
    (
        NamedList(THIS_OFFICE, "This office", "1", "manifest", "PEM"),
        NamedList(OFFICIAL, "C2PA trust list", "2026-08-21", "manifest", "PEM"),
    ),
)
GOOD = ("claimSignature.validated", "assertion.dataHash.match")
OURS = (*GOOD, "signingCredential.trusted")


def _codes(found: Iterable[str]) -> list[dict[str, str]]:
    return [{"code": code} for code in found]


def _results(
    success: Iterable[str] = OURS,
    failure: Iterable[str] = (),
    informational: Iterable[str] = (),
    uri: str = THIS_OFFICE,
) -> dict[str, Any]:
    active = {"success": _codes(success), "failure": _codes(failure), "informational": _codes(informational)}
    return {"activeManifest": active, "trustListUri": uri}


def _found(
    results: Mapping[str, Any] | None = None,
    ingredients: Iterable[Mapping[str, Any]] = (),
    manifests: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    active = {
        "title": "A photograph",
        "signature_info": {"common_name": "Assay signing", "issuer": "Assay", "cert_serial_number": "7"},
        "ingredients": list(ingredients),
        "assertions": [],
    }
    store = {
        "active_manifest": ACTIVE,
        "manifests": {ACTIVE: active, **(manifests or {})},
        "validation_results": results or _results(),
    }
    return {"presence": "embedded", "store": store, **more}


def _time(state: str = UNSTAMPED, **more: Any) -> SigningTime:
    return SigningTime(state, MONDAY, **more)


def _verdicts(
    found: Mapping[str, Any], *, time: SigningTime | None = None, policy: TrustPolicy = POLICY, **more: Any
) -> dict[str, Verdict]:
    time = time or _time()
    failed = (*time.codes, codes.REVOKED) if counts_as_revoked(more.get("withdrawn"), time) else time.codes
    lists = [one.uri for one in policy.lists]
    credential = judge(found, Circumstances(lists, failed, time.replaced))
    return verdicts(Evidence(found, credential, time, policy, **more))


def _states(found: Mapping[str, Any], *names: str, **more: Any) -> tuple[str, ...]:
    told = _verdicts(found, **more)
    return tuple(told[name].state for name in names)


# --- Presence and integrity ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "presence", "integrity"),
    [
        ({"presence": "none"}, "none", "absent"),
        ({"presence": "remote", "host": "example.org"}, "remote", "unchecked"),
        ({"presence": "unreadable", "error": "x"}, "unreadable", "unchecked"),
        ({"presence": "embedded", "store": {"active_manifest": "gone", "manifests": {}}}, "unreadable", "unchecked"),
        ({"presence": "of tomorrow"}, "unreadable", "unchecked"),
        (_found(), "embedded", "intact"),
        ({**_found(), "presence": "detached"}, "detached", "intact"),
    ],
)
def test_where_the_credential_is(found: dict[str, Any], presence: str, integrity: str) -> None:
    told = _verdicts(found)
    assert (told["presence"].state, told["integrity"].state) == (presence, integrity)
    if presence != "embedded" and presence != "detached":
        assert [told[name].state for name in ("signer", "time", "identity", "revocation")] == ["absent"] * 4


def test_the_host_of_a_remote_credential_is_told_and_its_address_is_not() -> None:
    assert "It names example.org." in _verdicts({"presence": "remote", "host": "example.org"})["presence"].sentence


@pytest.mark.parametrize("success", [(), ("claimSignature.validated",), ("assertion.dataHash.match",)])
def test_nothing_checked_is_never_called_intact(success: tuple[str, ...]) -> None:
    assert _states(_found(_results(success)), "integrity") == ("unchecked",)


@pytest.mark.parametrize(
    ("code", "integrity"),
    [
        ("assertion.dataHash.mismatch", "broken"),
        ("assertion.missing", "broken"),
        ("general.error", "broken"),
        ("a.code.of.tomorrow", "broken"),
        ("signingCredential.untrusted", "intact"),
        ("signingCredential.expired", "intact"),
        ("signingCredential.ocsp.revoked", "intact"),
        ("cawg.ica.did_unavailable", "intact"),
        ("timeStamp.untrusted", "intact"),
    ],
)
def test_integrity_asks_neither_who_nor_when(code: str, integrity: str) -> None:
    assert _states(_found(_results(failure=[code])), "integrity") == (integrity,)


def test_parts_that_the_credential_leaves_out_are_told() -> None:
    left_out = "assertion.bmffHash.additionalExclusionsPresent"
    verdict = _verdicts(_found(_results(informational=[left_out])))["integrity"]
    assert verdict.state == "intact"
    assert "leaves some parts of the file out" in verdict.sentence
    assert left_out in [one["code"] for one in verdict.codes]


# --- The signer ------------------------------------------------------------------------------------------------------


def test_a_signer_is_named_with_the_list_and_its_version() -> None:
    verdict = _verdicts(_found(_results(uri=OFFICIAL)))["signer"]
    assert verdict.state == "trusted"
    assert verdict.as_dict()["list"] == {"name": "C2PA trust list", "uri": OFFICIAL, "version": "2026-08-21"}
    assert verdict.sentence == (
        "Signed by Assay signing. The trust list “C2PA trust list”, version 2026-08-21, vouches for the certificate."
    )


@pytest.mark.parametrize(
    ("results", "state"),
    [
        (_results(), "this_office"),
        (_results(uri="https://example.org/withdrawn.pem"), "unknown"),
        (_results(GOOD, ["signingCredential.untrusted"]), "unknown"),
        (_results(OURS, ["signingCredential.untrusted"]), "unknown"),
        (_results(GOOD), "unknown"),
        (_results(OURS, ["signingCredential.invalid"]), "invalid"),
        (_results(OURS, ["claimSignature.mismatch"]), "invalid"),
        (_results(OURS, ["assertion.dataHash.mismatch"]), "this_office"),
    ],
)
def test_whose_signature_it_is(results: dict[str, Any], state: str) -> None:
    verdict = _verdicts(_found(results))["signer"]
    assert verdict.state == state
    assert (verdict.more["list"] is not None) == (state in ("this_office", "trusted"))


def test_an_unknown_signer_is_quoted_and_not_named() -> None:
    found = _found(_results(GOOD, ["signingCredential.untrusted"]))
    credential = judge(found)
    assert credential.signer is not None
    assert (credential.signer["name"], credential.signer["confirmed"]) == ("", False)
    assert "which this office cannot confirm" in _verdicts(found)["signer"].sentence


# --- Time ------------------------------------------------------------------------------------------------------------


def test_a_trusted_stamp_says_when() -> None:
    verdict = _verdicts(_found(), time=_time(STAMPED, at=MONDAY, authority="Assay time"))["time"]
    assert verdict.as_dict()["at"] == "2026-11-23T09:00:00Z"
    assert verdict.sentence == (
        "A trusted time-stamp from Assay time shows that it was signed by 2026-11-23 09:00 UTC."
    )


def test_an_expired_certificate_is_told_with_its_day_and_the_file_stays_intact() -> None:
    expired = _time(EXPIRED, certificate=Certificate(not_after=MONDAY - dt.timedelta(days=1)), codes=(codes.EXPIRED,))
    told = _verdicts(_found(), time=expired)
    assert told["time"].sentence.startswith("The signer's certificate expired on 2026-11-22, and no trusted time-stamp")
    assert told["integrity"].state == "intact"
    assert judge(_found(), Circumstances(failed=(codes.EXPIRED,))).state == "invalid"


def test_what_the_library_calls_expired_by_its_clock_is_forgiven_as_of_an_earlier_day() -> None:
    found = _found(_results(failure=[codes.EXPIRED]))
    time = _time(UNSTAMPED, replaced=frozenset({codes.EXPIRED}))
    policy = TrustPolicy(MONDAY, POLICY.lists)
    told = _verdicts(found, time=time, policy=policy)
    assert (told["time"].state, told["signer"].state) == ("unstamped", "this_office")
    assert "in force on 2026-11-23" in told["time"].sentence
    assert judge(found, Circumstances(forgiven=time.replaced)).state == "valid"


def test_by_a_date_before_the_certificate_it_was_not_signed_yet() -> None:
    early = _time(EXPIRED, certificate=Certificate(not_before=MONDAY + dt.timedelta(1)), codes=(codes.EXPIRED,))
    verdict = _verdicts(_found(), time=early)["time"]
    assert verdict.sentence == "By the date you chose, this had not been signed yet."


@pytest.mark.parametrize("state", [UNSTAMPED, UNTRUSTED_STAMP, ABSENT])
def test_every_state_of_time_has_words(state: str) -> None:
    verdict = _verdicts(_found(), time=_time(state))["time"]
    assert verdict.state == state
    assert verdict.as_dict()["at"] is None


# --- People, revocation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identity", "state"),
    [
        (None, "absent"),
        ({"kinds": ["cawg.identity_claims_aggregation"], "judged": False}, "present"),
        ({"kinds": ["cawg.x509.cose"], "judged": True, "success": ["cawg.identity.well-formed"]}, "present"),
        ({"kinds": ["cawg.x509.cose"], "success": ["cawg.x509.credential.trusted"]}, "confirmed"),
        ({"kinds": ["cawg.x509.cose"], "failure": ["cawg.x509.credential.untrusted"]}, "unknown"),
        ({"kinds": ["cawg.x509.cose"], "failure": ["cawg.x509.signature.mismatch"]}, "failed"),
    ],
)
def test_people_are_kept_apart_from_the_file(identity: dict[str, Any] | None, state: str) -> None:
    told = _verdicts(_found(identity=identity))
    assert told["identity"].state == state
    assert (told["integrity"].state, told["signer"].state) == ("intact", "this_office")
    assert judge(_found(identity=identity)).state == "valid"


def test_a_withdrawn_certificate_counts_unless_a_trusted_stamp_is_older() -> None:
    withdrawn = Withdrawn(MONDAY, "The key was stolen.")
    unstamped = _verdicts(_found(), withdrawn=withdrawn)
    assert (unstamped["revocation"].state, unstamped["signer"].state) == ("revoked", "invalid")
    assert unstamped["revocation"].sentence.endswith("withdrawn on 2026-11-23: The key was stolen.")
    before = _time(STAMPED, at=MONDAY - dt.timedelta(days=1))
    stamped = _verdicts(_found(), withdrawn=withdrawn, time=before)
    assert (stamped["revocation"].state, stamped["signer"].state) == ("not_revoked", "this_office")
    assert stamped["revocation"].codes[0]["code"] == codes.REVOKED_LATER
    after = _time(STAMPED, at=MONDAY + dt.timedelta(days=1))
    assert _states(_found(), "revocation", withdrawn=withdrawn, time=after) == ("revoked",)


@pytest.mark.parametrize(
    ("results", "state"),
    [
        (_results(), "not_revoked"),
        (_results(uri=OFFICIAL), "unknown"),
        (_results((*OURS, "signingCredential.ocsp.notRevoked"), uri=OFFICIAL), "not_revoked"),
        (_results(failure=["signingCredential.ocsp.revoked"], uri=OFFICIAL), "revoked"),
    ],
)
def test_without_an_entry_the_credential_itself_is_asked(results: dict[str, Any], state: str) -> None:
    assert _states(_found(results), "revocation") == (state,)


# --- Earlier files ---------------------------------------------------------------------------------------------------


def _ingredient(title: str, label: str = "", failure: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    recorded = {"activeManifest": {"success": _codes(GOOD), "failure": _codes(failure)}}
    return {
        "title": title,
        "active_manifest": label,
        "validation_results": recorded,
        "label": "c2pa.ingredient.v3",
        **more,
    }


def test_a_failure_that_was_recorded_sixty_files_back_is_raised_to_the_top() -> None:
    manifests = {
        f"urn:c2pa:{number}": {"ingredients": [_ingredient(f"file {number + 1}", f"urn:c2pa:{number + 1}")]}
        for number in range(1, 60)
    }
    manifests["urn:c2pa:60"] = {"ingredients": [_ingredient("the photograph", "", ["assertion.dataHash.mismatch"])]}
    found = _found(ingredients=[_ingredient("file 1", "urn:c2pa:1")], manifests=manifests)
    told = _verdicts(found)
    assert (told["integrity"].state, told["ingredients"].state) == ("intact", "damaged")
    assert "“the photograph”, had already failed its check" in told["ingredients"].sentence
    assert judge(found).earlier.cut


def test_an_earlier_file_that_was_changed_inside_this_one_breaks_this_one_too() -> None:
    delta = {
        "ingredientAssertionURI": f"self#jumbf=/c2pa/{ACTIVE}/c2pa.assertions/c2pa.ingredient.v3",
        "validationDeltas": {"failure": _codes(["ingredient.manifest.mismatch"])},
    }
    parent: dict[str, Any] = {"urn:c2pa:1": {"signature_info": {}}}
    found = _found({**_results(), "ingredientDeltas": [delta]}, [_ingredient("parent", "urn:c2pa:1")], parent)
    assert _states(found, "integrity", "ingredients") == ("broken", "damaged")
    assert judge(found).earlier.children[0]["state"] == "damaged"


@pytest.mark.parametrize(
    "code", ["signingCredential.untrusted", "signingCredential.expired", "cawg.ica.did_unavailable"]
)
def test_what_time_or_trust_did_to_an_earlier_signer_damages_nothing(code: str) -> None:
    delta = {"ingredientAssertionURI": "x", "validationDeltas": {"failure": _codes([code])}}
    parent: dict[str, Any] = {"urn:c2pa:1": {"signature_info": {}}}
    ingredient = _ingredient("parent", "urn:c2pa:1", [code])
    found = _found({**_results(), "ingredientDeltas": [delta]}, [ingredient], parent)
    assert _states(found, "integrity", "ingredients") == ("intact", "intact")
    assert codes.sentence(code) in judge(found).earlier.children[0]["reasons"]


def test_an_earlier_file_without_a_credential_leaves_the_question_open() -> None:
    bare = {"title": "a sketch", "relationship": "componentOf"}
    assert _states(_found(ingredients=[bare]), "ingredients") == ("unchecked",)


def test_the_chain_is_a_tree_and_a_circle_ends() -> None:
    me = _ingredient("me", ACTIVE, relationship="parentOf")
    (first, *others) = judge(_found(ingredients=[me, me])).earlier.children
    assert (first["title"], first["relationship"], first["children"]) == ("me", "parentOf", [])
    assert len(others) == 1
    diamond = {f"urn:c2pa:{n}": {"ingredients": [_ingredient("x", f"urn:c2pa:{n + 1}")] * 2} for n in range(30)}
    assert len(judge(_found(ingredients=[_ingredient("x", "urn:c2pa:0")], manifests=diamond)).earlier.children) <= 200


def test_the_signer_of_an_earlier_file_is_quoted_whatever_its_child_recorded() -> None:
    parent = {"urn:c2pa:1": {"signature_info": {"common_name": "The Daily Truth"}}}
    recorded = {"activeManifest": {"success": _codes(OURS)}}
    ingredient = _ingredient("parent", "urn:c2pa:1", validation_results=recorded)
    (node,) = judge(_found(ingredients=[ingredient], manifests=parent)).earlier.children
    assert (node["state"], node["signer"]["confirmed"], node["signer"]["name"]) == ("intact", False, "")


# --- The register, the content ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES["whole_file"])
def test_every_state_of_the_whole_file_has_words(state: str) -> None:
    verdict = _verdicts(_found(), whole_file=state)["whole_file"]
    assert verdict.state == state
    assert bool(verdict.codes) == (state in ("other_bytes", "unrecorded"))


@pytest.mark.parametrize(
    ("likeness", "words"),
    [
        (Likeness("matched", "credential"), "fits this file"),
        (Likeness("mismatched", "credential"), "does not fit this file"),
        (Likeness("unknown", "credential"), "could not compare"),
        (Likeness("matched", "register", "The rocket"), "looks like a registered work, “The rocket”"),
        (Likeness("unknown", "register", "The rocket"), "somewhat like a registered work"),
        (Likeness(), "No code of the content"),
    ],
)
def test_what_the_content_looks_like(likeness: Likeness, words: str) -> None:
    verdict = _verdicts(_found(), likeness=likeness)["soft_binding"]
    assert verdict.state == likeness.state
    assert words in verdict.sentence
    assert verdict.as_dict()["compared_with"] == likeness.compared_with


CODE = bytes(range(32))
ISCC = b"\x21\x07"


@pytest.mark.parametrize(
    ("value", "fingerprint", "state"),
    [
        (list(ISCC + CODE), CODE, "matched"),
        (list(ISCC + CODE), bytes(byte ^ 0xFF for byte in CODE), "mismatched"),
        (list(ISCC + CODE), None, "unknown"),
        ("not base64 at all", CODE, "unknown"),
        ({"a": 1}, CODE, "unknown"),
        ([300], CODE, "unknown"),
    ],
)
def test_a_declared_code_is_compared_with_the_content(value: Any, fingerprint: bytes | None, state: str) -> None:
    declared = [{"alg": "io.iscc.v0", "value": value}]
    computed = {"iscc-image-256": fingerprint} if fingerprint else {}
    assert declared_likeness(declared, computed).state == state


def test_a_code_of_somebody_elses_kind_is_not_compared() -> None:
    other = [{"alg": "com.example.watermark", "value": list(CODE)}]
    assert declared_likeness(other, {"iscc-image-256": CODE}) == Likeness("unknown", "credential")
    assert declared_likeness([], {"iscc-image-256": CODE}) == Likeness()
    with pytest.raises(ValueError, match="no byte string"):
        bytes_of(3.5)


# --- By hash alone ---------------------------------------------------------------------------------------------------


def _detached(binding: dict[str, Any], failure: str = "assertion.dataHash.mismatch") -> dict[str, Any]:
    results = _results(("claimSignature.validated", "signingCredential.trusted"), [failure])
    return _found(results, detailed={"bindings": {ACTIVE: binding}})


WHOLE = {"c2pa.hash.data": {"alg": "sha256", "hash": "ab" * 32, "exclusions": 0}}


def test_a_detached_manifest_over_the_whole_file_is_compared_by_the_hash() -> None:
    assert _states(bound_by_hash(_detached(WHOLE), "ab" * 32), "presence", "integrity") == ("detached", "intact")
    assert _states(bound_by_hash(_detached(WHOLE), "cd" * 32), "integrity") == ("broken",)


@pytest.mark.parametrize(
    "binding",
    [
        {"c2pa.hash.data": {**WHOLE["c2pa.hash.data"], "exclusions": 1}},
        {"c2pa.hash.data": {**WHOLE["c2pa.hash.data"], "alg": "sha512"}},
        {"c2pa.hash.bmff.v3": WHOLE["c2pa.hash.data"]},
        {**WHOLE, "c2pa.hash.boxes": {}},
        {},
    ],
)
def test_no_other_binding_is_taken_for_the_whole_file(binding: dict[str, Any]) -> None:
    assert _states(bound_by_hash(_detached(binding), "ab" * 32), "integrity") == ("broken",)


def test_other_failures_stay_when_the_hash_fits() -> None:
    found = _detached(WHOLE, "assertion.hashedURI.mismatch")
    assert _states(bound_by_hash(found, "ab" * 32), "integrity") == ("broken",)


def test_an_update_is_bound_by_what_it_updates() -> None:
    parent = _ingredient("before", "urn:c2pa:1", relationship="parentOf")
    found = _found(ingredients=[parent], detailed={"bindings": {"urn:c2pa:1": WHOLE}})
    assert whole_file_hash(found, ACTIVE) == "ab" * 32
    component = _found(
        ingredients=[{**parent, "relationship": "componentOf"}], detailed={"bindings": {"urn:c2pa:1": WHOLE}}
    )
    assert whole_file_hash(component, ACTIVE) == ""


# --- What a stranger, or a child taken over, may say -----------------------------------------------------------------

_KEYS = st.sampled_from(
    [
        "activeManifest", "active_manifest", "actions", "action", "alg", "assertions", "blocks", "claim.v2", "code",
        "common_name", "data", "digitalSourceType", "entries", "failure", "hash", "ingredientDeltas", "ingredients",
        "label", "manifests", "relationship", "signature_info", "success", "title", "use", "validationDeltas",
        "validation_results", "validation_status", "value", ACTIVE, "c2pa.actions.v2", "c2pa.hash.data",
    ]
)  # fmt: skip
_WORDS = st.sampled_from([ACTIVE, "c2pa.created", "c2pa.actions.v2", "parentOf", "claimSignature.validated", "\x07x"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=40,
)


@settings(deadline=None)
@given(store=_JSON, crjson=_JSON, identity=_JSON, detailed=_JSON)
def test_nothing_a_reader_says_breaks_the_judgement(store: Any, crjson: Any, identity: Any, detailed: Any) -> None:
    found = {"presence": "embedded", "store": store, "crjson": crjson, "identity": identity, "detailed": detailed}
    for read in (found, bound_by_hash(found, "ab" * 32)):
        told = _verdicts(read)
        assert list(told) == list(STATES)
        assert all(verdict.state in STATES[name] for name, verdict in told.items())
        assert all(verdict.sentence and verdict.next_step for verdict in told.values())
    signals(crjson)


@pytest.mark.parametrize(("trusted", "state"), [(True, "intact"), (False, "unchecked")])
def test_a_passed_check_of_an_earlier_file_is_the_word_of_who_signed(trusted: bool, state: str) -> None:
    ingredient = {
        "title": "Earlier",
        "active_manifest": "urn:c2pa:earlier",
        "validation_results": {"activeManifest": {"success": _codes(OURS)}},
    }
    failure = () if trusted else ("signingCredential.untrusted",)
    found = _found(
        _results(OURS if trusted else GOOD, failure), [ingredient], {"urn:c2pa:earlier": {"title": "Earlier"}}
    )
    credential = judge(found)
    assert credential.earlier.children[0]["state"] == state
    evidence = Evidence(found, credential, SigningTime(UNSTAMPED, MONDAY), POLICY)
    verdict = verdicts(evidence)["ingredients"]
    assert verdict.state == state
    assert ("Only whoever signed says so" in verdict.sentence) == (not trusted)
