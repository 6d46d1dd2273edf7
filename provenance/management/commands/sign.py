"""`manage.py sign FILE`: register and sign a file on this machine."""

from argparse import ArgumentParser
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts.models import Role, User
from core import storage
from provenance import manifests, media
from provenance.management.refusals import CANNOT_CREATE, NO_INPUT, USAGE, FileCommand, told
from provenance.models import Asset, Rendition
from provenance.registration import register_asset, register_hash
from provenance.vocabulary import SourceType, Training


class Command(FileCommand):
    help = (
        "Register a file for one of this office's creators and write what was signed beside it: the signed file, or, "
        "for a kind of file that takes no credential inside and with --hash-only, the manifest that belongs beside it. "
        "Exit codes: 0 done; 1 refused, nothing was kept; 64 wrong usage; 66 the file cannot be opened; 73 the result "
        "cannot be written, or is there already."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--title", help="By default, the name of the file.")
        parser.add_argument("--out", type=Path, help="By default beside the file: NAME-signed.jpg, or NAME.jpg.c2pa.")
        parser.add_argument("--owner", metavar="EMAIL", help="Whose work it is; not needed while there is one creator.")
        parser.add_argument("--source-type", default=SourceType.DIGITAL_CAPTURE.value, choices=SourceType.values)
        parser.add_argument("--training", default=Training.NOT_ALLOWED.value, choices=Training.values)
        parser.add_argument("--thumbnail", action="store_true", help="Put a small picture into the credential.")
        parser.add_argument(
            "--watermark", action="store_true", help="Mark the signed file invisibly (ASSAY_WATERMARK)."
        )
        parser.add_argument("--hash-only", action="store_true", help="Keep no copy: register the SHA-256 alone.")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if not file.is_file():
            raise CommandError(f"{file} is no file that can be opened.", returncode=NO_INPUT)
        if options["hash_only"] and (options["watermark"] or options["thumbnail"]):
            words = "--watermark and --thumbnail need the file; leave --hash-only out."
            raise CommandError(words, returncode=USAGE)
        try:
            with told():
                asset, out = self._sign(file, options)
        except OSError as error:
            code = NO_INPUT if error.filename == str(file) else CANNOT_CREATE
            raise CommandError(str(error), returncode=code) from error
        self.stdout.write(f"{out}: “{asset.title}”, asset:{asset.pk}")

    def _sign(self, file: Path, options: dict[str, Any]) -> tuple[Asset, Path]:
        out = options["out"] or _beside(file, hash_only=options["hash_only"])
        if out.exists():
            raise CommandError(f"{out} is there already; name another with --out.", returncode=CANNOT_CREATE)
        asset = self._register(file, options)
        _write(asset, out)
        return asset, out

    def _register(self, file: Path, options: dict[str, Any]) -> Asset:
        owner = _owner(options["owner"])
        said = {
            "title": options["title"] or file.stem,
            "source_type": options["source_type"],
            "training": options["training"],
            "filename": file.name,
        }
        if options["hash_only"]:
            sha256, size = storage.digest(file)
            return register_hash(owner, sha256=sha256, size=size, media_type=media.sniff(file), **said)
        with storage.receive(_chunks(file)) as scratch:
            wishes = {"thumbnail": options["thumbnail"], "watermark": options["watermark"]}
            return register_asset(owner, scratch, **wishes, **said)


def _beside(file: Path, *, hash_only: bool) -> Path:
    if hash_only or media.sniff(file) not in media.EMBEDDABLE:
        return file.with_name(f"{file.name}.c2pa")
    return file.with_name(f"{file.stem}-signed{file.suffix}")


def _owner(email: str | None) -> User:
    creators = User.objects.filter(is_active=True, memberships__role=Role.CREATOR).distinct()
    found = list(creators.filter(email__iexact=email)) if email else list(creators[:2])
    if len(found) == 1:
        return found[0]
    why = f"There is no creator “{email}” here." if email else "Whose work is it? Name a creator with --owner EMAIL."
    raise CommandError(why, returncode=USAGE)


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        yield from iter(partial(source.read, storage.CHUNK), b"")


def _write(asset: Asset, out: Path) -> None:
    """The signed file where there is one; never over a file that is there."""
    signed = asset.renditions.filter(role=Rendition.Role.SIGNED).first()
    key = signed.key if signed is not None else manifests.of_form(asset, manifests.Form.DETACHED).key
    with storage.open_file(key) as source, out.open("xb") as target:
        while chunk := source.read(storage.CHUNK):
            target.write(chunk)
