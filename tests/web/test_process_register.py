"""The register of notices and the state of the log, as anybody, a researcher and the office see them."""

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from ledger import custody
from ledger.models import Alarm, Checkpoint
from policy.models import RegisterEntry, ResearchAccess
from policy.transparency import redaction, register
from tests.ledger.cosigners import Witnesses
from tests.policy.conftest import file_notice, make_asset  # noqa: F401 - fixtures
from tests.policy.register_made import PERIOD, Settled, fifteen, settled
from tests.web import stage
from tests.web.stage import browser

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
REGISTER, DESK = "/transparency/notices/", "/operations/register/"
WORDS = "The person shown says that nobody asked them."
ATOM = "{http://www.w3.org/2005/Atom}"
Made = Callable[..., Any]


@pytest.fixture
def make(make_asset: Made, file_notice: Made, rita: User) -> Settled:  # noqa: F811 - a fixture
    return settled(make_asset, file_notice, rita)


@pytest.fixture
def rows(make: Settled) -> list[RegisterEntry]:
    fifteen(make)
    register.release(PERIOD)
    return list(RegisterEntry.objects.select_related("notice__case__asset").order_by("number"))


def text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content.decode()
    return answer.content.decode()


# --- Everybody -----------------------------------------------------------------------------------------------------


def test_an_empty_register_says_when_there_will_be_something() -> None:
    assert "one of at least 5 alike" in text(browser(), REGISTER)


def test_the_register_says_what_came_of_notices_and_leads_to_nobody(rows: list[RegisterEntry]) -> None:
    page = text(browser(), REGISTER)
    for row in rows:
        assert row.number in page
        assert row.notice.number not in page and str(row.notice.case.asset_id) not in page
    assert page.count("The work is not shown<") >= 15 and "Copyright" in page and "European Union" in page
    for secret in ("Harbour view", "Dana", "never agreed", "Owner 1", "dana1@"):
        assert secret not in page


def test_rows_are_chosen_and_odd_questions_are_answered_beside_their_field(rows: list[RegisterEntry]) -> None:
    copyright_ = text(browser(), REGISTER + "?issue=copyright")
    assert copyright_.count('scope="row"') == 5
    assert "No row says this" in text(browser(), REGISTER + "?issue=intimate&place=US")
    assert 'id="id_issue_error"' in text(browser(), REGISTER + "?issue=<script>", 422)
    assert text(browser(), REGISTER + "?page=99999").count('scope="row"') == 15


def test_a_withheld_row_keeps_its_number_and_says_nothing(rows: list[RegisterEntry], olga: User) -> None:
    register.withhold(register.entry_for(rows[0].number), olga, "identifies")
    page = text(browser(), REGISTER)
    assert page.count("Withheld") == 1 and "It could point" not in page
    lines = {line["number"]: line for line in _csv()}
    assert set(lines[rows[0].number].values()) == {rows[0].number, PERIOD, "withheld", ""}


def _csv() -> list[dict[str, str]]:
    answer = browser().get("/transparency/notices.csv")
    content = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(content)))


def test_the_whole_register_can_be_taken_along(rows: list[RegisterEntry]) -> None:
    lines = _csv()
    assert [line["number"] for line in lines] == sorted(row.number for row in rows)
    assert not [cell for line in lines for cell in line.values() if cell[:1] in "=+-@\t" and cell]
    assert list(lines[0]) == [
        "number",
        "quarter",
        "state",
        "kind",
        "category",
        "group",
        "place",
        "outcome",
        "appeal",
        "amended",
    ]


@pytest.mark.parametrize("path", [REGISTER, DESK])
def test_the_pages_ask_the_same_number_of_questions_for_many(path: str, rows: list[RegisterEntry], olga: User) -> None:
    def asked() -> int:
        client = browser(olga)
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        return len(queries)

    many = asked()
    RegisterEntry.objects.exclude(pk=rows[0].pk).delete()
    assert asked() == many


# --- Researchers ---------------------------------------------------------------------------------------------------


def _link(olga: User) -> str:
    said = {"institution": "University of Ghent", "purpose": "How offices answer notices", "days": "30"}
    page = browser(olga).post(DESK, said).content.decode()
    assert "shown only this once" in page
    return "/research/" + page.split("/research/")[1].split("/")[0] + "/"


def test_a_researcher_reads_redacted_words_until_the_link_is_revoked(
    rows: list[RegisterEntry], olga: User, ravi: User
) -> None:
    redaction.redact(register.entry_for(rows[0].number), ravi, WORDS, no_names=True)
    link, reader = _link(olga), browser()
    page = text(reader, link)
    assert WORDS in page and rows[1].number in page and "never agreed" not in page
    assert WORDS not in text(browser(), REGISTER)
    answer = reader.get(link)
    assert "no-store" in answer["Cache-Control"] and "noindex" in answer["X-Robots-Tag"]
    access = ResearchAccess.objects.get()
    assert link.split("/")[2] not in text(browser(olga), DESK)
    assert browser(olga).post(f"{DESK}links/{access.pk}/revoke/").status_code == 302
    assert "does not work any more" in text(reader, link, 410)
    assert "does not work any more" in text(reader, "/research/guess/", 410)


