"""Examining a registered work: once, recorded, visible when it fails, safe when a worker dies."""

import datetime as dt
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from core import jobs, storage
from core.clock import now
from core.models import Job
from core.problems import NotFound
from detection import examination, registry
from detection.examination import examine, request_examination
from detection.models import Finding, Run
from detection.registry import digest_of
from ledger.models import Entry
from tests.detection import media
from tests.detection.conftest import Work


def leaves(kind: str = "detection:recorded") -> list[dict[str, Any]]:
    return [json.loads(bytes(entry.leaf)) for entry in Entry.objects.filter(type=kind).order_by("pk")]


def test_a_work_is_examined_and_the_result_recorded(alice: User, work: Work, photo: bytes) -> None:
    asset = work(alice, photo)
    run = examine(asset, "forensics")
    assert run.state == "done" and run.model_digest == registry.detector("forensics").model_digest
    finding = run.findings.get(signal="noise_inconsistency")
    assert finding.calibrated is False and "(uncalibrated)" in finding.strength_words
    assert float(finding.score) > 0 and finding.details["blocks"] == [40, 26]
    with storage.open_file(finding.heatmap_key) as picture:
        assert picture.read(8) == b"\x89PNG\r\n\x1a\n"
    [leaf] = leaves()
    assert leaf["object"] == f"asset:{asset.pk}" and leaf["refs"] == [bytes(asset.entry.leaf_hash).hex()]
    assert leaf["facts"] == {
        "actor": "system:detection",
        "detector": "forensics",
        "version": run.version,
        "model_digest": run.model_digest,
        "standing": "experimental",
        "outcome": "done",
    }
    assert run.entry is not None and run.entry.type == "detection:recorded"


def test_declared_text_never_enters_the_ledger(alice: User, work: Work, photo: bytes) -> None:
    data = media.png(media.photograph(photo), parameters="Dana in a red coat, Steps: 9, Sampler: x")
    run = examine(work(alice, data, "image/png"), "declared")
    assert run.strongest is not None and run.strongest.strength == "strong"
    [leaf] = leaves()
    assert [one["strength"] for one in leaf["facts"]["findings"]] == ["strong"]
    assert "Dana" not in json.dumps(leaf)


def test_an_examination_in_a_warm_worker_takes_less_than_a_second(alice: User, work: Work, photo: bytes) -> None:
    examine(work(alice, photo), "forensics")
    seconds = []
    for quality in (70, 80, 90):  # three tries: the machine may be busy with something else
        asset = work(alice, media.jpeg(media.photograph(photo), quality))
        started = time.monotonic()
        assert examine(asset, "forensics").state == "done"
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 1.0


def test_examining_twice_does_the_work_once(alice: User, work: Work, photo: bytes) -> None:
    asset = work(alice, photo)
    first, second = examine(asset, "declared"), examine(asset, "declared")
    assert first.pk == second.pk and second.attempt == 1
    assert Finding.objects.count() == 1 and len(leaves()) == 1


def test_a_new_version_of_a_detector_examines_again(alice: User, work: Work, photo: bytes, install: Callable) -> None:
    asset = work(alice, photo)
    install("reports", "1")
    examine(asset, "reports")
    install("reports", "2")
    examine(asset, "reports")
    assert sorted(Run.objects.values_list("version", flat=True)) == ["1", "2"]


