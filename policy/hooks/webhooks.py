"""Verbs on web hooks: members of an organisation make, change, pause and remove them; the office switches them off.

The whole of it is off until the operator turns it on (ASSAY_WEBHOOKS): this office speaks to nobody by itself.
"""

from collections.abc import Collection
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.models import Organisation, User
from accounts.people import leading_role
from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, NotFound, Problem
from core.states import move
from ledger import keys, log, reading
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy.filing.notice_checks import refuse_fields
from policy.hooks import guard, payloads, signatures
from policy.mail import letters
from policy.models import HookDelivery, Webhook

# Of one organisation.
MOST: Final = 10
State = Webhook.State
# Why the office switched one off, as the log says it; the page and the letter say it in words.
FAILED, GONE, FLOODED, LEFT = "failed", "gone", "flooded", "maker_left"


def organisations(user: User) -> "QuerySet[Organisation]":
    """Those of which `user` is a member: whose web hooks they may see and change."""
    return Organisation.objects.filter(memberships__user=user).distinct().order_by("name")


def of(user: User) -> "QuerySet[Webhook]":
    """The web hooks of the user's organisations, newest first."""
    rows = Webhook.objects.select_related("organisation", "made_by", "entry")
    return rows.filter(organisation__in=organisations(user).order_by().values("pk")).order_by("-pk")


def webhook_for(user: User, pk: Any) -> Webhook:
    """Raises NotFound."""
    hook = of(user).filter(pk=pk).first()
    if hook is None:
        raise NotFound("web hook of yours")
    return hook


def make(
    by: User,
    organisation: Organisation,
    *,
    url: str,
    events: Collection[str] = (),
    signing: str = Webhook.Signing.ED25519,
) -> tuple[Webhook, str]:
    """A web hook that is told of what happens from now on, and its secret (`whsec_…`; "" where the office's key signs),
    which is never seen again. events: of payloads.EVENTS; none for all. Raises NotFound, Conflict, Problem.
    """
    if not organisations(by).filter(pk=organisation.pk).exists():
        raise NotFound("organisation of yours")
    _refuse_off()
    _check(url, events, signing)
    hook = Webhook(organisation=organisation, url=url, events=sorted(events), signing=signing, made_by=by)
    with transaction.atomic():
        _refuse_more(hook)
        secret = _prepared(hook)
        hook.seen = reading.signed_size()
        hook.entry = _record(EventType.WEBHOOK_MADE, hook, by, signing=hook.signing, events=hook.events)
        hook.save(force_insert=True)
    return hook, secret


def change(hook: Webhook, by: User, *, url: str, events: Collection[str]) -> None:
    """Send elsewhere, or other events. What waits goes to the new address. Raises Problem, Conflict."""
    _check(url, events, hook.signing)
    with transaction.atomic():
        hook.url, hook.events = url, sorted(events)
        _refuse_twin(hook)
        hook.save(update_fields=["url", "events"])
        _changed(hook, by, "address", events=hook.events)


def pause(hook: Webhook, by: User) -> None:
    """Send nothing until it is resumed; what happens meanwhile is not told. Raises Conflict."""
    with transaction.atomic():
        move(hook, Webhook.MOVES, State.PAUSED)
        _changed(hook, by, "paused")


def resume(hook: Webhook, by: User) -> None:
    """Go on, with what waits and with what happens from now on; who resumes it answers for it. Raises Conflict."""
    _refuse_off()
    with transaction.atomic():
        move(hook, Webhook.MOVES, State.ACTIVE, failures=0, seen=reading.signed_size(), made_by=by)
        hook.deliveries.filter(state=HookDelivery.State.WAITING).update(next_at=now())
        _changed(hook, by, "resumed")


def renew_secret(hook: Webhook, by: User) -> str:
    """A new secret, told once; for a day the one before signs too. Raises Conflict where the office's key signs."""
    if hook.signing != Webhook.Signing.HMAC:
        raise Conflict("The office’s key signs here; there is no secret of yours.", code="webhook.no_secret")
    with transaction.atomic():
        secret = signatures.new_secret(hook)
        hook.save(update_fields=["sealed_secret"])
        _changed(hook, by, "secret")
    return secret


def remove(hook: Webhook, by: User) -> None:
    """Forget it and its deliveries. Raises Conflict when somebody else did."""
    with transaction.atomic():
        _changed(hook, by, "removed")
        if not Webhook.objects.filter(pk=hook.pk).delete()[0]:
            raise Conflict("This web hook was removed by somebody else a moment ago.", code="state.race")


