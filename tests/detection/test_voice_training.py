"""How the voice detector is trained: the same world for both classes, and nobody on both sides of a test."""

from pathlib import Path

import numpy as np
import pytest

from tests.detection.voices import RATE, voice

pytest.importorskip("torch")
pytest.importorskip("soundfile")

from detection.training import sound_augmentation as augmentation
from detection.training import voice_data, voice_examples, voice_net
from detection.training.vocoders import griffin_lim, hifi_gan, predicted
from detection.training.voice_data import Clip
from detection.training.voice_examples import AS_IS, TRAINING, VOCODED, Seen


def test_every_clip_is_shipped_through_a_codec_first_and_keeps_length_and_level() -> None:
    said = voice()
    for seed in range(4):
        shipped = augmentation.shipped(said, np.random.default_rng(seed))
        assert shipped.shape == said.shape
        assert augmentation.rms(shipped) == pytest.approx(augmentation.LEVEL, rel=1e-3)
        assert not np.allclose(shipped, said, atol=1e-3)


@pytest.mark.parametrize("condition", sorted(augmentation.CONDITIONS))
def test_whatever_happens_to_a_recording_it_keeps_its_length(condition: str) -> None:
    said = voice(1.5)
    changed = augmentation.CONDITIONS[condition](said, np.random.default_rng(0))
    assert changed.shape == said.shape
    assert np.isfinite(changed).all()


def test_noise_is_as_far_below_the_voice_as_was_asked() -> None:
    said = voice()
    noise = augmentation.noisy(said, 15.0, np.random.default_rng(0)) - said
    assert 20 * np.log10(augmentation.rms(said) / augmentation.rms(noise)) == pytest.approx(15.0, abs=0.1)


def test_the_same_seed_draws_the_same_journey() -> None:
    said = voice(2.0)
    first, again = (augmentation.augmented(said, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("vocoder", [griffin_lim, predicted])
def test_a_vocoded_copy_says_the_same_with_another_fine_structure(vocoder: object) -> None:
    said = voice()
    copy = vocoder(said, np.random.default_rng(0))  # type: ignore[operator]
    assert copy.shape == said.shape
    first, second = (np.abs(np.fft.rfft(one)).reshape(-1)[:32000].reshape(40, -1).sum(axis=1) for one in (said, copy))
    assert np.corrcoef(np.log(first), np.log(second))[0, 1] > 0.8
    assert not np.allclose(copy, said, atol=0.02)


def test_the_silence_around_an_utterance_is_cut_off() -> None:
    silence = np.zeros(RATE, np.float32)
    kept = voice_data.trimmed(np.concatenate([silence, voice(2.0), silence]))
    assert 1.6 * RATE < len(kept) <= 2.02 * RATE
    assert len(voice_data.trimmed(silence)) == 0


# --- Who is on which side ---------------------------------------------------------------------------------------------


def clips() -> list[Clip]:
    """Recordings of twelve people in three collections, eight clips of each of five engines."""
    people = [(source, f"{source}/{name}") for source in ("asterisk", "tuxpaint", "kde") for name in "abcd"]
    real = [_clip(f"{person}-{n}", source, person, "", "") for source, person in people for n in range(4)]
    engines = {"espeak": "espeak", "flite": "festvox", "piper": "piper", "kokoro": "kokoro", "hibari": "kokoro"}
    return real + [_clip(f"{name}-{n}", name, "", name, family) for name, family in engines.items() for n in range(8)]


def _clip(name: str, source: str, speaker: str, engine: str, family: str) -> Clip:
    return Clip(f"{name}.wav", "", source, speaker, engine, family, "", "en", "", "")


def test_no_speaker_and_no_family_of_engines_is_on_both_sides_of_a_test() -> None:
    made = voice_examples.examples(clips())
    folds = voice_examples.folds(made)
    assert {fold.name for fold in folds} >= {"espeak", "festvox", "kokoro", "piper", VOCODED, "asterisk", "kde"}
    for fold in folds:
        train, test = ([made[index] for index in side] for side in (fold.train, fold.test))
        assert not {one.person for one in train if one.person} & {one.person for one in test if one.person}
        assert not {one.family for one in train if one.synthetic} & {one.family for one in test if one.synthetic}
        assert {one.synthetic for one in train} == {one.synthetic for one in test} == {False, True}


def test_hibari_which_was_taught_by_kokoro_is_left_out_with_it() -> None:
    made = voice_examples.examples(clips())
    for fold in voice_examples.folds(made):
        if fold.name == "kokoro":
            assert {made[index].engine for index in fold.test} == {"", "kokoro", "hibari"}


def test_each_collection_is_left_out_once_as_a_whole() -> None:
    made = voice_examples.examples(clips())
    for fold in voice_examples.folds(made):
        if fold.split == "leave_one_source_out":
            assert not [index for index in fold.train if made[index].source == fold.name]


def test_a_copy_goes_the_same_way_as_what_it_is_a_copy_of(tmp_path: Path) -> None:
    voice_data._write(tmp_path / "alice.wav", voice())
    alice = voice_examples.Example("alice.wav", "alice.wav", "", "", "alice", "asterisk")
    copy = voice_examples.Example("lpc:alice.wav", "alice.wav", "lpc", VOCODED, "alice", "lpc")
    before, after = (voice_examples.kept_sounds(tmp_path, one, TRAINING)[TRAINING[0]] for one in (alice, copy))
    assert before.shape == after.shape and not np.allclose(before, after, atol=0.02)
    envelopes = [np.abs(one).reshape(-1, 1600).mean(axis=1) for one in (before, after)]
    assert np.corrcoef(*envelopes)[0, 1] > 0.9
    again = voice_examples.kept_sounds(tmp_path, alice, TRAINING)[TRAINING[0]]
    assert np.array_equal(before, again)


def test_every_engine_meets_every_speaker_that_its_nets_do_not_know() -> None:
    made = voice_examples.examples(clips())
    for family in {one.family for one in made if one.synthetic}:
        four = [fold for fold in voice_examples.folds(made) if fold.name == family]
        tested = [index for fold in four for index in fold.test]
        assert len(tested) == len(set(tested))
        assert {index for index, one in enumerate(made) if not one.synthetic or one.family == family} == set(tested)


def test_mel_bands_go_through_a_network_and_come_back_as_long(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    kernel = np.zeros((80, 1, 256), np.float32)
    kernel[0] = 0.01
    graph = helper.make_graph(
        [helper.make_node("ConvTranspose", ["mel", "kernel"], ["audio"], strides=[256])],
        "toy",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, 80, "frames"])],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, 1, "samples"])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (tmp_path / "toy.onnx").write_bytes(onnx.ModelProto.SerializeToString(model))
    said = voice(2.0)
    copy = hifi_gan(tmp_path / "toy.onnx")(said, np.random.default_rng(0))
    assert copy.shape == said.shape and copy.dtype == np.float32 and np.abs(copy).max() > 0


