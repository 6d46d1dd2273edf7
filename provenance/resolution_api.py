"""The C2PA Soft Binding Resolution API, at /api/v1/softbinding/ (spec 2.4, “Soft Binding API” §1.4).

Open to anybody, of any site, and the same for everybody: nobody is recognised here. What differs from the letter of
the spec: refusals are problem+json, and more are told apart. `matches/byReference` is not there: no address is opened.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, QueryDict
from django.http.request import UnreadablePostError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

from accounts.permissions import Public
from core import storage
from core.problems import Problem
from ledger.api import AnyAccept, AsItIs
from provenance import manifests, resolution
from provenance.api_shapes import problems
from provenance.models import Manifest

MAX_VALUE_IN_ADDRESS = 2048  # characters; servers and proxies cut request lines at 4 to 8 KiB
MAX_VALUE = 8192  # a hundred units and more; a file has three
MEDIA_KINDS = ("image", "audio", "video", "application", "model", "text")


class ResolutionThrottle(AnonRateThrottle):
    """A search over all fingerprints; it also bounds how fast codes can be guessed."""

    scope = "resolution"
    rate = "60/min"


class ContentThrottle(AnonRateThrottle):
    """A stranger's file is decoded in a guarded child for each of these."""

    scope = "resolution_content"
    rate = "20/min"


# --- Shapes ---------------------------------------------------------------------------------------------------------


class LimitSerializer(serializers.Serializer[Any]):
    maxResults = serializers.IntegerField(
        min_value=1, default=10, help_text=f"How many to return at most; never more than {resolution.MAX_RESULTS}."
    )


class SoftBindingSerializer(serializers.Serializer[Any]):
    """c2pa.softBindingQuery."""

    alg = serializers.CharField(max_length=200, help_text="A name of the C2PA soft binding algorithm list.")
    value = serializers.CharField(
        max_length=MAX_VALUE,
        trim_whitespace=False,
        help_text="Base64 (RFC 4648 §4, padded). Of io.iscc.v0: an ISCC-SEQ after IEP-0020.",
    )


class BindingQuerySerializer(SoftBindingSerializer, LimitSerializer):
    pass


