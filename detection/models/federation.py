"""Rounds of federated training."""

from django.db import models

from core.clock import now
from core.ids import uuid7
from ledger.models import Entry


class FederationRound(models.Model):
    """One round as the coordinator recorded it, or the release of statistics at the end; never changed afterwards."""

    class Kind(models.TextChoices):
        TRAINING = "training", "a round of training"
        RELEASE = "release", "the release of statistics"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    federation = models.CharField(max_length=40)
    plan = models.CharField(max_length=64, help_text="SHA-256 of what the institutions agreed on.")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    number = models.PositiveIntegerField()
    aggregation = models.CharField(max_length=6)
    purpose = models.CharField(max_length=20, help_text="What each participant's material may be used for.")
    before = models.CharField(max_length=64, help_text="SHA-256 of the shared model before the round.")
    after = models.CharField(max_length=64)
    void = models.BooleanField(default=False, help_text="Too little was left to move the model.")
    epsilon = models.CharField(max_length=20, blank=True, help_text="Of differential privacy, per work, that it cost.")
    contributions = models.JSONField(
        help_text="Each participant: outcome, reason, contribution hash, basis, items, signature."
    )
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["plan", "number"], name="one_row_a_round")]

    def __str__(self) -> str:
        return f"{self.federation}, round {self.number}"
