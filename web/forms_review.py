"""Forms of the review desk. They check shape; the verbs check the rest."""

from typing import Any

from django import forms

from accounts.models import REVIEWERS, User
from policy.filing import guided
from policy.models import Category, Decision, MediaView, Recusal, ReviewerProfile

# What a reviewer may ask the filer for, in the words the filer reads.
ASKABLE = ("statement", "place", "name", "email", "work")


class ReasonForm(forms.Form):
    """What is sensitive leaves a trace, so it needs a reason (I20)."""

    reason = forms.CharField(label="Why you need to see it", min_length=3, max_length=300)


class StepForm(forms.Form):
    """One press: one step. The reason is asked at the first; what was said then stands for the sitting."""

    step = forms.ChoiceField(choices=MediaView.Step.choices, required=False)
    reason = forms.CharField(max_length=300, required=False)


class RecuseForm(forms.Form):
    why = forms.ChoiceField(
        label="Why, if you want to say",
        choices=Recusal.Why.choices,
        required=False,
        help_text="Sealed under your own key. Nobody counts it, and nothing follows from it for you.",
    )


class TakeBackForm(forms.Form):
    why = forms.CharField(
        label="Why it goes back", min_length=3, max_length=300, help_text="Sealed under your own key, on record."
    )


class NoChildForm(forms.Form):
    """By who was trained for children: what a filer ticked is not so."""

    why = forms.CharField(
        label="How you know", min_length=3, max_length=300, help_text="Sealed under your own key, on record."
    )


class AskForm(forms.Form):
    """What is missing, asked of one filer."""

    notice = forms.UUIDField(widget=forms.HiddenInput)
    fields_asked = forms.MultipleChoiceField(
        label="What is missing?",
        choices=[(name, guided.words(name)) for name in ASKABLE],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose what to ask for."},
    )


class FilterForm(forms.Form):
    """Which part of the queue; what is not a choice counts as nothing chosen."""

    category = forms.ChoiceField(label="Kind of issue", required=False)
    language = forms.ChoiceField(label="Language", required=False)
    place = forms.ChoiceField(label="Place", required=False)
    state = forms.ChoiceField(label="State", required=False)
    overdue = forms.BooleanField(label="Overdue only", required=False)

    def __init__(self, *args: Any, choices: dict[str, list[tuple[str, str]]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, options in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = options


class ProfileForm(forms.Form):
    """An entry of the roster."""

    trained = forms.MultipleChoiceField(
        label="Trained for",
        choices=Category.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="What is new counts from today.",
    )
    languages = forms.CharField(
        label="Reads", max_length=80, help_text="Language codes, as “en de”: only cases in these come to them."
    )
    manager = forms.ModelChoiceField(
        User.objects.none(),
        label="Reports to",
        required=False,
        empty_label="as before",
        help_text="Who leads somebody does not decide appeals against their decisions.",
    )
    budget = forms.IntegerField(
        label="Exposure points a day", min_value=1, help_text="What looking costs is in “My exposure”."
    )
    paused = forms.BooleanField(label="Paused: no cases for now", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        manager = self.fields["manager"]
        assert isinstance(manager, forms.ModelChoiceField)
        staff = User.objects.filter(is_active=True, memberships__role__in=REVIEWERS)
        manager.queryset = staff.distinct().order_by("name", "pk")

    def clean_languages(self) -> list[str]:
        return str(self.cleaned_data["languages"]).replace(",", " ").split()


def profile_values(profile: ReviewerProfile | None) -> dict[str, Any]:
    """What the form begins with."""
    if profile is None:
        return {"languages": "en", "budget": 60}
    return {
        "trained": list(profile.trained),
        "languages": " ".join(profile.languages),
        "manager": profile.manager_id,
        "budget": profile.budget,
        "paused": profile.paused,
    }


class FloorForm(forms.Form):
    highest = forms.ChoiceField(
        label="Never show me more than",
        choices=[("", "as the office does"), *MediaView.Step.choices],
        required=False,
    )
    daily = forms.IntegerField(label="Points a day at most", required=False, help_text="Empty: as the office says.")


class ConflictForm(forms.Form):
    email = forms.EmailField(label="A person, by the e-mail address of their account", required=False)
    organisation = forms.CharField(label="Or everybody of an organisation, by its name", required=False, max_length=120)


class SecondReviewForm(forms.Form):
    """The second answer: nobody is told of it, so there is nothing to explain."""

    outcome = forms.ChoiceField(label="Outcome", choices=Decision.Outcome.choices, widget=forms.RadioSelect)
    rule_ids = forms.MultipleChoiceField(
        label="Rules it rests on",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "An answer names at least one rule."},
    )

    def __init__(self, *args: Any, rules: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["rule_ids"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = rules
