"""`manage.py verify`: for people, for scripts."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts.models import User
from ledger import sequencer
from provenance.management.commands.verify import Command
from tests.provenance import media_made
from tests.provenance.conftest import Register

Write = Callable[[str, bytes], Path]


def _verify(*files: Path, as_json: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("verify", *map(str, files), json=as_json, stdout=out)
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
        "refused": on_disk("refused.svg", b"<svg/>"),
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
    assert "Signed by Assay signing." in valid
    assert "register: the signed file of “The rocket”" in valid
    assert "ledger: entry 0" in valid
    _, invalid = _verify(files["invalid"])
    assert "changed after it was signed" in invalid
    assert "assertion.dataHash.mismatch" in invalid
    assert "re_encoded: “The rocket”" in invalid


def test_one_json_object_a_line_for_scripts(files: dict[str, Path]) -> None:
    _, text = _verify(files["valid"], files["invalid"], files["refused"], files["missing"], as_json=True)
    valid, invalid, refused, missing = map(json.loads, text.splitlines())
    assert valid["credential"]["state"] == "valid"
    assert valid["ledger"]["index"] == 0
    assert "assertion.dataHash.mismatch" in invalid["credential"]["raw"]["failure"]
    assert refused["problem"]["code"] == "media.type_unsupported"
    assert missing["error"]


@pytest.mark.parametrize("arguments", [[], ["--nonsense", "x.jpg"]])
def test_wrong_usage_ends_with_64(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as leave:
        Command().run_from_argv(["manage.py", "verify", *arguments])
    assert leave.value.code == 64
    assert "usage" in capsys.readouterr().err
