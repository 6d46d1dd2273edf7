"""/api/v1/notices/…/digests: a person's own digests, made on their device; no file is sent (as StopNCII does it)."""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from accounts.permissions import Public
from policy.api import api_shapes as shapes
from policy.api.api_cases import PIN, by_pin, read
from policy.deciding import hashlist
from policy.models import HashEntry, Notice
from provenance.api_shapes import problems


class DigestShape(shapes.Shape):
    algorithm = serializers.ChoiceField(choices=HashEntry.Algorithm.choices)
    value = serializers.CharField(max_length=64, help_text="Hexadecimal.")


class DigestsRequest(shapes.Shape):
    digests = serializers.ListField(child=DigestShape(), allow_empty=False, max_length=hashlist.MOST)


class HashEntryShape(serializers.ModelSerializer[HashEntry]):
    class Meta:
        model = HashEntry
        fields = ["id", "algorithm", "state", "expires_at", "created_at"]


class NoticeDigestsView(APIView):
    """Keep copies in sight without showing the file: with the notice's number and PIN."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "pin"

    @extend_schema(
        operation_id="notice_digests",
        parameters=[PIN],
        responses={200: HashEntryShape(many=True), **problems(404, 429)},
    )
    def get(self, request: Request, number: str) -> Response:
        return self._answer(by_pin(request, number))

    @extend_schema(
        operation_id="notice_digests_add",
        parameters=[PIN],
        request=DigestsRequest,
        responses={201: HashEntryShape(many=True), **problems(400, 404, 409, 415, 429)},
    )
    def post(self, request: Request, number: str) -> Response:
        notice, values = by_pin(request, number), read(DigestsRequest, request)
        hashlist.submit(notice, [(one["algorithm"], one["value"]) for one in values["digests"]])
        return self._answer(notice, 201)

    @extend_schema(
        operation_id="notice_digests_withdraw",
        parameters=[PIN],
        responses={200: HashEntryShape(many=True), **problems(404, 429)},
    )
    def delete(self, request: Request, number: str) -> Response:
        """Withdrawn, and the digests emptied at once (I23)."""
        notice = by_pin(request, number)
        with transaction.atomic():
            hashlist.purge(notice.hash_entries.all())
        return self._answer(notice)

    def _answer(self, notice: Notice, status: int = 200) -> Response:
        rows = notice.hash_entries.order_by("pk")
        return Response(HashEntryShape(rows, many=True).data, status=status)
