"""The public log accuses nobody: what a case is about, who said what, and which work, are sealed (R22, I8, I24)."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Problem
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.audits import reconciliation, reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import asking, attachments, counter_notices, flags, notice_ends, notices
from policy.law import clocks
from policy.models import Attachment, Case, Clock, CounterNotice, Decision, Flag, Notice
from policy.rights import data_rights
from provenance.models import Asset
from tests.policy.bundles import known, taken, text_of
from tests.policy.conftest import TERMS, FileNotice
from tests.policy.test_exports import PURPOSE

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]
# What is said of a person or of a work, in the words of the columns and of the form.
SECRETS = ("likeness", "jurisdiction", "minor", "public_figure", "shown", "depicted", "satire", "nothing_there")
# Which law is cited beside a work that is not shown a moment later says what somebody reported about it.
RULES = ("office.terms", "eu.dsa", "us.tida", "eu.gdpr")
SEALED = {
    *("category", "answers", "exemptions", "why", "asked", "rules", "rule", "rule_packs", "rule_pack", "ground"),
    *("territory", "origin", "new_rule", "jurisdictions"),
}


def leaves() -> list[dict[str, Any]]:
    return [json.loads(bytes(leaf)) for leaf in Entry.objects.order_by("pk").values_list("leaf", flat=True)]


def disagreements() -> list[str]:
    ours = (reconciliation.cases(), reconciliation.decisions(), reconciliation_notices.notices())
    return [words for source in ours for words in source]


@pytest.fixture
def file_notice(file_notice: FileNotice) -> FileNotice:
    """Who files has proved their address."""
    return known(file_notice)


@pytest.fixture
def story(asset: Asset, file_notice: FileNotice, rita: User, ravi: User) -> Decision:
    """Reported, asked about, a second notice found unfounded, hidden, and shown again on appeal."""
    answers = {"shown": "me", "public_figure": "yes"}
    notice, _ = file_notice(asset, answers=answers, exemptions=["satire"])
    other, _ = file_notice(asset, as_depicted=False)
    flags.raise_flag(asset, Flag.Origin.REVIEWER, case=notice.case, by=rita)
    case = cases.assign(notice.case, rita)
    asking.ask(case, rita, notice, ["statement"])
    notices.complete_notice(notice, more="It is my face, beside the harbour.")
    case.refresh_from_db()
    notice_ends.unfounded(Notice.objects.select_related("case").get(pk=other.pk), rita, "nothing_there")
    Clock.objects.filter(rule_id="office.terms.review").update(due_at=now() - dt.timedelta(seconds=1))
    clocks.miss()
    case.refresh_from_db()
    decision = decisions.decide(case, rita, outcome="hide", exemptions=["satire"], **TERMS)
    if decision.state == Decision.State.HELD:
        decision = decisions.approve(decision, ravi)
    return decision


def test_no_leaf_of_a_case_says_what_it_is_about_what_was_answered_or_which_work(story: Decision, asset: Asset) -> None:
    """Mallory reads /log/tile/entries/ minutes after an anonymous notice about Alice's work."""
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    about = [leaf for leaf in leaves() if str(leaf["object"]).startswith("case:")]
    kinds = {leaf["type"] for leaf in about}
    assert kinds >= {"case:opened", "case:waiting", "notice:filed", "notice:completed", "notice:unfounded"}
    assert kinds >= {"flag:raised", "flag:settled", "decision:made", "action:executed"}
    assert "clock:missed" in kinds
    for leaf in about:
        text = json.dumps(leaf)
        assert str(asset.pk) not in text, leaf["type"]
        assert not [word for word in SECRETS if word in text], leaf["type"]
        assert not SEALED & set(leaf["facts"]), leaf["type"]
        assert not [rule for rule in RULES if rule in text], leaf["type"]
    case = str(story.case_id)
    assert not [leaf["type"] for leaf in leaves() if str(asset.pk) in leaf["object"] and case in json.dumps(leaf)]


def test_that_a_work_is_hidden_is_public_and_not_why(story: Decision, asset: Asset) -> None:
    (leaf,) = [leaf for leaf in leaves() if leaf["type"] == "asset:restricted"]
    assert leaf["object"] == f"asset:{asset.pk}"
    assert leaf["facts"] == {"actor": "system", "restriction": "hidden"}
    assert leaf["refs"] == [bytes(asset.entry.leaf_hash).hex()]


def test_the_rows_are_compared_with_what_is_sealed(story: Decision, asset: Asset, alice: User) -> None:
    assert not disagreements()
    case, notice = story.case, Notice.objects.order_by("pk")[0]
    Case.objects.filter(pk=case.pk).update(category="fraud")
    Notice.objects.filter(pk=notice.pk).update(category="fraud", exemptions=[])
    found = disagreements()
    assert f"case {case.pk}: its entry says another category than the row" in found
    assert f"notice {notice.pk}: its entry says another category than the row" in found
    assert f"notice {notice.pk}: its entry says another exemptions than the row" in found
    assert not any("satire" in words for words in found), "who reads this may not know it"


def test_an_action_moved_to_another_work_is_noticed(story: Decision, make_asset: Any, bob: User) -> None:
    Case.objects.filter(pk=story.case_id).update(asset=make_asset(bob))
    assert any(words.startswith("action") and "another asset" in words for words in disagreements())


