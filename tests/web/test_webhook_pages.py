"""Alice's page of web hooks, and the same through the API."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import create_token
from policy.hooks import payloads, webhooks
from policy.models import HookDelivery, Webhook
from tests.web import stage
from web.forms_webhooks import WORDS

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite"), pytest.mark.usefixtures("allowed")]

PAGE = "/account/webhooks/"
URL = "https://hooks.example.org/assay"
Api = Callable[..., APIClient]


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.ASSAY_WEBHOOKS = True


@pytest.fixture
def hook(alice: User) -> Webhook:
    assert alice.organisation is not None
    return webhooks.make(alice, alice.organisation, url=URL)[0]


def test_alice_makes_one_sees_its_secret_once_tests_pauses_and_removes_it(alice: User) -> None:
    browser = stage.browser(alice)
    made = browser.post(PAGE, {"url": URL, "signing": "hmac-sha256", "events": ["decision:made"]})
    hook = Webhook.objects.get()
    assert made.status_code == 200 and "whsec_" in made.content.decode()
    assert "whsec_" not in browser.get(PAGE).content.decode()
    here = f"{PAGE}{hook.pk}/"
    assert "whsec_" in browser.post(f"{here}secret/").content.decode()
    assert browser.post(f"{here}test/").status_code == 302
    page = browser.get(here).content.decode()
    assert "A test" in page and "waiting" in page and "whsec_" not in page
    browser.post(f"{here}pause/")
    assert "paused by its owner" in browser.get(here).content.decode()
    browser.post(f"{here}resume/")
    browser.post(here, {"url": f"{URL}/2", "events": []})
    hook.refresh_from_db()
    assert (hook.url, hook.events, hook.state) == (f"{URL}/2", [], "active")
    browser.post(f"{here}remove/")
    assert not Webhook.objects.exists()


def test_a_wrong_address_is_said_beside_its_field(alice: User, hook: Webhook) -> None:
    browser = stage.browser(alice)
    for where in (PAGE, f"{PAGE}{hook.pk}/"):
        answer = browser.post(where, {"url": "https://127.0.0.1/", "signing": "ed25519"})
        assert answer.status_code == 422 and 'href="#id_url"' in answer.content.decode()
    assert Webhook.objects.get().url == URL


def test_another_organisations_is_not_there(mallory: User, hook: Webhook, api: Api) -> None:
    browser = stage.browser(mallory)
    assert URL not in browser.get(PAGE).content.decode()
    for verb in ("", "pause/", "remove/", "secret/", "test/", "again/1/"):
        assert browser.post(f"{PAGE}{hook.pk}/{verb}").status_code == 404
    client = api(mallory)
    assert client.get("/api/v1/webhooks").json() == []
    assert client.get(f"/api/v1/webhooks/{hook.pk}/deliveries").status_code == 404
    assert client.delete(f"/api/v1/webhooks/{hook.pk}").status_code == 404


def test_an_unknown_verb_is_not_found(alice: User, hook: Webhook) -> None:
    assert stage.browser(alice).post(f"{PAGE}{hook.pk}/explode/").status_code == 404


def test_who_is_in_no_organisation_reads_why_there_is_no_form(db: None) -> None:
    loner = User.objects.create_user("loner@example.org", name="Loner")
    browser = stage.browser(loner)
    assert "you are a member of none" in browser.get(PAGE).content.decode()
    assert browser.post(PAGE, {"url": URL, "signing": "ed25519"}).status_code == 200
    assert not Webhook.objects.exists()


def test_an_office_that_allows_none_says_so(alice: User, hook: Webhook, settings: Any) -> None:
    settings.ASSAY_WEBHOOKS = False
    browser = stage.browser(alice)
    assert "sends nothing out by itself" in browser.get(PAGE).content.decode()
    assert browser.post(PAGE, {"url": f"{URL}/2", "signing": "ed25519"}).status_code == 422
    assert browser.post(f"{PAGE}{hook.pk}/test/", follow=True).status_code == 200
    assert not HookDelivery.objects.exists()


def test_what_was_given_up_can_be_sent_again(alice: User, hook: Webhook) -> None:
    browser, row = stage.browser(alice), webhooks.test(hook)
    browser.post(f"{PAGE}{hook.pk}/again/{row.pk}/")  # it waits still: refused, and said
    HookDelivery.objects.update(state="given_up", error="TimeoutError: it took too long")
    assert "it took too long" in browser.get(f"{PAGE}{hook.pk}/").content.decode()
    browser.post(f"{PAGE}{hook.pk}/again/{row.pk}/")
    row.refresh_from_db()
    assert row.state == "waiting"
    assert browser.post(f"{PAGE}{hook.pk}/again/0/").status_code == 404


def test_the_pages_cost_the_same_however_long_the_log(alice: User, hook: Webhook) -> None:
    browser = stage.browser(alice)

    def cost(where: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            browser.get(where)
        return len(seen)

    webhooks.test(hook)
    before = [cost(PAGE), cost(f"{PAGE}{hook.pk}/")]
    for n in range(20):
        hook.deliveries.create(event="case:opened", key=str(n), payload={"type": "case:opened"})
    assert alice.organisation is not None
    webhooks.make(alice, alice.organisation, url=f"{URL}/2")
    assert [cost(PAGE), cost(f"{PAGE}{hook.pk}/")] == before


def test_every_event_has_words(db: None) -> None:
    assert set(WORDS) == set(payloads.EVENTS)


# --- The API --------------------------------------------------------------------------------------------------------


def test_a_program_makes_tests_changes_and_removes_one(alice: User, api: Api) -> None:
    client = api(alice)
    made = client.post("/api/v1/webhooks", {"url": URL, "signing": "hmac-sha256", "events": ["case:opened"]})
    assert made.status_code == 201 and made.json()["secret"].startswith("whsec_")
    here = f"/api/v1/webhooks/{made.json()['id']}"
    assert "secret" not in client.get(here).json() and len(client.get("/api/v1/webhooks").json()) == 1
    assert client.post(f"{here}/test").status_code == 202
    assert client.post(f"{here}/test").status_code == 409
    (delivery,) = client.get(f"{here}/deliveries").json()
    assert delivery["event"] == "webhook:test"
    assert client.post(f"{here}/deliveries/{delivery['id']}/again").status_code == 409
    assert client.put(f"{here}/state", {"state": "paused"}).json()["state"] == "paused"
    assert client.put(f"{here}/state", {"state": "paused"}).status_code == 409
    assert client.put(f"{here}/state", {"state": "active"}).json()["state"] == "active"
    assert client.put(here, {"url": f"{URL}/2"}).json()["events"] == []
    assert client.post(f"{here}/secret").json()["secret"] != made.json()["secret"]
    assert client.delete(here).status_code == 204
    assert client.get(here).status_code == 404


def test_a_programs_mistakes_are_named(alice: User, hook: Webhook, api: Api) -> None:
    client = api(alice)
    for said, status in (
        ({"url": "http://hooks.example.org/"}, 400),
        ({"url": f"{URL}/x", "events": ["no:such"]}, 400),
        ({"url": f"{URL}/x", "organisation": str(hook.pk)}, 404),
        ({}, 400),
    ):
        assert client.post("/api/v1/webhooks", said).status_code == status
    assert client.post(f"/api/v1/webhooks/{hook.pk}/secret").status_code == 409
    assert client.post(f"/api/v1/webhooks/{hook.pk}/deliveries/7/again").status_code == 404


def test_a_token_needs_the_scope(alice: User, hook: Webhook, api: Api) -> None:
    for scopes, status in ((["assets:write"], 403), (["webhooks:manage"], 200)):
        _, secret = create_token(alice, name="program", scopes=scopes, days=1)
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        assert client.get("/api/v1/webhooks").status_code == status


def test_the_offices_public_key_is_for_everybody(hook: Webhook, api: Api) -> None:
    key = api().get("/api/v1/webhooks/key").json()["key"]
    assert len(base64.b64decode(key.removeprefix("whpk_"))) == 32
