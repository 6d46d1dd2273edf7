"""The verify page in a browser: five states to look at, and that a known file never leaves the device."""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, expect

from tests.conftest import PHOTOGRAPHS
from tests.e2e.conftest import Visitor
from tests.office import Office

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

Visitors = Callable[[], Visitor]
LONG = "Fishermen mending nets at the old harbour of Valparaíso, seen from the customs house before the storm.jpg"

REGISTER = """
import sys
from accounts.models import Role, User
from accounts.people import create_person
from core.storage import open_file, receive
from provenance.registration import register_asset
person = User.objects.filter(email="{email}").first() or create_person(
    "{email}", "Somebody", roles=[Role.CREATOR], organisation="Elsewhere"
)
with receive([open({source!r}, "rb").read()]) as scratch:
    asset = register_asset(person, scratch, title={title!r})
with open_file(asset.rendition("signed").key) as file:
    open({target!r}, "wb").write(file.read())
"""


def register(office: Office, source: Path, target: Path, title: str) -> Path:
    """Register a file in `office` through the real verb; its signed copy lies at `target` then."""
    office.python(REGISTER.format(email="somebody@example.org", source=str(source), target=str(target), title=title))
    return target


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("originals") / LONG
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as image:
        image.crop((0, 0, 560, 380)).save(path, quality=92)
    return path


@pytest.fixture(scope="module")
def signed(office: Office, original: Path) -> Path:
    """Registered and signed by the office under test."""
    return register(office, original, original.with_name("signed.jpg"), "Coffee in the last light of the afternoon")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory, original: Path) -> Path:
    """Signed by another office, whose certificate is on no list of ours."""
    folder = tmp_path_factory.mktemp("elsewhere")
    elsewhere = Office(folder / "var")
    elsewhere.manage("migrate", "-v", "0")
    source = folder / "theirs.jpg"
    with Image.open(PHOTOGRAPHS / "cat.jpg") as image:
        image.crop((20, 30, 420, 330)).save(source, quality=90)
    return register(elsewhere, source, folder / "from elsewhere.jpg", "A cat that sits elsewhere")


