"""Which entries a query's bundle reaches over, and that a reader can work out the same from the file alone."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no types are published with it
import pytest

from ledger import bundlewords, custody, reading
from ledger.bundle import BundleScope, BundleSummary, bundle_scope, edge_slack, write_bundle
from ledger.models import Checkpoint, Entry
from tests.ledger.bundles import disclosed, failures, members_of, written
from tests.ledger.conftest import Record

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

Grow = Callable[[int], list[Entry]]


@pytest.fixture
def checkpoint(signed_log: Grow) -> Checkpoint:
    signed_log(6)
    found = reading.latest_checkpoint()
    assert found
    return found


def at(index: int) -> dt.datetime:
    return Entry.objects.get(sequence__index=index).created_at


def test_without_dates_the_range_is_the_whole_log(checkpoint: Checkpoint) -> None:
    assert bundle_scope(checkpoint) == BundleScope(0, 6)
    assert bundle_scope(checkpoint, types=["b:c", "a:b", "b:c"]).types == ("a:b", "b:c")


def test_dates_within_the_merge_delay_of_each_other_reach_over_the_whole_log(checkpoint: Checkpoint) -> None:
    scope = bundle_scope(checkpoint, since=at(2), until=at(4))
    assert (scope.first, scope.count) == (0, 6)
    assert edge_slack() == 3605


def test_with_time_between_them_the_range_is_one_entry_wider_than_the_dates(
    checkpoint: Checkpoint, settings: Any
) -> None:
    settings.ASSAY_LOG_MMD = settings.ASSAY_LOG_CLOCK_TOLERANCE = 0
    scope = bundle_scope(checkpoint, since=at(2), until=at(4))
    assert (scope.first, scope.count) == (1, 4)
    assert bundle_scope(checkpoint, since=at(5) + dt.timedelta(days=1)) == BundleScope(
        5, 1, since=at(5) + dt.timedelta(days=1)
    )
    assert bundle_scope(checkpoint, until=at(0)).count == 1


def test_the_query_of_a_bundle_is_verified_with_its_ends(checkpoint: Checkpoint, settings: Any) -> None:
    settings.ASSAY_LOG_MMD = settings.ASSAY_LOG_CLOCK_TOLERANCE = 0
    queries: list[dict[str, Any]] = [{"since": at(2)}, {"until": at(4)}, {"since": at(2), "until": at(4)}, {}]
    for dates in queries:
        scope = bundle_scope(checkpoint, types=["asset:registered"], **dates)
        bundle = written(scope.first, scope.count, scope=scope)
        assert failures(bundle, custody.log_verifier()) == {}, dates
        manifest = json.loads(members_of(bundle)["manifest.json"])
        assert manifest["selection"]["by"] == "query"
        wanted = sum(dates.get("since", at(0)) <= at(n) < dates.get("until", at(5) + dt.timedelta(1)) for n in range(6))
        assert manifest["selection"]["count"] == wanted


def test_nothing_that_matches_is_an_answer_that_is_proved_too(checkpoint: Checkpoint) -> None:
    bundle = written(0, 6, scope=bundle_scope(checkpoint, types=["case:opened"]))
    assert failures(bundle, custody.log_verifier()) == {}
    assert json.loads(members_of(bundle)["manifest.json"])["selection"] == {"by": "query", "count": 0}


def test_a_list_of_what_was_asked_for_is_kept_as_runs(checkpoint: Checkpoint) -> None:
    bundle = written(0, 6, scope=bundle_scope(checkpoint, selected=iter([0, 1, 3, 5])))
    assert members_of(bundle)["selected.jsonl"] == b"[0,2]\n[3,1]\n[5,1]\n"
    assert failures(bundle, custody.log_verifier()) == {}


def test_files_go_along_under_their_digests(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"\xff" * 3_000_000)
    files: dict[str, Path | bytes] = {"report.pdf": b"%PDF-", "media/1.jpg": tmp_path / "media"}
    bundle = written(0, 6, files=files)
    members = members_of(bundle)
    assert [name for name in members if name.startswith("files/")] == ["files/media/1.jpg", "files/report.pdf"]
    assert len(members["files/media/1.jpg"]) == 3_000_000
    assert failures(bundle, custody.log_verifier()) == {}


def test_progress_counts_the_entries_and_the_summary_names_the_bundle(checkpoint: Checkpoint) -> None:
    told: list[int] = []
    target, scope = io.BytesIO(), bundle_scope(checkpoint)
    summary = write_bundle(target, scope=scope, disclosures=disclosed(0, 6), about={}, progress=told.append)
    assert told == [6]
    manifest = members_of(target.getvalue())["manifest.json"]
    assert summary == BundleSummary(0, 6, 6, 12, 6, bytes(checkpoint.root).hex(), hashlib.sha256(manifest).hexdigest())


def test_the_schema_describes_what_is_written(checkpoint: Checkpoint, record: Record) -> None:
    members = members_of(written(0, 6))
    schema = json.loads(members["schema.json"])
    assert schema == bundlewords.SCHEMA
    jsonschema.Draft202012Validator.check_schema(schema)
    for kind, name in (("leaf", "leaves.jsonl"), ("disclosure", "disclosures.jsonl"), ("selected", "selected.jsonl")):
        validator = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"})
        rows = [json.loads(line) for line in members[name].splitlines()]
        assert rows
        for row in rows:
            validator.validate(row)
        assert not validator.is_valid({"index": -1})
    jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/manifest"}).validate(
        json.loads(members["manifest.json"])
    )
