"""Who may do what: a refusal for each predicate, with the sentence that the refused person reads."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Organisation, Role, User
from core.clock import now
from core.problems import Forbidden
from policy import authority
from policy.authority import ACTS, Act
from policy.law import rules
from policy.models import (
    Affected,
    Appeal,
    Case,
    Decision,
    DeclaredConflict,
    Notice,
    Person,
    Recusal,
    ReviewerProfile,
    StatementOfReasons,
    TrustedFlagger,
)
from provenance.models import Asset
from tests.policy.conftest import MakeAsset

pytestmark = pytest.mark.django_db
Open = Callable[..., Case]
Decide = Callable[..., Decision]


@pytest.fixture
def open_case(make_asset: MakeAsset, alice: User) -> Open:
    """A case about a work of Alice's, straight from its row: what decides here is what the rows say."""

    def make(title: str = "Harbour at noon", category: str = "likeness", **other: Any) -> Case:
        return Case.objects.create(asset=make_asset(alice, title), category=category, **other)

    return make


@pytest.fixture
def decided() -> Decide:
    def make(case: Case, decider: User, **other: Any) -> Decision:
        said = {"outcome": "hide", "ground": "terms", "rule_refs": [], "automated_detection": False, **other}
        return Decision.objects.create(case=case, decider=decider, **said)

    return make


def notice_in(case: Case, **other: Any) -> Notice:
    count = Notice.objects.count()
    number = f"AS-2026-TEST-{count:04d}"
    return Notice.objects.create(
        number=number, filer=Person.objects.create(), case=case, state="valid", category=case.category,
        jurisdiction="EU", **other,
    )  # fmt: skip


def refusal(predicate: Callable[..., None], *about: object) -> str:
    with pytest.raises(Forbidden) as refused:
        predicate(*about)
    return refused.value.detail


# --- Roles ---------------------------------------------------------------------------------------------------------


def test_every_act_has_a_row_and_a_sentence() -> None:
    assert set(ACTS) == set(Act)
    for roles, sentence in ACTS.values():
        assert roles
        assert sentence.endswith(".")


@pytest.mark.parametrize("act", list(Act))
def test_each_act_is_for_its_roles_and_refused_to_all_others_in_words(act: Act, alice: User) -> None:
    """Every act against every role, and against nobody's."""
    home = Organisation.objects.get(memberships__user=alice)
    for role in (None, *Role):
        alice.memberships.all().delete()
        if role is not None:
            Membership.objects.create(user=alice, organisation=home, role=role)
        alice.__dict__.pop("roles", None)
        if role in ACTS[act].roles:
            authority.may(alice, act)
        else:
            assert refusal(authority.may, alice, act) == ACTS[act].sentence


def test_who_was_deactivated_may_nothing(rita: User) -> None:
    rita.is_active = False
    assert refusal(authority.may, rita, Act.REVIEW) == "Reviewing cases needs the role of a reviewer."


# --- Cases ---------------------------------------------------------------------------------------------------------


def test_a_trained_reviewer_without_a_part_in_it_takes_opens_and_sees(open_case: Open, rita: User) -> None:
    case = open_case()
    for predicate in (authority.may_review, authority.may_open, authority.may_see_media):
        predicate(case, rita)
    assert Case.objects.exclude(authority.conflicts(rita)).get() == case


def test_each_conflict_is_told_and_leaves_the_case_out_of_the_queue(
    open_case: Open, decided: Decide, alice: User, bob: User, rita: User, ravi: User
) -> None:
    """Contract of the module: what the sentence says and what the query leaves out are the same thing."""
    where = Organisation.objects.get(memberships__user=rita)
    cases = {number: open_case(f"work {number}") for number in range(11)}
    Asset.objects.filter(cases=cases[0]).update(owner=rita)
    notice_in(cases[1], account=rita)
    flagger = TrustedFlagger.objects.create(
        organisation=where, authority="The Coordinator", jurisdiction="EU", valid_from=now().date()
    )
    notice_in(cases[2], flagger=flagger)
    notice_in(cases[3], account=bob)
    DeclaredConflict.objects.create(reviewer=rita, user=bob)
    Recusal.objects.create(case=cases[4], reviewer=rita)
    decided(cases[5], rita)
    decided(cases[6], ravi, approver=rita, state="superseded")
    Appeal.objects.create(decision=decided(cases[7], ravi), role="uploader", user=alice, decider=rita, state="decided")
    moved = notice_in(cases[8])
    StatementOfReasons.objects.create(
        decision=decided(cases[5], rita, state="superseded"), recipient=Affected.NOTIFIER, notice=moved, structured={}
    )
    said = [
        "This work is yours, so somebody else reviews it.",
        "You filed a notice in this case, so somebody else reviews it.",
        "Your organisation filed a notice in this case, so somebody else reviews it.",
        "You declared a conflict with somebody in this case, so somebody else reviews it.",
        "You said that you should not review this case, so somebody else reviews it.",
        "You decided this case before, so somebody else reviews it.",
        "You decided this case before, so somebody else reviews it.",
        "You decided an appeal in this case, so somebody else reviews it.",
        "You decided this case before, so somebody else reviews it.",
    ]
    assert [refusal(authority.may_review, cases[n], rita) for n in range(9)] == said
    left = Case.objects.exclude(authority.conflicts(rita))
    assert set(left) == {cases[9], cases[10]}
    assert set(Case.objects.exclude(authority.conflicts(bob))) == set()  # trained for nothing
    assert Case.objects.exclude(authority.conflicts(ravi)).filter(pk__in=[cases[6].pk, cases[7].pk]).count() == 0


