"""Forms of the due-process pages: what people are asked, in plain words. They check shape; the verbs check the rest."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.problems import Problem


class NamesForm(forms.Form):
    """Words for people that carry no names. Whether a word is one is asked once the verb finds one that may be."""

    no_names = forms.BooleanField(
        label=_("These words are no names here"), required=False, widget=forms.HiddenInput, help_text=_("It is logged.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["no_names"] = self.fields.pop("no_names")  # after the words
        if forms.CheckboxInput().value_from_datadict(self.data, self.files, self.add_prefix("no_names")):
            self.ask_about_names()

    def ask_about_names(self) -> None:
        self.fields["no_names"].widget = forms.CheckboxInput()


class PinForm(forms.Form):
    """Case number and PIN, typed or pasted; spaces and case do not matter."""

    number = forms.CharField(
        label=_("Case number"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )
    pin = forms.CharField(
        label=_("PIN"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "text"}),
    )

    def clean_number(self) -> str:
        return str(self.cleaned_data["number"]).strip().upper()

    def clean_pin(self) -> str:
        return "".join(str(self.cleaned_data["pin"]).split())


class GroundsForm(forms.Form):
    """Why the decision should be looked at again."""

    grounds = forms.CharField(
        label=_("Why should somebody else look at it again?"),
        max_length=5000,
        help_text=_("Anything the first reviewer missed or misread. Plain words are enough."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class EraseForm(forms.Form):
    """Erasing cannot be undone, so the word is typed."""

    WORD = "ERASE"
    confirm = forms.CharField(
        label=_("Type ERASE to confirm"), max_length=20, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def clean_confirm(self) -> str:
        word = str(self.cleaned_data["confirm"]).strip().upper()
        if word != self.WORD:
            raise forms.ValidationError(_("Nothing was erased: the word does not match. Type ERASE."))
        return word


# Where a verb's name of a field and its form's differ.
VERB_FIELDS = {"url_or_text": "asset", "file_sha256": "file", "as_depicted": "shown"}


def onto(form: forms.Form, problem: Problem) -> None:
    """Show what a verb refused beside the fields it names, else above the form."""
    errors: Any = problem.extra.get("errors")
    if not isinstance(errors, dict):
        form.add_error(None, f"{problem.detail or problem.title} {problem.next_step}".strip())
        return
    if "no_names" in errors and isinstance(form, NamesForm) and "no_names" in form.fields:
        form.ask_about_names()
    for name, texts in errors.items():
        field = VERB_FIELDS.get(name, name)
        for text in texts:
            form.add_error(field if field in form.fields else None, str(text))
