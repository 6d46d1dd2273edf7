"""The page that a newsroom checks with first: by bytes, by fingerprint alone, kept under a link, taken home as JSON."""

import datetime as dt
import hashlib
import html
import json
import re
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from core.clock import now
from core.storage import receive
from policy.consents.consent import ask_consent
from policy.models import Case, Category
from provenance.judgement import STATES
from provenance.manifest_reading import MAX_STORE
from provenance.models import Asset, KeptReport
from provenance.registration import register_asset
from provenance.restriction import restrict
from tests.web.stage import browser, stored_files
from web.verdict_cards import QUESTIONS

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Settle = Callable[[], None]


@pytest.fixture
def rocket(alice: User, photo: bytes) -> Asset:
    with receive([photo]) as scratch:
        return register_asset(alice, scratch, title="A rocket <i>at</i> rest")


def signed_bytes(asset: Asset) -> bytes:
    return b"".join(browser().get(f"/assets/{asset.pk}/file/").streaming_content)  # type: ignore[attr-defined]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def drop(data: bytes, name: str = "photo.jpg", **more: object) -> str:
    answer = browser().post("/", {"file": SimpleUploadedFile(name, data, "image/jpeg"), **more})
    assert answer.status_code == 200, answer.content.decode()[:3000]
    return answer.content.decode()


