"""The verdict on a file's Content Credentials, from the library's JSON. Touches no file, no database, no library.

Everything a manifest says is what a stranger wrote: it is shortened here, escaped where it is shown, and the signer's
name is a name only when a trust list vouches for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from provenance import codes
from provenance.vocabulary import ACTIONS

OURS = "urn:assay:this-office"
MAX_DEPTH = 24
MAX_INGREDIENTS = 200


@dataclass
class Credential:
    """state: valid, invalid, none or unreadable. trust: this_office, unknown_signer or "" (nothing to trust).

    codes: the raw failure and trust codes that decided. reasons: one sentence each. warnings: sentences about earlier
    files. signer: {name, confirmed, statement}. signed_at: only from a time-stamp, RFC 3339. raw: every code by kind.
    """

    state: str
    trust: str = ""
    codes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    signer: dict[str, Any] | None = None
    generator: str = ""
    title: str = ""
    label: str = ""
    actions: list[dict[str, str]] = field(default_factory=list)
    ingredients: list[dict[str, Any]] = field(default_factory=list)
    training: str = ""
    signed_at: str | None = None
    ledger_claim: dict[str, Any] | None = None
    raw: dict[str, list[str]] = field(default_factory=dict)


def judge(found: Mapping[str, Any]) -> Credential:
    """The verdict on what provenance.c2pa.read returned."""
    match found["presence"]:
        case "embedded":
            return _judge_store(found["store"])
        case "none":
            return Credential("none", reasons=["This file carries no Content Credentials."])
        case "remote":
            where = f" (it names {_text(found['host'])})" if found.get("host") else ""
            reasons = [codes.sentence(codes.REMOTE) + where]
            return Credential("unreadable", codes=[codes.REMOTE], reasons=reasons)
        case _:
            return Credential("unreadable", codes=[codes.UNREADABLE], reasons=[codes.sentence(codes.UNREADABLE)])


def _judge_store(store: Mapping[str, Any]) -> Credential:
    manifests: dict[str, Any] = store.get("manifests") or {}
    label = store.get("active_manifest") or ""
    active = manifests.get(label)
    if active is None:
        return Credential("unreadable", codes=[codes.UNREADABLE], reasons=[codes.sentence(codes.UNREADABLE)])
    results: dict[str, Any] = store.get("validation_results") or {}
    success, failure, informational = _codes_of(results)
    broken = [code for code in failure if code not in codes.UNTRUSTED]
    credential = Credential(_state(success, broken), label=label)
    trusted = codes.TRUSTED in success and not set(failure) & codes.UNTRUSTED
    credential.trust = "this_office" if trusted and results.get("trustListUri") == OURS else "unknown_signer"
    credential.codes = _decisive(credential.state, success, broken, failure, trusted=trusted)
    credential.reasons = [codes.sentence(code) for code in credential.codes]
    credential.raw = {"success": success, "failure": failure, "informational": informational}
    _tell(credential, active, trusted=trusted)
    credential.ingredients = list(_ingredients(active, manifests))
    credential.warnings = _warnings(credential.ingredients)
    return credential


def _state(success: list[str], broken: list[str]) -> str:
    """Valid needs evidence, not only the absence of failures: with checks switched off there is neither."""
    if broken:
        return "invalid"
    checked = codes.SIGNATURE_VALID in success and bool(codes.BOUND & set(success))
    return "valid" if checked else "unreadable"


def _decisive(state: str, success: list[str], broken: list[str], failure: list[str], *, trusted: bool) -> list[str]:
    """The codes that explain the verdict, most important first."""
    signer = [codes.TRUSTED] if trusted else sorted(set(failure) & codes.UNTRUSTED)
    if state == "invalid":
        return [*_once(broken), *signer]
    if state == "unreadable":
        return [codes.NOT_CHECKED, *signer]
    return [*_once(code for code in success if code in codes.BOUND), codes.SIGNATURE_VALID, *signer]


def _codes_of(results: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """Success, failure and informational codes; failures in the ingredients' deltas count as failures."""
    active = results.get("activeManifest") or {}
    success, failure = _codes(active, "success"), _codes(active, "failure")
    for delta in results.get("ingredientDeltas") or []:
        # A signer of an earlier file whom we do not know says nothing about this file's integrity.
        failure += [c for c in _codes(delta.get("validationDeltas") or {}, "failure") if c not in codes.UNTRUSTED]
    return success, _once(failure), _once(_codes(active, "informational"))


def _codes(group: Mapping[str, Any], kind: str) -> list[str]:
    return [str(one.get("code", "")) for one in group.get(kind) or []]


