"""The rows of the log. Entry, Sequence and Checkpoint are append-only: the database itself refuses to change them
(migration 0002); full tiles never change, partial tiles only grow. SealedSection and PersonKey can be deleted: that is
erasure.
"""

import uuid

from django.db import models

from core.clock import now


class Entry(models.Model):
    """One leaf: its exact bytes (`docs/formats.md`). `id` is the order of insertion, not the index in the log."""

    id = models.BigAutoField(primary_key=True)
    leaf = models.BinaryField(help_text="Canonical JSON, stored byte-exact and never re-serialised.")
    leaf_hash = models.BinaryField(max_length=32, unique=True, help_text="SHA-256(0x00 || leaf), RFC 6962.")
    type = models.CharField(max_length=40, db_index=True)
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"entry {self.pk}: {self.type}"

    @property
    def index(self) -> int | None:
        """The place in the log, None until the sequencer has given one."""
        # A missing related row is an AttributeError; a found one never changes and stays cached.
        place: Sequence | None = getattr(self, "sequence", None)
        if place is None:
            self._state.fields_cache.pop("sequence", None)  # Django would remember the miss too
            return None
        return place.index


class Outbox(models.Model):
    """Entries that wait for an index (PostgreSQL; on SQLite the index is given in the caller's transaction)."""

    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, primary_key=True, related_name="+")

    def __str__(self) -> str:
        return f"waiting: entry {self.pk}"


class Sequence(models.Model):
    """Which entry is at which index. Gap-free from 0; its primary key fences two sequencers from each other."""

    index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="sequence")

    def __str__(self) -> str:
        return f"index {self.index}"


class Tile(models.Model):
    """Up to 256 consecutive hashes of one level of the tree (C2SP tlog-tiles), concatenated."""

    level = models.PositiveSmallIntegerField()
    n = models.BigIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "n"], name="one_tile_a_place")]

    def __str__(self) -> str:
        return f"tile {self.level}/{self.n}"


class Checkpoint(models.Model):
    """A signed tree head (C2SP tlog-checkpoint)."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"checkpoint of {self.size}"


class PersonKey(models.Model):
    """The data key of one person, wrapped by the office's master key. Deleting the row is irrevocable."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.CharField(max_length=120, unique=True)
    wrapped = models.BinaryField()
    version = models.PositiveSmallIntegerField(help_text="Which master key wraps it.")
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"key {self.pk}"


class SealedSection(models.Model):
    """The opening of one commitment in a leaf, encrypted: salt (32 bytes) and value, under a person's key."""

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="sections")
    name = models.CharField(max_length=40)
    person = models.CharField(max_length=120, db_index=True)
    ciphertext = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "name"], name="one_section_a_name")]

    def __str__(self) -> str:
        return f"section {self.name} of entry {self.entry_id}"
