"""Registered works, their files, credentials and fingerprints."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts.models import REVIEWERS, Organisation, User
from core.clock import now
from core.ids import uuid7
from ledger.models import Entry
from provenance import validity
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
        AUDIO = "audio", "Sound"
        DOCUMENT = "document", "Document"
        FILE = "file", "File"

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
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes of the file as it was sent, or measured.")
    held = models.BooleanField(default=True, help_text="False: registered by its SHA-256; the file was never sent.")
    source_type = models.CharField(max_length=48, choices=SourceType.choices)
    training = models.CharField(max_length=12, choices=Training.choices, default=Training.NOT_ALLOWED)
    state = models.CharField(max_length=12, choices=State.choices, default=State.REGISTERED)
    restriction = models.CharField(max_length=16, choices=Restriction.choices, default=Restriction.NONE, blank=True)
    label_text = models.CharField(max_length=300, blank=True)
    hidden_in = models.JSONField(default=list, help_text="Places where it is not shown, besides its restriction.")
    removed_at = models.DateTimeField(null=True, help_text="When its files were deleted for good.")
    original_sha256 = models.CharField(max_length=64, db_index=True, help_text="Of the file as it was sent.")
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
    media_type = models.CharField(max_length=100)
    key = models.CharField(max_length=200, db_index=True)
    width = models.PositiveIntegerField(null=True, help_text="Pixels; of what has none or is not decoded: nothing.")
    height = models.PositiveIntegerField(null=True)
    seconds = models.DecimalField(max_digits=9, decimal_places=3, null=True, help_text="Of video and sound.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "role"], name="one_rendition_a_role")]

    def __str__(self) -> str:
        return f"{self.role} of {self.asset_id}"


class Manifest(models.Model):
    """A C2PA manifest this office made. sha256: of the manifest store (JUMBF bytes), which is kept under `key`."""

    class Form(models.TextChoices):
        EMBEDDED = "embedded", "In the file"
        DETACHED = "detached", "Beside the file, over all its bytes"
        UPDATE = "update", "A later addition to the one it replaces"

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="manifests")
    form = models.CharField(max_length=8, choices=Form.choices, default=Form.EMBEDDED)
    label = models.CharField(max_length=200, db_index=True, help_text="urn:c2pa:…")
    sha256 = models.CharField(max_length=64, unique=True)
    key = models.CharField(max_length=200, blank=True, db_index=True, help_text="Of the store, in core.storage.")
    serial = models.CharField(max_length=60, blank=True, help_text="Of the signing certificate, decimal.")
    stamped_at = models.DateTimeField(null=True, help_text="By the time-stamp in it.")
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="replaced_by")
    active = models.JSONField(help_text="The active manifest as the C2PA reader returns it.")
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return self.label


class Fingerprint(models.Model):
    """A code that stays near when the work is re-encoded, resized or captioned (see provenance.matching)."""

    class Algorithm(models.TextChoices):
        ISCC_IMAGE = "iscc-image-256", "ISCC Image-Code, 256 bits"
        DHASH = "dhash-64", "Difference hash, 64 bits"
        ISCC_AUDIO = "iscc-audio-256", "ISCC Audio-Code, 256 bits"
        FRAMES = "frames-256", "Frame vectors of a video, 256 bits"
        WATERMARK = "rivagan-32", "Code of the invisible watermark, 32 bits"

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="fingerprints")
    algorithm = models.CharField(max_length=16, choices=Algorithm.choices)
    value = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "algorithm"], name="one_fingerprint_an_algorithm")]

    def __str__(self) -> str:
        return f"{self.algorithm} of {self.asset_id}"


class TrustList(models.Model):
    """One version of a named list of certificates (PEM). A verdict names the list and the version that decided it.

    In force from `effective_from` until the next version of the same uri is, or until `effective_until`.
    """

    class Kind(models.TextChoices):
        SIGNER = validity.SIGNER, "Signers of credentials"
        TSA = validity.TSA, "Time-stamp authorities"
        IDENTITY = validity.IDENTITY, "Identities (CAWG)"

    uri = models.CharField(max_length=200, help_text="Under which verdicts name the list.")
    name = models.CharField(max_length=120)
    version = models.CharField(max_length=60)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, null=True, related_name="trust_lists")
    pem = models.TextField(help_text="The certificates; none, to withdraw the list.", blank=True)
    sha256 = models.CharField(max_length=64, help_text="Of the PEM.")
    source = models.CharField(max_length=300, blank=True, help_text="Where it was taken from, in words.")
    effective_from = models.DateTimeField()
    effective_until = models.DateTimeField(null=True)
    added_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["uri", "version"], name="a_version_of_a_trust_list_once")]
        indexes = [models.Index(fields=["uri", "effective_from"])]

    def __str__(self) -> str:
        return f"{self.name}, {self.version}"


class Revocation(models.Model):
    """A certificate whose signatures do not count any more from `revoked_at` on."""

    serial = models.CharField(max_length=60, help_text="Decimal, as the certificate has it.")
    issuer = models.CharField(max_length=300, blank=True, help_text="Common name or organisation; blank: any.")
    revoked_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    added_at = models.DateTimeField(default=now)
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["serial", "issuer"], name="a_certificate_is_revoked_once")]

    def __str__(self) -> str:
        return f"{self.serial}: {self.reason}"


class KeptReport(models.Model):
    """A report somebody asked a link for. The file itself is not kept; the report goes after `until`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sha256 = models.CharField(max_length=64, db_index=True, help_text="Of the file.")
    report = models.JSONField(help_text="As `Report.as_dict` told it then.")
    created_at = models.DateTimeField(default=now)
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.pk)
