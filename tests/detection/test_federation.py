"""Federated training: the same rounds as in Flower's processes, played in this one."""

import datetime as dt
import io
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from accounts.models import User
from core.clock import now
from core.problems import Problem
from detection import labels
from detection.federation import (
    answers,
    contribution,
    engine,
    features,
    figures,
    holding,
    own_material,
    privacy,
    recording,
    records,
    release,
    resynthesis,
    rounds,
    simulation,
    taking_part,
)
from detection.federation import material as material_of
from detection.federation.contribution import BadContribution
from detection.federation.holding import BadHolding, Holding, Item
from detection.federation.plan import TRAIN, Aggregation, BadPlan, Participant, Plan, Statistics, Training, canonical
from detection.federation.privacy import Histogram
from detection.federation.release import Signed
from detection.federation.rounds import Examples, Outcome, Vector
from detection.federation.simulation import Simulation
from detection.federation.taking_part import Declined, HandedIn, Institution
from detection.models import Claim, FederationRound, Label
from ledger import reconciliation
from ledger.models import Entry
from provenance.models import Asset

FEATURES = 6
NAMES = ("alices-archive", "bobs-paper", "mallorys-gallery")
HOSTILE = NAMES[2]


def material(name: str, seed: int, shift: float, count: int = 160) -> Holding:
    """Two overlapping clouds, elsewhere in each institution."""
    rng = np.random.default_rng(seed)
    made = np.arange(count) % 2 == 1
    features = rng.normal(shift, 1.0, (count, FEATURES))
    features[made, :3] += 1.4
    items = tuple(
        Item(f"{seed:02}{index:062x}", f"{name}-{index // 4}", bool(side), index % 3 == 0, (TRAIN,), "licence:CC0-1.0")
        for index, side in enumerate(made)
    )
    return Holding(name, features.astype(np.float32), items)


class Federation:
    """Three institutions, each in a folder of its own, and a coordinator's reference."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.holdings = {name: material(name, seed, 0.3 * seed) for seed, name in enumerate(NAMES)}
        self.places = {name: folder / "institutions" / name for name in NAMES}
        self.keys = {}
        for name, one in self.holdings.items():
            one.write(self.places[name])
            self.keys[name] = holding.new_key(self.places[name])
        reference = material("reference", 9, 0.3, 80)
        replace(reference, items=tuple(replace(item, held_out=False) for item in reference.items)).write(
            folder / "reference"
        )
        self.plan = Plan(
            name="trial",
            aggregation=Aggregation.ROBUST,
            features="clouds-1",
            mean=(0.5,) * FEATURES,
            scale=(1.2,) * FEATURES,
            participants=tuple(Participant(name, self.keys[name], (TRAIN,), "0" * 64) for name in NAMES),
            training=Training(rounds=4),
            reference=Holding.read(folder / "reference").digest(),
        )
        self.agree(self.plan)

    def agree(self, plan: Plan) -> None:
        self.plan = plan
        for place in self.places.values():
            plan.write(place / "plan.json")
        plan.write(self.folder / "plan.json")

    @property
    def reference(self) -> Examples:
        return Holding.read(self.folder / "reference").training(self.plan)[0]

    def simulated(self, **how: object) -> Simulation:
        return Simulation(self.plan, self.places, self.reference, **how)  # type: ignore[arg-type]

    def auc(self, model: Vector) -> float:
        return figures.sites(self.holdings, self.plan)["all"].auc(model)

    def central_auc(self, of: Mapping[str, Holding] | None = None) -> float:
        return self.auc(figures.central(of or self.holdings, self.plan))

    def played(self, **how: object) -> list[records.Record]:
        """The rounds, kept in the coordinator's folder as the engine keeps them."""
        return [record for record, _ in self.simulated(**how).rounds(self.folder)]


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def outcomes(told: list[records.Record], name: str) -> list[Outcome]:
    return [next(one.outcome for one in record.verdicts if one.participant == name) for record in told]


# --- The rounds ------------------------------------------------------------------------------------------------------


def test_three_institutions_train_a_head_as_good_as_one_trained_in_one_place(federation: Federation) -> None:
    shared = federation.auc(federation.simulated().run())
    assert shared > 0.8
    assert shared > federation.central_auc() - 0.02


def test_the_same_answers_give_the_same_model_to_the_bit(federation: Federation) -> None:
    first, second = federation.simulated().run(), federation.simulated().run()
    assert contribution.model_digest(first) == contribution.model_digest(second)


