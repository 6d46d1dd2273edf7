"""People without an account, and their consent about works that show them."""

from django.conf import settings
from django.db import models

from core.clock import now
from core.ids import uuid7
from core.states import Moves
from policy.models.base import Row


class Person(models.Model):
    """A depicted or reporting person without an account. Name and contact are sealed under `person:<id>`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sealed_contact = models.BinaryField(default=b"", help_text='JSON {"name","contact"} sealed under this person.')
    created_at = models.DateTimeField(default=now)
    erased_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return "an erased person" if self.erased_at else f"person {str(self.pk)[-6:]}"

    @property
    def actor(self) -> str:
        """How vault and ledger know the person: an opaque string whose key can be destroyed."""
        return f"person:{self.pk}"


class Depiction(Row):
    """That a work shows a person, and who says so."""

    class AssertedBy(models.TextChoices):
        CREATOR = "creator", "the creator"
        SELF = "self", "the person"

    asset = models.ForeignKey("provenance.Asset", on_delete=models.PROTECT, related_name="depictions")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="depictions")
    asserted_by = models.CharField(max_length=8, choices=AssertedBy.choices)

    def __str__(self) -> str:
        return f"depiction in {self.asset}"


class Purpose(models.TextChoices):
    CAPTURE = "capture", "Keep the recording"
    SYNTHESISE = "synthesise", "Make synthetic media from it"
    PUBLISH = "publish", "Publish it"
    DETECT = "detect", "Compare it with other media"
    TRAIN = "train", "Train models with it"
    COMMERCIAL = "commercial", "Use it commercially"


class Consent(Row):
    """A depicted person's answer about one asset, bound to signed file and manifest. State: a fold over events."""

    class State(models.TextChoices):
        REQUESTED = "requested", "asked, not answered"
        GIVEN = "given", "given"
        REFUSED = "refused", "refused"
        WITHDRAWN = "withdrawn", "withdrawn"

    MOVES: Moves = {
        State.REQUESTED: {State.GIVEN, State.REFUSED},
        State.GIVEN: {State.WITHDRAWN},
        State.REFUSED: {State.GIVEN},
        State.WITHDRAWN: {State.GIVEN},
    }

    depiction = models.ForeignKey(Depiction, on_delete=models.PROTECT, related_name="consents")
    state = models.CharField(max_length=9, choices=State.choices, default=State.REQUESTED)
    purposes = models.JSONField(default=list, help_text="Values of Purpose.")
    token_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the link's random token.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    signed_sha256 = models.CharField(max_length=64, help_text="The signed file the person was shown.")
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    answered_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"consent {self.state}"


class ConsentEvent(Row):
    """Append-only: what was asked and answered, when, about which bytes."""

    consent = models.ForeignKey(Consent, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=9, choices=Consent.State.choices)
    signed_sha256 = models.CharField(max_length=64)
    manifest_sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.kind
