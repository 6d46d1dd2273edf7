"""Forms about people's own data, for them and for who answers. They check shape; the verbs check the rest."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from policy.law import clocks
from policy.models import Breach, DataRequest
from policy.rights import breaches
from provenance.models import Asset

_ROWS = {"rows": 4}


class ContactForm(forms.Form):
    """How a person without an account is called and reached."""

    name = forms.CharField(label=_("Your name"), required=False, max_length=120)
    contact = forms.CharField(label=_("How we reach you"), required=False, max_length=200)


class SayForm(forms.Form):
    """A request that needs words."""

    text = forms.CharField(min_length=10, max_length=5000, widget=forms.Textarea(attrs=_ROWS))

    def __init__(self, *args: Any, label: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].label = label


class LookForm(forms.Form):
    """Which work a person shall look at again."""

    asset = forms.ChoiceField(label=_("Which work?"))

    def __init__(self, *args: Any, works: list[Asset], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["asset"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("Choose one")), *((str(work.pk), work.title) for work in works)]


# --- The office's side ---------------------------------------------------------------------------------------------


class ReceiveForm(forms.Form):
    """A request that came by letter or telephone."""

    whose = forms.CharField(
        label=_("Whose data?"),
        max_length=400,
        help_text=_(
            "The case number; the e-mail address of the account; the link by which they were asked for consent; or the "
            "address of the work in which they are shown, and after it their name as it was asked for."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    kind = forms.ChoiceField(label=_("What is asked for?"), choices=DataRequest.Kind.choices)
    text = forms.CharField(
        label=_("In their words"), required=False, max_length=5000, widget=forms.Textarea(attrs=_ROWS)
    )


class ProvedForm(forms.Form):
    """How who asks proved that they are who they say."""

    how = forms.ChoiceField(
        label=_("How did they prove it?"), choices=[each for each in DataRequest.Proof.choices if each[0]]
    )


class CorrectForm(forms.Form):
    """What an operator corrects. Empty fields stay as they are."""

    name = forms.CharField(label=_("Correct name"), required=False, max_length=120)
    contact = forms.CharField(label=_("Correct contact"), required=False, max_length=200)
    asset = forms.ChoiceField(label=_("Or the title of a work"), required=False)
    title = forms.CharField(label=_("Correct title"), required=False, max_length=200)

    def __init__(self, *args: Any, works: list[Asset], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["asset"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("None")), *((str(work.pk), work.title) for work in works)]

    def titles(self) -> dict[str, str]:
        asset = str(self.cleaned_data.get("asset") or "")
        return {asset: str(self.cleaned_data.get("title") or "")} if asset else {}


class ExtendForm(forms.Form):
    reason = forms.ChoiceField(label=_("Why more time is needed"), choices=list(clocks.EXTENSIONS.items()))


class RefuseForm(forms.Form):
    ground = forms.ChoiceField(
        label=_("Ground of the refusal"), choices=[each for each in DataRequest.Refusal.choices if each[0]]
    )


class HoldForm(forms.Form):
    """A new legal hold."""

    on = forms.CharField(label=_("On what?"), max_length=60, help_text=_("case:, asset:, person: or user: and its id."))
    basis = forms.CharField(
        label=_("Rule that asks for it"), max_length=60, help_text=_("Its id, as in the list of rules.")
    )
    review_date = forms.DateField(label=_("Looked at again by"), widget=forms.DateInput(attrs={"type": "date"}))


class ReviewForm(forms.Form):
    review_date = forms.DateField(
        label=_("Still needed: looked at again by"), widget=forms.DateInput(attrs={"type": "date"})
    )


_AFFECTED = [(key, words) for key, (words, _query) in breaches.AFFECTED.items()]


class BreachForm(forms.Form):
    """What is known when a breach is first noticed."""

    kind = forms.ChoiceField(label=_("What happened to the data?"), choices=Breach.Kind.choices)
    description = forms.CharField(
        label=_("What happened"),
        min_length=10,
        max_length=5000,
        help_text=_("In your own words, without names and addresses."),
        widget=forms.Textarea(attrs=_ROWS),
    )
    risk = forms.ChoiceField(label=_("Risk for the people"), choices=Breach.Risk.choices)
    affected = forms.ChoiceField(label=_("Whom it concerns"), choices=_AFFECTED)
    measures = forms.CharField(
        label=_("What was done about it"), required=False, max_length=5000, widget=forms.Textarea(attrs=_ROWS)
    )
    aware_at = forms.DateTimeField(
        label=_("When the office learned of it (UTC)"),
        required=False,
        help_text=_("Empty: now. The deadline runs from then."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class AssessForm(forms.Form):
    risk = forms.ChoiceField(label=_("Risk, as known by now"), choices=Breach.Risk.choices)
    affected = forms.ChoiceField(label=_("It concerns these as well"), choices=_AFFECTED)
    measures = forms.CharField(
        label=_("What was done about it"), required=False, max_length=5000, widget=forms.Textarea(attrs=_ROWS)
    )


class AuthorityForm(forms.Form):
    reference = forms.CharField(label=_("The authority's reference"), required=False, max_length=60)
    late_because = forms.CharField(label=_("If it is late: why"), required=False, max_length=300)
