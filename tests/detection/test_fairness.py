"""Audits by groups: rates with intervals, a noise floor, aggregates only."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from core.problems import Forbidden, Problem
from detection import fairness, groups, reconciliation
from detection.detectors import Answer, Reading, Strength
from detection.groups import Told, tables
from detection.guarded import Checked
from detection.models import Audit
from ledger.events import EventType
from ledger.models import Entry
from policy.models import Case


def population(sizes: dict[str, int], rates: dict[str, float], seed: int = 1) -> list[Told]:
    """Half of each group real; false signals at the group's rate."""
    random = np.random.default_rng(seed)
    items = []
    for group, size in sizes.items():
        for number in range(size):
            made = number % 2 == 1
            wrong = random.random() < rates[group]
            right, error = (Answer.SIGNALS, Answer.NO_SIGNALS) if made else (Answer.NO_SIGNALS, Answer.SIGNALS)
            items.append(Told(group, made, error if wrong else right))
    return items


def test_fairlearns_metric_frame_finds_the_same_rates_and_the_same_gap() -> None:
    from fairlearn.metrics import MetricFrame, false_positive_rate

    sizes = {"a": 240, "b": 400, "c": 120}
    items = population(sizes, {"a": 0.05, "b": 0.12, "c": 0.3})
    mine = next(one for one in tables(items) if one.rate == "fpr")
    frame = MetricFrame(
        metrics=false_positive_rate,
        y_true=[int(one.made) for one in items],
        y_pred=[int(one.answer is Answer.SIGNALS) for one in items],
        sensitive_features=[one.group for one in items],
    )
    assert {one.group: one.rate for one in mine.groups} == pytest.approx(dict(frame.by_group))
    assert mine.gap == pytest.approx(frame.difference())


def test_without_any_true_gap_six_groups_of_fifty_show_eight_points_and_the_floor_says_so() -> None:
    # detection-methods.md 3c: FPR 5 %, 6 groups: n = 50 median .080, 95th percentile .120; n = 200 .040, .060.
    random = np.random.default_rng(0)
    few = groups.noise_floor(np.full(6, 50), 0.05, random)
    many = groups.noise_floor(np.full(6, 200), 0.05, random)
    assert few == pytest.approx((0.08, 0.12), abs=0.021) and many == pytest.approx((0.04, 0.06), abs=0.011)


def test_chance_alone_is_hardly_ever_flagged_and_a_large_gap_always() -> None:
    sizes = dict.fromkeys("abcdef", 200)
    flagged = [
        any(table.flagged for table in tables(population(sizes, dict.fromkeys("abcdef", 0.05), seed)))
        for seed in range(40)
    ]
    assert sum(flagged) <= 4
    unfair = {**dict.fromkeys("abcde", 0.03), "f": 0.30}
    assert all(any(table.flagged for table in tables(population(sizes, unfair, seed))) for seed in range(10))


def test_small_groups_are_left_out_with_their_counts() -> None:
    sizes = {"a": 100, "b": 104, "c": 108, "few": 18}
    items = population(sizes, dict.fromkeys(sizes, 0.1) | {"few": 1.0})
    assert [table.rate for table in tables(items)] == ["fpr", "fnr", "abstention"]
    for table in tables(items):  # with a, the next smallest: all less those told is then nobody's size
        assert [one.group for one in table.groups] == ["b", "c"]
        assert table.left_out == 2
    assert "few" not in json.dumps(groups.as_json(tables(items)))


def test_one_file_that_shows_twenty_people_is_no_group() -> None:
    crowd = [Told("crowd", False, Answer.SIGNALS, tuple(f"c{n}" for n in range(30)))]
    others = [Told(tone, False, Answer.NO_SIGNALS, (f"{tone}-{n}",)) for tone in ("light", "mid") for n in range(30)]
    assert {one.group for table in tables([*crowd, *others]) for one in table.groups} == {"light", "mid"}


def test_the_people_of_a_set_are_counted_by_the_consents_in_its_list(tmp_path: Path) -> None:
    rows = [{**row, "consent": " form 3,  no. 7 ; c2;"} for row in volunteers(1)]
    told = fairness.read_set(audit_set(tmp_path / "set", rows))
    assert [consents for *_, consents in told.rows] == [("form 3, no. 7", "c2")] * 2


