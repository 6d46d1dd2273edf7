"""The API of examinations: ask for one, watch its job, read what was found, see where."""

from collections.abc import Iterable
from typing import Any, NoReturn
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import REVIEWERS, Scope, User
from accounts.permissions import Public, allow
from core import storage
from core.models import Job
from core.problems import Forbidden, NotFound, Problem
from detection import fusion, registry, wording
from detection.detectors import Answer, Question, Standing
from detection.examination import request_examination, unexamined
from detection.models import Finding, Run
from detection.report_section import note_on, run_as_dict
from detection.shown import runs_of
from provenance.api import viewer_of
from provenance.delivery import refusal
from provenance.models import Asset, Rendition


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


class ErrorRateSerializer(serializers.Serializer[Any]):
    """Of “signals” in one look, on files of one source or generator that were not used to make the detector. In public
    re-shipped copies must agree, which takes away some of either kind.
    """

    condition = serializers.CharField(help_text="What was done to the files: as_is, jpeg_70 …")
    held_out = serializers.CharField(help_text="The source or generator.")
    real = serializers.IntegerField(help_text="Real files.")
    looked_for = serializers.IntegerField(help_text="Generated or edited files.")
    false_signals = serializers.CharField(allow_null=True, help_text="Share of the real files, decimal text.")
    false_signals_interval = serializers.ListField(child=serializers.CharField(), allow_null=True)
    found = serializers.CharField(allow_null=True, help_text="Share of the generated or edited files, decimal text.")
    found_interval = serializers.ListField(child=serializers.CharField(), allow_null=True)
    abstained = serializers.CharField(allow_null=True, help_text="Share of files with “can’t say” in one look.")


class RegionSerializer(serializers.Serializer[Any]):
    """A box, as fractions of width and height, decimal text."""

    x = serializers.CharField()
    y = serializers.CharField()
    width = serializers.CharField()
    height = serializers.CharField()


class SpanSerializer(serializers.Serializer[Any]):
    start = serializers.CharField(help_text="Seconds, decimal text.")
    end = serializers.CharField(help_text="Seconds, decimal text.")
    llr = serializers.CharField(allow_blank=True, help_text="log10 likelihood ratio of this stretch alone.")


class FindingSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    signal = serializers.CharField()
    strength = serializers.ChoiceField(["none", "weak", "moderate", "strong"])
    strength_words = serializers.CharField(help_text="For people: “Weak signal (uncalibrated)”.")
    calibrated = serializers.BooleanField(help_text="False: no error rate is known.")
    answer = serializers.ChoiceField([one.value for one in Answer], allow_null=True)
    answer_words = serializers.CharField(help_text="For people: “No such signals found”.")
    reason = serializers.CharField(allow_blank=True, help_text="Why it can’t say, as a slug.")
    log_likelihood_ratio = serializers.CharField(
        allow_null=True, help_text="log10, decimal text; null where it can’t say or is not calibrated."
    )
    interval = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="95 % interval.")
    calibration = serializers.CharField(allow_blank=True, help_text="Id of the calibration set.")
    error_rates = ErrorRateSerializer(many=True)
    error_rate_words = serializers.CharField(allow_blank=True)
    posterior = serializers.CharField(
        allow_null=True, help_text="Only for the `prevalence` that was asked for: a share, decimal text."
    )
    statement = serializers.CharField()
    what_would_change = serializers.CharField(
        allow_blank=True, help_text="One sentence: how far this is from another answer."
    )
    score = serializers.CharField(allow_blank=True, help_text="Decimal number as text; its unit is in the details.")
    details = serializers.DictField()
    regions = RegionSerializer(many=True)
    spans = SpanSerializer(many=True)
    timeline = SpanSerializer(many=True)
    heatmap = serializers.CharField(allow_null=True, help_text="Address of a PNG: what `picture` names.")
    picture = serializers.ChoiceField(
        ["heat_map", "spectrogram"],
        allow_null=True,
        help_text="A heat map lies over the picture examined; a spectrogram is a picture of its own.",
    )
    alternative = serializers.CharField(allow_blank=True, help_text="What was drawn, in words.")


class RunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    detector = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    model_digest = serializers.CharField(help_text="SHA-256 over the detector’s source and weights.")
    question = serializers.ChoiceField([one.value for one in Question], allow_blank=True)
    standing = serializers.ChoiceField(
        [one.value for one in Standing], help_text="What experimental detectors found is shown to reviewers only."
    )
    state = serializers.ChoiceField(Run.State.choices)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error_code = serializers.CharField(allow_blank=True)
    error_detail = serializers.CharField(allow_blank=True)
    findings = FindingSerializer(many=True)


