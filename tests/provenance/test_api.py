"""The API: the same verbs, every refusal in problem+json, nothing left behind."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import MachineToken, Scope, User
from ledger import sequencer
from provenance import api as door
from provenance.models import Asset
from provenance.restriction import restrict
from tests.provenance import media_made
from tests.provenance.conftest import Register, close_files

Api = Callable[..., APIClient]


def _file(data: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def _post(client: APIClient, path: str, **form: Any) -> Any:
    return client.post(f"/api/v1/{path}", form, format="multipart")


def _read(response: Any) -> bytes:
    data = b"".join(response.streaming_content)
    close_files(response)
    return data


def _is_problem(response: Any, status: int, code: str) -> bool:
    body = json.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["title"]
    return True


def _token(user: User, *scopes: str, life: dt.timedelta = dt.timedelta(hours=1)) -> APIClient:
    create: Any = MachineToken.objects.create
    _, secret = create(user=user, expiry=life, name="camera", scopes=list(scopes))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def test_registering_and_reading_it_back(photo: bytes, alice: User, api: Api) -> None:
    made = _post(api(alice), "assets", file=_file(photo), title="Rocket", source_type="print", training="allowed")
    assert made.status_code == 201
    asset = Asset.objects.get()
    assert made["Location"] == f"/api/v1/assets/{asset.pk}"
    body = made.json()
    assert (body["title"], body["source_type"], body["training"]) == ("Rocket", "print", "allowed")
    assert (body["width"], body["height"], body["seconds"]) == (640, 427, None)
    assert body["manifest"]["sha256"] == asset.manifests.get().sha256
    promised = body.pop("acknowledgement")
    assert api().get(body["links"]["acknowledgement"]).json() == promised
    assert api().get(made["Location"]).json() == body
    assert [one["id"] for one in api(alice).get("/api/v1/assets").json()["results"]] == [str(asset.pk)]


def test_the_list_is_ones_own_and_pages(alice: User, bob: User, api: Api, photo: bytes, register: Register) -> None:
    for width in (200, 210, 220):
        register(alice, media_made.as_jpeg(photo, width), title=str(width))
    first = api(alice).get("/api/v1/assets?page_size=2").json()
    assert [one["title"] for one in first["results"]] == ["220", "210"]
    second = api(alice).get(first["next"]).json()
    assert [one["title"] for one in second["results"]] == ["200"]
    assert api(bob).get("/api/v1/assets").json()["results"] == []
    assert _is_problem(api().get("/api/v1/assets"), 401, "auth.missing")


def test_the_signed_file_comes_as_an_attachment(photo: bytes, alice: User, api: Api, register: Register) -> None:
    asset = register(alice, photo, title="../Rocket “7”\n.html")
    response = api().get(f"/api/v1/assets/{asset.pk}/file", HTTP_ACCEPT="image/*")
    data = _read(response)
    assert response.status_code == 200
    assert hashlib.sha256(data).hexdigest() == asset.rendition("signed").sha256
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == 'attachment; filename="rocket-7-html-signed.jpg"'


def test_the_receipt_comes_with_the_next_checkpoint(photo: bytes, alice: User, api: Api, register: Register) -> None:
    path = f"/api/v1/assets/{register(alice, photo).pk}/receipt"
    assert _is_problem(api().get(path), 409, "receipt.pending")
    sequencer.tick()
    assert api().get(path).json()["format"] == "assay-receipt/1"


def test_a_report_over_the_api(photo: bytes, alice: User, api: Api, register: Register, leaves_nothing: None) -> None:
    response = _post(api(), "verifications", file=_file(photo))
    assert response.status_code == 200
    assert response.json()["credential"]["state"] == "none"
    assert response.json()["file"]["sha256"] == hashlib.sha256(photo).hexdigest()


def test_hidden_works_are_not_there_for_strangers(
    photo: bytes, alice: User, bob: User, rita: User, api: Api, register: Register
) -> None:
    asset = register(alice, photo)
    restrict(asset, "hidden")
    sequencer.tick()
    for end in ("", "/file", "/receipt"):
        path = f"/api/v1/assets/{asset.pk}{end}"
        for stranger in (api(), api(bob), _token(alice, Scope.NOTICES_WRITE), _token(rita, Scope.CASES_READ)):
            assert _is_problem(stranger.get(path), 404, "not_found")
        reviewer = () if end == "/file" else (api(rita),)
        for insider in (api(alice), *reviewer, _token(alice, Scope.ASSETS_READ)):
            response = insider.get(path)
            assert response.status_code == 200
            close_files(response)


def test_a_reviewer_gets_no_hidden_file_past_the_desk_that_records_each_look(
    photo: bytes, alice: User, rita: User, api: Api, register: Register
) -> None:
    asset = register(alice, photo)
    restrict(asset, "hidden")
    path = f"/api/v1/assets/{asset.pk}/file"
    for reviewer in (api(rita), _token(rita, Scope.ASSETS_READ)):
        assert _is_problem(reviewer.get(path), 403, "asset.restricted")
    response = api(alice).get(path)
    assert response.status_code == 200
    close_files(response)


# --- Who may -----------------------------------------------------------------------------------------------------


def test_only_creators_register(photo: bytes, rita: User, greta: User, api: Api, leaves_nothing: None) -> None:
    assert _is_problem(_post(api(), "assets", file=_file(photo), title="x"), 401, "auth.missing")
    for person in (rita, greta):
        assert _is_problem(_post(api(person), "assets", file=_file(photo), title="x"), 403, "forbidden")


def test_a_machine_registers_with_the_scope_for_it(photo: bytes, alice: User) -> None:
    reader, writer = _token(alice, Scope.ASSETS_READ), _token(alice, Scope.ASSETS_WRITE)
    assert _is_problem(_post(reader, "assets", file=_file(photo), title="x"), 403, "forbidden")
    assert _post(writer, "assets", file=_file(photo), title="x").status_code == 201
    assert _is_problem(writer.get("/api/v1/assets"), 403, "forbidden")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_an_expired_token_opens_nothing(path: str, photo: bytes, alice: User) -> None:
    client = _token(alice, Scope.ASSETS_WRITE, life=dt.timedelta(seconds=-1))
    assert _is_problem(_post(client, path, file=_file(photo), title="x"), 401, "auth.failed")
    assert not Asset.objects.exists()


# --- Bad input ---------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[Callable[[bytes], tuple[bytes, str]], int, str]] = {
    "empty file": (lambda photo: (b"", "x.jpg"), 400, "media.empty"),
    "svg with script": (lambda photo: (b"<svg><script/></svg>", "x.svg"), 415, "media.type_unsupported"),
    "half a jpeg": (lambda photo: (photo[:9000], "x.jpg"), 422, "media.truncated"),
    "no pixels": (lambda photo: (media_made.png_that_says(0, 0), "x.png"), 422, "media.no_pixels"),
    "60,000 squared": (
        lambda photo: (media_made.png_that_says(60_000, 60_000), "x.png"),
        422,
        "media.too_many_pixels",
    ),
}


@pytest.mark.parametrize("path", ["assets", "verifications"])
@pytest.mark.parametrize("what", BAD)
def test_bad_files(what: str, path: str, photo: bytes, alice: User, api: Api, leaves_nothing: None) -> None:
    make, status, code = BAD[what]
    data, name = make(photo)
    assert _is_problem(_post(api(alice), path, file=_file(data, name), title="x"), status, code)


def test_a_jpeg_named_png(photo: bytes, alice: User, api: Api, leaves_nothing: None) -> None:
    response = _post(api(alice), "assets", file=_file(photo, "x.png"), title="x")
    assert _is_problem(response, 415, "media.name_mismatch")


def test_a_remote_manifest(photo: bytes, alice: User, api: Api, leaves_nothing: None) -> None:
    data = media_made.naming_an_address(photo, "http://127.0.0.1:9/m.c2pa")
    assert _is_problem(_post(api(alice), "assets", file=_file(data), title="x"), 422, "media.remote_manifest")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_a_body_over_the_limit(path: str, alice: User, api: Api, settings: Any, leaves_nothing: None) -> None:
    """Over the limit, and far enough over it to be refused by its Content-Length alone."""
    settings.ASSAY_MAX_UPLOAD_BYTES = 1000
    for size in (2000, 2 << 20):
        response = _post(api(alice), path, file=_file(bytes(size)), title="x")
        assert _is_problem(response, 413, "media.too_large")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_json_and_broken_forms(path: str, alice: User, api: Api, leaves_nothing: None) -> None:
    client, url = api(alice), f"/api/v1/{path}"
    for body in (b"{", b'{"file": "x"}', b""):
        response = client.post(url, body, content_type="application/json")
        assert _is_problem(
            response, 400 if body == b"" else 415, "media.missing" if body == b"" else "request.media_type"
        )
    broken = client.post(url, b"--x\r\nno form", content_type="multipart/form-data; boundary=x")
    assert broken.status_code == 400
    nameless = client.post(url, b"abc", content_type="multipart/form-data")
    assert _is_problem(nameless, 400, "request.unreadable")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_no_file_at_all(path: str, alice: User, api: Api, leaves_nothing: None) -> None:
    assert _is_problem(_post(api(alice), path, title="x"), 400, "media.missing")
    assert _is_problem(_post(api(alice), path, title="x", file="a word"), 400, "media.missing")


@pytest.mark.parametrize(
    "form", [{}, {"title": ""}, {"title": "x", "source_type": "y"}, {"title": "x", "training": "perhaps"}]
)
def test_wrong_fields_are_named(form: dict, photo: bytes, alice: User, api: Api, leaves_nothing: None) -> None:
    response = _post(api(alice), "assets", file=_file(photo), **form)
    assert _is_problem(response, 400, "request.invalid")
    assert response.json()["errors"]


def test_registering_twice(photo: bytes, alice: User, api: Api) -> None:
    first = _post(api(alice), "assets", file=_file(photo), title="x").json()
    again = _post(api(alice), "assets", file=_file(photo), title="y")
    assert _is_problem(again, 409, "asset.exists")
    assert again.json()["asset_id"] == first["id"]


def test_strangers_ask_a_limited_number_of_times(
    photo: bytes, api: Api, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:

    monkeypatch.setattr(door.VerificationAnonThrottle, "rate", "2/min")
    answers = [_post(api(), "verifications", file=_file(b"<svg/>", "x.svg")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [415, 415, 429]
    assert _is_problem(answers[2], 429, "request.throttled")
    assert int(answers[2]["Retry-After"]) > 0
