"""What the public reads about this office: reports with figures, notices, proposals to change the rules."""

from django.conf import settings
from django.db import models

from core.states import Moves
from policy.models.base import Row


class TransparencyReport(Row):
    """One version of the report on a period. Published versions never change; a correction is the next version."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        FROZEN = "frozen", "frozen"
        PUBLISHED = "published", "published"
        CORRECTED = "corrected", "replaced by a correction"

    MOVES: Moves = {
        State.DRAFT: {State.FROZEN},
        State.FROZEN: {State.PUBLISHED, State.DRAFT},  # sent back by who was to publish it
        State.PUBLISHED: {State.CORRECTED},
        State.CORRECTED: set(),
    }

    since = models.DateField(help_text="First day (UTC).")
    until = models.DateField(help_text="Last day (UTC).")
    version = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    tree_size = models.PositiveBigIntegerField(default=0, help_text="Size of the log that the figures were counted in.")
    root = models.CharField(max_length=64, blank=True, help_text="Its root, hex.")
    counted_at = models.DateTimeField(null=True)
    words = models.JSONField(default=dict, help_text="Qualitative parts: {section: text}; no personal data.")
    why = models.CharField(max_length=300, blank=True, help_text="Of a correction: what was wrong.")
    corrects = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="corrected_by", help_text="The version before."
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    published_at = models.DateTimeField(null=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the published figures, canonical JSON.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["since", "until", "version"], name="one_version_of_a_report"),
        ]

    def __str__(self) -> str:
        return f"report {self.since} to {self.until}, version {self.version}"


class Figure(models.Model):
    """One number or table of a report, with the query that gives it and the part of the log that it was asked of."""

    report = models.ForeignKey(TransparencyReport, on_delete=models.CASCADE, related_name="figures")
    section = models.CharField(max_length=40)
    key = models.CharField(max_length=80)
    query = models.JSONField(help_text="As `policy.transparency.figures` reads it.")
    first = models.PositiveBigIntegerField(help_text="First index of the range.")
    size = models.PositiveBigIntegerField(help_text="The range ends before this index.")
    value = models.JSONField(help_text="A number, or {label: number}, before small cells are hidden.")
    shown = models.JSONField(help_text="The same as published; null where a number is hidden.", null=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["report", "key"], name="one_figure_a_key")]
        ordering = ("position",)

    def __str__(self) -> str:
        return self.key


class RegisterEntry(Row):
    """A notice in the public register: what kind, where, and what came of it; never who, whose or which work."""

    class State(models.TextChoices):
        PUBLISHED = "published", "published"
        WITHHELD = "withheld", "withheld"

    MOVES: Moves = {State.PUBLISHED: {State.WITHHELD}, State.WITHHELD: {State.PUBLISHED}}

    notice = models.OneToOneField("policy.Notice", on_delete=models.PROTECT, related_name="register_entry")
    number = models.CharField(max_length=20, unique=True, help_text="Its public number; says nothing of the notice's.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PUBLISHED)
    period = models.CharField(max_length=7, help_text="Quarter it was published in, 2026-Q4: a day points at a case.")
    shown = models.JSONField(default=dict, help_text="As `policy.transparency.coarsening` leaves it; empty: not told.")
    amended = models.CharField(max_length=7, blank=True, help_text="Quarter in which its outcome was amended.")
    withheld_because = models.CharField(max_length=300, blank=True)
    redacted_text = models.TextField(
        max_length=5000, blank=True, help_text="For researchers: the notice's words, redacted by a person."
    )
    redacted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name_plural = "register entries"

    def __str__(self) -> str:
        return self.number


class ResearchAccess(Row):
    """A link by which a researcher reads the redacted register, until a day. Only the token's hash is kept."""

    institution = models.CharField(max_length=120)
    purpose = models.CharField(max_length=300)
    token_hash = models.CharField(max_length=64, unique=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    opened = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "research accesses"

    def __str__(self) -> str:
        return self.institution


class Proposal(Row):
    """A change of the office's rules that the public may comment on, between two days (R38)."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        OPEN = "open", "open for comment"
        CLOSED = "closed", "being answered"
        ANSWERED = "answered", "answered"
        WITHDRAWN = "withdrawn", "withdrawn"

    MOVES: Moves = {
        State.DRAFT: {State.OPEN, State.WITHDRAWN},
        State.OPEN: {State.CLOSED, State.WITHDRAWN},
        State.CLOSED: {State.ANSWERED, State.WITHDRAWN},
        State.ANSWERED: set(),
        State.WITHDRAWN: set(),
    }

    title = models.CharField(max_length=160)
    text = models.TextField(max_length=20_000)
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    opens_at = models.DateTimeField(null=True)
    closes_at = models.DateTimeField(null=True)
    answer = models.TextField(max_length=20_000, blank=True, help_text="What became of it, and why.")
    answered_at = models.DateTimeField(null=True)
    pack_version = models.ForeignKey("policy.PackVersion", on_delete=models.PROTECT, null=True, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.title


class Comment(Row):
    """What somebody says about a proposal. Read by a person before it is shown; answered with a date."""

    class State(models.TextChoices):
        RECEIVED = "received", "waiting to be read"
        SHOWN = "shown", "shown"
        WITHHELD = "withheld", "not shown"

    MOVES: Moves = {State.RECEIVED: {State.SHOWN, State.WITHHELD}, State.SHOWN: {State.WITHHELD}}

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="comments")
    alias = models.CharField(max_length=60, blank=True, help_text="As they want to be called; published.")
    text = models.TextField(max_length=4000, help_text="Published; no personal data of others.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.RECEIVED)
    withheld_because = models.CharField(max_length=300, blank=True)
    reply = models.TextField(max_length=4000, blank=True)
    replied_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"comment of {self.created_at:%Y-%m-%d}"
