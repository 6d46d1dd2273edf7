"""The shapes of this room's API, for its OpenAPI document and for reading requests."""

import json
from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from accounts.models import User
from ledger.api import AcknowledgementSerializer
from provenance import manifests
from provenance.delivery import Viewer
from provenance.models import Asset, Manifest, Rendition
from provenance.registration import MAX_SIZE, TITLE_LENGTH
from provenance.restriction import nameable
from provenance.vocabulary import SourceType, Training

_WORDS = {
    400: "The request cannot be understood",
    401: "Not signed in, or the token is not valid",
    403: "Your account or token may not do this",
    404: "There is no such thing, or you may not see it",
    409: "Not possible in this state",
    411: "The length of the body is missing",
    413: "The file or body is too large",
    414: "The address is too long; use POST",
    415: "This kind of file is not accepted",
    416: "The file has no such part",
    422: "The file cannot be used",
    429: "Too many requests; Retry-After says when to try again",
}


def problems(*codes: int) -> dict[tuple[int, str], OpenApiResponse]:
    """The refusals an address may answer with (RFC 9457)."""
    return {(code, "application/problem+json"): OpenApiResponse(OpenApiTypes.OBJECT, _WORDS[code]) for code in codes}


class RegistrationSerializer(serializers.Serializer[Any]):
    """What registers a work."""

    file = serializers.FileField(allow_empty_file=True, help_text="Any file; its type is told by its content.")
    title = serializers.CharField(max_length=TITLE_LENGTH)
    source_type = serializers.ChoiceField(choices=SourceType.choices, default=SourceType.DIGITAL_CAPTURE)
    training = serializers.ChoiceField(choices=Training.choices, default=Training.NOT_ALLOWED)
    thumbnail = serializers.BooleanField(default=False, help_text="Put a small picture into the credential.")
    watermark = serializers.BooleanField(default=False, help_text="Mark the signed file invisibly (an optional part).")
    metadata = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=100_000,
        help_text="A JSON object of properties and their texts for the credential, as {“dc:creator”: “Alice”}.",
    )

    def validate_metadata(self, value: str) -> dict[str, str]:
        try:
            read = json.loads(value or "{}")
        except (ValueError, RecursionError):
            raise serializers.ValidationError("This is no JSON.") from None
        if not isinstance(read, dict) or not all(isinstance(text, str) for text in read.values()):
            raise serializers.ValidationError("A JSON object of properties and their texts.")
        return read


MEDIA_TYPE = r"^[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,78}\Z"  # as media.checked_type takes it


class HashRegistrationSerializer(serializers.Serializer[Any]):
    """What registers a work whose file is never sent."""

    sha256 = serializers.RegexField(
        r"^[0-9a-f]{64}\Z", trim_whitespace=False, help_text="Of the whole file, 64 lower-case hex digits."
    )
    size = serializers.IntegerField(min_value=1, max_value=MAX_SIZE, help_text="Bytes of the file.")
    media_type = serializers.RegexField(
        MEDIA_TYPE, trim_whitespace=False, max_length=100, help_text="As image/tiff or text/plain."
    )
    title = serializers.CharField(max_length=TITLE_LENGTH)
    source_type = serializers.ChoiceField(choices=SourceType.choices, default=SourceType.DIGITAL_CAPTURE)
    training = serializers.ChoiceField(choices=Training.choices, default=Training.NOT_ALLOWED)
    filename = serializers.CharField(
        max_length=255, default="", allow_blank=True, help_text="Refused when it promises another media type."
    )


class ManifestSerializer(serializers.Serializer[Any]):
    # A field may be called “label” although Field has an attribute of that name.
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="The C2PA manifest's own name, urn:c2pa:…"
    )
    sha256 = serializers.CharField(help_text="Of the manifest store, hex.")
    form = serializers.ChoiceField(
        choices=[manifests.Form.EMBEDDED.value, manifests.Form.DETACHED.value],
        help_text="In the signed file, or beside the file as it was sent. `links.manifest` takes it as `form`.",
    )
    stamped_at = serializers.DateTimeField(allow_null=True, help_text="By the time-stamp in it.")


class NearDuplicateSerializer(serializers.Serializer[Any]):
    asset_id = serializers.UUIDField()
    distance = serializers.CharField(help_text="Share of differing bits: decimal, 0 to 1.")
    tier = serializers.CharField(help_text="re_encoded or candidate.")


