"""Machine tokens: scoped, expiring, revocable, and never in the clear."""

import datetime as dt
import json

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import MachineToken, User
from accounts.tokens import create_token, revoke_token
from core.clock import now
from core.problems import NotFound, Problem
from ledger.models import Entry

pytestmark = pytest.mark.django_db


def machine(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def leaf(entry: Entry) -> dict[str, object]:
    fields: dict[str, object] = json.loads(bytes(entry.leaf))
    return fields


def test_a_machine_reads_its_owners_assets(alice: User) -> None:
    _, secret = create_token(alice, name="camera", scopes=["assets:read"], days=30)
    assert secret.startswith("assay_")
    assert machine(secret).get("/api/v1/assets").status_code == 200


def test_a_machine_without_the_scope_is_refused(alice: User) -> None:
    _, secret = create_token(alice, name="camera", scopes=["notices:write"], days=30)
    assert machine(secret).get("/api/v1/assets").status_code == 403


def test_a_token_opens_no_page(alice: User) -> None:
    _, secret = create_token(alice, name="camera", scopes=["assets:read"], days=30)
    answer = Client().get("/studio/", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 302


def test_an_expired_token_is_401_in_plain_words_and_still_listed(alice: User) -> None:
    _, secret = create_token(alice, name="camera", scopes=["assets:read"], days=1)
    with time_machine.travel(now() + dt.timedelta(days=2)):
        answer = machine(secret).get("/api/v1/assets")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (answer.json()["code"], "expired" in answer.json()["detail"]) == ("auth.failed", True)
    assert MachineToken.objects.filter(user=alice).count() == 1


@pytest.mark.parametrize("secret", ["assay_unknown", "ü", "assay_" + "0" * 4000])
def test_a_token_nobody_made_is_401(secret: str, db: None) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    answer = client.get("/api/v1/assets")
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.failed")


def test_a_token_of_a_person_who_was_switched_off_is_401(alice: User) -> None:
    _, secret = create_token(alice, name="camera", scopes=["assets:read"], days=30)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert machine(secret).get("/api/v1/assets").status_code == 401


def test_a_revoked_token_stops_at_once_and_both_steps_are_in_the_log(alice: User) -> None:
    row, secret = create_token(alice, name="camera", scopes=["assets:read"], days=30)
    revoke_token(alice, row.digest)
    assert machine(secret).get("/api/v1/assets").status_code == 401
    made, revoked = Entry.objects.order_by("pk")
    assert (made.type, revoked.type) == ("token:created", "token:revoked")
    assert leaf(made)["facts"] == {"days": 30, "scopes": ["assets:read"]}
    assert leaf(made)["object"] == leaf(revoked)["object"]


def test_the_log_names_neither_the_token_nor_its_owner(alice: User) -> None:
    row, secret = create_token(alice, name="my secret camera", scopes=["assets:read"], days=30)
    text = bytes(Entry.objects.get().leaf).decode()
    assert secret not in text and str(alice.pk) not in text and "camera" not in text
    assert secret not in str(MachineToken.objects.values()) and row.digest not in text


def test_mallory_cannot_revoke_alices_token(alice: User, mallory: User) -> None:
    row, _ = create_token(alice, name="camera", scopes=["assets:read"], days=30)
    with pytest.raises(NotFound):
        revoke_token(mallory, row.digest)
    assert MachineToken.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    ("name", "scopes", "days"), [("", ["assets:read"], 1), ("x", [], 1), ("x", ["all"], 1), ("x", ["assets:read"], 400)]
)
def test_a_token_with_bad_values_is_not_made(alice: User, name: str, scopes: list[str], days: int) -> None:
    with pytest.raises(Problem):
        create_token(alice, name=name, scopes=scopes, days=days)
    assert not MachineToken.objects.exists() and not Entry.objects.exists()


def test_a_token_and_its_entry_commit_together(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the log is not there")

    monkeypatch.setattr("accounts.tokens.append", broken)
    with pytest.raises(RuntimeError), transaction.atomic():
        create_token(alice, name="camera", scopes=["assets:read"], days=1)
    assert not MachineToken.objects.exists()


def test_the_page_shows_a_new_token_once(alice: User) -> None:
    browser = Client()
    browser.force_login(alice)
    made = browser.post("/tokens/", {"name": "camera", "scopes": ["assets:read"], "days": "30"}).content.decode()
    secret = made.split('id="secret">')[1].split("<")[0]
    assert machine(secret).get("/api/v1/assets").status_code == 200
    listed = browser.get("/tokens/").content.decode()
    assert "camera" in listed and secret not in listed


def test_the_page_offers_only_scopes_that_the_persons_roles_can_back(alice: User, greta: User) -> None:
    browser = Client()
    browser.force_login(alice)
    assert "audit:read" not in browser.get("/tokens/").content.decode()
    refused = browser.post("/tokens/", {"name": "x", "scopes": ["audit:read"], "days": "30"})
    assert refused.status_code == 422 and not MachineToken.objects.exists()
    browser.force_login(greta)
    assert "audit:read" in browser.get("/tokens/").content.decode()


def test_the_page_revokes(alice: User) -> None:
    row, _ = create_token(alice, name="camera", scopes=["assets:read"], days=30)
    browser = Client()
    browser.force_login(alice)
    page = browser.post("/tokens/revoke/", {"digest": row.digest}, follow=True).content.decode()
    assert "was revoked" in page and not MachineToken.objects.exists()
