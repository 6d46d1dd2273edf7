"""What no detector can look at is said in words, and nothing breaks over it."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from core import jobs
from core.models import Job
from core.problems import NotFound
from detection import examination, registry
from detection.models import Run
from policy import pipeline
from policy.models import PipelineStep
from provenance.models import Asset
from tests.detection.conftest import Work
from tests.provenance import media_made

Api = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def two_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of what cannot be examined hangs on no detector but these."""
    two = tuple(registry.detector(name) for name in ("declared", "forensics"))
    monkeypatch.setattr(registry, "all_detectors", lambda: two)
    monkeypatch.setattr(registry, "abouts", lambda: tuple(one.about for one in two))
    monkeypatch.setattr(pipeline, "STEPS", pipeline._steps())


def _process(asset: Asset) -> Job:
    job = jobs.enqueue("asset.process", asset=str(asset.pk))
    jobs.run(str(job.pk))
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("media_type", ["image/tiff", "image/gif", "image/avif", "image/heic", "image/jxl"])
def test_pictures_of_every_decodable_format_are_examined(media_type: str, alice: User, work: Work) -> None:
    asset = work(alice, media_made.make(media_type, width=320), media_type)
    assert examination.unexamined(asset) == []
    for detector in ("declared", "forensics"):
        run = examination.examine(asset, detector)
        assert (run.state, run.error_detail) == ("done", ""), detector


@pytest.mark.parametrize("media_type", ["video/quicktime", "video/avi", "video/webm"])
def test_videos_of_every_decodable_format_are_examined(media_type: str, alice: User, work: Work) -> None:
    asset = work(alice, media_made.make(media_type), media_type)
    assert examination.examine(asset, "declared").state == "done"
    run = examination.examine(asset, "forensics")
    # 160 × 120 pixels are too few for it, which it can only know after decoding.
    [finding] = run.findings.all()
    assert (run.state, finding.answer, finding.reason) == ("done", "cant_say", "too_small")
    assert "160 × 120" in finding.statement and finding.answer_words == "Can’t say"


@pytest.mark.parametrize(
    ("media_type", "kind", "able", "why"),
    [
        ("audio/mpeg", "audio", {"declared"}, "reads pictures, video, not sound"),
        ("application/pdf", "document", {"declared"}, "reads pictures, video, not documents"),
        ("image/svg+xml", "image", {"declared"}, "cannot read files of this kind (SVG)"),
        ("text/plain", "file", set(), "not other files"),
    ],
)
def test_what_a_detector_cannot_read_is_said_and_its_step_is_done(
    media_type: str, kind: str, able: set[str], why: str, alice: User, work: Work
) -> None:
    asset = work(alice, media_made.make(media_type), media_type)
    Asset.objects.filter(pk=asset.pk).update(kind=kind)
    asset.refresh_from_db()
    said = {info.name: words for info, words in examination.unexamined(asset)}
    assert all(words.startswith("not examined: ") for words in said.values())
    assert why in said["forensics"]
    assert {info.name for info in registry.all_detectors()} - set(said) == able
    assert _process(asset).state == Job.State.DONE
    assert set(Run.objects.values_list("detector", "state")) == {(name, "done") for name in able}
    rows = dict(PipelineStep.objects.values_list("step", "error_code"))
    assert rows["examine:forensics"] == "detection.not_examined"
    assert set(PipelineStep.objects.values_list("state", flat=True)) == {PipelineStep.State.DONE}
    assert len(rows) == len(pipeline.STEPS)


def test_a_work_that_was_never_sent_is_not_examined_and_says_so(
    alice: User, work: Work, photo: bytes, api: Api
) -> None:
    asset = work(alice, photo)
    Asset.objects.filter(pk=asset.pk).update(held=False)
    asset.refresh_from_db()
    assert _process(asset).state == Job.State.DONE
    assert not Run.objects.exists()
    told = api().get(f"/api/v1/assets/{asset.pk}/findings").json()
    assert {one["detector"] for one in told["not_examined"]} == {info.name for info in registry.all_detectors()}
    assert all("never sent" in one["why"] for one in told["not_examined"])
    with pytest.raises(NotFound):
        examination.request_examination(asset)


def test_the_pages_of_a_work_say_what_was_not_examined(alice: User, work: Work, client: object) -> None:
    asset = work(alice, media_made.make("audio/wav"), "audio/wav")
    page = client.get(f"/assets/{asset.pk}/")  # type: ignore[attr-defined]
    assert page.status_code == 200
    assert "“Noise and compression inconsistency” reads pictures, video, not sound." in (page.content.decode())
