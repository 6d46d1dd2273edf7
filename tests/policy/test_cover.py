"""The report on top of a bundle: a PDF/A that a person can read, in print and aloud."""

import datetime as dt
import re
import zlib
from dataclasses import replace

import pytest

from policy.audits import cover

REPORT = cover.Report(
    office="Prüfstelle",
    export="01934f2e-0000-7000-8000-0123456789ab",
    watermark="5a" * 16,
    made_at=dt.datetime(2026, 5, 19, 12, 0, tzinfo=dt.UTC),
    authority="The Regulator",
    legal_basis="DSA Articles 51 and 72",
    places=("European Union",),
    purpose="Yearly supervision, file 12/2026",
    query={"types": ["decision:made"], "since": "2026-01-01T00:00:00+00:00", "missed": True},
    first=10,
    count=90,
    kinds={"decision:made": 4, "case:opened": 5},
    opened={"decision:made": ("about", "reasons")},
    origin="assay.localhost/log",
    size=120,
    root="ab" * 32,
    signed_at=dt.datetime(2026, 5, 19, 11, 0, tzinfo=dt.UTC),
    witnesses=(),
    vkey="assay.localhost/log+0a1b2c3d+AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKl=",
    fingerprint="0a1b 2c3d",
    packs=("law 1.0 (draft: research, no lawyer yet)",),
)


@pytest.fixture(scope="module")
def made() -> bytes:
    return cover.pdf(REPORT)


def said(report: cover.Report) -> str:
    """All that its lines say."""
    return "\n".join(f"{label}: {text}" for _, lines in cover._sections(report) for label, text in lines)


def streams(pdf: bytes) -> list[bytes]:
    found = re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL)
    return [zlib.decompress(one) if one[:1] == b"\x78" else one for one in found]


def test_it_says_that_it_is_pdf_a_with_its_title_and_language(made: bytes) -> None:
    for part in (b"<pdfaid:part>2<", b"<pdfaid:conformance>U<", "Extract from the register of Prüfstelle<".encode()):
        assert part in made
    for part in (b"/Lang (en-GB)", b"/DisplayDocTitle true", b"/OutputIntents", b"/GTS_PDFA1"):
        assert part in made
    assert b"/Encrypt" not in made and b"/JavaScript" not in made


def test_every_font_is_embedded_and_says_which_characters_it_shows(made: bytes) -> None:
    assert made.count(b"/Type /FontDescriptor") == made.count(b"/FontFile2 ") == 3
    assert made.count(b"/ToUnicode ") == 3
    assert b"/Type1" not in made


def test_headings_and_paragraphs_are_marked_up_and_nothing_is_left_outside(made: bytes) -> None:
    assert b"/Marked true" in made
    assert made.count(b"/S /H1") == 1
    assert made.count(b"/S /H2") == len(list(cover._sections(REPORT)))
    assert b"/Figure" not in made
    pages = [one for one in streams(made) if b"BDC" in one]
    for page in pages:
        assert page.count(b"BDC") + page.count(b"BMC") == page.count(b"EMC")
        outside = re.sub(rb"(?:BDC|BMC).*?EMC", b"", page, flags=re.DOTALL)
        assert b"Tj" not in outside and b"TJ" not in outside


def test_signs_that_the_fonts_do_not_have_are_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """PDF/A allows no reference to a glyph that is missing."""
    assert cover.pdf(replace(REPORT, authority="監督機関"))
    assert "missing" not in caplog.text


def test_a_long_report_goes_on_over_pages_and_each_names_its_copy() -> None:
    pdf = cover.pdf(replace(REPORT, kinds={f"kind:{n}": n for n in range(200)}))
    pages = [one for one in streams(pdf) if b"BDC" in one]
    assert len(pages) >= 4
    assert all(page.count(b"/Artifact BMC") == 1 for page in pages)


def test_it_says_for_whom_of_what_and_what_is_not_in_it() -> None:
    text = said(REPORT)
    for part in ("The Regulator", "file 12/2026", "90 entries, numbers 10 to 99, without a gap", REPORT.root):
        assert part in text
    assert "kinds of entries: decision:made; from 2026-01-01 00:00 UTC; cases with a missed deadline" in text
    assert "none has confirmed" in text and "“draft” are research" in text
    assert "Media: none" in text and "Roster: not in it" in text


def test_a_range_of_nothing_is_called_nothing() -> None:
    assert "Range: none" in said(replace(REPORT, count=0))
