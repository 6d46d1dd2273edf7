"""Flower's ServerApp: asks the institutions, and lets `rounds` decide what becomes of their answers.
Works in the folder that the run's configuration names: `plan.json` and `reference/` (a holding of the coordinator's
own) are read, `rounds/`, `statistics.json` and at last `finished.json` are written.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from detection.federation import answers, contribution, records, rounds
from detection.federation.contribution import BadContribution
from detection.federation.holding import Holding
from detection.federation.institution import ANSWER, ASK
from detection.federation.plan import Aggregation, Plan, canonical
from detection.federation.records import Handed
from detection.federation.rounds import Examples, Round, Vector

PATIENCE = 120.0  # seconds to wait for an answer
GRACE = 10.0  # seconds to wait for the others once a quorum has answered, or as long as the quorum took
GATHERING = 180.0  # seconds to wait for all institutions before the first round
PAUSE = 0.5


@dataclass(frozen=True)
class Post:
    """Carries questions to whoever is there, and brings back what came in time."""

    grid: Grid
    quorum: int
    patience: float = PATIENCE
    grace: float = GRACE

    def gather(self, expected: int) -> None:
        """Waits until all institutions are connected, or for GATHERING seconds."""
        end = time.monotonic() + GATHERING
        while len(list(self.grid.get_node_ids())) < expected and time.monotonic() < end:
            time.sleep(PAUSE)

    def ask(self, kind: str, number: int, question: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Answers in the order in which they came; an institution that failed or declined gives none."""
        content = RecordDict({ASK: ConfigRecord(dict(question))})
        messages = [
            Message(content, node, kind, ttl=self.patience, group_id=str(number)) for node in self.grid.get_node_ids()
        ]
        waiting = set(self.grid.push_messages(messages))
        replies = [reply for reply in self._replies(waiting) if not reply.has_error()]
        return [reply.content[ANSWER] for reply in replies if ANSWER in reply.content]

    def _replies(self, waiting: set[str]) -> Iterable[Message]:
        began, answered, graced = time.monotonic(), 0, False
        end = began + self.patience
        while waiting and time.monotonic() < end:
            for reply in self.grid.pull_messages(list(waiting)):
                waiting.discard(reply.metadata.reply_to_message_id)
                answered += not reply.has_error()
                yield reply
            if answered >= self.quorum and not graced:
                now = time.monotonic()
                end, graced = min(end, now + max(self.grace, now - began)), True
            time.sleep(PAUSE)


@dataclass(frozen=True)
class Desk:
    """The coordinator of one federation."""

    folder: Path
    plan: Plan
    reference: Examples
    post: Post

    def run(self, context: Context) -> None:
        """Every round, then the statistics."""
        model = rounds.blank(self.plan)
        self.post.gather(len(self.plan.participants))
        for number in range(1, self.plan.training.rounds + 1):
            played, handed, updates = self._round(number, model, context)
            record = records.record_of(self.plan, number, model, played, handed)
            records.keep(self.folder, record, played.model, updates)
            model = played.model
        self._statistics(model)
        records.whole(self.folder / "finished.json", canonical({"model": contribution.model_digest(model)}))

    def _round(
        self, number: int, model: Vector, context: Context
    ) -> tuple[Round, dict[str, Handed], dict[str, Vector]]:
        if self.plan.aggregation is Aggregation.SECRET:
            from detection.federation import (
                coordinator_in_secret,
            )  # Flower's older half, which takes a second to import

            played, handed = coordinator_in_secret.play(self.post, self.plan, self.reference, number, model, context)
            return played, handed, {}
        question = {"plan": self.plan.digest(), "round": number, "model": rounds.as_bytes(model)}
        replies = self.post.ask("train.contribute", number, question)
        return self._judged(number, model, replies)

    def _judged(
        self, number: int, model: Vector, replies: Iterable[Mapping[str, Any]]
    ) -> tuple[Round, dict[str, Handed], dict[str, Vector]]:
        handed: dict[str, Handed] = {}
        updates: dict[str, Vector] = {}
        refused: dict[str, str] = {}
        for answer in replies:
            try:
                given, update = answers.opened(answer, self.plan, number, model)
            except BadContribution as error:
                refused[error.participant] = error.reason
                continue
            name = given.statement.participant
            if name not in handed:  # the first one counts; a second voice has none
                handed[name], updates[name] = given, update
        return rounds.play(model, updates, self.reference, self.plan, refused), handed, updates

    def _statistics(self, model: Vector) -> None:
        """What is no release of an institution under this model is left out, and a second one has no voice."""
        question = {"plan": self.plan.digest(), "model": rounds.as_bytes(model)}
        told = answers.released(self.post.ask("query.release", 0, question), self.plan, model)
        records.keep_releases(self.folder / "statistics.json", told)


def main(grid: Grid, context: Context) -> None:
    folder = Path(str(context.run_config["folder"]))
    plan = Plan.read(folder / "plan.json")
    reference, _ = Holding.read(folder / "reference").training(plan)
    Desk(folder, plan, reference, Post(grid, plan.training.quorum)).run(context)


app = ServerApp()
app.main()(main)
