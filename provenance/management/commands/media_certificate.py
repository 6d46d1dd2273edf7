"""`manage.py media_certificate show|rotate|bring`: what signs media and what stamps the time."""

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from provenance import authority, certificates, rotation, tokens
from provenance.management.refusals import told


class Command(BaseCommand):
    help = (
        "Show the certificates that sign and stamp media, replace one, or bring one that others issued (docs/keys.md)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("show", help="what signs and stamps now, and until when")
        rotate = verbs.add_parser(
            "rotate", help="a fresh certificate of this office; what the old one signed stays good"
        )
        rotate.add_argument("--time", action="store_true", help="the one that stamps the time, instead")
        bring = verbs.add_parser("bring", help="a certificate that others trust signs from now on")
        bring.add_argument("--chain", type=Path, metavar="FILE", help="PEM, the signing one first (ASSAY_C2PA_CHAIN)")
        bring.add_argument(
            "--key",
            metavar="FILE|pkcs11:…",
            help="its private key (PEM), which is copied into the keys' folder, or"
            " pkcs11:/path/to/library.so?token=LABEL&key=LABEL; without, ASSAY_C2PA_KEY holds it",
        )

    def handle(self, *, verb: str, **options: Any) -> None:
        with told():
            {"show": self._show, "rotate": self._rotate, "bring": self._bring}[verb](options)

    def _show(self, options: dict[str, Any]) -> None:
        office = authority.this_office()
        issued = "brought by the operator" if office.is_brought else "issued by this office"
        self._tell(f"signs media ({issued}, {office.algorithm})", office.certificate)
        if settings.ASSAY_TSA_URL:
            self.stdout.write(f"stamps the time: {settings.ASSAY_TSA_URL}")
        else:
            self._tell("stamps the time", authority.time_authority().certificate)
        for root in office.roots:
            self._tell("root", root)
        self._tell_retired(office)

    def _rotate(self, options: dict[str, Any]) -> None:
        self._done(rotation.rotate_time() if options["time"] else rotation.rotate())

    def _bring(self, options: dict[str, Any]) -> None:
        chain = options["chain"] or (Path(settings.ASSAY_C2PA_CHAIN) if settings.ASSAY_C2PA_CHAIN else None)
        if chain is None:
            raise CommandError("Which certificate? Give --chain FILE, or set ASSAY_C2PA_CHAIN.")
        key = options["key"] or ""
        self._done(rotation.bring(_read(chain), key if tokens.is_token(key) or not key else _read(Path(key))))

    def _done(self, done: rotation.Rotation) -> None:
        if done.repeated:
            self.stdout.write("A replacement was under way: it is recorded now, and nothing else was changed.")
        self._tell("new", done.new)
        self._tell("old, trusted for what it signed", done.old)
        self.stdout.write("Back the keys' folder up now, and copy it to every host that signs.")
        self._tell_retired(authority.this_office())

    def _tell(self, what: str, certificate: x509.Certificate) -> None:
        digest = certificate.fingerprint(hashes.SHA256()).hex()
        self.stdout.write(
            f"{what}: “{certificates.name_of(certificate)}”\n"
            f"  serial {certificate.serial_number}\n  until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC\n"
            f"  SHA-256 {digest}"
        )

    def _tell_retired(self, office: authority.Authority) -> None:
        for path in rotation.retired_keys(office):
            self.stdout.write(f"{path} signs no longer: destroy it, and its backups.")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise CommandError(f"{path} cannot be opened: {error.strerror}.") from error