@pytest.mark.parametrize("side", ["owner", "filer"])
def test_a_declared_conflict_with_an_organisation_reaches_its_people(
    side: str, open_case: Open, alice: User, bob: User, rita: User
) -> None:
    case = open_case()
    notice_in(case, account=bob)
    who = alice if side == "owner" else bob
    declared = DeclaredConflict.objects.create(reviewer=rita, organisation=who.organisation)
    assert "declared a conflict" in refusal(authority.may_review, case, rita)
    assert "for other reviewers" in refusal(authority.may_open, case, rita)
    DeclaredConflict.objects.filter(pk=declared.pk).update(ended_at=now())
    authority.may_review(case, rita)


def test_a_measure_in_the_meantime_and_a_proposal_sent_back_do_not_make_somebody_a_judge(
    open_case: Open, decided: Decide, rita: User
) -> None:
    case = open_case(state="in_review", assigned_to=rita)
    decided(case, rita, interim=True)
    decided(case, rita, state="returned")
    authority.may_decide(case, rita)


def test_only_who_took_a_case_decides_it(open_case: Open, rita: User, ravi: User) -> None:
    case = open_case(state="in_review", assigned_to=ravi)
    assert refusal(authority.may_decide, case, rita) == "Take the case first: only its reviewer does this."


def test_i19_who_is_not_trained_paused_or_has_seen_enough_takes_no_case(open_case: Open, rita: User) -> None:
    case = open_case(state="in_review", assigned_to=rita)
    profile = ReviewerProfile.objects.filter(user=rita)
    profile.update(trained={"privacy": "2026-01-05"})
    assert "not trained" in refusal(authority.may_review, case, rita)
    assert "media stay sealed" in refusal(authority.may_see_media, case, rita)
    assert not Case.objects.exclude(authority.conflicts(rita)).exists()
    profile.update(trained={"likeness": "2026-01-05"}, paused=True)
    assert "paused" in refusal(authority.may_review, case, rita)
    profile.update(paused=False, budget=0)
    assert "enough for today" in refusal(authority.may_review, case, rita)
    authority.may_decide(case, rita)  # what is in hand may be finished


def test_i24_a_childs_case_is_only_for_who_was_trained_for_it_and_in_no_general_list(
    open_case: Open, rita: User, ravi: User, greta: User
) -> None:
    ReviewerProfile.objects.filter(user=rita).update(trained={"likeness": "2026-01-05"})
    case = open_case(minor=True)
    assert "not trained" in refusal(authority.may_open, case, rita)
    assert "not trained" in refusal(authority.may_review, case, rita)
    assert Case.objects.filter(authority.conflicts(rita)).exists() and not Case.objects.filter(
        authority.conflicts(ravi)
    )
    authority.may_open(case, ravi)
    assert list(authority.visible_cases(ravi)) == [case]
    for user in (rita, greta):
        assert not authority.visible_cases(user).exists()
    assert not authority.general_cases(ravi).exists()


def test_a_decider_may_still_open_what_they_decided(open_case: Open, decided: Decide, rita: User) -> None:
    case = open_case(state="decided")
    decided(case, rita)
    authority.may_open(case, rita)
    assert authority.visible_cases(rita).filter(pk=case.pk).exists()


# --- Second approvals ----------------------------------------------------------------------------------------------


def test_i18_nobody_is_their_own_second_person(open_case: Open, decided: Decide, rita: User, ravi: User) -> None:
    case = open_case(state="proposed", assigned_to=rita)
    held = decided(case, rita, state="held")
    assert refusal(authority.may_approve, held, rita) == ("You proposed this decision, so a second person approves it.")
    authority.may_approve(held, ravi)
    Recusal.objects.create(case=case, reviewer=ravi)
    assert "another person approves" in refusal(authority.may_approve, held, ravi)


