"""Two jurisdictions' full stories in the browser. Each ends with a trail that verifies.

(a) United States: an intimate picture, 48 hours, no account; a measure for the meantime; the person shown is forgotten
in the middle; decision, the owner's statement of reasons, appeal, restored.
(b) European Union: a notice, no action with its reasons, the notifier appeals, a third person decides, the record for
the transparency database.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import PHOTOGRAPHS
from tests.e2e.conftest import Visitor
from tests.office import Office

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

Visitors = Callable[[], Visitor]
NAME, ADDRESS = "Dana Quillfeather", "dana.quillfeather@demo.example"


def test_an_american_notice_from_report_to_restoration(office: Office, visitor: Visitors, tmp_path: Path) -> None:
    work = _alice_registers(visitor, _photograph(tmp_path, (40, 60, 500, 380)), "Window seat")
    number, pin = _dana_reports_under_a_48_hour_law(visitor, work)
    rita = visitor()
    rita.enter("Rita")
    _rita_hides_it_for_the_meantime(rita, work)
    anyone = visitor()
    assert "Window seat" not in _text(anyone.page, f"/assets/{work}/")
    _dana_is_forgotten(visitor, number, pin)
    _rita_decides_although_the_filer_is_forgotten(rita, work)
    _alice_reads_why_and_appeals(visitor, work)
    _ravi_overturns(visitor)
    assert "Window seat" in _text(anyone.page, f"/assets/{work}/")
    _nothing_says_her_name(office, rita.page)
    checked = office.manage("check_log", check=False)
    assert checked.returncode == 0, checked.stdout


def test_a_european_notice_from_no_action_to_the_transparency_database(
    office: Office, visitor: Visitors, tmp_path: Path
) -> None:
    work = _alice_registers(visitor, _photograph(tmp_path, (200, 20, 640, 330)), "Speech on the square")
    number, pin = _a_reader_reports_in_europe(visitor, work)
    rita = visitor()
    rita.enter("Rita")
    _take(rita.page, "Speech on the square")
    _compose(rita, "no_action", ["eu.dsa.16.2.fields"], ground="illegal")
    _the_reader_appeals(visitor, number, pin)
    _ravi_lets_a_third_person_look(visitor)
    rosa = visitor()
    rosa.enter("Rosa")
    _take(rosa.page, "Speech on the square")
    _compose(rosa, "label", ["eu.aia.50.4.deepfake"], ground="illegal")
    _the_record_for_the_database_is_right(office, visitor, tmp_path)
    checked = office.manage("check_log", check=False)
    assert checked.returncode == 0, checked.stdout


# --- What both do ----------------------------------------------------------------------------------------------------


def _photograph(folder: Path, box: tuple[int, int, int, int]) -> Path:
    path = folder / "picture.jpg"
    with Image.open(PHOTOGRAPHS / "rocket.jpg") as image:
        image.crop(box).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, quality=88)
    return path


def _alice_registers(visitor: Visitors, photograph: Path, title: str) -> str:
    alice = visitor()
    alice.enter("Alice")
    page = alice.page
    page.goto("/studio/new/")
    page.set_input_files("input[name=file]", photograph)
    page.fill("input[name=title]", title)
    page.check("input[name=promise]")
    page.get_by_role("button", name="Register and sign").click()
    page.wait_for_url(re.compile(r"/studio/[0-9a-f-]{36}/"))
    return page.url.rstrip("/").split("/")[-1]


def _text(page: Page, path: str) -> str:
    page.goto(path)
    return page.locator("body").inner_text()


def _take(page: Page, title: str) -> None:
    page.goto("/review/")
    page.get_by_role("link", name=re.compile(title)).first.click()
    page.get_by_role("button", name="Assign to me").click()


def _compose(reviewer: Visitor, outcome: str, rules: list[str], *, ground: str, interim: bool = False) -> None:
    page = reviewer.page
    page.check(f"input[name=outcome][value={outcome}]")
    if interim:
        page.check("input[name=interim]")
    page.check(f"input[name=ground][value={ground}]")
    for rule in rules:
        page.check(f"input[name=rule_ids][value='{rule}']")
    page.fill("textarea[name=facts_text]", "The work was looked at in full, beside what the notice says about it.")
    page.fill("textarea[name=explanation]", "These facts lead to this outcome under the rules that are cited here.")
    page.locator("#decide button[type=submit]").last.click()
    expect(page.get_by_role("heading", name="Check the statement of reasons")).to_be_visible()
    page.locator("button[name=confirm]").click()
    page.wait_for_load_state()
    expect(page.locator(".error-summary")).to_have_count(0)


def _open_notice(visitor: Visitors, number: str, pin: str) -> Visitor:
    somebody = visitor()
    page = somebody.page
    page.goto("/notice/")
    page.fill("input[name=number]", number)
    page.fill("input[name=pin]", pin)
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url(f"**/notice/{number}/")
    return somebody


def _filed(page: Page) -> tuple[str, str]:
    page.get_by_role("button", name="Send the report").click()
    assert not page.locator(".error-summary").all_inner_texts()
    number = page.locator("#case-number").inner_text().strip()
    return number, page.locator("#case-pin").inner_text().strip()


# --- (a) -------------------------------------------------------------------------------------------------------------


def _dana_reports_under_a_48_hour_law(visitor: Visitors, work: str) -> tuple[str, str]:
    dana = visitor()
    page = dana.page
    page.goto(f"/report/?asset={work}")
    page.select_option("select[name=category]", "ncii")
    page.check("input[name=shown][value=me]")
    page.select_option("select[name=jurisdiction]", "US")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("48 hours").first).to_be_visible()
    dana.look("report-law-us")
    page.fill("textarea[name=statement]", "This is a private picture of me. I never agreed that anybody shows it.")
    page.fill("input[name=name]", NAME)
    page.fill("input[name=email]", ADDRESS)
    page.check("input[name=sworn_tida_not_consensual]")
    page.check("input[name=good_faith]")
    number, pin = _filed(page)
    page.goto(f"/notice/{number}/")
    expect(page.get_by_text("us.tida.223a").or_(page.get_by_text("TAKE IT DOWN")).first).to_be_visible()
    return number, pin


def _rita_hides_it_for_the_meantime(rita: Visitor, work: str) -> None:
    _take(rita.page, "Window seat")
    _compose(rita, "hide", ["us.tida.223a", "office.terms.consent"], ground="illegal", interim=True)


def _dana_is_forgotten(visitor: Visitors, number: str, pin: str) -> None:
    dana = _open_notice(visitor, number, pin)
    page = dana.page
    assert NAME in page.content()
    page.get_by_role("link", name="See or erase my data").click()
    page.fill("input[name=confirm]", "ERASE")
    page.get_by_role("button", name=re.compile("Erase")).last.click()
    page.wait_for_load_state()


def _rita_decides_although_the_filer_is_forgotten(rita: Visitor, work: str) -> None:
    page = rita.page
    page.goto("/review/?show=mine")
    page.get_by_role("link", name=re.compile("Window seat")).first.click()
    expect(page.get_by_text("erased at the person’s request").first).to_be_visible()
    rita.look("review-case-filer-forgotten")
    _compose(rita, "hide", ["us.tida.223a", "office.terms.consent"], ground="illegal")


def _alice_reads_why_and_appeals(visitor: Visitors, work: str) -> None:
    alice = visitor()
    alice.enter("Alice")
    page = alice.page
    page.goto(f"/studio/{work}/")
    page.locator("a[href^='/decisions/']").first.click()
    expect(page.get_by_text("TAKE IT DOWN").first).to_be_visible()
    alice.look("decision-us-uploader")
    page.fill("textarea[name=grounds]", "It is a picture of a window seat in my own studio; nobody is in it at all.")
    page.get_by_role("button", name="Appeal").click()
    expect(page.get_by_role("heading", name="Your appeal")).to_be_visible()
    alice.look("appeal-mine")


def _open_appeal(visitor: Visitors, title: str) -> Visitor:
    ravi = visitor()
    ravi.enter("Ravi")
    ravi.page.goto("/appeals/")
    ravi.page.get_by_role("link", name=re.compile(title)).first.click()
    ravi.page.get_by_role("button", name="Take this appeal").click()
    return ravi


def _ravi_overturns(visitor: Visitors) -> None:
    ravi = _open_appeal(visitor, "Window seat")
    page = ravi.page
    page.check("input[name=outcome][value=overturn]")
    page.fill("textarea[name=reasons]", "The picture shows an empty room. The law speaks of people who are shown.")
    page.get_by_role("button", name="Decide the appeal").click()
    expect(page.get_by_text(re.compile("reversed", re.IGNORECASE)).first).to_be_visible()


def _nothing_says_her_name(office: Office, page: Page) -> None:
    for path in ("/review/?show=decided", "/register/", "/log/"):
        page.goto(path)
        assert NAME not in page.content(), path
    for file in office.var.glob("*.sqlite3*"):
        assert NAME.encode() not in file.read_bytes(), file.name
        assert ADDRESS.encode() not in file.read_bytes(), file.name


# --- (b) -------------------------------------------------------------------------------------------------------------


def _a_reader_reports_in_europe(visitor: Visitors, work: str) -> tuple[str, str]:
    reader = visitor()
    page = reader.page
    page.goto(f"/report/?asset={work}")
    page.select_option("select[name=category]", "unlabelled_synthetic")
    page.check("input[name=shown][value=no]")
    page.select_option("select[name=jurisdiction]", "EU")
    page.get_by_role("button", name="Continue").click()
    page.fill(
        "textarea[name=statement]", "The crowd in this picture was made by software and the page does not say so."
    )
    page.fill("input[name=name]", "Remi Reader")
    page.fill("input[name=email]", "remi@demo.example")
    page.check("input[name=good_faith]")
    return _filed(page)


def _the_reader_appeals(visitor: Visitors, number: str, pin: str) -> None:
    reader = _open_notice(visitor, number, pin)
    page = reader.page
    expect(page.get_by_text("Statement of reasons").first).to_be_visible()
    page.locator("#appeal").get_by_role("link", name="Appeal").click()
    page.fill("textarea[name=grounds]", "Look at the hands of the people in the second row: they are repeated.")
    page.get_by_role("button", name="Appeal").click()
    expect(page.get_by_role("heading", name="Your appeal")).to_be_visible()
    reader.look("appeal-of-a-notifier")


def _ravi_lets_a_third_person_look(visitor: Visitors) -> None:
    ravi = _open_appeal(visitor, "Speech on the square")
    page = ravi.page
    page.check("input[name=outcome][value=overturn]")
    page.fill("textarea[name=reasons]", "The first look did not weigh what the notice says about repeated parts.")
    page.get_by_role("button", name="Decide the appeal").click()
    page.wait_for_load_state()


def _the_record_for_the_database_is_right(office: Office, visitor: Visitors, tmp_path: Path) -> None:
    ravi = visitor()
    ravi.enter("Ravi")
    labelled = "Decision.objects.get(outcome='label', case__asset__title='Speech on the square')"
    decision = office.python(f"from policy.models import Decision; print({labelled}.pk)").split()[-1]
    ravi.page.goto(f"/decisions/{decision}/")
    ravi.look("decision-eu")
    response = ravi.page.request.get(f"{office.url}/api/v1/decisions/{decision}/dsa-statement")
    assert response.ok, response.text()
    record = response.json()
    assert record["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_LABELLED"]
    assert record["decision_ground"] == "DECISION_GROUND_ILLEGAL_CONTENT"
    assert record["source_type"] == "SOURCE_ARTICLE_16"
    assert record["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED"
    assert "Remi" not in json.dumps(record)
    done = office.manage("statements", "export", "--by", "ravi@demo.example", "--out", str(tmp_path / "tdb"))
    assert done.returncode == 0, done.stdout
