"""Handing statements of reasons to the EU's transparency database: a rehearsal first, then really, and never twice."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from core.problems import Forbidden, Problem
from ledger.models import Entry
from policy.audits import reconciliation_public
from policy.deciding import decisions, statements, tdb_export
from policy.desk import cases
from policy.hooks import tdb_client
from policy.models import Case, Decision, StatementOfReasons, TdbSubmission
from tests.policy.conftest import TERMS, FileNotice, MakeAsset, leaf_of
from tests.policy.transparency_database import TOKEN, Database, running

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Decide = Callable[..., StatementOfReasons]


@pytest.fixture
def database(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(tdb_client, "WAITS", (0.0, 0.0))
    with running() as found:
        settings.ASSAY_TDB_URL, settings.ASSAY_TDB_TOKEN = found.url, TOKEN
        yield found


@pytest.fixture
def decide(make_asset: MakeAsset, alice: User, file_notice: FileNotice, rita: User) -> Decide:
    """Each time another work of Alice's is hidden; the statement to her, which has a record."""
    count = 0

    def one(facts_text: str = TERMS["facts_text"], **said: Any) -> StatementOfReasons:
        nonlocal count
        count += 1
        notice, _ = file_notice(make_asset(alice, f"Harbour {count}"), email=f"dana{count}@example.org", **said)
        words = {**TERMS, "facts_text": facts_text}
        decision: Decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **words)
        return decision.statements.get(recipient="uploader")

    return one


def state_of(statement: StatementOfReasons) -> str:
    return TdbSubmission.objects.get(statement=statement).state


def agrees_with_the_log() -> bool:
    return list(reconciliation_public.submissions()) == []


def test_a_rehearsal_checks_everything_and_sends_nothing(decide: Decide, ravi: User, database: Database) -> None:
    statement = decide()
    told = tdb_client.submit(ravi)
    assert told.rehearsed == [statement.puid]
    assert (database.calls, database.kept) == ([], {})
    assert state_of(statement) == "rehearsed"
    assert leaf_of("statement:submitted")["facts"]["really"] is False
    assert agrees_with_the_log()
    assert tdb_export.statements().count() == 1  # it has not left


def test_a_rehearsal_needs_no_database(decide: Decide, ravi: User) -> None:
    decide()
    assert len(tdb_client.submit(ravi).rehearsed) == 1


def test_really_hands_over_what_waits_in_one_call(decide: Decide, ravi: User, database: Database) -> None:
    sent = [decide(), decide()]
    told = tdb_client.submit(ravi, really=True)
    assert database.calls == ["/api/v1/statements"]
    assert told.accepted == database.kept == {row.puid: TdbSubmission.objects.get(statement=row).uuid for row in sent}
    assert {state_of(row) for row in sent} == {"accepted"}
    assert all(row.exported_at for row in StatementOfReasons.objects.filter(pk__in=[row.pk for row in sent]))
    assert agrees_with_the_log()


def test_what_was_accepted_goes_once(decide: Decide, ravi: User, database: Database) -> None:
    decide()
    tdb_client.submit(ravi, really=True)
    entries = Entry.objects.count()
    assert tdb_client.submit(ravi, really=True) == tdb_client.Told()
    assert len(database.calls) == 1 and Entry.objects.count() == entries


def test_a_rehearsed_one_is_handed_over_afterwards(decide: Decide, ravi: User, database: Database) -> None:
    statement = decide()
    tdb_client.submit(ravi)
    tdb_client.submit(ravi, really=True)
    assert state_of(statement) == "accepted"
    assert agrees_with_the_log()


def test_the_log_says_how_many_in_the_open_and_which_under_seal(decide: Decide, ravi: User, database: Database) -> None:
    """Beside the database, a reference to the case would say in the open what the case is about."""
    statement = decide()
    tdb_client.submit(ravi, really=True)
    leaf = leaf_of("statement:submitted")
    assert leaf["facts"]["accepted"] == 1
    assert leaf["object"] == "" and leaf["refs"] == []
    assert str(statement.puid) not in str(leaf)
    assert "about" in leaf["commitments"]


