"""Which works are found by their codes, in which tier and how; and that the index in memory never outlives the rows."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from django.db import transaction

from accounts.models import User
from ledger import log as ledger
from ledger.events import EventType
from provenance import codeindex, matching
from provenance.codeindex import CodeIndex, Codes, packed
from provenance.models import Asset, Fingerprint
from provenance.restriction import restrict

Work = Callable[..., Asset]

# Plain strings, as queries have them.
ISCC, DHASH = str(Fingerprint.Algorithm.ISCC_IMAGE), str(Fingerprint.Algorithm.DHASH)
AUDIO = str(Fingerprint.Algorithm.ISCC_AUDIO)
VIDEO, WATERMARK = str(Fingerprint.Algorithm.FRAMES), str(Fingerprint.Algorithm.WATERMARK)


def code(seed: int, size: int = 32) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def flipped(original: bytes, bits: int) -> bytes:
    """With that many bits different, spread over the whole."""
    size = 8 * len(original)
    changed = int.from_bytes(original)
    for at in range(bits):
        changed ^= 1 << (at * size // max(bits, 1))
    return changed.to_bytes(len(original))


@pytest.fixture
def work(db: None) -> Work:
    """`work(alice, title, {algorithm: code})`: a registered work with these fingerprints and no files."""

    def make(owner: User, title: str, codes: dict[str, bytes]) -> Asset:
        with transaction.atomic():
            entry = ledger.append(EventType.ASSET_REGISTERED, actor="system", role="creator", facts=_FACTS)
            asset = Asset.objects.create(owner=owner, title=title, kind="image", media_type="image/jpeg", entry=entry,
                                         source_type="digitalCapture", original_sha256=title)  # fmt: skip
            Fingerprint.objects.bulk_create(
                Fingerprint(asset=asset, algorithm=name, value=value) for name, value in codes.items()
            )
        return asset

    return make


_FACTS = {"media_type": "image/jpeg", "manifest": "sha256:0", "source_type": "digitalCapture", "training": "allowed"}


def found(queries: matching.Queries | dict[str, bytes], viewer: User | None = None) -> list[tuple[str, str]]:
    return [(one.title, one.tier) for one in matching.near(queries, Asset.objects.visible_to(viewer))]


# --- Tiers and ways --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("iscc", "dhash", "tier"),
    [
        (0, 0, "re_encoded"),
        (39, 64, "re_encoded"),  # 0.152
        (40, 64, "candidate"),  # 0.156 and a little
        (71, 11, "candidate"),
        (71, 10, "re_encoded"),  # both agree
        (72, 11, ""),
        (72, 10, "candidate"),
        (89, 10, "candidate"),  # 0.348
        (90, 10, ""),
        (102, 3, "re_encoded"),  # 0.398: three quarters of dHash as they were, as under a caption
        (102, 10, ""),
        (103, 3, "candidate"),
        (115, 1, "candidate"),  # 0.449
        (116, 0, ""),  # dHash alone is not believed
    ],
)
def test_the_tier_is_told_by_both_codes_of_a_picture(iscc: int, dhash: int, tier: str, alice: User, work: Work) -> None:
    work(alice, "A", {ISCC: code(1), DHASH: code(2, 8)})
    answer = found({ISCC: flipped(code(1), iscc), DHASH: flipped(code(2, 8), dhash)})
    assert answer == ([("A", tier)] if tier else [])


def test_a_match_says_how_the_file_was_held_and_by_which_code_and_distance(alice: User, work: Work) -> None:
    asset = work(alice, "A", {ISCC: code(1), DHASH: code(2, 8)})
    queries = {
        ISCC: [("as it is", code(3)), ("mirrored", flipped(code(1), 13))],
        DHASH: [("as it is", code(4, 8)), ("mirrored", code(5, 8))],
    }
    (match,) = matching.near(queries, Asset.objects.all())
    assert match.as_dict() == {
        "asset_id": str(asset.pk),
        "title": "A",
        "distance": "0.051",
        "tier": "re_encoded",
        "algorithm": ISCC,
        "how": "mirrored",
    }


@pytest.mark.parametrize(
    ("iscc", "dhash", "tier"), [(39, 64, "re_encoded"), (71, 10, "candidate"), (71, 11, ""), (72, 0, "")]
)
def test_a_picture_held_another_way_is_believed_only_when_both_codes_tell(
    iscc: int, dhash: int, tier: str, alice: User, work: Work
) -> None:
    work(alice, "A", {ISCC: code(1), DHASH: code(2, 8)})
    queries = {
        ISCC: [("as it is", flipped(code(1), 128)), ("mirrored", flipped(code(1), iscc))],
        DHASH: [("as it is", flipped(code(2, 8), 32)), ("mirrored", flipped(code(2, 8), dhash))],
    }
    assert found(queries) == ([("A", tier)] if tier else [])


def test_two_codes_agree_only_when_the_file_was_held_the_same_way(alice: User, work: Work) -> None:
    work(alice, "A", {ISCC: code(1), DHASH: code(2, 8)})
    queries = {
        ISCC: [("as it is", flipped(code(1), 90)), ("mirrored", code(3))],
        DHASH: [("as it is", code(4, 8)), ("mirrored", code(2, 8))],
    }
    assert found(queries) == []


def test_the_surest_come_first_and_no_more_than_twenty(alice: User, work: Work) -> None:
    for bits in range(30, 5, -1):
        work(alice, f"{bits}", {ISCC: flipped(code(1), bits)})
    assert found({ISCC: code(1)}) == [(f"{bits}", "re_encoded") for bits in range(6, 26)]


def test_a_video_is_found_by_its_own_code(alice: User, work: Work) -> None:
    work(alice, "A", {VIDEO: code(1)})
    work(alice, "B", {VIDEO: code(2)})
    work(alice, "C", {VIDEO: flipped(code(1), 110)})
    assert found({VIDEO: flipped(code(1), 50), ISCC: code(1)}) == [("A", "candidate")]


@pytest.mark.parametrize("part", [AUDIO, ISCC])
def test_the_same_music_or_one_same_frame_does_not_make_two_videos_the_same(part: str, alice: User, work: Work) -> None:
    work(alice, "A", {VIDEO: code(1), part: code(2)})
    assert found({VIDEO: code(3), part: code(2)}) == [("A", "candidate")]
    assert found({part: code(2)}) == [("A", "candidate")]
    assert found({VIDEO: code(1), part: code(4)}) == [("A", "re_encoded")]


@pytest.mark.parametrize(
    ("errors", "iscc", "tier"), [(0, 89, "candidate"), (2, 89, "candidate"), (3, 89, ""), (0, 90, ""), (0, 128, "")]
)
def test_a_watermark_leads_to_a_work_only_when_a_fingerprint_confirms_it(
    errors: int, iscc: int, tier: str, alice: User, work: Work
) -> None:
    work(alice, "A", {ISCC: code(1), DHASH: code(2, 8), WATERMARK: code(3, 4)})
    queries = {
        ISCC: [("as it is", flipped(code(1), iscc))],
        DHASH: [("as it is", flipped(code(2, 8), 32))],
        WATERMARK: [("watermark", flipped(code(3, 4), errors))],
    }
    matches = matching.near(queries, Asset.objects.all())
    assert [(one.title, one.tier, one.how) for one in matches] == ([("A", tier, "watermark")] if tier else [])


# --- Who may see -----------------------------------------------------------------------------------------------------


def test_a_hidden_work_is_gone_from_the_matches_at_once_but_for_its_owner(alice: User, work: Work) -> None:
    asset = work(alice, "A", {ISCC: code(1)})
    assert found({ISCC: code(1)}) == [("A", "re_encoded")]
    restrict(asset, Asset.Restriction.HIDDEN)
    assert found({ISCC: code(1)}) == []
    assert found({ISCC: code(1)}, alice) == [("A", "re_encoded")]


def test_many_hidden_works_do_not_crowd_out_a_public_one(
    alice: User, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_BATCH", 4)
    for number in range(9):
        restrict(work(alice, f"hidden {number}", {ISCC: code(1)}), Asset.Restriction.HIDDEN)
    work(alice, "public", {ISCC: flipped(code(1), 9)})
    assert found({ISCC: code(1)}) == [("public", "re_encoded")]


# --- The index -------------------------------------------------------------------------------------------------------


def test_the_index_finds_what_comparing_everything_finds() -> None:
    rng = np.random.default_rng(4)
    rows = [(n, rng.bytes(32)) for n in range(1, 3 * codeindex.BLOCK // 2)]
    queries = [flipped(rows[n][1], 5 * n % 70) for n in range(30)]
    hits = dict(Codes.of(rows, 256).within(packed(queries, 256), 71, 64).nearest(10**6))
    slowly = {pk: min(round(256 * matching.distance(value, one)) for one in queries) for pk, value in rows}
    assert hits == {pk: bits for pk, bits in slowly.items() if bits <= 71}
    assert len(hits) >= len(queries)


def test_codes_of_a_wrong_length_are_left_out(alice: User, work: Work) -> None:
    work(alice, "short", {ISCC: code(1, 8)})
    work(alice, "A", {ISCC: code(1)})
    assert found({ISCC: code(1)}) == [("A", "re_encoded")]
    assert found({ISCC: code(1, 8), DHASH: b""}) == []


@pytest.fixture
def few_recent(monkeypatch: pytest.MonkeyPatch) -> CodeIndex:
    """An index of its own that keeps three codes apart as recent, and the others settled."""
    monkeypatch.setattr(codeindex, "RECENT", 3)
    monkeypatch.setattr(codeindex, "CHUNK", 4)
    index = CodeIndex(ISCC, 256)
    monkeypatch.setitem(matching._indexes, Fingerprint.Algorithm.ISCC_IMAGE, index)
    return index


def test_what_is_settled_and_what_is_new_is_found_alike(alice: User, work: Work, few_recent: CodeIndex) -> None:
    for number in range(10):
        work(alice, f"{number}", {ISCC: code(number)})
    for round_ in range(3):
        for number in range(10 + 5 * round_):
            assert found({ISCC: code(number)}) == [(f"{number}", "re_encoded")]
        for number in range(10 + 5 * round_, 15 + 5 * round_):
            work(alice, f"{number}", {ISCC: code(number)})
    assert len(few_recent._settled) > 10  # else nothing was tested of it


def test_an_erased_code_is_not_told_and_leaves_the_memory_within_the_hour(
    alice: User, work: Work, few_recent: CodeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        work(alice, f"{number}", {ISCC: code(number)})
    assert found({ISCC: code(0)}) == [("0", "re_encoded")]
    Fingerprint.objects.get(asset__title="0").delete()
    assert found({ISCC: code(0)}) == []
    assert len(few_recent.within([code(0)], 0, 0).pks) == 1
    later = time.monotonic() + codeindex.HELD_FOR + 1
    monkeypatch.setattr("provenance.codeindex.time.monotonic", lambda: later)
    assert len(few_recent.within([code(0)], 0, 0).pks) == 0


def test_a_code_that_is_committed_after_a_later_one_is_found(alice: User, work: Work, few_recent: CodeIndex) -> None:
    """Numbers are not commit order: another server's transaction may still be open when the next one is read."""
    for number in range(10):
        work(alice, f"{number}", {ISCC: code(number)})
    late = Fingerprint.objects.get(asset__title="8")
    late.delete()
    assert found({ISCC: code(8)}) == []
    assert found({ISCC: code(9)}) == [("9", "re_encoded")]
    late.save(force_insert=True)  # keeps its number
    assert found({ISCC: code(8)}) == [("8", "re_encoded")]


def test_another_database_under_the_same_process_is_noticed(alice: User, work: Work, few_recent: CodeIndex) -> None:
    for number in range(12):
        work(alice, f"{number}", {ISCC: code(number)})
    assert found({ISCC: code(0)}) == [("0", "re_encoded")]
    Fingerprint.objects.filter(asset__title__in=[f"{number}" for number in range(1, 12)]).delete()
    assert found({ISCC: code(5)}) == []
    assert len(few_recent._settled) == 0
    assert found({ISCC: code(0)}) == [("0", "re_encoded")]
