"""The shapes of this room's API: what it reads and what it answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.events import EventType
from policy import appeals, consent, learning, notices
from policy.models import (
    Appeal,
    Case,
    Category,
    Clock,
    Consent,
    Decision,
    Exemption,
    Export,
    Notice,
    Purpose,
    StatementOfReasons,
)
from policy.rules import JURISDICTIONS


class Shape(serializers.Serializer[Any]):
    """A plain serializer; what it reads goes to a verb, which checks it again and says what is wrong."""


# --- What comes in -------------------------------------------------------------------------------------------------


class NoticeRequest(Shape):
    asset = serializers.UUIDField(required=False, allow_null=True, help_text="A work registered here.")
    url_or_text = serializers.CharField(
        required=False, allow_blank=True, max_length=2000, help_text="An address or description. It is never fetched."
    )
    file_sha256 = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, allow_blank=True)
    category = serializers.ChoiceField(choices=Category.choices)
    jurisdiction = serializers.ChoiceField(choices=list(JURISDICTIONS.items()))
    statement = serializers.CharField(min_length=10, max_length=5000)
    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=200)
    good_faith = serializers.BooleanField()
    as_depicted = serializers.BooleanField(default=False)
    exemptions = serializers.ListField(child=serializers.ChoiceField(choices=Exemption.choices), required=False)


class CompletionRequest(Shape):
    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=200)


class DecisionRequest(Shape):
    outcome = serializers.ChoiceField(choices=Decision.Outcome.choices)
    ground = serializers.ChoiceField(choices=Decision.Ground.choices)
    rule_ids = serializers.ListField(child=serializers.CharField(max_length=60), allow_empty=False, max_length=20)
    facts_text = serializers.CharField(min_length=10, max_length=5000)
    explanation = serializers.CharField(min_length=10, max_length=5000)


class AppealRequest(Shape):
    grounds = serializers.CharField(min_length=10, max_length=5000)
    notice = serializers.CharField(
        required=False, allow_blank=True, max_length=32, help_text="A notice's number; its PIN goes into Assay-Pin."
    )


class AppealDecisionRequest(Shape):
    outcome = serializers.ChoiceField(choices=Appeal.Outcome.choices)
    reasons = serializers.CharField(min_length=10, max_length=5000)


class ConsentRequest(Shape):
    name = serializers.CharField(max_length=120)
    contact = serializers.CharField(required=False, allow_blank=True, max_length=200)
    purposes = serializers.ListField(child=serializers.ChoiceField(choices=Purpose.choices), allow_empty=False)


class ExportRequest(Shape):
    since = serializers.DateTimeField(required=False, allow_null=True)
    until = serializers.DateTimeField(required=False, allow_null=True)
    types = serializers.ListField(
        child=serializers.ChoiceField(choices=[(each.value, each.value) for each in EventType]), required=False
    )
    purpose = serializers.CharField(min_length=10, max_length=300)


# --- What goes out -------------------------------------------------------------------------------------------------


class ClockShape(serializers.ModelSerializer[Clock]):
    class Meta:
        model = Clock
        fields = [
            *("purpose", "state", "rule_id", "instrument", "article", "jurisdiction", "legal_status"),
            *("started_at", "due_at", "ended_at", "trace", "pack"),
        ]


class StatementShape(serializers.ModelSerializer[StatementOfReasons]):
    decision = serializers.UUIDField(source="decision_id")
    structured = serializers.JSONField()

    class Meta:
        model = StatementOfReasons
        fields = ["id", "decision", "recipient", "structured", "text", "created_at", "delivered_at"]


class NoticeFiledShape(Shape):
    number = serializers.CharField()
    pin = serializers.CharField(help_text="Told once: nobody can find it out again.")
    state = serializers.ChoiceField(choices=Notice.State.choices)
    missing = serializers.ListField(child=serializers.CharField())
    clocks = ClockShape(many=True)
    acknowledgement = serializers.CharField(
        allow_null=True, help_text="Where the log's promise for this notice is; null while the notice is incomplete."
    )


class NoticeShape(serializers.ModelSerializer[Notice]):
    """A notice as its filer sees it."""

    contents = serializers.SerializerMethodField()
    clocks = ClockShape(many=True)
    statements = StatementShape(many=True)
    appeals = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields = [
            *("number", "state", "category", "jurisdiction", "exemptions", "missing", "created_at"),
            *("contents", "clocks", "statements", "appeals"),
        ]

    def get_contents(self, notice: Notice) -> dict[str, str]:
        return notices.contents(notice)

    def get_appeals(self, notice: Notice) -> list[dict[str, str]]:
        return [
            {"id": str(row.pk), "state": row.state, "outcome": row.outcome, "reasons": row.reasons}
            for row in notice.appeals.all()
        ]


class CaseShape(serializers.ModelSerializer[Case]):
    asset = serializers.UUIDField(source="asset_id", allow_null=True)
    mine = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields = ["id", "asset", "state", "category", "jurisdictions", "severity", "mine", "created_at", "closed_at"]

    def get_mine(self, case: Case) -> bool:
        request = self.context.get("request")
        return request is not None and case.assigned_to_id == request.user.pk


class WaitingShape(Shape):
    case = CaseShape()
    why = serializers.CharField()
    due_at = serializers.DateTimeField(allow_null=True)
    rule_id = serializers.CharField(allow_blank=True)


class DecisionShape(serializers.ModelSerializer[Decision]):
    rule_refs = serializers.JSONField()
    automated_decision = serializers.CharField(read_only=True)
    actions = serializers.SerializerMethodField()

    class Meta:
        model = Decision
        fields = [
            *("id", "state", "outcome", "ground", "rule_refs", "facts_text", "explanation"),
            *("automated_detection", "automated_decision", "actions", "created_at"),
        ]

    def get_actions(self, decision: Decision) -> list[dict[str, str]]:
        return [{"kind": row.kind, "inverse": row.inverse, "state": row.state} for row in decision.actions.all()]


class FlagShape(Shape):
    origin = serializers.CharField()
    reason = serializers.CharField()
    state = serializers.CharField()


class AuditedModelShape(Shape):
    """What a case against a model is about: an audit by groups of people that found a gap that is no noise."""

    audit = serializers.UUIDField(source="audit.pk")
    detector = serializers.CharField(source="audit.detector")
    version = serializers.CharField()
    digest = serializers.CharField(source="audit.digest")
    attribute = serializers.CharField(source="audit.attribute")
    set_name = serializers.CharField(source="audit.set_name")
    created_at = serializers.DateTimeField(source="audit.created_at")


class CaseDetailShape(CaseShape):
    """Everything a reviewer needs but the media, whose every view is recorded with its reason."""

    clocks = ClockShape(many=True)
    flags = FlagShape(many=True)
    decisions = DecisionShape(many=True)
    notices = serializers.SerializerMethodField()
    audits = serializers.SerializerMethodField(help_text="Of a case against a model, by what it was opened.")

    class Meta(CaseShape.Meta):
        fields = [*CaseShape.Meta.fields, "clocks", "flags", "notices", "decisions", "audits"]

    @extend_schema_field(AuditedModelShape(many=True))
    def get_audits(self, case: Case) -> list[dict[str, Any]]:
        return list(AuditedModelShape(learning.audits_of(case), many=True).data)

    def get_notices(self, case: Case) -> list[dict[str, Any]]:
        """The words of each notice, without the name and address of who filed it."""
        rows = []
        for notice in case.notices.select_related("filer"):
            text = notices.contents(notice)
            rows.append(
                {
                    "number": notice.number,
                    "as_depicted": notice.as_depicted,
                    "exemptions": notice.exemptions,
                    "missing": notice.missing,
                    "statement": text["statement"],
                    "url_or_text": text["url_or_text"],
                }
            )
        return rows


class AppealShape(serializers.ModelSerializer[Appeal]):
    decision = serializers.UUIDField(source="decision_id")
    clocks = ClockShape(many=True)
    grounds = serializers.SerializerMethodField()

    class Meta:
        model = Appeal
        fields = ["id", "decision", "role", "state", "outcome", "reasons", "grounds", "clocks", "created_at"]

    def get_grounds(self, appeal: Appeal) -> str:
        return appeals.grounds_of(appeal, self.context.get("known"))


class ConsentShape(serializers.ModelSerializer[Consent]):
    standing = serializers.SerializerMethodField()
    purposes = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Consent
        fields = ["id", "state", "standing", "purposes", "created_at", "answered_at"]

    def get_standing(self, row: Consent) -> str:
        return consent.standing(row)


class ConsentAskedShape(ConsentShape):
    link = serializers.CharField(help_text="Give it to the person. Told once.")

    class Meta(ConsentShape.Meta):
        fields = [*ConsentShape.Meta.fields, "link"]


class ExportShape(serializers.ModelSerializer[Export]):
    types = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Export
        fields = [
            *("id", "since", "until", "types", "purpose", "entries", "tree_size", "sha256", "size", "created_at"),
        ]


class LogEntryShape(Shape):
    index = serializers.IntegerField()
    entry = serializers.JSONField(help_text="The leaf.")


class LogPageShape(Shape):
    entries = LogEntryShape(many=True)
    next_after = serializers.IntegerField(allow_null=True, help_text="`after` of the next page; null at the end.")
