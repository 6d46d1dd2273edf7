"""Drawings (SVG): what draws is let in, what runs or fetches something is not, and nobody renders either."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.models import User
from core.problems import Problem
from provenance.verification import verify_file
from tests.provenance.conftest import Describe, Register, refused

# Bytes and the engine are the same on both databases.
pytestmark = pytest.mark.only_on("sqlite")

Write = Callable[[str, bytes], Path]


def _svg_with(inside: str, attributes: str = "") -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'xmlns:x="http://www.w3.org/1999/xhtml" {attributes}>{inside}</svg>'
    ).encode()


ACTIVE = {
    "a drawing nested beyond measure": _svg_with("<g>" * 5_000 + "</g>" * 5_000),
    "a drawing that defines a billion laughs": (
        b'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + _svg_with("<text>&b;</text>")
    ),
    "a script": _svg_with("<script>alert(1)</script>"),
    "a script under another prefix": _svg_with("<x:script>alert(1)</x:script>"),
    "an event": _svg_with("<rect onclick='alert(1)'/>"),
    "an event of its own": _svg_with("", "onload='alert(1)'"),
    "an event by its document type": b'<!DOCTYPE svg [<!ATTLIST svg onload CDATA "x()">]>' + _svg_with(""),
    "an embedded page": _svg_with("<foreignObject><x:iframe src='https://example.org'/></foreignObject>"),
    "a picture from elsewhere": _svg_with("<image xlink:href='https://example.org/a.png'/>"),
    "a picture beside it": _svg_with("<image href='a.png'/>"),
    "a drawing inside a picture": _svg_with("<image href='data:image/svg+xml,x'/>"),
    "another drawing": _svg_with("<use href='other.svg#a'/>"),
    "a link that runs": _svg_with("<a href='javascript:alert(1)'><rect/></a>"),
    "a link that will run": _svg_with("<a><set attributeName='href' to='javascript:alert(1)'/></a>"),
    "an event set later": _svg_with("<set attributeName='onclick' to='alert(1)'/>"),
    "a style sheet from elsewhere": _svg_with("<style>@import 'https://example.org/a.css';</style>"),
    "a style sheet in pieces": _svg_with("<style>@imp<![CDATA[ort]]> 'a.css'; rect { fill: red }</style>"),
    "a font from elsewhere": _svg_with("<style>@font-face { src: url(//example.org/f.woff) }</style>"),
    "a style that hides it": _svg_with(r"<style>rect { fill: \75rl(//example.org) }</style>"),
    "a fill from elsewhere": _svg_with("<rect fill='url( \"https://example.org/a.svg#p\")'/>"),
    "a fill that hides it": _svg_with(r"<rect style='fill:u\72l(//example.org)'/>"),
    "an image set": _svg_with("<rect style='fill: image-set(\"https://example.org/a\" 1x)'/>"),
    "a style sheet by instruction": b"<?xml-stylesheet href='https://example.org/a.css'?>" + _svg_with(""),
    "an outside base": _svg_with("<use href='#a'/>", "xml:base='https://example.org/'"),
    "an entity from a file": b'<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + _svg_with("&e;"),
}
HARMLESS = {
    "a gradient": _svg_with("<linearGradient id='g'/><rect fill='url(#g)' style='stroke: url(\"#g\")'/>"),
    "a picture in it": _svg_with("<image href='data:image/png;base64,iVBORw0KGgo='/>"),
    "a link to click on": _svg_with("<a href='https://example.org/'><text>Ort</text></a>"),
    "a part used again": _svg_with("<g id='a'/><use xlink:href='#a'/>"),
    "words about programs": _svg_with("<title>on load: script, url(x), @import</title><desc>a \\ b</desc>"),
    "a style sheet": _svg_with("<style>rect { fill: #fff; font-family: 'Old Standard' }</style><rect/>"),
    "a font in it": _svg_with("<style>@font-face { src: url(data:font/woff2;base64,AAAA) }</style>"),
    "a movement": _svg_with("<rect><animate attributeName='x' from='0' to='9' dur='1s'/></rect>"),
    "a document type": (
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
        + _svg_with("<path d='M0 0h9'/>")
    ),
}


@pytest.mark.parametrize("what", ACTIVE)
def test_a_drawing_that_runs_or_fetches_something_is_refused(what: str, describe: Describe) -> None:
    problem = refused(describe, ACTIVE[what], "image/svg+xml")
    assert (problem.code, problem.status) == ("media.active_content", 422)


@pytest.mark.parametrize("what", HARMLESS)
def test_a_drawing_that_only_draws_is_let_in(what: str, describe: Describe) -> None:
    assert describe(HARMLESS[what], "image/svg+xml").kind == "image"


def test_a_drawing_with_a_program_is_not_registered(alice: User, register: Register, leaves_nothing: None) -> None:
    with pytest.raises(Problem) as refusal:
        register(alice, ACTIVE["a script"])
    assert refusal.value.code == "media.active_content"


def test_whoever_asks_about_a_drawing_with_a_program_is_told_of_it(on_disk: Write, db: None) -> None:
    path = on_disk("drawing.svg", ACTIVE["a script"])
    report = verify_file(path, hashlib.sha256(ACTIVE["a script"]).hexdigest())
    assert report.credential.state == "none"
    assert any(note.startswith("not examined: This SVG") and "“script”" in note for note in report.notes)