def token_of(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    return html.unescape(found[1])


# --- Asking --------------------------------------------------------------------------------------------------------


def test_without_javascript_the_form_is_a_plain_upload_that_says_so() -> None:
    page = browser().get("/").content.decode()
    form = page.split("<form")[1].split("</form>")[0]
    assert 'method="post"' in form and 'enctype="multipart/form-data"' in form
    assert re.search(r'<button class="button primary" type="submit">', form)
    assert '<p class="hint" data-unscripted>The file is sent to this office to be read. It is not kept.</p>' in form
    for step in re.findall(r'<(?:div|p)[^>]*data-step="(?!start)[^>]*>', form):
        assert " hidden" in step, "steps belong to the script"


def test_the_browser_is_told_to_ask_the_register_before_it_sends() -> None:
    page = browser().get("/").content.decode()
    assert 'data-register="/api/v1/verifications/"' in page and "sha256" in page and "verify" in page
    assert "A file that is known here is not sent at all." in page
    assert "Send it to be read?" in page and "is not kept" in page


def test_a_report_answers_every_question_or_says_that_it_does_not_arise(rocket: Asset, photo_path: object) -> None:
    signed = drop(signed_bytes(rocket))
    for question in QUESTIONS.values():
        assert str(question) in signed
    unknown = drop(b"A text that nobody knows.", "notes.txt")
    assert "These questions do not arise here:" in unknown
    for question in QUESTIONS.values():
        assert str(question) in unknown


def test_a_report_names_the_engine_and_the_trust_lists_it_went_by(rocket: Asset) -> None:
    page = drop(signed_bytes(rocket))
    assert "Judged with" in page and "urn:assay:this-office" in page
    assert re.search(r'settings <span class="hash">[0-9a-f]{16}</span>', page)


def test_raw_codes_stand_with_a_sentence_each(rocket: Asset) -> None:
    page = drop(signed_bytes(rocket))
    assert "<code>claimSignature.validated</code>" in page and "The signature over the credential is correct." in page


# --- By fingerprint ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["original", "signed"])
def test_a_known_fingerprint_is_reported_on_without_the_file(rocket: Asset, role: str) -> None:
    answer = browser().get(f"/verify/{rocket.rendition(role).sha256}/")
    page = answer.content.decode()
    assert answer.status_code == 200 and "You did not have to send the file" in page
    assert f"/assets/{rocket.pk}/" in page and "A rocket &lt;i&gt;at&lt;/i&gt; rest" in page and "<i>at</i>" not in page


def test_its_address_lasts_and_leads_to_the_same_for_programs(rocket: Asset) -> None:
    sha256 = rocket.rendition("signed").sha256
    page = browser().get(f"/verify/{sha256}/").content.decode()
    assert f"http://testserver/verify/{sha256}/" in page
    report = browser().get(f"/api/v1/verifications/{sha256}").json()
    assert report["file"]["sha256"] == sha256 and set(report["verdicts"]) == set(STATES)
    link = re.search(r'href="(/api/v1/verifications/[^"]*crjson[^"]*)"', page)
    assert link is not None
    assert "manifests" in browser().get(html.unescape(link[1])).json()


def test_an_unknown_fingerprint_is_no_dead_end() -> None:
    answer = browser().get(f"/verify/{'0' * 64}/")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "Nothing is known by this fingerprint" in page and 'type="file"' in page and "0" * 64 in page


@pytest.mark.parametrize("odd", ["abc", "0" * 63, "G" * 64, "0" * 65, "A" * 64, "٠" * 64])
def test_what_is_no_fingerprint_is_not_found(odd: str) -> None:
    assert browser().get(f"/verify/{odd}/").status_code == 404


def test_a_hidden_work_is_unknown_by_its_fingerprint_too(rocket: Asset) -> None:
    sha256 = rocket.rendition("signed").sha256
    restrict(rocket, Asset.Restriction.HIDDEN)
    answer = browser().get(f"/verify/{sha256}/")
    assert answer.status_code == 404 and str(rocket.pk) not in answer.content.decode()


# --- Another day ---------------------------------------------------------------------------------------------------


def test_a_file_is_judged_as_of_another_day_by_bytes_and_by_fingerprint(rocket: Asset) -> None:
    day = (now() - dt.timedelta(days=400)).date().isoformat()
    sent = drop(signed_bytes(rocket), as_of=day)
    by_hash = browser().get(f"/verify/{rocket.rendition('signed').sha256}/?as_of={day}").content.decode()
    for page in (sent, by_hash):
        assert f"judged as of {day}" in page and "has not changed since it was signed" not in page
    assert f'value="{day}"' in by_hash and f"as_of={day}T23" in by_hash, "its files are judged as of that day, too"


def test_a_credential_that_lies_beside_the_file_is_read_with_it(alice: User) -> None:
    browser(alice).post("/studio/new/fingerprint/", by_hash_form(RAW))
    store = browser().get(f"/api/v1/assets/{Asset.objects.get().pk}/manifest?form=detached").content
    restrict(Asset.objects.get(), Asset.Restriction.HIDDEN)  # so that the register does not bring it along
    beside = SimpleUploadedFile("raw.c2pa", store)
    assert "beside the file" in drop(RAW, "raw.bin", manifest=beside)
    other = SimpleUploadedFile("raw.c2pa", store)
    assert "the file was changed after it was signed" in drop(RAW + b"!", "raw.bin", manifest=other)


def test_a_credential_beside_the_file_that_nobody_would_read_is_refused(photo: bytes) -> None:
    beside = SimpleUploadedFile("raw.c2pa", b"\0" * (MAX_STORE + 1))
    answer = browser().post("/", {"file": SimpleUploadedFile("photo.jpg", photo), "manifest": beside})
    assert answer.status_code == 413


@pytest.mark.parametrize(("day", "words"), [("2999-01-01", "has not come yet"), ("soon", "Enter a valid date")])
def test_a_day_that_is_none_is_named_and_the_form_is_there_again(photo: bytes, day: str, words: str) -> None:
    answer = browser().post("/", {"file": SimpleUploadedFile("photo.jpg", photo), "as_of": day})
    page = answer.content.decode()
    assert answer.status_code == 400 and words in page and 'type="file"' in page
    assert browser().get(f"/verify/{digest(photo)}/?as_of={day}").status_code == 400


# --- Keeping -------------------------------------------------------------------------------------------------------


def test_nothing_is_kept_until_somebody_asks_and_then_only_the_report(rocket: Asset, photo: bytes) -> None:
    before = stored_files()
    page = drop(photo + b"\0")
    assert not KeptReport.objects.exists()
    answer = browser().post("/verify/keep/", {"token": token_of(page)})
    kept = KeptReport.objects.get()
    assert answer.headers["Location"] == f"/verify/kept/{kept.pk}/"
    assert stored_files() == before
    shown = browser().get(answer.headers["Location"])
    assert shown.headers["X-Robots-Tag"] == "noindex"
    words = shown.content.decode()
    assert "A report that somebody kept" in words and digest(photo + b"\0") in words
    assert browser().get(f"/api/v1/verifications/kept/{kept.pk}").json()["report"] == kept.report


def test_the_report_can_be_taken_home_in_both_forms(rocket: Asset) -> None:
    page = drop(signed_bytes(rocket))
    answer = browser().post("/verify/report.json", {"token": token_of(page)})
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.json()["file"]["sha256"] == rocket.rendition("signed").sha256
    crjson = browser().post("/verify/crjson.json", {"token": token_of(page)}).json()
    assert "manifests" in crjson


@pytest.mark.parametrize("address", ["/verify/keep/", "/verify/report.json", "/verify/crjson.json"])
def test_mallory_cannot_have_a_report_of_her_own_kept_in_our_name(address: str) -> None:
    from django.core import signing

    forged = signing.dumps({"report": {"file": {"sha256": "0" * 64}}, "crjson": {}}, salt="another.purpose")
    for token in (forged, "nonsense", ""):
        answer = browser().post(address, {"token": token})
        assert answer.status_code == 422 and "This is no report of ours" in answer.content.decode()
    assert not KeptReport.objects.exists()


def test_a_report_that_lay_about_too_long_is_not_kept_any_more(photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    token = token_of(drop(photo))
    later = time.time() + 3 * 3600
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert browser().post("/verify/keep/", {"token": token}).status_code == 422


def test_links_are_not_made_without_end(photo: bytes) -> None:
    token = token_of(drop(photo))
    answers = [browser().post("/verify/keep/", {"token": token}).status_code for _ in range(31)]
    assert answers == [302] * 30 + [429]
    assert KeptReport.objects.count() == 30


def test_a_kept_report_is_gone_while_a_work_it_names_is_hidden(rocket: Asset) -> None:
    page = drop(signed_bytes(rocket))
    address = browser().post("/verify/keep/", {"token": token_of(page)}).headers["Location"]
    assert browser().get(address).status_code == 200
    restrict(rocket, Asset.Restriction.HIDDEN)
    assert browser().get(address).status_code == 404


# --- What it shows -------------------------------------------------------------------------------------------------


def test_a_copy_saved_again_is_laid_beside_the_registered_work(rocket: Asset, photo: bytes) -> None:
    import io

    from PIL import Image

    again = io.BytesIO()
    Image.open(io.BytesIO(signed_bytes(rocket))).convert("RGB").save(again, "JPEG", quality=40)
    page = drop(again.getvalue())
    assert "it is a registered work, saved again" in page
    figure = page.split("data-compare>")[1].split("</figure>")[0]
    assert f"/assets/{rocket.pk}/preview/" in figure and 'type="range"' in figure
    assert re.search(r"<img data-yours[^>]* hidden", figure), "without the file in the browser there is nothing to show"
    assert "Distance of the fingerprints: 0.0" in page


def test_media_for_adults_is_not_shown_in_a_strangers_report(rocket: Asset) -> None:
    data = signed_bytes(rocket)
    restrict(rocket, Asset.Restriction.AGE_RESTRICTED)
    page = drop(data)
    assert "restricted to adults" in page and f"/assets/{rocket.pk}/preview/" not in page


def test_findings_stand_apart_after_everything_else_and_admit_how_little_they_know(
    rocket: Asset, settle: Settle
) -> None:
    settle()
    page = drop(signed_bytes(rocket))
    before, apart = page.split('<section class="apart')
    assert "What was checked" in before and "Works in the register" in before
    apart = apart.split("</section>")[0]
    assert "nothing above depends on them" in apart and "not measured yet" in apart
    assert "signal" in apart.lower() and "%" not in re.sub(r"<[^>]+>", "", apart)
    assert not re.search(r"\b(fake|faker|forger|liar)\b", page.lower())


def test_a_report_carries_no_inline_script_or_style(rocket: Asset, photo: bytes) -> None:
    for page in (drop(signed_bytes(rocket)), drop(photo), browser().get(f"/verify/{'0' * 64}/").content.decode()):
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=", page)


def test_json_on_the_page_is_the_report_a_program_gets(rocket: Asset) -> None:
    data = signed_bytes(rocket)
    page = drop(data)
    shown = json.loads(html.unescape(page.split('<pre id="json" tabindex="0">')[1].split("</pre>")[0]))
    answered = Client().post("/api/v1/verifications", {"file": SimpleUploadedFile("photo.jpg", data)}).json()
    assert {**shown, "ledger": None} == {**answered, "ledger": None}


# --- Registered without sending ------------------------------------------------------------------------------------


def by_hash_form(data: bytes, **changes: object) -> dict[str, object]:
    return {
        "sha256": digest(data),
        "size": len(data),
        "media_type": "application/x-camera-raw",
        "title": "Raw of the rocket",
        "source_type": "digitalCapture",
        "training": "notAllowed",
        "promise": "on",
        **changes,
    }


RAW = b"Sensor data of a camera that nobody else has."


def test_alice_registers_a_work_that_she_never_sends(alice: User, settle: Settle) -> None:
    person = browser(alice)
    answer = person.post("/studio/new/fingerprint/", by_hash_form(RAW))
    asset = Asset.objects.get()
    assert answer.headers["Location"] == f"/studio/{asset.pk}/"
    assert not asset.held and asset.original_sha256 == digest(RAW) and not asset.renditions.exists()
    settle()
    for path in (f"/studio/{asset.pk}/", f"/assets/{asset.pk}/", "/studio/", f"/assets/{asset.pk}/receipt/"):
        assert person.get(path).status_code == 200, path
    work = browser().get(f"/assets/{asset.pk}/").content.decode()
    assert "Registered by its fingerprint" in work and f"/api/v1/assets/{asset.pk}/manifest" in work
    assert browser().get(f"/assets/{asset.pk}/file/").status_code == 404
    assert browser().get(f"/assets/{asset.pk}/preview/").status_code == 404


def test_whoever_has_the_file_finds_it_by_its_fingerprint(alice: User, settle: Settle) -> None:
    browser(alice).post("/studio/new/fingerprint/", by_hash_form(RAW))
    settle()
    page = browser().get(f"/verify/{digest(RAW)}/").content.decode()
    assert "Somebody registered exactly this file’s fingerprint here" in page and "Raw of the rocket" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "abc"}, "Give 64 hexadecimal digits."),
        ({"sha256": ""}, "This field is required"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"media_type": "<b>"}, "media type"),
        ({"title": ""}, "This field is required"),
        ({"promise": ""}, "Please confirm this"),
    ],
)
def test_a_mistake_in_the_fingerprint_form_is_named_and_nothing_is_kept(
    alice: User, changes: dict[str, object], words: str
) -> None:
    answer = browser(alice).post("/studio/new/fingerprint/", by_hash_form(RAW, **changes))
    page = answer.content.decode()
    assert 400 <= answer.status_code < 500 and words in page and 'class="error-summary"' in page
    assert not Asset.objects.exists()


