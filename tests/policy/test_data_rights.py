import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.test import Client

from accounts.models import LoginLink, User
from accounts.tokens import create_token
from core.clock import now
from core.problems import Conflict, NotFound
from detection.models import Finding, Run
from ledger import audit, reading, vault
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.consents import consent
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import notice_pins, notices
from policy.models import Case, Clock, Consent, DataRequest, Flag, Notice
from policy.redress import appeals
from policy.rights import data_rights, holdings, people, personal_fields
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]


def test_every_field_that_could_hold_personal_data_is_registered() -> None:
    """A new column in accounts, policy or provenance fails here until somebody has said what it is for."""
    assert personal_fields.unregistered() == []
    both = set(personal_fields.PERSONAL) & set(personal_fields.NOT_PERSONAL)
    assert not both


def test_a_new_column_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    field: models.Field[str, str] = models.CharField(max_length=10)
    field.set_attributes_from_name("nickname")
    real = Notice._meta.get_fields
    monkeypatch.setattr(Notice._meta, "get_fields", lambda *a, **k: (*real(*a, **k), field))
    assert personal_fields.unregistered() == ["policy.Notice.nickname"]


def test_the_register_names_only_fields_that_exist() -> None:
    known = set(personal_fields.suspicious())
    assert set(personal_fields.PERSONAL) - known == set()


def test_dana_sees_what_is_held_about_her_and_why(asset: Asset, file_notice: FileNotice, settle: Settle) -> None:
    notice, _ = file_notice(asset)
    settle()
    held = data_rights.what_we_hold(notice.filer)
    text = json.dumps(held, default=str)
    assert "Dana Hill" in text
    assert "never agreed" in text
    assert all(row["purpose"] and row["basis"] and row["retention"] for row in held["fields"])
    assert {row["section"] for row in held["log"]} == {"actor", "answers", "contact", "text"}


def test_nobody_sees_what_is_held_about_another(asset: Asset, file_notice: FileNotice) -> None:
    file_notice(asset)
    other, _ = file_notice(asset, name="Eve Stone", email="eve@example.org")
    assert "Dana" not in json.dumps(data_rights.what_we_hold(other.filer), default=str)


def test_erasing_dana_leaves_no_value_of_hers_and_the_same_root(
    asset: Asset, file_notice: FileNotice, alice: User, settle: Settle
) -> None:
    """I12."""
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="+47 900", purposes=["publish"])
    consent.grant(asked)
    notice, _ = file_notice(asset)
    settle()
    before = audit.check_log()
    for person in (asked.depiction.person, notice.filer):
        request = data_rights.erase(person)
        proof = request.receipt["log"]
        assert proof["root_before"] == proof["root_after"]
        assert request.receipt["indices"]
        assert request.receipt["key_destroyed"]
        assert request.state == DataRequest.State.DONE
    settle()
    after = audit.check_log()
    assert after.erased > before.erased
    assert people.name_and_contact(notice.filer) == ("", "")
    assert notices.contents(Notice.objects.get()) == {"statement": "", "url_or_text": "", "name": "", "email": ""}
    assert consent.name_of(asked) == ""
    everything = b"".join(bytes(entry.leaf) for entry in Entry.objects.all()).decode()
    assert "Dana" not in everything
    assert str(notice.filer_id) not in everything


def test_the_root_of_the_receipt_is_the_signed_one(asset: Asset, file_notice: FileNotice, settle: Settle) -> None:
    notice, _ = file_notice(asset)
    settle()
    signed = reading.latest_checkpoint()
    assert signed is not None
    log = data_rights.erase(notice.filer).receipt["log"]
    assert (log["size"], log["root_after"]) == (signed.size, bytes(signed.root).hex())


def test_erasure_withdraws_consent_and_asks_a_reviewer_to_look(asset: Asset, alice: User) -> None:
    asked, path = consent.ask_consent(asset, alice, name="Dana", contact="", purposes=["publish"])
    consent.grant(asked)
    data_rights.erase(asked.depiction.person)
    assert Consent.objects.get().state == "withdrawn"
    assert Flag.objects.get().origin == Flag.Origin.CONSENT_WITHDRAWN
    with pytest.raises(NotFound):
        consent.consent_by_token(path.split("/")[2])


