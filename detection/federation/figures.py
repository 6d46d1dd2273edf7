"""What a federation is worth: AUC against training in one place and against staying alone, attacks, and what noise
costs.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detection import metrics
from detection.federation import privacy, rounds
from detection.federation.holding import Holding
from detection.federation.plan import Plan
from detection.federation.rounds import Examples, Vector
from detection.federation.simulation import Simulation, Tampering

NOISE_DRAWS = 200


@dataclass(frozen=True)
class Area:
    """An AUC with its 95 % interval, works drawn anew."""

    auc: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.auc:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Site:
    """Held-out pictures of one institution, or of all. works: of each picture."""

    given: Examples
    works: tuple[str, ...]

    def area(self, model: Vector) -> Area:
        told, made = rounds.logits(model, self.given), self.given.labels > 0.5
        names = np.asarray(self.works)
        groups = (names[~made].tolist(), names[made].tolist())
        low, high = metrics.auc_interval(told[~made], told[made], seed=0, groups=groups)
        return Area(self.auc(model), low, high)

    def auc(self, model: Vector) -> float:
        told, made = rounds.logits(model, self.given), self.given.labels > 0.5
        return metrics.auc(told[~made], told[made])


def sites(holdings: Mapping[str, Holding], plan: Plan) -> dict[str, Site]:
    """By institution, and “all”."""
    told = {}
    for name, holding in holdings.items():
        given, works = holding.held_out(plan)
        told[name] = Site(given, tuple(works))
    everything = joined(site.given for site in told.values())
    return told | {"all": Site(everything, tuple(work for site in told.values() for work in site.works))}


def central(holdings: Mapping[str, Holding], plan: Plan) -> Vector:
    """The head trained with all honest material in one place."""
    return rounds.central(joined(one.training(plan)[0] for one in holdings.values()), plan.training, plan.size)


def alone(holding: Holding, plan: Plan) -> Vector:
    """The head that one institution would train by itself."""
    return rounds.central(holding.training(plan)[0], plan.training, plan.size)


def joined(parts: Iterator[Examples]) -> Examples:
    all_of = list(parts)
    return Examples(np.vstack([one.features for one in all_of]), np.concatenate([one.labels for one in all_of]))


def attacks(poison: Examples, plan: Plan) -> dict[str, Tampering | None]:
    """What a hostile institution may do to its update. poison: its examples with every label turned round."""
    rng = np.random.default_rng(7)
    bound = plan.training.clip

    def turned(number: int, model: Vector, update: Vector) -> Vector:
        return rounds.update(model, poison, plan.training)

    def noise(number: int, model: Vector, update: Vector) -> Vector:
        return rounds.clipped(rng.normal(size=update.shape), 1.0) * bound

    return {
        "none": None,
        "labels turned round": turned,
        "backwards, 20 times as long": lambda number, model, update: -20 * update,
        "backwards, as long as allowed": lambda number, model, update: -update * (bound / np.linalg.norm(update)),
        "noise, as long as allowed": noise,
        "half backwards, to stay unseen": lambda number, model, update: -0.5 * update,
    }


def under_attack(
    plan: Plan, folders: Mapping[str, Path], reference: Examples, hostile: str, poison: Examples, site: Site
) -> Iterator[tuple[str, float, float]]:
    """(attack, AUC with plain averaging, AUC with this plan's rules), all in one process."""
    for name, tamper in attacks(poison, plan).items():
        areas = []
        for rules in (replace(plan.training, tolerated=0, gate=1e9), plan.training):
            changed = replace(plan, training=rules)
            tampering = {hostile: tamper} if tamper else {}
            areas.append(site.auc(_simulated(changed, folders, reference, tampering)))
        yield name, areas[0], areas[1]


def _simulated(
    plan: Plan, folders: Mapping[str, Path], reference: Examples, tampering: Mapping[str, Tampering]
) -> Vector:
    """The same holdings under another plan: each institution agrees to it in a copy of its folder."""
    with tempfile.TemporaryDirectory() as scratch:
        copies = {}
        for name, folder in folders.items():
            copy = Path(scratch) / name
            copy.mkdir()
            for file in ("features.npy", "items.json", "key.pem"):
                (copy / file).symlink_to((folder / file).resolve())
            plan.write(copy / "plan.json")
            copies[name] = copy
        return Simulation(plan, copies, reference, tampering=tampering).run()


def noise_costs(model: Vector, held: Mapping[str, Site], plan: Plan) -> Iterator[tuple[float, float, float]]:
    """(ε, mean absolute error of an institution's AUC, of the calibration error of all) over NOISE_DRAWS releases."""
    rng = np.random.default_rng(11)
    uniform: Callable[[], float] = rng.random
    for epsilon in (0.5, 1.0, 2.0, 4.0, 8.0):
        agreed = replace(plan.statistics, epsilon=epsilon)
        exact = {
            name: privacy.counted(rounds.logits(model, site.given), site.given.labels, site.works, agreed)
            for name, site in held.items()
            if name != "all"
        }
        whole = privacy.total(list(exact.values()))
        areas, errors = [], []
        for _ in range(NOISE_DRAWS // len(exact)):
            noisy = {name: privacy.released(counts, agreed, uniform) for name, counts in exact.items()}
            areas += [abs(privacy.auc(noisy[name]) - privacy.auc(exact[name])) for name in exact]
            fitted = privacy.platt(privacy.total(list(noisy.values())), agreed)
            errors.append(privacy.calibration_error(whole, agreed, fitted))
        yield epsilon, float(np.nanmean(areas)), float(np.nanmean(errors))
