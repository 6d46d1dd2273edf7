"""A stranger's first day in the browser: register → receipt → verify → report → decide → appeal → export → erase."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import PHOTOGRAPHS
from tests.e2e.conftest import Visitor
from tests.office import Office
from tests.processes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

Visitors = Callable[[], Visitor]


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph nobody has registered: a detail of one of ours, mirrored."""
    path = tmp_path_factory.mktemp("media") / "harbour at dawn.jpg"
    with Image.open(PHOTOGRAPHS / "deep-field.jpg") as image:
        detail = image.crop((100, 100, 700, 500)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        detail.save(path, quality=90)
    return path


def test_the_whole_story_in_the_browser(office: Office, visitor: Visitors, photograph: Path, tmp_path: Path) -> None:
    work = _alice_registers_and_gets_a_receipt(visitor, photograph, tmp_path)
    consent_link = _alice_asks_for_consent(visitor, work)
    own_pin = _dana_agrees(visitor, consent_link, office)
    _anyone_verifies(visitor, tmp_path / "signed.jpg")
    number, pin = _a_reader_reports(visitor, work)
    _rita_decides(visitor, number)
    _the_reader_sees_the_outcome(visitor, number, pin)
    _alice_appeals(visitor, work)
    appeal = office.python("from policy.models import Appeal; print(Appeal.objects.latest('pk').pk)").split()[-1]
    _rita_is_refused(visitor, appeal)
    _ravi_overturns(visitor, appeal)
    _greta_exports(visitor, office, tmp_path)
    _dana_is_forgotten(visitor, consent_link, own_pin)
    checked = office.manage("check_log", check=False)
    assert checked.returncode == 0, checked.stdout


def _alice_registers_and_gets_a_receipt(visitor: Visitors, photograph: Path, tmp_path: Path) -> str:
    alice = visitor()
    alice.enter("Alice")
    alice.look("desk-creator")
    page = alice.page
    page.goto("/studio/new/")
    alice.look("studio-new")
    page.set_input_files("input[name=file]", photograph)
    page.fill("input[name=title]", "Harbour at dawn, seen from the old customs house on the northern quay")
    page.check("input[name=promise]")
    page.get_by_role("button", name="Register and sign").click()
    page.wait_for_url(re.compile(r"/studio/[0-9a-f-]{36}/"))
    work = page.url.rstrip("/").split("/")[-1]
    expect(page.get_by_text("Looked for and not found")).to_be_visible(timeout=90_000)
    alice.look("studio-work")
    with page.expect_download() as download:
        page.evaluate(f"window.location = '/assets/{work}/file/'")
    download.value.save_as(tmp_path / "signed.jpg")
    page.goto(f"/assets/{work}/receipt/")
    expect(page.get_by_text("ledger.verify").or_(page.get_by_text("checkpoint")).first).to_be_visible(timeout=15_000)
    alice.look("receipt")
    page.goto("/studio/")
    alice.look("studio")
    return work


def _alice_asks_for_consent(visitor: Visitors, work: str) -> str:
    alice = visitor()
    alice.enter("Alice")
    page = alice.page
    page.goto(f"/studio/{work}/consent/")
    page.fill("input[name=name]", "Dana")
    page.locator("input[name=contact]").fill("dana@demo.example")
    page.locator("input[name=purposes]").first.check()
    page.get_by_role("button", name="Make the link").click()
    link = page.locator("#consent-link").inner_text()
    alice.look("consent-ask")
    return link.strip()


def _dana_agrees(visitor: Visitors, link: str, office: Office) -> str:
    """The PIN of her own, from her mail."""
    dana = visitor()
    dana.page.goto(link)
    dana.look("consent")
    for box in dana.page.locator("input[name=purposes]").all():
        expect(box).not_to_be_checked()
        box.check()
    dana.page.get_by_role("button", name="Agree to what I ticked").click()
    expect(dana.page.get_by_role("button", name="Withdraw everything")).to_be_visible()
    dana.look("consent-answered")
    office.wait_for(lambda: bool(_pins_mailed(office)), "the mail with Dana's PIN")
    pin = _pins_mailed(office)[-1]
    assert pin not in dana.page.content()
    return pin


def _pins_mailed(office: Office) -> list[str]:
    """Without a mail server mails are files; the newest last."""
    files = sorted((office.var / "mail").glob("*"), key=lambda path: path.stat().st_mtime)
    texts = [path.read_text(errors="replace") for path in files]
    return [pin for text in texts for pin in re.findall(r"This is your PIN: (\d{4} \d{4} \d{4})", text)]


def _anyone_verifies(visitor: Visitors, signed: Path) -> None:
    anyone = visitor()
    anyone.page.goto("/")
    anyone.look("home")
    _test_file(anyone, signed, known=True)
    anyone.look("report-valid")
    data = bytearray(signed.read_bytes())
    data[-len(data) // 4] ^= 1
    changed = signed.with_name("changed.jpg")
    changed.write_bytes(data)
    _test_file(anyone, changed)
    expect(anyone.page.get_by_text("assertion.dataHash.mismatch").first).to_be_attached()
    anyone.look("report-invalid")


def _test_file(visitor: Visitor, path: Path, *, known: bool = False) -> None:
    """Drop a file on the home page; what is not known by its fingerprint is sent when the visitor agrees."""
    page = visitor.page
    page.goto("/")
    page.set_input_files("input[name=file]", path)
    if known:
        page.wait_for_url("**/verify/*/", timeout=30_000)
        return
    page.get_by_role("button", name="Send it to be read").click(timeout=30_000)
    heading = page.get_by_role("heading", level=1)
    expect(heading).not_to_have_text("What is known about this file?", timeout=30_000)


def _a_reader_reports(visitor: Visitors, work: str) -> tuple[str, str]:
    reader = visitor()
    page = reader.page
    page.goto(f"/report/?asset={work}")
    reader.look("report-form")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".error-summary")).to_be_visible()
    reader.look("report-form-errors")
    page.select_option("select[name=category]", "likeness")
    page.locator("input[name=shown]").first.check()
    page.select_option("select[name=jurisdiction]", "EU")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="What the rules say for your answers")).to_be_visible()
    reader.look("report-law")
    page.fill(
        "textarea[name=statement]", "I can be recognised in this picture and nobody asked me before it was shown."
    )
    page.check("input[name=good_faith]")
    page.get_by_role("button", name="Send the report").click()
    # What a law asks for is told before anything is sent; it may be sent without.
    reader.look("report-wanting")
    page.get_by_role("button", name="Send as it is").click()
    number, pin = page.locator("#case-number").inner_text(), page.locator("#case-pin").inner_text()
    reader.look("report-filed")
    return number.strip(), pin.strip()


