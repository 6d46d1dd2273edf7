"""/api/v1/assets/…/consents, consent, consent-receipts, bases: thin doors into consent and bases."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle
from rest_framework.views import APIView

from accounts.models import Role, Scope
from accounts.permissions import Public, allow
from core.problems import NotFound
from policy.api.api_cases import decides_cases, person, read
from policy.api.api_shapes import Shape
from policy.consents import bases, consent, consent_pins, consent_receipts, consent_wording, scans, signals
from policy.law.rules import JURISDICTIONS
from policy.models import Capacity, Consent, ProcessingBasis, Purpose
from provenance.api_shapes import problems
from provenance.models import Asset

PIN = OpenApiParameter(
    "Assay-Pin", str, OpenApiParameter.HEADER, description="The PIN mailed with the first answer, to agree again."
)


class ConsentRequest(Shape):
    name = serializers.CharField(max_length=120)
    contact = serializers.CharField(required=False, allow_blank=True, max_length=200)
    purposes = serializers.ListField(child=serializers.ChoiceField(choices=Purpose.choices), allow_empty=False)
    territory = serializers.ListField(
        child=serializers.ChoiceField(choices=list(JURISDICTIONS.items())),
        required=False,
        help_text="None: everywhere.",
    )
    valid_from = serializers.DateField(required=False, allow_null=True)
    valid_to = serializers.DateField(required=False, allow_null=True, help_text="The last day.")
    language = serializers.CharField(required=False, max_length=8, help_text="Of the consent notice: en or de.")
    capacity = serializers.ChoiceField(choices=Capacity.choices, required=False)
    proxy_name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    proxy_contact = serializers.CharField(required=False, allow_blank=True, max_length=200)


class AnswerRequest(Shape):
    purposes = serializers.ListField(
        child=serializers.ChoiceField(choices=Purpose.choices), help_text="What is agreed to from now on; [] for no."
    )
    entitled = serializers.BooleanField(required=False, help_text="Who answers for somebody else says that they may.")


class StopRequest(Shape):
    how = serializers.ChoiceField(
        choices=["halt", "invalidate", "ask_anew"], help_text="ask_anew: opens the question again that was not valid."
    )


class BasisRequest(Shape):
    asset = serializers.UUIDField(required=False, allow_null=True, help_text="None: for every work.")
    purpose = serializers.ChoiceField(choices=[(one.value, one.label) for one in bases.PURPOSES])
    ground = serializers.ChoiceField(choices=ProcessingBasis.Ground.choices)
    reference = serializers.CharField(max_length=300, help_text="Where the assessment is; everybody may read it.")
    valid_to = serializers.DateField(required=False, allow_null=True)


class ConsentShape(serializers.ModelSerializer[Consent]):
    """Context `bound`: what the work is now, where it is known."""

    standing = serializers.SerializerMethodField()
    purposes = serializers.ListField(child=serializers.CharField())
    granted = serializers.ListField(child=serializers.CharField(), help_text="What stands now.")
    territory = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Consent
        fields = [
            *("id", "state", "standing", "purposes", "granted", "territory", "valid_from", "valid_to"),
            *("notice_version", "language", "capacity", "created_at", "answered_at"),
        ]

    def get_standing(self, row: Consent) -> str:
        return consent.standing(row, self.context.get("bound"))


class ConsentAskedShape(ConsentShape):
    link = serializers.CharField(help_text="Give it to the person. Told once.")

    class Meta(ConsentShape.Meta):
        fields = [*ConsentShape.Meta.fields, "link"]


class LookShape(Shape):
    detector = serializers.CharField()
    at = serializers.DateTimeField()
    refused = serializers.BooleanField()
    basis = serializers.CharField(help_text="“consent”, a ground of law, or nothing where it looks at no people.")


class AnswerPageShape(ConsentShape):
    """What the person with the link reads."""

    asks = serializers.DictField(child=serializers.CharField(), help_text="The sentence for each purpose.")
    bound = serializers.BooleanField(help_text="False: the work was changed since, and has to be asked about anew.")
    looked_at = LookShape(many=True)
    signals = serializers.ListField(child=serializers.CharField())

    class Meta(ConsentShape.Meta):
        fields = [*ConsentShape.Meta.fields, "asks", "bound", "looked_at", "signals"]


class CheckShape(Shape):
    holds = serializers.BooleanField()
    wrong = serializers.ListField(child=serializers.CharField())


class BasisShape(serializers.ModelSerializer[ProcessingBasis]):
    class Meta:
        model = ProcessingBasis
        fields = ["id", "asset", "purpose", "ground", "reference", "valid_to", "created_at", "withdrawn_at"]


# --- The creator -----------------------------------------------------------------------------------------------------


class AssetConsentsView(APIView):
    """The people shown in your work: ask, and see what they answered."""

    def get_permissions(self) -> list[BasePermission]:
        scope = Scope.ASSETS_WRITE if self.request.method == "POST" else Scope.ASSETS_READ
        return [allow(scope=scope)()]

    @extend_schema(
        operation_id="consent_list", responses={200: ConsentShape(many=True), **problems(401, 403, 404, 429)}
    )
    def get(self, request: Request, pk: UUID) -> Response:
        asset = _own(request, pk)
        rows = Consent.objects.filter(depiction__asset=asset).order_by("pk")
        return Response(ConsentShape(rows, many=True, context={"bound": consent.binding(asset)}).data)

    @extend_schema(
        operation_id="consent_ask",
        request=ConsentRequest,
        responses={201: ConsentAskedShape, **problems(400, 401, 403, 404, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        asset = _own(request, pk)
        values = {"contact": "", **read(ConsentRequest, request)}
        return _told(*consent.ask_consent(asset, person(request), **values))


class ConsentLinkView(APIView):
    """A new link for the same person, about the work as it is now."""

    permission_classes = [allow(scope=Scope.ASSETS_WRITE)]

    @extend_schema(
        operation_id="consent_ask_again",
        request=None,
        responses={201: ConsentAskedShape, **problems(401, 403, 404, 409, 429)},
    )
    def post(self, request: Request, pk: UUID, consent_id: UUID) -> Response:
        rows = Consent.objects.select_related("depiction__asset", "depiction__person", "proxy")
        row = rows.filter(pk=consent_id, depiction__asset=_own(request, pk)).first()
        if row is None:
            raise NotFound("consent")
        return _told(*consent.ask_again(row, person(request)))


def _told(asked: Consent, link: str) -> Response:
    return Response({**ConsentShape(asked).data, "link": link}, status=201)


def _own(request: Request, pk: UUID) -> Asset:
    asset = Asset.objects.filter(pk=pk, owner=person(request)).first()
    if asset is None:
        raise NotFound("asset of yours")
    return asset


# --- The person with the link ----------------------------------------------------------------------------------------


class ByLinkView(APIView):
    """What you are asked, and your answer: purposes you agree to from now on, none for no. With the first answer this
    office mails a PIN to the person's address; who asked knows the link too, so agreeing again needs it (`Assay-Pin`).
    Where no address is known nobody agrees by the link.
    """

    permission_classes = [Public]
    throttle_scope = "pin"

    def get_throttles(self) -> list[BaseThrottle]:
        """Tries of a PIN are counted; reading, and saying no, are not."""
        tries = "Assay-Pin" in self.request.headers
        return [ScopedRateThrottle()] if tries else super().get_throttles()

    @extend_schema(operation_id="consent_read", responses={200: AnswerPageShape, **problems(404, 429)})
    def get(self, request: Request, token: str) -> Response:
        return Response(_page(consent.consent_by_token(token)))

    @extend_schema(
        operation_id="consent_answer",
        request=AnswerRequest,
        parameters=[PIN],
        responses={200: AnswerPageShape, **problems(400, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, token: str) -> Response:
        row, values = consent.consent_by_token(token), read(AnswerRequest, request)
        chosen, pin = values["purposes"], request.headers.get("Assay-Pin", "")
        if pin:
            consent_pins.check(row.depiction.person, pin)
        consent_pins.answer(
            row,
            lambda: consent.answer(row, chosen, entitled=values.get("entitled", False)),
            yes=bool(chosen),
            shown=bool(pin),
        )
        return Response(_page(row))


def _page(row: Consent) -> dict[str, Any]:
    asset = row.depiction.asset
    bound, words = consent.binding(asset), consent_wording.wording(row.notice_version, row.language)
    return {
        **ConsentShape(row, context={"bound": bound}).data,
        "asks": {value: words.purpose(value) for value in row.purposes},
        "bound": consent.is_bound(row, bound),
        "looked_at": LookShape(scans.looks(asset), many=True).data,
        "signals": [signals.words(one) for one in row.signals.all()],
    }


class ReceiptView(APIView):
    """The receipt: ISO/IEC TS 27560 with terms of the DPV, and the log's proofs."""

    permission_classes = [Public]

    @extend_schema(operation_id="consent_receipt", responses={200: OpenApiTypes.OBJECT, **problems(404, 429)})
    def get(self, request: Request, token: str) -> Response:
        return Response(consent_receipts.receipt(consent.consent_by_token(token)))


