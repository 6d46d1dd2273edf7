"""`manage.py revoke_certificate SERIAL`: signatures of a certificate do not count any more."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provenance import revocation
from provenance.management.dates import moment
from provenance.management.refusals import told


class Command(BaseCommand):
    help = (
        "Record that a certificate's signatures do not count from a date on. What a time-stamp shows to be older"
        " goes on counting. It cannot be taken back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("serial", nargs="?", help="decimal, 0x… or AB:CD:…")
        parser.add_argument("--reason", default="", help="why, in a sentence")
        parser.add_argument(
            "--issuer", default="", help="common name or organisation of who issued it; any, if left out"
        )
        parser.add_argument("--at", type=moment, metavar="DATE", help="since when (now)")
        parser.add_argument("--list", action="store_true", help="list what is revoked")

    def handle(self, *, serial: str | None, **options: Any) -> None:
        if options["list"] or serial is None:
            if serial is not None or not options["list"]:
                raise CommandError("Give a serial number, or --list.")
            for row in revocation.every():
                self.stdout.write(
                    f"{row.serial}  {row.issuer or '-'}  {row.revoked_at:%Y-%m-%d %H:%M} UTC  {row.reason}"
                )
            return
        with told():
            row = revocation.revoke(
                serial, reason=options["reason"], issuer=options["issuer"], revoked_at=options["at"]
            )
        self.stdout.write(f"{row.serial}: its signatures do not count from {row.revoked_at:%Y-%m-%d %H:%M} UTC on.")
