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
    contact_mark = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="Keyed digest of the contact: only this office can make it."
    )
    contact_proved_at = models.DateTimeField(
        null=True, help_text="When a link that went to the contact was used; null: anybody may have typed it."
    )
    language = models.CharField(max_length=8, default="en", help_text="In which they are written to.")
    created_at = models.DateTimeField(default=now)
    pin_hash = models.CharField(
        max_length=128, blank=True, help_text="Of the PIN mailed with the first answer by link; empty: none is good."
    )
    pin_used_at = models.DateTimeField(
        null=True, help_text="When that PIN was first given: who reads the mail of the contact was there."
    )
    restricted_at = models.DateTimeField(null=True, help_text="Since when what is held is stored, and not used.")
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
        NOTIFIER = "notifier", "somebody who reported the work"

    asset = models.ForeignKey("provenance.Asset", on_delete=models.PROTECT, related_name="depictions")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="depictions")
    asserted_by = models.CharField(max_length=8, choices=AssertedBy.choices)

    def __str__(self) -> str:
        return f"depiction in {self.asset}"


class Purpose(models.TextChoices):
    CAPTURE = "capture", "Keep the recording"
    SYNTHESISE = "synthesise", "Make synthetic media from it"
    PUBLISH = "publish", "Publish it"
    DETECT = "detect", "Examine faces and voices, and compare it with other media"
    TRAIN = "train", "Train models with it"
    COMMERCIAL = "commercial", "Use it commercially"


class Capacity(models.TextChoices):
    """In which capacity somebody answers about consent."""

    SELF = "self", "The person shown"
    GUARDIAN = "guardian", "A parent or guardian"
    ESTATE = "estate", "Who acts for a person who has died"


class Consent(Row):
    """A depicted person's answer about one asset, bound to signed file and manifest. State: a fold over events.

    `purposes` is what was asked; `granted` what stands now, also a fold. The states are those of the DPV life cycle.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", "asked, not answered"
        GIVEN = "given", "given"
        REFUSED = "refused", "refused"
        WITHDRAWN = "withdrawn", "withdrawn"
        RENEWED = "renewed", "given again"
        EXPIRED = "expired", "run out"
        HALTED = "halted", "stopped for now"
        INVALIDATED = "invalidated", "not valid"

    STANDS = (State.GIVEN, State.RENEWED)
    MOVES: Moves = {
        State.REQUESTED: {State.GIVEN, State.REFUSED, State.EXPIRED},
        State.GIVEN: {State.WITHDRAWN, State.RENEWED, State.EXPIRED, State.HALTED, State.INVALIDATED},
        State.RENEWED: {State.WITHDRAWN, State.RENEWED, State.EXPIRED, State.HALTED, State.INVALIDATED},
        State.REFUSED: {State.GIVEN, State.INVALIDATED},
        State.WITHDRAWN: {State.GIVEN, State.INVALIDATED},
        State.EXPIRED: {State.RENEWED, State.REFUSED},
        State.HALTED: {State.RENEWED, State.WITHDRAWN, State.INVALIDATED},
        State.INVALIDATED: {State.REQUESTED},
    }

    depiction = models.ForeignKey(Depiction, on_delete=models.PROTECT, related_name="consents")
    state = models.CharField(max_length=11, choices=State.choices, default=State.REQUESTED)
    purposes = models.JSONField(default=list, help_text="Values of Purpose that were asked for.")
    granted = models.JSONField(default=list, help_text="Values of Purpose that stand now.")
    territory = models.JSONField(default=list, help_text="Codes of places; none: everywhere.")
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True, help_text="The last day; null: until withdrawn.")
    notice_version = models.CharField(max_length=20, blank=True, help_text="Of the text the person was shown.")
    language = models.CharField(max_length=8, default="en", help_text="Of that text.")
    capacity = models.CharField(max_length=8, choices=Capacity.choices, default=Capacity.SELF)
    proxy = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, related_name="answers_for", help_text="Who answers for the person."
    )
    token_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the link's random token.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    signed_sha256 = models.CharField(max_length=64, help_text="The signed file the person was shown.")
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    answered_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"consent {self.state}"


class ConsentEvent(Row):
    """Append-only: what was asked and answered, when, for which purposes, about which bytes."""

    consent = models.ForeignKey(Consent, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=11, choices=Consent.State.choices)
    purposes = models.JSONField(default=list, help_text="What this event is about; none in rows older than the field.")
    signed_sha256 = models.CharField(max_length=64)
    manifest_sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.kind


class Signal(Row):
    """What a browser or a file says by itself about use. Recorded, shown, and never taken as consent."""

    class Kind(models.TextChoices):
        GPC = "gpc", "Global Privacy Control"
        CAWG = "cawg", "CAWG training and data mining"
        TDM = "tdm", "Reservation against text and data mining"
        LICENCE = "licence", "Licence"

    asset = models.ForeignKey("provenance.Asset", on_delete=models.PROTECT, null=True, related_name="signals")
    consent = models.ForeignKey(Consent, on_delete=models.PROTECT, null=True, related_name="signals")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    value = models.JSONField(default=dict, help_text="As it was said; enumerations only.")

    def __str__(self) -> str:
        return self.get_kind_display()


class ProcessingBasis(Row):
    """Another recorded basis than consent for looking at people in works: who recorded it, and until when."""

    class Ground(models.TextChoices):
        CONTRACT = "gdpr.6.1.b", "GDPR 6(1)(b), contract"
        LEGAL_DUTY = "gdpr.6.1.c", "GDPR 6(1)(c), legal obligation"
        VITAL = "gdpr.6.1.d", "GDPR 6(1)(d), vital interests"
        PUBLIC_TASK = "gdpr.6.1.e", "GDPR 6(1)(e), public interest"
        LEGITIMATE = "gdpr.6.1.f", "GDPR 6(1)(f), legitimate interests"
        MADE_PUBLIC = "gdpr.9.2.e", "GDPR 9(2)(e), made public by the person"
        CLAIMS = "gdpr.9.2.f", "GDPR 9(2)(f), legal claims"
        PUBLIC_INTEREST = "gdpr.9.2.g", "GDPR 9(2)(g), substantial public interest"

    asset = models.ForeignKey(
        "provenance.Asset", on_delete=models.PROTECT, null=True, related_name="bases", help_text="Null: every work."
    )
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    ground = models.CharField(max_length=10, choices=Ground.choices)
    reference = models.CharField(max_length=300, help_text="Where the assessment is: the office's own words.")
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    valid_to = models.DateField(null=True, help_text="The last day; null: until it is withdrawn.")
    withdrawn_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}: {self.get_ground_display()}"
