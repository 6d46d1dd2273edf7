"""Accounts of authorities: who may look, at whose cases, until when; and that nothing opens a moment longer."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import Membership, Organisation, Role, User
from accounts.tokens import create_token
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.audits import (
    access_counts,
    case_trail,
    consultations,
    exports,
    queries,
    reconciliation_regulators,
    referrals,
    regulators,
)
from policy.audits.queries import Query
from policy.deciding import decisions
from policy.models import Case, Consultation, Referral, RegulatorAccount
from tests.policy.bundles import PURPOSE, agree, build, known, taken, terms
from tests.policy.conftest import TERMS, FileNotice, leaf_of

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Settle = Callable[[], None]


@pytest.fixture
def file_notice(file_notice: FileNotice) -> FileNotice:
    """Who files has proved their address."""
    return known(file_notice)


@pytest.fixture
def account(greta: User) -> RegulatorAccount:
    return regulators.entitled(greta)


@pytest.fixture
def hidden(case: Case, rita: User, settle: Settle) -> Case:
    """Dana's, in the European Union: decided."""
    decisions.decide(case, rita, outcome="hide", **TERMS)
    settle()
    return case


# --- The account ---------------------------------------------------------------------------------------------------


def test_an_invitation_is_taken_up_with_a_second_factor_and_not_before(olga: User, settings: Any) -> None:
    account = regulators.invite(olga, terms(), email="gus@authority.example", name="Gus")
    assert account.user.roles == {Role.REGULATOR}
    with pytest.raises(Forbidden, match="not taken up"):
        regulators.entitled(account.user)
    settings.DEMO = False
    with pytest.raises(Forbidden, match="second factor"):
        regulators.activate(account.user)
    settings.DEMO = True
    regulators.activate(account.user)
    assert regulators.entitled(account.user) == account
    facts = leaf_of("regulator:invited")["facts"]
    assert (facts["authority"], facts["jurisdictions"], facts["scopes"]) == ("Media Authority", ["US"], ["cases"])
    agree()


def test_only_operators_keep_these_accounts_and_nobody_their_own(olga: User, rita: User, account: Any) -> None:
    for verb in (
        lambda: regulators.invite(rita, terms(), email="x@authority.example"),
        lambda: regulators.suspend(account, rita),
        lambda: regulators.renew(account, rita, 5),
        lambda: regulators.end(account, rita),
    ):
        with pytest.raises(Forbidden):
            verb()
    for insider in (olga, rita):
        with pytest.raises(Conflict, match="nobody supervises themselves"):
            regulators.invite(None, terms(), email=insider.email)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("jurisdictions", []),
        ("jurisdictions", ["XX"]),
        ("jurisdictions", ["everywhere"]),
        ("scopes", ["everything"]),
        ("days", 0),
        ("days", 1000),
        ("authority", "x"),
        ("authority", "write to gus@authority.example"),
        ("legal_basis", "two\nlines"),
        ("legal_basis", "about person:0193"),
    ],
)
def test_terms_that_are_too_wide_or_no_words_for_everybody_are_refused(field: str, value: Any) -> None:
    with pytest.raises(Problem) as refused:
        regulators.invite(None, terms(**{field: value}), email="gus@authority.example")
    assert set(refused.value.extra["errors"]) == {field}  # type: ignore[call-overload]
    assert not User.objects.filter(email="gus@authority.example").exists()


def test_an_access_that_ended_is_invited_again_on_other_terms(gus: User, olga: User) -> None:
    account = regulators.entitled(gus)
    with pytest.raises(Conflict):
        regulators.invite(olga, terms(), email=gus.email)
    regulators.end(account, olga)
    again = regulators.invite(olga, terms(jurisdictions=["EU"]), email=gus.email)
    assert (again.pk, again.state, again.jurisdictions) == (account.pk, "invited", ["EU"])
    agree()


def test_each_change_of_an_account_is_in_the_log_and_a_forged_one_is_noticed(gus: User, olga: User) -> None:
    account = regulators.entitled(gus)
    regulators.suspend(account, olga, "Asked about somebody they know.")
    regulators.resume(account, olga)
    regulators.renew(account, olga, 200)
    agree()
    entry = Entry.objects.get(type="regulator:suspended")
    assert b"somebody they know" not in bytes(entry.leaf)
    assert {one.name for one in disclosures_for(entry)} == {"actor", "person", "why"}
    for column, value in (("jurisdictions", ["EU"]), ("state", "expired"), ("expires_at", now())):
        before = getattr(account, column)
        RegulatorAccount.objects.filter(pk=account.pk).update(**{column: value})
        assert list(reconciliation_regulators.regulators()), column
        RegulatorAccount.objects.filter(pk=account.pk).update(**{column: before})


