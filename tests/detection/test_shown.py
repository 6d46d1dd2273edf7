"""What is said of a work today is said by what serves today, and its pictures go to whom the work goes."""

import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from accounts.models import User
from core import storage
from detection.examination import examine
from detection.models import ModelVersion, Run
from detection.shown import runs_of
from provenance.models import Asset
from tests.detection.conftest import Install, Work


def versions_shown(asset: Asset, viewer: User | None = None) -> list[str]:
    return [run.version for run in runs_of(viewer, asset.pk) if run.detector == "weighs"]


@pytest.fixture
def examined(alice: User, work: Work, photo: bytes, install: Install) -> Asset:
    install("weighs", "1")
    asset = work(alice, photo)
    examine(asset, "weighs")
    return asset


def test_the_latest_version_speaks_and_none_before_it(examined: Asset, install: Install, api: Any) -> None:
    install("weighs", "2")
    assert versions_shown(examined) == ["1"], "nobody has looked again yet"
    examine(examined, "weighs")
    assert versions_shown(examined) == ["2"]
    told = api().get(f"/api/v1/assets/{examined.pk}/findings").json()
    assert [run["version"] for run in told["runs"]] == ["2"]
    assert told["answers"][0]["detectors"] == ["weighs"]


def test_what_a_model_said_that_was_rolled_back_is_not_said_any_more(examined: Asset, olga: User, api: Any) -> None:
    Run.objects.filter(asset=examined).update(version="1+bad")
    bad = ModelVersion.objects.create(
        detector="weighs", version="bad", digest="sha256:" + "b" * 64, registered_by=olga, stage="champion"
    )
    assert versions_shown(examined) == ["1+bad"]
    ModelVersion.objects.filter(pk=bad.pk).update(stage="retired")
    assert versions_shown(examined) == []
    assert api().get(f"/api/v1/assets/{examined.pk}/findings").json()["answers"] == []


def test_a_champion_has_the_word_even_where_another_looked_later(examined: Asset, olga: User, install: Install) -> None:
    ModelVersion.objects.create(
        detector="weighs", version="7", digest="sha256:" + "7" * 64, registered_by=olga, stage="champion"
    )
    Run.objects.filter(asset=examined).update(version="1+7")
    Run.objects.create(asset=examined, detector="weighs", version="1", model_digest="sha256:1", state="done")
    assert versions_shown(examined) == ["1+7"]


def test_a_detector_that_became_experimental_takes_back_what_it_said(
    examined: Asset, install: Install, rita: User, api: Any
) -> None:
    install("weighs", "2", experimental=True)
    assert versions_shown(examined) == [] and versions_shown(examined, rita) == ["1"]
    assert api().get(f"/api/v1/assets/{examined.pk}/findings").json()["answers"] == []


def test_a_heat_map_is_kept_from_whom_its_picture_is_kept(examined: Asset, api: Any, client: Client) -> None:
    drawn = io.BytesIO()
    Image.new("RGBA", (8, 8)).save(drawn, "PNG")
    finding = Run.objects.get(asset=examined).findings.get()
    finding.heatmap_key = storage.keep_bytes(drawn.getvalue())[0]
    finding.save()
    machine, page = f"/api/v1/findings/{finding.pk}/heatmap", reverse("asset_heat_map", args=[examined.pk, finding.pk])
    shown = client.get(page)
    assert b"".join(shown.streaming_content).startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert (api().get(machine).status_code, shown.status_code) == (200, 200)
    Asset.objects.filter(pk=examined.pk).update(restriction=Asset.Restriction.AGE_RESTRICTED)
    assert (api().get(machine).status_code, client.get(page).status_code) == (403, 403)
