"""The public register of notices: what enters it, when, what it never says, and how it is kept (R09, R22, I4, I24)."""

import datetime as dt
import json
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from policy.audits import reconciliation_register
from policy.deciding import decisions
from policy.law import clocks
from policy.models import Appeal, Case, Decision, Notice, RegisterEntry, ResearchAccess
from policy.rights import data_rights
from policy.transparency import redaction, register, research
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, MakeAsset
from tests.policy.register_made import CLOSED, ISSUES, PERIOD, Settled, fifteen, settle, settled

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]


@pytest.fixture
def make(make_asset: MakeAsset, file_notice: FileNotice, rita: User) -> Settled:
    return settled(make_asset, file_notice, rita)


def published() -> list[RegisterEntry]:
    assert register.release(PERIOD)
    return list(RegisterEntry.objects.select_related("notice__case__asset", "notice__filer").order_by("pk"))


def leaves(kind: str = "register:published") -> list[dict[str, Any]]:
    return [json.loads(bytes(leaf)) for leaf in Entry.objects.filter(type=kind).values_list("leaf", flat=True)]


def disagreements() -> list[str]:
    return list(reconciliation_register.rows())


# --- When ----------------------------------------------------------------------------------------------------------


def test_quarters_begin_where_they_should() -> None:
    at = dt.datetime(2026, 12, 31, 23, 59, tzinfo=dt.UTC)
    assert (register.quarter(at), register.quarter(at + dt.timedelta(minutes=1))) == ("2026-Q4", "2027-Q1")
    assert register.begins("2026-Q4") == dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


def test_a_notice_is_due_only_once_nobody_can_appeal_and_the_quarter_is_over(case: Case, rita: User) -> None:
    decided = decisions.decide(case, rita, outcome="label", **TERMS)
    assert decided.state == Decision.State.IN_EFFECT
    far = now() + dt.timedelta(days=400)
    assert not register._settled(far).exists(), "it can be appealed"
    with time_machine.travel(now() + dt.timedelta(days=200)):
        clocks.close_windows()
        case.refresh_from_db()
        assert case.state == Case.State.CLOSED and case.closed_at is not None
        begun = register.begins(register.quarter(case.closed_at))
        assert not register._settled(begun).exists(), "its quarter is not over"
        assert [row.case_id for row in register._settled(begun + dt.timedelta(days=93))] == [case.pk]


def test_a_quarter_has_one_release_so_that_no_row_comes_alone(make: Settled, any_date: None) -> None:
    for category in ISSUES:
        make(category)
    assert register.release(PERIOD) == 0, "three alone say nothing"
    fifteen(make)
    assert register.release(PERIOD) == 18
    for _ in range(6):
        make()
    assert register.release(PERIOD) == 0, "what comes later waits for the next quarter"
    with time_machine.travel("2027-01-02T08:00Z"):
        assert register.release_due() == 6
        assert register.release_due() == 0


def test_a_release_asks_the_same_number_of_questions_for_many(make: Settled) -> None:
    def asked(number: int) -> int:
        for _ in range(number):
            make()
        with CaptureQueriesContext(connection) as queries:
            notices = list(register._settled(register.begins(PERIOD)))
            [register._candidate(notice) for notice in notices]
        return len(queries)

    assert asked(1) == asked(4)


# --- What ----------------------------------------------------------------------------------------------------------


def test_rows_say_what_where_and_what_came_of_it_and_nothing_that_leads_to_anybody(make: Settled) -> None:
    notices = fifteen(make)
    rows = published()
    assert len(rows) == 15
    for row in rows:
        assert row.shown == {
            "kind": "report",
            "category": row.notice.category,
            "group": "",
            "place": "EU",
            "outcome": "not_shown",
            "appeal": "",
        }
        assert (row.period, row.number[:3]) == (PERIOD, "NR-")
    assert [row.notice_id for row in rows] != [notice.pk for notice in notices], "the order would tell which is which"
    assert not disagreements()