def changed(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[-len(data) // 4] ^= 1
    other = path.with_name("changed.jpg")
    other.write_bytes(data)
    return other


def saved_again(path: Path) -> Path:
    other = path.with_name("from a messenger.jpg")
    with Image.open(path) as image:
        image.resize((image.width // 2, image.height // 2)).save(other, quality=40)
    return other


def nobodys(folder: Path) -> Path:
    path = folder / "unknown.png"
    image = Image.radial_gradient("L").resize((300, 300)).rotate(13)
    Image.merge("RGB", (image, image.rotate(90), image.rotate(200))).save(path)
    return path


def choose(page: Page, path: Path) -> None:
    page.goto("/")
    page.set_input_files("input[name=file]", path)


def send(page: Page, path: Path) -> None:
    """Choose a file nobody knows by its fingerprint, and agree to send it."""
    choose(page, path)
    expect(page.get_by_role("heading", name="Not known by its fingerprint")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Send it to be read").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Report on a file", timeout=60_000)


class Posts:
    """The bytes a page sent by POST."""

    def __init__(self, page: Page) -> None:
        self.sent: list[str] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.method == "POST":
            self.sent.append(request.url)


# --- Known: nothing is sent ----------------------------------------------------------------------------------------


def test_a_known_file_is_reported_on_and_never_leaves_the_device(visitor: Visitors, signed: Path) -> None:
    anyone = visitor()
    posts = Posts(anyone.page)
    choose(anyone.page, signed)
    anyone.page.wait_for_url(re.compile(r"/verify/[0-9a-f]{64}/"), timeout=30_000)
    expect(anyone.page.get_by_text("You did not have to send the file")).to_be_visible()
    expect(anyone.page.get_by_text("has not changed since it was signed").first).to_be_visible()
    assert posts.sent == []
    assert hashlib.sha256(signed.read_bytes()).hexdigest() in anyone.page.url
    anyone.look("verify-valid")


def test_an_unknown_file_is_sent_only_when_a_person_agrees(visitor: Visitors, tmp_path: Path) -> None:
    anyone = visitor()
    posts = Posts(anyone.page)
    choose(anyone.page, nobodys(tmp_path))
    heading = anyone.page.get_by_role("heading", name="Not known by its fingerprint")
    expect(heading).to_be_focused(timeout=30_000)
    anyone.page.wait_for_timeout(500)
    assert posts.sent == [], "it asks first"
    anyone.look("verify-asks")
    anyone.page.get_by_role("button", name="No, choose another").click()
    expect(anyone.page.get_by_role("button", name="Test this file")).to_be_visible()
    assert posts.sent == []


def test_the_whole_way_works_by_keyboard_alone(visitor: Visitors, tmp_path: Path) -> None:
    anyone = visitor()
    choose(anyone.page, nobodys(tmp_path))
    expect(anyone.page.get_by_role("heading", name="Not known by its fingerprint")).to_be_focused(timeout=30_000)
    anyone.page.keyboard.press("Tab")
    expect(anyone.page.get_by_role("button", name="Send it to be read")).to_be_focused()
    anyone.page.keyboard.press("Enter")
    expect(anyone.page.get_by_text("Nothing is known here about this file.")).to_be_visible(timeout=60_000)
    anyone.look("verify-nothing-known")


def test_without_a_connection_to_the_register_the_person_is_told_and_asked(visitor: Visitors, tmp_path: Path) -> None:
    anyone = visitor()
    anyone.page.route("**/api/v1/verifications/*", lambda route: route.abort())
    choose(anyone.page, nobodys(tmp_path))
    expect(anyone.page.get_by_role("heading", name="The register could not be asked")).to_be_visible(timeout=30_000)
    expect(anyone.page.get_by_role("button", name="Send it to be read")).to_be_visible()


def test_a_file_too_large_to_be_read_is_looked_up_all_the_same(visitor: Visitors, tmp_path: Path) -> None:
    anyone = visitor()
    page = anyone.page
    posts = Posts(page)
    page.goto("/")
    page.evaluate("document.querySelector('form[data-verify]').dataset.limit = '1000'")
    page.set_input_files("input[name=file]", nobodys(tmp_path))
    expect(page.get_by_role("heading", name="Not known, and too large to be read here")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Send it to be read")).to_be_hidden()
    assert posts.sent == []


def test_a_fingerprint_nobody_knows_asks_for_the_file(visitor: Visitors) -> None:
    anyone = visitor()
    anyone.page.goto(f"/verify/{'0' * 64}/")
    expect(anyone.page.get_by_role("heading", name="Nothing is known by this fingerprint")).to_be_visible()
    anyone.look("verify-unknown-fingerprint")


def test_without_javascript_the_file_is_sent_as_the_page_says(office: Office, browser: object, signed: Path) -> None:
    context = browser.new_context(base_url=office.url, java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_text("The file is sent to this office to be read. It is not kept.")).to_be_visible()
    page.set_input_files("input[name=file]", signed)
    page.get_by_role("button", name="Test this file").click()
    expect(page.get_by_text("has not changed since it was signed").first).to_be_visible(timeout=30_000)
    context.close()


# --- The other states ----------------------------------------------------------------------------------------------


def test_a_strangers_credential(visitor: Visitors, stranger: Path) -> None:
    anyone = visitor()
    send(anyone.page, stranger)
    expect(anyone.page.get_by_text("from a signer this office does not know")).to_be_visible()
    anyone.look("verify-unknown-signer")


def test_a_file_that_was_changed(visitor: Visitors, signed: Path) -> None:
    anyone = visitor()
    send(anyone.page, changed(signed))
    expect(anyone.page.get_by_text("the file was changed after it was signed").first).to_be_visible()
    expect(anyone.page.locator("#verdict-integrity")).to_contain_text("changed")
    anyone.page.locator("#verdict-integrity summary").click()
    expect(anyone.page.locator("#verdict-integrity code").first).to_contain_text("mismatch")
    anyone.look("verify-tampered")


def test_a_stripped_copy_is_recovered_and_compared(visitor: Visitors, signed: Path) -> None:
    anyone = visitor()
    page = anyone.page
    send(page, saved_again(signed))
    expect(page.get_by_text("it is a registered work, saved again")).to_be_visible()
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible()
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "55 per cent of your file shown")
    anyone.look("verify-recovered")


def test_a_changed_ancestor_is_seen_in_the_chain(
    office: Office, visitor: Visitors, stranger: Path, tmp_path: Path
) -> None:
    child = register(office, changed(stranger), tmp_path / "child.jpg", "A cat, taken over from elsewhere")
    anyone = visitor()
    page = anyone.page
    choose(page, child)
    page.wait_for_url(re.compile(r"/verify/[0-9a-f]{64}/"), timeout=30_000)
    expect(page.get_by_text("a file it was made from had already failed its check").first).to_be_visible()
    box = page.locator(".chain a").nth(1)
    box.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chain-2")).to_be_in_viewport()
    anyone.look("verify-chain")


def test_a_report_is_kept_on_request_and_read_by_link(visitor: Visitors, signed: Path) -> None:
    anyone = visitor()
    send(anyone.page, changed(signed))
    anyone.page.get_by_role("button", name="Make a link").click()
    anyone.page.wait_for_url(re.compile(r"/verify/kept/"))
    other = visitor()
    other.page.goto(anyone.page.url)
    expect(other.page.get_by_text("A report that somebody kept")).to_be_visible()
    other.look("verify-kept")
    other.page.emulate_media(media="print")
    other.photograph("verify-print")


# --- The fingerprint is the right one ------------------------------------------------------------------------------

IN_WORKER = """async ({address, size}) => {
  const bytes = new Uint8Array(size).map((_, at) => (at * 31 + (at >> 8)) & 255);
  const worker = new Worker(address);
  const answer = new Promise(done => { worker.onmessage = ({data}) => data.sha256 && done(data.sha256); });
  worker.postMessage({file: new File([bytes], "x")});
  return await answer;
}"""


def test_the_browser_computes_the_same_sha_256_as_the_office(visitor: Visitors) -> None:
    page = visitor().page
    page.goto("/")
    address = page.locator("form[data-verify]").get_attribute("data-worker")
    for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, (4 << 20) - 1, 4 << 20, (4 << 20) + 65, 9_000_001):
        data = bytes((at * 31 + (at >> 8)) & 255 for at in range(size))
        answer = page.evaluate(IN_WORKER, {"address": address, "size": size})
        assert answer == hashlib.sha256(data).hexdigest(), f"{size} bytes"


def test_alice_registers_a_file_of_any_kind_without_sending_it(visitor: Visitors, tmp_path: Path) -> None:
    alice = visitor()
    alice.enter("Alice")
    raw = tmp_path / "negative.raw"
    raw.write_bytes(io.BytesIO(b"sensor" * 50_000).getvalue())
    page = alice.page
    page.goto("/studio/new/")
    page.get_by_role("link", name="Register by fingerprint, without sending the file").click()
    page.set_input_files("#local", raw)
    expect(page.get_by_text("The fingerprint is filled in below.")).to_be_visible(timeout=30_000)
    expect(page.locator("[name=sha256]")).to_have_value(hashlib.sha256(raw.read_bytes()).hexdigest())
    page.fill("input[name=title]", "Negative of the harbour")
    page.check("input[name=promise]")
    alice.look("studio-new-fingerprint")
    page.get_by_role("button", name="Register and sign").click()
    page.wait_for_url(re.compile(r"/studio/[0-9a-f-]{36}/"))
    expect(page.get_by_text("Registered by its fingerprint").first).to_be_visible()
    alice.look("studio-work-fingerprint")
    with page.expect_download() as download:
        page.get_by_role("link", name="Credential to lay beside the file").click()
    assert download.value.suggested_filename.endswith(".c2pa")
    anyone = visitor()
    choose(anyone.page, raw)
    anyone.page.wait_for_url(re.compile(r"/verify/[0-9a-f]{64}/"), timeout=30_000)
    expect(anyone.page.get_by_text("Somebody registered exactly this file’s fingerprint here")).to_be_visible()
    anyone.look("verify-never-sent")
