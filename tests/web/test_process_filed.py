"""What a visitor is told, and what is kept, when they file: the PIN in their browser alone, and nothing promised about
a picture that is somewhere else.
"""

import html
import re
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Scope, User
from accounts.tokens import create_token
from policy.filing import notice_pins
from policy.models import Notice
from provenance.models import Asset
from tests.web import stage

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
FACTS = {"category": "ncii_deepfake", "shown": "me", "jurisdiction": "US"}
WORDS = {"minor": "no", "statement": "This shows me and was never taken.", "good_faith": "on"}
WHOLE = {"name": "Dana", "email": "dana@example.org", "sworn_tida_not_consensual": "on"}
FOREIGN = "https://www.instagram.example/p/abc"
ONCE = "a" * 32
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


def page_of(answer: Any) -> str:
    return html.unescape(answer.content.decode()).replace("\xa0", " ")


def report(client: Client, work: Asset, **other: str) -> Any:
    return client.post("/report/", {**FACTS, **WORDS, "asset": str(work.pk), "step": "as_is", **other})


def pin_on(page: str) -> str:
    found = re.search(r'id="case-pin">(\d{8})<', page)
    assert found
    return found[1]


# --- The PIN (N13, N16) --------------------------------------------------------------------------------------------


def test_no_table_of_ours_holds_a_pin_that_was_shown(client: Client, work: Asset) -> None:
    report(client, work)
    pin, notice = pin_on(page_of(client.get("/report/filed/"))), Notice.objects.get()
    assert notice_pins.notice_by_pin(notice.number, pin) == notice
    for session in Session.objects.all():
        assert pin not in str(session.get_decoded())
    assert pin not in str(Notice.objects.values_list().get())
    (cookie,) = [each for name, each in client.cookies.items() if name.startswith("filed_")]
    assert cookie.value not in str(Notice.objects.values_list().get()) and pin not in cookie.value
    assert (cookie["path"], cookie["httponly"], cookie["max-age"]) == ("/report/filed/", True, 1800)
    assert "filed_" not in str(Client().get("/report/filed/").cookies), "and another browser has none"


def test_a_second_report_keeps_the_first_ones_pin(client: Client, work: Asset) -> None:
    report(client, work)
    first, pin = Notice.objects.get().number, pin_on(page_of(client.get("/report/filed/")))
    report(client, work, statement="And this is another thing to say.")
    page = page_of(client.get("/report/filed/"))
    assert f"{first}, PIN {pin}" in page
    last = Notice.objects.exclude(number=first).get().number
    assert client.post("/report/filed/", {"number": last})["Location"] == "/report/filed/"
    assert pin_on(page_of(client.get("/report/filed/"))) == pin


def test_pressing_send_twice_files_once_and_the_pin_is_the_same(client: Client, work: Asset) -> None:
    said = {**FACTS, "minor": "no", "asset": str(work.pk), "step": "facts"}
    assert re.search(r'name="once" value="[A-Za-z0-9_-]{32}"', page_of(client.post("/report/", said)))
    report(client, work, once=ONCE)
    pin = pin_on(page_of(client.get("/report/filed/")))
    lost = Client()  # the first answer never arrived, and its cookies neither
    report(lost, work, once=ONCE)
    assert Notice.objects.count() == 1
    assert pin_on(page_of(lost.get("/report/filed/"))) == pin
    report(client, work, once=ONCE, statement="Changed on the way back, so it is another one.")
    assert Notice.objects.count() == 2


def test_who_signs_in_after_reporting_still_reads_the_pin(client: Client, work: Asset, bob: User) -> None:
    report(client, work)
    pin = pin_on(page_of(client.get("/report/filed/")))
    client.force_login(bob, backend=BACKEND)
    assert pin_on(page_of(client.get("/report/filed/"))) == pin


def test_what_an_account_filed_is_not_shown_to_the_next_who_signs_in(work: Asset, bob: User, mallory: User) -> None:
    telephone = stage.browser(bob)
    report(telephone, work)
    assert pin_on(page_of(telephone.get("/report/filed/")))
    telephone.force_login(mallory, backend=BACKEND)
    assert telephone.get("/report/filed/")["Location"] == "/notice/"


