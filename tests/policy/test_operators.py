"""Whoever operates the office learns of an alarm about the log: by mail, once, and on the desk."""

from collections.abc import Callable

import pytest
from django.core.mail import EmailMessage

from accounts.models import User
from ledger import alarms
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