def _tell(credential: Credential, manifest: Mapping[str, Any], *, trusted: bool) -> None:
    signature = manifest.get("signature_info") or {}
    name = _text(signature.get("common_name") or signature.get("issuer") or "")
    credential.signer = {
        "name": name if trusted else "",
        "confirmed": trusted,
        "statement": _signer_statement(name, trusted=trusted),
        "serial": _text(signature.get("cert_serial_number") or ""),
    }
    credential.signed_at = _text(signature["time"]) if signature.get("time") else None
    credential.title = _text(manifest.get("title") or "")
    credential.generator = _generator(manifest)
    for assertion in manifest.get("assertions") or []:
        _tell_assertion(credential, str(assertion.get("label", "")), assertion.get("data"))


def _signer_statement(name: str, *, trusted: bool) -> str:
    if trusted:
        return f"Signed by {name}."
    if not name:
        return "The signer gives no name, and this office cannot confirm who it is."
    return f"It says it was signed by “{name}”, which this office cannot confirm."


def _generator(manifest: Mapping[str, Any]) -> str:
    infos = manifest.get("claim_generator_info") or []
    if infos and isinstance(infos[0], Mapping):
        return _text(f"{infos[0].get('name', '')} {infos[0].get('version', '')}".strip())
    return _text(manifest.get("claim_generator") or "")


def _tell_assertion(credential: Credential, label: str, data: Any) -> None:
    if not isinstance(data, Mapping):
        return
    if label.startswith("c2pa.actions"):
        listed = data.get("actions")
        if isinstance(listed, list):
            credential.actions += [_action(one) for one in listed[:50] if isinstance(one, Mapping)]
    elif label.startswith("cawg.training-mining"):
        credential.training = _training(data.get("entries"))
    elif label == "org.assay.ledger":
        credential.ledger_claim = {str(key)[:40]: _text(value) for key, value in data.items()}


def _training(entries: Any) -> str:
    """One word for all uses: a single refusal counts for all of them, anything unclear is silence."""
    if not isinstance(entries, Mapping):
        return ""
    uses = {str(one.get("use")) for one in entries.values() if isinstance(one, Mapping)}
    return "notAllowed" if "notAllowed" in uses else "allowed" if uses == {"allowed"} else ""


def _action(action: Mapping[str, Any]) -> dict[str, str]:
    """{action, words, source_type: IPTC key or URI, when}, what is absent being empty."""
    name = _text(action.get("action") or "", 80)
    source = _text(action.get("digitalSourceType") or "")
    return {
        "action": name,
        "words": ACTIONS.get(name, f"had “{name}” done to it"),
        "source_type": source.rsplit("/", 1)[-1],
        "when": _text(action.get("when") or "", 40),
    }


def _ingredients(manifest: Mapping[str, Any], manifests: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every earlier file, depth first, each with what was wrong with it when it was taken in.

    A child made from a changed file is itself intact; only this walk finds that out.
    """
    stack = [(1, one) for one in reversed(manifest.get("ingredients") or [])]
    seen: set[str] = set()
    for _ in range(MAX_INGREDIENTS):
        if not stack:
            return
        depth, ingredient = stack.pop()
        yield _ingredient(ingredient, depth, manifests)
        label = str(ingredient.get("active_manifest") or "")
        if label and label not in seen and depth < MAX_DEPTH:
            seen.add(label)
            earlier = (manifests.get(label) or {}).get("ingredients") or []
            stack += [(depth + 1, one) for one in reversed(earlier)]


def _ingredient(ingredient: Mapping[str, Any], depth: int, manifests: Mapping[str, Any]) -> dict[str, Any]:
    results = (ingredient.get("validation_results") or {}).get("activeManifest") or {}
    status = [str(one.get("code", "")) for one in ingredient.get("validation_status") or []]
    failures = _once([*_codes(results, "failure"), *(code for code in status if _is_failure(code))])
    own = manifests.get(str(ingredient.get("active_manifest") or "")) or {}
    return {
        "title": _text(ingredient.get("title") or ""),
        "format": _text(ingredient.get("format") or "", 60),
        "relationship": _text(ingredient.get("relationship") or "", 40),
        "depth": depth,
        "has_credential": bool(own),
        "generator": _generator(own) if own else "",
        "codes": failures,
        "reasons": [codes.sentence(code) for code in failures],
    }


def _is_failure(code: str) -> bool:
    """Of a version 1 or 2 ingredient's `validation_status`, which mixes successes in."""
    good = (".match", ".validated", ".trusted", ".insideValidity", ".notRevoked", ".skipped")
    return bool(code) and not code.endswith(good)


def _warnings(ingredients: list[dict[str, Any]]) -> list[str]:
    told = []
    for one in ingredients:
        broken = [code for code in one["codes"] if code not in codes.UNTRUSTED]
        if broken:
            name = f"“{one['title']}”" if one["title"] else "without a name"
            told.append(f"An earlier file, {name}, had already failed its check: {codes.sentence(broken[0])}")
    return _once(told)


def _once(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _text(value: Any, limit: int = 300) -> str:
    """A stranger's words: text only, one line, shortened."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)[: limit * 2]).split())[:limit]
