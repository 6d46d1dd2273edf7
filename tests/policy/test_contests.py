"""Contesting a finding of “manifestly unfounded”: once, before somebody else, and it takes the case from nobody."""

import pytest

from accounts.models import Role, User
from core.problems import Conflict, Forbidden
from policy import authority
from policy.audits import reconciliation, reconciliation_notices
from policy.desk import cases
from policy.filing import notice_ends, notices
from policy.models import Case, Notice, Recusal
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import FileNotice

pytestmark = pytest.mark.django_db
GROUNDS = "It does show me, in the left half."


def _fresh(notice: Notice) -> Notice:
    return Notice.objects.select_related("case", "filer", "account", "entry").get(pk=notice.pk)


def _unfounded(notice: Notice, by: User) -> Notice:
    fresh = _fresh(notice)
    if fresh.case.assigned_to_id != by.pk:
        if fresh.case.assigned_to is not None:
            cases.release(fresh.case, fresh.case.assigned_to)
        cases.assign(fresh.case, by)
    return notice_ends.unfounded(_fresh(notice), by, "unserious")


def test_a_nameless_notice_does_not_empty_a_case_of_its_reviewers(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    rosa = _person("Rosa", Role.REVIEWER)
    victim, _ = file_notice(asset)
    nameless, _ = file_notice(asset, name="", email="")
    assert nameless.case == victim.case
    _unfounded(nameless, rita)
    notice_ends.contest(_fresh(nameless), GROUNDS)
    case = Case.objects.get()
    assert (case.state, case.assigned_to) == ("in_review", rita), "whoever works at it goes on"
    _unfounded(nameless, ravi)
    with pytest.raises(Conflict) as second:
        notice_ends.contest(_fresh(nameless), GROUNDS)
    assert second.value.code == "notice.contested" and second.value.next_step
    for reviewer in (rita, ravi, rosa):
        authority.may_open(case, reviewer)
        authority.may_review(case, reviewer)
    assert not Recusal.objects.exists()
    assert not [*reconciliation.cases(), *reconciliation_notices.notices()]


def test_who_called_it_unfounded_does_not_judge_the_contest(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    notice, _ = file_notice(asset)
    stale = _fresh(_unfounded(notice, rita))
    notice_ends.contest(_fresh(notice), GROUNDS)
    for seen in (_fresh(notice), stale):
        with pytest.raises(Forbidden) as same:
            notice_ends.unfounded(seen, rita, "unserious")
        assert same.value.code == "notice.same_judge"
    assert _fresh(notice).state == Notice.State.VALID
    assert _unfounded(notice, ravi).state == Notice.State.UNFOUNDED
    with pytest.raises(Conflict):
        notice_ends.contest(stale, GROUNDS)
    assert _fresh(notice).state == Notice.State.UNFOUNDED


def test_contesting_an_incomplete_notice_takes_nobody_her_48_hours(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    said = {"category": "ncii", "jurisdiction": "US", "email": "", "sworn": ()}
    notice, _ = file_notice(asset, **said)
    notice_ends.contest(_fresh(_unfounded(notice, rita)), GROUNDS)
    heard = _fresh(notice)
    assert (heard.state, heard.missing) == ("incomplete", ["email", "sworn:tida.not_consensual"])
    assert heard.clocks.filter(purpose="ask", state="running").exists()
    assert not [*reconciliation_notices.notices()]
    notices.complete_notice(heard, email="dana@example.org", sworn=["tida.not_consensual"])
    assert _fresh(notice).state == "valid"
    assert notice.clocks.filter(rule_id="us.tida.223a", state="running").exists()
