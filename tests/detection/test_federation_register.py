"""Federated training: counts with noise, what enters the register, and this office as an institution."""

import io
import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from PIL import Image

from accounts.models import User
from core.clock import now
from core.problems import Problem
from detection import labels
from detection.federation import (
    engine,
    features,
    own_material,
    privacy,
    recording,
    records,
    resynthesis,
    rounds,
    simulation,
)
from detection.federation import material as material_of
from detection.federation.holding import Holding
from detection.federation.plan import Statistics, canonical
from detection.federation.privacy import Histogram
from detection.federation.release import Signed
from detection.federation.taking_part import Institution
from detection.models import Claim, FederationRound, Label
from ledger import reconciliation
from ledger.models import Entry
from provenance.models import Asset
from tests.detection.federated import HOSTILE, NAMES, Federation, material

# --- Counts with noise -----------------------------------------------------------------------------------------------


def test_no_work_counts_more_often_than_agreed() -> None:
    agreed = Statistics(per_work=2)
    counts = privacy.counted(np.zeros(10), np.ones(10), ["one work"] * 10, agreed)
    assert int(counts.made.sum()) == 2
    assert int(counts.real.sum()) == 0


def test_noise_has_the_size_that_epsilon_asks_for() -> None:
    """Discrete Laplace of ratio a = exp(-1/scale) has variance 2a / (1 - a)²."""
    agreed = Statistics(epsilon=1.0, per_work=3, bins=4)
    exact = Histogram(np.zeros(4, np.int64), np.zeros(4, np.int64))
    draw = np.random.default_rng(1).random
    noise = np.concatenate([privacy.released(exact, agreed, draw).real for _ in range(2500)])
    ratio = np.exp(-agreed.epsilon / agreed.per_work)
    assert abs(noise.mean()) < 0.2
    assert noise.var() == pytest.approx(2 * ratio / (1 - ratio) ** 2, rel=0.1)


def test_neighbouring_counts_are_at_most_e_to_the_epsilon_apart() -> None:
    """The definition itself, on the exact distribution of the noise: one work more or less."""
    agreed = Statistics(epsilon=0.8, per_work=2)
    ratio = np.exp(-agreed.epsilon / agreed.per_work)
    values = np.arange(-60, 61)
    here = (1 - ratio) / (1 + ratio) * ratio ** np.abs(values)
    moved = (1 - ratio) / (1 + ratio) * ratio ** np.abs(values - agreed.per_work)
    assert np.max(np.abs(np.log(here / moved))) <= agreed.epsilon + 1e-9


def test_what_is_read_from_counts_is_what_the_scores_say() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(4000) % 2
    logits = rng.normal(labels * 2 - 1, 1.2)
    agreed = Statistics(bins=64, per_work=1)
    counts = privacy.counted(logits, labels.astype(float), [str(index) for index in range(4000)], agreed)
    pairs = logits[labels == 1][:, None] > logits[labels == 0][None, :]
    assert privacy.auc(counts) == pytest.approx(pairs.mean(), abs=0.01)
    fitted = privacy.platt(counts, agreed)
    assert fitted.slope == pytest.approx(2 / 1.2**2, rel=0.1)  # of two normal clouds, 2 apart
    assert privacy.calibration_error(counts, agreed, fitted) < 0.03


def test_counts_of_nothing_say_nothing() -> None:
    agreed = Statistics(bins=4)
    nothing = Histogram(np.array([-2, -1, 0, 0]), np.array([0, 0, 0, 0]))
    assert np.isnan(privacy.auc(nothing))
    assert privacy.platt(nothing, agreed) == privacy.Platt(0.0, 0.0)


# --- The register ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_round_enters_the_register_with_its_contribution_hashes(federation: Federation) -> None:
    told = federation.played()
    rows = recording.record_all(federation.folder)
    assert [row.number for row in rows] == [1, 2, 3, 4]
    leaf = json.loads(bytes(rows[0].entry.leaf)) if rows[0].entry else {}
    assert leaf["type"] == "federation:round"
    assert leaf["object"] == "federation:trial"
    said = {one["participant"]: one["contribution"] for one in leaf["facts"]["contributions"]}
    assert said == {name: handed.statement.digest() for name, handed in told[0].handed.items()}
    assert leaf["facts"]["after"] == told[0].after
    assert recording.record_all(federation.folder) == []
    assert not list(reconciliation.disagreements(5))


