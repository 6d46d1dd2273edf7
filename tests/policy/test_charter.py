"""The charter: signed texts that the office binds itself to, and rules that name its clauses."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from core.problems import Conflict, Forbidden, NotFound
from ledger import keys, reading
from policy.law import charter, pack_signing, rules
from policy.rulebook.facts import RuleError
from policy.rulebook.rows import load

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]


@pytest.fixture
def own(settings: Any, tmp_path: Path) -> Path:
    """The folder for an office's own words."""
    settings.ASSAY_VAR = tmp_path
    (tmp_path / "charter").mkdir()
    return tmp_path / "charter"


def page(path: str = "/charter/en/") -> str:
    answer = Client().get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_before_anybody_adopted_it_the_page_says_that_it_promises_nothing() -> None:
    assert charter.adopted() is None
    assert "it promises nothing yet" in page()
    assert "darum verspricht er noch nichts" in page("/charter/de/")


def test_adopting_signs_both_texts_and_writes_them_into_the_log(lena: User) -> None:
    bound = charter.adopt(lena, 1)
    assert bound.holds
    assert bound.texts == {language: charter.text(1, language).sha256 for language in ("en", "de")}
    leaf = reading.content(bound.entry)
    assert leaf["object"] == "charter:1"
    signed = f"assay-charter-signature/1\n1\nen {bound.texts['en']}\nde {bound.texts['de']}\n".encode()
    assert keys.parse_vkey(leaf["facts"]["signer"]).verifies(signed, base64.b64decode(leaf["facts"]["signature"]))
    assert "This office is bound to this text" in page()
    assert Client().get("/charter/en/v1.md").content == charter.raw(1, "en")
    with pytest.raises(Conflict, match="adopted already"):
        charter.adopt(lena, 1)


def test_a_text_that_was_changed_after_it_was_signed_is_not_called_binding(lena: User, own: Path) -> None:
    charter.adopt(lena, 1)
    forged = charter.raw(1, "en").replace(b"A person decides", b"A program decides")
    (own / "1.en.md").write_bytes(forged)
    found = charter.adopted()
    assert found is not None
    assert not found.holds
    shown = page()
    assert "The signature does not fit" in shown
    assert "This office is bound to this text" not in shown


def test_an_office_writes_its_own_next_version_and_the_old_one_stays_readable(lena: User, own: Path) -> None:
    charter.adopt(lena, 1)
    for language in ("en", "de"):
        text = charter.raw(1, language).replace(b"version: 1", b"version: 2")
        (own / f"2.{language}.md").write_bytes(text.replace(b"## 1. ", b"## 1. New: "))
    assert charter.versions() == [1, 2]
    assert charter.adopt(lena, 2).version == 2
    assert "New: A person decides" in page()
    older = page("/charter/en/v1/")
    assert "This is not the version in force" in older
    assert "New: " not in older


def test_lawyers_policy_editors_and_operators_adopt_it(alice: User, ravi: User, olga: User, paula: User) -> None:
    for somebody in (alice, ravi):
        with pytest.raises(Forbidden):
            charter.adopt(somebody, 1)
    with pytest.raises(NotFound):
        charter.adopt(paula, 7)
    call_command("charter", "adopt", "1", by=olga.email)
    assert charter.adopted() is not None


def test_a_signature_by_another_key_is_not_ours(lena: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    charter.adopt(lena, 1)
    other = keys.new_log_signer(tmp_path / "other.key", "assay.localhost/log/packs").verifier.vkey
    monkeypatch.setattr(pack_signing, "_vkey", lambda: other)
    found = charter.adopted()
    assert found is not None
    assert not found.holds


def test_every_rule_of_our_own_terms_rests_on_clauses_that_are_there() -> None:
    clauses = {int(one) for one in re.findall(r"\{#clause-(\d+)\}", charter.text(1, "en").text)}
    assert clauses == set(range(1, 13))
    assert clauses == {int(one) for one in re.findall(r"\{#clause-(\d+)\}", charter.text(1, "de").text)}
    own = [rule for rule in rules.pack().rules if rule.id.startswith("office.")]
    assert len(own) > 30
    for rule in own:
        assert rule.charter, f"{rule.id} names no clause of the charter"
        assert set(rule.charter) <= clauses, rule.id
    assert 'href="/rules/office.terms.appeal/"' in page()


@pytest.mark.parametrize("wrong", ["2", [0], ["2"], [True], [100]])
def test_a_clause_that_is_no_number_is_refused_by_name(wrong: Any) -> None:
    row: dict[str, Any] = {
        "id": "office.terms.example", "jurisdiction": "*", "instrument": "Terms", "article": "1", "status": "voluntary",
        "effective_from": "2026-01-01", "effective_to": None, "category": "any", "start_event": "none",
        "clock": {"value": None, "unit": "qualitative"}, "when": "false", "source": {"url": "x", "kind": "own_terms"},
        "confidence": "high", "duties": [],
    }  # fmt: skip
    assert load([{**row, "charter": [2, 11]}], {}, "a test")[0].charter == (2, 11)
    with pytest.raises(RuleError, match="charter"):
        load([{**row, "charter": wrong}], {}, "a test")
