"""Nobody's face or voice is examined without consent or another recorded basis (R08), and whoever says no is heard."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from detection import examination, permission, registry
from detection import reconciliation as detection_reconciliation
from detection.models import Finding, Run
from ledger.models import Entry
from policy.audits import reconciliation
from policy.consents import bases, consent, scans
from policy.deciding import learning
from policy.models import Depiction, Person, ProcessingBasis
from provenance.models import Asset
from provenance.vocabulary import Training
from tests.policy.conftest import MakeAsset, leaf_of
from tests.policy.test_consent_purposes import ask, derive

pytestmark = pytest.mark.django_db
WHERE = "Assessment 7 of the office, page 3"
Settle = Callable[[], None]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Detectors look at nothing here; the names of those that would have."""
    looked: list[str] = []

    def guarded(info: Any, *_: Any, **__: Any) -> list[Any]:
        looked.append(info.name)
        return []

    monkeypatch.setattr("detection.guarded.examine", guarded)
    monkeypatch.setattr("core.storage.local_copy", lambda key: _Nowhere())
    return looked


class _Nowhere:
    def __enter__(self) -> Any:
        return None

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def held(asset: Asset) -> Asset:
    asset.renditions.update(role="original")
    return asset


def record(by: User, **other: Any) -> ProcessingBasis:
    said: dict[str, Any] = {"purpose": "detect", "ground": "gdpr.6.1.f", "reference": WHERE, **other}
    return bases.record(by, **said)


def test_detectors_of_faces_and_voices_say_so_on_their_cards() -> None:
    assert {info.name for info in registry.all_detectors() if info.biometric} == {"face", "voice", "video"}
    assert "only if everybody shown agreed" in registry.detector("face").card.replace("\n", " ")


def test_r08_without_a_basis_nobodys_face_is_examined_and_that_is_on_record_once(held: Asset, looks: list[str]) -> None:
    run = examination.examine(held, "face", again=True)
    assert (run.state, run.error_code, looks) == (Run.State.FAILED, permission.NO_BASIS, [])
    assert "neither consent of everybody shown nor another recorded basis" in run.error_detail
    leaf = leaf_of("processing:refused")
    assert leaf["object"] == f"asset:{held.pk}" and leaf["facts"]["detector"] == "face"
    for _ in range(3):
        examination.examine(held, "face", again=True)
    assert Entry.objects.filter(type="processing:refused").count() == 1
    assert not Entry.objects.filter(type="detection:recorded").exists() and not Finding.objects.exists()
    assert list(detection_reconciliation.examinations()) == []


def test_detectors_that_look_at_no_people_need_no_basis(held: Asset, looks: list[str]) -> None:
    assert examination.examine(held, "synthetic_image").state == Run.State.DONE
    assert looks == ["synthetic_image"] and "basis" not in leaf_of("detection:recorded")["facts"]


def test_with_the_consent_of_everybody_shown_it_is_examined_and_the_basis_is_on_record(
    held: Asset, alice: User, looks: list[str], settle: Settle
) -> None:
    first, second = ask(held, alice, "detect"), ask(held, alice, "detect")
    for one, expected in ((None, "failed"), (first, "failed"), (second, "done")):
        if one is not None:
            consent.grant(one)
        assert examination.examine(held, "face", again=True).state == expected
    assert leaf_of("detection:recorded")["facts"]["basis"] == "consent"
    assert list(detection_reconciliation.examinations()) == []


def test_what_was_refused_is_tried_again_when_consent_comes(
    held: Asset, alice: User, looks: list[str], settle: Settle
) -> None:
    asked = ask(held, alice, "detect")
    examination.examine(held, "face")
    consent.grant(asked)
    settle()
    assert Run.objects.get(detector="face").state == Run.State.DONE


def test_a_claim_of_the_creator_is_no_consent(held: Asset, looks: list[str]) -> None:
    """Only the answer through the link counts: a depiction without one allows nothing."""
    Depiction.objects.create(asset=held, person=Person.objects.create(), asserted_by="creator")
    assert examination.examine(held, "face").error_code == permission.NO_BASIS


def test_a_recorded_basis_is_enough_for_every_work_or_for_one(
    held: Asset, make_asset: MakeAsset, alice: User, olga: User
) -> None:
    other = make_asset(alice, title="Another")
    assert bases.permission(held).why == "no_basis"
    one = record(olga, asset=held)
    assert bases.permission(held).basis == "gdpr.6.1.f" and not bases.permission(other).basis
    record(olga, ground="gdpr.6.1.c")
    assert bases.permission(other).basis == "gdpr.6.1.c"
    bases.withdraw(one, olga)
    assert bases.permission(held).basis == "gdpr.6.1.c"
    with pytest.raises(Conflict):
        bases.withdraw(one, olga)
    assert list(reconciliation.answers()) == []


def test_a_basis_ends_with_its_last_day(held: Asset, olga: User) -> None:
    record(olga, valid_to=now().date())
    assert bases.permission(held).basis
    with time_machine.travel(now() + dt.timedelta(days=1), tick=False):
        assert not bases.permission(held).basis


@pytest.mark.parametrize(
    ("ground", "heard"), [("gdpr.6.1.f", True), ("gdpr.6.1.e", True), ("gdpr.6.1.c", False), ("gdpr.9.2.f", False)]
)
@pytest.mark.parametrize("answer", ["refuse", "withdraw", "leave out", "halt"])
def test_a_no_is_heard_unless_a_duty_asks_for_it(
    held: Asset, alice: User, olga: User, ground: str, heard: bool, answer: str
) -> None:
    asked = ask(held, alice, "detect", "publish")
    record(olga, ground=ground)
    if answer == "refuse":
        consent.refuse(asked)
    elif answer == "leave out":
        consent.grant(asked, ["publish"])
    else:
        getattr(consent, answer)(consent.grant(asked))
    assert bool(bases.permission(held).basis) is not heard
    assert bases.permission(held).why == ("objection" if heard else "")


