import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import User
from core import storage
from core.clock import now
from core.problems import Forbidden, NotFound, Problem
from ledger import reading, sequencer, verify
from ledger.models import Checkpoint, Entry
from policy.audits import exports, openings, queries, regulators
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, Export
from policy.rights import data_rights
from provenance.models import Asset
from tests.policy.bundles import known, members, taken, text_of
from tests.policy.conftest import REASONS, TERMS, FileNotice, MakeAsset

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]
PURPOSE = "Yearly supervision of this office, file 12/2026"


@pytest.fixture
def file_notice(file_notice: FileNotice) -> FileNotice:
    """Who files has proved their address."""
    return known(file_notice)


@pytest.fixture
def decided(case: Case, rita: User, settle: Settle) -> Case:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    settle()
    return case


def test_greta_takes_a_bundle_that_verifies_offline(decided: Case, greta: User, tmp_path: Any) -> None:
    export = taken(greta, purpose=PURPOSE)
    path = tmp_path / "bundle.zip"
    with storage.open_file(export.key) as file:
        path.write_bytes(file.read())
    assert verify.main([str(path)]) == 0
    assert export.entries == export.tree_size


def test_the_bundle_shows_reasons_and_never_who_reported_or_acted(
    decided: Case, greta: User, rita: User, alice: User
) -> None:
    text = text_of(taken(greta, purpose=PURPOSE))
    assert REASONS["facts_text"] in text
    for secret in ("Dana", "dana@example.org", "never agreed", str(rita.pk), str(alice.pk)):
        assert secret not in text


def test_after_erasure_no_export_shows_a_value_of_theirs(
    decided: Case, greta: User, settle: Settle, tmp_path: Any
) -> None:
    """The old bundle still verifies, and so does a new one without the erased values."""
    old = taken(greta, purpose=PURPOSE)
    data_rights.erase(decided.notices.get().filer)
    settle()
    new = taken(greta, purpose=PURPOSE)
    for export in (old, new):
        path = tmp_path / f"{export.pk}.zip"
        with storage.open_file(export.key) as file:
            path.write_bytes(file.read())
        assert verify.main([str(path)]) == 0
        assert "Dana" not in text_of(export)


@pytest.mark.parametrize("said", [{"category": "child_safety"}, {"answers": {"minor": "yes"}}])
def test_a_case_about_a_child_stays_sealed(
    said: dict[str, Any], asset: Asset, file_notice: FileNotice, rita: User, greta: User, settle: Settle
) -> None:
    """I24."""
    notice, _ = file_notice(asset, **said)
    cases.assign(notice.case, rita)
    decisions.decide(notice.case, rita, outcome="hide", **TERMS)
    settle()
    assert REASONS["facts_text"] not in text_of(taken(greta, purpose=PURPOSE))


def test_a_scope_is_kept(decided: Case, greta: User, asset: Asset, file_notice: FileNotice, settle: Settle) -> None:
    with time_machine.travel(now() + timedelta(days=10)):
        file_notice(asset, category="copyright")
        settle()
        since = now() - timedelta(days=1)
        export = taken(greta, since=since, types=["notice:filed"], purpose=PURPOSE)
    with members(export) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
    assert manifest["selection"] == {"by": "query", "count": 1}
    assert manifest["about"]["purpose"] == PURPOSE


def test_what_is_signed_while_an_export_is_made_is_left_for_the_next(
    decided: Case, greta: User, asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = reading.latest_checkpoint

    def then_sign() -> Checkpoint | None:
        found = latest()
        monkeypatch.setattr(reading, "latest_checkpoint", latest)
        file_notice(asset, category="copyright")
        sequencer.tick()
        return found

    monkeypatch.setattr(reading, "latest_checkpoint", then_sign)
    export = taken(greta, purpose=PURPOSE)
    assert export.entries == export.tree_size < reading.signed_size()


def test_only_a_regulator_exports(decided: Case, rita: User, alice: User, olga: User) -> None:
    for somebody in (rita, alice, olga):
        with pytest.raises(Forbidden):
            taken(somebody, purpose=PURPOSE)


@pytest.mark.parametrize(
    "change", [{"purpose": "because"}, {"types": ["secrets:read"]}, {"since": now(), "until": now() - timedelta(1)}]
)
def test_a_wrong_scope_is_refused(decided: Case, greta: User, change: dict[str, Any]) -> None:
    with pytest.raises(Problem):
        taken(greta, **{"purpose": PURPOSE, **change})
    assert not Export.objects.exists()


def test_an_empty_scope_is_not_found(decided: Case, greta: User) -> None:
    with pytest.raises(NotFound):
        taken(greta, since=now() + timedelta(days=1), purpose=PURPOSE)


def test_every_export_download_and_query_is_in_the_log(decided: Case, greta: User) -> None:
    export = taken(greta, purpose=PURPOSE)
    exports.open_export(export, greta).close()
    exports.query_entries(greta, types=["notice:filed"], purpose="spot check")
    types = list(Entry.objects.order_by("-pk").values_list("type", flat=True)[:3])
    assert types == ["access:audited", "export:fetched", "export:made"]
    for entry in Entry.objects.order_by("-pk")[:3]:
        assert b"spot check" not in bytes(entry.leaf)
        assert str(greta.pk).encode() not in bytes(entry.leaf)


def test_a_query_pages_by_index_and_shows_leaves_only(decided: Case, greta: User) -> None:
    first = exports.query_entries(greta, limit=2, purpose=PURPOSE)
    rest = exports.query_entries(greta, after=first[-1]["index"], purpose=PURPOSE)
    assert [row["index"] for row in first] == [0, 1]
    assert rest[0]["index"] == 2
    assert "Dana" not in json.dumps(first + rest)


def test_nobody_else_queries_or_takes_another_ones_export(decided: Case, greta: User, rita: User, olga: User) -> None:
    export = taken(greta, purpose=PURPOSE)
    with pytest.raises(NotFound):
        exports.open_export(export, olga)
    with pytest.raises(Forbidden):
        exports.query_entries(rita)


def test_opening_ten_decisions_asks_the_database_as_often_as_opening_two(
    make_asset: MakeAsset,
    alice: User,
    rita: User,
    greta: User,
    file_notice: FileNotice,
    django_assert_max_num_queries: Any,
) -> None:
    account = regulators.entitled(greta)
    for number in range(10):
        case = file_notice(make_asset(alice, f"work {number}"))[0].case
        decisions.decide(cases.assign(case, rita), rita, outcome="label", **TERMS)
    sequencer.tick()
    made = list(Entry.objects.filter(type="decision:made").select_related("sequence").order_by("pk"))
    for count in (2, 10):
        with django_assert_max_num_queries(3):
            opened = list(openings.opened(made[:count], account, queries.in_reach(account)))
        assert [one.value for _, one in opened if one.name == "reasons"] == [REASONS] * count
