import json
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.db import transaction

from accounts.models import User
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from policy.deciding import decisions, outcomes, statements
from policy.desk import cases
from policy.filing import flags, notice_ends
from policy.law import rules
from policy.models import Action, Case, Clock, Decision, Flag, Notice, StatementOfReasons
from provenance.models import Asset
from tests.policy.conftest import REASONS, TERMS, FileNotice, about_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("outcome", "restriction"),
    [("label", "labelled"), ("age_restrict", "age_restricted"), ("hide", "hidden"), ("no_action", "")],
)
def test_an_outcome_changes_what_the_public_sees(
    case: Case, rita: User, asset: Asset, outcome: str, restriction: str
) -> None:
    decision = decisions.decide(case, rita, outcome=outcome, **TERMS)
    asset.refresh_from_db()
    assert asset.restriction == restriction
    assert bool(asset.label_text) == (outcome == "label")
    assert decision.actions.count() == (outcome != "no_action")
    seen = [json.loads(bytes(entry.leaf)) for entry in Entry.objects.filter(type="asset:restricted")]
    assert [(leaf["object"], leaf["facts"]) for leaf in seen] == (
        [(f"asset:{asset.pk}", {"actor": "system", "restriction": restriction})] if restriction else []
    )
    assert case.state == Case.State.DECIDED


def test_an_action_carries_its_inverse_and_what_it_changed(case: Case, rita: User) -> None:
    (action,) = decisions.decide(case, rita, outcome="hide", **TERMS).actions.all()
    assert (action.kind, action.inverse) == ("hidden", "restore")
    assert action.pre_image == {"restriction": "", "label": "", "hidden_in": []}
    assert action.entry is not None


def test_i1_no_decision_without_a_rule_that_was_in_force(case: Case, rita: User, asset: Asset) -> None:
    """I1: none, unknown, a bill, and one that begins after the case was opened."""
    future = [rule.id for rule in rules.all_rules() if rule.status == "bill"] + ["eu.nowhere", "in.it.3.2.b.v2021"]
    for rule_ids in ([], *[[rule_id, "office.terms.consent"] for rule_id in future]):
        with pytest.raises(Problem) as refusal:
            decisions.decide(case, rita, outcome="hide", ground="terms", rule_ids=rule_ids, **REASONS)
        assert list(refusal.value.extra["errors"]) == ["rule_ids"]  # type: ignore[call-overload]
    asset.refresh_from_db()
    assert asset.restriction == ""
    assert not Decision.objects.exists()


