"""Decisions, what they did, whom they were explained to, and appeals against them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.states import Moves
from policy.models.base import Row
from policy.models.cases import Case, Category, Notice
from policy.models.people import Person


class Decision(Row):
    """What a reviewer decided, on which ground, citing which dated rules. Automation is derived, never typed."""

    class Outcome(models.TextChoices):
        NO_ACTION = "no_action", "No action"
        LABEL = "label", "Label"
        AGE_RESTRICT = "age_restrict", "Age restriction"
        GEO_RESTRICT = "geo_restrict", "Not shown in some places"
        HIDE = "hide", "Hide"
        REMOVE = "remove", "Remove"
        HASH_BLOCK = "hash_block", "Block copies"
        SUSPEND = "suspend", "Suspend the account"

    class Ground(models.TextChoices):
        ILLEGAL = "illegal", "A law"
        TERMS = "terms", "The terms of this office"

    class State(models.TextChoices):
        HELD = "held", "waiting for a second person"
        RETURNED = "returned", "sent back by the second person"
        WITHDRAWN = "withdrawn", "taken back before a second person agreed"
        IN_EFFECT = "in_effect", "in effect"
        EXPIRED = "expired", "run out"
        REVERSED = "reversed", "reversed on appeal"
        SUPERSEDED = "superseded", "superseded by a later decision"

    BEGINS = (State.HELD, State.IN_EFFECT)
    MOVES: Moves = {
        State.HELD: {State.IN_EFFECT, State.RETURNED, State.WITHDRAWN},
        State.IN_EFFECT: {State.REVERSED, State.SUPERSEDED, State.EXPIRED},
        State.EXPIRED: {State.REVERSED, State.SUPERSEDED},
    }
    # What it did, or leaves behind, can be appealed and undone: of one that ran out, that it counted (I4).
    STANDING = (State.IN_EFFECT, State.EXPIRED)

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="decisions")
    decider = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.IN_EFFECT)
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    also = models.JSONField(default=list, help_text="Further outcomes of the same decision: hash_block, suspend.")
    interim = models.BooleanField(default=False, help_text="A measure until the case is decided; leaves it undecided.")
    territory = models.JSONField(default=list, help_text="Places where it applies; none: everywhere.")
    starts_at = models.DateTimeField(null=True, help_text="When it took effect; null while it is held.")
    ends_at = models.DateTimeField(null=True, help_text="When it runs out by itself.")
    held_for = models.JSONField(default=list, help_text="The rules by which a second person is needed.")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    returned_because = models.TextField(max_length=5000, blank=True, help_text="Why the second person sent it back.")
    exemptions = models.JSONField(default=list, help_text="Values of Exemption that were weighed.")
    ground = models.CharField(max_length=7, choices=Ground.choices)
    rule_refs = models.JSONField(help_text='[{"id","instrument","article","status","pack"}], at least one.')
    facts_text = models.TextField(max_length=5000)
    explanation = models.TextField(max_length=5000)
    automated_detection = models.BooleanField(help_text="A flag of the case came from a machine.")

    def __str__(self) -> str:
        return f"decision “{self.get_outcome_display()}”"

    @property
    def automated_decision(self) -> str:
        """DSA 17(3)(c): no outcome is executed here without a person."""
        return "AUTOMATED_DECISION_NOT_AUTOMATED"


class Action(Row):
    """One thing a decision did, with what it changed, so that it can be undone completely."""

    class State(models.TextChoices):
        PLANNED = "planned", "planned"
        EXECUTED = "executed", "executed"
        REVERSED = "reversed", "reversed"
        FAILED = "failed", "failed"

    BEGINS = (State.PLANNED, State.EXECUTED)
    MOVES: Moves = {
        State.PLANNED: {State.EXECUTED, State.REVERSED},
        State.EXECUTED: {State.REVERSED, State.FAILED},
        State.FAILED: {State.EXECUTED},
    }

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="actions")
    kind = models.CharField(max_length=16)
    inverse = models.CharField(max_length=16, blank=True, help_text="What undoes it; empty: nothing can (I3).")
    planned_for = models.DateTimeField(null=True, help_text="What cannot be undone waits until then.")
    pre_image = models.JSONField(help_text="What it changed, as it was before.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.EXECUTED)
    reversed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"


class Affected(models.TextChoices):
    """In which role somebody is affected by a decision."""

    UPLOADER = "uploader", "uploader"
    NOTIFIER = "notifier", "notifier"
    DEPICTED = "depicted", "person shown"


class StatementOfReasons(Row):
    """DSA 17, one per affected recipient. `structured` is the statement; `text` is generated from it."""

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="statements")
    recipient = models.CharField(max_length=8, choices=Affected.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="statements")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="statements")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="statements")
    locale = models.CharField(max_length=8, default="en")
    structured = models.JSONField()
    text = models.TextField()
    puid = models.CharField(max_length=60, unique=True, null=True, help_text="Number in the transparency database.")
    tdb = models.JSONField(null=True, help_text="The transparency database's record; only the uploader's statement.")
    exported_at = models.DateTimeField(null=True)
    corrects = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="corrected_by")
    delivered_at = models.DateTimeField(
        null=True, help_text="When the message that it is there was handed to the mail server."
    )

    class Meta:
        verbose_name_plural = "statements of reasons"

    def __str__(self) -> str:
        return f"statement of reasons to the {self.recipient}"


class Appeal(Row):
    """A complaint against a decision, heard and decided by somebody else."""

    class State(models.TextChoices):
        FILED = "filed", "filed"
        ASSIGNED = "assigned", "being heard"
        WAITING = "waiting", "waiting for an answer"
        DECIDED = "decided", "decided"
        WITHDRAWN = "withdrawn", "withdrawn"
        OUT_OF_COURT = "out_of_court", "before an out-of-court body"
        FINAL = "final", "final"

    class Outcome(models.TextChoices):
        UPHOLD = "uphold", "The decision stands"
        OVERTURN = "overturn", "The decision is overturned"
        MODIFY = "modify", "The decision is changed"
        INADMISSIBLE = "inadmissible", "The appeal cannot be heard"

    MOVES: Moves = {
        State.FILED: {State.ASSIGNED, State.DECIDED, State.WITHDRAWN},
        State.ASSIGNED: {State.FILED, State.WAITING, State.DECIDED, State.WITHDRAWN},
        State.WAITING: {State.ASSIGNED, State.DECIDED, State.WITHDRAWN},
        State.DECIDED: {State.OUT_OF_COURT, State.FINAL},
        State.OUT_OF_COURT: {State.FINAL},
        State.WITHDRAWN: set(),
        State.FINAL: set(),
    }
    UNDECIDED = (State.FILED, State.ASSIGNED, State.WAITING)
    HEARD_BY_ONE = (State.ASSIGNED, State.WAITING)
    HEARD = (*UNDECIDED, State.OUT_OF_COURT)
    # Something can still come of it: also where who appealed did not win, and may go to a body outside until it is
    # final.
    OPEN = Q(state__in=HEARD) | Q(state=State.DECIDED) & ~Q(outcome=Outcome.OVERTURN)

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="appeals")
    role = models.CharField(max_length=8, choices=Affected.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="appeals")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="appeals")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="appeals")
    language = models.CharField(max_length=8, default="en")
    sealed_grounds = models.BinaryField(default=b"", help_text="Sealed under the appellant's key.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.FILED)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="assigned_appeals"
    )
    decider = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    outcome = models.CharField(max_length=12, choices=Outcome.choices, blank=True)
    reasons = models.TextField(max_length=5000, blank=True)
    decided_at = models.DateTimeField(null=True)
    replacement = models.OneToOneField(
        Decision, on_delete=models.PROTECT, null=True, related_name="replaces", help_text="Of a changed decision."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["decision", "user"], name="one_appeal_a_person"),
            models.UniqueConstraint(fields=["decision", "notice"], name="one_appeal_a_notice"),
            models.UniqueConstraint(fields=["decision", "person"], name="one_appeal_a_person_shown"),
        ]

    def __str__(self) -> str:
        return f"appeal of the {self.role} ({self.state})"

    @property
    def appellant(self) -> str:
        """The ledger's opaque name of who appeals."""
        if self.user is not None:
            return self.user.actor
        if self.person is not None:
            return self.person.actor
        assert self.notice is not None
        return self.notice.filer.actor


