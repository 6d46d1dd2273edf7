"""From challenger to champion and back, each step by the right people and in the log."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import User
from core.problems import Conflict, Forbidden, Problem
from detection import artefacts, reconciliation, versions
from detection.models import ModelVersion
from ledger.models import Entry
from tests.detection import models_made
from tests.detection.models_made import DETECTOR

Stage = ModelVersion.Stage


@pytest.fixture(autouse=True)
def _no_models_of_others(db: None) -> Any:
    import shutil

    yield
    shutil.rmtree(Path(settings.ASSAY_VAR) / "models", ignore_errors=True)


def told() -> list[dict[str, Any]]:
    """The facts of every entry about models, in order."""
    rows = Entry.objects.filter(type__startswith="model:").order_by("pk")
    return [json.loads(bytes(row.leaf))["facts"] for row in rows]


def challenger(by: User, path: Path, version: str, **figures: float) -> ModelVersion:
    made = models_made.folder(path, measured=models_made.evaluation(**figures))
    return versions.register(made, detector=DETECTOR, version=version, reason="Trained on more sources.", by=by)


def run(*words: str) -> str:
    out = StringIO()
    call_command("model", *words, stdout=out)
    return out.getvalue()


def serve(by: User, second: User, path: Path, version: str, **figures: float) -> ModelVersion:
    row = challenger(by, path, version, **figures)
    run("shadow", DETECTOR, version, "--by", by.email)
    assert not versions.approve(ModelVersion.objects.get(pk=row.pk), by)
    assert versions.approve(ModelVersion.objects.get(pk=row.pk), second)
    row.refresh_from_db()
    return row


def test_a_worse_challenger_is_refused_with_the_reason_and_a_better_one_serves_and_is_rolled_back(
    olga: User, ravi: User, tmp_path: Path
) -> None:
    first = serve(olga, ravi, tmp_path / "1", "2.0")
    challenger(olga, tmp_path / "2", "2.1", auc=0.80, cllr=0.7)
    with pytest.raises(CommandError) as refused:
        run("shadow", DETECTOR, "2.1", "--by", olga.email)
    assert "cross_source_auc: camera (as_is) AUC 0.800, the champion has 0.860" in str(refused.value)
    assert "cllr: camera (as_is) Cllr 0.700, the champion has 0.600" in str(refused.value)
    assert ModelVersion.objects.get(version="2.1").stage == Stage.CHALLENGER

    better = serve(olga, ravi, tmp_path / "3", "2.2", auc=0.93, cllr=0.4)
    assert versions.champion(DETECTOR) == better
    assert ModelVersion.objects.get(pk=first.pk).stage == Stage.RETIRED
    assert versions.in_service(DETECTOR).digest == better.digest  # type: ignore[union-attr]

    said = run("rollback", DETECTOR, "--by", ravi.email, "--reason", "False signals from one source.")
    assert said == "forensics 2.0 is in service again.\n"
    assert versions.champion(DETECTOR) == first
    assert versions.in_service(DETECTOR).digest == first.digest  # type: ignore[union-attr]

    steps = [(one["version"], one.get("step"), one.get("passed"), one.get("to")) for one in told()]
    assert steps == [
        ("2.0", None, None, None),
        ("2.0", "gate", True, None),
        ("2.0", None, None, "shadow"),
        ("2.0", "approved", None, None),
        ("2.0", "approved", None, None),
        ("2.0", None, None, "champion"),
        ("2.1", None, None, None),
        ("2.1", "gate", False, None),
        ("2.2", None, None, None),
        ("2.2", "gate", True, None),
        ("2.2", None, None, "shadow"),
        ("2.2", "approved", None, None),
        ("2.2", "approved", None, None),
        ("2.0", None, None, "retired"),
        ("2.2", None, None, "champion"),
        ("2.2", "rollback", None, "retired"),
        ("2.0", "rollback", None, "champion"),
    ]
    assert any("cross_source_auc" in reason for reason in told()[7]["failed"])
    assert list(reconciliation.model_versions()) == []


def test_a_second_rollback_leads_to_what_was_installed(olga: User, ravi: User, tmp_path: Path) -> None:
    serve(olga, ravi, tmp_path / "1", "2.0")
    assert versions.rollback(DETECTOR, olga, "It flags wallpapers.") is None
    assert versions.in_service(DETECTOR) is None
    with pytest.raises(Conflict, match="No registered version"):
        versions.rollback(DETECTOR, olga, "Once more.")


def test_it_takes_two_people_and_the_first_runs_the_office(
    olga: User, ravi: User, rita: User, mallory: User, tmp_path: Path
) -> None:
    row = challenger(olga, tmp_path / "1", "2.0")
    with pytest.raises(Conflict, match="not in the shadow"):
        versions.approve(row, olga)
    run("shadow", DETECTOR, "2.0", "--by", olga.email)
    row.refresh_from_db()
    for other in (ravi, mallory):
        with pytest.raises(Forbidden):
            versions.approve(row, other)
    assert not versions.approve(row, olga)
    with pytest.raises(Forbidden, match="second person"):
        versions.approve(row, olga)
    with pytest.raises(Forbidden):
        versions.approve(row, rita)  # a reviewer, but no lead
    assert versions.approve(row, ravi)


def test_only_who_runs_the_office_brings_models(ravi: User, alice: User, tmp_path: Path) -> None:
    for other in (ravi, alice):
        with pytest.raises(Forbidden):
            challenger(other, tmp_path / other.name, "2.0")
    assert not artefacts.folder_of(DETECTOR, "2.0").exists()


def test_a_reason_that_names_somebody_is_refused_and_nothing_is_kept(olga: User, tmp_path: Path) -> None:
    made = models_made.folder(tmp_path / "1")
    with pytest.raises(Problem, match=r"model\.reason"):
        versions.register(made, detector=DETECTOR, version="2.0", reason="bob@example.org wants it", by=olga)
    assert not ModelVersion.objects.exists() and not artefacts.folder_of(DETECTOR, "2.0").exists()


def test_a_changed_champion_answers_nothing_and_verify_names_the_file(olga: User, ravi: User, tmp_path: Path) -> None:
    serve(olga, ravi, tmp_path / "1", "2.0")
    assert "as it was signed" in run("verify")
    model = artefacts.folder_of(DETECTOR, "2.0") / "model.onnx"
    model.write_bytes(models_made.network(-1.0))
    with pytest.raises(Problem, match=r"model\.tampered"):
        versions.in_service(DETECTOR)
    with pytest.raises(CommandError, match=r"model\.onnx was changed"):
        run("verify")


def test_nobody_can_promote_a_folder_that_was_changed_after_the_gate(olga: User, ravi: User, tmp_path: Path) -> None:
    row = challenger(olga, tmp_path / "1", "2.0")
    run("shadow", DETECTOR, "2.0", "--by", olga.email)
    row.refresh_from_db()
    versions.approve(row, olga)
    (artefacts.folder_of(DETECTOR, "2.0") / "card.yaml").write_text("summary: harmless\n")
    with pytest.raises(Problem, match=r"model\.tampered"):
        versions.approve(row, ravi)
    assert versions.champion(DETECTOR) is None


def test_the_log_notices_a_stage_that_was_changed_behind_its_back(olga: User, tmp_path: Path) -> None:
    row = challenger(olga, tmp_path / "1", "2.0")
    ModelVersion.objects.filter(pk=row.pk).update(stage=Stage.CHAMPION)
    assert list(reconciliation.model_versions()) == [
        f"the stage of model:{row.pk} is “champion”, and the log says “challenger”"
    ]


def test_the_command_lists_gates_and_retires(olga: User, tmp_path: Path) -> None:
    challenger(olga, tmp_path / "1", "2.0", fpr=0.05)
    assert "forensics  2.0  challenger" in run("list")
    with pytest.raises(CommandError, match="Refused: false_positive_rate"):
        run("gate", DETECTOR, "2.0", "--by", olga.email)
    assert "retired" in run("retire", DETECTOR, "2.0", "--by", olga.email, "--reason", "Too many false signals.")
    with pytest.raises(CommandError, match="no account"):
        run("gate", DETECTOR, "2.0", "--by", "nobody@example.org")
    with pytest.raises(CommandError, match="no such model version"):
        run("gate", DETECTOR, "9.9", "--by", olga.email)


def test_the_card_comes_out_in_three_forms(olga: User, tmp_path: Path) -> None:
    challenger(olga, tmp_path / "1", "2.0")
    assert "Tells bright pictures from dark ones." in run("card", DETECTOR, "2.0")
    assert run("card", DETECTOR, "2.0", "--form", "huggingface").startswith("---\nlicense: Apache-2.0")
    made = json.loads(run("card", DETECTOR, "2.0", "--form", "cyclonedx"))
    assert made["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0] == {
        "type": "AUC",
        "value": "0.8600",
        "slice": "leave_one_source_out / camera / as_is",
        "confidenceInterval": {"lowerBound": "0.8300", "upperBound": "0.8900"},
    }


def test_the_web_process_opens_no_network() -> None:
    """Model versions are known to every process; ONNX Runtime, SciPy and PyTorch are for children."""
    script = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup();"
        "import config.urls; print(*({'onnxruntime', 'scipy', 'torch', 'onnx'} & set(sys.modules)))"
    )
    environment = {**os.environ, "ASSAY_VAR": str(settings.ASSAY_VAR)}
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert told.stdout.split() == []
