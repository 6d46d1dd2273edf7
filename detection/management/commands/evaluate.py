"""`manage.py evaluate DETECTOR`: measure a detector on its suite and write its evaluation.json, peers beside it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from detection.management.commands.train import INTO_TREE, SEED, trainer
from detection.training import made
from provenance.management.refusals import told


class Command(BaseCommand):
    help = "Measure a detector on what it was not trained on, and write the figures of its card (evaluation.json)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("detector", help="Its name, such as synthetic_image.")
        place = parser.add_mutually_exclusive_group()
        place.add_argument(
            "--of",
            type=Path,
            metavar="FOLDER",
            help="Where `manage.py train` left it (ASSAY_VAR/training/made/NAME); without it, a copy of the installed.",
        )
        place.add_argument("--into-tree", action="store_true", help=INTO_TREE)
        parser.add_argument("--seed", type=int, default=SEED, help=f"Of everything that is drawn at random ({SEED}).")

    def handle(self, *args: Any, **options: Any) -> None:
        root, name = Path(settings.ASSAY_VAR) / "training", options["detector"]
        with told():
            measure = trainer(name, "evaluate")
            folder = made.folder_for(root, name, options["of"], into_tree=options["into_tree"])
            try:
                measure(root, self.stdout.write, seed=options["seed"], folder=made.measured(folder, name))
            except FileNotFoundError as error:
                raise CommandError(f"{error.filename} is missing: run `manage.py train data` first.") from error
            self.stdout.write(f"In {folder}.")
