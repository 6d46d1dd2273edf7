"""An appeal from both sides: who may file, questions and answers, every outcome, what comes after."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from accounts.models import Role, User
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger import log, vault
from ledger.events import EventType
from ledger.models import Entry
from policy.audits import reconciliation_appeals
from policy.consents import consent
from policy.deciding import decisions
from policy.desk import case_documents, cases
from policy.law import clocks
from policy.models import (
    Action,
    Appeal,
    Attachment,
    Case,
    Clock,
    Decision,
    Notice,
    Person,
    ReviewerProfile,
    StatementOfReasons,
)
from policy.redress import appeal_dialogue, appeal_thread, appeals, out_of_court
from policy.tasks import strike
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import TERMS, leaf_of

pytestmark = pytest.mark.django_db
GROUNDS = "The label is wrong: this is a photograph of my own harbour."
WHY = "The owner showed the negatives of the work."
Settle = Callable[[], None]


@pytest.fixture
def hidden(case: Case, rita: User) -> Decision:
    return decisions.decide(case, rita, outcome="hide", **TERMS)


@pytest.fixture
def appeal(hidden: Decision, alice: User) -> Appeal:
    return appeals.file_appeal(hidden, user=alice, grounds=GROUNDS)


def told_to_dana(decision: Decision, alice: User) -> Person:
    """Dana, who is shown, as the statement that she gets knows her."""
    asset = decision.case.asset
    assert asset is not None
    consent.ask_consent(asset, alice, name="Dana Hill", contact="dana@example.org", purposes=["publish"])
    dana = Person.objects.get(depictions__asset=asset)
    StatementOfReasons.objects.create(decision=decision, recipient="depicted", person=dana, structured={}, text="why")
    return dana


# --- Who may ------------------------------------------------------------------------------------------------------


def test_the_person_shown_appeals_by_their_link_once(hidden: Decision, alice: User, ravi: User) -> None:
    dana = told_to_dana(hidden, alice)
    filed = appeals.file_appeal(hidden, person=dana, grounds="It should be gone, not only hidden.")
    assert (filed.role, filed.appellant) == ("depicted", dana.actor)
    with pytest.raises(Conflict, match="already"):
        appeals.file_appeal(hidden, person=dana, grounds=GROUNDS)
    appeals.decide_appeal(filed, ravi, outcome="overturn", reasons=WHY)
    assert Case.objects.get().state == "reopened"
    hidden.refresh_from_db()
    assert hidden.state == "in_effect"  # what was done stays until a third person decides


def test_who_appeals_as_two_or_as_nobody_is_refused(hidden: Decision, alice: User) -> None:
    several: list[dict[str, Any]] = [{}, {"user": alice, "notice": Notice.objects.get()}]
    for who in several:
        with pytest.raises(Forbidden, match="as whom you appeal"):
            appeals.may_appeal(hidden, **who)


def test_a_measure_for_the_meantime_is_appealed_by_its_uploader_only(case: Case, rita: User, alice: User) -> None:
    measure = decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
    assert appeals.may_appeal(measure, user=alice)
    notice = Notice.objects.get()
    StatementOfReasons.objects.get_or_create(decision=measure, recipient="notifier", notice=notice, structured={})
    with pytest.raises(Conflict, match="until the case is decided"):
        appeals.may_appeal(measure, notice=notice)


def test_nobody_reads_or_takes_back_the_appeal_of_another(appeal: Appeal, bob: User, alice: User) -> None:
    with pytest.raises(NotFound):
        appeals.appeal_for(appeal.pk, user=bob)
    assert appeals.appeal_for(appeal.pk, user=alice) == appeal


def test_an_appeal_taken_back_ends_its_clocks_and_cannot_be_filed_again(appeal: Appeal, alice: User) -> None:
    appeals.withdraw(appeals.appeal_for(appeal.pk, user=alice))
    assert leaf_of("appeal:withdrawn")["facts"] == {"appeal": str(appeal.pk)}
    assert set(appeal.clocks.values_list("state", flat=True)) == {"void"}
    with pytest.raises(Conflict, match="already"):
        appeals.file_appeal(appeal.decision, user=alice, grounds=GROUNDS)
    with pytest.raises(Conflict):
        appeals.withdraw(appeals.appeal_for(appeal.pk, user=alice))


# --- In whose hands -----------------------------------------------------------------------------------------------


def test_an_appeal_is_taken_put_back_and_taken_by_one_of_two(appeal: Appeal, ravi: User, rita: User) -> None:
    other_window = Appeal.objects.select_related("decision__case").get(pk=appeal.pk)
    appeals.assign(appeal, ravi)
    with pytest.raises(Conflict):
        appeals.assign(other_window, ravi)
    with pytest.raises(Forbidden, match="Only who hears"):
        appeals.release(appeal, rita)
    appeals.release(appeal, ravi)
    appeal.refresh_from_db()
    assert (appeal.state, appeal.assigned_to) == ("filed", None)


def test_who_has_seen_enough_today_takes_no_appeal_but_decides_the_one_in_hand(appeal: Appeal, ravi: User) -> None:
    ReviewerProfile.objects.filter(user=ravi).update(budget=0)
    for take in (appeals.assign, lambda row, who: appeals.decide_appeal(row, who, outcome="uphold", reasons=WHY)):
        with pytest.raises(Forbidden, match="enough for today"):
            take(appeal, ravi)
    ReviewerProfile.objects.filter(user=ravi).update(budget=60)
    appeals.assign(appeal, ravi)
    ReviewerProfile.objects.filter(user=ravi).update(budget=0)
    assert appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY).state == "decided"


# --- The dialogue -------------------------------------------------------------------------------------------------


def test_a_question_waits_while_our_own_clock_rests_and_the_answer_sets_it_going(
    appeal: Appeal, alice: User, ravi: User
) -> None:
    ours = appeal.clocks.get(purpose="answer")
    due = ours.due_at
    with pytest.raises(Forbidden, match="Take the appeal first"):
        appeal_dialogue.ask(appeal, ravi, "Do you have the negatives?")
    appeals.assign(appeal, ravi)
    question = appeal_dialogue.ask(appeal, ravi, "Do you have the negatives?")
    theirs, ours = appeal.clocks.get(purpose="message"), appeal.clocks.get(purpose="answer")
    assert question.asks_until == theirs.due_at
    assert (theirs.rule_id, theirs.state, ours.state) == ("office.terms.appeal_question", "running", "paused")
    with pytest.raises(Conflict):
        appeal_dialogue.ask(appeal, ravi, "And the originals?")
    with time_machine.travel(now() + timedelta(days=3), tick=False):
        own = appeals.appeal_for(appeal.pk, user=alice)
        appeal_dialogue.answer(own, "Yes, here they are.", [SimpleUploadedFile("negatives.txt", b"frames 1 to 12")])
    appeal.refresh_from_db()
    ours.refresh_from_db()
    theirs.refresh_from_db()
    assert (appeal.state, theirs.state, ours.state) == ("assigned", "met", "running")
    assert due is not None and ours.due_at is not None
    assert ours.due_at - due >= timedelta(days=3)


def test_both_sides_read_one_thread_and_it_is_sealed(appeal: Appeal, alice: User, ravi: User) -> None:
    appeals.assign(appeal, ravi)
    appeal_dialogue.ask(appeal, ravi, "Do you have the negatives?")
    document = SimpleUploadedFile("../negatives.txt", b"frames 1 to 12")
    appeal_dialogue.answer(appeals.appeal_for(appeal.pk, user=alice), "Yes, they are attached.", [document])
    said = appeal_thread.thread(appeal)
    assert [(one.ours, one.text) for one in said] == [
        (True, "Do you have the negatives?"),
        (False, "Yes, they are attached."),
    ]
    [(attachment, name)] = said[1].documents
    assert name == "negatives.txt"
    assert attachment.owner == alice.actor
    assert all(b"negatives" not in bytes(one.message.sealed_text) for one in said)


def test_a_document_may_come_with_the_appeal_and_a_bad_one_leaves_nothing_behind(hidden: Decision, alice: User) -> None:
    with pytest.raises(Problem):
        appeals.file_appeal(hidden, user=alice, grounds=GROUNDS, files=[SimpleUploadedFile("a.exe", b"MZ\x00\x01")])
    assert not Appeal.objects.exists()
    filed = appeals.file_appeal(hidden, user=alice, grounds=GROUNDS, files=[SimpleUploadedFile("a.txt", b"words")])
    [said] = appeal_thread.thread(filed)
    assert (said.ours, said.text, len(said.documents)) == (False, "", 1)


def test_i20_a_document_of_an_appeal_opens_for_who_hears_it_for_a_reason_on_record(
    appeal: Appeal, alice: User, rita: User, ravi: User
) -> None:
    appeals.assign(appeal, ravi)
    appeal_dialogue.ask(appeal, ravi, "Do you have the negatives?")
    sent = [SimpleUploadedFile("negatives.txt", b"frames 1 to 12")]
    appeal_dialogue.answer(appeals.appeal_for(appeal.pk, user=alice), "Yes.", sent)
    row, case = Attachment.objects.get(), Case.objects.get()
    with pytest.raises(Forbidden):
        case_documents.read(row, case, rita, "I decided this, and want to know")
    with pytest.raises(Problem) as refusal:
        case_documents.read(row, case, ravi, " ")
    assert "reason" in str(refusal.value.extra["errors"])
    assert not Entry.objects.filter(type=EventType.ACCESS_AUDITED).exists()
    assert case_documents.read(row, case, ravi, "To see the negatives") == b"frames 1 to 12"
    leaf = leaf_of(EventType.ACCESS_AUDITED)
    assert (leaf["facts"]["read"], leaf["object"]) == ("document", case.object)
    appeal.refresh_from_db()
    appeals.release(appeal, ravi)
    with pytest.raises(Forbidden, match="Take the appeal"):
        case_documents.read(Attachment.objects.get(), case, ravi, "To see the negatives")


def test_without_an_answer_the_hearer_goes_on(appeal: Appeal, alice: User, ravi: User) -> None:
    appeals.assign(appeal, ravi)
    appeal_dialogue.ask(appeal, ravi, "Do you have the negatives?")
    with time_machine.travel(now() + timedelta(days=15)):
        strike()
        appeal.refresh_from_db()
        assert appeal.state == "assigned"
        assert set(appeal.clocks.values_list("purpose", "state")) == {("answer", "running"), ("message", "void")}
        assert not Clock.objects.filter(state="breached", appeal=appeal).exists()  # no deadline of ours was missed
        assert appeal_dialogue.lapse() == 0


def test_nothing_is_added_to_a_decided_appeal_nor_an_empty_answer_to_any(
    appeal: Appeal, alice: User, ravi: User
) -> None:
    own = appeals.appeal_for(appeal.pk, user=alice)
    with pytest.raises(Problem, match=r"request\.invalid"):
        appeal_dialogue.answer(own, " ")
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    with pytest.raises(Conflict, match="nothing can be added"):
        appeal_dialogue.answer(appeals.appeal_for(appeal.pk, user=alice), "One more thing.")


def test_nobody_is_buried_under_messages(appeal: Appeal, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appeal_thread, "MOST_MESSAGES", 2)
    own = appeals.appeal_for(appeal.pk, user=alice)
    for _ in range(2):
        appeal_dialogue.answer(own, "One more thing.")
    with pytest.raises(Conflict, match="at most"):
        appeal_dialogue.answer(own, "One more thing.")


# --- Outcomes -----------------------------------------------------------------------------------------------------


def test_i4_a_case_is_not_closed_while_something_that_was_overturned_still_stands(
    appeal: Appeal, asset: Asset, ravi: User
) -> None:
    """One action refuses to be undone: the appeal is decided, and the case stays open until it is."""
    with transaction.atomic():
        entry = log.append(EventType.ACTION_EXECUTED, actor="system", role="system", object=f"asset:{asset.pk}")
        stuck = Action.objects.create(
            decision=appeal.decision, kind="purge", inverse="", pre_image={}, state="executed", entry=entry
        )
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    appeal.decision.refresh_from_db()
    assert appeal.decision.state == "reversed"
    assert len(decisions.unreversed(appeal.decision)) == 1
    case = Case.objects.get()
    for _ in range(2):
        clocks.close_if_quiet(case)
        assert Case.objects.get().state == "decided"
    with transaction.atomic():
        Action.objects.filter(pk=stuck.pk).update(state="reversed")
        clocks.close_if_quiet(case)
    assert Case.objects.get().state == "closed"


def test_i4_overturned_for_the_uploader_everybody_else_is_told_and_may_appeal_that(
    appeal: Appeal, asset: Asset, ravi: User, settle: Settle
) -> None:
    settle()
    mail.outbox.clear()
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    settle()
    asset.refresh_from_db()
    assert asset.restriction == ""
    assert sorted((letter.to[0], letter.subject.partition(": ")[2]) for letter in mail.outbox) == [
        ("alice@example.org", "Your appeal was decided"),
        ("dana@example.org", "A decision about a work was undone"),
    ]
    assert all(WHY not in letter.body for letter in mail.outbox)
    decision, notice = Decision.objects.get(), Notice.objects.get()
    window = appeals.may_appeal(decision, notice=notice)
    assert window.state == "running" and window.started_at > appeal.created_at
    theirs = appeals.file_appeal(decision, notice=notice, grounds="It still shows me.")
    with pytest.raises(Forbidden, match="another reviewer"):
        appeals.decide_appeal(theirs, decision.decider, outcome="overturn", reasons=WHY)
    appeals.decide_appeal(theirs, ravi, outcome="overturn", reasons=WHY)
    assert Case.objects.get().state == "reopened"


def test_modified_for_the_uploader_a_weaker_decision_takes_its_place(
    appeal: Appeal, asset: Asset, alice: User, ravi: User
) -> None:
    appeals.decide_appeal(appeal, ravi, outcome="modify", reasons=WHY, replacement={"outcome": "label", **TERMS})
    asset.refresh_from_db()
    old, new = Decision.objects.order_by("pk")
    assert (asset.restriction, old.state, new.state) == ("labelled", "superseded", "in_effect")
    assert (appeal.replacement, new.decider) == (new, ravi)
    assert set(new.statements.values_list("recipient", flat=True)) >= {"uploader", "notifier"}
    assert leaf_of("appeal:decided")["facts"]["replacement"] == str(new.pk)
    with pytest.raises(Conflict, match="out-of-court"):
        appeals.may_appeal(new, user=alice)
    assert appeals.may_appeal(new, notice=Notice.objects.get())
    with pytest.raises(Forbidden, match="You took the decision"):
        appeals.decide_appeal(
            appeals.file_appeal(new, notice=Notice.objects.get(), grounds=GROUNDS), ravi, outcome="uphold", reasons=WHY
        )


@pytest.mark.parametrize(
    ("by", "instead", "said"),
    [
        ("user", {"outcome": "remove"}, "choose something weaker"),
        ("user", {"outcome": "label", "also": ["suspend"]}, "choose something weaker"),
        ("user", {"outcome": "no_action"}, "choose “overturn”"),
        ("user", {"outcome": "hide"}, "uphold it"),
        ("notice", {"outcome": "label"}, "choose something stronger"),
    ],
)
def test_an_appeal_never_makes_it_worse_for_who_appeals(
    by: str, instead: dict[str, Any], said: str, hidden: Decision, alice: User, ravi: User
) -> None:
    who: dict[str, Any] = {"user": alice} if by == "user" else {"notice": Notice.objects.get()}
    filed = appeals.file_appeal(hidden, **who, grounds=GROUNDS)
    with pytest.raises(Problem) as refused:
        appeals.decide_appeal(filed, ravi, outcome="modify", reasons=WHY, replacement={**TERMS, **instead})
    assert said in str(refused.value.extra["errors"])
    filed.refresh_from_db()
    assert filed.state == "filed"


@pytest.mark.parametrize(("outcome", "instead"), [("modify", None), ("uphold", {"outcome": "label"})])
def test_only_a_changed_decision_has_another_in_its_place(
    outcome: str, instead: dict[str, Any] | None, appeal: Appeal, ravi: User
) -> None:
    with pytest.raises(Problem) as refused:
        appeals.decide_appeal(appeal, ravi, outcome=outcome, reasons=WHY, replacement=instead)
    assert "replacement" in str(refused.value.extra["errors"])


def test_what_needs_two_people_is_not_decided_by_the_hearer_alone(case: Case, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, outcome="no_action", **TERMS)
    filed = appeals.file_appeal(decision, notice=Notice.objects.get(), grounds=GROUNDS)
    with pytest.raises(Conflict, match="Two people"):
        appeals.decide_appeal(filed, ravi, outcome="modify", reasons=WHY, replacement={"outcome": "remove", **TERMS})
    assert (Decision.objects.get().state, Appeal.objects.get().state) == ("in_effect", "filed")


def test_an_overturned_no_action_is_modified_directly(case: Case, asset: Asset, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, outcome="no_action", **TERMS)
    filed = appeals.file_appeal(decision, notice=Notice.objects.get(), grounds=GROUNDS)
    appeals.decide_appeal(filed, ravi, outcome="modify", reasons=WHY, replacement={"outcome": "hide", **TERMS})
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    assert filed.replacement is not None
    assert filed.replacement.statements.filter(recipient="uploader").exists()


def test_what_cannot_be_heard_changes_nothing_and_says_why(appeal: Appeal, asset: Asset, ravi: User) -> None:
    appeals.decide_appeal(appeal, ravi, outcome="inadmissible", reasons="The same was decided by a court already.")
    asset.refresh_from_db()
    assert (asset.restriction, Decision.objects.get().state) == ("hidden", "in_effect")


def test_a_case_opened_again_has_a_deadline(case: Case, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, outcome="no_action", **TERMS)
    filed = appeals.file_appeal(decision, notice=Notice.objects.get(), grounds=GROUNDS)
    appeals.decide_appeal(filed, ravi, outcome="overturn", reasons=WHY)
    reopened = Case.objects.get()
    assert reopened.next_rule_id == "office.terms.reopened"
    assert reopened.next_due_at is not None


# --- After it ------------------------------------------------------------------------------------------------------


def test_a_decided_appeal_is_final_when_the_time_for_a_body_is_over(appeal: Appeal, ravi: User) -> None:
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    strike()
    assert Appeal.objects.get().state == "decided"
    with time_machine.travel(now() + timedelta(days=190)):
        strike()
        assert Appeal.objects.get().state == "final"
        assert leaf_of("appeal:final")["facts"]["appeal"] == str(appeal.pk)
        assert not Clock.objects.filter(appeal=appeal, state="breached").exists()
        assert out_of_court.finalise() == 0


def test_a_body_outside_is_recorded_by_its_ninety_days_and_what_it_said(
    appeal: Appeal, asset: Asset, ravi: User, lena: User, greta: User
) -> None:
    """DSA 21: it binds nobody; where the office does what it said, that is carried out completely."""
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    with pytest.raises(Forbidden, match="lead reviewers and lawyers"):
        out_of_court.open_dispute(appeal, greta, body="A certified body", reference="D-7")
    with pytest.raises(Problem, match=r"request\.invalid"):
        out_of_court.open_dispute(appeal, lena, body="", reference="")
    dispute = out_of_court.open_dispute(appeal, lena, body="A certified body", reference="D-7")
    clock = appeal.clocks.get(purpose="oods")
    assert (clock.rule_id, appeal.clocks.get(purpose="final").state) == ("eu.dsa.21", "met")
    assert clock.due_at is not None
    assert (clock.due_at - clock.started_at).days == 90
    with pytest.raises(Conflict):
        out_of_court.open_dispute(appeal, lena, body="Another body", reference="D-8")
    with pytest.raises(Forbidden, match="a second person"):
        out_of_court.close_dispute(dispute, lena, outcome="appellant", complied=True)
    leo, award = _person("Leo", Role.LEGAL), SimpleUploadedFile("award.txt", b"For the appellant.")
    out_of_court.close_dispute(dispute, leo, outcome="appellant", complied=True, document=award)
    asset.refresh_from_db()
    assert (asset.restriction, Decision.objects.get().state, Appeal.objects.get().state) == ("", "reversed", "final")
    assert leaf_of("out_of_court:closed")["role"] == Role.LEGAL
    assert Case.objects.get().state == "closed"
    with pytest.raises(Conflict):
        out_of_court.close_dispute(dispute, lena, outcome="office", complied=False)
    assert list(reconciliation_appeals.appeals()) == []


def test_an_appeal_that_differs_from_the_log_is_named(appeal: Appeal, alice: User, ravi: User) -> None:
    appeals.assign(appeal, ravi)
    appeal_dialogue.ask(appeal, ravi, "Do you have the negatives?")
    appeal_dialogue.answer(appeals.appeal_for(appeal.pk, user=alice), "Yes.")
    assert list(reconciliation_appeals.appeals()) == []
    Appeal.objects.update(state="filed", outcome="uphold")
    assert len(list(reconciliation_appeals.appeals())) == 2


def test_what_the_office_does_not_follow_changes_nothing(appeal: Appeal, asset: Asset, ravi: User, lena: User) -> None:
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    dispute = out_of_court.open_dispute(appeal, lena, body="A certified body", reference="D-7")
    with pytest.raises(Problem, match=r"request\.invalid"):
        out_of_court.close_dispute(dispute, lena, outcome="", complied=False)
    out_of_court.close_dispute(dispute, lena, outcome="appellant", complied=False)
    asset.refresh_from_db()
    assert (asset.restriction, Appeal.objects.get().state) == ("hidden", "final")


def test_the_appeal_of_who_was_erased_stays_decidable(case: Case, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, outcome="no_action", **TERMS)
    notice = Notice.objects.get()
    filed = appeals.file_appeal(decision, notice=notice, grounds=GROUNDS)
    appeals.assign(filed, ravi)
    appeal_dialogue.ask(filed, ravi, "Which part shows you?")
    vault.destroy(notice.filer.actor)
    assert appeals.grounds_of(filed) == ""
    assert [one.text for one in appeal_thread.thread(filed)] == [""]
    assert appeals.decide_appeal(filed, ravi, outcome="overturn", reasons=WHY).state == "decided"
    assert case.asset is not None
    assert cases.undecided(case.asset, case.category) == case
