"""One-time login links: one person, one use, one day."""

import datetime as dt

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
