"""The people at the desk: training, exposure, conflicts, cases given back, and whether they agree."""

import datetime as dt
import json
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import Organisation, User
from accounts.people import create_person
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger.models import Entry
from policy.audits import reconciliation
from policy.deciding import decisions
from policy.desk import cases, exposure, quality, queue, reviewers, roster
from policy.desk.exposure import Step
from policy.filing import asking
from policy.models import (
    Case,
    Category,
    Clock,
    Decision,
    DeclaredConflict,
    MediaView,
    Notice,
    Recusal,
    ReviewerProfile,
    SecondReview,
)
from provenance.models import Asset, Rendition
from tests.policy.conftest import TERMS, FileNotice, MakeAsset, leaf_of

pytestmark = pytest.mark.django_db
WHY = "to compare the face with the notice"


def look(case: Case, user: User, *steps: Step) -> None:
    for step in steps:
        cases.view_media(case, user, WHY, step)


@pytest.fixture
def entered(rita: User, ravi: User) -> None:
    """The cast's entries on the roster are on record, as the product's own are."""
    for user in (rita, ravi):
        roster.set_profile(user, by=None)


# --- The roster ----------------------------------------------------------------------------------------------------


@pytest.fixture
def nora(db: None) -> User:
    """A new reviewer, whom nobody has trained."""
    return create_person("nora@example.org", "Nora", roles=["reviewer"], organisation="The Office")


def test_r01_who_was_not_trained_gets_no_case_and_is_told_what_to_do(
    nora: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset)
    assert not queue.waiting(nora)
    assert "Ask a lead reviewer" in reviewers.why_not(nora, notice.category)
    with pytest.raises(Forbidden, match="not trained"):
        cases.assign(notice.case, nora)
    roster.set_profile(nora, by=ravi, trained=["likeness"], languages=["en"])
    assert reviewers.why_not(nora, "likeness") == ""
    assert "“Copyright”" in reviewers.why_not(nora, "copyright")
    assert cases.assign(notice.case, nora).assigned_to == nora
    leaf = leaf_of("reviewer:changed")
    assert leaf["facts"] == {"trained": ["likeness"], "languages": ["en"], "paused": False, "budget": 60}
    assert str(nora.pk) not in json.dumps(leaf)