def test_the_entry_about_an_erasure_says_where_and_why_and_not_who(
    asset: Asset, file_notice: FileNotice, settle: Settle
) -> None:
    notice, _ = file_notice(asset)
    settle()
    request = data_rights.erase(notice.filer)
    leaf = json.loads(bytes(Entry.objects.get(type="erasure:performed").leaf))
    assert leaf["facts"]["count"] == len(request.receipt["indices"]) > 0
    assert "indices" not in leaf["facts"], "a public list would tie one person's entries together"
    opened = {one.name: one.value for one in disclosures_for(Entry.objects.get(type="erasure:performed"))}
    assert opened["indices"] == request.receipt["indices"]
    assert leaf["facts"]["ground"] == "eu.gdpr.17"
    assert leaf["object"] == f"request:{request.pk}"
    assert str(notice.filer_id) not in json.dumps(leaf)


def test_a_case_stays_decidable_and_appealable_after_the_notifier_was_erased(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User, settle: Settle, mailoutbox: list[Any]
) -> None:
    notice, pin = file_notice(asset)
    cases.assign(notice.case, rita)
    data_rights.erase(notice.filer)
    decision = decisions.decide(Case.objects.get(), rita, outcome="no_action", **TERMS)
    settle()
    assert mailoutbox == []
    back = notice_pins.notice_by_pin(notice.number, pin)
    appeal = appeals.file_appeal(decision, notice=back, grounds="It is still a picture of the person shown.")
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons="The clause does not reach this work.")


def test_an_erased_filer_adds_no_name_that_nobody_could_erase(asset: Asset, file_notice: FileNotice) -> None:
    notice, pin = file_notice(asset)
    data_rights.erase(notice.filer)
    back = notice_pins.notice_by_pin(notice.number, pin)
    with pytest.raises(Conflict):
        notices.complete_notice(back, name="Dana Hill", email="dana@example.org")
    assert notices.contents(back)["name"] == ""
    assert not vault.has_key(notice.filer.actor)


