"""A running office and visitors with browsers. Every page looked at is checked: accessibility, CSP, narrow screens."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.office import Office
from tests.processes import ROOT

CHROMIUM = os.environ.get("ASSAY_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SERIOUS = {"serious", "critical"}
# If this is set, pictures of every page go to var/screenshots, for people to look at. They prove nothing.
PICTURES = ROOT / "var" / "screenshots" if os.environ.get("ASSAY_PICTURES") else None

WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', e =>
  window.__violations.push(`${e.violatedDirective}: ${e.blockedURI} in ${e.sourceFile}:${e.lineNumber}`));
"""

# Those too that wait until they come into view.
LOAD_PICTURES = """
Promise.all([...document.images].map(one => { one.loading = 'eager'; return one.decode().catch(() => {}); }))
"""


class Visitor:
    """Somebody with a browser of their own. `look` checks the page they are on."""

    def __init__(self, office: Office, browser: Browser) -> None:
        self._office = office
        self.context = browser.new_context(
            base_url=office.url, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
        )
        self.context.add_init_script(WATCH)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", lambda response: self._note(response.status, response.url))

    def enter(self, name: str) -> None:
        """Come in as one of the demo people, by a fresh one-time link."""
        code = (
            "from accounts.links import make_login_link; from accounts.models import User; "
            f"print(make_login_link(User.objects.get(email='{name.lower()}@demo.example')))"
        )
        self.page.goto(self._office.python(code).strip().splitlines()[-1])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/desk/")

    def look(self, title: str) -> None:
        """No serious accessibility or CSP violation, no script error, no sideways scrolling; perhaps four pictures."""
        results = Axe().run(self.page)
        found = [
            f"{one['id']}: {one['help']} {[node['html'] for node in one['nodes']][:3]}"
            for one in results.response["violations"]
            if one["impact"] in SERIOUS
        ]
        assert not found, f"{title}: {found}"
        assert self.page.evaluate("window.__violations") == [], title
        assert self.errors == [], title
        self.page.evaluate(LOAD_PICTURES)
        for width in (1280, 360):
            self.page.set_viewport_size({"width": width, "height": 900})
            wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{title} scrolls sideways by {wide} px at {width} px"
            self.photograph(f"{title}-{width}-light")
        self._look_in_the_dark(title)

    def _look_in_the_dark(self, title: str) -> None:
        self.page.emulate_media(color_scheme="dark")
        self.photograph(f"{title}-360-dark")
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.wait_for_timeout(100)  # colours change in the next frames
        results = Axe().run(self.page, options={"runOnly": ["color-contrast"]})
        poor = [one["nodes"] for one in results.response["violations"] if one["impact"] in SERIOUS]
        assert not poor, f"{title} in dark mode: {[node['html'] for nodes in poor for node in nodes][:3]}"
        self.photograph(f"{title}-1280-dark")
        self.page.emulate_media(color_scheme="light")

    def photograph(self, name: str) -> None:
        if PICTURES is not None:
            PICTURES.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    def _note(self, status: int, url: str) -> None:
        if status >= 500:
            self.errors.append(f"{status} from {url}")


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office") / "var") as office:
        office.login("Olga")  # the last line of the greeting: the demo's works are registered
        office.wait_for(office.jobs_are_over, "the demo's works to be examined")
        yield office


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert Path(CHROMIUM).exists(), "the browser tests need Chromium: apt-get install chromium, or set ASSAY_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(office: Office, browser: Browser) -> Iterator[Callable[[], Visitor]]:
    """Opens browsers; all are closed, and checked for errors on the way, when the test ends."""
    opened: list[Visitor] = []

    def open_one() -> Visitor:
        opened.append(Visitor(office, browser))
        return opened[-1]

    yield open_one
    for one in opened:
        one.context.close()
        assert one.errors == []
