"""Two people where a rule asks for two (I18), measures for the meantime (I15), and what a decision must name (I1)."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from accounts.models import Role, User
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.audits import reconciliation, reconciliation_sanctions
from policy.deciding import approvals, decisions
from policy.desk import cases, interim
from policy.models import Case, Decision, Notice, StatementOfReasons
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import REASONS, TERMS, FileNotice, leaf_of

pytestmark = pytest.mark.django_db


def disagreements() -> list[str]:
    return [*reconciliation.decisions(), *reconciliation.cases(), *reconciliation_sanctions.sanctions()]


def held(decision: Decision) -> list[str]:
    return [rule["id"] for rule in decision.held_for]


def test_i18_what_weighs_most_waits_for_a_second_person(case: Case, rita: User, asset: Asset) -> None:
    for outcome in ("hash_block", "suspend"):
        assert held(decisions.draft(case, rita, outcome=outcome, **TERMS)) == ["office.terms.two_keys"]
    decision = decisions.decide(case, rita, outcome="remove", **TERMS)
    assert (decision.state, decision.starts_at) == (Decision.State.HELD, None)
    assert held(decision) == ["office.terms.two_keys"]
    assert case.state == Case.State.PROPOSED
    asset.refresh_from_db()
    assert asset.restriction == ""
    assert not decision.actions.exists()
    assert not StatementOfReasons.objects.exists()
    assert Notice.objects.get().state == Notice.State.VALID
    assert not Entry.objects.filter(type="decision:made").exists()
    assert not disagreements()


def test_a_label_and_hiding_need_one_person(case: Case, rita: User) -> None:
    for outcome in ("label", "hide"):
        assert approvals.why_second(decisions.draft(case, rita, outcome=outcome, **TERMS)) == []


def test_an_election_and_a_person_in_public_life_need_two(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(asset, category="election", answers={"public_figure": "unknown"})
    case = cases.assign(notice.case, rita)
    assert held(decisions.draft(case, rita, outcome="label", **TERMS)) == ["office.terms.two_keys_election"]
    file_notice(asset, category="election", email="erin@example.org", answers={"public_figure": "yes"})
    both = held(decisions.draft(case, rita, outcome="label", **TERMS))
    assert both == ["office.terms.two_keys_election", "office.terms.two_keys_public_figure"]
    assert decisions.draft(case, rita, outcome="no_action", **TERMS).held_for == []


def test_i18_who_proposes_never_approves(case: Case, ravi: User) -> None:
    cases.release(case, case.assigned_to)  # type: ignore[arg-type]
    cases.assign(case, ravi)
    decision = decisions.decide(case, ravi, outcome="remove", **TERMS)
    with pytest.raises(Forbidden, match="second person"):
        decisions.approve(decision, ravi)
    with pytest.raises(Forbidden, match="second person"):
        decisions.send_back(decision, ravi, "No, not so.")


def test_the_second_person_agrees_and_it_takes_effect(case: Case, rita: User, ravi: User, asset: Asset) -> None:
    decision = decisions.decide(case, rita, outcome="remove", **TERMS)
    decisions.approve(decision, ravi)
    decision.refresh_from_db()
    case.refresh_from_db()
    assert (decision.state, decision.approver, case.state) == (Decision.State.IN_EFFECT, ravi, Case.State.DECIDED)
    assert decision.starts_at == decision.approved_at
    assert decision.statements.count() == 2
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    assert leaf_of("decision:approved")["facts"] == {"decision": str(decision.pk)}
    (opened,) = disclosures_for(Entry.objects.get(type="decision:approved"), ["about"])
    assert opened.value == {"held_for": ["office.terms.two_keys"]}
    with pytest.raises((Conflict, Forbidden)):
        decisions.approve(decision, ravi)
    assert not disagreements()


def test_a_proposal_sent_back_is_with_its_reviewer_again_who_reads_why(case: Case, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, outcome="remove", **TERMS)
    with pytest.raises(Problem) as refused:
        decisions.send_back(decision, ravi, "Dana Hill says otherwise.")
    assert list(refused.value.extra["errors"]) == ["reason"]  # type: ignore[call-overload]
    decisions.send_back(decision, ravi, "A label would be enough here.")
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == (Case.State.IN_REVIEW, rita)
    assert Decision.objects.get().returned_because == "A label would be enough here."
    assert decisions.decide(case, rita, outcome="label", **TERMS).state == Decision.State.IN_EFFECT
    assert not disagreements()


def test_what_came_in_since_is_weighed_before_a_second_person_agrees(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    decision = decisions.decide(case, rita, outcome="remove", **TERMS)
    file_notice(asset, exemptions=["satire"], email="erin@example.org", name="Erin Fox")
    with pytest.raises(Problem) as refused:
        decisions.approve(decision, ravi)
    assert list(refused.value.extra["errors"]) == ["exemptions"]  # type: ignore[call-overload]
    decision.refresh_from_db()
    assert decision.state == Decision.State.HELD


def test_i18_nobody_agrees_to_what_they_have_not_read(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    proposed = decisions.decide(case, rita, outcome="remove", **TERMS)
    seen = Case.objects.get(pk=case.pk).version
    late, _ = file_notice(asset, email="erin@example.org")
    with pytest.raises(Conflict, match="changed since you opened it"):
        decisions.approve(Decision.objects.get(pk=proposed.pk), ravi, version=seen)
    assert Notice.objects.get(pk=late.pk).state == Notice.State.VALID
    now = Case.objects.get(pk=case.pk).version
    assert decisions.approve(Decision.objects.get(pk=proposed.pk), ravi, version=now).approver == ravi


def test_i18_what_came_in_since_may_ask_for_another_second_person(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    """Rosa is no lead reviewer; that the person shown is in public life is said only after the proposal."""
    rosa = _person("Rosa", *rita.roles)
    proposed = decisions.decide(case, rita, outcome="remove", **TERMS)
    file_notice(asset, email="erin@example.org", answers={"public_figure": "yes"})
    with pytest.raises(Forbidden, match="lead reviewer"):
        decisions.approve(Decision.objects.get(pk=proposed.pk), rosa)
    assert Decision.objects.get(pk=proposed.pk).state == Decision.State.HELD
    made = decisions.approve(Decision.objects.get(pk=proposed.pk), ravi)
    assert (
        held(made)
        == held(Decision.objects.get(pk=made.pk))
        == [
            "office.terms.two_keys",
            "office.terms.two_keys_public_figure",
        ]
    )
    assert not disagreements()


def test_a_proposal_whose_end_has_come_is_not_approved(case: Case, rita: User, ravi: User) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    decision = decisions.decide(case, rita, outcome="suspend", ends_at=until, **TERMS)
    with time_machine.travel(until + dt.timedelta(minutes=1), tick=False):
        with pytest.raises(Problem) as refused:
            decisions.approve(decision, ravi)
        assert list(refused.value.extra["errors"]) == ["ends_at"]  # type: ignore[call-overload]
        assert not StatementOfReasons.objects.exists()
        decisions.send_back(decision, ravi, "Its end has come meanwhile.")


def test_of_two_second_people_at_once_one_is_told(case: Case, rita: User, ravi: User) -> None:
    sam = _person("Sam", Role.REVIEWER)
    decision = decisions.decide(case, rita, outcome="remove", **TERMS)
    other_window = Decision.objects.select_related("case").get(pk=decision.pk)
    decisions.approve(decision, ravi)
    with pytest.raises((Conflict, Forbidden)):
        decisions.approve(other_window, sam)
    assert StatementOfReasons.objects.count() == 2


def test_nobody_takes_or_puts_back_what_a_second_person_has(case: Case, rita: User, ravi: User) -> None:
    decisions.decide(case, rita, outcome="remove", **TERMS)
    with pytest.raises(Conflict):
        cases.assign(case, ravi)
    with pytest.raises(Conflict):
        cases.release(case, rita)
    with pytest.raises(Conflict, match="waiting for a second person"):
        decisions.decide(case, rita, outcome="label", **TERMS)


# --- Measures for the meantime ---------------------------------------------------------------------------------------


def test_an_interim_measure_leaves_the_case_in_review_until_the_decision_takes_its_place(
    case: Case, rita: User, asset: Asset
) -> None:
    measure = decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
    asset.refresh_from_db()
    case.refresh_from_db()
    assert (asset.restriction, case.state) == ("hidden", Case.State.IN_REVIEW)
    assert Notice.objects.get().state == Notice.State.VALID
    assert case.clocks.filter(purpose="decide", state="running").exists()
    assert "not the decision" in measure.statements.get(recipient="uploader").text
    again = decisions.decide(case, rita, outcome="label", interim=True, **TERMS)
    decisions.decide(case, rita, outcome="no_action", **TERMS)
    asset.refresh_from_db()
    assert asset.restriction == ""
    states = Decision.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["superseded", "superseded", "in_effect"]
    assert decisions.unreversed(measure) == decisions.unreversed(again) == []
    assert not disagreements()


def test_measures_are_renewed_once_and_then_the_case_is_decided(case: Case, rita: User, any_date: None) -> None:
    first = decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
    assert first.starts_at and first.ends_at
    lasts = first.ends_at - first.starts_at
    over = first.starts_at + 2 * lasts
    with time_machine.travel(first.ends_at - dt.timedelta(days=1), tick=False):
        again = decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
        assert again.ends_at and again.ends_at < over
    with time_machine.travel(again.ends_at - dt.timedelta(hours=1), tick=False):
        third = decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
        assert third.ends_at and abs(third.ends_at - over) < dt.timedelta(minutes=1)
    with time_machine.travel(over + dt.timedelta(hours=1), tick=False):
        decisions.expire()
        with pytest.raises(Problem) as refused:
            decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
        assert refused.value.code == "interim.used_up"
        decisions.decide(case, rita, outcome="hide", **TERMS)


def test_an_interim_measure_is_one_that_can_be_undone_at_once(case: Case, rita: User) -> None:
    for said in ({"outcome": "remove"}, {"outcome": "hide", "also": ["suspend"]}):
        with pytest.raises(Problem):
            decisions.decide(case, rita, interim=True, **said, **TERMS)


def test_an_interim_measure_ends_by_itself_and_whoever_has_the_case_is_told(
    case: Case, rita: User, asset: Asset, settle: Any, mailoutbox: list[Any]
) -> None:
    measure = decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
    assert measure.ends_at is not None
    assert abs(measure.ends_at - measure.created_at - dt.timedelta(days=14)) < dt.timedelta(minutes=1)
    with pytest.raises(Problem) as refused:
        later = measure.ends_at + dt.timedelta(days=1)
        decisions.decide(case, rita, outcome="hide", interim=True, ends_at=later, **TERMS)
    assert "at the latest" in refused.value.extra["errors"]["ends_at"][0]  # type: ignore[index]
    settle()
    mailoutbox.clear()
    seen = Case.objects.get().version
    with time_machine.travel(measure.ends_at + dt.timedelta(minutes=1), tick=False):
        assert decisions.expire() == 1
        settle()
    asset.refresh_from_db()
    assert (asset.restriction, Case.objects.get().state) == ("", Case.State.IN_REVIEW)
    assert Case.objects.get().version > seen, "who decides must have seen that it is over"
    assert [(mail.to, str(case.pk) in mail.body) for mail in mailoutbox] == [([rita.email], True)]
    assert not disagreements()


def test_a_measure_needs_a_rule_that_says_how_long(case: Case, rita: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interim, "TAKEN", frozenset({"decision_proposed"}))  # which gives no number
    with pytest.raises(Problem, match=r"interim\.no_rule"):
        decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)


def test_i15_the_shortest_clock_speaks_for_a_measure_no_wider_than_its_law(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(asset, category="ncii", jurisdiction="IN", email="dana@example.org")
    suggestion = decisions.suggest_interim(notice.case)
    assert suggestion is not None
    assert suggestion.rule_id.startswith("in.it.3.2.b")
    assert (suggestion.outcome, suggestion.territory) == ("geo_restrict", ("IN",))
    assert "draft" in suggestion.why
    case = cases.assign(notice.case, rita)
    decisions.decide(
        case, rita, outcome=suggestion.outcome, territory=suggestion.territory, interim=True,
        ground="illegal", rule_ids=[suggestion.rule_id], **REASONS,
    )  # fmt: skip


def test_nothing_is_hidden_for_the_meantime_that_harms_nobodys_body(case: Case) -> None:
    suggestion = decisions.suggest_interim(case)
    assert suggestion is not None
    assert suggestion.outcome == "label"


# --- What it must name -----------------------------------------------------------------------------------------------


def test_what_a_filer_says_against_a_restriction_is_weighed(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(asset, exemptions=["satire", "news"])
    case = cases.assign(notice.case, rita)
    with pytest.raises(Problem) as refused:
        decisions.decide(case, rita, outcome="hide", exemptions=["satire"], **TERMS)
    assert "news" in refused.value.extra["errors"]["exemptions"][0]  # type: ignore[index]
    decision = decisions.decide(case, rita, outcome="hide", exemptions=["satire", "news", "consented"], **TERMS)
    said = decision.statements.get(recipient="uploader")
    assert said.structured["exemptions_considered"] == ["consented", "news", "satire"]
    assert "It is satire, parody or art" in said.text


PAST, LATER = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2090, 1, 1, tzinfo=dt.UTC)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"outcome": "banish"}, "outcome"),
    ({"outcome": "hide", "also": ["remove"]}, "also"),
    ({"outcome": "no_action", "also": ["suspend"]}, "also"),
    ({"outcome": "geo_restrict"}, "territory"),
    ({"outcome": "geo_restrict", "territory": ["Atlantis"]}, "territory"),
    ({"outcome": "geo_restrict", "territory": ["XX"]}, "territory"),
    ({"outcome": "hide", "territory": ["US"]}, "territory"),
    ({"outcome": "hide", "ends_at": PAST}, "ends_at"),
    ({"outcome": "hide", "ends_at": LATER.replace(tzinfo=None)}, "ends_at"),
    ({"outcome": "remove", "ends_at": LATER}, "ends_at"),
    ({"outcome": "hide", "exemptions": ["because"]}, "exemptions"),
    ({"outcome": "hide", "facts_text": "See https://example.com/@dana for it."}, "facts_text"),
    ({"outcome": "hide", "facts_text": "It was posted by @dana_hill first."}, "facts_text"),
]


def test_each_wrong_field_has_its_own_sentence(case: Case, rita: User) -> None:
    for said, field in WRONG:
        with pytest.raises(Problem) as refused:
            decisions.decide(case, rita, **{**TERMS, **said})
        assert list(refused.value.extra["errors"]) == [field], said  # type: ignore[call-overload]
    assert not Decision.objects.exists()


def test_a_case_that_changed_since_it_was_opened_is_read_again(
    case: Case, rita: User, asset: Asset, file_notice: FileNotice
) -> None:
    case.refresh_from_db()
    seen = case.version
    file_notice(asset, email="erin@example.org", name="Erin Fox")
    with pytest.raises(Conflict) as refused:
        decisions.decide(case, rita, outcome="hide", version=seen, **TERMS)
    assert refused.value.code == "case.changed"
    case.refresh_from_db()
    decisions.decide(case, rita, outcome="hide", version=case.version, **TERMS)


def test_i1_a_rule_counts_as_it_was_when_its_own_event_happened(asset: Asset, file_notice: FileNotice) -> None:
    case = file_notice(asset, category="ncii", jurisdiction="US")[0].case
    known = {rule.id for rule in decisions.citable(case)}
    assert "us.tida.223a" in known
    assert "in.it.3.2.b.v2021" not in known
    assert all(rule.status not in ("bill", "unknown") for rule in decisions.citable(case))
