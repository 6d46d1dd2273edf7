"""Labels: what a model may learn from, and what it may never forget."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Membership, Role, User
from core.problems import Conflict, Forbidden
from detection import labels, reconciliation
from detection.labels import NotTrainable
from detection.models import Claim, Label, PermanentTest
from provenance import verification
from provenance.ai_signals import Signal
from provenance.credential import Credential
from provenance.models import Asset

Work = Callable[..., Asset]
State, Origin = Label.State, Label.Origin


pytestmark = pytest.mark.usefixtures("allowed")


def corroborated(asset: Asset, first: User, second: User, claim: str = Claim.MADE) -> Label:
    label = labels.propose(asset, "synthetic", claim, Origin.REVIEWER, by=first)
    return labels.corroborate(label, second)


def why(label: Label, by: User) -> str:
    with pytest.raises(NotTrainable) as refused:
        labels.admit(label, by)
    assert Label.objects.get(pk=label.pk).state == State.CORROBORATED
    return refused.value.why


def test_without_a_recorded_basis_a_label_is_never_trained_on(
    work: Work, alice: User, rita: User, ravi: User, olga: User, allowed: dict[str, str]
) -> None:
    asset = work(alice, b"one")
    label = corroborated(asset, rita, ravi)
    assert why(label, olga) == "no_basis"
    allowed[str(asset.pk)] = "consent:1"
    assert labels.admit(label, olga).basis == "consent:1"
    assert [(one.made, one.basis) for one in labels.training_items("synthetic")] == [(1, "consent:1")]
    assert list(reconciliation.labels()) == []


def test_where_nobody_answers_for_consent_nothing_is_trainable(
    work: Work, alice: User, rita: User, ravi: User, olga: User
) -> None:
    labels._basis.clear()
    assert why(corroborated(work(alice, b"one"), rita, ravi), olga) == "no_basis"


def test_a_basis_that_is_withdrawn_ends_the_label_when_data_are_taken_out(
    work: Work, alice: User, rita: User, ravi: User, olga: User, allowed: dict[str, str]
) -> None:
    asset = work(alice, b"one")
    allowed[str(asset.pk)] = "consent:1"
    label = labels.admit(corroborated(asset, rita, ravi), olga)
    del allowed[str(asset.pk)]
    assert list(labels.training_items("synthetic")) == []
    label.refresh_from_db()
    assert (label.state, label.excluded_for) == (State.EXCLUDED, "basis_gone")
    allowed[str(asset.pk)] = "consent:1"
    assert list(labels.training_items("synthetic")) == []  # for ever
    assert list(reconciliation.labels()) == []


def test_one_person_alone_labels_nothing(work: Work, alice: User, rita: User, bob: User) -> None:
    asset = work(alice, b"one")
    for other in (bob, alice):
        with pytest.raises(Forbidden):
            labels.propose(asset, "synthetic", Claim.MADE, Origin.REVIEWER, by=other)
    label = labels.propose(asset, "synthetic", Claim.MADE, Origin.REVIEWER, by=rita)
    with pytest.raises(Forbidden, match="somebody else"):
        labels.corroborate(label, rita)
    assert labels.propose(asset, "synthetic", Claim.MADE, Origin.REVIEWER, by=rita) == label


def test_who_may_admit_is_not_who_labels(work: Work, alice: User, rita: User, ravi: User) -> None:
    label = corroborated(work(alice, b"one"), rita, ravi)
    with pytest.raises(Forbidden, match="operator"):
        labels.admit(label, ravi)


def test_what_is_not_corroborated_is_not_admitted(
    work: Work, alice: User, rita: User, olga: User, allowed: dict[str, str]
) -> None:
    asset = work(alice, b"one")
    allowed[str(asset.pk)] = "owner:1"
    label = labels.propose(asset, "synthetic", Claim.MADE, Origin.REVIEWER, by=rita)
    with pytest.raises(Conflict, match="cannot become"):
        labels.admit(label, olga)


def test_no_organisation_and_no_person_fills_the_set(
    work: Work,
    alice: User,
    bob: User,
    rita: User,
    ravi: User,
    olga: User,
    allowed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labels, "PER_SUBMITTER", 2)
    monkeypatch.setattr(labels, "PER_SOURCE", 3)
    mine = [work(alice, f"a{number}".encode()) for number in range(4)]
    for asset in mine:
        Asset.objects.filter(pk=asset.pk).update(organisation=alice.organisation)
        asset.refresh_from_db()
        allowed[str(asset.pk)] = "owner:1"
    for asset in mine[:2]:
        labels.admit(corroborated(asset, rita, ravi), olga)
    assert why(corroborated(mine[2], rita, ravi), olga) == "submitter_full"
    labels.exclude(Label.objects.get(asset=mine[2]), "mistake")
    labels.admit(corroborated(mine[3], ravi, rita), olga)
    more = work(alice, b"more")
    Asset.objects.filter(pk=more.pk).update(organisation=alice.organisation)
    more.refresh_from_db()
    allowed[str(more.pk)] = "owner:1"
    assert why(corroborated(more, ravi, rita), olga) == "source_full"


@pytest.mark.parametrize("newer_knows", [True, False])
def test_a_work_that_looks_the_same_is_not_trained_on_twice(
    work: Work, alice: User, bob: User, rita: User, ravi: User, olga: User, allowed: dict[str, str], newer_knows: bool
) -> None:
    first, second = work(alice, b"one"), work(bob, b"one again")
    knows, other = (second, first) if newer_knows else (first, second)
    near = [{"asset_id": str(other.pk), "tier": "re_encoded", "distance": "0.020"}]
    Asset.objects.filter(pk=knows.pk).update(near_duplicates=near)
    for asset in (first, second):
        asset.refresh_from_db()
        allowed[str(asset.pk)] = "owner:1"
    labels.admit(corroborated(first, rita, ravi), olga)
    assert why(corroborated(second, rita, ravi), olga) == "duplicate"


def test_two_labels_that_contradict_each_other_teach_nothing(
    work: Work, alice: User, rita: User, ravi: User, olga: User, allowed: dict[str, str]
) -> None:
    asset = work(alice, b"one")
    allowed[str(asset.pk)] = "owner:1"
    label = corroborated(asset, rita, ravi)
    labels.propose(asset, "synthetic", Claim.REAL, Origin.PROVENANCE)
    assert why(label, olga) == "contradicted"


def test_a_permanent_test_is_never_learnt(
    work: Work, alice: User, bob: User, rita: User, ravi: User, olga: User, allowed: dict[str, str]
) -> None:
    asset, copy = work(alice, b"one"), work(bob, b"one", title="The same file")
    for one in (asset, copy):
        allowed[str(one.pk)] = "owner:1"
    trained = labels.admit(corroborated(asset, rita, ravi, Claim.REAL), olga)
    test = labels.remember(asset, "synthetic", Claim.REAL)
    assert labels.remember(asset, "synthetic", Claim.REAL) == test and PermanentTest.objects.count() == 1
    trained.refresh_from_db()
    assert (trained.state, trained.excluded_for) == (State.EXCLUDED, "test")
    assert why(corroborated(copy, rita, ravi, Claim.REAL), olga) == "test"
    assert list(reconciliation.labels()) == []


def test_the_log_notices_a_label_that_was_changed_behind_its_back(
    work: Work, alice: User, rita: User, ravi: User
) -> None:
    label = corroborated(work(alice, b"one"), rita, ravi)
    Label.objects.filter(pk=label.pk).update(state=State.TRAINABLE, claim=Claim.REAL)
    assert len(list(reconciliation.labels())) == 2


def test_the_command_takes_a_label_from_proposal_to_training(
    work: Work, alice: User, rita: User, ravi: User, olga: User, allowed: dict[str, str]
) -> None:
    asset = work(alice, b"one")
    call_command("label", "propose", str(asset.pk), "synthetic", "made", "--by", rita.email)
    label = str(Label.objects.get().pk)
    with pytest.raises(CommandError, match="somebody else corroborates"):
        call_command("label", "corroborate", label, "--by", rita.email)
    call_command("label", "corroborate", label, "--by", ravi.email)
    with pytest.raises(CommandError, match="allowed training"):
        call_command("label", "admit", label, "--by", olga.email)
    allowed[str(asset.pk)] = "owner:1"
    call_command("label", "admit", label, "--by", olga.email)
    out = StringIO()
    call_command("label", "list", "--state", "trainable", stdout=out)
    assert label in out.getvalue() and "owner:1" in out.getvalue()
    with pytest.raises(CommandError, match="needs the role"):
        call_command("label", "exclude", label, "--by", alice.email)
    for wrong in (["admit", "nothing"], ["propose", "nothing", "synthetic", "made"]):
        with pytest.raises(CommandError, match="There is no"):
            call_command("label", *wrong, "--by", olga.email)


# --- The file itself as the second witness ---------------------------------------------------------------------------


class Told:
    """As much of a report as is asked for."""

    def __init__(self, trust: str, *signals: Signal, state: str = "valid") -> None:
        self.credential, self.signals = Credential(state, trust), list(signals)


FULLY = "inception:signal_fullyGenAIMedia"


@pytest.mark.parametrize(
    ("report", "state"),
    [
        (Told("trusted", Signal(FULLY, "this_file")), State.CORROBORATED),
        (Told("this_office", Signal(FULLY, "this_file")), State.PROPOSED),  # it repeats what Alice said
        (Told("unknown_signer", Signal(FULLY, "this_file")), State.PROPOSED),
        (Told("trusted", Signal(FULLY, "this_file"), state="invalid"), State.PROPOSED),
        (Told("trusted", Signal(FULLY, "earlier_file")), State.PROPOSED),
        (Told("trusted", Signal("inception:signal_capturedMedia", "this_file")), State.PROPOSED),
        (None, State.PROPOSED),
    ],
)
def test_a_trusted_credential_that_names_a_generative_model_is_a_second_witness(
    work: Work, alice: User, rita: User, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch,
    report: Told | None, state: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(verification, "known", lambda sha256: report)
    label = labels.propose(work(alice, b"one"), "synthetic", Claim.MADE, Origin.REVIEWER, by=rita)
    settle()
    label.refresh_from_db()
    assert label.state == state
    assert list(reconciliation.labels()) == []


def test_no_credential_speaks_for_a_file_that_is_said_to_be_real_or_edited(
    work: Work, alice: User, rita: User, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "known", lambda sha256: Told("trusted", Signal(FULLY, "this_file")))
    asset = work(alice, b"one")
    labels.propose(asset, "synthetic", Claim.REAL, Origin.REVIEWER, by=rita)
    labels.propose(asset, "edited", Claim.MADE, Origin.REVIEWER, by=rita)
    settle()
    assert set(Label.objects.values_list("state", flat=True)) == {State.PROPOSED}


def test_the_opposite_of_what_was_proposed_is_a_conflict_and_no_agreement(
    work: Work, alice: User, rita: User, ravi: User
) -> None:
    asset = work(alice, b"one")
    labels.propose(asset, "synthetic", Claim.MADE, Origin.REVIEWER, by=rita)
    with pytest.raises(Conflict, match="opposite"):
        labels.propose(asset, "synthetic", Claim.REAL, Origin.REVIEWER, by=ravi)
    assert Label.objects.get().claim == Claim.MADE


@pytest.mark.parametrize("first", [True, False])
def test_an_operator_who_is_a_reviewer_too_admits_nothing_of_their_own(
    work: Work, alice: User, rita: User, ravi: User, olga: User, allowed: dict[str, str], first: bool
) -> None:
    home = Membership.objects.filter(user=rita)[0].organisation
    Membership.objects.create(user=rita, organisation=home, role=Role.OPERATOR)
    both = User.objects.get(pk=rita.pk)
    asset = work(alice, b"one")
    allowed[str(asset.pk)] = "owner:1"
    label = corroborated(asset, both, ravi) if first else corroborated(asset, ravi, both)
    with pytest.raises(Forbidden, match="somebody else admits"):
        labels.admit(label, both)
    assert labels.admit(label, olga).state == State.TRAINABLE


@pytest.mark.parametrize("when", ["same bytes", "looks the same", "found to look the same later"])
def test_what_looks_like_a_permanent_test_is_not_trained_on_any_more(
    work: Work, alice: User, bob: User, rita: User, ravi: User, olga: User, allowed: dict[str, str], when: str
) -> None:
    first, second = work(alice, b"one"), work(bob, b"one" if when == "same bytes" else b"one again")
    near = [{"asset_id": str(first.pk), "tier": "re_encoded", "distance": "0.020"}]
    if when == "looks the same":
        Asset.objects.filter(pk=second.pk).update(near_duplicates=near)
    allowed[str(second.pk)] = "owner:1"
    second.refresh_from_db()
    label = labels.admit(corroborated(second, rita, ravi), olga)
    labels.remember(first, "synthetic", Claim.REAL)
    Asset.objects.filter(pk=second.pk).update(near_duplicates=near)
    assert list(labels.training_items("synthetic")) == []
    label.refresh_from_db()
    assert (label.state, label.excluded_for) == (State.EXCLUDED, "test")
    assert list(reconciliation.labels()) == []
