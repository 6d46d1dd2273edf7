"""What decides a result: the source files of this room that a module leads to by its imports. Pure; imports nothing.

Kept by hand, such a list is right until the next import.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

ROOM = Path(__file__).resolve().parent


def of(starts: Iterable[Path], room: Path = ROOM) -> frozenset[Path]:
    """`starts` and every file under `room` that they import, wherever in the source and however many steps away."""
    seen: set[Path] = set()
    todo = list(starts)
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += _imported(path, room)
    return frozenset(seen)


@lru_cache(maxsize=512)
def _imported(path: Path, room: Path) -> tuple[Path, ...]:
    names = {name for node in ast.walk(ast.parse(path.read_bytes())) for name in _named(node)}
    return tuple(found for name in sorted(names) if (found := _file(name, room)))


def _named(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (one.name for one in names)
        case ast.ImportFrom(module=str(module), names=names):
            yield module
            yield from (f"{module}.{one.name}" for one in names)


def _file(name: str, room: Path) -> Path | None:
    head, *rest = name.split(".")
    if head != room.name:
        return None
    base = room.joinpath(*rest)
    candidates = (base.with_suffix(".py"), base / "__init__.py") if rest else (base / "__init__.py",)
    return next((one for one in candidates if one.is_file()), None)
