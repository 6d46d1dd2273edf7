"""Which registered works look or sound like this one, how near they are, and how that was seen.

Thresholds, as shares of the bits that differ. Those of images were measured on photographs under re-encoding, resizing,
cropping and captions (tests/provenance/test_likeness_recovery.py holds them) and on 20,000 pairs of different ones,
each looked at in 46 ways (decision 0008).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from provenance.codeindex import CodeIndex
from provenance.models import Asset, Fingerprint

ISCC, DHASH = Fingerprint.Algorithm.ISCC_IMAGE, Fingerprint.Algorithm.DHASH
AUDIO, VIDEO = Fingerprint.Algorithm.ISCC_AUDIO, Fingerprint.Algorithm.FRAMES
WATERMARK = Fingerprint.Algorithm.WATERMARK

AS_IT_IS = "as it is"
COVERED = ("lower edge left out", "upper edge left out")  # words over a picture leave it the same picture
EXACT, SAME, LIKE = "exact", "re_encoded", "candidate"
RE_ENCODED, CANDIDATE = 0.156, 0.28
# Of sound and video. Different tunes come as near as 0.25, different clips of one shot as 0.28.
RECORDING_RE_ENCODED, RECORDING_CANDIDATE = 0.12, 0.20
DHASH_CANDIDATE = 10 / 64
# What dHash alone finds, ISCC must not contradict.
DHASH_CONFIRMED = 0.35
# Words over the upper or the lower edge: the other three quarters of dHash (48 bits) are as they were, and ISCC, which
# sees the whole picture at once, is not as far as another picture would be.
WORDS_REST, WORDS_CONFIRMED = 3 / 48, 0.40
WORDS_REST_ALIKE, WORDS_LIKELY = 2 / 48, 0.45
# 32 bits are a key to look up, not a proof: at most 2 wrong ones, and a fingerprint that agrees as far as this.
WATERMARK_ERRORS, WATERMARK_CONFIRMED = 2, 0.35

MAX_MATCHES = 20
_BATCH = 200


class Search(NamedTuple):
    """bits: of a code. limit: bits that may differ. first: of them in the first 64 (see `codeindex.Codes.within`)."""

    bits: int
    limit: int
    first: int


SEARCHES = {
    ISCC: Search(256, int(CANDIDATE * 256), 22),
    AUDIO: Search(256, int(RECORDING_CANDIDATE * 256), 20),
    VIDEO: Search(256, int(RECORDING_CANDIDATE * 256), 20),
    DHASH: Search(64, 12, 12),  # words over an edge may change as much as its rows there
    WATERMARK: Search(32, WATERMARK_ERRORS, WATERMARK_ERRORS),
}
_indexes = {algorithm: CodeIndex(algorithm, search.bits) for algorithm, search in SEARCHES.items()}

# algorithm: (how the file was held, code) of each way it was held; see `fingerprints.queries`.
Queries = Mapping[str, Sequence[tuple[str, bytes]]]


@dataclass(frozen=True)
class Match:
    """distance: share of the bits that differ, 0 to 1. tier: exact (same bytes), re_encoded or candidate.

    how: what was done to the file before its code was near ("as it is", "mirrored", "centre crop", …), or "watermark".
    algorithm: whose distance it is; none for the same bytes.
    """

    asset_id: UUID
    title: str
    distance: float
    tier: str
    algorithm: str = ""
    how: str = AS_IT_IS

    def as_dict(self) -> dict[str, str]:
        """The distance travels as a decimal string: floats have no canonical JSON."""
        return {
            "asset_id": str(self.asset_id),
            "title": self.title,
            "distance": f"{self.distance:.3f}",
            "tier": self.tier,
            "algorithm": self.algorithm,
            "how": self.how,
        }


def near(fingerprints: Mapping[str, bytes] | Queries, among: QuerySet[Asset]) -> list[Match]:
    """Works in `among` whose fingerprints are near, surest first, at most 20.

    fingerprints: by algorithm one code of the file as it is, or all of `fingerprints.queries`. What the index finds is
    read again from the database, so an erased or hidden work is never among the answers.
    """
    queries = {name: _ways(codes) for name, codes in fingerprints.items() if name in _indexes}
    matches: dict[UUID, Match] = {}
    for batch in _batches(_candidates(queries)):
        matches |= {one.asset_id: one for one in _compared(batch, queries, among)}
        if len(matches) >= MAX_MATCHES:
            break
    return sorted(matches.values(), key=_surest)[:MAX_MATCHES]


def _ways(codes: bytes | Sequence[tuple[str, bytes]]) -> Sequence[tuple[str, bytes]]:
    return [(AS_IT_IS, codes)] if isinstance(codes, bytes) else codes


def _surest(match: Match) -> tuple[bool, float, UUID]:
    return match.tier != SAME, match.distance, match.asset_id


def _candidates(queries: Queries) -> list[int]:
    """pks of Fingerprint rows that the indexes tell of, the nearest of its kind first."""
    found = []
    for name, ways in queries.items():
        search = SEARCHES[Fingerprint.Algorithm(name)]
        codes = [code for _, code in ways if len(code) * 8 == search.bits]
        hits = _indexes[Fingerprint.Algorithm(name)].within(codes, search.limit, search.first) if codes else None
        found += [(bits / search.limit, pk) for pk, bits in hits.nearest()] if hits else []
    return [pk for _, pk in sorted(found)]


def _batches(pks: Sequence[int]) -> Iterable[Sequence[int]]:
    return (pks[at : at + _BATCH] for at in range(0, len(pks), _BATCH))


def _compared(pks: Sequence[int], queries: Queries, among: QuerySet[Asset]) -> list[Match]:
    """The works these rows belong to, with every code of theirs compared with every query."""
    assets = Fingerprint.objects.filter(pk__in=pks, asset__in=among).values("asset_id")
    rows = Fingerprint.objects.filter(asset_id__in=assets).values_list("asset_id", "asset__title", "algorithm", "value")
    codes: dict[tuple[UUID, str], dict[str, bytes]] = defaultdict(dict)
    for asset_id, title, algorithm, value in rows:
        codes[asset_id, title][algorithm] = bytes(value)
    judged = ((work, judge(queries, theirs)) for work, theirs in codes.items())
    return [Match(*work, nearness.distance, nearness.tier, nearness.algorithm, nearness.how)
            for work, nearness in judged if nearness is not None]  # fmt: skip


class Nearness(NamedTuple):
    """See Match."""

    tier: str
    distance: float
    algorithm: str
    how: str


def judge(queries: Queries, codes: Mapping[str, bytes]) -> Nearness | None:
    """How near one work's codes (by algorithm) are to the queries, by the surest rule; None when they are not."""
    distances = {
        name: {how: distance(code, codes[name]) for how, code in ways}
        for name, ways in queries.items()
        if name in codes
    }
    image, quick = distances.get(ISCC, {}), distances.get(DHASH, {})
    found = [
        *(_of_way(how, image[how], quick.get(how, 1.0)) for how in image),
        *(_of_recording(name, how, far) for name in (AUDIO, VIDEO) for how, far in distances.get(name, {}).items()),
        _of_captioned(image.get(AS_IT_IS, 1.0), dict(queries.get(DHASH, ())).get(AS_IT_IS, b""), codes.get(DHASH, b"")),
        _of_watermark(distances),
    ]
    a_video = VIDEO in queries or VIDEO in codes
    return min((_of_part(one, a_video=a_video) for one in found if one), key=_preferred, default=None)