def test_twenty_files_of_one_person_are_no_group() -> None:
    dana = [Told("dark", False, Answer.SIGNALS, ("form-1",)) for _ in range(25)]
    others = [Told(tone, False, Answer.NO_SIGNALS, (f"{tone}-{n}",)) for tone in ("light", "mid") for n in range(30)]
    assert tables([*dana, *others]) == []  # with the next smallest too: one group is left, and has no gap
    more = [Told("deep", False, Answer.NO_SIGNALS, (f"deep-{n}", "form-1")) for n in range(40)]
    assert [[one.group for one in table.groups] for table in tables([*dana, *others, *more])] == [["deep", "mid"]] * 2


def test_no_subtraction_of_what_is_told_gives_the_size_of_a_small_cell() -> None:
    """21 real and 19 made ones of A: 40 abstentions less 21 would say 19."""
    items = [Told(group, False, Answer.CANT_SAY) for group in "ABC" for _ in range(21)]
    items += [Told("A", True, Answer.CANT_SAY) for _ in range(19)]
    items += [Told(group, True, Answer.CANT_SAY) for group in "BCD" for _ in range(50)]
    told = {table.rate: {one.group for one in table.groups} for table in tables(items)}
    assert told["fpr"] == {"A", "B", "C"} and "A" not in told["fnr"]
    assert "A" not in told["abstention"] and told["abstention"] - {"D"} <= told["fpr"] & told["fnr"]


def test_who_gave_no_answer_is_in_no_group_and_cannot_be_counted_from_outside() -> None:
    items = [Told(group, False, Answer.CANT_SAY) for group in "ABC" for _ in range(40 + ord(group))]
    silent = [Told("", False, Answer.CANT_SAY)]
    assert {one.group for one in tables(items)[0].groups} == {"A", "B", "C"}
    [table, _] = tables([*items, *silent])
    assert {one.group for one in table.groups} == {"B", "C"} and table.left_out == 1


def test_one_group_alone_has_no_gap() -> None:
    assert tables(population({"a": 100, "b": 10}, {"a": 0.1, "b": 0.1})) == []


def test_intervals_hold_the_rate_and_shrink_with_n() -> None:
    few, many = (
        next(one for one in tables(population(dict.fromkeys("ab", n), dict.fromkeys("ab", 0.1))) if one.rate == "fpr")
        for n in (60, 2000)
    )
    for table in (few, many):
        assert all(one.low <= one.rate <= one.high for one in table.groups)
    assert few.groups[0].high - few.groups[0].low > 2 * (many.groups[0].high - many.groups[0].low)


# --- The job ---------------------------------------------------------------------------------------------------------


def audit_set(folder: Path, rows: list[dict[str, str]], **told: Any) -> Path:
    folder.mkdir()
    names = list(rows[0])
    with (folder / "audit.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    about = {"name": "Volunteers", "consent": "Volunteers of 2026, form 3", "attributes": {"tone": "self_reported"}}
    (folder / "audit.yaml").write_text(json.dumps({**about, **told}))  # JSON is YAML
    for row in rows:
        (folder / row["file"]).write_bytes(b"\xff\xd8\xff\xe0" + row["file"].encode())
    return folder


def volunteers(count: int = 60) -> list[dict[str, str]]:
    return [
        {"file": f"{tone}-{number}.jpg", "label": "real", "consent": f"c{number}", "tone": tone}
        for tone in ("light", "dark")
        for number in range(count)
    ]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Answer]], None]:
    """answering(of) → the detector answers by what is written in the file; the child is tested elsewhere."""

    def use(of: Callable[[str], Answer]) -> None:
        def examine(info: object, path: Path, *told: object, **more: object) -> list[Checked]:
            answer = of(path.read_bytes()[4:].decode())
            return [Checked(Reading("s", Strength.NONE, "-", answer=answer), None)]

        monkeypatch.setattr("detection.fairness.guarded.examine", examine)

    return use


