"""Roles, the second factor, and signing up."""

import json

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts.access import role_required, signed_in
from accounts.links import make_login_link
from accounts.models import Role, User
from accounts.people import leading_role
from core.problems import Forbidden
from ledger.models import Entry

pytestmark = pytest.mark.django_db


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def test_a_page_for_creators_refuses_a_reviewer_in_plain_words(rita: User) -> None:
    answer = browser_of(rita).get("/studio/")
    assert answer.status_code == 403
    assert "people with the role creator" in answer.content.decode()


def test_what_a_role_page_answers_is_kept_out_of_shared_caches(alice: User) -> None:
    assert "private" in browser_of(alice).get("/studio/").headers["Cache-Control"]


def test_a_view_that_was_opened_by_mistake_still_asks_for_a_role(alice: User) -> None:
    from django.contrib.auth.models import AnonymousUser

    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    view = role_required(Role.CREATOR)(lambda request: pytest.fail("reached"))
    assert view(request).status_code == 302
    with pytest.raises(Forbidden):
        signed_in(request)


@pytest.mark.parametrize("who", ["rita", "greta", "olga"])
def test_outside_the_demo_who_sees_others_data_needs_a_second_factor(
    who: str, request: pytest.FixtureRequest, settings: Settings
) -> None:
    browser = browser_of(request.getfixturevalue(who))
    assert browser.get("/desk/").status_code == 200
    settings.DEMO = False
    assert browser.get("/desk/").headers["Location"] == "/account/2fa/"
    assert browser.get("/account/2fa/", follow=True).status_code == 200
    assert browser.get("/tokens/").headers["Location"] == "/account/2fa/"
    assert browser.post("/account/logout/").headers["Location"] == "/"


def test_the_api_says_it_as_a_problem(rita: User, settings: Settings) -> None:
    settings.DEMO = False
    answer = browser_of(rita).get("/api/v1/cases")
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.second_factor")


def test_with_a_second_factor_the_desk_opens(rita: User, settings: Settings) -> None:
    settings.DEMO = False
    Authenticator.objects.create(user=rita, type=Authenticator.Type.TOTP, data={"secret": "x"})
    assert browser_of(rita).get("/desk/").status_code == 200


def test_a_creator_needs_no_second_factor(alice: User, settings: Settings) -> None:
    settings.DEMO = False
    assert browser_of(alice).get("/studio/").status_code == 200


def test_a_login_link_does_not_step_over_the_second_factor(rita: User) -> None:
    Authenticator.objects.create(user=rita, type=Authenticator.Type.TOTP, data={"secret": "x"})
    browser = Client()
    answer = browser.post(make_login_link(rita))
    assert answer.headers["Location"] == "/account/2fa/authenticate/"
    assert browser.get("/desk/").status_code == 302


def test_who_signs_up_confirms_the_address_and_is_a_creator() -> None:
    browser = Client()
    password = "correct horse battery"
    form = {"email": "Noor@example.org", "password1": password, "password2": password}
    assert browser.post("/account/signup/", form).headers["Location"] == "/account/confirm-email/"
    link = next(word for word in mail.outbox[0].body.split() if "/account/confirm-email/" in word)
    path = link.partition("testserver")[2] or link
    browser.post(path)
    user = User.objects.get(email="noor@example.org")
    assert EmailAddress.objects.get(user=user).verified
    assert user.roles == {Role.CREATOR}
    leaf = json.loads(bytes(Entry.objects.get(type="role:granted").leaf))
    assert (leaf["role"], leaf["facts"]) == ("person", {"role": "creator"})
    assert user.organisation is not None and "noor" not in user.organisation.name.lower()


def test_the_role_in_the_log_is_the_one_that_acts(ravi: User, alice: User) -> None:
    assert leading_role(ravi) == "reviewer"
    assert leading_role(ravi, Role.LEAD_REVIEWER, Role.REVIEWER) == "lead_reviewer"
    assert leading_role(User.objects.create_user("x@example.org")) == "person"
