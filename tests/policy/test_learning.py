"""What cases teach detectors: only what people allowed, and never what an appeal undid."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from core.problems import Forbidden
from detection import fairness, labels, reconciliation, registry
from detection.models import Audit, Label, PermanentTest
from policy.consents import consent
from policy.deciding import decisions, learning
from policy.desk import cases
from policy.models import Case, Decision
from policy.models import Consent as Answers
from policy.redress import appeals
from provenance.models import Asset
from provenance.vocabulary import Training
from tests.policy.conftest import TERMS, FileNotice, MakeAsset

pytestmark = pytest.mark.django_db
GROUNDS = "This is a photograph of my own harbour, and nobody generated it."
WHY = "The owner showed the negatives of the work."


@pytest.fixture
def decided(asset: Asset, file_notice: FileNotice, rita: User) -> Decision:
    """Rita labels Alice's work as synthetic."""
    notice, _ = file_notice(asset, category="unlabelled_synthetic")
    case = cases.assign(notice.case, rita)
    return decisions.decide(case, rita, outcome="label", **TERMS)


def test_a_decision_about_synthetic_media_proposes_a_label_and_no_more(decided: Decision, asset: Asset) -> None:
    label = Label.objects.get()
    assert (label.question, label.claim, label.origin, label.state) == ("synthetic", "made", "decision", "proposed")
    assert label.asset == asset and label.submitter == decided.decider and label.basis == ""
    assert not PermanentTest.objects.exists()
    assert list(reconciliation.labels()) == []


