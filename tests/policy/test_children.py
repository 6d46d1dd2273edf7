"""I24: a notice says that a child is concerned. The case is kept apart at once, and not for good by a tick alone."""

from typing import Any

import pytest
from django.core.checks import run_checks

from accounts.models import Role, User
from core.problems import Conflict, Forbidden, NotFound, Problem
from policy import authority
from policy.deciding import decisions, statements, tdb_export
from policy.desk import cases, children, queue
from policy.models import Case, Decision, ReviewerProfile
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import TERMS, FileNotice, leaf_of

pytestmark = pytest.mark.django_db


def ticked(asset: Asset, file_notice: FileNotice) -> Case:
    """Somebody without a name ticks “under 18: yes”."""
    notice, _ = file_notice(asset, name="", email="", sworn=[], as_depicted=False, answers={"minor": "yes"})
    return notice.case


def untrain(user: User) -> None:
    ReviewerProfile.objects.filter(user=user).update(trained={"likeness": "2026-01-05"})


def test_a_tick_takes_no_proposal_back_and_only_the_trained_approve_it(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    untrain(rita)
    rosa = _person("Rosa", Role.REVIEWER)
    untrain(rosa)
    proposed = decisions.decide(case, rita, outcome="remove", **TERMS)
    assert ticked(asset, file_notice) == case
    case.refresh_from_db()
    assert (case.minor, case.state, Decision.objects.get().state) == (True, "proposed", "held")
    with pytest.raises(Forbidden, match="not trained"):
        decisions.approve(proposed, rosa)
    assert decisions.approve(Decision.objects.get(), ravi).state == Decision.State.IN_EFFECT


def test_a_proposal_that_is_sent_back_goes_to_somebody_trained(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    untrain(rita)
    proposed = decisions.decide(case, rita, outcome="remove", **TERMS)
    ticked(asset, file_notice)
    decisions.send_back(
        Decision.objects.select_related("case").get(pk=proposed.pk), ravi, "Look at the age of who is shown."
    )
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == ("open", None)
    cases.assign(case, ravi)


def test_a_word_about_a_child_keeps_a_record_back_only_until_it_is_looked_at(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    file_notice(asset, answers={"minor": "yes"})
    case.refresh_from_db()
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    assert not tdb_export.statements().exists()
    with pytest.raises(NotFound):
        tdb_export.of_decision(decision, ravi)
    children.no_child(case, ravi, "The person shown is plainly grown up.")
    assert tdb_export.of_decision(Decision.objects.select_related("case").get(pk=decision.pk), ravi)


def test_who_is_trained_says_that_no_child_is_concerned_and_the_case_comes_back(
    case: Case, rita: User, ravi: User, alice: User, asset: Asset, file_notice: FileNotice
) -> None:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    Case.objects.filter(pk=case.pk).update(minor=True)
    case.refresh_from_db()
    assert not statements.may_leave(case)
    untrain(rita)
    for user in (rita, alice):
        with pytest.raises(Forbidden):
            children.no_child(case, user, "The person shown is plainly grown up.")
    with pytest.raises(Problem, match=r"request\.invalid"):
        children.no_child(case, ravi, "")
    children.no_child(case, ravi, "The person shown is plainly grown up.")
    case.refresh_from_db()
    assert not case.minor
    assert statements.may_leave(case)
    assert case in authority.general_cases(ravi)
    leaf = leaf_of("case:routed")
    assert leaf["facts"] == {}, "the log accuses nobody and tells nothing of children"
    with pytest.raises(Conflict):
        children.no_child(case, ravi, "The person shown is plainly grown up.")


def test_a_later_notice_keeps_it_apart_again_and_is_looked_at(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    apart = ticked(asset, file_notice)
    assert list(queue.waiting(ravi, queue.Wanted(children=True))) == ([] if apart.assigned_to else [apart])
    stale = Case.objects.get(pk=case.pk)
    children.no_child(Case.objects.get(pk=case.pk), ravi, "The person shown is plainly grown up.")
    ticked(asset, file_notice)
    with pytest.raises(Conflict, match="changed"):
        children.no_child(stale, ravi, "The person shown is plainly grown up.")
    case.refresh_from_db()
    assert case.minor


def test_what_is_filed_as_the_safety_of_a_child_stays_so(asset: Asset, ravi: User, file_notice: FileNotice) -> None:
    case = file_notice(asset, category="child_safety")[0].case
    with pytest.raises(Conflict):
        children.no_child(case, ravi, "The person shown is plainly grown up.")
    case.refresh_from_db()
    assert case.minor


def test_i2_a_party_says_nothing_about_their_own_case(
    case: Case, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    ticked(asset, file_notice)
    Asset.objects.filter(pk=asset.pk).update(owner=ravi)
    with pytest.raises(Forbidden, match="yours"):
        children.no_child(Case.objects.get(pk=case.pk), ravi, "The person shown is plainly grown up.")


def test_an_office_where_nobody_is_trained_for_children_is_told(rita: User, ravi: User) -> None:
    def told() -> list[str]:
        found: Any = run_checks(databases=["default"])
        return [each.id for each in found if each.id == "policy.W002"]

    assert told() == []
    untrain(rita)
    untrain(ravi)
    assert told() == ["policy.W002"]
    ReviewerProfile.objects.all().delete()
    assert told() == [], "an office without reviewers is none yet"
