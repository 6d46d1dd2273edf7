"""The regulator's room: a purpose first, then the log and the cases in reach, page by page, each page recorded.

Whether an account stands is asked by every verb, so a suspended one opens nothing from that moment on.
"""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import Problem
from policy.audits import case_trail, exports, queries, regulators
from policy.audits.queries import Query
from policy.authority import ACTS, Act
from policy.models import Case, RegulatorAccount
from web.forms_process import onto
from web.forms_regulator import CaseQueryForm, LogQueryForm, PurposeForm, SaveForm, typed

readers = role_required(*ACTS[Act.READ_LOG].roles)
regulators_only = role_required(*ACTS[Act.READ_CASE_FILE].roles)
PURPOSE = "audit_purpose"
PAGE = 50
# What is asked most: label and query.
TEMPLATES = (
    (gettext_lazy("Orders of courts and authorities"), Query(orders=True)),
    (gettext_lazy("Missed deadlines"), Query(missed=True)),
    (gettext_lazy("Notices"), Query(types=("notice:filed",))),
    (gettext_lazy("Decisions and their reasons"), Query(types=("decision:made", "statement:corrected"))),
)


def purpose_of(request: HttpRequest) -> str:
    """What this visit is for; empty before it was said."""
    return str(request.session.get(PURPOSE, ""))


def account_of(user: User) -> RegulatorAccount | None:
    """None for operators. Raises Forbidden once the account does not stand."""
    return regulators.reader(user)


def tabs(current: str) -> list[dict[str, object]]:
    """Of a regulator's pages."""
    places = (
        ("regulator", _("Entries"), "/regulator/"),
        ("cases", _("Cases"), "/regulator/cases/"),
        ("bundles", _("Bundles"), "/regulator/bundles/"),
        ("messages", _("Messages"), "/regulator/messages/"),
    )
    return [{"label": label, "href": path, "current": name == current} for name, label, path in places]


@readers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def room(request: HttpRequest) -> HttpResponse:
    """Without a purpose: only the question for it, and what the account covers. With one: the log."""
    form = PurposeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        regulators.activate(signed_in(request))
        account_of(signed_in(request))
        request.session[PURPOSE] = form.cleaned_data["purpose"]
        return redirect("regulator")
    if request.method == "POST" or not purpose_of(request):
        return _purpose(request, form)
    return _log(request)


def _purpose(request: HttpRequest, form: PurposeForm) -> HttpResponse:
    account = regulators.of(signed_in(request))
    if account is None or account.state != RegulatorAccount.State.INVITED:
        account = account_of(signed_in(request))
    context = {"form": form, "account": account, "scopes": _scopes(account)}
    return render(request, "regulator/purpose.html", context, status=422 if form.errors else 200)


def _scopes(account: RegulatorAccount | None) -> list[str]:
    return [str(RegulatorAccount.Scope(scope).label) for scope in account.scopes] if account else []


def query_form(data: QueryDict, account: RegulatorAccount | None) -> LogQueryForm:
    return LogQueryForm(data) if account is None else CaseQueryForm(data, places=account.jurisdictions)


def _log(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    account = account_of(user)
    form, found = query_form(request.GET, account), None
    if form.is_valid():
        after = form.cleaned_data["after"]
        query, after = queries.read(form.query()), -1 if after is None else after
        found = exports.look(user, query, after=after, limit=PAGE, purpose=purpose_of(request), total=True)
    context = {
        "found": found,
        "older": _page_after(request, found.following) if found and found.following is not None else "",
        "first": _page_after(request, None) if "after" in request.GET else "",
        **frame(request, form, account, "regulator"),
    }
    return render(request, "regulator/room.html", context, status=422 if form.errors else 200)


def frame(request: HttpRequest, form: LogQueryForm, account: RegulatorAccount | None, current: str) -> dict[str, Any]:
    """What every page with a query has: the form, its values for the other forms, and the templates."""
    return {
        "purpose": purpose_of(request),
        "form": form,
        "account": account,
        "tabs": tabs(current) if account else [],
        "asked": [(name, value) for name in request.GET if name != "after" for value in request.GET.getlist(name)],
        "templates": [(label, address(query.as_json())) for label, query in TEMPLATES] if account else [],
        "saved": [(row, address(row.query)) for row in queries.saved_by(signed_in(request))] if account else [],
        "save_form": SaveForm(),
    }


def address(query: dict[str, Any]) -> str:
    """The query string that asks this."""
    return "?" + urlencode(typed(query), doseq=True)


def _page_after(request: HttpRequest, index: int | None) -> str:
    asked = request.GET.copy()
    asked.pop("after", None)
    if index is not None:
        asked["after"] = str(index)
    return "?" + asked.urlencode()


@readers
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """End this purpose; the next visit asks again."""
    request.session.pop(PURPOSE, None)
    return redirect("regulator")


# --- Templates -----------------------------------------------------------------------------------------------------


@regulators_only
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Keep what was asked, under a name."""
    user = signed_in(request)
    account = regulators.entitled(user)
    form, named = CaseQueryForm(request.POST, places=account.jurisdictions), SaveForm(request.POST)
    if form.is_valid() and named.is_valid():
        query = queries.read(form.query())
        queries.save(user, named.cleaned_data["name"], query)
        messages.success(request, _("Kept."))
        return redirect("/regulator/" + address(query.as_json()))
    context = {"found": None, **frame(request, form, account, "regulator"), "save_form": named}
    return render(request, "regulator/room.html", context, status=422)


@regulators_only
@require_POST
def forget(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    queries.forget(signed_in(request), pk)
    return redirect("regulator")


# --- Cases ---------------------------------------------------------------------------------------------------------


@regulators_only
@never_cache
@require_safe
def cases(request: HttpRequest) -> HttpResponse:
    """The cases in reach that the query matches, page by page."""
    user = signed_in(request)
    account = regulators.entitled(user)
    if not purpose_of(request):
        return redirect("regulator")
    form = CaseQueryForm(request.GET, places=account.jurisdictions)
    page = _page_number(request)
    rows: list[Case] = []
    more = False
    if form.is_valid():
        query, start = queries.read(form.query()), (page - 1) * PAGE
        rows, more = case_trail.listed(user, query, purpose=purpose_of(request), start=start, limit=PAGE)
    context = {"rows": rows, "page": page, "more": more, **frame(request, form, account, "cases")}
    return render(request, "regulator/cases.html", context, status=422 if form.errors else 200)


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


@regulators_only
@never_cache
@require_safe
def case(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The file of one case: its entries in order, what of them is open, its files, deadlines, to whom it was handed."""
    user = signed_in(request)
    account = regulators.entitled(user)
    if not purpose_of(request):
        return redirect("regulator")
    trail = case_trail.trail(user, pk, purpose=purpose_of(request))
    context = {"trail": trail, "account": account, "purpose": purpose_of(request), "tabs": tabs("cases")}
    return render(request, "regulator/case.html", context)


def refused(form: Any, problem: Problem) -> None:
    """A refusal that is not about what was typed is a page of its own."""
    if problem.status not in (400, 404, 409):
        raise problem
    onto(form, problem)
