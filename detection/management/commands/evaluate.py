"""`manage.py evaluate DETECTOR`: measure a detector on its suite and write its evaluation.json, peers beside it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.problems import Problem
from detection.management.commands.train import SEED, trainer


class Command(BaseCommand):
    help = "Measure a detector on what it was not trained on, and write the figures of its card (evaluation.json)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("detector", help="Its name, such as synthetic_image.")
        parser.add_argument("--seed", type=int, default=SEED, help=f"Of everything that is drawn at random ({SEED}).")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            measure = trainer(options["detector"], "evaluate")
            measure(Path(settings.ASSAY_VAR) / "training", self.stdout.write, seed=options["seed"])
        except Problem as problem:
            raise CommandError(" ".join((problem.title + ".", problem.detail, problem.next_step)).strip()) from problem
        except FileNotFoundError as error:
            raise CommandError(f"{error.filename} is missing: run `manage.py train data` first.") from error