class AppealMessage(Row):
    """One message of the dialogue in an appeal: a question of the office, or an answer."""

    appeal = models.ForeignKey(Appeal, on_delete=models.PROTECT, related_name="messages")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", help_text="Null: who appeals."
    )
    sealed_text = models.BinaryField(default=b"", help_text="Sealed under the appellant's key.")
    asks_until = models.DateTimeField(null=True, help_text="A question: until when an answer is waited for.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"message in {self.appeal}"


class OutOfCourt(Row):
    """DSA 21: that a certified body looks, or looked, at the dispute, and what it said. It binds nobody."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    class Outcome(models.TextChoices):
        NONE = "", "not known yet"
        OFFICE = "office", "for the office"
        APPELLANT = "appellant", "for the appellant"
        SETTLED = "settled", "settled"
        REFUSED = "refused", "not taken on"

    MOVES: Moves = {State.OPEN: {State.CLOSED}}

    appeal = models.OneToOneField(Appeal, on_delete=models.PROTECT, related_name="out_of_court")
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Somebody else records that the office does what the body said.",
    )
    body = models.CharField(max_length=120)
    reference = models.CharField(max_length=60)
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(max_length=9, choices=Outcome.choices, default=Outcome.NONE, blank=True)
    complied = models.BooleanField(null=True, help_text="Whether the office did what the body said.")
    closed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.body}, {self.reference}"


class CounterNotice(Row):
    """17 U.S.C. 512(g): the uploader swears that material was removed by mistake; it comes back between two days."""

    class State(models.TextChoices):
        INCOMPLETE = "incomplete", "waiting for missing information"
        VALID = "valid", "received"
        FORWARDED = "forwarded", "forwarded; the time for an action runs"
        RESTORED = "restored", "restored"
        BLOCKED = "blocked", "not restored: an action was filed"
        WITHDRAWN = "withdrawn", "withdrawn"

    BEGINS = (State.INCOMPLETE, State.VALID)
    MOVES: Moves = {
        State.INCOMPLETE: {State.VALID, State.WITHDRAWN},
        State.VALID: {State.FORWARDED, State.WITHDRAWN},
        State.FORWARDED: {State.RESTORED, State.BLOCKED, State.WITHDRAWN},
        State.RESTORED: set(),
        State.BLOCKED: {State.FORWARDED},  # a lead reviewer found no action
        State.WITHDRAWN: set(),
    }

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="counter_notices")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="counter_notices")
    state = models.CharField(max_length=10, choices=State.choices, default=State.INCOMPLETE)
    sworn = models.JSONField(default=list, help_text='[{"statement","version","at"}]')
    missing = models.JSONField(default=list)
    sealed_fields = models.BinaryField(default=b"", help_text="What 512(g)(3) asks for, sealed under who files it.")
    forwarded_at = models.DateTimeField(null=True)
    forwarded_to = models.JSONField(default=list, help_text="Ids of the notices whose filers were given a copy.")
    earliest_restore = models.DateTimeField(null=True)
    latest_restore = models.DateTimeField(null=True)
    action_told_at = models.DateTimeField(
        null=True, help_text="When a complainant last told of an action for an order."
    )
    actions = models.JSONField(default=list, help_text='[{"notice","told_at","state": told, found or lifted}]')
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["decision", "by"], name="one_counter_notice_a_decision")]

    def __str__(self) -> str:
        return f"counter-notice ({self.state})"


class HashEntry(Row):
    """One digest whose copies are kept out, with the decision or the person's own wish behind it."""

    class Algorithm(models.TextChoices):
        SHA256 = "sha256", "SHA-256 of the file"
        ISCC_IMAGE = "iscc-image-256", "ISCC Image-Code, 256 bits"
        DHASH = "dhash-64", "Difference hash, 64 bits"
        PDQ = "pdq-256", "PDQ, 256 bits"
        ISCC_AUDIO = "iscc-audio-256", "ISCC Audio-Code, 256 bits"
        FRAMES = "frames-256", "Frame vectors of a video, 256 bits"

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        SUSPENDED = "suspended", "suspended"
        WITHDRAWN = "withdrawn", "withdrawn"
        EXPIRED = "expired", "run out"
        PURGED = "purged", "purged"

    MOVES: Moves = {
        State.ACTIVE: {State.SUSPENDED, State.WITHDRAWN, State.EXPIRED},
        State.SUSPENDED: {State.ACTIVE, State.WITHDRAWN, State.EXPIRED},
        State.WITHDRAWN: {State.PURGED},
        State.EXPIRED: {State.PURGED},
        State.PURGED: set(),
    }

    algorithm = models.CharField(max_length=16, choices=Algorithm.choices)
    value = models.CharField(max_length=64, blank=True, help_text="Hex; emptied when purged.")
    category = models.CharField(max_length=20, choices=Category.choices)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, related_name="hash_entries")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, related_name="hash_entries")
    territory = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True)
    shared_with = models.JSONField(default=list, help_text="Names of lists it was given to.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.ACTIVE)

    class Meta:
        verbose_name_plural = "hash entries"
        indexes = [models.Index(fields=["algorithm", "value"])]

    def __str__(self) -> str:
        return f"{self.algorithm} ({self.state})"


class Suspension(Row):
    """That an account may not register or file for a while, why, and until when. Reading and appealing stay open."""

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        LIFTED = "lifted", "lifted"
        ENDED = "ended", "ended"

    MOVES: Moves = {State.ACTIVE: {State.LIFTED, State.ENDED}, State.ENDED: set(), State.LIFTED: {State.ACTIVE}}

    class Scope(models.TextChoices):
        UPLOADS = "uploads", "registering works"
        NOTICES = "notices", "filing notices"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="suspensions")
    scope = models.CharField(max_length=8, choices=Scope.choices)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, related_name="suspensions")
    until = models.DateTimeField()
    state = models.CharField(max_length=6, choices=State.choices, default=State.ACTIVE)
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"suspension from {self.get_scope_display()}, {self.state}"


