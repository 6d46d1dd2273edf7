"""Reading: pages by index that cost the same whatever is asked, proofs from shared tiles, and counts that are kept."""

import base64
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.problems import NotFound
from ledger import foldedtiles, log, merkle, proofs, reading, sequencer, tiles
from ledger.events import EventType
from ledger.models import Entry
from tests.ledger.conftest import Record

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]


def about(object: str, type: EventType = EventType.CASE_OPENED, **facts: Any) -> Entry:
    with transaction.atomic():
        return log.append(type, actor="system", role="system", object=object, facts=facts)


# --- Pages ---------------------------------------------------------------------------------------------------------


def test_anyone_reads_the_leaves_page_by_page_as_they_are_hashed(signed_log: Grow, api: Any) -> None:
    rows, seen, query = signed_log(7), [], "limit=3"
    while query:
        page = api().get(f"/api/v1/log/leaves?{query}").json()
        seen += page["entries"]
        query = "" if page["next"] is None else f"limit=3&after={page['next']}"
    assert page["size"] == 7
    assert [one["index"] for one in seen] == list(range(7))
    assert [base64.b64decode(one["leaf"]) for one in seen] == [bytes(row.leaf) for row in rows]
    assert all(json.loads(base64.b64decode(one["leaf"])) == one["entry"] for one in seen)


def test_an_unsigned_entry_is_on_no_page(signed_log: Grow, record: Record, api: Any) -> None:
    signed_log(2)
    record()
    assert len(api().get("/api/v1/log/leaves").json()["entries"]) == 2
    assert api().get("/api/v1/log/entries/1").json()["entry"]["type"] == "asset:registered"
    for missing in (2, 10**30):
        assert api().get(f"/api/v1/log/entries/{missing}").status_code == 404
        assert api().get(f"/api/v1/log/entries/{missing}/proof").status_code == 404


def test_leaves_are_filtered_by_type_and_by_object(signed_log: Grow, api: Any) -> None:
    signed_log(2)
    about("case:7")
    about("case:8", note='"object":"case:7"')
    about("case:7", EventType.DECISION_MADE)
    sequencer.tick()
    asked = {"object=case:7": [2, 4], "type=case:opened": [2, 3], "object=case:7&type=case:opened": [2], "object=x": []}
    for query, expected in asked.items():
        page = api().get(f"/api/v1/log/leaves?{query}").json()
        assert [one["index"] for one in page["entries"]] == expected, query
        assert page["next"] is None


def test_a_filtered_page_looks_at_a_bounded_part_and_says_where_to_go_on(
    signed_log: Grow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 4)
    signed_log(5)
    about("case:7")
    sequencer.tick()
    first = reading.page(types=["case:opened"])
    assert (first.entries, first.next) == ([], 3)
    second = reading.page(3, types=["case:opened"])
    assert ([row.sequence.index for row in second.entries], second.next) == ([5], None)
    assert reading.page(types=["asset:registered"], limit=2).next == 1


@pytest.mark.parametrize("wrong", ["after=-1", "after=x", "limit=0", "limit=1001", "type=x", "after=" + "9" * 30])
def test_a_question_that_makes_no_sense_is_refused_in_words(wrong: str, api: Any) -> None:
    answer = api().get(f"/api/v1/log/leaves?{wrong}")
    assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")


def test_the_inclusion_proof_is_given_for_any_signed_size(signed_log: Grow, api: Any) -> None:
    rows = signed_log(3)
    signed_log(4)
    for query, size in (("", 7), ("?size=3", 3), ("?size=5", 5)):
        body = api().get(f"/api/v1/log/entries/2/proof{query}").json()
        path = [base64.b64decode(value) for value in body["proof"]]
        assert (body["index"], body["size"], body["leaf_hash"]) == (2, size, bytes(rows[2].leaf_hash).hex())
        root = merkle.root(proofs.nodes(), size)
        merkle.verify_inclusion(bytes(rows[2].leaf_hash), 2, size, path, root)
    for wrong in ("?size=2", "?size=8", "?size=0"):
        assert api().get(f"/api/v1/log/entries/2/proof{wrong}").status_code == 404
    assert api().get("/api/v1/log/entries/2/proof?size=x").status_code == 400


# --- Folded tiles --------------------------------------------------------------------------------------------------


