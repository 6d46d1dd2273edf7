"""What policy's rows share."""

from django.db import models

from core.clock import now
from core.ids import uuid7


class Row(models.Model):
    """What most rows share: a UUIDv7, the time, and the ledger entry of the event that made the row."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=now)
    entry = models.ForeignKey("ledger.Entry", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        abstract = True
