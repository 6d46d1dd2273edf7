"""/api/v1/exports, audit, log/entries: doors for authorities. Whether an account stands is asked at every request."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from core.problems import NotFound
from ledger.events import EventType
from policy.api import api_shapes as shapes
from policy.api.api_cases import MAX_INDEX, door, person, read, whole
from policy.audits import case_trail, downloads, exports, queries, regulators
from policy.authority import Act
from policy.filing.notice_checks import refuse
from policy.models import Category, Export
from provenance.api_shapes import problems

_TYPES = [(each.value, each.value) for each in EventType]
_PLACES = list(regulators.PLACES.items())
takes = door(Act.MAKE_EXPORT, Scope.AUDIT_READ)
PURPOSE = OpenApiParameter("purpose", str, description="What it is for; kept, sealed, with the record.")


class QueryRequest(shapes.Shape):
    """Kinds and days of entries; the rest is asked of the cases that your account reaches."""

    types = serializers.ListField(child=serializers.ChoiceField(choices=_TYPES), required=False, max_length=len(_TYPES))
    since = serializers.DateTimeField(required=False, allow_null=True)
    until = serializers.DateTimeField(required=False, allow_null=True, help_text="Before then.")
    categories = serializers.ListField(child=serializers.ChoiceField(choices=Category.choices), required=False)
    jurisdictions = serializers.ListField(child=serializers.ChoiceField(choices=_PLACES), required=False)
    missed = serializers.BooleanField(required=False, help_text="Of cases with a missed deadline.")
    orders = serializers.BooleanField(required=False, help_text="Of cases with an order of a court or an authority.")
    purpose = serializers.CharField(min_length=10, max_length=300)


class ExportShape(serializers.ModelSerializer[Export]):
    class Meta:
        model = Export
        fields = [
            *("id", "state", "query", "purpose", "progress", "first", "entries", "tree_size", "watermark"),
            *("sha256", "size", "error_code", "created_at", "expires_at", "fetched_at"),
        ]


class CountShape(shapes.Shape):
    entries = serializers.IntegerField()
    cases = serializers.IntegerField(allow_null=True, help_text="Null: cases were not asked about.")
    complete = serializers.BooleanField(help_text="False: there may be more.")


class LogEntryShape(shapes.Shape):
    index = serializers.IntegerField()
    entry = serializers.JSONField(help_text="The leaf.")


class LogPageShape(shapes.Shape):
    entries = LogEntryShape(many=True)
    next_after = serializers.IntegerField(allow_null=True, help_text="`after` of the next page; null at the end.")


class StepShape(shapes.Shape):
    index = serializers.IntegerField()
    at = serializers.CharField()
    type = serializers.CharField()
    role = serializers.CharField()
    object = serializers.CharField()
    facts = serializers.JSONField()
    opened = serializers.JSONField(help_text="What may be read of what is sealed, by section.")
    sealed = serializers.ListField(child=serializers.CharField(), help_text="Withheld here, or erased.")
    leaf_hash = serializers.CharField()


class CaseFileFileShape(shapes.Shape):
    role = serializers.CharField()
    sha256 = serializers.CharField()
    size = serializers.IntegerField()
    media_type = serializers.CharField()


class HandedOnShape(shapes.Shape):
    kind = serializers.CharField()
    authority = serializers.CharField()
    jurisdiction = serializers.CharField()
    rule_id = serializers.CharField()
    reference = serializers.CharField()
    what = serializers.CharField()
    created_at = serializers.DateTimeField()


class CaseFileShape(shapes.Shape):
    """The chain of custody of one case."""

    id = serializers.UUIDField(source="case.pk")
    state = serializers.CharField(source="case.state")
    category = serializers.CharField(source="case.category")
    jurisdictions = serializers.ListField(source="places", child=serializers.CharField())
    steps = StepShape(many=True)
    complete = serializers.BooleanField(help_text="False: there are more entries; a bundle has them all.")
    files = CaseFileFileShape(many=True)
    clocks = shapes.ClockShape(many=True)
    referrals = HandedOnShape(many=True)


def _query(said: Mapping[str, Any]) -> tuple[queries.Query, str]:
    values = dict(said)
    purpose = values.pop("purpose", "")
    return queries.read(values), purpose


class ExportsView(generics.ListAPIView[Export]):
    """Your bundles; ask for one."""

    permission_classes = [takes]
    serializer_class = ExportShape
    queryset = Export.objects.none()

    def get_queryset(self) -> Any:
        return Export.objects.filter(user=person(self.request))

    @extend_schema(operation_id="export_list", responses={200: ExportShape(many=True), **problems(401, 403, 404, 429)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        regulators.entitled(person(request))
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="export_make",
        request=QueryRequest,
        responses={202: ExportShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        query, purpose = _query(read(QueryRequest, request))
        export = exports.request_export(person(request), query=query, purpose=purpose)
        return Response(ExportShape(export).data, status=202)


def _mine(request: Request, pk: UUID) -> Export:
    regulators.entitled(person(request))
    export = Export.objects.filter(pk=pk, user=person(request)).select_related("user", "entry").first()
    if export is None:
        raise NotFound("export")
    return export


class ExportView(APIView):
    """One bundle: how far it is, or why it could not be built."""

    permission_classes = [takes]

    @extend_schema(operation_id="export_read", responses={200: ExportShape, **problems(401, 403, 404, 429)})
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(ExportShape(_mine(request, pk)).data)


class ExportFileView(APIView):
    """The bundle. With `Range`, a download that broke off goes on; each download is recorded once."""

    permission_classes = [takes]

    @extend_schema(
        operation_id="export_download",
        parameters=[OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="`bytes=<first>-`")],
        responses={
            (200, downloads.TYPE): OpenApiTypes.BINARY,
            (206, downloads.TYPE): OpenApiTypes.BINARY,
            **problems(401, 403, 404, 409, 416, 429),
        },
    )
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        return downloads.answer(request._request, _mine(request, pk), person(request))


class CountView(APIView):
    """How much a query matches, before a bundle of it is asked for. Recorded."""

    permission_classes = [takes]

    @extend_schema(
        operation_id="audit_count",
        request=QueryRequest,
        responses={200: CountShape, **problems(400, 401, 403, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        query, purpose = _query(read(QueryRequest, request))
        return Response(CountShape(exports.count(person(request), query, purpose=purpose)).data)


class CaseFileView(APIView):
    """The file of a case in your reach, with its chain of custody. Recorded."""

    permission_classes = [door(Act.READ_CASE_FILE, Scope.AUDIT_READ)]

    @extend_schema(
        operation_id="audit_case",
        parameters=[PURPOSE],
        responses={200: CaseFileShape, **problems(400, 401, 403, 404, 429)},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        purpose = exports.checked_purpose(request.query_params.get("purpose", ""))
        return Response(CaseFileShape(case_trail.trail(person(request), pk, purpose=purpose)).data)


class LogEntriesView(APIView):
    """Query the log. Each query is recorded in the log itself; authorities say what for."""

    permission_classes = [door(Act.READ_LOG, Scope.AUDIT_READ)]

    @extend_schema(
        operation_id="log_entries",
        parameters=[
            OpenApiParameter("after", int, description="Entries with a larger index; from the beginning without it."),
            OpenApiParameter("type", str, enum=[each.value for each in EventType]),
            OpenApiParameter("since", OpenApiTypes.DATETIME),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Before then."),
            OpenApiParameter("limit", int, description="At most 200."),
            PURPOSE,
        ],
        responses={200: LogPageShape, **problems(400, 401, 403, 429)},
    )
    def get(self, request: Request) -> Response:
        after = whole(request, "after", -1, -1, MAX_INDEX)
        limit = whole(request, "limit", exports.PAGE, 1, exports.PAGE)
        said = request.query_params
        types = [said["type"]] if said.get("type") else []
        refuse({"type": not set(types) <= set(EventType) and "No such type of entry."})
        query = queries.read({"types": types, "since": said.get("since"), "until": said.get("until")})
        purpose = said.get("purpose", "")
        found = exports.look(person(request), query, after=after, limit=limit, purpose=purpose)
        return Response({"entries": found.rows, "next_after": found.following})
