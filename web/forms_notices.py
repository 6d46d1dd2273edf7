"""Forms of notices: the guided one in two steps, “this flag is wrong”, a privacy concern, what is missing, a
counter-notice. Which questions a law asks comes from `policy.filing.guided`; the verbs check the rest.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.conf.global_settings import LANGUAGES
from django.core.validators import MaxLengthValidator

from policy.filing import court_actions, guided
from policy.filing.notice_checks import LANGUAGE_CODES
from policy.law.rules import JURISDICTIONS
from policy.models import Category, Exemption, Notice

# The rule packs' categories, in the words of the person who reports.
CATEGORIES = [
    ("ncii", "Intimate picture shared without consent"),
    ("ncii_deepfake", "Intimate picture made or altered by software"),
    ("likeness", "My face or voice used without my permission"),
    ("impersonation", "Somebody pretends to be another person"),
    ("unlabelled_synthetic", "Made or altered by software, and does not say so"),
    ("privacy", "Shows private information"),
    ("child_safety", "A child is in danger"),
    ("defamation", "Says something untrue that harms a person"),
    ("copyright", "Uses my work without permission"),
    ("election", "Misleads voters"),
    ("fraud", "Used to cheat people"),
    ("authority_order", "An order of a court or an authority"),
    ("other", "Something else"),
]
# Where it matters for the rule, and is not said by the kind of problem itself.
ASK_HOW_MADE = (Category.IMPERSONATION, Category.ELECTION, Category.FRAUD, Category.DEFAMATION, Category.OTHER)
# What is about a child is worked on apart, by who was trained for it (I24): asked wherever a person may be shown.
ASK_AGE = (Category.NCII, Category.NCII_DEEPFAKE, Category.CHILD_SAFETY, Category.OTHER)
# And what may be said of people in public life is weighed by two people (office.terms.two_keys_public_figure).
ASK_AGE_AND_PUBLIC_LIFE = (
    *(Category.LIKENESS, Category.IMPERSONATION, Category.UNLABELLED_SYNTHETIC, Category.PRIVACY),
    *(Category.DEFAMATION, Category.ELECTION, Category.FRAUD),
)
# One question for both, because a report asks at most ten; by the name of the answer in `guided.CHOICES`.
PERSON = [("minor", "Under 18"), ("public_figure", "In public life, in politics for example")]
NO_PICTURE = (
    "Do not send us the picture; we did not look at it. Its address is enough. Once you have reported it, you can add a"
    " digest that you make on your own device."
)
_LANGUAGES = dict(LANGUAGES)
PLACES = [("", "Choose one"), *JURISDICTIONS.items()]


def _radio(name: str, chosen: str | None = None) -> forms.ChoiceField:
    """chosen: what is ticked when the page opens; without it, one must be chosen."""
    choice = guided.CHOICES[name]
    return forms.ChoiceField(
        label=choice.label,
        choices=list(choice.options.items()),
        required=chosen is None,
        initial=chosen,
        error_messages={"required": "Choose one."},
        widget=forms.RadioSelect,
    )


def _place(help_text: str = "The law of this place decides how long we have to answer.") -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Where do you live?",
        choices=PLACES,
        error_messages={"required": "Choose a place, or “Another country”."},
        help_text=help_text,
    )


def _statement(label: str, hint: str, *, required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=5000,
        error_messages={"required": "Write a sentence or two."},
        help_text=hint,
        widget=forms.Textarea(attrs={"rows": 5}),
    )


def _good_faith() -> forms.BooleanField:
    return forms.BooleanField(
        label="I believe in good faith that what I say here is correct and complete",
        error_messages={"required": "Please confirm this; we may not act on a report without it."},
    )


def _asked(ask: str, because: Sequence[str] = ()) -> tuple[str, forms.Field]:
    """The field of one question of `guided`: a box to tick for a statement, else a line or a few."""
    hint = f"Asked for by {' and '.join(because)}. Without it, the deadline there does not start." if because else ""
    if ask.startswith(guided.SWORN):
        known = guided.statements()[ask.removeprefix(guided.SWORN)]
        return field_name(ask), forms.BooleanField(label=known.text, required=False, help_text=hint or known.cite)
    question = guided.QUESTIONS[ask]
    hint = f"{question.hint} {hint}".strip()
    if ask == "email":
        widget: forms.Widget = forms.EmailInput(attrs={"autocomplete": "email"})
        return ask, forms.EmailField(label=question.label, required=False, help_text=hint, widget=widget)
    widget = forms.Textarea(attrs={"rows": 3}) if question.long else forms.TextInput(attrs=_hints(ask))
    return ask, forms.CharField(
        label=question.label, required=False, max_length=question.most, help_text=hint, widget=widget
    )


def _hints(ask: str) -> dict[str, str]:
    known = {"name": "name", "phone": "tel", "signature": "off"}
    return {"autocomplete": known[ask]} if ask in known else {}


def field_name(ask: str) -> str:
    """`sworn:dmca.accuracy` is the field `sworn_dmca_accuracy`."""
    return ask.replace(":", "_").replace(".", "_")


def sworn_in(data: dict[str, Any]) -> list[str]:
    """Ids of the statements that were ticked."""
    return [each for each in guided.statements() if data.get(field_name(guided.SWORN + each))]


def details_in(data: dict[str, Any]) -> dict[str, str]:
    """Answers in words to questions of `guided`, but name and address."""
    return {name: data[name] for name in guided.QUESTIONS if name not in ("name", "email") and data.get(name)}


class FactsForm(forms.Form):
    """First step: which work, what about it, who asks, and where. Choices only, so that the law can be said."""

    one_of = ("asset", "file")  # one is enough, and one is needed: neither is called optional

    category = forms.ChoiceField(
        label="What is wrong with it?",
        choices=[("", "Choose one"), *CATEGORIES],
        error_messages={"required": "Choose what fits best."},
        # Before the field for a file: to have such a picture, or to pass it on, is a crime in most places.
        help_text="If a child is in danger, do not send us the picture: where it is, is enough.",
    )
    asset = forms.CharField(
        label="Address or number of the picture",
        required=False,
        # No `maxlength` in the page: browsers cut a longer address without a word.
        validators=[MaxLengthValidator(2000, "At most 2,000 characters. Leave out what follows a “?” or “#”.")],
        help_text="Copy it from the page where you saw it. Or leave this empty and send a copy of the file below.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    age = forms.ChoiceField(
        label=guided.CHOICES["minor"].label,
        choices=list(guided.CHOICES["minor"].options.items()),
        required=False,
        help_text="If so, send no file: where it is, is enough.",
        widget=forms.RadioSelect,
    )
    file = forms.FileField(
        label="Or a copy of the file",
        required=False,
        allow_empty_file=True,  # an empty file is refused by the storage door, with better words
        help_text="Used once, to find it in our register. We do not keep it. Send none of a child in danger.",
    )
    file_sha256 = forms.RegexField(r"^[0-9a-f]{64}$", required=False, widget=forms.HiddenInput)
    shown = _radio("shown")
    jurisdiction = _place()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not (self.is_bound and ("age" in self.data or self._shows_somebody())):
            del self.fields["age"]  # asked before a file is opened, else in the second step

    def _shows_somebody(self) -> bool:
        return self.data.get("category") in guided.INTIMATE and "file" in self.files

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not (data.get("asset") or data.get("file") or data.get("file_sha256")):
            self.add_error("asset", "Give the address of the picture, or a copy of the file.")
        if data.get("file"):
            self._refuse_of_a_child(data)  # nothing has opened it
        return data

    def _refuse_of_a_child(self, data: dict[str, Any]) -> None:
        if data.get("category") == Category.CHILD_SAFETY or data.get("age") == "yes":
            self.add_error("file", NO_PICTURE)
        elif self._shows_somebody() and not data.get("age"):
            self.add_error("age", "Say this first; we did not look at the file. Then choose it again.")


class DetailsForm(forms.Form):
    """Second step: the words, what the laws that may apply ask for, what speaks against, and the statements."""

    def __init__(self, *args: Any, notice: Notice, laws: Iterable[guided.Law], languages: Sequence[str], **kw: Any):
        super().__init__(*args, **kw)
        because: dict[str, list[str]] = {"name": [], "email": []}
        for law in laws:
            for ask in law.asks:
                because.setdefault(ask, []).append(f"{law.rule.instrument}, {law.rule.article}")
        self.fields["statement"] = _statement(
            "What should we know?", "Say what is shown and why it should not be. No need for legal words."
        )
        if notice.category in ASK_AGE:
            self.fields["minor"] = _radio("minor", notice.answers.get("minor", "unknown"))
        if notice.category in ASK_HOW_MADE:
            self.fields["how_made"] = _radio("how_made", "unknown")
        if notice.category in ASK_AGE_AND_PUBLIC_LIFE:
            self.fields["person"] = forms.MultipleChoiceField(
                label="Is the person shown one of these?",
                choices=PERSON,
                required=False,
                help_text="Tick what you know.",
                widget=forms.CheckboxSelectMultiple,
            )
        self._ask_for(because)
        if notice.kind != Notice.Kind.ORDER:
            self._ask_what_speaks_against()
        if len(languages) > 1:
            self.fields["language"] = forms.ChoiceField(
                label="In which language shall we write to you?",
                choices=[(code, str(_LANGUAGES[code])) for code in languages],
            )
        self.fields["good_faith"] = _good_faith()

    def _ask_for(self, because: dict[str, list[str]]) -> None:
        # What a law asks for may come later, but nobody should read “optional” beside it.
        self.one_of = tuple(field_name(ask) for ask in because if because[ask])
        words = [ask for ask in because if ask in guided.QUESTIONS]
        for ask in (*words, *(ask for ask in because if ask.startswith(guided.SWORN))):
            name, field = _asked(ask, because[ask])
            self.fields[name] = field
        self.fields[
            "email"
        ].help_text += " Only to tell you what we decide. Without it, your case number and PIN show you everything."

    def _ask_what_speaks_against(self) -> None:
        self.fields["exemptions"] = forms.MultipleChoiceField(
            label="Could one of these be true?",
            choices=Exemption.choices,
            required=False,
            help_text="Tick what you know. It does not weaken your report; it helps us to be fair.",
            widget=forms.CheckboxSelectMultiple,
        )


class FlagWrongForm(forms.Form):
    """“This flag is wrong”: by anybody, about a flag or a finding."""

    statement = _statement("Why is it wrong?", "Say what you know about the work. Plain words are enough.")
    shown = _radio("shown")
    jurisdiction = _place()
    name = forms.CharField(label="Your name", required=False, max_length=120)
    email = forms.EmailField(
        label="Your e-mail address", required=False, help_text="Only to tell you what a reviewer found."
    )
    good_faith = _good_faith()


class PrivacyForm(forms.Form):
    """“I have a privacy concern”: two answers are enough, and words for who has some."""

    shown = _radio("shown")
    minor = _radio("minor", "unknown")
    jurisdiction = _place()
    statement = _statement("What worries you?", "You need not say.", required=False)
    email = forms.EmailField(
        label="Your e-mail address", required=False, help_text="Only to tell you what we do about it."
    )


class CompleteForm(forms.Form):
    """What is missing in a notice, and nothing else."""

    def __init__(self, *args: Any, missing: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.one_of = ("more", *map(field_name, missing))  # none of them is called optional
        for ask in missing:
            if ask in ("statement", "place"):
                self.fields["more"] = _statement("More about it, and where exactly", "", required=False)
            elif ask in guided.QUESTIONS or ask.startswith(guided.SWORN):
                name, field = _asked(ask)
                self.fields[name] = field


class DocumentForm(forms.Form):
    document = forms.FileField(
        label="Add a document",
        allow_empty_file=True,  # refused by the verb, with better words
        help_text="PDF, PNG, JPEG or plain text, at most 5 MiB each, five in all. Kept encrypted under your own key.",
        error_messages={"required": "Choose a file."},
    )


class ActionForm(forms.Form):
    """Who complained has gone to court."""

    court = forms.CharField(label="Which court?", max_length=200)
    reference = forms.CharField(label="Its file number", max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name, field = _asked(guided.SWORN + court_actions.SWORN)
        field.required = True
        self.fields[name] = field


class LiftForm(forms.Form):
    """What a lead found of one of the actions that were told."""

    reason = forms.CharField(
        label="How did you look for the action?",
        max_length=300,
        help_text="For example: the docket of the court, on which day. It is kept under your own key.",
    )

    def __init__(self, *args: Any, actions: Sequence[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(actions) > 1:
            named = [(each["notice"], f"{each['court']}, {each['reference']}".strip(", ")) for each in actions]
            self.fields["notice"] = forms.ChoiceField(
                label="Which action?",
                choices=[(pk, words or "Erased") for pk, words in named],
                widget=forms.RadioSelect,
                error_messages={"required": "Choose one of the actions."},
            )


class CounterNoticeForm(forms.Form):
    """What 17 U.S.C. 512(g)(3) asks for, in its order; missing parts may be added later."""

    def __init__(self, *args: Any, asks: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.one_of = tuple(map(field_name, asks))  # none of them is called optional
        for ask in asks:
            if ask != "place":
                name, field = _asked(ask)
                self.fields[name] = field


class UnfoundedForm(forms.Form):
    """Why a notice is manifestly unfounded: one of a list, because it is told to the filer."""

    notice = forms.UUIDField(widget=forms.HiddenInput)
    why = forms.ChoiceField(
        label="Why is it manifestly unfounded?",
        choices=[(value, label) for value, label in Notice.Unfounded.choices if value],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a reason."},
    )


def languages_of(accepted: str) -> list[str]:
    """English, and before it the first language that a browser asks for, if it is another."""
    first = accepted.split(",")[0].split(";")[0].strip().lower()
    code = first if first in LANGUAGE_CODES else first.split("-")[0]
    return [code, "en"] if code in LANGUAGE_CODES and code != "en" and not code.startswith("en-") else ["en"]
