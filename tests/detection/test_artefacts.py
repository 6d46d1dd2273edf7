"""A model's folder is whole, or it is not opened."""

import random
from pathlib import Path

import pytest
from django.conf import settings

from core.problems import Problem
from detection import artefacts, network
from tests.detection import models_made

FLIPS = 60


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> artefacts.Artefact:
    made = models_made.folder(tmp_path_factory.mktemp("models") / "one")
    return artefacts.write(made, "forensics", "2.0")


def test_what_was_signed_is_opened(signed: artefacts.Artefact) -> None:
    found = artefacts.verify(signed.folder, digest=signed.digest)
    assert found == signed
    assert found.files == ("card.yaml", "evaluation.json", "manifest.json", "model.onnx", "parity.json")


def test_every_flipped_byte_in_any_file_is_refused_before_a_session_is_built(
    signed: artefacts.Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[object] = []
    monkeypatch.setattr(network, "_session", lambda *told: sessions.append(told))
    chance, refusals = random.Random(11), 0
    files = [signed.folder / name for name in (*signed.files, artefacts.MANIFEST)]
    for number in range(FLIPS):
        path = files[number % len(files)]
        whole = path.read_bytes()
        place = chance.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        try:
            with pytest.raises(Problem) as refused:
                artefacts.verify(signed.folder, digest=signed.digest)
            refusals += refused.value.code == "model.tampered"
        finally:
            path.write_bytes(whole)
    assert (refusals, sessions) == (FLIPS, [])


@pytest.mark.parametrize("change", ["added", "removed", "linked", "folder"])
def test_a_file_more_or_less_is_refused(change: str, tmp_path: Path) -> None:
    made = models_made.folder(tmp_path / "one")
    artefacts.write(made, "forensics", "2.0")
    match change:
        case "added":
            (made / "more.json").write_text("{}")
        case "removed":
            (made / "evaluation.json").unlink()
        case "linked":
            (made / "evaluation.json").rename(tmp_path / "elsewhere.json")
            (made / "evaluation.json").symlink_to(tmp_path / "elsewhere.json")
        case "folder":
            (made / "more").mkdir()
    with pytest.raises(Problem, match=r"model\.tampered"):
        artefacts.verify(made)


def test_a_manifest_by_mallorys_key_is_refused(tmp_path: Path) -> None:
    from ledger import keys, notes

    made = models_made.folder(tmp_path / "one")
    artefacts.write(made, "forensics", "2.0")
    text = notes.parse((made / artefacts.MANIFEST).read_bytes()).text
    hers = keys.new_log_signer(tmp_path / "hers.key", f"{settings.ASSAY_LOG_ORIGIN}/models")
    (made / artefacts.MANIFEST).write_text(str(notes.sign(text, hers)))
    with pytest.raises(Problem, match="not signed as it must be"):
        artefacts.verify(made)


def test_an_older_version_that_was_signed_once_does_not_stand_for_this_one(tmp_path: Path) -> None:
    older = artefacts.write(models_made.folder(tmp_path / "a", weight=1.0), "forensics", "1.1")
    newer = artefacts.write(models_made.folder(tmp_path / "b", weight=2.0), "forensics", "1.2")
    with pytest.raises(Problem, match="not the one that was registered"):
        artefacts.verify(older.folder, digest=newer.digest)


@pytest.mark.parametrize("name", ["../secret", "UPPER.json", "a b", ""])
def test_a_name_that_could_lead_elsewhere_is_no_name_of_a_version(name: str) -> None:
    with pytest.raises(Problem, match=r"model\.name"):
        artefacts.folder_of(name, "1.0")