class AssetSerializer(serializers.Serializer[Any]):
    """A registered work."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=Asset.Kind.choices)
    media_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes of the file as it was sent, or as its owner measured it.")
    held = serializers.BooleanField(help_text="False: registered by its SHA-256; this office never had the file.")
    width = serializers.IntegerField(allow_null=True, help_text="Pixels; null where there are none, or none are known.")
    height = serializers.IntegerField(allow_null=True, help_text="Pixels.")
    seconds = serializers.CharField(allow_null=True, help_text="Of a video or sound: decimal.")
    source_type = serializers.CharField(help_text="Key of the IPTC Digital Source Type.")
    training = serializers.CharField(help_text="allowed or notAllowed.")
    state = serializers.CharField()
    restriction = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # as above
    created_at = serializers.DateTimeField()
    manifest = ManifestSerializer(allow_null=True, help_text="The first of `manifests`.")
    manifests = ManifestSerializer(many=True, help_text="Those in force, the embedded one first.")
    near_duplicates = NearDuplicateSerializer(many=True, help_text="Found at registration; for the owner only.")
    links = serializers.DictField(child=serializers.CharField())


class RegisteredSerializer(AssetSerializer):
    """A work that was registered this moment."""

    acknowledgement = AcknowledgementSerializer(
        allow_null=True, help_text="The log's promise; null when the office cannot sign it now, see `links`."
    )


class HashRegisteredSerializer(RegisteredSerializer):
    """A work that was registered by its hash."""

    detached_manifest = serializers.CharField(
        help_text="The C2PA manifest store (application/c2pa) to keep beside the file, base64."
    )


def asset_as_dict(asset: Asset, viewer: Viewer) -> Mapping[str, Any]:
    """The shape of AssetSerializer, as `viewer` may see it. Wants renditions and manifests prefetched."""
    files = {one.role: one for one in asset.renditions.all()}
    shown = files.get(Rendition.Role.SIGNED) or files.get(Rendition.Role.ORIGINAL)
    listed = [_manifest_as_dict(form, one) for form, one in sorted(manifests.in_force(asset).items(), reverse=True)]
    return {
        "id": str(asset.pk),
        "title": asset.title,
        "kind": asset.kind,
        "media_type": asset.media_type,
        "size": asset.size,
        "held": asset.held,
        "width": shown.width if shown else None,
        "height": shown.height if shown else None,
        "seconds": None if shown is None or shown.seconds is None else str(shown.seconds),
        "source_type": asset.source_type,
        "training": asset.training,
        "state": asset.state,
        "restriction": asset.restriction,
        "label": asset.label_text,
        "created_at": asset.created_at.isoformat(),
        "manifest": listed[0] if listed else None,
        "manifests": listed,
        "near_duplicates": _near_duplicates(asset, viewer),
        "links": _links(asset),
    }


def _manifest_as_dict(form: str, manifest: Manifest) -> Mapping[str, Any]:
    stamped_at = manifest.stamped_at.isoformat() if manifest.stamped_at else None
    return {"label": manifest.label, "sha256": manifest.sha256, "form": form, "stamped_at": stamped_at}


def _links(asset: Asset) -> dict[str, str]:
    """`file` only where there is one to be had."""
    here = f"/api/v1/assets/{asset.pk}"
    links = {
        "self": here,
        "file": f"{here}/file",
        "manifest": f"{here}/manifest",
        "receipt": f"{here}/receipt",
        "acknowledgement": f"/api/v1/log/acknowledgements/{asset.entry_id}",
        "page": f"/assets/{asset.pk}/",
    }
    if not any(one.role == Rendition.Role.SIGNED for one in asset.renditions.all()):
        del links["file"]
    return links


def _near_duplicates(asset: Asset, viewer: Viewer) -> list[Mapping[str, str]]:
    """For the owner; without works that were hidden since."""
    if not asset.near_duplicates or not isinstance(viewer, User) or viewer.pk != asset.owner_id:
        return []
    named = nameable(viewer).filter(pk__in=[one["asset_id"] for one in asset.near_duplicates])
    visible = {str(pk) for pk in named.values_list("pk", flat=True)}
    return [one for one in asset.near_duplicates if one["asset_id"] in visible]
