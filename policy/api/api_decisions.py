"""/api/v1/decisions: the second person's answer, corrections, and records for the EU's transparency database."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from core.problems import NotFound
from policy import authority
from policy.api import api_shapes as shapes
from policy.api.api_cases import decides_cases, door, person, read, reads_cases
from policy.authority import Act
from policy.deciding import decisions, statements, tdb, tdb_export
from policy.models import Case, Decision
from provenance.api_shapes import problems

reads_statements = door(Act.EXPORT_STATEMENTS, Scope.CASES_READ)
exports_statements = door(Act.EXPORT_STATEMENTS, Scope.CASES_WRITE)


class SendBackRequest(shapes.Shape):
    reason = serializers.CharField(min_length=10, max_length=5000)
    no_names = serializers.BooleanField(required=False, help_text=shapes.NO_NAMES)


class ApprovalRequest(shapes.Shape):
    version = serializers.IntegerField(help_text="Of the case, as the second person read it (`GET /cases/{id}`).")


class CorrectionRequest(shapes.Shape):
    facts_text = serializers.CharField(min_length=10, max_length=5000)
    explanation = serializers.CharField(min_length=10, max_length=5000)
    no_names = serializers.BooleanField(required=False, help_text=shapes.NO_NAMES)


class SuggestionShape(shapes.Shape):
    """An interim measure for a person to take or leave."""

    outcome = serializers.CharField()
    territory = serializers.ListField(child=serializers.CharField())
    rule_id = serializers.CharField()
    due_at = serializers.DateTimeField()
    why = serializers.CharField()


class DatabaseCallShape(shapes.Shape):
    """`statements` is what one call of the database's `/statements` takes."""

    statements = serializers.ListField(child=serializers.DictField(), max_length=tdb.MOST)
    refused = serializers.DictField(help_text="By number (PUID): why a record is left out, by field. Not exported.")


def _decision(request: Request, pk: UUID) -> Decision:
    """The decision, if this person may open its case. Raises NotFound."""
    cases: Any = authority.visible_cases(person(request))
    rows = Decision.objects.filter(pk=pk, case__in=cases).select_related("case__asset__owner", "decider")
    found = rows.first()
    if found is None:
        raise NotFound("decision")
    return found


class DecisionApprovalView(APIView):
    """The second person agrees, and a held decision takes effect."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="decision_approve",
        request=ApprovalRequest,
        responses={200: shapes.DecisionShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        values = read(ApprovalRequest, request)
        decision = decisions.approve(_decision(request, pk), person(request), **values)
        return Response(shapes.DecisionShape(decision).data)


class DecisionReturnView(APIView):
    """The second person does not agree: the case is with its proposer again."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="decision_send_back",
        request=SendBackRequest,
        responses={200: shapes.DecisionShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        values = read(SendBackRequest, request)
        decision = decisions.send_back(_decision(request, pk), person(request), **values)
        return Response(shapes.DecisionShape(decision).data)


class DecisionWithdrawalView(APIView):
    """Who proposed a decision takes it back before a second person has answered."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="decision_withdraw",
        request=None,
        responses={200: shapes.DecisionShape, **problems(401, 403, 404, 409, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        decision = decisions.withdraw_proposal(_decision(request, pk), person(request))
        return Response(shapes.DecisionShape(decision).data)


class DecisionCorrectionView(APIView):
    """Other words for what was decided: new statements in the place of those in force."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="decision_correct",
        request=CorrectionRequest,
        responses={200: shapes.StatementShape(many=True), **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        values = read(CorrectionRequest, request)
        made = statements.correct(_decision(request, pk), person(request), **values)
        return Response(shapes.StatementShape(made, many=True).data)


class InterimSuggestionView(APIView):
    """What could be done until the case is decided, by the deadline that ends first."""

    permission_classes = [reads_cases]

    @extend_schema(
        operation_id="case_interim_suggestion",
        responses={200: SuggestionShape, **problems(401, 403, 404, 429)},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        case = authority.visible_cases(person(request)).filter(pk=pk).first()
        suggestion = decisions.suggest_interim(case) if isinstance(case, Case) else None
        if suggestion is None:
            raise NotFound("suggestion")
        return Response(SuggestionShape(suggestion).data)


class DsaStatementView(APIView):
    """The record of one decision for the EU's transparency database, checked as its API checks."""

    def get_permissions(self) -> list[Any]:
        return [reads_statements() if self.request.method in SAFE_METHODS else exports_statements()]

    @extend_schema(
        operation_id="decision_dsa_statement",
        responses={200: OpenApiTypes.OBJECT, **problems(401, 403, 404, 409, 429)},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """To look at: it counts as not exported."""
        return Response(tdb_export.read(self._decision(pk), person(request)))

    @extend_schema(
        operation_id="decision_dsa_statement_export",
        parameters=[
            OpenApiParameter("again", OpenApiTypes.STR, description="Its number (PUID), to export it once more."),
        ],
        request=None,
        responses={200: OpenApiTypes.OBJECT, **problems(401, 403, 404, 409, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """To be sent: recorded, and marked as exported. 409 when it was exported before and is not named in `again`."""
        again = request.query_params.get("again", "")
        return Response(tdb_export.of_decision(self._decision(pk), person(request), again=again))

    def _decision(self, pk: UUID) -> Decision:
        decision = Decision.objects.filter(pk=pk).select_related("case__asset").first()
        if decision is None:
            raise NotFound("decision")
        return decision


class DsaStatementsView(APIView):
    """The next call for the EU's transparency database: at most 100 records that were not exported yet."""

    permission_classes = [exports_statements]

    @extend_schema(
        operation_id="dsa_statements",
        parameters=[
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="Made from then on."),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Made before then."),
        ],
        request=None,
        responses={200: DatabaseCallShape, **problems(400, 401, 403, 409, 429)},
    )
    def post(self, request: Request) -> Response:
        values = _Span(data=request.query_params)
        values.is_valid(raise_exception=True)
        call: tdb_export.Call = {"statements": []}
        refused: dict[str, tdb.Errors] = {}
        for call, wrong in tdb_export.calls(tdb_export.statements(**values.validated_data), person(request)):
            refused |= wrong
            if call["statements"]:
                break
        return Response({**call, "refused": refused})


class _Span(shapes.Shape):
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
