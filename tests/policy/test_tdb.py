"""The transparency database's records: what its API takes, and what it would refuse."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger.models import Entry
from policy.deciding import decisions, plain_texts, statements, tdb, tdb_export
from policy.desk import cases
from policy.hooks import tdb_client
from policy.models import Case, Decision, Notice, StatementOfReasons
from provenance.models import Asset
from tests.policy.conftest import REASONS, TERMS, FileNotice, MakeAsset, leaf_of

GOOD: dict[str, Any] = {
    "decision_visibility": ["DECISION_VISIBILITY_CONTENT_DISABLED"],
    "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
    "illegal_content_legal_ground": "47 U.S.C. 223a(a)(3)",
    "illegal_content_explanation": "The cited clause asks for this outcome.",
    "content_type": ["CONTENT_TYPE_IMAGE"],
    "category": "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "territorial_scope": ["DE", "FR"],
    "content_date": "2026-05-01",
    "application_date": "2026-05-19",
    "decision_facts": "The work shows what the notice describes.",
    "source_type": "SOURCE_ARTICLE_16",
    "automated_detection": "No",
    "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
    "puid": "assay-1",
}


def test_a_record_as_the_documentation_describes_it_is_taken() -> None:
    assert tdb.problems(GOOD) == {}
    account = {**GOOD, "decision_account": "DECISION_ACCOUNT_SUSPENDED", "end_date_account_restriction": "2026-06-19"}
    assert tdb.problems(account) == {}


WRONG: list[tuple[dict[str, Any], set[str]]] = [
    *(({name: None}, {name}) for name in GOOD if name in tdb._REQUIRED and name != "decision_ground"),
    (
        {"decision_ground": None},
        {"decision_ground", "illegal_content_legal_ground", "illegal_content_explanation"},
    ),
    ({"decision_visibility": []}, set(tdb._RESTRICTIONS)),
    ({"decision_visibility": ["DECISION_VISIBILITY_GONE"]}, {"decision_visibility"}),
    ({"decision_visibility": "DECISION_VISIBILITY_CONTENT_DISABLED"}, {"decision_visibility"}),
    ({"decision_visibility": ["DECISION_VISIBILITY_OTHER"]}, {"decision_visibility_other"}),
    ({"decision_visibility_other": "something"}, {"decision_visibility_other"}),
    ({"content_type": ["CONTENT_TYPE_OTHER"]}, {"content_type_other"}),
    ({"decision_monetary": "DECISION_MONETARY_OTHER"}, {"decision_monetary_other"}),
    ({"category_specification_other": "x"}, {"category_specification_other"}),
    ({"category_specification": ["KEYWORD_NOTHING"]}, {"category_specification"}),
    ({"illegal_content_legal_ground": ""}, {"illegal_content_legal_ground"}),
    ({"illegal_content_explanation": "x" * 2001}, {"illegal_content_explanation"}),
    ({"incompatible_content_ground": "Our terms"}, {"incompatible_content_ground"}),
    ({"incompatible_content_illegal": "Yes"}, {"incompatible_content_illegal"}),
    (
        {"decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT"},
        {
            *("illegal_content_legal_ground", "illegal_content_explanation"),
            *("incompatible_content_ground", "incompatible_content_explanation"),
        },
    ),
    ({"decision_facts": "x" * 5001}, {"decision_facts"}),
    ({"territorial_scope": ["US"]}, {"territorial_scope"}),
    ({"content_date": "1999-12-31"}, {"content_date"}),
    ({"content_date": "01.05.2026"}, {"content_date"}),
    ({"application_date": "2026-02-30"}, {"application_date"}),
    ({"end_date_visibility_restriction": "2026-05-18"}, {"end_date_visibility_restriction"}),
    ({"automated_detection": "AUTOMATED_DETECTION_NO"}, {"automated_detection"}),
    ({"automated_decision": "Maybe"}, {"automated_decision"}),
    ({"content_language": "de"}, {"content_language"}),
    ({"decision_ground_reference_url": "ftp://terms"}, {"decision_ground_reference_url"}),
    ({"puid": "assay 1"}, {"puid"}),
    ({"puid": "é"}, {"puid"}),
    ({"puid": "x" * 501}, {"puid"}),
    ({"surprise": "x"}, {"surprise"}),
]


def test_what_the_database_would_refuse_is_refused() -> None:
    for change, wrong in WRONG:
        assert set(tdb.problems({**GOOD, **change})) == wrong, change


def test_a_call_takes_a_hundred_records_and_each_number_once() -> None:
    many = [{**GOOD, "puid": f"assay-{n}"} for n in range(100)]
    assert tdb.batch_problems(many) == {}
    assert "statements" in tdb.batch_problems([*many, {**GOOD, "puid": "assay-100"}])
    assert tdb.batch_problems([GOOD, GOOD]) == {
        "statement_1": {"puid": ["The identifier given is not unique within this platform."]}
    }


def test_a_scope_names_countries_of_the_eea() -> None:
    assert len(tdb.scope([])) == 27
    assert tdb.scope(["EU", "US"]) == tdb.scope([])
    assert tdb.scope(["DK", "US"]) == ["DK"]
    assert tdb.scope(["US"]) == []


LEAKS = (
    "Write to dana@example.org.",
    "Call +47 912 34 567.",
    "See https://example.com/users/1234.",
    "See www.example.com/profile?id=7.",
    "Posted by @dana_hill.",
    "It shows Dana.",
)


def test_i6_a_text_with_personal_data_is_found() -> None:
    for text in LEAKS:
        assert plain_texts.leak(text, {"Dana"}), text
        assert plain_texts.leaks({**GOOD, "decision_facts": text}, {"Dana"}) == {
            "decision_facts": [plain_texts.leak(text, {"Dana"})]
        }


def test_i6_plain_words_pass() -> None:
    for text in (
        "The notice of 2026-05-19 describes it.",
        "See https://example.com/terms.",
        "At 47 U.S.C. 223a(a)(3).",
    ):
        assert plain_texts.leak(text, {"Dana"}) == ""


# --- From decisions --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_uploaders_statement_carries_a_record_that_the_database_takes(case: Case, rita: User) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    statement = decision.statements.get(recipient="uploader")
    assert statement.tdb is not None
    assert tdb.problems(statement.tdb) == {}
    assert statement.tdb["puid"] == statement.puid
    assert statement.tdb["incompatible_content_illegal"] == "No"
    assert len(statement.tdb["territorial_scope"]) == 27
    assert decision.statements.get(recipient="notifier").tdb is None


@pytest.mark.django_db
def test_a_restriction_outside_the_union_and_no_action_have_no_record(case: Case, rita: User) -> None:
    decisions.decide(case, rita, outcome="geo_restrict", territory=["US"], interim=True, **TERMS)
    decisions.decide(case, rita, outcome="no_action", **TERMS)
    assert not StatementOfReasons.objects.exclude(puid=None).exists()


@pytest.mark.django_db
def test_i24_nothing_about_a_child_leaves(asset: Asset, file_notice: FileNotice, rita: User, ravi: User) -> None:
    notice, _ = file_notice(asset, category="child_safety")
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    assert decision.statements.get(recipient="uploader").tdb is None
    with pytest.raises(NotFound):
        tdb_export.of_decision(decision, ravi)


@pytest.mark.django_db
def test_a_child_in_another_kind_of_case_does_not_leave_either(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    notice, _ = file_notice(asset, answers={"minor": "yes"})
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    assert not list(tdb_export.calls(tdb_export.statements(), ravi))
    with pytest.raises(NotFound):
        tdb_export.of_decision(decision, ravi)


@pytest.mark.django_db
def test_one_statement_is_exported_and_marked(case: Case, rita: User, ravi: User, alice: User) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    for somebody in (rita, alice):
        with pytest.raises(Forbidden):
            tdb_export.of_decision(decision, somebody)
    assert tdb.problems(tdb_export.of_decision(decision, ravi)) == {}
    assert leaf_of("statement:exported")["facts"]["statements"] == 1
    assert decision.statements.get(recipient="uploader").exported_at is not None
    assert not tdb_export.statements().exists()


@pytest.mark.django_db
def test_a_look_at_a_record_takes_nothing_out(case: Case, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    record = tdb_export.read(decision, ravi)
    assert record["puid"] == decision.statements.get(recipient="uploader").puid
    assert tdb_export.statements().count() == 1
    assert not Entry.objects.filter(type="statement:exported").exists()
    with pytest.raises(Forbidden):
        tdb_export.read(decision, rita)


@pytest.mark.django_db
def test_a_folder_that_cannot_take_the_files_leaves_everything_unmarked(
    case: Case, rita: User, ravi: User, tmp_path: Path
) -> None:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    (tmp_path / "statements-0001.json").write_text("{}")
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "calls"):
        with pytest.raises(CommandError):
            call_command("statements", "export", "--by", ravi.email, "--out", str(out))
    assert tdb_export.statements().count() == 1


@pytest.mark.django_db
def test_many_records_are_checked_with_as_many_queries_as_one(
    make_asset: MakeAsset, alice: User, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    asked = []
    for call_of, n in enumerate((1, 1, 3)):  # the first reads what is then kept in memory
        for title in range(n):
            notice, _ = file_notice(make_asset(alice, f"{call_of}, {title}"), email=f"{call_of}{title}@example.org")
            decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
        with CaptureQueriesContext(connection) as queries:
            ((call, refused),) = tdb_export.calls(tdb_export.statements(), ravi)
        assert (len(call["statements"]), refused) == (n, {})
        asked.append(len(queries))
    assert asked[1] == asked[2]


@pytest.mark.django_db
def test_a_name_that_became_known_since_keeps_a_statement_in(case: Case, rita: User, ravi: User, alice: User) -> None:
    said = {**TERMS, "facts_text": "The notice about Rotterdam Harbour describes the work exactly."}
    decisions.decide(case, rita, outcome="hide", **said)
    User.objects.filter(pk=alice.pk).update(name="Rotterdam Harbour")
    ((call, refused),) = tdb_export.calls(tdb_export.statements(), ravi)
    assert call == {"statements": []}
    assert [list(errors) for errors in refused.values()] == [["decision_facts"]]
    with pytest.raises(Problem):
        tdb_export.of_decision(Decision.objects.get(), ravi)
    assert not StatementOfReasons.objects.exclude(exported_at=None).exists()


@pytest.mark.django_db
def test_one_refused_record_is_listed_and_does_not_hold_back_the_others(
    make_asset: MakeAsset,
    alice: User,
    file_notice: FileNotice,
    rita: User,
    ravi: User,
    api: Any,
    tmp_path: Path,
    capsys: Any,
) -> None:
    fit = []
    for n, facts in enumerate(("Rotterdam Harbour is what the work shows.", REASONS["facts_text"])):
        notice, _ = file_notice(make_asset(alice, f"Work {n}"), email=f"a{n}@example.org")
        decision = decisions.decide(
            cases.assign(notice.case, rita), rita, outcome="hide", **{**TERMS, "facts_text": facts}
        )
        fit.append(decision.statements.get(recipient="uploader"))
    User.objects.filter(pk=alice.pk).update(name="Rotterdam Harbour")
    refused, other = fit
    answer = api(ravi).post("/api/v1/dsa-statements").data
    assert [record["puid"] for record in answer["statements"]] == [other.puid]
    assert list(answer["refused"]) == [refused.puid]
    call_command("statements", "export", "--by", ravi.email, "--out", str(tmp_path / "calls"))
    assert f"refused {refused.puid}" in capsys.readouterr().out
    assert list((tmp_path / "calls").iterdir()) == []
    assert list(tdb_export.statements()) == [refused]
    assert leaf_of("statement:exported")["facts"]["statements"] == 1


@pytest.mark.django_db
def test_a_statement_is_exported_once_and_again_only_by_name(
    case: Case, rita: User, ravi: User, tmp_path: Path
) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    first = tdb_export.calls(tdb_export.statements(), ravi)
    second = tdb_export.calls(tdb_export.statements(), ravi)
    ((call, _),) = first
    assert len(call["statements"]) == 1
    assert list(second) == []
    with pytest.raises(Conflict):
        tdb_export.of_decision(decision, ravi)
    with pytest.raises(Conflict):
        tdb_export.of_decision(decision, ravi, again="assay-another")
    number = str(decision.statements.get(recipient="uploader").puid)
    assert tdb_export.of_decision(decision, ravi, again=number)["puid"] == number
    call_command("statements", "export", "--by", ravi.email, "--out", str(tmp_path / "calls"), "--again", number)
    assert len(list((tmp_path / "calls").iterdir())) == 1
    assert Entry.objects.filter(type="statement:exported").count() == 3


@pytest.mark.django_db
def test_of_two_who_read_the_same_rows_the_second_exports_nothing(case: Case, rita: User, ravi: User) -> None:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    rows = list(tdb_export.statements())
    assert list(tdb_export.calls(tdb_export.statements(), ravi))
    with pytest.raises(Conflict), transaction.atomic():
        tdb_export._record(rows, {"statements": [rows[0].tdb]}, ravi)
    assert Entry.objects.filter(type="statement:exported").count() == 1


@pytest.mark.django_db
def test_nobody_exports_the_record_about_a_case_of_their_own(
    case: Case, asset: Asset, rita: User, ravi: User, olga: User
) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    Asset.objects.filter(pk=asset.pk).update(owner=ravi)
    for verb in (tdb_export.read, tdb_export.of_decision):
        with pytest.raises(Forbidden, match="This work is yours"):
            verb(decision, ravi)
    assert list(tdb_export.calls(tdb_export.statements(), ravi)) == []
    assert tdb_client.submit(ravi).rehearsed == []
    assert len(tdb_client.submit(olga).rehearsed) == 1
    assert tdb_export.of_decision(decision, olga)


@pytest.mark.django_db
def test_a_number_that_stands_twice_is_refused() -> None:
    with pytest.raises(Conflict, match="assay-1"):
        tdb_export.refuse_twice(["assay-1", "assay-2", "assay-1"])


@pytest.mark.django_db
def test_the_command_writes_files_of_calls(case: Case, rita: User, ravi: User, tmp_path: Path) -> None:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    out = tmp_path / "calls"
    options = ("export", "--by", ravi.email, "--out", str(out), "--since", "2020-01-01")
    call_command("statements", *options)
    (path,) = out.iterdir()
    (record,) = json.loads(path.read_text())["statements"]
    assert tdb.problems(record) == {}
    with pytest.raises(CommandError, match="name an empty folder"):
        call_command("statements", *options)
    empty = tmp_path / "empty"
    call_command("statements", *options[:4], str(empty), *options[5:])
    assert list(empty.iterdir()) == [], "nothing is left"
    with pytest.raises(CommandError, match="lead reviewers and operators"):
        call_command("statements", "export", "--by", rita.email, "--out", str(tmp_path / "other"))


# --- In everybody's language -----------------------------------------------------------------------------------------


def test_the_texts_of_all_languages_have_the_same_keys() -> None:
    from policy.deciding import statement_prose

    for language in statement_prose.LANGUAGES:
        said = statement_prose.texts(language)
        assert set(said["effects"]) == set(Decision.Outcome.values)
        assert "fake" not in json.dumps(said).lower()
    assert statement_prose.language_of("de-AT") == "de"
    assert statement_prose.language_of("tlh") == "en"


@pytest.mark.django_db
def test_everybody_reads_the_reasons_in_their_own_language(
    asset: Asset, file_notice: FileNotice, rita: User, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(language="de")
    asset.refresh_from_db()
    notice, _ = file_notice(Asset.objects.get(pk=asset.pk))
    Notice.objects.update(language="en")
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    uploader = decision.statements.get(recipient="uploader")
    assert uploader.locale == "de"
    assert "Das Werk ist jetzt vor der Öffentlichkeit verborgen" in uploader.text
    assert "Entwurf" in uploader.text
    assert REASONS["facts_text"] in uploader.text
    assert "hidden from the public" in decision.statements.get(recipient="notifier").text


@pytest.mark.django_db
def test_a_person_shown_who_has_a_link_is_told_too(case: Case, rita: User, alice: User, asset: Asset) -> None:
    from policy.consents import consent

    consent.ask_consent(asset, alice, name="Erin Fox", contact="erin@example.org", purposes=["publish"])
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    statement = decision.statements.get(recipient="depicted")
    assert (statement.user, statement.notice) == (None, None)
    assert statement.person is not None


@pytest.mark.django_db
def test_a_correction_takes_the_place_of_the_old_statement_and_keeps_it(case: Case, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    words = {"facts_text": "The work shows what the second notice describes.", "explanation": TERMS["explanation"]}
    with pytest.raises(Conflict):
        statements.correct(decision, ravi, **words)
    made = statements.correct(decision, rita, **words)
    assert len(made) == 2
    assert all(row.corrects is not None and "takes the place of an earlier" in row.text for row in made)
    assert decision.statements.count() == 4
    assert len({row.puid for row in decision.statements.all() if row.puid}) == 2
    assert tdb_export.of_decision(decision, ravi)["decision_facts"] == words["facts_text"]


def test_dates_are_days() -> None:
    assert tdb._day("2026-05-19") == dt.date(2026, 5, 19)
    assert tdb._day("2026-5-19") is None


@pytest.mark.parametrize(
    "text", ["Regulation (EU) 2024/1689 (AI Act), 50(4), 50(5)", "on 2026-11-23 12:00 it was seen"]
)
def test_the_number_of_a_law_and_a_day_are_no_telephone_numbers(text: str) -> None:
    assert not plain_texts.leak(text)


@pytest.mark.parametrize("text", ["ring 0171/1234 567", "call +49 30 123456", "see 2024/1689 or 030 12345678"])
def test_i6_a_telephone_number_is_found_beside_other_digits(text: str) -> None:
    assert "telephone" in plain_texts.leak(text)