# --- The network -----------------------------------------------------------------------------------------------------


def _toy() -> tuple[list[voice_examples.Example], list[dict[str, Seen]]]:
    """Recordings, and copies of them, in twenty statistics of two kinds; four tell the classes apart, the others
    differ between speakers by far more."""
    random = np.random.default_rng(0)
    made, seen = [], []
    for index in range(24):
        speaker = 5 * random.standard_normal(20)
        for engine in ("", "even"):
            rows = speaker + 0.3 * random.standard_normal((2, 20))
            rows[:, [0, 1, 10, 11]] = 0.5 * random.standard_normal((2, 4)) + 2 * bool(engine)
            one = Seen(rows.astype(np.float32), np.zeros(25), "")
            made.append(voice_examples.Example(f"{index}{engine}", "", engine, engine, f"{index}", engine or "alice"))
            seen.append(dict.fromkeys((AS_IS, *TRAINING), one))
    return made, seen


def test_the_network_learns_what_tells_the_classes_apart_and_the_same_every_time() -> None:
    made, seen = _toy()
    net = voice_net.fitted(voice_net.Pool.of(made, seen, range(32)), kinds=(10, 10))
    told = [voice_net.logit(net, one[AS_IS]) for one in seen]
    assert min(told[33::2]) > max(told[32::2])  # those it was not trained on
    again = voice_net.fitted(voice_net.Pool.of(made, seen, range(32)), kinds=(10, 10))
    assert voice_net.logit(again, seen[0][AS_IS]) == told[0]


def test_a_speaker_with_many_clips_counts_no_more_than_one_with_few() -> None:
    made, seen = _toy()
    many = [*range(4), *([0] * 20)]
    pool = voice_net.Pool.of(made, seen, many)
    alice = pool.rows[:, 5] == np.float64(seen[0][AS_IS].rows[0, 5])
    bob = pool.rows[:, 5] == np.float64(seen[2][AS_IS].rows[0, 5])
    assert alice.sum() == 21 * bob.sum()
    assert float(pool.weights[alice].sum()) == pytest.approx(float(pool.weights[bob].sum()))


def test_words_of_an_engine_are_cut_apart_as_words_of_people_are() -> None:
    said = voice()
    cut = voice_examples._in_pieces(said, np.random.default_rng(0))
    assert cut.shape == said.shape
    gaps = np.flatnonzero(np.diff(np.concatenate([[1], (cut != 0).astype(int)])) == -1)
    assert 2 <= len(gaps) <= 12


def test_eight_bit_convolutions_give_the_same_in_floating_point() -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    from detection.training.voice_engines import _in_floats, _session

    random = np.random.default_rng(0)
    weights = random.integers(0, 255, (3, 2, 5), dtype=np.uint8)
    constants = {"w": weights, "wz": np.array(120, np.uint8), "xz": np.array(131, np.uint8)}
    graph = helper.make_graph(
        [helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], pads=[2, 2])],
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2, 40])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 3, 40])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data = onnx.ModelProto.SerializeToString(model)
    given = {"x": random.integers(0, 255, (1, 2, 40), dtype=np.uint8)}
    exact, ours = (_session(one).run(None, given)[0] for one in (data, _in_floats(data)))
    assert np.array_equal(exact, ours)
