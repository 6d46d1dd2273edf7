"""The API's public part of the log: leaves, receipts and proofs. Querying it for people in charge is `policy.api`'s."""

import base64
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.problems import NotFound, invalid
from ledger import acknowledgements, cose, proofs, reading
from ledger.events import EventType
from ledger.models import Entry
from ledger.receipts import COSIGNED, Receipt, cosigned_receipt_for, receipt_for

PAGE = 100
_MAX_INDEX = (1 << 63) - 1
_MAX_DIGITS = 18


class DisclosureSerializer(serializers.Serializer[object]):
    name = serializers.CharField()
    salt = serializers.CharField(help_text="Base64.")
    value = serializers.JSONField(help_text="HMAC-SHA256(salt, canonical value) is the leaf's commitment.")


class ReceiptSerializer(serializers.Serializer[object]):
    """docs/formats.md, “Receipt”; canonical JSON."""

    format = serializers.CharField(help_text="assay-receipt/1")
    index = serializers.IntegerField()
    leaf = serializers.CharField(help_text="Base64 of the exact bytes that are hashed.")
    leaf_hash = serializers.CharField(help_text="SHA-256(0x00 || leaf), hex.")
    entry = serializers.JSONField(help_text="The leaf, for reading.")
    disclosures = DisclosureSerializer(many=True, help_text="What is sealed under your own key, if you are signed in.")
    proof = serializers.ListField(child=serializers.CharField(), help_text="Inclusion path, base64, leaf to root.")
    checkpoint = serializers.CharField(help_text="C2SP checkpoint, with its cosignatures.")
    tlog_proof = serializers.CharField(help_text="The same as one C2SP tlog-proof.")
    policy = serializers.CharField(help_text="The office's C2SP tlog-policy.")
    rotations = serializers.ListField(child=serializers.CharField(), help_text="Rotation statements, oldest first.")


class AcknowledgementSerializer(serializers.Serializer[object]):
    """docs/formats.md, “Acknowledgement”."""

    format = serializers.CharField(help_text="assay-acknowledgement/1")
    entry = serializers.IntegerField(help_text="For asking later; not the index in the log.")
    leaf_hash = serializers.CharField(help_text="SHA-256(0x00 || leaf), hex.")
    promise = serializers.CharField(help_text="Signed note: in the tree within the maximum merge delay.")
    promise_key = serializers.CharField(help_text="Signed note: the log's key vouches for the key that promises.")


class LeafSerializer(serializers.Serializer[object]):
    index = serializers.IntegerField()
    leaf = serializers.CharField(help_text="Base64 of the exact bytes that are hashed.")
    entry = serializers.JSONField(help_text="The leaf, for reading.")


class LeafPageSerializer(serializers.Serializer[object]):
    size = serializers.IntegerField(help_text="How many entries are signed.")
    entries = LeafSerializer(many=True)
    next = serializers.IntegerField(
        allow_null=True,
        help_text="`after` of the next page. A filtered page may be empty and still have a next one; null at the end.",
    )


class InclusionSerializer(serializers.Serializer[object]):
    index = serializers.IntegerField()
    size = serializers.IntegerField()
    leaf_hash = serializers.CharField(help_text="SHA-256(0x00 || leaf), hex.")
    proof = serializers.ListField(child=serializers.CharField(), help_text="Inclusion path, base64, leaf to root.")


class ConsistencySerializer(serializers.Serializer[object]):
    old = serializers.IntegerField()
    new = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField(), help_text="RFC 6962 consistency proof, base64.")


class AsItIs(BaseRenderer):
    """Names the media types of files in the schema; the response is made by the view and is not rendered."""

    media_type = "application/octet-stream"
    format = "bin"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        return data


