"""Whoever operates the office learns of an alarm about the log: by mail, once, and on the desk."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.core.mail import EmailMessage

from accounts.models import User
from core.clock import now
from ledger import alarms
from policy.mail import operators
from policy.rights import data_requests, holds
from policy.tasks import tell_alarms
from tests.web import stage

pytestmark = pytest.mark.django_db

Settle = Callable[[], None]


def test_each_operator_is_written_to_once_about_each_alarm(
    olga: User, rita: User, settle: Settle, mailoutbox: list[EmailMessage]
) -> None:
    for _ in range(3):
        alarms.raise_alarm("quorum", "No quorum of witnesses. Run `manage.py cosign`.")
        tell_alarms()
        settle()
    (mail,) = mailoutbox
    assert mail.to == [olga.email]
    assert "(quorum)" in mail.subject
    assert "manage.py cosign" in mail.body
    assert "Nothing more is signed" in mail.body
    alarms.raise_alarm("stamp", "No time stamp.", halts=False)
    tell_alarms()
    settle()
    assert len(mailoutbox) == 2
    assert "The log goes on" in mailoutbox[1].body


def test_an_alarm_that_comes_back_is_told_again(olga: User, settle: Settle, mailoutbox: list[EmailMessage]) -> None:
    for _ in range(2):
        alarms.raise_alarm("quorum", "No quorum of witnesses.")
        tell_alarms()
        settle()
        alarms.clear("quorum")
    assert len(mailoutbox) == 2


def test_what_is_over_before_the_mail_goes_out_is_not_told(
    olga: User, settle: Settle, mailoutbox: list[EmailMessage]
) -> None:
    alarms.raise_alarm("quorum", "No quorum of witnesses.")
    tell_alarms()
    alarms.clear("quorum")
    settle()
    assert mailoutbox == []


def test_the_desk_shows_an_alarm_to_operators_only(olga: User, rita: User) -> None:
    alarms.raise_alarm("witness:greta", "The witness greta does not accept <b>checkpoint</b> 7.")
    page = stage.browser(olga).get("/desk/").content.decode()
    assert "nothing more is signed" in page
    assert "&lt;b&gt;checkpoint&lt;/b&gt; 7" in page
    assert "witness greta" not in stage.browser(rita).get("/desk/").content.decode()
    alarms.clear("witness:greta")
    assert "Alarm about the log" not in stage.browser(olga).get("/desk/").content.decode()


# --- What is owed to people ----------------------------------------------------------------------------------------


def test_a_request_is_told_once_when_it_comes_and_once_when_its_time_is_nearly_over(
    olga: User, alice: User, mallory: User, settle: Settle, mailoutbox: list[EmailMessage]
) -> None:
    data_requests.ask(alice, "object", text="I do not want this to be examined.")
    for _ in range(2):
        operators.tell_of_duties()
        settle()
    (mail,) = [mail for mail in mailoutbox if mail.to == [olga.email]]
    assert "/operations/data/" in mail.body and "due by" in mail.body
    assert "examined" not in mail.body
    with time_machine.travel(now() + timedelta(days=27)):
        for _ in range(2):
            operators.tell_of_duties()
            settle()
    assert len([mail for mail in mailoutbox if mail.to == [olga.email]]) == 2
    assert not [mail for mail in mailoutbox if mail.to == [mallory.email]]


def test_a_hold_is_told_on_its_day(olga: User, alice: User, settle: Settle, mailoutbox: list[EmailMessage]) -> None:
    day = now().date() + timedelta(days=3)
    holds.place_hold(olga, on=f"user:{alice.pk}", basis="office.terms.consent", review_date=day)
    operators.tell_of_duties()
    settle()
    assert mailoutbox == []
    with time_machine.travel(now() + timedelta(days=3)):
        for _ in range(2):
            operators.tell_of_duties()
        settle()
    assert [mail.to for mail in mailoutbox] == [[olga.email]]
