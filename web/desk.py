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
from policy.authority import ACTS, Act
from policy.deciding import suspensions
from policy.desk import queue
from policy.filing import misuse
from policy.models import Appeal, Case, Misuse, Suspension
from provenance.models import Asset
from web import operations
from web.operations import card


@require_safe
@never_cache
def desk(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    found = alarms.open_alarms() if user.has_role(Role.OPERATOR) else []
    context = {"person": user, "cards": list(_cards(user)), "alarms": found, **_record(user)}
    return render(request, "web/desk.html", context)


def _record(user: User) -> dict[str, object]:
    """What was decided about this person's works, what counts against them and until when."""
    told = user.statements.filter(corrected_by=None).select_related("decision__case__asset").order_by("-pk")
    suspended = user.suspensions.filter(state=Suspension.State.ACTIVE).order_by("until")
    judged = user.misuses.filter(state__in=(Misuse.State.WARNED, Misuse.State.SUSPENDED)).order_by("-pk")
    return {
        "told": told[:20],
        "strikes": suspensions.strikes(user),
        "suspended": suspended,
        "misuse": [(row, misuse.reasons(row)) for row in judged],
    }


def _cards(user: User) -> list[dict[str, object]]:
    """What waits for this person, most urgent first. number: how many, None where counting says nothing."""
    cards: list[dict[str, object]] = []
    if user.has_role(*REVIEWERS):
        waiting = queue.waiting(user).filter(assigned_to=None)[: queue.DEPTH].count()
        mine = Case.objects.filter(assigned_to=user, state=Case.State.IN_REVIEW).count()
        filed = Appeal.objects.filter(state=Appeal.State.FILED, decision__case__minor=False)
        appeals = filed.exclude(decision__decider=user).count()
        cards += [
            card("scale", "Review desk", "/review/", waiting, "cases you may take"),
            card("eye", "My cases", "/review/", mine, "cases you have opened"),
            card("book", "Appeals", "/appeals/", appeals, "appeals you may decide"),
        ]
    if user.has_role(Role.CREATOR):
        works = Asset.objects.filter(owner=user)
        flagged = Case.objects.filter(asset__owner=user, state__in=Case.UNDECIDED).values("asset").distinct().count()
        cards.append(card("image", "Studio", "/studio/", works.count(), "works you registered"))
        cards.append(card("plus", "Register a work", "/studio/new/", None, "Sign a photograph or video."))
        if flagged:
            cards.append(card("flag", "Under review", "/studio/", flagged, "of your works are being looked at"))
    if user.has_role(Role.REGULATOR, Role.OPERATOR):
        cards.append(card("tree", "Audit log", "/regulator/", None, "Query the log and take a verifiable export."))
    if user.has_role(*ACTS[Act.ANSWER_DATA_REQUEST].roles):
        cards += operations.cards()
    cards += operations.of_authorities(user)
    cards.append(card("key", "Machine tokens", "/tokens/", user.auth_token_set.count(), "tokens of yours"))
    cards.append(
        card("shield", "Sign-in and security", "/account/2fa/", None, "Second factor, passkeys, recovery codes.")
    )
    return cards


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
