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
from core.problems import Conflict, Forbidden, NotFound, Problem
from detection import artefacts, gate, reconciliation, registry, versions
from detection.models import Audit, ModelVersion
from ledger.models import Entry
from tests.detection import models_made
from tests.detection.models_made import LEARNED as DETECTOR

Stage = ModelVersion.Stage


pytestmark = pytest.mark.usefixtures("own_models")


@pytest.fixture(autouse=True)
def _nothing_measured_beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The gate compares these models with each other, and not with the network as shipped."""
    monkeypatch.setattr(gate, "_beside", lambda detector: tmp_path / "beside")


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
    first = serve(olga, ravi, tmp_path / "1", "t2.0")
    challenger(olga, tmp_path / "2", "t2.1", auc=0.80, cllr=0.7)
    with pytest.raises(CommandError) as refused:
        run("shadow", DETECTOR, "t2.1", "--by", olga.email)
    assert "cross_source_auc: camera (as it is) AUC 0.800, the champion has 0.860" in str(refused.value)
    assert "cllr: camera (as it is) Cllr 0.700, the champion has 0.600" in str(refused.value)
    assert ModelVersion.objects.get(version="t2.1").stage == Stage.CHALLENGER

    better = serve(olga, ravi, tmp_path / "3", "t2.2", auc=0.93, cllr=0.4)
    assert versions.champion(DETECTOR) == better
    assert ModelVersion.objects.get(pk=first.pk).stage == Stage.RETIRED
    assert versions.in_service(DETECTOR).digest == better.digest  # type: ignore[union-attr]

    said = run("rollback", DETECTOR, "--by", ravi.email, "--reason", "False signals from one source.")
    assert said == "face t2.0 is in service again.\n"
    assert versions.champion(DETECTOR) == first
    assert versions.in_service(DETECTOR).digest == first.digest  # type: ignore[union-attr]

    steps = [(one["version"], one.get("step"), one.get("passed"), one.get("to")) for one in told()]
    assert steps == [
        ("t2.0", None, None, None),
        ("t2.0", "gate", True, None),
        ("t2.0", None, None, "shadow"),
        ("t2.0", "approved", None, None),
        ("t2.0", "approved", None, None),
        ("t2.0", None, None, "champion"),
        ("t2.1", None, None, None),
        ("t2.1", "gate", False, None),
        ("t2.2", None, None, None),
        ("t2.2", "gate", True, None),
        ("t2.2", None, None, "shadow"),
        ("t2.2", "approved", None, None),
        ("t2.2", "approved", None, None),
        ("t2.0", None, None, "retired"),
        ("t2.2", None, None, "champion"),
        ("t2.2", "rollback", None, "retired"),
        ("t2.0", "rollback", None, "champion"),
    ]
    assert any("cross_source_auc" in reason for reason in told()[7]["failed"])
    assert list(reconciliation.model_versions()) == []


def test_a_second_rollback_leads_to_what_was_installed(olga: User, ravi: User, tmp_path: Path) -> None:
    serve(olga, ravi, tmp_path / "1", "t2.0")
    assert versions.rollback(DETECTOR, olga, "It flags wallpapers.") is None
    assert versions.in_service(DETECTOR) is None
    with pytest.raises(Conflict, match="No registered version"):
        versions.rollback(DETECTOR, olga, "Once more.")


def test_it_takes_two_people_and_the_first_runs_the_office(
    olga: User, ravi: User, rita: User, mallory: User, tmp_path: Path
) -> None:
    row = challenger(olga, tmp_path / "1", "t2.0")
    with pytest.raises(Conflict, match="not in the shadow"):
        versions.approve(row, olga)
    run("shadow", DETECTOR, "t2.0", "--by", olga.email)
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
            challenger(other, tmp_path / other.name, "t2.0")
    assert not artefacts.folder_of(DETECTOR, "t2.0").exists()


def test_a_reason_that_names_somebody_is_refused_and_nothing_is_kept(olga: User, tmp_path: Path) -> None:
    made = models_made.folder(tmp_path / "1")
    with pytest.raises(Problem, match=r"model\.reason"):
        versions.register(made, detector=DETECTOR, version="t2.0", reason="bob@example.org wants it", by=olga)
    assert not ModelVersion.objects.exists() and not artefacts.folder_of(DETECTOR, "t2.0").exists()


def test_a_changed_champion_answers_nothing_and_verify_names_the_file(olga: User, ravi: User, tmp_path: Path) -> None:
    serve(olga, ravi, tmp_path / "1", "t2.0")
    assert "as it was signed" in run("verify")
    model = artefacts.folder_of(DETECTOR, "t2.0") / "model.onnx"
    model.write_bytes(models_made.network(-1.0))
    with pytest.raises(Problem, match=r"model\.tampered"):
        versions.in_service(DETECTOR)
    with pytest.raises(CommandError, match=r"model\.onnx was changed"):
        run("verify")


def test_nobody_can_promote_a_folder_that_was_changed_after_the_gate(olga: User, ravi: User, tmp_path: Path) -> None:
    row = challenger(olga, tmp_path / "1", "t2.0")
    run("shadow", DETECTOR, "t2.0", "--by", olga.email)
    row.refresh_from_db()
    versions.approve(row, olga)
    (artefacts.folder_of(DETECTOR, "t2.0") / "card.yaml").write_text("summary: harmless\n")
    with pytest.raises(Problem, match=r"model\.tampered"):
        versions.approve(row, ravi)
    assert versions.champion(DETECTOR) is None


def test_the_log_notices_a_stage_that_was_changed_behind_its_back(olga: User, tmp_path: Path) -> None:
    row = challenger(olga, tmp_path / "1", "t2.0")
    ModelVersion.objects.filter(pk=row.pk).update(stage=Stage.CHAMPION)
    assert list(reconciliation.model_versions()) == [
        f"the stage of model:{row.pk} is “champion”, and the log says “challenger”"
    ]


def test_the_command_lists_gates_and_retires(olga: User, tmp_path: Path) -> None:
    challenger(olga, tmp_path / "1", "t2.0", fpr=0.05)
    assert "face  t2.0  challenger" in run("list")
    with pytest.raises(CommandError, match="Refused: false_positive_rate"):
        run("gate", DETECTOR, "t2.0", "--by", olga.email)
    assert "retired" in run("retire", DETECTOR, "t2.0", "--by", olga.email, "--reason", "Too many false signals.")
    with pytest.raises(CommandError, match="no account"):
        run("gate", DETECTOR, "t2.0", "--by", "nobody@example.org")
    with pytest.raises(CommandError, match="no such model version"):
        run("gate", DETECTOR, "9.9", "--by", olga.email)


def test_the_card_comes_out_in_three_forms(olga: User, tmp_path: Path) -> None:
    challenger(olga, tmp_path / "1", "t2.0")
    assert "Tells bright pictures from dark ones." in run("card", DETECTOR, "t2.0")
    assert run("card", DETECTOR, "t2.0", "--form", "huggingface").startswith("---\nlicense: Apache-2.0")
    made = json.loads(run("card", DETECTOR, "t2.0", "--form", "cyclonedx"))
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


# --- What came with Assay, and what the log says in public -----------------------------------------------------------


def test_a_fresh_office_lists_what_serves_as_shipped_with_what_its_manifest_says() -> None:
    said = run("list", DETECTOR)
    manifest = json.loads((registry.ROOM / "detectors" / DETECTOR / "manifest.json").read_text())
    assert said.startswith(f"face  as-shipped  champion  {registry.detector(DETECTOR).model_digest[:23]}…")
    assert f"network {manifest['files']['model.onnx'][:12]}…" in said
    assert run("list", "declared") == ""  # it computes by rule: there is no model


def test_a_rollback_by_name_leads_to_any_champion_before_or_to_what_was_shipped(
    olga: User, ravi: User, tmp_path: Path
) -> None:
    first = serve(olga, ravi, tmp_path / "1", "t2.0")
    serve(olga, ravi, tmp_path / "2", "t2.1")
    serve(olga, ravi, tmp_path / "3", "t2.2")
    with pytest.raises(NotFound):
        versions.rollback(DETECTOR, ravi, "Back to one that never served.", to="1.9")
    assert versions.rollback(DETECTOR, ravi, "Both were worse.", to="t2.0") == first
    more = ["--by", ravi.email, "--reason", "It flags wallpapers."]
    assert run("rollback", DETECTOR, "--to", "as-shipped", *more) == "face as shipped is in service again.\n"
    assert versions.champion(DETECTOR) is None
    assert "as-shipped  champion" in run("list", DETECTOR).splitlines()[0]
    shipped = registry.detector(DETECTOR).model_digest
    # The log knows what was in service although it never was a row.
    assert told()[-1]["back_to"] == shipped
    assert next(one["replaces"] for one in told() if "replaces" in one) == shipped
    assert list(reconciliation.model_versions()) == []


def test_what_a_person_writes_is_sealed_and_no_fact(olga: User, tmp_path: Path) -> None:
    row = challenger(olga, tmp_path / "1", "t2.0", fpr=0.05)
    with pytest.raises(CommandError):
        run("gate", DETECTOR, "t2.0", "--by", olga.email)
    versions.retire(row, olga, "Too many false signals.")
    leaves = [json.loads(bytes(one.leaf)) for one in Entry.objects.filter(type__startswith="model:").order_by("pk")]
    assert [set(one["commitments"]) for one in leaves] == [{"actor", "reason"}] * 3
    assert all("reason" not in one["facts"] for one in leaves)
    assert leaves[1]["facts"]["failed"] == ["false_positive_rate"]


@pytest.mark.parametrize("detector", ["forensics", "declared", "copy_move"])
def test_a_detector_that_computes_by_rule_takes_no_network_in(olga: User, tmp_path: Path, detector: str) -> None:
    made = models_made.folder(tmp_path / "1")
    with pytest.raises(Problem, match=r"model\.no_use"):
        versions.register(made, detector=detector, version="t2.0", reason="A network.", by=olga)
    assert not ModelVersion.objects.exists()


def test_no_version_is_called_as_what_was_shipped(olga: User, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        challenger(olga, tmp_path / "1", versions.AS_SHIPPED)


def test_figures_of_another_network_or_with_no_number_among_them_get_nobody_past_the_gate(
    olga: User, tmp_path: Path
) -> None:
    """Mallory hands in the evaluation of a good network with another one."""
    good = json.loads((models_made.folder(tmp_path / "good") / "evaluation.json").read_text())
    made = models_made.folder(tmp_path / "bad", weight=-1.0, measured=good)
    row = versions.register(made, detector=DETECTOR, version="t2.0", reason="A try.", by=olga)
    assert [(one.slug, one.words) for one in gate.ask(row, olga)[0].failed] == [
        ("bound", "the evaluation is of another network")
    ]
    text = (tmp_path / "good" / "evaluation.json").read_text().replace("0.86", "NaN", 1)
    (tmp_path / "good" / "evaluation.json").write_text(text)
    row = versions.register(tmp_path / "good", detector=DETECTOR, version="t2.1", reason="A try.", by=olga)
    with pytest.raises(Problem, match=r"model\.evaluation"):
        gate.ask(row, olga)


def test_an_audit_of_the_network_as_shipped_obliges_challengers_too(olga: User, tmp_path: Path) -> None:
    row = challenger(olga, tmp_path / "1", "t2.0")
    assert gate.ask(row, olga)[0].passed
    about = {"set_name": "Volunteers", "set_sha256": "0" * 64, "attribute": "age", "basis": "Form 3 of 2026"}
    shipped = registry.detector(DETECTOR).model_digest
    Audit.objects.create(detector=DETECTOR, digest=shipped, table=[], flagged=False, audited_by=olga, **about)
    assert [one.slug for one in gate.ask(row, olga)[0].failed] == ["groups"]
