"""The picture of the chain has every file once, in an order that lines can be drawn in, and trusts no title."""

import xml.etree.ElementTree as ElementTree
from typing import Any

from web.chain_picture import BOX, MOST, chain_picture, files

SVG = "{http://www.w3.org/2000/svg}"


def a_file(title: str, *children: dict[str, Any], **other: Any) -> dict[str, Any]:
    told = {"title": title, "format": "image/jpeg", "relationship": "parentOf", "signer": None, "state": "intact"}
    return {**told, "reasons": [], "actions": [], **other, "children": list(children)}


def placed(title: str, *children: dict[str, Any], **other: Any) -> dict[str, Any]:
    return a_file(title, *children, **{"relationship": "componentOf", **other})


def drawn(chain: dict[str, Any]) -> ElementTree.Element:
    """The picture, read by an XML parser: it must be well formed whatever the titles are."""
    return ElementTree.fromstring(f'<body xmlns="http://www.w3.org/2000/svg">{chain_picture(files(chain))}</body>')


def test_every_file_has_a_row_of_its_own_and_a_link_to_its_words() -> None:
    chain = a_file(
        "the collage", a_file("the first draft"), placed("a cloud"), placed("a bird", a_file("a photograph"))
    )
    listed = files(chain)
    assert [one.row for one in listed] == [0, 1, 2, 3, 4]
    links = [link.attrib["href"] for link in drawn(chain).iter(f"{SVG}a")]
    assert links == [f"#chain-{one.number}" for one in listed]


def test_what_a_file_was_opened_from_stands_straight_below_it_and_what_was_placed_branches_off() -> None:
    chain = a_file("now", a_file("before"), placed("a cloud"), placed("a bird", a_file("the bird’s photograph")))
    lanes = {one.title: one.lane for one in files(chain)}
    assert lanes == {"now": 0, "a cloud": 1, "a bird": 1, "the bird’s photograph": 1, "before": 0}
    assert [one.title for one in files(chain)][-1] == "before", "branches come first, so that lines do not cross them"


def test_a_line_ends_at_the_file_it_leads_to() -> None:
    chain = a_file("now", placed("a cloud"), placed("a bird"))
    lines = [line.attrib["d"] for line in drawn(chain).iter(f"{SVG}path")]
    boxes = [one for one in files(chain) if one.above is not None]
    assert len(lines) == len(boxes) == 2
    assert all(line.endswith(f"H{4 + 28 * one.lane}") for line, one in zip(lines, boxes, strict=True))


def test_a_long_chain_stays_narrow() -> None:
    chain = a_file("1")
    for number in range(2, 42):
        chain = a_file(str(number), chain)
    picture = drawn(chain).find(f"{SVG}svg")
    assert picture is not None
    assert int(picture.attrib["width"]) < BOX + 40


def test_of_very_many_files_the_picture_shows_the_first() -> None:
    chain = a_file("everything", *(placed(str(number)) for number in range(150)))
    assert len(files(chain)) == 151
    assert len(list(drawn(chain).iter(f"{SVG}a"))) == MOST


def test_mallorys_title_is_text_and_is_cut_in_the_picture_only() -> None:
    title = '"><script>alert(1)</script>' + "long " * 40
    picture = drawn(a_file("now", a_file(title)))
    assert not list(picture.iter(f"{SVG}script"))
    texts = [text.text or "" for text in picture.iter(f"{SVG}text") if text.attrib["class"] == "title"]
    assert all(len(text) <= 24 for text in texts)
    assert [node.text for node in picture.iter(f"{SVG}title")][1] == title


def test_a_damaged_file_is_told_apart_by_sign_and_word_not_by_colour_alone() -> None:
    picture = drawn(a_file("now", a_file("forged", state="damaged"), placed("plain", state="none")))
    labels = {link.attrib["aria-label"] for link in picture.iter(f"{SVG}a")}
    assert labels == {"now: credential intact", "forged: had failed its check", "plain: no credential"}
    signs = {text.text for text in picture.iter(f"{SVG}text") if text.attrib["class"] == "sign"}
    assert signs == {"✓", "✕", "–"}


def test_a_file_without_a_title_is_called_something() -> None:
    assert [one.title for one in files(a_file("", a_file("")))] == ["this file", "a file without a name"]
