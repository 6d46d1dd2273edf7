"""What lies beside the entries of a bundle: what they cite, and what the account's scopes and places allow."""

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pyarrow.parquet
import pytest
import yaml

from accounts.models import User
from core import storage
from detection import registry
from ledger import verify
from policy.audits import enclosures, parquet
from policy.audits.citing import Cited, Model
from policy.deciding import decisions
from policy.desk import cases, roster
from policy.law import rules
from policy.models import Case, Export, RegulatorAccount, ReviewerProfile
from policy.rulebook import packs
from policy.rulebook.facts import RuleError
from provenance.models import Rendition
from tests.policy.bundles import known, members, taken
from tests.policy.conftest import TERMS, FileNotice, MakeAsset
from tests.policy.rule_texts import OFFICE

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Settle = Callable[[], None]
PURPOSE = "Yearly supervision of this office, file 12/2026"
BYTES = b"the bytes of Alice's photograph"


@pytest.fixture
def file_notice(file_notice: FileNotice) -> FileNotice:
    """Who files has proved their address."""
    return known(file_notice)


@pytest.fixture
def decided(case: Case, rita: User, settle: Settle) -> Case:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    settle()
    return case


def put_original(case: Case, data: bytes = BYTES) -> str:
    """Its file as it was sent; returns the name that it would have in a bundle."""
    assert case.asset is not None
    key, sha256 = storage.keep_bytes(data)
    Rendition.objects.create(
        asset=case.asset, role="original", sha256=sha256, size=len(data), media_type="image/jpeg", key=key
    )
    return f"files/media/{sha256}"


