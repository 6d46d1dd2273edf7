"""Examinations and what they found."""

from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts.models import REVIEWERS, User
from core.clock import now
from core.ids import uuid7
from core.models import Job
from detection.detectors import Answer, Question, Standing, Strength
from detection.wording import answer_words, error_rate_words, ratio_words, strength_words
from ledger.models import Entry
from provenance.models import Asset

# A word's place in the rising order, for "the strongest finding".
RANK = {strength.value: rank for rank, strength in enumerate(Strength)}


class RunQuerySet(models.QuerySet["Run"]):
    def shown_to(self, viewer: User | AnonymousUser | None) -> "RunQuerySet":
        """What `viewer` (None: anyone) may see of the runs on works they may see: those of experimental detectors are
        for reviewers only, as their findings say nothing that anybody may rely on.
        """
        return self if Run.sees_experiments(viewer) else self.filter(standing=Standing.SHIPPED.value)


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
    version = models.CharField(max_length=80, help_text="Of the detector, and after “+” of the model in service.")
    model_digest = models.CharField(max_length=71, help_text="sha256:<hex> of its source and weights.")
    question = models.CharField(max_length=10, blank=True, choices=[(one.value, one.value) for one in Question])
    standing = models.CharField(
        max_length=12, choices=[(one.value, one.value) for one in Standing], default=Standing.SHIPPED.value
    )
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

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["asset", "detector", "version"], name="one_run_a_detector_version")
        ]

    def __str__(self) -> str:
        return f"{self.detector} {self.version} on {self.asset_id}: {self.state}"

    @staticmethod
    def sees_experiments(viewer: User | AnonymousUser | None) -> bool:
        """Reviewers see what experimental detectors say, as a place to look."""
        return isinstance(viewer, User) and viewer.is_active and viewer.has_role(*REVIEWERS)

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
    answer = models.CharField(max_length=10, blank=True, choices=[(one.value, one.value) for one in Answer])
    llr = models.CharField(max_length=20, blank=True, help_text="log10 of the likelihood ratio; empty: can’t say.")
    low = models.CharField(max_length=20, blank=True, help_text="Of its 95 % interval.")
    high = models.CharField(max_length=20, blank=True, help_text="Of its 95 % interval.")
    calibration = models.CharField(max_length=64, blank=True, help_text="Id of the calibration set.")
    reason = models.SlugField(max_length=40, blank=True, help_text="Why it can’t say (detection.reasons.Reason).")
    places = models.JSONField(default=dict, help_text="Where: regions, spans, timeline (detection.detectors.Reading).")
    details = models.JSONField(default=dict)
    heatmap_key = models.CharField(max_length=200, blank=True, help_text="Address in core.storage of a PNG.")

    def __str__(self) -> str:
        return f"{self.signal}: {self.strength}"

    @property
    def strength_words(self) -> str:
        """“Weak signal (uncalibrated)”."""
        return strength_words(self.strength, calibrated=self.calibrated)

    @property
    def answer_words(self) -> str:
        """“No such signals found”; the strength where the detector does not answer in these words."""
        return answer_words(self.answer, calibrated=self.calibrated) if self.answer else self.strength_words

    @property
    def error_rate_words(self) -> str:
        """How often this detector was wrong on files of this kind; "" where nobody has measured it."""
        return error_rate_words(self.details.get("error_rates", []))

    @property
    def picture(self) -> str:
        """What was drawn: “heat_map”, which lies over the picture examined, or “spectrogram”, one of its own; "" if
        nothing was.
        """
        if not self.heatmap_key:
            return ""
        return "spectrogram" if self.details.get("picture") == "spectrogram" else "heat_map"

    @property
    def ratio_words(self) -> str:
        """Its likelihood ratio and how sure it is; "" without one."""
        return ratio_words(self.llr, self.low, self.high) if self.llr else ""

    @property
    def alternative(self) -> str:
        """What was drawn, in words, for who does not see it; "" without."""
        return str(self.details.get("alternative", ""))

    @property
    def what_would_change(self) -> str:
        """How far this is from another answer, in one sentence; "" where nothing is said."""
        return str(self.details.get("what_would_change", ""))

    @property
    def moments(self) -> list[dict[str, str]]:
        """Where in time: spans of sound, or the time line of a video."""
        return self.places.get("spans") or self.places.get("timeline") or []