def test_a_gap_that_is_no_noise_opens_a_case_and_only_aggregates_are_kept(
    olga: User, tmp_path: Path, answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering(lambda name: Answer.SIGNALS if name.startswith("dark") and int(name[5:-4]) < 20 else Answer.NO_SIGNALS)
    folder = audit_set(tmp_path / "set", volunteers())
    words = ["run", "forensics", str(folder), "--by-attribute", "tone", "--by", olga.email]
    with pytest.raises(CommandError) as gap:
        call_command("audit_model", *words)
    assert gap.value.returncode == 3
    row = Audit.objects.get()
    assert row.flagged and row.case == str(Case.objects.get().pk)
    fpr = next(one for one in row.table if one["rate"] == "fpr")
    assert {one["group"]: (one["k"], one["n"]) for one in fpr["groups"]} == {"light": (0, 60), "dark": (20, 60)}
    assert float(fpr["gap"]) > float(fpr["noise_floor"][1])
    kept = json.dumps([row.table, row.basis, row.set_name]) + b"".join(
        bytes(one.leaf) for one in Entry.objects.all()
    ).decode(errors="replace")
    assert ".jpg" not in kept and '"c1"' not in kept
    opened, audited = Entry.objects.filter(type=EventType.MODEL_AUDITED).order_by("pk")
    assert json.loads(bytes(opened.leaf))["facts"]["step"] == "opened"
    assert json.loads(bytes(audited.leaf))["facts"]["case"] == row.case
    assert "dark: 20 of 60" in capsys.readouterr().out
    assert list(reconciliation.model_versions()) == []


def test_the_same_rates_open_nothing(olga: User, tmp_path: Path, answering: Callable[..., None]) -> None:
    answering(lambda name: Answer.SIGNALS if name.endswith("0.jpg") else Answer.CANT_SAY)
    row = fairness.audit(audit_set(tmp_path / "set", volunteers()), "forensics", "tone", olga)
    assert not row.flagged and row.case == "" and not Case.objects.exists()


def test_who_may_audit_and_that_opening_the_set_is_logged_even_if_it_breaks(
    olga: User, rita: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = audit_set(tmp_path / "set", volunteers(20))
    with pytest.raises(Forbidden):
        fairness.audit(folder, "forensics", "tone", rita)
    assert not Entry.objects.filter(type=EventType.MODEL_AUDITED).exists()
    monkeypatch.setattr(fairness, "_examined", lambda *told: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(RuntimeError):
        fairness.audit(folder, "forensics", "tone", olga)
    assert Entry.objects.filter(type=EventType.MODEL_AUDITED).count() == 1


@pytest.mark.parametrize(
    ("change", "told", "words"),
    [
        ({}, {"attributes": {"tone": "from pixels"}}, "not self-reported"),
        ({"consent": ""}, {}, "no consent is recorded"),
        ({"file": "../keys.jpg"}, {}, "beside the list"),
        ({"label": "maybe"}, {}, "real or made"),
        ({}, {"consent": ""}, "under which consent"),
    ],
)
def test_a_set_out_of_form_or_without_consent_is_refused(
    tmp_path: Path, change: dict[str, str], told: dict[str, Any], words: str
) -> None:
    row = {**volunteers(1)[0], **change}
    folder = tmp_path / "inner" / "set"
    folder.parent.mkdir()
    audit_set(folder, [row], **told)
    with pytest.raises(Problem) as refused:
        fairness.read_set(folder)
    assert refused.value.code == "audit.set" and words in refused.value.detail


def test_an_attribute_that_nobody_was_asked_is_refused(olga: User, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no attribute"):
        fairness.audit(audit_set(tmp_path / "set", volunteers(20)), "forensics", "age", olga)


def test_too_few_people_to_say_anything_keeps_nothing(
    olga: User, tmp_path: Path, answering: Callable[..., None]
) -> None:
    answering(lambda name: Answer.NO_SIGNALS)
    with pytest.raises(Problem, match="no two groups"):
        fairness.audit(audit_set(tmp_path / "set", volunteers(10)), "forensics", "tone", olga)
    assert not Audit.objects.exists()