def test_an_entry_of_before_that_says_it_in_the_open_is_still_compared(asset: Asset, file_notice: FileNotice) -> None:
    case = file_notice(asset)[0].case
    flag = case.flags.get()
    facts = {"category": "likeness", "jurisdictions": ["EU"], "asset": str(asset.pk)}
    with transaction.atomic():
        old = log.append(EventType.CASE_OPENED, actor="system", role="system", object=case.object, facts=facts)
        raised = log.append(
            EventType.FLAG_RAISED,
            actor="system",
            role="system",
            object=f"asset:{asset.pk}",
            facts={"origin": "notice", "case": str(case.pk)},
        )
        Case.objects.filter(pk=case.pk).update(entry=old)
        Flag.objects.filter(pk=flag.pk).update(entry=raised)
    assert not list(reconciliation.cases())
    Case.objects.filter(pk=case.pk).update(category="fraud")
    assert len(list(reconciliation.cases())) == 1


def test_what_the_filer_answered_is_erased_with_them(story: Decision) -> None:
    notice = Notice.objects.order_by("pk")[0]
    assert notice.entry is not None
    opened = {one.name: one.value for one in disclosures_for(notice.entry)}
    assert opened["answers"]["as_depicted"] and opened["answers"]["exemptions"] == ["satire"]  # type: ignore[index,call-overload]
    data_rights.erase(notice.filer)
    left = {one.name for one in disclosures_for(notice.entry)}
    assert "about" in left and not left & {"answers", "text", "contact", "actor"}
    assert not disagreements()


def test_comparing_costs_the_same_number_of_queries_for_many(
    asset: Asset, file_notice: FileNotice, make_asset: Any, bob: User
) -> None:
    file_notice(asset)
    with CaptureQueriesContext(connection) as few:
        assert not list(reconciliation.cases())
    for number in range(4):
        file_notice(make_asset(bob, f"Cove {number}"))
    with CaptureQueriesContext(connection) as many:
        assert not list(reconciliation.cases())
    assert len(many) == len(few)


def test_a_regulator_reads_what_a_case_is_about_and_never_what_was_answered(
    story: Decision, asset: Asset, greta: User, settle: Settle
) -> None:
    settle()
    text = text_of(taken(greta, purpose=PURPOSE))
    assert '"category":"likeness"' in text and str(asset.pk) in text
    # Which exemptions were weighed is part of the decision; which ones a filer claimed is theirs.
    assert '"as_depicted"' not in text and '"answers":{' not in text and '"public_figure"' not in text


def test_a_regulator_reads_nothing_of_the_kind_about_a_child(
    asset: Asset, file_notice: FileNotice, greta: User, settle: Settle
) -> None:
    file_notice(asset, answers={"minor": "yes"})
    settle()
    text = text_of(taken(greta, purpose=PURPOSE))
    assert '"category":"likeness"' not in text and '"minor":' not in text and f'"asset":"{asset.pk}"' not in text


# --- What nobody is to send ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\nrest", b"\xff\xd8\xff\xe0rest"])
def test_a_picture_is_not_kept_with_a_report_about_a_child(asset: Asset, file_notice: FileNotice, data: bytes) -> None:
    notice, _ = file_notice(asset, category="child_safety")
    with pytest.raises(Problem) as refused:
        notices.attach(notice, SimpleUploadedFile("it.png", data))
    assert refused.value.code == "attachment.child"
    assert not Attachment.objects.exists()
    notices.attach(notice, SimpleUploadedFile("where.txt", b"I saw it on this address."))
    assert attachments.name_of(Attachment.objects.get()) == "where.txt"


# --- Two tabs ------------------------------------------------------------------------------------------------------


def test_two_tabs_add_to_one_counter_notice_and_what_was_received_stays_as_it_was_sworn(
    asset: Asset, file_notice: FileNotice, alice: User, rita: User
) -> None:
    details = {"work": "My photograph of the harbour, 2019", "signature": "Dana Hill", "address": "1 Oak Street"}
    notice, _ = file_notice(asset, category="copyright", jurisdiction="US", details={**details, "phone": "555 01 00"})
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    row = counter_notices.file_counter_notice(decision, alice, details={})
    assert row.state == CounterNotice.State.INCOMPLETE

    def tab() -> CounterNotice:
        return CounterNotice.objects.select_related("decision__case", "by", "entry").get()

    first, second, late = tab(), tab(), tab()
    counter_notices.complete(first, details={"signature": "Alice Doe"})
    counter_notices.complete(second, details={"name": "Alice Doe", "phone": "555 01 99"})
    assert counter_notices.fields_of(tab())["signature"] == "Alice Doe"
    counter_notices.complete(tab(), details={"address": "4 Elm Street"}, sworn=counter_notices.STATEMENTS)
    received = tab()
    assert (received.state, received.missing) == (CounterNotice.State.VALID, [])
    with pytest.raises(Conflict, match="Nothing is missing"):
        counter_notices.complete(late, details={"name": "Somebody Else"})
    assert counter_notices.fields_of(tab())["name"] == "Alice Doe"
    assert tab().sworn == received.sworn