@pytest.mark.django_db
def test_the_release_is_recorded_with_what_it_cost(federation: Federation) -> None:
    federation.played()
    digest, model = federation.plan.digest(), federation.simulated().run()
    told = {name: Institution(place).release(digest, model) for name, place in federation.places.items()}
    records.keep_releases(federation.folder / "statistics.json", told)
    row = recording.record_all(federation.folder)[-1]
    assert (row.kind, row.number, row.epsilon) == ("release", 5, "4.0")
    assert {one["participant"] for one in row.contributions} == set(NAMES)


@pytest.mark.django_db
def test_counts_that_an_institution_did_not_sign_are_not_recorded(federation: Federation) -> None:
    federation.played()
    digest, model = federation.plan.digest(), federation.simulated().run()
    hers = Institution(federation.places[HOSTILE]).release(digest, model)
    path = federation.folder / "statistics.json"
    forged = Signed(replace(hers.release, participant=NAMES[0]), hers.signature)
    late = Institution(federation.places[NAMES[1]]).release(digest, model + 1)
    for name, signed in ((NAMES[0], hers), (NAMES[0], forged), (NAMES[1], late)):
        records.keep_releases(path, {name: signed})
        with pytest.raises(recording.Refused):
            recording.record_all(federation.folder)
    assert [row.kind for row in FederationRound.objects.all()] == ["training"] * 4


Spoil = Callable[[dict], None]


def _forge(told: dict) -> None:
    told["contributions"][0]["signature"] = "00" * 64


def _swap(told: dict) -> None:
    first, second, _ = told["contributions"]
    first["statement"], second["statement"] = second["statement"], first["statement"]
    first["signature"], second["signature"] = second["signature"], first["signature"]


def _drop(told: dict) -> None:
    del told["contributions"][0]["statement"]


def _hide(told: dict) -> None:
    told["contributions"].pop()


def _start_elsewhere(told: dict) -> None:
    told["before"] = "0" * 64


def _move_and_call_it_void(told: dict) -> None:
    told["void"] = True


def _jump(told: dict) -> None:
    told["round"] = 2


def _another_plan(told: dict) -> None:
    told["plan"] = "0" * 64


def _invent_a_model(told: dict) -> None:
    told["after"] = "0" * 64


def _call_one_voice_a_round(told: dict) -> None:
    """Two answers were dropped, and the third is the whole round."""
    for one in told["contributions"][:2]:
        one.update(outcome="missing", reason="no_answer")
        del one["statement"], one["signature"], one["salt"]


def _call_an_honest_one_refused(told: dict) -> None:
    told["contributions"][0].update(outcome="refused", reason="too_long")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "spoil",
    [
        *(_forge, _swap, _drop, _hide, _start_elsewhere, _move_and_call_it_void, _jump, _another_plan),
        *(_invent_a_model, _call_one_voice_a_round, _call_an_honest_one_refused),
    ],
)
def test_a_coordinator_cannot_record_what_did_not_happen(federation: Federation, spoil: Spoil) -> None:
    federation.played()
    path = federation.folder / "rounds" / "0001.json"
    told = json.loads(path.read_bytes())
    spoil(told)
    path.write_bytes(canonical(told))
    before = Entry.objects.count()
    with pytest.raises(recording.Refused):
        recording.record_all(federation.folder)
    assert Entry.objects.count() == before
    assert not FederationRound.objects.exists()


