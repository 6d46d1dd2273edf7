"""Registering by hash alone, over the API: the file never leaves its owner, and is found all the same."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import Scope, User
from ledger import sequencer
from ledger.models import Entry
from provenance import guarded
from provenance.models import Asset
from provenance.restriction import restrict
from tests.provenance.asking import is_problem, with_token
from tests.provenance.conftest import Register

Api = Callable[..., APIClient]
ADDRESS = "/api/v1/assets/hashes"
NOVEL = b"The marsh was quiet at noon.\n" * 500


def _of(data: bytes, **changes: Any) -> dict[str, Any]:
    """What a client that holds `data` sends."""
    said = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "media_type": "text/plain", "title": "Novel"}
    return {**said, **changes}


def _send(client: APIClient, body: Any) -> Any:
    return client.post(ADDRESS, body, format="json")


# --- What comes back ---------------------------------------------------------------------------------------------


def test_a_hash_becomes_a_registered_work(alice: User, api: Api) -> None:
    made = _send(api(alice), _of(NOVEL, source_type="humanEdits", training="allowed"))
    assert made.status_code == 201
    asset = Asset.objects.get()
    body = made.json()
    assert made["Location"] == f"/api/v1/assets/{asset.pk}"
    assert (body["held"], body["size"], body["media_type"]) == (False, len(NOVEL), "text/plain")
    assert (body["source_type"], body["training"]) == ("humanEdits", "allowed")
    assert (body["width"], body["height"], body["seconds"]) == (None, None, None)
    assert [one["form"] for one in body["manifests"]] == ["detached"]
    assert "file" not in body["links"]
    assert asset.original_sha256 == hashlib.sha256(NOVEL).hexdigest()
    promised, store = body.pop("acknowledgement"), body.pop("detached_manifest")
    assert api().get(body["links"]["acknowledgement"]).json() == promised
    assert api().get(made["Location"]).json() == body
    assert api().get(body["links"]["manifest"]).content == base64.b64decode(store)


def test_the_manifest_that_comes_back_proves_the_file(alice: User, api: Api, on_disk: Callable[..., Path]) -> None:
    body = _send(api(alice), _of(NOVEL)).json()
    novel, store = on_disk("novel.txt", NOVEL), on_disk("novel.c2pa", base64.b64decode(body["detached_manifest"]))
    read = guarded.read_credential(novel, "text/plain", manifest=store)
    assert read["presence"] == "detached"
    assert read["store"]["active_manifest"] == body["manifest"]["label"]
    codes = [one["code"] for one in read["store"]["validation_results"]["activeManifest"]["success"]]
    assert "assertion.dataHash.match" in codes
    on_disk("novel.txt", NOVEL + b" ")
    changed = guarded.read_credential(novel, "text/plain", manifest=store)
    failed = [one["code"] for one in changed["store"]["validation_results"]["activeManifest"]["failure"]]
    assert "assertion.dataHash.mismatch" in failed


def test_it_is_in_the_log_with_a_receipt(alice: User, api: Api) -> None:
    body = _send(api(alice), _of(NOVEL)).json()
    sequencer.tick()
    receipt = api().get(body["links"]["receipt"]).json()
    assert receipt["entry"]["object"] == f"asset:{body['id']}"
    assert hashlib.sha256(NOVEL).hexdigest() not in json.dumps(receipt)  # the hash of a file is sealed with its owner


def test_nothing_but_the_manifest_is_kept(alice: User, api: Api) -> None:
    _send(api(alice), _of(NOVEL))
    stored = [path for path in (Path(settings.ASSAY_VAR) / "media").rglob("*") if path.is_file()]
    manifest = Asset.objects.get().manifests.get()
    assert [path.name for path in stored] == [manifest.sha256]
    assert not Asset.objects.get().renditions.exists()


def test_there_is_no_file_to_be_had(alice: User, api: Api) -> None:
    body = _send(api(alice), _of(NOVEL)).json()
    for client in (api(), api(alice)):
        assert is_problem(client.get(f"/api/v1/assets/{body['id']}/file"), 404, "not_found")


def test_whoever_has_the_file_finds_the_work(alice: User, api: Api) -> None:
    body = _send(api(alice), _of(NOVEL)).json()
    found = api().post("/api/v1/softbinding/matches/byContent", NOVEL, content_type="text/plain").json()
    assert found == {"matches": [{"manifestId": body["manifest"]["label"], "similarityScore": 100}]}
    restrict(Asset.objects.get(), "hidden")
    found = api().post("/api/v1/softbinding/matches/byContent", NOVEL, content_type="text/plain").json()
    assert found == {"matches": []}


# --- Sent again --------------------------------------------------------------------------------------------------


def test_a_request_whose_answer_was_lost_can_be_sent_again(alice: User, api: Api) -> None:
    first = _send(api(alice), _of(NOVEL, title="  A   novel "))
    entries = Entry.objects.count()
    again = _send(api(alice), _of(NOVEL, title="A novel"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert (Asset.objects.count(), Entry.objects.count()) == (1, entries)


@pytest.mark.parametrize(
    "change", [{"title": "Another"}, {"training": "allowed"}, {"source_type": "print"}, {"size": 1}]
)
def test_the_same_file_with_other_words_is_refused(change: dict, alice: User, api: Api) -> None:
    first = _send(api(alice), _of(NOVEL)).json()
    other = _send(api(alice), _of(NOVEL, **change))
    assert is_problem(other, 409, "asset.exists")
    assert other.json()["asset_id"] == first["id"]
    assert Asset.objects.count() == 1


def test_a_file_that_was_sent_is_not_registered_by_its_hash_as_well(
    photo: bytes, alice: User, api: Api, register: Register
) -> None:
    register(alice, photo, title="Novel")
    again = _send(api(alice), _of(photo, media_type="image/jpeg"))
    assert is_problem(again, 409, "asset.exists")


def test_a_file_registered_by_its_hash_is_not_registered_by_sending_it(photo: bytes, alice: User, api: Api) -> None:
    _send(api(alice), _of(photo, media_type="image/jpeg"))
    form = {"file": SimpleUploadedFile("photo.jpg", photo), "title": "Novel"}
    assert is_problem(api(alice).post("/api/v1/assets", form, format="multipart"), 409, "asset.exists")


def test_two_people_may_register_the_same_hash(alice: User, bob: User, api: Api) -> None:
    assert [_send(api(person), _of(NOVEL)).status_code for person in (alice, bob)] == [201, 201]
    found = api().post("/api/v1/softbinding/matches/byContent", NOVEL, content_type="text/plain").json()
    assert len(found["matches"]) == 2


# --- Who may -----------------------------------------------------------------------------------------------------


def test_only_creators_register(rita: User, greta: User, api: Api, leaves_nothing: None) -> None:
    assert is_problem(_send(api(), _of(NOVEL)), 401, "auth.missing")
    for person in (rita, greta):
        assert is_problem(_send(api(person), _of(NOVEL)), 403, "forbidden")


def test_a_machine_registers_with_the_scope_for_it(alice: User) -> None:
    assert is_problem(_send(with_token(alice, Scope.ASSETS_READ), _of(NOVEL)), 403, "forbidden")
    assert _send(with_token(alice, Scope.ASSETS_WRITE), _of(NOVEL)).status_code == 201


# --- Bad input ---------------------------------------------------------------------------------------------------

WRONG: dict[str, Any] = {
    "short hash": {"sha256": "ab" * 31},
    "upper case": {"sha256": "AB" * 32},
    "a newline after": {"sha256": "ab" * 32 + "\n"},
    "no hexadecimal": {"sha256": "xy" * 32},
    "a number": {"sha256": 7},
    "nothing": {"sha256": None},
    "no bytes": {"size": 0},
    "fewer than none": {"size": -1},
    "more than numbers hold": {"size": 1 << 60},
    "no type": {"media_type": "text"},
    "a parameter": {"media_type": "text/plain; charset=utf-8"},
    "a header": {"media_type": "text/plain\r\nX: y"},
    "a title of blanks": {"title": "   "},
    "a long title": {"title": "x" * 300},
    "an unknown source": {"source_type": "dream"},
    "a half preference": {"training": "perhaps"},
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_fields_are_named(what: str, alice: User, api: Api, leaves_nothing: None) -> None:
    response = _send(api(alice), _of(NOVEL, **WRONG[what]))
    assert is_problem(response, 400, "request.invalid")
    assert set(response.json()["errors"]) == set(WRONG[what])


@pytest.mark.parametrize("missing", ["sha256", "size", "media_type", "title"])
def test_missing_fields_are_named(missing: str, alice: User, api: Api, leaves_nothing: None) -> None:
    body = _of(NOVEL)
    del body[missing]
    assert set(_send(api(alice), body).json()["errors"]) == {missing}


def test_the_hash_of_nothing_is_refused(alice: User, api: Api, leaves_nothing: None) -> None:
    assert is_problem(_send(api(alice), _of(b"", size=1)), 400, "media.sha256")


def test_a_title_that_cannot_be_printed_is_refused(alice: User, api: Api, leaves_nothing: None) -> None:
    assert is_problem(_send(api(alice), _of(NOVEL, title="A\u200bb")), 400, "asset.title")


def test_a_name_that_promises_another_kind_is_refused(alice: User, api: Api, leaves_nothing: None) -> None:
    body = _of(NOVEL, media_type="image/png", filename="photo.jpg")
    assert is_problem(_send(api(alice), body), 415, "media.name_mismatch")


@pytest.mark.parametrize("body", ["{", "[]", "null", '"x"', '{"sha256": NaN}'])
def test_json_that_is_no_registration(body: str, alice: User, api: Api, leaves_nothing: None) -> None:
    response = api(alice).post(ADDRESS, body, content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_it_takes_json_alone(alice: User, api: Api, leaves_nothing: None) -> None:
    assert is_problem(api(alice).post(ADDRESS, _of(NOVEL), format="multipart"), 415, "request.media_type")


def test_a_body_without_measure_is_not_read_into_memory(alice: User, api: Api, leaves_nothing: None) -> None:
    body = json.dumps(_of(NOVEL, title="x" * (3 << 20)))
    response = api(alice).post(ADDRESS, body, content_type="application/json")
    assert is_problem(response, 413, "request.too_large")
