"""The sides that know no Django: the library as anybody calls it, and `provenance.c2pa` in front of it.

A side is a function that gets everything ready and returns the call to be measured. `against` measures two of them in
turn in one process, CPU of one call beside CPU of the other; `alone` one of them in a process of its own, for its
memory. The bare library is given what makes it fast: its settings once, the key in its own memory, no thumbnail, no
time-stamp, no network.
"""

import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Files that `provenance_office.prepare` makes in the folder of the run.
PHOTO, SIGNED, VIDEO, OFFICE = "photo.jpg", "signed.jpg", "video.mp4", "office.json"
JPEG, MP4 = "image/jpeg", "video/mp4"

Call = Callable[[], object]
Used = dict[str, float]


def against(folder: str, mine: str, theirs: str, calls: int) -> Used:
    """CPU of one call in milliseconds, medians of `calls` in turn, and the median of their ratios."""
    sides: list[Call] = [getattr(sys.modules[__name__], side)(folder) for side in (mine, theirs)]
    pairs = [(_cpu_ms(sides[0]), _cpu_ms(sides[1])) for _ in range(calls + 1)][1:]  # the first is to get warm
    return {
        "mine_ms": statistics.median(pair[0] for pair in pairs),
        "theirs_ms": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(pair[0] / pair[1] for pair in pairs),
    }


def alone(folder: str, side: str, calls: int) -> Used:
    """CPU of one call in milliseconds, the median, and the peak of this process's memory in MiB."""
    call: Call = getattr(sys.modules[__name__], side)(folder)
    return {"cpu_ms": statistics.median(_cpu_ms(call) for _ in range(calls)), "rss_mib": own_rss_mib()}


def _cpu_ms(call: Call) -> float:
    before = time.process_time()
    call()
    return 1000 * (time.process_time() - before)


def own_rss_mib() -> float:
    """Peak resident memory of this process, MiB; not of the one that started it, as ru_maxrss may be."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _office(folder: str) -> dict[str, Any]:
    """{"chain", "key": PEM, "anchors", "purposes": as provenance.c2pa has them; by media type, manifests}."""
    told: dict[str, Any] = json.loads((Path(folder) / OFFICE).read_text())
    return told


# --- The bare library ------------------------------------------------------------------------------------------------

_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}, "core": {"allowed_network_hosts": []}}


def bare_sign(folder: str, name: str = PHOTO, media_type: str = JPEG) -> Call:
    import c2pa

    office, source, target = _office(folder), Path(folder) / name, Path(folder) / "bare"
    context = c2pa.Context.from_dict({**_OFFLINE, "builder": {"thumbnail": {"enabled": False}}})
    chain, key = office["chain"].encode(), office["key"].encode()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None))  # type: ignore[no-untyped-call]
    manifest = json.dumps(office[media_type])

    def sign() -> None:
        with source.open("rb") as reading, target.open("w+b") as writing:
            c2pa.Builder(manifest, context=context).sign(signer, media_type, reading, writing)

    return sign


def bare_embed(folder: str) -> Call:
    return bare_sign(folder, VIDEO, MP4)


def bare_verify(folder: str) -> Call:
    import c2pa

    signed, office = Path(folder) / SIGNED, _office(folder)
    lists = [
        {"trust_anchors": one["pem"], "trust_uri": one["uri"], "trust_kind": one["kind"]} for one in office["anchors"]
    ]
    # Without the purposes it takes the certificate for invalid and follows no chain: less work, and another answer.
    trust = {"anchors": lists, "trust_config": "\n".join(office["purposes"])}
    context = c2pa.Context.from_dict({**_OFFLINE, "trust": trust})

    def verify() -> None:
        with signed.open("rb") as file, c2pa.Reader(JPEG, file, context=context) as reader:
            told = json.loads(reader.json())
        if told["validation_state"] != "Trusted":
            raise RuntimeError("the bare library does not trust what the office signed: the sides differ")

    return verify


def bare_sign_and_verify(folder: str) -> Call:
    """What an application does that reads back what it signed. It reads the office's file, which has a time-stamp."""
    sign, verify = bare_sign(folder), bare_verify(folder)

    def both() -> None:
        sign()
        verify()

    return both


def bare_digest(folder: str) -> Call:
    """`hashlib.file_digest` of the large file."""
    return partial(_digest, Path(folder) / VIDEO)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- The product's call into the library -----------------------------------------------------------------------------


def engine_sign(folder: str) -> Call:
    """Without a time-stamp: the bare library has none either."""
    from provenance import c2pa

    office, source, target = _office(folder), Path(folder) / PHOTO, Path(folder) / "engine"
    ask, signer = _asked(office)
    return partial(c2pa.sign, source, target, JPEG, manifest=office[JPEG], signer=signer, ask=ask)


def engine_verify(folder: str) -> Call:
    from provenance import c2pa

    return partial(c2pa.read, Path(folder) / SIGNED, JPEG, anchors=_office(folder)["anchors"])


def engine_detached(folder: str) -> Call:
    """What a hash-only registration is besides rows: the file is hashed, and its hash signed."""
    from provenance import c2pa

    office, video = _office(folder), Path(folder) / VIDEO
    ask, signer = _asked(office)

    def sign() -> None:
        c2pa.sign_detached(bytes.fromhex(_digest(video)), manifest=office[MP4], signer=signer, ask=ask)

    return sign


def _asked(office: dict[str, Any]) -> tuple[Callable[[bytes], bytes], dict[str, Any]]:
    """The key signs in this process, as the parent of a guarded child does."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_private_key(office["key"].encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the office signs with another kind of key than the benchmark knows")

    def ask(question: bytes) -> bytes:
        return key.sign(question[1:], ec.ECDSA(hashes.SHA256()))

    return ask, {"chain": office["chain"], "algorithm": "es256", "stamp": False, "anchors": office["anchors"]}


# --- Fingerprints ----------------------------------------------------------------------------------------------------


def own_codes(folder: str) -> Call:
    """The product's codes of a decoded picture."""
    from provenance import fingerprints

    return partial(fingerprints.of_image, _decoded(folder))


def bare_code(folder: str) -> Call:
    """iscc-lib's Image-Code alone, of the same picture, scaled down by Pillow as ISO 24138 says."""
    import iscc_lib
    from PIL import Image

    picture = _decoded(folder)

    def code() -> None:
        square = picture.convert("L").resize((32, 32), Image.Resampling.BICUBIC)
        iscc_lib.gen_image_code_v0(square.tobytes(), bits=256)

    return code


def _decoded(folder: str) -> Any:
    from PIL import Image

    with Image.open(Path(folder) / PHOTO) as opened:
        return opened.copy()
