"""/api/v1/decisions/…/appeals, decisions/…/appeal, appeals: thin doors into appeals, for both sides."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import exceptions, generics, serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from accounts.models import MachineToken, Scope
from accounts.permissions import Public, allow
from core.http import one_file
from core.json_parser import JSONParser
from core.problems import Forbidden, NotFound
from ledger import vault
from policy import authority
from policy.api.api_cases import PIN, by_pin, decides_cases, person, read, reads_cases
from policy.api.api_shapes import NO_NAMES, ClockShape, ReplacementRequest, Shape
from policy.authority import ACTS, Act
from policy.consents import consent, consent_pins
from policy.models import Appeal, Decision, OutOfCourt
from policy.redress import appeal_dialogue, appeal_thread, appeals, out_of_court
from policy.redress.appeals import Who
from provenance.api_shapes import problems

NUMBER = OpenApiParameter("notice", str, description="A notice's number; its PIN goes into Assay-Pin.")
LINK = OpenApiParameter(
    "Assay-Link",
    str,
    OpenApiParameter.HEADER,
    description="The last part of the link of a consent; the PIN mailed with the first answer goes into Assay-Pin.",
)
WHO = [NUMBER, PIN, LINK]
records = allow(*ACTS[Act.RECORD_OUT_OF_COURT].roles, scope=Scope.CASES_WRITE)


# --- Shapes --------------------------------------------------------------------------------------------------------


class AppealRequest(Shape):
    grounds = serializers.CharField(min_length=appeals.SHORTEST, max_length=appeals.LONGEST)
    notice = serializers.CharField(
        required=False, allow_blank=True, max_length=32, help_text="A notice's number; its PIN goes into Assay-Pin."
    )


class AppealDecisionRequest(Shape):
    outcome = serializers.ChoiceField(choices=Appeal.Outcome.choices)
    reasons = serializers.CharField(min_length=10, max_length=5000)
    replacement = ReplacementRequest(required=False, allow_null=True, help_text="Only for “modify”.")
    no_names = serializers.BooleanField(required=False, help_text=NO_NAMES)


class TextRequest(Shape):
    text = serializers.CharField(min_length=appeal_thread.SHORTEST, max_length=appeal_thread.LONGEST)


class DisputeRequest(Shape):
    body = serializers.CharField(min_length=3, max_length=120)
    reference = serializers.CharField(max_length=60)


class DisputeOutcomeRequest(Shape):
    outcome = serializers.ChoiceField(choices=[choice for choice in OutOfCourt.Outcome.choices if choice[0]])
    complied = serializers.BooleanField(help_text="Whether the office does what the body said; then it is done now.")


class DocumentShape(Shape):
    id = serializers.UUIDField()
    name = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField()


class MessageShape(Shape):
    by_office = serializers.BooleanField()
    text = serializers.CharField()
    asks_until = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    documents = DocumentShape(many=True)


class AppealShape(serializers.ModelSerializer[Appeal]):
    decision = serializers.UUIDField(source="decision_id")
    replacement = serializers.UUIDField(source="replacement_id", allow_null=True)
    clocks = ClockShape(many=True)
    grounds = serializers.SerializerMethodField()

    class Meta:
        model = Appeal
        fields = [
            *("id", "decision", "role", "language", "state", "outcome", "reasons", "replacement", "grounds"),
            *("clocks", "created_at", "decided_at"),
        ]

    def get_grounds(self, appeal: Appeal) -> str:
        return appeals.grounds_of(appeal, self.context.get("known"))


class AppealDetailShape(AppealShape):
    messages = serializers.SerializerMethodField()

    class Meta(AppealShape.Meta):
        fields = [*AppealShape.Meta.fields, "messages"]

    @extend_schema_field(MessageShape(many=True))
    def get_messages(self, appeal: Appeal) -> list[dict[str, Any]]:
        return [_message(said) for said in appeal_thread.thread(appeal)]


def _message(said: appeal_thread.Said) -> dict[str, Any]:
    documents = [
        {"id": str(row.pk), "name": name, "media_type": row.media_type, "size": row.size}
        for row, name in said.documents
    ]
    times = {"asks_until": said.message.asks_until, "created_at": said.message.created_at}
    return {"by_office": said.ours, "text": said.text, **times, "documents": documents}


class DisputeShape(serializers.ModelSerializer[OutOfCourt]):
    class Meta:
        model = OutOfCourt
        fields = ["id", "body", "reference", "state", "outcome", "complied", "created_at", "closed_at"]


# --- Who appeals ---------------------------------------------------------------------------------------------------


class ByAnybody(APIView):
    """By account, by number and PIN, or by the link of a consent; tries are counted."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "pin"


