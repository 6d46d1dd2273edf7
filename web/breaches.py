"""Breaches of personal data: on record, by when the authority is told, and who was told."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import Problem
from policy.authority import ACTS, Act
from policy.models import Breach
from policy.rights import breaches
from web.forms_data import AssessForm, AuthorityForm, BreachForm
from web.forms_process import onto

recorders = role_required(*ACTS[Act.RECORD_BREACH].roles)
PAGE = 50


@recorders
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """All breaches; POST records one."""
    form = BreachForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            breach = breaches.open_breach(signed_in(request), **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            return redirect("breach", breach.pk)
    page = Paginator(breaches.for_desk(), PAGE).get_page(request.GET.get("page"))
    return render(request, "data/breaches.html", {"page": page, "form": form}, status=422 if form.errors else 200)


@recorders
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def breach_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One breach and its next steps; POST `do=…` takes one."""
    breach = breaches.find(pk)
    forms: dict[str, Form] = {
        "assess": AssessForm(initial={"risk": breach.risk, "measures": breach.measures}),
        "authority": AuthorityForm(),
    }
    if request.method == "POST" and _done(request, breach, forms):
        return redirect("breach", pk)
    context = {"breach": breach, "forms": forms, "late": breaches.is_late(breach)}
    wrong = any(form.errors for form in forms.values())
    return render(request, "data/breach.html", context, status=422 if wrong else 200)


def _done(request: HttpRequest, breach: Breach, forms: dict[str, Form]) -> bool:
    """False when what was typed cannot be used: its form says why."""
    do = request.POST.get("do", "")
    if do not in _VERBS:
        raise Problem("breach.step", "Nothing was chosen", next_step="Go back and choose what to do.")
    form = forms.get(do)
    if form is not None:
        form = forms[do] = type(form)(request.POST)
        if not form.is_valid():
            return False
    try:
        _VERBS[do](breach, signed_in(request), form.cleaned_data if form else {})
    except Problem as problem:
        if form is None or problem.status != 400:
            raise
        onto(form, problem)
        return False
    messages.success(request, "Recorded.")
    return True


_VERBS: dict[str, Callable[[Breach, User, dict[str, Any]], object]] = {
    "assess": lambda breach, by, said: breaches.assess(breach, by, **said),
    "authority": lambda breach, by, said: breaches.tell_authority(breach, by, **said),
    "no_risk": lambda breach, by, said: breaches.need_not_tell(breach, by),
    "people": lambda breach, by, said: breaches.tell_people(breach, by),
    "close": lambda breach, by, said: breaches.close(breach, by),
}