class Strike(Row):
    """A decision that counts against who uploaded, until it expires or is overturned."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="strikes")
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="strike")
    expires_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"strike until {self.expires_at:%Y-%m-%d}"


class Misuse(Row):
    """DSA 23: whether somebody misuses uploads or notices; warned before anything is suspended."""

    class Kind(models.TextChoices):
        UPLOADS = "uploads", "uploads that decisions restricted"
        NOTICES = "notices", "manifestly unfounded notices"

    class State(models.TextChoices):
        OBSERVED = "observed", "observed"
        WARNED = "warned", "warned"
        SUSPENDED = "suspended", "suspended"
        ENDED = "ended", "ended"

    MOVES: Moves = {
        State.OBSERVED: {State.WARNED, State.ENDED},
        State.WARNED: {State.SUSPENDED, State.ENDED},
        State.SUSPENDED: {State.ENDED},
        State.ENDED: set(),
    }

    kind = models.CharField(max_length=7, choices=Kind.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="misuses")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="misuses")
    state = models.CharField(max_length=9, choices=State.choices, default=State.OBSERVED)
    factors = models.JSONField(default=dict, help_text="DSA 23(3): absolute, relative, gravity, intent.")
    warned_at = models.DateTimeField(null=True)
    warned_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind"], condition=~models.Q(state="ended"), name="one_misuse_an_account"
            ),
            models.UniqueConstraint(
                fields=["person", "kind"], condition=~models.Q(state="ended"), name="one_misuse_a_person"
            ),
        ]

    def __str__(self) -> str:
        return f"misuse of {self.kind}: {self.state}"
