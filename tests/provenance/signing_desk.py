"""Signing every format as this office does, without registering: each once a session, for tests that change bytes."""

from collections.abc import Callable
from pathlib import Path

from provenance import guarded
from provenance.assertions import Statement, build_manifest
from tests.provenance import media_made, tampering


class Desk:
    """Signs as this office does, without registering, and remembers what it signed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[tuple[str, str], bytes] = {}

    def plain(self, media_type: str) -> bytes:
        return self._once("plain", media_type, lambda: media_made.make(media_type))

    def signed(self, media_type: str) -> bytes:
        return self._once("signed", media_type, lambda: self.sign(media_type, self.plain(media_type)))

    def child(self, media_type: str) -> bytes:
        """Made from the signed file."""
        return self._once(
            "child", media_type, lambda: self.sign(media_type, self.plain(media_type), self.signed(media_type))
        )

    def child_of_a_changed_file(self, media_type: str) -> bytes:
        """Mallory changes the signed file, and Alice makes something from it in good faith."""

        def make() -> bytes:
            changed = tampering.content_bit(media_type, self.signed(media_type), self.plain(media_type))
            return self.sign(media_type, self.plain(media_type), changed)

        return self._once("child of a changed file", media_type, make)

    def _once(self, what: str, media_type: str, make: Callable[[], bytes]) -> bytes:
        if (what, media_type) not in self._kept:
            self._kept[what, media_type] = make()
        return self._kept[what, media_type]

    def sign(self, media_type: str, plain: bytes, parent: bytes | None = None) -> bytes:
        """`plain` with this office's credential, made from `parent` where one is given. Not remembered."""
        source, target, above = (self._folder / name for name in ("source", "target", "parent"))
        source.write_bytes(plain)
        target.unlink(missing_ok=True)
        if parent is not None:
            above.write_bytes(parent)
        said = Statement(
            "asset:of-this-test", "A photograph", media_type, "digitalCapture", "allowed", has_parent=parent is not None
        )
        ingredient = {"title": "The file before", "relationship": "parentOf", "label": "parent"}
        guarded.sign(
            source,
            target,
            media_type,
            manifest=build_manifest(said),
            parent=above if parent is not None else None,
            ingredient=ingredient if parent is not None else None,
        )
        return target.read_bytes()
