"""The API of examinations, and the section “findings” of every report."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from accounts.models import Scope, User
from accounts.tokens import create_token
from core import jobs
from detection import registry
from detection.examination import examine
from detection.models import Finding
from provenance import restriction
from provenance.models import Asset
from tests.detection import media
from tests.detection.conftest import Install, Work


@pytest.fixture
def examined(alice: User, work: Work, photo: bytes, install: Install) -> Asset:
    install("draws")
    asset = work(alice, photo)
    examine(asset, "draws")
    examine(asset, "declared")
    return asset


def test_anyone_reads_the_findings_of_a_public_work_with_how_far_to_trust_them(api: Callable, examined: Asset) -> None:
    answer = api().get(f"/api/v1/assets/{examined.pk}/findings")
    assert answer.status_code == 200
    body = answer.json()
    assert body["note"].startswith("Uncalibrated")
    assert [run["detector"] for run in body["runs"]] == ["declared", "draws"]
    for run in body["runs"]:
        for finding in run["findings"]:
            assert finding["calibrated"] is False and finding["strength_words"].endswith("(uncalibrated)")


def test_the_heat_map_is_a_picture_nobody_keeps(api: Callable, examined: Asset) -> None:
    runs = api().get(f"/api/v1/assets/{examined.pk}/findings").json()["runs"]
    address = next(one["heatmap"] for run in runs for one in run["findings"] if one["heatmap"])
    answer = api().get(address)
    assert answer.status_code == 200 and answer["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer["Cache-Control"] == "private, no-cache" and answer["X-Content-Type-Options"] == "nosniff"


def test_findings_of_a_hidden_work_are_for_its_owner_and_reviewers_its_heat_map_for_its_owner(
    api: Callable, examined: Asset, alice: User, mallory: User, rita: User
) -> None:
    finding = Finding.objects.exclude(heatmap_key="").get()
    address = f"/api/v1/findings/{finding.pk}/heatmap"
    restriction.restrict(examined, "hidden")
    # Reviewers see pictures of hidden works at the desk, where each view is recorded with its reason.
    for path, reviewer in ((f"/api/v1/assets/{examined.pk}/findings", 200), (address, 403)):
        for somebody, status in ((None, 404), (mallory, 404), (alice, 200), (rita, reviewer)):
            assert api(somebody).get(path).status_code == status, (path, somebody)


def test_a_token_that_may_not_read_assets_sees_what_the_public_sees(
    api: Callable, examined: Asset, alice: User
) -> None:
    finding = Finding.objects.exclude(heatmap_key="").get()
    restriction.restrict(examined, "hidden")
    for scope, status in ((Scope.NOTICES_WRITE, 404), (Scope.ASSETS_READ, 200)):
        _, secret = create_token(alice, name="machine", scopes=[scope], days=1)
        machine = api()
        machine.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        for path in (f"assets/{examined.pk}/findings", f"findings/{finding.pk}/heatmap"):
            assert machine.get(f"/api/v1/{path}").status_code == status, (path, scope)


def test_the_owner_asks_for_an_examination_and_watches_its_job(
    api: Callable, alice: User, work: Work, photo: bytes
) -> None:
    asset = work(alice, photo)
    asked = api(alice).post(f"/api/v1/assets/{asset.pk}/examinations", {"detectors": ["declared"]})
    assert asked.status_code == 202
    job = asked.json()
    assert job["state"] == "queued" and asked["Location"] == f"/api/v1/jobs/{job['id']}"
    jobs.run(job["id"])
    watched = api(alice).get(asked["Location"]).json()
    assert (watched["state"], watched["progress"], watched["asset"]) == ("done", 100, str(asset.pk))


def test_others_may_neither_ask_nor_watch(
    api: Callable, alice: User, mallory: User, rita: User, work: Work, photo: bytes
) -> None:
    asset = work(alice, photo)
    address = f"/api/v1/assets/{asset.pk}/examinations"
    assert api().post(address, {}).status_code in (401, 403)
    assert api(mallory).post(address, {}).status_code == 403
    asked = api(rita).post(address, {})
    assert asked.status_code == 202
    job = asked["Location"]
    assert api().get(job).status_code in (401, 403)
    assert api(mallory).get(job).status_code == 404
    assert api(alice).get(job).status_code == 200


@pytest.mark.parametrize("body", [{"detectors": "declared"}, {"detectors": [{"a": 1}]}, {"detectors": ["x" * 99]}, [1]])
def test_a_malformed_request_is_told_what_is_wrong(
    api: Callable, alice: User, work: Work, photo: bytes, body: object
) -> None:
    answer = api(alice).post(f"/api/v1/assets/{work(alice, photo).pk}/examinations", body)
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("application/problem+json") and answer.json()["code"] == "request.invalid"


def test_what_does_not_exist_is_not_found(api: Callable, alice: User, work: Work, photo: bytes) -> None:
    asset = work(alice, photo)
    assert api(alice).post(f"/api/v1/assets/{asset.pk}/examinations", {"detectors": ["crystal"]}).status_code == 404
    for path in (f"assets/{uuid4()}/findings", f"jobs/{uuid4()}", f"findings/{uuid4()}/heatmap"):
        assert api(alice).get(f"/api/v1/{path}").status_code == 404


def test_the_detectors_are_listed_for_everyone(api: Callable, db: None) -> None:
    body = api().get("/api/v1/detectors").json()
    told = {one["name"]: one for one in body}
    assert list(told) == [info.name for info in registry.all_detectors()]
    assert (told["declared"]["question"], told["declared"]["standing"]) == ("declared", "shipped")
    assert all("## What it cannot" in one["card"] for one in body)


def test_a_report_on_any_file_says_what_the_file_declares(db: None, tmp_path: Path, photo: bytes) -> None:
    from provenance.verification import verify_file

    data = media.png(media.photograph(photo), parameters="a fox, Steps: 20, Sampler: Euler, CFG scale: 7")
    path = tmp_path / "fox.png"
    path.write_bytes(data)
    section = verify_file(path, hashlib.sha256(data).hexdigest()).as_dict()["sections"]["findings"]
    [run] = section["runs"]
    [declared] = run["findings"]
    assert run["about"] == "this_file" and run["detector"] == "declared"
    assert declared["strength_words"] == "Strong signal (uncalibrated)" and declared["heatmap"] is None
    assert section["note"].startswith("Uncalibrated")


def test_a_report_on_a_registered_file_shows_what_the_register_found(examined: Asset, photo_path: Path) -> None:
    from provenance.verification import verify_file

    sha256 = hashlib.sha256(photo_path.read_bytes()).hexdigest()
    section = verify_file(photo_path, sha256).as_dict()["sections"]["findings"]
    assert [(run["about"], run["detector"]) for run in section["runs"]] == [
        ("this_file", "declared"),
        ("registered_work", "declared"),
        ("registered_work", "draws"),
    ]
    assert {run["asset_id"] for run in section["runs"]} == {None, str(examined.pk)}


def test_a_report_keeps_the_findings_of_a_hidden_work_from_the_public(examined: Asset, photo_path: Path) -> None:
    from provenance.verification import verify_file

    restriction.restrict(examined, "hidden")
    sha256 = hashlib.sha256(photo_path.read_bytes()).hexdigest()
    section = verify_file(photo_path, sha256).as_dict()["sections"]["findings"]
    assert [run["about"] for run in section["runs"]] == ["this_file"]
