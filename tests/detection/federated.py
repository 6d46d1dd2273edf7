"""A federation of three institutions, in one process: what the tests of `detection.federation` play with."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from detection.federation import (
    figures,
    holding,
    records,
)
from detection.federation.holding import Holding, Item
from detection.federation.plan import TRAIN, Aggregation, Participant, Plan, Training
from detection.federation.rounds import Examples, Outcome, Vector
from detection.federation.simulation import Simulation

FEATURES = 6
NAMES = ("alices-archive", "bobs-paper", "mallorys-gallery")
HOSTILE = NAMES[2]


def material(name: str, seed: int, shift: float, count: int = 160) -> Holding:
    """Two overlapping clouds, elsewhere in each institution."""
    rng = np.random.default_rng(seed)
    made = np.arange(count) % 2 == 1
    features = rng.normal(shift, 1.0, (count, FEATURES))
    features[made, :3] += 1.4
    items = tuple(
        Item(f"{seed:02}{index:062x}", f"{name}-{index // 4}", bool(side), index % 3 == 0, (TRAIN,), "licence:CC0-1.0")
        for index, side in enumerate(made)
    )
    return Holding(name, features.astype(np.float32), items)


class Federation:
    """Three institutions, each in a folder of its own, and a coordinator's reference."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.holdings = {name: material(name, seed, 0.3 * seed) for seed, name in enumerate(NAMES)}
        self.places = {name: folder / "institutions" / name for name in NAMES}
        self.keys = {}
        for name, one in self.holdings.items():
            one.write(self.places[name])
            self.keys[name] = holding.new_key(self.places[name])
        reference = material("reference", 9, 0.3, 80)
        replace(reference, items=tuple(replace(item, held_out=False) for item in reference.items)).write(
            folder / "reference"
        )
        self.plan = Plan(
            name="trial",
            aggregation=Aggregation.ROBUST,
            features="clouds-1",
            mean=(0.5,) * FEATURES,
            scale=(1.2,) * FEATURES,
            participants=tuple(Participant(name, self.keys[name], (TRAIN,), "0" * 64) for name in NAMES),
            training=Training(rounds=4),
            reference=Holding.read(folder / "reference").digest(),
        )
        self.agree(self.plan)

    def agree(self, plan: Plan) -> None:
        self.plan = plan
        for place in self.places.values():
            plan.write(place / "plan.json")
        plan.write(self.folder / "plan.json")

    @property
    def reference(self) -> Examples:
        return Holding.read(self.folder / "reference").training(self.plan)[0]

    def simulated(self, **how: object) -> Simulation:
        return Simulation(self.plan, self.places, self.reference, **how)  # type: ignore[arg-type]

    def auc(self, model: Vector) -> float:
        return figures.sites(self.holdings, self.plan)["all"].auc(model)

    def central_auc(self, of: Mapping[str, Holding] | None = None) -> float:
        return self.auc(figures.central(of or self.holdings, self.plan))

    def played(self, **how: object) -> list[records.Record]:
        """The rounds, kept in the coordinator's folder as the engine keeps them."""
        return [record for record, _ in self.simulated(**how).rounds(self.folder)]


def outcomes(told: list[records.Record], name: str) -> list[Outcome]:
    return [next(one.outcome for one in record.verdicts if one.participant == name) for record in told]
