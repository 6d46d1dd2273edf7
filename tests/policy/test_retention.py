"""What goes by itself: after the time its rule gives, never what a hold reaches, each purge on record."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import transaction
from django.test import Client

from accounts.models import LoginLink, User
from core.clock import now
from core.problems import Conflict
from ledger import vault
from ledger.models import Entry
from policy.audits import exports, reconciliation
from policy.consents import consent
from policy.filing import notice_pins, notices
from policy.law import rules
from policy.models import Case, Consent, Export, Flag, Notice, Person
from policy.rights import holds, people, retained, retention
from policy.rulebook.rows import Rule
from provenance.models import Asset
from tests.policy.bundles import taken
from tests.policy.conftest import FileNotice, leaf_of

pytestmark = pytest.mark.django_db
YEAR = dt.timedelta(days=365)


def close(case: Case, at: dt.datetime) -> None:
    Case.objects.filter(pk=case.pk).update(state=Case.State.CLOSED, closed_at=at)


def done(what: str, *, dry: bool = False) -> retention.Done:
    (line,) = [line for line in retained.TABLE if line.what == what]
    return retention.run([line], dry=dry)[0]


def test_six_months_after_the_case_was_closed_a_filer_is_forgotten(asset: Asset, file_notice: FileNotice) -> None:
    notice, pin = file_notice(asset)
    close(notice.case, now() - dt.timedelta(days=100))
    assert done("people").count == 0
    close(notice.case, now() - dt.timedelta(days=190))
    assert done("people", dry=True).count == 1
    assert people.name_and_contact(notice.filer)[0] == "Dana Hill", "a dry run only says"
    assert done("people").count == 1
    assert not vault.has_key(notice.filer.actor)
    assert notices.contents(Notice.objects.get())["statement"] == ""
    assert notice_pins.notice_by_pin(notice.number, pin) == notice, "the number still opens the outcome"
    purged, performed = leaf_of("retention:purged"), leaf_of("erasure:performed")
    assert purged["facts"] == {"actor": "system", "what": "people", "count": 1, "rules": ["office.terms.keep_contact"]}
    assert performed["facts"]["ground"] == "retention" and len(performed["facts"]["keys"]) == 1
    assert performed["object"] == purged["object"]
    assert done("people").count == 0


@pytest.mark.parametrize("why", ["an open case", "a consent that stands", "a request that waits", "a hold"])
def test_nobody_is_forgotten_with_whom_something_is_going_on(
    why: str, asset: Asset, make_asset: Any, file_notice: FileNotice, alice: User, ravi: User
) -> None:
    from policy.rights import data_requests

    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="", purposes=["publish"])
    dana = asked.depiction.person
    if why == "a consent that stands":
        consent.grant(asked)
    else:
        consent.refuse(asked)
    if why == "an open case":
        dana = file_notice(make_asset(alice, "Another"))[0].filer
    if why == "a request that waits":
        data_requests.ask(dana, "object", text="I object to statistics about me.")
    if why == "a hold":
        review = (now() + YEAR).date()
        holds.place_hold(ravi, on=dana.actor, basis="office.terms.consent", review_date=review)
    with time_machine.travel(now() + YEAR):
        found = done("people", dry=True)
    assert found.held == (1 if why == "a hold" else 0)
    assert vault.has_key(dana.actor)
    assert dana not in retained._people() or why == "a hold"


def test_an_incomplete_notice_that_nobody_completes_loses_its_words(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, name="", email="")
    assert notice.state == Notice.State.INCOMPLETE
    notice.clocks.filter(purpose="ask").update(state="void", ended_at=now() - dt.timedelta(days=20))
    assert done("incomplete_notices").count == 0
    notice.clocks.filter(purpose="ask").update(ended_at=now() - dt.timedelta(days=40))
    assert done("incomplete_notices").count == 1
    assert notices.contents(Notice.objects.get())["statement"] == ""
    assert Case.objects.get().state == Case.State.OPEN, "the case stays to be decided"


def test_who_was_asked_for_consent_and_never_answers_is_not_kept_for_ever(asset: Asset, alice: User) -> None:
    asked, path = consent.ask_consent(asset, alice, name="Dana Hill", contact="dana@example.org", purposes=["publish"])
    dana = asked.depiction.person
    with time_machine.travel(now() + dt.timedelta(days=80)):
        assert done("consent_questions").count == 0
    with time_machine.travel(now() + dt.timedelta(days=100)):
        assert done("consent_questions").count == 1 and done("people").count == 0
        assert consent.consent_by_token(path.split("/")[2]).state == Consent.State.EXPIRED, "the link still opens"
        ended = leaf_of("consent:expired")
        assert (ended["object"], ended["facts"]["purposes"]) == (f"asset:{asset.pk}", ["publish"])
        assert leaf_of("retention:purged")["facts"]["rules"] == ["office.terms.keep_consent_question"]
        assert not Flag.objects.exists() and list(reconciliation.answers()) == []
        assert done("consent_questions").count == 0
    with time_machine.travel(now() + dt.timedelta(days=190)):
        assert done("people").count == 1 and not vault.has_key(dana.actor)


def test_the_link_of_a_consent_that_ended_opens_nothing_after_its_time(asset: Asset, alice: User) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="", purposes=["publish"])
    consent.refuse(asked)
    Consent.objects.update(answered_at=now() - YEAR)
    done("consent_links")
    row = Consent.objects.get()
    assert row.token_hash.startswith("gone:") and row.state == "refused"
    assert done("consent_links").count == 0


def test_the_file_of_a_bundle_goes_and_its_record_stays(
    asset: Asset, greta: User, settle: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settle()
    export = taken(greta, purpose="Inquiry 12 into deadlines")
    exports.open_export(export, greta).close()
    with time_machine.travel(now() + YEAR + dt.timedelta(days=1)), django_capture_on_commit_callbacks(execute=True):
        assert done("exports").count == 1
    row = Export.objects.get()
    assert row.sha256 == export.sha256 and list(exports.stored_keys()) == []
    with pytest.raises(Conflict, match="gone"):
        exports.open_export(row, greta)


def test_links_and_sessions_that_ended_go_and_those_in_use_stay(alice: User, bob: User) -> None:
    for user, days in ((alice, -2), (bob, 2)):
        LoginLink.objects.create(token_hash=user.pk.hex, user=user, expires_at=now() + dt.timedelta(days=days))
        Client().force_login(user)
    first = Session.objects.order_by("expire_date").first()
    Session.objects.filter(pk=first.pk if first else "").update(expire_date=now() - dt.timedelta(days=3))
    retained.daily()
    assert LoginLink.objects.get().user == bob
    assert Session.objects.count() == 1
    assert Entry.objects.filter(type="retention:purged").count() == 2


# --- Rules that collide (pitfall 25) -------------------------------------------------------------------------------


def rule(id: str, value: int, unit: str, *, minimum: bool = False) -> Rule:
    base = rules.rule("office.terms.keep_contact")
    return Rule(**{**vars(base), "id": id, "clock": {"value": value, "unit": unit, "minimum": minimum}})


def test_the_shortest_of_longest_terms_counts_and_what_must_be_kept_is_kept() -> None:
    since = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
    years, months = rule("us-il.bipa.15", 3, "years"), rule("office", 6, "months")
    logs = rule("cn.measures.9", 12, "months", minimum=True)
    assert retention.term([years, months], since).until == dt.datetime(2026, 7, 31, tzinfo=dt.UTC)
    collide = retention.term([months, logs], since)
    assert collide.until == dt.datetime(2027, 1, 31, tzinfo=dt.UTC) and collide.collide
    assert not retention.term([years, logs], since).collide
    assert retention.term([logs], since).until is None, "a least time alone lets nothing go"


def test_a_rule_of_one_place_keeps_only_what_belongs_there(
    asset: Asset, make_asset: Any, file_notice: FileNotice, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = rule("cn.test", 2, "years", minimum=True)
    real = retention.rules_of

    def with_china(event: str, places: Any = ()) -> list[Rule]:
        return [*real(event, places), *([longer] if "CN" in places else [])]

    monkeypatch.setattr(retention, "rules_of", with_china)
    here, _ = file_notice(asset)
    there, _ = file_notice(make_asset(alice, "Another"), jurisdiction="CN", name="Li", email="li@example.org")
    for notice in (here, there):
        close(notice.case, now() - YEAR)
    found = done("people")
    assert (found.count, found.colliding) == (1, 1)
    assert vault.has_key(there.filer.actor) and not vault.has_key(here.filer.actor)


def test_who_begins_something_meanwhile_is_left_out(
    asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deterministic interleaving: the case is opened again a moment before the purge's transaction begins."""
    notice, _ = file_notice(asset)
    close(notice.case, now() - YEAR)
    real = transaction.atomic

    def after_reopening() -> Any:
        monkeypatch.setattr(transaction, "atomic", real)
        Case.objects.filter(pk=notice.case_id).update(closed_at=None, state=Case.State.REOPENED)
        return real()

    monkeypatch.setattr(transaction, "atomic", after_reopening)
    assert done("people").count == 0
    assert people.name_and_contact(Person.objects.get())[0] == "Dana Hill"


