"""The form by which a creator asks somebody shown in a work for consent."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from policy.consents import consent_wording
from policy.law.rules import JURISDICTIONS
from policy.models import Capacity, Purpose

_DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class AskConsentForm(forms.Form):
    """Name, way to reach them, what for; and on request where, how long, in which language, and who answers."""

    name = forms.CharField(label=_("Name of the person shown"), max_length=120)
    contact = forms.CharField(
        label=_("How you reach them"),
        max_length=200,
        required=False,
        help_text=_(
            "Their own e-mail address; only you and the office see it. You send the link yourself; with their first "
            "answer the office mails them a PIN. Without an address the link only takes a no."
        ),
    )
    purposes = forms.MultipleChoiceField(
        label=_("What do you ask for?"),
        choices=Purpose.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("They answer each one apart, and may agree to some of them only."),
        initial=["publish"],
    )
    valid_to = forms.DateField(
        label=_("Until when?"),
        required=False,
        widget=_DATE,
        help_text=_("The last day. Without one it holds until they withdraw it."),
    )
    language = forms.ChoiceField(label=_("In which language do they read?"), required=False)
    territory = forms.MultipleChoiceField(
        label=_("Only in some places?"),
        choices=list(JURISDICTIONS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Tick none for everywhere. To examine faces and voices here, or to train with the work, they must agree "
            "for every place that this office serves."
        ),
    )
    valid_from = forms.DateField(label=_("From a later day on?"), required=False, widget=_DATE)
    capacity = forms.ChoiceField(
        label=_("Who answers?"),
        choices=Capacity.choices,
        required=False,
        widget=forms.RadioSelect,
        initial=Capacity.SELF,
    )
    proxy_name = forms.CharField(label=_("Name of who answers for them"), max_length=120, required=False)
    proxy_contact = forms.CharField(label=_("How you reach who answers"), max_length=200, required=False)

    # What most people leave as it is; folded in the page.
    FOLDED = ("territory", "valid_from", "capacity", "proxy_name", "proxy_contact")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)
        language.choices = list(consent_wording.languages().items())

    def clean_language(self) -> str:
        return self.cleaned_data["language"] or "en"

    def clean_capacity(self) -> str:
        return self.cleaned_data["capacity"] or Capacity.SELF

    @property
    def plain(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in self.FOLDED]

    @property
    def folded(self) -> list[forms.BoundField]:
        return [field for field in self if field.name in self.FOLDED]
