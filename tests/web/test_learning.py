"""The learning pages: two languages that say the same, figures from the cards, versions that stay, links that lead."""

import datetime as dt
import gettext
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import resolve
from django.utils.encoding import force_str

from accounts.models import User
from core.headed_text import OLDEST
from detection import registry
from policy.mail import deliveries
from policy.models import Affected, Appeal, Category, Clock, Decision, Flag, StatementOfReasons
from tests.web import stage
from web import freshness, learning, prose
from web.languages import NAMES
from web.learning_pages import FOLDER, TOPICS, every_version, newest
from web.navigation import LINKS
from web.templatetags.learning import learn_of_statement
from web.verdicts import EVENTS

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
TEMPLATES = FOLDER.parent / "templates"
CATALOGUE = FOLDER.parent / "locale" / "de" / "LC_MESSAGES" / "django.mo"
WRITTEN = dt.date(2026, 11, 23)


def page(path: str, **headers: str) -> str:
    answer = Client().get(path, headers=headers)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return answer.content.decode()


# --- Two languages ---------------------------------------------------------------------------------------------------


def test_every_topic_has_the_same_versions_parts_and_dates_in_every_language() -> None:
    for slug in TOPICS:
        told = [every_version()[slug, language] for language in NAMES]
        assert all(set(one) == set(told[0]) and 1 in one for one in told), slug
        for version in told[0]:
            english, *others = (one[version].told for one in told)
            for other in others:
                assert (other.date, other.review_due) == (english.date, english.review_due), slug
                names = [name for name, _ in prose.headings(other.text)]
                assert names == [name for name, _ in prose.headings(english.text)], slug
                assert other.text != english.text


def test_every_page_of_every_language_is_drawn_in_it() -> None:
    for language in NAMES:
        for path in (f"/learn/{language}/", *(f"/learn/{language}/{slug}/" for slug in TOPICS)):
            shown = page(path)
            assert f'<html lang="{language}">' in shown
            assert f'hreflang="{"de" if language == "en" else "en"}"' in shown
    assert Client().get("/learn/de/consent/").headers["Content-Language"] == "de"
    assert Client().get("/learn/fr/consent/").status_code == 404
    assert Client().get("/learn/en/no-such-topic/").status_code == 404
    assert Client().get("/learn/en/consent/v99/").status_code == 404


def test_a_browser_is_led_to_the_language_it_asks_for() -> None:
    asked = {"de-AT,de;q=0.9,en;q=0.5": "de", "fr,de;q=0.4": "de", "pt": "en", "": "en"}
    for header, language in asked.items():
        answer = Client().get("/learn/", headers={"Accept-Language": header})
        assert answer["Location"] == f"/learn/{language}/", header
        assert "Accept-Language" in answer["Vary"]


def test_the_frame_of_a_german_page_is_german_and_leads_to_german_pages() -> None:
    shown = page("/learn/de/consent/")
    for words in (
        "Zum Inhalt springen",
        "Datei prüfen",
        "Öffentliches Register",
        "Auf dieser Seite",
        "23. November 2026",
    ):
        assert words in shown, words
    for words in ("Skip to the content", "On this page", "Public register", "Check a file"):
        assert words not in shown, words
    assert {"/learn/de/", "/how-we-decide/de/", "/charter/de/"} <= set(re.findall(r'href="([^"]+)"', shown))


def test_links_of_the_texts_lead_to_pages_and_stay_in_their_language() -> None:
    for (slug, language), versions in every_version().items():
        for one in versions.values():
            ids = {name for name, _ in prose.headings(one.told.text)}
            for address in prose.links(one.told.text):
                where = f"{slug}, {language}: {address}"
                if address.startswith("https://"):
                    continue
                path, _, anchor = address.partition("#")
                assert path or anchor in ids, where
                if path:
                    found = resolve(path)
                    assert found.kwargs.get("language", language) == language, where
                    if anchor and found.url_name == "learn_topic":
                        there = every_version()[found.kwargs["slug"], language]
                        assert anchor in {name for name, _ in prose.headings(next(iter(there.values())).told.text)}


def test_the_german_catalogue_has_every_sentence_of_the_frame_and_every_label_of_the_walk() -> None:
    known = catalogue()
    for words in (*sentences(), *labels()):
        assert known.get(words) or known.get((words, 0)), words


def test_the_compiled_catalogue_is_the_one_that_was_written() -> None:
    source = CATALOGUE.with_suffix(".po").read_text()
    unquoted = re.sub(r'"\n"', "", source)
    written = re.findall(r'^msgid "(.+)"(?:\nmsgid_plural ".+")?\nmsgstr(?:\[0\])? "(.+)"', unquoted, re.MULTILINE)
    known = catalogue()
    assert len(written) > 200
    for msgid, msgstr in written:
        plain = msgid.replace(r"\"", '"')
        assert (known.get(plain) or known.get((plain, 0))) == msgstr.replace(r"\"", '"'), msgid


