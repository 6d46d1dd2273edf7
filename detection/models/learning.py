"""What people found out about works, as labels a model may learn from; permanent tests; audits of groups."""

from django.conf import settings
from django.db import models

from core.clock import now
from core.ids import uuid7
from core.states import Moves
from detection.detectors import Question
from ledger.models import Entry
from provenance.models import Asset

QUESTIONS = [(one.value, one.value) for one in Question]


class Claim(models.TextChoices):
    """What is claimed about a file, with regard to one question."""

    REAL = "real", "not what was looked for"
    MADE = "made", "what was looked for: generated, edited, synthesised"


class Label(models.Model):
    """A claim about one work that may become training data. Without a recorded basis it never does."""

    class State(models.TextChoices):
        PROPOSED = "proposed", "proposed"
        CORROBORATED = "corroborated", "corroborated by a second source"
        TRAINABLE = "trainable", "may be trained on"
        EXCLUDED = "excluded", "not used"

    MOVES: Moves = {
        State.PROPOSED: {State.CORROBORATED, State.EXCLUDED},
        State.CORROBORATED: {State.TRAINABLE, State.EXCLUDED},
        State.TRAINABLE: {State.EXCLUDED},
    }

    class Origin(models.TextChoices):
        REVIEWER = "reviewer", "a reviewer"
        DECISION = "decision", "a decision of a case"
        APPEAL = "appeal", "an appeal that was upheld"
        PROVENANCE = "provenance", "valid credentials of the file"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="labels")
    sha256 = models.CharField(max_length=64, help_text="Of the original file.")
    question = models.CharField(max_length=12, choices=QUESTIONS)
    claim = models.CharField(max_length=4, choices=Claim.choices)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PROPOSED)
    source = models.CharField(max_length=60, help_text="organisation:<id> whose work it is; caps count by it.")
    submitter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    basis = models.CharField(max_length=80, blank=True, help_text="What allows training: consent:<id> or owner:<id>.")
    excluded_for = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["asset", "question", "origin"], name="one_label_an_origin"),
        ]
        indexes = [models.Index(fields=["question", "state"])]

    def __str__(self) -> str:
        return f"{self.question}: {self.claim} ({self.state})"


class Corroboration(models.Model):
    """One more person, or the file's own provenance, who says the same."""

    label = models.ForeignKey(Label, on_delete=models.PROTECT, related_name="corroborations")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["label", "by"], name="one_corroboration_a_person")]

    def __str__(self) -> str:
        return f"corroboration of {self.label_id}"


class PermanentTest(models.Model):
    """A file about which this office was wrong, as an appeal found: no later model may be wrong about it again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="permanent_tests")
    sha256 = models.CharField(max_length=64)
    question = models.CharField(max_length=12, choices=QUESTIONS)
    claim = models.CharField(max_length=4, choices=Claim.choices, help_text="What is true of it.")
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "question"], name="one_permanent_test_a_question")]

    def __str__(self) -> str:
        return f"permanent test: {self.question} {self.claim}"


class Audit(models.Model):
    """One audit of one model by groups: aggregates only. The items, and who is in which group, are kept nowhere."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    detector = models.CharField(max_length=40)
    digest = models.CharField(max_length=71, help_text="Of the model that was audited.")
    set_name = models.CharField(max_length=80)
    set_sha256 = models.CharField(max_length=64, help_text="Of the set's list, as it was audited.")
    attribute = models.CharField(max_length=40, help_text="By which self-reported attribute.")
    basis = models.CharField(max_length=200, help_text="Under which consent the people in it answered.")
    table = models.JSONField(help_text="Rates by group with intervals, noise floor, tests; groups below k left out.")
    flagged = models.BooleanField(default=False, help_text="A gap over the threshold that is no noise.")
    case = models.CharField(max_length=36, blank=True, help_text="Id of the case against the model that it opened.")
    audited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return f"audit of {self.detector} by {self.attribute}"
