"""The composer of decisions: what, where, until when, on which rules, and why. Shape here; the rest is the verb's."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from policy.law.rules import JURISDICTIONS
from policy.models import Exemption
from web.forms_process import NamesForm

OUTCOMES = [
    ("no_action", _("No action: it stays as it is")),
    ("label", _("Label: it stays, with a note that everybody sees")),
    ("age_restrict", _("Age-restrict: only adults see it")),
    ("geo_restrict", _("Not shown in some places: it stays elsewhere")),
    ("hide", _("Hide: nobody sees it, nothing is deleted")),
    ("remove", _("Remove: hidden now, deleted when the time to appeal is over")),
    ("hash_block", _("Block copies: it stays, the same file is not taken in again")),
    ("suspend", _("Suspend: its owner cannot register works for a while")),
]
ALSO = [("hash_block", _("Block copies of it")), ("suspend", _("Suspend its owner’s account for a while"))]
GROUNDS = [("illegal", _("Against the law")), ("terms", _("Against this office's terms"))]
# “Another country” is a place to live in, and none to limit anything to.
PLACES = [(code, name) for code, name in JURISDICTIONS.items() if code != "XX"]

Choices = Sequence[Any]


class DecisionForm(NamesForm):
    """Outcome, ground, at least one rule, the facts, the explanation; the rest where it is needed.

    rules: what may be cited, flat or in groups. replacing: on appeal, where nothing is for the meantime, and names are
    asked about once for all texts.
    """

    outcome = forms.ChoiceField(label=_("Outcome"), choices=OUTCOMES, widget=forms.RadioSelect)
    interim = forms.BooleanField(
        label=_("Only until the case is decided"),
        required=False,
        help_text=_("For a label, an age restriction, some places, or hiding. The case stays with you."),
    )
    also = forms.MultipleChoiceField(
        label=_("Besides"), choices=ALSO, required=False, widget=forms.CheckboxSelectMultiple
    )
    territory = forms.MultipleChoiceField(
        label=_("In which places"),
        choices=PLACES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("For “not shown in some places” and “block copies”. None: everywhere."),
    )
    ends_at = forms.DateTimeField(
        label=_("Until"),
        required=False,
        help_text=_("In UTC. Empty: it does not end by itself."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"],
    )
    ground = forms.ChoiceField(label=_("Ground"), choices=GROUNDS, widget=forms.RadioSelect)
    rule_ids = forms.MultipleChoiceField(
        label=_("Rules it rests on"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("A decision names at least one rule.")},
    )
    exemptions = forms.MultipleChoiceField(
        label=_("What you weighed against it"),
        choices=Exemption.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("At least what a filer says. Say in the explanation why it does or does not apply."),
    )
    facts_text = forms.CharField(
        label=_("Facts"),
        min_length=10,
        max_length=5000,
        help_text=_("What you saw and what is known. No names, no addresses."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    explanation = forms.CharField(
        label=_("Explanation"),
        min_length=10,
        max_length=5000,
        help_text=_("Why these facts lead to this outcome under these rules. The people concerned read this."),
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    version = forms.IntegerField(required=False, min_value=0, max_value=1 << 31, widget=forms.HiddenInput)

    def __init__(self, *args: Any, rules: Choices, replacing: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["rule_ids"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = rules
        if replacing:
            del self.fields["interim"], self.fields["version"], self.fields["no_names"]

    def clean_ends_at(self) -> dt.datetime | None:
        """The moment typed is UTC, whatever zone the office's pages are in."""
        value: dt.datetime | None = self.cleaned_data["ends_at"]
        return value.replace(tzinfo=dt.UTC) if value else None

    def asked(self) -> dict[str, Any]:
        """The arguments of `decisions.decide`; of `decisions.replace` where the form replaces."""
        return {name: self.cleaned_data[name] for name in self.fields}
