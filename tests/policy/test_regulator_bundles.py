"""What an authority asks for and is given: only of its places, never of a child, whole, recorded, and provable."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger.models import Entry
from policy.audits import (
    case_trail,
    exports,
    queries,
    regulators,
)
from policy.audits.queries import Query
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, Clock, RegulatorAccount, SavedQuery
from provenance.models import Asset
from tests.policy.bundles import PURPOSE, agree, build, known, members, opened, taken, text_of
from tests.policy.conftest import REASONS, TERMS, FileNotice, MakeAsset, leaf_of

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Settle = Callable[[], None]


@pytest.fixture
def file_notice(file_notice: FileNotice) -> FileNotice:
    """Who files has proved their address."""
    return known(file_notice)


@pytest.fixture
def account(greta: User) -> RegulatorAccount:
    return regulators.entitled(greta)


@pytest.fixture
def hidden(case: Case, rita: User, settle: Settle) -> Case:
    """Dana's, in the European Union: decided."""
    decisions.decide(case, rita, outcome="hide", **TERMS)
    settle()
    return case


# --- What is opened ------------------------------------------------------------------------------------------------


def test_a_regulator_gets_no_disclosure_of_a_case_of_other_places(hidden: Case, greta: User, gus: User) -> None:
    assert REASONS["facts_text"] in text_of(taken(greta, purpose=PURPOSE))
    export = taken(gus, purpose=PURPOSE)
    assert opened(export) == []
    text = text_of(export)
    assert REASONS["facts_text"] not in text and '"category":"likeness"' not in text
    with members(export) as bundle:
        assert hidden.object in bundle.read("leaves.jsonl").decode(), "the entry is there, sealed: nothing is left out"


def test_a_case_that_touches_both_places_is_open_to_both(
    hidden: Case, asset: Asset, file_notice: FileNotice, gus: User, make_asset: MakeAsset, bob: User, settle: Settle
) -> None:
    notice, _ = file_notice(make_asset(bob, "Cove"), jurisdiction="US-TN")
    settle()
    indices = {row["index"] for row in opened(taken(gus, purpose=PURPOSE))}
    objects = {json.loads(bytes(Entry.objects.get(sequence__index=index).leaf))["object"] for index in indices}
    assert objects == {notice.case.object}


def test_scopes_say_what_is_opened(hidden: Case, greta: User, account: RegulatorAccount) -> None:
    names = {}
    for scopes in ([], ["statements"], ["cases"]):
        RegulatorAccount.objects.update(scopes=scopes)
        names[tuple(scopes)] = {row["name"] for row in opened(taken(greta, purpose=PURPOSE))}
    assert names == {(): set(), ("statements",): {"reasons"}, ("cases",): {"about", "reasons"}}


def test_a_childs_case_is_in_no_query_no_file_and_no_bundle_of_an_authority(
    asset: Asset, file_notice: FileNotice, rita: User, greta: User, account: RegulatorAccount, settle: Settle
) -> None:
    notice, _ = file_notice(asset, answers={"minor": "yes"})
    decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    settle()
    assert not queries.in_reach(account).exists()
    asked = Query(categories=("likeness", "child_safety"))
    assert exports.count(greta, asked, purpose=PURPOSE).entries == 0
    with pytest.raises(NotFound):
        exports.request_export(greta, query=asked, purpose=PURPOSE)
    with pytest.raises(NotFound):
        case_trail.trail(greta, notice.case.pk, purpose=PURPOSE)
    assert opened(taken(greta, purpose=PURPOSE)) == []


def test_an_erasure_that_reaches_into_other_places_is_not_joined_for_anybody(
    hidden: Case, greta: User, gus: User, settle: Settle
) -> None:
    from policy.rights import data_rights

    data_rights.erase(hidden.notices.get().filer)
    settle()
    assert "indices" in {row["name"] for row in opened(taken(greta, purpose=PURPOSE))}
    assert opened(taken(gus, purpose=PURPOSE)) == []


