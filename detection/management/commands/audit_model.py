"""`manage.py audit_model run|report`: error rates by groups of people, on sets that people consented to."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from detection import fairness, versions
from detection.models import Audit
from provenance.management.refusals import told


class Command(BaseCommand):
    help = (
        "Audit a detector by groups of people, on a set of consented, labelled files (docs/fairness.md). Aggregates are"
        " kept, the access is logged. Exit codes: 0 done, 1 refused, 3 a gap that is no noise."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        run = verbs.add_parser("run", help="examine the set and keep the table")
        run.add_argument("detector")
        run.add_argument("folder", type=Path)
        run.add_argument("--by-attribute", required=True, metavar="NAME")
        run.add_argument("--version", default="", help="a registered version, instead of what is in service")
        run.add_argument("--by", required=True, metavar="E-MAIL", help="the account of the person who does this")
        report = verbs.add_parser("report", help="every audit, and how often appeals overturn what machines flagged")
        report.add_argument("detector", nargs="?", default="")

    def handle(self, *, verb: str, **options: Any) -> None:
        with told():
            {"run": self._run, "report": self._report}[verb](options)

    def _run(self, options: dict[str, Any]) -> None:
        by = account(options["by"])
        version = versions.find(options["detector"], options["version"]) if options["version"] else None
        row = fairness.audit(options["folder"], options["detector"], options["by_attribute"], by, version=version)
        self.stdout.write("\n".join(fairness.report(row)))
        if row.flagged:
            raise CommandError("A gap is larger than chance makes.", returncode=3)

    def _report(self, options: dict[str, Any]) -> None:
        for row in Audit.objects.order_by("detector", "-created_at"):
            if options["detector"] in ("", row.detector):
                self.stdout.write("\n".join(fairness.report(row)))
        for line in fairness.further_lines():
            self.stdout.write(line)
