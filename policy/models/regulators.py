"""Authorities: who may look, for what, until when; what they keep for themselves; what was talked about with them."""

from django.conf import settings
from django.db import models

from core.states import Moves
from policy.models.base import Row


class RegulatorAccount(Row):
    """What an authority's person may do here: invited for a jurisdiction and on a basis, until a day."""

    class State(models.TextChoices):
        INVITED = "invited", "invited"
        ACTIVE = "active", "active"
        SUSPENDED = "suspended", "suspended"
        EXPIRED = "expired", "expired"

    MOVES: Moves = {
        State.INVITED: {State.ACTIVE, State.SUSPENDED, State.EXPIRED},
        State.ACTIVE: {State.SUSPENDED, State.EXPIRED},
        State.SUSPENDED: {State.ACTIVE, State.EXPIRED},
        # Invited again, on terms of their own.
        State.EXPIRED: {State.INVITED},
    }
    ENDED = (State.SUSPENDED, State.EXPIRED)

    class Scope(models.TextChoices):
        """What a bundle may open for them, beyond the entries as everybody has them."""

        CASES = "cases", "What cases are about, and their reasons"
        STATEMENTS = "statements", "Statements of reasons"
        MEDIA = "media", "Media, where a rule allows it"
        ROSTER = "roster", "The roster of reviewers, under aliases"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="regulator_account")
    authority = models.CharField(max_length=120)
    jurisdictions = models.JSONField(default=list, help_text="Codes of places whose cases they may see; never all.")
    legal_basis = models.CharField(max_length=200, help_text="The law that entitles them, as they state it.")
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.INVITED)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Null: the operator's command line.",
    )

    def __str__(self) -> str:
        return f"{self.authority} ({self.state})"


class SavedQuery(Row):
    """A query that a regulator keeps to ask again. query: as `policy.audits.queries` reads it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_queries")
    name = models.CharField(max_length=80)
    query = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "saved queries"
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_saved_query_a_name")]

    def __str__(self) -> str:
        return self.name


class Consultation(Row):
    """What was talked about with an authority: opened by either side, closed with an outcome. Published in short."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    MOVES: Moves = {State.OPEN: {State.CLOSED}, State.CLOSED: {State.OPEN}}

    account = models.ForeignKey(RegulatorAccount, on_delete=models.PROTECT, related_name="consultations")
    subject = models.CharField(max_length=160, help_text="Published; no personal data.")
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(max_length=600, blank=True, help_text="Published; no personal data.")
    case = models.ForeignKey("policy.Case", on_delete=models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.subject


class ConsultationMessage(Row):
    """One message between the office and an authority. Not published."""

    consultation = models.ForeignKey(Consultation, on_delete=models.PROTECT, related_name="messages")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    from_office = models.BooleanField()
    text = models.TextField(max_length=5000, help_text="No personal data of third parties.")

    def __str__(self) -> str:
        return f"message of {self.created_at:%Y-%m-%d}"


class Referral(Row):
    """A hand-over to an authority: a suspicion of a crime that threatens life (DSA 18), or an order that was obeyed."""

    class Kind(models.TextChoices):
        THREAT = "threat", "Suspicion of a crime that threatens life or safety"
        ORDER = "order", "Answer to an order"
        OTHER = "other", "Other"

    case = models.ForeignKey("policy.Case", on_delete=models.PROTECT, related_name="referrals")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    authority = models.CharField(max_length=120)
    jurisdiction = models.CharField(max_length=8)
    rule_id = models.CharField(max_length=60)
    reference = models.CharField(max_length=60, blank=True, help_text="Of the authority.")
    what = models.CharField(max_length=600, help_text="What was handed over, in the office's words; no names.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"referral to {self.authority}"