def test(hook: Webhook) -> HookDelivery:
    """One delivery that says nothing, tried once within a minute, whatever else waits. Raises Conflict."""
    _refuse_off()
    if hook.state != State.ACTIVE:
        raise Conflict(f"This web hook is {hook.get_state_display()}.", code="state.move", next_step="Resume it first.")
    with transaction.atomic():
        Webhook.objects.select_for_update().get(pk=hook.pk)  # of two presses one is first
        waiting = hook.deliveries.filter(event=payloads.TEST, state=HookDelivery.State.WAITING)
        if waiting.exists():
            raise Conflict("A test is on its way already.", code="webhook.testing", next_step="Wait a minute.")
        number = hook.deliveries.filter(event=payloads.TEST).count() + 1
        key = f"test:{hook.pk}:{number}:{int(now().timestamp())}"
        return hook.deliveries.create(event=payloads.TEST, key=key, payload=payloads.test())


def send_again(delivery: HookDelivery) -> None:
    """Try once more what was given up. Raises Conflict."""
    _refuse_off()
    move(delivery, HookDelivery.MOVES, HookDelivery.State.WAITING, tries=0, next_at=now(), done_at=None)


# --- By the office ---------------------------------------------------------------------------------------------------


def switch_off(hook: Webhook, why: str) -> None:
    """why: FAILED, GONE, FLOODED or LEFT. Who made web hooks of this organisation gets a letter. Raises Conflict."""
    with transaction.atomic():
        move(hook, Webhook.MOVES, State.DISABLED)
        entry = log.append(
            EventType.WEBHOOK_DISABLED, actor="system", role="system", object=_object(hook), facts={"why": why}
        )
        jobs.enqueue("policy.tell_webhook", key=f"webhook:{entry.pk}", webhook=str(hook.pk))


def orphans() -> "QuerySet[Webhook]":
    """Active ones whose maker is no active member any more: nobody answers for where they lead."""
    answered_for = Q(made_by__is_active=True, organisation__memberships__user=F("made_by"))
    kept = Webhook.objects.filter(answered_for).values("pk")
    return Webhook.objects.filter(state=State.ACTIVE).exclude(pk__in=kept)


@jobs.handler("policy.tell_webhook")
def _tell(job: Job) -> None:
    hook = Webhook.objects.filter(pk=job.args["webhook"], state=State.DISABLED).first()
    if hook is None:
        return
    makers = Webhook.objects.filter(organisation=hook.organisation_id).values("made_by")
    members = User.objects.filter(pk__in=makers, is_active=True, memberships__organisation=hook.organisation_id)
    for address in members.distinct().order_by("pk").values_list("email", flat=True):
        letters.send(address, "A web hook", "A web hook of your organisation was switched off", "/account/webhooks/")


# --- Checks ----------------------------------------------------------------------------------------------------------


def _refuse_off() -> None:
    if not settings.ASSAY_WEBHOOKS:
        raise Conflict(
            "This office sends nothing out by itself, so there are no web hooks.",
            code="webhook.off",
            next_step="Its operator can allow them (ASSAY_WEBHOOKS).",
        )


def _check(url: str, events: Collection[str], signing: str) -> None:
    wrong = {"url": guard.objection(url)}
    if not set(events) <= set(payloads.EVENTS):
        wrong["events"] = "Choose from the list."
    if signing not in Webhook.Signing.values:
        wrong["signing"] = "Choose from the list."
    refuse_fields({field: words for field, words in wrong.items() if words})


def _refuse_more(hook: Webhook) -> None:
    Organisation.objects.select_for_update().get(pk=hook.organisation_id)  # two at once are not both the last one
    if Webhook.objects.filter(organisation=hook.organisation_id).count() >= MOST:
        raise Conflict(f"An organisation has at most {MOST} web hooks.", code="webhook.too_many")
    _refuse_twin(hook)


def _refuse_twin(hook: Webhook) -> None:
    twins = Webhook.objects.filter(organisation=hook.organisation_id, url=hook.url).exclude(pk=hook.pk)
    if twins.exists():
        refuse_fields({"url": "Your organisation has a web hook to this address already."})


def _prepared(hook: Webhook) -> str:
    """What signs is there. Returns the secret to be told. Raises Problem."""
    if hook.signing == Webhook.Signing.HMAC:
        return signatures.new_secret(hook)
    try:
        signatures.ready()
    except (keys.KeyMissing, keys.BadKey) as error:
        raise Problem("webhook.key", "The key for web hooks is not there", status=503, detail=str(error)) from error
    return ""


# --- The log ---------------------------------------------------------------------------------------------------------


def _changed(hook: Webhook, by: User, what: str, **facts: Any) -> None:
    """what: "address", "paused", "resumed", "secret", "removed"."""
    _record(EventType.WEBHOOK_CHANGED, hook, by, what=what, **facts)


def _record(type: EventType, hook: Webhook, by: User, **facts: Any) -> Entry:
    return log.append(
        type,
        actor=by.actor,
        role=leading_role(by),
        object=_object(hook),
        refs=[hook.entry] if hook.entry else [],
        facts=facts,
        # An address may carry a key of the receiver's.
        sealed={"address": Sealed(hook.url, f"organisation:{hook.organisation_id}")},
    )


def _object(hook: Webhook) -> str:
    return f"webhook:{hook.pk}"