def test_no_leaf_of_the_register_leads_to_a_case_a_notice_or_what_it_was_about(make: Settled) -> None:
    """Mallory reads the log: every case stands there with its moments."""
    fifteen(make)
    rows = published()
    register.withhold(rows[0], _keeper(), "wrong")
    for kind in ("register:published", "register:withheld"):
        for leaf in leaves(kind):
            text = json.dumps(leaf)
            assert leaf["object"].startswith("register:NR-") and leaf["refs"] == []
            assert not [word for word in (*ISSUES, "EU", "not_shown", "wrong") if f'"{word}"' in text]
            for row in rows:
                assert str(row.notice_id) not in text and str(row.notice.case_id) not in text
                assert row.notice.number not in text and str(row.notice.case.asset_id) not in text


def _keeper() -> User:
    from accounts.models import Membership, Organisation, Role

    user = User.objects.create_user("keeper@example.org", name="Olga")
    home, _ = Organisation.objects.get_or_create(name="The Office")
    Membership.objects.create(user=user, organisation=home, role=Role.OPERATOR)
    return user


def test_a_notice_about_a_child_is_never_in_it_and_one_that_turns_out_so_is_withheld(make: Settled) -> None:
    fifteen(make)
    for _ in range(5):
        Case.objects.filter(pk=make().case_id).update(minor=True)
    make("child_safety")
    row = published()[0]
    assert RegisterEntry.objects.count() == 15 and not RegisterEntry.objects.filter(notice__case__minor=True).exists()
    Case.objects.filter(pk=row.notice.case_id).update(minor=True)
    assert register.leave_out_children() == 1
    row = register.entry_for(row.number)
    assert (row.state, row.withheld_because) == (RegisterEntry.State.WITHHELD, "child")
    with pytest.raises(Conflict, match="child"):
        register.publish_again(row, _keeper())
    assert register.leave_out_children() == 0 and not disagreements()


def test_who_leaves_no_address_may_be_one_person_who_knows_all_rows_but_one(make: Settled) -> None:
    for category in ISSUES:
        for _ in range(5):
            make(category, email="", name="")
    assert register.release(PERIOD) == 0


def test_whose_data_may_only_be_kept_is_not_told_of(make: Settled) -> None:
    notices = fifteen(make)
    filer = notices[0].filer
    filer.restricted_at = CLOSED
    filer.save(update_fields=["restricted_at"])
    published()
    assert not RegisterEntry.objects.filter(notice__filer=filer).exists()


def test_what_an_appeal_changed_is_told_as_it_ended(make: Settled, alice: User) -> None:
    for notice in fifteen(make):
        decision = notice.case.decisions.get()
        Decision.objects.filter(pk=decision.pk).update(state=Decision.State.REVERSED)
        Appeal.objects.create(decision=decision, role="uploader", user=alice, state="final", outcome="overturn")
    for category in ISSUES:
        for _ in range(5):
            make(category, "no_action")
    found = [(row.shown["outcome"], row.shown["appeal"]) for row in published()]
    assert sorted(found) == [("none", "")] * 15 + [("none", "changed")] * 15


def test_where_a_work_is_shown_to_some_the_row_does_not_say_the_place_which_the_log_does(make: Settled) -> None:
    for category in ISSUES:
        for _ in range(5):
            make(category, "geo_restrict")
    assert {(row.shown["outcome"], row.shown["place"]) for row in published()} == {("limited", "")}


# --- Afterwards ----------------------------------------------------------------------------------------------------


def _overturn(row: RegisterEntry, rita: User) -> None:
    """Opened again, and decided otherwise since."""
    Decision.objects.filter(case=row.notice.case).update(state=Decision.State.SUPERSEDED)
    settle(row.notice.case, rita, "no_action", now() + dt.timedelta(days=30))


def _in(days: int) -> str:
    return register.quarter(now() + dt.timedelta(days=days))


