"""One institution's side of a federation: what it answers, and what it never does.

It answers only for the plan that it agreed to, trains only with items that have a basis for the purpose, clips what it
hands in, signs it, and releases its counts once for a plan, whatever it is asked.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detection.federation import contribution, privacy, rounds
from detection.federation.contribution import Statement
from detection.federation.holding import Holding, key_of
from detection.federation.plan import Plan, canonical
from detection.federation.privacy import Histogram
from detection.federation.rounds import Vector


class Declined(Exception):
    """The institution does not take part in what it was asked for."""


@dataclass(frozen=True)
class HandedIn:
    """update: (d + 1,). salt: of its digest; None where the update is shown to nobody."""

    update: Vector
    salt: bytes
    statement: Statement
    signature: bytes


@dataclass(frozen=True)
class Institution:
    """folder: its holding, with `plan.json` beside it, which is the plan it agreed to."""

    folder: Path

    def contribute(self, plan_digest: str, number: int, model: Vector) -> HandedIn:
        """Its part of round `number`, starting from `model`. Raises Declined."""
        plan, holding = self._agreed(plan_digest), Holding.read(self.folder)
        if model.shape != (plan.size,) or not np.isfinite(model).all():
            raise Declined("the model is not one of this plan")
        if not 1 <= number <= plan.training.rounds:
            raise Declined(f"the plan has {plan.training.rounds} rounds, this is number {number}")
        given, basis = holding.training(plan)
        if not basis.items:
            raise Declined(f"no item here may be used to {plan.purpose}")
        update = rounds.update(model, given, plan.training)
        salt = secrets.token_bytes(contribution.SALT)
        statement = Statement(
            federation=plan.name,
            plan=plan.digest(),
            round=number,
            participant=holding.institution,
            model=contribution.model_digest(model),
            update=contribution.update_digest(update, salt),
            items=basis.items,
            basis=basis.sha256,
            purpose=plan.purpose,
        )
        return HandedIn(update, salt, statement, contribution.sign(statement, key_of(self.folder)))

    def release(
        self, plan_digest: str, model: Vector, uniform: Callable[[], float] = privacy._uniform
    ) -> tuple[str, Histogram]:
        """Its name, and the noisy counts of its held-out pictures under `model`. Asked again for the same plan, it
        gives the same counts again, so that the privacy budget is spent once. Raises Declined.
        """
        plan, holding = self._agreed(plan_digest), Holding.read(self.folder)
        kept = self.folder / f"released-{plan_digest[:16]}.json"
        if kept.exists():
            told = json.loads(kept.read_bytes())
            return holding.institution, Histogram(np.array(told["real"]), np.array(told["made"]))
        given, works = holding.held_out(plan)
        exact = privacy.counted(rounds.logits(model, given), given.labels, works, plan.statistics)
        noisy = privacy.released(exact, plan.statistics, uniform)
        kept.write_bytes(canonical({"real": noisy.real.tolist(), "made": noisy.made.tolist()}))
        return holding.institution, noisy

    def _agreed(self, digest: str) -> Plan:
        plan = Plan.read(self.folder / "plan.json")
        if plan.digest() != digest:
            raise Declined("this is not the plan that was agreed to")
        return plan
