"""Examinations and what they found."""

from django.db import models

from core.clock import now
from core.ids import uuid7
from core.models import Job
from detection.detectors import Strength
from detection.wording import strength_words
from ledger.models import Entry
from provenance.models import Asset

# A word's place in the rising order, for "the strongest finding".
RANK = {strength.value: rank for rank, strength in enumerate(Strength)}


class Run(models.Model):
    """One detector's examination of one work. There is one for each version of a detector."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="runs")
    detector = models.CharField(max_length=40)
    version = models.CharField(max_length=20)
    model_digest = models.CharField(max_length=71, help_text="sha256:<hex> of its source and weights.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempt = models.PositiveSmallIntegerField(
        default=0, help_text="Counts up when a worker takes it; only that worker may end it."
    )
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.CharField(max_length=500, blank=True, help_text="In words for people.")
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["asset", "detector", "version"], name="one_run_a_detector_version")
        ]

    def __str__(self) -> str:
        return f"{self.detector} {self.version} on {self.asset_id}: {self.state}"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.DONE, self.State.FAILED)

    @property
    def strongest(self) -> "Finding | None":
        """The finding with the strongest signal; the first of equals."""
        return max(self.findings.order_by("pk"), key=lambda finding: RANK[finding.strength], default=None)


class Finding(models.Model):
    """One thing a detector found, or looked for and did not find. Advice, never a verdict."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="findings")
    signal = models.SlugField(max_length=40)
    strength = models.CharField(max_length=8, choices=[(one.value, one.value) for one in Strength])
    statement = models.CharField(max_length=500, help_text="One sentence for people.")
    score = models.CharField(max_length=20, blank=True, help_text="A decimal number, its unit in the details.")
    calibrated = models.BooleanField(default=False)
    details = models.JSONField(default=dict)
    heatmap_key = models.CharField(max_length=200, blank=True, help_text="Address in core.storage of a PNG.")

    def __str__(self) -> str:
        return f"{self.signal}: {self.strength}"

    @property
    def strength_words(self) -> str:
        """“Weak signal (uncalibrated)”."""
        return strength_words(self.strength, calibrated=self.calibrated)