def test_the_day_it_ends_is_kept_by_the_minute_and_by_beat(gus: User) -> None:
    with time_machine.travel(now() + dt.timedelta(days=91)):
        with pytest.raises(Forbidden, match="has ended"):
            regulators.entitled(gus)
        assert regulators.expire() == 1
        assert regulators.expire() == 0
        assert RegulatorAccount.objects.get(user=gus).state == "expired"
        agree()


def test_the_operator_does_it_on_the_command_line(olga: User, capsys: pytest.CaptureFixture[str]) -> None:
    said = ("--authority", "Media Authority", "--place", "EU", "--basis", "DSA Article 51", "--scope", "cases")
    call_command("regulator", "invite", "gus@authority.example", *said)
    assert "/enter/" in capsys.readouterr().out
    account = RegulatorAccount.objects.get()
    for verb in (("renew", "--days", "30"), ("suspend",), ("end",)):
        call_command("regulator", verb[0], str(account.pk), *verb[1:])
    call_command("regulator", "list")
    assert "Media Authority  expired  EU  cases" in capsys.readouterr().out
    for wrong in (("end", str(account.pk)), ("end", "no-id"), ("invite", "x", *said)):
        with pytest.raises(CommandError):
            call_command("regulator", *wrong)


# --- At once -------------------------------------------------------------------------------------------------------


def test_a_suspended_account_opens_nothing_from_that_moment_on(
    hidden: Case, greta: User, account: RegulatorAccount, olga: User, api: Any
) -> None:
    export = taken(greta, purpose=PURPOSE)
    _, secret = create_token(greta, name="machine", scopes=["audit:read"], days=9)
    machine = api()
    machine.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    doors = [
        *("/api/v1/exports", f"/api/v1/exports/{export.pk}", f"/api/v1/exports/{export.pk}/file"),
        f"/api/v1/log/entries?purpose={PURPOSE}",
        f"/api/v1/audit/cases/{hidden.pk}?purpose={PURPOSE}",
    ]
    for door in doors:
        answer = machine.get(door)
        assert answer.status_code == 200
        b"".join(getattr(answer, "streaming_content", []))  # to its end, which closes the file
    waiting = exports.request_export(greta, purpose=PURPOSE)
    regulators.suspend(account, olga)
    assert {machine.get(door).status_code for door in doors} == {403}
    assert api(greta).get(f"/api/v1/exports/{export.pk}/file").status_code == 403
    for verb in (
        lambda: exports.request_export(greta, purpose=PURPOSE),
        lambda: exports.open_export(export, greta, start=10),
        lambda: exports.query_entries(greta, purpose=PURPOSE),
        lambda: case_trail.trail(greta, hidden.pk, purpose=PURPOSE),
        lambda: consultations.of_authority(greta),
        lambda: queries.save(greta, "mine", Query()),
    ):
        with pytest.raises(Forbidden, match="suspended"):
            verb()
    build(waiting)
    assert (waiting.state, waiting.error_code, waiting.key) == ("failed", "regulator.not_active", "")
    agree()


def test_a_role_without_an_account_opens_nothing(hidden: Case) -> None:
    user = User.objects.create_user("role@example.org")
    home = Organisation.objects.create(name="Somewhere")
    Membership.objects.create(user=user, organisation=home, role=Role.REGULATOR)
    with pytest.raises(Forbidden, match="not set up"):
        exports.query_entries(user, purpose=PURPOSE)


# --- In public -----------------------------------------------------------------------------------------------------


def test_accesses_are_counted_in_public_by_kind_and_never_by_person(
    hidden: Case, greta: User, olga: User, settle: Settle
) -> None:
    exports.open_export(taken(greta, purpose=PURPOSE), greta).close()
    exports.query_entries(greta, purpose=PURPOSE)
    exports.query_entries(olga, purpose="")
    exports.count(greta, Query(), purpose=PURPOSE)
    case_trail.trail(greta, hidden.pk, purpose=PURPOSE)
    settle()
    (month,) = access_counts.counted()
    assert month.counts == dict.fromkeys(
        ("entries", "count", "case_file", "export:requested", "export:made", "export:fetched"), 1
    )
    exports.query_entries(greta, purpose=PURPOSE)
    settle()
    assert access_counts.counted()[0].counts["entries"] == 2