class AnswerSerializer(serializers.Serializer[Any]):
    """What the calibrated detectors of one question answer together. Never across questions."""

    question = serializers.ChoiceField([one.value for one in Question])
    question_words = serializers.CharField()
    answer = serializers.ChoiceField([one.value for one in Answer])
    answer_words = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    log_likelihood_ratio = serializers.CharField(allow_null=True)
    interval = serializers.ListField(child=serializers.CharField(), allow_null=True)
    detectors = serializers.ListField(child=serializers.CharField())


class NotExaminedSerializer(serializers.Serializer[Any]):
    detector = serializers.CharField()
    why = serializers.CharField(help_text="In words, beginning with “not examined”.")


class FindingsSerializer(serializers.Serializer[Any]):
    asset = serializers.UUIDField()
    note = serializers.CharField(help_text="How far to trust what follows.")
    answers = AnswerSerializer(many=True)
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
    question = serializers.ChoiceField([one.value for one in Question])
    looks_for = serializers.CharField(help_text="Completes “signals consistent with …”.")
    standing = serializers.ChoiceField([one.value for one in Standing])
    kinds = serializers.ListField(child=serializers.CharField())
    missing = serializers.ListField(child=serializers.CharField(), help_text="Not installed; switched off then.")
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

    @extend_schema(
        operation_id="asset_findings",
        parameters=[
            OpenApiParameter(
                "prevalence",
                OpenApiTypes.NUMBER,
                description="A share between 0 and 1 that you choose: of files like this one, what was looked for.",
            )
        ],
        responses={200: FindingsSerializer, 400: _refusal("The prevalence is not between 0 and 1"), **HIDDEN},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        asset = _asset(request, pk)
        prevalence = _prevalence(request)
        runs = runs_of(viewer_of(request), asset.pk)
        told = [run_as_dict(run, prevalence=prevalence) for run in runs]
        found = {"asset": str(asset.pk), "note": note_on(told), "answers": answers(runs), "runs": told}
        return Response(
            {**found, "not_examined": [{"detector": one.name, "why": why} for one, why in unexamined(asset)]}
        )


def _prevalence(request: Request) -> str:
    asked = str(request.query_params.get("prevalence", ""))
    try:
        return asked if not asked or 0 < float(asked) < 1 else _out_of_range()
    except ValueError:
        return _out_of_range()


def _out_of_range() -> NoReturn:
    raise Problem(
        "detection.prevalence",
        "This is not a prevalence",
        detail="A prevalence is a number between 0 and 1, such as 0.01 for one in a hundred.",
    )


def answers(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """One for each question that a calibrated detector in service was asked (`detection.fusion`), as JSON values."""
    return [_answer_as_dict(one) for one in fusion.by_question(fusion.weights(runs))]


def _answer_as_dict(one: fusion.Fused) -> dict[str, Any]:
    return {
        "question": one.question.value,
        "question_words": wording.question_words(one.question),
        "answer": one.answer.value,
        "answer_words": wording.answer_words(one.answer),
        "reason": one.reason,
        "log_likelihood_ratio": None if one.llr is None else f"{one.llr:.2f}",
        "interval": None if one.interval is None else [f"{edge:.2f}" for edge in one.interval],
        "detectors": list(one.detectors),
    }


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
    """What was drawn: a transparent PNG with the aspect of the picture, to lay over it, or a spectrogram."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="finding_heatmap",
        responses={(200, "image/png"): OpenApiTypes.BINARY, **HIDDEN},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        viewer = viewer_of(request)
        finding = Finding.objects.filter(pk=pk).exclude(heatmap_key="").select_related("run__asset").first()
        if finding is None or finding.run not in runs_of(viewer, finding.run.asset_id):
            raise NotFound("heat map")
        refused = refusal(finding.run.asset, viewer, Rendition.Role.PREVIEW)
        if refused is not None or not Asset.objects.visible_to(viewer).filter(pk=finding.run.asset_id).exists():
            raise refused or NotFound("heat map")
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
        "question": info.about.question.value,
        "looks_for": info.about.looks_for,
        "standing": info.standing.value,
        "kinds": list(info.kinds),
        "missing": list(info.missing),
        "model_digest": info.model_digest,
        "calibrated": info.calibrated,
        "card": info.card,
    }