def test_one_wrong_record_does_not_keep_the_others_back(decide: Decide, ravi: User, database: Database) -> None:
    good, bad, other = decide(), decide(), decide()
    database.wrong[str(bad.puid)] = {"category": ["The selected category is invalid."]}
    told = tdb_client.submit(ravi, really=True)
    assert set(told.accepted) == {good.puid, other.puid}
    assert TdbSubmission.objects.get(statement=bad).errors == {"category": ["The selected category is invalid."]}
    assert state_of(bad) == "refused"
    assert agrees_with_the_log()


def test_what_was_refused_goes_again_once_the_reason_is_gone(decide: Decide, ravi: User, database: Database) -> None:
    bad = decide()
    database.wrong[str(bad.puid)] = {"category": ["The selected category is invalid."]}
    tdb_client.submit(ravi, really=True)
    database.wrong = {}
    tdb_client.submit(ravi, really=True)
    row = TdbSubmission.objects.get(statement=bad)
    assert (row.state, row.errors) == ("accepted", {})
    assert agrees_with_the_log()


def test_refused_again_for_another_reason_says_the_newer_one(decide: Decide, ravi: User, database: Database) -> None:
    bad = decide()
    for sentence in ("First.", "Second."):
        database.wrong[str(bad.puid)] = {"category": [sentence]}
        tdb_client.submit(ravi, really=True)
    assert TdbSubmission.objects.get(statement=bad).errors == {"category": ["Second."]}
    assert agrees_with_the_log()


def test_what_this_office_would_not_let_out_is_not_sent(
    decide: Decide, ravi: User, alice: User, database: Database
) -> None:
    """A name may have become known since it was written (I6)."""
    statement = decide(facts_text="The notice about Rotterdam Harbour describes the work exactly.")
    User.objects.filter(pk=alice.pk).update(name="Rotterdam Harbour")
    told = tdb_client.submit(ravi, really=True)
    assert list(told.refused[str(statement.puid)]) == ["decision_facts"]
    assert database.calls == []


def test_a_lost_answer_is_asked_for_again_and_nothing_is_there_twice(
    decide: Decide, ravi: User, database: Database
) -> None:
    sent = [decide(), decide()]
    database.next = [None]
    told = tdb_client.submit(ravi, really=True)
    assert told.accepted == database.kept
    assert len(database.kept) == 2
    assert {TdbSubmission.objects.get(statement=row).uuid for row in sent} == set(database.kept.values())


def test_some_that_are_there_already_do_not_keep_the_new_ones_back(
    decide: Decide, ravi: User, database: Database
) -> None:
    """Somebody had sent the file by hand."""
    old, new = decide(), decide()
    database.kept[str(old.puid)] = "6bf8beb0-765c-4e79-8cb1-dc93fc7478bb"
    told = tdb_client.submit(ravi, really=True)
    assert told.accepted[str(old.puid)] == "6bf8beb0-765c-4e79-8cb1-dc93fc7478bb"
    assert set(told.accepted) == {old.puid, new.puid}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_it_tries_again_while_the_database_is_busy(status: int, decide: Decide, ravi: User, database: Database) -> None:
    decide()
    database.next = [(status, {}), (status, {})]
    assert len(tdb_client.submit(ravi, really=True).accepted) == 1
    assert len(database.calls) == 3


def test_it_gives_up_after_a_few_tries_and_nothing_is_marked(decide: Decide, ravi: User, database: Database) -> None:
    statement = decide()
    database.next = [(503, {})] * 3
    with pytest.raises(Problem) as gave_up:
        tdb_client.submit(ravi, really=True)
    assert gave_up.value.code == "tdb.unreachable"
    assert not TdbSubmission.objects.filter(statement=statement).exists()
    assert tdb_export.statements().count() == 1


def test_what_came_of_it_before_the_line_broke_stays(decide: Decide, ravi: User, database: Database) -> None:
    bad, good = decide(), decide()
    refused = (422, {"errors": {"statement_0": {"category": ["No."]}}})
    database.next = [refused, (503, {}), (503, {}), (503, {})]
    with pytest.raises(Problem):
        tdb_client.submit(ravi, really=True)
    assert state_of(bad) == "refused"
    assert not TdbSubmission.objects.filter(statement=good).exists()
    assert agrees_with_the_log()


