"""Web hooks are served by beat, once a minute: the signed log is followed, and what is due is sent.

Every event is delivered at least once, in the order of the log, or given up in the delivery log. One receiver is spoken
to once at a time; one that hangs or fails waits longer after each try and holds up nobody else's. All of it takes one
worker and less than a minute, whatever receivers do.
"""

import datetime as dt
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from core import beat
from core.clock import now
from core.problems import Conflict
from core.states import move
from ledger import posting, reading
from policy.hooks import guard, payloads, signatures, webhooks
from policy.models import HookDelivery, Webhook

log = structlog.get_logger()

# Between the tries: eight in a day and a half.
WAITS: Final = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 5, 30, 2 * 60, 5 * 60, 10 * 60, 18 * 60))
# Given up one after another, until the web hook is switched off.
MOST_FAILURES: Final = 3
MOST_WAITING: Final = 2000
# Until the office tries again what it could not sign.
UNSIGNED: Final = dt.timedelta(minutes=10)
KEPT: Final = dt.timedelta(days=30)
# Seconds for one delivery, and for a turn.
AT_MOST: Final = 10.0
TURN: Final = 40.0
AT_ONCE: Final = 16
# Longer than a delivery can take: until then nobody else tries it.
_LEASE: Final = dt.timedelta(seconds=60)
_PAGES: Final = 20
_GONE: Final = 410
State = HookDelivery.State


class _Request(NamedTuple):
    """One try, ready to be sent by a thread that knows no database."""

    delivery: HookDelivery
    url: str
    body: bytes
    headers: dict[str, str]


class _Answer(NamedTuple):
    """status: 0 when there was none; then `error` says why."""

    status: int
    error: str = ""


def serve() -> None:
    """What beat has done every minute. Nothing while web hooks are not allowed here."""
    if settings.ASSAY_WEBHOOKS:
        beat.every(_leave, follow, send_due, tidy)


# --- Following the log -----------------------------------------------------------------------------------------------


def _leave() -> int:
    return beat.each(webhooks.orphans(), lambda hook: webhooks.switch_off(hook, webhooks.LEFT))


def follow() -> int:
    """A delivery for each event that was signed since the last time, for each web hook that is told of it. Returns how
    many entries were read.
    """
    _drown()
    read = 0
    for _ in range(_PAGES):
        hooks = list(Webhook.objects.filter(state=Webhook.State.ACTIVE))
        first = min((hook.seen for hook in hooks), default=None)
        if first is None:
            break
        page = reading.page(first - 1, types=payloads.EVENTS, limit=reading.MAX_PAGE)
        end = page.size if page.next is None else page.next + 1
        if first < end:
            _keep(hooks, payloads.told(page.entries), end)
            read += end - first
        if page.next is None:
            break
    return read


def _keep(hooks: Iterable[Webhook], told: list[payloads.Told], end: int) -> None:
    rows = [
        HookDelivery(webhook=hook, event=one.type, key=one.key, payload=one.payload)
        for one in told
        for hook in hooks
        if hook.organisation_id == one.organisation
        and one.number >= hook.seen
        and one.type in (hook.events or [one.type])
    ]
    with transaction.atomic():
        HookDelivery.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
        Webhook.objects.filter(pk__in=[hook.pk for hook in hooks], seen__lt=end).update(seen=end)


def _drown() -> None:
    """A receiver that is down while very much happens: what waits has an end."""
    waiting = Count("deliveries", filter=Q(deliveries__state=State.WAITING))
    flooded = Webhook.objects.filter(state=Webhook.State.ACTIVE).annotate(waiting=waiting)
    beat.each(flooded.filter(waiting__gt=MOST_WAITING), lambda hook: webhooks.switch_off(hook, webhooks.FLOODED))


# --- Sending ---------------------------------------------------------------------------------------------------------


def send_due() -> int:
    """Send what is due, for at most `TURN` seconds. Returns how many tries were made."""
    over_at, tries = time.monotonic() + TURN, 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while time.monotonic() < over_at and (requests := _claimed()):
            for request, answer in zip(requests, threads.map(_send, requests), strict=True):
                _settle(request.delivery, answer)
            tries += len(requests)
    return tries


