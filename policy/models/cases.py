"""Notices, flags, cases: what a reviewer works on."""

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.states import Moves
from policy.models.base import Row
from policy.models.people import Person


class Category(models.TextChoices):
    """The categories a rule may name (jurisdictions.yaml), in words for the form."""

    NCII = "ncii", "An intimate image shared without consent"
    NCII_DEEPFAKE = "ncii_deepfake", "A synthetic intimate image of a real person"
    LIKENESS = "likeness", "Use of a person's face, voice or body"
    IMPERSONATION = "impersonation", "Somebody is being impersonated"
    UNLABELLED_SYNTHETIC = "unlabelled_synthetic", "Synthetic media without a label"
    COPYRIGHT = "copyright", "Copyright"
    DEFAMATION = "defamation", "Defamation"
    PRIVACY = "privacy", "Privacy or data protection"
    CHILD_SAFETY = "child_safety", "Safety of a child"
    ELECTION = "election", "An election"
    FRAUD = "fraud", "Fraud"
    AUTHORITY_ORDER = "authority_order", "An order of a court or an authority"
    OTHER = "other", "Something else"


# 3: body or safety of a person; 2: identity and public choices; 1: the rest. Orders the queue after the clocks.
SEVERITY: dict[str, int] = {
    Category.CHILD_SAFETY: 3,
    Category.NCII: 3,
    Category.NCII_DEEPFAKE: 3,
    Category.IMPERSONATION: 2,
    Category.LIKENESS: 2,
    Category.ELECTION: 2,
    Category.FRAUD: 2,
    Category.PRIVACY: 2,
    Category.AUTHORITY_ORDER: 2,
}
# Where no deadline runs: after everything that has one.
NO_DEADLINE = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class Exemption(models.TextChoices):
    """Asked on each notice, shown in the statement of reasons; never a rule fact by free text."""

    SATIRE = "satire", "It is satire, parody or art"
    NEWS = "news", "It is news, criticism or research"
    LICENSED = "licensed", "It may be licensed"
    CONSENTED = "consented", "The person shown may have agreed"