@pytest.mark.usefixtures("any_date")
def test_the_law_counts_as_it_was_when_the_case_was_opened(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    """I13: a notice of the day before keeps the law of that day, although it is decided after."""
    with time_machine.travel("2026-05-18T20:00:00Z"):
        notice, _ = file_notice(asset, category="ncii", jurisdiction="US")
        cases.assign(notice.case, rita)
    with time_machine.travel("2026-05-20T08:00:00Z"):
        assert not Clock.objects.filter(rule_id="us.tida.223a").exists()
        with pytest.raises(Problem):
            decisions.decide(notice.case, rita, outcome="hide", ground="illegal", rule_ids=["us.tida.223a"], **REASONS)


def test_a_ground_needs_a_rule_of_its_kind(case: Case, rita: User) -> None:
    for ground, rule_id in (("illegal", "office.terms.consent"), ("terms", "eu.dsa.16.2.fields")):
        with pytest.raises(Problem):
            decisions.decide(case, rita, outcome="hide", ground=ground, rule_ids=[rule_id], **REASONS)


@pytest.mark.parametrize(
    "text",
    [
        "Write to dana@example.org about it.",
        "Call +47 912 34 567 about it.",
        "It shows Dana Hill at a harbour.",
        "too short",
    ],
)
def test_i6_a_statement_carries_no_personal_data(case: Case, rita: User, text: str) -> None:
    """I6."""
    with pytest.raises(Problem) as refusal:
        decisions.decide(
            case, rita, outcome="hide", ground="terms", rule_ids=["office.terms.consent"],
            facts_text=text, explanation=REASONS["explanation"],
        )  # fmt: skip
    assert list(refusal.value.extra["errors"]) == ["facts_text"]  # type: ignore[call-overload]


def test_a_date_in_the_reasons_is_no_telephone_number(case: Case, rita: User) -> None:
    said = {**TERMS, "facts_text": "The notice of 2026-05-19 describes the work exactly."}
    decisions.decide(case, rita, outcome="label", **said)


def test_i5_each_affected_recipient_has_a_statement_when_the_restriction_begins(
    case: Case, rita: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I5: seen at the moment the restriction is put in force."""
    there: list[int] = []
    real = outcomes.show

    def show(asset: Asset) -> None:
        there.append(StatementOfReasons.objects.count())
        real(asset)

    monkeypatch.setattr(outcomes, "show", show)
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    assert there == [2]
    assert decision.statements.get(recipient="uploader").user == alice
    assert decision.statements.get(recipient="notifier").notice == Notice.objects.get()


def test_no_action_is_explained_to_who_reported(case: Case, rita: User) -> None:
    (statement,) = decisions.decide(case, rita, outcome="no_action", **TERMS).statements.all()
    assert statement.recipient == "notifier"


def test_a_statement_is_structured_first_and_says_how_to_appeal(case: Case, rita: User) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    statement = decision.statements.get(recipient="uploader")
    said, words = statement.structured, statements.enums()
    assert set(said["decision_visibility"]) <= set(words["decision_visibilities"])
    assert said["category"] in words["statement_categories"]
    assert said["automated_decision"] in words["automated_decisions"]
    assert said["source_type"] == "SOURCE_ARTICLE_16"
    assert said["rules"][0]["status"] == "draft"
    assert statement.text == statements.prose(said)
    until = datetime.fromisoformat(said["redress"]["until"])
    assert 180 <= (until - decision.created_at).days <= 184
    assert "somebody else will decide" in statement.text
    assert "draft" in statement.text


@pytest.mark.usefixtures("any_date")
def test_six_months_to_appeal_come_from_the_dsa(case: Case, rita: User) -> None:
    with time_machine.travel("2026-08-31T10:00:00Z", tick=False):
        decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    clock = decision.clocks.get(rule_id="eu.dsa.20")
    assert clock.due_at is not None
    assert clock.due_at.isoformat() == "2027-02-28T10:00:00+00:00"
    assert decision.clocks.get(rule_id="eu.dsa.17.sor").state == Clock.State.MET


def test_i7_automation_is_derived_from_who_acted(case: Case, rita: User, asset: Asset) -> None:
    """I7: a program's flag in the case is said, and never typed by anybody."""
    decision = decisions.decide(case, rita, outcome="no_action", **TERMS)
    assert (decision.automated_detection, decision.automated_decision) == (False, "AUTOMATED_DECISION_NOT_AUTOMATED")
    flag = flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)
    cases.assign(flag.case, rita)
    decision = decisions.decide(flag.case, rita, outcome="label", ground="terms",
                                rule_ids=["office.terms.labelling"], **REASONS)  # fmt: skip
    assert decision.automated_detection
    assert decision.statements.get().structured["automated_detection"] == "AUTOMATED_DETECTION_YES"


def test_deadlines_are_met_flags_settled_and_notices_answered(case: Case, rita: User) -> None:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    assert set(case.clocks.filter(purpose="decide").values_list("state", flat=True)) == {"met"}
    assert set(case.flags.values_list("state", flat=True)) == {"confirmed"}
    assert Notice.objects.get().state == "answered"


def test_only_the_reviewer_of_the_case_decides_it(case: Case, ravi: User, alice: User) -> None:
    for somebody in (ravi, alice):
        with pytest.raises(Forbidden):
            decisions.decide(case, somebody, outcome="hide", **TERMS)


def test_a_case_is_decided_once(case: Case, rita: User) -> None:
    """Deterministic interleaving: the same case, read twice, decided from two windows."""
    other_window = Case.objects.get(pk=case.pk)
    decisions.decide(case, rita, outcome="label", **TERMS)
    before = Entry.objects.count()
    with pytest.raises((Conflict, Forbidden)):
        decisions.decide(other_window, rita, outcome="hide", **TERMS)
    assert Decision.objects.count() == 1
    assert Entry.objects.count() == before


def test_what_is_not_registered_here_cannot_be_restricted(file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(None, url_or_text="https://example.net/a.jpg")
    cases.assign(notice.case, rita)
    with pytest.raises(Conflict, match="not registered here"):
        decisions.decide(notice.case, rita, outcome="hide", **TERMS)
    decisions.decide(notice.case, rita, outcome="no_action", **TERMS)


def test_a_failure_half_way_leaves_nothing(
    case: Case, rita: User, asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Entry.objects.count()

    def fail(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(decisions, "_settle", fail)
    with pytest.raises(RuntimeError):
        decisions.decide(case, rita, outcome="hide", **TERMS)
    asset.refresh_from_db()
    case.refresh_from_db()
    assert (asset.restriction, case.state, Entry.objects.count()) == ("", "in_review", before)
    assert not Action.objects.exists()
    assert not StatementOfReasons.objects.exists()


def test_the_leaf_of_a_decision_holds_no_free_text_and_no_person(case: Case, rita: User) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    assert decision.entry is not None
    leaf = bytes(decision.entry.leaf).decode()
    assert "office.terms.consent" not in leaf and about_of("decision:made")["rules"] == ["office.terms.consent"]
    assert REASONS["facts_text"] not in leaf
    assert str(rita.pk) not in leaf


def test_mail_says_that_there_is_a_decision_and_nothing_about_it(
    case: Case, rita: User, settle: Any, mailoutbox: list[Any]
) -> None:
    settle()
    mailoutbox.clear()
    decisions.decide(case, rita, outcome="hide", **TERMS)
    settle()
    assert sorted(mail.to[0] for mail in mailoutbox) == ["alice@example.org", "dana@example.org"]
    assert all(REASONS["facts_text"] not in mail.body and "fake" not in mail.body for mail in mailoutbox)
    assert not StatementOfReasons.objects.filter(delivered_at=None).exists()


def test_who_left_no_address_is_not_said_to_have_got_anything(
    asset: Asset, file_notice: FileNotice, rita: User, settle: Any
) -> None:
    notice, _ = file_notice(asset, email="")
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    settle()
    delivered = dict(decision.statements.values_list("recipient", "delivered_at"))
    assert delivered["uploader"] is not None
    assert delivered["notifier"] is None


def test_who_was_told_that_a_notice_is_unfounded_gets_no_statement_on_top(
    case: Case, rita: User, asset: Asset, file_notice: FileNotice
) -> None:
    other, _ = file_notice(asset, email="erin@example.org", name="Erin Fox")
    notice_ends.unfounded(other, rita, "invented")
    case.refresh_from_db()
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    told = decision.statements.filter(recipient="notifier").values_list("notice", flat=True)
    assert list(told) == [Notice.objects.exclude(pk=other.pk).get().pk]


def test_a_statement_is_not_corrected_after_its_decision_was_undone_in_another_window(
    case: Case, rita: User, ravi: User
) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    other_window = Decision.objects.select_related("case").get(pk=decision.pk)
    with transaction.atomic():
        decisions.reverse(decision, by=ravi)
    with pytest.raises(Conflict) as refused:
        statements.correct(other_window, rita, **REASONS)
    assert refused.value.code == "statement.not_in_effect"
