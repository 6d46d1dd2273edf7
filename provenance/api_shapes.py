"""The shapes of this room's API, for its OpenAPI document and for reading requests."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from accounts.models import User
from ledger.api import AcknowledgementSerializer
from provenance.delivery import Viewer
from provenance.models import Asset, Rendition
from provenance.registration import TITLE_LENGTH
from provenance.vocabulary import SourceType, Training

_WORDS = {
    400: "The request cannot be understood",
    401: "Not signed in, or the token is not valid",
    403: "Your account or token may not do this",
    404: "There is no such thing, or you may not see it",
    409: "Not possible in this state",
    413: "The file is too large",
    415: "This kind of file is not accepted",
    422: "The file cannot be used",
    429: "Too many requests; Retry-After says when to try again",
}


def problems(*codes: int) -> dict[tuple[int, str], OpenApiResponse]:
    """The refusals an address may answer with (RFC 9457)."""
    return {(code, "application/problem+json"): OpenApiResponse(OpenApiTypes.OBJECT, _WORDS[code]) for code in codes}


class RegistrationSerializer(serializers.Serializer[Any]):
    """What registers a work."""

    file = serializers.FileField(allow_empty_file=True, help_text="JPEG, PNG, WebP or MP4.")
    title = serializers.CharField(max_length=TITLE_LENGTH)
    source_type = serializers.ChoiceField(choices=SourceType.choices, default=SourceType.DIGITAL_CAPTURE)
    training = serializers.ChoiceField(choices=Training.choices, default=Training.NOT_ALLOWED)


class QuestionSerializer(serializers.Serializer[Any]):
    """A file to report on."""

    file = serializers.FileField(allow_empty_file=True, help_text="JPEG, PNG, WebP or MP4.")


class ManifestSerializer(serializers.Serializer[Any]):
    # A field may be called “label” although Field has an attribute of that name.
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="The C2PA manifest's own name, urn:c2pa:…"
    )
    sha256 = serializers.CharField(help_text="Of the manifest store, hex.")


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
    width = serializers.IntegerField(help_text="Pixels.")
    height = serializers.IntegerField(help_text="Pixels.")
    seconds = serializers.CharField(allow_null=True, help_text="Of a video: decimal.")
    source_type = serializers.CharField(help_text="Key of the IPTC Digital Source Type.")
    training = serializers.CharField(help_text="allowed or notAllowed.")
    state = serializers.CharField()
    restriction = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # as above
    created_at = serializers.DateTimeField()
    manifest = ManifestSerializer()
    near_duplicates = NearDuplicateSerializer(many=True, help_text="Found at registration; for the owner only.")
    links = serializers.DictField(child=serializers.CharField())


class RegisteredSerializer(AssetSerializer):
    """A work that was registered this moment."""

    acknowledgement = AcknowledgementSerializer(
        allow_null=True, help_text="The log's promise; null when the office cannot sign it now, see `links`."
    )


class FileSerializer(serializers.Serializer[Any]):
    sha256 = serializers.CharField()
    media_type = serializers.CharField()
    notes = serializers.ListField(child=serializers.CharField())


class CredentialSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["valid", "invalid", "none", "unreadable"])
    trust = serializers.CharField(allow_blank=True, help_text="this_office, unknown_signer, or empty.")
    codes = serializers.ListField(child=serializers.CharField(), help_text="C2PA codes that decided, raw.")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="One sentence for each code.")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="About earlier files.")
    signer = serializers.DictField(allow_null=True)
    generator = serializers.CharField(allow_blank=True)
    title = serializers.CharField(allow_blank=True)
    actions = serializers.ListField(child=serializers.DictField())
    ingredients = serializers.ListField(child=serializers.DictField())
    training = serializers.CharField(allow_blank=True)
    signed_at = serializers.CharField(allow_null=True, help_text="From a time-stamp only.")
    raw = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))


class MatchSerializer(serializers.Serializer[Any]):
    asset_id = serializers.UUIDField()
    title = serializers.CharField()
    distance = serializers.CharField(help_text="Share of differing bits: decimal, 0 to 1.")
    tier = serializers.ChoiceField(choices=["exact", "re_encoded", "candidate"])


class RegisterSerializer(serializers.Serializer[Any]):
    exact = serializers.DictField(allow_null=True, help_text="The registered work with these very bytes.")
    matches = MatchSerializer(many=True)
    record = serializers.ChoiceField(
        choices=["", "this_file", "other_bytes", "none"],
        help_text="For a valid credential of this office: the register knows this file, only its manifest, or neither.",
    )


class ReportSerializer(serializers.Serializer[Any]):
    """What this office can say about a file; nothing of it is kept."""

    file = FileSerializer()
    credential = CredentialSerializer()
    register = RegisterSerializer()
    ledger = serializers.DictField(allow_null=True, help_text="Receipt of the registered work's entry.")
    sections = serializers.DictField(help_text="What other rooms add, by name.")


def asset_as_dict(asset: Asset, viewer: Viewer) -> Mapping[str, Any]:
    """The shape of AssetSerializer, as `viewer` may see it. Wants renditions and manifests prefetched."""
    shown = {one.role: one for one in asset.renditions.all()}[Rendition.Role.SIGNED]
    manifest = asset.manifests.all()[0]
    here = f"/api/v1/assets/{asset.pk}"
    return {
        "id": str(asset.pk),
        "title": asset.title,
        "kind": asset.kind,
        "media_type": asset.media_type,
        "width": shown.width,
        "height": shown.height,
        "seconds": None if shown.seconds is None else str(shown.seconds),
        "source_type": asset.source_type,
        "training": asset.training,
        "state": asset.state,
        "restriction": asset.restriction,
        "label": asset.label_text,
        "created_at": asset.created_at.isoformat(),
        "manifest": {"label": manifest.label, "sha256": manifest.sha256},
        "near_duplicates": _near_duplicates(asset, viewer),
        "links": {
            "self": here,
            "file": f"{here}/file",
            "receipt": f"{here}/receipt",
            "acknowledgement": f"/api/v1/log/acknowledgements/{asset.entry_id}",
            "page": f"/assets/{asset.pk}/",
        },
    }


def _near_duplicates(asset: Asset, viewer: Viewer) -> list[Mapping[str, str]]:
    """For the owner; without works that were hidden since."""
    if not asset.near_duplicates or not isinstance(viewer, User) or viewer.pk != asset.owner_id:
        return []
    named = Asset.objects.visible_to(viewer).filter(pk__in=[one["asset_id"] for one in asset.near_duplicates])
    visible = {str(pk) for pk in named.values_list("pk", flat=True)}
    return [one for one in asset.near_duplicates if one["asset_id"] in visible]
