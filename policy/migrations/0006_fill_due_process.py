"""Fills what 0005 added to rows that are there: what stands of each consent, and the order of the queue."""

import datetime as dt
from typing import Any

from django.db import migrations


def fill(apps: Any, schema_editor: Any) -> None:
    for consent in apps.get_model("policy", "Consent").objects.filter(state="given"):
        consent.granted = consent.purposes
        consent.save(update_fields=["granted"])
    clocks = apps.get_model("policy", "Clock").objects
    running = clocks.filter(purpose="decide", state__in=["running", "breached"], due_at__isnull=False)
    undecided = apps.get_model("policy", "Case").objects.filter(state__in=["open", "in_review", "reopened"])
    for case in undecided:
        first = running.filter(case=case).order_by("due_at").first()
        if first is not None:
            case.next_due_at, case.next_rule_id = first.due_at, first.rule_id
            case.queue_at = first.due_at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
            case.save(update_fields=["next_due_at", "next_rule_id", "queue_at"])


class Migration(migrations.Migration):
    dependencies = [("policy", "0005_due_process")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
