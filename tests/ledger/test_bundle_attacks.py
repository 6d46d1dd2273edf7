"""Each way to tamper with a bundle, by whoever holds no key and by whoever holds the office's: refused, and named.

The Go verifier stops at the first check that does not hold, so it says less; it never says yes.
"""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from ledger import bundleformat as form
from ledger import container, keys, verify
from tests.ledger import forge
from tests.ledger.verifiers import Both

Members = dict[str, bytes]
Attack = Callable[[Members], None]

pytestmark = pytest.mark.xdist_group("mutations")

LOG = forge.Log(12)
FIRST, COUNT = 3, 6


@pytest.fixture(scope="module")
def bundle() -> bytes:
    """Entries 3 to 8 of twelve, a value disclosed of each."""
    return forge.bundle(LOG, FIRST, COUNT)


def named(data: bytes, key: forge.Key = forge.LOG) -> dict[str, str]:
    verdict = verify.verify_file(data, keys.parse_vkey(key.vkey))
    return {check.name: check.message for check in verdict.checks if check.ok is False}


def lines(members: Members, name: str, *numbers: int) -> None:
    """Only these lines of a member, in this order."""
    all_lines = members[name].splitlines(keepends=True)
    members[name] = b"".join(all_lines[number] for number in numbers)


def other_log(members: Members) -> None:
    mallory = forge.Key("mallory.example/log", "m")
    members["checkpoint"] = forge.Log(12, (mallory,)).checkpoint().encode()


def altered(members: Members) -> None:
    members["disclosures.jsonl"] = members["disclosures.jsonl"].replace(b"Statement 5 of Dana", b"Statement 5 of Mall")


def another_entrys(members: Members) -> None:
    """What was said in entry 6 is shown as if it had been said in entry 5."""
    rows = members["disclosures.jsonl"].splitlines(keepends=True)
    rows[2] = rows[3].replace(b'"index":6', b'"index":5')
    members["disclosures.jsonl"] = b"".join(rows[:3] + rows[4:])


def with_table(*numbers: int) -> Attack:
    """The same of leaves and table, so that the table tells nothing."""

    def attack(members: Members) -> None:
        lines(members, "leaves.jsonl", *numbers)
        lines(members, "entries.csv", 0, *(number + 1 for number in numbers))

    return attack


# What is done, the check that names it, and words of it.
ENTRIES: dict[str, tuple[Attack, str, str]] = {
    "an entry removed": (lambda m: lines(m, "leaves.jsonl", 0, 1, 3, 4, 5), "missing entries", "entry 5 is in"),
    "the last entry removed": (lambda m: lines(m, "leaves.jsonl", 0, 1, 2, 3, 4), "missing entries", "entry 8 is in"),
    "an entry moved": (lambda m: lines(m, "leaves.jsonl", 0, 2, 1, 3, 4, 5), "order", "entry 5 stands in the place of"),
    "an entry twice": (lambda m: lines(m, "leaves.jsonl", 0, 1, 1, 2, 3, 4, 5), "duplicates", "the places 4 and 5"),
    "an entry instead of another": (
        lambda m: lines(m, "leaves.jsonl", 0, 1, 1, 3, 4, 5), "duplicates", "the places 4 and 5",
    ),
    "an entry changed": (
        lambda m: m.update({"leaves.jsonl": m["leaves.jsonl"].replace(b'"asset:5"', b'"asset:9"')}),
        "changed entries", "entry 5 was changed",
    ),
    "an entry added": (
        lambda m: m.update({"leaves.jsonl": m["leaves.jsonl"] + LOG.leaves[9] + b"\n"}), "changed entries", "was added",
    ),
    "a gap in the range": (with_table(0, 1, 3, 4, 5), "gaps", "after entry 4 comes entry 6"),
    "a disclosure altered": (altered, "disclosures", "“statement” of entry 5 is not the value that was recorded"),
    "a disclosure of another entry": (another_entrys, "disclosure owners", "as that of entry 5, is that of entry 6"),
    "the checkpoint of another log": (other_log, "log", "the checkpoint is of another log: mallory.example/log"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ENTRIES)
@pytest.mark.parametrize("sealed", [False, True], ids=["by anybody", "by the office"])
def test_an_attack_on_the_content_is_named(attack: str, sealed: bool, bundle: bytes, both: Both) -> None:
    change, check, words = ENTRIES[attack]
    members = forge.unpacked(bundle)
    change(members)
    tampered = forge.resealed(members) if sealed else forge.packed(members)
    found = named(tampered)
    assert words in found[check]
    assert ("members" in found) == (not sealed)
    assert not both.accept(tampered)


def test_a_forged_key_is_named(bundle: bytes, both: Both) -> None:
    """Mallory signs everything anew, and encloses her own key."""
    mallory = forge.Log(12, (forge.MALLORY,))
    content = forge.members(mallory, FIRST, COUNT, rich=False)
    forged = forge.sealed(forge.manifest(content, mallory, FIRST, COUNT), content, forge.MALLORY)
    assert both.accept(forged, key=forge.MALLORY)
    assert "encloses another key than the one you gave" in named(forged)["key"]
    assert not both.accept(forged)


def test_a_file_that_was_cut_short_is_named_wherever_it_ends(bundle: bytes, both: Both) -> None:
    middle = bundle.index(b"PK\3\4", 4)
    for end in (2, 20, 500, middle, middle + 2, middle + 40, len(bundle) - 70, len(bundle) - 1):
        assert end == 2 or "cut short" in named(bundle[:end])["file length"], end
        assert not both.accept(bundle[:end])
        assert both.by_go["checks"][-1]["name"] == "file length"


def hostile(bundle: bytes, name: str, **attributes: Any) -> bytes:
    """The bundle with one more member, as zip programs would write it."""
    target = io.BytesIO(bundle)
    with zipfile.ZipFile(target, "a", attributes.get("compress_type", zipfile.ZIP_STORED)) as archive:
        archive.writestr(zipfile.ZipInfo(name), b"\0" * 3_000_000, **attributes)
    return target.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "files/../../evil", "C:\\evil", "files/\u202e.txt", "files/" + "a" * 250],
)
def test_a_name_that_leads_out_of_the_folder_is_named(name: str, bundle: bytes, both: Both) -> None:
    slipping = hostile(bundle, name)
    assert "could be written anywhere" in named(slipping)["member names"]
    assert not both.accept(slipping)
    assert both.by_go["checks"][-1]["name"] == "member names"


