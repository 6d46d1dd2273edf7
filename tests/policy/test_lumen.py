"""The public register in the shape of the Lumen database: what the register says, and no more."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from policy.models import RegisterEntry
from policy.transparency import lumen
from tests.policy.conftest import FileNotice, MakeAsset

pytestmark = [pytest.mark.only_on("sqlite")]
# berkmancenter/lumendatabase, doc/api_documentation.mkd, “Notice”.
FIELDS = {
    *("title", "type", "subject", "body", "date_sent", "date_received", "source", "topic_ids", "tag_list", "language"),
    *("jurisdiction_list", "action_taken", "works_attributes", "entity_notice_roles_attributes"),
}
TYPES = {
    *("CourtOrder", "DataProtection", "Defamation", "DMCA", "LawEnforcementRequest", "Other", "PrivateInformation"),
    *("Trademark", "GovernmentRequest"),
}


def row(**shown: str) -> RegisterEntry:
    return RegisterEntry(number="NR-7F3K-9QXM", period="2026-Q4", shown=shown)


def test_a_notice_has_the_fields_that_lumen_knows_and_those_it_needs() -> None:
    made = lumen.notice(row(kind="report", category="copyright", place="US", outcome="not_shown", appeal="upheld"))
    assert set(made) <= FIELDS
    assert made["title"] and made["type"] == "DMCA"
    assert (made["action_taken"], made["jurisdiction_list"]) == ("Yes", "US")
    assert made["tag_list"] == "nr-7f3k-9qxm, 2026-q4, copyright, not_shown"
    (recipient,) = made["entity_notice_roles_attributes"]
    assert (recipient["name"], recipient["entity_attributes"]["kind"]) == ("recipient", "organization")


@pytest.mark.parametrize(
    ("shown", "type"),
    [
        ({"category": "defamation"}, "Defamation"),
        ({"category": "privacy"}, "DataProtection"),
        ({"category": "ncii"}, "PrivateInformation"),
        ({"group": "intimate"}, "PrivateInformation"),
        ({"group": "person"}, "Other"),
        ({"category": "fraud"}, "Other"),
        ({"kind": "order", "category": "copyright"}, "GovernmentRequest"),
        ({}, "Other"),
    ],
)
def test_each_issue_has_its_type(shown: dict[str, str], type: str) -> None:
    assert lumen.notice(row(**shown))["type"] == type
    assert type in TYPES


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [("none", "No"), ("labelled", "Partial"), ("limited", "Partial"), ("not_shown", "Yes"), ("changed", None)],
)
def test_what_was_done_is_said_in_its_three_words(outcome: str, taken: str | None) -> None:
    assert lumen.notice(row(outcome=outcome)).get("action_taken") == taken


def test_what_a_row_does_not_say_is_not_there_and_words_for_researchers_are_not_published() -> None:
    bare = row(outcome="none")
    bare.redacted_text = "Words that a person redacted."
    made = lumen.notice(bare)
    assert not {"subject", "jurisdiction_list", "date_sent", "date_received"} & set(made)
    assert "redacted" not in json.dumps(made)
    assert "jurisdiction_list" not in lumen.notice(row(place="XX"))


@pytest.mark.django_db
def test_the_command_writes_what_is_published_and_nothing_that_is_withheld(
    make_asset: MakeAsset, alice: User, file_notice: FileNotice, tmp_path: Path
) -> None:
    for n, (state, period) in enumerate([("published", "2026-Q4"), ("withheld", "2026-Q4"), ("published", "2027-Q1")]):
        notice, _ = file_notice(make_asset(alice, f"Harbour {n}"), email=f"dana{n}@example.org")
        shown = {"category": "likeness", "outcome": "none"}
        RegisterEntry.objects.create(notice=notice, number=f"NR-0000-000{n}", state=state, period=period, shown=shown)
    every, one = tmp_path / "every.jsonl", tmp_path / "one.jsonl"
    call_command("lumen", "--out", str(every))
    call_command("lumen", "--out", str(one), "--period", "2026-Q4")
    titles = [json.loads(line)["notice"]["title"] for line in every.read_text().splitlines()]
    assert [title.split()[1] for title in titles] == ["NR-0000-0002", "NR-0000-0000"]
    assert len(one.read_text().splitlines()) == 1
    for secret in ("Dana", "Harbour", "example.org", "AS-"):
        assert secret not in every.read_text()
    with pytest.raises(CommandError):
        call_command("lumen", "--out", str(every))