# --- A picture somewhere else (N14), a long address (N24), a child (N26) -------------------------------------------


def test_nobody_is_promised_48_hours_about_a_picture_that_is_somewhere_else(client: Client) -> None:
    asked = {**FACTS, "asset": FOREIGN}
    second = page_of(client.post("/report/", {**asked, "step": "facts"}))
    assert "cannot take it down there" in second and "StopNCII" in second and "48 hours" not in second
    assert client.post("/report/", {**asked, **WORDS, **WHOLE, "step": "file"}).status_code == 302
    done = page_of(client.get("/report/filed/"))
    assert "Report it to that site too" in done and "TAKE IT DOWN" not in done
    assert not Notice.objects.get().clocks.filter(rule_id="us.tida.223a").exists()


def test_a_picture_of_this_office_still_has_its_48_hours(client: Client, work: Asset) -> None:
    second = page_of(client.post("/report/", {**FACTS, "asset": str(work.pk), "step": "facts"}))
    assert "48 hours" in second and "cannot take it down there" not in second
    report(client, work, **WHOLE)
    assert Notice.objects.get().clocks.filter(rule_id="us.tida.223a").exists()


def test_a_long_address_is_taken_whole_or_refused_aloud(client: Client) -> None:
    field = re.search(r'<input[^>]*name="asset"[^>]*>', page_of(client.get("/report/")))
    assert field and "maxlength" not in field[0]
    long = FOREIGN + "?" + "x" * 1500
    assert client.post("/report/", {**FACTS, **WORDS, "asset": long, "step": "as_is"}).status_code == 302
    refused = client.post("/report/", {**FACTS, "asset": long + "x" * 600, "step": "facts"})
    assert refused.status_code == 422 and "At most 2,000 characters" in page_of(refused)


@pytest.mark.parametrize(("age", "said"), [("", "Say this first"), ("yes", "Do not send us the picture")])
def test_no_intimate_picture_is_opened_before_the_age_is_said(
    age: str, said: str, client: Client, work: Asset, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.report.verify_file", lambda *_, **__: pytest.fail("it was opened"))
    file = SimpleUploadedFile("f.jpg", photo, "image/jpeg")
    answer = client.post("/report/", {**FACTS, "age": age, "step": "facts", "file": file})
    assert answer.status_code == 422 and said in page_of(answer)


def test_the_age_that_was_said_before_the_file_is_chosen_in_the_second_step(
    client: Client, work: Asset, photo: bytes
) -> None:
    file = SimpleUploadedFile("f.jpg", photo, "image/jpeg")
    second = page_of(client.post("/report/", {**FACTS, "age": "no", "step": "facts", "file": file}))
    assert 'type="hidden" name="age" value="no"' in second
    assert re.search(r'<input type="radio" name="minor" value="no"[^>]* checked', second)
    report(client, work, age="no", minor="yes")
    assert Notice.objects.get().answers["minor"] == "yes", "the last word counts"


# --- Oaths (N2) ----------------------------------------------------------------------------------------------------


def test_a_program_swears_nothing(bob: User, work: Asset) -> None:
    token = create_token(bob, name="m", scopes=[Scope.NOTICES_WRITE], days=1)[1]
    machine = APIClient()
    machine.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    said: dict[str, Any] = {
        "asset": str(work.pk),
        "category": "copyright",
        "jurisdiction": "US",
        "name": "B",
        "email": "d@e.org",
        "statement": "This is mine and not theirs.",
        "good_faith": True,
        "details": {"work": "x"},
    }
    oath = {"sworn": ["dmca.good_faith", "dmca.accuracy"]}
    refused = machine.post("/api/v1/notices", {**said, **oath}, format="json")
    assert (refused.status_code, refused.data["code"]) == (403, "token.scope")
    assert machine.post("/api/v1/notices", said, format="json").status_code == 201
