"""Every change to every format that carries its credential inside, and the verdict it must get.

Each format is signed once a session; each case changes bytes and reads them in a guarded child.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.models import User
from provenance import guarded, judgement, trust
from provenance.verification import judged, verify_file
from tests.provenance import media_made, tampering
from tests.provenance.conftest import Register
from tests.provenance.signing_desk import Desk
from tests.provenance.tamper_cases import CASES
from web.verdicts import OTHER_BYTES, verdict

# Bytes and the engine are the same on both databases; what the desk has signed is signed once.
pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.xdist_group("desk")]


@pytest.mark.parametrize("media_type", media_made.EMBEDDABLE)
@pytest.mark.parametrize("case", CASES)
def test_every_change_gets_its_verdict(case: str, media_type: str, desk: Desk, tmp_path: Path, db: None) -> None:
    make, wanted = CASES[case]
    path = media_made.written(tmp_path, "file", make(desk, media_type))
    policy = trust.policy()
    found = judgement.verdicts(judged(guarded.read_credential(path, media_type, policy=policy), policy))
    states = tuple(found[name].state for name in ("presence", "integrity", "ingredients"))
    assert states == (wanted.presence, wanted.integrity, wanted.ingredients)
    codes = {one["code"] for name in ("integrity", "ingredients") for one in found[name].codes}
    if wanted.code:
        assert wanted.code_for(media_type) in codes


@pytest.mark.parametrize("media_type", tampering.BMFF)
def test_an_appended_free_box_is_caught_by_the_whole_file(
    media_type: str,
    alice: User,
    register: Register,
    signed_bytes: Callable[..., bytes],
    on_disk: Callable[[str, bytes], Path],
) -> None:
    """C2PA leaves `free` boxes out of its hash: the credential stays intact, and these are not the registered bytes."""
    signed = signed_bytes(register(alice, media_made.make(media_type)))
    states = []
    for data in (signed, tampering.free_box(signed)):
        report = verify_file(on_disk("file", data), hashlib.sha256(data).hexdigest())
        states.append((report.verdicts["integrity"].state, report.verdicts["whole_file"].state))
    assert states == [("intact", "registered"), ("intact", "other_bytes")]
    assert verdict(report.as_dict()) is OTHER_BYTES
