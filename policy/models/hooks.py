"""What leaves the office by itself, because somebody who runs it said so: web hooks, and the EU's database."""

from django.conf import settings
from django.db import models

from core.clock import now
from core.states import Moves
from policy.models.base import Row


class Webhook(Row):
    """An address of an organisation that is told of events about its own matters, signed."""

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        PAUSED = "paused", "paused by its owner"
        DISABLED = "disabled", "switched off after too many failures"

    MOVES: Moves = {
        State.ACTIVE: {State.PAUSED, State.DISABLED},
        State.PAUSED: {State.ACTIVE},
        State.DISABLED: {State.ACTIVE},
    }

    class Signing(models.TextChoices):
        ED25519 = "ed25519", "Ed25519, with the office's public key"
        HMAC = "hmac-sha256", "HMAC-SHA256, with a secret of your own"

    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    events = models.JSONField(default=list, help_text="Types of events; none: all that concern the organisation.")
    signing = models.CharField(max_length=11, choices=Signing.choices, default=Signing.ED25519)
    sealed_secret = models.BinaryField(default=b"", help_text="Of HMAC only.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    failures = models.PositiveSmallIntegerField(default=0, help_text="Deliveries given up, one after another.")
    seen = models.PositiveBigIntegerField(default=0, help_text="What is before this index in the log was looked at.")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.url


class HookDelivery(models.Model):
    """One event for one web hook: what was sent, how often it was tried, and what came back."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        DELIVERED = "delivered", "delivered"
        GIVEN_UP = "given_up", "given up"

    MOVES: Moves = {State.WAITING: {State.DELIVERED, State.GIVEN_UP}, State.GIVEN_UP: {State.WAITING}}

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=60)
    key = models.CharField(max_length=120, help_text="The same event twice has the same key.")
    payload = models.JSONField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(default=now, null=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the last answer.")
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=now)
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "hook deliveries"
        constraints = [models.UniqueConstraint(fields=["webhook", "key"], name="one_delivery_an_event")]
        indexes = [models.Index(fields=["state", "next_at"])]

    def __str__(self) -> str:
        return f"{self.event} ({self.state})"


class TdbSubmission(Row):
    """That a statement of reasons was handed to the EU's transparency database, or what it said against it."""

    class State(models.TextChoices):
        REHEARSED = "rehearsed", "checked here, not sent"
        ACCEPTED = "accepted", "accepted"
        REFUSED = "refused", "refused"

    MOVES: Moves = {
        State.REHEARSED: {State.ACCEPTED, State.REFUSED},
        State.REFUSED: {State.ACCEPTED, State.REHEARSED},
        State.ACCEPTED: set(),
    }

    statement = models.OneToOneField(
        "policy.StatementOfReasons", on_delete=models.PROTECT, related_name="tdb_submission"
    )
    puid = models.CharField(max_length=500, unique=True)
    state = models.CharField(max_length=9, choices=State.choices)
    uuid = models.CharField(max_length=60, blank=True, help_text="The database's own id.")
    errors = models.JSONField(default=dict)
    sent_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.puid} ({self.state})"
