"""/api/v1/assets: thin doors to registration and delivery."""

import base64
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import MachineToken, Role, Scope, User
from accounts.permissions import Public, allow
from core import storage
from core.canonical import Json
from core.http import one_file
from core.problems import Conflict, NotFound, Problem, invalid
from ledger.acknowledgements import acknowledge
from ledger.api import CHECKPOINT, AnyAccept, AsItIs, ReceiptSerializer, holder_of, json_file, wants_cosigned
from ledger.receipts import cosigned_receipt_for, receipt_for
from provenance import manifests, media, resolution
from provenance.api_shapes import (
    AssetSerializer,
    HashRegisteredSerializer,
    HashRegistrationSerializer,
    RegisteredSerializer,
    RegistrationSerializer,
    asset_as_dict,
    problems,
)
from provenance.delivery import Viewer, deliver
from provenance.models import Asset
from provenance.registration import register_asset, register_hash, registered_before
from provenance.resolution_api import store_response


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
        said, owner = {name: value for name, value in form.validated_data.items() if name != "file"}, request.user
        assert isinstance(owner, User)
        with storage.receive(upload.chunks()) as scratch:
            asset = register_asset(owner, scratch, filename=upload.name or "", **said)
        return _registered(asset, owner)


def _registered(asset: Asset, owner: User, code: int = status.HTTP_201_CREATED, **more: Json) -> Response:
    body = {**asset_as_dict(asset, owner), "acknowledgement": _acknowledged(asset), **more}
    return Response(body, status=code, headers={"Location": body["links"]["self"]})


class HashesView(APIView):
    """Register a work by its SHA-256 alone: the file never leaves its owner."""

    permission_classes = [allow(Role.CREATOR, scope=Scope.ASSETS_WRITE)]

    @extend_schema(
        operation_id="assets_register_hash",
        request=HashRegistrationSerializer,
        responses={
            (201, "application/json"): HashRegisteredSerializer,
            (200, "application/json"): OpenApiResponse(HashRegisteredSerializer, "Registered before, by this request."),
            **problems(400, 401, 403, 409, 413, 415, 422, 429),
        },
    )
    def post(self, request: Request) -> Response:
        form = HashRegistrationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values, owner = form.validated_data, request.user
        assert isinstance(owner, User)
        code: int = status.HTTP_201_CREATED
        try:
            asset = register_hash(owner, **values)
        except Conflict as conflict:
            before = registered_before(owner, **values)
            if before is None:
                raise conflict
            asset, code = before, status.HTTP_200_OK
        store = manifests.store_of(manifests.of_form(asset, manifests.Form.DETACHED))
        return _registered(asset, owner, code, detached_manifest=base64.b64encode(store).decode())


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
            **{(200, kind): OpenApiTypes.BINARY for kind in sorted(media.EMBEDDABLE)},
            **problems(401, 403, 404, 429),
        },
    )
    def get(self, request: Request, asset_id: UUID) -> HttpResponseBase:
        return deliver(visible_asset(request, asset_id), viewer_of(request))


class AssetManifestView(APIView):
    """A manifest of the work in force, as a C2PA Manifest Store."""

    permission_classes = [Public]
    renderer_classes = [AsItIs]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="assets_manifest",
        parameters=[
            OpenApiParameter(
                "form",
                str,
                enum=[form.value for form in manifests.MADE_OVER.values()],
                description="Made over the signed file, or over the file as it was sent; without it, the first.",
            )
        ],
        responses={(200, manifests.MEDIA_TYPE): OpenApiTypes.BINARY, **problems(400, 401, 403, 404, 429)},
    )
    def get(self, request: Request, asset_id: UUID) -> HttpResponse:
        asset, form = visible_asset(request, asset_id), request.query_params.get("form", "")
        if form not in ("", *manifests.MADE_OVER.values()):
            raise invalid({"form": ["`embedded` or `detached`."]})
        manifest = manifests.of_form(asset, form)
        return store_response(resolution.store_for(manifest, viewer_of(request)), manifest)


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