def _rita_decides(visitor: Visitors, number: str) -> None:
    rita = visitor()
    rita.enter("Rita")
    page = rita.page
    page.goto("/review/")
    rita.look("review-queue")
    page.get_by_role("link", name=re.compile("Harbour at dawn")).first.click()
    page.get_by_role("button", name="Assign to me").click()
    rita.look("review-case")
    page.fill("input[name=reason]", "The notice is about who can be seen.")
    for step in ("Show it blurred and grey", "Show it clearly, still grey", "Show it in colour"):
        page.get_by_role("button", name=step).click()
    page.check("input[name=outcome][value=hide]")
    page.check("input[name=ground][value=terms]")
    page.check("input[name=rule_ids][value='office.terms.consent']")
    page.fill("textarea[name=facts_text]", "A person says that they can be recognised and were not asked.")
    page.fill("textarea[name=explanation]", "Until consent is clear the work is not shown to the public.")
    page.locator("#decide button[type=submit]").last.click()
    rita.look("review-preview")
    page.locator("button[name=confirm]").click()
    page.wait_for_load_state()
    rita.look("decision-reviewer")


def _the_reader_sees_the_outcome(visitor: Visitors, number: str, pin: str) -> None:
    reader = visitor()
    page = reader.page
    page.goto("/notice/")
    reader.look("notice-enter")
    page.fill("input[name=number]", number)
    page.fill("input[name=pin]", pin)
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url(f"**/notice/{number}/")
    expect(page.get_by_text("office.terms.consent").or_(page.get_by_text("Statement of reasons")).first).to_be_visible()
    reader.look("notice-status")


def _alice_appeals(visitor: Visitors, work: str) -> None:
    alice = visitor()
    alice.enter("Alice")
    page = alice.page
    page.goto(f"/studio/{work}/")
    page.locator("a[href^='/decisions/']").first.click()
    alice.look("decision-uploader")
    page.fill(
        "textarea[name=grounds]", "Dana agreed by the link I sent; the consent is on record and bound to this file."
    )
    page.get_by_role("button", name="Appeal").click()
    expect(page.get_by_text("Somebody who did not take this decision will decide it.")).to_be_visible()


def _rita_is_refused(visitor: Visitors, appeal: str) -> None:
    rita = visitor()
    rita.enter("Rita")
    page = rita.page
    page.goto("/appeals/")
    expect(page.get_by_text("You took the decision that is appealed").first).to_be_visible()
    rita.look("appeals-first-decider")
    page.goto(f"/appeals/{appeal}/")
    expect(page.get_by_text("so another reviewer decides this appeal").first).to_be_visible()
    expect(page.locator("textarea[name=reasons]")).to_have_count(0)
    rita.look("appeal-refused")


