"""The report that lies on top of a bundle, for a person: what it is, for whom, of what, and how to check it. Pure.

PDF/A-2u (ISO 19005-2): fonts embedded, colours defined, every character has its Unicode value; besides, headings and
paragraphs are marked up for screen readers (ISO 32000-1 §14.8). Not level A: fpdf2 writes no tables into the structure,
so there are none, only labelled lines. Fonts: DejaVu, cut down to Latin, Greek and Cyrillic (`fonts/LICENSE`).
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos
from fpdf.fonts import TTFFont
from fpdf.prefs import ViewerPreferences

FONTS: Final = Path(__file__).parent / "fonts"
SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"
_FACES: Final = ((SANS, "", "DejaVuSans.ttf"), (SANS, "B", "DejaVuSans-Bold.ttf"), (MONO, "", "DejaVuSansMono.ttf"))
_MARGIN, _LABEL, _LINE = 20.0, 54.0, 5.2  # mm
_GREY, _INK = (90, 90, 90), (20, 20, 20)
_PROFILE: Final = "PDF/A-2U"


@dataclass(frozen=True)
class Report:
    """All that the report says. query: as `policy.audits.queries` reads it. opened: {type of entry: sections}. kinds:
    {type: how many} of the range. root: hex. packs, cards: in words.
    """

    office: str
    export: str
    watermark: str
    made_at: dt.datetime
    authority: str
    legal_basis: str
    places: Sequence[str]
    purpose: str
    query: Mapping[str, Any]
    first: int
    count: int
    kinds: Mapping[str, int]
    opened: Mapping[str, Sequence[str]]
    origin: str
    size: int
    root: str
    signed_at: dt.datetime
    witnesses: Sequence[str]
    vkey: str
    fingerprint: str
    packs: Sequence[str] = ()
    cards: Sequence[str] = ()
    media: int = 0
    media_left_out: int = 0
    roster: bool = False

    @property
    def title(self) -> str:
        return f"Extract from the register of {self.office}"


def pdf(report: Report) -> bytes:
    """The report as one PDF file. Signs that the fonts do not have become “�”."""
    paper = _Paper(report)
    paper.heading(report.title, 1)
    paper.words(
        "This extract proves itself: whoever holds it can check, without asking the office, that no entry was changed, "
        "removed or moved, and that none of its range is missing. This page only says what it is."
    )
    for title, lines in _sections(report):
        paper.heading(title, 2)
        for label, text in lines:
            paper.labelled(label, text)
    return bytes(paper.output())


# --- What it says --------------------------------------------------------------------------------------------------

Lines = list[tuple[str, str]]


def _sections(report: Report) -> Iterator[tuple[str, Lines]]:
    yield "For whom", _for_whom(report)
    yield "Of what", _of_what(report)
    yield "Kinds of entries in the range", [(kind, f"{report.kinds[kind]:,}") for kind in sorted(report.kinds)]
    yield "What is open in it", _open(report)
    yield "Beside the entries", _beside(report)
    yield "How to check it", _checking(report)


def _for_whom(report: Report) -> Lines:
    return [
        ("Authority", report.authority),
        ("Entitled by", f"{report.legal_basis} (as the authority states it)"),
        ("Places", ", ".join(report.places) or "none"),
        ("Purpose", report.purpose),
        ("Made", _moment(report.made_at)),
        ("Export", report.export),
        ("Watermark", f"{report.watermark} (names this copy; it stands in the signed manifest too)"),
    ]


def _of_what(report: Report) -> Lines:
    last = report.first + report.count - 1
    span = f"{report.count:,} entries, numbers {report.first:,} to {last:,}, without a gap" if report.count else "none"
    return [
        ("Asked for", "; ".join(_asked(report.query)) or "everything"),
        ("Range", span),
        ("Register", report.origin),
        ("Its size", f"{report.size:,} entries when it was signed, {_moment(report.signed_at)}"),
        ("Its root", report.root),
        ("Witnesses", ", ".join(report.witnesses) or "none has confirmed this state of the register"),
    ]


_ASKED: Final = {
    "types": "kinds of entries",
    "since": "from",
    "until": "before",
    "categories": "cases about",
    "jurisdictions": "cases in",
    "missed": "cases with a missed deadline",
    "orders": "cases with an order of a court or an authority",
}


def _asked(query: Mapping[str, Any]) -> Iterator[str]:
    for name, words in _ASKED.items():
        value = query.get(name)
        if isinstance(value, list) and value:
            yield f"{words}: {', '.join(map(str, value))}"
        elif isinstance(value, str) and value:
            yield f"{words} {_moment(dt.datetime.fromisoformat(value))}"
        elif value is True:
            yield words


def _open(report: Report) -> Lines:
    lines = [(kind, ", ".join(names)) for kind, names in sorted(report.opened.items())]
    return [
        *(lines or [("Nothing", "The account opens no sealed values.")]),
        (
            "Never",
            "The names of who reported, acted or is shown; what was erased; anything sealed about a child’s case, or "
            "about a case that touches none of the places above. Such values show as commitments only.",
        ),
    ]


_NO_MEDIA: Final = "none: outside of the account’s scope, or no rule allows it"


def _beside(report: Report) -> Lines:
    left_out = f"; {report.media_left_out} left out, too much for one bundle" if report.media_left_out else ""
    return [
        *(("Rule pack", words) for words in report.packs),
        *(("Model card", words) for words in report.cards),
        ("Media", f"original files: {report.media}{left_out}" if report.media or left_out else _NO_MEDIA),
        ("Roster", "in it, under aliases" if report.roster else "not in it: outside of the account’s scope"),
        ("Everything", "is listed in files/index.json and explained in files/README.md."),
    ]


def _checking(report: Report) -> Lines:
    return [
        ("Program", "python -m ledger.verify THIS-FILE.zip (README.md in the file says how to get it)"),
        ("Key", report.vkey),
        (
            "Fingerprint",
            f"{report.fingerprint} (compare it with one that you got by another way: telephone, letter, the office’s "
            "page)",
        ),
        ("Law", "Rows of law marked “draft” are research; no lawyer has signed them. Nothing here is legal advice."),
    ]


def _moment(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


# --- Paper ---------------------------------------------------------------------------------------------------------


class _Paper(FPDF):
    """A4 with a running foot. Whatever is written is part of the document's structure, or an artefact of the page."""

    def __init__(self, report: Report) -> None:
        super().__init__(format="A4", enforce_compliance=_PROFILE)
        self._foot = f"Watermark {report.watermark} · export {report.export[-12:]} · {report.title[:60]}"
        for family, style, name in _FACES:
            self.add_font(family, style, FONTS / name)
        self._describe(report)
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(False)  # a page never ends inside of a marked paragraph
        self.add_page()

    def _describe(self, report: Report) -> None:
        self.set_title(report.title)
        self.set_lang("en-GB")
        self.set_author(report.office)
        self.set_subject(f"Cover report of export {report.export}")
        self.set_creator("Assay")
        self.set_creation_date(report.made_at)
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)

    def footer(self) -> None:
        """Who takes this copy, on every page."""
        with self._artefact():
            self.set_xy(_MARGIN, self.h - 14)
            self.set_font(SANS, "", 7)
            self.set_text_color(*_GREY)
            self.cell(self.epw - 20, 4, self._known(self._foot))
            self.cell(20, 4, f"{self.page_no()}", align="R")

    def heading(self, text: str, level: int) -> None:
        self.set_font(SANS, "B", 18 if level == 1 else 12)
        height = 8.0 if level == 1 else 6.5
        self._room(height * 3)
        self.ln(0 if level == 1 else 4)
        self.start_section(text, level - 1)
        with self._tagged(f"H{level}"):
            self._write(text, height, self.epw)
        self.ln(1.5)

    def words(self, text: str) -> None:
        self.set_font(SANS, "", 10)
        self._room(self._height(text, self.epw))
        with self._tagged("P"):
            self._write(text, _LINE, self.epw)
        self.ln(1)

    def labelled(self, label: str, text: str) -> None:
        """A label and what it says, beside each other."""
        wide = self.epw - _LABEL
        self._face(text)
        tall = self._height(text, wide)
        self.set_font(SANS, "B", 9)
        self._room(max(tall, self._height(label, _LABEL - 2)))
        top = self.y
        with self._tagged("P"):
            below = self._write(label, _LINE, _LABEL - 2)
            self.set_xy(_MARGIN + _LABEL, top)
            self._face(text)
            self._write(text, _LINE, wide)
        self.y = max(self.y, below)
        self.ln(0.8)

    def _face(self, text: str) -> None:
        """Digests and keys so that each sign can be told from the next, and 64 of them fit on a line."""
        is_code = len(text) >= 40 and " " not in text
        self.set_font(MONO if is_code else SANS, "", 8.2 if is_code else 9)

    def _write(self, text: str, height: float, wide: float) -> float:
        self.set_text_color(*_INK)
        self.multi_cell(wide, height, self._known(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        return float(self.y)

    def _height(self, text: str, wide: float) -> float:
        height = self.multi_cell(
            wide, _LINE, self._known(text), align="L", dry_run=True, output=MethodReturnValue.HEIGHT
        )
        assert isinstance(height, int | float)
        return float(height)

    def _known(self, text: str) -> str:
        """Without signs that the font does not have: PDF/A allows no reference to a missing glyph (6.2.11.8)."""
        signs = self.current_font.cmap if isinstance(self.current_font, TTFFont) else {}
        return "".join(each if ord(each) in signs else "\N{REPLACEMENT CHARACTER}" for each in text)

    def _room(self, height: float) -> None:
        if self.y + height > self.h - 20:
            self.add_page()

    @contextmanager
    def _tagged(self, kind: str) -> Iterator[None]:
        """An element of the structure tree. `FPDF._marked_sequence` does the same and calls everything a figure."""
        mark = self.struct_builder.next_mcid_for_page(self.page)
        self._add_marked_content(struct_type=f"/{kind}", mcid=mark)
        self._out(f"/{kind} <</MCID {mark}>> BDC")
        yield
        self._out("EMC")

    @contextmanager
    def _artefact(self) -> Iterator[None]:
        self._out("/Artifact BMC")
        yield
        self._out("EMC")
