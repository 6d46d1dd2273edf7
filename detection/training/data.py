"""The pictures that detectors are trained and measured on: fetched by the registries' ordinary clients, pinned by hash.

Layout under a root (`manage.py train data` uses ASSAY_VAR/training): packages/ as downloaded, pictures/<source>/ as
they lie in the packages, byte for byte. Only fetching touches the network; nothing here runs in the service.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

import numpy as np
from PIL import Image

from core.problems import Problem
from detection.evaluation.suite import Item
from detection.training.augmentation import Rgb
from detection.training.generators import family
from detection.training.sources import ALL_SOURCES, BY_NAME, SOURCES, Registry, Source, Weights, publisher

LONGEST = 1024  # pixels; larger pictures are reduced when read: the networks look at nothing finer
MAX_MEMBER = 64 << 20  # bytes


def fetch(pinned: Source | Weights, root: Path) -> Path:
    """The package file, downloaded once. Raises Problem where the client fails or the file is not the pinned one."""
    folder = root / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        if _is(path, pinned):
            return path
    before = set(folder.iterdir())
    _download(pinned, folder)
    for path in set(folder.iterdir()) - before:
        if _is(path, pinned):
            return path
    raise Problem("training.not_pinned", "The package is not the one that was pinned", status=503,
                  detail=f"{pinned.package} {pinned.version} has another SHA-256 than our list says.")  # fmt: skip


def unpack(source: Source, root: Path) -> Path:
    """The folder with the source's pictures, unpacked once."""
    folder = root / "pictures" / source.name
    if folder.is_dir():
        return folder
    package = fetch(source, root)
    partial = folder.with_name(f".{source.name}.part")
    partial.mkdir(parents=True, exist_ok=True)
    for name, content in _members(package):
        if re.search(source.files, name) and not (source.without and re.search(source.without, _told(name))):
            (partial / _flat(name)).write_bytes(content)
    partial.rename(folder)
    return folder


def items(root: Path, sources: Iterable[Source] = SOURCES) -> list[Item]:
    """Every picture of the sources that have been unpacked, in a stable order; an item's source is the publisher."""
    found = []
    for source in sources:
        folder = root / "pictures" / source.name
        for path in sorted(folder.glob("*")) if folder.is_dir() else []:
            generator = family(path.stem) if source.generator == BY_NAME else source.generator
            found.append(Item(path, bool(generator), publisher(source.name), generator, f"{source.name}/{path.stem}"))
    return found


def read(item: Item) -> Rgb:
    """(H, W, 3), what is transparent on white, of moving pictures the middle frame, cropped as the source says."""
    with Image.open(item.path) as image:
        image.draft("RGB", (LONGEST, LONGEST))
        image.seek(getattr(image, "n_frames", 1) // 2)
        flat = Image.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
    flat.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    crop = next((source.crop for source in ALL_SOURCES if source.name == item.path.parent.name), 1.0)
    return _middle(np.asarray(flat.convert("RGB")), crop)


def manifest(root: Path, sources: Iterable[Source] = SOURCES) -> dict[str, Any]:
    """What the data are, for cards and for whoever repeats the training: packages with hashes and licences, and a
    digest over every picture's name and content."""
    return {source.name: _described(source, root) for source in sources}


def _described(source: Source, root: Path) -> dict[str, Any]:
    folder = root / "pictures" / source.name
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    package = {"registry": source.registry.value, "package": source.package, "version": source.version}
    return {**package, "sha256": source.sha256, "licence": source.licence, "use": source.use.value,
            "pictures": len(files), "pictures_sha256": digest.hexdigest()}  # fmt: skip


def _is(path: Path, pinned: Source | Weights) -> bool:
    if not path.is_file() or not _squeezed(path.name).startswith(_squeezed(pinned.package)):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == pinned.sha256


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _download(pinned: Source | Weights, folder: Path) -> None:
    """By the client that this machine is set up with; it knows the registry's address, we do not."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
    commands = {
        Registry.PYPI: [*pip, f"{pinned.package}=={pinned.version}"],
        Registry.PYPI_SOURCE: [*pip, "--no-binary", ":all:", f"{pinned.package}=={pinned.version}"],
        Registry.NPM: ["npm", "pack", "--silent", f"{pinned.package}@{pinned.version}"],
        Registry.DEBIAN: ["apt-get", "download", "-q", f"{pinned.package}={pinned.version}"],
    }
    command = commands[pinned.registry]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=900)  # noqa: S603 - our own list
    except (OSError, subprocess.SubprocessError) as error:
        raise Problem("training.not_fetched", "A package could not be fetched", status=503,
                      detail=f"{pinned.package} {pinned.version} from {pinned.registry.value}: {_told_by(error)}",
                      next_step="Check that this machine reaches the registry.") from error  # fmt: skip


def _told_by(error: BaseException) -> str:
    said = getattr(error, "stderr", b"") or b""
    return said.decode(errors="replace").strip()[-300:] or type(error).__name__


def _members(package: Path) -> Iterator[tuple[str, bytes]]:
    """(path, content) of every file in a wheel, an npm tarball or a Debian package; Qt resources are opened too."""
    if package.suffix == ".whl":
        with ZipFile(package) as archive:
            yield from ((one.filename, archive.read(one)) for one in archive.infolist() if one.file_size < MAX_MEMBER)
    elif package.suffix == ".deb":
        yield from _of_debian(package)
    else:
        with tarfile.open(package) as archive:
            yield from _of_tar(archive)


def _of_debian(package: Path) -> Iterator[tuple[str, bytes]]:
    command = ["dpkg-deb", "--fsys-tarfile", os.fspath(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,  # noqa: S603 - our own words and a file of ours
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for name, content in _of_tar(archive):
            yield from _of_qt(name, content) if name.endswith(".rcc") else [(name, content)]


def _of_tar(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        file = archive.extractfile(member) if member.isfile() and member.size < MAX_MEMBER else None
        if file is not None:
            yield member.name, file.read()


def _of_qt(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """WebP files that lie uncompressed in a Qt resource file: each after its length, 4 bytes, big-endian (Qt's rcc)."""
    for found in re.finditer(rb"RIFF....WEBP", content, re.DOTALL):
        at = found.start()
        length = int.from_bytes(content[at - 4 : at])
        if 8_000 < length <= len(content) - at and _is_picture(content[at : at + length]):
            yield f"{PurePosixPath(name).stem}/{at}.webp", content[at : at + length]


def _is_picture(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content)) as image:
            return min(image.size) >= 200
    except OSError:
        return False


def _told(name: str) -> str:
    """What of a path may say what a file is: in wheels the file's name, the folder being the same for all."""
    return PurePosixPath(name).name if "/templates/" in name else name


def _flat(name: str) -> str:
    if "/templates/" in name:
        return PurePosixPath(name).name
    parts = PurePosixPath(name).parts
    own = [part for part in parts if part not in ("usr", "share", "contents", "images", "package", "dist", ".")]
    return re.sub(r"[^A-Za-z0-9._-]", "_", "_".join(own[-2:]))


def _middle(rgb: Rgb, share: float) -> Rgb:
    if share >= 1:
        return rgb
    height, width = rgb.shape[:2]
    top, left = int(height * (1 - share) / 2), int(width * (1 - share) / 2)
    return np.ascontiguousarray(rgb[top : height - top, left : width - left])
