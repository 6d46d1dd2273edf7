"""The pages about rules: public ones, the test bench, and the way of a version with two keys."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from policy.filing import notices
from policy.law import rules
from policy.models import PackVersion
from policy.rulebook import packs
from tests.policy.rule_texts import office, person
from tests.web import stage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _keys(settings: Any, tmp_path: Path) -> None:
    settings.ASSAY_KEYS = tmp_path / "keys"


@pytest.fixture
def petra(db: None) -> User:
    return person("Petra", Role.POLICY_EDITOR)


@pytest.fixture
def leo(db: None) -> User:
    return person("Leo", Role.LEGAL)


def reported(category: str = "privacy", place: str = "GB") -> None:
    notices.file_notice(
        url_or_text="Somewhere else",
        category=category,
        jurisdiction=place,
        statement="This shows me and I never agreed.",
        name="Dana Hill",
        email="dana@example.org",
        good_faith=True,
        as_depicted=True,
    )


# --- Public --------------------------------------------------------------------------------------------------------


def test_a_rule_says_how_it_is_counted_and_what_proves_it() -> None:
    page = stage.browser().get("/rules/us.dmca.512.g/").content.decode()
    for said in (
        "without the holidays of United States, federal holidays",
        "5 U.S.C. 6103",
        "Proven by",
        "draft until",
    ):
        assert said in page, said
    page = stage.browser().get("/rules/eu.gdpr.12.3/").content.decode()
    assert "May be extended once by 2 months" in page
    assert "Rests while we wait for information" in stage.browser().get("/rules/office.terms.review/").content.decode()
    page = stage.browser().get("/rules/office.terms.misuse/").content.decode()
    assert "at least 3, and 50 in a hundred" in page


def test_bills_run_in_shadow_and_small_figures_are_not_told_to_the_public(olga: User) -> None:
    reported("ncii")
    page = stage.browser().get("/rules/bills/").content.decode()
    assert "Crime and Policing Bill" in page
    assert "fewer than 5" in page
    desk = stage.browser(olga).get("/rules/bills/").content.decode()
    assert "fewer than 5" not in desk
    assert 'data-label="Notices">1<' in desk


def test_an_unknown_pack_or_rule_is_not_found() -> None:
    browser = stage.browser()
    for path in ("/rules/eu.dsa.20/?pack=0", "/rules/no.such/", f"/rules/eu.dsa.20/?pack={'a' * 64}"):
        assert browser.get(path).status_code == 404, path


# --- The bench -----------------------------------------------------------------------------------------------------

FACTS = "?jurisdictions=US&jurisdictions=IN&category=ncii&channel=notice&at=2026-06-01T12:00"


def test_facts_in_rules_deadlines_and_why_not_out(petra: User) -> None:
    browser = stage.browser(petra)
    assert "Why the others" not in browser.get("/rules/bench/").content.decode()
    page = browser.get(f"/rules/bench/{FACTS}").content.decode()
    assert "due 2026-06-01 14:00 UTC" in page
    assert "due 2026-06-03 12:00 UTC" in page
    assert page.index("due 2026-06-01 14:00") < page.index("due 2026-06-03 12:00")
    assert "It ended on 2026-02-20; the day is 2026-06-01." in page
    assert "jurisdictions is [IN, US]" in page


def test_a_draft_is_tried_before_it_is_law(petra: User) -> None:
    browser = stage.browser(petra)
    browser.post("/rules/packs/new/", {"content": office()})
    row = PackVersion.objects.get()
    page = browser.get(f"/rules/bench/?channel=notice&at=2026-06-01T12:00&pack={row.pk}").content.decode()
    assert "due 2026-06-06 12:00 UTC" in page
    assert "due 2026-06-08 12:00 UTC" in browser.get(f"/rules/bench/{FACTS}").content.decode()


def test_what_is_no_choice_is_refused_beside_its_field(petra: User) -> None:
    browser = stage.browser(petra)
    for query in ("?category=anything", "?jurisdictions=ZZ", "?at=soon", "?pack=1", "?flags=rude", "?event=x"):
        assert browser.get(f"/rules/bench/{query}").status_code == 422, query


# --- A version -----------------------------------------------------------------------------------------------------


def test_a_version_goes_from_text_to_law_with_two_keys(petra: User, leo: User, olga: User) -> None:
    reported()
    editor = stage.browser(petra)
    page = editor.get("/rules/packs/new/?name=office").content.decode()
    assert "office.terms.review" in page
    answer = editor.post("/rules/packs/new/", {"file": SimpleUploadedFile("office.yaml", office().encode())})
    row = PackVersion.objects.get(version="2")
    assert answer["Location"] == f"/rules/packs/{row.pk}/"
    page = editor.get(f"/rules/packs/{row.pk}/?impact").content.decode()
    assert "value: 5" in page
    assert "1 earlier, 0 later, 0 new, 0 gone" in page
    assert "Submit for approval" in page and "Approve this version" not in page
    editor.post(f"/rules/packs/{row.pk}/submit/")
    assert "Approve this version" not in editor.get(f"/rules/packs/{row.pk}/").content.decode()
    refused = editor.post(f"/rules/packs/{row.pk}/approve/")
    assert refused.status_code == 403
    assert "two other people approve it" in refused.content.decode()
    for user in (olga, leo):
        page = stage.browser(user).get(f"/rules/packs/{row.pk}/").content.decode()
        assert "Approve this version" in page and "Sign and publish" not in page
        stage.browser(user).post(f"/rules/packs/{row.pk}/approve/")
    page = editor.get(f"/rules/packs/{row.pk}/").content.decode()
    assert "Leo, as a lawyer" in page and "Sign and publish" in page
    past = {"effective_from": "2020-01-01T00:00"}
    assert editor.post(f"/rules/packs/{row.pk}/publish/", past).status_code == 422
    assert editor.post(f"/rules/packs/{row.pk}/publish/", {"effective_from": ""}).status_code == 302
    page = editor.get(f"/rules/packs/{row.pk}/").content.decode()
    assert "The signature verifies." in page
    public = stage.browser().get("/rules/office.terms.review/").content.decode()
    assert "within 5 days" in public
    assert "Approved by two people, one of them a lawyer" in public
    old = rules.shipped()[1].digest
    assert "seven days" in stage.browser().get(f"/rules/office.terms.review/?pack={old}").content.decode()
    assert editor.get(f"/rules/packs/{row.pk}/?text").content.decode() == row.content
    # Its author has no button to take it out of force, and cannot.
    assert "/retire/" not in page
    editor.post(f"/rules/packs/{row.pk}/retire/")
    assert PackVersion.objects.get(pk=row.pk).state == "in_force"
    stage.browser(olga).post(f"/rules/packs/{row.pk}/retire/")
    assert "seven days" in stage.browser().get("/rules/office.terms.review/").content.decode()


def test_a_broken_signature_is_said_and_the_pack_is_not_used(petra: User, leo: User, olga: User) -> None:
    editor = stage.browser(petra)
    editor.post("/rules/packs/new/", {"content": office()})
    row = PackVersion.objects.get()
    editor.post(f"/rules/packs/{row.pk}/submit/")
    for user in (olga, leo):
        stage.browser(user).post(f"/rules/packs/{row.pk}/approve/")
    editor.post(f"/rules/packs/{row.pk}/publish/", {})
    PackVersion.objects.filter(pk=row.pk).update(signature=bytes(64))
    page = editor.get(f"/rules/packs/{row.pk}/").content.decode()
    assert "The signature of this pack does not verify" in page
    assert "seven days" in stage.browser().get("/rules/office.terms.review/").content.decode()
    PackVersion.objects.filter(pk=row.pk).update(content=office(days=1))
    assert editor.get(f"/rules/packs/{row.pk}/").status_code == 409


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"content": "pack: ["}, "not YAML"),
        ({"content": ""}, "Choose a file"),
        ({"content": "x" * (packs.MAX_BYTES + 1)}, "at most"),
        ({"file": SimpleUploadedFile("a.yaml", b"\xff\xfe\x00")}, "not a text file"),
        ({"file": SimpleUploadedFile("a.yaml", b"#" * (packs.MAX_BYTES + 1))}, "at most 400 kB"),
    ],
)
def test_what_is_no_pack_is_refused_beside_the_field_and_nothing_is_kept(
    petra: User, sent: dict[str, Any], says: str
) -> None:
    answer = stage.browser(petra).post("/rules/packs/new/", sent)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not PackVersion.objects.exists()


def test_the_desk_is_closed_to_others(alice: User, rita: User, greta: User, olga: User) -> None:
    for path in ("/rules/bench/", "/rules/packs/", "/rules/packs/new/"):
        for user in (alice, rita, greta):
            assert stage.browser(user).get(path).status_code == 403
        assert "/account/login/" in stage.browser().get(path)["Location"]
    assert stage.browser(olga).get("/rules/packs/new/").status_code == 403
    assert stage.browser(olga).get("/rules/packs/").status_code == 200


def test_the_list_of_versions_costs_the_same_for_one_and_for_many(petra: User) -> None:
    browser, counts = stage.browser(petra), []
    for number in range(3):
        PackVersion.objects.create(name="old", version=str(number), digest=str(number), content="", origin="office")
        browser.get("/rules/packs/")
        with CaptureQueriesContext(connection) as queries:
            browser.get("/rules/packs/")
        counts.append(len(queries))
    assert len(set(counts)) == 1
