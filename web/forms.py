"""Forms of the verify page and of the creator's and account pages. They check shape; the verbs check the rest."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import REVIEWERS, Role, Scope, User
from core.problems import invalid
from provenance import dates
from provenance.vocabulary import SourceType, Training

# Which scopes a person's roles can back; a token is never wider than its owner.
SCOPES_OF: dict[Scope, tuple[Role, ...]] = {
    Scope.ASSETS_READ: (Role.CREATOR, *REVIEWERS),
    Scope.ASSETS_WRITE: (Role.CREATOR,),
    Scope.NOTICES_WRITE: (),
    Scope.CASES_READ: REVIEWERS,
    Scope.CASES_WRITE: REVIEWERS,
    Scope.AUDIT_READ: (Role.REGULATOR, Role.OPERATOR),
    Scope.WEBHOOKS: tuple(Role),
}


class QuestionForm(forms.Form):
    """What may be asked with a file on the verify page."""

    as_of = forms.DateField(
        label=_("Judge as of this day"),
        required=False,
        help_text=_("By the trust lists and certificates of that day. Empty: of today."),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    manifest = forms.FileField(
        label=_("Credential beside the file"),
        required=False,
        help_text=_("A file that ends in .c2pa, if the credential was handed over separately."),
        widget=forms.FileInput(attrs={"accept": ".c2pa,application/c2pa"}),
    )

    def as_of_moment(self) -> dt.datetime | None:
        """The end of the day asked for (UTC). None: now. Raises Problem for a day that is none or has not come yet."""
        if not self.is_valid():
            errors = {name: [str(one) for one in found] for name, found in self.errors.items()}
            detail = " ".join(one for found in errors.values() for one in found)
            raise invalid(errors, detail=detail, next_step=str(_("Correct it, and ask again.")))
        day: dt.date | None = self.cleaned_data["as_of"]
        return dates.as_of(day.isoformat()) if day else None


class WorkForm(forms.Form):
    """What a creator says about a work when registering it."""

    title = forms.CharField(
        label=_("Title"), max_length=200, help_text=_("Anyone who checks the file sees it. No private names, please.")
    )
    source_type = forms.ChoiceField(
        label=_("How was it made?"),
        choices=SourceType.choices,
        initial=SourceType.DIGITAL_CAPTURE,
        help_text=_("Goes into the credential in the words of the IPTC."),
    )
    training = forms.ChoiceField(
        label=_("May others train software with it?"),
        choices=Training.choices,
        initial=Training.NOT_ALLOWED,
        widget=forms.RadioSelect,
    )
    promise = forms.BooleanField(
        label=_("I may register this work"),
        help_text=_("I made it or may act for who did, and I will ask the people shown in it for their consent."),
        error_messages={"required": _("Please confirm this; the office cannot register the work without it.")},
    )

    def values(self) -> dict[str, Any]:
        """The arguments of `register_asset` and `register_hash` besides owner and file."""
        return {name: self.cleaned_data[name] for name in ("title", "source_type", "training")}


class RegisterForm(WorkForm):
    """A work whose file is sent: it is examined, and comes back with the credential inside."""

    file = forms.FileField(
        label=_("The work"),
        help_text=_(
            "Any kind of file. Pictures, videos, sounds and PDF carry the credential inside a signed copy; for every "
            "other kind you get it to lay beside the file. The original stays as it is."
        ),
        allow_empty_file=True,  # refused by the storage door, with better words
    )
    thumbnail = forms.BooleanField(
        label=_("Put a small picture of the work into the credential"),
        required=False,
        help_text=_("Whoever reads the credential sees it, even of a file that was cropped or blurred later."),
    )

    field_order = ["file"]

    def values(self) -> dict[str, Any]:
        return {**super().values(), "thumbnail": self.cleaned_data["thumbnail"]}


class HashForm(WorkForm):
    """A work whose file stays where it is: only its fingerprint is registered."""

    sha256 = forms.RegexField(
        r"^[0-9a-fA-F]{64}$",
        label=_("SHA-256 of the file"),
        help_text=_("64 hexadecimal digits. Your browser fills it in; by hand, “sha256sum FILE” prints it."),
        widget=forms.TextInput(attrs={"class": "mono", "data-into": "sha256", "autocomplete": "off"}),
        error_messages={"invalid": _("Give 64 hexadecimal digits.")},
    )
    size = forms.IntegerField(
        label=_("Size in bytes"), min_value=1, max_value=1 << 53, widget=forms.NumberInput(attrs={"data-into": "size"})
    )
    media_type = forms.CharField(
        label=_("Kind of file"),
        max_length=100,
        initial="application/octet-stream",
        help_text=_("Its media type, such as image/tiff or text/plain."),
        widget=forms.TextInput(attrs={"data-into": "media_type", "autocomplete": "off"}),
    )

    field_order = ["sha256", "size", "media_type"]

    def values(self) -> dict[str, Any]:
        of_file = {"sha256": self.cleaned_data["sha256"].lower()}
        return {**super().values(), **of_file, **{n: self.cleaned_data[n] for n in ("size", "media_type")}}


class TokenForm(forms.Form):
    """A machine token: what it is for, what it may do, how long it lives."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("Which machine or program uses it, for example “camera upload”.")
    )
    scopes = forms.MultipleChoiceField(label=_("It may"), widget=forms.CheckboxSelectMultiple)
    days = forms.TypedChoiceField(
        label=_("It expires after"),
        coerce=int,
        initial=90,
        choices=[(1, _("1 day")), (30, _("30 days")), (90, _("90 days")), (366, _("1 year"))],
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [
            (scope.value, scope.label) for scope, roles in SCOPES_OF.items() if not roles or user.has_role(*roles)
        ]

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("name", "scopes", "days")}
