"""Every upheld appeal is a test that the next model has to pass; real files, real children."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from PIL import Image

from accounts.models import User
from core.problems import Conflict
from detection import artefacts, brought, examination, fairness, gate, labels, reconciliation, shadowing, versions
from detection.detectors import Answer
from detection.models import Audit, Claim, ModelVersion, Run, ShadowReading
from ledger.models import Entry
from provenance.models import Asset
from tests.detection import models_made
from tests.detection.models_made import DETECTOR

Work = Callable[..., Asset]


pytestmark = pytest.mark.usefixtures("own_models")


@pytest.fixture
def bright(work: Work, alice: User) -> Asset:
    """A bright photograph of Alice's, which is real."""
    buffer = io.BytesIO()
    Image.new("RGB", (300, 300), (210, 210, 210)).save(buffer, "PNG")
    return work(alice, buffer.getvalue(), "image/png")


def brought_model(by: User, version: str = "x1") -> ModelVersion:
    """It says “signals” of whatever is bright."""
    file, card, measured = models_made.measured()
    return brought.bring(file, card, detector=DETECTOR, version=version, reason="A try.", by=by, measured=measured)


def test_a_model_that_is_wrong_again_about_an_upheld_appeal_is_refused(olga: User, bright: Asset) -> None:
    row = brought_model(olga)
    slugs = {one.slug for one in gate.ask(row, olga)[0].failed}
    assert "appeals" not in slugs
    labels.remember(bright, "edited", Claim.REAL)
    verdict, entry = gate.ask(row, olga)
    wrong = next(one for one in verdict.failed if one.slug == "appeals")
    assert "wrong again about 1 works" in wrong.words
    assert "appeals" in json.loads(bytes(entry.leaf))["facts"]["failed"]


def in_the_shadow(row: ModelVersion, by: User) -> ModelVersion:
    """As if the gate had let it in, which has its own tests."""
    return versions.to_shadow(row, by, gate_entry=versions.record_gate(row, by, {"passed": True}))


def test_an_appeal_upheld_between_the_gate_and_the_second_approval_keeps_the_model_out(
    olga: User, ravi: User, bright: Asset
) -> None:
    row = in_the_shadow(brought_model(olga), olga)
    assert not versions.approve(row, olga)
    labels.remember(bright, "edited", Claim.REAL)
    with pytest.raises(Conflict, match="wrong again about 1 works"):
        versions.approve(row, ravi)
    row.refresh_from_db()
    assert row.stage == ModelVersion.Stage.SHADOW and versions.champion(DETECTOR) is None
    told = json.loads(bytes(Entry.objects.filter(type="model:staged").latest("pk").leaf))["facts"]
    assert (told["step"], told["passed"], told["failed"]) == ("gate", False, ["appeals"])


def test_a_gap_that_was_found_and_another_champion_since_the_gate_keep_the_model_out(
    olga: User, ravi: User, bright: Asset
) -> None:
    row = in_the_shadow(brought_model(olga), olga)
    versions.approve(row, olga)
    about = {"set_name": "Volunteers", "set_sha256": "0" * 64, "attribute": "age", "basis": "Form 3 of 2026"}
    audit = Audit.objects.create(detector=DETECTOR, digest=row.digest, table=[], flagged=True, audited_by=olga, **about)
    with pytest.raises(Conflict, match="gap between groups"):
        versions.approve(row, ravi)
    Audit.objects.filter(pk=audit.pk).delete()
    other = brought_model(olga, "x2")
    ModelVersion.objects.filter(pk=other.pk).update(stage=ModelVersion.Stage.CHAMPION)
    with pytest.raises(Conflict, match="not what the gate compared it with"):
        versions.approve(row, ravi)
    ModelVersion.objects.filter(pk=other.pk).update(stage=ModelVersion.Stage.RETIRED)
    assert versions.approve(row, ravi)


