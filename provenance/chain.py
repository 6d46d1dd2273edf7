"""The files a file was made from, as its credential records them. Pure.

A child made from a changed file is itself intact, and validators call it so: what was wrong with the earlier file when
it was taken in stands only in the ingredient's recorded results. Whoever draws the chain walks all of it, and whatever
had failed is raised to the top.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from provenance import codes
from provenance.manifest_reading import actions, mapping, mappings, once, results, signer, status_codes, text

# Of what is shown; what had failed is looked for in the whole store.
MAX_DEPTH = 48
MAX_SHOWN = 200

# A code that belongs to one of these says that an earlier file or its credential was not what it should be. An unknown
# or expired signer of an earlier file says nothing of the kind.
_DAMAGE = frozenset({"integrity", "ingredients", "presence"})


@dataclass
class Earlier:
    """children: the earlier files as a tree (`_node`). shown: how many that are. damaged: title and codes of every
    earlier file that had failed, wherever in the store. unproven: some earlier file shows no passed check. unvouched:
    of some the passed check stands only in the words of a signer whom nobody vouches for. cut: there are more than are
    shown."""

    children: list[dict[str, Any]] = field(default_factory=list)
    shown: int = 0
    damaged: list[tuple[str, list[str]]] = field(default_factory=list)
    unproven: bool = False
    unvouched: bool = False
    cut: bool = False


def damage(found: list[str]) -> list[str]:
    """Those of `found` that say a file or credential was changed, damaged or incomplete."""
    return [code for code in found if codes.topic(code) in _DAMAGE and code not in _REMARKS]


# What versions before 2.4 wrote among the failures and is none.
_REMARKS = frozenset({codes.UNKNOWN_PROVENANCE, "manifest.unknownProvenance", "manifest.unreferenced"})


def earlier_files(store: Mapping[str, Any], *, trusted: bool) -> Earlier:
    """Every earlier file of the store's active manifest. store: the C2PA reader's JSON.

    trusted: whether this office or a list vouches for who signed it. A passed check is the word of whoever recorded it,
    and anybody can write it: it counts only from a signer who is vouched for.
    """
    manifests = mapping(store.get("manifests"))
    deltas = _deltas(store)
    label = text(store.get("active_manifest"), 400)
    walk = _Walk(manifests, deltas)
    found = Earlier()
    found.children = walk.children(label, 1, found, trusted=trusted)
    found.damaged = list(_damaged(manifests, deltas))
    return found


def _deltas(store: Mapping[str, Any]) -> dict[str, list[str]]:
    """Failures this reading found in earlier files, by the end of the ingredient assertion's URI."""
    told: dict[str, list[str]] = {}
    for delta in mappings(mapping(store.get("validation_results")).get("ingredientDeltas")):
        uri = text(delta.get("ingredientAssertionURI"), 600).split("/c2pa/")[-1]
        told.setdefault(uri, []).extend(status_codes(delta.get("validationDeltas"), "failure"))
    return told


def _damaged(manifests: Mapping[str, Any], deltas: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    for label, manifest in manifests.items():
        for ingredient in mappings(mapping(manifest).get("ingredients")):
            broken = damage(_failures(ingredient, label, deltas))
            if broken:
                yield text(ingredient.get("title")), broken


class _Walk:
    """Draws the tree; a manifest that is used twice is opened up once."""

    def __init__(self, manifests: Mapping[str, Any], deltas: Mapping[str, list[str]]) -> None:
        self._manifests = manifests
        self._deltas = deltas
        self._opened: set[str] = set()

    def children(self, label: str, depth: int, found: Earlier, *, trusted: bool) -> list[dict[str, Any]]:
        ingredients = mappings(mapping(self._manifests.get(label)).get("ingredients"))
        if not ingredients or label in self._opened:
            return []
        if depth > MAX_DEPTH:
            found.cut = True
            return []
        self._opened.add(label)
        nodes = (self._child(one, label, depth, found, trusted=trusted) for one in ingredients)
        return [node for node in nodes if node is not None]

    def _child(
        self, ingredient: Mapping[str, Any], parent: str, depth: int, found: Earlier, *, trusted: bool
    ) -> dict[str, Any] | None:
        if found.shown >= MAX_SHOWN:
            found.cut = True
            return None
        own_label = text(ingredient.get("active_manifest"), 400)
        own = mapping(self._manifests.get(own_label))
        failures = _failures(ingredient, parent, self._deltas)
        node = _node(ingredient, own, failures)
        if node["state"] == "intact" and not trusted:
            node["state"], found.unvouched = "unchecked", True
        found.unproven |= node["state"] in ("none", "unchecked")
        found.shown += 1
        its_word = trusted and _signer_vouched_for(ingredient, failures)
        node["children"] = self.children(own_label, depth + 1, found, trusted=its_word) if own else []
        return node


def _failures(ingredient: Mapping[str, Any], parent: str, deltas: Mapping[str, list[str]]) -> list[str]:
    """What was recorded against the earlier file when it was taken in, and what this reading finds besides."""
    recorded = status_codes(results(ingredient), "failure")
    for delta in mappings(mapping(ingredient.get("validation_results")).get("ingredientDeltas")):
        recorded += status_codes(delta.get("validationDeltas"), "failure")
    old = [text(one.get("code"), 120) for one in mappings(ingredient.get("validation_status"))]
    now = deltas.get(f"{parent}/c2pa.assertions/{text(ingredient.get('label'), 120)}", [])
    return once([*recorded, *(code for code in old if _is_failure(code)), *now])


def _signer_vouched_for(ingredient: Mapping[str, Any], failures: list[str]) -> bool:
    """Whether a list vouched for the earlier file's own signer when it was taken in, and nothing speaks against it."""
    old = [text(one.get("code"), 120) for one in mappings(ingredient.get("validation_status"))]
    passed = (*status_codes(results(ingredient), "success"), *old)
    return codes.TRUSTED in passed and not codes.UNTRUSTED & set(failures)


def _is_failure(code: str) -> bool:
    """Of a version 1 or 2 ingredient's `validation_status`, which mixes successes in."""
    good = (".match", ".validated", ".trusted", ".insideValidity", ".notRevoked", ".skipped", ".accessible")
    return bool(code) and not code.endswith(good)


def _node(ingredient: Mapping[str, Any], own: Mapping[str, Any], failures: list[str]) -> dict[str, Any]:
    """{title, format, relationship, signer, state, reasons, actions, children} of one earlier file."""
    return {
        "title": text(ingredient.get("title")),
        "format": text(ingredient.get("format"), 60),
        "relationship": text(ingredient.get("relationship"), 40),
        "signer": signer(own, trusted=False) if own else None,
        "state": _state(ingredient, own, failures),
        "reasons": [codes.sentence(code) for code in failures],
        "actions": actions(own),
        "children": [],
    }


def _state(ingredient: Mapping[str, Any], own: Mapping[str, Any], failures: list[str]) -> str:
    """damaged; none: it carries no credential; intact: a passed check was recorded; unchecked: nothing was."""
    if damage(failures):
        return "damaged"
    if not own:
        return "none"
    passed = status_codes(results(ingredient), "success")
    old = [text(one.get("code"), 120) for one in mappings(ingredient.get("validation_status"))]
    return "intact" if codes.SIGNATURE_VALID in (*passed, *old) else "unchecked"
