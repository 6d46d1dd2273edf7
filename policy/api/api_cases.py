"""/api/v1/notices, cases, decisions, appeals, consents, exports, log/entries: thin doors into this room's verbs."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import prefetch_related_objects
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, generics
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import MachineToken, Scope, User
from accounts.permissions import allow
from core.problems import Forbidden, NotFound
from ledger.events import EventType
from policy.api import api_shapes as shapes
from policy.audits import exports
from policy.authority import ACTS, Act
from policy.deciding import decisions
from policy.desk import cases
from policy.filing.notice_pins import notice_by_pin
from policy.filing.notices import refuse_fields
from policy.models import Case, Export, Notice
from provenance.api_shapes import problems

PIN = OpenApiParameter("Assay-Pin", str, OpenApiParameter.HEADER, description="The PIN of the notice.")
MAX_INDEX = (1 << 63) - 1


def door(act: Act, scope: Scope) -> type[BasePermission]:
    """For people whom `authority.ACTS` allows it, and for their machines with `scope`."""
    return allow(*ACTS[act].roles, scope=scope)


def person(request: Request) -> User:
    """The signed-in person; permissions have refused everybody else."""
    assert isinstance(request.user, User)
    return request.user


def read(shape: type[shapes.Shape], request: Request) -> dict[str, Any]:
    """The request's JSON in the shape. Raises Problem with `errors`."""
    if not isinstance(request.data, Mapping):
        raise exceptions.ParseError("The body must be a JSON object.")
    form = shape(data=request.data)
    form.is_valid(raise_exception=True)
    values: dict[str, Any] = form.validated_data
    return values


# --- Notices -------------------------------------------------------------------------------------------------------


def notifier(request: Request) -> User | None:
    """Who files by account. A token without the scope may not file in its owner's name."""
    if isinstance(request.auth, MachineToken) and Scope.NOTICES_WRITE not in request.auth.scopes:
        raise Forbidden("This token may not file notices.", code="token.scope")
    return request.user if isinstance(request.user, User) else None


def by_pin(request: Request, number: str) -> Notice:
    """The notice of that number and the header's PIN. Raises NoSuchNotice."""
    return notice_by_pin(number, request.headers.get("Assay-Pin", ""))


# --- Cases ---------------------------------------------------------------------------------------------------------

reads_cases = door(Act.REVIEW, Scope.CASES_READ)
decides_cases = door(Act.REVIEW, Scope.CASES_WRITE)


class CaseView(APIView):
    """One case. Its media are shown on the review desk only, where every view is recorded."""

    permission_classes = [reads_cases]

    @extend_schema(operation_id="case_read", responses={200: shapes.CaseDetailShape, **problems(401, 403, 404, 429)})
    def get(self, request: Request, pk: UUID) -> Response:
        case = cases.case_for(person(request), pk)
        prefetch_related_objects([case], "decisions__actions")
        return Response(shapes.CaseDetailShape(case, context={"request": request}).data)


class CaseAssignmentView(APIView):
    """Take a case, or put it back."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="case_take",
        request=None,
        responses={200: shapes.CaseShape, **problems(401, 403, 404, 409, 429)},
    )
    def put(self, request: Request, pk: UUID) -> Response:
        return self._answer(request, cases.assign(cases.case_for(person(request), pk), person(request)))

    @extend_schema(
        operation_id="case_release",
        responses={200: shapes.CaseShape, **problems(401, 403, 404, 409, 429)},
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        return self._answer(request, cases.release(cases.case_for(person(request), pk), person(request)))

    def _answer(self, request: Request, case: Case) -> Response:
        return Response(shapes.CaseShape(case, context={"request": request}).data)


class CaseDecisionsView(APIView):
    """Decide a case."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="case_decide",
        request=shapes.DecisionRequest,
        responses={201: shapes.DecisionShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        case = cases.case_for(person(request), pk)
        decision = decisions.decide(case, person(request), **read(shapes.DecisionRequest, request))
        return Response(shapes.DecisionShape(decision).data, status=201)


# --- The regulator -------------------------------------------------------------------------------------------------


class ExportsView(generics.ListAPIView[Export]):
    """Your exports; make one."""

    permission_classes = [door(Act.MAKE_EXPORT, Scope.AUDIT_READ)]
    serializer_class = shapes.ExportShape
    queryset = Export.objects.none()

    def get_queryset(self) -> Any:
        return Export.objects.filter(user=person(self.request))

    @extend_schema(
        operation_id="export_list", responses={200: shapes.ExportShape(many=True), **problems(401, 403, 404, 429)}
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="export_make",
        request=shapes.ExportRequest,
        responses={201: shapes.ExportShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        export = exports.make_export(person(request), **read(shapes.ExportRequest, request))
        return Response(shapes.ExportShape(export).data, status=201)


class ExportFileView(APIView):
    """The bundle. Each download is recorded."""

    permission_classes = [door(Act.MAKE_EXPORT, Scope.AUDIT_READ)]

    @extend_schema(
        operation_id="export_download",
        responses={(200, "application/zip"): OpenApiTypes.BINARY, **problems(401, 403, 404, 429)},
    )
    def get(self, request: Request, pk: UUID) -> FileResponse:
        export = Export.objects.filter(pk=pk, user=person(request)).first()
        if export is None:
            raise NotFound("export")
        file = exports.open_export(export, person(request))
        name = f"assay-export-{str(export.pk)[-12:]}.zip"
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


class LogEntriesView(APIView):
    """Query the log. Each query is recorded in the log itself."""

    permission_classes = [door(Act.READ_LOG, Scope.AUDIT_READ)]

    @extend_schema(
        operation_id="log_entries",
        parameters=[
            OpenApiParameter("after", int, description="Entries with a larger index; from the beginning without it."),
            OpenApiParameter("type", str, enum=[each.value for each in EventType]),
            OpenApiParameter("limit", int, description="At most 200."),
            OpenApiParameter("purpose", str, description="What it is for; kept, sealed, with the record."),
        ],
        responses={200: shapes.LogPageShape, **problems(400, 401, 403, 429)},
    )
    def get(self, request: Request) -> Response:
        after = whole(request, "after", -1, -1, MAX_INDEX)
        limit = whole(request, "limit", exports.PAGE, 1, exports.PAGE)
        kind = request.query_params.get("type", "")
        if kind and kind not in {each.value for each in EventType}:
            refuse_fields({"type": "No such type of entry."})
        purpose = request.query_params.get("purpose", "")[:300]
        types = [kind] if kind else []
        rows = exports.query_entries(person(request), after=after, types=types, limit=limit, purpose=purpose)
        next_after = rows[-1]["index"] if len(rows) == limit else None
        return Response({"entries": rows, "next_after": next_after})


def whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query. Raises Problem."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 19 and least <= int(text) <= most):
        refuse_fields({name: f"A whole number from {least} to {most}."})
    return int(text)