def test_a_rollback_passes_over_a_version_that_is_wrong_again_and_says_so(
    olga: User, ravi: User, bright: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("x1", "x2"):
        row = in_the_shadow(brought_model(olga, version), olga)
        assert [versions.approve(row, olga), versions.approve(row, ravi)] == [False, True]
    labels.remember(bright, "edited", Claim.REAL)
    with pytest.raises(Conflict, match="forensics x1 is wrong again"):
        versions.rollback(DETECTOR, ravi, "Back to the first.", to="x1")
    out = io.StringIO()
    call_command("model", "rollback", DETECTOR, "--by", ravi.email, "--reason", "It flags wallpapers.", stdout=out)
    assert "forensics x1 was passed over" in out.getvalue() and "forensics as shipped is in service" in out.getvalue()
    assert versions.champion(DETECTOR) is None
    told = json.loads(bytes(Entry.objects.filter(type="model:staged").latest("pk").leaf))["facts"]
    assert told["passed_over"] == [ModelVersion.objects.get(version="x1").digest]
    assert list(reconciliation.model_versions()) == []


def test_an_audit_examines_with_the_version_it_is_asked_about(
    olga: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = brought_model(olga)
    folder = tmp_path / "set"
    folder.mkdir()
    listed = ["file,label,consent,tone"]
    for number in range(4):
        Image.new("RGB", (300, 300), (215 if number % 2 else 15,) * 3).save(folder / f"{number}.png")
        listed.append(f"{number}.png,real,c{number},{'pale' if number % 2 else 'deep'}")
    (folder / "audit.csv").write_text("\n".join(listed))
    (folder / "audit.yaml").write_text(
        json.dumps({"name": "Four", "consent": "Form 3 of 2026", "attributes": {"tone": "self_reported"}})
    )
    seen: list[Any] = []

    def tables(told: list[Any]) -> list[Any]:
        seen.extend(told)
        return []

    monkeypatch.setattr("detection.groups.tables", tables)
    with pytest.raises(Exception, match="no two groups"):
        fairness.audit(folder, DETECTOR, "tone", olga, version=ModelVersion.objects.get(pk=row.pk))
    assert [(one.group, one.answer) for one in seen] == [
        *(("deep", Answer.NO_SIGNALS), ("pale", Answer.SIGNALS)),
        *(("deep", Answer.NO_SIGNALS), ("pale", Answer.SIGNALS)),
    ]
    assert versions.in_service(DETECTOR) is None


def test_a_shadow_answers_about_what_the_champion_examined_and_nobody_is_shown_it(
    olga: User, bright: Asset, settle: Callable[[], None]
) -> None:
    row = brought_model(olga)
    ModelVersion.objects.filter(pk=row.pk).update(stage=ModelVersion.Stage.SHADOW)  # the gate has its own tests
    run = examination.examine(bright, DETECTOR)
    settle()
    reading = ShadowReading.objects.get()
    assert (reading.version_id, reading.run_id, reading.answer) == (row.pk, run.pk, "signals")
    assert float(reading.llr) > 0
    assert not any(finding.signal.startswith("brought") for finding in run.findings.all())
    row.refresh_from_db()
    assert shadowing.comparison(row).readings == 1


def test_a_champion_examines_and_a_changed_one_answers_nothing(olga: User, bright: Asset, bob: User) -> None:
    row = brought_model(olga)
    ModelVersion.objects.filter(pk=row.pk).update(stage=ModelVersion.Stage.CHAMPION)
    run = examination.examine(bright, DETECTOR)
    assert run.state == "done" and run.version.endswith("+x1")
    assert [(one.signal, one.answer) for one in run.findings.all()] == [("brought_edited", "signals")]
    card = artefacts.folder_of(DETECTOR, "x1") / "card.yaml"
    card.write_text(card.read_text() + "# harmless\n")
    Run.objects.all().delete()
    failed = examination.examine(bright, DETECTOR)
    assert (failed.state, failed.error_code) == ("failed", "model.tampered")
    assert not failed.findings.exists()
