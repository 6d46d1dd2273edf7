"""Registered works, their files, credentials and fingerprints."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts.models import REVIEWERS, Organisation, User
from core.clock import now
from core.ids import uuid7
from ledger.models import Entry
from provenance.vocabulary import SourceType, Training

SEE_HIDDEN = REVIEWERS


class AssetQuerySet(models.QuerySet["Asset"]):
    def visible_to(self, user: User | AnonymousUser | None) -> AssetQuerySet:
        """What `user` may know about: hidden works are for their owner and for reviewers, all others are public."""
        if not isinstance(user, User) or not user.is_active:
            return self.exclude(restriction=Asset.Restriction.HIDDEN)
        if user.has_role(*SEE_HIDDEN):
            return self.all()
        return self.filter(~models.Q(restriction=Asset.Restriction.HIDDEN) | models.Q(owner=user))


class Asset(models.Model):
    """A registered work. Its bytes never change; only what the public sees of it may be restricted."""

    class Kind(models.TextChoices):
        IMAGE = "image", "Image"
        VIDEO = "video", "Video"

    class State(models.TextChoices):
        REGISTERED = "registered", "Registered"

    class Restriction(models.TextChoices):
        NONE = "", "None"
        LABELLED = "labelled", "Labelled"
        AGE_RESTRICTED = "age_restricted", "Adults only"
        HIDDEN = "hidden", "Hidden"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="assets")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, null=True, related_name="assets")
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    media_type = models.CharField(max_length=32)
    source_type = models.CharField(max_length=48, choices=SourceType.choices)
    training = models.CharField(max_length=12, choices=Training.choices, default=Training.NOT_ALLOWED)
    state = models.CharField(max_length=12, choices=State.choices, default=State.REGISTERED)
    restriction = models.CharField(max_length=16, choices=Restriction.choices, default=Restriction.NONE, blank=True)
    label_text = models.CharField(max_length=300, blank=True)
    original_sha256 = models.CharField(max_length=64, help_text="Of the file as it was sent.")
    near_duplicates = models.JSONField(default=list, help_text="Asset ids and distances, as found at registration.")
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="+")

    objects = AssetQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "original_sha256"], name="a_file_once_an_owner")]
        indexes = [models.Index(fields=["owner", "-id"])]

    def __str__(self) -> str:
        return self.title

    @property
    def is_hidden(self) -> bool:
        return self.restriction == self.Restriction.HIDDEN

    def rendition(self, role: str) -> Rendition:
        """The file of this work with that role. Raises Rendition.DoesNotExist."""
        return self.renditions.get(role=role)


class Rendition(models.Model):
    """One file of a work. key: its address in core.storage."""

    class Role(models.TextChoices):
        ORIGINAL = "original", "As it was sent"
        SIGNED = "signed", "With its credential"
        PREVIEW = "preview", "Small, without metadata"

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="renditions")
    role = models.CharField(max_length=8, choices=Role.choices)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    media_type = models.CharField(max_length=32)
    key = models.CharField(max_length=200, db_index=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    seconds = models.DecimalField(max_digits=9, decimal_places=3, null=True, help_text="Of a video.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "role"], name="one_rendition_a_role")]

    def __str__(self) -> str:
        return f"{self.role} of {self.asset_id}"


class Manifest(models.Model):
    """The C2PA manifest this office made. sha256: of the manifest store as it is embedded (JUMBF bytes)."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="manifests")
    label = models.CharField(max_length=200, help_text="urn:c2pa:…")
    sha256 = models.CharField(max_length=64, unique=True)
    active = models.JSONField(help_text="The active manifest as the C2PA reader returns it.")
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return self.label


class Fingerprint(models.Model):
    """A code that stays near when the work is re-encoded, resized or captioned (see provenance.matching)."""

    class Algorithm(models.TextChoices):
        ISCC_IMAGE = "iscc-image-256", "ISCC Image-Code, 256 bits"
        DHASH = "dhash-64", "Difference hash, 64 bits"

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="fingerprints")
    algorithm = models.CharField(max_length=16, choices=Algorithm.choices)
    value = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "algorithm"], name="one_fingerprint_an_algorithm")]

    def __str__(self) -> str:
        return f"{self.algorithm} of {self.asset_id}"
