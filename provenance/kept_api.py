"""/api/v1/verifications/kept/<id>: the reports behind lasting links."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import REVIEWERS, Role
from accounts.permissions import Public, allow
from provenance import kept
from provenance.api_shapes import problems


class KeptReportSerializer(serializers.Serializer[Any]):
    """A report as it was told on the day it was kept; nothing in it was judged anew."""

    id = serializers.UUIDField()
    sha256 = serializers.CharField(help_text="Of the file, hex.")
    kept_at = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="From then on it is gone.")
    report = serializers.DictField(help_text="The shape of POST /verifications.")


class KeptReportView(APIView):
    """A kept report, for whoever has its link. Those who serve the office can take it away."""

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method == "DELETE":
            return [allow(*REVIEWERS, Role.OPERATOR)()]
        return [Public()]

    @extend_schema(operation_id="verifications_kept", responses={200: KeptReportSerializer, **problems(401, 404, 429)})
    def get(self, request: Request, pk: UUID) -> Response:
        found = kept.get(pk)
        body = {
            "id": str(found.pk),
            "sha256": found.sha256,
            "kept_at": found.created_at.isoformat(),
            "until": found.until.isoformat(),
            "report": found.report,
        }
        return Response(body, headers={"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex"})

    @extend_schema(operation_id="verifications_kept_delete", responses={204: None, **problems(401, 403, 404, 429)})
    def delete(self, request: Request, pk: UUID) -> Response:
        kept.delete(pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
