"""Job rows: the truth about background work. The broker only wakes a worker up."""

from django.db import models

from core.clock import now
from core.ids import uuid7


class Job(models.Model):
    """One piece of background work; `core.jobs` holds the verbs."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64)
    args = models.JSONField(default=dict)
    key = models.CharField(max_length=200, unique=True, null=True, help_text="Idempotency key: enqueued once.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    runs = models.PositiveSmallIntegerField(default=0)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent.")
    note = models.CharField(max_length=200, blank=True, help_text="What it is doing, in words for the page.")
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now)
    due_at = models.DateTimeField(default=now, help_text="The sweeper re-sends what is queued and older than this.")
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.DONE, self.State.FAILED)
