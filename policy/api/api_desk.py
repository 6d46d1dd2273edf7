"""/api/v1/cases…: the queue, finding a case, giving one back for good, and asking a filer for what is missing."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from core.problems import Forbidden, NotFound, invalid
from policy.api.api_cases import decides_cases, door, person, read, reads_cases, whole
from policy.api.api_shapes import CaseShape, Shape, WaitingShape
from policy.authority import Act
from policy.desk import cases, queue, search
from policy.desk.queue import Wanted
from policy.filing import asking, guided, notices
from policy.law.rules import JURISDICTIONS
from policy.models import Case, Category, Recusal
from provenance.api_shapes import problems

leads_cases = door(Act.TAKE_BACK, Scope.CASES_WRITE)
PAGE = 200
_FILTERS: dict[str, Any] = {
    "category": Category.values,
    "place": list(JURISDICTIONS),
    "state": [state.value for state in map(Case.State, Case.UNDECIDED)],
}


class RecusalRequest(Shape):
    why = serializers.ChoiceField(
        choices=Recusal.Why.choices, required=False, allow_blank=True, help_text="Sealed under your own key."
    )


class TakeBackRequest(Shape):
    why = serializers.CharField(min_length=3, max_length=300, help_text="Sealed under your own key.")


class AskRequest(Shape):
    notice = serializers.CharField(max_length=20, help_text="Its number.")
    fields_asked = serializers.ListField(
        child=serializers.ChoiceField(choices=[(name, guided.words(name)) for name in notices.ASKABLE]),
        allow_empty=False,
    )


def _flag(name: str, words: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.BOOL, description=words)


class CasesView(APIView):
    """The queue: what to look at next, and why. Cases about children are a queue of their own."""

    permission_classes = [reads_cases]

    @extend_schema(
        operation_id="case_queue",
        parameters=[
            *(OpenApiParameter(name, str, enum=values) for name, values in _FILTERS.items()),
            OpenApiParameter("language", str, description="A code, or * for all; those you read without it."),
            _flag("mine", "What you have in hand."),
            _flag("overdue", "Whose deadline has passed."),
            _flag("children", "The queue of cases about children, for who was trained for it."),
            OpenApiParameter("offset", int, description=f"At most {queue.DEPTH}; a page has {PAGE}."),
        ],
        responses={200: WaitingShape(many=True), **problems(400, 401, 403, 429)},
    )
    def get(self, request: Request) -> Response:
        user, wanted = person(request), _wanted(request)
        if wanted.children and not queue.has_children(user):
            raise Forbidden("These cases are for who was trained for them.", code="case.training")
        offset = whole(request, "offset", 0, 0, queue.DEPTH)
        rows = queue.explained(list(queue.waiting(user, wanted)[offset : offset + PAGE]))
        return Response(WaitingShape(rows, many=True, context={"request": request}).data)


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    chosen = {name: query.get(name, "") for name in _FILTERS}
    if errors := {
        name: ["Choose from the list."] for name, value in chosen.items() if value not in ("", *_FILTERS[name])
    }:
        raise invalid(errors)
    said = {name: query.get(name, "") in ("true", "1") for name in ("mine", "overdue", "children")}
    filters: dict[str, Any] = {**chosen, **said, "language": query.get("language", "")[:8]}
    return Wanted(**filters)


class CaseSearchView(APIView):
    """Find a case by the number of a notice, the id or title of a work, the id of a case, a rule, a kind of issue."""

    permission_classes = [reads_cases]

    @extend_schema(
        operation_id="case_search",
        parameters=[OpenApiParameter("q", str, required=True)],
        responses={200: CaseShape(many=True), **problems(401, 403, 429)},
    )
    def get(self, request: Request) -> Response:
        rows = search.find(person(request), request.query_params.get("q", ""))[:PAGE]
        return Response(CaseShape(rows, many=True, context={"request": request}).data)


class CaseRecusalView(APIView):
    """“I should not review this”: the case goes to somebody else and does not come back to you."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="case_recuse",
        request=RecusalRequest,
        responses={204: None, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        user = person(request)
        cases.recuse(cases.case_for(user, pk), user, read(RecusalRequest, request).get("why", ""))
        return Response(status=204)


class CaseTakeBackView(APIView):
    """A case goes back into the queue, away from the reviewer who has it; what they proposed is dropped."""

    permission_classes = [leads_cases]

    @extend_schema(
        operation_id="case_take_back",
        request=TakeBackRequest,
        responses={200: CaseShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        user = person(request)
        case = cases.take_back(cases.case_for(user, pk), user, read(TakeBackRequest, request)["why"])
        return Response(CaseShape(case, context={"request": request}).data)


class CaseQuestionsView(APIView):
    """Ask who filed a notice for what is missing; the case waits for the answer."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="case_ask",
        request=AskRequest,
        responses={200: CaseShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        user, values = person(request), read(AskRequest, request)
        case = cases.case_for(user, pk)
        notice = case.notices.filter(number=values["notice"]).first()
        if notice is None:
            raise NotFound("notice in this case")
        asking.ask(case, user, notice, values["fields_asked"])
        return Response(CaseShape(case, context={"request": request}).data)
