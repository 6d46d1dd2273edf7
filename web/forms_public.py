"""Forms of the public register of notices and of its desk. They check shape; the verbs check the rest."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from policy.law import rules
from policy.models import Category
from policy.transparency import register, research
from web.forms_process import NamesForm

_ANY = ("", _("All"))


def _issues() -> list[Any]:
    """Each group, with its categories beneath where it has several."""
    found: list[Any] = [_ANY]
    for group in register.Group:
        own = register.categories_of(group)
        labels = [(each, Category(each).label) for each in own]
        whole = (group.value, _("%(group)s (all)") % {"group": group.label})
        found.append((group.label, [whole, *labels]) if len(own) > 1 else labels[0])
    return found


class RegisterFilter(forms.Form):
    """What to look for among published notices."""

    issue = forms.ChoiceField(label=_("Kind of issue"), required=False, choices=_issues)
    place = forms.ChoiceField(label=_("Place"), required=False, choices=[_ANY, *rules.JURISDICTIONS.items()])
    outcome = forms.ChoiceField(label=_("What came of it"), required=False, choices=[_ANY, *register.Outcome.choices])
    period = forms.ChoiceField(label=_("Published in"), required=False)

    def __init__(self, data: Mapping[str, Any], periods: list[str]) -> None:
        super().__init__(data)
        field = self.fields["period"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [_ANY, *((each, each) for each in periods)]


class GrantForm(forms.Form):
    """A link for a researcher."""

    institution = forms.CharField(label=_("Institution"), min_length=3, max_length=120)
    purpose = forms.CharField(
        label=_("What it is for"),
        min_length=10,
        max_length=300,
        help_text=_("The research project, without names of people. It stands in the log under seal."),
    )
    days = forms.IntegerField(
        label=_("For how many days"), min_value=1, max_value=research.LONGEST, initial=90, help_text=_("At most 366.")
    )


class WithholdForm(forms.Form):
    why = forms.ChoiceField(label=_("Why it is withheld"), choices=[("", _("Choose one")), *register.Why.choices])


class WordsForm(forms.Form):
    """Why somebody's letter is opened."""

    reason = forms.CharField(label=_("Why you read it"), min_length=3, max_length=300, help_text=_("It is logged."))


class RedactForm(NamesForm):
    """What researchers read. The reason is that of the look at the words, should they be shown again."""

    reason = forms.CharField(max_length=300, widget=forms.HiddenInput)
    text = forms.CharField(
        label=_("What researchers read"),
        required=False,
        max_length=5000,
        help_text=_(
            "Leave out names, addresses, days, places, titles, and whatever only one person could have written. "
            "Empty: they read nothing."
        ),
        widget=forms.Textarea(attrs={"rows": 12}),
    )
