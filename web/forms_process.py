"""Forms of the due-process pages: what people are asked, in plain words. They check shape; the verbs check the rest."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.problems import Problem
from policy.models import Exemption, Purpose
from policy.rules import JURISDICTIONS

# The rule file's categories (policy/rules/jurisdictions.yaml), in the words of the person who reports.
CATEGORIES = [
    ("ncii", _("Intimate picture shared without consent")),
    ("ncii_deepfake", _("Intimate picture made or altered by software")),
    ("likeness", _("My face or voice used without my permission")),
    ("impersonation", _("Somebody pretends to be another person")),
    ("unlabelled_synthetic", _("Made or altered by software, and does not say so")),
    ("privacy", _("Shows private information")),
    ("child_safety", _("A child is in danger")),
    ("defamation", _("Says something untrue that harms a person")),
    ("copyright", _("Uses my work without permission")),
    ("election", _("Misleads voters")),
    ("fraud", _("Used to cheat people")),
    ("other", _("Something else")),
]


class ReportForm(forms.Form):
    """Ten questions; a name and an address are asked but, where the law lets it, not needed."""

    one_of = ("asset", "file")  # one is enough, and one is needed: neither is called optional

    asset = forms.CharField(
        label=_("Address or number of the picture"),
        required=False,
        max_length=300,
        help_text=_("Copy it from the page where you saw it. Or leave this empty and send a copy of the file below."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=_("Or a copy of the file"),
        required=False,
        allow_empty_file=True,  # an empty file is refused by the storage door, with better words
        help_text=_("Used once, to find it in our register. We do not keep it."),
    )
    category = forms.ChoiceField(
        label=_("What is wrong with it?"),
        choices=[("", _("Choose one")), *CATEGORIES],
        error_messages={"required": _("Choose what fits best.")},
    )
    shown = forms.ChoiceField(
        label=_("Are you shown or heard in it?"),
        choices=[("yes", _("Yes, it shows me")), ("no", _("No"))],
        error_messages={"required": _("Say yes or no.")},
        widget=forms.RadioSelect,
    )
    jurisdiction = forms.ChoiceField(
        label=_("Where do you live?"),
        choices=[("", _("Choose one")), *JURISDICTIONS.items()],
        error_messages={"required": _("Choose a place, or “Another country”.")},
        help_text=_("The law of this place decides how long we have to answer."),
    )
    statement = forms.CharField(
        label=_("What should we know?"),
        error_messages={"required": _("Write a sentence or two.")},
        max_length=5000,
        help_text=_("Say what is shown and why it should not be. No need for legal words."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    exemptions = forms.MultipleChoiceField(
        label=_("Could one of these be true?"),
        choices=Exemption.choices,
        required=False,
        help_text=_("Tick what you know. It does not weaken your report; it helps us to be fair."),
        widget=forms.CheckboxSelectMultiple,
    )
    name = forms.CharField(
        label=_("Your name"), required=False, max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("Your e-mail address"),
        required=False,
        help_text=_("Only to tell you what we decide. Without it, your case number and PIN show you everything."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    good_faith = forms.BooleanField(
        label=_("I believe in good faith that what I say here is correct and complete"),
        error_messages={"required": _("Please confirm this; we may not act on a report without it.")},
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("asset") and not data.get("file"):
            self.add_error("asset", _("Give the address of the picture, or a copy of the file."))
        return data


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


class CompleteForm(forms.Form):
    """What a law asks for and the report did not say."""

    name = forms.CharField(
        label=_("Your name"), required=False, max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("Your e-mail address"), required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )


class GroundsForm(forms.Form):
    """Why the decision should be looked at again."""

    grounds = forms.CharField(
        label=_("Why should somebody else look at it again?"),
        max_length=5000,
        help_text=_("Anything the first reviewer missed or misread. Plain words are enough."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class AskConsentForm(forms.Form):
    name = forms.CharField(label=_("Name of the person shown"), max_length=120)
    contact = forms.CharField(
        label=_("How you reach them"),
        max_length=200,
        required=False,
        help_text=_("An e-mail address or phone number. Only you and the office see it; you send the link yourself."),
    )
    purposes = forms.MultipleChoiceField(
        label=_("What do you ask for?"),
        choices=Purpose.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=["publish"],
    )


class ReasonForm(forms.Form):
    """Looking at sealed media leaves a trace, so it needs a reason (every sensitive view is logged)."""

    reason = forms.CharField(label=_("Why you need to see it"), max_length=200)


OUTCOMES = [
    ("no_action", _("No action: it stays as it is")),
    ("label", _("Label: it stays, with a note that everybody sees")),
    ("age_restrict", _("Age-restrict: only adults see it")),
    ("hide", _("Hide: nobody sees it until the appeal window has passed")),
]
GROUNDS = [("illegal", _("Against the law")), ("terms", _("Against this office's terms"))]


class DecisionForm(forms.Form):
    """The composer: outcome, ground, at least one rule, the facts, the explanation."""

    outcome = forms.ChoiceField(label=_("Outcome"), choices=OUTCOMES, widget=forms.RadioSelect)
    ground = forms.ChoiceField(label=_("Ground"), choices=GROUNDS, widget=forms.RadioSelect)
    rule_ids = forms.MultipleChoiceField(
        label=_("Rules it rests on"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("A decision names at least one rule.")},
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

    def __init__(self, *args: Any, rules: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["rule_ids"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = rules


class AppealDecisionForm(forms.Form):
    outcome = forms.ChoiceField(
        label=_("Outcome"),
        choices=[
            ("uphold", _("Uphold: the first decision stands")),
            ("overturn", _("Overturn: everything the decision changed is undone")),
        ],
        widget=forms.RadioSelect,
    )
    reasons = forms.CharField(
        label=_("Reasons"),
        max_length=5000,
        help_text=_("The people concerned read this. No names, no addresses."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class PurposeForm(forms.Form):
    """A regulator's access is bound to a purpose, which is logged."""

    purpose = forms.CharField(
        label=_("Purpose of this access"),
        min_length=10,
        max_length=300,
        help_text=_("Ten characters or more, such as name and number of an inquiry. It is written to the audit log."),
    )


class LogQueryForm(forms.Form):
    type = forms.ChoiceField(label=_("Kind of entry"), required=False)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To (inclusive)"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    after = forms.IntegerField(required=False, min_value=-1, max_value=1 << 62, widget=forms.HiddenInput)

    def __init__(self, *args: Any, types: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["type"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("All kinds")), *((value, value) for value in types)]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("since") and data.get("until") and data["since"] > data["until"]:
            self.add_error("until", _("This is before the first day."))
        return data

    def span(self) -> tuple[dt.datetime | None, dt.datetime | None]:
        """[from, before) in UTC, of the days typed."""
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        return (
            dt.datetime.combine(since, dt.time.min, dt.UTC) if since else None,
            dt.datetime.combine(until + dt.timedelta(days=1), dt.time.min, dt.UTC) if until else None,
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
    for name, texts in errors.items():
        field = VERB_FIELDS.get(name, name)
        for text in texts:
            form.add_error(field if field in form.fields else None, str(text))
