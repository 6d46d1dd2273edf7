"""Web hooks of Alice's organisation: what it is told, how that is signed and delivered, what Mallory does not get."""

import base64
import datetime as dt
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Organisation, Role, User
from core.clock import now
from core.problems import Conflict, NotFound, Problem
from ledger import keys, log, posting, reading, sequencer
from ledger.events import EventType
from ledger.models import Entry
from policy.audits import reconciliation_public
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import flaggers
from policy.hooks import deliveries, guard, payloads, signatures, webhooks
from policy.models import Case, HookDelivery, Webhook
from policy.tasks import serve_hooks
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, MakeAsset

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("allowed", "any_date")]

URL = "https://hooks.example.org/assay"
State = HookDelivery.State


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.ASSAY_WEBHOOKS = True


@pytest.fixture
def studio(alice: User) -> Organisation:
    assert alice.organisation is not None
    return alice.organisation


@pytest.fixture
def hook(alice: User, studio: Organisation) -> Webhook:
    return webhooks.make(alice, studio, url=URL)[0]


@pytest.fixture
def work(make_asset: MakeAsset, alice: User, studio: Organisation) -> Asset:
    asset = make_asset(alice)
    Asset.objects.filter(pk=asset.pk).update(organisation=studio)
    asset.organisation = studio
    return asset


def happened(asset: Asset, type: EventType = EventType.ASSET_RESTRICTED) -> Entry:
    """Something about the work, on record and signed."""
    with transaction.atomic():
        entry = log.append(type, actor="system", role="system", object=f"asset:{asset.pk}")
    sequencer.tick()
    return entry


class Receiver:
    """A program at the other end. answers: statuses, the last for ever. got: (headers in small letters, body)."""

    def __init__(self) -> None:
        self.answers: list[int] = [204]
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.extra: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0])
                for name, value in outer.extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/assay"

    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.got]


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    made = Receiver()
    settings.ASSAY_WEBHOOK_HOSTS = [f"127.0.0.1:{made.port}"]
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """No network: every try is answered with this status. Returns the list of tries, by address."""
    tries: list[str] = []
    monkeypatch.setattr(guard, "address_of", lambda url: "93.184.216.34")

    def say(status: int) -> list[str]:
        def post(url: str, *_: object, **__: object) -> posting.Reply:
            tries.append(url)
            return posting.Reply(status, b"" if status else b"TimeoutError: it took too long to answer")

        monkeypatch.setattr(posting, "post", post)
        return tries

    return say


def serve() -> None:
    deliveries.follow()
    deliveries.send_due()


# --- Who and where ---------------------------------------------------------------------------------------------------


def test_nothing_is_made_or_sent_until_the_operator_allows_it(
    alice: User, studio: Organisation, work: Asset, settings: Any, answering: Callable[[int], list[str]]
) -> None:
    hook, _ = webhooks.make(alice, studio, url=URL)
    happened(work)
    settings.ASSAY_WEBHOOKS = False
    tries = answering(204)
    serve_hooks()
    assert (tries, hook.deliveries.count()) == ([], 0)
    with pytest.raises(Conflict, match="sends nothing out"):
        webhooks.make(alice, studio, url=f"{URL}/2")
    with pytest.raises(Conflict):
        webhooks.test(hook)


def test_members_alone_see_and_make_web_hooks_of_an_organisation(
    hook: Webhook, studio: Organisation, mallory: User, alice: User
) -> None:
    assert list(webhooks.of(alice)) == [hook]
    assert list(webhooks.of(mallory)) == []
    with pytest.raises(NotFound):
        webhooks.webhook_for(mallory, hook.pk)
    with pytest.raises(NotFound):
        webhooks.make(mallory, studio, url="https://mallory.example.org/")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"url": "http://hooks.example.org/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": URL, "events": ["case:recused"]}, "events"),
        ({"url": URL, "signing": "none"}, "signing"),
    ],
)
def test_wrong_input_names_its_field_and_leaves_nothing(
    said: dict[str, Any], field: str, alice: User, studio: Organisation
) -> None:
    before = Entry.objects.count()
    with pytest.raises(Problem) as refused:
        webhooks.make(alice, studio, **said)
    assert list(refused.value.extra["errors"]) == [field]  # type: ignore[call-overload]
    assert (Webhook.objects.count(), Entry.objects.count()) == (0, before)