def test_a_no_about_the_earlier_work_is_heard_for_what_was_made_from_it_and_a_yes_is_not(
    held: Asset, make_asset: MakeAsset, alice: User, bob: User, olga: User
) -> None:
    child = derive(make_asset, bob, held)
    asked = consent.grant(ask(held, alice, "detect"))
    assert bases.permission(held).basis == "consent" and not bases.permission(child).basis
    record(olga)
    assert bases.permission(child).basis
    consent.withdraw(asked)
    assert bases.permission(child).why == "objection"


def test_what_is_withdrawn_while_a_detector_looks_leaves_no_finding(
    held: Asset, alice: User, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = consent.grant(ask(held, alice, "detect"))

    def meanwhile(*_: Any, **__: Any) -> list[Any]:
        consent.withdraw(asked)
        return []

    monkeypatch.setattr("detection.guarded.examine", meanwhile)
    run = examination.examine(held, "face")
    assert (run.state, run.error_code) == (Run.State.FAILED, permission.NO_BASIS)
    assert list(detection_reconciliation.examinations()) == []


def test_the_public_reason_does_not_say_who_said_no(held: Asset, alice: User, olga: User) -> None:
    before = {info.name: why for info, why in examination.unexamined(held)}
    consent.refuse(ask(held, alice, "detect"))
    assert {info.name: why for info, why in examination.unexamined(held)} == before
    assert "nor another recorded basis" in before["face"] or "neither consent" in before["face"]


def test_only_operators_lawyers_and_leads_record_a_basis(
    held: Asset, alice: User, rita: User, olga: User, lena: User
) -> None:
    for other in (alice, rita):
        with pytest.raises(Forbidden, match="A legal basis is recorded by"):
            record(other)
    assert record(lena).recorded_by == lena
    assert leaf_of("basis:recorded")["role"] == "legal"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("purpose", {"purpose": "publish"}),
        ("ground", {"ground": "gdpr.6.1.a"}),
        ("reference", {"reference": "none"}),
        ("valid_to", {"valid_to": dt.date(2020, 1, 1)}),
    ],
)
def test_each_wrong_field_of_a_basis_is_named(olga: User, field: str, change: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refusal:
        record(olga, **change)
    assert list(refusal.value.extra["errors"]) == [field]  # type: ignore[call-overload]
    assert not ProcessingBasis.objects.exists()


def test_the_reference_of_a_basis_is_in_the_log_as_a_digest_only(olga: User) -> None:
    record(olga)
    assert WHERE not in json.dumps(leaf_of("basis:recorded"))
    ProcessingBasis.objects.update(reference="Something else altogether")
    assert any("reference_sha256" in line for line in reconciliation.answers())


def test_another_basis_allows_training_where_the_owner_does_and_ends_with_it(asset: Asset, olga: User) -> None:
    Asset.objects.update(training=Training.ALLOWED)
    asset.refresh_from_db()
    Depiction.objects.create(asset=asset, person=Person.objects.create(), asserted_by="creator")
    assert learning.basis_of(asset) == ""
    row = record(olga, purpose="train")
    assert learning.basis_of(asset) == f"basis:{row.pk}"
    bases.withdraw(row, olga)
    assert learning.basis_of(asset) == ""


def test_the_scan_log_tells_which_detector_looked_and_on_which_basis(
    held: Asset, alice: User, olga: User, looks: list[str]
) -> None:
    examination.examine(held, "synthetic_image")
    examination.examine(held, "face")
    record(olga)
    examination.examine(held, "face", again=True)
    told = {look.detector: (look.refused, look.basis) for look in scans.looks(held)}
    assert told == {"synthetic_image": (False, ""), "face": (False, "gdpr.6.1.f")}


def test_olga_records_lists_and_withdraws_a_basis_at_the_command_line(
    olga: User, mallory: User, capsys: pytest.CaptureFixture[str]
) -> None:
    ground = ["--ground", "gdpr.6.1.f", "--reference", WHERE]
    call_command("basis", "record", *ground, "--by", olga.email)
    row = ProcessingBasis.objects.get()
    call_command("basis", "list")
    assert f"{row.pk}  detect  gdpr.6.1.f  every work  {WHERE}" in capsys.readouterr().out
    call_command("basis", "withdraw", str(row.pk), "--by", olga.email)
    for wrong in (
        ["record", *ground, "--by", mallory.email],
        ["record", *ground, "--by", olga.email, "--asset", "7"],
        ["withdraw", "7", "--by", olga.email],
        ["withdraw", str(row.pk), "--by", olga.email],
    ):
        with pytest.raises(CommandError):
            call_command("basis", *wrong)
    assert ProcessingBasis.objects.count() == 1


def test_doctor_says_when_no_basis_is_recorded(olga: User) -> None:
    assert "stay off" in bases.check().detail and bases.check().ok
    record(olga)
    assert "1 recorded" in bases.check().detail


def test_asking_for_permission_takes_the_same_queries_however_many_are_shown(
    held: Asset, alice: User, django_assert_num_queries: Any
) -> None:
    consent.grant(ask(held, alice, "detect"))
    with CaptureQueriesContext(connection) as one:
        assert bases.permission(held).basis == "consent"
    for _ in range(4):
        consent.grant(ask(held, alice, "detect"))
    with django_assert_num_queries(len(one)):
        assert bases.permission(held).basis == "consent"