def who_asks(request: Request, number: str = "") -> Who:
    """Raises NotFound for a wrong pair or link, PinNeeded for a link alone, NotAuthenticated for nobody."""
    if number:
        return {"notice": by_pin(request, number)}
    if token := request.headers.get("Assay-Link", ""):
        shown = consent.consent_by_token(token).depiction.person
        consent_pins.check(shown, request.headers.get("Assay-Pin", ""))
        return {"person": shown}
    if isinstance(request.auth, MachineToken):
        raise Forbidden("Appeals are filed by people, not by tokens.", code="token.scope")
    if not request.user.is_authenticated:
        raise exceptions.NotAuthenticated
    return {"user": person(request)}


def told(pk: UUID, who: Who) -> Decision:
    """The decision, for who got a statement about it. Raises NotFound."""
    rows = Decision.objects.filter(pk=pk, **{f"statements__{role}": party for role, party in who.items()})
    decision = rows.select_related("case__asset", "entry").first()
    if decision is None:
        raise NotFound("decision")
    return decision


class DecisionAppealsView(ByAnybody):
    """Appeal a decision: as the uploader by account, as a notifier by number and PIN, as the person shown by link."""

    @extend_schema(
        operation_id="appeal_file",
        parameters=[PIN, LINK],
        request=AppealRequest,
        responses={201: AppealShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        values = read(AppealRequest, request)
        who = who_asks(request, values.pop("notice", ""))
        appeal = appeals.file_appeal(told(pk, who), grounds=values["grounds"], **who)
        return Response(AppealShape(appeal).data, status=201)


class OwnAppealView(ByAnybody):
    """One's own appeal against a decision, with its dialogue; taken back by DELETE."""

    @extend_schema(
        operation_id="appeal_own",
        parameters=WHO,
        responses={200: AppealDetailShape, **problems(401, 403, 404, 429)},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(AppealDetailShape(own_appeal(request, pk)).data)

    @extend_schema(
        operation_id="appeal_withdraw",
        parameters=WHO,
        responses={200: AppealDetailShape, **problems(401, 403, 404, 409, 429)},
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        appeal = own_appeal(request, pk)
        appeals.withdraw(appeal)
        return Response(AppealDetailShape(appeal).data)


def own_appeal(request: Request, pk: UUID) -> Appeal:
    """The caller's own appeal against the decision `pk`. Raises NotFound."""
    who = who_asks(request, request.query_params.get("notice", ""))
    appeal = told(pk, who).appeals.filter(**who).first()
    if appeal is None:
        raise NotFound("appeal of yours")
    return appeals.appeal_for(appeal.pk, **who)


class OwnMessagesView(ByAnybody):
    """Answer a question, or add something: text as JSON, or one document (PDF, PNG, JPEG, plain text) as `file`."""

    parser_classes = [JSONParser, MultiPartParser]

    @extend_schema(
        operation_id="appeal_answer",
        parameters=WHO,
        request={
            "application/json": TextRequest,
            "multipart/form-data": {
                "type": "object",
                "properties": {"text": {"type": "string"}, "file": {"type": "string", "format": "binary"}},
            },
        },
        responses={201: AppealDetailShape, **problems(400, 401, 403, 404, 409, 413, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        appeal = own_appeal(request, pk)
        if request.FILES:
            appeal_dialogue.answer(appeal, request.POST.get("text", ""), [one_file(request.FILES)])
        else:
            appeal_dialogue.answer(appeal, read(TextRequest, request)["text"])
        return Response(AppealDetailShape(appeal).data, status=201)


# --- Who hears -----------------------------------------------------------------------------------------------------


class AppealsView(generics.ListAPIView[Appeal]):
    """Appeals that wait, the newest first; no child's case is among them."""

    permission_classes = [reads_cases]
    serializer_class = AppealShape
    queryset = Appeal.objects.none()

    def get_queryset(self) -> Any:
        allowed = authority.general_cases(person(self.request))
        return appeals.waiting().filter(decision__case__in=allowed)

    def paginate_queryset(self, queryset: Any) -> Any:
        """The page's grounds are opened with keys that are fetched together."""
        page = super().paginate_queryset(queryset)
        self.known = vault.keys_of(bytes(appeal.sealed_grounds) for appeal in page or ())
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "known": getattr(self, "known", None)}

    @extend_schema(operation_id="appeal_list", responses={200: AppealShape(many=True), **problems(401, 403, 404, 429)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


def appeal_by(pk: UUID) -> Appeal:
    """Raises NotFound."""
    appeal = appeals.with_relations(Appeal.objects.filter(pk=pk)).first()
    if appeal is None:
        raise NotFound("appeal")
    return appeal


class AppealView(APIView):
    """One appeal with its dialogue, for who may decide it, or reads a decided one."""

    permission_classes = [reads_cases]

    @extend_schema(operation_id="appeal_read", responses={200: AppealDetailShape, **problems(401, 403, 404, 429)})
    def get(self, request: Request, pk: UUID) -> Response:
        appeal = appeal_by(pk)
        if appeal.state in Appeal.UNDECIDED:
            authority.may_decide_appeal(appeal, person(request))
        else:
            authority.may_open(appeal.decision.case, person(request))
        return Response(AppealDetailShape(appeal).data)


class AppealAssignmentView(APIView):
    """Take an appeal, or put it back."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="appeal_take", request=None, responses={200: AppealShape, **problems(401, 403, 404, 409, 429)}
    )
    def put(self, request: Request, pk: UUID) -> Response:
        return Response(AppealShape(appeals.assign(appeal_by(pk), person(request))).data)

    @extend_schema(operation_id="appeal_release", responses={200: AppealShape, **problems(401, 403, 404, 409, 429)})
    def delete(self, request: Request, pk: UUID) -> Response:
        return Response(AppealShape(appeals.release(appeal_by(pk), person(request))).data)


class AppealQuestionsView(APIView):
    """Ask who appeals; the deadline for an answer starts, and ours rests meanwhile."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="appeal_ask",
        request=TextRequest,
        responses={201: AppealDetailShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        appeal = appeal_by(pk)
        appeal_dialogue.ask(appeal, person(request), read(TextRequest, request)["text"])
        return Response(AppealDetailShape(appeal).data, status=201)


class AppealDecisionView(APIView):
    """Decide an appeal."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="appeal_decide",
        request=AppealDecisionRequest,
        responses={201: AppealShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        appeal = appeal_by(pk)
        appeals.decide_appeal(appeal, person(request), **read(AppealDecisionRequest, request))
        return Response(AppealShape(appeal).data, status=201)


class AppealDisputeView(APIView):
    """Record that a certified body looks at a decided appeal (POST), then what it said (PUT; as a form, with what it
    sent as `document`, where the office does what it said for the appellant).
    """

    permission_classes = [records]
    parser_classes = [JSONParser, MultiPartParser]

    @extend_schema(
        operation_id="dispute_open",
        request={"application/json": DisputeRequest},
        responses={201: DisputeShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        dispute = out_of_court.open_dispute(appeal_by(pk), person(request), **read(DisputeRequest, request))
        return Response(DisputeShape(dispute).data, status=201)

    @extend_schema(
        operation_id="dispute_close",
        request={
            "application/json": DisputeOutcomeRequest,
            "multipart/form-data": {
                "type": "object",
                "properties": {
                    "outcome": {"type": "string"},
                    "complied": {"type": "boolean"},
                    "document": {"type": "string", "format": "binary"},
                },
            },
        },
        responses={200: DisputeShape, **problems(400, 401, 403, 404, 409, 413, 415, 429)},
    )
    def put(self, request: Request, pk: UUID) -> Response:
        dispute = out_of_court.disputes().filter(appeal=pk).first()
        if dispute is None:
            raise NotFound("dispute")
        document = one_file(request.FILES, "document") if request.FILES else None
        said = read(DisputeOutcomeRequest, request)
        out_of_court.close_dispute(dispute, person(request), **said, document=document)
        return Response(DisputeShape(dispute).data)
