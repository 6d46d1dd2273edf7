"""The person's own door behind a consent link: the PIN that was mailed to them opens it."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from core.clock import now
from core.problems import Problem
from policy.consents import consent as consents
from policy.consents import consent_pins
from policy.models import Consent, Person
from web.forms_process import onto
from web.notices import OPEN_FOR
from web.privacy import limit, open_private

_OPEN: Final = "open_people"
_LOOK: Final = "look"
# What the page itself puts into its form.
_OWN: Final = ("csrfmiddlewaretoken", "pin", _LOOK)
# On the page of the link, in the language in which the person was asked; no part of what they agree to.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "Your PIN",
        "needed": "To change your answer to a yes, to see or erase your data, and to read decisions about the work, "
        "give your PIN. This office mailed it to you when the question was first answered. To say no or to withdraw "
        "you need none.",
        "later": "With your first answer this office mails you a PIN, to the address that was given for you. It opens "
        "what is held about you and the decisions about the work; this link alone does not, because the person who "
        "asked you knows it too.",
        "none": "No e-mail address of yours was given to this office, so this link only takes a no: the person who "
        "asked you knows it too. To say yes, ask them to ask you again with your address.",
        "void": "Somebody said that an answer given here was not yours. So the PIN opens nothing any more, and this "
        "link takes no answer until a lead reviewer of this office allows it.",
        "give": "Give my PIN",
        "kept": "What you typed is kept on this page and goes on with the PIN.",
        "file": "The file you chose is not kept. Choose it again afterwards.",
        "lost": "Is the PIN lost, did it never come, or was the address not yours? Write to this office: with the "
        "link, or with the address of the work and your name, it finds what is held, and can mail a new PIN. The old "
        "one then opens nothing any more.",
        "back": "Back to the question",
    },
    "de": {
        "title": "Ihre PIN",
        "needed": "Um Ihre Antwort in ein Ja zu ändern, Ihre Daten zu sehen oder zu löschen und Entscheidungen zu "
        "lesen, geben Sie Ihre PIN an. Dieses Büro hat sie Ihnen gemailt, als die Frage zum ersten Mal beantwortet "
        "wurde. Um Nein zu sagen oder zu widerrufen, brauchen Sie keine.",
        "later": "Mit Ihrer ersten Antwort mailt Ihnen dieses Büro eine PIN, an die Adresse, die für Sie angegeben "
        "wurde. Sie öffnet, was über Sie gespeichert ist, und die Entscheidungen über das Werk; dieser Link allein "
        "nicht, denn wer Sie gefragt hat, kennt ihn auch.",
        "none": "Diesem Büro wurde keine E-Mail-Adresse von Ihnen genannt. Darum nimmt dieser Link nur ein Nein an: "
        "Wer Sie gefragt hat, kennt ihn auch. Um Ja zu sagen, bitten Sie darum, mit Ihrer Adresse gefragt zu werden.",
        "void": "Jemand hat gesagt, dass eine Antwort hier nicht Ihre war. Darum öffnet die PIN nichts mehr, und "
        "dieser Link nimmt keine Antwort an, bis eine leitende Prüferin oder ein leitender Prüfer es erlaubt.",
        "give": "Meine PIN angeben",
        "kept": "Was Sie geschrieben haben, bleibt auf dieser Seite und geht mit der PIN weiter.",
        "file": "Die gewählte Datei wird nicht aufgehoben. Wählen Sie sie danach noch einmal.",
        "lost": "Ist die PIN verloren, nie gekommen, oder war die Adresse nicht Ihre? Schreiben Sie diesem Büro: mit "
        "dem Link, oder mit der Adresse des Werks und Ihrem Namen, findet es, was gespeichert ist, und kann eine neue "
        "PIN mailen. Die alte öffnet dann nichts mehr.",
        "back": "Zurück zur Frage",
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


def line(consent: Consent) -> str:
    """What the link alone does not open, and why, for who has not given the PIN."""
    person = consent.depiction.person
    if person.pin_hash:
        return words(consent.language)["needed"]
    if consent_pins.is_disowned(person):
        return words(consent.language)["void"]
    return words(consent.language)["later" if consent_pins.address_of(consent) else "none"]


def open_here(request: HttpRequest, person: Person) -> None:
    """This browser gave the PIN: for a while, from its last visit on, it may see what is theirs."""
    until = (now() + OPEN_FOR).timestamp()
    request.session[_OPEN] = {**request.session.get(_OPEN, {}), str(person.pk): [until, _mark(person)]}


def _mark(person: Person) -> str:
    """Of this very PIN: a door that an earlier one opened is closed."""
    return salted_hmac(_OPEN, person.pin_hash).hexdigest()[:16]


def is_open(request: HttpRequest, person: Person) -> bool:
    """Whether this browser gave the PIN within the half hour; a visit renews it, and wrong tries close nothing."""
    until, mark = request.session.get(_OPEN, {}).get(str(person.pk), (0, ""))
    if not person.pin_hash or until < now().timestamp() or mark != _mark(person):
        return False
    open_here(request, person)
    return True


def behind_pin(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For a page of the person behind `token`: whoever has the link alone is asked for the PIN. With the right one it
    goes on, and nothing that was typed meanwhile is lost.
    """

    @wraps(view)
    def guarded(request: HttpRequest, token: str, *args: object, **kwargs: object) -> HttpResponse:
        consent = consents.consent_by_token(token)
        return with_pin(request, consent, token, lambda: view(request, token, *args, **kwargs))

    return guarded


def with_pin(request: HttpRequest, consent: Consent, token: str, go_on: Callable[[], HttpResponse]) -> HttpResponse:
    """`go_on`, for the browser that gave the PIN; any other one is asked for it on the spot."""
    if is_open(request, consent.depiction.person):
        return go_on()
    form = OwnPinForm(request.POST if "pin" in request.POST else None)
    if not form.is_bound or not _is_right(request, form, consent.depiction.person):
        return _ask(request, consent, token, form)
    return redirect(request.path) if _LOOK in request.POST else go_on()


def _is_right(request: HttpRequest, form: OwnPinForm, person: Person) -> bool:
    if form.is_valid():
        limit(request, "pin")
        try:
            consent_pins.check(person, form.cleaned_data["pin"])
        except Problem as problem:
            onto(form, problem)
        else:
            open_here(request, person)
    return not form.errors


def _ask(request: HttpRequest, consent: Consent, token: str, form: OwnPinForm) -> HttpResponse:
    said = words(consent.language)
    form.fields["pin"].label = said["title"]
    looks = request.method != "POST" or _LOOK in request.POST
    context = {
        "form": form,
        "token": token,
        "has_pin": bool(consent.depiction.person.pin_hash),
        "words": said,
        "line": line(consent),
        "language": consent.language,
        "carried": [(name, text) for name, texts in request.POST.lists() if name not in _OWN for text in texts],
        "looks": looks,
        "file": bool(request.FILES),
    }
    return render(request, "consent/pin.html", context, status=422 if form.errors else 403)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
@behind_pin
def pin_page(request: HttpRequest, token: str) -> HttpResponse:
    """Give the PIN, and come back to the question."""
    return redirect("consent", token)
