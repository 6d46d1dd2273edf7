"""Drift: fifty scores are enough to see a shifted source, and benign ones stay quiet (T9 of the methods)."""

import json
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest
from django.core.mail import EmailMessage
from django.db import transaction
from scipy import stats

from accounts.models import Organisation, User
from core.problems import Forbidden, Problem
from detection import drift, drift_alarms, versions
from detection.models import DriftWindow, Finding, Run
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from provenance.models import Asset

Work = Callable[..., Asset]


def test_a_shifted_source_is_flagged_with_50_items_and_of_20_benign_windows_at_most_one() -> None:
    random = np.random.default_rng(2)
    reference = random.normal(-1.0, 0.6, 300)
    benign = [random.normal(-1.0, 0.6, drift.WINDOW) for _ in range(20)]
    shifted = random.normal(0.2, 0.9, drift.WINDOW)
    found = drift.judge([(reference, window) for window in [*benign, shifted]])
    assert sum(one.shifted for one in found[:20]) <= 1
    assert found[20].shifted and found[20].ks_p < 1e-6


def test_a_change_of_spread_alone_is_seen_too() -> None:
    random = np.random.default_rng(3)
    found = drift.judge([(random.normal(0, 1, 400), random.normal(0, 4, drift.WINDOW))])
    assert found[0].shifted


def test_benign_windows_by_the_hundred_raise_an_alarm_no_more_often_than_promised() -> None:
    random = np.random.default_rng(4)
    families = []
    for _ in range(60):
        reference = random.normal(0, 1, 300)
        windows = [random.normal(0, 1, drift.WINDOW) for _ in range(10)]
        families.append(any(one.shifted for one in drift.judge([(reference, window) for window in windows])))
    assert sum(families) <= 4  # 60 families at 1 %: more than 4 is one in 3,000


def test_the_stability_index_of_scores_that_are_all_alike_is_no_alarm() -> None:
    index, p = drift.psi([1.0] * 100, [1.0] * 50)
    assert index < 0.01 and p > 0.5
    with pytest.raises(ValueError, match="no scores"):
        drift.psi([], [1.0])


def test_the_stability_index_without_a_shift_follows_its_distribution() -> None:
    random = np.random.default_rng(6)
    ps = [drift.psi(random.normal(size=500), random.normal(size=50))[1] for _ in range(200)]
    assert stats.kstest(ps, "uniform").pvalue > 1e-3


# --- In an office ----------------------------------------------------------------------------------------------------


@pytest.fixture
def scored(work: Work, alice: User) -> Callable[..., None]:
    """scored(values, organisation) → findings with these scores on works of it."""
    asset = work(alice, b"a photograph")
    made = 0

    def add(values: np.ndarray, organisation: Organisation) -> None:
        nonlocal made
        made += 1
        mine = _another(asset, organisation, made)
        with transaction.atomic():
            entry = log.append(EventType.DETECTION_RECORDED, actor="system:detection", role="system")
            run = Run.objects.create(
                asset=mine, detector="forensics", version=f"{made}", model_digest="sha256:1", state="done", entry=entry
            )
            for value in values:
                details = {"re_shipped": {"as_is": f"{value:.4f}"}}
                Finding.objects.create(
                    run=run, signal="s", strength="none", statement="-", calibration="cal-1", details=details
                )

    return add


def _another(asset: Asset, organisation: Organisation, number: int) -> Asset:
    asset = Asset.objects.get(pk=asset.pk)
    asset.pk, asset.original_sha256, asset.organisation = None, f"{number:064x}", organisation
    asset.id = type(asset)().id
    with transaction.atomic():
        log.append(EventType.ASSET_REGISTERED, actor="system", role="system")
        asset.save(force_insert=True)
    return asset


def test_each_tenant_is_watched_by_itself_and_an_alarm_is_in_the_log(
    scored: Callable[..., None], alice: User, bob: User, olga: User
) -> None:
    random = np.random.default_rng(8)
    hers, his = alice.organisation, bob.organisation
    for tenant in (hers, his):
        scored(random.normal(-1, 0.5, drift.REFERENCE), tenant)
        scored(random.normal(-1, 0.5, drift.WINDOW), tenant)
    assert [row.alarmed for row in drift.watch()] == [False, False]
    assert drift.watch() == []  # nothing new
    scored(random.normal(1, 0.5, drift.WINDOW), his)
    scored(random.normal(-1, 0.5, drift.WINDOW - 1), hers)  # not a full window yet
    alarm = drift.watch()
    assert [(row.source, row.alarmed) for row in alarm] == [(f"organisation:{his.pk}", True)]  # type: ignore[union-attr]
    assert float(alarm[0].ks_p) < 1e-6

    facts = json.loads(bytes(Entry.objects.get(type=EventType.DRIFT_ALARMED).leaf))["facts"]
    assert facts["source"] == f"organisation:{his.pk}" and facts["step"] == "alarmed"  # type: ignore[union-attr]
    assert not drift.check().ok and "forensics" in drift.check().detail
    with pytest.raises(Forbidden):
        drift.clear("forensics", bob)
    assert drift.clear("forensics", olga) == 1
    assert drift.check().ok
    assert Entry.objects.filter(type=EventType.DRIFT_ALARMED).count() == 2


