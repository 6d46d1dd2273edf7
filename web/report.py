"""Reporting: the guided form in two steps, “this flag is wrong”, and a privacy concern. Nobody needs an account.

The form keeps nothing between its steps: what was answered travels as hidden fields, so it works without JavaScript, in
any tab, and nothing that was typed is lost on the way back.
"""

import re
import secrets
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import User
from core import storage
from core.clock import now
from core.http import one_file
from core.problems import NotFound, Problem
from detection.models import Finding
from detection.shown import runs_of
from policy.filing import guided, notice_pins, notices
from policy.models import Category, Flag, Notice
from provenance.models import Asset
from provenance.verification import verify_file
from web.filed import filed_here, forget, remember, seed_of
from web.forms_notices import (
    DetailsForm,
    FactsForm,
    FlagWrongForm,
    PrivacyForm,
    details_in,
    languages_of,
    sworn_in,
)
from web.forms_process import onto
from web.notices import open_here
from web.privacy import limit, open_private

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ONCE = re.compile(r"[A-Za-z0-9_-]{32}")
_BUTTONS = ("csrfmiddlewaretoken", "step", "once")
_SENDS = ("file", "as_is")  # the report; the report although something is missing


# --- The guided form -----------------------------------------------------------------------------------------------


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """First step, second step, back, or filed; a filed notice leads to its case number and PIN."""
    if request.method != "POST":
        said = request.GET.get("asset", "")
        return _first_step(request, FactsForm(initial={"asset": said}), subject=_named(request, said))
    step = request.POST.get("step", "file")
    if step in _SENDS or request.FILES:
        limit(request, "notices")
    if step == "back":
        return _first_step(request, FactsForm(initial=request.POST.dict()))
    facts = FactsForm(request.POST, request.FILES)
    if not facts.is_valid():
        return _first_step(request, facts, status=422)
    try:
        where, near = _find(request, facts)
    except Problem as problem:
        onto(facts, problem)
        return _first_step(request, facts, status=422)
    return _first_step(request, facts, near=near) if near else _second_step(request, facts, where, step)


def _first_step(request: HttpRequest, form: FactsForm, status: int = 200, **more: Any) -> HttpResponse:
    context = {"form": form, "carried": _carried(request.POST, form), "step": 1, **more}
    return render(request, "notices/report.html", context, status=status)


def _second_step(request: HttpRequest, facts: FactsForm, where: dict[str, Any], step: str) -> HttpResponse:
    draft = _draft(facts, where)
    laws = guided.laws(draft)
    languages = languages_of(request.headers.get("Accept-Language", ""))
    data = request.POST if step in _SENDS else None
    form = DetailsForm(data, initial=_typed(request.POST), notice=draft, laws=laws, languages=languages)
    context = {"form": form, "laws": laws, "carried": _hidden_facts(facts, where), "draft": draft, "step": 2}
    context |= {"once": once(request), "elsewhere": not guided.held_here(draft)}
    if data is not None and form.is_valid():
        asked = {**_asked(draft, form), **where}
        wanting = _wanting(draft, asked) if step == "file" else {}
        if not wanting:
            try:
                return _filed(request, **asked)
            except Problem as problem:
                onto(form, problem)
        context |= wanting
    return render(request, "notices/report.html", context, status=422 if form.errors else 200)


def _wanting(draft: Notice, asked: dict[str, Any]) -> dict[str, Any]:
    """What laws ask for and this report does not say, and what it would bring forward; nothing if it is whole. Said
    once before it is sent: who waits for 48 hours must know that they do not count.
    """
    draft.answers, draft.exemptions, draft.good_faith = asked["answers"], asked["exemptions"], asked["good_faith"]
    draft.sworn = guided.swear(asked["sworn"], now())
    given = {**asked["details"], **{name: asked[name] for name in ("statement", "name", "email")}}
    given["url_or_text"] = asked.get("url_or_text", "")
    missing = guided.missing(draft, given)
    return {"wanting": [guided.words(ask) for ask in missing], "hurry": guided.hurry(draft, given)} if missing else {}