@pytest.mark.django_db
def test_a_round_is_played_again_before_it_is_recorded(federation: Federation) -> None:
    """Mallory, who coordinates, swaps an update, or the reference that judges them, after the round."""
    federation.played()
    place = federation.folder / "rounds" / f"0001-{NAMES[1]}.update"
    kept = place.read_bytes()
    place.write_bytes(rounds.as_bytes(records.updates_of(federation.folder, 1)[NAMES[1]] * 1.5))
    with pytest.raises(recording.Refused, match="another update"):
        recording.record_all(federation.folder)
    place.write_bytes(kept)
    material("reference", 10, 0.3, 80).write(federation.folder / "reference")
    with pytest.raises(recording.Refused, match="not the one that the plan names"):
        recording.record_all(federation.folder)
    assert not FederationRound.objects.exists()


@pytest.mark.django_db
def test_a_round_that_is_left_out_stops_the_recording(federation: Federation) -> None:
    federation.played()
    (federation.folder / "rounds" / "0002.json").unlink()
    with pytest.raises(recording.Refused, match="not the next"):
        recording.record_all(federation.folder)
    assert FederationRound.objects.count() == 1


@pytest.mark.django_db
def test_a_row_and_its_entry_that_disagree_are_found(federation: Federation) -> None:
    federation.played()
    row = recording.record_all(federation.folder)[0]
    try:
        with transaction.atomic():
            FederationRound.objects.filter(pk=row.pk).update(after="f" * 64)
    except DatabaseError:  # where the database refuses it, nothing is left to find
        return
    assert any("after" in sentence for sentence in reconciliation.disagreements(5))


@pytest.mark.django_db
def test_the_command_line_records_lists_and_says_why_not(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    federation.played()
    call_command("federation", "record", str(federation.folder))
    call_command("federation", "list")
    told = capsys.readouterr().out
    assert "trial training 4: recorded" in told
    assert "bobs-paper counted" in told
    call_command("federation", "check", str(federation.folder / "plan.json"))
    assert federation.plan.digest() in capsys.readouterr().out
    with pytest.raises(CommandError, match="is not a plan"):
        call_command("federation", "record", str(federation.folder / "rounds"))


def test_the_rounds_of_a_folder_can_be_played_again(federation: Federation) -> None:
    model = rounds.blank(federation.plan)
    for number in (1, 2):
        handed, updates = {}, {}
        for name, place in federation.places.items():
            one = Institution(place).contribute(federation.plan.digest(), number, model)
            handed[name] = records.Handed(one.statement, one.signature, one.salt)
            updates[name] = one.update
        played = rounds.play(model, updates, federation.reference, federation.plan)
        record = records.record_of(federation.plan, number, model, played, handed)
        records.keep(federation.folder, record, played.model, updates)
        model = played.model
    assert simulation.replay(federation.plan, federation.folder, federation.reference) == [(1, True), (2, True)]
    spoilt = federation.folder / "rounds" / f"0001-{NAMES[1]}.update"
    spoilt.write_bytes(rounds.as_bytes(records.updates_of(federation.folder, 1)[NAMES[1]] * 1.5))
    assert simulation.replay(federation.plan, federation.folder, federation.reference)[0] == (1, False)


# --- This office as an institution, and Flower's processes -----------------------------------------------------------


@pytest.fixture
def labelled(
    work: Callable[..., Asset],
    photo_path: Path,
    alice: User,
    rita: User,
    ravi: User,
    olga: User,
    allowed: dict[str, str],
) -> list[Asset]:
    """Six works of Alice's, real and made again in turn, all of which may be trained on."""
    assets = []
    luma = np.asarray(Image.open(photo_path).convert("L"), dtype=np.float64)
    rng = np.random.default_rng(5)
    for index in range(6):
        part = luma[: 264 + index, 40 * index : 40 * index + 264][index:]
        shown = resynthesis.made_again(part, "transposed", rng) if index % 2 else part
        buffer = io.BytesIO()
        Image.fromarray(shown.round().astype(np.uint8)).save(buffer, "PNG")
        asset = work(alice, buffer.getvalue(), "image/png", title=f"Part {index}")
        allowed[str(asset.pk)] = f"owner:{index}"
        claim = Claim.MADE if index % 2 else Claim.REAL
        label = labels.propose(asset, "synthetic", claim, Label.Origin.REVIEWER, by=rita)
        labels.admit(labels.corroborate(label, ravi), olga)
        assets.append(asset)
    return assets


def test_this_office_takes_part_with_what_may_be_trained_on_and_nothing_else(
    labelled: list[Asset], allowed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_material, "HELD_OUT", 10**9)
    first, unread = own_material.prepare("alices-archive", "synthetic", tmp_path)
    assert (len(first.items), unread) == (6, 0)
    assert {item.instrument for item in first.items} == {f"owner:{index}" for index in range(6)}
    del allowed[str(labelled[0].pk)]  # Alice does not allow it any more
    second, _ = own_material.prepare("alices-archive", "synthetic", tmp_path)
    assert {item.sha256 for item in first.items} - {item.sha256 for item in second.items} == {
        labelled[0].original_sha256
    }
    assert Holding.read(tmp_path).items == second.items


def test_what_may_not_be_trained_on_any_more_leaves_the_holding_with_its_features(
    labelled: list[Asset], allowed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_material, "HELD_OUT", 10**9)
    own_material.prepare("alices-archive", "synthetic", tmp_path)
    gone = allowed.pop(str(labelled[0].pk))
    call_command("federation", "recheck", str(tmp_path), stdout=(out := io.StringIO()))
    assert "5 works" in out.getvalue() and "1 were taken out" in out.getvalue()
    left = Holding.read(tmp_path)
    assert len(left.features) == 5 and gone not in {item.instrument for item in left.items}
    assert not left.is_stale(now())
    allowed.clear()  # everybody withdraws: also who makes it anew leaves nothing behind
    with pytest.raises(Problem, match="both kinds"):
        own_material.prepare("alices-archive", "synthetic", tmp_path)
    assert Holding.read(tmp_path).features.shape == (0, features.SIZE)


@pytest.mark.django_db
def test_an_office_without_labels_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="both kinds"):
        call_command("federation", "prepare", str(tmp_path), "--name", "alices-archive")


