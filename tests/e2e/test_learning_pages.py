"""The learning pages, the charter and the walk through a case as people see them, also by keyboard, without scripts."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Visitor
from tests.office import Office

pytestmark = pytest.mark.only_on("sqlite")
LOOKED_AT = (
    "/learn/de/",
    "/learn/en/what-detection-can-do/",
    "/learn/de/glossary/",
    "/how-we-decide/de/",
    "/charter/en/",
)
Visit = Callable[[], Visitor]


def test_every_kind_of_page_is_for_everybody(visitor: Visit) -> None:
    reader = visitor()
    # One page of each kind, in one of the languages: the others are made of the same parts.
    for path in LOOKED_AT:
        reader.page.goto(path)
        reader.look(path.strip("/").replace("/", "-"))


def test_the_walk_shows_the_demos_case_and_leads_to_its_entries(visitor: Visit) -> None:
    reader = visitor()
    reader.page.goto("/how-we-decide/en/")
    expect(reader.page.get_by_text("The decision is overturned")).to_be_visible()
    expect(reader.page.get_by_role("rowheader")).not_to_have_count(0)
    reader.page.get_by_role("link", name="The work, as anybody sees it today").click()
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("DSCOVR lifts off")


def test_the_languages_are_one_press_apart_by_keyboard_and_without_scripts(browser: Browser, office: Office) -> None:
    context = browser.new_context(base_url=office.url, java_script_enabled=False, locale="de-DE")
    page = context.new_page()
    page.goto("/learn/")
    expect(page).to_have_url(f"{office.url}/learn/de/")
    page.get_by_role("link", name="English").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{office.url}/learn/en/")
    page.get_by_role("link", name="What to do if you are shown in one").first.click()
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Was Sie tun können, wenn Sie darin gezeigt werden")
    context.close()
