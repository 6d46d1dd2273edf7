"""Forms of the pages for authorities, and of the office's side of them. They check shape; the verbs check the rest."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ledger.events import EventType
from policy.audits import consultations, referrals, regulators
from policy.law import rules
from policy.models import Category, Referral, RegulatorAccount
from web.forms_process import NamesForm
from web.verdicts import EVENTS

_ROWS = {"rows": 4}
_DAY = {"type": "date"}


class PurposeForm(forms.Form):
    """An authority's access is bound to a purpose, which is logged."""

    purpose = forms.CharField(
        label=_("Purpose of this access"),
        min_length=10,
        max_length=300,
        help_text=_("Ten characters or more, such as name and number of an inquiry. It is written to the audit log."),
    )


class LogQueryForm(forms.Form):
    """Kinds and days, which operators ask as well; for authorities, `CaseQueryForm`."""

    type = forms.MultipleChoiceField(
        label=_("Kinds of entries"),
        required=False,
        choices=[(str(each), EVENTS.get(str(each), str(each))) for each in EventType],
        widget=forms.SelectMultiple(attrs={"size": 5}),
    )
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs=_DAY))
    until = forms.DateField(label=_("To (inclusive)"), required=False, widget=forms.DateInput(attrs=_DAY))
    after = forms.IntegerField(required=False, min_value=-1, max_value=1 << 62, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("since") and data.get("until") and data["since"] > data["until"]:
            self.add_error("until", _("This is before the first day."))
        return data

    def query(self) -> dict[str, Any]:
        """As `policy.audits.queries` reads it: [since, until) in UTC, of the days typed."""
        said = self.cleaned_data
        since, until = said.get("since"), said.get("until")
        return {
            "types": said.get("type") or [],
            "since": dt.datetime.combine(since, dt.time.min, dt.UTC) if since else None,
            "until": dt.datetime.combine(until + dt.timedelta(days=1), dt.time.min, dt.UTC) if until else None,
            "categories": said.get("category") or [],
            "jurisdictions": said.get("place") or [],
            "missed": bool(said.get("missed")),
            "orders": bool(said.get("orders")),
        }


class CaseQueryForm(LogQueryForm):
    """What is asked of the cases that an account reaches as well."""

    category = forms.MultipleChoiceField(
        label=_("Cases about"),
        required=False,
        choices=Category.choices,
        widget=forms.SelectMultiple(attrs={"size": 5}),
    )
    place = forms.MultipleChoiceField(label=_("Cases that touch"), required=False, widget=forms.CheckboxSelectMultiple)
    missed = forms.BooleanField(label=_("Only cases with a missed deadline"), required=False)
    orders = forms.BooleanField(label=_("Only cases with an order of a court or an authority"), required=False)

    def __init__(self, *args: Any, places: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["place"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(code, rules.JURISDICTIONS.get(code, code)) for code in places]


def typed(query: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form that say this query (`Query.as_json`)."""
    fields: dict[str, Any] = {
        "type": query.get("types"),
        "category": query.get("categories"),
        "place": query.get("jurisdictions"),
    }
    if since := query.get("since"):
        fields["since"] = str(since)[:10]
    if until := query.get("until"):
        fields["until"] = (dt.datetime.fromisoformat(str(until)) - dt.timedelta(days=1)).date().isoformat()
    fields |= {name: "on" for name in ("missed", "orders") if query.get(name)}
    return {name: value for name, value in fields.items() if value}


class SaveForm(forms.Form):
    name = forms.CharField(label=_("Keep this query as"), max_length=80)


# --- Talking -------------------------------------------------------------------------------------------------------


class WriteForm(forms.Form):
    text = forms.CharField(
        label=_("Message"),
        max_length=consultations.TEXT[1],
        help_text=_("Without names, addresses and numbers of people."),
        widget=forms.Textarea(attrs=_ROWS),
    )


class OpenForm(WriteForm):
    """A new consultation, by the authority."""

    subject = forms.CharField(
        label=_("Subject"), max_length=160, help_text=_("Published, with the outcome, once it is closed.")
    )
    field_order = ("account", "subject", "text")


class OfficeOpenForm(OpenForm):
    """By the office: with whom?"""

    account = forms.ModelChoiceField(
        label=_("With which authority?"), queryset=RegulatorAccount.objects.none(), empty_label=_("Choose one")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["account"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = regulators.for_desk().exclude(state=RegulatorAccount.State.EXPIRED)


class CloseForm(forms.Form):
    outcome = forms.CharField(
        label=_("What came of it"),
        max_length=consultations.OUTCOME[1],
        help_text=_("Published. One paragraph, without personal data."),
        widget=forms.Textarea(attrs=_ROWS),
    )


# --- The office's side ---------------------------------------------------------------------------------------------


class InviteForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address of the person"), max_length=254)
    name = forms.CharField(label=_("Their name"), required=False, max_length=120)
    authority = forms.CharField(label=_("Authority"), max_length=120)
    jurisdictions = forms.MultipleChoiceField(
        label=_("Whose cases they may see"),
        choices=list(regulators.PLACES.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Cases that touch none of these places stay closed to them, and so does every child’s case."),
    )
    legal_basis = forms.CharField(
        label=_("Law that entitles them"), max_length=200, help_text=_("Public: article and instrument.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What may be opened for them"),
        required=False,
        choices=RegulatorAccount.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None: the entries as everybody has them."),
    )
    days = forms.IntegerField(label=_("For how many days"), initial=180, min_value=1, max_value=regulators.LONGEST_DAYS)

    def terms(self) -> regulators.Terms:
        said = self.cleaned_data
        names = ("authority", "jurisdictions", "legal_basis", "scopes", "days")
        return regulators.Terms(**{name: said[name] for name in names})


class RenewForm(forms.Form):
    days = forms.IntegerField(
        label=_("It ends in so many days from now"), initial=180, min_value=1, max_value=regulators.LONGEST_DAYS
    )


class SuspendForm(forms.Form):
    why = forms.CharField(
        label=_("Why"), required=False, max_length=300, help_text=_("Sealed; it opens nothing from this moment on.")
    )


class ReferForm(NamesForm):
    """What was handed to an authority about a case."""

    kind = forms.ChoiceField(label=_("What it is"), choices=[("", _("Choose one")), *Referral.Kind.choices])
    authority = forms.CharField(label=_("To which authority"), max_length=120)
    jurisdiction = forms.ChoiceField(label=_("Where"), choices=[("", _("Choose one")), *rules.JURISDICTIONS.items()])
    rule_id = forms.ChoiceField(label=_("By which rule"))
    reference = forms.CharField(label=_("The authority’s reference"), required=False, max_length=60)
    what = forms.CharField(
        label=_("What was handed over"),
        max_length=referrals.WHAT[1],
        help_text=_("In this office’s words, without names."),
        widget=forms.Textarea(attrs=_ROWS),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["rule_id"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("Choose one")), *referrals.grounds()]
