"""The sides that are the office itself: keys, database and guarded children, as a person pays for them.

CPU is that of this process, of its nursery and of every guarded child together. Memory is told apart: of this process,
of the largest child, and what a child has beyond the nursery that it was forked from.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.counted import counting, cpu_s, own_cpu_s
from benchmarks.provenance_library import JPEG, MP4, OFFICE, PHOTO, SIGNED, VIDEO, Call, Used, own_rss_mib

_MEGABYTE = 1_000_000


def _set_up() -> None:
    import django

    django.setup()


# --- What is measured on ---------------------------------------------------------------------------------------------


def prepare(folder: str, size: int) -> list[str]:
    """The files of the run: a photograph of 1 MB, the same signed by this office, a video of `size` bytes, and what the
    library needs to sign like this office. Returns a few words about them."""
    _set_up()
    at = Path(folder)
    (at / PHOTO).write_bytes(_photograph())
    _write_video(at / VIDEO, size)
    from provenance import authority, c2pa, signing, trust
    from provenance.assertions import build_manifest

    office = authority.this_office()
    statements = {kind: _statement(kind) for kind in (JPEG, MP4)}
    told = {
        "chain": office.chain,
        "key": (office.folder / "leaf.key").read_text(),
        "anchors": trust.policy().anchors,
        "purposes": c2pa.PURPOSES,
        **{kind: build_manifest(statement) for kind, statement in statements.items()},
    }
    (at / OFFICE).write_text(json.dumps(told))
    signing.sign_file(at / PHOTO, at / SIGNED, statements[JPEG])
    return [f"photograph of {(at / PHOTO).stat().st_size / 1e6:.2f} MB", f"video of {size / 1e6:,.0f} MB"]


def _statement(media_type: str) -> Any:
    from provenance.assertions import Statement

    codes = {"iscc-image-256": bytes(range(32))} if media_type == JPEG else {}
    return Statement("asset:of-this-run", "A work", media_type, "digitalCapture", "notAllowed", fingerprints=codes)


def _photograph() -> bytes:
    """A JPEG of three megapixels, of the quality that makes it a megabyte or a little more."""
    import io

    from PIL import Image

    from benchmarks.table import ROOT

    with Image.open(ROOT / "web/demo/photographs/deep-field.jpg") as opened:
        picture = opened.convert("RGB").resize((2112, 1408), Image.Resampling.LANCZOS)
    for quality in range(70, 101):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        if out.tell() >= _MEGABYTE:
            break
    return out.getvalue()


def _write_video(path: Path, size: int) -> None:
    """A short MP4, and one more box of media data, without which it would not be so long."""
    import random

    from tests.provenance.media_made import PHOTO as SEEN
    from tests.provenance.media_made import as_mp4

    block = random.Random(4).randbytes(_MEGABYTE)
    with path.open("wb") as file:
        file.write(as_mp4(SEEN.read_bytes()))
        left = size - file.tell()
        file.write(left.to_bytes(4, "big") + b"mdat")
        left -= 8
        while left > 0:
            file.write(block[:left])
            left -= len(block)


# --- What is measured ------------------------------------------------------------------------------------------------


def _used(work: Call, calls: int) -> Used:
    """One call to warm up, which starts the nursery, then the mean of `calls`: the clock of processes ticks slowly."""
    from provenance import guarded

    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        file = Path(folder) / "nursery.json"
        with counting(file):
            work()
        nursery = guarded._nursery
        before = own_cpu_s() + cpu_s(nursery)
        for _ in range(calls):
            work()
        spent = own_cpu_s() + cpu_s(nursery) - before
        nursery.close()
        told: Used = json.loads(file.read_text())
    return {"cpu_ms": 1000 * spent / calls, "rss_mib": own_rss_mib(), **told}


def sign(folder: str, calls: int) -> Used:
    """Signed and stamped in one guarded child, read back in another."""
    _set_up()
    from provenance import signing

    at, statement = Path(folder), _statement(JPEG)

    def one() -> None:
        (at / "office.jpg").unlink(missing_ok=True)
        signing.sign_file(at / PHOTO, at / "office.jpg", statement)

    return _used(one, calls)


def verify(folder: str, calls: int) -> Used:
    """The credential alone, in a guarded child, and judged: without decoding and without asking the register."""
    _set_up()
    from provenance import guarded, trust, verification

    def one() -> None:
        policy = trust.policy()
        verification.judged(guarded.read_credential(Path(folder) / SIGNED, JPEG, policy=policy), policy)

    return _used(one, calls)


def unguarded(folder: str, calls: int) -> Used:
    """Signed and stamped as the office does, but without a child: what of the cost is not the guard's."""
    _set_up()
    from provenance import authority, c2pa, guarded, stamping, trust
    from provenance.assertions import build_manifest

    at, manifest = Path(folder), build_manifest(_statement(JPEG))

    def one() -> None:
        office = authority.this_office()
        signer = {
            "chain": office.chain,
            "algorithm": office.algorithm,
            "stamp": True,
            "anchors": trust.policy().anchors,
        }
        ask = guarded._Answers(office.signing_answers(), stamping.authority())
        c2pa.sign(at / PHOTO, at / "unguarded.jpg", JPEG, manifest=manifest, signer=signer, ask=ask)

    one()
    before = own_cpu_s()
    for _ in range(calls):
        one()
    return {"cpu_ms": 1000 * (own_cpu_s() - before) / calls, "rss_mib": own_rss_mib()}


def embed(folder: str) -> Used:
    """The large video, signed in a guarded child."""
    _set_up()
    from provenance import guarded
    from provenance.assertions import build_manifest

    at, manifest, videos = Path(folder), build_manifest(_statement(MP4)), [SIGNED, VIDEO]

    def one() -> None:
        source = at / videos.pop(0)
        media_type = MP4 if source.suffix == ".mp4" else JPEG
        target = at / "office-signed"
        target.unlink(missing_ok=True)
        guarded.sign(source, target, media_type, manifest={**manifest, "format": media_type})
        target.unlink()

    return _used(one, 1)


def register_hash(folder: str) -> Used:
    """Hashed where the file is, registered by its hash: row, manifest, ledger entry. The first is a small file's."""
    _set_up()
    from accounts.models import User
    from core import storage
    from provenance.registration import register_hash as register

    alice = User.objects.create_user(f"alice-{Path(folder).name}@example.org", name="Alice")
    at, files = Path(folder), [PHOTO, VIDEO]
    before: list[float] = []

    def one() -> None:
        before.append(own_rss_mib())
        sha256, size = storage.digest(at / files.pop(0))
        register(alice, sha256=sha256, size=size, media_type=MP4, title="A work")

    told = _used(one, 1)
    return {**told, "grown_mib": told["rss_mib"] - before[-1]}


def search(folder: str, codes: int) -> Used:
    """CPU in milliseconds of a look-up in the index (benchmarks.provenance_index): of one code; of all the ways in
    which a picture is looked at, by either code; and of one code by numpy, byte by byte."""
    _set_up()
    from benchmarks import provenance_index

    took = {row.what: row.cpu_ms for row in provenance_index.rows(codes, postgresql=False)}
    ways = provenance_index.WAYS
    return {
        "one_ms": took["packed, 1 query"],
        "ways_ms": took[f"packed, {ways} queries"],
        "dhash_ms": took[f"packed dHash, {ways} queries"],
        "plain_ms": took["byte by byte, 1 query"],
        "ways": ways,
        "rss_mib": own_rss_mib(),
    }
