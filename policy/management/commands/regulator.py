"""`manage.py regulator invite|renew|suspend|resume|end|list`: accounts of authorities, for the operator."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.links import make_login_link
from core.problems import Problem
from policy.audits import regulators
from policy.models import RegulatorAccount

CHANGES = ("renew", "suspend", "resume", "end")


class Command(BaseCommand):
    help = "Invite somebody of an authority, renew, suspend, resume or end their access, and list who has one."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        self._add_invite(verbs.add_parser("invite", help="an account, and a one-time link to come in by"))
        for verb in CHANGES:
            change = verbs.add_parser(verb, help=f"{verb} an access")
            change.add_argument("account", help="its id, as `regulator list` says it")
            if verb == "renew":
                change.add_argument("--days", type=int, required=True, help="from now on")
            if verb == "suspend":
                change.add_argument("--why", default="", help="sealed under the person's key")
        verbs.add_parser("list", help="all of them")

    def _add_invite(self, invite: CommandParser) -> None:
        invite.add_argument("email", help="of the person, at the authority")
        invite.add_argument("--name", default="")
        invite.add_argument("--authority", required=True)
        invite.add_argument("--place", required=True, action="append", choices=list(regulators.PLACES))
        invite.add_argument("--basis", required=True, help="the law that entitles them; public")
        invite.add_argument("--scope", action="append", default=[], choices=RegulatorAccount.Scope.values)
        invite.add_argument("--days", type=int, default=180, help="for how long; default 180")
        invite.add_argument("--base", default=settings.ASSAY_URL, help="the office's address (default ASSAY_URL)")

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            match verb:
                case "invite":
                    self._invite(options)
                case "list":
                    self._list()
                case _:
                    self._change(verb, options)
        except Problem as problem:
            raise CommandError(_said(problem)) from problem

    def _invite(self, options: dict[str, Any]) -> None:
        terms = regulators.Terms(
            options["authority"], options["place"], options["basis"], options["scope"], options["days"]
        )
        row = regulators.invite(None, terms, email=options["email"], name=options["name"])
        self.stdout.write(f"{row.pk}: {row.authority} is invited until {row.expires_at:%Y-%m-%d}.")
        self.stdout.write(options["base"].rstrip("/") + make_login_link(row.user))

    def _change(self, verb: str, options: dict[str, Any]) -> None:
        row = regulators.find(options["account"])
        match verb:
            case "renew":
                regulators.renew(row, None, options["days"])
            case "suspend":
                regulators.suspend(row, None, options["why"])
            case "resume":
                regulators.resume(row, None)
            case "end":
                regulators.end(row, None)
        self.stdout.write(f"{row.pk}: {row.get_state_display()}, until {row.expires_at:%Y-%m-%d}.")

    def _list(self) -> None:
        for row in regulators.for_desk():
            places, scopes = ",".join(row.jurisdictions), ",".join(row.scopes) or "-"
            until = f"{row.expires_at:%Y-%m-%d}"
            self.stdout.write(f"{row.pk}  {row.authority}  {row.state}  {places}  {scopes}  until {until}")


def _said(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    return problem.detail or problem.title
