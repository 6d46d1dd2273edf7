"""The addresses of the three doors to a decision: account, number and PIN, link of a consent and its PIN.

Each door has the page of the decision, what its forms do (`appeal/<what>/`) and the documents of its appeal.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from accounts.models import User
from core.problems import NotFound
from policy import authority
from policy.consents import consent as consents
from policy.models import Affected, Appeal, Clock, Decision, StatementOfReasons
from web import appellants, consent_doors
from web.appellants import Door
from web.notices import behind_pin, opened
from web.privacy import open_private

Statements = Sequence[StatementOfReasons]
# Whose appeal undid a decision: it was right, or a body outside said so and the office complied.
_UNDID = Q(role=Affected.UPLOADER) & (Q(outcome=Appeal.Outcome.OVERTURN) | Q(out_of_court__complied=True))


def _decision(pk: uuid.UUID) -> Decision:
    decision = Decision.objects.select_related("case__asset", "decider").filter(pk=pk).first()
    if decision is None:
        raise NotFound("decision")
    return decision


def _own(door: Door, decision: Decision) -> Statements:
    """This person's statements about the decision, the newest first. Raises NotFound where there are none."""
    own = list(decision.statements.filter(**door.who).order_by("-pk"))
    if not own:
        raise NotFound("decision")
    return own


def _page(
    request: HttpRequest, decision: Decision, statements: Statements, side: dict[str, Any], status: int = 200
) -> HttpResponse:
    context = {
        "decision": decision,
        "statements": statements,
        "clocks": decision.clocks.exclude(purpose=Clock.Purpose.DUTY).order_by("due_at"),
        "reviewer": not side,
        "undone_by": decision.appeals.filter(_UNDID).first() if decision.state == Decision.State.REVERSED else None,
        **side,
    }
    return render(request, "appeals/decision.html", context, status=status)


def _act(request: HttpRequest, door: Door, decision: Decision, what: str) -> HttpResponse:
    own = _own(door, decision)
    tried = appellants.act(request, door, decision, what)
    if tried.done:
        return redirect(door.page)
    side = appellants.side(door, decision, appeal_form=tried.appeal_form, answer_form=tried.answer_form)
    return _page(request, decision, own, side, 422)


def _document(door: Door, decision: Decision, document: uuid.UUID) -> HttpResponse:
    return appellants.document(decision.appeals.filter(**door.who).first(), document)


# --- By account ----------------------------------------------------------------------------------------------------


@never_cache
@require_safe
def decision_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One's own statement; reviewers read all of any decision but those in which they are a party."""
    user, decision = signed_in(request), _decision(pk)
    door = appellants.account_door(user, decision)
    if _reviews(user, decision) and not decision.statements.filter(user=user).exists():
        return _page(request, decision, list(decision.statements.order_by("pk")), {})
    return _page(request, decision, _own(door, decision), appellants.side(door, decision))


def _reviews(user: User, decision: Decision) -> bool:
    return authority.visible_cases(user).filter(pk=decision.case_id).exists()


@never_cache
@require_POST
def by_account(request: HttpRequest, pk: uuid.UUID, what: str) -> HttpResponse:
    decision = _decision(pk)
    return _act(request, appellants.account_door(signed_in(request), decision), decision, what)


@never_cache
@require_safe
def document_by_account(request: HttpRequest, pk: uuid.UUID, document: uuid.UUID) -> HttpResponse:
    decision = _decision(pk)
    return _document(appellants.account_door(signed_in(request), decision), decision, document)


# --- By number and PIN ---------------------------------------------------------------------------------------------


def _notice(request: HttpRequest, number: str, pk: uuid.UUID) -> tuple[Door, Decision]:
    notice, decision = opened(request, number), _decision(pk)
    return appellants.notice_door(notice, decision), decision


@open_private
@behind_pin
@require_safe
def notice_decision(request: HttpRequest, number: str, pk: uuid.UUID) -> HttpResponse:
    door, decision = _notice(request, number, pk)
    return _page(request, decision, _own(door, decision), appellants.side(door, decision))


@open_private
@behind_pin
@require_POST
def by_notice(request: HttpRequest, number: str, pk: uuid.UUID, what: str) -> HttpResponse:
    return _act(request, *_notice(request, number, pk), what)


@open_private
@behind_pin
@require_safe
def document_by_notice(request: HttpRequest, number: str, pk: uuid.UUID, document: uuid.UUID) -> HttpResponse:
    return _document(*_notice(request, number, pk), document)


# --- By the link of a consent, and the person's PIN -------------------------------------------------------------------


def _link(token: str, pk: uuid.UUID) -> tuple[Door, Decision]:
    person = consents.consent_by_token(token).depiction.person
    decision = _decision(pk)
    return appellants.link_door(token, person, decision), decision


@open_private
@consent_doors.behind_pin
@require_safe
def consent_decision(request: HttpRequest, token: str, pk: uuid.UUID) -> HttpResponse:
    door, decision = _link(token, pk)
    return _page(request, decision, _own(door, decision), appellants.side(door, decision))


@open_private
@consent_doors.behind_pin
@require_POST
def by_link(request: HttpRequest, token: str, pk: uuid.UUID, what: str) -> HttpResponse:
    return _act(request, *_link(token, pk), what)


@open_private
@consent_doors.behind_pin
@require_safe
def document_by_link(request: HttpRequest, token: str, pk: uuid.UUID, document: uuid.UUID) -> HttpResponse:
    return _document(*_link(token, pk), document)