def test_an_authority_always_says_what_for(hidden: Case, greta: User) -> None:
    for verb in (
        lambda: exports.query_entries(greta),
        lambda: exports.count(greta, Query(), purpose="short"),
        lambda: exports.request_export(greta, purpose=" "),
    ):
        with pytest.raises(Problem) as refused:
            verb()
        assert "purpose" in refused.value.extra["errors"]  # type: ignore[operator]


# --- Talking, and handing over -------------------------------------------------------------------------------------


def test_an_authority_and_the_office_talk_and_the_outcome_is_published(
    account: RegulatorAccount, greta: User, lena: User, settle: Settle, mailoutbox: list[Any]
) -> None:
    row = consultations.open_consultation(
        greta, account, subject="How copies are recognised", text="Which threshold do you use?"
    )
    assert b"copies are recognised" not in bytes(Entry.objects.get(type="consultation:opened").leaf)
    assert not consultations.published()
    consultations.write(row, lena, "The one on the card of the detector.")
    settle()
    assert [mail.to for mail in mailoutbox] == [[greta.email]]
    assert "threshold" not in mailoutbox[0].body
    consultations.close(row, lena, "The threshold is published on the card of the detector.")
    assert leaf_of("consultation:closed")["facts"]["subject"] == "How copies are recognised"
    (told,) = consultations.published()
    assert (told.authority, told.subject) == (account.authority, "How copies are recognised")
    agree()
    consultations.write(row, greta, "One more question about that.")
    assert (row.state, consultations.published()) == ("open", [told])
    assert [each.from_office for each in row.messages.order_by("pk")] == [False, True, False]
    agree()


def test_what_was_published_of_a_consultation_stays_whoever_writes_or_is_invited_again(
    account: RegulatorAccount, greta: User, lena: User
) -> None:
    row = consultations.open_consultation(greta, account, subject="How copies are recognised", text="Which threshold?")
    consultations.close(row, lena, "The threshold is published on the card of the detector.")
    before, called = consultations.published(), account.authority
    consultations.write(row, greta, "Thank you.")
    RegulatorAccount.objects.filter(pk=account.pk).update(authority="Another Agency")  # as a new invitation does
    assert consultations.published() == before
    row.refresh_from_db()
    consultations.close(row, lena, "The authority thanked the office for its answer.")
    newer, older = consultations.published()
    assert ([older], older.authority, newer.outcome) == (before, called, row.outcome)


def test_a_consultation_is_between_two_and_carries_no_personal_data(
    account: RegulatorAccount, greta: User, gus: User, rita: User, lena: User, hidden: Case
) -> None:
    row = consultations.open_consultation(lena, account, subject="A visit in spring", text="When would it suit you?")
    with pytest.raises(NotFound):
        consultations.find(gus, row.pk)
    with pytest.raises(Forbidden):
        consultations.write(row, rita, "What is this about?")
    with pytest.raises(Forbidden):
        consultations.close(row, greta, "We agreed on the first of May.")
    for said in ({"subject": "About dana@example.org"}, {"text": "Call +49 170 1234567 about it."}, {"subject": "x"}):
        with pytest.raises(Problem):
            begun = {"subject": "A visit in spring", "text": "When would it suit you?", **said}
            consultations.open_consultation(lena, account, subject=begun["subject"], text=begun["text"])
    with pytest.raises(NotFound):
        consultations.open_consultation(
            gus, regulators.entitled(gus), subject="About a case", text="What is it?", case=hidden
        )
    assert Consultation.objects.count() == 1


def test_what_is_handed_to_an_authority_is_on_record_under_seal(
    case: Case, ravi: User, rita: User, greta: User
) -> None:
    said: dict[str, Any] = {
        "kind": "threat",
        "authority_name": "Police of the place",
        "jurisdiction": "EU",
        "rule_id": "eu.dsa.18",
        "reference": "17/2026",
        "what": "The signed file and when it was registered.",
    }
    with pytest.raises(Forbidden):
        referrals.record(rita, case, **said)
    for wrong in ({"rule_id": "us.nofakes.2026"}, {"kind": "gossip"}, {"what": "About Dana Hill, who is shown in it."}):
        with pytest.raises(Problem):
            referrals.record(ravi, case, **{**said, **wrong})
    assert not Referral.objects.exists()
    row = referrals.record(ravi, case, **said)
    leaf = leaf_of("referral:recorded")
    assert (leaf["facts"], leaf["object"]) == ({"referral": str(row.pk)}, case.object)
    agree()
    Referral.objects.update(what="Something else altogether.")
    assert any("another what" in words for words in reconciliation_regulators.regulators())