def _ravi_overturns(visitor: Visitors, appeal: str) -> None:
    ravi = visitor()
    ravi.enter("Ravi")
    page = ravi.page
    page.goto("/appeals/")
    ravi.look("appeals")
    page.locator(f"a[href='/appeals/{appeal}/']").first.click()
    ravi.look("appeal")
    page.check("input[name=outcome][value=overturn]")
    page.fill("textarea[name=reasons]", "The person's consent is on record and covers publication of this very file.")
    page.get_by_role("button", name="Decide the appeal").click()
    expect(page.get_by_text(re.compile("reversed", re.IGNORECASE)).first).to_be_visible()
    ravi.look("appeal-decided")


def _greta_exports(visitor: Visitors, office: Office, tmp_path: Path) -> None:
    greta = visitor()
    greta.enter("Greta")
    page = greta.page
    page.goto("/regulator/")
    greta.look("regulator-purpose")
    page.fill("[name=purpose]", "Yearly inspection of decisions")
    page.get_by_role("button", name="Open the audit log").click()
    greta.look("regulator")
    page.get_by_role("button", name="Make a bundle of this query").click()
    expect(page.get_by_role("link", name="Download").first).to_be_visible(timeout=60_000)  # a worker builds it
    greta.look("regulator-bundles")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    bundle = tmp_path / "bundle.zip"
    download.value.save_as(bundle)
    key = office.get("/log/key")[1].strip()
    done = subprocess.run(
        [sys.executable, "-m", "ledger.verify", str(bundle), "--key", key], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _dana_is_forgotten(visitor: Visitors, link: str, pin: str) -> None:
    dana = visitor()
    page = dana.page
    page.goto(link)
    page.get_by_role("link", name="Give my PIN").click()
    dana.look("consent-pin")
    page.fill("input[name=pin]", pin)
    page.get_by_role("button", name="Give my PIN").click()
    page.get_by_role("link", name="See or erase my data").click()
    dana.look("my-data")
    page.fill("input[name=confirm]", "ERASE")
    page.get_by_role("button", name="Erase for ever").click()
    page.wait_for_load_state()
    dana.look("my-data-receipt")
    response = page.goto(link)
    assert response is not None
    assert response.status == 404
    dana.look("consent-gone")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/register/", "register"),
        ("/log/", "log-status"),
        ("/transparency/notices/", "register-of-notices"),
        ("/rules/", "rules"),
        ("/rules/us.tida.223a/", "rule"),
        ("/detectors/", "detectors"),
        ("/detectors/synthetic_image/", "detector"),
        ("/problems/media.too_large/", "problem"),
        ("/my-data/", "my-data-ways"),
        ("/account/login/", "login"),
        ("/account/signup/", "signup"),
        ("/account/password/reset/", "password-reset"),
        ("/nowhere/", "not-found"),
        ("/api/docs/", "api-docs"),
    ],
)
def test_a_public_page_is_accessible_and_keeps_its_policy(visitor: Visitors, path: str, title: str) -> None:
    anyone = visitor()
    anyone.page.goto(path)
    if title == "api-docs":
        expect(anyone.page.get_by_text("/api/v1/assets").first).to_be_visible()
        assert anyone.page.evaluate("window.__violations") == []
        return
    anyone.look(title)


@pytest.mark.parametrize(
    ("person", "path", "title"),
    [
        ("Olga", "/desk/", "desk-operator"),
        ("Olga", "/operations/register/", "register-desk"),
        ("Rita", "/desk/", "desk-reviewer"),
        ("Greta", "/desk/", "desk-regulator"),
        ("Alice", "/tokens/", "tokens"),
        ("Alice", "/account/2fa/", "second-factor"),
        ("Alice", "/account/password/set/", "password-set"),
        ("Alice", "/my-data/account/", "my-data-account"),
    ],
)
def test_a_page_behind_the_login_is_accessible_and_keeps_its_policy(
    visitor: Visitors, person: str, path: str, title: str
) -> None:
    somebody = visitor()
    somebody.enter(person)
    somebody.page.goto(path)
    somebody.look(title)


def test_a_bad_file_on_the_home_page_gets_a_readable_answer(visitor: Visitors, tmp_path: Path) -> None:
    anyone = visitor()
    bad = tmp_path / "half.jpg"
    bad.write_bytes((PHOTOGRAPHS / "rocket.jpg").read_bytes()[:9000])
    anyone.page.goto("/")
    anyone.page.set_input_files("input[name=file]", bad)
    anyone.page.get_by_role("button", name="Send it to be read").click(timeout=30_000)
    expect(anyone.page.get_by_text("incomplete or damaged").first).to_be_visible()
    anyone.look("bad-file")


def test_a_second_office_on_the_same_port_is_told_what_to_do(office: Office) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", str(office.port)],
        cwd=ROOT,
        env={**os.environ, "ASSAY_VAR": str(office.var)},
        capture_output=True,
        text=True,
    )
    assert second.returncode != 0
    assert "ASSAY_PORT" in second.stderr
    assert office.get("/")[0] == 200
