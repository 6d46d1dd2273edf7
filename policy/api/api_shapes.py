"""The shapes of this room's API: what it reads and what it answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger import vault
from policy.deciding import learning
from policy.filing import notices
from policy.models import (
    Case,
    Clock,
    Decision,
    Exemption,
    Notice,
    StatementOfReasons,
)
from policy.rights import people


class Shape(serializers.Serializer[Any]):
    """A plain serializer; what it reads goes to a verb, which checks it again and says what is wrong."""


# --- What comes in -------------------------------------------------------------------------------------------------


class ReplacementRequest(Shape):
    """A decision; on appeal, the one that takes another's place."""

    outcome = serializers.ChoiceField(choices=Decision.Outcome.choices)
    ground = serializers.ChoiceField(choices=Decision.Ground.choices)
    rule_ids = serializers.ListField(child=serializers.CharField(max_length=60), allow_empty=False, max_length=20)
    facts_text = serializers.CharField(min_length=10, max_length=5000)
    explanation = serializers.CharField(min_length=10, max_length=5000)
    also = serializers.ListField(
        child=serializers.ChoiceField(choices=Decision.Outcome.choices), required=False, max_length=2
    )
    territory = serializers.ListField(
        child=serializers.CharField(max_length=8), required=False, max_length=20, help_text="None: everywhere."
    )
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    exemptions = serializers.ListField(
        child=serializers.ChoiceField(choices=Exemption.choices), required=False, help_text="Those that were weighed."
    )


NO_NAMES = "The words in the texts that may be names in this case are none."


class DecisionRequest(ReplacementRequest):
    no_names = serializers.BooleanField(required=False, help_text=NO_NAMES)
    interim = serializers.BooleanField(required=False, help_text="A measure until the case is decided.")
    version = serializers.IntegerField(
        min_value=0, max_value=1 << 31, help_text="Of the case as it was read; refused if it changed since."
    )


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


class CaseShape(serializers.ModelSerializer[Case]):
    asset = serializers.UUIDField(source="asset_id", allow_null=True)
    mine = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields = [
            *("id", "asset", "state", "category", "jurisdictions", "severity", "version", "mine"),
            *("created_at", "closed_at"),
        ]

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
    also = serializers.ListField(child=serializers.CharField())
    territory = serializers.ListField(child=serializers.CharField())
    held_for = serializers.SerializerMethodField(help_text="Rules that ask for a second person.")
    exemptions = serializers.ListField(child=serializers.CharField())
    automated_decision = serializers.CharField(read_only=True)
    actions = serializers.SerializerMethodField()

    class Meta:
        model = Decision
        fields = [
            *("id", "state", "outcome", "also", "interim", "territory", "starts_at", "ends_at", "held_for"),
            *("ground", "rule_refs", "exemptions", "facts_text", "explanation"),
            *("automated_detection", "automated_decision", "actions", "created_at"),
        ]

    def get_held_for(self, decision: Decision) -> list[str]:
        return [rule["id"] for rule in decision.held_for]

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
        """The words of each notice; the name and address of who filed it are not even opened (R25)."""
        rows = list(case.notices.select_related("filer").order_by("pk"))
        known = vault.keys_of(bytes(row.sealed_text) for row in rows)
        return [_without_filer(row, known) for row in rows]


def _without_filer(notice: Notice, known: vault.Keys) -> dict[str, Any]:
    said = people.unseal(notice.filer.actor, notice.sealed_text, notices.TEXT, known) or {}
    return {
        "number": notice.number,
        "as_depicted": notice.as_depicted,
        "exemptions": notice.exemptions,
        "missing": notice.missing,
        **{name: said.get(name, "") for name in ("statement", "url_or_text")},
    }