def test_a_changed_outcome_is_amended_with_others_or_waits_until_there_are_others(make: Settled, rita: User) -> None:
    """One row that changes in the quarter in which the log has one case opened again would be that case."""
    fifteen(make)
    rows = sorted(published(), key=lambda row: row.shown["category"])
    for row in rows[:5]:
        _overturn(row, rita)
    register.release(_in(130))
    assert not RegisterEntry.objects.exclude(amended="").exists(), "all five were about one issue"
    for row in (*rows[5:7], *rows[10:13]):
        _overturn(row, rita)
    register.release(_in(130))
    amended = list(RegisterEntry.objects.filter(amended=_in(130)))
    assert {row.number for row in amended} == {row.number for row in (*rows[:7], *rows[10:13])}
    assert {(row.shown["outcome"], row.period) for row in amended} == {("changed", PERIOD)}
    assert not disagreements()
    register.release(_in(230))
    assert not RegisterEntry.objects.filter(amended=_in(230)).exists(), "it says so already"


def test_a_row_that_points_at_somebody_is_withheld_at_once_and_the_public_is_not_told_why(
    make: Settled, olga: User, rita: User, paula: User
) -> None:
    fifteen(make)
    row = register.entry_for(published()[0].number)
    with pytest.raises(Problem, match="values are missing or wrong"):
        register.withhold(row, olga, "because")
    with pytest.raises(Forbidden):
        register.withhold(row, paula, "identifies")
    register.withhold(row, olga, "identifies")
    with pytest.raises(Conflict):
        register.withhold(row, olga, "identifies")
    assert row.number in {each.number for each in register.rows()}
    assert row.number not in {each.number for each in register.rows(issue=row.shown["category"])}
    assert not disagreements()
    register.publish_again(row, olga)
    assert row.number in {each.number for each in register.rows(issue=row.shown["category"])}
    assert not disagreements()


def test_nobody_withholds_a_row_about_their_own_work(make: Settled, olga: User) -> None:
    fifteen(make)
    row = register.entry_for(published()[0].number)
    Asset.objects.filter(cases=row.notice.case).update(owner=olga)
    with pytest.raises(Forbidden, match="somebody else"):
        register.withhold(row, olga, "identifies")


def test_what_the_rows_say_follows_from_the_log(make: Settled) -> None:
    fifteen(make)
    first, second, third = published()[:3]
    RegisterEntry.objects.filter(pk=first.pk).update(shown={**first.shown, "outcome": "none"})
    RegisterEntry.objects.filter(pk=second.pk).update(state=RegisterEntry.State.WITHHELD)
    RegisterEntry.objects.filter(pk=third.pk).update(redacted_text="Words that nobody redacted.")
    found = disagreements()
    assert len(found) == 3
    assert any("another outcome" in words for words in found) and any(second.number in words for words in found)


def test_the_register_is_asked_by_issue_and_a_group_finds_its_categories(make: Settled) -> None:
    fifteen(make)
    published()
    assert register.rows(issue="person").count() == 5 == register.rows(issue="likeness").count()
    assert register.rows(issue="intimate").count() == 0 == register.rows(place="US").count()
    assert register.rows(outcome="not_shown", place="EU", period=PERIOD).count() == 15
    assert register.periods() == [PERIOD]


# --- Words, and who reads them -------------------------------------------------------------------------------------


@pytest.fixture
def row(make: Settled) -> RegisterEntry:
    fifteen(make)
    return register.entry_for(published()[0].number)


def test_a_person_reads_the_words_for_a_reason_and_leaves_out_who_and_what(row: RegisterEntry, ravi: User) -> None:
    with pytest.raises(Problem):
        redaction.words_of(row, ravi, "")
    text = redaction.words_of(row, ravi, "redacting for research")
    assert "never agreed" in text
    (leaf,) = leaves("access:audited")
    assert leaf["object"] == f"register:{row.number}" and str(row.notice.case_id) not in json.dumps(leaf)
    title = row.notice.case.asset.title  # type: ignore[union-attr]
    for bad in (
        "Dana Hill says that it shows her.",
        "See https://example.org/p/12 for it.",
        "It was taken on 2026-03-04 in a bar.",
        f"The work called {title.upper()} shows the person.",
        "Ask @danahill about the picture.",
        "short",
    ):
        with pytest.raises(Problem) as refused:
            redaction.redact(row, ravi, bad)
        assert refused.value.code == "request.invalid", bad
    redaction.redact(row, ravi, "The person shown says that nobody asked them.", no_names=True)
    assert not disagreements()


