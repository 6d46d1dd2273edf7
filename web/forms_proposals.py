"""Forms about proposals to change the rules: the public's comment, and what the office writes."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.clock import now
from policy.models import PackVersion
from policy.transparency import proposals


class CommentForm(forms.Form):
    """What anybody says about a proposal."""

    text = forms.CharField(
        label=_("Your comment"),
        max_length=4000,
        help_text=_("Everybody will read it. Leave out names, addresses and telephone numbers, your own and others’."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    alias = forms.CharField(
        label=_("How you want to be called"),
        required=False,
        max_length=60,
        help_text=_("It is shown beside your comment. Empty: nobody is named."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ProposalForm(forms.Form):
    """A proposal while it is a draft."""

    title = forms.CharField(label=_("Title"), max_length=160)
    text = forms.CharField(
        label=_("What would change, and why"),
        max_length=20_000,
        help_text=_("In plain words: the rule as it is, as it would be, whom it touches, and what speaks against it."),
        widget=forms.Textarea(attrs={"rows": 14}),
    )
    pack_version = forms.ModelChoiceField(
        PackVersion.objects.none(),
        label=_("Version of the rules that it is about"),
        required=False,
        help_text=_("Its text can then be read by everybody."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["pack_version"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = PackVersion.objects.exclude(state=PackVersion.State.RETIRED).defer("content").order_by("-pk")


class OpenForm(forms.Form):
    """Until when the public has its say."""

    last_day = forms.DateField(
        label=_("Last day for comments (UTC)"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"last_day": now().date() + dt.timedelta(days=2 * proposals.SHORTEST)})
        super().__init__(*args, **kwargs)
        self.fields["last_day"].help_text = _("In %(least)s to %(most)s days.") % {
            "least": proposals.SHORTEST,
            "most": proposals.LONGEST,
        }


class AnswerForm(forms.Form):
    """What became of it."""

    answer = forms.CharField(
        label=_("What became of it, and why"),
        max_length=20_000,
        help_text=_("Say what you took from the comments, and what not."),
        widget=forms.Textarea(attrs={"rows": 8}),
    )


class WithdrawForm(forms.Form):
    why = forms.CharField(label=_("Why it is withdrawn"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


class ReplyForm(forms.Form):
    reply = forms.CharField(label=_("Reply"), max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))


class WithholdForm(forms.Form):
    because = forms.CharField(
        label=_("Why it is not shown"),
        max_length=300,
        help_text=_("Everybody reads this in its place."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