def test_a_token_that_is_not_accepted_is_said_at_once(
    decide: Decide, ravi: User, database: Database, settings: Any
) -> None:
    decide()
    settings.ASSAY_TDB_TOKEN = "another"
    with pytest.raises(Problem) as refused:
        tdb_client.submit(ravi, really=True)
    assert refused.value.code == "tdb.token"
    assert len(database.calls) == 1
    assert "another" not in str(refused.value.as_dict())


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}),
        (302, {}),
        (404, {}),
        (201, {}),
        (201, {"statements": "none"}),
        (201, {"statements": [{"puid": "somebody-elses", "uuid": "1"}]}),
        (422, {}),
        (422, {"errors": "no"}),
        (422, {"errors": {"statement_7": {"puid": ["?"]}}}),
        (422, {"errors": {"statement_0": "no"}}),
    ],
)
def test_an_answer_that_its_documentation_does_not_describe_marks_nothing(
    answer: Any, decide: Decide, ravi: User, database: Database
) -> None:
    decide()
    database.next = [answer]
    with pytest.raises(Problem) as refused:
        tdb_client.submit(ravi, really=True)
    assert refused.value.code == "tdb.not_understood"
    assert not TdbSubmission.objects.exists()


def test_i24_nothing_about_a_child_is_handed_over(decide: Decide, ravi: User, database: Database) -> None:
    decide(answers={"minor": "yes"})
    later = decide()
    Case.objects.filter(pk=later.decision.case_id).update(minor=True)
    assert tdb_client.submit(ravi, really=True) == tdb_client.Told()
    assert database.calls == []


def test_of_a_corrected_statement_the_newest_alone_goes(
    decide: Decide, rita: User, ravi: User, database: Database
) -> None:
    old = decide()
    facts = "The work shows the harbour as it was."
    statements.correct(old.decision, rita, facts_text=facts, explanation="The clause asks for this outcome.")
    told = tdb_client.submit(ravi, really=True)
    assert len(told.accepted) == 1 and old.puid not in told.accepted


def test_only_leads_and_operators_hand_over(decide: Decide, rita: User, alice: User, olga: User) -> None:
    decide()
    for somebody in (rita, alice):
        with pytest.raises(Forbidden):
            tdb_client.submit(somebody)
    assert len(tdb_client.submit(olga).rehearsed) == 1


@pytest.mark.parametrize(
    ("url", "token"),
    [("", TOKEN), ("https://database.example", ""), ("http://database.example", TOKEN), ("ftp://127.0.0.1", TOKEN)],
)
def test_a_token_never_goes_over_an_open_line(url: str, token: str, ravi: User, settings: Any) -> None:
    settings.ASSAY_TDB_URL, settings.ASSAY_TDB_TOKEN = url, token
    with pytest.raises(Problem) as refused:
        tdb_client.submit(ravi, really=True)
    assert refused.value.code == "tdb.not_set_up"


def test_the_log_notices_a_row_that_was_changed(decide: Decide, ravi: User, database: Database) -> None:
    statement = decide()
    tdb_client.submit(ravi, really=True)
    TdbSubmission.objects.filter(statement=statement).update(uuid="another")
    assert not agrees_with_the_log()


def test_the_command_rehearses_unless_it_is_told_otherwise(
    decide: Decide, ravi: User, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    decide()
    call_command("statements", "submit", "--by", ravi.email)
    assert "1 would be sent. Nothing was: say --really." in capsys.readouterr().out
    call_command("statements", "submit", "--by", ravi.email, "--really")
    assert "1 accepted, 0 refused." in capsys.readouterr().out
    assert len(database.kept) == 1


def test_the_command_says_why_it_could_not(decide: Decide, ravi: User) -> None:
    decide()
    with pytest.raises(CommandError, match="is not set up here"):
        call_command("statements", "submit", "--by", ravi.email, "--really")
