"""Forms of an organisation's web hooks. They check shape; the verbs check the rest."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from ledger.events import EventType
from policy.hooks import guard, payloads
from policy.models import Webhook

WORDS = {
    EventType.ASSET_REGISTERED: _("A work was registered"),
    EventType.ASSET_RESTRICTED: _("What the public sees of a work was restricted"),
    EventType.ASSET_RESTORED: _("A work is shown again"),
    EventType.MANIFEST_UPDATED: _("Something was added to a credential"),
    EventType.MANIFEST_REDACTED: _("Something was taken out of a credential"),
    EventType.DETECTION_RECORDED: _("A work was examined"),
    EventType.CONSENT_REQUESTED: _("A person was asked for consent"),
    EventType.CONSENT_GIVEN: _("Consent was given"),
    EventType.CONSENT_REFUSED: _("Consent was refused"),
    EventType.CONSENT_WITHDRAWN: _("Consent was withdrawn"),
    EventType.CONSENT_RENEWED: _("Consent was renewed"),
    EventType.CONSENT_EXPIRED: _("Consent ran out"),
    EventType.CONSENT_HALTED: _("Consent was stopped for now"),
    EventType.CONSENT_INVALIDATED: _("Consent was declared not valid"),
    EventType.CASE_OPENED: _("A case about a work was opened"),
    EventType.CASE_REOPENED: _("A case was opened again"),
    EventType.CASE_CLOSED: _("A case was closed"),
    EventType.FLAG_RAISED: _("There is a reason to look at a work"),
    EventType.FLAG_SETTLED: _("A reason to look was settled"),
    EventType.DECISION_MADE: _("A case was decided"),
    EventType.DECISION_EXPIRED: _("A decision ran out"),
    EventType.ACTION_EXECUTED: _("A measure took effect"),
    EventType.ACTION_REVERSED: _("A measure was undone"),
    EventType.APPEAL_DECIDED: _("An appeal was decided"),
    EventType.APPEAL_FINAL: _("An appeal is final"),
    EventType.NOTICE_FILED: _("A notice of yours was filed"),
    EventType.NOTICE_COMPLETED: _("A notice of yours was completed"),
    EventType.NOTICE_ANSWERED: _("A notice of yours was decided"),
    EventType.NOTICE_UNFOUNDED: _("A notice of yours was found manifestly unfounded"),
    EventType.NOTICE_REOPENED: _("A notice of yours was opened again"),
    EventType.NOTICE_WITHDRAWN: _("A notice of yours was withdrawn"),
}


class ChangeForm(forms.Form):
    """Where to, and what about."""

    url = forms.CharField(
        label=_("Address of your program"),
        max_length=guard.LONGEST,
        help_text=_("It begins with https:// and is on the open internet. The office sends a POST to it."),
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    events = forms.MultipleChoiceField(
        label=_("It is told of"),
        required=False,
        choices=[(event.value, WORDS[event]) for event in payloads.EVENTS],
        help_text=_("None chosen: all of these."),
        widget=forms.CheckboxSelectMultiple,
    )


class WebhookForm(ChangeForm):
    """A new one. The organisation is asked for where there are several."""

    organisation = forms.ChoiceField(label=_("For"))
    signing = forms.ChoiceField(
        label=_("Signed with"),
        choices=Webhook.Signing.choices,
        initial=Webhook.Signing.ED25519,
        widget=forms.RadioSelect,
    )

    field_order = ["organisation", "url", "signing", "events"]

    def __init__(self, *args: Any, organisations: Iterable[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._organisations = {str(one.pk): one for one in organisations}
        field = self.fields["organisation"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(pk, one.name) for pk, one in self._organisations.items()]
        if len(self._organisations) == 1:
            field.widget, field.required, field.initial = forms.HiddenInput(), False, next(iter(self._organisations))

    def chosen(self) -> Organisation:
        chosen = self.cleaned_data["organisation"] or next(iter(self._organisations))
        return self._organisations[chosen]

    def values(self) -> dict[str, Any]:
        """The arguments of `webhooks.make` besides who and for whom."""
        return {name: self.cleaned_data[name] for name in ("url", "events", "signing")}
