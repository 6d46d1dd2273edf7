"""A decision that is half written stays while its reviewer looks, asks, or judges a notice: without JavaScript too."""

from typing import Any

import pytest

from accounts.models import User
from policy.models import Case, MediaView, Notice
from tests.web import stage

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

HALF = "HALF WRITTEN: the light falls"


@pytest.fixture
def case(alice: User, rita: User, photo: bytes) -> Case:
    case: Case = stage.notice(stage.work(alice, photo))[0].case
    stage.browser(rita).post(f"/review/{case.pk}/take/")
    case.refresh_from_db()
    return case


def sent(case: Case, **more: str) -> dict[str, Any]:
    """As a browser sends the composer's form."""
    composer = {"outcome": "hide", "rule_ids": ["office.terms.consent"], "ends_at": "2027-01-02T03:04"}
    return {**composer, "facts_text": HALF, "explanation": "", "version": str(case.version), **more}


def kept(page: str) -> bool:
    chosen = [part for part in page.split("<input") if 'name="outcome"' in part and 'value="hide"' in part]
    cited = [part for part in page.split("<input") if 'value="office.terms.consent"' in part]
    return (
        f"{HALF}</textarea>" in page
        and 'value="2027-01-02T03:04"' in page
        and "checked" in chosen[0].split(">")[0]
        and "checked" in cited[0].split(">")[0]
        and 'role="alert"' not in page
    )


def test_every_button_beside_the_composer_carries_it_and_enter_presses_none_of_them(case: Case, rita: User) -> None:
    page = stage.browser(rita).get(f"/review/{case.pk}/").content.decode()
    for what in ("unseal/", "ask/", "unfounded/", f"filer/{case.notices.get().number}/"):
        assert f'form="compose" formaction="/review/{case.pk}/{what}" formnovalidate' in page, what
    first = page[: page.index('form="compose"')].rpartition("<button")[2]
    assert "formaction" not in first
    assert page.index('form="compose" hidden') == page.index('form="compose"')


def test_a_step_of_the_seal_keeps_what_is_half_written(case: Case, rita: User) -> None:
    browser = stage.browser(rita)
    for step in ("soft", "grey"):
        answer = browser.post(f"/review/{case.pk}/unseal/", sent(case, reason="To compare", step=step))
        assert (answer.status_code, answer["Location"]) == (307, f"/review/{case.pk}/draft/#media-title")
        assert kept(browser.post(answer["Location"], sent(case)).content.decode())
    assert MediaView.objects.count() == 2
    page = browser.post(f"/review/{case.pk}/draft/?step=soft", sent(case)).content.decode()
    assert kept(page)
    assert "seal-soft" in page
    assert MediaView.objects.count() == 2, "sent again, it opens nothing"


def test_without_a_reason_nothing_is_opened_and_nothing_lost(case: Case, rita: User) -> None:
    answer = stage.browser(rita).post(f"/review/{case.pk}/unseal/", sent(case, reason="", step="soft"), follow=True)
    assert kept(answer.content.decode())
    assert not MediaView.objects.exists()


def test_who_filed_is_shown_and_the_way_back_carries_it(case: Case, rita: User) -> None:
    number, browser = case.notices.get().number, stage.browser(rita)
    for reason, status in (("", 422), ("To write to them", 200)):
        answer = browser.post(
            f"/review/{case.pk}/filer/{number}/", sent(case, **{f"reason:{number}": reason, "reason": "for the seal"})
        )
        page = answer.content.decode()
        assert answer.status_code == status
        assert f'<input type="hidden" name="facts_text" value="{HALF}">' in page
        assert f'action="/review/{case.pk}/draft/#notice-{number}"' in page


def test_a_notice_called_unfounded_loses_nothing_and_a_change_is_said(case: Case, rita: User) -> None:
    notice = case.notices.get()
    data = sent(case, **{"notice": str(notice.pk), f"why:{notice.pk}": "repeated", "why:another": "spam"})
    page = stage.browser(rita).post(f"/review/{case.pk}/unfounded/", data, follow=True).content.decode()
    notice.refresh_from_db()
    assert notice.state == Notice.State.UNFOUNDED
    assert kept(page)


def test_who_asks_the_filer_reads_once_more_what_was_begun(case: Case, rita: User) -> None:
    notice = case.notices.get()
    data = sent(case, **{"notice": str(notice.pk), f"fields_asked:{notice.pk}": "place"})
    page = stage.browser(rita).post(f"/review/{case.pk}/ask/", data, follow=True).content.decode()
    case.refresh_from_db()
    assert case.state == Case.State.AWAITING_INFO
    assert "What you had begun to write" in page
    assert HALF in page


def test_a_draft_is_nobodys_way_into_a_case(case: Case, rita: User, alice: User, greta: User) -> None:
    for user in (alice, greta):
        assert stage.browser(user).post(f"/review/{case.pk}/draft/", sent(case)).status_code == 403
    assert stage.browser(rita).get(f"/review/{case.pk}/draft/")["Location"] == f"/review/{case.pk}/"
    case.refresh_from_db()
    stale = sent(case, version=str(case.version + 7))
    page = stage.browser(rita).post(f"/review/{case.pk}/draft/", stale).content.decode()
    assert "The case has changed since you began to write" in page
    assert f'name="version" value="{case.version}"' in page
