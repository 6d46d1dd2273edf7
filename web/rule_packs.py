"""The rule desk: the test bench, versions of packs, what they change, two keys, publication."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.clock import now
from core.problems import NotFound, Problem
from policy.law import rule_impact, rule_packs, rules
from policy.models import PackVersion
from policy.rulebook import comparing, packs
from policy.rulebook.packs import Book, Pack
from web.forms_process import onto
from web.forms_rules import BenchForm, PackForm, PublishForm

State = PackVersion.State
desk = role_required(*rule_packs.PUBLISHERS)
editors = role_required(*rule_packs.EDITORS)
TONES = {State.IN_FORCE: "ok", State.APPROVED: "info", State.IN_REVIEW: "warn"}


# --- The test bench ------------------------------------------------------------------------------------------------


@desk
@never_cache
@require_safe
def bench(request: HttpRequest) -> HttpResponse:
    """Facts in; rules matched, deadlines, and why the others did not match. Nothing is kept."""
    drafts = PackVersion.objects.exclude(state=State.RETIRED).defer("content").order_by("name", "-created_at")[:50]
    versions = {str(row.pk): f"{row} ({row.get_state_display()})" for row in drafts}
    form = BenchForm(request.GET or None, book=rules.pack(), versions=versions)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        context |= _tried(form)
    return render(request, "rules/bench.html", context, status=422 if form.errors else 200)


def _tried(form: BenchForm) -> dict[str, Any]:
    at = form.moment() or now()
    book = _book(form.cleaned_data["pack"], at)
    facts = rules.complete(form.facts())
    events = [form.cleaned_data["event"]] if form.cleaned_data["event"] else None
    matched = book.due(facts, at, events)
    names, day = {clock.rule_id for clock in matched}, at.astimezone(dt.UTC).date()
    others = [rule for rule in book.rules if rule.id not in names]
    reasons = [(rule, comparing.why_not(rule, facts, day, events)) for rule in others]
    # What fails at one point only is what a reader looks for first.
    near = [pair for pair in reasons if len(pair[1]) == 1]
    far = [pair for pair in reasons if len(pair[1]) != 1]
    return {"at": at, "matched": matched, "near": near, "far": far, "tried": True}


def _book(chosen: str, at: dt.datetime) -> Book:
    book = rules.pack(at)
    if not chosen:
        return book
    draft = _pack(_version(uuid.UUID(chosen)))
    return packs.bind([draft, *(one for one in book.packs if one.name != draft.name)])


# --- Versions ------------------------------------------------------------------------------------------------------


@desk
@never_cache
@require_safe
def pack_list(request: HttpRequest) -> HttpResponse:
    """The packs in force, and every version there was."""
    rows = PackVersion.objects.select_related("author").defer("content").order_by("name", "-created_at")
    versions = [(row, TONES.get(State(row.state), "neutral")) for row in rows]
    context = {"in_force": rules.pack().packs, "versions": versions, "may_edit": _may_edit(request)}
    return render(request, "rules/packs.html", context)


@editors
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pack_new(request: HttpRequest) -> HttpResponse:
    """Propose a version: `?name=law` begins with the text in force."""
    form = PackForm(request.POST or None, request.FILES or None, initial={"content": _text_of(request.GET.get("name"))})
    if request.method == "POST" and form.is_valid():
        try:
            row = rule_packs.propose(signed_in(request), form.cleaned_data["content"])
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, f"{row} is kept as a draft. Look at what it changes, then submit it.")
            return redirect("rule_pack", row.pk)
    return render(request, "rules/pack_new.html", {"form": form}, status=422 if form.errors else 200)


def _text_of(name: str | None) -> str:
    return next((pack.text for pack in rules.pack().packs if pack.name == name), "")


@desk
@never_cache
@require_safe
def pack_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """One version: what it changes, who approved it, its signature; `?impact` counts, `?text` is the text."""
    row = _version(pk)
    if "text" in request.GET:
        answer = HttpResponse(row.content, content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{row.name}-{row.version}.yaml"'
        return answer
    return _page(request, row, PublishForm())


def _page(request: HttpRequest, row: PackVersion, form: PublishForm, status: int = 200) -> HttpResponse:
    user, pack = signed_in(request), _pack(row)
    current = next((one for one in rules.pack().packs if one.name == row.name), None)
    context = {
        "row": row,
        "pack": pack,
        "tone": TONES.get(State(row.state), "neutral"),
        "form": form,
        "current": current,
        "same": current is not None and current.digest == row.digest,
        "changes": comparing.diff(current, pack) if current else [],
        "approvals": row.approvals.select_related("by").order_by("pk"),
        "lacks": rule_packs.lacks(row),
        "unproven": packs.unproven(pack),
        "distrust": _distrust(row),
        "may": _may(row, user),
        "impact": rule_impact.impact(pack, most=rule_impact.ON_A_PAGE) if "impact" in request.GET else None,
        "days": rule_impact.DAYS,
    }
    return render(request, "rules/pack.html", context, status=status)


def _distrust(row: PackVersion) -> str:
    """Why a signed version is not used; "" when it verifies, or was not signed yet."""
    try:
        if row.signature:
            rule_packs.verify(row)
    except Problem as problem:
        return f"{problem.title}. {problem.detail} {problem.next_step}"
    return ""


def _may(row: PackVersion, user: User) -> dict[str, bool]:
    """Which buttons stand on the page; the verbs decide."""
    approved = row.approvals.filter(by=user).exists()
    return {
        "submit": row.state == State.DRAFT and user.has_role(*rule_packs.EDITORS),
        "approve": row.state == State.IN_REVIEW and row.author_id != user.pk and not approved,
        "publish": row.state == State.APPROVED,
        "retire": row.state != State.RETIRED
        and row.author_id is not None
        and not (row.state == State.IN_FORCE and row.author_id == user.pk),
    }


# --- Steps ---------------------------------------------------------------------------------------------------------


@desk
@require_POST
def pack_publish(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row, form = _version(pk), PublishForm(request.POST)
    if form.is_valid():
        try:
            rule_packs.publish(row, signed_in(request), effective_from=form.cleaned_data["effective_from"])
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, f"{row} is signed. Clocks that start from its moment on follow it.")
            return redirect("rule_pack", pk)
    row.refresh_from_db()
    return _page(request, row, form, status=422)


def _step(verb: Callable[[PackVersion, User], Any], words: str) -> Callable[..., HttpResponse]:
    @desk
    @require_POST
    def view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        row = _version(pk)
        verb(row, signed_in(request))
        messages.success(request, words.format(row=row, state=row.get_state_display()))
        return redirect("rule_pack", pk)

    return view


pack_submit = _step(rule_packs.submit, "{row} waits for two approvals, one of them a lawyer’s.")
pack_approve = _step(rule_packs.approve, "Your approval is on record. {row}: {state}.")
pack_retire = _step(rule_packs.retire, "{row} is retired. Clocks that run keep the rule they began with.")


def _version(pk: uuid.UUID) -> PackVersion:
    row = PackVersion.objects.select_related("author").filter(pk=pk).first()
    if row is None:
        raise NotFound("rule pack")
    return row


def _pack(row: PackVersion) -> Pack:
    """Raises Problem when the text in the database is not the one of its digest."""
    if packs.digest_of(row.content) != row.digest:
        raise Problem("rules.changed", "The text of this pack was changed", status=409, detail=f"{row} is not used.")
    try:
        return packs.parse(row.content)
    except rules.RuleError as error:
        raise Problem("rules.old", "This release cannot load this pack", status=409, detail=str(error)) from error


def _may_edit(request: HttpRequest) -> bool:
    return signed_in(request).has_role(*rule_packs.EDITORS)
