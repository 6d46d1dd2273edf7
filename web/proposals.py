"""Changes of the rules, for everybody to read and comment on, and the desk where they are written and comments read."""

import uuid
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from policy.authority import ACTS, Act
from policy.models import Comment, Proposal
from policy.transparency import proposals
from web.forms_process import onto
from web.forms_proposals import AnswerForm, CommentForm, OpenForm, ProposalForm, ReplyForm, WithdrawForm, WithholdForm
from web.privacy import limit

PAGE: Final = 25
TONES: Final = {
    Proposal.State.OPEN: "warn",
    Proposal.State.CLOSED: "info",
    Proposal.State.ANSWERED: "ok",
    Proposal.State.WITHDRAWN: "neutral",
    Proposal.State.DRAFT: "neutral",
}
at_desk = role_required(*dict.fromkeys((*ACTS[Act.PROPOSE].roles, *ACTS[Act.READ_COMMENTS].roles)))
_DONE: Final = {
    "open": gettext_lazy("It is open for comment."),
    "answer": gettext_lazy("Answered. Everybody can read it, with the day."),
    "withdraw": gettext_lazy("Withdrawn. Everybody can read why."),
    "show": gettext_lazy("The comment is shown."),
    "withhold": gettext_lazy("The comment is not shown; that there is one, and why not, is."),
    "reply": gettext_lazy("Your reply is shown, with the day."),
    "erase": gettext_lazy("Its words are gone. What is left is that there was a comment."),
}
_FORMS: Final[dict[str, type[forms.Form]]] = {"open": OpenForm, "answer": AnswerForm, "withdraw": WithdrawForm}
_COMMENT_FORMS: Final[dict[str, type[forms.Form]]] = {
    "reply": ReplyForm,
    "withhold": WithholdForm,
    # A button alone.
    "show": forms.Form,
    "erase": forms.Form,
}


def tone(row: Proposal) -> str:
    return TONES[Proposal.State(row.state)]


# --- Everybody -------------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def public_list(request: HttpRequest) -> HttpResponse:
    """What is open for comment, and what was, newest first."""
    page = Paginator(proposals.public(), PAGE).get_page(request.GET.get("page"))
    return render(request, "proposals/list.html", {"page": page, "rows": [(row, tone(row)) for row in page]})


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def public_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One proposal with its comments and their replies; a POST comments. `?rules`: the rules it is about."""
    row = proposals.public_one(pk)
    if "rules" in request.GET:
        return _rules(row)
    form = CommentForm(request.POST or None)
    if request.method == "POST":
        limit(request, "notices")
        if form.is_valid():
            try:
                proposals.comment(row, text=form.cleaned_data["text"], alias=form.cleaned_data["alias"])
            except Problem as problem:
                onto(form, problem)
            else:
                messages.success(request, _("Thank you. A person reads your comment, and then it is shown here."))
                return redirect("proposal", pk)
    read = row.comments.exclude(state=Comment.State.RECEIVED).order_by("pk")
    page = Paginator(read, PAGE).get_page(request.GET.get("page"))
    context = {"row": row, "tone": tone(row), "digest": proposals.digest(row), "page": page, "form": form}
    return render(request, "proposals/one.html", context, status=422 if form.errors else 200)


def _rules(row: Proposal) -> HttpResponse:
    if row.pack_version is None:
        raise NotFound("text of rules in this proposal")
    answer = HttpResponse(row.pack_version.content, content_type="text/plain; charset=utf-8")
    name = f"{row.pack_version.name}-{row.pack_version.version}.yaml"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


# --- The desk --------------------------------------------------------------------------------------------------------


@at_desk
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """All proposals, and the form for a new one."""
    user, form = signed_in(request), ProposalForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = proposals.draft(user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, _("Kept as a draft. Read it once more, then open it for comment."))
            return redirect("proposal_desk", row.pk)
    page = Paginator(proposals.at_desk(), PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "rows": [(row, tone(row)) for row in page], "may_write": _may_write(user)}
    return render(request, "proposals/desk.html", context, status=422 if form.errors else 200)


def _may_write(user: User) -> bool:
    return user.has_role(*ACTS[Act.PROPOSE].roles)


@at_desk
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One proposal at the desk: its steps, and the comments to be read; a POST changes a draft."""
    row, user = proposals.one_at_desk(pk), signed_in(request)
    initial = {"title": row.title, "text": row.text, "pack_version": row.pack_version_id}
    form = ProposalForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            proposals.change(row, user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, _("Changed."))
            return redirect("proposal_desk", pk)
    return _desk_page(request, row, {"draft": form}, status=422 if form.errors else 200)


