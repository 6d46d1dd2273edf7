"""What a file's Content Credentials say, from the library's JSON. Touches no file, no database, no library.

Everything a manifest says is what a stranger wrote: it is shortened here, escaped where it is shown, and the signer's
name is a name only when a trust list vouches for it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from provenance import codes
from provenance.chain import Earlier, earlier_files
from provenance.manifest_reading import (
    actions,
    active,
    assertions,
    generator,
    mapping,
    mappings,
    once,
    results,
    signer,
    status_codes,
    text,
)
from provenance.validity import THIS_OFFICE

_SOFT_BINDING = "c2pa.soft-binding"


@dataclass
class Credential:
    """state: valid, invalid, none or unreadable, summing up integrity, signer and time (people are kept apart).
    trust: this_office, trusted (`trust_list` says by which list), unknown_signer or "" (nothing to trust).

    codes: the raw failure and trust codes that decided. reasons: one sentence each. signer: {name,
    confirmed, statement, serial}. signed_at: only from a time-stamp, RFC 3339. raw: every code of the reader by kind.
    decisive: the same as the judgement counts them, dates considered. soft_bindings: {alg,
    value} as the credential has them.
    """

    state: str
    trust: str = ""
    trust_list: str = ""
    codes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    signer: dict[str, Any] | None = None
    generator: str = ""
    title: str = ""
    label: str = ""
    actions: list[dict[str, str]] = field(default_factory=list)
    training: str = ""
    signed_at: str | None = None
    raw: dict[str, list[str]] = field(default_factory=dict)
    decisive: dict[str, list[str]] = field(default_factory=dict)
    earlier: Earlier = field(default_factory=Earlier)
    soft_bindings: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Circumstances:
    """What the library cannot know. lists: URIs of the trust lists in force. failed, forgiven: codes that the date
    of judging or this office's table of revocations adds to the failures or takes from them."""

    lists: Collection[str] = (THIS_OFFICE,)
    failed: tuple[str, ...] = ()
    forgiven: frozenset[str] = frozenset()


HERE_AND_NOW = Circumstances()


def judge(found: Mapping[str, Any], circumstances: Circumstances = HERE_AND_NOW) -> Credential:
    """What provenance.c2pa.read returned, told and judged."""
    match found["presence"]:
        case "embedded" | "detached":
            return _judge_store(mapping(found.get("store")), circumstances)
        case "none":
            return Credential("none", reasons=["This file carries no Content Credentials."])
        case "remote":
            where = f" (it names {text(found['host'])})" if found.get("host") else ""
            reasons = [codes.sentence(codes.REMOTE) + where]
            return Credential("unreadable", codes=[codes.REMOTE], reasons=reasons)
        case _:
            return _unreadable()


def _unreadable() -> Credential:
    return Credential("unreadable", codes=[codes.UNREADABLE], reasons=[codes.sentence(codes.UNREADABLE)])


def _judge_store(store: Mapping[str, Any], circumstances: Circumstances) -> Credential:
    label, manifest = text(store.get("active_manifest"), 400), active(store)
    if not manifest:
        return _unreadable()
    raw = _codes_of(store)
    decisive = {**raw, "failure": _as_judged(raw["failure"], circumstances)}
    credential = Credential(_state(decisive), label=label, raw=raw, decisive=decisive)
    _trust(credential, text(mapping(store.get("validation_results")).get("trustListUri"), 400), circumstances)
    credential.codes = _deciding(credential)
    credential.reasons = [codes.sentence(code) for code in credential.codes]
    _tell(credential, manifest)
    credential.earlier = earlier_files(store, trusted=credential.trust != "unknown_signer")
    return credential


def _codes_of(store: Mapping[str, Any]) -> dict[str, list[str]]:
    """Codes of the active manifest by kind.

    What this reading found in earlier files counts as a failure too: their credentials lie in this file, and were
    changed in it. Not so what time or trust did to their signers, which says nothing about this file's integrity.
    """
    told = results(store)
    failure = status_codes(told, "failure")
    for delta in mappings(mapping(store.get("validation_results")).get("ingredientDeltas")):
        found = status_codes(delta.get("validationDeltas"), "failure")
        failure += [code for code in found if codes.topic(code) in ("integrity", "ingredients")]
    return {
        "success": status_codes(told, "success"),
        "failure": once(failure),
        "informational": once(status_codes(told, "informational")),
    }


def _as_judged(failure: list[str], circumstances: Circumstances) -> list[str]:
    return once([*(code for code in failure if code not in circumstances.forgiven), *circumstances.failed])


def _broken(found: Mapping[str, list[str]]) -> list[str]:
    """Failures that make a credential invalid: all but an unknown signer, and people who are not confirmed."""
    return [code for code in found["failure"] if code not in codes.UNTRUSTED and codes.topic(code) != "identity"]


def _state(found: Mapping[str, list[str]]) -> str:
    """Valid needs evidence, not only the absence of failures: with checks switched off there is neither."""
    if _broken(found):
        return "invalid"
    return "valid" if was_checked(found) else "unreadable"


def was_checked(found: Mapping[str, list[str]]) -> bool:
    """The signature was verified and the content compared with it."""
    success = found["success"]
    return codes.SIGNATURE_VALID in success and bool(codes.BOUND & set(success))


def _trust(credential: Credential, uri: str, circumstances: Circumstances) -> None:
    found = credential.decisive
    refused = {*codes.UNTRUSTED, codes.STAMPED_LATER, codes.REVOKED, codes.SIGNATURE_MISMATCH, codes.NOT_FOR_MEDIA}
    vouched = codes.TRUSTED in found["success"] and not refused & set(found["failure"])
    if vouched and uri in circumstances.lists:
        credential.trust, credential.trust_list = ("this_office" if uri == THIS_OFFICE else "trusted"), uri
    else:
        credential.trust = "unknown_signer"


def _deciding(credential: Credential) -> list[str]:
    """The codes that explain the verdict, most important first."""
    found = credential.decisive
    trusted = credential.trust != "unknown_signer"
    signed = [codes.TRUSTED] if trusted else sorted(set(found["failure"]) & codes.UNTRUSTED)
    if credential.state == "invalid":
        return [*once(_broken(found)), *signed]
    if credential.state == "unreadable":
        return [codes.NOT_CHECKED, *signed]
    return [*once(code for code in found["success"] if code in codes.BOUND), codes.SIGNATURE_VALID, *signed]


def _tell(credential: Credential, manifest: Mapping[str, Any]) -> None:
    signature = mapping(manifest.get("signature_info"))
    credential.signer = signer(manifest, trusted=credential.trust != "unknown_signer")
    credential.signed_at = text(signature.get("time"), 40) or None
    credential.title = text(manifest.get("title"))
    credential.generator = generator(manifest)
    credential.actions = actions(manifest)
    for label, data in assertions(manifest):
        _tell_assertion(credential, label, data)


def _tell_assertion(credential: Credential, label: str, data: Mapping[str, Any]) -> None:
    if label == "cawg.training-mining":
        credential.training = _training(data.get("entries"))
    elif label == _SOFT_BINDING:
        algorithm = text(data.get("alg"), 120)
        credential.soft_bindings += [
            {"alg": algorithm, "value": block.get("value")} for block in mappings(data.get("blocks"))[:20]
        ]


def _training(entries: Any) -> str:
    """One word for all uses: a single refusal counts for all of them, anything unclear is silence."""
    uses = {text(one.get("use"), 40) for one in mapping(entries).values() if isinstance(one, Mapping)}
    return "notAllowed" if "notAllowed" in uses else "allowed" if uses == {"allowed"} else ""
