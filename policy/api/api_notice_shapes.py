"""Shapes of the API of notices and counter-notices: what it reads and what it answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from policy.api.api_shapes import ClockShape, Shape, StatementShape
from policy.filing import court_actions, flaggers, guided, notices
from policy.law.rules import JURISDICTIONS
from policy.models import Category, CounterNotice, Exemption, Notice, TrustedFlagger

MOST_ITEMS = 500


class CompletionRequest(Shape):
    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=200)
    details = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=1000),
        required=False,
        help_text=f"Answers that laws ask for, by question: {', '.join(guided.QUESTIONS)}.",
    )
    sworn = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        max_length=10,
        help_text=f"Statements that are sworn: {', '.join(guided.statements())}.",
    )


class CuringRequest(CompletionRequest):
    more = serializers.CharField(required=False, allow_blank=True, max_length=5000)


class NoticeRequest(CompletionRequest):
    kind = serializers.ChoiceField(choices=Notice.Kind.choices, required=False)
    asset = serializers.UUIDField(required=False, allow_null=True, help_text="A work registered here.")
    flag = serializers.UUIDField(required=False, allow_null=True, help_text="Which flag is wrong (false_positive).")
    finding = serializers.UUIDField(required=False, allow_null=True, help_text="Or which finding.")
    url_or_text = serializers.CharField(
        required=False, allow_blank=True, max_length=2000, help_text="An address or description. It is never fetched."
    )
    file_sha256 = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, allow_blank=True)
    category = serializers.ChoiceField(choices=Category.choices, required=False)
    jurisdiction = serializers.ChoiceField(choices=list(JURISDICTIONS.items()))
    statement = serializers.CharField(required=False, allow_blank=True, max_length=5000)
    good_faith = serializers.BooleanField()
    as_depicted = serializers.BooleanField(default=False)
    exemptions = serializers.ListField(child=serializers.ChoiceField(choices=Exemption.choices), required=False)
    answers = serializers.DictField(
        child=serializers.CharField(max_length=20),
        required=False,
        help_text=f"Choices of the guided form: {', '.join(guided.CHOICES)}.",
    )
    language = serializers.CharField(required=False, max_length=8, help_text="A code like “en” or “pt-br”.")


class BulkItem(NoticeRequest):
    key = serializers.CharField(max_length=200, help_text="Your own key for this item: sent again, it files nothing.")


class BulkRequest(Shape):
    items = serializers.ListField(child=serializers.JSONField(), allow_empty=False, max_length=MOST_ITEMS)


class BulkResultShape(Shape):
    """What became of one item: the notice it is, or `error`, a problem object."""

    index = serializers.IntegerField(help_text="Its place in the call, from 0.")
    key = serializers.CharField(required=False)
    number = serializers.CharField(required=False)
    state = serializers.ChoiceField(choices=Notice.State.choices, required=False)
    missing = serializers.ListField(child=serializers.CharField(), required=False)
    trusted = serializers.BooleanField(required=False)
    replayed = serializers.BooleanField(required=False, help_text="It was filed before, under this key.")
    ordinary_because = serializers.CharField(required=False)
    error = serializers.DictField(required=False)


class BulkShape(Shape):
    pin = serializers.CharField(allow_null=True, help_text="Of the notices filed now; told once.")
    results = BulkResultShape(many=True)


class NoticeFiledShape(Shape):
    number = serializers.CharField()
    pin = serializers.CharField(help_text="Told once: nobody can find it out again.")
    state = serializers.ChoiceField(choices=Notice.State.choices)
    missing = serializers.ListField(child=serializers.CharField())
    clocks = ClockShape(many=True)
    acknowledged_at = serializers.DateTimeField()
    acknowledgement = serializers.CharField(allow_null=True, help_text="Where the log's promise for this notice is.")


class NoticeShape(serializers.ModelSerializer[Notice]):
    """A notice as its filer sees it."""

    contents = serializers.SerializerMethodField()
    clocks = ClockShape(many=True)
    statements = StatementShape(many=True)
    appeals = serializers.SerializerMethodField()
    documents = serializers.SerializerMethodField()
    answers = serializers.JSONField()
    sworn = serializers.JSONField()

    class Meta:
        model = Notice
        fields = [
            *("number", "kind", "state", "outcome", "unfounded_for", "category", "jurisdiction", "language"),
            *("exemptions", "answers", "sworn", "missing", "created_at", "acknowledged_at"),
            *("contents", "documents", "clocks", "statements", "appeals"),
        ]

    def get_contents(self, notice: Notice) -> dict[str, str]:
        return notices.contents(notice)

    def get_appeals(self, notice: Notice) -> list[dict[str, str]]:
        return [
            {"id": str(row.pk), "state": row.state, "outcome": row.outcome, "reasons": row.reasons}
            for row in notice.appeals.all()
        ]

    @extend_schema_field(serializers.ListField(child=serializers.JSONField()))
    def get_documents(self, notice: Notice) -> list[dict[str, Any]]:
        return [{"id": str(row.pk), "media_type": row.media_type, "size": row.size} for row in notice.attachments.all()]


class GroundsRequest(Shape):
    grounds = serializers.CharField(min_length=10, max_length=5000)


class ActionRequest(Shape):
    court = serializers.CharField(max_length=200)
    reference = serializers.CharField(max_length=200)
    sworn = serializers.ListField(child=serializers.CharField(), help_text=f"With {court_actions.SWORN}.")


class CounterNoticeRequest(Shape):
    details = CompletionRequest().fields["details"]
    sworn = CompletionRequest().fields["sworn"]


class CounterNoticeShape(serializers.ModelSerializer[CounterNotice]):
    missing = serializers.JSONField()
    sworn = serializers.JSONField()
    clocks = ClockShape(many=True)

    class Meta:
        model = CounterNotice
        fields = [
            *("id", "state", "missing", "sworn", "forwarded_at", "earliest_restore", "latest_restore"),
            *("action_told_at", "ended_at", "created_at", "clocks"),
        ]


class FlaggerShape(serializers.ModelSerializer[TrustedFlagger]):
    areas = serializers.JSONField()
    quality = serializers.SerializerMethodField(help_text="What became of its notices.")

    class Meta:
        model = TrustedFlagger
        fields = ["id", "state", "authority", "jurisdiction", "areas", "valid_from", "valid_to", "quality"]

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField(allow_null=True)))
    def get_quality(self, row: TrustedFlagger) -> dict[str, int | None]:
        found = flaggers.quality(row)
        return {
            "filed": found.filed,
            "answered": found.answered,
            "accepted": found.accepted,
            "unfounded": found.unfounded,
            "accepted_percent": found.accepted_percent,
        }
