"""What the demo's steps stand on: a printer, a folder for what they make, jobs run in this process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.models import User
from core import jobs
from core.models import Job
from ledger import sequencer


class Broken(Exception):
    """A step did not show what it promised: the demo ends with status 1."""


@dataclass
class Stage:
    """people: the cast by name. props: what one step made and a later one needs. say: prints a line."""

    people: dict[str, User]
    folder: Path
    say: Callable[[str], object]
    props: dict[str, Any] = field(default_factory=dict)
    steps: int = 0

    def step(self, title: str) -> None:
        self.steps += 1
        self.say(f"\n{self.steps:2}. {title}")

    def show(self, label: str, value: object) -> None:
        self.say(f"      {label:<12} {value}")

    def page(self, path: str) -> None:
        self.show("page", settings.ASSAY_URL + path)

    def expect(self, true: object, otherwise: str) -> None:
        """The step's own check: a demo that shows something false is worse than none."""
        if not true:
            raise Broken(otherwise)

    def settle(self) -> None:
        """Run queued jobs here, as a worker would, and let the sequencer sign."""
        while queued := list(Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True)):
            for pk in queued:
                jobs.run(str(pk))
        sequencer.tick()