class ReceiptCheckView(APIView):
    """Check a receipt that somebody shows you: everything it says that does not follow from the log."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "notices"

    @extend_schema(
        operation_id="consent_receipt_check",
        request=OpenApiTypes.OBJECT,
        responses={200: CheckShape, **problems(400, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        wrong = consent_receipts.check(request.data)
        return Response({"holds": not wrong, "wrong": wrong})


# --- The office ------------------------------------------------------------------------------------------------------


_STOPS = {"halt": consent.halt, "invalidate": consent.invalidate, "ask_anew": consent.ask_anew}


class ConsentStopView(APIView):
    """Stop a consent for now, declare it not valid, or let somebody be asked anew: for lead reviewers."""

    permission_classes = [decides_cases]

    @extend_schema(
        operation_id="consent_stop",
        request=StopRequest,
        responses={200: ConsentShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        rows = Consent.objects.select_related("depiction__asset", "depiction__person", "proxy", "entry")
        row, how = get_object_or_404(rows, pk=pk), read(StopRequest, request)["how"]
        return Response(ConsentShape(_STOPS[how](row, person(request))).data)


class BasesView(generics.ListAPIView[ProcessingBasis]):
    """The bases in force for every work, for anybody to read; record one."""

    serializer_class = BasisShape
    queryset = ProcessingBasis.objects.none()

    def get_permissions(self) -> list[BasePermission]:
        roles = (Role.OPERATOR, Role.LEGAL, Role.LEAD_REVIEWER)
        return [Public()] if self.request.method == "GET" else [allow(*roles)()]

    def get_queryset(self) -> QuerySet[ProcessingBasis]:
        return bases.in_force_anywhere().filter(asset=None).order_by("pk")

    @extend_schema(operation_id="basis_list", responses={200: BasisShape(many=True), **problems(429)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="basis_record",
        request=BasisRequest,
        responses={201: BasisShape, **problems(400, 401, 403, 404, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        values = read(BasisRequest, request)
        asset_id = values.pop("asset", None)
        asset = Asset.objects.filter(pk=asset_id).first() if asset_id else None
        if asset_id and asset is None:
            raise NotFound("asset")
        return Response(BasisShape(bases.record(person(request), asset=asset, **values)).data, status=201)
