"""A proposal from the desk to the public's comment and back, and a page of web hooks, as people see them."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Visitor
from tests.office import Office

pytestmark = pytest.mark.only_on("sqlite")
Visit = Callable[[], Visitor]

TEXT = "Where the law leaves the choice, a work is labelled first, and removed only when a label does not help."


def test_a_proposal_is_opened_commented_on_without_scripts_read_and_shown(
    visitor: Visit, browser: Browser, office: Office
) -> None:
    paula = visitor()
    paula.enter("Paula")
    paula.page.goto("/operations/proposals/")
    paula.look("proposals-desk")
    paula.page.get_by_label("Title").fill("Labels before removals")
    paula.page.get_by_label("What would change, and why").fill(TEXT)
    paula.page.get_by_role("button", name="Keep as a draft").click()
    paula.look("proposal-draft")
    paula.page.get_by_role("button", name="Open it").click()

    context = browser.new_context(base_url=office.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/proposals/")
    page.get_by_role("link", name="Labels before removals").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Your comment").fill("A label is enough in most cases.")
    page.get_by_role("button", name="Send the comment").press("Enter")
    expect(page.get_by_text("A person reads your comment")).to_be_visible()
    address = page.url
    context.close()

    paula.page.reload()
    paula.page.get_by_role("button", name="Show it").click()
    paula.look("proposal-at-the-desk")
    paula.page.get_by_label("Reply").fill("We agree.")
    paula.page.get_by_role("button", name="Reply").click()

    reader = visitor()
    reader.page.goto("/proposals/")
    reader.look("proposals")
    reader.page.goto(address)
    expect(reader.page.get_by_text("The office replied")).to_be_visible()
    reader.look("proposal")


def test_alices_web_hooks(visitor: Visit, office: Office) -> None:
    office.python(
        "from django.conf import settings; settings.ASSAY_WEBHOOKS = True; from accounts.models import User; "
        "from policy.hooks import webhooks; alice = User.objects.get(email='alice@demo.example'); "
        "hook, _ = webhooks.make(alice, alice.organisation, url='https://hooks.example.org/assay/a/rather/long/path'); "
        "row = webhooks.test(hook); row.state = 'given_up'; row.error = 'TimeoutError: it took too long'; row.save()"
    )
    alice = visitor()
    alice.enter("Alice")
    alice.page.goto("/account/webhooks/")
    alice.look("webhooks")
    alice.page.get_by_role("link", name="https://hooks.example.org").click()
    expect(alice.page.get_by_text("it took too long")).to_be_visible()
    alice.look("webhook")
    alice.page.get_by_label("Address of your program").fill("https://127.0.0.1/")
    alice.page.get_by_role("button", name="Change").click()
    expect(alice.page.get_by_role("alert")).to_be_visible()
    alice.look("webhook-refused")
