"""`manage.py basis record|list|withdraw`: on which basis, besides consent, the office looks at people in works."""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from policy.consents import bases
from policy.models import ProcessingBasis, Purpose
from provenance.models import Asset


class Command(BaseCommand):
    help = "Record a legal basis for looking at faces and voices, withdraw it, or list those in force."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        record = verbs.add_parser("record", help="for one work, or for every work")
        record.add_argument("--ground", required=True, choices=ProcessingBasis.Ground.values)
        record.add_argument("--reference", required=True, help="where the assessment is; everybody may read this")
        record.add_argument("--purpose", default=Purpose.DETECT.value, choices=[one.value for one in bases.PURPOSES])
        record.add_argument("--asset", default="", help="id of a work; without one it is for every work")
        record.add_argument("--until", type=dt.date.fromisoformat, help="YYYY-MM-DD, the last day")
        withdraw = verbs.add_parser("withdraw", help="from now on it is no basis any more")
        withdraw.add_argument("basis", help="its id, as `basis list` says it")
        for verb in (record, withdraw):
            verb.add_argument("--by", required=True, help="e-mail address of the operator, lawyer or lead reviewer")
        verbs.add_parser("list", help="those in force, the oldest first")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            {"record": self._record, "withdraw": self._withdraw, "list": self._list}[verb](options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _record(self, options: dict[str, Any]) -> None:
        row = bases.record(
            account(options["by"]),
            purpose=options["purpose"],
            ground=options["ground"],
            reference=options["reference"],
            asset=_asset(options["asset"]),
            valid_to=options["until"],
        )
        self.stdout.write(f"{row.pk}: recorded. What was refused for want of it is tried again by the workers.")

    def _withdraw(self, options: dict[str, Any]) -> None:
        try:
            row = ProcessingBasis.objects.get(pk=options["basis"])
        except (ProcessingBasis.DoesNotExist, ValidationError) as error:
            raise CommandError("There is no such basis: see `manage.py basis list`.") from error
        bases.withdraw(row, account(options["by"]))
        self.stdout.write(f"{row.pk}: withdrawn. What was done on it stays on record.")

    def _list(self, options: dict[str, Any]) -> None:
        for row in bases.in_force_anywhere().order_by("created_at"):
            about = f"asset:{row.asset_id}" if row.asset_id else "every work"
            until = f"  until {row.valid_to}" if row.valid_to else ""
            self.stdout.write(f"{row.pk}  {row.purpose}  {row.ground}  {about}{until}  {row.reference}")


def _asset(asset_id: str) -> Asset | None:
    if not asset_id:
        return None
    try:
        return Asset.objects.get(pk=asset_id)
    except (Asset.DoesNotExist, ValidationError) as error:
        raise CommandError("There is no such work.") from error


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return problem.detail or problem.title