def test_a_poisoned_institution_is_refused_and_the_head_is_as_good_as_without_it(federation: Federation) -> None:
    items = tuple(replace(item, made=not item.made) for item in federation.holdings[HOSTILE].items)
    replace(federation.holdings[HOSTILE], items=items).write(federation.places[HOSTILE])
    told = list(federation.simulated().rounds())
    assert outcomes([record for record, _ in told], HOSTILE)[0] is Outcome.REFUSED
    assert federation.auc(told[-1][1].model) > federation.central_auc() - 0.02


@pytest.mark.parametrize(
    "attack", ["labels turned round", "backwards, as long as allowed", "noise, as long as allowed"]
)
def test_what_harms_plain_averaging_is_bounded_by_the_plan(federation: Federation, attack: str) -> None:
    turned = federation.holdings[HOSTILE].training(federation.plan)[0]
    poison = Examples(turned.features, 1 - turned.labels)
    tamper = figures.attacks(poison, federation.plan)[attack]
    robust = federation.auc(federation.simulated(tampering={HOSTILE: tamper}).run())
    assert robust > federation.central_auc() - 0.02


def test_plain_averaging_can_be_led_anywhere_by_one(federation: Federation) -> None:
    plain = replace(federation.plan.training, tolerated=0, gate=1e9)
    federation.agree(replace(federation.plan, training=plain))
    backwards = figures.attacks(federation.reference, federation.plan)["backwards, as long as allowed"]
    led = federation.auc(federation.simulated(tampering={HOSTILE: backwards}).run())
    assert led < federation.central_auc() - 0.02


def test_an_institution_that_was_gone_for_a_round_is_missed_and_takes_part_again(federation: Federation) -> None:
    told = list(federation.simulated(absent={NAMES[0]: frozenset({2})}).rounds())
    assert outcomes([record for record, _ in told], NAMES[0]) == [
        Outcome.COUNTED,
        Outcome.MISSING,
        Outcome.COUNTED,
        Outcome.COUNTED,
    ]
    assert federation.auc(told[-1][1].model) > federation.central_auc() - 0.02


def test_a_round_without_a_quorum_moves_nothing(federation: Federation) -> None:
    alone = {name: frozenset({1}) for name in NAMES[1:]}
    record, played = next(federation.simulated(absent=alone).rounds())
    assert played.void
    assert record.before == record.after


def test_two_answers_of_which_one_may_be_hostile_move_nothing_unless_one_is_refused(federation: Federation) -> None:
    record, played = next(federation.simulated(absent={NAMES[0]: frozenset({1})}).rounds())
    assert played.void  # neither was refused, and nobody can say which of two is honest
    assert [one.outcome for one in record.verdicts] == [Outcome.MISSING, Outcome.COUNTED, Outcome.COUNTED]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (np.full(FEATURES + 1, np.nan), "not_finite"),
        (np.full(FEATURES + 1, np.inf), "not_finite"),
        (np.zeros(FEATURES), "wrong_shape"),
        (np.zeros((FEATURES + 1, 2)), "wrong_shape"),
        (np.full(FEATURES + 1, 1e200), "too_long"),
    ],
)
def test_what_no_honest_institution_hands_in_is_refused_with_the_reason(
    federation: Federation, answer: Vector, reason: str
) -> None:
    model = federation.simulated().run()
    played = rounds.play(model, {HOSTILE: answer}, federation.reference, federation.plan)
    verdict = next(one for one in played.verdicts if one.participant == HOSTILE)
    assert (verdict.outcome, verdict.reason) == (Outcome.REFUSED, reason)
    assert played.void


def test_what_teaches_the_opposite_is_refused_though_it_is_no_longer_than_agreed(federation: Federation) -> None:
    federation.agree(replace(federation.plan, training=replace(federation.plan.training, gate=0.1)))
    model, known = federation.simulated().run(), federation.reference
    opposite = rounds.update(model, Examples(known.features, 1 - known.labels), federation.plan.training)
    verdict = rounds.play(model, {HOSTILE: opposite}, known, federation.plan).verdicts[2]
    assert (verdict.participant, verdict.outcome, verdict.reason) == (HOSTILE, Outcome.REFUSED, "worse_on_reference")


finite = st.floats(-1e6, 1e6)


@given(
    honest=st.lists(st.lists(finite, min_size=3, max_size=3), min_size=2, max_size=6),
    hostile=st.lists(finite, min_size=3, max_size=3),
)
def test_one_hostile_value_never_leads_outside_what_honest_ones_say(
    honest: list[list[float]], hostile: list[float]
) -> None:
    moved = rounds.combined([np.array(one) for one in [*honest, hostile]], 1)
    assert moved is not None
    low, high = np.min(honest, axis=0), np.max(honest, axis=0)
    slack = 1e-9 * (1 + np.abs(honest).max())
    assert (moved >= low - slack).all()
    assert (moved <= high + slack).all()


