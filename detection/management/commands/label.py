"""`manage.py label …`: claims about works on their way to becoming training data (docs/models.md)."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from detection import labels
from detection.detectors import Question
from detection.models import Claim, Label
from provenance.management.refusals import told
from provenance.models import Asset


class Command(BaseCommand):
    help = (
        "Propose what a work is, corroborate it as a second person, admit it to training, take it back. Each step is an"
        " entry in the log. Exit codes: 0 done, 1 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        show = verbs.add_parser("list", help="labels, newest first")
        show.add_argument("--state", choices=Label.State.values)
        propose = verbs.add_parser("propose", help="a reviewer says what a work is")
        propose.add_argument("work", help="its id")
        propose.add_argument("question", choices=[one.value for one in Question])
        propose.add_argument("claim", choices=Claim.values)
        for name, words in _STEPS.items():
            step = verbs.add_parser(name, help=words)
            step.add_argument("label", help="its id, as `label list` says it")
            _who(step)
        _who(propose)

    def handle(self, *, verb: str, **options: Any) -> None:
        with told():
            {"list": self._list, "propose": self._propose}.get(verb, self._step)({"verb": verb, **options})

    def _list(self, options: dict[str, Any]) -> None:
        rows = Label.objects.filter(**{"state": options["state"]} if options["state"] else {})
        for row in rows.order_by("-created_at"):
            basis = row.basis or row.excluded_for or "no basis recorded"
            self.stdout.write(f"{row.pk}  asset:{row.asset_id}  {row}  by {row.get_origin_display()}  {basis}")

    def _propose(self, options: dict[str, Any]) -> None:
        try:
            asset = Asset.objects.get(pk=options["work"])
        except (Asset.DoesNotExist, ValidationError) as error:
            raise CommandError(f"There is no work {options['work']}.") from error
        origin, by = Label.Origin.REVIEWER, account(options["by"])
        self._told(labels.propose(asset, options["question"], options["claim"], origin, by=by))

    def _step(self, options: dict[str, Any]) -> None:
        label, by = labels.find(options["label"]), account(options["by"])
        match options["verb"]:
            case "corroborate":
                labels.corroborate(label, by)
            case "admit":
                labels.admit(label, by)
            case "exclude":
                labels.exclude(label, "mistake", by)
        self._told(label)

    def _told(self, label: Label) -> None:
        self.stdout.write(f"{label.pk}: {label.get_state_display()}.")


_STEPS = {
    "corroborate": "a second reviewer says the same",
    "admit": "an operator admits it to training, if there is a basis and room",
    "exclude": "a reviewer or operator takes it back",
}


def _who(verb: CommandParser) -> None:
    verb.add_argument("--by", required=True, metavar="E-MAIL", help="the account of the person who does this")
