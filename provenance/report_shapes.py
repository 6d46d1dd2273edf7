"""The shape of a report, for its OpenAPI document and for reading the questions people send.

`Report.as_dict()` (provenance.verification) makes it; the page, the command line and kept reports read it. Values are
JSON without floats, so that every report has one canonical form.
"""

import datetime as dt
from typing import Any

from rest_framework import serializers

from provenance import dates
from provenance.judgement import STATES

AS_OF = "Judge by the trust lists and certificates of this date: RFC 3339, or a day alone for its last second (UTC)."


class AsOfField(serializers.DateTimeField):
    """A date to judge as of, None for today; see `dates.as_of`, whose refusal of the future it passes on."""

    def to_internal_value(self, value: Any) -> dt.datetime | None:  # type: ignore[override]
        try:
            return dates.as_of(value)
        except (TypeError, ValueError):
            self.fail("invalid", format="YYYY-MM-DD, YYYY-MM-DDThh:mm[:ss][+HH:MM|Z]")


class QuestionSerializer(serializers.Serializer[Any]):
    """A file to report on."""

    file = serializers.FileField(allow_empty_file=True, help_text="Any file. It is read and thrown away.")
    manifest = serializers.FileField(
        required=False, help_text="A detached C2PA manifest (.c2pa) that is said to belong to the file."
    )
    as_of = AsOfField(required=False, help_text=f"{AS_OF} Now, if absent.")


class FileSerializer(serializers.Serializer[Any]):
    sha256 = serializers.CharField()
    media_type = serializers.CharField(help_text="By content, never by name.")
    notes = serializers.ListField(child=serializers.CharField(), help_text="Remarks on the file itself.")


class SignerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_blank=True, help_text="Empty unless a trust list vouches for the signer.")
    confirmed = serializers.BooleanField()
    statement = serializers.CharField(help_text="In words; quotes the name of a signer that nobody vouches for.")
    serial = serializers.CharField(allow_blank=True, help_text="Of the certificate, decimal.")


class CredentialSerializer(serializers.Serializer[Any]):
    """What the credential says. `state` sums up integrity, signer and time; the verdicts keep them apart."""

    state = serializers.ChoiceField(choices=["valid", "invalid", "none", "unreadable"])
    trust = serializers.CharField(allow_blank=True, help_text="this_office, trusted, unknown_signer, or empty.")
    codes = serializers.ListField(child=serializers.CharField(), help_text="C2PA codes that decided, raw.")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="One sentence for each code.")
    signer = SignerSerializer(allow_null=True)
    generator = serializers.CharField(allow_blank=True)
    title = serializers.CharField(allow_blank=True)
    actions = serializers.ListField(child=serializers.DictField())
    training = serializers.CharField(allow_blank=True)
    signed_at = serializers.CharField(allow_null=True, help_text="From a time-stamp only.")
    raw = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))


class CodedSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="As the C2PA or CAWG specification writes it; this office's own: assay.…")
    sentence = serializers.CharField()
    next_step = serializers.CharField()


class VerdictSerializer(serializers.Serializer[Any]):
    state = serializers.CharField()
    sentence = serializers.CharField(help_text="The verdict in plain words.")
    next_step = serializers.CharField(help_text="What somebody who relies on the file can do; may say: nothing.")
    codes = CodedSerializer(many=True, help_text="The raw codes that this verdict rests on.")


class NamedListSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    uri = serializers.CharField()
    version = serializers.CharField()


class SignerVerdictSerializer(VerdictSerializer):
    # `list` is the field's own word for a trust list (C2PA 2.4 §14.4).
    list = NamedListSerializer(allow_null=True, help_text="The trust list that vouches for the signer.")


class TimeVerdictSerializer(VerdictSerializer):
    at = serializers.CharField(allow_null=True, help_text="The time a trusted time-stamp proves, RFC 3339.")
    authority = serializers.CharField(allow_blank=True, help_text="Of the time-stamp, in words.")


