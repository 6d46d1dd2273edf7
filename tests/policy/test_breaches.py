"""Breaches of personal data: 72 hours for the authority, reasons when it is later, the people at high risk."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from policy.audits import reconciliation_rights
from policy.law import clocks
from policy.models import Breach, BreachParty, Clock, Person
from policy.rights import breaches, data_rights
from provenance.models import Asset
from tests.policy.conftest import FileNotice, leaf_of

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]
SEEN: dict[str, Any] = {"kind": "confidentiality", "description": "A backup was left open for two hours."}


def test_the_authority_is_told_within_72_hours_of_when_the_office_knew(olga: User, any_date: None) -> None:
    with time_machine.travel("2026-03-27T12:00Z", tick=False):
        breach = breaches.open_breach(olga, **SEEN)
        clock = breach.clocks.get(rule_id="eu.gdpr.33")
        assert clock.due_at == dt.datetime(2026, 3, 30, 12, tzinfo=dt.UTC)
        breaches.tell_authority(breach, olga, reference="DPA-77")
    assert Clock.objects.get(rule_id="eu.gdpr.33").state == Clock.State.MET
    assert leaf_of("breach:told")["facts"] == {"whom": "authority", "late": False}
    assert list(reconciliation_rights.rights()) == []


def test_later_than_that_needs_a_reason(olga: User, any_date: None) -> None:
    with time_machine.travel("2026-03-27T12:00Z", tick=False):
        breach = breaches.open_breach(olga, **SEEN)
    with time_machine.travel("2026-03-30T12:01Z", tick=False):
        clocks.miss()
        with pytest.raises(Problem) as refused:
            breaches.tell_authority(breach, olga)
        assert "late_because" in str(refused.value.extra)
        breaches.tell_authority(breach, olga, late_because="The logs were only readable today.")
    assert breach.state == Breach.State.TOLD
    assert leaf_of("clock:missed")["object"] == f"breach:{breach.pk}"
    with pytest.raises(Conflict):
        breaches.tell_authority(breach, olga)


def test_people_at_high_risk_are_told_once_and_nothing_of_it_in_the_mail(
    asset: Asset, file_notice: FileNotice, olga: User, settle: Settle, mailoutbox: list[Any]
) -> None:
    notice, _ = file_notice(asset)
    gone, _ = file_notice(asset, name="Eve Stone", email="eve@example.org")
    data_rights.erase(gone.filer)
    settle()
    mailoutbox.clear()
    breach = breaches.open_breach(olga, **SEEN, risk="high", affected="filers")
    assert [party.person for party in BreachParty.objects.all()] == [notice.filer]
    with pytest.raises(Conflict):
        breaches.tell_authority(breach, olga)
        breaches.close(breach, olga)
    assert breaches.tell_people(breach, olga) == 1
    settle()
    settle()
    (mail,) = mailoutbox
    assert mail.to == ["dana@example.org"] and "backup" not in mail.body
    assert breaches.concerning(notice.filer) == [breach]
    breaches.close(breach, olga)
    assert list(reconciliation_rights.rights()) == []


def test_a_breach_without_risk_is_on_record_and_told_to_nobody(olga: User, rita: User) -> None:
    with pytest.raises(Forbidden):
        breaches.open_breach(rita, **SEEN)
    breach = breaches.open_breach(olga, **SEEN)
    with pytest.raises(Conflict):
        breaches.need_not_tell(breach, olga)
    breaches.assess(breach, olga, risk="unlikely")
    breaches.need_not_tell(breach, olga)
    with pytest.raises(Conflict, match="high risk"):
        breaches.tell_people(breach, olga)
    breaches.close(breach, olga)
    assert set(Clock.objects.values_list("state", flat=True)) == {Clock.State.VOID}
    with pytest.raises(Conflict):
        breaches.assess(breach, olga, risk="high")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "other"},
        {"risk": "some"},
        {"affected": "dana@example.org"},
        {"description": "short"},
        {"description": "Somebody read the mail of dana@example.org."},
        {"aware_at": now() + dt.timedelta(days=1)},
    ],
)
def test_what_cannot_be_recorded_is_refused_with_the_field(olga: User, wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        breaches.open_breach(olga, **{**SEEN, **wrong})
    assert set(wrong) == set(refused.value.extra["errors"])  # type: ignore[call-overload]
    assert not Breach.objects.exists()


def test_more_people_are_found_later_and_nobody_is_listed_twice(
    asset: Asset, file_notice: FileNotice, olga: User, alice: User
) -> None:
    file_notice(asset)
    breach = breaches.open_breach(olga, **SEEN, affected="filers")
    breaches.assess(breach, olga, risk="high", affected="everybody")
    assert BreachParty.objects.count() == Person.objects.count() + User.objects.filter(is_active=True).count()


def test_olga_records_a_breach_at_the_command_line(olga: User, capsys: pytest.CaptureFixture[str]) -> None:
    by = ["--by", olga.email]
    call_command("breach", "open", "availability", "--description", "The only disk is gone.", *by)
    assert "Tell the authority by" in capsys.readouterr().out
    pk = str(Breach.objects.get().pk)
    call_command("breach", "tell-authority", pk, "--reference", "DPA-77", *by)
    call_command("breach", "list")
    assert f"{pk}  availability  told" in capsys.readouterr().out
    call_command("breach", "close", pk, *by)
    with pytest.raises(CommandError, match="no such breach"):
        call_command("breach", "close", "1", *by)
    with pytest.raises(CommandError, match="addresses"):
        call_command("breach", "open", "integrity", "--description", "It is about eve@example.org.", *by)
