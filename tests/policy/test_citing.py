"""A decision rests on rules about its own case (I1), and one country's law stays in that country (I15)."""

from typing import Any

import pytest

from accounts.models import User
from core.problems import Problem
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import flags
from policy.law import rules
from policy.models import Case, Flag
from policy.rulebook import vocabulary
from provenance.models import Asset
from tests.policy.conftest import REASONS, TERMS, FileNotice

pytestmark = pytest.mark.django_db
INDIAN = "in.it.3.2.b.v2026"


@pytest.fixture
def indian(asset: Asset, file_notice: FileNotice, rita: User) -> Case:
    return cases.assign(file_notice(asset, category="impersonation", jurisdiction="IN")[0].case, rita)


def wrong(case: Case, rita: User, *rule_ids: str, **other: Any) -> list[str]:
    said: dict[str, Any] = {"outcome": "hide", "ground": "illegal", "rule_ids": list(rule_ids), **REASONS, **other}
    with pytest.raises(Problem) as refusal:
        decisions.decide(case, rita, **said)
    found: Any = refusal.value.extra["errors"]
    return list(found)


def ids(case: Case) -> set[str]:
    return {rule.id for rule in decisions.citable(case)}


@pytest.mark.parametrize(
    "beside", ["eu.gdpr.33", "eu.dsa.16.2.fields", "eu.gdpr.12.3", "eu.dsa.20", "office.terms.appeal"]
)
def test_i15_a_citation_beside_the_matter_does_not_make_the_law_of_india_the_law_of_everybody(
    indian: Case, rita: User, beside: str
) -> None:
    assert INDIAN in ids(indian)
    assert wrong(indian, rita, INDIAN) == ["territory"]
    assert wrong(indian, rita, INDIAN, beside) == ["territory", "rule_ids"]


def test_i15_a_rule_on_handling_notices_carries_the_law_of_one_country_no_further(
    indian: Case, rita: User, asset: Asset, file_notice: FileNotice
) -> None:
    file_notice(asset, category="impersonation", jurisdiction="EU", email="erin@example.org", name="Erin Fox")
    case = Case.objects.get(pk=indian.pk)
    assert {"eu.dsa.16.2.fields", "office.terms.review"} <= ids(case)
    for beside in ("eu.dsa.16.2.fields", "office.terms.review"):
        assert wrong(case, rita, INDIAN, beside) == ["territory"]
    assert wrong(case, rita, "eu.dsa.16.2.fields") == ["rule_ids"], "how notices are handled hides nothing"
    assert wrong(case, rita, "office.terms.review", ground="terms") == ["rule_ids"]
    left = {"outcome": "no_action", "ground": "illegal", "rule_ids": ["eu.dsa.16.2.fields"], **REASONS}
    assert decisions.decide(case, rita, **left).pk, "that nothing is done may rest on it"


def test_i1_no_decision_rests_on_a_deadline_of_our_own_housekeeping(case: Case, rita: User) -> None:
    for rule_id in ("office.terms.data", "office.terms.keep_session", "office.terms.appeal", "office.terms.two_keys"):
        assert wrong(case, rita, rule_id, ground="terms") == ["rule_ids"]
    assert wrong(case, rita, "eu.gdpr.33") == ["rule_ids"]
    assert wrong(case, rita, "us.tn.elvis") == ["rule_ids"], "a law of a place that the case does not touch"
    assert decisions.decide(case, rita, outcome="hide", **TERMS).pk


def test_i1_a_law_about_something_else_is_not_cited(asset: Asset, file_notice: FileNotice) -> None:
    case = file_notice(asset, category="copyright", jurisdiction="US")[0].case
    assert "us.dmca.512.c.takedown" in ids(case)
    assert not ids(case) & {"us.tida.223a", "us.dmca.512.g", "us.tn.elvis", "eu.aia.50.4.deepfake"}


def test_a_case_that_the_office_opened_by_itself_may_cite_law_about_works(
    make_asset: Any, alice: User, rita: User
) -> None:
    made = make_asset(alice, "Made by software", "trainedAlgorithmicMedia")
    case = flags.raise_flag(made, Flag.Origin.REVIEWER, category="unlabelled_synthetic", by=rita).case
    assert {"office.terms.labelling", "eu.aia.50.4.deepfake"} <= ids(case)
    assert "eu.dsa.16.2.fields" not in ids(case), "nobody filed a notice"


def test_every_event_of_a_rule_that_may_be_cited_is_one_that_rules_may_have() -> None:
    assert vocabulary.CITABLE <= vocabulary.EVENTS
    kept = {rule.start_event for rule in rules.all_rules() if rule.id.startswith("office.terms.keep_")}
    assert not kept & vocabulary.CITABLE