class Case(Row):
    """What a reviewer works: one asset (or one reported thing we do not hold) and one legal issue."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        IN_REVIEW = "in_review", "in review"
        AWAITING_INFO = "awaiting_info", "waiting for an answer"
        PROPOSED = "proposed", "waiting for a second person"
        DECIDED = "decided", "decided"
        CLOSED = "closed", "closed"
        REOPENED = "reopened", "reopened"

    MOVES: Moves = {
        State.OPEN: {State.IN_REVIEW},
        State.IN_REVIEW: {State.DECIDED, State.OPEN, State.AWAITING_INFO, State.PROPOSED},
        State.AWAITING_INFO: {State.IN_REVIEW, State.OPEN},
        State.PROPOSED: {State.DECIDED, State.IN_REVIEW, State.OPEN},
        State.DECIDED: {State.CLOSED, State.REOPENED},
        State.CLOSED: {State.REOPENED},
        State.REOPENED: {State.IN_REVIEW},
    }
    WAITING = (State.OPEN, State.REOPENED)
    IN_HANDS = (State.IN_REVIEW, State.AWAITING_INFO, State.PROPOSED)
    UNDECIDED = (State.OPEN, State.IN_REVIEW, State.AWAITING_INFO, State.PROPOSED, State.REOPENED)

    asset = models.ForeignKey("provenance.Asset", on_delete=models.PROTECT, null=True, related_name="cases")
    state = models.CharField(max_length=13, choices=State.choices, default=State.OPEN)
    category = models.CharField(max_length=20, choices=Category.choices)
    jurisdictions = models.JSONField(default=list)
    language = models.CharField(max_length=8, default="en", help_text="Of the first notice.")
    severity = models.PositiveSmallIntegerField(default=1)
    vulnerable = models.PositiveSmallIntegerField(default=0, help_text="1: a child, or filed by the person shown.")
    minor = models.BooleanField(
        default=False, help_text="About a child: in no general list or export, and for who was trained for it (I24)."
    )
    version = models.PositiveIntegerField(default=0, help_text="Grows with each change that a reviewer must have seen.")
    next_due_at = models.DateTimeField(null=True, help_text="Of the running DECIDE clock due first.")
    next_rule_id = models.CharField(max_length=60, blank=True)
    queue_at = models.DateTimeField(default=NO_DEADLINE, help_text="next_due_at, to the hour: orders the queue.")
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="assigned_cases"
    )
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["asset", "category"],
                condition=Q(state__in=["open", "in_review", "awaiting_info", "proposed", "reopened"]),
                name="one_undecided_case_an_issue",
            )
        ]
        indexes = [
            models.Index(
                fields=["queue_at", "-severity", "-vulnerable", "created_at"],
                condition=Q(state__in=["open", "in_review", "awaiting_info", "proposed", "reopened"]),
                name="review_queue",
            ),
        ]

    def __str__(self) -> str:
        return f"case {str(self.pk)[-6:]}"

    @property
    def object(self) -> str:
        return f"case:{self.pk}"

    @property
    def training(self) -> str:
        """The Category that its reviewers must have been trained for."""
        return Category.CHILD_SAFETY if self.minor else self.category


class TrustedFlagger(Row):
    """DSA 22: whose notices are worked first, within an area of expertise and between two dates. Never auto-removal."""

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        SUSPENDED = "suspended", "suspended"
        ENDED = "ended", "ended"

    MOVES: Moves = {
        State.ACTIVE: {State.SUSPENDED, State.ENDED},
        State.SUSPENDED: {State.ACTIVE, State.ENDED},
        State.ENDED: set(),
    }

    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="designations")
    authority = models.CharField(max_length=120, help_text="Which coordinator designated it.")
    jurisdiction = models.CharField(max_length=8)
    areas = models.JSONField(default=list, help_text="Values of Category.")
    valid_from = models.DateField()
    valid_to = models.DateField(null=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.ACTIVE)

    def __str__(self) -> str:
        return f"trusted flagger, designated by {self.authority}"


class Notice(Row):
    """What anybody files: a report, “this flag is wrong”, a privacy concern, an order. Text and contact are sealed
    under the filer's key; only choices and yes/no answers are in the open, for rules (I25).
    """

    class Kind(models.TextChoices):
        REPORT = "report", "Report or request to take down"
        FALSE_POSITIVE = "false_positive", "“This flag is wrong”"
        PRIVACY = "privacy", "Privacy concern"
        ORDER = "order", "Order of a court or an authority"

    class State(models.TextChoices):
        INCOMPLETE = "incomplete", "waiting for missing information"
        VALID = "valid", "in review"
        ANSWERED = "answered", "decided"
        WITHDRAWN = "withdrawn", "withdrawn"
        UNFOUNDED = "unfounded", "manifestly unfounded"

    BEGINS = (State.INCOMPLETE, State.VALID)
    MOVES: Moves = {
        State.INCOMPLETE: {State.VALID, State.ANSWERED, State.WITHDRAWN, State.UNFOUNDED},
        State.VALID: {State.INCOMPLETE, State.ANSWERED, State.WITHDRAWN, State.UNFOUNDED},
        State.ANSWERED: {State.VALID},
        State.WITHDRAWN: set(),
        State.UNFOUNDED: {State.VALID, State.INCOMPLETE},
    }
    WAITING = (State.INCOMPLETE, State.VALID)

    class Outcome(models.TextChoices):
        NONE = "", "not answered yet"
        ACCEPTED = "accepted", "accepted"
        DECLINED = "declined", "declined"

    class Unfounded(models.TextChoices):
        """DSA 23(2): what makes a notice manifestly unfounded; a list, because it is told and can be contested."""

        NONE = "", "not unfounded"
        NOTHING_THERE = "nothing_there", "What it describes is plainly not in the work"
        OWN_WORK = "own_work", "It is about the filer's own work or permission"
        REPEATED = "repeated", "It repeats, word for word, what was answered"
        UNSERIOUS = "unserious", "It is an advertisement or random text"
        INVENTED = "invented", "The filer is not who they say they are"

    number = models.CharField(max_length=20, unique=True, help_text="AS-2026-7F3K-9QXM, random.")
    pin_hash = models.CharField(max_length=128)
    wrong_pins = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)
    kind = models.CharField(max_length=14, choices=Kind.choices, default=Kind.REPORT)
    filer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="notices")
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="notices")
    flagger = models.ForeignKey(TrustedFlagger, on_delete=models.PROTECT, null=True, related_name="notices")
    asset = models.ForeignKey("provenance.Asset", on_delete=models.PROTECT, null=True, related_name="notices")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notices")
    flag = models.ForeignKey(
        "policy.Flag", on_delete=models.PROTECT, null=True, related_name="disputes", help_text="The flag that is wrong."
    )
    finding = models.ForeignKey(
        "detection.Finding", on_delete=models.PROTECT, null=True, related_name="+", help_text="Or the reading."
    )
    state = models.CharField(max_length=10, choices=State.choices)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.NONE, blank=True)
    category = models.CharField(max_length=20, choices=Category.choices)
    jurisdiction = models.CharField(max_length=8)
    language = models.CharField(max_length=8, default="en")
    as_depicted = models.BooleanField(default=False, help_text="Filed by the person shown, or for them.")
    good_faith = models.BooleanField(default=False)
    exemptions = models.JSONField(default=list, help_text="Values of Exemption the filer knows of.")
    answers = models.JSONField(default=dict, help_text="Choices and yes/no answers of the guided form, by field.")
    sworn = models.JSONField(default=list, help_text='[{"statement","version","at"}] that the filer swore.')
    missing = models.JSONField(default=list, help_text="Names of the form's fields still missing.")
    file_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of a reported file that is not registered here."
    )
    sealed_text = models.BinaryField(
        default=b"", help_text='JSON {"statement","url_or_text", and what a law asks for} sealed under the filer.'
    )
    acknowledged_at = models.DateTimeField(null=True)
    unfounded_for = models.CharField(max_length=13, choices=Unfounded.choices, default=Unfounded.NONE, blank=True)
    unfounded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    contested_at = models.DateTimeField(null=True, help_text="Once: a second “unfounded”, of somebody else, stands.")
    client_key = models.CharField(
        max_length=64, blank=True, help_text="Digest of a caller's own key for it, or of what a form was sent with."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "client_key"], condition=~Q(client_key=""), name="one_notice_a_client_key"
            ),
            models.UniqueConstraint(
                fields=["client_key"],
                condition=Q(account=None) & ~Q(client_key=""),
                name="one_nameless_notice_a_client_key",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class Attachment(Row):
    """A document that came with a notice or an appeal's message, sealed under its sender's key."""

    owner = models.CharField(max_length=50, help_text="Actor under whose key name and bytes are sealed.")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="attachments")
    message = models.ForeignKey("policy.AppealMessage", on_delete=models.PROTECT, null=True, related_name="attachments")
    media_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField()
    key = models.CharField(max_length=100, help_text="Where the sealed bytes are stored.")
    sealed_name = models.BinaryField(default=b"")

    def __str__(self) -> str:
        return f"attachment, {self.media_type}"


class Flag(Row):
    """A reason for a person to look at an asset. Never a judgement."""

    class Origin(models.TextChoices):
        NOTICE = "notice", "a notice"
        DECLARED_SYNTHETIC = "declared_synthetic", "the file declares that it is synthetic"
        CONSENT_WITHDRAWN = "consent_withdrawn", "consent was withdrawn"
        CONSENT_REFUSED = "consent_refused", "consent to publish was refused"
        COPY_OF_HIDDEN = "copy_of_hidden", "it looks the same as a work that is not shown"
        COPY_OF_LISTED = "copy_of_listed", "it looks the same as what we were asked to look at"
        REVIEWER = "reviewer", "a reviewer"

    class State(models.TextChoices):
        RAISED = "raised", "raised"
        CONFIRMED = "confirmed", "confirmed by a decision"
        CLEARED = "cleared", "cleared by a decision"

    MOVES: Moves = {
        State.RAISED: {State.CONFIRMED, State.CLEARED},
        State.CONFIRMED: {State.CLEARED, State.RAISED},
        State.CLEARED: {State.RAISED},
    }

    asset = models.ForeignKey("provenance.Asset", on_delete=models.PROTECT, related_name="flags")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="flags")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="flags")
    origin = models.CharField(max_length=20, choices=Origin.choices)
    reason = models.CharField(max_length=300, help_text="One of the office's own sentences; never free text.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.RAISED)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["asset", "origin"],
                condition=Q(state="raised", notice__isnull=True),
                name="one_raised_flag_an_origin",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_origin_display()} ({self.state})"
