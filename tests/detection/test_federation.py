"""Federated training: the same rounds as in Flower's processes, played in this one."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import now
from detection.federation import (
    answers,
    contribution,
    figures,
    holding,
    privacy,
    release,
    rounds,
    taking_part,
)
from detection.federation.contribution import BadContribution
from detection.federation.holding import BadHolding, Holding
from detection.federation.plan import Aggregation, BadPlan, Plan, canonical
from detection.federation.privacy import Histogram
from detection.federation.rounds import Examples, Outcome, Vector
from detection.federation.taking_part import Declined, HandedIn, Institution
from tests.detection.federated import FEATURES, HOSTILE, NAMES, Federation, outcomes

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
