"""Three times the same row."""

from django.db import models


class Takedown(models.Model):
    reference = models.CharField(max_length=60)
    state = models.CharField(max_length=20)
    ground = models.CharField(max_length=60)
    reasons = models.TextField()
    severity = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.reference


class Plain(Takedown):
    class Meta:
        app_label = "takedowns"


class Audited(Takedown):
    class Meta:
        app_label = "takedowns"


class Ledgered(Takedown):
    class Meta:
        app_label = "takedowns"
