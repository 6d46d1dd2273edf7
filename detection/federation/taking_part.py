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

from core.clock import now
from detection.federation import contribution, privacy, release, rounds
from detection.federation.contribution import BadContribution, Statement
from detection.federation.holding import FRESH, Holding, key_of, new_file, private
from detection.federation.plan import Plan, canonical
from detection.federation.release import Release, Signed
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
        plan, holding = self._agreed(plan_digest), self._holding()
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

    def release(self, plan_digest: str, model: Vector, uniform: Callable[[], float] = privacy.uniform_draw) -> Signed:
        """The noisy counts of its held-out pictures under `model`, signed. Asked again for the same plan, it gives the
        same counts again. Noise is drawn for a plan once: who draws has claimed it before, so of two that ask at the
        same moment one is declined, and so is everybody after a draw that did not end. Raises Declined.
        """
        plan = self._agreed(plan_digest)
        if model.shape != (plan.size,) or not np.isfinite(model).all():
            raise Declined("the model is not one of this plan")
        kept = self.folder / f"released-{plan_digest[:16]}.json"
        if kept.exists():
            return _kept(kept)
        holding = self._holding()
        try:
            new_file(kept.with_suffix(".claimed"), b"")
        except FileExistsError as error:
            if kept.exists():
                return _kept(kept)
            raise Declined(
                "the counts of this plan are being drawn, or a draw did not end; none is made twice"
            ) from error
        given, works = holding.held_out(plan)
        exact = privacy.counted(rounds.logits(model, given), given.labels, works, plan.statistics)
        noisy = privacy.released(exact, plan.statistics, uniform)
        told = Release(
            federation=plan.name,
            plan=plan_digest,
            participant=holding.institution,
            model=contribution.model_digest(model),
            real=tuple(noisy.real.tolist()),
            made=tuple(noisy.made.tolist()),
        )
        signed = release.sign(told, key_of(self.folder))
        private(kept, canonical({"statement": told.canonical().decode(), "signature": signed.signature.hex()}))
        return signed

    def _holding(self) -> Holding:
        """Raises Declined where nobody knows any more whether its items may be used."""
        holding = Holding.read(self.folder)
        if holding.is_stale(now()):
            hours = int(FRESH.total_seconds() // 3600)
            raise Declined(
                f"its items were not compared with the register within {hours} hours (manage.py federation recheck)"
            )
        return holding

    def _agreed(self, digest: str) -> Plan:
        plan = Plan.read(self.folder / "plan.json")
        if plan.digest() != digest:
            raise Declined("this is not the plan that was agreed to")
        return plan


def _kept(path: Path) -> Signed:
    """What was released before. Raises Declined."""
    try:
        told = json.loads(path.read_bytes())
        return release.read(str(told["statement"]).encode(), bytes.fromhex(told["signature"]))
    except (BadContribution, OSError, ValueError, KeyError, TypeError) as error:
        raise Declined("what was released before cannot be read, and nothing is drawn twice") from error