def test_made_again_pictures_are_told_from_real_ones_by_their_features(photo_path: Path) -> None:
    """The features see what re-synthesis leaves: each family, on one photograph."""
    luma = np.asarray(Image.open(photo_path).convert("L"), dtype=np.float64)[:264, :264]
    real = material_of.described(luma)
    assert real.shape == (features.SIZE,)
    rng = np.random.default_rng(2)
    for family in resynthesis.FAMILIES:
        again = resynthesis.made_again(luma, family, rng)
        assert again.shape == luma.shape
        assert np.abs(material_of.described(again) - real).max() > 0.1


def test_a_picture_without_a_trace_in_it_has_finite_features() -> None:
    for flat in (np.zeros((128, 128)), np.full((128, 128), 255.0)):
        assert np.isfinite(features.describe(flat)).all()


def test_the_bundle_that_flower_carries_holds_names_and_no_code() -> None:
    assert [path.name for path in engine.BUNDLE.iterdir()] == ["pyproject.toml"]
    told = tomllib.loads((engine.BUNDLE / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["components"]
    for reference in told.values():
        module, name = reference.split(":")
        source = (engine.ROOT / Path(*module.split("."))).with_suffix(".py").read_text()
        assert f"\n{name} = " in source


def test_flower_is_told_to_call_nobody_and_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SECRET_KEY", "Olga’s")
    told = engine.Engine(tmp_path, tmp_path / "venv").environment("alices-archive")
    assert not [name for name in told if name.startswith("ASSAY")]
    assert (told["FLWR_TELEMETRY_ENABLED"], told["FLWR_DISABLE_UPDATE_CHECK"]) == ("0", "1")
    assert told["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
    assert Path(told["FLWR_HOME"]).is_relative_to(tmp_path)


def test_the_drills_certificate_is_for_this_machine_and_signed_by_its_root(tmp_path: Path) -> None:
    engine.make_certificates(tmp_path)
    root, server = (x509.load_pem_x509_certificate((tmp_path / name).read_bytes()) for name in ("ca.pem", "server.pem"))
    server.verify_directly_issued_by(root)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
