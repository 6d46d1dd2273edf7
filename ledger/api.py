"""The API's public part of the log: receipts and proofs. Querying the log for people in charge is `policy.api`'s."""

import base64

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.problems import NotFound, invalid
from ledger import proofs, reading
from ledger.receipts import receipt_for

_MAX_INDEX = (1 << 63) - 1


class ReceiptSerializer(serializers.Serializer[object]):
    format = serializers.CharField(help_text="assay-receipt/1")
    index = serializers.IntegerField()
    leaf = serializers.CharField(help_text="Base64 of the exact bytes that are hashed.")
    leaf_hash = serializers.CharField(help_text="SHA-256(0x00 || leaf), hex.")
    entry = serializers.JSONField(help_text="The leaf, for reading.")
    proof = serializers.ListField(child=serializers.CharField(), help_text="Inclusion path, base64, leaf to root.")
    checkpoint = serializers.CharField(help_text="C2SP checkpoint.")
    tlog_proof = serializers.CharField(help_text="The same as one C2SP tlog-proof.")


class ConsistencySerializer(serializers.Serializer[object]):
    old = serializers.IntegerField()
    new = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField(), help_text="RFC 6962 consistency proof, base64.")


class ReceiptView(APIView):
    """The receipt of one entry: public, because the leaf holds nothing personal."""

    # `accounts` lies above this room, so its `Public` cannot be named here; it means the same.
    permission_classes = [AllowAny]

    @extend_schema(operation_id="log_receipt", responses=ReceiptSerializer)
    def get(self, request: Request, index: int) -> Response:
        if index > _MAX_INDEX:
            raise NotFound("entry in the log")
        receipt = receipt_for(reading.entry(index))
        if receipt is None:
            raise NotFound("entry in the log")
        return Response(receipt.as_dict())


class ConsistencyView(APIView):
    """That the log of `new` entries begins with the log of `old` entries."""

    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="log_consistency",
        parameters=[OpenApiParameter("old", int, required=True), OpenApiParameter("new", int, required=True)],
        responses=ConsistencySerializer,
    )
    def get(self, request: Request) -> Response:
        old, new = (_size(request, name) for name in ("old", "new"))
        path = proofs.consistency(old, new)
        return Response({"old": old, "new": new, "proof": [_b64(value) for value in path]})


def _size(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise invalid({name: ["A tree size: digits only."]}, detail=f"`{name}` must be a tree size.")
    return int(text)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