def test_a_program_proposes_what_to_leave_out(row: RegisterEntry) -> None:
    text = "I am Dana Hill, dana@example.org, 0170 5550199, see www.example.org/x, on 12.03.2026."
    proposed = redaction.proposed(row, text)
    assert proposed == "I am [name], […] […], see […] on […]."


@pytest.mark.parametrize("who", ["rita", "olga", "lena"])
def test_only_lead_reviewers_open_somebodys_letter(
    row: RegisterEntry, who: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(Forbidden):
        redaction.words_of(row, request.getfixturevalue(who), "curiosity")


def test_words_go_with_their_writer_and_the_row_that_says_nothing_of_them_stays(row: RegisterEntry, ravi: User) -> None:
    redaction.redact(row, ravi, "The person shown says that nobody asked them.", no_names=True)
    request = data_rights.erase(row.notice.filer)
    assert request.receipt["rows"]["redacted"] == 1
    kept = register.entry_for(row.number)
    assert (kept.redacted_text, kept.redacted_by, kept.shown) == ("", None, row.shown)
    with pytest.raises(Conflict):
        redaction.redact(kept, ravi, "The person shown says that nobody asked them.", no_names=True)
    assert not disagreements()


def test_nobody_reads_the_words_of_a_withheld_row(row: RegisterEntry, ravi: User, olga: User) -> None:
    register.withhold(row, olga, "court")
    with pytest.raises(Conflict, match="withheld"):
        redaction.words_of(row, ravi, "redacting for research")
    assert row.number not in {each.number for each in research.rows()}


SAID: dict[str, Any] = {"institution": "University of Ghent", "purpose": "How offices answer notices", "days": 30}


def test_a_researchers_link_reads_until_its_day_and_is_on_record(olga: User) -> None:
    access, secret = research.grant(olga, **SAID)
    assert secret not in repr(vars(access))
    assert research.opened(secret) == access == research.opened(secret)
    assert len(leaves("research:read")) == 1, "pages turned within the hour are one reading"
    assert ResearchAccess.objects.get().opened == 1
    assert "Ghent" not in json.dumps(leaves("research:granted"))
    with time_machine.travel(access.expires_at + dt.timedelta(seconds=1)), pytest.raises(research.LinkEnded):
        research.opened(secret)
    assert not disagreements()


def test_a_revoked_link_stops_at_once_and_a_wrong_one_says_the_same(olga: User, rita: User) -> None:
    access, secret = research.grant(olga, **SAID)
    with pytest.raises(Forbidden):
        research.revoke(access, rita)
    research.revoke(access, olga)
    for wrong in (secret, "guess", ""):
        with pytest.raises(research.LinkEnded):
            research.opened(wrong)
    with pytest.raises(Conflict):
        research.revoke(access, olga)
    assert not disagreements()
    ResearchAccess.objects.update(revoked_at=None)
    assert disagreements()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("institution", "x"),
        ("purpose", "short"),
        ("purpose", "Ask ann@example.org, please"),
        ("days", 0),
        ("days", 367),
    ],
)
def test_a_link_has_a_purpose_and_an_end(olga: User, field: str, value: object) -> None:
    with pytest.raises(Problem) as refused:
        research.grant(olga, **{**SAID, field: value})
    assert list(refused.value.extra["errors"]) == [field]  # type: ignore[call-overload]
    assert not ResearchAccess.objects.exists()


def test_a_notice_that_is_looked_at_again_is_not_told_of_meanwhile(make: Settled) -> None:
    notices = fifteen(make)
    Case.objects.filter(pk=notices[0].case_id).update(state=Case.State.REOPENED, closed_at=None)
    Notice.objects.filter(pk=notices[1].pk).update(state=Notice.State.UNFOUNDED)
    published()
    assert not RegisterEntry.objects.filter(notice__in=notices[:2]).exists()