def test_the_same_fingerprint_twice_leads_to_the_first_work(alice: User) -> None:
    person = browser(alice)
    person.post("/studio/new/fingerprint/", by_hash_form(RAW))
    again = person.post("/studio/new/fingerprint/", by_hash_form(RAW))
    assert again.status_code == 409 and f"/studio/{Asset.objects.get().pk}/" in again.content.decode()


def test_the_fingerprint_form_holds_no_file_field_that_could_be_sent(alice: User) -> None:
    page = browser(alice).get("/studio/new/fingerprint/").content.decode()
    form = page.split("data-fingerprint")[1].split("</form>")[0]
    file = re.search(r'<input type="file"[^>]*>', form)
    assert file is not None and " name=" not in file[0]
    assert "multipart" not in page.split("data-fingerprint")[0].rsplit("<form", 1)[1]


def test_rita_reviews_a_work_that_was_never_sent(alice: User, rita: User) -> None:
    browser(alice).post("/studio/new/fingerprint/", by_hash_form(RAW))
    case = Case.objects.create(asset=Asset.objects.get(), category=Category.OTHER)
    page = browser(rita).get(f"/review/{case.pk}/").content.decode()
    assert "the office never had the file" in page and f"/review/{case.pk}/media/" not in page


def test_dana_is_told_that_there_is_no_picture_to_show_her(alice: User) -> None:
    browser(alice).post("/studio/new/fingerprint/", by_hash_form(RAW))
    said = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish"]}
    link = ask_consent(Asset.objects.get(), alice, **said)[1]  # type: ignore[arg-type]
    page = browser().get(link).content.decode()
    assert "The office has no picture of this work to show you" in page and "/picture/" not in page


@pytest.mark.parametrize("kind", ["audio/wav", "application/pdf", "text/plain"])
def test_a_work_without_a_picture_has_its_pages_all_the_same(alice: User, settle: Settle, kind: str) -> None:
    from tests.provenance.media_made import make

    with receive([make(kind)]) as scratch:
        asset = register_asset(alice, scratch, title="No picture")
    settle()
    for path in (f"/studio/{asset.pk}/", f"/assets/{asset.pk}/", "/studio/", f"/verify/{asset.original_sha256}/"):
        assert browser(alice).get(path).status_code == 200, path
