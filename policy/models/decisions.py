"""Decisions, what they did, whom they were explained to, and appeals against them."""

from django.conf import settings
from django.db import models

from core.states import Moves
from policy.models.base import Row
from policy.models.cases import Case, Notice


class Decision(Row):
    """What a reviewer decided, on which ground, citing which dated rules. Automation is derived, never typed."""

    class Outcome(models.TextChoices):
        NO_ACTION = "no_action", "No action"
        LABEL = "label", "Label"
        AGE_RESTRICT = "age_restrict", "Age restriction"
        HIDE = "hide", "Hide"

    class Ground(models.TextChoices):
        ILLEGAL = "illegal", "A law"
        TERMS = "terms", "The terms of this office"

    class State(models.TextChoices):
        IN_EFFECT = "in_effect", "in effect"
        REVERSED = "reversed", "reversed on appeal"
        SUPERSEDED = "superseded", "superseded by a later decision"

    MOVES: Moves = {State.IN_EFFECT: {State.REVERSED, State.SUPERSEDED}}

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="decisions")
    decider = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.IN_EFFECT)
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    ground = models.CharField(max_length=7, choices=Ground.choices)
    rule_refs = models.JSONField(help_text='[{"id","instrument","article","status","pack"}], at least one.')
    facts_text = models.TextField(max_length=5000)
    explanation = models.TextField(max_length=5000)
    automated_detection = models.BooleanField(help_text="A flag of the case came from a machine.")

    def __str__(self) -> str:
        return f"decision “{self.get_outcome_display()}”"

    @property
    def automated_decision(self) -> str:
        """DSA 17(3)(c): no outcome is executed here without a person."""
        return "AUTOMATED_DECISION_NOT_AUTOMATED"


class Action(Row):
    """One thing a decision did, with what it changed, so that it can be undone completely."""

    class State(models.TextChoices):
        EXECUTED = "executed", "executed"
        REVERSED = "reversed", "reversed"

    MOVES: Moves = {State.EXECUTED: {State.REVERSED}}

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="actions")
    kind = models.CharField(max_length=16)
    inverse = models.CharField(max_length=16, help_text="What undoes it.")
    pre_image = models.JSONField(help_text="What it changed, as it was before.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.EXECUTED)
    reversed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"


class Affected(models.TextChoices):
    """In which role somebody is affected by a decision."""

    UPLOADER = "uploader", "uploader"
    NOTIFIER = "notifier", "notifier"


class StatementOfReasons(Row):
    """DSA 17, one per affected recipient. `structured` is the statement; `text` is generated from it."""

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="statements")
    recipient = models.CharField(max_length=8, choices=Affected.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="statements")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="statements")
    structured = models.JSONField()
    text = models.TextField()
    delivered_at = models.DateTimeField(
        null=True, help_text="When the message that it is there was handed to the mail server."
    )

    class Meta:
        verbose_name_plural = "statements of reasons"

    def __str__(self) -> str:
        return f"statement of reasons to the {self.recipient}"


class Appeal(Row):
    """A complaint against a decision, decided by somebody else."""

    class State(models.TextChoices):
        FILED = "filed", "filed"
        DECIDED = "decided", "decided"

    class Outcome(models.TextChoices):
        UPHOLD = "uphold", "The decision stands"
        OVERTURN = "overturn", "The decision is overturned"

    MOVES: Moves = {State.FILED: {State.DECIDED}}

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="appeals")
    role = models.CharField(max_length=8, choices=Affected.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="appeals")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="appeals")
    sealed_grounds = models.BinaryField(default=b"", help_text="Sealed under the appellant's key.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.FILED)
    decider = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True)
    reasons = models.TextField(max_length=5000, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["decision", "user"], name="one_appeal_a_person"),
            models.UniqueConstraint(fields=["decision", "notice"], name="one_appeal_a_notice"),
        ]

    def __str__(self) -> str:
        return f"appeal of the {self.role} ({self.state})"

    @property
    def appellant(self) -> str:
        """The ledger's opaque name of who appeals."""
        if self.user is not None:
            return self.user.actor
        assert self.notice is not None
        return self.notice.filer.actor