def test_an_organisation_has_so_many_and_one_to_an_address(
    hook: Webhook, alice: User, studio: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem) as refused:
        webhooks.make(alice, studio, url=URL)
    assert "url" in str(refused.value.extra)
    monkeypatch.setattr(webhooks, "MOST", 1)
    with pytest.raises(Conflict, match="at most"):
        webhooks.make(alice, studio, url=f"{URL}/other")


def test_the_log_says_that_there_is_one_and_not_where_it_leads(hook: Webhook, alice: User) -> None:
    webhooks.change(hook, alice, url=f"{URL}/secret-path", events=["case:opened"])
    webhooks.pause(hook, alice)
    for entry in Entry.objects.filter(type__startswith="webhook:"):
        assert b"hooks.example.org" not in bytes(entry.leaf) and str(alice.pk).encode() not in bytes(entry.leaf)
    assert list(reconciliation_public.webhooks()) == []
    Webhook.objects.filter(pk=hook.pk).update(state="active", events=[])
    assert len(list(reconciliation_public.webhooks())) == 2


def test_a_removed_one_is_gone_and_the_log_agrees(hook: Webhook, alice: User) -> None:
    webhooks.test(hook)
    webhooks.remove(hook, alice)
    assert not Webhook.objects.exists() and not HookDelivery.objects.exists()
    assert list(reconciliation_public.webhooks()) == []


# --- What is told ----------------------------------------------------------------------------------------------------


def test_the_organisation_is_told_of_its_own_works_from_now_on(
    work: Asset, make_asset: MakeAsset, bob: User, alice: User, studio: Organisation
) -> None:
    happened(work, EventType.ASSET_REGISTERED)
    hook, _ = webhooks.make(alice, studio, url=URL)
    theirs = make_asset(bob)
    Asset.objects.filter(pk=theirs.pk).update(organisation=bob.organisation)
    happened(theirs)
    entry = happened(work)
    assert deliveries.follow() > 0 and deliveries.follow() == 0
    (made,) = HookDelivery.objects.all()
    assert (made.webhook, made.event, made.key) == (hook, "asset:restricted", bytes(entry.leaf_hash).hex())
    assert made.payload["work"]["id"] == str(work.pk) and made.payload["entry"]["index"] == entry.index


def test_what_is_not_signed_yet_is_not_told(hook: Webhook, work: Asset) -> None:
    with transaction.atomic():
        log.append(EventType.ASSET_RESTRICTED, actor="system", role="system", object=f"asset:{work.pk}")
    deliveries.follow()
    assert not HookDelivery.objects.exists()
    sequencer.tick()
    deliveries.follow()
    assert HookDelivery.objects.count() == 1


def test_it_is_told_of_the_events_that_were_chosen(work: Asset, alice: User, studio: Organisation) -> None:
    hook, _ = webhooks.make(alice, studio, url=URL, events=["asset:restored"])
    for type in (EventType.ASSET_RESTRICTED, EventType.ASSET_RESTORED):
        happened(work, type)
    deliveries.follow()
    assert [row.event for row in hook.deliveries.all()] == ["asset:restored"]