def test_before_there_is_a_reference_nothing_is_judged(scored: Callable[..., None], alice: User) -> None:
    scored(np.zeros(drift.REFERENCE - 1), alice.organisation)
    assert drift.watch() == [] and not DriftWindow.objects.exists()


def test_an_alarm_reaches_every_operator_once_and_is_not_sent_when_it_was_cleared(
    scored: Callable[..., None],
    alice: User,
    olga: User,
    rita: User,
    settle: Callable[[], None],
    mailoutbox: list[EmailMessage],
) -> None:
    random = np.random.default_rng(10)
    scored(random.normal(-1, 0.5, drift.REFERENCE), alice.organisation)
    for shift in (2, 3):
        scored(random.normal(shift, 0.5, drift.WINDOW), alice.organisation)
        drift.watch()
        if shift == 3:
            drift.clear("forensics", olga)
        settle()
    (mail,) = mailoutbox
    assert mail.to == [olga.email]
    assert "forensics" in mail.subject and "roll back" in mail.body


def test_an_alarm_whose_entry_fails_sends_nothing(
    scored: Callable[..., None],
    alice: User,
    olga: User,
    settle: Callable[[], None],
    mailoutbox: list[EmailMessage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(11)
    scored(random.normal(-1, 0.5, drift.REFERENCE), alice.organisation)
    scored(random.normal(2, 0.5, drift.WINDOW), alice.organisation)

    def refused(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disc is full")

    with monkeypatch.context() as broken:
        broken.setattr(drift_alarms, "tell_operators", refused)
        with pytest.raises(RuntimeError, match="disc"):
            drift.watch()
    settle()
    assert mailoutbox == [] and not DriftWindow.objects.exists()
    assert not Entry.objects.filter(type=EventType.DRIFT_ALARMED).exists()


# --- What one bad stream, file or text may not do --------------------------------------------------------------------


def test_files_without_a_score_among_the_first_ones_do_not_silence_the_alarm(
    scored: Callable[..., None], alice: User
) -> None:
    """Mallory hands in a picture that is too small to be scored; her texts that are no numbers count as little."""
    random = np.random.default_rng(12)
    scored(random.normal(-1, 0.5, drift.REFERENCE), alice.organisation)
    run = Run.objects.get()
    for number, text in enumerate(["", "nan", "inf", "nan?"]):
        details = {"re_shipped": {"as_is": text}} if text else {}
        Finding.objects.create(
            id=UUID(int=number), run=run, signal="s", strength="none", statement="-", calibration="c", details=details
        )  # older than all others
    scored(random.normal(2, 0.5, drift.WINDOW), alice.organisation)
    assert [(row.size, row.alarmed) for row in drift.watch()] == [(drift.WINDOW, True)]


@pytest.mark.parametrize("harm", ["model.tampered", "reference"])
def test_a_stream_that_cannot_be_read_stops_no_other_and_the_office_is_told(
    scored: Callable[..., None], alice: User, bob: User, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(13)
    scored(random.normal(-1, 0.5, drift.REFERENCE), alice.organisation)
    Run.objects.update(detector="edited_image")
    scored(random.normal(-1, 0.5, drift.REFERENCE), bob.organisation)
    scored(random.normal(2, 0.5, drift.WINDOW), bob.organisation)

    def in_service(detector: str) -> None:
        if detector == "edited_image":
            raise Problem("model.tampered", "Changed") if harm == "model.tampered" else ValueError("no JSON")

    monkeypatch.setattr(versions, "in_service", in_service)
    assert [(row.detector, row.alarmed) for row in drift.watch()] == [("forensics", True)]
    assert not drift.check().ok and "edited_image are not watched" in drift.check().detail


def test_scores_of_a_detector_that_was_taken_out_are_still_judged_by_themselves(
    scored: Callable[..., None], alice: User
) -> None:
    random = np.random.default_rng(14)
    scored(random.normal(-1, 0.5, drift.REFERENCE + drift.WINDOW), alice.organisation)
    Run.objects.update(detector="gone")
    assert [(row.detector, row.alarmed) for row in drift.watch()] == [("gone", False)]
    assert drift.check().ok
