"""The rows of the log. What was written, sequenced, signed, cosigned and stamped is append-only: the database itself
refuses to change it (`ledger.protection`); full tiles never change, partial tiles only grow. SealedSection and
PersonKey can be deleted: that is erasure.
"""

import uuid

from django.db import models

from core.clock import now


class Entry(models.Model):
    """One leaf: its exact bytes (`docs/formats.md`). `id` is the order of insertion, not the index in the log."""

    id = models.BigAutoField(primary_key=True)
    leaf = models.BinaryField(help_text="Canonical JSON, stored byte-exact and never re-serialised.")
    # Not indexed: two leaves never have one hash (each has a nonce), and nothing is looked up by it.
    leaf_hash = models.BinaryField(max_length=32, help_text="SHA-256(0x00 || leaf), RFC 6962.")
    type = models.CharField(max_length=40)
    # Indexed by migration 0008, on PostgreSQL by block ranges: entries come in the order of time.
    created_at = models.DateTimeField(default=now)

    class Meta:
        # Not `db_index`, which on PostgreSQL makes a second index, for LIKE, that every append would pay for.
        indexes = [models.Index(fields=["type"], name="entries_by_type")]

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
    """Entries that wait for an index (PostgreSQL; on SQLite the index is given in the caller's transaction).

    There it is a heap without index or foreign key (migration 0007), because every append pays for those; the
    sequencer takes only ids that are entries, and an index twice is refused by `Sequence`.
    """

    entry = models.OneToOneField(
        Entry, on_delete=models.PROTECT, primary_key=True, related_name="+", db_constraint=False
    )
    transaction = models.CharField(max_length=32, default="", help_text="Which transaction appended it; see Change.")

    def __str__(self) -> str:
        return f"waiting: entry {self.pk}"


class Sequence(models.Model):
    """Which entry is at which index. Gap-free from 0; its primary key fences two sequencers from each other."""

    index = models.BigIntegerField(primary_key=True)
    # The sequencer takes only ids that are entries, and no entry ever goes: a foreign key would only look again.
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="sequence", db_constraint=False)

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


class Cosignature(models.Model):
    """One witness's cosignature line over a checkpoint (C2SP tlog-cosignature)."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="cosignatures")
    name = models.CharField(max_length=255, help_text="The witness's key name.")
    key_id = models.BigIntegerField()
    line = models.TextField(help_text="The note signature line, ended by a newline.")
    timestamp = models.BigIntegerField(help_text="When the witness says it cosigned, POSIX seconds.")
    created_at = models.DateTimeField(default=now)

    class Meta:
        # Several of one witness: an old checkpoint is cosigned again as long as there is no newer one.
        constraints = [
            models.UniqueConstraint(fields=["checkpoint", "name", "key_id", "timestamp"], name="one_cosignature_a_time")
        ]

    def __str__(self) -> str:
        return f"cosignature of {self.checkpoint_id} by {self.name}"


class Stamp(models.Model):
    """An RFC 3161 time-stamp token over a checkpoint's bytes."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="stamps")
    authority = models.CharField(max_length=200, help_text="Whose: `own`, or the host name of the authority.")
    token = models.BinaryField(help_text="The whole TimeStampResp, DER.")
    at = models.DateTimeField(help_text="The token's own time.")
    created_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["checkpoint", "authority"], name="one_stamp_an_authority")]

    def __str__(self) -> str:
        return f"stamp of {self.checkpoint_id} by {self.authority}"


class LogKey(models.Model):
    """A public key this log signs, or has signed, with. Several are current while a rotation overlaps."""

    origin = models.CharField(max_length=255)
    vkey = models.TextField(unique=True)
    since = models.BigIntegerField(help_text="Size of the log when it began to sign.")
    until = models.BigIntegerField(null=True, help_text="Size of the last tree it signs; empty while it is current.")
    rotation = models.TextField(default="", help_text="The signed statement that introduced it; empty for a first key.")
    retires_at = models.DateTimeField(null=True, help_text="When the overlap with its successor ends, if it has one.")
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"key of {self.origin} since {self.since}"


class Change(models.Model):
    """A row of a regulated table was changed, noted by trigger. Gone as soon as an entry of the same transaction is
    found to account for it, or `record:changed` was appended because there is none.
    """

    table = models.CharField(max_length=80)
    operation = models.CharField(max_length=10, help_text="INSERT, UPDATE or DELETE.")
    transaction = models.CharField(max_length=32, null=True, help_text="In which transaction; empty outside of one.")

    def __str__(self) -> str:
        return f"{self.operation} {self.table}"


class Alarm(models.Model):
    """Something about the log that a person must look at. While a halting one is open, nothing is signed."""

    kind = models.CharField(max_length=40, unique=True)
    message = models.TextField(help_text="What is wrong and what to do, for the operator.")
    halts = models.BooleanField(default=True)
    raised_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"alarm {self.kind}"


class PersonKey(models.Model):
    """The data key of one person, wrapped by the office's master key. Deleting the row is irrevocable."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.CharField(max_length=120, unique=True)
    wrapped = models.BinaryField()
    version = models.PositiveSmallIntegerField(help_text="Which master key wraps it.")
    created_at = models.DateTimeField(default=now)

    class Meta:
        # Rewrapping asks which rows an old master key still wraps; sealing, which master key is the newest.
        indexes = [models.Index(fields=["version"], name="person_keys_by_master")]

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
