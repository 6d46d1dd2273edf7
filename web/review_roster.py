"""The people at the desk: the roster for leads, and what everybody sees and chooses about themselves."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import REVIEWERS, User
from core.problems import NotFound, Problem
from policy.authority import ACTS, Act
from policy.desk import exposure, queue, reviewers, roster
from policy.models import Category, DeclaredConflict, MediaView
from web.forms_process import onto
from web.forms_review import ConflictForm, FloorForm, ProfileForm, profile_values

reviewing = role_required(*ACTS[Act.REVIEW].roles)
leading = role_required(*ACTS[Act.MANAGE_REVIEWERS].roles)


@leading
@never_cache
@require_safe
def roster_page(request: HttpRequest) -> HttpResponse:
    """Who may work on what, who is not entered yet, and what nobody can work on. No counts by person."""
    context = {
        "profiles": [(row, [Category(value).label for value in row.trained]) for row in roster.profiles()],
        "missing": roster.without_profile(),
        "untaught": [Category(value).label for value in roster.untaught()],
        "unread": queue.unread_languages(roster.readers()),
    }
    return render(request, "review/roster.html", context)


@leading
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def person(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One entry of the roster."""
    user = User.objects.filter(pk=pk, is_active=True, memberships__role__in=REVIEWERS).first()
    if user is None:
        raise NotFound("reviewer")
    profile = reviewers.profile_of(user)
    form = ProfileForm(request.POST or None, initial=profile_values(profile))
    if request.method == "POST" and form.is_valid():
        try:
            roster.set_profile(user, by=signed_in(request), **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "The roster is changed.")
            return redirect("review_roster")
    context = {"person": user, "profile": profile, "form": form}
    return render(request, "review/roster_person.html", context, status=422 if form.errors else 200)


# --- Oneself -------------------------------------------------------------------------------------------------------


@reviewing
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def my_exposure(request: HttpRequest) -> HttpResponse:
    """What one has looked at today and what is left; how one wants media to be shown; a pause."""
    user = signed_in(request)
    profile = reviewers.profile_of(user)
    form = FloorForm(request.POST or None, initial=profile.floor if profile else None)
    if request.method == "POST" and form.is_valid():
        try:
            roster.set_floor(user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "Media are shown to you like this from now on.")
            return redirect("review_exposure")
    context = {
        "profile": profile,
        "form": form,
        "daily": exposure.daily(profile) if profile else 0,
        "left": exposure.left_of(profile) if profile else 0,
        "points": [(step.label, exposure.POINTS[step]) for step in exposure.LADDER],
        "views": MediaView.objects.filter(reviewer=user).select_related("case").order_by("-pk")[:25],
        "trained": [Category(value).label for value in profile.trained] if profile else [],
    }
    return render(request, "review/exposure.html", context, status=422 if form.errors else 200)


@reviewing
@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    """A break, for as long as one needs: a lead ends it when asked to."""
    user = signed_in(request)
    roster.pause(user, by=user)
    messages.success(request, "You get no cases for now. Tell a lead reviewer when you want to go on.")
    return redirect("review_exposure")


@reviewing
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def conflicts(request: HttpRequest) -> HttpResponse:
    """People and organisations whose cases one should not judge."""
    user = signed_in(request)
    form = ConflictForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            roster.declare(user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "Their cases do not come to you any more.")
            return redirect("review_conflicts")
    context = {"form": form, "declared": roster.conflicts_of(user)}
    return render(request, "review/conflicts.html", context, status=422 if form.errors else 200)


@reviewing
@require_POST
def end_conflict(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = DeclaredConflict.objects.filter(pk=pk, reviewer=signed_in(request)).select_related("user", "reviewer").first()
    if row is None:
        raise NotFound("conflict of yours")
    roster.end_conflict(row, signed_in(request))
    messages.success(request, "It stands no more.")
    return redirect("review_conflicts")