@given(values=st.lists(finite, min_size=1, max_size=20), bound=st.floats(1e-3, 1e3))
def test_nothing_clipped_is_longer_than_agreed(values: list[float], bound: float) -> None:
    vector = np.array(values)
    assert np.linalg.norm(rounds.clipped(vector, bound)) <= bound * (1 + 1e-9)


# --- An institution's side -------------------------------------------------------------------------------------------


def test_an_item_whose_consent_is_gone_is_out_of_the_next_round(federation: Federation) -> None:
    place, plan = federation.places[NAMES[0]], federation.plan
    before = Institution(place).contribute(plan.digest(), 1, rounds.blank(plan)).statement
    one = Holding.read(place)
    training = [index for index, item in enumerate(one.items) if not item.held_out]
    gone = replace(one.items[training[0]], purposes=("detect",))
    replace(one, items=(*one.items[: training[0]], gone, *one.items[training[0] + 1 :])).write(place)
    after = Institution(place).contribute(plan.digest(), 1, rounds.blank(plan)).statement
    assert after.items == before.items - 1
    assert after.basis != before.basis


def test_an_institution_without_an_item_that_may_be_trained_on_declines(federation: Federation) -> None:
    one = federation.holdings[NAMES[0]]
    items = tuple(replace(item, purposes=("detect", "publish")) for item in one.items)
    replace(one, items=items).write(federation.places[NAMES[0]])
    with pytest.raises(Declined, match="may be used to train"):
        Institution(federation.places[NAMES[0]]).contribute(federation.plan.digest(), 1, rounds.blank(federation.plan))


def test_an_institution_takes_part_only_in_the_plan_that_it_agreed_to(federation: Federation) -> None:
    looser = replace(federation.plan, training=replace(federation.plan.training, clip=1e6))
    with pytest.raises(Declined, match="not the plan"):
        Institution(federation.places[NAMES[0]]).contribute(looser.digest(), 1, rounds.blank(looser))


@pytest.mark.parametrize("number", [0, 5])
def test_an_institution_plays_no_more_rounds_than_agreed(federation: Federation, number: int) -> None:
    with pytest.raises(Declined, match="4 rounds"):
        Institution(federation.places[NAMES[0]]).contribute(
            federation.plan.digest(), number, rounds.blank(federation.plan)
        )


def test_an_institution_clips_what_it_hands_in(federation: Federation) -> None:
    federation.agree(replace(federation.plan, training=replace(federation.plan.training, clip=0.01)))
    handed = Institution(federation.places[NAMES[0]]).contribute(
        federation.plan.digest(), 1, rounds.blank(federation.plan)
    )
    assert np.linalg.norm(handed.update) == pytest.approx(0.01)


def test_asking_for_the_counts_twice_costs_no_privacy(federation: Federation) -> None:
    here, model = Institution(federation.places[NAMES[0]]), federation.simulated().run()
    first = here.release(federation.plan.digest(), model)
    second = here.release(federation.plan.digest(), model + 1)  # another model, to compare with the first
    assert first.release.participant == NAMES[0]
    assert first == second