def _claimed() -> list[_Request]:
    """The next delivery of up to so many web hooks, those that answer first."""
    rows = HookDelivery.objects.select_related("webhook").filter(pk__in=_next_ones())
    order = ("webhook__failures", "tries", "next_at", "pk")
    requests = [_request(row) for row in rows.order_by(*order)[:AT_ONCE]]
    return [request for request in requests if request and _claim(request.delivery)]


def _next_ones() -> "QuerySet[Any, Any]":
    """The oldest of each web hook. After a failure all of them wait for its next try; a test waits for nothing."""
    here = now()
    due = HookDelivery.objects.filter(state=State.WAITING, next_at__lte=here, webhook__state=Webhook.State.ACTIVE)
    later = HookDelivery.objects.filter(
        webhook=OuterRef("webhook"), state=State.WAITING, tries__gt=0, next_at__gt=here
    ).exclude(event=payloads.TEST)
    first = due.filter(Q(event=payloads.TEST) | ~Exists(later)).order_by().values("webhook")
    return first.annotate(first=Min("pk")).values("first")


def _request(delivery: HookDelivery) -> _Request | None:
    hook, body = delivery.webhook, payloads.body(delivery.payload)
    try:
        return _Request(delivery, hook.url, body, signatures.headers(hook, delivery.key, body))
    except signatures.FAILURES:
        log.exception("webhook.not_signed", webhook=str(hook.pk))
        waiting = hook.deliveries.filter(state=State.WAITING)
        waiting.update(next_at=now() + UNSIGNED, error="The office could not sign it, and tries again.")
        return None


def _claim(delivery: HookDelivery) -> bool:
    mine = HookDelivery.objects.filter(pk=delivery.pk, state=State.WAITING, tries=delivery.tries)
    delivery.tries += 1
    return mine.filter(next_at=delivery.next_at).update(tries=delivery.tries, next_at=now() + _LEASE) == 1


def _send(request: _Request) -> _Answer:
    """Nothing of an answer is kept but its status: a receiver says nothing to us that anybody reads."""
    try:
        address = guard.address_of(request.url)
    except guard.Refused as why:
        return _Answer(0, str(why))
    reply = posting.post(
        request.url, request.body, "application/json", headers=request.headers, address=address, at_most=AT_MOST
    )
    return _Answer(reply.status, "" if reply.status else reply.body.decode(errors="replace")[:200])


def _settle(delivery: HookDelivery, answer: _Answer) -> None:
    hook = delivery.webhook
    try:
        with transaction.atomic():
            if 200 <= answer.status < 300:
                _delivered(delivery, answer)
            elif answer.status == _GONE or delivery.event == payloads.TEST or delivery.tries > len(WAITS):
                _given_up(delivery, answer)
            else:
                _later(delivery, answer)
    except Conflict:  # it was removed, or settled by somebody else, while we spoke
        return
    if hook.failures >= MOST_FAILURES or answer.status == _GONE:
        why = webhooks.GONE if answer.status == _GONE else webhooks.FAILED
        beat.each([hook], lambda row: webhooks.switch_off(row, why))


def _delivered(delivery: HookDelivery, answer: _Answer) -> None:
    move(delivery, HookDelivery.MOVES, State.DELIVERED, status=answer.status, error="", next_at=None, done_at=now())
    hook = delivery.webhook
    Webhook.objects.filter(pk=hook.pk).exclude(failures=0).update(failures=0)
    # It answers again: what waits for it waits no longer.
    hook.deliveries.filter(state=State.WAITING, tries__gt=0, next_at__gt=now()).update(next_at=now())


def _given_up(delivery: HookDelivery, answer: _Answer) -> None:
    said: dict[str, Any] = {"status": answer.status or None, "error": answer.error}
    move(delivery, HookDelivery.MOVES, State.GIVEN_UP, next_at=None, done_at=now(), **said)
    if delivery.event != payloads.TEST:
        hook = delivery.webhook
        hook.failures += 1
        Webhook.objects.filter(pk=hook.pk).update(failures=hook.failures)


def _later(delivery: HookDelivery, answer: _Answer) -> None:
    said = {"status": answer.status or None, "error": answer.error}
    rows = HookDelivery.objects.filter(pk=delivery.pk, state=State.WAITING)
    rows.update(next_at=now() + WAITS[delivery.tries - 1], **said)


def tidy() -> int:
    """Forget what was made a month ago. Returns how many."""
    return HookDelivery.objects.filter(created_at__lt=now() - KEPT).delete()[0]
