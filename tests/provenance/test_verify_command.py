"""`manage.py verify`: for people, for scripts."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from accounts.models import User
from ledger import sequencer
from provenance import manifests
from provenance.management.commands.verify import Command
from provenance.registration import register_hash
from tests.provenance import certificates_made, media_made
from tests.provenance.conftest import Register

Write = Callable[[str, bytes], Path]


def _verify(*files: Path, as_json: bool = False, **options: Any) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("verify", *map(str, files), json=as_json, stdout=out, stderr=out, **options)
    except SystemExit as leave:
        assert isinstance(leave.code, int)
        return leave.code, out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def files(photo: bytes, alice: User, register: Register, signed_bytes: Callable, on_disk: Write) -> dict[str, Path]:
    signed = signed_bytes(register(alice, photo, title="The rocket"))
    sequencer.tick()
    return {
        "valid": on_disk("valid.jpg", signed),
        "invalid": on_disk("invalid.jpg", media_made.change_a_pixel(signed, photo)),
        "none": on_disk("none.jpg", media_made.as_jpeg(photo)),
        "refused": on_disk("refused.jpg", photo[:5000]),
        "missing": Path("/nonexistent/photo.jpg"),
    }


def test_the_exit_code_is_the_answer(files: dict[str, Path]) -> None:
    codes = {name: _verify(path)[0] for name, path in files.items()}
    assert codes == {"valid": 0, "invalid": 1, "none": 2, "refused": 2, "missing": 66}
    assert _verify(files["valid"], files["invalid"], files["none"])[0] == 1
    assert _verify(files["valid"], files["none"])[0] == 2


def test_the_words_for_people(files: dict[str, Path]) -> None:
    _, valid = _verify(files["valid"])
    assert "credential: valid, this_office" in valid
    assert "integrity: intact." in valid
    assert "signer: this_office. Signed by Assay signing." in valid
    assert "time: stamped." in valid
    assert "whole_file: registered." in valid
    assert "signal: inception:signal_capturedMedia" in valid
    assert "register: the signed file of “The rocket”" in valid
    assert "ledger: entry 0" in valid
    _, invalid = _verify(files["invalid"])
    assert "changed after it was signed" in invalid
    assert "assertion.dataHash.mismatch" in invalid
    assert "→ Ask whoever gave you the file" in invalid
    assert "re_encoded: “The rocket”" in invalid


def test_one_json_object_a_line_for_scripts(files: dict[str, Path]) -> None:
    _, text = _verify(files["valid"], files["invalid"], files["refused"], files["missing"], as_json=True)
    valid, invalid, refused, missing = map(json.loads, text.splitlines())
    assert valid["credential"]["state"] == "valid"
    assert valid["ledger"]["index"] == 0
    assert {name: one["state"] for name, one in valid["verdicts"].items()}["integrity"] == "intact"
    assert "assertion.dataHash.mismatch" in invalid["credential"]["raw"]["failure"]
    assert refused["problem"]["code"] == "media.truncated"
    assert missing["error"]


def test_as_of_a_day_before_the_certificate_nothing_was_signed_yet(files: dict[str, Path]) -> None:
    code, words = _verify(files["valid"], as_of=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert code == 3
    assert "judged as of: 2020-01-01 00:00 UTC" in words
    assert "time: not_yet. A trusted time-stamp shows" in words


def test_what_is_intact_and_not_vouched_for_ends_with_3(
    photo: bytes, photo_path: Path, alice: User, on_disk: Write, tmp_path: Path
) -> None:
    stranger = certificates_made.signed(
        photo_path, tmp_path / "signed.jpg", certificates_made.under(certificates_made.root())
    )
    assert _verify(stranger)[0] == 3
    claimed = on_disk("claimed.jpg", photo)
    register_hash(
        alice, sha256=hashlib.sha256(photo).hexdigest(), size=len(photo), media_type="image/jpeg", title="A claim"
    )
    code, words = _verify(claimed)
    assert (code, "claimed, file not shown: “A claim”" in words) == (3, True)


def test_names_that_would_turn_the_writing_round_are_shown_as_codes(photo: bytes, db: None, on_disk: Write) -> None:
    evil = on_disk("\x1b[31mevil\u202egpj.jpg", photo)
    for as_json in (False, True):
        _, words = _verify(evil, as_json=as_json)
        assert "\u202e" not in words and "\x1b" not in words
    assert json.loads(words)["path"] == str(evil)
    assert "evil\\u202egpj.jpg" in _verify(evil)[1]


def test_without_its_tables_the_command_says_what_to_do(
    photo: bytes, db: None, on_disk: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise OperationalError("no such table: provenance_asset")

    monkeypatch.setattr("provenance.management.commands.verify.verify_file", missing)
    with pytest.raises(CommandError, match="migrate") as refusal:
        _verify(on_disk("photo.jpg", photo))
    assert refusal.value.returncode == 78


def test_a_manifest_beside_the_file_is_read_with_it(
    photo: bytes, alice: User, register: Register, on_disk: Write
) -> None:
    asset = register(alice, photo)
    beside = on_disk("photo.c2pa", manifests.store_of(manifests.of_form(asset, "detached")))
    code, words = _verify(on_disk("photo.jpg", photo), manifest=beside)
    assert (code, "presence: detached." in words, "integrity: intact." in words) == (0, True, True)
    assert _verify(on_disk("other.jpg", photo + b"x"), manifest=beside)[0] == 1
    assert _verify(on_disk("photo.jpg", photo), manifest=Path("/nonexistent/photo.c2pa"))[0] == 66


@pytest.mark.parametrize(
    "arguments",
    [[], ["--nonsense", "x.jpg"], ["--as-of", "the day before", "x.jpg"], ["--manifest", "m.c2pa", "x.jpg", "y.jpg"]],
)
def test_wrong_usage_ends_with_64(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as leave:
        Command().run_from_argv(["manage.py", "verify", *arguments])
    assert leave.value.code == 64
    told = capsys.readouterr().err
    assert "usage" in told or "name one" in told
