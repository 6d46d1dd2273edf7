"""Forms of the desk of transparency reports: a period, what is told in words, why a version is corrected."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from policy.transparency import reports, sections


class PeriodForm(forms.Form):
    since = forms.DateField(label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(
        label=_("Last day"),
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Both days are in it, in UTC. The law asks for a year, or half of one."),
    )


class WordsForm(forms.Form):
    """One field a question; an empty one is told as “nothing was said”."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, question in sections.QUESTIONS.items():
            self.fields[name] = forms.CharField(
                label=str(question),
                required=False,
                max_length=reports.LONGEST_WORDS,
                widget=forms.Textarea(attrs={"rows": 4}),
            )


class CorrectionForm(forms.Form):
    why = forms.CharField(
        label=_("What was wrong"),
        min_length=10,
        max_length=300,
        help_text=_("Everybody reads it. The old version stays readable at its address."),
    )
