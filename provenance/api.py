"""/api/v1/assets and /api/v1/verifications: thin doors to registration, verification and delivery."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from accounts.models import MachineToken, Role, Scope, User
from accounts.permissions import Public, allow
from core import storage
from core.canonical import Json
from core.http import one_file
from core.problems import Conflict, NotFound, Problem
from ledger.acknowledgements import acknowledge
from ledger.api import CHECKPOINT, AnyAccept, AsItIs, ReceiptSerializer, holder_of, json_file, wants_cosigned
from ledger.receipts import cosigned_receipt_for, receipt_for
from provenance.api_shapes import (
    AssetSerializer,
    QuestionSerializer,
    RegisteredSerializer,
    RegistrationSerializer,
    ReportSerializer,
    asset_as_dict,
    problems,
)
from provenance.delivery import deliver
from provenance.models import Asset
from provenance.registration import register_asset
from provenance.verification import Viewer, verify_file


def viewer_of(request: Request) -> Viewer:
    """Who is looking. A machine token that may not read assets sees what the public sees."""
    user: Any = request.user
    if isinstance(request.auth, MachineToken) and Scope.ASSETS_READ not in request.auth.scopes:
        return None
    return user if isinstance(user, User) else None


def visible_asset(request: Request, asset_id: UUID) -> Asset:
    """Raises NotFound also for what the caller may not know about."""
    assets = Asset.objects.visible_to(viewer_of(request)).select_related("entry")
    asset = assets.prefetch_related("renditions", "manifests").filter(pk=asset_id).first()
    if asset is None:
        raise NotFound("asset")
    return asset


class AssetsView(generics.ListAPIView[Asset]):
    """Register a work; list your own, newest first."""

    parser_classes = [MultiPartParser]
    serializer_class = AssetSerializer

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method == "POST":
            return [allow(Role.CREATOR, scope=Scope.ASSETS_WRITE)()]
        return [allow(scope=Scope.ASSETS_READ)()]

    def get_queryset(self) -> QuerySet[Asset]:
        owner: Any = self.request.user
        return Asset.objects.filter(owner=owner).prefetch_related("renditions", "manifests")

    @extend_schema(operation_id="assets_list", responses={200: AssetSerializer(many=True), **problems(401, 403, 404)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([asset_as_dict(one, viewer_of(request)) for one in page])

    @extend_schema(
        operation_id="assets_register",
        request={"multipart/form-data": RegistrationSerializer},
        responses={201: RegisteredSerializer, **problems(400, 401, 403, 409, 413, 415, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        upload = one_file(request.FILES)
        form = RegistrationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values, owner = form.validated_data, request.user
        assert isinstance(owner, User)
        with storage.receive(upload.chunks()) as scratch:
            asset = register_asset(
                owner,
                scratch,
                title=values["title"],
                source_type=values["source_type"],
                training=values["training"],
                filename=upload.name or "",
            )
        body = {**asset_as_dict(asset, owner), "acknowledgement": _acknowledged(asset)}
        return Response(body, status=status.HTTP_201_CREATED, headers={"Location": body["links"]["self"]})


def _acknowledged(asset: Asset) -> Json:
    """The log's promise for the registration, None where it cannot be signed: the work is registered all the same."""
    try:
        return acknowledge(asset.entry).as_dict()
    except Problem:
        return None


class AssetView(APIView):
    """One registered work, as the public may see it."""

    permission_classes = [Public]

    @extend_schema(operation_id="assets_read", responses={200: AssetSerializer, **problems(401, 404, 429)})
    def get(self, request: Request, asset_id: UUID) -> Response:
        return Response(asset_as_dict(visible_asset(request, asset_id), viewer_of(request)))


class AssetFileView(APIView):
    """The signed file, as an attachment."""

    permission_classes = [Public]
    renderer_classes = [AsItIs]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="assets_file",
        responses={
            **{(200, kind): OpenApiTypes.BINARY for kind in ("image/jpeg", "image/png", "image/webp", "video/mp4")},
            **problems(401, 403, 404, 429),
        },
    )
    def get(self, request: Request, asset_id: UUID) -> FileResponse:
        return deliver(visible_asset(request, asset_id), viewer_of(request))


class AssetReceiptView(APIView):
    """The ledger's receipt for the registration: public, because the leaf holds nothing personal."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="assets_receipt",
        parameters=[CHECKPOINT],
        responses={200: ReceiptSerializer, **problems(401, 404, 409, 429)},
    )
    def get(self, request: Request, asset_id: UUID) -> HttpResponse:
        entry, holder = visible_asset(request, asset_id).entry, holder_of(request)
        cosigned = wants_cosigned(request)
        receipt = cosigned_receipt_for(entry, holder=holder) if cosigned else receipt_for(entry, holder=holder)
        if receipt is None:
            raise Conflict(
                "The entry is in the ledger and waits for the next signed checkpoint.",
                code="receipt.pending",
                next_step="Ask again in a few seconds; the acknowledgement is there at once.",
            )
        return json_file(receipt.as_json(), f"receipt-{asset_id}.json")


class VerificationAnonThrottle(AnonRateThrottle):
    """Reading a stranger's file costs a guarded child; it has a rate of its own."""

    scope = "verifications"
    rate = "60/min"


class VerificationUserThrottle(UserRateThrottle):
    scope = "verifications_user"
    rate = "240/min"


class VerificationsView(APIView):
    """What this office can say about a file. The file is not kept."""

    permission_classes = [Public]
    parser_classes = [MultiPartParser]
    throttle_classes = [VerificationAnonThrottle, VerificationUserThrottle]

    @extend_schema(
        operation_id="verifications_create",
        request={"multipart/form-data": QuestionSerializer},
        responses={200: ReportSerializer, **problems(400, 401, 403, 413, 415, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        upload = one_file(request.FILES)
        with storage.receive(upload.chunks()) as scratch:
            report = verify_file(scratch.path, scratch.sha256, filename=upload.name or "", viewer=viewer_of(request))
        return Response(report.as_dict())
