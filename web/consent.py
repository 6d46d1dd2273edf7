"""Consent of the people shown: the creator asks, the person answers through a link, without account or JavaScript."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import Role
from core.problems import NotFound, Problem
from policy import consent as consents
from policy.models import Consent, Purpose
from provenance.models import Asset
from web.forms_process import AskConsentForm, onto
from web.pictures import picture
from web.privacy import open_private

_LINK = "consent_link"
ANSWERS = {"grant": consents.grant, "refuse": consents.refuse, "withdraw": consents.withdraw}
SAID = {
    "grant": "You agreed. You can withdraw at any time, with the same link.",
    "refuse": "You refused. The person who asked sees that.",
    "withdraw": "You withdrew your consent. A reviewer will look at the work.",
}
TONES = {"given": "ok", "refused": "bad", "withdrawn": "bad", "requested": "warn", "unbound": "warn"}
WORDS = {
    "given": "agreed",
    "refused": "refused",
    "withdrawn": "withdrawn",
    "requested": "asked, not answered",
    "unbound": "agreed to an earlier version; ask again",
}

DONE = {"requested": "asked", "given": "agreed", "refused": "refused", "withdrawn": "withdrew"}


def people_shown(asset: Asset, *, names: bool) -> list[dict[str, Any]]:
    """Context `people` of `consent/_people.html`, oldest first.

    Each: name ("" unless `names`), state, tone, purposes, events.
    names: for the owner, who wrote them; reviewers need the answer, not the name.
    """
    rows = Consent.objects.filter(depiction__asset=asset).select_related("depiction__person", "depiction__asset")
    return [_shown(row, names) for row in rows.prefetch_related("events").order_by("pk")]


def _shown(consent: Consent, names: bool) -> dict[str, Any]:
    standing = consents.standing(consent)
    return {
        "name": consents.name_of(consent) if names else "",
        "erased": consent.depiction.person.erased_at is not None,
        "state": WORDS[standing],
        "tone": TONES[standing],
        "purposes": purposes(consent),
        "events": _events(consent),
    }


def _events(consent: Consent) -> list[dict[str, Any]]:
    return [{"when": event.created_at, "title": DONE[event.kind]} for event in consent.events.all()]


def purposes(consent: Consent) -> list[str]:
    return [str(Purpose(value).label) for value in consent.purposes]


# --- The creator asks ----------------------------------------------------------------------------------------------


@role_required(Role.CREATOR)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The form, the people asked so far, and after asking the link, shown once."""
    user = signed_in(request)
    asset = Asset.objects.filter(pk=pk, owner=user).first()
    if asset is None:
        raise NotFound("work of yours")
    form = AskConsentForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            _, path = consents.ask_consent(asset, user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            request.session[_LINK] = [str(asset.pk), request.build_absolute_uri(path)]
            return redirect("studio_consent", asset.pk)
    context = {
        "asset": asset,
        "form": form,
        "people": people_shown(asset, names=True),
        "link": _link_once(request, asset),
    }
    return render(request, "consent/ask.html", context, status=422 if form.errors else 200)


def _link_once(request: HttpRequest, asset: Asset) -> str:
    """The link made a moment ago: the office keeps only its digest, so it cannot be shown again."""
    if request.session.get(_LINK, ["", ""])[0] != str(asset.pk):
        return ""
    return str(request.session.pop(_LINK)[1])


# --- The person answers --------------------------------------------------------------------------------------------


@open_private
@require_safe
def consent_page(request: HttpRequest, token: str) -> HttpResponse:
    consent = consents.consent_by_token(token)
    standing = consents.standing(consent)
    context = {
        "consent": consent,
        "token": token,
        "asset": consent.depiction.asset,
        "name": consents.name_of(consent),
        "purposes": purposes(consent),
        "state": WORDS[standing],
        "tone": TONES[standing],
        "may": {answer for answer, to in _TO.items() if to in Consent.MOVES.get(consent.state, frozenset())},
        "bound": consents.is_bound(consent),
        "events": [
            {"when": event.created_at, "title": WORDS[event.kind].capitalize()} for event in consent.events.all()
        ],
        "sealed": bool(consent.depiction.asset.restriction),
    }
    return render(request, "consent/answer.html", context)


_TO = {"grant": Consent.State.GIVEN, "refuse": Consent.State.REFUSED, "withdraw": Consent.State.WITHDRAWN}


@open_private
@require_POST
def consent_answer(request: HttpRequest, token: str) -> HttpResponse:
    consent = consents.consent_by_token(token)
    answer = request.POST.get("answer", "")
    if answer not in ANSWERS:
        raise Problem("consent.answer", "No answer was chosen", detail="Agree, refuse or withdraw.")
    ANSWERS[answer](consent)
    messages.success(request, SAID[answer])
    return redirect("consent", token)


@open_private
@require_safe
def consent_picture(request: HttpRequest, token: str) -> HttpResponseBase:
    """The picture they are asked about, for the person with the link, even where it is hidden from the public."""
    return picture(consents.consent_by_token(token).depiction.asset)


@open_private
@require_safe
def consent_receipt(request: HttpRequest, token: str) -> HttpResponse:
    """The receipt as JSON (ISO/IEC TS 27560), with the log's proofs."""
    response = JsonResponse(consents.receipt(consents.consent_by_token(token)), json_dumps_params={"indent": 2})
    response["Content-Disposition"] = 'attachment; filename="assay-consent-receipt.json"'
    return response