def test_nothing_is_erased_twice(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    data_rights.erase(notice.filer)
    with pytest.raises(Conflict):
        data_rights.erase(notice.filer)


def test_an_erased_filer_who_appealed_is_erased_again_with_a_second_receipt(
    asset: Asset, file_notice: FileNotice, rita: User, settle: Settle
) -> None:
    notice, pin = file_notice(asset)
    cases.assign(notice.case, rita)
    first = data_rights.erase(notice.filer)
    decision = decisions.decide(Case.objects.get(), rita, outcome="no_action", **TERMS)
    back = notice_pins.notice_by_pin(notice.number, pin)
    appeal = appeals.file_appeal(decision, notice=back, grounds="It is still a picture of the person shown.")
    settle()
    assert vault.has_key(notice.filer.actor)
    second = data_rights.erase(notice.filer)
    assert second != first and second.receipt["indices"] == [appeal.entry.index if appeal.entry else None]
    assert not vault.has_key(notice.filer.actor)
    appeal.refresh_from_db()
    assert appeals.grounds_of(appeal) == ""
    with pytest.raises(Conflict):
        data_rights.erase(notice.filer)


@pytest.mark.parametrize("who", ["alice", "filer"])
def test_of_two_erasures_at_once_one_gets_a_receipt(
    who: str, alice: User, asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deterministic interleaving: the other one is done a moment before our transaction begins."""
    erased = alice if who == "alice" else file_notice(asset)[0].filer
    real = transaction.atomic

    def after_the_other() -> Any:
        monkeypatch.setattr(transaction, "atomic", real)
        data_rights.erase(erased)
        return real()

    monkeypatch.setattr(transaction, "atomic", after_the_other)
    with pytest.raises(Conflict):
        data_rights.erase(erased)
    assert DataRequest.objects.count() == 1


def test_erasing_writes_no_field_it_does_not_name(alice: User) -> None:
    stale = User.objects.get(pk=alice.pk)
    joined = alice.joined_at - timedelta(days=400)
    User.objects.filter(pk=alice.pk).update(joined_at=joined)
    data_rights.erase(stale)
    assert User.objects.get(pk=alice.pk).joined_at == joined


def test_what_erasing_an_account_leaves_is_what_the_register_says(
    asset: Asset, case: Case, alice: User, bob: User, rita: User
) -> None:
    """Each registered field of hers, by how the register says it is erased; and nothing of anybody else's."""
    alice.set_password("correct horse battery")
    alice.save()
    for user in (alice, bob):
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
        LoginLink.objects.create(token_hash=user.pk.hex, user=user, expires_at=now())
        create_token(user, name="camera", scopes=["assets:read"], days=3)
        Client().force_login(user)
    decision = decisions.decide(case, rita, outcome="label", **TERMS)
    appeals.file_appeal(decision, user=alice, grounds="This is a photograph of my own harbour.")
    run = Run.objects.create(asset=asset, detector="declared", version="1", model_digest="x")
    Finding.objects.create(run=run, signal="s", strength="weak", statement="It says “by Alice”.", details={"by": "A"})
    before = {name: values_of(alice, name) for name in personal_fields.PERSONAL}
    others = {name: values_of(bob, name) for name in personal_fields.PERSONAL}
    assert {name.rpartition(".")[0] for name, values in others.items() if values} >= {
        *("accounts.User", "accounts.Membership", "accounts.MachineToken", "accounts.LoginLink"),
        *("account.EmailAddress", "mfa.Authenticator", "sessions.Session"),
    }
    data_rights.erase(alice)
    for name, field in personal_fields.PERSONAL.items():
        after = values_of(alice, name)
        if field.erased == personal_fields.DELETE:
            assert after == [], name
        elif field.erased in (personal_fields.BLANK, personal_fields.KEY):
            assert not set(map(str, after)) & set(map(str, before[name])), name
        else:
            assert after[: len(before[name])] == before[name], name
    assert {name: values_of(bob, name) for name in personal_fields.PERSONAL} == others


def values_of(user: User, name: str) -> list[Any]:
    label, _, column = name.rpartition(".")
    return [value for row in holdings.rows(label, user) if (value := getattr(row, column)) not in ("", b"", None)]


def test_an_ended_session_that_was_never_cleared_goes_too(alice: User) -> None:
    Client().force_login(alice)
    Session.objects.update(expire_date=now() - timedelta(days=1))
    data_rights.erase(alice)
    assert not Session.objects.exists()


def test_no_secret_of_a_second_factor_is_in_what_we_hold(alice: User) -> None:
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DP"})
    held = json.dumps(data_rights.what_we_hold(alice), default=str)
    assert "second factor" in held and "JBSWY3DP" not in held
    assert "mail files" in held


def test_the_month_to_answer_starts_and_is_met(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    request = data_rights.erase(notice.filer)
    clock = Clock.objects.get(data_request=request, rule_id="eu.gdpr.12.3")
    assert clock.state == Clock.State.MET
    assert clock.due_at is not None
    assert 27 < (clock.due_at - clock.started_at).days < 32


def test_an_account_goes_and_its_works_stay_without_a_name(
    asset: Asset, alice: User, bob: User, olga: User, settle: Settle
) -> None:
    LoginLink.objects.create(token_hash="a" * 64, user=alice, expires_at=now())
    settle()
    studio = alice.organisation
    assert studio is not None
    request = data_rights.erase(alice, by=olga)
    settle()
    alice.refresh_from_db()
    studio.refresh_from_db()
    assert (alice.name, alice.is_active, alice.has_usable_password()) == ("", False, False)
    assert "alice" not in alice.email.lower()
    assert "Alice" not in studio.name
    assert not LoginLink.objects.exists()
    assert Asset.objects.get().owner == alice
    assert not vault.has_key(alice.actor)
    assert request.receipt["rows"]["memberships"] == 1
    audit.check_log()
    assert User.objects.get(pk=bob.pk).name == "Bob"


def test_an_organisation_with_others_in_it_keeps_its_name(rita: User, ravi: User) -> None:
    office = rita.organisation
    assert office is not None
    data_rights.erase(rita)
    office.refresh_from_db()
    assert office.name == "The Office"


def test_a_failure_half_way_erases_nothing(
    asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice, _ = file_notice(asset)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the machine stops here")

    monkeypatch.setattr(data_rights, "record", fail)
    with pytest.raises(RuntimeError):
        data_rights.erase(notice.filer)
    assert notices.contents(Notice.objects.select_related("filer").get())["name"] == "Dana Hill"
    assert not DataRequest.objects.exists()


def test_an_answered_access_request_is_recorded_without_a_name(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    request, held = data_rights.access(notice.filer)
    assert held["fields"]
    entry = Entry.objects.get(type="data:accessed")
    assert str(notice.filer_id) not in bytes(entry.leaf).decode()
    assert request.state == DataRequest.State.DONE
