"""A model version as a signed folder: nothing in it is opened before every byte has been compared with its manifest.

The manifest is the file `MANIFEST`, a C2SP signed note (https://c2sp.org/signed-note) by this office's release key,
with the text

    assay-model/1
    <detector> <version>
    <sha256, 64 hex> <size> <file>        one line a file, sorted by name

It names every other file of the folder, and the folder holds no other; there are no folders in it. The model's digest
is the SHA-256 of the manifest, signature included: it stands in the row, in the ledger and in every result.

The release key is Ed25519, `keys/release.key`, made with the first model that is registered; `keys/release*.vkey` are
the public keys that are accepted, so an office may accept another's models by adding its public key.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from core.problems import Problem
from ledger import durable, keys, notes

MANIFEST = "MANIFEST"
HEADER = "assay-model/1"
MAX_FILES = 40
MAX_BYTES = 2 << 30
_FILE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,11}", re.ASCII)


@dataclass(frozen=True)
class Artefact:
    """A folder whose manifest was verified. digest: “sha256:” and hex of the manifest. files: its other files."""

    folder: Path
    detector: str
    version: str
    digest: str
    files: tuple[str, ...]

    def paths(self) -> tuple[Path, ...]:
        """Every file, as a guarded child is named them."""
        return tuple(self.folder / name for name in self.files)


def refused(why: str) -> Problem:
    """The one refusal of a model folder. why: completes “…, because …”."""
    return Problem(
        "model.tampered",
        "This model is not what was signed",
        status=409,
        detail=f"The model was not opened, because {why}.",
        next_step="Restore its folder from a backup, or roll back: manage.py model rollback DETECTOR.",
    )


def folder_of(detector: str, version: str) -> Path:
    """Where this office keeps the version. Raises Problem for a name that is not in its form."""
    check_name(detector, version)
    return Path(settings.ASSAY_VAR) / "models" / detector / version


def check_name(detector: str, version: str) -> None:
    """Raises Problem."""
    if not _NAME.fullmatch(detector) or not _VERSION.fullmatch(version):
        raise Problem(
            "model.name",
            "That is no name of a model version",
            detail="A detector’s name has small letters, digits and _; a version letters, digits, dots, - and _, 12 at"
            " most.",
        )


def write(folder: Path, detector: str, version: str) -> Artefact:
    """Sign what is in `folder` (files only) as this version. Raises Problem, keys.KeyMissing, keys.BadKey."""
    check_name(detector, version)
    lines = [f"{_digest(path)} {path.stat().st_size} {path.name}" for path in _listed(folder)]
    text = "\n".join([HEADER, f"{detector} {version}", *lines]) + "\n"
    durable.replace(folder / MANIFEST, str(notes.sign(text, release_signer())), mode=0o644)
    return verify(folder)


def verify(folder: Path, *, digest: str = "") -> Artefact:
    """The artefact in `folder`, every byte of it compared. digest: which one it must be.

    Raises Problem `model.tampered` for anything else than a whole folder signed by a release key that counts here.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise refused("its manifest is missing") from error
    found = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if digest and found != digest:
        raise refused("its manifest is not the one that was registered")
    detector, version, files = _parsed(raw)
    if sorted(files) != [path.name for path in _listed(folder)]:
        raise refused("the files in its folder are not those of its manifest")
    for name, (sha256, size) in files.items():
        path = folder / name
        if path.stat().st_size != size or _digest(path) != sha256:
            raise refused(f"{name} was changed")
    return Artefact(folder, detector, version, found, tuple(sorted(files)))


def _parsed(raw: bytes) -> tuple[str, str, dict[str, tuple[str, int]]]:
    try:
        note = notes.open_note(raw, release_verifiers())
    except notes.BadNote as error:
        raise refused(f"its manifest is not signed as it must be ({error})") from error
    head, name, *lines = note.text[:-1].split("\n")
    detector, _, version = name.partition(" ")
    files = dict(_line(line) for line in lines)
    if head != HEADER or not _NAME.fullmatch(detector) or not _VERSION.fullmatch(version) or len(files) != len(lines):
        raise refused("its manifest is not in its form")
    return detector, version, files


def _line(line: str) -> tuple[str, tuple[str, int]]:
    match line.split(" "):
        case [sha256, size, name] if re.fullmatch("[0-9a-f]{64}", sha256) and _FILE.fullmatch(name):
            try:
                return name, (sha256, notes.decimal(size))
            except notes.BadNote:
                pass
    raise refused("its manifest is not in its form")


def _listed(folder: Path) -> list[Path]:
    """Every file of the folder but the manifest, by name. Raises Problem for what has no place in it."""
    found = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    for path in found:
        if path.is_symlink() or not path.is_file() or not _FILE.fullmatch(path.name):
            raise refused(f"{path.name[:80]!r} has no place in a model's folder")
    if not found or len(found) > MAX_FILES or sum(path.stat().st_size for path in found) > MAX_BYTES:
        raise refused(f"a model's folder has 1 to {MAX_FILES} files and at most {MAX_BYTES >> 30} GiB")
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- Keys ----------------------------------------------------------------------------------------------------------


def release_signer() -> keys.LogSigner:
    """This office's release key, made on first use. Raises keys.KeyMissing, keys.BadKey."""
    name = f"{settings.ASSAY_LOG_ORIGIN}/models"
    path = Path(settings.ASSAY_KEYS) / "release.key"
    create = not _public_files()
    signer = keys.log_signer(path, name, create=create)
    durable.write_once(path.with_suffix(".vkey"), signer.verifier.vkey + "\n", mode=0o644)
    return signer


def release_verifiers() -> Sequence[keys.LogVerifier]:
    """The public keys whose models count here. Raises keys.BadKey for a file that is none."""
    return [keys.parse_vkey(keys.read_text(path).rstrip("\n")) for path in _public_files()]


def _public_files() -> Iterable[Path]:
    return sorted(Path(settings.ASSAY_KEYS).glob("release*.vkey"))
