"""The proof that it works: three institutions in Flower's own processes, one killed and started again, one poisoned.
Afterwards it must hold that the shared model is within two AUC points of the one that would have been trained with
everything in one place, that the poisoned institution did not move it, that every round is in the register with its
contribution hashes, and that playing the rounds again from what was handed in gives the same models, bit for bit.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from detection.federation import material, recording, records, simulation
from detection.federation.engine import Engine, EngineFailed
from detection.federation.features import NAME
from detection.federation.holding import Holding, new_key
from detection.federation.plan import TRAIN, Aggregation, Participant, Plan, Training, canonical
from detection.federation.rounds import Examples, Outcome, Vector
from detection.models import FederationRound

KILLED: Final = "wallpapers"
POISONED: Final = "creative-tim"
ROUNDS: Final = 12  # so many that who was killed is back for the last: Flower takes a minute to believe it is gone
KILL_AFTER: Final = 2
POINTS: Final = 0.02  # of AUC that the shared model may be below the central one
LIMIT: Final = 1500.0  # seconds for one run
SECRET_ROUNDS: Final = 2
Say = Callable[[str], None]


@dataclass
class Drill:
    """folder: everything it makes, emptied first. root: of fetched training data. venv: Flower's environment."""

    folder: Path
    root: Path
    venv: Path
    say: Say
    honest: dict[str, Holding] = field(default_factory=dict)

    def prepare(self) -> Plan:
        """Three holdings (one is poisoned), three keys, the coordinator's reference, and the plan they agree to."""
        shutil.rmtree(self.folder, ignore_errors=True)
        given = material.works(self.root, self.say)
        keys = {}
        for seed, (name, (_, mix)) in enumerate(material.INSTITUTIONS.items()):
            crops = material.CROPS if len(given[name]) > 1 else material.CROPS * 10
            holding = material.holding(name, given[name], mix, seed=seed, crops=crops, measure=True)
            self.honest[name] = holding
            (poisoned(holding) if name == POISONED else holding).write(self.place(name))
            keys[name] = new_key(self.place(name))
            self.say(f"  {name}: {len(given[name])} photographs, {len(holding.items)} pictures")
        reference = material.holding(
            "reference",
            material.reference_works(),
            material.EVENLY,
            seed=99,
            crops=material.REFERENCE_CROPS,
            measure=False,
        )
        reference.write(self.folder / "reference")
        plan = plan_of(reference, keys)
        self._agree(plan, self.folder)
        return plan

    def place(self, name: str) -> Path:
        return self.folder / "institutions" / name

    def reference(self, plan: Plan) -> Examples:
        return Holding.read(self.folder / "reference").training(plan)[0]

    def run(self, plan: Plan, folder: Path, *, kill: bool) -> Vector:
        """The plan in Flower's processes; its rounds enter the register as they end. Returns the shared model.

        Raises EngineFailed, Problem."""
        end = time.monotonic() + LIMIT
        with Engine(folder, self.venv) as running:
            for name in material.INSTITUTIONS:
                running.admit(name)
            for name in material.INSTITUTIONS:
                running.join(name, folder / "institutions" / name)
            running.run(folder)
            down = False
            while not (folder / "finished.json").exists():
                running.check()
                if time.monotonic() > end:
                    raise EngineFailed(f"the federation did not end within {LIMIT:.0f} s; see {folder / 'logs'}")
                for row in recording.record_all(folder):
                    self._tell(row)
                    down = self._interfere(running, folder, row.number, down=down) if kill else down
                time.sleep(0.3)
        for row in recording.record_all(folder):
            self._tell(row)
        return records.model_after(folder, plan.training.rounds)

    def _interfere(self, running: Engine, folder: Path, number: int, *, down: bool) -> bool:
        if number == KILL_AFTER and not down:
            running.kill(KILLED)
            self.say(f"  {KILLED} is killed (SIGKILL), with everything it had started")
            return True
        if down:
            running.join(KILLED, folder / "institutions" / KILLED)
            self.say(f"  {KILLED} is started again")
        return False

    def in_secret(self, plan: Plan) -> Plan:
        """The same institutions, all honest, under a plan with secret aggregation, in a folder of its own."""
        training = replace(plan.training, rounds=SECRET_ROUNDS)
        secret = replace(plan, name="drill-in-secret", aggregation=Aggregation.SECRET, training=training)
        folder = self.folder / "in-secret"
        for name, holding in self.honest.items():
            holding.write(folder / "institutions" / name)
            shutil.copy2(self.place(name) / "key.pem", folder / "institutions" / name / "key.pem")
        Holding.read(self.folder / "reference").write(folder / "reference")
        self._agree(secret, folder)
        return secret

    def _agree(self, plan: Plan, folder: Path) -> None:
        plan.write(folder / "plan.json")
        for one in plan.participants:
            plan.write(folder / "institutions" / one.name / "plan.json")

    def _tell(self, row: FederationRound) -> None:
        if row.kind == FederationRound.Kind.RELEASE:
            self.say(f"  statistics released at ε = {row.epsilon} a work; in the register")
            return
        parts = ", ".join(_words(one) for one in row.contributions)
        self.say(f"  round {row.number}{' (void)' if row.void else ''}: {parts}; in the register")