def with_media_rule(**said: Any) -> packs.Pack:
    """Our terms, with a rule that gives an authority the media of cases about likeness."""
    document = copy.deepcopy(OFFICE)
    row = next(row for row in document["rules"] if row["id"] == "office.terms.consent")
    row = {
        **copy.deepcopy(row),
        "id": "office.terms.media",
        "article": "20 Media for authorities",
        "start_event": "case_exported",
    }
    more = {"duties": ["media_to_authority"], "when": 'category == "likeness"', "category": "likeness", **said}
    document["rules"].append({**row, **more})
    return packs.parse(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(**said: Any) -> None:
        law, terms = rules.shipped()[0], with_media_rule(**said)
        monkeypatch.setattr(rules, "shipped", lambda: (law, terms))
        rules._book.cache_clear()

    return use


@pytest.fixture(autouse=True)
def forget() -> Any:
    yield
    rules._book.cache_clear()


def index_of(export: Export) -> Any:
    return json.loads(members(export).read("files/index.json"))


def test_a_bundle_with_all_that_lies_beside_verifies_and_its_readme_names_it(
    decided: Case, greta: User, tmp_path: Any
) -> None:
    export = taken(greta, purpose=PURPOSE)
    path = tmp_path / "bundle.zip"
    with storage.open_file(export.key) as file:
        path.write_bytes(file.read())
    assert verify.main([str(path)]) == 0
    bundle = members(export)
    assert bundle.read("files/report.pdf").startswith(b"%PDF-")
    readme = bundle.read("files/README.md").decode()
    for name in bundle.namelist():
        if name.startswith("files/") and not name.endswith("README.md"):
            inside = name.removeprefix("files/")
            assert f"`{inside if '/' not in inside else inside.partition('/')[0] + '/'}`" in readme
    listed = {f"files/{name}" for name in index_of(export)["files"]}
    assert listed <= set(bundle.namelist())


def test_the_rule_packs_that_a_decision_cites_are_enclosed_word_for_word(decided: Case, greta: User) -> None:
    (cited,) = decided.decisions.get().rule_refs
    export = taken(greta, purpose=PURPOSE)
    text = members(export).read(f"files/rules/{cited['pack']}.yaml")
    assert hashlib.sha256(text).hexdigest() == cited["pack"]
    row = next(row for row in index_of(export)["rule_packs"] if row["digest"] == cited["pack"])
    assert (row["name"], row["signed"]) == ("office", False)


def test_a_pack_that_is_held_no_more_is_named_and_not_made_up(decided: Case, greta: User, settle: Settle) -> None:
    cited = Cited(packs={"0" * 64})
    assert list(enclosures._packs(cited)) == [({"digest": "0" * 64, "held": False}, b"")]


def test_the_card_of_a_model_is_enclosed_for_the_version_that_examined_only() -> None:
    info = registry.all_detectors()[0]
    here = Model(info.name, info.version, info.model_digest)
    before = Model(info.name, "0.0.0", "sha256:" + "0" * 64)
    gone = Model("no_such_detector", "1", "")
    found = {row["version"]: (row["held"], text) for row, text in enclosures._cards(Cited(models={here, before}))}
    assert found[info.version] == (True, info.card.encode())
    assert found["0.0.0"] == (False, b"")
    assert [text for _, text in enclosures._cards(Cited(models={gone}))] == [b""]


def test_kinds_are_counted_as_they_stand_in_the_leaves(decided: Case, greta: User) -> None:
    export = taken(greta, purpose=PURPOSE)
    leaves = [json.loads(line) for line in members(export).read("leaves.jsonl").splitlines()]
    kinds = index_of(export)["kinds"]
    assert sum(kinds.values()) == len(leaves)
    assert kinds["decision:made"] == 1


def test_parquet_has_the_very_bytes_of_every_entry(decided: Case, greta: User, tmp_path: Any) -> None:
    bundle = members(taken(greta, purpose=PURPOSE))
    (tmp_path / "entries.parquet").write_bytes(bundle.read("files/entries.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "entries.parquet").to_pylist()
    assert [row["leaf"] for row in table] == bundle.read("leaves.jsonl").splitlines()
    assert [row["index"] for row in table] == list(range(len(table)))
    assert json.loads(table[0]["facts"]) == json.loads(table[0]["leaf"])["facts"]


def test_an_office_without_pyarrow_makes_bundles_without_parquet(
    decided: Case, greta: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "is_there", lambda: False)
    assert "files/entries.parquet" not in members(taken(greta, purpose=PURPOSE)).namelist()


def test_parquet_is_written_in_groups(
    monkeypatch: pytest.MonkeyPatch, decided: Case, greta: User, tmp_path: Any
) -> None:
    monkeypatch.setattr(parquet, "GROUP", 2)
    bundle = members(taken(greta, purpose=PURPOSE))
    (tmp_path / "entries.parquet").write_bytes(bundle.read("files/entries.parquet"))
    found = pyarrow.parquet.ParquetFile(tmp_path / "entries.parquet")
    assert found.num_row_groups > 1
    assert found.metadata.num_rows == len(bundle.read("leaves.jsonl").splitlines())


def test_the_roster_is_there_under_aliases_and_for_its_scope_only(decided: Case, greta: User, rita: User) -> None:
    """R01: who is trained for what can be supervised; who they are cannot be read."""
    ReviewerProfile.objects.filter(user=rita).update(alias="Kestrel")
    profile = roster.profiles().get(user=rita)
    text = members(taken(greta, purpose=PURPOSE)).read("files/roster.json").decode()
    rows = {row["alias"]: row for row in json.loads(text)["reviewers"]}
    assert rows[profile.alias]["trained"] == profile.trained
    assert "Rita" not in text and rita.email not in text and str(rita.pk) not in text
    RegulatorAccount.objects.filter(user=greta).update(scopes=["cases"])
    assert "files/roster.json" not in members(taken(greta, purpose=PURPOSE)).namelist()


def test_no_rule_allows_media_as_the_software_comes(decided: Case, greta: User) -> None:
    name = put_original(decided)
    export = taken(greta, purpose=PURPOSE)
    assert name not in members(export).namelist()
    assert index_of(export)["media"] == []


def test_where_a_rule_allows_it_the_file_is_enclosed_and_the_rule_named(
    decided: Case, greta: User, allow: Callable[..., None]
) -> None:
    allow()
    name = put_original(decided)
    export = taken(greta, purpose=PURPOSE)
    assert members(export).read(name) == BYTES
    (row,) = index_of(export)["media"]
    assert (row["case"], row["rule"]) == (decided.object, "office.terms.media")


@pytest.mark.parametrize(
    "why",
    [
        {"jurisdiction": "US"},
        {"when": 'category == "copyright"'},
        {"effective_from": "2090-01-01"},
    ],
)
def test_a_rule_of_another_place_issue_or_time_allows_nothing(
    why: dict[str, Any], decided: Case, greta: User, allow: Callable[..., None]
) -> None:
    allow(**why)
    name = put_original(decided)
    assert name not in members(taken(greta, purpose=PURPOSE)).namelist()


def test_an_account_without_the_scope_gets_no_media(decided: Case, greta: User, allow: Callable[..., None]) -> None:
    allow()
    name = put_original(decided)
    RegulatorAccount.objects.filter(user=greta).update(scopes=["cases", "roster"])
    assert name not in members(taken(greta, purpose=PURPOSE)).namelist()


def test_an_authority_of_another_place_gets_no_media(decided: Case, greta: User, allow: Callable[..., None]) -> None:
    allow(jurisdiction="*")
    name = put_original(decided)
    RegulatorAccount.objects.filter(user=greta).update(jurisdictions=["GB"])
    assert name not in members(taken(greta, purpose=PURPOSE)).namelist()


def test_i24_media_of_a_childs_case_never_leave(
    make_asset: MakeAsset,
    alice: User,
    file_notice: FileNotice,
    rita: User,
    greta: User,
    settle: Settle,
    allow: Callable[..., None],
) -> None:
    allow(when="true", category="any")
    notice, _ = file_notice(make_asset(alice), answers={"minor": "yes"})
    name = put_original(notice.case)
    decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    settle()
    export = taken(greta, purpose=PURPOSE)
    assert name not in members(export).namelist()
    assert index_of(export)["media"] == []


def test_what_is_too_large_is_left_out_and_said(
    decided: Case, greta: User, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    allow()
    monkeypatch.setattr(enclosures, "MOST_MEDIA", len(BYTES) - 1)
    name = put_original(decided)
    export = taken(greta, purpose=PURPOSE)
    assert name not in members(export).namelist()
    (row,) = index_of(export)["media"]
    assert "too much" in row["left_out"] and "file" not in row


def test_a_rule_about_exported_cases_that_gives_no_media_does_not_load() -> None:
    with pytest.raises(RuleError, match="media_to_authority"):
        with_media_rule(duties=["look_away"])