# --- The desk ------------------------------------------------------------------------------------------------------


def test_a_lead_reviewer_reads_redacts_and_publishes_the_words(rows: list[RegisterEntry], ravi: User) -> None:
    client, path = browser(ravi), f"{DESK}{rows[0].number}/"
    assert "never agreed" not in text(client, path)
    assert client.post(path + "words/", {"reason": ""}).status_code == 422
    page = client.post(path + "words/", {"reason": "for research"}).content.decode()
    assert "never agreed" in page and "Redact the words" in page
    said = {"reason": "for research", "text": "It is Dana Hill in a bar."}
    refused = client.post(path + "redact/", said)
    assert refused.status_code == 422 and "Leave out the names" in refused.content.decode()
    assert client.post(path + "redact/", {**said, "text": WORDS, "no_names": "on"}).status_code == 302
    assert WORDS in text(client, path)


def test_who_keeps_the_register_withholds_and_does_not_read_letters(rows: list[RegisterEntry], olga: User) -> None:
    client, path = browser(olga), f"{DESK}{rows[0].number}/"
    assert "Read the words" not in text(client, path)
    assert client.post(path + "words/", {"reason": "curiosity"}).status_code == 403
    assert client.post(path + "withhold/", {"why": ""}).status_code == 422
    assert client.post(path + "withhold/", {"why": "court"}).status_code == 302
    assert "A court or an authority asked for it" in text(client, path)
    assert client.post(path + "withhold/", {"do": "publish"}).status_code == 302
    assert "Withheld" not in text(client, DESK)


def test_the_desk_is_for_who_keeps_the_register(rows: list[RegisterEntry], alice: User, rita: User) -> None:
    for user in (alice, rita):
        assert browser(user).get(DESK).status_code == 403
        assert browser(user).get(f"{DESK}{rows[0].number}/").status_code == 403
    assert "register of notices" in text(browser(alice), REGISTER).lower()


def test_wrong_words_for_a_link_are_said_beside_their_field(olga: User) -> None:
    said = {"institution": "Ghent", "purpose": "mail ann@example.org please", "days": "9999"}
    page = browser(olga).post(DESK, said)
    assert page.status_code == 422 and 'id="id_days_error"' in page.content.decode()
    page = browser(olga).post(DESK, {**said, "days": "3"})
    assert page.status_code == 422 and 'id="id_purpose_error"' in page.content.decode()
    assert not ResearchAccess.objects.exists()
    assert browser(olga).get(f"{DESK}NR-AAAA-AAAA/").status_code == 404


# --- The log -------------------------------------------------------------------------------------------------------


def test_the_log_has_a_page_before_anything_is_signed() -> None:
    assert "Nothing is signed yet" in text(browser(), "/log/")
    feed = ET.fromstring(browser().get("/log/feed.atom").content)
    assert feed.findall(f"{ATOM}entry") == []


@pytest.fixture
def signed(settle: Callable[[], None]) -> Checkpoint:
    stage.notice(None, url_or_text="A film that is shown at the harbour.")
    settle()
    return Checkpoint.objects.get()


def test_the_page_of_the_log_shows_its_head_its_keys_and_how_to_check_it(signed: Checkpoint) -> None:
    page = text(browser(), "/log/")
    head, key = signed, custody.log_verifier()
    for words in (bytes(head.root).hex(), key.vkey, key.fingerprint, "has no witnesses", f"new={head.size}", "tlog"):
        assert words in page
    assert "/log/" in text(browser(), "/register/")


def test_the_page_names_witnesses_who_confirmed_and_who_did_not_yet(
    signed: Checkpoint, tmp_path: Path, settings: Any
) -> None:
    witnesses = Witnesses(tmp_path, settings, 1)
    assert "Not reached yet." in text(browser(), "/log/")
    witnesses.cosign(signed, 0)
    page = text(browser(), "/log/")
    assert page.count(">confirmed<") == 1 == page.count("not yet on the newest checkpoint")
    assert f"Reached for {signed.size} entries" in page
    settings.ASSAY_LOG_POLICY = str(tmp_path / "nowhere")
    assert "list of witnesses is damaged" in text(browser(), "/log/")


def test_the_page_says_that_nothing_is_signed_and_not_what_is_wrong(
    signed: Checkpoint,
) -> None:
    Alarm.objects.create(kind="guard", message="The head on host-7 is older than the database.", halts=True)
    page = text(browser(), "/log/")
    assert "Nothing is signed at the moment" in page and "host-7" not in page


def test_the_feed_carries_checkpoints_as_they_were_signed(signed: Checkpoint) -> None:
    answer = browser().get("/log/feed.atom")
    assert answer["Content-Type"].startswith("application/atom+xml") and "no-store" not in answer["Cache-Control"]
    feed = ET.fromstring(answer.content)
    (entry,) = feed.findall(f"{ATOM}entry")
    assert signed.note.splitlines()[2] in (entry.findtext(f"{ATOM}summary") or "")
    assert (entry.findtext(f"{ATOM}id") or "").startswith("urn:uuid:")
    again = browser().get("/log/feed.atom", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
