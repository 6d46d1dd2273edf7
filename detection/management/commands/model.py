"""`manage.py model …`: versions of the models behind the detectors, from their import to their end."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.people import account
from core.problems import Problem
from detection import artefacts, bom, brought, cards, drift, gate, measuring, registry, retraining, shadowing, versions
from detection.models import ModelVersion
from detection.versions import Shipped
from provenance.management.refusals import told


class Command(BaseCommand):
    help = (
        "Bring, list, measure, gate, promote, roll back and verify versions of models (docs/models.md). Every step is"
        " an entry in the log; into service leads only the gate, and two people. Exit codes: 0 done, 1 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        _bringing(verbs)
        show = verbs.add_parser("list", help="every version, what is in service first")
        show.add_argument("detector", nargs="?", default="")
        card = verbs.add_parser("card", help="the card of a version or of an installed detector")
        card.add_argument("detector")
        card.add_argument("version", nargs="?", default="")
        card.add_argument("--form", choices=("text", "huggingface", "cyclonedx"), default="text")
        for name, words in _STEPS.items():
            step = verbs.add_parser(name, help=words)
            step.add_argument("detector")
            step.add_argument("version")
            _who(step, reason=name == "retire")
        rollback = verbs.add_parser("rollback", help="what served before serves again")
        rollback.add_argument("detector")
        rollback.add_argument(
            "--to", default="", metavar="VERSION", help=f"an earlier champion, or {versions.AS_SHIPPED}"
        )
        _who(rollback, reason=True)
        verify = verbs.add_parser("verify", help="compare every byte of every version with what was signed")
        verify.add_argument("detector", nargs="?", default="")
        watch = verbs.add_parser("drift", help="look at the newest scores of every detector and tenant now")
        watch.add_argument("--clear", metavar="DETECTOR", help="its alarms were looked into")
        watch.add_argument("--by", metavar="E-MAIL", help="who looked")

    def handle(self, *, verb: str, **options: Any) -> None:
        verbs: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "import": self._import,
            "register": self._register,
            "measure": self._measure,
            "learn": self._learn,
            "list": self._list,
            "card": self._card,
            "gate": self._gate,
            "shadow": self._shadow,
            "promote": self._promote,
            "retire": self._retire,
            "rollback": self._rollback,
            "verify": self._verify,
            "drift": self._drift,
        }
        with told():
            verbs[verb](options)

    def _import(self, options: dict[str, Any]) -> None:
        row = brought.bring(
            options["file"],
            options["card"],
            detector=options["detector"],
            version=options["version"],
            reason=options["reason"],
            by=account(options["by"]),
            measured=options["measured"],
        )
        self._told(row)

    def _register(self, options: dict[str, Any]) -> None:
        parent = options["parent"]
        row = versions.register(
            options["folder"],
            detector=options["detector"],
            version=options["version"],
            reason=options["reason"],
            by=account(options["by"]),
            parent=versions.find(options["detector"], parent) if parent else None,
        )
        self._told(row)

    def _measure(self, options: dict[str, Any]) -> None:
        with brought.prepared(options["file"], options["card"], registry.detector(options["detector"])) as folder:
            measuring.measure(folder, options["suite"], options["out"])
        self.stdout.write(f"{options['out']}: evaluation, calibration and reference, for --measured.")

    def _learn(self, options: dict[str, Any]) -> None:
        row = retraining.learn(
            options["detector"],
            version=options["version"],
            reference=options["reference"],
            reason=options["reason"],
            by=account(options["by"]),
        )
        self._told(row)

    def _list(self, options: dict[str, Any]) -> None:
        installed = {info.name for info in registry.all_detectors()}
        for detector in sorted(installed | set(ModelVersion.objects.values_list("detector", flat=True))):
            if options["detector"] in ("", detector):
                self._list_of(detector, versions.shipped(detector) if detector in installed else None)

    def _list_of(self, detector: str, found: Shipped | None) -> None:
        """What serves first, what has retired last, the network as shipped where it belongs among them."""
        rows = list(ModelVersion.objects.filter(detector=detector).order_by("-created_at"))
        lines = [(row.stage, f"{row.version}  {row.stage}  {row.digest[:23]}…  {row.reason}") for row in rows]
        if found:
            stage = Stage.RETIRED if versions.champion(detector) else Stage.CHAMPION
            about = f"{found.digest[:23]}…  as shipped with Assay, network {found.network[:12]}…"
            lines.append((stage, f"{versions.AS_SHIPPED}  {stage}  {about}"))
        for _, line in sorted(lines, key=lambda one: _ORDER.index(one[0])):
            self.stdout.write(f"{detector}  {line}")

    def _card(self, options: dict[str, Any]) -> None:
        detector, version = options["detector"], options["version"]
        info = registry.detector(detector)
        folder = artefacts.folder_of(detector, version) if version else registry.ROOM / "detectors" / detector
        card, name = cards.read(folder), version or info.version
        match options["form"]:
            case "huggingface":
                self.stdout.write(bom.hugging_face(card, detector, name))
            case "cyclonedx":
                self.stdout.write(json.dumps(bom.cyclonedx(card, folder, detector, name), indent=1, sort_keys=True))
            case _:
                self.stdout.write(cards.markdown(card))

    def _gate(self, options: dict[str, Any]) -> None:
        verdict, _ = gate.ask(versions.find(options["detector"], options["version"]), account(options["by"]))
        for one in verdict.criteria:
            self.stdout.write(f"{'pass   ' if one.passed else 'REFUSED'}  {one.slug}: {one.words}")
        if not verdict.passed:
            raise CommandError(f"Refused: {', '.join(one.slug for one in verdict.failed)}.")

    def _shadow(self, options: dict[str, Any]) -> None:
        version = versions.find(options["detector"], options["version"])
        gate.admit(version, account(options["by"]))
        self._told(version)

    def _promote(self, options: dict[str, Any]) -> None:
        version = versions.find(options["detector"], options["version"])
        self.stdout.write(f"{shadowing.comparison(version)}.")
        if versions.approve(version, account(options["by"])):
            self._told(version)
        else:
            self.stdout.write(f"{version}: approved once. A second person runs the same command.")

    def _retire(self, options: dict[str, Any]) -> None:
        version = versions.find(options["detector"], options["version"])
        self._told(versions.retire(version, account(options["by"]), options["reason"]))

    def _rollback(self, options: dict[str, Any]) -> None:
        by, to = account(options["by"]), options["to"]
        current = versions.champion(options["detector"])
        before = versions.rollback(options["detector"], by, options["reason"], to=to)
        for one in versions.passed_over(current, before) if current and not to else ():
            self.stdout.write(f"{one} was passed over: it is wrong again about a work on which an appeal was upheld.")
        serving = str(before) if before else f"{options['detector']} as shipped"
        self.stdout.write(f"{serving} is in service again.")

    def _verify(self, options: dict[str, Any]) -> None:
        changed = []
        for row in ModelVersion.objects.order_by("detector", "created_at"):
            if options["detector"] in ("", row.detector):
                try:
                    versions.opened(row)
                except Problem as problem:
                    changed.append(f"{row}: {problem.detail}")
        if changed:
            raise CommandError("\n".join(changed))
        self.stdout.write("Every file of every version is as it was signed.")

    def _drift(self, options: dict[str, Any]) -> None:
        if options["clear"]:
            if not options["by"]:
                raise CommandError("Say who looked: --by E-MAIL.")
            cleared = drift.clear(options["clear"], account(options["by"]))
            self.stdout.write(f"{cleared} alarms cleared.")
            return
        for window in drift.watch():
            words = "ALARM" if window.alarmed else "quiet"
            self.stdout.write(f"{words}  {window}  KS p {window.ks_p}  PSI {window.psi} (p {window.psi_p})")

    def _told(self, row: ModelVersion) -> None:
        self.stdout.write(f"{row}: {row.get_stage_display()}. {row.digest}")


Stage = ModelVersion.Stage
_ORDER: list[str] = [Stage.CHAMPION, Stage.SHADOW, Stage.CHALLENGER, Stage.RETIRED]
_STEPS = {
    "gate": "ask the release gate, and print what it says of each point",
    "shadow": "into the shadow, if the gate lets it",
    "promote": "into service; it takes two people",
    "retire": "a challenger or shadow is not pursued",
}


def _bringing(verbs: Any) -> None:
    bring = verbs.add_parser("import", help="take in a model that others made (ONNX, or safetensors of a known family)")
    bring.add_argument("file", type=Path)
    bring.add_argument("--measured", type=Path, metavar="FOLDER", help="what `model measure` wrote")
    measure = verbs.add_parser("measure", help="measure such a model on files of your own, before it is taken in")
    measure.add_argument("file", type=Path)
    measure.add_argument(
        "--suite", type=Path, required=True, metavar="FOLDER", help="real/<source>/… and made/<generator>/…"
    )
    measure.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    for verb in (bring, measure):
        verb.add_argument("--card", type=Path, required=True)
        verb.add_argument("--detector", required=True, help="whose question it answers")
    register = verbs.add_parser("register", help="take in what `manage.py train` made here")
    register.add_argument("detector")
    register.add_argument("folder", type=Path)
    register.add_argument("--parent", default="", metavar="VERSION")
    learn = verbs.add_parser("learn", help="fit a last layer of this office's own on what people here confirmed")
    learn.add_argument("detector")
    learn.add_argument(
        "--reference", type=Path, required=True, metavar="FOLDER", help="real/<source>, made/<generator>"
    )
    for verb in (bring, register, learn):
        verb.add_argument("--version", required=True, dest="version")
        _who(verb, reason=True)


def _who(verb: CommandParser, *, reason: bool = False) -> None:
    verb.add_argument("--by", required=True, metavar="E-MAIL", help="the account of the person who does this")
    if reason:
        verb.add_argument("--reason", required=True, help="why; it is sealed in the log and names nobody")