def catalogue() -> dict[Any, str]:
    with CATALOGUE.open("rb") as file:
        found: dict[Any, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return found


def sentences() -> Iterator[str]:
    for path in (TEMPLATES / "base.html", *sorted((TEMPLATES / "learn").glob("*.html"))):
        text = path.read_text()
        yield from (words.replace("%", "%%") for words in re.findall(r'{% translate "([^"]+)"', text))
        for block in re.findall(r"{% blocktranslate[^%]*%}(.*?)(?:{% plural %}|{% endblocktranslate %})", text, re.S):
            yield re.sub(r"{{ *(\w+) *}}", r"%(\1)s", block.replace("%", "%%"))


def labels() -> Iterator[str]:
    yield from (force_str(link.label) for link in LINKS if link.roles is None)
    yield from (info.title for info in registry.all_detectors())
    for choices in (Category, Affected, Appeal.Outcome, Decision.Outcome, Decision.Ground, Flag.Origin):
        yield from (str(label) for label in choices.labels)
    yield from (str(label) for label in (*Clock.Purpose.labels, *Clock.State.labels))
    told = ("case", "notice", "flag", "media", "decision", "action", "appeal")
    yield from (force_str(words) for kind, words in EVENTS.items() if kind.partition(":")[0] in told)


# --- What is computed ------------------------------------------------------------------------------------------------


def test_error_rates_are_read_from_the_card_with_interval_files_date_and_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from detection import cards

    info = next(info for info in registry.all_detectors() if info.name == "synthetic_image")
    real = cards.read(registry.ROOM / "detectors" / "synthetic_image")
    rows = [
        {"held_out": "attic", "condition": "as_is", "n_real": 41, "n_fake": 7, "fpr": [0.31, 0.18, 0.47],
         "tpr": [0.14, 0.01, 0.58]},
        {"held_out": "cellar", "condition": "as_is", "n_real": 90, "n_fake": 8, "fpr": [0.0, 0.0, 0.04],
         "tpr": [0.88, 0.47, 0.99]},
        {"held_out": "worse when small", "condition": "resize", "n_real": 9, "n_fake": 9, "fpr": [0.9, 0.5, 1.0],
         "tpr": [0.0, 0.0, 0.3]},
    ]  # fmt: skip
    told = {**(real.evaluation or {}), "rows": rows, "made_on": "2026-10-01"}
    monkeypatch.setattr("detection.registry.all_detectors", lambda: (info,))
    monkeypatch.setattr("detection.cards.read", lambda folder: SimpleNamespace(evaluation=told))
    shown = page("/learn/en/what-detection-can-do/")
    assert "<strong>31 %</strong> (18 to 47 %) in the worst source, “attic” (files: 41)" in shown
    assert "<strong>14 %</strong> (1 to 58 %) in the hardest kind, “attic” (files: 7)" in shown
    assert "<strong>88 %</strong> (47 to 99 %) in the easiest kind, “cellar” (files: 8)" in shown
    assert f"version {info.version}" in shown
    assert "1 October 2026" in shown
    assert "worse when small" not in shown
    assert "<strong>31 %</strong> (18 bis 47 %)" in page("/learn/de/what-detection-can-do/")


def test_no_measured_figure_stands_in_a_text() -> None:
    for (slug, _), versions in every_version().items():
        text = next(iter(versions.values())).told.text
        assert "{figures}" in text if slug == "what-detection-can-do" else "%" not in re.sub("95[ -]%", "", text), slug


def test_times_are_those_of_the_rules_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ">7 days</a>" in page("/learn/en/if-you-are-shown/")
    clock = {"value": 9, "unit": "calendar_days"}
    monkeypatch.setattr("policy.law.rules.rule", lambda rule_id: SimpleNamespace(clock=clock))
    assert '<a href="/rules/office.terms.review/">9 days</a>' in page("/learn/en/if-you-are-shown/")
    assert '<a href="/rules/office.terms.review/">9 Tage</a>' in page("/learn/de/if-you-are-shown/")


# --- Fresh, and kept -------------------------------------------------------------------------------------------------


def test_a_page_a_charter_or_a_card_that_nobody_looked_at_is_named() -> None:
    assert freshness.stale(WRITTEN) == []
    old = freshness.stale(WRITTEN + dt.timedelta(days=OLDEST + 1))
    for words in ("page glossary, version 1, in de", "charter", "detector synthetic_image"):
        assert any(words in line for line in old), words
    call_command("freshness", on=WRITTEN)
    with pytest.raises(CommandError, match="page how-we-work, version 1, in en"):
        call_command("freshness", on=WRITTEN + dt.timedelta(days=OLDEST + 1))


def test_no_page_asks_to_be_looked_at_later_than_the_oldest_may_be() -> None:
    for language in NAMES:
        for one in newest(language):
            assert one.told.review_due - one.told.date <= dt.timedelta(days=OLDEST), one.slug
            assert one.told.history[0].version == one.told.version
            assert one.told.history[0].date == one.told.date


def test_what_was_published_stays_as_it_was() -> None:
    """A change is a new version: write `<n+1>.en.md` and `<n+1>.de.md`, and add them to SHA256SUMS with sha256sum."""
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = {str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest() for path in texts()}
    assert files == listed


def texts() -> list[Path]:
    return sorted(FOLDER.glob("*/*.md"))


def test_an_older_version_stays_readable_and_says_that_it_is_older(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from web import learning_pages

    first = every_version()["consent", "en"][1]
    second = replace(first, told=replace(first.told, version=2, text="## Changed\n\nOther words."))
    both = {**every_version(), ("consent", "en"): {2: second, 1: first}}
    monkeypatch.setattr(learning_pages, "every_version", lambda: both)
    monkeypatch.setattr(learning, "every_version", lambda: both)
    assert "Other words." in page("/learn/en/consent/")
    older = page("/learn/en/consent/v1/")
    assert "This is an older version" in older
    assert "Other words." not in older
    assert "This is an older version" not in page("/learn/en/consent/v2/")


# --- Links to the right page (R03) -----------------------------------------------------------------------------------


def test_each_statement_leads_to_the_pages_that_help_its_reader_in_their_language() -> None:
    told = {"automated_detection": "AUTOMATED_DETECTION_YES"}
    owner = StatementOfReasons(recipient="uploader", locale="de", structured=told)
    links = learn_of_statement(owner)
    assert "/learn/de/how-we-work/" in links
    assert "/learn/de/what-detection-can-do/" in links
    assert "/learn/de/if-you-are-shown/" not in links
    shown = StatementOfReasons(recipient="depicted", locale="en", structured={})
    assert "/learn/en/if-you-are-shown/" in learn_of_statement(shown)
    assert "/learn/en/what-detection-can-do/" not in learn_of_statement(shown)


def test_who_filed_a_notice_reads_how_it_was_decided_and_what_they_can_do(
    alice: User, rita: User, photo: bytes
) -> None:
    work = stage.work(alice, photo)
    filed, pin = stage.notice(work)
    assert filed.case is not None
    stage.decide(filed.case, rita, outcome="no_action")
    dana = stage.browser()
    dana.post("/notice/", {"number": filed.number, "pin": pin})
    shown = dana.get(f"/notice/{filed.number}/").content.decode()
    assert 'href="/learn/en/how-we-work/"' in shown
    assert 'href="/learn/en/if-you-are-shown/"' in shown


def test_a_mail_about_a_decision_leads_to_how_it_works(alice: User, rita: User, photo: bytes, mailoutbox: Any) -> None:
    filed, _ = stage.notice(stage.work(alice, photo), language="de")
    assert filed.case is not None
    decision = stage.decide(filed.case, rita)
    deliveries._send(decision.statements.get(notice=filed), "de", "subject", "sentence")
    assert "/learn/de/how-we-work/" in mailoutbox[-1].body
    assert resolve("/learn/de/how-we-work/").url_name == "learn_topic"


def test_who_is_asked_for_consent_reads_what_it_means(alice: User, photo: bytes) -> None:
    from policy.consents import consent
    from policy.models import Purpose

    _, link = consent.ask_consent(
        stage.work(alice, photo),
        alice,
        name="Dana",
        contact="dana@example.org",
        purposes=[Purpose.PUBLISH],
        language="de",
    )
    assert 'href="/learn/de/consent/"' in page(link)


# --- The small Markdown ----------------------------------------------------------------------------------------------


def test_our_texts_are_escaped_and_lead_nowhere_strange() -> None:
    assert prose.as_html("a <b> & **c** `d` *e*") == (
        "<p>a &lt;b&gt; &amp; <strong>c</strong> <code>d</code> <em>e</em></p>"
    )
    assert prose.as_html("[x](https://example.org/)") == '<p><a href="https://example.org/" rel="noreferrer">x</a></p>'
    assert prose.as_html("- a\n- b") == "<ul><li>a</li><li>b</li></ul>"
    assert prose.as_html("1. a\n2. b") == "<ol><li>a</li><li>b</li></ol>"
    assert prose.as_html("## A b {#c}") == '<h2 id="c">A b</h2>'
    for bad in ("[x](javascript:alert)", "[x](http://example.org/)", "{nobody:knows}"):
        with pytest.raises(prose.BadText):
            prose.as_html(bad)