def _desk_page(
    request: HttpRequest,
    row: Proposal,
    given: dict[str, forms.Form],
    *,
    about: uuid.UUID | None = None,
    status: int = 200,
) -> HttpResponse:
    """given: forms that were sent, by name. about: the comment that a sent form is about."""
    page = Paginator(_to_read(row), PAGE).get_page(request.GET.get("page"))
    context = {
        "row": row,
        "tone": tone(row),
        "may_write": _may_write(signed_in(request)),
        "may_erase": signed_in(request).has_role(*ACTS[Act.ANSWER_DATA_REQUEST].roles),
        "forms": {name: given.get(name, kind()) for name, kind in _FORMS.items()},
        "draft": given.get("draft", ProposalForm()),
        "comments": [(one, _comment_forms(one, given if one.pk == about else {})) for one in page],
        "page": page,
        "own": row.by_id == signed_in(request).pk,
    }
    return render(request, "proposals/desk_one.html", context, status=status)


def _to_read(row: Proposal) -> "QuerySet[Comment]":
    """Those that nobody has read first."""
    return row.comments.order_by("state", "pk")


def _comment_forms(one: Comment, given: dict[str, forms.Form]) -> dict[str, forms.Form]:
    """Ids differ from comment to comment."""
    ids = f"{one.pk.hex}_%s"
    made: dict[str, forms.Form] = {"reply": ReplyForm(auto_id=ids), "withhold": WithholdForm(auto_id=ids)}
    return {**made, **given}


@at_desk
@never_cache
@require_POST
def act(request: HttpRequest, pk: uuid.UUID, verb: str) -> HttpResponse:
    """open, answer or withdraw a proposal."""
    if verb not in _FORMS:
        raise NotFound()
    row, user, form = proposals.one_at_desk(pk), signed_in(request), _FORMS[verb](request.POST)
    if form.is_valid():
        try:
            _act(row, user, verb, form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, str(_DONE[verb]))
            return redirect("proposal_desk", pk)
    return _desk_page(request, proposals.one_at_desk(pk), {verb: form}, status=422)


def _act(row: Proposal, user: User, verb: str, said: dict[str, Any]) -> None:
    if verb == "open":
        proposals.open_(row, user, last_day=said["last_day"])
    elif verb == "answer":
        proposals.answer(row, user, said["answer"])
    else:
        proposals.withdraw(row, user, said["why"])


@at_desk
@never_cache
@require_POST
def comment_act(request: HttpRequest, pk: uuid.UUID, verb: str) -> HttpResponse:
    """show, withhold, reply to or erase a comment."""
    if verb not in _COMMENT_FORMS:
        raise NotFound()
    user = signed_in(request)
    row = proposals.comment_for(user, pk)
    form = _COMMENT_FORMS[verb](request.POST, auto_id=f"{row.pk.hex}_%s")
    if form.is_valid():
        try:
            _comment_act(row, user, verb, form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, str(_DONE[verb]))
            return redirect("proposal_desk", row.proposal_id)
    if not form.fields:  # beside which nothing could say what is wrong
        messages.error(request, " ".join(str(error) for error in form.non_field_errors()))
        return redirect("proposal_desk", row.proposal_id)
    return _desk_page(request, proposals.one_at_desk(row.proposal_id), {verb: form}, about=row.pk, status=422)


def _comment_act(row: Comment, user: User, verb: str, said: dict[str, Any]) -> None:
    if verb == "show":
        proposals.show(row, user)
    elif verb == "erase":
        proposals.erase(row, user)
    elif verb == "withhold":
        proposals.withhold(row, user, said["because"])
    else:
        proposals.reply(row, user, said["reply"])
