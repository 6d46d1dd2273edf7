"""Paula proposes a change of the rules, the public comments, Lena and Ravi read, and it is answered, dated (R38)."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger.models import Entry, SealedSection
from policy.audits import reconciliation_public
from policy.models import Comment, Proposal
from policy.tasks import MINUTE
from policy.transparency import proposals
from tests.policy.conftest import leaf_of

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite"), pytest.mark.usefixtures("any_date")]

TITLE = "Labels before removals"
TEXT = "Where the law leaves the choice, a work is labelled first, and removed only when a label does not help."
SAID = "A label is enough in most cases, and it can be undone."


def today(days: int = 0) -> dt.date:
    return now().date() + dt.timedelta(days=days)


@pytest.fixture
def draft(paula: User) -> Proposal:
    return proposals.draft(paula, title=TITLE, text=TEXT)


@pytest.fixture
def opened(draft: Proposal, paula: User) -> Proposal:
    proposals.open_(draft, paula, last_day=today(30))
    return draft


def closed(row: Proposal) -> None:
    with time_machine.travel(now() + dt.timedelta(days=31)):
        assert proposals.close_due() == 1
    row.refresh_from_db()


def test_a_proposal_goes_from_draft_to_a_dated_answer_and_each_step_is_on_record(
    opened: Proposal, paula: User, lena: User
) -> None:
    made = proposals.comment(opened, text=SAID, alias="A reader")
    closed(opened)
    with pytest.raises(Conflict, match="nobody has read"):
        proposals.answer(opened, paula, "We took up what was said about labels.")
    proposals.show(made, lena)
    proposals.reply(made, lena, "We agree.")
    proposals.answer(opened, paula, "We took up what was said about labels.")
    opened.refresh_from_db()
    assert (opened.state, opened.answered_at is not None) == ("answered", True)
    kinds = [entry.type for entry in Entry.objects.order_by("pk")]
    assert kinds == [
        *("proposal:drafted", "proposal:opened", "comment:received", "proposal:closed"),
        *("comment:shown", "comment:replied", "proposal:answered"),
    ]
    assert list(reconciliation_public.consultations()) == []


@pytest.mark.parametrize("change", [{"text": TEXT + "!"}, {"state": "withdrawn"}, {"answer": "Something else."}])
def test_what_was_open_for_comment_cannot_be_changed_unnoticed(opened: Proposal, change: dict[str, str]) -> None:
    Proposal.objects.filter(pk=opened.pk).update(**change)
    assert len(list(reconciliation_public.consultations())) == 1


@pytest.mark.parametrize("change", [{"text": "It says something else now."}, {"state": "shown"}, {"reply": "No."}])
def test_neither_can_a_comment(opened: Proposal, change: dict[str, str]) -> None:
    made = proposals.comment(opened, text=SAID)
    Comment.objects.filter(pk=made.pk).update(**change)
    assert len(list(reconciliation_public.consultations())) == 1


def test_a_draft_is_the_offices_own_and_may_change(draft: Proposal, paula: User) -> None:
    with pytest.raises(NotFound):
        proposals.public_one(draft.pk)
    proposals.change(draft, paula, title=TITLE, text=TEXT + " For a year.")
    proposals.open_(draft, paula, last_day=today(30))
    assert proposals.public_one(draft.pk).text.endswith("For a year.")
    with pytest.raises(Conflict, match="not changed any more"):
        proposals.change(draft, paula, title=TITLE, text=TEXT)
    assert list(reconciliation_public.consultations()) == []


def test_policy_editors_and_lawyers_propose_and_nobody_else(alice: User, ravi: User, draft: Proposal) -> None:
    for other in (alice, ravi):
        with pytest.raises(Forbidden, match="policy editors and lawyers"):
            proposals.draft(other, title=TITLE, text=TEXT)
        with pytest.raises(Forbidden):
            proposals.open_(draft, other, last_day=today(30))
        with pytest.raises(Forbidden):
            proposals.withdraw(draft, other, "I do not like this one.")


@pytest.mark.parametrize("days", [-1, 13, 181])
def test_the_public_has_two_weeks_at_least_and_half_a_year_at_most(draft: Proposal, paula: User, days: int) -> None:
    with pytest.raises(Problem) as refused:
        proposals.open_(draft, paula, last_day=today(days))
    assert "last_day" in str(refused.value.extra)
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_the_last_day_is_over_at_its_end_and_beat_closes_it(opened: Proposal) -> None:
    assert opened.closes_at is not None and proposals.close_due in MINUTE
    with time_machine.travel(opened.closes_at - dt.timedelta(seconds=1)):
        assert proposals.close_due() == 0
        proposals.comment(opened, text=SAID)
    with time_machine.travel(opened.closes_at):
        with pytest.raises(Conflict, match="no comments any more"):
            proposals.comment(opened, text="A minute too late, alas.")
        assert proposals.close_due() == 1
    assert leaf_of("proposal:closed")["facts"]["comments"] == 1


def test_a_comment_is_shown_once_a_person_has_read_it(opened: Proposal, lena: User, alice: User) -> None:
    made = proposals.comment(opened, text=SAID)
    assert proposals.public_one(opened.pk).comments_shown == 0  # type: ignore[attr-defined]
    with pytest.raises(Forbidden):
        proposals.show(made, alice)
    proposals.show(proposals.comment_for(lena, made.pk), lena)
    assert proposals.public_one(opened.pk).comments_shown == 1  # type: ignore[attr-defined]


def test_nobody_keeps_back_what_is_said_about_their_own_proposal(opened: Proposal, paula: User, ravi: User) -> None:
    made = proposals.comment(opened, text="This proposal is a bad idea from start to end.")
    with pytest.raises(Forbidden, match="You wrote this proposal"):
        proposals.withhold(proposals.comment_for(paula, made.pk), paula, "It is rude about me.")
    proposals.withhold(proposals.comment_for(ravi, made.pk), ravi, "It names a person who has nothing to do with it.")
    made.refresh_from_db()
    assert (made.state, made.withheld_because[:12]) == ("withheld", "It names a p")


def test_a_comment_is_replied_to_once_and_not_before_it_is_shown(opened: Proposal, lena: User) -> None:
    made = proposals.comment(opened, text=SAID)
    with pytest.raises(Conflict):
        proposals.reply(made, lena, "Thank you.")
    proposals.show(made, lena)
    proposals.reply(made, lena, "Thank you.")
    with pytest.raises(Conflict):
        proposals.reply(made, lena, "Something else.")
    made.refresh_from_db()
    assert made.reply == "Thank you." and made.replied_at is not None


@pytest.mark.parametrize(
    "said",
    [
        {"text": "short"},
        {"text": "x" * 4001},
        {"text": "Write to me at mallory@example.org about this."},
        {"text": "Call me at +49 170 1234567 about this."},
        {"text": SAID, "alias": "mallory@example.org"},
        {"text": SAID, "alias": "x" * 61},
        {"text": SAID, "alias": "Assay office"},
        {"text": SAID, "alias": "Ａssay"},
        {"text": SAID, "alias": "Rita, the office"},
        {"text": SAID, "alias": "\u202egnp.anaD"},
    ],
)
def test_a_comment_that_cannot_be_published_is_refused_with_its_field(opened: Proposal, said: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        proposals.comment(opened, **said)
    assert set(refused.value.extra["errors"]) == {"alias" if "alias" in said else "text"}  # type: ignore[call-overload]
    assert not Comment.objects.exists()


def test_a_flood_ends_somewhere(opened: Proposal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "MOST_UNREAD", 2)
    proposals.comment(opened, text="The first of many comments.")
    with pytest.raises(Conflict, match="sent already"):
        proposals.comment(opened, text="The first of many comments.")
    proposals.comment(opened, text="The second of many comments.")
    with pytest.raises(Conflict, match="Very many"):
        proposals.comment(opened, text="The third of many comments.")


def test_the_log_holds_no_word_of_a_comment_and_its_author_can_have_it_erased(
    opened: Proposal, lena: User, ravi: User
) -> None:
    made = proposals.comment(opened, text=SAID, alias="Dana")
    proposals.show(made, lena)
    assert not any(b"label is enough" in bytes(entry.leaf) for entry in Entry.objects.all())
    with pytest.raises(Forbidden):
        proposals.erase(made, lena)
    proposals.erase(made, ravi)
    made.refresh_from_db()
    assert (made.text, made.alias, made.state) == ("", "", "withheld")
    assert not SealedSection.objects.filter(entry=made.entry).exists()
    assert list(reconciliation_public.consultations()) == []


def test_a_withdrawn_one_says_why(opened: Proposal, paula: User) -> None:
    with pytest.raises(Problem):
        proposals.withdraw(opened, paula, "no")
    proposals.withdraw(opened, paula, "The law that it was about was repealed.")
    assert proposals.public_one(opened.pk).answer.startswith("The law")
    with pytest.raises(Conflict):
        proposals.comment(opened, text=SAID)
    assert list(reconciliation_public.consultations()) == []