class ContentQuerySerializer(LimitSerializer):
    alg = serializers.CharField(max_length=200, required=False, help_text="Refused when it is not looked up here.")
    hintAlg = serializers.CharField(max_length=200, required=False, help_text="Algorithm of `hintValue`.")
    hintValue = serializers.CharField(
        max_length=MAX_VALUE,
        trim_whitespace=False,
        required=False,
        help_text="A soft binding of the file that is known, looked up as well.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("hintAlg" in attrs) != ("hintValue" in attrs):
            raise serializers.ValidationError("`hintAlg` and `hintValue` go together.")
        return attrs


class ManifestQuerySerializer(serializers.Serializer[Any]):
    returnActiveManifest = serializers.BooleanField(
        default=False, help_text="Only the manifest asked for, without those of earlier files, in a store of its own."
    )


class ResolvedSerializer(serializers.Serializer[Any]):
    manifestId = serializers.CharField(help_text="Label of the manifest; for /manifests/{manifestId} beside this.")
    similarityScore = serializers.IntegerField(
        min_value=0, max_value=100, help_text="100: equal bytes. Else the share of equal bits, per cent, 99 at most."
    )


class SoftBindingResultSerializer(serializers.Serializer[Any]):
    """c2pa.softBindingQueryResult; best first."""

    matches = ResolvedSerializer(many=True)


class AlgorithmSerializer(serializers.Serializer[Any]):
    alg = serializers.CharField()


class SoftBindingAlgorithmsSerializer(serializers.Serializer[Any]):
    """c2pa.softBindingAlgList."""

    watermarks = AlgorithmSerializer(many=True)
    fingerprints = AlgorithmSerializer(many=True)


# --- Addresses ------------------------------------------------------------------------------------------------------


class ResolutionView(APIView):
    """Verifiers run in browsers on other sites; as nobody is recognised here, they may all read the answers."""

    authentication_classes = []
    permission_classes = [Public]
    throttle_classes = [ResolutionThrottle]

    @property
    def default_response_headers(self) -> dict[str, str]:
        """For every answer, refusals too. A work that is hidden is gone from the next answer on: nobody keeps any."""
        return {**super().default_response_headers, "Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}

    def options(  # type: ignore[override]  # DRF takes any response
        self, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The question of a browser before it sends a file from another site (Fetch standard, “CORS-preflight”)."""
        allowed = {"Access-Control-Allow-Methods": ", ".join(self.allowed_methods)}
        return HttpResponse(status=204, headers={**allowed, "Access-Control-Allow-Headers": "Content-Type"})


class ByBindingView(ResolutionView):
    """Manifests whose soft binding is this one, or near it."""

    @extend_schema(
        operation_id="softbinding_by_binding",
        parameters=[BindingQuerySerializer],
        responses={200: SoftBindingResultSerializer, **problems(400, 414, 429)},
    )
    def get(self, request: Request) -> Response:
        # “+” of base64 arrives as a space from clients that do not escape it; no space is in base64.
        given = request.query_params.get("value", "").replace(" ", "+")
        if len(given) > MAX_VALUE_IN_ADDRESS:
            raise _too_long()
        asked = _checked(BindingQuerySerializer, {**request.query_params.dict(), "value": given})
        return _matches(resolution.by_value(asked["alg"], _decoded(asked["value"]), limit=asked["maxResults"]))

    @extend_schema(
        operation_id="softbinding_by_large_binding",
        parameters=[LimitSerializer],
        request=SoftBindingSerializer,
        responses={200: SoftBindingResultSerializer, **problems(400, 413, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        limit = _checked(LimitSerializer, request.query_params)["maxResults"]
        asked = _checked(SoftBindingSerializer, request.data)
        return _matches(resolution.by_value(asked["alg"], _decoded(asked["value"]), limit=limit))


class ByContentView(ResolutionView):
    """Manifests of the works that this file is a copy of. The body is the file itself; nothing of it is kept."""

    throttle_classes = [ContentThrottle]

    @extend_schema(
        operation_id="softbinding_by_content",
        parameters=[ContentQuerySerializer],
        request={f"{kind}/*": OpenApiTypes.BINARY for kind in MEDIA_KINDS},
        responses={200: SoftBindingResultSerializer, **problems(400, 411, 413, 415, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        asked = _checked(ContentQuerySerializer, request.query_params)
        if "alg" in asked:
            resolution.check_algorithm(asked["alg"])
        hint = resolution.codes_of(asked["hintAlg"], _decoded(asked["hintValue"])) if "hintAlg" in asked else None
        _check_media_type(request)
        with storage.receive(_pieces(request)) as scratch:
            return _matches(resolution.by_file(scratch, limit=asked["maxResults"], hint=hint))


class ManifestView(ResolutionView):
    """The C2PA Manifest Store that a manifest is part of, by the manifest's label or the id of a work."""

    renderer_classes = [AsItIs]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="softbinding_manifest",
        parameters=[ManifestQuerySerializer],
        responses={(200, manifests.MEDIA_TYPE): OpenApiTypes.BINARY, **problems(400, 403, 404, 429)},
    )
    def get(self, request: Request, manifest_id: str) -> HttpResponse:
        only = _checked(ManifestQuerySerializer, request.query_params)["returnActiveManifest"]
        manifest = resolution.manifest_called(manifest_id)
        store = resolution.store_for(manifest, None)
        if only:
            by_work = manifest_id == str(manifest.asset_id)
            store = manifests.alone(store, manifest.label if by_work else manifest_id)
        return store_response(store, manifest)


def _matches(found: list[resolution.Found]) -> Response:
    return Response({"matches": [{"manifestId": one.manifest_id, "similarityScore": one.score} for one in found]})


def store_response(store: bytes, manifest: Manifest) -> HttpResponse:
    """A Manifest Store as a file to save."""
    name = f"{manifest.asset_id}-{manifest.form}.c2pa"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(store, content_type=manifests.MEDIA_TYPE, headers=headers)


class AlgorithmsView(ResolutionView):
    """The soft binding algorithms that are looked up here."""

    @extend_schema(
        operation_id="softbinding_supported_algorithms",
        responses={200: SoftBindingAlgorithmsSerializer, **problems(429)},
    )
    def get(self, request: Request) -> Response:
        return Response({"watermarks": [], "fingerprints": [{"alg": name} for name in resolution.ALGORITHMS]})


# --- Reading a query ------------------------------------------------------------------------------------------------


def _checked(shape: type[serializers.Serializer[Any]], given: Any) -> dict[str, Any]:
    asked = shape(data=given.dict() if isinstance(given, QueryDict) else given)
    asked.is_valid(raise_exception=True)
    values: dict[str, Any] = asked.validated_data
    return values


def _decoded(value: str) -> bytes:
    """Of each value one spelling is taken (RFC 4648 §3.5), so that two queries differ when their values do."""
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise resolution.bad_value("It is not base64 with padding (RFC 4648 §4).") from None
    if base64.b64encode(data).decode() != value:
        raise resolution.bad_value("Its base64 is not canonical: unused bits of the last character are set.")
    return data


def _too_long() -> Problem:
    return Problem(
        "resolution.value_too_long",
        "The value is too long for an address",
        status=414,
        detail=f"An address may hold a value of {MAX_VALUE_IN_ADDRESS} characters.",
        next_step="Send the same query as JSON with POST.",
    )


def _check_media_type(request: Request) -> None:
    """A form around the file would be compared as if it were the file."""
    declared = (request.content_type or "application/octet-stream").lower()
    if declared.partition("/")[0] in MEDIA_KINDS and not declared.startswith("application/x-www-form-urlencoded"):
        return
    raise Problem(
        "request.media_type",
        "This address does not read that media type",
        status=415,
        detail=f"The body must be the file itself, declared as {', '.join(MEDIA_KINDS)} and a slash and more.",
        next_step="Send the bytes of the file as the body, not as a form.",
    )


def _pieces(request: Request) -> Iterator[bytes]:
    stream = request.stream
    if stream is None and "Transfer-Encoding" in request.headers:
        raise Problem(
            "request.length_missing",
            "The length of the body must be told",
            status=411,
            detail="The body came in pieces, without a Content-Length.",
            next_step="Send the file with its length.",
        )
    try:
        while stream is not None and (piece := stream.read(storage.CHUNK)):
            yield piece
    except UnreadablePostError:
        raise ParseError("The connection ended before the whole file had arrived.") from None