class WithSerializer(VerdictSerializer):
    compared_with = serializers.ChoiceField(choices=["", "credential", "register"])


def _choices(name: str) -> str:
    return "state: " + ", ".join(STATES[name])


class VerdictsSerializer(serializers.Serializer[Any]):
    """Nine answers that are never blended into one light."""

    presence = VerdictSerializer(help_text=_choices("presence"))
    integrity = VerdictSerializer(help_text=_choices("integrity"))
    signer = SignerVerdictSerializer(help_text=_choices("signer"))
    time = TimeVerdictSerializer(help_text=_choices("time"))
    identity = VerdictSerializer(help_text=_choices("identity"))
    revocation = VerdictSerializer(help_text=_choices("revocation"))
    ingredients = VerdictSerializer(help_text=_choices("ingredients"))
    whole_file = VerdictSerializer(help_text=_choices("whole_file"))
    soft_binding = WithSerializer(help_text=_choices("soft_binding"))


class SignalSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="As the C2PA conformance programme's asset rubric writes it.")
    sentence = serializers.CharField()
    of = serializers.ChoiceField(choices=["this_file", "earlier_file"])
    title = serializers.CharField(allow_blank=True)


class ChainSerializer(serializers.Serializer[Any]):
    """The file, the files it was made from (`children`, the same shape again), and so on."""

    title = serializers.CharField(allow_blank=True)
    format = serializers.CharField(allow_blank=True, help_text="A media type.")
    relationship = serializers.CharField(allow_blank=True, help_text="parentOf, componentOf, inputTo; of the file: ''.")
    signer = SignerSerializer(allow_null=True)
    state = serializers.ChoiceField(choices=["intact", "damaged", "unchecked", "none"])
    reasons = serializers.ListField(child=serializers.CharField())
    actions = serializers.ListField(child=serializers.DictField())
    children = serializers.ListField(child=serializers.DictField())


class EngineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_blank=True)
    version = serializers.CharField(allow_blank=True)
    settings = serializers.CharField(allow_blank=True, help_text="First 16 hex digits of the settings' SHA-256.")
    policy = NamedListSerializer(many=True, help_text="The versions of the trust lists that were in force.")


class MatchSerializer(serializers.Serializer[Any]):
    asset_id = serializers.UUIDField()
    title = serializers.CharField()
    distance = serializers.CharField(help_text="Share of differing bits: decimal, 0 to 1.")
    tier = serializers.ChoiceField(choices=["exact", "re_encoded", "candidate"])
    how = serializers.CharField(allow_blank=True, help_text="How the file had to be turned or cut to look alike.")
    algorithm = serializers.CharField(allow_blank=True)


class ClaimSerializer(serializers.Serializer[Any]):
    asset_id = serializers.UUIDField()
    title = serializers.CharField()
    registered_at = serializers.CharField(help_text="RFC 3339.")
    source_type = serializers.CharField()
    words = serializers.CharField(help_text="“claimed, file not shown”.")
    page = serializers.CharField()


class RegisterSerializer(serializers.Serializer[Any]):
    exact = serializers.DictField(allow_null=True, help_text="The registered work with these very bytes.")
    claims = ClaimSerializer(
        many=True,
        help_text="Works registered by this SHA-256 alone, whose file this office never saw; none when it holds the "
        "file. Of several none is `exact`.",
    )
    matches = MatchSerializer(many=True)


class ReportSerializer(serializers.Serializer[Any]):
    """What this office can say about a file; nothing of it is kept."""

    file = FileSerializer()
    as_of = serializers.CharField(allow_null=True, help_text="The date it is judged by; null: the moment of asking.")
    verdicts = VerdictsSerializer()
    credential = CredentialSerializer()
    chain = ChainSerializer(allow_null=True)
    signals = SignalSerializer(many=True)
    engine = EngineSerializer()
    register = RegisterSerializer()
    ledger = serializers.DictField(allow_null=True, help_text="Receipt of the registered work's entry.")
    sections = serializers.DictField(help_text="What other rooms add, by name.")
