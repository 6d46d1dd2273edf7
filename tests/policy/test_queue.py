"""What comes next at the review desk, and why; and how a case is found."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from accounts.models import Organisation, User
from core.clock import now
from core.problems import Forbidden
from policy.deciding import decisions
from policy.desk import cases, quality, queue, search
from policy.desk.queue import Waiting, Wanted
from policy.filing import flags
from policy.law import clocks
from policy.models import Case, Category, Clock, Flag, Notice, ReviewerProfile, SecondReview, TrustedFlagger
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, MakeAsset

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 9, 1, 12, 30, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon(any_date: None) -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


def explained(user: User, **wanted: Any) -> list[Waiting]:
    return queue.explained(list(queue.waiting(user, Wanted(**wanted))))


def order(user: User, **wanted: Any) -> list[Case]:
    return list(queue.waiting(user, Wanted(**wanted)))


def due(case: Case, at: dt.datetime) -> None:
    """All deadlines to decide this case are at `at`."""
    Clock.objects.filter(case=case, due_at__isnull=False).update(due_at=at)
    clocks.note_next([case.pk])


def test_the_queue_puts_the_nearest_deadline_first_and_says_why(
    make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice
) -> None:
    slow, _ = file_notice(make_asset(alice, "one"), category="copyright")
    fast, _ = file_notice(make_asset(alice, "two"), category="ncii", jurisdiction="IN")
    late, _ = file_notice(make_asset(alice, "three"), category="other")
    due(late.case, now() - dt.timedelta(hours=3))
    waiting = explained(rita)
    assert [row.case for row in waiting] == [late.case, fast.case, slow.case]
    assert waiting[0].why.startswith("The deadline of office.terms.review (rule status: draft) passed 3 h 0 min ago.")
    assert waiting[1].why.startswith("Due in 2 h 0 min under in.it.3.2.b.v2026 (rule status: draft). Severity 3 of 3")
    assert "somebody who needs protection" in waiting[1].why


def test_within_the_hour_the_severe_comes_first_then_who_needs_protection_then_the_old(
    make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice
) -> None:
    old, _ = file_notice(make_asset(alice, "one"), category="copyright", as_depicted=False)
    depicted, _ = file_notice(make_asset(alice, "two"), category="copyright")
    severe, _ = file_notice(make_asset(alice, "three"), category="ncii", as_depicted=False)
    hour = NOON.replace(minute=0) + dt.timedelta(days=1)
    for number, notice in enumerate((old, depicted, severe)):
        due(notice.case, hour + dt.timedelta(minutes=number))
    assert order(rita) == [severe.case, depicted.case, old.case]


def test_within_the_hour_a_trusted_flagger_comes_before_the_rest_and_never_before_an_earlier_hour(
    make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice
) -> None:
    trusted = TrustedFlagger.objects.create(
        organisation=Organisation.objects.create(name="Helpline"),
        authority="A coordinator",
        jurisdiction="EU",
        valid_from=NOON.date(),
    )
    earlier, _ = file_notice(make_asset(alice, "one"), category="other")
    severe, _ = file_notice(make_asset(alice, "two"), category="ncii")
    flagged, _ = file_notice(make_asset(alice, "three"), category="other")
    Notice.objects.filter(pk=flagged.pk).update(flagger=trusted)
    hour = NOON.replace(minute=0) + dt.timedelta(days=1)
    due(earlier.case, hour - dt.timedelta(minutes=1))
    due(severe.case, hour)
    due(flagged.case, hour + dt.timedelta(minutes=59))
    assert order(rita) == [earlier.case, flagged.case, severe.case]
    assert "reported by a trusted flagger" in explained(rita)[1].why


def test_without_a_deadline_the_severe_and_then_the_old_come_first(
    make_asset: MakeAsset, alice: User, rita: User
) -> None:
    old = flags.raise_flag(make_asset(alice, "one"), Flag.Origin.REVIEWER, category="other", by=rita).case
    with time_machine.travel(NOON + dt.timedelta(hours=1), tick=False):
        new = flags.raise_flag(make_asset(alice, "two"), Flag.Origin.REVIEWER, category="fraud", by=rita).case
        newest = flags.raise_flag(make_asset(alice, "three"), Flag.Origin.REVIEWER, category="ncii", by=rita).case
        assert order(rita) == [newest, new, old]
        assert explained(rita)[2].why == "No deadline runs. Severity 1 of 3, open for 1 h 0 min."


@pytest.mark.parametrize("trained", [True, False])
def test_i24_a_childs_case_is_in_no_general_list_and_in_its_own_queue_for_the_trained_only(
    asset: Asset, rita: User, file_notice: FileNotice, trained: bool
) -> None:
    notice, _ = file_notice(asset, category="child_safety")
    if not trained:
        ReviewerProfile.objects.filter(user=rita).update(trained={"likeness": "2026-01-05"})
    assert order(rita) == [] == list(search.find(rita, "Harbour"))
    assert order(rita, children=True) == ([notice.case] if trained else [])
    assert queue.take_next(rita) is None
    assert queue.take_next(rita, children=True) == (notice.case if trained else None)


def test_i24_a_child_in_another_kind_of_case_is_as_well_kept_apart(
    asset: Asset, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    ReviewerProfile.objects.filter(user=rita).update(trained={"likeness": "2026-01-05"})
    case = cases.assign(file_notice(asset)[0].case, rita)
    assert not case.minor
    notice, _ = file_notice(asset, email="erin@example.org", answers={"minor": "yes"})
    case.refresh_from_db()
    assert (notice.case, case.minor, case.state, case.assigned_to) == (case, True, "open", None)
    for user in (rita, ravi):
        assert order(user) == [] == list(search.find(user, "Harbour"))
    assert (order(rita, children=True), order(ravi, children=True)) == ([], [case])
    with pytest.raises(Forbidden, match="not trained"):
        cases.assign(case, rita)
    cases.assign(case, ravi)


def test_i24_a_childs_case_is_never_drawn_for_a_second_look(
    asset: Asset, rita: User, ravi: User, file_notice: FileNotice, settings: Any
) -> None:
    settings.ASSAY_SECOND_REVIEW_PERCENT = 100
    case = cases.assign(file_notice(asset, answers={"minor": "yes"})[0].case, rita)
    decision = decisions.decide(case, rita, outcome="label", **TERMS)
    assert not SecondReview.objects.exists()
    drawn = SecondReview.objects.create(decision=decision)  # before it was known that it is about a child
    assert not quality.waiting(ravi)
    SecondReview.objects.filter(pk=drawn.pk).update(outcome="hide", done_at=now())
    assert not quality.disagreements(ravi)


def test_i19_nobody_gets_what_they_are_not_trained_for(asset: Asset, rita: User, file_notice: FileNotice) -> None:
    file_notice(asset, category="likeness")
    ReviewerProfile.objects.filter(user=rita).update(trained={"copyright": "2026-01-05"})
    assert order(rita) == []
    ReviewerProfile.objects.filter(user=rita).update(trained={"likeness": "2026-01-05"})
    assert len(order(rita)) == 1


def test_a_case_comes_to_who_reads_its_language_and_is_found_by_anybody_who_looks_further(
    asset: Asset, rita: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset)
    Case.objects.filter(pk=notice.case_id).update(language="fr")
    assert order(rita) == []
    assert order(rita, language="fr") == order(rita, language=queue.ANY_LANGUAGE) == [notice.case]
    assert queue.unread_languages({"en": 1}) == ["fr"]


def test_filters_narrow_the_queue(make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice) -> None:
    one, _ = file_notice(make_asset(alice, "one"), category="likeness", jurisdiction="IN")
    two, _ = file_notice(make_asset(alice, "two"), category="copyright", jurisdiction="US")
    due(two.case, now() - dt.timedelta(minutes=1))
    assert order(rita, category="likeness") == [one.case]
    assert order(rita, place="US") == [two.case]
    assert order(rita, overdue=True) == [two.case]
    cases.assign(one.case, rita)
    assert order(rita, mine=True) == [one.case] == order(rita, state="in_review")
    assert set(order(rita)) == {one.case, two.case}


def test_what_another_has_is_not_in_the_queue_but_under_its_state(
    asset: Asset, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset)
    cases.assign(notice.case, ravi)
    assert order(rita) == []
    assert order(rita, state="in_review") == [notice.case]


def test_of_two_who_press_next_at_once_each_gets_another(
    make_asset: MakeAsset, alice: User, rita: User, ravi: User, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deterministic interleaving: Ravi takes the first case after Rita has read the queue and before she takes it."""
    first, _ = file_notice(make_asset(alice, "one"), category="ncii")
    second, _ = file_notice(make_asset(alice, "two"), category="other")
    assign = cases.assign

    def overtaken(case: Case, reviewer: User) -> Case:
        if case == first.case:
            assign(Case.objects.get(pk=case.pk), ravi)
        return assign(case, reviewer)

    monkeypatch.setattr(cases, "assign", overtaken)
    assert queue.take_next(rita) == second.case
    assert Case.objects.get(pk=first.case_id).assigned_to == ravi


