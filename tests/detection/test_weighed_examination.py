"""A calibrated answer from the guarded child to row, ledger, API, page and command line."""

import io
import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from core import jobs
from core.models import Job
from detection import examination, registry, wording
from detection.examination import examine, request_examination
from detection.models import Finding, Run
from ledger.models import Entry
from tests.detection.conftest import Install, Work


def facts() -> dict[str, Any]:
    entry = Entry.objects.filter(type="detection:recorded").latest("pk")
    found: dict[str, Any] = json.loads(bytes(entry.leaf))["facts"]
    return found


def test_a_weighed_answer_is_kept_whole_and_recorded(alice: User, work: Work, photo: bytes, install: Install) -> None:
    install("weighs")
    run = examine(work(alice, photo), "weighs")
    finding = run.findings.get()
    assert (run.question, run.standing) == ("synthetic", "shipped")
    assert (finding.answer, finding.llr, finding.low, finding.high) == ("signals", "1.20", "0.80", "1.60")
    assert finding.calibrated and finding.calibration == "cal-0123456789ab" and finding.answer_words == "Signals found"
    assert finding.places["regions"] == [{"x": "0.1000", "y": "0.2000", "width": "0.3000", "height": "0.4000"}]
    assert finding.moments == [{"start": "0.00", "end": "1.00", "llr": "1.10"}]
    [told] = facts()["findings"]
    assert told["calibrated"] is True and (told["answer"], told["llr"]) == ("signals", "1.20")
    assert told["calibration"] == "cal-0123456789ab" and set(told) == set(examination.RECORDED)