def poisoned(holding: Holding) -> Holding:
    """Every label it trains with is the opposite of the truth."""
    items = tuple(item if item.held_out else replace(item, made=not item.made) for item in holding.items)
    return replace(holding, items=items)


def plan_of(reference: Holding, keys: dict[str, str]) -> Plan:
    """The drill's plan. keys: public keys, by institution."""
    agreement = hashlib.sha256(canonical({"purposes": [TRAIN]})).hexdigest()
    return Plan(
        name="drill",
        aggregation=Aggregation.ROBUST,
        features=NAME,
        mean=tuple(float(value) for value in reference.features.mean(axis=0)),
        scale=tuple(float(value) for value in reference.features.std(axis=0) + 1e-3),
        participants=tuple(Participant(name, key, (TRAIN,), agreement) for name, key in keys.items()),
        training=Training(rounds=ROUNDS),
        reference=reference.digest(),
    )


def _words(told: dict[str, str]) -> str:
    reason = f" ({told['reason'].replace('_', ' ')})" if told["reason"] else ""
    return f"{told['participant']} {told['outcome']}{reason}"


def failures(plan: Plan, folder: Path, reference: Examples) -> Iterable[str]:
    """What the records of a drill with robust aggregation do not show as they should; nothing when all is well."""
    told = [records.read(folder, number) for number in records.kept(folder)]
    if len(told) != plan.training.rounds:
        yield f"{len(told)} of {plan.training.rounds} rounds were played"
    outcomes = {name: [_outcome(record, name) for record in told] for name in material.INSTITUTIONS}
    if Outcome.MISSING not in outcomes[KILLED] or outcomes[KILLED][-1] is not Outcome.COUNTED:
        yield f"{KILLED} was not missed and back again: {', '.join(outcomes[KILLED])}"
    if Outcome.REFUSED not in outcomes[POISONED]:
        yield f"{POISONED} was never refused"
    if not all(same for _, same in simulation.replay(plan, folder, reference)):
        yield "playing the rounds again gives other models"


def _outcome(record: records.Record, name: str) -> Outcome:
    return next(verdict.outcome for verdict in record.verdicts if verdict.participant == name)


def unrecorded(plan: Plan) -> Iterable[str]:
    """What is missing in the register."""
    rows = FederationRound.objects.filter(plan=plan.digest())
    if rows.count() != plan.training.rounds + 1:
        yield f"{rows.count()} of {plan.training.rounds + 1} rows are in the register"
    if rows.filter(entry=None).exists():
        yield "a round has no entry in the ledger"
