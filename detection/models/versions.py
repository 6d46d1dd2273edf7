"""Versions of models, who put them into service, and what their scores looked like in windows of time."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.clock import now
from core.ids import uuid7
from core.states import Moves
from ledger.models import Entry


class ModelVersion(models.Model):
    """One version of the model behind a detector: a signed folder (`detection.artefacts`) and its place in the line."""

    class Stage(models.TextChoices):
        CHALLENGER = "challenger", "challenger: registered, not in use"
        SHADOW = "shadow", "shadow: passed the gate, runs beside the champion, its answers are not shown"
        CHAMPION = "champion", "champion: in service"
        RETIRED = "retired", "retired"

    # From retired to champion is the way back of a rollback, and of nothing else (`detection.versions`).
    MOVES: Moves = {
        Stage.CHALLENGER: {Stage.SHADOW, Stage.RETIRED},
        Stage.SHADOW: {Stage.CHAMPION, Stage.RETIRED},
        Stage.CHAMPION: {Stage.RETIRED},
        Stage.RETIRED: {Stage.CHAMPION},
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    detector = models.CharField(max_length=40)
    version = models.CharField(max_length=12)
    digest = models.CharField(max_length=71, help_text="sha256:<hex> of its signed manifest.")
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.CHALLENGER)
    reason = models.CharField(max_length=300, help_text="Why this version was made.")
    brought = models.BooleanField(default=False, help_text="Made elsewhere and imported.")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    replaced = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="+", help_text="The champion before it."
    )
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=now)
    shadow_since = models.DateTimeField(null=True)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["detector", "version"], name="one_row_a_model_version"),
            models.UniqueConstraint(fields=["detector"], condition=Q(stage="champion"), name="one_champion_a_detector"),
            models.UniqueConstraint(fields=["detector"], condition=Q(stage="shadow"), name="one_shadow_a_detector"),
        ]

    def __str__(self) -> str:
        return f"{self.detector} {self.version}"

    @property
    def object(self) -> str:
        return f"model:{self.pk}"


class Approval(models.Model):
    """That a person wants a version in service. It takes two people."""

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="approvals")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "by"], name="one_approval_a_person")]

    def __str__(self) -> str:
        return f"approval of {self.version}"


class ShadowReading(models.Model):
    """What a shadow answered about a work that the champion was asked about. Never shown as a finding."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="shadow_readings")
    run = models.ForeignKey("detection.Run", on_delete=models.CASCADE, related_name="shadow_readings")
    answer = models.CharField(max_length=10, blank=True)
    champion_answer = models.CharField(max_length=10, blank=True)
    llr = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "run"], name="one_shadow_reading_a_run")]

    def __str__(self) -> str:
        return f"{self.version} in the shadow: {self.answer}"


class DriftWindow(models.Model):
    """Fifty scores of one detector on works of one tenant, compared with the reference (`detection.drift`)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    detector = models.CharField(max_length=40)
    digest = models.CharField(max_length=71, help_text="Of the model that gave the scores.")
    source = models.CharField(max_length=60, help_text="organisation:<id>")
    size = models.PositiveIntegerField()
    last_finding = models.UUIDField(help_text="The newest finding in it.")
    ks_p = models.CharField(max_length=20, help_text="p of the two-sample Kolmogorov-Smirnov test, after Holm.")
    psi = models.CharField(max_length=20, help_text="Population stability index.")
    psi_p = models.CharField(max_length=20, help_text="Its p, after Holm.")
    alarmed = models.BooleanField(default=False)
    cleared_at = models.DateTimeField(null=True, help_text="When an operator said that it was looked into.")
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["detector", "source", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.size} scores of {self.detector} from {self.source}"
