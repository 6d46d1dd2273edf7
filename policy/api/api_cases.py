"""/api/v1/notices, cases, decisions, appeals, consents: thin doors into this room's verbs."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import MachineToken, Scope, User
from accounts.permissions import allow
from core.problems import Forbidden
from policy.api import api_shapes as shapes
from policy.authority import ACTS, Act
from policy.deciding import decisions
from policy.desk import cases
from policy.filing.notice_pins import notice_by_pin
from policy.filing.notices import refuse_fields
from policy.models import Case, Notice
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
    """The notice of that number and the header's PIN; without a PIN, one that this account filed: the PIN of many
    notices is told once, in an answer that may get lost. Raises NoSuchNotice.
    """
    pin = request.headers.get("Assay-Pin", "")
    if not pin and (own := _filed_by(request, number)) is not None:
        return own
    return notice_by_pin(number, pin)


def _filed_by(request: Request, number: str) -> Notice | None:
    if isinstance(request.auth, MachineToken) and not {Scope.FLAGS_WRITE, Scope.NOTICES_WRITE} & set(
        request.auth.scopes
    ):
        return None
    if not isinstance(request.user, User):
        return None
    rows = Notice.objects.filter(number=number.strip().upper(), account=request.user, filer__erased_at=None)
    return rows.select_related("case", "asset", "filer").first()


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


def whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query. Raises Problem."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 19 and least <= int(text) <= most):
        refuse_fields({name: f"A whole number from {least} to {most}."})
    return int(text)