def test_the_same_bytes_by_the_same_model_are_not_examined_twice(
    alice: User, bob: User, work: Work, photo: bytes, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("weighs")
    first = examine(work(alice, photo), "weighs")
    with monkeypatch.context() as broken:
        broken.setattr("detection.guarded.examine", lambda *_, **__: 1 / 0)
        again = examine(work(bob, photo), "weighs")
    [one], [other] = first.findings.all(), again.findings.all()
    assert again.state == "done" and one.pk != other.pk
    assert (one.llr, one.details, one.places) == (other.llr, other.details, other.places)
    assert Entry.objects.filter(type="detection:recorded").count() == 2


def test_another_model_examines_the_same_bytes_anew(
    alice: User, bob: User, work: Work, photo: bytes, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("weighs", "1")
    examine(work(alice, photo), "weighs")
    install("weighs", "2")
    monkeypatch.setattr("detection.guarded.examine", lambda *_, **__: [])
    assert not examine(work(bob, photo), "weighs").findings.exists()


# --- Who sees what ---------------------------------------------------------------------------------------------------


@pytest.fixture
def experimental(alice: User, work: Work, photo: bytes, install: Install) -> Run:
    install("weighs", experimental=True)
    return examine(work(alice, photo), "weighs")


def test_what_is_experimental_is_shown_to_reviewers_only(
    api: Any, experimental: Run, alice: User, rita: User, greta: User, client: Client
) -> None:
    path = f"/api/v1/assets/{experimental.asset_id}/findings"
    for somebody, seen in ((None, 0), (alice, 0), (greta, 0), (rita, 1)):
        body = api(somebody).get(path).json()
        assert len(body["runs"]) == seen and body["answers"] == [], somebody
    page = f"/assets/{experimental.asset_id}/"
    assert "a picture that a machine made" not in client.get(page).content.decode()
    client.force_login(rita)
    shown = client.get(page).content.decode()
    assert "a picture that a machine made" in shown and "experimental" in shown


def test_what_is_experimental_is_in_no_report(experimental: Run, photo_path: Path) -> None:
    from provenance.verification import verify_file

    sha256 = experimental.asset.original_sha256
    section = verify_file(photo_path, sha256).as_dict()["sections"]["findings"]
    assert {run["detector"] for run in section["runs"]} == {"declared"}


def test_the_api_answers_each_question_with_weight_and_error_rates(
    api: Any, alice: User, work: Work, photo: bytes, install: Install
) -> None:
    install("weighs")
    asset = work(alice, photo)
    examine(asset, "weighs")
    body = api().get(f"/api/v1/assets/{asset.pk}/findings").json()
    [answer] = body["answers"]
    assert (answer["question"], answer["answer"], answer["log_likelihood_ratio"]) == ("synthetic", "signals", "1.20")
    [finding] = body["runs"][0]["findings"]
    assert finding["interval"] == ["0.80", "1.60"] and finding["posterior"] is None
    assert finding["error_rates"][0]["held_out"] == "wallpapers" and "2 % of 50 real" in finding["error_rate_words"]
    assert not body["note"].startswith("Uncalibrated")


def test_a_posterior_is_given_only_for_a_prevalence_that_was_asked_for(
    api: Any, alice: User, work: Work, photo: bytes, install: Install
) -> None:
    install("weighs")
    asset = work(alice, photo)
    examine(asset, "weighs")
    path = f"/api/v1/assets/{asset.pk}/findings"
    [finding] = api().get(f"{path}?prevalence=0.01").json()["runs"][0]["findings"]
    odds = 10**1.2 * 0.01 / 0.99
    assert float(finding["posterior"]) == pytest.approx(odds / (1 + odds), abs=1e-4)
    for nonsense in ("0", "1", "half", "nan", "-1"):
        answer = api().get(f"{path}?prevalence={nonsense}")
        assert (answer.status_code, answer.json()["code"]) == (400, "detection.prevalence"), nonsense


def test_the_page_says_how_often_it_is_wrong_and_never_calls_it_a_probability(
    alice: User, work: Work, photo: bytes, install: Install, client: Client
) -> None:
    install("weighs")
    asset = work(alice, photo)
    examine(asset, "weighs")
    page = client.get(f"/assets/{asset.pk}/").content.decode()
    words = re.sub(r"<[^>]+>", " ", page)
    assert "Signals found" in words and "in 2 % of 50 real files" in words
    assert "Among 1,000" not in words and "then among" not in words
    assert "fake" not in words.lower() and "probability" not in words.lower()
    chosen = client.get(f"/assets/{asset.pk}/?prevalence=0.01&prevalence=0.5&prevalence=7").content.decode()
    assert "If 10 of 1,000 files like this one" in chosen and "If 500 of 1,000" in chosen
    assert chosen.count("then among 1,000 files") == 2


def test_bayes_in_natural_frequencies() -> None:
    assert wording.posterior("0", "0.25") == pytest.approx(0.25)
    assert wording.posterior("1", "0.5") == pytest.approx(10 / 11)
    assert math.isclose(wording.posterior("-2", "0.5"), 1 / 101)
    assert "fewer than 1" in wording.posterior_words("-4", "0.001")


def test_why_it_can_not_say_is_said(api: Any, alice: User, work: Work, photo: bytes, install: Install) -> None:
    install("hesitates")
    asset = work(alice, photo)
    examine(asset, "hesitates")
    body = api().get(f"/api/v1/assets/{asset.pk}/findings").json()
    [answer], [finding] = body["answers"], body["runs"][0]["findings"]
    assert (answer["answer"], answer["reason"], answer["log_likelihood_ratio"]) == ("cant_say", "flips", None)
    assert finding["answer_words"] == "Can’t say" and finding["log_likelihood_ratio"] is None


# --- Serving ---------------------------------------------------------------------------------------------------------


def test_examinations_wait_by_their_cost_and_what_a_deadline_waits_for_first(
    alice: User, work: Work, photo: bytes, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("weighs", queue="infer")
    asset = work(alice, photo)
    slow, quick = request_examination(asset, ["weighs"]), request_examination(asset, ["declared"])
    assert (examination.queue_of(slow), examination.queue_of(quick)) == ("infer", "detect")
    monkeypatch.setattr(examination, "_urgencies", [lambda one: one.pk == asset.pk])
    assert examination.queue_of(slow) == "urgent"


def test_a_registered_work_asks_for_its_slow_detectors_in_a_job_of_their_own(
    alice: User, work: Work, photo: bytes, install: Install, settings: Any
) -> None:
    install("weighs", queue="infer")
    asset = work(alice, photo)
    for examined, asked in (("quick", 0), ("all", 1)):
        settings.ASSAY_EXAMINE = examined
        from policy import pipeline

        pipeline._request_slow_ones(asset, None)
        assert Job.objects.filter(name=examination.JOB).count() == asked
    jobs.run(str(Job.objects.get(name=examination.JOB).pk))
    assert Run.objects.get(asset=asset, detector="weighs").state == "done"


def test_a_detector_that_lacks_something_is_switched_off_and_says_so_in_words(install: Install) -> None:
    info = replace(install("weighs"), missing=("clip-vit-b16",))
    said = registry.why_not(info, "image", "image/jpeg")
    assert said.startswith("not examined: ") and "CLIP ViT-B/16" in said and "manage.py train tower" in said
    assert "reads pictures, not sound" in registry.why_not(info, "audio", "audio/wav")


# --- The command line ------------------------------------------------------------------------------------------------


def detect(*arguments: str) -> tuple[list[dict[str, Any]], int]:
    out, status = io.StringIO(), 0
    try:
        call_command("detect", *arguments, "--json", stdout=out)
    except CommandError as error:
        status = error.returncode
    return [json.loads(line) for line in out.getvalue().splitlines()], status


@pytest.fixture
def only(install: Install, monkeypatch: pytest.MonkeyPatch) -> Install:
    """only(name): that detector and no other."""

    def one(name: str, **more: Any) -> Any:
        info = install(name, **more)
        monkeypatch.setattr("detection.registry.all_detectors", lambda: (info,))
        return info

    return one


def test_one_line_a_file_with_the_answer_and_its_weight(only: Install, photo_path: Path, db: None) -> None:
    only("weighs")
    [told], status = detect(str(photo_path))
    assert status == 0 and told["file"] == str(photo_path) and told["modality"] == "image"
    assert (told["verdict"], told["log_likelihood_ratio"], told["interval"]) == ("signals", 1.2, [0.8, 1.6])
    [detector] = told["detectors"]
    assert detector["state"] == "done" and detector["findings"][0]["calibration"] == "cal-0123456789ab"
    assert not Run.objects.exists() and not Finding.objects.exists()


def test_an_experiment_weighs_nothing_beside_a_detector_that_was_asked(
    install: Install, monkeypatch: pytest.MonkeyPatch, photo_path: Path, db: None
) -> None:
    both = install("hesitates"), install("weighs", experimental=True)
    monkeypatch.setattr("detection.registry.all_detectors", lambda: both)
    [told], _ = detect(str(photo_path))
    assert (told["verdict"], told["log_likelihood_ratio"], told["reason"]) == ("cant_say", None, "flips")
    assert told["standing"] == "shipped" and told["answers"][0]["detectors"] == ["hesitates"]
    assert told["detectors"][1]["findings"][0]["log_likelihood_ratio"] == 1.2


def test_where_only_experiments_were_asked_who_runs_the_office_is_told_so(
    only: Install, photo_path: Path, db: None
) -> None:
    only("weighs", experimental=True)
    [told], _ = detect(str(photo_path))
    assert (told["verdict"], told["log_likelihood_ratio"], told["standing"]) == ("signals", 1.2, "experimental")
    out = io.StringIO()
    call_command("detect", str(photo_path), stdout=out)
    assert "experimental: often wrong" in out.getvalue()


def test_a_detector_that_dies_takes_nobody_with_it(only: Install, photo_path: Path, tmp_path: Path, db: None) -> None:
    only("aborts")
    other = tmp_path / "other.jpg"
    other.write_bytes(photo_path.read_bytes())
    told, status = detect(str(photo_path), str(other), str(tmp_path / "nothing.jpg"))
    assert status == 1 and [one["verdict"] for one in told] == ["cant_say"] * 3
    assert [one["detectors"][0]["state"] for one in told[:2]] == ["failed"] * 2
    assert told[2]["error"]["code"] == "file.missing"


def test_a_region_reaches_the_detector_and_nonsense_does_not(only: Install, photo_path: Path, db: None) -> None:
    only("weighs")
    [told], _ = detect(str(photo_path), "--region", "0.1,0.2,0.5,0.5")
    assert told["detectors"][0]["findings"][0]["details"]["region"] == ["0.1", "0.2", "0.5", "0.5"]
    for nonsense in ("0,0,2,1", "a,b,c,d", "0,0,1", "nan,0,1,1"):
        with pytest.raises(CommandError):
            call_command("detect", str(photo_path), "--region", nonsense)


def test_a_name_the_system_refuses_stops_no_other_file(
    only: Install, photo_path: Path, tmp_path: Path, db: None
) -> None:
    only("weighs")
    odd = tmp_path / os.fsdecode(b"caf\xe9\x1b[2J.jpg")
    odd.write_bytes(photo_path.read_bytes())
    told, status = detect(str(tmp_path / ("x" * 300)), str(odd), str(photo_path))
    assert status == 1 and [one.get("error", {}).get("code") for one in told] == ["file.unreadable", None, None]
    assert told[1]["file"] == str(odd)
    out = io.StringIO()
    call_command("detect", str(odd), stdout=out)
    assert "\x1b" not in out.getvalue() and "caf" in out.getvalue()
