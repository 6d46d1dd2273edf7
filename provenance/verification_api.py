"""/api/v1/verifications: what this office can say about a file, sent or named by its SHA-256. No file is kept."""

import datetime as dt
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from accounts.permissions import Public
from core import storage
from core.http import one_file
from core.problems import Problem
from provenance.api import viewer_of
from provenance.api_shapes import problems
from provenance.manifest_reading import MAX_STORE
from provenance.report_shapes import AS_OF, AsOfField, QuestionSerializer, ReportSerializer
from provenance.verification import Report, known, verify_file

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class VerificationAnonThrottle(AnonRateThrottle):
    """Reading a stranger's file costs a guarded child; it has a rate of its own."""

    scope = "verifications"
    rate = "60/min"


class VerificationUserThrottle(UserRateThrottle):
    scope = "verifications_user"
    rate = "240/min"


class CrJSONRenderer(JSONRenderer):
    """The credential alone, as the C2PA's crJSON, a JSON-LD document; asked for by `?format=crjson` or by `Accept`."""

    media_type = "application/ld+json"
    format = "crjson"


class AsOfSerializer(serializers.Serializer[Any]):
    as_of = AsOfField(required=False)


_FORMAT = OpenApiParameter("format", str, enum=["json", "crjson"], description="The report, or the credential alone.")
_AS_OF = OpenApiParameter("as_of", dt.datetime, description=AS_OF)
_ANSWERS = {
    (200, "application/json"): ReportSerializer,
    (200, "application/ld+json"): OpenApiResponse(OpenApiTypes.OBJECT, "crJSON (C2PA 2.4), without manifests if none."),
}


class _ReportView(APIView):
    permission_classes = [Public]
    renderer_classes = [JSONRenderer, CrJSONRenderer]
    throttle_classes = [VerificationAnonThrottle, VerificationUserThrottle]


class VerificationsView(_ReportView):
    """What this office can say about a file. The file is not kept."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="verifications_create",
        parameters=[_FORMAT],
        request={"multipart/form-data": QuestionSerializer},
        responses={**_ANSWERS, **problems(400, 401, 403, 413, 415, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        upload = one_file(request.FILES)
        form = QuestionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        with ExitStack() as stack:
            scratch = stack.enter_context(storage.receive(upload.chunks()))
            report = verify_file(
                scratch.path,
                scratch.sha256,
                filename=upload.name or "",
                viewer=viewer_of(request),
                as_of=form.validated_data.get("as_of"),
                manifest=_beside(form.validated_data.get("manifest"), stack),
            )
        return _answer(request, report)


class VerificationView(_ReportView):
    """What this office can say about a file by its SHA-256 alone, so that a known file need not be sent."""

    @extend_schema(
        operation_id="verifications_read",
        parameters=[_FORMAT, _AS_OF],
        responses={**_ANSWERS, **problems(400, 401, 403, 404, 429)},
    )
    def get(self, request: Request, sha256: str) -> Response:
        form = AsOfSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        report = None
        if _SHA256.fullmatch(sha256):
            report = known(sha256, viewer_of(request), as_of=form.validated_data.get("as_of"))
        if report is None:
            raise Problem(
                "verification.unknown",
                "Nothing is known by this hash",
                status=404,
                detail="No registered file that you may know of has this SHA-256 (64 lower-case hex digits).",
                next_step="Send the file to POST /api/v1/verifications: its credential and its likeness may tell more.",
            )
        return _answer(request, report)


def _beside(upload: Any, stack: ExitStack) -> Path | None:
    if upload is None:
        return None
    return stack.enter_context(storage.receive(upload.chunks(), limit=MAX_STORE)).path


def _answer(request: Request, report: Report) -> Response:
    if request.accepted_renderer.format == CrJSONRenderer.format:
        return Response(report.crjson or empty_crjson(report))
    return Response(report.as_dict())


def empty_crjson(report: Report) -> dict[str, Any]:
    """crJSON (§3.1) of a file without a credential: no manifests."""
    engine = report.as_dict()["engine"]
    return {
        "@context": {"@vocab": "https://c2pa.org/crjson/"},
        "manifests": [],
        "jsonGenerator": {"name": engine["name"] or "Assay", "version": engine["version"] or "0.1.0"},
    }
