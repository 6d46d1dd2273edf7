"""Forms of the creator's and account pages. They check shape; the verbs check the rest."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import REVIEWERS, Role, Scope, User
from provenance.vocabulary import SourceType, Training

# Which scopes a person's roles can back; a token is never wider than its owner.
SCOPES_OF: dict[Scope, tuple[Role, ...]] = {
    Scope.ASSETS_READ: (Role.CREATOR, *REVIEWERS),
    Scope.ASSETS_WRITE: (Role.CREATOR,),
    Scope.NOTICES_WRITE: (),
    Scope.CASES_READ: REVIEWERS,
    Scope.CASES_WRITE: REVIEWERS,
    Scope.AUDIT_READ: (Role.REGULATOR, Role.OPERATOR),
}


class RegisterForm(forms.Form):
    """What a creator says about a work when registering it."""

    file = forms.FileField(
        label=_("Photograph or video"),
        help_text=_("JPEG, PNG, WebP or MP4. The original stays as it is; you get a signed copy."),
        allow_empty_file=True,  # refused by the storage door, with better words
        widget=forms.FileInput(
            attrs={"accept": "image/jpeg,image/png,image/webp,video/mp4,.jpg,.jpeg,.png,.webp,.mp4"}
        ),
    )
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

    def values(self) -> dict[str, str]:
        """The arguments of `register_asset` besides owner and file."""
        return {name: self.cleaned_data[name] for name in ("title", "source_type", "training")}


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
