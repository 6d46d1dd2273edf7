"""`manage.py federation …`: this office as an institution, as a coordinator, and the drill that proves both."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.preparation import prepare
from core.problems import Problem
from detection.detectors import Question
from detection.federation import drill, figures, own_material, privacy, recording, records, simulation
from detection.federation.contribution import BadContribution, model_digest
from detection.federation.drill import Drill
from detection.federation.engine import EngineFailed
from detection.federation.figures import Site
from detection.federation.holding import BadHolding, Holding, key_of, new_key
from detection.federation.plan import BadPlan, Plan, decimal
from detection.federation.records import BadRecord
from detection.federation.rounds import Examples, Vector
from detection.models import FederationRound
from ledger import reconciliation
from ledger.log import LogError


class Command(BaseCommand):
    help = (
        "Train a detector's head together with other institutions (docs/federation.md). Exit codes: 0 done, 1 refused,"
        " or the drill did not show what it should."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        made = verbs.add_parser("prepare", help="make this office's holding from labels that may be trained on")
        made.add_argument("folder", type=Path)
        made.add_argument("--name", required=True, help="what the institution is called in the plan")
        made.add_argument("--question", choices=[one.value for one in Question], default=Question.SYNTHETIC.value)
        again = verbs.add_parser("recheck", help="take out of a holding what may not be trained on any more; daily")
        again.add_argument("folder", type=Path)
        check = verbs.add_parser("check", help="read a plan and say what it asks of an institution")
        check.add_argument("plan", type=Path)
        for name, words in _WITH_FOLDER.items():
            verb = verbs.add_parser(name, help=words)
            verb.add_argument("folder", type=Path, help="of the coordinator")
        verbs.add_parser("list", help="the rounds in the register")
        proof = verbs.add_parser("drill", help="three institutions in Flower's processes, one killed, one poisoned")
        proof.add_argument("--venv", type=Path, required=True, help="Flower's environment (make federation makes it)")
        proof.add_argument("--folder", type=Path, help="emptied first; default: federation/drill in the data folder")
        proof.add_argument("--data", type=Path, help="fetched training data; default: training in the data folder")
        proof.add_argument("--skip-secret", action="store_true", help="leave out the rounds with secret aggregation")

    def handle(self, *, verb: str, **options: Any) -> None:
        verbs: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "prepare": self._prepare,
            "recheck": self._recheck,
            "check": self._check,
            "record": self._record,
            "replay": self._replay,
            "list": self._list,
            "drill": self._drill,
        }
        try:
            verbs[verb](options)
        except Problem as problem:
            raise CommandError(f"{problem.detail or problem.title} {problem.next_step}".strip()) from problem
        except (BadPlan, BadHolding, BadRecord, BadContribution, EngineFailed, LogError, OSError) as error:
            raise CommandError(str(error)) from error

    def _prepare(self, options: dict[str, Any]) -> None:
        folder: Path = options["folder"]
        holding, unread = own_material.prepare(options["name"], options["question"], folder)
        key = key_of(folder).public_key().public_bytes_raw().hex() if (folder / "key.pem").exists() else new_key(folder)
        held_out = sum(item.held_out for item in holding.items)
        self._say(f"{len(holding.items)} works, {held_out} of them held out for measuring; {unread} could not be used.")
        self._say(f"Public key, for the plan: {key}")

    def _recheck(self, options: dict[str, Any]) -> None:
        holding, gone = own_material.recheck(options["folder"])
        self._say(f"{len(holding.items)} works as the register has them now; {gone} were taken out.")

    def _check(self, options: dict[str, Any]) -> None:
        plan = Plan.read(options["plan"])
        training, told = plan.training, plan.statistics
        self._say(f"{plan.name}: {plan.aggregation} aggregation, {training.rounds} rounds, purpose “{plan.purpose}”")
        self._say(f"SHA-256 {plan.digest()}")
        self._say(f"Institutions: {', '.join(one.name for one in plan.participants)}; {training.quorum} make a round")
        self._say(
            f"Of each it asks updates of norm {decimal(training.clip)} at most, and once, at the end, counts of"
            f" held-out pictures with noise: ε = {decimal(told.epsilon)} a work, {told.per_work} pictures of each."
        )

    def _record(self, options: dict[str, Any]) -> None:
        rows = recording.record_all(options["folder"])
        for row in rows:
            self._say(f"{row.federation} {row.kind} {row.number}: recorded as {_hash(row)}")
        if not rows:
            self._say("Every round of this folder is in the register already.")

    def _replay(self, options: dict[str, Any]) -> None:
        plan = recording.plan_in(options["folder"])
        reference, _ = Holding.read(options["folder"] / "reference").training(plan)
        told = simulation.replay(plan, options["folder"], reference)
        for number, same in told:
            self._say(f"round {number}: {'the same model' if same else 'ANOTHER model'}")
        if not told or not all(same for _, same in told):
            raise CommandError("Playing the rounds again does not give the models that were handed out.")

    def _list(self, options: dict[str, Any]) -> None:
        for row in FederationRound.objects.select_related("entry"):
            outcomes = ", ".join(f"{one['participant']} {one.get('outcome', 'released')}" for one in row.contributions)
            self._say(f"{row.federation} {row.kind} {row.number}  {row.after[:12]}  {outcomes}  {_hash(row)}")

    def _drill(self, options: dict[str, Any]) -> None:
        prepare(static=False)
        var = Path(settings.ASSAY_VAR)
        folder = options["folder"] or var / "federation" / "drill"
        proof = Drill(folder.resolve(), options["data"] or var / "training", options["venv"].absolute(), self._say)
        self._say("Material:")
        plan = proof.prepare()
        reference = proof.reference(plan)
        self._say("\nFlower: one SuperLink, three SuperNodes, TLS and node keys, on this machine:")
        model = proof.run(plan, proof.folder, kill=True)
        failed = [*drill.failures(plan, proof.folder, reference), *drill.unrecorded(plan)]
        failed += self._figures(proof, plan, reference, model)
        if not options["skip_secret"]:
            failed += self._in_secret(proof, plan)
        failed += reconciliation.disagreements(5)
        if failed:
            raise CommandError(f"The drill did not show what it should: {'; '.join(failed)}.")
        self._say("\nThe drill showed what it should.")

    def _figures(self, proof: Drill, plan: Plan, reference: Examples, model: Vector) -> list[str]:
        held = figures.sites(proof.honest, plan)
        best = figures.central(proof.honest, plan)
        self._sites(proof, plan, held, model, best)
        self._attacks(proof, plan, reference, held["all"])
        self._statistics(proof, plan, held, model)
        gap = held["all"].auc(best) - held["all"].auc(model)
        self._say(
            f"\nShared model: {gap * 100:+.1f} AUC points below the central one (limit {drill.POINTS * 100:.0f})."
        )
        self._say("Playing the rounds again from what was handed in gives the same models, bit for bit.")
        return [] if gap <= drill.POINTS else [f"the shared model is {gap * 100:.1f} AUC points below the central one"]

    def _sites(self, proof: Drill, plan: Plan, held: Mapping[str, Site], model: Vector, best: Vector) -> None:
        self._say(
            "\nAUC on works held out (95 % interval, works drawn anew); pictures made again by small re-synthesis:"
        )
        self._say(f"  {'site':14}{'shared':>24}{'central':>24}{'alone':>24}")
        for name, site in held.items():
            alone = site.area(figures.alone(proof.honest[name], plan)) if name in proof.honest else ""
            self._say(f"  {name:14}{site.area(model)!s:>24}{site.area(best)!s:>24}{alone!s:>24}")

    def _attacks(self, proof: Drill, plan: Plan, reference: Examples, site: Site) -> None:
        folders = {name: proof.folder / "in-process" / name for name in proof.honest}
        for name, holding in proof.honest.items():
            holding.write(folders[name])
            (folders[name] / "key.pem").unlink(missing_ok=True)
            (folders[name] / "key.pem").symlink_to(proof.place(name) / "key.pem")
        poison = drill.poisoned(proof.honest[drill.POISONED]).training(plan)[0]
        self._say(f"\nThe same rounds in this process, {drill.POISONED} hostile; AUC on all works held out:")
        self._say(f"  {'what it hands in':34}{'plain mean':>12}{'this plan':>12}")
        for name, plain, robust in figures.under_attack(plan, folders, reference, drill.POISONED, poison, site):
            self._say(f"  {name:34}{plain:>12.3f}{robust:>12.3f}")

    def _statistics(self, proof: Drill, plan: Plan, held: Mapping[str, Site], model: Vector) -> None:
        told, agreed = records.statistics(proof.folder / "statistics.json"), plan.statistics
        self._say(f"\nWhat the institutions released, ε = {decimal(agreed.epsilon)} a work (exact in brackets):")
        for name, counts in told.items():
            below, above = privacy.rate_at(counts, agreed, 0.0)
            exact = held[name].auc(model)
            self._say(
                f"  {name:14} AUC {privacy.auc(counts):.3f} ({exact:.3f}), at 0: FPR {below:.2f}, TPR {above:.2f}"
            )
        whole = privacy.total(list(told.values()))
        fitted = privacy.platt(whole, agreed)
        error = privacy.calibration_error(whole, agreed, fitted)
        self._say(f"  calibration of all: ln LR = {fitted.slope:.2f} x logit {fitted.intercept:+.2f}; ECE {error:.3f}")
        self._say("  what noise costs, mean over draws:")
        for epsilon, area, spoilt in figures.noise_costs(model, held, plan):
            self._say(f"    ε = {epsilon:<4g} AUC of a site off by {area:.3f}, ECE of the calibration {spoilt:.3f}")

    def _in_secret(self, proof: Drill, plan: Plan) -> list[str]:
        secret = proof.in_secret(plan)
        folder = proof.folder / "in-secret"
        self._say(f"\nSecret aggregation (SecAgg+): {secret.training.rounds} rounds, all honest:")
        model = proof.run(secret, folder, kill=False)
        held = figures.sites(proof.honest, secret)["all"]
        self._say(
            f"  AUC on all works held out {held.area(model)}; the coordinator saw no contribution, only their sum"
        )
        moved = model_digest(model) != records.read(folder, 1).before
        seen = any((folder / "rounds").glob("*.update"))
        failed = [] if moved and not seen else ["secret aggregation did not move the model, or a contribution was seen"]
        return [*failed, *drill.unrecorded(secret)]

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


_WITH_FOLDER = {
    "record": "check the coordinator's rounds and enter them into the register",
    "replay": "play the rounds again from what was handed in",
}


def _hash(row: FederationRound) -> str:
    return bytes(row.entry.leaf_hash).hex()[:12] if row.entry else "no entry"
