"""What is said in public: one of three answers, and none where saving the file again would turn it round."""

import numpy as np
import pytest

from detection import calibration, reshipping, weighing, wording
from detection.calibration import Calibration, Domain, Rate
from detection.detectors import Answer, Strength
from detection.reasons import WHY
from detection.weighing import Reason
from tests.detection.test_calibration import examples

PICTURE = np.random.default_rng(1).integers(0, 255, (96, 128, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def calibrated() -> Calibration:
    rates = [Rate("as_is", "camera 1", 60, 0, 0.01), Rate("jpeg_70", "camera 1", 60, 0, 0.05)]
    made = calibration.fit(*examples(), domain=Domain(min_side=64, min_bytes_per_pixel=0.1, min_seconds=1.0))
    return made.with_error_rates(rates)


@pytest.mark.parametrize(("logit", "answer"), [(6.0, Answer.SIGNALS), (-3.0, Answer.NO_SIGNALS)])
def test_an_answer_that_stands_after_every_re_shipping_is_given_with_its_weight(
    logit: float, answer: Answer, calibrated: Calibration
) -> None:
    weighed = weighing.weigh(lambda picture: logit, PICTURE, calibrated)
    assert (weighed.answer, weighed.reason) == (answer, None)
    assert set(weighed.members) == {"as_is", *reshipping.PICTURES}
    assert weighed.llr is not None and weighed.interval[0] <= weighed.llr <= weighed.interval[-1]


@pytest.mark.parametrize("turned", ["jpeg_70", "scale_80", "crop"])
@pytest.mark.parametrize(("logit", "other"), [(6.0, 1.0), (-3.0, 6.0)])
def test_an_answer_that_one_re_shipping_turns_round_is_not_given(
    turned: str, logit: float, other: float, calibrated: Calibration
) -> None:
    logits = dict.fromkeys(["as_is", *reshipping.PICTURES], logit) | {turned: other}
    weighed = weighing.judged(logits, calibrated)
    assert (weighed.answer, weighed.reason, weighed.llr) == (Answer.CANT_SAY, Reason.FLIPS, None)


def test_what_is_outside_of_what_was_measured_gets_no_answer(calibrated: Calibration) -> None:
    def never(picture: object) -> float:
        raise AssertionError("it was asked all the same")

    one_pixel = np.zeros((1, 1, 3), dtype=np.uint8)
    assert weighing.weigh(never, one_pixel, calibrated).reason is Reason.TOO_SMALL
    assert weighing.weigh(never, PICTURE, calibrated, bytes_per_pixel=0.05).reason is Reason.TOO_COMPRESSED
    assert weighing.weigh(never, PICTURE, None).reason is Reason.NOT_CALIBRATED
    far = calibrated.with_domain(Domain(mean=(0.0,), scale=(1.0,), limit=2.0))
    assert weighing.weigh(never, PICTURE, far, features=[5.0]).reason is Reason.OUT_OF_DOMAIN
    assert weighing.weigh_sound(never, np.zeros(100, dtype=np.float32), calibrated).reason is Reason.TOO_SHORT


def test_a_score_that_is_no_number_says_nothing(calibrated: Calibration) -> None:
    assert weighing.weigh(lambda picture: float("nan"), PICTURE, calibrated).reason is Reason.OUT_OF_DOMAIN


def test_sound_is_weighed_after_codec_telephone_and_cut(calibrated: Calibration) -> None:
    lengths: list[int] = []

    def score(sound: np.ndarray) -> float:
        lengths.append(sound.size)
        return 6.0

    tone = (0.3 * np.sin(np.arange(2 * reshipping.RATE) * 0.2)).astype(np.float32)
    weighed = weighing.weigh_sound(score, tone, calibrated)
    assert weighed.answer is Answer.SIGNALS and set(weighed.members) == {"as_is", *reshipping.SOUNDS}
    assert lengths == [32_000, 32_000, 32_000, 25_600]


def test_re_shipped_sound_lies_over_the_sound_it_was() -> None:
    random = np.random.default_rng(2)
    sound = np.convolve(random.normal(0, 0.1, 24_000), np.ones(8) / 8, mode="same").astype(np.float32)
    for ship in (reshipping.coded, reshipping.companded):
        assert np.corrcoef(ship(sound), sound)[0, 1] > 0.9, ship


def test_a_reading_says_what_was_weighed_and_how_often_it_is_wrong(calibrated: Calibration) -> None:
    weighed = weighing.weigh(lambda picture: 6.0, PICTURE, calibrated)
    reading = weighing.as_reading("made", weighed, calibrated, "a picture that a machine made", condition="jpeg_70")
    assert reading.statement == "Signals consistent with a picture that a machine made."
    assert reading.strength in (Strength.WEAK, Strength.MODERATE) and reading.calibration == calibrated.id
    assert float(reading.llr) == pytest.approx(weighed.llr, abs=0.01)
    [rate] = reading.details["error_rates"]
    assert (rate["condition"], rate["false_signals"], rate["found"]) == ("jpeg_70", "0.050", None)
    elsewhere = weighing.as_reading("made", weighed, calibrated, "it", condition="blur")
    assert elsewhere.details["error_rates"][0]["condition"] == "as_is"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_for_silence_has_words_and_no_weight(reason: Reason) -> None:
    reading = weighing.as_reading("made", weighing.cant_say(reason), None, "it")
    assert WHY[reason] in reading.statement and reading.reason == reason.value
    assert (reading.llr, reading.interval, reading.strength) == ("", (), Strength.NONE)


def test_what_would_change_the_answer_is_how_far_the_least_of_the_copies_is(calibrated: Calibration) -> None:
    at = (calibrated.threshold + 1) * np.log(10)  # one ban above the threshold, of ln LR
    logits = dict.fromkeys(["as_is", *reshipping.PICTURES], (at - calibrated.intercept) / calibrated.slope)
    clipped = Calibration(**{**vars(calibrated), "clip": 100.0})
    told = weighing.what_would_change(weighing.judged(logits, clipped), clipped)
    assert "“Signals” begins at" in told and "a factor of 10.0 for another answer" in told
    nearer = logits | {"crop": (at - np.log(5) - calibrated.intercept) / calibrated.slope}
    assert "a factor of 2.0 for" in weighing.what_would_change(weighing.judged(nearer, clipped), clipped)


def test_what_would_change_is_told_of_no_signals_too_and_of_silence_not(calibrated: Calibration) -> None:
    no = weighing.weigh(lambda picture: -3.0, PICTURE, calibrated)
    silent = weighing.cant_say(Reason.TOO_SMALL)
    told = weighing.as_reading("made", no, calibrated, "a made picture").details["what_would_change"]
    assert told.startswith("“Signals” begins at") and "the highest has" in told
    assert silent.answer is Answer.CANT_SAY
    assert "what_would_change" not in weighing.as_reading("made", silent, calibrated, "a made picture").details


def test_what_leans_towards_it_and_reaches_no_threshold_is_told_with_its_weight(calibrated: Calibration) -> None:
    leaning = weighing.weigh(lambda picture: 1.05, PICTURE, calibrated)
    assert leaning.answer is Answer.NO_SIGNALS and leaning.llr is not None
    assert 0 < leaning.llr < calibrated.threshold
    reading = weighing.as_reading("made", leaning, calibrated, "a made picture")
    assert "leans towards a made picture" in reading.statement and reading.strength is Strength.NONE and reading.llr


def test_where_the_two_classes_were_found_alike_nothing_is_said() -> None:
    alike = calibration.fit(np.linspace(3, -3, 40), np.arange(40) >= 20, ["a", "b", "c", "d"] * 10)
    assert alike.slope == 0
    for logit in (-5.0, 0.0, 5.0):
        assert weighing.judged({"as_is": logit, "jpeg_70": -logit}, alike).reason is Reason.UNDECIDED


def test_the_rates_are_of_files_of_this_kind_and_their_words_say_of_which(calibrated: Calibration) -> None:
    weighed = weighing.weigh(lambda picture: 6.0, PICTURE, calibrated)

    def words(condition: str) -> str:
        details = weighing.as_reading("made", weighed, calibrated, "a made picture", condition=condition).details
        return wording.error_rate_words(details["error_rates"])

    assert words("jpeg_70").startswith("Measured on files it had not seen, after JPEG 70: in 5 % of 60 real files")
    for unmeasured in ("as_is", "blur"):
        assert words(unmeasured).startswith("Measured on files it had not seen: in 1 % of 60 real files")
