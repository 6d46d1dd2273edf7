"""Forms of the rule desk: facts for the test bench, a pack's text, the moment from which it counts."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms

from policy.rulebook import conditions, packs
from policy.rulebook.facts import FACTS, JURISDICTIONS
from policy.rulebook.packs import Book

_TEXTS = [name for name, value in FACTS.items() if value == ""]
_FLAGS = [name for name, value in FACTS.items() if value is False]
_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class BenchForm(forms.Form):
    """Facts are choices, never free text (I25): each fact offers what some rule compares it with."""

    jurisdictions = forms.MultipleChoiceField(
        label="Places",
        choices=list(JURISDICTIONS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    flags = forms.MultipleChoiceField(
        label="True of the matter",
        choices=[(name, name.replace("_", " ")) for name in _FLAGS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    at = forms.DateTimeField(label="When it happens (UTC)", required=False, help_text="Now, if empty.", widget=_MOMENT)
    event = forms.ChoiceField(label="What happens", required=False)
    pack = forms.ChoiceField(label="Rules", required=False)

    def __init__(self, *args: Any, book: Book, versions: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = _offered(book)
        for name in reversed([name for name in _TEXTS if name in offered]):
            choices = [("", "not said"), *((value, value.replace("_", " ")) for value in sorted(offered[name]))]
            label = name.replace("_", " ").capitalize()
            self.fields[name] = forms.ChoiceField(label=label, choices=choices, required=False)
            self.order_fields([name, *self.fields])
        events = sorted({rule.start_event for rule in book.rules})
        self._choose("event", [("", "Anything"), *((event, event.replace("_", " ")) for event in events)])
        self._choose("pack", [("", "Those in force"), *versions.items()])

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def facts(self) -> dict[str, Any]:
        """The facts as `rules.complete` takes them."""
        said = self.cleaned_data
        texts = {name: said[name] for name in _TEXTS if said.get(name)}
        return {**texts, "jurisdictions": said["jurisdictions"], **dict.fromkeys(said["flags"], True)}

    def moment(self) -> dt.datetime | None:
        at: dt.datetime | None = self.cleaned_data["at"]
        return at


def _offered(book: Book) -> dict[str, set[str]]:
    offered: dict[str, set[str]] = {}
    for rule in book.rules:
        for source in filter(None, (rule.when, rule.shadow_when)):
            for fact, value in conditions.compared(source):
                if value:
                    offered.setdefault(fact, set()).add(value)
    return offered


class PackForm(forms.Form):
    """A whole pack as text; a file counts more than the field."""

    one_of = ("file", "content")

    file = forms.FileField(label="A file", required=False, help_text="YAML, at most 400 kB.")
    content = forms.CharField(
        label="Or its text",
        required=False,
        max_length=packs.MAX_BYTES,
        strip=False,
        help_text="Give it a new version, change the rows, and add a golden test for each change.",
        widget=forms.Textarea(attrs={"rows": 30, "spellcheck": "false", "class": "mono"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if file := data.get("file"):
            data["content"] = self._text(file)
        if not data.get("content") and not self.errors:
            self.add_error("content", "Choose a file, or paste the text.")
        return data

    def _text(self, file: Any) -> str:
        if file.size > packs.MAX_BYTES:
            self.add_error("file", "A pack has at most 400 kB.")
            return ""
        try:
            return str(file.read().decode())
        except UnicodeDecodeError:
            self.add_error("file", "This is not a text file in UTF-8.")
            return ""


class PublishForm(forms.Form):
    effective_from = forms.DateTimeField(
        label="In force from (UTC)",
        required=False,
        help_text="Now, if empty. Clocks that start from then on follow it; those that run keep their rule.",
        widget=_MOMENT,
    )
