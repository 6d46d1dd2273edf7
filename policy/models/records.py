"""Deadlines, requests about one's own data, breaches, holds, exports and pipeline steps."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.clock import now
from core.states import Moves
from policy.models.base import Row
from policy.models.cases import Case, Notice
from policy.models.decisions import Appeal, AppealMessage, CounterNotice, Decision
from policy.models.people import Person


class Clock(Row):
    """A running deadline, computed once by a dated rule, never again (I13). `legal_status` is always shown."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        MET = "met", "met"
        BREACHED = "breached", "missed"
        VOID = "void", "no longer needed"

    MOVES: Moves = {
        State.RUNNING: {State.PAUSED, State.MET, State.BREACHED, State.VOID},
        State.PAUSED: {State.RUNNING, State.MET, State.VOID},
    }
    # It has not ended.
    ALIVE = (State.RUNNING, State.PAUSED, State.BREACHED)

    class Purpose(models.TextChoices):
        DECIDE = "decide", "Decide"
        ASK = "ask", "Answer our question"
        APPEAL = "appeal", "Time to appeal"
        ANSWER_APPEAL = "answer", "Answer the appeal"
        DUTY = "duty", "Other duty"
        DATA_REQUEST = "data", "Answer the data request"
        MESSAGE = "message", "Answer a question in the appeal"
        RESTORE = "restore", "Restore after a counter-notice"
        BREACH = "breach", "Tell the authority of a breach"
        OUT_OF_COURT = "oods", "The out-of-court body decides"
        FINAL = "final", "The appeal becomes final"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="clocks")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="clocks")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, related_name="clocks")
    appeal = models.ForeignKey(Appeal, on_delete=models.PROTECT, null=True, related_name="clocks")
    data_request = models.ForeignKey("policy.DataRequest", on_delete=models.PROTECT, null=True, related_name="clocks")
    counter_notice = models.ForeignKey(CounterNotice, on_delete=models.PROTECT, null=True, related_name="clocks")
    message = models.ForeignKey(AppealMessage, on_delete=models.PROTECT, null=True, related_name="clocks")
    breach = models.ForeignKey("policy.Breach", on_delete=models.PROTECT, null=True, related_name="clocks")
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    rule_id = models.CharField(max_length=60)
    instrument = models.CharField(max_length=200)
    article = models.CharField(max_length=120)
    jurisdiction = models.CharField(max_length=8)
    pack = models.CharField(max_length=64, help_text="SHA-256 of the pack that the rule came from.")
    legal_status = models.CharField(max_length=10, default="draft", help_text="“draft” until a lawyer has signed.")
    started_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, help_text="Where the rule has an earliest moment.")
    due_at = models.DateTimeField(null=True, help_text="Null: the rule gives no number.")
    ended_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True, help_text="Missed; since then done, or not needed any more.")
    trace = models.JSONField(help_text="Plain sentences: why this rule, and how the date was computed.")
    inputs = models.JSONField(default=dict, help_text="All that due_at was computed from: `assay-clock/1` (I14).")
    pauses = models.JSONField(default=list, help_text='[{"from","to","reason"}], reasons of the office\'s own list.')
    extension = models.JSONField(default=dict, help_text='{"until","reason","at"}, once.')

    class Meta:
        indexes = [
            models.Index(fields=["state", "due_at"]),
            models.Index(fields=["case", "purpose", "state", "due_at"], name="clocks_of_a_case"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.state}"


class DataRequest(Row):
    """A person's request about their own data, how it was answered, and the receipt."""

    class Kind(models.TextChoices):
        ACCESS = "access", "See what is held"
        ERASE = "erase", "Erase"
        RECTIFY = "rectify", "Correct"
        RESTRICT = "restrict", "Store only"
        PORT = "port", "Take along"
        OBJECT = "object", "Object"
        HUMAN = "human", "Have a person look again"

    class State(models.TextChoices):
        RECEIVED = "received", "received"
        VERIFYING = "verifying", "waiting for proof of who asks"
        PLANNED = "planned", "being carried out"
        DONE = "done", "done"
        PARTLY_DONE = "partly_done", "done, but for what a hold keeps"
        REFUSED = "refused", "refused"

    MOVES: Moves = {
        State.RECEIVED: {State.VERIFYING, State.PLANNED, State.DONE, State.PARTLY_DONE, State.REFUSED},
        State.VERIFYING: {State.RECEIVED, State.REFUSED},
        State.PLANNED: {State.RECEIVED, State.DONE, State.PARTLY_DONE, State.REFUSED},
        State.PARTLY_DONE: {State.DONE},
    }
    OPEN = (State.RECEIVED, State.VERIFYING, State.PLANNED)

    class Refusal(models.TextChoices):
        NONE = "", "not refused"
        NOT_IDENTIFIED = "not_identified", "We could not tell that it is you"
        UNFOUNDED = "unfounded", "Manifestly unfounded or excessive"
        OTHERS = "others", "It would reveal somebody else"
        DUTY = "duty", "A duty asks for keeping it"
        NOTHING = "nothing", "Nothing is held"

    class Proof(models.TextChoices):
        NONE = "", "not proved"
        LETTER = "letter", "A letter from the address we hold"
        CODE = "code", "A code that we sent to the address we hold"
        IN_PERSON = "in_person", "In person"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="data_requests")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="data_requests"
    )
    state = models.CharField(max_length=11, choices=State.choices, default=State.RECEIVED)
    plan = models.JSONField(default=list, help_text='[{"field","method"}]: what will be done to which column.')
    sealed_text = models.BinaryField(default=b"", help_text="What shall be corrected or is objected to; their key.")
    refusal = models.CharField(max_length=14, choices=Refusal.choices, default=Refusal.NONE, blank=True)
    handled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Who wrote down what came by letter; null: they asked themselves.",
    )
    proved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Who was shown the proof. Somebody else carries it out.",
    )
    proved_how = models.CharField(max_length=9, choices=Proof.choices, default=Proof.NONE, blank=True)
    receipt = models.JSONField(default=dict)
    done_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"data request: {self.get_kind_display()} ({self.state})"


