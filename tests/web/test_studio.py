"""The creator's pages: register a work in the browser, watch it being examined, take it home."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from core.models import Job
from ledger.models import Entry
from provenance import media
from provenance.models import Asset
from tests.provenance import media_made

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]


@pytest.fixture
def studio(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def form(photo: bytes, **changes: object) -> dict[str, object]:
    return {
        "file": SimpleUploadedFile("rocket.jpg", photo, "image/jpeg"),
        "title": "Rocket",
        "source_type": "digitalCapture",
        "training": "notAllowed",
        "promise": "on",
        **changes,
    }


def test_an_empty_studio_says_what_to_do(studio: Client) -> None:
    page = studio.get("/studio/").content.decode()
    assert "No works yet" in page and "/studio/new/" in page


def test_a_work_is_registered_watched_and_taken_home(studio: Client, photo: bytes, settle: Settle) -> None:
    answer = studio.post("/studio/new/", form(photo))
    asset = Asset.objects.get()
    assert answer.headers["Location"] == f"/studio/{asset.pk}/"
    waiting = studio.get(answer.headers["Location"]).content.decode()
    assert 'hx-trigger="every 1s"' in waiting and "Waiting for a worker" in waiting
    settle()
    moved = studio.get(f"/studio/{asset.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert moved.lstrip().startswith('<div id="examination"') and "hx-get" not in moved
    assert "uncalibrated" in moved and "Entry 0 in the register" in moved
    file = studio.get(f"/assets/{asset.pk}/file/")
    assert "attachment" in file.headers["Content-Disposition"]
    assert len(b"".join(file.streaming_content)) > len(photo)  # type: ignore[attr-defined]
    assert "Rocket" in studio.get("/studio/").content.decode()


@pytest.mark.parametrize(
    ("media_type", "drawn", "words"),
    [
        ("audio/mpeg", True, "“Noise and compression inconsistency” reads pictures, video, not sound."),
        ("video/avi", True, "One picture from the video."),
        ("image/heic", True, "image/heic, 128 × 85"),
        ("application/pdf", False, "reads pictures, video, not documents."),
        ("image/svg+xml", False, "cannot read files of this kind (SVG)."),
        ("text/plain", False, "reads pictures, video, not other files."),
        ("audio/ogg", True, "How loud it is from beginning to end."),
    ],
)
def test_a_work_of_any_kind_has_its_pages(
    media_type: str, drawn: bool, words: str, studio: Client, photo: bytes, settle: Settle
) -> None:
    upload = SimpleUploadedFile(f"work{media.suffix(media_type)}", media_made.make(media_type))
    studio.post("/studio/new/", form(photo, file=upload))
    asset = Asset.objects.get()
    settle()
    for address in (f"/studio/{asset.pk}/", f"/assets/{asset.pk}/"):
        page = studio.get(address).content.decode()
        assert words in page, address
        assert (f'src="/assets/{asset.pk}/preview/"' in page) is drawn, address
    assert (f"/assets/{asset.pk}/preview/" in studio.get("/studio/").content.decode()) is drawn


def test_a_failed_examination_is_visible(studio: Client, photo: bytes, settle: Settle) -> None:
    studio.post("/studio/new/", form(photo))
    Job.objects.update(state=Job.State.FAILED, error_code="job.died", error_detail="The worker died 3 times.")
    page = studio.get(f"/studio/{Asset.objects.get().pk}/").content.decode()
    assert "this did not work" in page and "The worker died 3 times." in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": ""}, "This field is required"),
        ({"title": "x" * 201}, "at most 200 characters"),
        ({"promise": ""}, "Please confirm this"),
        ({"file": ""}, "This field is required"),
        ({"source_type": "dreamt"}, "not one of the available choices"),
        ({"file": SimpleUploadedFile("x.jpg", b"")}, "No byte arrived"),
        ({"file": SimpleUploadedFile("x.svg", b"<svg onload='x()'/>")}, "cannot be registered as a drawing"),
        ({"title": "a\u202eb"}, "title"),
    ],
)
def test_a_mistake_is_named_at_its_field_and_nothing_is_kept(
    studio: Client, photo: bytes, changes: dict[str, object], words: str
) -> None:
    answer = studio.post("/studio/new/", form(photo, **changes))
    page = answer.content.decode()
    assert 400 <= answer.status_code < 500
    assert words in page and 'class="error-summary"' in page
    assert not Asset.objects.exists() and not Entry.objects.exists() and not Job.objects.exists()


def test_the_same_file_twice_leads_to_the_first_work(studio: Client, photo: bytes) -> None:
    studio.post("/studio/new/", form(photo))
    again = studio.post("/studio/new/", form(photo))
    assert again.status_code == 409
    assert f"/studio/{Asset.objects.get().pk}/" in again.content.decode()


def test_what_was_typed_is_still_there_after_a_mistake(studio: Client, photo: bytes) -> None:
    page = studio.post("/studio/new/", form(photo, promise="", title="My rocket")).content.decode()
    assert 'value="My rocket"' in page


def test_bob_does_not_see_alices_studio_page(studio: Client, photo: bytes, bob: User) -> None:
    studio.post("/studio/new/", form(photo))
    other = Client()
    other.force_login(bob)
    assert other.get(f"/studio/{Asset.objects.get().pk}/").status_code == 404
    assert "Rocket" not in other.get("/studio/").content.decode()


def test_a_jobs_progress_is_for_its_owner_and_reviewers(studio: Client, photo: bytes, bob: User, rita: User) -> None:
    studio.post("/studio/new/", form(photo))
    address = f"/jobs/{Job.objects.get().pk}/"
    assert studio.get(address).status_code == 200
    for person, status in ((bob, 404), (rita, 200)):
        other = Client()
        other.force_login(person)
        assert other.get(address).status_code == status


def test_a_huge_announced_upload_is_refused_before_it_is_read(studio: Client) -> None:
    answer = studio.generic(
        "POST", "/studio/new/", b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(2 << 30)
    )
    assert answer.status_code == 413
    assert "too large" in answer.content.decode()


@pytest.mark.parametrize(("who", "words"), [("alice", "Studio"), ("rita", "Review desk"), ("greta", "Audit log")])
def test_the_desk_starts_by_role(who: str, words: str, request: pytest.FixtureRequest) -> None:
    client = Client()
    client.force_login(request.getfixturevalue(who))
    assert words in client.get("/desk/").content.decode().split("<main")[1]