def test_i18_where_the_rule_says_so_the_second_person_is_a_lead_reviewer(
    open_case: Open, decided: Decide, rita: User, ravi: User
) -> None:
    case = open_case(state="proposed", assigned_to=ravi)
    rule = rules.rule("office.terms.two_keys_public_figure")
    asking = [{"id": rule.id, "pack": rule.pack}]
    held = decided(case, ravi, state="held", held_for=asking)
    assert "a lead reviewer approves this decision" in refusal(authority.may_approve, held, rita)
    other = decided(open_case("another"), rita, state="held", held_for=asking)
    authority.may_approve(other, ravi)


# --- Appeals -------------------------------------------------------------------------------------------------------


@pytest.fixture
def appealed(open_case: Open, decided: Decide, alice: User, bob: User) -> Callable[[], Appeal]:
    def make(**other: Any) -> Appeal:
        case = open_case(f"work {Case.objects.count()}", state="decided")
        return Appeal.objects.create(decision=decided(case, bob, **other), role="uploader", user=alice)

    return make


def test_i2_nobody_with_a_part_in_it_decides_an_appeal(
    appealed: Callable[..., Appeal], decided: Decide, alice: User, bob: User, rita: User, ravi: User
) -> None:
    """Decider, approver, proposer of any decision in the case, their manager, parties, conflicts, recused."""
    rows = [appealed() for _ in range(9)]
    Decision.objects.filter(pk=rows[0].decision_id).update(decider=rita)
    Decision.objects.filter(pk=rows[1].decision_id).update(approver=rita)
    decided(rows[2].decision.case, rita, state="returned")
    decided(rows[3].decision.case, ravi, state="superseded", approver=rita)
    ReviewerProfile.objects.create(user=bob, alias="R-Bob", manager=rita)
    Decision.objects.exclude(pk=rows[4].decision_id).filter(decider=bob).update(decider=alice)
    Appeal.objects.filter(pk=rows[5].pk).update(user=rita)
    Recusal.objects.create(case=rows[6].decision.case, reviewer=rita)
    StatementOfReasons.objects.create(
        decision=rows[7].decision, recipient="notifier", structured={},
        notice=notice_in(rows[0].decision.case, account=rita),
    )  # fmt: skip
    facts = [
        "You took the decision that is appealed",
        "You approved the decision that is appealed",
        "You took a decision in this case",
        "You approved a decision in this case",
        "Somebody who reports to you decided in this case",
        "This appeal is yours",
        "You said that you should not review this case",
        "You filed a notice in this case",
    ]
    said = [f"{fact}, so another reviewer decides this appeal." for fact in facts]
    assert [refusal(authority.may_decide_appeal, row, rita) for row in rows[:8]] == said
    assert authority.why_not_appeals(rita, Appeal.objects.all()) == {
        row.pk: why for row, why in zip(rows, said, strict=False)
    }
    authority.may_decide_appeal(rows[8], rita)
    authority.may_hear(rows[8], rita)


def test_who_heard_an_appeal_hears_no_later_one_in_the_case_but_may_hear_both_sides_of_one_decision(
    appealed: Callable[..., Appeal], decided: Decide, alice: User, rita: User
) -> None:
    first = appealed()
    other_side = Appeal.objects.create(
        decision=first.decision, role="depicted", person=Person.objects.create(), decider=rita, state="decided"
    )
    authority.may_decide_appeal(first, rita)
    later = Appeal.objects.create(decision=decided(first.decision.case, alice), role="uploader", user=alice)
    assert "You decided an earlier appeal" in refusal(authority.may_decide_appeal, later, rita)
    assert other_side.decision == first.decision


def test_an_appeal_goes_to_somebody_trained_who_reads_its_language(
    appealed: Callable[..., Appeal], rita: User, ravi: User, greta: User
) -> None:
    appeal = appealed()
    Appeal.objects.filter(pk=appeal.pk).update(language="fr")
    appeal.refresh_from_db()
    assert "a language (fr) that is not among yours" in refusal(authority.may_hear, appeal, rita)
    appeal.assigned_to = ravi
    assert refusal(authority.may_decide_appeal, appeal, rita) == "Somebody else hears this appeal."
    assert refusal(authority.may_decide_appeal, appeal, greta) == "Deciding appeals needs the role of a reviewer."
    ReviewerProfile.objects.filter(user=ravi).update(trained={})
    assert "not trained" in refusal(authority.may_decide_appeal, appeal, ravi)


def test_the_reasons_for_twelve_appeals_cost_as_many_queries_as_for_two(
    appealed: Callable[..., Appeal], rita: User
) -> None:
    counts = []
    for number in range(12):
        appeal = appealed()
        Recusal.objects.create(case=appeal.decision.case, reviewer=rita)
        if number in (1, 11):
            with CaptureQueriesContext(connection) as queries:
                assert len(authority.why_not_appeals(rita, Appeal.objects.all())) == number + 1
            counts.append(len(queries))
    assert counts[0] == counts[1]