def _find(request: HttpRequest, form: FactsForm) -> tuple[dict[str, Any], list[Asset]]:
    """What is reported, as arguments of the verb; or the registered works the person must choose among."""
    said, visible = form.cleaned_data["asset"].strip(), Asset.objects.visible_to(viewer(request))
    if said or "file" not in request.FILES:
        asset, sha256 = _named(request, said), form.cleaned_data["file_sha256"]
        return {"asset": asset} if asset else {"url_or_text": said, "file_sha256": sha256}, []
    with storage.receive(one_file(request.FILES).chunks()) as scratch:
        found = verify_file(scratch.path, scratch.sha256, viewer=viewer(request))
    if found.exact is not None:
        return {"asset": found.exact, "file_sha256": scratch.sha256}, []
    near = list(visible.filter(pk__in=[match.asset_id for match in found.matches])[:6])
    return {"file_sha256": scratch.sha256}, near


def _named(request: HttpRequest, said: str) -> Asset | None:
    """The work whose number or address this is, if the viewer may know of it."""
    found = _ID.search(said)
    return Asset.objects.visible_to(viewer(request)).filter(pk=uuid.UUID(found[0])).first() if found else None


def _draft(facts: FactsForm, where: dict[str, Any]) -> Notice:
    """The notice as far as it is known: choices only, enough to say which laws may apply."""
    data = facts.cleaned_data
    order = data["category"] == Category.AUTHORITY_ORDER
    return Notice(
        kind=Notice.Kind.ORDER if order else Notice.Kind.REPORT,
        asset=where.get("asset"),
        file_sha256=where.get("file_sha256", ""),
        category=data["category"],
        jurisdiction=data["jurisdiction"],
        as_depicted=data["shown"] in ("me", "for"),
        answers={"shown": data["shown"], **({"minor": data["age"]} if data.get("age") else {})},
    )


def _asked(draft: Notice, form: DetailsForm) -> dict[str, Any]:
    """The arguments of the verb but where it is."""
    data = form.cleaned_data
    choices = {name: data[name] for name in ("minor", "how_made") if data.get(name)}
    choices |= dict.fromkeys(data.get("person", ()), "yes")
    return {
        "kind": draft.kind,
        "category": draft.category,
        "jurisdiction": draft.jurisdiction,
        "as_depicted": draft.as_depicted,
        "answers": {**draft.answers, **choices},
        "statement": data["statement"],
        "name": data["name"],
        "email": data["email"],
        "good_faith": data["good_faith"],
        "exemptions": data.get("exemptions", ()),
        "language": data.get("language", "en"),
        "details": details_in(data),
        "sworn": sworn_in(data),
    }


def _typed(posted: QueryDict) -> dict[str, Any]:
    """What was typed or ticked in the second step before going back, as initial values."""
    return {name: posted.getlist(name) if name in ("exemptions", "person") else posted.get(name) for name in posted}


def _carried(posted: QueryDict, form: FactsForm) -> list[tuple[str, str]]:
    """What belongs to the other step, as hidden fields."""
    others = (name for name in posted if name not in form.fields and name not in _BUTTONS)
    return [(name, value) for name in others for value in posted.getlist(name)]


def _hidden_facts(facts: FactsForm, where: dict[str, Any]) -> list[tuple[str, str]]:
    data = facts.cleaned_data
    asset = where.get("asset")
    return [
        ("asset", data["asset"] or (str(asset.pk) if asset else "")),
        ("file_sha256", where.get("file_sha256", "")),
        *((name, data[name]) for name in ("category", "shown", "age", "jurisdiction") if name in data),
    ]


def viewer(request: HttpRequest) -> User | None:
    return None if isinstance(request.user, AnonymousUser) else request.user


def once(request: HttpRequest) -> str:
    """What a form is sent with, so that pressing “Send” twice files once: new, or as this page had it before."""
    said = request.POST.get("once", "")
    return said if _ONCE.fullmatch(said) else secrets.token_urlsafe(24)