class Breach(Row):
    """GDPR 33 and 34: a breach of personal data, whom it concerns, and who was told by when."""

    class State(models.TextChoices):
        OPEN = "open", "being looked into"
        TOLD = "told", "the authority was told"
        NOT_TOLD = "not_told", "no risk: the authority need not be told"
        CLOSED = "closed", "closed"

    class Risk(models.TextChoices):
        UNKNOWN = "unknown", "not known yet"
        UNLIKELY = "unlikely", "unlikely"
        RISK = "risk", "a risk"
        HIGH = "high", "a high risk: the people are told too"

    class Kind(models.TextChoices):
        CONFIDENTIALITY = "confidentiality", "somebody saw it"
        INTEGRITY = "integrity", "somebody changed it"
        AVAILABILITY = "availability", "it is lost or out of reach"

    MOVES: Moves = {
        State.OPEN: {State.TOLD, State.NOT_TOLD},
        State.NOT_TOLD: {State.TOLD, State.CLOSED},
        State.TOLD: {State.CLOSED},
        State.CLOSED: set(),
    }

    kind = models.CharField(max_length=15, choices=Kind.choices)
    risk = models.CharField(max_length=8, choices=Risk.choices, default=Risk.UNKNOWN)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    description = models.TextField(max_length=5000, help_text="The office's own words; no personal data.")
    measures = models.TextField(max_length=5000, blank=True)
    aware_at = models.DateTimeField()
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    authority_told_at = models.DateTimeField(null=True)
    late_because = models.CharField(max_length=300, blank=True)
    reference = models.CharField(max_length=60, blank=True, help_text="Of the authority.")
    people_told_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "breaches"

    def __str__(self) -> str:
        return f"breach of {self.kind}, {self.state}"


class BreachParty(Row):
    """Whom a breach concerns, and when they were told."""

    breach = models.ForeignKey(Breach, on_delete=models.PROTECT, related_name="parties")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    told_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "breach parties"

    def __str__(self) -> str:
        return f"concerned by {self.breach}"


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
    """One bundle a regulator asked for: its query and purpose, how far it is, and the digest of the file."""

    class State(models.TextChoices):
        REQUESTED = "requested", "waiting to be built"
        BUILT = "built", "ready"
        FETCHED = "fetched", "fetched"
        EXPIRED = "expired", "past its time"
        FAILED = "failed", "could not be built"

    MOVES: Moves = {
        State.REQUESTED: {State.BUILT, State.FAILED, State.EXPIRED},
        State.BUILT: {State.FETCHED, State.EXPIRED},
        State.FETCHED: {State.EXPIRED},
        State.FAILED: {State.REQUESTED, State.EXPIRED},
        State.EXPIRED: set(),
    }

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="exports")
    query = models.JSONField(default=dict, help_text="As `policy.audits.queries` reads it.")
    purpose = models.CharField(max_length=300)
    state = models.CharField(max_length=9, choices=State.choices, default=State.REQUESTED)
    progress = models.PositiveIntegerField(default=0, help_text="Entries written so far.")
    entries = models.PositiveIntegerField(default=0)
    first = models.PositiveBigIntegerField(default=0, help_text="First index of the range that it covers.")
    tree_size = models.PositiveBigIntegerField(default=0)
    watermark = models.CharField(max_length=40, blank=True, help_text="Stands in the file; names who took it.")
    key = models.CharField(max_length=100, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    expires_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    handed = models.JSONField(
        default=dict, help_text="The account's terms, the cases that were opened, and the keys of what was."
    )

    def __str__(self) -> str:
        return f"export {str(self.pk)[-6:]}"


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
