"""The first page: drop a file and learn what is known about it. Nothing of the file is kept."""

import json
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core.http import one_file, wants_json
from core.problems import Problem
from core.storage import receive
from provenance.verification import verify_file
from web.privacy import limit
from web.verdicts import verdict


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The drop zone; a POST answers with the report on the file sent."""
    if request.method != "POST":
        return render(request, "web/home.html")
    try:
        return _report(request)
    except Problem as problem:
        if wants_json(request):
            raise
        return render(request, "web/home.html", {"problem": problem}, status=problem.status)


def _report(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        limit(request, "anon")
    file = one_file(request.FILES)
    with receive(file.chunks()) as scratch:
        report = verify_file(scratch.path, scratch.sha256).as_dict()
        context = {
            "report": report,
            "verdict": verdict(report),
            "read_now": _read_now(report),
            "name": (file.name or "")[-120:],
            "size": scratch.size,
            "sha256": scratch.sha256,
            "as_json": json.dumps(report, indent=2, ensure_ascii=False),
        }
    return render(request, "web/report.html", context)


def _read_now(report: dict[str, Any]) -> list[str]:
    """Detectors that read this very file just now: what they said of the same bytes before need not be repeated."""
    runs = report["sections"].get("findings", {}).get("runs", [])
    return [run["detector"] for run in runs if run["about"] == "this_file"]
