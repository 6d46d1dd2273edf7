"""What the log says of an examination, and whether the rows say the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from detection import reconciliation
from detection.examination import examine
from detection.models import Finding, Run
from ledger import receipts, vault
from ledger.models import SealedSection
from tests.detection.conftest import Work


def leaf(run: Run) -> dict[str, Any]:
    assert run.entry is not None
    told: dict[str, Any] = json.loads(bytes(run.entry.leaf))
    return told


def test_of_an_experimental_detector_the_log_shows_that_it_ran_and_seals_what_it_found(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    install("weighs", experimental=True)
    run = examine(work(alice, photo), "weighs")
    told = leaf(run)
    assert set(told["facts"]) == {"actor", "detector", "version", "model_digest", "standing", "outcome"}
    assert "1.20" not in json.dumps(told) and set(told["commitments"]) == {"found"}
    assert run.entry is not None
    [opened] = receipts.disclosures_for(run.entry)
    assert opened.value["findings"][0]["llr"] == "1.20"  # type: ignore[index, call-overload]
    assert receipts.disclosures_to(alice.actor, run.entry) == []  # not even for the owner of the work
    assert list(reconciliation.examinations()) == []


def test_why_an_experimental_detector_failed_is_sealed_too(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    install("refuses", experimental=True)
    run = examine(work(alice, photo), "refuses")
    assert leaf(run)["facts"]["outcome"] == "failed" and "detection.odd" not in json.dumps(leaf(run))
    assert list(reconciliation.examinations()) == []
    Run.objects.update(error_code="detection.other")
    assert len(list(reconciliation.examinations())) == 1


@pytest.mark.parametrize("experimental", [False, True])
@pytest.mark.parametrize(
    "changed",
    [{"answer": "no_signals"}, {"llr": "0.10"}, {"calibration": "cal-other"}, {"calibrated": False}, {"score": "9"},
     {"strength": "strong"}, {"signal": "other"}, {"reason": "flips"}],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_a_finding_changed_behind_the_logs_back_is_told(
    alice: User, work: Work, photo: bytes, install: Callable, changed: dict[str, Any], experimental: bool
) -> None:
    install("weighs", experimental=experimental)
    run = examine(work(alice, photo), "weighs")
    assert list(reconciliation.examinations()) == []
    Finding.objects.update(**changed)
    [words] = reconciliation.examinations()
    assert str(run.pk) in words


def test_every_finding_of_a_run_is_compared_not_the_strongest_alone(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    install("weighs")
    run = examine(work(alice, photo), "weighs")
    Finding.objects.create(run=run, signal="another", strength="none", statement="Nothing.")
    assert len(list(reconciliation.examinations())) == 1


def test_why_an_examination_failed_is_compared(alice: User, work: Work, photo: bytes, install: Callable) -> None:
    install("refuses")
    examine(work(alice, photo), "refuses")
    assert list(reconciliation.examinations()) == []
    Run.objects.update(error_code="detection.other")
    [words] = reconciliation.examinations()
    assert "detection.odd" in words and "detection.other" in words


def test_what_was_sealed_and_is_erased_is_no_disagreement(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    install("weighs", experimental=True)
    run = examine(work(alice, photo), "weighs")
    vault.destroy(f"asset:{run.asset_id}")
    assert not SealedSection.objects.filter(name="found").exists()
    assert list(reconciliation.examinations()) == []
