"""/api/v1/notices, cases, decisions, appeals, consents, exports, log/entries: thin doors into this room's verbs."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, generics
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from accounts.models import REVIEWERS, MachineToken, Role, Scope, User
from accounts.permissions import Public, allow
from core.problems import Forbidden, NotFound
from ledger import vault
from ledger.events import EventType
from policy import api_shapes as shapes
from policy import appeals, cases, consent, decisions, exports, notices
from policy.models import Appeal, Case, Consent, Decision, Export, Notice
from policy.notices import refuse_fields
from provenance.api_shapes import problems
from provenance.models import Asset

PIN = OpenApiParameter("Assay-Pin", str, OpenApiParameter.HEADER, description="The PIN of the notice.")
MAX_INDEX = (1 << 63) - 1


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


class NoticesView(APIView):
    """File a notice, with or without an account."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "notices"

    @extend_schema(
        operation_id="notice_file",
        request=shapes.NoticeRequest,
        responses={201: shapes.NoticeFiledShape, **problems(400, 401, 403, 404, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        values, by = read(shapes.NoticeRequest, request), notifier(request)
        asset_id = values.pop("asset", None)
        asset = Asset.objects.visible_to(by).filter(pk=asset_id).first() if asset_id else None
        if asset_id and asset is None:
            raise NotFound("asset")
        notice, pin = notices.file_notice(asset=asset, by=by, **values)
        filed = {
            "number": notice.number,
            "pin": pin,
            "state": notice.state,
            "missing": notice.missing,
            "clocks": notice.clocks.order_by("due_at"),
            "acknowledgement": f"/api/v1/log/acknowledgements/{notice.entry_id}" if notice.entry_id else None,
        }
        return Response(shapes.NoticeFiledShape(filed).data, status=201)


def notifier(request: Request) -> User | None:
    """Who files by account. A token without the scope may not file in its owner's name."""
    if isinstance(request.auth, MachineToken) and Scope.NOTICES_WRITE not in request.auth.scopes:
        raise Forbidden("This token may not file notices.", code="token.scope")
    return request.user if isinstance(request.user, User) else None


def by_pin(request: Request, number: str) -> Notice:
    """The notice of that number and the header's PIN. Raises NoSuchNotice."""
    return notices.notice_by_pin(number, request.headers.get("Assay-Pin", ""))


class NoticeView(APIView):
    """A notice, for whoever has its number and PIN."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "pin"

    @extend_schema(
        operation_id="notice_status",
        parameters=[PIN],
        responses={200: shapes.NoticeShape, **problems(401, 404, 429)},
    )
    def get(self, request: Request, number: str) -> Response:
        return Response(shapes.NoticeShape(by_pin(request, number)).data)

    @extend_schema(
        operation_id="notice_complete",
        parameters=[PIN],
        request=shapes.CompletionRequest,
        responses={200: shapes.NoticeShape, **problems(400, 401, 404, 409, 415, 429)},
    )
    def patch(self, request: Request, number: str) -> Response:
        notice = by_pin(request, number)
        notices.complete_notice(notice, **read(shapes.CompletionRequest, request))
        return Response(shapes.NoticeShape(notice).data)


# --- Cases ---------------------------------------------------------------------------------------------------------

reads_cases = allow(*REVIEWERS, scope=Scope.CASES_READ)
decides_cases = allow(*REVIEWERS, scope=Scope.CASES_WRITE)


class CasesView(APIView):
    """The queue: what to look at next, and why."""

    permission_classes = [reads_cases]

    @extend_schema(
        operation_id="case_queue", responses={200: shapes.WaitingShape(many=True), **problems(401, 403, 429)}
    )
    def get(self, request: Request) -> Response:
        waiting = cases.queue(person(request))[:200]
        return Response(shapes.WaitingShape(waiting, many=True, context={"request": request}).data)


class CaseView(APIView):
    """One case. Its media are shown on the review desk only, where every view is recorded."""

    permission_classes = [reads_cases]

    @extend_schema(operation_id="case_read", responses={200: shapes.CaseDetailShape, **problems(401, 403, 404, 429)})
    def get(self, request: Request, pk: UUID) -> Response:
        case = cases.case_for(person(request), pk)
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


# --- Appeals -------------------------------------------------------------------------------------------------------


class DecisionAppealsView(APIView):
    """Appeal a decision: as the uploader by account, as a notifier by number and PIN."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "pin"

    @extend_schema(
        operation_id="appeal_file",
        parameters=[PIN],
        request=shapes.AppealRequest,
        responses={201: shapes.AppealShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        values = read(shapes.AppealRequest, request)
        number = values.pop("notice", "")
        who: dict[str, Any] = {"notice": by_pin(request, number)} if number else {"user": self._uploader(request)}
        statements = {f"statements__{role}": party for role, party in who.items()}
        decision = Decision.objects.select_related("case").filter(pk=pk, **statements).first()
        if decision is None:
            raise NotFound("decision")
        appeal = appeals.file_appeal(decision, grounds=values["grounds"], **who)
        return Response(shapes.AppealShape(appeal).data, status=201)

    def _uploader(self, request: Request) -> User:
        if not isinstance(request.user, User):
            raise exceptions.NotAuthenticated
        if isinstance(request.auth, MachineToken):
            raise Forbidden("Appeals are filed by people, not by tokens.", code="token.scope")
        return request.user


class AppealsView(generics.ListAPIView[Appeal]):
    """Appeals that wait, the newest first."""

    permission_classes = [reads_cases]
    serializer_class = shapes.AppealShape
    queryset = Appeal.objects.none()

    def get_queryset(self) -> Any:
        allowed = cases.visible_to(person(self.request))
        return appeals.waiting().filter(decision__case__in=allowed)

    def paginate_queryset(self, queryset: Any) -> Any:
        """The page's grounds are opened with keys that are fetched together."""
        page = super().paginate_queryset(queryset)
        self.known = vault.keys_of(bytes(appeal.sealed_grounds) for appeal in page or ())
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "known": getattr(self, "known", None)}

    @extend_schema(
        operation_id="appeal_list", responses={200: shapes.AppealShape(many=True), **problems(401, 403, 404, 429)}
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class AppealDecisionView(APIView):
    """Decide an appeal."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="appeal_decide",
        request=shapes.AppealDecisionRequest,
        responses={201: shapes.AppealShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        rows = Appeal.objects.select_related("decision__case__asset", "user", "notice__filer")
        appeal = rows.filter(pk=pk).first()
        if appeal is None:
            raise NotFound("appeal")
        values = read(shapes.AppealDecisionRequest, request)
        appeals.decide_appeal(appeal, person(request), **values)
        return Response(shapes.AppealShape(appeal).data, status=201)


# --- Consent -------------------------------------------------------------------------------------------------------


class AssetConsentsView(APIView):
    """The people shown in your work: ask, and see what they answered."""

    def get_permissions(self) -> list[BasePermission]:
        scope = Scope.ASSETS_WRITE if self.request.method == "POST" else Scope.ASSETS_READ
        return [allow(scope=scope)()]

    @extend_schema(
        operation_id="consent_list",
        responses={200: shapes.ConsentShape(many=True), **problems(401, 403, 404, 429)},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        rows = Consent.objects.filter(depiction__asset=self._own(request, pk)).select_related("depiction__asset")
        return Response(shapes.ConsentShape(rows.order_by("pk"), many=True).data)

    @extend_schema(
        operation_id="consent_ask",
        request=shapes.ConsentRequest,
        responses={201: shapes.ConsentAskedShape, **problems(400, 401, 403, 404, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        asset = self._own(request, pk)
        values = {"contact": "", **read(shapes.ConsentRequest, request)}
        asked, link = consent.ask_consent(asset, person(request), **values)
        return Response({**shapes.ConsentShape(asked).data, "link": link}, status=201)

    def _own(self, request: Request, pk: UUID) -> Asset:
        asset = Asset.objects.filter(pk=pk, owner=person(request)).first()
        if asset is None:
            raise NotFound("asset of yours")
        return asset


# --- The regulator -------------------------------------------------------------------------------------------------


class ExportsView(generics.ListAPIView[Export]):
    """Your exports; make one."""

    permission_classes = [allow(Role.REGULATOR, scope=Scope.AUDIT_READ)]
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

    permission_classes = [allow(Role.REGULATOR, scope=Scope.AUDIT_READ)]

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

    permission_classes = [allow(Role.REGULATOR, Role.OPERATOR, scope=Scope.AUDIT_READ)]

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