def _filed(request: HttpRequest, **asked: Any) -> HttpResponse:
    """File it, or lead to the notice that this very page filed a moment ago; its PIN is the same then."""
    seed, by = seed_of(request, once(request)), viewer(request)
    key = notice_pins.key_of(seed)
    notice = Notice.objects.filter(account=by, client_key=key).first()
    if notice is None:
        try:
            notice, _ = notices.file_notice(by=by, client_key=key, pin=notice_pins.pin_from(seed), **asked)
        except IntegrityError:  # the other of two at once
            notice = Notice.objects.get(account=by, client_key=key)
    open_here(request, notice)
    return remember(redirect("report_done"), notice, seed)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def report_done(request: HttpRequest) -> HttpResponse:
    """Number and PIN, for half an hour in this browser, however often it loads the page; or until its owner says that
    both are written down. Then nobody sees the PIN again. Of several reports the last one, and the others beside it.
    """
    filed = filed_here(request)
    said = request.POST.get("number", "")
    number = said if said in filed else next(iter(filed), "")
    if request.method == "POST" or not filed:
        done = redirect("notice_status", number) if number else redirect("notice")
        more = request.method == "POST" and len(filed) > 1
        return forget(redirect("report_done") if more else done, number)
    rows = Notice.objects.select_related("asset", "filer", "flagger", "entry")
    notice = rows.get(number=number)
    context = {
        "notice": notice,
        "pin": filed.pop(number),
        "others": filed,
        "clocks": notice.clocks.order_by("due_at"),
        "missing": [guided.words(ask) for ask in notice.missing],
        "hurry": guided.hurry(notice, notices.contents(notice)) if notice.missing else None,
        "elsewhere": not guided.held_here(notice),
    }
    return render(request, "notices/done.html", context)


# --- One click -----------------------------------------------------------------------------------------------------


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def wrong_flag(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """“This flag is wrong”, for whoever may see the work."""
    flag = Flag.objects.select_related("asset", "case", "entry").filter(pk=pk).first()
    if flag is None or not Asset.objects.visible_to(viewer(request)).filter(pk=flag.asset_id).exists():
        raise NotFound("flag")
    return _wrong(request, flag.asset, flag.reason, flag=flag)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def wrong_finding(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """“This is wrong”, about what a detector shows on a page that this viewer may see."""
    finding = Finding.objects.select_related("run__asset").filter(pk=pk).first()
    if finding is None or not _shown(request, finding):
        raise NotFound("finding")
    return _wrong(request, finding.run.asset, finding.statement, finding=finding)


def _shown(request: HttpRequest, finding: Finding) -> bool:
    asset = finding.run.asset
    if asset is None or not Asset.objects.visible_to(viewer(request)).filter(pk=asset.pk).exists():
        return False
    return any(one.pk == finding.pk for run in runs_of(request.user, asset.pk) for one in run.findings.all())


def _wrong(request: HttpRequest, asset: Asset, said: str, **subject: Any) -> HttpResponse:
    form = FlagWrongForm(request.POST or None)
    if request.method == "POST":
        limit(request, "notices")
    if request.method == "POST" and form.is_valid():
        data, kind = form.cleaned_data, Notice.Kind.FALSE_POSITIVE
        shown = {"answers": {"shown": data["shown"]}, "as_depicted": data.pop("shown") in ("me", "for")}
        try:
            return _filed(request, kind=kind, **subject, **shown, **data)
        except Problem as problem:
            onto(form, problem)
    context = {"form": form, "asset": asset, "said": said, "once": once(request)}
    return render(request, "notices/wrong.html", context, status=422 if form.errors else 200)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def privacy_concern(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """“I have a privacy concern”, from every page of a work. Acknowledged at once; the terms say within 24 hours."""
    asset = Asset.objects.visible_to(viewer(request)).filter(pk=pk).first()
    if asset is None:
        raise NotFound("work")
    form = PrivacyForm(request.POST or None)
    if request.method == "POST":
        limit(request, "notices")
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        answers = {"shown": data.pop("shown"), "minor": data.pop("minor") or "unknown"}
        shown = {"answers": answers, "as_depicted": answers["shown"] in ("me", "for")}
        try:
            return _filed(request, kind=Notice.Kind.PRIVACY, asset=asset, good_faith=True, **shown, **data)
        except Problem as problem:
            onto(form, problem)
    context = {"form": form, "asset": asset, "office": settings.ASSAY_OFFICE_NAME, "once": once(request)}
    return render(request, "notices/privacy.html", context, status=422 if form.errors else 200)
