"""Accounts of authorities, for the operator: invited, renewed, suspended, ended."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import role_required, signed_in
from accounts.links import make_login_link
from accounts.models import User
from core.problems import Problem
from policy.audits import regulators
from policy.authority import ACTS, Act
from policy.models import RegulatorAccount
from web.forms_regulator import InviteForm, RenewForm, SuspendForm
from web.regulator import refused

keepers = role_required(*ACTS[Act.KEEP_REGULATORS].roles)


@keepers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """All accounts, those that end first first; POST invites, and shows the link to come in by once."""
    form, link, invited = InviteForm(request.POST or None), "", None
    if request.method == "POST" and form.is_valid():
        try:
            said = form.cleaned_data
            invited = regulators.invite(signed_in(request), form.terms(), email=said["email"], name=said["name"])
        except Problem as problem:
            refused(form, problem)
        else:
            link, form = request.build_absolute_uri(make_login_link(invited.user)), InviteForm()
    context = {"rows": regulators.for_desk(), "form": form, "link": link, "invited": invited}
    return render(request, "regulator/desk.html", context, status=422 if form.errors else 200)


@keepers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One account; POST `do=…` renews, suspends, resumes or ends it."""
    row = regulators.find(pk)
    forms: dict[str, Form] = {"renew": RenewForm(), "suspend": SuspendForm()}
    if request.method == "POST" and _done(request, row, forms):
        messages.success(request, _("Recorded."))
        return redirect("regulator_account", row.pk)
    labels = dict(RegulatorAccount.Scope.choices)
    context = {"row": row, "forms": forms, "scopes": [labels.get(scope, scope) for scope in row.scopes]}
    wrong = any(form.errors for form in forms.values())
    return render(request, "regulator/account.html", context, status=422 if wrong else 200)


def _done(request: HttpRequest, row: RegulatorAccount, forms: dict[str, Form]) -> bool:
    """False when what was typed cannot be used: its form says why."""
    do = request.POST.get("do", "")
    if do not in _VERBS:
        raise Problem("regulator.step", "Nothing was chosen", next_step="Go back and choose what to do.")
    form = forms.get(do)
    if form is not None:
        form = forms[do] = type(form)(request.POST)
        if not form.is_valid():
            return False
    try:
        _VERBS[do](row, signed_in(request), form.cleaned_data if form else {})
    except Problem as problem:
        if form is None or problem.status != 400:
            raise
        refused(form, problem)
        return False
    return True


_VERBS: dict[str, Callable[[RegulatorAccount, User, dict[str, Any]], object]] = {
    "renew": lambda row, by, said: regulators.renew(row, by, said["days"]),
    "suspend": lambda row, by, said: regulators.suspend(row, by, said["why"]),
    "resume": lambda row, by, said: regulators.resume(row, by),
    "end": lambda row, by, said: regulators.end(row, by),
}
