"""Forms of appeals: for who appeals, for who hears, and for what a body outside says. The verbs check the rest."""

from django import forms

from policy.models import Appeal, OutOfCourt
from web.forms_process import NamesForm

_DOCUMENT = "PDF, PNG, JPEG or plain text, up to 5 MiB. Only who hears the appeal opens it. You can add more later."


class AppealForm(forms.Form):
    """Why the decision should be looked at again."""

    grounds = forms.CharField(
        label="Why should somebody else look at it again?",
        max_length=5000,
        help_text="Anything the first reviewer missed or misread. Plain words are enough.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    document = forms.FileField(label="A document", required=False, allow_empty_file=True, help_text=_DOCUMENT)


class AnswerForm(forms.Form):
    """An answer to a question of the office, or something that was forgotten."""

    text = forms.CharField(
        label="Your answer", required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 4})
    )
    document = forms.FileField(label="A document", required=False, allow_empty_file=True, help_text=_DOCUMENT)


class QuestionForm(forms.Form):
    """What the hearer needs to know from who appeals."""

    text = forms.CharField(
        label="Your question",
        max_length=5000,
        help_text="Only who appeals reads it. The deadline for an answer starts at once, and ours rests meanwhile.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class AppealDecisionForm(NamesForm):
    outcome = forms.ChoiceField(
        label="Outcome",
        choices=[
            (Appeal.Outcome.UPHOLD, "Uphold: the first decision stands"),
            (Appeal.Outcome.OVERTURN, "Overturn: the appellant is right"),
            (Appeal.Outcome.MODIFY, "Change: another decision takes its place (fill in below)"),
            (Appeal.Outcome.INADMISSIBLE, "It cannot be heard: say why in the reasons"),
        ],
        widget=forms.RadioSelect,
    )
    reasons = forms.CharField(
        label="Reasons",
        max_length=5000,
        help_text="The people concerned read this. No names, no addresses.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class DisputeForm(forms.Form):
    """That a certified body looks at the dispute (DSA 21)."""

    body = forms.CharField(label="The body", min_length=3, max_length=120, help_text="Its name, as it is certified.")
    reference = forms.CharField(label="Its reference", max_length=60)


class DisputeOutcomeForm(forms.Form):
    outcome = forms.ChoiceField(
        label="What it said",
        choices=[choice for choice in OutOfCourt.Outcome.choices if choice[0]],
        widget=forms.RadioSelect,
    )
    complied = forms.BooleanField(
        label="The office does what it said",
        required=False,
        help_text="For the appellant: what the decision did is undone now, or the case opens again for a third person.",
    )
    document = forms.FileField(
        label="What the body sent",
        required=False,
        allow_empty_file=True,
        help_text="Needed where the office does what it said for the appellant, who reads it too. PDF, PNG, JPEG or "
        "plain text, up to 5 MiB.",
    )
