"""The person's own door behind a consent link: their PIN, shown once, and asked for before anything of theirs opens."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from core.clock import now
from core.problems import Problem
from policy.consents import consent as consents
from policy.consents import consent_pins
from policy.models import Person
from web.forms_process import onto
from web.notices import OPEN_FOR
from web.privacy import limit, open_private

_OPEN: Final = "open_people"
_PIN: Final = "consent_pins"
# On the page of the link, in the language in which the person was asked; no part of what they agree to.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "yours": "This is your PIN: {pin}",
        "once": "Write it down. Nobody can look it up. The person who asked you knows the link, but not this PIN: with "
        "both you change your answer, see and erase your data, and appeal.",
        "written": "I have written it down",
        "needed": "To change your answer to a yes, to see or erase your data, and to read decisions about the work, "
        "give your PIN. To say no or to withdraw you need none.",
        "later": "With your first answer you get a PIN of your own. It opens what is held about you and the decisions "
        "about the work; this link alone does not, because the person who asked you knows it too.",
        "give": "Give my PIN",
    },
    "de": {
        "yours": "Das ist Ihre PIN: {pin}",
        "once": "Schreiben Sie sie auf. Niemand kann sie nachsehen. Wer Sie gefragt hat, kennt den Link, aber nicht "
        "diese PIN: mit beiden ändern Sie Ihre Antwort, sehen und löschen Sie Ihre Daten und legen Beschwerde ein.",
        "written": "Ich habe sie aufgeschrieben",
        "needed": "Um Ihre Antwort in ein Ja zu ändern, Ihre Daten zu sehen oder zu löschen und Entscheidungen zu "
        "lesen, geben Sie Ihre PIN an. Um Nein zu sagen oder zu widerrufen, brauchen Sie keine.",
        "later": "Mit Ihrer ersten Antwort bekommen Sie eine eigene PIN. Sie öffnet, was über Sie gespeichert ist, und "
        "die Entscheidungen über das Werk; dieser Link allein nicht, denn wer Sie gefragt hat, kennt ihn auch.",
        "give": "Meine PIN angeben",
    },
}


class OwnPinForm(forms.Form):
    pin = forms.CharField(
        label=_("Your PIN"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "numeric"}),
    )


def words(language: str) -> Mapping[str, str]:
    return WORDS.get(language, WORDS["en"])


def open_here(request: HttpRequest, person: Person) -> None:
    """This browser gave the PIN: for a while, from its last visit on, it may see what is theirs."""
    until = (now() + OPEN_FOR).timestamp()
    request.session[_OPEN] = {**request.session.get(_OPEN, {}), str(person.pk): until}


def is_open(request: HttpRequest, person: Person) -> bool:
    """Whether this browser gave the PIN within the half hour; a visit renews it."""
    if not person.pin_hash or request.session.get(_OPEN, {}).get(str(person.pk), 0) < now().timestamp():
        return False
    open_here(request, person)
    return True


def show_once(request: HttpRequest, person: Person, pin: str) -> None:
    """Keep a new PIN for the page until the person says that it is written down, or the half hour is over."""
    open_here(request, person)
    request.session[_PIN] = {**request.session.get(_PIN, {}), str(person.pk): pin}


def new_pin(request: HttpRequest, person: Person) -> str:
    """The PIN that was given in this browser and is not written down yet; "" when there is none."""
    if not is_open(request, person):
        _forget(request, person)
        return ""
    return str(request.session.get(_PIN, {}).get(str(person.pk), ""))


def _forget(request: HttpRequest, person: Person) -> None:
    kept = request.session.get(_PIN, {})
    if str(person.pk) in kept:
        request.session[_PIN] = {pk: pin for pk, pin in kept.items() if pk != str(person.pk)}


def behind_pin(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For a page of the person behind `token`: whoever has the link alone is asked for the PIN first."""

    @wraps(view)
    def guarded(request: HttpRequest, token: str, *args: object, **kwargs: object) -> HttpResponse:
        person = consents.consent_by_token(token).depiction.person
        if not is_open(request, person):
            return redirect("consent_pin", token)
        return view(request, token, *args, **kwargs)

    return guarded


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def pin_page(request: HttpRequest, token: str) -> HttpResponse:
    """Give the PIN; POST `do=written` forgets the one that was shown."""
    consent = consents.consent_by_token(token)
    person = consent.depiction.person
    if request.method == "POST" and request.POST.get("do") == "written":
        _forget(request, person)
        return redirect("consent", token)
    form = OwnPinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        limit(request, "pin")
        try:
            consent_pins.check(person, form.cleaned_data["pin"])
        except Problem as problem:
            onto(form, problem)
        else:
            open_here(request, person)
            return redirect("consent", token)
    context = {"form": form, "token": token, "has_pin": bool(person.pin_hash), "words": words(consent.language)}
    return render(request, "consent/pin.html", context, status=422 if form.errors else 200)