class AnyAccept(BaseContentNegotiation):
    """A file has one form; whatever the caller says it accepts, that is what there is."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class LogView(APIView):
    """The log is public, because a leaf holds nothing personal."""

    # `accounts` lies above this room, so its `Public` cannot be named here; it means the same.
    permission_classes = [AllowAny]


CHECKPOINT = OpenApiParameter(
    "checkpoint", str, enum=["newest", COSIGNED], description="Under which checkpoint; the newest without it."
)


class ReceiptView(LogView):
    """The receipt of one entry. Who is signed in gets the openings of what is sealed under their own key."""

    @extend_schema(operation_id="log_receipt", parameters=[CHECKPOINT], responses=ReceiptSerializer)
    def get(self, request: Request, index: int) -> HttpResponse:
        return json_file(_receipt(request, index).as_json(), f"receipt-{index}.json")


class CoseReceiptView(LogView):
    """The proof of one entry as a COSE receipt (RFC 9942)."""

    renderer_classes = [AsItIs]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="log_receipt_cose",
        parameters=[CHECKPOINT],
        responses={(200, cose.MEDIA_TYPE): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, index: int) -> HttpResponse:
        headers = {"Content-Disposition": f'attachment; filename="receipt-{index}.cose"'}
        return HttpResponse(_receipt(request, index).as_cose(), content_type=cose.MEDIA_TYPE, headers=headers)


class AcknowledgementView(LogView):
    """What is handed out at once for an entry, by the number of its row: the promise that it will be in the log."""

    @extend_schema(operation_id="log_acknowledgement", responses=AcknowledgementSerializer)
    def get(self, request: Request, entry: int) -> HttpResponse:
        if entry > _MAX_INDEX:
            raise NotFound("entry in the log")
        return json_file(acknowledgements.acknowledgement_of(entry).as_json(), f"acknowledgement-{entry}.json")


class LeavesView(LogView):
    """The signed leaves in the order of the log; filtered ones are looked for among the next 2,000."""

    @extend_schema(
        operation_id="log_leaves",
        parameters=[
            OpenApiParameter("after", int, description="Entries with a larger index; from the beginning without it."),
            OpenApiParameter("limit", int, description=f"1 to {reading.MAX_PAGE}; {PAGE} without it."),
            OpenApiParameter("type", str, enum=[each.value for each in EventType]),
            OpenApiParameter("object", str, description="Only entries about this object, such as `asset:<uuid>`."),
        ],
        responses=LeafPageSerializer,
    )
    def get(self, request: Request) -> Response:
        after = _whole(request, "after", -1)
        limit = _whole(request, "limit", PAGE)
        if not 1 <= limit <= reading.MAX_PAGE:
            raise invalid({"limit": [f"A whole number from 1 to {reading.MAX_PAGE}."]})
        types = request.query_params.getlist("type")
        if set(types) - {each.value for each in EventType}:
            raise invalid({"type": ["No such type of entry."]})
        about = request.query_params.get("object", "")
        page = reading.page(after, types=types, object=about, limit=limit)
        return Response({"size": page.size, "entries": [_leaf(row) for row in page.entries], "next": page.next})


class LeafView(LogView):
    """One signed leaf."""

    @extend_schema(operation_id="log_leaf", responses=LeafSerializer)
    def get(self, request: Request, index: int) -> Response:
        return Response(_leaf(_entry(index)))


class InclusionView(LogView):
    """That entry `index` is in the log of `size` entries, by default the newest that is signed."""

    @extend_schema(
        operation_id="log_inclusion", parameters=[OpenApiParameter("size", int)], responses=InclusionSerializer
    )
    def get(self, request: Request, index: int) -> Response:
        given = _whole(request, "size", -1)
        size = reading.signed_size() if given == -1 else given
        row, path = _entry(index), proofs.inclusion(index, size)
        leaf_hash = bytes(row.leaf_hash).hex()
        return Response({"index": index, "size": size, "leaf_hash": leaf_hash, "proof": [_b64(one) for one in path]})


class ConsistencyView(LogView):
    """That the log of `new` entries begins with the log of `old` entries."""

    @extend_schema(
        operation_id="log_consistency",
        parameters=[OpenApiParameter("old", int, required=True), OpenApiParameter("new", int, required=True)],
        responses=ConsistencySerializer,
    )
    def get(self, request: Request) -> Response:
        old, new = (_whole(request, name) for name in ("old", "new"))
        path = proofs.consistency(old, new)
        return Response({"old": old, "new": new, "proof": [_b64(value) for value in path]})


def holder_of(request: Request) -> str:
    """The actor who is signed in, empty for the public. A machine's token is not the person: it may be anywhere."""
    return "" if request.auth is not None else str(getattr(request.user, "actor", ""))


def wants_cosigned(request: Request) -> bool:
    """`?checkpoint=`. Raises Problem for what is neither `newest` nor `cosigned`."""
    wanted = request.query_params.get("checkpoint", "newest")
    if wanted not in ("newest", COSIGNED):
        raise invalid({"checkpoint": [f"`newest` or `{COSIGNED}`."]})
    return wanted == COSIGNED


def json_file(data: bytes, name: str) -> HttpResponse:
    """Canonical JSON under a name to save it by; it may hold what only this person may see."""
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-cache"}
    return HttpResponse(data, content_type="application/json", headers=headers)


def _receipt(request: Request, index: int) -> Receipt:
    cosigned = wants_cosigned(request)
    checkpoint = reading.latest_checkpoint()
    row = _entry(index, checkpoint.size if checkpoint else 0)
    if cosigned:
        return cosigned_receipt_for(row, holder=holder_of(request))
    receipt = receipt_for(row, checkpoint=checkpoint, holder=holder_of(request))
    if receipt is None:
        raise NotFound("entry in the log")
    return receipt


def _entry(index: int, size: int | None = None) -> Entry:
    if index > _MAX_INDEX:
        raise NotFound("entry in the log")
    return reading.entry(index, size)


def _leaf(row: Entry) -> dict[str, object]:
    return {"index": row.sequence.index, "leaf": _b64(bytes(row.leaf)), "entry": reading.content(row)}


def _whole(request: Request, name: str, default: int | None = None) -> Any:
    """A whole number from the query; required without a default. Raises Problem."""
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    text = text or ""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise invalid({name: ["A whole number: digits only."]}, detail=f"`{name}` must be a whole number.")
    return int(text)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
