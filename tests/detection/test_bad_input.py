"""Files that do harm to careless readers, through the command and through the upload: an answer in words each time."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from detection import examination, registry, unregistered
from detection.models import Run
from provenance.models import Asset
from tests.detection import bad_files

NAMES = ("eight-channels.wav", "one-pixel.png", "cut-off.heic", "turned.heic", "cut-off.mp4", "turned.mp4",
         "cut-off.flac", "turned.flac", "ten-hours.mp4", "5000-frames.webp")  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return bad_files.every(tmp_path_factory.mktemp("bad"))


@pytest.mark.only_on("sqlite")
def test_each_detector_says_in_words_what_it_cannot_do_and_none_is_killed(
    files: dict[str, bytes], tmp_path: Path, db: None
) -> None:
    for name in ("eight-channels.wav", "one-pixel.png", "cut-off.heic", "turned.mp4", "cut-off.flac"):
        path = tmp_path / name
        path.write_bytes(files[name])
        examined = unregistered.examine_file(path)
        assert any(one.readings or one.refusal for one in examined.looked), name
        for one in examined.looked:
            if one.refusal:
                assert one.refusal.code.startswith("detection."), (name, one.info.name, one.refusal.code)
                assert one.refusal.status == 422 and one.refusal.detail
            for reading in one.readings:
                assert reading.statement


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_is_registered_and_examined_or_refused_in_words(
    files: dict[str, bytes], name: str, alice: User
) -> None:
    client = APIClient()
    client.force_authenticate(alice)
    upload = SimpleUploadedFile(name, files[name])
    form = {"file": upload, "title": "Odd", "source_type": "print", "training": "allowed"}
    answer = client.post("/api/v1/assets", form, format="multipart")
    told = answer.json()
    if answer.status_code == 201:
        asset = Asset.objects.get(pk=told["id"])
        for info in registry.all_detectors():
            if not info.is_slow and not registry.why_not(info, asset.kind, asset.media_type):
                run = examination.examine(asset, info.name)
                assert run.state == Run.State.DONE or run.error_code.startswith("detection."), info.name
    else:
        assert answer.status_code == 422, told
        assert told["code"] in ("media.truncated", "media.too_long", "media.too_many_frames") and told["detail"]
