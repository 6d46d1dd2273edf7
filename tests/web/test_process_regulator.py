"""The regulator's room, and the public rules."""

import io
import zipfile
from collections.abc import Callable

import pytest

from accounts.models import User
from ledger import sequencer
from ledger.models import Entry
from policy.law import rules
from policy.models import Export
from provenance.models import Asset
from tests.web import stage

pytestmark = pytest.mark.django_db

PURPOSE = {"purpose": "Inquiry 2026/17 into deadlines"}


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    asset = stage.work(alice, photo)
    sequencer.tick()
    return asset


def audited() -> int:
    return Entry.objects.filter(type="access:audited").count()


def test_no_entry_is_shown_before_a_purpose_is_given(greta: User, work: Asset) -> None:
    browser = stage.browser(greta)
    page = browser.get("/regulator/").content.decode()
    assert "Purpose of this access" in page
    assert f"asset:{work.pk}" not in page
    assert browser.post("/regulator/", {"purpose": "x"}).status_code == 422
    assert audited() == 0


def test_each_page_of_the_log_is_itself_logged_and_the_page_says_so(greta: User, work: Asset) -> None:
    browser = stage.browser(greta)
    browser.post("/regulator/", PURPOSE)
    page = browser.get("/regulator/").content.decode()
    assert "asset registered" in page
    assert "Opening this page was written to the log" in page
    assert audited() == 1
    browser.get("/regulator/?type=asset:registered")
    assert audited() == 2
    browser.post("/regulator/leave/")
    assert "Purpose of this access" in browser.get("/regulator/").content.decode()


def test_the_query_is_by_kind_and_day(greta: User, work: Asset) -> None:
    browser = stage.browser(greta)
    browser.post("/regulator/", PURPOSE)
    assert "No entry in this scope" in browser.get("/regulator/?type=export:made").content.decode()
    assert "No entry in this scope" in browser.get("/regulator/?until=2020-01-01").content.decode()
    assert "asset registered" in browser.get("/regulator/?since=2020-01-01").content.decode()
    assert browser.get("/regulator/?since=2026-02-02&until=2026-01-01").status_code == 422
    assert browser.get("/regulator/?type=no:such").status_code == 422


def test_the_log_is_paged_in_order(greta: User, alice: User, photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4):
        stage.work(alice, photo + bytes([n]), f"Work {n}")
    sequencer.tick()
    monkeypatch.setattr("web.regulator.PAGE", 3)
    after = list(Entry.objects.filter(type="asset:registered").order_by("pk"))[2].index
    browser = stage.browser(greta)
    browser.post("/regulator/", PURPOSE)
    first = browser.get("/regulator/?type=asset:registered").content.decode()
    assert f'href="?type=asset%3Aregistered&amp;after={after}"' in first
    second = browser.get(f"/regulator/?type=asset:registered&after={after}").content.decode()
    assert second.count("asset registered") < first.count("asset registered")
    assert "From the first" in second


def test_a_bundle_is_made_downloaded_and_verified_offline(greta: User, work: Asset, settle: Callable[[], None]) -> None:
    from ledger.verify import verify_file

    browser = stage.browser(greta)
    browser.post("/regulator/", PURPOSE)
    answer = browser.post("/regulator/export/", {"since": "", "until": ""})
    assert answer["Location"] == "/regulator/bundles/"
    assert "waiting to be built" in browser.get("/regulator/bundles/").content.decode()
    settle()
    export = Export.objects.get()
    page = browser.get("/regulator/bundles/").content.decode()
    assert export.sha256 in page
    assert "python -m ledger.verify" in page
    answer = browser.get(f"/regulator/exports/{export.pk}/")
    data = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert Entry.objects.filter(type="export:fetched").count() == 1
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    assert verify_file(data, None).ok


def test_an_export_of_nothing_is_refused_in_words(greta: User, work: Asset) -> None:
    browser = stage.browser(greta)
    assert browser.post("/regulator/export/", {})["Location"] == "/regulator/"
    browser.post("/regulator/", PURPOSE)
    answer = browser.post("/regulator/export/", {"type": "appeal:decided"})
    assert answer.status_code == 422
    assert not Export.objects.exists()


def test_a_bundle_is_only_for_the_regulator_who_made_it(greta: User, olga: User, alice: User, work: Asset) -> None:
    browser = stage.browser(greta)
    browser.post("/regulator/", PURPOSE)
    browser.post("/regulator/export/", {})
    export = Export.objects.get()
    for user in (olga, alice):
        assert stage.browser(user).get(f"/regulator/exports/{export.pk}/").status_code == 403
    other = User.objects.create_user("gus@example.org", name="Gus")
    other.memberships.create(organisation=greta.memberships.get().organisation, role="regulator")
    assert stage.browser(other).get(f"/regulator/exports/{export.pk}/").status_code == 404


def test_an_operator_reads_the_log_and_makes_no_bundle(olga: User, work: Asset) -> None:
    browser = stage.browser(olga)
    browser.post("/regulator/", PURPOSE)
    assert "Make a bundle" not in browser.get("/regulator/").content.decode()
    assert browser.post("/regulator/export/", {}).status_code == 403


def test_the_room_is_closed_to_others(alice: User, rita: User) -> None:
    for user in (alice, rita):
        assert stage.browser(user).get("/regulator/").status_code == 403
    assert "/account/login/" in stage.browser().get("/regulator/")["Location"]


def test_an_export_needs_the_pages_own_token(greta: User, work: Asset) -> None:
    assert stage.browser(greta, csrf=True).post("/regulator/export/", {}).status_code == 403
    assert not Export.objects.exists()


# --- Rules ---------------------------------------------------------------------------------------------------------


def test_every_rule_is_listed_as_a_draft_and_has_a_page() -> None:
    browser = stage.browser()
    page = browser.get("/rules/").content.decode()
    for rule in rules.all_rules():
        assert f"/rules/{rule.id}/" in page, rule.id
    assert page.count('class="draft"') > len(rules.all_rules())
    one = browser.get("/rules/us.tida.223a/").content.decode()
    for expected in ("47 U.S.C. 223a", "19 May 2026", "draft", "Source", "Confidence", "Applied today."):
        assert expected in one, expected


def test_a_bill_is_said_to_be_no_law() -> None:
    page = stage.browser().get("/rules/us.nofakes.2026/").content.decode()
    assert "a bill: not law, never applied" in page
    assert "Not applied today." in page


def test_rules_are_filtered_by_place() -> None:
    page = stage.browser().get("/rules/?jurisdiction=IN").content.decode()
    assert "/rules/in.gac/" in page
    assert "/rules/us.tida.223a/" not in page
    assert "No rule for this place" in stage.browser().get("/rules/?jurisdiction=ZZ").content.decode()


def test_an_unknown_rule_is_not_found() -> None:
    assert stage.browser().get("/rules/no.such.rule/").status_code == 404
