"""A round with secret aggregation: SecAgg+ (Bell et al., CCS 2020), as Flower ships it in its older, “legacy” half.
The coordinator learns the sum of the updates and nothing else, so it can judge no single one: what it can do is refuse
the sum. What bounds an institution is the norm that each clips to by itself, and the range that the protocol quantises
to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context
from flwr.common import FitIns, FitRes, Parameters, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.compat.common import recorddict_compat
from flwr.server.compat import LegacyContext
from flwr.server.compat.grid_client_proxy import GridClientProxy
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key

from detection.federation import contribution, rounds
from detection.federation.contribution import BadContribution
from detection.federation.plan import Plan
from detection.federation.records import Handed
from detection.federation.rounds import Examples, Outcome, Round, Vector, Verdict


@dataclass
class _Sum:
    """What came out of the protocol. update: the mean of those in the sum, None if it did not end."""

    update: Vector | None = None
    metrics: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass
class _Asking:
    """The part of a Flower strategy that the workflow uses: whom to ask for what, and what came of it."""

    post: Any
    question: dict[str, Any]
    run_id: int
    found: _Sum = field(default_factory=_Sum)

    def configure_fit(self, server_round: int, parameters: Parameters, client_manager: Any) -> list[Any]:
        asked = FitIns(parameters, self.question)
        return [(GridClientProxy(node, self.post.grid, self.run_id), asked) for node in self.post.grid.get_node_ids()]

    def aggregate_fit(
        self, server_round: int, results: list[tuple[Any, FitRes]], failures: list[Any]
    ) -> tuple[None, dict[str, Any]]:
        self.found.metrics = [result.metrics for _, result in results]
        if results:
            [update] = parameters_to_ndarrays(results[0][1].parameters)
            self.found.update = np.asarray(update, dtype=np.float64)
        return None, {}


def play(
    post: Any, plan: Plan, reference: Examples, number: int, model: Vector, context: Context
) -> tuple[Round, dict[str, Handed]]:
    """One round: the model after it, and who signed for being in the sum."""
    strategy = _Asking(post, {"plan": plan.digest(), "round": number}, context.run_id)
    legacy = LegacyContext(context=context, strategy=strategy)
    legacy.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({Key.CURRENT_ROUND: number})
    legacy.state.array_records[MAIN_PARAMS_RECORD] = recorddict_compat.parameters_to_arrayrecord(
        ndarrays_to_parameters([model]), keep_input=True
    )
    workflow = SecAggPlusWorkflow(
        num_shares=len(plan.participants),
        reconstruction_threshold=max(2, len(plan.participants) - plan.training.tolerated),
        max_weight=1.0,
        clipping_range=plan.training.clip,
        timeout=post.patience,
    )
    workflow(post.grid, legacy)
    handed = _signed(strategy.found.metrics, plan, number, model)
    return _judged(plan, model, strategy.found.update, reference, handed), handed


def _signed(metrics: list[Mapping[str, Any]], plan: Plan, number: int, model: Vector) -> dict[str, Handed]:
    handed = {}
    for told in metrics:
        try:
            statement = contribution.read(bytes(told["statement"]))
            signature, before = bytes(told["signature"]), contribution.model_digest(model)
            contribution.check(statement, signature, plan=plan, number=number, model=before)
        except (BadContribution, KeyError, TypeError):
            continue
        handed[statement.participant] = Handed(statement, signature)
    return handed


def _judged(
    plan: Plan, model: Vector, update: Vector | None, reference: Examples, handed: Mapping[str, Handed]
) -> Round:
    """The sum as a whole: refused if it is nobody's, not finite, or worse on the reference set than the gate allows."""
    reason = _why_not(plan, model, update, reference, handed)
    verdicts = tuple(
        Verdict(one.name, Outcome.REFUSED if reason else Outcome.HIDDEN, reason)
        if one.name in handed
        else Verdict(one.name, Outcome.MISSING, "no_answer")
        for one in plan.participants
    )
    if reason or update is None:
        return Round(model, verdicts, void=True)
    return Round(model + update, verdicts, void=False)


def _why_not(
    plan: Plan, model: Vector, update: Vector | None, reference: Examples, handed: Mapping[str, Handed]
) -> str:
    if update is None or len(handed) < max(2, plan.training.quorum):
        return "no_sum"
    if update.shape != model.shape or not np.isfinite(update).all():
        return "not_finite"
    return "worse_on_reference" if rounds.worsens(model, update, reference, plan.training) else ""