def test_a_case_is_told_by_its_id_and_state_without_words_names_or_category(
    hook: Webhook, work: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(work)
    case = cases.assign(notice.case, rita)
    decisions.decide(case, rita, outcome="hide", **TERMS)
    sequencer.tick()
    deliveries.follow()
    told = {row.event: row.payload for row in HookDelivery.objects.all()}
    assert {"case:opened", "flag:raised", "decision:made", "asset:restricted"} <= set(told)
    assert "notice:filed" not in told  # somebody else's
    assert told["decision:made"]["case"] == {"id": str(case.pk), "state": "decided"}
    assert told["decision:made"]["work"]["state"] == "hidden"
    everything = json.dumps(list(told.values()))
    for secret in (
        "Dana",
        "dana@",
        "likeness",
        "never agreed",
        work.title,
        "cited clause",
        str(rita.pk),
        notice.number,
    ):
        assert secret not in everything
    assert set().union(*told.values()) <= {"type", "at", "office", "organisation", "case", "work", "entry"}


def test_nothing_is_told_of_a_childs_case(hook: Webhook, work: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(work)
    Case.objects.filter(pk=notice.case_id).update(minor=True)
    sequencer.tick()
    deliveries.follow()
    assert not HookDelivery.objects.exists()


def test_a_trusted_flagger_is_told_of_the_notices_that_it_filed(
    asset: Asset, file_notice: FileNotice, mallory: User, bob: User, ravi: User
) -> None:
    home = bob.organisation
    assert home is not None
    webhooks.make(bob, home, url=URL)
    webhooks.make(mallory, mallory.organisation, url=URL)  # type: ignore[arg-type]
    flagger = flaggers.designate(
        home,
        by=ravi,
        authority_name="The coordinator",
        jurisdiction="EU",
        areas=["likeness"],
        valid_from=now().date(),
        valid_to=None,
    )
    notice, _ = file_notice(asset, by=bob, flagger=flagger)
    sequencer.tick()
    deliveries.follow()
    (made,) = HookDelivery.objects.all()
    assert made.webhook.organisation == home
    assert made.payload["notice"]["number"] == notice.number and made.payload["notice"]["outcome"] == ""


def test_following_costs_the_same_however_much_happened(
    hook: Webhook, work: Asset, file_notice: FileNotice, rita: User
) -> None:
    def cost() -> int:
        sequencer.tick()
        with CaptureQueriesContext(connection) as seen:
            deliveries.follow()
        return len(seen)

    notice, _ = file_notice(work)
    happened(work)
    first = cost()
    for _ in range(5):
        happened(work)
    decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    assert cost() == first


def test_what_happens_while_it_is_paused_is_not_told(hook: Webhook, work: Asset, alice: User, bob: User) -> None:
    webhooks.pause(hook, alice)
    happened(work)
    deliveries.follow()
    webhooks.resume(hook, alice)
    deliveries.follow()
    assert not HookDelivery.objects.exists()
    happened(work)
    deliveries.follow()
    assert HookDelivery.objects.count() == 1


# --- Signed ----------------------------------------------------------------------------------------------------------


def samples() -> dict[str, Any]:
    """The functions of docs/webhooks.md, run as a reader would."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    return names


def test_the_documents_code_accepts_what_the_secret_signed_and_nothing_else(
    work: Asset, alice: User, studio: Organisation, receiver: Receiver
) -> None:
    _, secret = webhooks.make(alice, studio, url=receiver.url, signing="hmac-sha256")
    happened(work)
    serve()
    ((headers, body),) = receiver.got
    is_genuine = samples()["is_genuine"]
    assert is_genuine(headers, body, secret)
    assert not is_genuine(headers, body + b" ", secret)
    assert not is_genuine({**headers, "webhook-id": "x"}, body, secret)
    assert not is_genuine({**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}, body, secret)
    assert not is_genuine(headers, body, "whsec_" + base64.b64encode(b"another secret").decode())
    with time_machine.travel(now() + dt.timedelta(minutes=6)):
        assert not is_genuine(headers, body, secret)  # a replay


def test_the_documents_code_accepts_what_the_offices_key_signed_and_nothing_else(
    work: Asset, alice: User, studio: Organisation, receiver: Receiver
) -> None:
    webhooks.make(alice, studio, url=receiver.url)
    happened(work)
    serve()
    ((headers, body),) = receiver.got
    is_ours = samples()["is_the_offices"]
    assert is_ours(headers, body, signatures.public_key())
    assert not is_ours(headers, body.replace(b"restricted", b"restored!!"), signatures.public_key())
    assert not is_ours({**headers, "webhook-id": "x"}, body, signatures.public_key())
    with time_machine.travel(now() + dt.timedelta(minutes=6)):
        assert not is_ours(headers, body, signatures.public_key())
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == json.loads(body)["entry"]["leaf_hash"]


def test_for_a_day_an_old_secret_signs_beside_the_new_one(
    work: Asset, alice: User, studio: Organisation, receiver: Receiver
) -> None:
    hook, old = webhooks.make(alice, studio, url=receiver.url, signing="hmac-sha256")
    new = webhooks.renew_secret(hook, alice)
    happened(work)
    serve()
    is_genuine = samples()["is_genuine"]
    assert is_genuine(*receiver.got[0], old) and is_genuine(*receiver.got[0], new)
    with time_machine.travel(now() + dt.timedelta(days=2)):
        signed = signatures.headers(hook, "id", b"{}")
        assert is_genuine(signed, b"{}", new) and not is_genuine(signed, b"{}", old)


def test_a_secret_lies_in_the_database_encrypted_alone(alice: User, studio: Organisation) -> None:
    hook, secret = webhooks.make(alice, studio, url=URL, signing="hmac-sha256")
    hook.refresh_from_db()
    assert secret.startswith("whsec_")
    assert secret.removeprefix("whsec_").encode() not in bytes(hook.sealed_secret)
    assert base64.b64decode(secret.removeprefix("whsec_")) not in bytes(hook.sealed_secret)
    assert not any(secret.encode() in bytes(entry.leaf) for entry in Entry.objects.all())


def test_a_lost_key_is_never_replaced_silently_and_what_it_signs_waits(
    hook: Webhook, work: Asset, alice: User, studio: Organisation, settings: Any, answering: Callable[[int], list[str]]
) -> None:
    key = Path(settings.ASSAY_KEYS) / "hooks.key"
    text = key.read_text()
    key.unlink()
    try:
        with pytest.raises(Problem, match=r"webhook\.key"):
            webhooks.make(alice, studio, url=f"{URL}/2")
        happened(work)
        tries = answering(204)
        serve()
        row = hook.deliveries.get()
        assert (tries, row.state, row.tries) == ([], State.WAITING, 0) and "could not sign" in row.error
        with pytest.raises(keys.KeyMissing):
            signatures.ready()
    finally:
        key.write_text(text)
        key.chmod(0o600)
    with time_machine.travel(now() + dt.timedelta(minutes=11)):
        deliveries.send_due()
    assert tries == [URL]


# --- Delivered -------------------------------------------------------------------------------------------------------


def test_events_arrive_once_and_in_order(work: Asset, alice: User, studio: Organisation, receiver: Receiver) -> None:
    hook, _ = webhooks.make(alice, studio, url=receiver.url)
    for type in (EventType.ASSET_RESTRICTED, EventType.ASSET_RESTORED, EventType.ASSET_RESTRICTED):
        happened(work, type)
    serve()
    serve()
    assert receiver.events() == ["asset:restricted", "asset:restored", "asset:restricted"]
    assert set(hook.deliveries.values_list("state", "tries", "status")) == {(State.DELIVERED, 1, 204)}


def test_a_failure_holds_up_what_is_behind_until_its_next_try(
    work: Asset, alice: User, studio: Organisation, receiver: Receiver
) -> None:
    hook, _ = webhooks.make(alice, studio, url=receiver.url)
    for type in (EventType.ASSET_RESTRICTED, EventType.ASSET_RESTORED):
        happened(work, type)
    receiver.answers = [500, 204]
    serve()
    assert receiver.events() == ["asset:restricted"]
    assert [row.status for row in hook.deliveries.order_by("pk")] == [500, None]
    with time_machine.travel(now() + deliveries.WAITS[0]):
        deliveries.send_due()
    assert receiver.events() == ["asset:restricted", "asset:restricted", "asset:restored"]
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]  # by which it is known again
    assert receiver.got[0][0]["webhook-signature"] != receiver.got[1][0]["webhook-signature"]


def test_a_redirect_is_a_failure_and_is_not_followed(
    work: Asset, alice: User, studio: Organisation, receiver: Receiver
) -> None:
    hook, _ = webhooks.make(alice, studio, url=receiver.url)
    receiver.answers, receiver.extra = [302], {"Location": receiver.url}
    happened(work)
    serve()
    assert len(receiver.got) == 1
    assert (hook.deliveries.get().state, hook.deliveries.get().status) == (State.WAITING, 302)


def test_a_name_that_leads_inside_by_now_gets_nothing(
    hook: Webhook, work: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(2, 1, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(posting, "post", lambda *_, **__: pytest.fail("something was sent"))
    happened(work)
    serve()
    assert "private network" in hook.deliveries.get().error


def test_the_request_goes_to_the_pinned_address_under_its_own_name(receiver: Receiver) -> None:
    reply = posting.post(
        f"http://hooks.example.org:{receiver.port}/a?b=c", b"{}", "application/json", address="127.0.0.1"
    )
    assert reply.status == 204
    assert receiver.got[0][0]["host"] == f"hooks.example.org:{receiver.port}"


def test_a_receiver_that_never_answers_is_given_up_in_time_and_holds_up_nobody(
    alice: User, bob: User, work: Asset, answering: Callable[[int], list[str]], studio: Organisation
) -> None:
    hook, _ = webhooks.make(alice, studio, url=URL)
    happened(work)
    tries = answering(0)
    deliveries.follow()
    at = now()
    for wait in (*deliveries.WAITS, dt.timedelta()):
        with time_machine.travel(at):
            deliveries.send_due()
            deliveries.send_due()  # before its time: no try
        at += wait + dt.timedelta(seconds=1)
    row = hook.deliveries.get()
    assert (row.state, row.tries, len(tries)) == (State.GIVEN_UP, 8, 8)
    assert "too long" in row.error and row.status is None
    hook.refresh_from_db()
    assert (hook.state, hook.failures) == (Webhook.State.ACTIVE, 1)
    webhooks.send_again(row)
    answering(200)
    deliveries.send_due()
    row.refresh_from_db()
    hook.refresh_from_db()
    assert (row.state, hook.failures) == (State.DELIVERED, 0)


def test_after_three_given_up_it_is_switched_off_and_its_maker_gets_a_letter(
    hook: Webhook, work: Asset, alice: User, answering: Callable[[int], list[str]], settle: Callable[[], None]
) -> None:
    for _ in range(5):
        happened(work)
    deliveries.follow()
    tries = answering(503)
    hook.deliveries.update(tries=len(deliveries.WAITS))
    deliveries.send_due()
    hook.refresh_from_db()
    assert (len(tries), hook.state) == (3, Webhook.State.DISABLED)
    settle()
    (letter,) = [one for one in mail.outbox if "web hook" in one.subject.lower()]
    assert letter.to == [alice.email] and "/account/webhooks/" in letter.body and URL not in letter.body
    assert list(reconciliation_public.webhooks()) == []
    webhooks.resume(hook, alice)
    answering(204)
    deliveries.send_due()
    assert hook.deliveries.filter(state=State.DELIVERED).count() == 2
    assert list(reconciliation_public.webhooks()) == []


def test_who_says_gone_is_not_asked_again(hook: Webhook, work: Asset, answering: Callable[[int], list[str]]) -> None:
    for _ in range(2):
        happened(work)
    tries = answering(410)
    serve()
    hook.refresh_from_db()
    assert (len(tries), hook.state) == (1, Webhook.State.DISABLED)


def test_too_much_that_waits_switches_it_off(
    hook: Webhook, work: Asset, monkeypatch: pytest.MonkeyPatch, answering: Callable[[int], list[str]]
) -> None:
    monkeypatch.setattr(deliveries, "MOST_WAITING", 2)
    answering(0)
    for _ in range(4):
        happened(work)
        deliveries.follow()
    hook.refresh_from_db()
    assert (hook.state, hook.deliveries.count()) == (Webhook.State.DISABLED, 3)


def test_nobody_takes_the_offices_news_along_when_they_leave(
    hook: Webhook, work: Asset, alice: User, bob: User, studio: Organisation, answering: Callable[[int], list[str]]
) -> None:
    Membership.objects.create(user=bob, organisation=studio, role=Role.CREATOR)
    Membership.objects.filter(user=alice).delete()
    happened(work)
    tries = answering(204)
    deliveries.serve()
    hook.refresh_from_db()
    assert (hook.state, tries) == (Webhook.State.DISABLED, [])
    webhooks.resume(hook, bob)
    happened(work)
    deliveries.serve()
    assert len(tries) == 1
    User.objects.filter(pk=bob.pk).update(is_active=False)
    happened(work)
    deliveries.serve()
    assert len(tries) == 1


def test_a_test_is_sent_at_once_although_something_failed_before_it(
    work: Asset, alice: User, studio: Organisation, receiver: Receiver
) -> None:
    hook, _ = webhooks.make(alice, studio, url=receiver.url)
    happened(work)
    receiver.answers = [500, 204]
    serve()
    made = webhooks.test(hook)
    with pytest.raises(Conflict, match="on its way"):
        webhooks.test(hook)
    deliveries.send_due()
    made.refresh_from_db()
    assert made.state == State.DELIVERED
    # It answers again, so what waited comes as well.
    assert receiver.events() == ["asset:restricted", payloads.TEST, "asset:restricted"]


def test_a_test_that_fails_is_tried_once_and_counts_for_nothing(
    hook: Webhook, answering: Callable[[int], list[str]]
) -> None:
    tries = answering(500)
    made = webhooks.test(hook)
    serve()
    made.refresh_from_db()
    hook.refresh_from_db()
    assert (made.state, hook.failures, len(tries)) == (State.GIVEN_UP, 0, 1)


def test_two_workers_at_once_send_it_once(hook: Webhook, work: Asset) -> None:
    happened(work)
    deliveries.follow()
    (one,), (other,) = deliveries._claimed(), list(HookDelivery.objects.select_related("webhook"))
    assert deliveries._claimed() == []  # while it is being tried
    other.tries = 0
    assert not deliveries._claim(other)
    with time_machine.travel(now() + dt.timedelta(minutes=2)):  # the first worker died
        assert [each.delivery.pk for each in deliveries._claimed()] == [one.delivery.pk]


def test_what_was_removed_while_it_was_being_sent_makes_no_trouble(
    hook: Webhook, work: Asset, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(work)
    deliveries.follow()
    (request,) = deliveries._claimed()
    webhooks.remove(hook, alice)
    deliveries._settle(request.delivery, deliveries._Answer(500))
    deliveries._settle(request.delivery, deliveries._Answer(204))
    assert not HookDelivery.objects.exists()


def test_deliveries_are_forgotten_after_a_month(hook: Webhook) -> None:
    webhooks.test(hook)
    assert deliveries.tidy() == 0
    HookDelivery.objects.update(created_at=now() - dt.timedelta(days=31))
    assert deliveries.tidy() == 1


def test_beat_serves_them_every_minute(settings: Any) -> None:
    assert serve_hooks.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_every_link_in_a_payload_leads_somewhere(hook: Webhook, work: Asset, settings: Any) -> None:
    from django.urls import resolve

    happened(work)
    deliveries.follow()
    payload = HookDelivery.objects.get().payload
    for link in (payload["work"]["api"], payload["work"]["page"], payload["entry"]["url"]):
        assert resolve(link.removeprefix(settings.ASSAY_URL))
    number = payloads._notice("AS-2026-AAAA-AAAA", "valid", "")
    assert resolve(str(number["api"]).removeprefix(settings.ASSAY_URL))  # type: ignore[index,call-overload]
    assert reading.signed_size() > 0