def test_of_two_who_ask_for_the_counts_at_the_same_moment_one_is_declined(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mallory would average two draws of noise."""
    here, model = Institution(federation.places[NAMES[0]]), rounds.blank(federation.plan)
    drawn: list[None] = []
    real = privacy.released

    def asked_again_meanwhile(*given: Any) -> Histogram:
        if not drawn:
            drawn.append(None)
            with pytest.raises(Declined, match="being drawn"):
                here.release(federation.plan.digest(), model)
        return real(*given)

    monkeypatch.setattr(privacy, "released", asked_again_meanwhile)
    first = here.release(federation.plan.digest(), model)
    assert drawn and here.release(federation.plan.digest(), model) == first


def test_a_draw_that_did_not_end_is_not_made_again(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    here, model = Institution(federation.places[NAMES[0]]), rounds.blank(federation.plan)
    with monkeypatch.context() as broken:
        broken.setattr(holding, "private", lambda *_: (_ for _ in ()).throw(OSError("the disc is full")))
        broken.setattr(taking_part, "private", holding.private)
        with pytest.raises(OSError, match="full"):
            here.release(federation.plan.digest(), model)
    with pytest.raises(Declined, match="did not end"):
        here.release(federation.plan.digest(), model)


@pytest.mark.parametrize(("hours", "takes_part"), [(1, True), (25, False), (None, False)])
def test_a_holding_whose_consents_were_not_looked_up_for_a_day_takes_part_in_nothing(
    federation: Federation, hours: int | None, takes_part: bool
) -> None:
    place, plan = federation.places[NAMES[0]], federation.plan
    one = Holding.read(place)
    items = tuple(replace(item, instrument="consent:1") for item in one.items)
    checked = (now() - dt.timedelta(hours=hours)).isoformat() if hours else ""
    replace(one, items=items, checked=checked).write(place)
    for ask in (
        lambda: Institution(place).contribute(plan.digest(), 1, rounds.blank(plan)),
        lambda: Institution(place).release(plan.digest(), rounds.blank(plan)),
    ):
        if takes_part:
            ask()
        else:
            with pytest.raises(Declined, match="24 hours"):
                ask()


def test_a_key_is_readable_by_its_owner_only_and_never_replaced(federation: Federation) -> None:
    place = federation.places[NAMES[0]]
    for name in ("key.pem", "items.json", "features.npy"):
        assert (place / name).stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        holding.new_key(place)


def test_a_holding_with_objects_inside_is_not_read(federation: Federation) -> None:
    place = federation.places[NAMES[0]]
    np.save(place / "features.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadHolding):
        Holding.read(place)


def test_a_holding_with_a_number_missing_is_not_read(federation: Federation) -> None:
    place = federation.places[NAMES[0]]
    features = np.load(place / "features.npy")
    features[3, 2] = np.nan
    np.save(place / "features.npy", features)
    with pytest.raises(BadHolding, match="finite"):
        Holding.read(place)


# --- Plans and contributions -----------------------------------------------------------------------------------------


def test_a_plan_reads_back_as_it_was_written(federation: Federation) -> None:
    again = Plan.read(federation.folder / "plan.json")
    assert again == federation.plan
    assert again.digest() == federation.plan.digest()


def test_a_plan_in_another_form_is_refused(federation: Federation) -> None:
    path = federation.folder / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    with pytest.raises(BadPlan, match="canonical"):
        Plan.read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"participants": []},
        {"aggregation": "sum"},
        {"scale": ["0.0"] * FEATURES},
        {"mean": ["1.0"]},
        {"v": 2},
        {"purpose": 3, "training": {"rounds": 0}},
        {"statistics": {"epsilon": "0.0"}},
        {"training": {"unheard_of": 1}},
        *({"training": {name: value}} for name in ("clip", "gate", "pull") for value in ("nan", "inf", "-1.0")),
        *({"statistics": {"epsilon": value}} for value in ("nan", "inf")),
        {"mean": ["nan"] * FEATURES},
    ],
)
def test_an_impossible_plan_is_refused(federation: Federation, change: dict[str, object]) -> None:
    path = federation.folder / "plan.json"
    path.write_bytes(canonical({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(BadPlan):
        Plan.read(path)


def test_secret_aggregation_needs_three(federation: Federation) -> None:
    two = replace(federation.plan, aggregation=Aggregation.SECRET, participants=federation.plan.participants[:2])
    with pytest.raises(ValueError, match="three"):
        two.check()


def handed_in(federation: Federation, name: str = NAMES[0]) -> tuple[contribution.Statement, bytes]:
    blank = rounds.blank(federation.plan)
    handed = Institution(federation.places[name]).contribute(federation.plan.digest(), 1, blank)
    return handed.statement, handed.signature


def refusal(federation: Federation, statement: contribution.Statement, signature: bytes) -> str:
    model = contribution.model_digest(rounds.blank(federation.plan))
    with pytest.raises(BadContribution) as caught:
        contribution.check(statement, signature, plan=federation.plan, number=1, model=model)
    return caught.value.reason


def test_mallory_cannot_hand_in_for_alice(federation: Federation) -> None:
    statement, _ = handed_in(federation, HOSTILE)
    forged = replace(statement, participant=NAMES[0])
    signature = contribution.sign(forged, holding.key_of(federation.places[HOSTILE]))
    assert refusal(federation, forged, signature) == "bad_signature"


def test_a_contribution_of_another_round_is_no_contribution(federation: Federation) -> None:
    statement, _ = handed_in(federation)
    late = replace(statement, round=2)
    signature = contribution.sign(late, holding.key_of(federation.places[NAMES[0]]))
    assert refusal(federation, late, signature) == "another_round"


def test_an_institution_that_did_not_declare_the_purpose_is_refused_by_name(federation: Federation) -> None:
    first, *others = federation.plan.participants
    federation.agree(replace(federation.plan, participants=(replace(first, purposes=("detect",)), *others)))
    record, _ = next(federation.simulated().rounds())
    verdict = next(one for one in record.verdicts if one.participant == first.name)
    assert (verdict.outcome, verdict.reason) == (Outcome.REFUSED, "no_consent_to_train")


def test_an_update_is_the_one_that_was_signed_for(federation: Federation) -> None:
    blank = rounds.blank(federation.plan)
    handed = Institution(federation.places[NAMES[0]]).contribute(federation.plan.digest(), 1, blank)
    contribution.check_update(handed.statement, handed.update, handed.salt)
    with pytest.raises(BadContribution, match="another update"):
        contribution.check_update(handed.statement, handed.update * 1.0000001, handed.salt)


@given(data=st.binary(max_size=200))
def test_no_bytes_crash_the_reader_of_statements(data: bytes) -> None:
    with pytest.raises(BadContribution):
        contribution.read(data)


def answer_of(handed: HandedIn) -> dict[str, Any]:
    statement, update = handed.statement.canonical(), rounds.as_bytes(handed.update)
    return {"statement": statement, "signature": handed.signature, "salt": handed.salt, "update": update}


@pytest.mark.parametrize("name", ["statement", "signature", "salt", "update"])
@pytest.mark.parametrize("value", [1 << 46, "text", None, [1.0], b"\0" * 9, b"\0" * ((1 << 20) + 1)])
def test_no_answer_of_a_node_ends_the_coordinators_run(federation: Federation, name: str, value: object) -> None:
    blank = rounds.blank(federation.plan)
    answer = answer_of(Institution(federation.places[HOSTILE]).contribute(federation.plan.digest(), 1, blank))
    assert answers.opened(answer, federation.plan, 1, blank)[0].statement.participant == HOSTILE
    with pytest.raises(BadContribution):
        answers.opened(answer | {name: value}, federation.plan, 1, blank)
    del answer[name]
    with pytest.raises(BadContribution):
        answers.opened(answer, federation.plan, 1, blank)


def test_nobody_reports_counts_for_another_and_the_first_answer_counts(federation: Federation) -> None:
    plan, model = federation.plan, rounds.blank(federation.plan)
    signed = {name: Institution(place).release(plan.digest(), model) for name, place in federation.places.items()}
    told = [{"statement": one.release.canonical(), "signature": one.signature} for one in signed.values()]
    more = tuple(value + 9999 for value in signed[NAMES[0]].release.real)
    forged = release.sign(replace(signed[NAMES[0]].release, real=more), holding.key_of(federation.places[HOSTILE]))
    short = release.sign(replace(signed[HOSTILE].release, real=(1,)), holding.key_of(federation.places[HOSTILE]))
    wrong: list[Any] = [{}, {"participant": NAMES[0], "real": [1] * 8, "made": [2] * 8}, "text"]
    wrong += [{"statement": one.release.canonical(), "signature": one.signature} for one in (forged, short)]
    second = release.sign(replace(signed[HOSTILE].release, made=more), holding.key_of(federation.places[HOSTILE]))
    late = [{"statement": second.release.canonical(), "signature": second.signature}]
    assert answers.released([*wrong, *told, *late], plan, model) == signed
    assert answers.released(told, plan, model + 1) == {}


@given(data=st.binary(max_size=200))
def test_no_bytes_crash_the_reader_of_releases(data: bytes) -> None:
    with pytest.raises(BadContribution):
        release.read(data, b"")


# --- Counts with noise -----------------------------------------------------------------------------------------------


def test_no_work_counts_more_often_than_agreed() -> None:
    agreed = Statistics(per_work=2)
    counts = privacy.counted(np.zeros(10), np.ones(10), ["one work"] * 10, agreed)
    assert int(counts.made.sum()) == 2
    assert int(counts.real.sum()) == 0


def test_noise_has_the_size_that_epsilon_asks_for() -> None:
    """Discrete Laplace of ratio a = exp(-1/scale) has variance 2a / (1 - a)²."""
    agreed = Statistics(epsilon=1.0, per_work=3, bins=4)
    exact = Histogram(np.zeros(4, np.int64), np.zeros(4, np.int64))
    draw = np.random.default_rng(1).random
    noise = np.concatenate([privacy.released(exact, agreed, draw).real for _ in range(2500)])
    ratio = np.exp(-agreed.epsilon / agreed.per_work)
    assert abs(noise.mean()) < 0.2
    assert noise.var() == pytest.approx(2 * ratio / (1 - ratio) ** 2, rel=0.1)


def test_neighbouring_counts_are_at_most_e_to_the_epsilon_apart() -> None:
    """The definition itself, on the exact distribution of the noise: one work more or less."""
    agreed = Statistics(epsilon=0.8, per_work=2)
    ratio = np.exp(-agreed.epsilon / agreed.per_work)
    values = np.arange(-60, 61)
    here = (1 - ratio) / (1 + ratio) * ratio ** np.abs(values)
    moved = (1 - ratio) / (1 + ratio) * ratio ** np.abs(values - agreed.per_work)
    assert np.max(np.abs(np.log(here / moved))) <= agreed.epsilon + 1e-9


def test_what_is_read_from_counts_is_what_the_scores_say() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(4000) % 2
    logits = rng.normal(labels * 2 - 1, 1.2)
    agreed = Statistics(bins=64, per_work=1)
    counts = privacy.counted(logits, labels.astype(float), [str(index) for index in range(4000)], agreed)
    pairs = logits[labels == 1][:, None] > logits[labels == 0][None, :]
    assert privacy.auc(counts) == pytest.approx(pairs.mean(), abs=0.01)
    fitted = privacy.platt(counts, agreed)
    assert fitted.slope == pytest.approx(2 / 1.2**2, rel=0.1)  # of two normal clouds, 2 apart
    assert privacy.calibration_error(counts, agreed, fitted) < 0.03


def test_counts_of_nothing_say_nothing() -> None:
    agreed = Statistics(bins=4)
    nothing = Histogram(np.array([-2, -1, 0, 0]), np.array([0, 0, 0, 0]))
    assert np.isnan(privacy.auc(nothing))
    assert privacy.platt(nothing, agreed) == privacy.Platt(0.0, 0.0)


# --- The register ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_round_enters_the_register_with_its_contribution_hashes(federation: Federation) -> None:
    told = federation.played()
    rows = recording.record_all(federation.folder)
    assert [row.number for row in rows] == [1, 2, 3, 4]
    leaf = json.loads(bytes(rows[0].entry.leaf)) if rows[0].entry else {}
    assert leaf["type"] == "federation:round"
    assert leaf["object"] == "federation:trial"
    said = {one["participant"]: one["contribution"] for one in leaf["facts"]["contributions"]}
    assert said == {name: handed.statement.digest() for name, handed in told[0].handed.items()}
    assert leaf["facts"]["after"] == told[0].after
    assert recording.record_all(federation.folder) == []
    assert not list(reconciliation.disagreements(5))


@pytest.mark.django_db
def test_the_release_is_recorded_with_what_it_cost(federation: Federation) -> None:
    federation.played()
    digest, model = federation.plan.digest(), federation.simulated().run()
    told = {name: Institution(place).release(digest, model) for name, place in federation.places.items()}
    records.keep_releases(federation.folder / "statistics.json", told)
    row = recording.record_all(federation.folder)[-1]
    assert (row.kind, row.number, row.epsilon) == ("release", 5, "4.0")
    assert {one["participant"] for one in row.contributions} == set(NAMES)


@pytest.mark.django_db
def test_counts_that_an_institution_did_not_sign_are_not_recorded(federation: Federation) -> None:
    federation.played()
    digest, model = federation.plan.digest(), federation.simulated().run()
    hers = Institution(federation.places[HOSTILE]).release(digest, model)
    path = federation.folder / "statistics.json"
    forged = Signed(replace(hers.release, participant=NAMES[0]), hers.signature)
    late = Institution(federation.places[NAMES[1]]).release(digest, model + 1)
    for name, signed in ((NAMES[0], hers), (NAMES[0], forged), (NAMES[1], late)):
        records.keep_releases(path, {name: signed})
        with pytest.raises(recording.Refused):
            recording.record_all(federation.folder)
    assert [row.kind for row in FederationRound.objects.all()] == ["training"] * 4


Spoil = Callable[[dict], None]


def _forge(told: dict) -> None:
    told["contributions"][0]["signature"] = "00" * 64


def _swap(told: dict) -> None:
    first, second, _ = told["contributions"]
    first["statement"], second["statement"] = second["statement"], first["statement"]
    first["signature"], second["signature"] = second["signature"], first["signature"]


def _drop(told: dict) -> None:
    del told["contributions"][0]["statement"]


def _hide(told: dict) -> None:
    told["contributions"].pop()


def _start_elsewhere(told: dict) -> None:
    told["before"] = "0" * 64


def _move_and_call_it_void(told: dict) -> None:
    told["void"] = True


def _jump(told: dict) -> None:
    told["round"] = 2


def _another_plan(told: dict) -> None:
    told["plan"] = "0" * 64


def _invent_a_model(told: dict) -> None:
    told["after"] = "0" * 64


def _call_one_voice_a_round(told: dict) -> None:
    """Two answers were dropped, and the third is the whole round."""
    for one in told["contributions"][:2]:
        one.update(outcome="missing", reason="no_answer")
        del one["statement"], one["signature"], one["salt"]


def _call_an_honest_one_refused(told: dict) -> None:
    told["contributions"][0].update(outcome="refused", reason="too_long")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "spoil",
    [
        *(_forge, _swap, _drop, _hide, _start_elsewhere, _move_and_call_it_void, _jump, _another_plan),
        *(_invent_a_model, _call_one_voice_a_round, _call_an_honest_one_refused),
    ],
)
def test_a_coordinator_cannot_record_what_did_not_happen(federation: Federation, spoil: Spoil) -> None:
    federation.played()
    path = federation.folder / "rounds" / "0001.json"
    told = json.loads(path.read_bytes())
    spoil(told)
    path.write_bytes(canonical(told))
    before = Entry.objects.count()
    with pytest.raises(recording.Refused):
        recording.record_all(federation.folder)
    assert Entry.objects.count() == before
    assert not FederationRound.objects.exists()


@pytest.mark.django_db
def test_a_round_is_played_again_before_it_is_recorded(federation: Federation) -> None:
    """Mallory, who coordinates, swaps an update, or the reference that judges them, after the round."""
    federation.played()
    place = federation.folder / "rounds" / f"0001-{NAMES[1]}.update"
    kept = place.read_bytes()
    place.write_bytes(rounds.as_bytes(records.updates_of(federation.folder, 1)[NAMES[1]] * 1.5))
    with pytest.raises(recording.Refused, match="another update"):
        recording.record_all(federation.folder)
    place.write_bytes(kept)
    material("reference", 10, 0.3, 80).write(federation.folder / "reference")
    with pytest.raises(recording.Refused, match="not the one that the plan names"):
        recording.record_all(federation.folder)
    assert not FederationRound.objects.exists()


@pytest.mark.django_db
def test_a_round_that_is_left_out_stops_the_recording(federation: Federation) -> None:
    federation.played()
    (federation.folder / "rounds" / "0002.json").unlink()
    with pytest.raises(recording.Refused, match="not the next"):
        recording.record_all(federation.folder)
    assert FederationRound.objects.count() == 1


@pytest.mark.django_db
def test_a_row_and_its_entry_that_disagree_are_found(federation: Federation) -> None:
    federation.played()
    row = recording.record_all(federation.folder)[0]
    try:
        with transaction.atomic():
            FederationRound.objects.filter(pk=row.pk).update(after="f" * 64)
    except DatabaseError:  # where the database refuses it, nothing is left to find
        return
    assert any("after" in sentence for sentence in reconciliation.disagreements(5))


@pytest.mark.django_db
def test_the_command_line_records_lists_and_says_why_not(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    federation.played()
    call_command("federation", "record", str(federation.folder))
    call_command("federation", "list")
    told = capsys.readouterr().out
    assert "trial training 4: recorded" in told
    assert "bobs-paper counted" in told
    call_command("federation", "check", str(federation.folder / "plan.json"))
    assert federation.plan.digest() in capsys.readouterr().out
    with pytest.raises(CommandError, match="is not a plan"):
        call_command("federation", "record", str(federation.folder / "rounds"))


def test_the_rounds_of_a_folder_can_be_played_again(federation: Federation) -> None:
    model = rounds.blank(federation.plan)
    for number in (1, 2):
        handed, updates = {}, {}
        for name, place in federation.places.items():
            one = Institution(place).contribute(federation.plan.digest(), number, model)
            handed[name] = records.Handed(one.statement, one.signature, one.salt)
            updates[name] = one.update
        played = rounds.play(model, updates, federation.reference, federation.plan)
        record = records.record_of(federation.plan, number, model, played, handed)
        records.keep(federation.folder, record, played.model, updates)
        model = played.model
    assert simulation.replay(federation.plan, federation.folder, federation.reference) == [(1, True), (2, True)]
    spoilt = federation.folder / "rounds" / f"0001-{NAMES[1]}.update"
    spoilt.write_bytes(rounds.as_bytes(records.updates_of(federation.folder, 1)[NAMES[1]] * 1.5))
    assert simulation.replay(federation.plan, federation.folder, federation.reference)[0] == (1, False)


# --- This office as an institution, and Flower's processes -----------------------------------------------------------


@pytest.fixture
def labelled(
    work: Callable[..., Asset],
    photo_path: Path,
    alice: User,
    rita: User,
    ravi: User,
    olga: User,
    allowed: dict[str, str],
) -> list[Asset]:
    """Six works of Alice's, real and made again in turn, all of which may be trained on."""
    assets = []
    luma = np.asarray(Image.open(photo_path).convert("L"), dtype=np.float64)
    rng = np.random.default_rng(5)
    for index in range(6):
        part = luma[: 264 + index, 40 * index : 40 * index + 264][index:]
        shown = resynthesis.made_again(part, "transposed", rng) if index % 2 else part
        buffer = io.BytesIO()
        Image.fromarray(shown.round().astype(np.uint8)).save(buffer, "PNG")
        asset = work(alice, buffer.getvalue(), "image/png", title=f"Part {index}")
        allowed[str(asset.pk)] = f"owner:{index}"
        claim = Claim.MADE if index % 2 else Claim.REAL
        label = labels.propose(asset, "synthetic", claim, Label.Origin.REVIEWER, by=rita)
        labels.admit(labels.corroborate(label, ravi), olga)
        assets.append(asset)
    return assets


def test_this_office_takes_part_with_what_may_be_trained_on_and_nothing_else(
    labelled: list[Asset], allowed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_material, "HELD_OUT", 10**9)
    first, unread = own_material.prepare("alices-archive", "synthetic", tmp_path)
    assert (len(first.items), unread) == (6, 0)
    assert {item.instrument for item in first.items} == {f"owner:{index}" for index in range(6)}
    del allowed[str(labelled[0].pk)]  # Alice does not allow it any more
    second, _ = own_material.prepare("alices-archive", "synthetic", tmp_path)
    assert {item.sha256 for item in first.items} - {item.sha256 for item in second.items} == {
        labelled[0].original_sha256
    }
    assert Holding.read(tmp_path).items == second.items


def test_what_may_not_be_trained_on_any_more_leaves_the_holding_with_its_features(
    labelled: list[Asset], allowed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_material, "HELD_OUT", 10**9)
    own_material.prepare("alices-archive", "synthetic", tmp_path)
    gone = allowed.pop(str(labelled[0].pk))
    call_command("federation", "recheck", str(tmp_path), stdout=(out := io.StringIO()))
    assert "5 works" in out.getvalue() and "1 were taken out" in out.getvalue()
    left = Holding.read(tmp_path)
    assert len(left.features) == 5 and gone not in {item.instrument for item in left.items}
    assert not left.is_stale(now())
    allowed.clear()  # everybody withdraws: also who makes it anew leaves nothing behind
    with pytest.raises(Problem, match="both kinds"):
        own_material.prepare("alices-archive", "synthetic", tmp_path)
    assert Holding.read(tmp_path).features.shape == (0, features.SIZE)


@pytest.mark.django_db
def test_an_office_without_labels_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="both kinds"):
        call_command("federation", "prepare", str(tmp_path), "--name", "alices-archive")


