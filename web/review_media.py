"""Sealed media at the desk: one step at a time, each logged; and what else only opens with a reason."""

import uuid
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from detection.shown import runs_of
from policy import authority
from policy.authority import ACTS, Act
from policy.desk import cases, exposure, quality, reviewers
from policy.desk.exposure import LADDER, Step
from policy.models import Case, MediaView
from web import review_drafts
from web.forms_review import ReasonForm, StepForm
from web.pictures import closed, greyed, picture, softened, veil

reviewing = role_required(*ACTS[Act.REVIEW].roles)
PRESS = {
    Step.SOFT: "Show it blurred and grey",
    Step.GREY: "Show it clearly, still grey",
    Step.CLEAR: "Show it in colour",
    Step.SOUND: "Play it with sound",
}
PNG = "image/png"


@dataclass(frozen=True)
class Seal:
    """How far a case's media are open for one person. reached: by their own presses within the hour. shown: what the
    page shows now. following: the next step, None at the end. stops: why there is no next step, "" otherwise.
    """

    reached: Step | None
    shown: Step | None
    following: Step | None
    steps: tuple[Step, ...]
    stops: str
    cost: int
    left: int

    @property
    def name(self) -> str:
        return self.shown.value if self.shown else "closed"

    @property
    def is_clear(self) -> bool:
        return self.shown in (Step.CLEAR, Step.SOUND)

    @property
    def press(self) -> str:
        return PRESS[self.following] if self.following else ""

    @property
    def lower(self) -> list[tuple[str, str]]:
        """Steps below the one shown, to go back to."""
        below = [step for step in self.steps if self.shown and exposure.is_above(self.shown, step)]
        return [(step.value, str(step.label)) for step in below]


def seal_of(case: Case, user: User, wanted: str = "") -> Seal:
    """wanted: a lower step that this person asks the page for; never opens more than was reached."""
    if case.asset is None:
        return Seal(None, None, None, (), "", 0, exposure.left(user))
    reached, profile = exposure.unlocked(case, user), reviewers.profile_of(user)
    following, stops = exposure.next_step(case.asset, reached), reviewers.why_not(user, case.training)
    if following and exposure.is_above(following, exposure.highest(profile)):
        stops = "You, or this office, chose not to show you more than this."
    left = exposure.left_of(profile) if profile else 0
    cost = exposure.points(following, case.severity) if following else 0
    shown = _lowest(reached, wanted)
    return Seal(reached, shown, None if stops else following, exposure.steps_of(case.asset), stops, cost, left)


def _lowest(reached: Step | None, wanted: str) -> Step | None:
    if reached is None or wanted not in Step.values:
        return reached
    return min(reached, Step(wanted), key=LADDER.index)


@reviewing
@require_POST
def unseal(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One step: logged with its reason (the sitting's first stands for the others) and its points."""
    user = signed_in(request)
    case, form = cases.case_for(user, pk), StepForm(request.POST)
    reason, step = _asked(case, user, form)
    try:
        cases.view_media(case, user, reason, step)
    except Problem as problem:
        messages.error(request, f"{problem.detail} {problem.next_step}".strip())
    if quality.in_hand(case, user):
        return redirect(reverse("review_again", args=[case.pk]) + "#media-title")
    return review_drafts.back(request, case.pk, "#media-title")


def _asked(case: Case, user: User, form: StepForm) -> tuple[str, str]:
    form.is_valid()
    said = form.cleaned_data.get("reason", "").strip()
    if not said and exposure.unlocked(case, user):
        latest = MediaView.objects.filter(case=case, reviewer=user).order_by("-pk")
        said = latest.values_list("reason", flat=True).first() or ""
    return said, form.cleaned_data.get("step", "")


@reviewing
@require_safe
def media(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """What was unsealed, and no more: a few pixels until a reason was logged, then blurred, then grey, then clear.

    `?step=` asks for less. `?clip` is the file itself, for video and sound, once it may be played.
    """
    user = signed_in(request)
    case = cases.case_for(user, pk)
    authority.may_see_media(case, user)
    if case.asset is None:
        raise Problem("media.none", "No file here", status=404, detail="This case is about a work we do not hold.")
    shown = _lowest(exposure.unlocked(case, user), request.GET.get("step", ""))
    if shown is None:
        return veil(case.asset)
    if shown == Step.SOFT:
        return softened(case.asset)
    if shown == Step.GREY:
        return greyed(case.asset)
    itself = ("signed", "original")  # a file of which no copy could be signed is there as it was sent
    return picture(case.asset, *(itself if "clip" in request.GET else ("preview", *itself)))


@reviewing
@require_safe
def heat_map(request: HttpRequest, pk: uuid.UUID, finding: uuid.UUID) -> HttpResponseBase:
    """Where a detector saw its signal, also of a work that is hidden: who may see the work clearly may see where."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    authority.may_see_media(case, user)
    reached = exposure.unlocked(case, user)
    if case.asset is None or reached not in (Step.CLEAR, Step.SOUND):
        raise NotFound("heat map")
    runs = runs_of(user, case.asset.pk)
    found = next((one for run in runs for one in run.findings.all() if one.pk == finding and one.heatmap_key), None)
    if found is None:
        raise NotFound("heat map")
    return closed(found.heatmap_key, PNG, f"{found.pk}.png")


@reviewing
@never_cache
@require_POST
def filer(request: HttpRequest, pk: uuid.UUID, number: str) -> HttpResponse:
    """Name and contact of who filed, once, for a reason that is logged."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    notice = case.notices.select_related("filer", "case").filter(number=number).first()
    if notice is None:
        raise NotFound("notice in this case")
    form = ReasonForm(review_drafts.about(request.POST, number))
    name = contact = ""
    if form.is_valid():
        name, contact = cases.show_filer(notice, user, form.cleaned_data["reason"])
    draft = review_drafts.fields(request.POST)
    context = {"case": case, "notice": notice, "form": form, "name": name, "contact": contact, "draft": draft}
    return render(request, "review/filer.html", context, status=200 if form.is_valid() else 422)
