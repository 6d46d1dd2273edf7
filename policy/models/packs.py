"""Versions of rule packs, kept for ever: an old case is read under the pack it was decided with."""

from django.conf import settings
from django.db import models

from core.states import Moves
from policy.models.base import Row


class PackVersion(Row):
    """One version of a pack of rules: its text, who approved it, and the office's signature over its digest."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        IN_REVIEW = "in_review", "waiting for approval"
        APPROVED = "approved", "approved"
        IN_FORCE = "in_force", "in force"
        RETIRED = "retired", "replaced or retired"

    class Origin(models.TextChoices):
        SHIPPED = "shipped", "came with the software"
        OFFICE = "office", "made in this office"

    MOVES: Moves = {
        State.DRAFT: {State.IN_REVIEW, State.RETIRED},
        State.IN_REVIEW: {State.APPROVED, State.DRAFT, State.RETIRED},
        State.APPROVED: {State.IN_FORCE, State.RETIRED},
        State.IN_FORCE: {State.RETIRED},
        State.RETIRED: set(),
    }

    name = models.CharField(max_length=40)
    version = models.CharField(max_length=20)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 over `content`.")
    content = models.TextField(help_text="The pack, as YAML.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    origin = models.CharField(max_length=7, choices=Origin.choices)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="packs")
    effective_from = models.DateTimeField(null=True, help_text="Clocks that start from then on follow it.")
    signature = models.BinaryField(default=b"", help_text="Ed25519 over the digest.")
    signer = models.CharField(max_length=120, blank=True, help_text="The verifier key, as text.")
    published_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="one_version_of_a_pack")]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class PackApproval(Row):
    """That somebody other than the author read the pack and approved it; one of two as a lawyer."""

    pack = models.ForeignKey(PackVersion, on_delete=models.PROTECT, related_name="approvals")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    as_legal = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pack", "by"], name="one_approval_of_a_pack")]

    def __str__(self) -> str:
        return f"approval of {self.pack}"
