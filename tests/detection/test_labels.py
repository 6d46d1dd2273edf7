"""Labels: what a model may learn from, and what it may never forget."""

from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from core.problems import Conflict, Forbidden
from detection import labels, reconciliation
from detection.labels import NotTrainable
from detection.models import Claim, Label, PermanentTest
from provenance.models import Asset

Work = Callable[..., Asset]
State, Origin = Label.State, Label.Origin


@pytest.fixture(autouse=True)
def allowed() -> Iterator[dict[str, str]]:
    """Which works may be trained on, by id, instead of asking the room above."""
    told: dict[str, str] = {}
    before = list(labels._basis)
    labels.register_basis(lambda asset: told.get(str(asset.pk), ""))
    yield told
    labels._basis[:] = before


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
