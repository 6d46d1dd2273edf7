"""Source types and generators that Content Credentials declare, in the active manifest and in its ingredients."""

from collections.abc import Iterator
from typing import Any

from detection.detectors.declared.places import MAX_VALUE, Said

MAX_MANIFESTS = 32
ACTIONS = ("c2pa.actions", "c2pa.actions.v2")


def declarations(store: dict[str, Any]) -> Iterator[Said]:
    """store: the C2PA library's JSON (`provenance.c2pa.read`), treated as hostile: every step is checked for its
    type.
    """
    manifests = _dict(store.get("manifests"))
    active = store.get("active_manifest")
    todo: list[tuple[str, str]] = [(active, "C2PA active manifest")] if isinstance(active, str) else []
    seen: set[str] = set()
    while todo and len(seen) < MAX_MANIFESTS:
        label, where = todo.pop(0)
        if label in seen:
            continue
        seen.add(label)
        manifest = _dict(manifests.get(label))
        yield from _of_manifest(manifest, where)
        for ingredient in _list(manifest.get("ingredients")):
            if isinstance(parent := ingredient.get("active_manifest"), str):
                todo.append((parent, "C2PA ingredient"))


def _of_manifest(manifest: dict[str, Any], where: str) -> Iterator[Said]:
    for assertion in _list(manifest.get("assertions")):
        if str(assertion.get("label", "")).split("__")[0] not in ACTIONS:
            continue
        for action in _list(_dict(assertion.get("data")).get("actions")):
            yield from _text(where, "digitalSourceType", action.get("digitalSourceType"))
            agent = action.get("softwareAgent")
            yield from _text(where, "softwareAgent", agent.get("name") if isinstance(agent, dict) else agent)
    for info in _list(manifest.get("claim_generator_info")):
        yield from _text(where, "claim_generator", info.get("name"))


def _text(where: str, name: str, value: object) -> Iterator[Said]:
    if isinstance(value, str) and value:
        yield Said(where, name, value[:MAX_VALUE])


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value[:1000] if isinstance(item, dict)] if isinstance(value, list) else []
