"""Deadlines, requests about one's own data, exports, views and pipeline steps."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.clock import now
from core.states import Moves
from policy.models.base import Row
from policy.models.cases import Case, Notice
from policy.models.decisions import Appeal, Decision
from policy.models.people import Person


class Clock(Row):
    """A running deadline, computed once by a dated rule, never again (I13). `legal_status` is always shown."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        MET = "met", "met"
        BREACHED = "breached", "missed"
        VOID = "void", "no longer needed"

    MOVES: Moves = {
        State.RUNNING: {State.MET, State.BREACHED, State.VOID},
        State.BREACHED: {State.VOID},
    }

    class Purpose(models.TextChoices):
        DECIDE = "decide", "Decide"
        ASK = "ask", "Answer our question"
        APPEAL = "appeal", "Time to appeal"
        ANSWER_APPEAL = "answer", "Answer the appeal"
        DUTY = "duty", "Other duty"
        DATA_REQUEST = "data", "Answer the data request"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="clocks")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="clocks")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, related_name="clocks")
    appeal = models.ForeignKey(Appeal, on_delete=models.PROTECT, null=True, related_name="clocks")
    data_request = models.ForeignKey("policy.DataRequest", on_delete=models.PROTECT, null=True, related_name="clocks")
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    rule_id = models.CharField(max_length=60)
    instrument = models.CharField(max_length=200)
    article = models.CharField(max_length=120)
    jurisdiction = models.CharField(max_length=8)
    pack = models.CharField(max_length=64, help_text="SHA-256 of the rule files that were in force.")
    legal_status = models.CharField(max_length=10, default="draft", help_text="“draft” until a lawyer has signed.")
    started_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text="Null: the rule gives no number.")
    ended_at = models.DateTimeField(null=True)
    trace = models.JSONField(help_text="Plain sentences: why this rule, and how the date was computed.")

    class Meta:
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.state}"


class DataRequest(Row):
    """A person's request about their own data, and its receipt."""

    class Kind(models.TextChoices):
        ACCESS = "access", "See what is held"
        ERASE = "erase", "Erase"

    class State(models.TextChoices):
        RECEIVED = "received", "received"
        DONE = "done", "done"
        PARTLY_DONE = "partly_done", "done, but for what a hold keeps"

    MOVES: Moves = {State.RECEIVED: {State.DONE, State.PARTLY_DONE}, State.PARTLY_DONE: {State.DONE}}

    kind = models.CharField(max_length=6, choices=Kind.choices)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="data_requests")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="data_requests"
    )
    state = models.CharField(max_length=11, choices=State.choices, default=State.RECEIVED)
    receipt = models.JSONField(default=dict)
    done_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"data request: {self.get_kind_display()} ({self.state})"


class Hold(Row):
    """A legal hold (I11): what must be kept although its erasure is asked for, on which ground, looked at again when.

    Exactly one subject. Who placed and who released it is sealed in the entries.
    """

    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="holds")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="holds")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="holds")
    asset = models.ForeignKey("provenance.Asset", on_delete=models.PROTECT, null=True, related_name="holds")
    basis = models.CharField(max_length=60, help_text="Rule id.")
    review_date = models.DateField(help_text="By when somebody asks whether it is still needed.")
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_hold_has_one_subject",
                condition=Q(person__isnull=False, user__isnull=True, case__isnull=True, asset__isnull=True)
                | Q(person__isnull=True, user__isnull=False, case__isnull=True, asset__isnull=True)
                | Q(person__isnull=True, user__isnull=True, case__isnull=False, asset__isnull=True)
                | Q(person__isnull=True, user__isnull=True, case__isnull=True, asset__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"hold {str(self.pk)[-6:]}, {self.basis}, review {self.review_date:%Y-%m-%d}"


class Export(Row):
    """One bundle a regulator took: scope, purpose and the digest of the file."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="exports")
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    types = models.JSONField(default=list)
    purpose = models.CharField(max_length=300)
    entries = models.PositiveIntegerField(default=0)
    tree_size = models.PositiveBigIntegerField(default=0)
    key = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"export {str(self.pk)[-6:]}"


class MediaView(Row):
    """Somebody lifted the blur: who, what, and the reason they gave."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="media_views")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="media_views")
    reason = models.CharField(max_length=300)

    def __str__(self) -> str:
        return f"view in {self.case}"


class PipelineStep(models.Model):
    """That a step of the pipeline was done (or failed) for an asset, in one version."""

    class State(models.TextChoices):
        DONE = "done"
        FAILED = "failed"

    asset = models.ForeignKey("provenance.Asset", on_delete=models.CASCADE, related_name="pipeline_steps")
    step = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=6, choices=State.choices)
    error_code = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "step", "version"], name="one_row_a_step")]

    def __str__(self) -> str:
        return f"{self.step} v{self.version}: {self.state}"
