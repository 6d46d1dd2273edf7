"""Flower's ClientApp: what a SuperNode runs for an institution. A new process for each message, so it imports little.

The node's own configuration names the holding (`--node-config 'holding="/path"'`); the coordinator cannot choose it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.compat.common import recorddict_compat

from detection.federation.rounds import as_bytes, from_bytes
from detection.federation.taking_part import Institution

ASK = "ask"
ANSWER = "answer"


def contribute(message: Message, context: Context) -> Message:
    """A round with robust aggregation: the update is shown to the coordinator."""
    asked = message.content[ASK]
    handed = _here(context).contribute(str(asked["plan"]), int(asked["round"]), from_bytes(asked["model"]))
    answer = {
        "statement": handed.statement.canonical(),
        "signature": handed.signature,
        "update": as_bytes(handed.update),
        "salt": handed.salt,
    }
    return _reply(message, answer)


def contribute_in_secret(message: Message, context: Context) -> Message:
    """A round with secret aggregation. Flower's mod masks the update before it leaves: only the sum can be read."""
    asked = recorddict_compat.recorddict_to_fitins(message.content, keep_input=True)
    [model] = parameters_to_ndarrays(asked.parameters)
    number = int(asked.config["round"])
    handed = _here(context).contribute(str(asked.config["plan"]), number, np.asarray(model, dtype=np.float64))
    answer = FitRes(
        status=Status(Code.OK, ""),
        parameters=ndarrays_to_parameters([handed.update]),
        num_examples=1,  # each institution has one voice, and nobody learns how much it holds from its weight
        metrics={"statement": handed.statement.canonical(), "signature": handed.signature},
    )
    return Message(recorddict_compat.fitres_to_recorddict(answer, keep_input=False), reply_to=message)


def release(message: Message, context: Context) -> Message:
    """The noisy counts of the held-out pictures under the final model."""
    asked = message.content[ASK]
    signed = _here(context).release(str(asked["plan"]), from_bytes(asked["model"]))
    return _reply(message, {"statement": signed.release.canonical(), "signature": signed.signature})


def _here(context: Context) -> Institution:
    return Institution(Path(str(context.node_config["holding"])))


def _reply(message: Message, answer: dict[str, Any]) -> Message:
    return Message(RecordDict({ANSWER: ConfigRecord(answer)}), reply_to=message)


app = ClientApp()
app.train("contribute")(contribute)
app.train(mods=[secaggplus_mod])(contribute_in_secret)
app.query("release")(release)