@pytest.mark.parametrize(("small", "large"), [(2, 12)])
def test_the_queue_takes_the_same_queries_however_many_wait(
    make_asset: MakeAsset,
    alice: User,
    rita: User,
    file_notice: FileNotice,
    django_assert_num_queries: Any,
    small: int,
    large: int,
) -> None:
    assert rita.roles
    for number in range(large):
        file_notice(make_asset(alice, f"work {number}"))
        if number + 1 in (small, large):
            # The profile, today's points, the cases with their works, the clocks' status, who flagged.
            with django_assert_num_queries(6):
                rows = explained(rita)
                assert len([(row.case.asset, row.case.assigned_to) for row in rows]) == number + 1


# --- Finding a case ------------------------------------------------------------------------------------------------


def test_a_case_is_found_by_number_id_title_rule_and_kind(asset: Asset, rita: User, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    case = notice.case
    rule = Clock.objects.filter(case=case).values_list("rule_id", flat=True)[0]
    for text in (
        notice.number,
        notice.number.lower()[:12],
        str(case.pk),
        f"/review/{case.pk}/",
        str(asset.pk),
        f"case {str(case.pk)[-6:]}",
        "harbour AT",
        rule,
        "likeness",
        "Use of a person",
    ):
        assert list(search.find(rita, text)) == [case], text
    for text in ("", "H", "%", "noon", "dana@example.org", "Dana Hill", "office.terms.nothing", "AS-2026-0000-0000"):
        assert not search.find(rita, text), text


def test_a_search_finds_nothing_in_which_the_searcher_is_a_party(
    make_asset: MakeAsset, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(make_asset(rita, "Rita’s own"))
    assert not search.find(rita, "Rita’s own") and not search.find(rita, notice.number)
    assert search.find(ravi, notice.number)


def test_a_search_is_one_query(
    asset: Asset, rita: User, file_notice: FileNotice, django_assert_max_num_queries: Any
) -> None:
    file_notice(asset)
    assert rita.roles
    for text in ("Harbour", "AS-2026", str(asset.pk), "likeness"):
        with django_assert_max_num_queries(2):  # what the searcher is trained for, and the cases
            list(search.find(rita, text))


def test_the_categories_that_need_protection_say_so_whoever_files(asset: Asset, file_notice: FileNotice) -> None:
    for category, vulnerable in [(Category.NCII, 1), (Category.CHILD_SAFETY, 1), (Category.COPYRIGHT, 0)]:
        notice, _ = file_notice(asset, category=category, as_depicted=False)
        assert notice.case.vulnerable == vulnerable
    joined, _ = file_notice(asset, category=Category.COPYRIGHT, as_depicted=True)
    joined.case.refresh_from_db()
    assert (joined.case.vulnerable, joined.case.version) == (1, 1)
