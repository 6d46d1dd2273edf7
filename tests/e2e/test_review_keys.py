"""Single keys of the review desk: none loses a decision that was begun to be written, and they can be switched off."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

SITE = "http://desk.example/"
SCRIPT = (ROOT / "web" / "static" / "web" / "review.js").read_text()
SHORTCUTS = (ROOT / "web" / "templates" / "review" / "_shortcuts.html").read_text()
# As on the case page: what leaves it, what decides, and where the keys are told.
PAGE = f"""<!doctype html><title>A case</title><div id="messages" role="status"></div>
<a href="/next" data-key="n">Next case</a><button type="button" data-shortcuts hidden>Keyboard shortcuts</button>
<div id="shortcuts" hidden tabindex="-1"><input type="checkbox" id="keys-on" data-keys checked></div>
<button form="compose" hidden>Read it</button>
<div data-enter><input name="reason" aria-label="Why" form="compose"><button form="compose" formaction="/unseal"
formnovalidate data-key="u">Show it</button></div>
<section id="decide"><h2 tabindex="-1" data-key="d">Decide</h2><form id="compose" action="/preview">
<input type="radio" name="outcome" value="hide" aria-label="Hide"><input type="text" name="until" value="2026-12-01">
<textarea name="explanation" aria-label="Explanation"></textarea><button data-key="p">Read it</button></form></section>
<script>{SCRIPT}</script>"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page.goto(SITE)
    yield page
    context.close()


def test_one_stray_key_loses_no_written_decision(page: Page) -> None:
    page.get_by_label("Explanation").fill("The face is not theirs.")
    page.get_by_label("Hide").focus()
    page.keyboard.press("n")
    expect(page.get_by_role("status")).to_contain_text("begun to write a decision")
    assert page.url == SITE
    with page.expect_event("dialog") as asked:
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("link", name="Next case").click()
    assert asked.value.type == "beforeunload"
    page.wait_for_url("**/next")
    page.keyboard.press("n")
    expect(page.get_by_role("status")).to_be_empty()


def test_to_read_the_statement_nothing_is_asked(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"asked: {dialog.type}"))
    page.get_by_label("Explanation").fill("The face is not theirs.")
    page.get_by_label("Hide").focus()
    page.keyboard.press("p")
    page.wait_for_url("**/preview?**")


@pytest.mark.parametrize("how", ["click", "enter", "key"])
def test_what_is_written_goes_along_to_the_next_step_of_the_seal_and_nothing_is_asked(page: Page, how: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"asked: {dialog.type}"))
    page.get_by_label("Explanation").fill("The face is not theirs.")
    if how == "key":
        page.get_by_label("Hide").focus()
        page.keyboard.press("u")
    elif how == "enter":
        page.get_by_label("Why").fill("To compare")
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name="Show it").click()
    page.wait_for_url("**/unseal?**explanation=The+face+is+not+theirs.*")


def test_enter_in_the_composer_opens_no_picture(page: Page) -> None:
    page.locator("input[name=until]").press("Enter")
    page.wait_for_url("**/preview?**")


def test_single_keys_are_switched_off_and_that_is_remembered(page: Page) -> None:
    assert "data-keys" in SHORTCUTS, "the list of shortcuts has the box"
    page.keyboard.press("?")
    page.locator("[data-keys]").uncheck()
    page.reload()
    page.keyboard.press("n")
    page.keyboard.press("?")
    assert page.url == SITE
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.locator("[data-keys]").check()
    page.keyboard.press("n")
    page.wait_for_url("**/next")