def test_the_roster_is_kept_by_leads_and_nobody_keeps_their_own(nora: User, rita: User, ravi: User) -> None:
    for by in (rita, nora):
        with pytest.raises(Forbidden, match="lead reviewers"):
            roster.set_profile(nora, by=by, trained=["likeness"])
    with pytest.raises(Forbidden, match="their own entry"):
        roster.set_profile(ravi, by=ravi, budget=100)
    assert not Entry.objects.filter(type="reviewer:changed").exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"trained": ["everything"]}, "trained"),
        ({"languages": ["English"]}, "languages"),
        ({"budget": 0}, "budget"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_field(nora: User, ravi: User, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as refused:
        roster.set_profile(nora, by=ravi, **wrong)
    errors: Any = refused.value.extra["errors"]
    assert list(errors) == [field]
    assert reviewers.profile_of(nora) is None


def test_a_training_keeps_its_day_when_another_is_added(rita: User, ravi: User) -> None:
    profile = roster.set_profile(rita, by=ravi, trained=["likeness", "other"])
    assert profile.trained == {"likeness": "2026-01-05", "other": "2026-01-05"}
    roster.set_profile(rita, by=ravi, trained=["likeness"])
    profile = roster.set_profile(rita, by=ravi, trained=["likeness", "other"])
    assert profile.trained == {"likeness": "2026-01-05", "other": f"{now():%Y-%m-%d}"}


def test_who_needs_a_break_takes_one_and_a_lead_ends_it(rita: User, ravi: User, case: Case, asset: Asset) -> None:
    roster.pause(rita, by=rita)
    assert "paused" in reviewers.why_not(rita, "likeness")
    assert not queue.waiting(rita, queue.Wanted(mine=True))
    with pytest.raises(Forbidden):
        roster.resume(rita, by=rita)
    roster.resume(rita, by=ravi)
    assert queue.waiting(rita, queue.Wanted(mine=True))


def test_the_command_line_enters_the_first_reviewers(nora: User) -> None:
    out = StringIO()
    call_command("reviewer", "train", nora.email, "--for", "all", "--languages", "en", "fr", stdout=out)
    call_command("reviewer", "list", stdout=out)
    assert "reads en, fr; 60 a day" in out.getvalue()
    assert set(ReviewerProfile.objects.get(user=nora).trained) == set(Category.values)
    with pytest.raises(CommandError, match="trained: Choose from"):
        call_command("reviewer", "train", nora.email, "--for", "nothing")


def test_outsiders_read_an_alias(nora: User, rita: User, olga: User) -> None:
    assert (reviewers.alias(rita), reviewers.alias(olga)) == ("R-Rita", "the office")
    roster.set_profile(nora, by=None, trained=[])
    alias = reviewers.alias(nora)
    assert alias.startswith("Reviewer ") and "Nora" not in alias
    assert reviewers.aliases([rita, nora]) == {rita.pk: "R-Rita", nora.pk: alias}


# --- Exposure ------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawn_case(case: Case) -> Case:
    """A case about a work of which the office has a picture."""
    assert case.asset is not None
    signed = case.asset.renditions.get()
    Rendition.objects.create(
        asset=case.asset,
        role=Rendition.Role.PREVIEW,
        sha256="0" * 64,
        size=10,
        media_type="image/jpeg",
        key=f"{signed.key}-preview",
    )
    return case


def test_i20_each_step_is_a_press_of_its_own(drawn_case: Case, rita: User) -> None:
    for too_far in (Step.GREY, Step.CLEAR, Step.SOUND, "all"):
        with pytest.raises(Problem, match="missing or wrong"):
            cases.view_media(drawn_case, rita, WHY, too_far)
    look(drawn_case, rita, Step.SOFT, Step.GREY)
    with pytest.raises(Problem, match="missing or wrong"):
        cases.view_media(drawn_case, rita, WHY, Step.SOUND)
    assert cases.view_media(drawn_case, rita, WHY).step == Step.CLEAR
    look(drawn_case, rita, Step.SOFT)
    steps = MediaView.objects.order_by("pk").values_list("step", "points")
    assert list(steps) == [("soft", 2), ("grey", 2), ("clear", 4), ("soft", 2)]
    assert Entry.objects.filter(type="media:viewed").count() == 4
    assert exposure.unlocked(drawn_case, rita) == Step.CLEAR
    with time_machine.travel(now() + dt.timedelta(minutes=61)):
        assert exposure.unlocked(drawn_case, rita) is None


def test_i20_without_a_reason_nothing_opens(case: Case, rita: User) -> None:
    with pytest.raises(Problem, match="missing or wrong"):
        cases.view_media(case, rita, " ", Step.CLEAR)
    assert exposure.unlocked(case, rita) is None
    assert not Entry.objects.filter(type="media:viewed").exists()


def test_steps_count_by_what_they_show_and_how_severe_the_case_is(case: Case, rita: User) -> None:
    assert [exposure.points(step, 3) for step in exposure.LADDER] == [3, 3, 6, 6]
    look(case, rita, Step.CLEAR)
    assert (exposure.spent(rita), exposure.left(rita)) == (4, 56)
    assert leaf_of("media:viewed")["facts"] == {"step": "clear", "points": 4}
    assert exposure.unlocked(case, rita) == Step.CLEAR


@pytest.mark.usefixtures("any_date")
def test_i19_who_has_looked_at_enough_gets_no_case_until_tomorrow_and_finishes_what_they_have(
    case: Case, rita: User, make_asset: MakeAsset, alice: User, file_notice: FileNotice
) -> None:
    other, _ = file_notice(make_asset(alice, "another"))
    ReviewerProfile.objects.filter(user=rita).update(budget=4)
    look(case, rita, Step.CLEAR)
    assert exposure.left(rita) == 0
    assert not queue.waiting(rita)
    for refused in (lambda: cases.assign(other.case, rita), lambda: look(case, rita, Step.CLEAR)):
        with pytest.raises(Forbidden, match="enough for today"):
            refused()
    assert decisions.decide(case, rita, outcome="no_action", **TERMS).state == "in_effect"
    with time_machine.travel(now() + dt.timedelta(days=1)):
        assert exposure.left(rita) == 4
        assert list(queue.waiting(rita)) == [other.case]


def test_ones_own_floor_can_only_be_stricter_than_the_offices(case: Case, rita: User, settings: Any) -> None:
    roster.set_floor(rita, highest="grey", daily=20)
    profile = ReviewerProfile.objects.get(user=rita)
    assert (exposure.highest(profile), exposure.daily(profile)) == (Step.GREY, 20)
    with pytest.raises(Forbidden, match="chose not to show"):
        look(case, rita, Step.CLEAR)
    settings.ASSAY_REVIEW_HIGHEST_STEP = "soft"
    assert exposure.highest(profile) == Step.SOFT
    with pytest.raises(Problem, match="missing or wrong"):
        roster.set_floor(rita, daily=61)
    roster.set_floor(rita)
    assert exposure.highest(ReviewerProfile.objects.get(user=rita)) == Step.SOFT
    leaf = Entry.objects.filter(type="reviewer:changed").first()
    assert leaf is not None and b"grey" not in bytes(leaf.leaf)


# --- Giving back, conflicts, asking --------------------------------------------------------------------------------


def test_a_case_given_back_never_comes_to_the_same_person_again_and_why_is_sealed(
    case: Case, rita: User, ravi: User, entered: None
) -> None:
    cases.recuse(case, rita, "exposure")
    assert (case.state, case.assigned_to) == ("open", None)
    assert not queue.waiting(rita)
    with pytest.raises(NotFound):
        cases.case_for(rita, case.pk)
    with pytest.raises(Forbidden, match="should not review"):
        cases.assign(case, rita)
    leaf = leaf_of("case:recused")
    assert leaf["facts"] == {"held": True}
    assert b"exposure" not in bytes(Entry.objects.get(type="case:recused").leaf)
    assert cases.assign(case, ravi).assigned_to == ravi
    assert Recusal.objects.get().why == "exposure"
    assert list(reconciliation.desk()) == [] == list(reconciliation.cases())


def test_a_declared_conflict_keeps_cases_away_until_it_is_ended(
    asset: Asset, alice: User, rita: User, mallory: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset)
    row = roster.declare(rita, email="ALICE@example.org")
    assert roster.declare(rita, email=alice.email) == row
    assert not queue.waiting(rita)
    with pytest.raises(Forbidden, match="declared a conflict"):
        cases.assign(notice.case, rita)
    with pytest.raises(Forbidden):
        roster.end_conflict(row, mallory)
    roster.end_conflict(row, rita)
    assert queue.waiting(rita)
    roster.declare(rita, organisation="alice’s studio")
    assert not queue.waiting(rita)
    assert str(alice.pk) not in json.dumps(
        [json.loads(bytes(one.leaf)) for one in Entry.objects.filter(type="conflict:declared")]
    )
    assert DeclaredConflict.objects.filter(ended_at=None).count() == 1


@pytest.mark.parametrize(
    "whom", [{}, {"email": "nobody@example.org"}, {"organisation": "Nowhere"}, {"email": "rita@example.org"}]
)
def test_a_conflict_with_nobody_is_refused(rita: User, whom: dict[str, str]) -> None:
    with pytest.raises(Problem, match="missing or wrong"):
        roster.declare(rita, **whom)
    assert not Organisation.objects.filter(name="Nowhere").exists()


def test_a_case_waits_for_the_filer_and_goes_on_when_they_answer_or_stay_silent(
    case: Case, rita: User, ravi: User
) -> None:
    notice = Notice.objects.get()
    with pytest.raises(Forbidden):
        asking.ask(case, ravi, notice, ["place"])
    asking.ask(case, rita, notice, ["place"])
    notice.refresh_from_db()
    assert (case.state, notice.state) == ("awaiting_info", "incomplete")
    assert cases.stop_waiting() == 0
    Clock.objects.filter(purpose="ask").update(state="void")
    assert cases.stop_waiting() == 1
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == ("in_review", rita)
    assert cases.stop_waiting() == 0
    assert list(reconciliation.cases()) == []


def test_who_decides_on_an_old_page_is_told_what_is_new(
    case: Case, rita: User, file_notice: FileNotice, asset: Asset
) -> None:
    seen = case.version
    file_notice(asset, statement="I am shown in this too and say so.")
    with pytest.raises(Conflict) as told:
        decisions.decide(Case.objects.get(), rita, outcome="no_action", **TERMS, version=seen)
    assert "flag raised" in told.value.detail or "notice filed" in told.value.detail
    assert not Decision.objects.exists()
    decisions.decide(Case.objects.get(), rita, outcome="no_action", **TERMS, version=seen + 1)


def test_r25_who_filed_is_read_by_the_cases_reviewer_only_and_on_record(case: Case, rita: User, ravi: User) -> None:
    notice = Notice.objects.select_related("filer", "case").get()
    with pytest.raises(Forbidden):
        cases.show_filer(notice, ravi, "because I can")
    with pytest.raises(Problem, match="missing or wrong"):
        cases.show_filer(notice, rita, "")
    assert not Entry.objects.filter(type="access:audited").exists()
    assert cases.show_filer(notice, rita, "the signature must be compared") == ("Dana Hill", "dana@example.org")
    leaf = leaf_of("access:audited")
    assert (leaf["facts"], leaf["object"]) == ({"read": "filer"}, case.object)


# --- Quality -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        # Cohen 1960: 20 + 15 of 50 agree; 25 and 30 said yes: (0.7 − 0.5) / 0.5.
        ([("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15, 0.4),
        ([("y", "y"), ("n", "n")], 1.0),
        ([("y", "n"), ("n", "y")], -1.0),
        ([("y", "y")] * 3, None),
        ([], None),
    ],
)
def test_kappa_is_cohens(pairs: list[tuple[str, str]], expected: float | None) -> None:
    found = quality.kappa(pairs)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_the_draw_is_a_share_of_all_decisions_and_the_same_each_time(settings: Any) -> None:
    drawn = [Decision() for _ in range(2000)]
    settings.ASSAY_SECOND_REVIEW_PERCENT = 5
    first = [quality.is_drawn(one) for one in drawn]
    assert 50 < sum(first) < 160
    assert first == [quality.is_drawn(one) for one in drawn]
    settings.ASSAY_SECOND_REVIEW_PERCENT = 0
    assert not any(quality.is_drawn(one) for one in drawn)


@pytest.fixture
def drawn(case: Case, rita: User, settings: Any) -> SecondReview:
    settings.ASSAY_SECOND_REVIEW_PERCENT = 100
    decisions.decide(case, rita, outcome="no_action", **TERMS)
    return SecondReview.objects.get()


def test_r31_a_drawn_decision_is_taken_again_by_somebody_else_and_changes_nothing(
    drawn: SecondReview, rita: User, ravi: User, case: Case, entered: None
) -> None:
    assert not quality.waiting(rita)
    with pytest.raises(Forbidden):
        quality.take(drawn, rita)
    quality.take(drawn, ravi)
    assert quality.in_hand(case, ravi) == drawn
    with pytest.raises(Problem, match="missing or wrong"):
        quality.answer(drawn, ravi, outcome="label", rule_ids=["no.such.rule"])
    quality.answer(drawn, ravi, outcome="label", rule_ids=["office.terms.consent"])
    with pytest.raises(Conflict):
        quality.answer(drawn, ravi, outcome="hide", rule_ids=["office.terms.consent"])
    case.refresh_from_db()
    assert (case.state, case.decisions.get().outcome) == ("decided", "no_action")
    overall, likeness = quality.agreement()
    assert (overall.n, overall.agreed, likeness.category, likeness.language) == (1, 0, "likeness", "en")
    assert list(quality.disagreements(ravi)) == [drawn]
    assert list(reconciliation.desk()) == []
