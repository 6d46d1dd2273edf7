"""Reports behind lasting links: read by their link, gone on their day, and with a work that is hidden."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from config import settings as office
from core import storage
from core.clock import now
from core.problems import Conflict, NotFound, Problem
from provenance import kept, tasks
from provenance.models import Asset, KeptReport
from provenance.restriction import lift, restrict
from provenance.verification import verify_file
from tests.provenance import media_made
from tests.provenance.conftest import Register

Api = Callable[..., APIClient]


@pytest.fixture
def report_on() -> Callable[..., dict[str, Any]]:
    def make(data: bytes, **options: Any) -> dict[str, Any]:
        with storage.receive([data]) as scratch:
            return verify_file(scratch.path, scratch.sha256, **options).as_dict()

    return make


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo, title="Rocket over the marsh")


def _at(kept_report: KeptReport) -> str:
    return f"/api/v1/verifications/kept/{kept_report.pk}"


def test_a_report_is_kept_as_it_was_told(photo: bytes, work: Asset, report_on: Callable, api: Api) -> None:
    report = report_on(photo)
    found = kept.keep(report)
    assert kept.get(found.pk).report == report
    body = api().get(_at(found)).json()
    assert body["report"] == report
    assert body["sha256"] == report["file"]["sha256"]
    assert dt.datetime.fromisoformat(body["until"]) - dt.datetime.fromisoformat(body["kept_at"]) > dt.timedelta(days=29)


def test_no_cache_and_no_index_holds_a_kept_report(photo: bytes, db: None, report_on: Callable, api: Api) -> None:
    response = api().get(_at(kept.keep(report_on(photo))))
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Robots-Tag"] == "noindex"


def test_a_report_is_kept_for_a_month(photo: bytes, db: None, report_on: Callable) -> None:
    found = kept.keep(report_on(photo))
    assert dt.timedelta(days=30, minutes=-1) < found.until - now() <= dt.timedelta(days=30)


def test_on_its_day_it_is_gone_before_anybody_swept(photo: bytes, db: None, report_on: Callable, api: Api) -> None:
    found, other = kept.keep(report_on(photo)), kept.keep(report_on(photo))
    KeptReport.objects.filter(pk=found.pk).update(until=now())
    assert api().get(_at(found)).status_code == 404
    tasks.expire_reports()
    assert list(KeptReport.objects.all()) == [other]


def test_beat_sweeps_what_is_past_its_day() -> None:
    assert tasks.expire_reports.name in {entry["task"] for entry in office.CELERY_BEAT_SCHEDULE.values()}


@pytest.mark.parametrize("exact", [True, False])
def test_a_hidden_work_takes_the_reports_that_name_it_along(
    exact: bool, photo: bytes, work: Asset, report_on: Callable, api: Api
) -> None:
    report = report_on(photo if exact else media_made.as_jpeg(photo, 500))
    assert work.title in str(report)
    found = kept.keep(report)
    restrict(work, "hidden")
    assert api().get(_at(found)).status_code == 404
    with pytest.raises(NotFound):
        kept.get(found.pk)
    lift(work)
    assert kept.get(found.pk).report == report


def test_what_only_its_owner_sees_is_not_kept_for_others(
    photo: bytes, work: Asset, alice: User, report_on: Callable
) -> None:
    restrict(work, "hidden")
    with pytest.raises(Conflict):
        kept.keep(report_on(photo, viewer=alice))
    assert not KeptReport.objects.exists()


def test_a_report_without_measure_is_not_kept(photo: bytes, db: None, report_on: Callable) -> None:
    report = {**report_on(photo), "sections": {"x": "x" * kept.MAX_BYTES}}
    with pytest.raises(Problem) as refusal:
        kept.keep(report)
    assert (refusal.value.code, refusal.value.status) == ("report.too_large", 413)
    assert not KeptReport.objects.exists()


def test_who_serves_the_office_can_take_a_report_away(
    photo: bytes, alice: User, rita: User, olga: User, report_on: Callable, api: Api
) -> None:
    for person, status in ((None, 401), (alice, 403), (rita, 204), (olga, 204)):
        found = kept.keep(report_on(photo))
        client = api(person) if person else api()
        assert client.delete(_at(found)).status_code == status
        assert KeptReport.objects.filter(pk=found.pk).exists() == (status != 204)


def test_a_link_that_leads_nowhere(api: Api, olga: User) -> None:
    nowhere = f"/api/v1/verifications/kept/{uuid.uuid4()}"
    assert api().get(nowhere).json()["code"] == "not_found"
    assert api(olga).delete(nowhere).status_code == 404
