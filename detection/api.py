"""The API of examinations: ask for one, watch its job, read what was found, see where."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import REVIEWERS, Scope, User
from accounts.permissions import Public, allow
from core import storage
from core.models import Job
from core.problems import Forbidden, NotFound
from detection import registry
from detection.examination import request_examination, unexamined
from detection.models import Finding, Run
from detection.report_section import run_as_dict
from detection.wording import UNCALIBRATED_NOTE
from provenance.api import viewer_of
from provenance.models import Asset


def _refusal(words: str) -> OpenApiResponse:
    """An error answer, RFC 9457 problem details."""
    return OpenApiResponse(OpenApiTypes.OBJECT, description=f"{words} (application/problem+json)")


# Every address may answer these.
THROTTLED = {429: _refusal("Too many requests; Retry-After says when to try again")}
HIDDEN = {404: _refusal("There is no such thing, or you may not see it"), **THROTTLED}
SIGNED_IN = {
    401: _refusal("Not signed in, or the token is not valid"),
    403: _refusal("Your account or token may not do this"),
}


class FindingSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    signal = serializers.CharField()
    strength = serializers.ChoiceField(["none", "weak", "moderate", "strong"])
    strength_words = serializers.CharField(help_text="For people: “Weak signal (uncalibrated)”.")
    calibrated = serializers.BooleanField(help_text="False: no error rate is known.")
    statement = serializers.CharField()
    score = serializers.CharField(allow_blank=True, help_text="Decimal number as text; its unit is in the details.")
    details = serializers.DictField()
    heatmap = serializers.CharField(allow_null=True, help_text="Address of a PNG that lies over the picture.")


class RunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    detector = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    model_digest = serializers.CharField(help_text="SHA-256 over the detector’s source and weights.")
    state = serializers.ChoiceField(Run.State.choices)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error_code = serializers.CharField(allow_blank=True)
    error_detail = serializers.CharField(allow_blank=True)
    findings = FindingSerializer(many=True)


class NotExaminedSerializer(serializers.Serializer[Any]):
    detector = serializers.CharField()
    why = serializers.CharField(help_text="In words, beginning with “not examined”.")


class FindingsSerializer(serializers.Serializer[Any]):
    asset = serializers.UUIDField()
    note = serializers.CharField(help_text="How far to trust what follows.")
    runs = RunSerializer(many=True)
    not_examined = NotExaminedSerializer(many=True)


class ExaminationRequestSerializer(serializers.Serializer[Any]):
    detectors = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        default=list,
        max_length=20,
        help_text="Names; all that read this kind of media if none is given.",
    )


class DetectionJobSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(Job.State.choices)
    progress = serializers.IntegerField(min_value=0, max_value=100, help_text="Percent.")
    note = serializers.CharField(allow_blank=True)
    error_code = serializers.CharField(allow_blank=True)
    error_detail = serializers.CharField(allow_blank=True)
    asset = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class DetectorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    model_digest = serializers.CharField()
    calibrated = serializers.BooleanField()
    card = serializers.CharField(help_text="Markdown.")


def _asset(request: Request, pk: UUID) -> Asset:
    asset = Asset.objects.visible_to(viewer_of(request)).filter(pk=pk).first()
    if asset is None:
        raise NotFound("work")
    return asset


def _may_examine(user: User, asset: Asset) -> bool:
    return asset.owner_id == user.pk or user.has_role(*REVIEWERS)


class FindingsView(APIView):
    """What the detectors found in a registered work."""

    permission_classes = [Public]

    @extend_schema(operation_id="asset_findings", responses={200: FindingsSerializer, **HIDDEN})
    def get(self, request: Request, pk: UUID) -> Response:
        asset = _asset(request, pk)
        runs = Run.objects.filter(asset=asset).prefetch_related("findings").order_by("detector", "pk")
        found = {"asset": str(asset.pk), "note": UNCALIBRATED_NOTE, "runs": [run_as_dict(run) for run in runs]}
        return Response(
            {**found, "not_examined": [{"detector": one.name, "why": why} for one, why in unexamined(asset)]}
        )


class ExaminationsView(APIView):
    """Ask for an examination of a work: its owner, or a reviewer."""

    permission_classes = [allow(scope=Scope.ASSETS_WRITE)]

    @extend_schema(
        operation_id="asset_examine",
        request=ExaminationRequestSerializer,
        responses={
            202: DetectionJobSerializer,
            400: _refusal("The request is not valid JSON, or a value is wrong"),
            415: _refusal("Not JSON"),
            **SIGNED_IN,
            **HIDDEN,
        },
    )
    def post(self, request: Request, pk: UUID) -> Response:
        asset = _asset(request, pk)
        if not isinstance(request.user, User) or not _may_examine(request.user, asset):
            raise Forbidden("Only the owner of a work and reviewers may have it examined.")
        wanted = ExaminationRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        job = request_examination(asset, wanted.validated_data["detectors"])
        answer = Response(_job_as_dict(job, asset), status=202)
        answer["Location"] = reverse("detection_job", args=[job.pk])
        return answer


class JobView(APIView):
    """The progress of work on one of your assets."""

    permission_classes = [allow(scope=Scope.ASSETS_READ)]

    @extend_schema(operation_id="job", responses={200: DetectionJobSerializer, **SIGNED_IN, **HIDDEN})
    def get(self, request: Request, pk: UUID) -> Response:
        job = Job.objects.filter(pk=pk).first()
        asset_id = job.args.get("asset") if job else None
        asset = Asset.objects.filter(pk=asset_id).first() if asset_id else None
        if job is None or asset is None or not isinstance(request.user, User) or not _may_examine(request.user, asset):
            raise NotFound("job")
        return Response(_job_as_dict(job, asset))


def _job_as_dict(job: Job, asset: Asset) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "state": job.state,
        "progress": job.progress,
        "note": job.note,
        "error_code": job.error_code,
        "error_detail": job.error_detail,
        "asset": str(asset.pk),
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }


class HeatmapView(APIView):
    """The map of a finding: a transparent PNG with the aspect of the picture, to lay over it."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="finding_heatmap",
        responses={(200, "image/png"): OpenApiTypes.BINARY, **HIDDEN},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        finding = Finding.objects.filter(pk=pk).exclude(heatmap_key="").select_related("run").first()
        visible = finding and Asset.objects.visible_to(viewer_of(request)).filter(pk=finding.run.asset_id).exists()
        if finding is None or not visible:
            raise NotFound("heat map")
        try:
            with storage.open_file(finding.heatmap_key) as file:
                response = HttpResponse(file.read(), content_type="image/png")  # at most guarded.MAX_PICTURE bytes
        except FileNotFoundError as error:
            raise NotFound("heat map") from error
        # A work can be hidden at any time: nobody between us and the reader may keep a copy.
        response["Cache-Control"] = "private, no-cache"
        return response


class DetectorsView(APIView):
    """Which detectors this office has, what they measure and what they cannot."""

    permission_classes = [Public]

    @extend_schema(operation_id="detectors", responses={200: DetectorSerializer(many=True), **THROTTLED})
    def get(self, request: Request) -> Response:
        return Response([detector_as_dict(info) for info in registry.all_detectors()])


def detector_as_dict(info: registry.DetectorInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "title": info.title,
        "version": info.version,
        "kinds": list(info.kinds),
        "model_digest": info.model_digest,
        "calibrated": info.calibrated,
        "card": info.card,
    }
