"""An organisation's web hooks: made, tested, paused and removed by its members, with the log of what was delivered."""

import json
import uuid
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from policy.hooks import signatures, webhooks
from policy.models import HookDelivery, Webhook
from web.forms_process import onto
from web.forms_webhooks import WORDS, ChangeForm, WebhookForm

# Of the delivery log.
SHOWN: Final = 50
_TONES: Final = {
    Webhook.State.ACTIVE: "ok",
    Webhook.State.DISABLED: "bad",
    HookDelivery.State.DELIVERED: "ok",
    HookDelivery.State.WAITING: "info",
    HookDelivery.State.GIVEN_UP: "bad",
}
_DONE: Final = {
    "pause": gettext_lazy("Paused. What happens meanwhile is not told."),
    "resume": gettext_lazy("It goes on, with what happens from now on."),
    "remove": gettext_lazy("Removed, with its delivery log."),
    "test": gettext_lazy("A test is sent within a minute. Its result is in the delivery log."),
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The web hooks of my organisations, and the form; after a POST the new secret, this one time."""
    user = signed_in(request)
    mine = list(webhooks.organisations(user))
    form = WebhookForm(request.POST or None, organisations=mine) if mine else None
    made, secret = None, ""
    if request.method == "POST" and form is not None and form.is_valid():
        try:
            made, secret = webhooks.make(user, form.chosen(), **form.values())
        except Problem as problem:
            onto(form, problem)
        else:
            form = WebhookForm(organisations=mine)
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "hooks": [(hook, _TONES.get(Webhook.State(hook.state), "neutral")) for hook in webhooks.of(user)],
        "several": len(mine) > 1,
        "allowed": settings.ASSAY_WEBHOOKS,
        "public_key": signatures.public_key(),
    }
    return render(request, "webhooks/list.html", context, status=422 if form is not None and form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One web hook with its delivery log; a POST changes where it leads and what it tells."""
    user = signed_in(request)
    hook = webhooks.webhook_for(user, pk)
    form = ChangeForm(request.POST or None, initial={"url": hook.url, "events": hook.events})
    if request.method == "POST" and form.is_valid():
        try:
            webhooks.change(hook, user, url=form.cleaned_data["url"], events=form.cleaned_data["events"])
        except Problem as problem:
            onto(form, problem)
            hook = webhooks.webhook_for(user, pk)
        else:
            messages.success(request, _("Changed. What waits goes to the new address, too."))
            return redirect("webhook", pk)
    return _page(request, hook, form=form, status=422 if form.errors else 200)


def _page(
    request: HttpRequest, hook: Webhook, *, form: ChangeForm, secret: str = "", status: int = 200
) -> HttpResponse:
    words = {event.value: text for event, text in WORDS.items()}
    newest = hook.deliveries.order_by("-pk")[:SHOWN]
    log = [
        (
            row,
            _TONES[HookDelivery.State(row.state)],
            words.get(row.event, _("A test")),
            json.dumps(row.payload, indent=2),
        )
        for row in newest
    ]
    context = {
        "hook": hook,
        "tone": _TONES.get(Webhook.State(hook.state), "neutral"),
        "told": [words.get(event, event) for event in hook.events],
        "form": form,
        "secret": secret,
        "log": log,
        "most": SHOWN,
        "allowed": settings.ASSAY_WEBHOOKS,
        "public_key": signatures.public_key(),
    }
    return render(request, "webhooks/one.html", context, status=status)


@never_cache
@require_POST
def act(request: HttpRequest, pk: uuid.UUID, verb: str) -> HttpResponse:
    """pause, resume, test, remove; or secret, which is told on the page that answers."""
    user = signed_in(request)
    hook = webhooks.webhook_for(user, pk)
    try:
        if verb == "secret":
            form = ChangeForm(initial={"url": hook.url, "events": hook.events})
            return _page(request, hook, form=form, secret=webhooks.renew_secret(hook, user))
        _act(hook, user, verb)
    except Problem as problem:
        if isinstance(problem, NotFound):
            raise
        messages.error(request, f"{problem.detail or problem.title} {problem.next_step}".strip())
    else:
        messages.success(request, str(_DONE[verb]))
        if verb == "remove":
            return redirect("webhooks")
    return redirect("webhook", pk)


def _act(hook: Webhook, user: User, verb: str) -> None:
    """Raises NotFound for another verb."""
    if verb == "test":
        webhooks.test(hook)
        return
    verbs = {"pause": webhooks.pause, "resume": webhooks.resume, "remove": webhooks.remove}
    if verb not in verbs:
        raise NotFound()
    verbs[verb](hook, user)


@never_cache
@require_POST
def again(request: HttpRequest, pk: uuid.UUID, delivery: int) -> HttpResponse:
    """Try once more what was given up."""
    row = webhooks.webhook_for(signed_in(request), pk).deliveries.filter(pk=delivery).first()
    if row is None:
        raise NotFound("delivery of this web hook")
    try:
        webhooks.send_again(row)
    except Problem as problem:
        messages.error(request, f"{problem.detail or problem.title} {problem.next_step}".strip())
    else:
        messages.success(request, _("It waits again, and is tried within a minute."))
    return redirect("webhook", pk)