def _of_part(one: Nearness, *, a_video: bool) -> Nearness:
    """One frame, or the music, of a video is not the video: that never makes sure."""
    return one._replace(tier=LIKE) if a_video and one.algorithm != VIDEO else one


def _preferred(one: Nearness) -> tuple[bool, bool, bool, float]:
    """The plainest explanation first; ISCC before dHash, because shares of so few bits are not comparable."""
    return one.tier != SAME, one.how != AS_IT_IS, one.algorithm == DHASH, one.distance


def _of_way(how: str, iscc: float, dhash: float) -> Nearness | None:
    """Of a picture as it is, either code may tell; the more ways it is held in, the surer each must be: both tell."""
    agree = iscc <= CANDIDATE and dhash <= DHASH_CANDIDATE
    if iscc <= RE_ENCODED or (agree and how in (AS_IT_IS, *COVERED)):
        return Nearness(SAME, iscc, ISCC, how)
    if agree or (iscc <= CANDIDATE and how == AS_IT_IS):
        return Nearness(LIKE, iscc, ISCC, how)
    if how == AS_IT_IS and dhash <= DHASH_CANDIDATE and iscc <= DHASH_CONFIRMED:
        return Nearness(LIKE, dhash, DHASH, how)
    return None


def _of_captioned(iscc: float, dhash: bytes, other: bytes) -> Nearness | None:
    """dhash, other: of the file and of the work. A row of the picture is a byte of it, the upper one first."""
    for how, rows in zip(COVERED, (slice(0, 6), slice(2, 8)), strict=True):
        rest = distance(dhash[rows], other[rows])
        if rest <= WORDS_REST and iscc <= WORDS_CONFIRMED:
            return Nearness(SAME, rest, DHASH, how)
        if rest <= WORDS_REST_ALIKE and iscc <= WORDS_LIKELY:
            return Nearness(LIKE, rest, DHASH, how)
    return None


def _of_watermark(distances: Mapping[str, Mapping[str, float]]) -> Nearness | None:
    """The distance told is the fingerprint's that confirms it."""
    errors = min(distances.get(WATERMARK, {}).values(), default=1.0)
    confirming = [(far, name) for name in (ISCC, DHASH) for far in distances.get(name, {}).values()]
    if errors * 32 > WATERMARK_ERRORS or not confirming or min(confirming)[0] > WATERMARK_CONFIRMED:
        return None
    return Nearness(LIKE, *min(confirming), "watermark")


def _of_recording(algorithm: str, how: str, far: float) -> Nearness | None:
    if far > RECORDING_CANDIDATE:
        return None
    return Nearness(SAME if far <= RECORDING_RE_ENCODED else LIKE, far, algorithm, how)


def distance(code: bytes, other: bytes) -> float:
    """Share of the bits that differ, 0 to 1; 1 for codes of different lengths."""
    if len(code) != len(other) or not code:
        return 1.0
    return (int.from_bytes(code) ^ int.from_bytes(other)).bit_count() / (8 * len(code))
