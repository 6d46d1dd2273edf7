"""`manage.py trust_lists add|list|withdraw`: whom this office believes, by named and dated lists of certificates."""

from pathlib import Path
from typing import Any

from cryptography import x509
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Organisation
from core.clock import now
from provenance import published_lists, trust
from provenance.management.dates import as_of, moment
from provenance.management.refusals import told
from provenance.models import TrustList


class Command(BaseCommand):
    help = (
        "Add a version of a trust list from a file (PEM, or the C2PA's JSON), list the versions, or withdraw a list. "
        "Nothing is fetched; docs/provenance.md says where the official lists are published."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="keep a version; it never changes afterwards")
        add.add_argument("file", type=Path)
        add.add_argument("--official", action="store_true", help="the C2PA's own list: its address and name are known")
        add.add_argument("--uri", help="the address under which verdicts cite the list")
        add.add_argument("--name", help="what people call it")
        add.add_argument("--kind", choices=TrustList.Kind.values, help="whom it vouches for (manifest: signers)")
        add.add_argument("--list-version", metavar="VERSION", help="as its publisher says; the JSON has it")
        add.add_argument("--from", dest="effective_from", type=moment, metavar="DATE", help="in force from (now)")
        add.add_argument("--until", type=moment, metavar="DATE", help="in force until, without a successor")
        add.add_argument("--organisation", metavar="NAME", help="only for what this organisation asks")
        add.add_argument("--source", default="", help="where the file was taken from, in words")
        add.add_argument("--expired-too", action="store_true", help="take certificates that had expired by then")
        listed = verbs.add_parser("list", help="every version; * marks those in force")
        listed.add_argument("--as-of", type=as_of, metavar="DATE", help="those in force on that date")
        withdraw = verbs.add_parser("withdraw", help="take a list out of force, by a version without certificates")
        withdraw.add_argument("uri")
        withdraw.add_argument("--list-version", metavar="VERSION", help="a name for that version")
        withdraw.add_argument("--from", dest="effective_from", type=moment, metavar="DATE", help="from then on (now)")

    def handle(self, *, verb: str, **options: Any) -> None:
        with told():
            {"add": self._add, "list": self._list, "withdraw": self._withdraw}[verb](options)

    def _add(self, options: dict[str, Any]) -> None:
        added = trust.add_list(_new_list(options))
        count = len(x509.load_pem_x509_certificates(added.pem.encode()))
        self.stdout.write(
            f"{added.uri}, version {added.version}: {count} certificates, in force from"
            f" {added.effective_from:%Y-%m-%d %H:%M} UTC (SHA-256 {added.sha256})."
        )

    def _list(self, options: dict[str, Any]) -> None:
        at = options["as_of"] or now()
        organisations = [None, *Organisation.objects.filter(trust_lists__isnull=False).distinct()]
        counted = {row.pk for organisation in organisations for row in trust.in_force(at, organisation)}
        for row in TrustList.objects.select_related("organisation").order_by("uri", "effective_from", "pk"):
            mark = "*" if row.pk in counted else " "
            until = f" until {row.effective_until:%Y-%m-%d}" if row.effective_until else ""
            whose = f"  for {row.organisation.name}" if row.organisation else ""
            count = row.pem.count("-----BEGIN CERTIFICATE-----")
            self.stdout.write(
                f"{mark} {row.uri}  {row.version}  {row.kind}  from {row.effective_from:%Y-%m-%d}{until}"
                f"  {f'{count} certificates' if count else 'withdrawn'}{whose}"
            )

    def _withdraw(self, options: dict[str, Any]) -> None:
        at = options["effective_from"] or now()
        version = options["list_version"] or f"withdrawn {at:%Y-%m-%d}"
        row = trust.withdraw_list(options["uri"], version=version, effective_from=at)
        self.stdout.write(f"{row.uri} is out of force from {row.effective_from:%Y-%m-%d %H:%M} UTC.")


def _new_list(options: dict[str, Any]) -> trust.NewList:
    try:
        read = published_lists.read(options["file"].read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise CommandError(f"{options['file']} cannot be opened: {error.strerror}.") from error
    kind = options["kind"] or read.kind or ""
    if options["official"] and kind not in published_lists.OFFICIAL:
        raise CommandError("Say which official list the file is: --kind manifest (signers) or --kind tsa.")
    uri, name = published_lists.OFFICIAL[kind] if options["official"] else (options["uri"], options["name"])
    version = options["list_version"] or read.version
    needed = {"--uri": uri, "--name": name, "--kind": kind, "--list-version": version}
    missing = [flag for flag, value in needed.items() if not value]
    if missing:
        raise CommandError(f"The file does not tell everything: give {', '.join(missing)} too.")
    return trust.NewList(
        uri=uri,
        name=name,
        version=version,
        kind=kind,
        pem=read.pem,
        effective_from=options["effective_from"] or read.issued or now(),
        effective_until=options["until"],
        organisation=_organisation(options["organisation"]),
        source=options["source"] or options["file"].name,
        expired_too=options["expired_too"],
    )


def _organisation(name: str | None) -> Organisation | None:
    if not name:
        return None
    try:
        return Organisation.objects.get(name=name)
    except Organisation.DoesNotExist as error:
        raise CommandError(f"There is no organisation called “{name}”.") from error