def test_a_member_that_would_unpack_to_more_is_named_and_never_unpacked(bundle: bytes, both: Both) -> None:
    bomb = hostile(bundle, "files/bomb", compress_type=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 40_000
    assert "bytes that say they unpack to 3000000" in named(bomb)["packing"]
    assert not both.accept(bomb)
    assert both.by_go["checks"][-1]["name"] == "packing"


def test_a_bomb_of_overlapping_members_is_refused(bundle: bytes, both: Both) -> None:
    """Two rows of the directory that name one content: what David Fifield's bombs are made of."""
    at = bundle.index(b"PK\1\2")
    row = bundle[at : bundle.index(b"PK\1\2", at + 4)]
    doubled = bundle[:at] + row + bundle[at:]
    assert list(named(doubled)) == ["zip file"]
    assert not both.accept(doubled)


def test_whoever_holds_the_key_and_changes_the_table_alike_still_proves_nothing(bundle: bytes, both: Both) -> None:
    """Leaf, row and disclosure of an entry are gone, the range is said to be shorter: no root follows."""
    for numbers in ((0, 1, 2, 3, 4), (1, 2, 3, 4, 5), (0, 1, 3, 4, 5), (0, 2, 1, 3, 4, 5)):
        members = forge.unpacked(bundle)
        lines(members, "leaves.jsonl", *numbers)
        chosen = [LOG.entries[FIRST + number] for number in numbers]
        table = forge.table(chosen, True).splitlines(keepends=True)
        for place, entry in enumerate(chosen):
            table[place + 1] = table[place + 1].replace(b"%d," % entry.number, b"%d," % (FIRST + place), 1)
        members["entries.csv"] = b"".join(table)
        forged = forge.resealed(members, range={"first": FIRST, "count": len(numbers)})
        assert "inclusion" in named(forged)
        assert not both.accept(forged)


def test_the_hashes_around_a_range_prove_it_alone(both: Both) -> None:
    """Every range of every tree up to nine entries, and none of them with the proof of another."""
    for size in range(1, 10):
        log = forge.Log(size)
        for first in range(size):
            for count in range(1, size - first + 1):
                bundle = forge.bundle(log, first, count, rich=False)
                assert verify.verify_file(bundle, keys.parse_vkey(forge.LOG.vkey)).ok, (first, count, size)
    assert both.accept(bundle)


class Formula(forge.Leaf):
    """An entry whose texts a spreadsheet would compute."""

    @property
    def fields(self) -> dict[str, Any]:
        return super().fields | {"role": '=HYPERLINK("http://mallory.example")', "object": "@SUM(A1)", "refs": ["-1+2"]}


def test_no_cell_of_the_table_can_be_taken_for_a_formula(both: Both) -> None:
    log = forge.Log(3)
    log.entries[1] = Formula(1)
    log.leaves = [entry.raw for entry in log.entries]
    log.tree = forge.Tree(log.leaves)
    bundle = forge.bundle(log, 0, 3)
    table = forge.unpacked(bundle)["entries.csv"].decode()
    assert ',"\'=HYPERLINK(""http://mallory.example"")",\'@SUM(A1),' in table
    assert ",'-1+2," in table
    assert both.accept(bundle)
    bare = forge.unpacked(bundle)
    bare["entries.csv"] = bare["entries.csv"].replace(b"'@", b"@")
    assert list(named(forge.resealed(bare))) == ["table"]
    assert not both.accept(forge.resealed(bare))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_each_sign_that_begins_a_formula_is_kept_from_it(start: str) -> None:
    row = form.csv_row(7, b"{}", b"h" * 32, {"role": f"{start}1"}, {})
    assert f"'{start}1".encode() in row


MOMENT = "2026-11-23T03:00:00.%06dZ"  # of entry so and so


def asked(first: int, number: int, **query: Any) -> bytes:
    return forge.bundle(LOG, first, number, query=query)


def test_a_query_by_date_and_kind_is_recomputed_from_the_entries(both: Both) -> None:
    dates = {"since": MOMENT % 4, "until": MOMENT % 8}
    assert both.accept(asked(3, 6, **dates, count=4))
    assert both.accept(asked(3, 6, **dates, types=["asset:registered"], count=4))
    assert both.accept(asked(3, 6, **dates, types=["case:opened"], count=0))
    for wrong in (asked(3, 6, **dates, count=3), asked(3, 6, **dates, types=["case:opened"], count=4)):
        assert "match dates and kinds" in named(wrong)["selection"]
        assert not both.accept(wrong)


@pytest.mark.parametrize(
    ("first", "count", "query", "holds"),
    [
        (3, 6, {"since": MOMENT % 4, "until": MOMENT % 8}, True),
        (4, 5, {"since": MOMENT % 4, "until": MOMENT % 8}, False),
        (3, 5, {"since": MOMENT % 4, "until": MOMENT % 8}, False),
        (3, 9, {"since": MOMENT % 4}, True),
        (3, 6, {"since": MOMENT % 4}, False),
        (0, 9, {"until": MOMENT % 8}, True),
        (3, 6, {"until": MOMENT % 8}, False),
        (0, 12, {}, True),
        (0, 11, {"types": ["asset:registered"]}, False),
        (1, 11, {"types": ["asset:registered"]}, False),
        (3, 9, {"since": "2026-11-23T03:00:01.000003Z", "slack": 1}, False),
        (3, 9, {"since": "2026-11-23T03:00:01.000004Z", "slack": 1}, True),
        (0, 9, {"until": "2026-11-23T02:59:59.000008Z", "slack": 1}, True),
        (0, 9, {"until": "2026-11-23T02:59:59.000009Z", "slack": 1}, False),
    ],
)
def test_the_ends_of_the_range_lie_beyond_what_was_asked_for(
    first: int, count: int, query: dict[str, Any], holds: bool, both: Both
) -> None:
    since, until = query.get("since", ""), query.get("until", "9")
    matching = sum(since <= MOMENT % n < until for n in range(first, first + count))
    bundle = asked(first, count, **query, count=matching)
    found = named(bundle)
    assert both.accept(bundle) == holds
    assert ("edges" in found) == (not holds), found


def test_the_ends_say_how_far_the_order_of_times_is_trusted() -> None:
    bundle = asked(0, 12, since="2026-11-23T02:00:00.000000Z", slack=3605, count=12)
    (edges,) = (check.message for check in verify.verify_file(bundle).checks if check.name == "edges")
    assert edges == (
        "the range begins with the log; the range ends with the log as it was signed; "
        "inside it the times never run back by more than 0 s"
    )


def test_progress_is_told_to_whoever_verifies_a_bundle(bundle: bytes) -> None:
    told: list[tuple[int, int]] = []
    verify.verify_file(bundle, progress=lambda done, size: told.append((done, size)))
    assert told == [(6, 6)]


def test_a_file_beyond_four_gigabytes_is_refused_before_it_is_written() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return container.MAX_BYTES

    with pytest.raises(container.TooLarge):
        container.Writer(io.BytesIO()).add("a", Huge())


def test_the_manifest_states_nothing_that_is_not_checked(bundle: bytes) -> None:
    manifest = json.loads(forge.unpacked(bundle)["manifest.json"])
    for name in manifest:
        changed = {**manifest, name: "x" if name not in ("about", "made_at") else None}
        content = {n: d for n, d in forge.unpacked(bundle).items() if not n.startswith("manifest.")}
        if name != "about":
            assert named(forge.sealed(forge.canonical(changed), content)), name
