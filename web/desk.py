"""Where a signed-in person starts, by role; and the progress of one job."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.models import REVIEWERS, Role, User
from core.models import Job
from core.problems import NotFound
from ledger import alarms
from policy.models import Appeal, Case
from provenance.models import Asset


@require_safe
@never_cache
def desk(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    found = alarms.open_alarms() if user.has_role(Role.OPERATOR) else []
    return render(request, "web/desk.html", {"person": user, "cards": list(_cards(user)), "alarms": found})


def _cards(user: User) -> list[dict[str, object]]:
    """What waits for this person, most urgent first. number: how many, None where counting says nothing."""
    cards: list[dict[str, object]] = []
    if user.has_role(*REVIEWERS):
        waiting = Case.objects.filter(state__in=Case.WAITING).count()
        mine = Case.objects.filter(assigned_to=user, state=Case.State.IN_REVIEW).count()
        appeals = Appeal.objects.filter(state=Appeal.State.FILED).exclude(decision__decider=user).count()
        cards += [
            _card("scale", "Review desk", "/review/", waiting, "cases wait for a reviewer"),
            _card("eye", "My cases", "/review/", mine, "cases you have opened"),
            _card("book", "Appeals", "/appeals/", appeals, "appeals you may decide"),
        ]
    if user.has_role(Role.CREATOR):
        works = Asset.objects.filter(owner=user)
        flagged = Case.objects.filter(asset__owner=user, state__in=Case.UNDECIDED).values("asset").distinct().count()
        cards.append(_card("image", "Studio", "/studio/", works.count(), "works you registered"))
        cards.append(_card("plus", "Register a work", "/studio/new/", None, "Sign a photograph or video."))
        if flagged:
            cards.append(_card("flag", "Under review", "/studio/", flagged, "of your works are being looked at"))
    if user.has_role(Role.REGULATOR, Role.OPERATOR):
        cards.append(_card("tree", "Audit log", "/regulator/", None, "Query the log and take a verifiable export."))
    cards.append(_card("key", "Machine tokens", "/tokens/", user.auth_token_set.count(), "tokens of yours"))
    cards.append(
        _card("shield", "Sign-in and security", "/account/2fa/", None, "Second factor, passkeys, recovery codes.")
    )
    return cards


def _card(icon: str, title: str, path: str, number: int | None, words: str) -> dict[str, object]:
    return {"icon": icon, "title": title, "path": path, "number": number, "words": words}


@require_safe
@never_cache
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Progress of a job on a work that this person may see; a fragment for htmx, else a page."""
    row = Job.objects.filter(pk=pk).first()
    if row is None or not _concerns(row, signed_in(request)):
        raise NotFound("job")
    template = "web/_job.html" if getattr(request, "htmx", False) else "web/job.html"
    return render(request, template, {"job": row})


def _concerns(row: Job, user: User) -> bool:
    asset = row.args.get("asset") or row.args.get("asset_id") or (row.key or "").rpartition(":")[2]
    try:
        asset_id = UUID(str(asset))
    except ValueError:
        return user.has_role(Role.OPERATOR)
    return Asset.objects.filter(pk=asset_id, owner=user).exists() or user.has_role(*REVIEWERS, Role.OPERATOR)
