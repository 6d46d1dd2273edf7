"""The people at the review desk: what they may work on, what they looked at, what they gave back."""

from django.conf import settings
from django.db import models

from policy.models.base import Row
from policy.models.cases import Case
from policy.models.decisions import Decision


class ReviewerProfile(Row):
    """What a reviewer was trained for, which languages they read, and how much they may be exposed to in a day."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviewer_profile")
    alias = models.CharField(max_length=40, unique=True, help_text="How outsiders know them.")
    languages = models.JSONField(default=list, help_text="Language codes.")
    trained = models.JSONField(default=dict, help_text="{value of Category: day of the training}")
    manager = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="manages")
    paused = models.BooleanField(default=False)
    budget = models.PositiveSmallIntegerField(default=60, help_text="Exposure points a day.")
    floor = models.JSONField(default=dict, help_text="The person's own, stricter, settings of how media are shown.")

    def __str__(self) -> str:
        return self.alias


class MediaView(Row):
    """Somebody lifted the blur by one step: who, what, and the reason they gave."""

    class Step(models.TextChoices):
        SOFT = "soft", "blurred, grey, without sound"
        GREY = "grey", "clear, grey, without sound"
        CLEAR = "clear", "clear, in colour"
        SOUND = "sound", "with sound"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="media_views")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="media_views")
    reason = models.CharField(max_length=300)
    step = models.CharField(max_length=5, choices=Step.choices, default=Step.SOFT)
    points = models.PositiveSmallIntegerField(default=0, help_text="What it counts against the exposure budget.")

    class Meta:
        indexes = [models.Index(fields=["reviewer", "created_at"])]

    def __str__(self) -> str:
        return f"view in {self.case}"


class Recusal(Row):
    """“I should not review this”: the case does not come back to this reviewer. No penalty; a reason is optional."""

    class Why(models.TextChoices):
        UNSAID = "", "not said"
        CONFLICT = "conflict", "I know somebody in it"
        EXPOSURE = "exposure", "It is too much for me"
        TRAINING = "training", "I was not trained for it"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="recusals")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="recusals")
    why = models.CharField(max_length=8, choices=Why.choices, default=Why.UNSAID, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "reviewer"], name="one_recusal_a_case")]

    def __str__(self) -> str:
        return f"recusal from {self.case}"


class DeclaredConflict(Row):
    """A reviewer's standing conflict: with an account or with everybody of an organisation."""

    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="declared_conflicts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return "declared conflict"


class SecondReview(Row):
    """A decided case, drawn at random, decided again by somebody who does not see the first answer. Changes nothing."""

    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="second_review")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="second_reviews"
    )
    outcome = models.CharField(max_length=12, choices=Decision.Outcome.choices, blank=True)
    rule_ids = models.JSONField(default=list)
    done_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"second review of {self.decision}"
