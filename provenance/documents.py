"""Drawings (SVG) and documents (PDF): never rendered here. Pure functions, run in guarded children only.

A drawing is a program in the making: it may carry scripts and name files to fetch. One that does is not let in, because
whoever opens the signed copy would run what this office put its name to.
"""

import mmap
import re
from pathlib import Path
from typing import Any
from xml.parsers import expat

from core.problems import Problem
from provenance import media

MAX_DEPTH = 256
MAX_ELEMENTS = 500_000
NOT_EXAMINED = "not examined"  # how every such note begins
NOT_DRAWN = f"{NOT_EXAMINED}: Drawings (SVG) are not rendered here, so there is no preview and no fingerprint."
NOT_OPENED = f"{NOT_EXAMINED}: Documents (PDF) are not rendered here, so there is no preview and no fingerprint."

# By local name, whatever the namespace. SVG 2 §5 to §16; the rest belongs to HTML.
_ACTIVE = {
    "script", "handler", "listener", "foreignobject", "iframe", "embed", "object", "audio", "video", "canvas", "form",
    "link", "base", "meta", "applet", "frame", "portal", "include",
}  # fmt: skip
_REFERENCES = {"href", "src", "base", "data", "action", "formaction"}
_SAFE_DATA = re.compile(r"data:(?:image/(?:png|jpeg|webp|gif|avif)|font/|application/(?:x-)?font)", re.IGNORECASE)
# Attributes whose value is read as CSS, and those that put such values into others.
_STYLED = {
    "style", "fill", "stroke", "filter", "mask", "clip-path", "cursor", "marker", "marker-start", "marker-mid",
    "marker-end", "mask-image", "shape-inside", "shape-subtract", "values", "from", "to", "by",
}  # fmt: skip
_URL = re.compile(
    r"url\s*\(\s*[\"']?\s*([^\"')\s]{0,40})|(@import|expression\s*\(|-moz-binding|(?:image-set|image|src)\s*\()",
    re.IGNORECASE,
)


def describe(path: Path, media_type: str) -> dict[str, Any]:
    """See provenance.parsing.describe: no preview, no fingerprints, and a note that says so."""
    if media_type == media.SVG:
        check_drawing(path)
        notes = [NOT_DRAWN]
    else:
        notes = [NOT_OPENED, *check_document(path)]
    return {
        "kind": media.kind_of(media_type),
        "width": None,
        "height": None,
        "seconds": None,
        "preview": None,
        "fingerprints": {},
        "notes": notes,
    }


def _name(name: str) -> bytes:
    """A pattern for a PDF name (ISO 32000-1 §7.3.5), each letter of which may be written as # and two hex digits."""
    letters = "".join(f"(?:{letter}|#(?i:{ord(letter):02x}))" for letter in name)
    return f"/{letters}(?![A-Za-z0-9_#-])".encode()


_PROGRAM = re.compile(_name("JavaScript") + b"|" + _name("Launch"))
_AT_OPENING = re.compile(_name("OpenAction"))
DOES_SOMETHING = "This document names something to do when it is opened: most often only which page to show."


def check_document(path: Path) -> list[str]:
    """Remarks on a PDF. Raises Problem `media.active_content` for one that names a program to run.

    Only what stands openly in the bytes is found: a name may also be in a compressed object stream, or encrypted.
    """
    if not path.stat().st_size:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _PROGRAM.search(data):
            raise Problem(
                "media.active_content",
                "The file carries a program",
                status=422,
                detail="This PDF cannot be registered: it names a program that is run by whoever opens it.",
                next_step="Print it to a new PDF, or save it as PDF/A; then send that.",
            )
        return [DOES_SOMETHING] if _AT_OPENING.search(data) else []


def check_drawing(path: Path) -> None:
    """Raises Problem `media.active_content` (scripts, references to other files) or `media.truncated`."""
    watch = _Watch()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = watch.start
    parser.EndElementHandler = watch.end
    parser.CharacterDataHandler = watch.text
    parser.EntityDeclHandler = watch.entity
    parser.ProcessingInstructionHandler = watch.instruction
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except (expat.ExpatError, ValueError) as error:
        raise media.truncated("SVG") from error


class _Watch:
    """Looks at every part of a drawing while it is read."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._style: list[str] = []  # comes in pieces
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name)
        self._path.append(local)
        self._count += 1
        if len(self._path) > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise _active("it is nested or divided beyond measure")
        if local in _ACTIVE:
            raise _active(f"it has an element “{local}”")
        for key, value in attributes.items():
            self._attribute(_local(key), value)

    def _attribute(self, name: str, value: str) -> None:
        if name.startswith("on"):
            raise _active("it runs a program when something happens to it")
        if name in _REFERENCES and not self._harmless(value.strip()):
            raise _active("it refers to something outside itself")
        if name == "attributename" and _local(value.rpartition(":")[2]) in {*_REFERENCES, *_ON}:
            raise _active("it changes its own references while it is shown")
        if name in _STYLED:
            _check_style(value)

    def _harmless(self, value: str) -> bool:
        if not value or value.startswith("#") or _SAFE_DATA.match(value):
            return True
        # A link is followed by a person who clicks on it, not by the program that shows the drawing.
        return self._path[-1] == "a" and value.lower().startswith(("https://", "http://"))

    def end(self, name: str) -> None:
        if self._path.pop() == "style":
            _check_style("".join(self._style))
            self._style.clear()

    def text(self, value: str) -> None:
        if self._path and self._path[-1] == "style":
            self._style.append(value)

    def entity(self, *_: object) -> None:
        raise _active("it defines entities of its own")

    def instruction(self, target: str, data: str) -> None:
        if target.lower() not in ("xml", "xpacket"):
            raise _active(f"it carries an instruction “{target[:40]}”")


_ON = {"onload", "onclick", "onbegin", "onend"}


def _local(name: str) -> str:
    return name.rpartition(" ")[2].lower()


def _check_style(value: str) -> None:
    if "\\" in value:  # an escape may spell “url(” or “@import”
        raise _active("it hides what its style sheet says")
    for target, active in _URL.findall(value):
        if active or not (target.startswith("#") or _SAFE_DATA.match(target)):
            raise _active("its style sheet refers to something outside itself")


def _active(what: str) -> Problem:
    return Problem(
        "media.active_content",
        "The file carries a program",
        status=422,
        detail=f"This SVG cannot be registered as a drawing: {what}. Whoever opens it would run or fetch that.",
        next_step="Export it as plain SVG without scripts, links to files and embedded pages, or as PNG.",
    )