def test_olga_is_told_what_would_go_and_why(
    asset: Asset, file_notice: FileNotice, capsys: pytest.CaptureFixture[str]
) -> None:
    notice, _ = file_notice(asset)
    close(notice.case, now() - YEAR)
    call_command("retention", "--dry-run")
    assert "people: 1 would go  (office.terms.keep_contact)" in capsys.readouterr().out
    call_command("retention")
    assert "people: 1 went" in capsys.readouterr().out


def test_every_line_has_a_rule_and_every_rule_a_line() -> None:
    lines = {line.event for line in retained.TABLE}
    rows = {row.start_event for row in rules.all_rules() if row.id.startswith("office.terms.keep_")}
    assert lines == rows


def test_what_a_minimum_keeps_hides_nobody_behind_it(
    asset: Asset, make_asset: Any, file_notice: FileNotice, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than one batch, the oldest may have to be kept: those after them go all the same."""
    kept, _ = file_notice(asset, jurisdiction="IN", email="first@example.org")
    gone, _ = file_notice(make_asset(alice, "Another"), jurisdiction="EU", email="second@example.org")
    close(kept.case, now() - 2 * YEAR)
    close(gone.case, now() - YEAR)
    monkeypatch.setattr(retention, "BATCH", 1)
    found = retention.rules_of("business_ended")
    least = dataclasses.replace(found[0], id="in.keeps", clock={"value": 5, "unit": "years", "minimum": True})
    monkeypatch.setattr(
        retention, "rules_of", lambda event, places=(): [*found, least] if list(places) == ["IN"] else found
    )
    line = done("people")
    assert (line.count, line.colliding) == (1, 1)
    assert vault.has_key(kept.filer.actor) and not vault.has_key(gone.filer.actor)