# --- Queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"types": ["no:such"]}, "types"),
        ({"types": "notice:filed"}, "types"),
        ({"categories": ["gossip"]}, "categories"),
        ({"jurisdictions": ["XX"]}, "jurisdictions"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-02-02", "until": 7}, "until"),
        ({"since": now(), "until": now() - dt.timedelta(days=1)}, "until"),
        ({"reporter": "Dana"}, "reporter"),
    ],
)
def test_what_cannot_be_asked_is_named(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as refused:
        queries.read(raw)
    assert field in refused.value.extra["errors"]  # type: ignore[operator]


def test_a_query_is_read_back_as_it_was_written() -> None:
    query = queries.read({"types": ["notice:filed"], "since": now(), "orders": True, "jurisdictions": ["EU"]})
    assert queries.read(json.loads(json.dumps(query.as_json()))) == query


def test_cases_are_asked_for_by_category_place_missed_deadline_and_order(
    hidden: Case, greta: User, account: RegulatorAccount, make_asset: MakeAsset, bob: User, file_notice: FileNotice
) -> None:
    other, _ = file_notice(make_asset(bob, "Cove"), category="fraud", jurisdiction="DK")
    Clock.objects.filter(pk=other.case.clocks.first().pk).update(state=Clock.State.BREACHED)  # type: ignore[union-attr]

    def found(**asked: Any) -> set[Any]:
        return set(queries.cases(queries.read(asked), account).values_list("pk", flat=True))

    assert found() == {hidden.pk, other.case.pk}
    assert found(categories=["fraud"]) == {other.case.pk} == found(missed=True)
    assert found(jurisdictions=["DK"]) == {other.case.pk} and found(jurisdictions=["US"]) == set()
    assert found(orders=True) == set()


def test_a_query_about_cases_selects_their_entries_only_and_a_bundle_says_so(
    hidden: Case, greta: User, make_asset: MakeAsset, bob: User, file_notice: FileNotice, settle: Settle
) -> None:
    other, _ = file_notice(make_asset(bob, "Cove"), category="fraud")
    settle()
    counted = exports.count(greta, Query(categories=("fraud",)), purpose=PURPOSE)
    assert (counted.cases, counted.complete) == (1, True)
    rows = exports.query_entries(greta, categories=["fraud"], purpose=PURPOSE)
    assert {row["entry"]["object"] for row in rows} == {other.case.object}
    assert len(rows) == counted.entries
    export = taken(greta, categories=["fraud"], purpose=PURPOSE)
    with members(export) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
    assert manifest["selection"] == {"by": "list", "count": counted.entries}
    assert {row["index"] for row in opened(export)} <= {row["index"] for row in rows}


def test_what_is_asked_about_cases_and_how_much_there_is_stands_nowhere_in_the_open(
    hidden: Case, greta: User, settle: Settle
) -> None:
    """A narrow query and its count, side by side for everybody, would say what a case is about (R22)."""
    exports.count(greta, Query(categories=("likeness",)), purpose=PURPOSE)
    exports.query_entries(greta, categories=["likeness"], missed=False, purpose=PURPOSE)
    case_trail.listed(greta, Query(categories=("likeness",)), purpose=PURPOSE, start=0, limit=9)
    taken(greta, categories=["likeness"], purpose=PURPOSE)
    leaves = [json.loads(bytes(row.leaf)) for row in Entry.objects.filter(type__regex="^(access|export):")]
    assert len(leaves) == 5
    for leaf in leaves:
        assert "likeness" not in str(leaf) and not {"count", "after", "disclosures"} & set(leaf["facts"])
        assert {"asked", "purpose"} & set(leaf["commitments"])
    agree()


def test_pages_of_a_query_about_cases_follow_each_other_without_a_gap(
    hidden: Case, greta: User, account: RegulatorAccount
) -> None:
    query, seen, after = Query(categories=("likeness",)), [], -1
    size = Entry.objects.count()
    while True:
        rows, following = queries.page(query, account, size, after=after, limit=2)
        seen += [row.sequence.index for row in rows]
        if following is None:
            break
        after = following
    assert seen == sorted(set(seen)) and len(seen) == queries.count(query, account, size).entries


def test_operators_ask_for_kinds_and_days_and_not_about_cases(hidden: Case, olga: User) -> None:
    assert exports.query_entries(olga, types=["notice:filed"])
    with pytest.raises(Problem):
        exports.query_entries(olga, categories=["likeness"])


def test_queries_are_kept_replaced_and_deleted_by_who_keeps_them(greta: User, gus: User) -> None:
    queries.save(greta, "Orders", Query(orders=True))
    row = queries.save(greta, "Orders", Query(missed=True))
    assert [each.query for each in queries.saved_by(greta)] == [{"missed": True}]
    with pytest.raises(NotFound):
        queries.forget(gus, row.pk)
    queries.forget(greta, row.pk)
    assert not SavedQuery.objects.exists()


# --- Bundles -------------------------------------------------------------------------------------------------------


def test_a_bundle_is_asked_for_built_fetched_and_gone_each_on_record(hidden: Case, greta: User) -> None:
    export = exports.request_export(greta, purpose=PURPOSE)
    assert (export.state, export.key) == ("requested", "")
    with pytest.raises(Conflict, match="not built yet"):
        exports.open_export(export, greta)
    build(export)
    assert (export.state, export.progress) == ("built", export.entries)
    with members(export) as bundle:
        about = json.loads(bundle.read("manifest.json"))["about"]
    assert (about["watermark"], about["authority"]) == (export.watermark, "The Regulator")
    assert leaf_of("export:made")["facts"]["watermark"] == export.watermark
    agree()
    with time_machine.travel(now() + dt.timedelta(days=300)):
        exports.open_export(export, greta).close()
    assert export.state == "fetched"
    agree()
    RegulatorAccount.objects.update(expires_at=now() + dt.timedelta(days=999))
    with time_machine.travel(now() + dt.timedelta(days=367)), pytest.raises(Conflict, match="gone"):
        exports.open_export(export, greta)


def test_a_download_is_recorded_once_however_often_it_goes_on(hidden: Case, greta: User) -> None:
    export = taken(greta, purpose=PURPOSE)
    fetched = Entry.objects.filter(type="export:fetched")
    exports.open_export(export, greta, start=100).close()
    assert fetched.count() == 1, "a part alone is a download too"
    for start in (200, 300):
        exports.open_export(export, greta, start=start).close()
    assert fetched.count() == 1
    exports.open_export(export, greta).close()
    assert fetched.count() == 2
    with time_machine.travel(now() + dt.timedelta(days=1)):
        exports.open_export(export, greta, start=100).close()
    assert fetched.count() == 3


def test_a_broken_download_goes_on_over_http(hidden: Case, greta: User, api: Any) -> None:
    export = taken(greta, purpose=PURPOSE)
    address = f"/api/v1/exports/{export.pk}/file"

    def get(**headers: str) -> tuple[Any, bytes]:
        answer = api(greta).get(address, headers=headers)
        return answer, b"".join(answer.streaming_content)

    whole, data = get()
    assert (whole.status_code, whole["ETag"], len(data)) == (200, f'"{export.sha256}"', export.size)
    rest, tail = get(Range="bytes=1000-", If_Range=whole["ETag"])
    assert (rest.status_code, data[:1000] + tail) == (206, data)
    assert rest["Content-Range"] == f"bytes 1000-{export.size - 1}/{export.size}"
    other, again = get(Range="bytes=1000-", If_Range='"another file"')
    assert (other.status_code, again) == (200, data)
    assert api(greta).get(address, headers={"Range": f"bytes={export.size}-"}).status_code == 416
    before = Entry.objects.count()
    head = api(greta).head(address)
    assert (head.status_code, head["Content-Length"], head.content) == (200, str(export.size), b"")
    assert Entry.objects.count() == before


def test_a_bundle_that_fails_says_why_and_is_tried_again(
    hidden: Case, greta: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = exports.request_export(greta, purpose=PURPOSE)

    def refuse(*_: Any, **__: Any) -> Any:
        raise Problem("export.too_large", "Too much for one export")

    with monkeypatch.context() as patched:
        patched.setattr(exports, "write_bundle", refuse)
        build(export)
    assert (export.state, export.error_code) == ("failed", "export.too_large")
    agree()
    exports.again(export, greta)
    build(export)
    assert export.state == "built"
    agree()


def test_nobody_waits_for_more_than_three_bundles(hidden: Case, greta: User) -> None:
    for _ in range(3):
        exports.request_export(greta, purpose=PURPOSE)
    with pytest.raises(Conflict, match="being built already"):
        exports.request_export(greta, purpose=PURPOSE)


# --- The file of a case --------------------------------------------------------------------------------------------


def test_the_file_of_a_case_has_every_entry_of_it_and_of_its_work(hidden: Case, greta: User) -> None:
    trail = case_trail.trail(greta, hidden.pk, purpose=PURPOSE)
    named = {hidden.object, f"asset:{hidden.asset_id}"}
    leaves = [json.loads(bytes(row.leaf)) for row in Entry.objects.filter(sequence__isnull=False).order_by("pk")]
    signed = [leaf for leaf in leaves if leaf["object"] in named and leaf["type"] != "access:audited"]
    assert [step.type for step in trail.steps] == [leaf["type"] for leaf in signed]
    made = next(step for step in trail.steps if step.type == "decision:made")
    assert made.opened["reasons"] == REASONS and "actor" in made.sealed
    filed = next(step for step in trail.steps if step.type == "notice:filed")
    assert set(filed.opened) == {"about"} and {"text", "contact", "answers"} <= set(filed.sealed)
    assert {file.role for file in trail.files} == {"signed"} and trail.clocks
    audited = leaf_of("access:audited")
    assert (audited["object"], audited["facts"], audited["role"]) == (hidden.object, {"read": "case_file"}, "regulator")


def test_the_file_of_a_case_is_for_its_places_and_for_the_scope(
    hidden: Case, greta: User, gus: User, account: RegulatorAccount, rita: User
) -> None:
    with pytest.raises(NotFound):
        case_trail.trail(gus, hidden.pk, purpose=PURPOSE)
    with pytest.raises(Forbidden):
        case_trail.trail(rita, hidden.pk, purpose=PURPOSE)
    RegulatorAccount.objects.filter(pk=account.pk).update(scopes=["statements"])
    with pytest.raises(Forbidden, match="does not cover"):
        case_trail.trail(greta, hidden.pk, purpose=PURPOSE)


def test_a_list_of_cases_costs_the_same_for_many(
    hidden: Case, greta: User, make_asset: MakeAsset, bob: User, file_notice: FileNotice
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            case_trail.listed(greta, Query(), purpose=PURPOSE, start=0, limit=50)
        return len(asked)

    few = cost()
    for number in range(4):
        file_notice(make_asset(bob, f"Cove {number}"))
    assert cost() == few
