"""The API: the same verbs, every refusal in problem+json, nothing left behind."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import Scope, User
from ledger import sequencer
from provenance import verification_api as door
from provenance.models import Asset
from provenance.restriction import restrict
from tests.provenance import media_made
from tests.provenance.asking import is_problem, with_token
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


def test_registering_and_reading_it_back(photo: bytes, alice: User, api: Api) -> None:
    made = _post(api(alice), "assets", file=_file(photo), title="Rocket", source_type="print", training="allowed")
    assert made.status_code == 201
    asset = Asset.objects.get()
    assert made["Location"] == f"/api/v1/assets/{asset.pk}"
    body = made.json()
    assert (body["title"], body["source_type"], body["training"]) == ("Rocket", "print", "allowed")
    assert (body["width"], body["height"], body["seconds"]) == (640, 427, None)
    assert [one["form"] for one in body["manifests"]] == ["embedded", "detached"]
    assert body["manifest"] == body["manifests"][0]
    assert body["manifest"]["sha256"] == asset.manifests.get(form="embedded").sha256
    assert (body["held"], body["size"]) == (True, len(photo))
    promised = body.pop("acknowledgement")
    assert api().get(body["links"]["acknowledgement"]).json() == promised
    assert api().get(made["Location"]).json() == body
    assert [one["id"] for one in api(alice).get("/api/v1/assets").json()["results"]] == [str(asset.pk)]


def test_an_owner_has_more_said_in_the_credential(photo: bytes, alice: User, api: Api) -> None:
    said = {"dc:creator": "Alice", "dc:description": "A rocket.\nAt night."}
    made = _post(api(alice), "assets", file=_file(photo), title="Rocket", metadata=json.dumps(said))
    assert made.status_code == 201
    for manifest in Asset.objects.get().manifests.all():
        told = {one["label"]: one["data"] for one in manifest.active["assertions"]}
        assert said.items() <= told["cawg.metadata"].items()


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ("{", "request.invalid"),
        ("[" * 90_000, "request.invalid"),
        ('["dc:creator"]', "request.invalid"),
        ('{"dc:creator": 7}', "request.invalid"),
        ('{"nobody:knows": "Alice"}', "asset.metadata"),
        ('{"dc:\\ud800": "Alice"}', "asset.metadata"),
        ('{"dc:creator": "\\ud800"}', "asset.metadata"),
        ('{"dc:creator": "A\\u0000lice"}', "asset.metadata"),
        (json.dumps({"dc:creator": "x" * 2001}), "asset.metadata"),
    ],
)
def test_what_a_credential_cannot_say_is_refused(
    metadata: str, code: str, photo: bytes, alice: User, api: Api, leaves_nothing: None
) -> None:
    refused = _post(api(alice), "assets", file=_file(photo), title="Rocket", metadata=metadata)
    assert is_problem(refused, 400, code)
    assert "metadata" in refused.json().get("errors", ["metadata"])


def test_the_list_is_ones_own_and_pages(alice: User, bob: User, api: Api, photo: bytes, register: Register) -> None:
    for width in (200, 210, 220):
        register(alice, media_made.as_jpeg(photo, width), title=str(width))
    first = api(alice).get("/api/v1/assets?page_size=2").json()
    assert [one["title"] for one in first["results"]] == ["220", "210"]
    second = api(alice).get(first["next"]).json()
    assert [one["title"] for one in second["results"]] == ["200"]
    assert api(bob).get("/api/v1/assets").json()["results"] == []
    assert is_problem(api().get("/api/v1/assets"), 401, "auth.missing")


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
    assert is_problem(api().get(path), 409, "receipt.pending")
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
        for stranger in (api(), api(bob), with_token(alice, Scope.NOTICES_WRITE), with_token(rita, Scope.CASES_READ)):
            assert is_problem(stranger.get(path), 404, "not_found")
        reviewer = () if end == "/file" else (api(rita),)
        for insider in (api(alice), *reviewer, with_token(alice, Scope.ASSETS_READ)):
            response = insider.get(path)
            assert response.status_code == 200
            close_files(response)


def test_a_reviewer_gets_no_hidden_file_past_the_desk_that_records_each_look(
    photo: bytes, alice: User, rita: User, api: Api, register: Register
) -> None:
    asset = register(alice, photo)
    restrict(asset, "hidden")
    path = f"/api/v1/assets/{asset.pk}/file"
    for reviewer in (api(rita), with_token(rita, Scope.ASSETS_READ)):
        assert is_problem(reviewer.get(path), 403, "asset.restricted")
    response = api(alice).get(path)
    assert response.status_code == 200
    close_files(response)


# --- Who may -----------------------------------------------------------------------------------------------------


def test_only_creators_register(photo: bytes, rita: User, greta: User, api: Api, leaves_nothing: None) -> None:
    assert is_problem(_post(api(), "assets", file=_file(photo), title="x"), 401, "auth.missing")
    for person in (rita, greta):
        assert is_problem(_post(api(person), "assets", file=_file(photo), title="x"), 403, "forbidden")


def test_a_machine_registers_with_the_scope_for_it(photo: bytes, alice: User) -> None:
    reader, writer = with_token(alice, Scope.ASSETS_READ), with_token(alice, Scope.ASSETS_WRITE)
    assert is_problem(_post(reader, "assets", file=_file(photo), title="x"), 403, "forbidden")
    assert _post(writer, "assets", file=_file(photo), title="x").status_code == 201
    assert is_problem(writer.get("/api/v1/assets"), 403, "forbidden")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_an_expired_token_opens_nothing(path: str, photo: bytes, alice: User) -> None:
    client = with_token(alice, Scope.ASSETS_WRITE, life=dt.timedelta(seconds=-1))
    assert is_problem(_post(client, path, file=_file(photo), title="x"), 401, "auth.failed")
    assert not Asset.objects.exists()


# --- Bad input ---------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[Callable[[bytes], tuple[bytes, str]], int, str]] = {
    "empty file": (lambda photo: (b"", "x.jpg"), 400, "media.empty"),
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
    assert is_problem(_post(api(alice), path, file=_file(data, name), title="x"), status, code)


def test_a_drawing_with_a_program_is_not_registered_and_is_told_about(
    alice: User, api: Api, leaves_nothing: None
) -> None:
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
    refusal = _post(api(alice), "assets", file=_file(drawing, "x.svg"), title="x")
    assert is_problem(refusal, 422, "media.active_content")
    report = _post(api(), "verifications", file=_file(drawing, "x.svg")).json()
    assert report["verdicts"]["presence"]["state"] == "none"
    assert "not examined" in report["file"]["notes"][0]


def test_a_drawing_with_a_program_is_reported_on_and_not_registered(
    alice: User, api: Api, leaves_nothing: None
) -> None:
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"
    refused = _post(api(alice), "assets", file=_file(drawing, "x.svg"), title="x")
    assert is_problem(refused, 422, "media.active_content")
    assert _post(api(), "verifications", file=_file(drawing, "x.svg")).json()["file"]["notes"]


def test_a_jpeg_named_png(photo: bytes, alice: User, api: Api, leaves_nothing: None) -> None:
    response = _post(api(alice), "assets", file=_file(photo, "x.png"), title="x")
    assert is_problem(response, 415, "media.name_mismatch")


def test_a_remote_manifest(photo: bytes, alice: User, api: Api, leaves_nothing: None) -> None:
    data = media_made.naming_an_address(photo, "http://127.0.0.1:9/m.c2pa")
    assert is_problem(_post(api(alice), "assets", file=_file(data), title="x"), 422, "media.remote_manifest")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_a_body_over_the_limit(path: str, alice: User, api: Api, settings: Any, leaves_nothing: None) -> None:
    """Over the limit, and far enough over it to be refused by its Content-Length alone."""
    settings.ASSAY_MAX_UPLOAD_BYTES = 1000
    for size in (2000, 2 << 20):
        response = _post(api(alice), path, file=_file(bytes(size)), title="x")
        assert is_problem(response, 413, "media.too_large")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_json_and_broken_forms(path: str, alice: User, api: Api, leaves_nothing: None) -> None:
    client, url = api(alice), f"/api/v1/{path}"
    for body in (b"{", b'{"file": "x"}', b""):
        response = client.post(url, body, content_type="application/json")
        assert is_problem(
            response, 400 if body == b"" else 415, "media.missing" if body == b"" else "request.media_type"
        )
    broken = client.post(url, b"--x\r\nno form", content_type="multipart/form-data; boundary=x")
    assert broken.status_code == 400
    nameless = client.post(url, b"abc", content_type="multipart/form-data")
    assert is_problem(nameless, 400, "request.unreadable")


@pytest.mark.parametrize("path", ["assets", "verifications"])
def test_no_file_at_all(path: str, alice: User, api: Api, leaves_nothing: None) -> None:
    assert is_problem(_post(api(alice), path, title="x"), 400, "media.missing")
    assert is_problem(_post(api(alice), path, title="x", file="a word"), 400, "media.missing")


@pytest.mark.parametrize(
    "form", [{}, {"title": ""}, {"title": "x", "source_type": "y"}, {"title": "x", "training": "perhaps"}]
)
def test_wrong_fields_are_named(form: dict, photo: bytes, alice: User, api: Api, leaves_nothing: None) -> None:
    response = _post(api(alice), "assets", file=_file(photo), **form)
    assert is_problem(response, 400, "request.invalid")
    assert response.json()["errors"]


def test_registering_twice(photo: bytes, alice: User, api: Api) -> None:
    first = _post(api(alice), "assets", file=_file(photo), title="x").json()
    again = _post(api(alice), "assets", file=_file(photo), title="y")
    assert is_problem(again, 409, "asset.exists")
    assert again.json()["asset_id"] == first["id"]


def test_strangers_ask_a_limited_number_of_times(
    photo: bytes, api: Api, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:

    monkeypatch.setattr(door.VerificationAnonThrottle, "rate", "2/min")
    answers = [_post(api(), "verifications", file=_file(b"")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert is_problem(answers[2], 429, "request.throttled")
    assert int(answers[2]["Retry-After"]) > 0


# --- Files whose credential stands beside them -------------------------------------------------------------------


def test_a_file_that_takes_no_credential_inside_gets_one_beside_it(alice: User, api: Api) -> None:
    novel = b"The marsh was quiet at noon.\n" * 40
    made = _post(api(alice), "assets", file=_file(novel, "novel.txt"), title="Novel")
    assert made.status_code == 201
    body = made.json()
    assert (body["kind"], body["media_type"], body["held"], body["size"]) == ("file", "text/plain", True, len(novel))
    assert (body["width"], body["height"]) == (None, None)
    assert [one["form"] for one in body["manifests"]] == ["detached"]
    assert "file" not in body["links"]
    assert is_problem(api().get(f"/api/v1/assets/{body['id']}/file"), 404, "not_found")
    store = api().get(body["links"]["manifest"])
    assert hashlib.sha256(store.content).hexdigest() == body["manifest"]["sha256"]
    assert is_problem(api().get(f"{body['links']['manifest']}?form=embedded"), 404, "not_found")
    verdicts = _post(api(), "verifications", file=_file(novel, "n.txt"), manifest=_file(store.content, "n.c2pa"))
    assert verdicts.json()["verdicts"]["integrity"]["state"] == "intact"


@pytest.mark.parametrize("wanted", [True, False])
def test_a_small_picture_is_in_the_credential_when_it_is_asked_for(
    wanted: bool, photo: bytes, alice: User, api: Api
) -> None:
    body = _post(api(alice), "assets", file=_file(photo), title="x", thumbnail=wanted).json()
    store = api().get(f"{body['links']['manifest']}?form=embedded").content
    assert (b"c2pa.thumbnail" in store) == wanted
