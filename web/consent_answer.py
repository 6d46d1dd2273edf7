"""The pages behind a consent link: read, answer each purpose, change one's mind, see the receipt and who looked.

Without account or JavaScript, in the language and the words of the notice that the consent names.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from core.problems import Problem
from policy.consents import consent as consents
from policy.consents import consent_pins, consent_receipts, scans, signals
from policy.consents.consent_reach import given_with
from policy.consents.consent_wording import Wording, wording
from policy.law.rules import JURISDICTIONS
from policy.models import Capacity, Consent
from web import consent_doors
from web.appellants import decisions_of
from web.consent import TONES
from web.notices import last_opened
from web.pictures import picture
from web.privacy import open_private

State = Consent.State
ANSWERS = ("yes", "no", "withdraw", "halt", "not_me")


def words_of(consent: Consent) -> Wording:
    """The notice in the version and language that the person was asked in."""
    return wording(consent.notice_version, consent.language)


@open_private
@require_safe
def consent_page(request: HttpRequest, token: str) -> HttpResponse:
    consent = consents.consent_by_token(token)
    return _page(request, consent, token)


def _page(request: HttpRequest, consent: Consent, token: str, *, error: str = "") -> HttpResponse:
    standing, words, person = consents.standing(consent), words_of(consent), consent.depiction.person
    shown = consent_doors.is_open(request, person)
    chosen = request.POST.getlist("purposes") if error else consent.granted
    context = {
        "consent": consent,
        "token": token,
        "asset": consent.depiction.asset,
        "words": words.words,
        "language": words.language,
        "head": _head(consent, words),
        "terms": _terms(consent, words),
        "purposes": [
            {
                "value": value,
                "text": words.purpose(value),
                "ticked": value in chosen,
                "granted": value in consent.granted,
            }
            for value in consent.purposes
        ],
        "state": words.state(standing),
        "tone": TONES[standing],
        "error": error,
        "events": [{"when": one.created_at, "title": _done(one.kind, words)} for one in consent.events.all()],
        "tick": words.words["tick_again" if consent.granted and not error else "tick"],
        "looks": [_look(look, words) for look in scans.looks(consent.depiction.asset)],
        # Told at once, and on record with the answer: to read writes nothing.
        "gpc": request.headers.get("Sec-GPC") == "1" or consent.signals.filter(kind="gpc").exists(),
        "sealed": bool(consent.depiction.asset.restriction),
        "pin": consent_doors.words(consent.language),
        "pin_line": consent_doors.line(consent),
        "has_pin": bool(person.pin_hash),
        "shown": shown,
        "decisions": decisions_of(person) if shown else [],
        "digests": _digests(request, words),
        **_may(consent, words),
    }
    return render(request, "consent/answer.html", context, status=422 if error else 200)


def _digests(request: HttpRequest, words: Wording) -> list[dict[str, str]]:
    """Of the notices that this browser has opened, those with digests that can be withdrawn here."""
    numbers = given_with(last_opened(request)).order_by("notice__number").values_list("notice__number", flat=True)
    told = str(words.words["digests"])
    return [{"number": number, "text": told.format(number=number)} for number in numbers.distinct()]


def _head(consent: Consent, words: Wording) -> dict[str, str]:
    name = consents.name_of(consent)
    known = {"who": consent.requested_by.name or "—", "work": consent.depiction.asset.title, "name": name}
    proxy = consent.capacity != Capacity.SELF
    title = words.words["title"] if name and not proxy else words.words["title_unnamed"]
    asks = words.words["asks_proxy" if proxy else "asks"]
    return {"title": title.format(**known), "asks": asks.format(**known)}


def _terms(consent: Consent, words: Wording) -> list[str]:
    """Where, from when, until when: one sentence each."""
    said = words.words
    places = ", ".join(JURISDICTIONS.get(code, code) for code in consent.territory)
    since = [said["from"].format(day=consent.valid_from.isoformat())] if consent.valid_from else []
    until = said["until"].format(day=consent.valid_to.isoformat()) if consent.valid_to else said["open_end"]
    return [said["where"].format(places=places) if places else said["everywhere"], *since, until]


def _may(consent: Consent, words: Wording) -> dict[str, Any]:
    """What can be answered in this state, and the words on the buttons."""
    moves, bound = Consent.MOVES[consent.state], consents.is_bound(consent)
    over = bool(consent.valid_to and consent.valid_to < consents.today())
    again = State.RENEWED in moves
    told = bool(consent.depiction.person.pin_hash or consent_pins.address_of(consent))
    agree = told and bound and (again or (State.GIVEN in moves and not over))
    proxy = consent.capacity != Capacity.SELF
    return {
        "bound": bound,
        "over": over and not again,
        "agree": _agree_words(consent, words, over=over) if agree else "",
        "refuse": State.REFUSED in moves,
        "withdraw": State.WITHDRAWN in moves,
        "halt": State.HALTED in moves,
        "not_me": State.INVALIDATED in moves,
        "entitled": words.words[f"entitled_{consent.capacity}"] if proxy and agree else "",
    }


def _agree_words(consent: Consent, words: Wording, *, over: bool) -> str:
    if consent.state in Consent.STANDS and not over:
        return str(words.words["change"])
    if State.RENEWED not in Consent.MOVES[consent.state]:
        return str(words.words["agree"])
    end = consents.renewal_end(consent) if over else None
    return str(words.words["again_until"]).format(day=end.isoformat()) if end else str(words.words["again"])


def _done(kind: str, words: Wording) -> str:
    return str(words.words["asked"]) if kind == State.REQUESTED else words.state(kind)


def _look(look: scans.Look, words: Wording) -> dict[str, Any]:
    said = words.words
    if look.refused:
        text = said["refused_look"]
    elif scans.is_consent(look):
        text = said["basis_consent"]
    else:
        text = look.ground or said["basis_none"]
    return {"when": look.at, "title": look.title, "text": text}


@open_private
@require_POST
def consent_answer(request: HttpRequest, token: str) -> HttpResponse:
    """`answer`: yes (to the ticked `purposes`), no, withdraw (everything), halt, not_me."""
    consent = consents.consent_by_token(token)
    words, how = words_of(consent), request.POST.get("answer", "")
    if how not in ANSWERS:
        raise Problem("consent.answer", "No answer was chosen", detail="Agree, say no, or withdraw.")
    if error := _missing(request, consent, how, words):
        return _page(request, consent, token, error=error)

    def go_on() -> HttpResponse:
        messages.success(request, words.said(_do(request, consent, how)))
        return redirect("consent", token)

    if consent_pins.needs_pin(consent, how):
        return consent_doors.with_pin(request, consent, token, go_on)
    return go_on()


def _do(request: HttpRequest, consent: Consent, how: str) -> str:
    if how != "not_me":
        signals.browser_says(consent, request.headers.get("Sec-GPC", ""))
    if how in ("yes", "no"):
        return _answer(request, consent, yes=how == "yes")
    return _take_back(request, consent, how)


def _answer(request: HttpRequest, consent: Consent, *, yes: bool) -> str:
    """With the first answer the PIN is mailed; afterwards a yes asks for it."""
    chosen = request.POST.getlist("purposes") if yes else []

    def act() -> str:
        return consents.answer(consent, chosen, entitled=True, digests_of=_ticked(request))

    shown = consent_doors.is_open(request, consent.depiction.person)
    return consent_pins.answer(consent, act, yes=yes, shown=shown)


def _missing(request: HttpRequest, consent: Consent, how: str, words: Wording) -> str:
    if how != "yes":
        return ""
    if not request.POST.getlist("purposes"):
        return str(words.words["none_ticked"])
    if consent.capacity != Capacity.SELF and not request.POST.get("entitled"):
        return str(words.words["not_entitled"])
    return ""


def _take_back(request: HttpRequest, consent: Consent, how: str) -> str:
    """What the link alone does: it takes nothing but back."""
    match how:
        case "withdraw":
            return consents.withdraw(consent, digests_of=_ticked(request)).state
        case "halt":
            return consents.halt(consent).state
    shown = consent_doors.is_open(request, consent.depiction.person)
    return consent_pins.not_me(consent, lambda: consents.invalidate(consent).state, shown=shown)


def _ticked(request: HttpRequest) -> list[str]:
    """Notices whose digests the person withdraws too: of those that this browser has opened with number and PIN."""
    return sorted({*request.POST.getlist("digests_of")} & {*last_opened(request)})


@open_private
@require_safe
def consent_picture(request: HttpRequest, token: str) -> HttpResponseBase:
    """The picture they are asked about, for the person with the link, even where it is hidden from the public."""
    return picture(consents.consent_by_token(token).depiction.asset)


@open_private
@require_safe
def consent_receipt(request: HttpRequest, token: str) -> HttpResponse:
    """The receipt as JSON (ISO/IEC TS 27560), with the log's proofs."""
    told = consent_receipts.receipt(consents.consent_by_token(token))
    response = JsonResponse(told, json_dumps_params={"indent": 2})
    response["Content-Disposition"] = 'attachment; filename="assay-consent-receipt.json"'
    return response


@open_private
@require_safe
def consent_record(request: HttpRequest, token: str) -> HttpResponse:
    """The receipt for reading, with what a check of it finds."""
    consent = consents.consent_by_token(token)
    told = consent_receipts.receipt(consent)
    words = words_of(consent)
    context = {"token": token, "told": told, "wrong": consent_receipts.check(told), "language": words.language}
    return render(request, "consent/receipt.html", context)
