"""Consent of the people shown: the creator asks and sees who answered what; a lead reviewer may stop one."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import role_required, signed_in
from accounts.models import Role
from core.problems import NotFound, Problem
from ledger import vault
from policy.authority import ACTS, Act
from policy.consents import consent as consents
from policy.consents import signals
from policy.law.rules import JURISDICTIONS
from policy.models import Capacity, Consent, Purpose, Signal
from policy.rights import people
from provenance.models import Asset
from web.forms_consent import AskConsentForm
from web.forms_process import onto
from web.qr import qr

_LINK = "consent_link"
TONES = {
    "given": "ok",
    "renewed": "ok",
    "not_yet": "info",
    "requested": "warn",
    "unbound": "warn",
    "expired": "warn",
    "halted": "warn",
    "refused": "bad",
    "withdrawn": "bad",
    "invalidated": "bad",
}
# Where the standing is none of the model's states.
WORDS = {"unbound": "agreed to an earlier version; ask again", "not_yet": "agreed, not yet begun"}
DONE = {
    "requested": "asked",
    "given": "agreed",
    "refused": "said no",
    "withdrawn": "withdrew",
    "renewed": "agreed again",
    "expired": "ran out",
    "halted": "stopped",
    "invalidated": "declared not valid",
}
# What may be asked again by a new link.
_AGAIN = ("unbound", "requested", "expired")


def people_shown(asset: Asset, *, names: bool) -> list[dict[str, Any]]:
    """Context `people` of `consent/_people.html`, oldest first; a constant number of queries.

    names: for the owner, who wrote them; reviewers need the answer, not the name.
    """
    rows = Consent.objects.filter(depiction__asset=asset).select_related("depiction__person", "depiction__asset")
    found = list(rows.prefetch_related("events", "signals").order_by("pk"))
    bound = consents.binding(asset)
    known = vault.keys_of(bytes(row.depiction.person.sealed_contact) for row in found) if names else None
    return [_shown(row, consents.standing(row, bound), known, names=names) for row in found]


def _shown(row: Consent, standing: str, known: vault.Keys | None, *, names: bool) -> dict[str, Any]:
    person = row.depiction.person
    told = people.unseal(person.actor, person.sealed_contact, people.CONTACT, known) if names else None
    return {
        "pk": row.pk,
        "name": told["name"] if told else "",
        "erased": person.erased_at is not None,
        "proxy": row.get_capacity_display() if row.capacity != Capacity.SELF else "",
        "state": state_words(standing),
        "tone": TONES[standing],
        "purposes": purposes(row, standing),
        "terms": terms(row),
        "events": [{"when": event.created_at, "title": DONE[event.kind]} for event in row.events.all()],
        "signals": [signals.words(one) for one in row.signals.all()],
        "again": names and standing in _AGAIN and person.erased_at is None,
        "page": not names,
    }


def state_words(standing: str) -> str:
    return WORDS.get(standing) or str(Consent.State(standing).label)


def purposes(row: Consent, standing: str) -> list[dict[str, str]]:
    """Each purpose that was asked for: its label, and “yes”, “no” or "" while there is no answer."""
    open_ = standing == Consent.State.REQUESTED
    stands = standing in (*Consent.STANDS, consents.NOT_YET)
    return [
        {
            "label": str(Purpose(value).label),
            "answer": "" if open_ else "yes" if stands and value in row.granted else "no",
        }
        for value in row.purposes
    ]


def terms(row: Consent) -> str:
    """Where and how long, in a sentence."""
    places = ", ".join(JURISDICTIONS.get(code, code) for code in row.territory) or "everywhere"
    since = f", from {row.valid_from:%Y-%m-%d}" if row.valid_from else ""
    return f"{places}{since}, until {f'{row.valid_to:%Y-%m-%d}' if row.valid_to else 'it is withdrawn'}"


# --- The creator asks ----------------------------------------------------------------------------------------------


@role_required(Role.CREATOR)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The form, the people asked so far, and after asking the link, shown once."""
    user = signed_in(request)
    asset = _own(request, pk)
    form = AskConsentForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            _, path = consents.ask_consent(asset, user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            return _show_link(request, asset, path)
    link = _link_once(request, asset)
    context = {
        "asset": asset,
        "form": form,
        "people": people_shown(asset, names=True),
        "link": link,
        "qr": qr(link, "The link as a QR code, to be read by a phone’s camera") if link else "",
        "signals": [signals.words(one) for one in Signal.objects.filter(asset=asset).order_by("pk")],
    }
    return render(request, "consent/ask.html", context, status=422 if form.errors else 200)


@role_required(Role.CREATOR)
@require_POST
def ask_again(request: HttpRequest, pk: uuid.UUID, consent: uuid.UUID) -> HttpResponse:
    """A new link for the same person, about the work as it is now."""
    asset = _own(request, pk)
    rows = Consent.objects.filter(depiction__asset=asset).select_related(
        "depiction__asset", "depiction__person", "proxy"
    )
    _, path = consents.ask_again(get_object_or_404(rows, pk=consent), signed_in(request))
    return _show_link(request, asset, path)


def _own(request: HttpRequest, pk: uuid.UUID) -> Asset:
    asset = Asset.objects.filter(pk=pk, owner=signed_in(request)).first()
    if asset is None:
        raise NotFound("work of yours")
    return asset


def _show_link(request: HttpRequest, asset: Asset, path: str) -> HttpResponse:
    request.session[_LINK] = [str(asset.pk), request.build_absolute_uri(path)]
    return redirect("studio_consent", asset.pk)


def _link_once(request: HttpRequest, asset: Asset) -> str:
    """The link made a moment ago: the office keeps only its digest, so it cannot be shown again."""
    if request.session.get(_LINK, ["", ""])[0] != str(asset.pk):
        return ""
    return str(request.session.pop(_LINK)[1])


# --- A lead reviewer stops ------------------------------------------------------------------------------------------

_STOPS = {"halt": consents.halt, "invalidate": consents.invalidate, "ask_anew": consents.ask_anew}
_TO = {"halt": "halted", "invalidate": "invalidated", "ask_anew": "requested"}


@role_required(*ACTS[Act.REVIEW].roles)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One consent without names, for reviewers; lead reviewers stop it, end it, or let it be asked anew."""
    rows = Consent.objects.select_related("depiction__asset", "depiction__person", "proxy", "entry")
    row = get_object_or_404(rows, pk=pk)
    if request.method == "POST":
        stop = _STOPS.get(request.POST.get("do", ""))
        if stop is None:
            go_on = "Go back, and stop it for now or declare it not valid."
            raise Problem("consent.stop", "Nothing was chosen", next_step=go_on)
        stop(row, signed_in(request))
        messages.success(request, "Done. The owner and the person shown see it.")
        return redirect("consent_one", row.pk)
    standing = consents.standing(row)
    shown = _shown(row, standing, None, names=False)
    user = signed_in(request)
    may = {do for do, to in _TO.items() if to in Consent.MOVES[row.state]}
    context = {"person": shown, "consent": row, "may": may if user.has_role(Role.LEAD_REVIEWER) else set()}
    return render(request, "consent/one.html", context)