def test_an_upheld_appeal_becomes_a_permanent_test_and_takes_the_label_back(
    decided: Decision, asset: Asset, alice: User, ravi: User
) -> None:
    appeal = appeals.file_appeal(decided, user=alice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    test = PermanentTest.objects.get()
    assert (test.asset, test.question, test.claim, test.sha256) == (asset, "synthetic", "real", asset.original_sha256)
    assert dict(Label.objects.values_list("origin", "state")) == {"decision": "excluded", "appeal": "proposed"}
    assert Label.objects.get(origin="decision").excluded_for == "overturned"
    assert list(reconciliation.labels()) == []


def test_an_appeal_that_was_not_upheld_teaches_nothing_new(decided: Decision, alice: User, ravi: User) -> None:
    appeal = appeals.file_appeal(decided, user=alice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    assert Label.objects.count() == 1 and not PermanentTest.objects.exists()


@pytest.mark.parametrize(("category", "outcome"), [("likeness", "label"), ("unlabelled_synthetic", "no_action")])
def test_other_cases_and_decisions_without_an_action_say_nothing_about_pixels(
    asset: Asset, file_notice: FileNotice, rita: User, category: str, outcome: str
) -> None:
    notice, _ = file_notice(asset, category=category)
    decisions.decide(cases.assign(notice.case, rita), rita, outcome=outcome, **TERMS)
    assert not Label.objects.exists()


def test_who_decided_is_no_second_person_for_what_their_decision_says(
    decided: Decision, alice: User, rita: User, ravi: User
) -> None:
    with pytest.raises(Forbidden, match="proposed or decided"):
        labels.corroborate(Label.objects.get(), rita)
    appeal = appeals.file_appeal(decided, user=alice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    label = Label.objects.get(origin="appeal")
    with pytest.raises(Forbidden, match="proposed or decided"):
        labels.corroborate(label, ravi)
    assert labels.corroborate(label, rita).state == Label.State.CORROBORATED


# --- Basis -----------------------------------------------------------------------------------------------------------


def asked(asset: Asset, owner: User, *purposes: str) -> Answers:
    answer, _ = consent.ask_consent(asset, owner, name="Dana Hill", contact="dana@example.org", purposes=purposes)
    return answer


@pytest.fixture
def allowing(make_asset: MakeAsset, alice: User) -> Asset:
    """A work whose owner allows training."""
    asset = make_asset(alice, title="Street")
    Asset.objects.filter(pk=asset.pk).update(training=Training.ALLOWED)
    asset.refresh_from_db()
    return asset


def test_the_owner_alone_is_enough_only_where_nobody_is_shown(allowing: Asset, asset: Asset, alice: User) -> None:
    assert learning.basis_of(asset) == ""  # its owner did not allow it
    assert learning.basis_of(allowing) == f"owner:{allowing.pk}"
    asked(allowing, alice, "train")
    assert learning.basis_of(allowing) == ""


def test_the_person_shown_must_have_agreed_to_this_purpose_and_may_withdraw(allowing: Asset, alice: User) -> None:
    other = asked(allowing, alice, "publish")
    consent.grant(other)
    assert learning.basis_of(allowing) == ""
    Answers.objects.filter(pk=other.pk).update(purposes=["publish", "train"], granted=["publish", "train"])
    assert learning.basis_of(allowing) == f"consent:{other.pk}"
    other.refresh_from_db()
    consent.withdraw(other)
    assert learning.basis_of(allowing) == ""


def test_everybody_shown_must_have_agreed(allowing: Asset, alice: User) -> None:
    first, second = asked(allowing, alice, "train"), asked(allowing, alice, "train")
    consent.grant(first)
    assert learning.basis_of(allowing) == ""
    consent.grant(second)
    assert learning.basis_of(allowing).startswith("consents:")


def test_an_answer_about_other_bytes_allows_nothing(allowing: Asset, alice: User) -> None:
    answer = asked(allowing, alice, "train")
    consent.grant(answer)
    allowing.renditions.update(sha256="0" * 64)
    assert learning.basis_of(allowing) == ""


def test_a_hidden_work_is_not_trained_on(allowing: Asset) -> None:
    Asset.objects.filter(pk=allowing.pk).update(restriction=Asset.Restriction.HIDDEN)
    allowing.refresh_from_db()
    assert learning.basis_of(allowing) == ""


def test_the_rooms_are_joined(allowing: Asset) -> None:
    assert labels.basis_of(allowing) == f"owner:{allowing.pk}"


# --- Reports and cases -----------------------------------------------------------------------------------------------


def test_overturned_decisions_are_counted_apart_by_who_flagged(
    decided: Decision, alice: User, ravi: User, file_notice: FileNotice
) -> None:
    flagged, others = fairness.further_lines()
    assert flagged.startswith("cases flagged by a machine: 0 decisions")
    assert others.endswith("1 decisions, 0 appeals decided, 0 overturned, no appeal was decided")
    appeal = appeals.file_appeal(decided, user=alice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    assert fairness.further_lines()[1].endswith("1 appeals decided, 1 overturned, 1.000 (0.025 to 1.000)")


def test_a_case_against_a_model_names_the_detector_the_version_and_the_audit(
    client: Client, api: Callable[..., Any], rita: User, olga: User
) -> None:
    info = registry.detector("face")
    case = Case.objects.get(pk=learning.open_case(info))
    assert case.asset is None and case.state == Case.State.OPEN
    about = {"set_name": "Volunteers", "set_sha256": "0" * 64, "attribute": "age", "basis": "Form 3 of 2026"}
    audit = Audit.objects.create(
        detector="face", digest=info.model_digest, table=[], flagged=True, case=str(case.pk), audited_by=olga, **about
    )
    told = api(rita).get(f"/api/v1/cases/{case.pk}").json()["audits"]
    assert [(one["audit"], one["detector"], one["version"], one["attribute"]) for one in told] == [
        (str(audit.pk), "face", f"{info.version}, as shipped", "age")
    ]
    client.force_login(rita)
    page = client.get(f"/review/{case.pk}/").content.decode()
    assert f"The model of “{info.title}” {info.version}, as shipped" in page
    assert "Audit by age on “Volunteers”" in page and "A work we do not hold" not in page


def test_a_case_about_a_work_has_no_audits(decided: Decision, api: Callable[..., Any], rita: User) -> None:
    assert api(rita).get(f"/api/v1/cases/{decided.case.pk}").json()["audits"] == []