def test_a_detector_that_crashes_fails_its_run_visibly_and_nothing_else(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    asset = work(alice, photo)
    install("aborts")
    run = examine(asset, "aborts")
    assert run.state == "failed" and run.error_code == "media.unparseable"
    assert "The work itself is unharmed" in run.error_detail
    [leaf] = leaves()
    assert leaf["facts"]["outcome"] == "failed" and leaf["facts"]["error_code"] == "media.unparseable"
    assert examine(asset, "declared").state == "done"


def test_a_detector_that_refuses_says_why_in_its_own_words(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    install("refuses")
    run = examine(work(alice, photo), "refuses")
    assert (run.state, run.error_code, run.error_detail) == ("failed", "detection.odd", "Very odd.")


@pytest.mark.parametrize("name", ["lies_about_its_picture", "answers_nonsense"])
def test_what_a_taken_over_child_answers_is_refused(
    alice: User, work: Work, photo: bytes, install: Callable, name: str
) -> None:
    install(name)
    run = examine(work(alice, photo), name)
    assert run.state == "failed" and not Finding.objects.exists()


def test_what_a_child_shouts_is_bounded(alice: User, work: Work, photo: bytes, install: Callable) -> None:
    install("shouts")
    finding = examine(work(alice, photo), "shouts").findings.get()
    assert len(finding.statement) == 500 and len(finding.details["a"]) == 500 and len(finding.details["many"]) == 200
    assert "\u202e" not in finding.details["a"] and "\u0007" not in finding.statement


def test_a_failed_run_is_tried_again_only_on_request(
    alice: User, work: Work, photo: bytes, install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = work(alice, photo)
    install("reports")
    kept = Path(settings.ASSAY_VAR) / "media"
    shutil.move(kept, kept.with_name("elsewhere"))
    run = examine(asset, "reports")
    assert run.state == "failed" and run.error_code == "office.file_missing"
    shutil.move(kept.with_name("elsewhere"), kept)
    assert examine(asset, "reports").state == "failed"
    run = examine(asset, "reports", again=True)
    assert run.state == "done" and run.error_code == "" and run.attempt == 2
    assert [leaf["facts"]["outcome"] for leaf in leaves()] == ["failed", "done"]


def test_a_run_left_by_a_killed_worker_is_taken_up_and_never_doubled(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    asset = work(alice, photo)
    info = install("reports")
    dead = Job.objects.create(name="asset.process", state=Job.State.FAILED)
    Run.objects.create(
        asset=asset, detector="reports", version="1", model_digest=info.model_digest, state="running", attempt=1,
        job=dead, started_at=now(),
    )  # fmt: skip
    run = examine(asset, "reports")
    assert run.state == "done" and run.attempt == 2 and Run.objects.count() == 1


def test_a_run_that_a_living_worker_holds_is_left_alone(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    asset = work(alice, photo)
    info = install("reports")
    alive = Job.objects.create(name="asset.process", state=Job.State.RUNNING)
    other = Job.objects.create(name="detection.examine", state=Job.State.RUNNING)
    held = Run.objects.create(
        asset=asset, detector="reports", version="1", model_digest=info.model_digest, state="running", attempt=1,
        job=alive, started_at=now(),
    )  # fmt: skip
    assert examine(asset, "reports", job=other).state == "running"
    assert examine(asset, "reports", job=alive).state == "done"  # its own job, started again
    Run.objects.filter(pk=held.pk).update(state="running", job=None, started_at=now() - dt.timedelta(hours=1))
    assert examine(asset, "reports").state == "done"  # nobody's, and too long ago


def test_a_worker_taken_for_dead_cannot_record_a_second_result(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    asset = work(alice, photo)
    info = install("reports")
    Run.objects.create(asset=asset, detector="reports", version="1", model_digest=info.model_digest)
    slow = Run.objects.get()
    assert examination._claim(slow, examination._serving(info), None, again=False)
    Run.objects.update(started_at=now() - dt.timedelta(hours=1))
    assert examine(asset, "reports").state == "done"
    examination._end(slow, findings=[Finding(run=slow, signal="late", strength="strong", statement="Too late.")])
    assert [finding.signal for finding in Finding.objects.all()] == ["seen"] and len(leaves()) == 1


def test_progress_reaches_the_job_while_it_runs(
    alice: User, work: Work, photo: bytes, install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, str]] = []
    real = jobs.report

    def watched(job: Job, percent: int, note: str = "") -> None:
        seen.append((percent, note))
        real(job, percent, note)

    monkeypatch.setattr(jobs, "report", watched)
    install("reports")
    job = request_examination(work(alice, photo), ["reports"])
    jobs.run(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert seen[-2:] == [(25, "reports: looking"), (75, "reports: looking closer")]


def test_asking_twice_while_the_first_waits_gives_the_same_job(alice: User, work: Work, photo: bytes) -> None:
    asset = work(alice, photo)
    job = request_examination(asset)
    able = {info.name for info in registry.all_detectors()} - {info.name for info, _ in examination.unexamined(asset)}
    assert job.args["detectors"] == sorted(able)
    assert request_examination(asset).pk == job.pk
    assert request_examination(asset, ["declared"]).pk != job.pk


def test_an_error_of_our_own_is_visible_and_tried_again(
    alice: User, work: Work, photo: bytes, install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("reports")
    job = request_examination(work(alice, photo), ["reports"])
    with monkeypatch.context() as broken:
        broken.setattr("detection.guarded.examine", lambda *_, **__: 1 / 0)
        jobs.run(str(job.pk))
    run = Run.objects.get()
    assert (run.state, run.error_code) == ("failed", "detection.crashed") and "unharmed" in run.error_detail
    jobs.run(str(job.pk))
    run.refresh_from_db()
    assert run.state == "done" and run.error_code == ""


def test_a_job_whose_worker_died_too_often_fails_its_run_where_people_look(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    asset, info = work(alice, photo), install("reports")
    job = request_examination(asset, ["reports"])
    long_ago = now() - dt.timedelta(hours=1)
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, runs=jobs.MAX_RUNS, heartbeat_at=long_ago)
    Run.objects.create(
        asset=asset, detector="reports", version="1", model_digest=info.model_digest, state="running", attempt=3,
        job=job,
    )  # fmt: skip
    jobs.sweep()
    run = Run.objects.get()
    assert (run.state, run.error_code) == ("failed", "job.died") and "worker died" in run.error_detail


def test_an_unknown_detector_and_one_for_other_media_are_not_found(alice: User, work: Work, photo: bytes) -> None:
    asset = work(alice, photo)
    for name in ("nothing", "../runtime"):
        with pytest.raises(NotFound):
            examine(asset, name)
        with pytest.raises(NotFound):
            request_examination(asset, [name])


def test_the_digest_changes_with_every_file_that_decides_the_result(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(registry.ROOM / "detectors" / "forensics", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shared = tmp_path / "runtime.py"
    shared.write_text("ONE = 1\n")
    decides = {"runtime.py": shared}
    digests = [digest_of(folder, decides)]
    assert digests[0] == digest_of(folder, decides)
    (folder / "detector.py").write_text((folder / "detector.py").read_text().replace("BLOCK = 16", "BLOCK = 32"))
    digests.append(digest_of(folder, decides))
    (folder / "weights.safetensors").write_bytes(b"\0")
    digests.append(digest_of(folder, decides))
    shared.write_text("ONE = 2\n")
    digests.append(digest_of(folder, decides))
    (folder / "weights.safetensors").rename(folder / "other.safetensors")
    digests.append(digest_of(folder, decides))
    assert len(set(digests)) == 5
    (folder / "card.yaml").write_text("Better words.")
    (folder / "evaluation.json").write_text("{}")
    assert digest_of(folder, decides) == digests[-1]


def test_every_detector_is_listed_with_its_card_and_says_what_it_looks_for() -> None:
    infos = registry.all_detectors()
    assert {"declared", "forensics"} <= {info.name for info in infos}
    for info in infos:
        assert info.model_digest.startswith("sha256:") and len(info.model_digest) == 71
        assert "What it cannot" in info.card and info.about.looks_for


def test_heat_maps_are_not_orphans(alice: User, work: Work, photo: bytes) -> None:
    run = examine(work(alice, photo), "forensics")
    keys = {finding.heatmap_key for finding in run.findings.all()} - {""}
    assert keys and not keys & set(storage.orphans(older_than=dt.timedelta(0)))