class Library:
    """Tiles of a tree of numbered leaves; counts how often and how many were read."""

    def __init__(self, size: int) -> None:
        self.hashes = [merkle.leaf_hash(str(n).encode()) for n in range(size)]
        self.tiles = tiles.grow(lambda level, n: b"", 0, self.hashes)
        self.reads: list[int] = []

    def __call__(self, places: Any) -> dict[tuple[int, int], bytes]:
        wanted = list(places)
        self.reads.append(len(wanted))
        return {place: self.tiles[place] for place in wanted if place in self.tiles}

    def at(self, size: int, cache: foldedtiles.Cache) -> foldedtiles.Nodes:
        return foldedtiles.Nodes(self, size, cache)


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(66_300)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_048, 66_300])
def test_proofs_from_folded_tiles_verify_at_every_kind_of_size(library: Library, size: int) -> None:
    root = merkle.root_of(library.hashes[:size])
    cache = foldedtiles.Cache()
    assert merkle.root(library.at(size, cache), size) == root
    for index in sorted({min(each, size - 1) for each in (0, 1, size // 2, 255, 256, size)}):
        library.reads.clear()
        node = library.at(size, foldedtiles.Cache())
        node.load_path(index)
        path = merkle.inclusion(node, index, size)
        merkle.verify_inclusion(library.hashes[index], index, size, path, root)
        assert len(library.reads) == 1, "a cold proof reads its tiles by one query"
        assert library.reads[0] <= 5


def test_a_proof_that_was_made_once_reads_nothing_again(library: Library) -> None:
    cache = foldedtiles.Cache()
    first = library.at(66_300, cache)
    first.load_path(70)
    expected = merkle.inclusion(first, 70, 66_300)
    library.reads.clear()
    again = library.at(66_300, cache)
    again.load_path(70)
    assert merkle.inclusion(again, 70, 66_300) == expected
    assert library.reads == []


def test_what_is_kept_is_bounded_and_never_beyond_the_size_asked_for(library: Library) -> None:
    cache = foldedtiles.Cache(max_full=8, max_partial=3)
    for size in range(300, 60_000, 777):
        node = library.at(size, cache)
        node.load_path(size // 3)
        assert merkle.inclusion(node, size // 3, size)
        assert len(cache) <= 11
    node = library.at(300, foldedtiles.Cache())
    assert node(0, 299) == library.hashes[299]
    for height, index in ((0, 300), (1, 150), (8, 1), (0, 512)):
        with pytest.raises((KeyError, tiles.BadTile)):
            node(height, index)


def test_a_tile_that_is_shorter_than_the_signed_size_is_an_error(library: Library) -> None:
    short = Library(300)
    short.tiles[0, 1] = short.tiles[0, 1][:-32]
    with pytest.raises(tiles.BadTile, match="ends before"):
        short.at(300, foldedtiles.Cache()).load_path(299)


def test_many_threads_share_one_cache(library: Library) -> None:
    cache, wrong = foldedtiles.Cache(max_full=4, max_partial=2), []
    root = merkle.root_of(library.hashes)

    def prove(start: int) -> None:
        for index in range(start, 66_300, 4001):
            node = library.at(66_300, cache)
            node.load_path(index)
            try:
                path = merkle.inclusion(node, index, 66_300)
                merkle.verify_inclusion(library.hashes[index], index, 66_300, path, root)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=prove, args=(start,)) for start in range(0, 4000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_request_for_a_proof_asks_the_database_a_bounded_number_of_times(record: Record) -> None:
    for _ in range(300):
        record(actor="system")
    sequencer.tick()
    proofs.forget()
    with CaptureQueriesContext(
        connection,
    ) as cold:
        proofs.inclusion(7, 300)
    with CaptureQueriesContext(connection) as warm:
        proofs.inclusion(7, 300)
    assert (len(cold), len(warm)) == (2, 1)
    with pytest.raises(NotFound):
        proofs.inclusion(300, 300)
    with pytest.raises(NotFound):
        proofs.inclusion(0, 301)


# --- The register's page -------------------------------------------------------------------------------------------


def test_the_register_counts_only_what_is_new(signed_log: Grow, client: Client) -> None:
    signed_log(3)
    assert "asset registered · 3" in client.get("/register/").content.decode()
    about("case:7")
    sequencer.tick()
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/register/").content.decode()
    assert "asset registered · 3" in page and "case opened · 1" in page
    (counted,) = [one["sql"] for one in queries if "COUNT(" in one["sql"] and "ledger_entry" in one["sql"]]
    assert '"index" >= 3' in counted
    with CaptureQueriesContext(connection) as queries:
        client.get("/register/")
    assert not [one for one in queries if "COUNT(" in one["sql"] and "ledger_entry" in one["sql"]]


def test_counts_of_another_database_are_not_shown(signed_log: Grow, client: Client) -> None:
    signed_log(2)
    cache.set("register.counts", (9, {"asset:registered": 9}), timeout=None)
    assert "asset registered · 2" in client.get("/register/").content.decode()


def test_a_rare_kind_is_looked_for_part_by_part(
    signed_log: Grow, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web import register

    monkeypatch.setattr(register, "WINDOW", 4)
    about("case:7")
    signed_log(6)
    page = client.get("/register/?type=case:opened").content.decode()
    assert "No entry of this kind among these 4" in page and "before=3" in page
    page = client.get("/register/?type=case:opened&before=3").content.decode()
    assert "No entry of this kind" not in page and "Older entries" not in page