def test_made_again_pictures_are_told_from_real_ones_by_their_features(photo_path: Path) -> None:
    """The features see what re-synthesis leaves: each family, on one photograph."""
    luma = np.asarray(Image.open(photo_path).convert("L"), dtype=np.float64)[:264, :264]
    real = material_of.described(luma)
    assert real.shape == (features.SIZE,)
    rng = np.random.default_rng(2)
    for family in resynthesis.FAMILIES:
        again = resynthesis.made_again(luma, family, rng)
        assert again.shape == luma.shape
        assert np.abs(material_of.described(again) - real).max() > 0.1


def test_a_picture_without_a_trace_in_it_has_finite_features() -> None:
    for flat in (np.zeros((128, 128)), np.full((128, 128), 255.0)):
        assert np.isfinite(features.describe(flat)).all()


def test_the_bundle_that_flower_carries_holds_names_and_no_code() -> None:
    assert [path.name for path in engine.BUNDLE.iterdir()] == ["pyproject.toml"]
    told = tomllib.loads((engine.BUNDLE / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["components"]
    for reference in told.values():
        module, name = reference.split(":")
        source = (engine.ROOT / Path(*module.split("."))).with_suffix(".py").read_text()
        assert f"\n{name} = " in source


def test_flower_is_told_to_call_nobody_and_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SECRET_KEY", "Olga’s")
    told = engine.Engine(tmp_path, tmp_path / "venv").environment("alices-archive")
    assert not [name for name in told if name.startswith("ASSAY")]
    assert (told["FLWR_TELEMETRY_ENABLED"], told["FLWR_DISABLE_UPDATE_CHECK"]) == ("0", "1")
    assert told["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
    assert Path(told["FLWR_HOME"]).is_relative_to(tmp_path)


def test_the_drills_certificate_is_for_this_machine_and_signed_by_its_root(tmp_path: Path) -> None:
    engine.make_certificates(tmp_path)
    root, server = (x509.load_pem_x509_certificate((tmp_path / name).read_bytes()) for name in ("ca.pem", "server.pem"))
    server.verify_directly_issued_by(root)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
