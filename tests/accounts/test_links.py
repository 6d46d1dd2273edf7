"""One-time login links: one person, one use, one day."""

import datetime as dt
import json
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from accounts.links import LinkSpent, look_up, make_login_link, use_login_link
from accounts.models import LoginLink, User
from accounts.people import create_person
from core.clock import now
from core.problems import Conflict, Problem
from ledger.models import Entry
from ledger.receipts import disclosures_for

pytestmark = pytest.mark.django_db


def secret_of(path: str) -> str:
    return path.split("/")[2]


def test_a_link_preview_does_not_use_the_link_up(alice: User) -> None:
    path, browser = make_login_link(alice), Client()
    for _ in range(3):
        assert "Alice" in Client().get(path).content.decode()
    answer = browser.post(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/desk/")
    assert browser.get("/desk/").status_code == 200


def test_a_link_works_once(alice: User) -> None:
    path = make_login_link(alice)
    assert Client().post(path).status_code == 302
    again = Client().post(path)
    assert again.status_code == 410
    assert "does not work any more" in again.content.decode()


def test_of_two_who_race_for_a_link_one_gets_in(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secret_of(make_login_link(alice))

    def both_looked(text: str) -> User:
        user = look_up(text)
        LoginLink.objects.update(used_at=now())  # the other one, a moment before our own UPDATE
        return user

    monkeypatch.setattr("accounts.links.look_up", both_looked)
    with pytest.raises(LinkSpent):
        use_login_link(secret)


def test_a_link_ends_after_a_day(alice: User) -> None:
    secret = secret_of(make_login_link(alice))
    with time_machine.travel(now() + dt.timedelta(hours=24, minutes=1)), pytest.raises(LinkSpent):
        use_login_link(secret)


def test_the_secret_is_not_in_the_database(alice: User) -> None:
    secret = secret_of(make_login_link(alice))
    assert secret not in str(LoginLink.objects.values())


def test_a_link_of_somebody_who_was_switched_off_does_not_work(alice: User) -> None:
    path = make_login_link(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert Client().post(path).status_code == 410


def test_the_link_page_is_kept_out_of_caches_and_indexes(alice: User) -> None:
    headers = Client().get(make_login_link(alice)).headers
    assert "no-store" in headers["Cache-Control"]
    assert "noindex" in headers["X-Robots-Tag"]


def test_the_operator_makes_a_person_and_a_link(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_person", "Mira@Example.org", role=["reviewer"], organisation="The Office", base="http://x")
    user = User.objects.get(email="mira@example.org")
    link = capsys.readouterr().out.splitlines()[-1]
    given = [leaf["facts"]["role"] for leaf in leaves("role:granted")]
    assert given == ["reviewer"]
    assert user.has_role("reviewer") and use_login_link(secret_of(link.removeprefix("http://x"))) == user  # type: ignore[arg-type]
    call_command("login_link", "mira@example.org", base="http://x/")
    assert capsys.readouterr().out.startswith("http://x/enter/")


def test_a_link_for_nobody_is_refused() -> None:
    with pytest.raises(CommandError, match="nobody here"):
        call_command("login_link", "nobody@example.org")


def test_a_person_is_made_with_a_verified_address_and_can_log_in_with_a_password() -> None:
    create_person("nia@example.org", "Nia", roles=["creator"], organisation="Nia’s", password="correct horse battery")
    browser = Client()
    answer = browser.post("/account/login/", {"login": "nia@example.org", "password": "correct horse battery"})
    assert answer.headers["Location"] == "/desk/"


@pytest.mark.parametrize(
    ("email", "roles", "password", "code"),
    [
        ("no address", ["creator"], None, "person.email"),
        ("a@example.org", ["king"], None, "person.role"),
        ("a@example.org", ["creator"], "short", "person.password"),
    ],
)
def test_a_person_with_bad_values_is_refused_and_nothing_is_kept(
    email: str, roles: list[str], password: str | None, code: str
) -> None:
    with pytest.raises(Problem) as refusal:
        create_person(email, "A", roles=roles, organisation="O", password=password)
    assert refusal.value.code == code
    assert not User.objects.exists()


def test_an_address_has_one_account(alice: User) -> None:
    with pytest.raises(Conflict):
        create_person("ALICE@example.org", "Alice again", roles=["creator"], organisation="O")


def leaves(type: str) -> list[dict[str, Any]]:
    return [json.loads(bytes(entry.leaf)) for entry in Entry.objects.filter(type=type).order_by("pk")]


def test_every_role_a_person_is_given_is_in_the_log_and_nobody_is_named() -> None:
    user = create_person("nia@example.org", "Nia", roles=["creator", "reviewer", "creator"], organisation="Nia’s")
    given = leaves("role:granted")
    assert [leaf["facts"]["role"] for leaf in given] == ["creator", "reviewer"]
    assert {leaf["role"] for leaf in given} == {"operator"}
    entry = Entry.objects.filter(type="role:granted").order_by("pk")[0]
    (opened,) = disclosures_for(entry)
    assert user.organisation is not None
    assert opened.value == {"person": user.actor, "organisation": str(user.organisation.pk)}
    text = json.dumps(given)
    assert not any(word in text for word in ("nia@", str(user.organisation.pk), str(user.pk)))


def test_a_role_that_cannot_be_recorded_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the machine stops here")

    monkeypatch.setattr("accounts.people.append", fail)
    with pytest.raises(RuntimeError):
        create_person("nia@example.org", "Nia", roles=["reviewer"], organisation="Nia’s")
    assert not User.objects.exists()


def test_a_link_is_in_the_log_when_it_is_made_and_when_it_is_used(alice: User) -> None:
    path = make_login_link(alice)
    assert Client().post(path).status_code == 302
    (made,), (used,) = leaves("login_link:made"), leaves("login_link:used")
    assert made["object"] == used["object"] != ""
    assert (made["role"], used["role"]) == ("operator", "creator")
    text = json.dumps([made, used])
    assert secret_of(path) not in text and str(alice.pk) not in text


def test_a_spent_link_leaves_no_second_record(alice: User) -> None:
    path = make_login_link(alice)
    for _ in range(2):
        Client().post(path)
    assert len(leaves("login_link:used")) == 1
