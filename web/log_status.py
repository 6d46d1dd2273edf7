"""The log's own page: its signed head, who confirmed it, its keys, how to verify and to mirror it; and a feed of it."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import condition, require_safe

from core.problems import Problem
from ledger import alarms, custody, reading, tlogpolicy
from ledger.models import Checkpoint, LogKey, Stamp
from web.context import Office

# A reader who asks once in a while misses none that matters: each checkpoint covers everything before it.
FED = 25


@login_not_required
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Readable while the log is empty, and while nothing is signed."""
    head = reading.latest_checkpoint()
    text = reading.checkpoint_text(head) if head else ""
    context = {
        "head": head,
        "root": bytes(head.root).hex() if head else "",
        "checkpoint": text,
        "keys": custody.log_verifiers(),
        "earlier": LogKey.objects.exclude(until=None).order_by("-pk")[:FED],
        "halted": alarms.halting() is not None,
        "stamp": Stamp.objects.order_by("-pk").first(),
        "base": settings.ASSAY_URL,
        **_witnesses(text),
    }
    return render(request, "register/log.html", context)


def _witnesses(checkpoint: str) -> dict[str, Any]:
    """What the office's policy asks of witnesses, and which of them confirmed the newest checkpoint."""
    try:
        wanted, quorate = reading.policy(), reading.latest_cosigned()
    except Problem as problem:
        return {"policy_problem": problem}
    at = {one.name: one.at for one in reading.confirmations(checkpoint)} if checkpoint else {}
    return {
        "witnesses": [_witness(one, at.get(one.verifier.name)) for one in wanted.witnesses.values()],
        "quorum": "" if wanted.quorum == tlogpolicy.NONE else wanted.quorum,
        "quorate": quorate,
    }


def _witness(one: tlogpolicy.Witness, at: Any) -> dict[str, Any]:
    return {"name": one.name, "vkey": one.verifier.vkey, "url": one.url, "at": at}


def _newest(request: HttpRequest) -> str:
    return f'"{reading.signed_size()}"'


@login_not_required
@require_safe
@condition(etag_func=_newest)
def feed(request: HttpRequest) -> HttpResponse:
    """The newest checkpoints (Atom, RFC 4287), each as it was signed: whoever keeps them notices a changed past."""
    name = Office(request).name
    made = Atom1Feed(
        title=_("Checkpoints of %(name)s") % {"name": name},
        link=f"{settings.ASSAY_URL}/log/",
        description="",
        subtitle=_("Signed heads of the log. Each covers everything before it."),
        feed_url=f"{settings.ASSAY_URL}/log/feed.atom",
        feed_guid=_id(""),
        author_name=name,
        language=settings.LANGUAGE_CODE,
    )
    for row in Checkpoint.objects.order_by("-size")[:FED]:
        _feed_one(made, row)
    response = HttpResponse(made.writeString("utf-8"), content_type=made.content_type)
    response["Cache-Control"] = "public, max-age=60"
    return response


def _feed_one(made: Atom1Feed, row: Checkpoint) -> None:
    made.add_item(
        title=_("%(size)s entries") % {"size": row.size},
        link=f"{settings.ASSAY_URL}/log/",
        description=format_html("<pre>{}</pre>", row.note),
        unique_id=_id(f"/{row.size}/{bytes(row.root).hex()}"),
        pubdate=row.created_at,
        updateddate=row.created_at,
    )


def _id(what: str) -> str:
    """An id that stays, whatever address the office has."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{settings.ASSAY_LOG_ORIGIN}{what}").urn
