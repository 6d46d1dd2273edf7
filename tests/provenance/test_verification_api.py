"""/api/v1/verifications: a file or its hash in, a report or crJSON out."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from provenance import manifests
from provenance.judgement import STATES
from provenance.manifest_reading import MAX_STORE
from provenance.models import Asset
from provenance.registration import register_hash
from provenance.restriction import restrict
from tests.provenance import media_made
from tests.provenance.conftest import Register

Api = Callable[..., APIClient]
Read = Callable[..., bytes]
HERE = "/api/v1/verifications"


def _ask(client: APIClient, data: bytes, accept: str = "application/json", query: str = "", **fields: Any) -> Any:
    files = {name: SimpleUploadedFile(name, value) for name, value in fields.items() if isinstance(value, bytes)}
    texts = {name: value for name, value in fields.items() if not isinstance(value, bytes)}
    body = {"file": SimpleUploadedFile("photo.jpg", data, "image/jpeg"), **files, **texts}
    return client.post(HERE + query, body, format="multipart", HTTP_ACCEPT=accept)


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo, title="The rocket")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_gets_nine_verdicts(work: Asset, signed_bytes: Read, api: Api) -> None:
    report = _ask(api(), signed_bytes(work)).json()
    assert set(report["verdicts"]) == set(STATES)
    for name, verdict in report["verdicts"].items():
        assert verdict["state"] in STATES[name]
        assert set(verdict) >= {"state", "sentence", "next_step", "codes"}
    assert report["verdicts"]["signer"]["list"]["uri"] == "urn:assay:this-office"
    assert report["verdicts"]["time"]["at"].endswith("Z")
    assert report["chain"]["title"] == "The rocket"
    assert report["signals"][0]["of"] == "this_file"
    assert report["as_of"] is None


def test_a_date_is_judged_by(work: Asset, signed_bytes: Read, api: Api) -> None:
    report = _ask(api(), signed_bytes(work), as_of="2020-01-01T00:00:00Z").json()
    assert report["as_of"] == "2020-01-01T00:00:00+00:00"
    assert report["verdicts"]["time"]["state"] == "not_yet"
    refusal = _ask(api(), signed_bytes(work), as_of="the day before")
    assert (refusal.status_code, refusal.json()["code"]) == (400, "request.invalid")


def test_a_manifest_may_come_beside_the_file(photo: bytes, work: Asset, api: Api) -> None:
    store = manifests.store_of(manifests.of_form(work, "detached"))
    fits = _ask(api(), photo, manifest=store).json()["verdicts"]
    other = _ask(api(), media_made.as_jpeg(photo), manifest=store).json()["verdicts"]
    assert (fits["presence"]["state"], fits["integrity"]["state"]) == ("detached", "intact")
    assert other["integrity"]["state"] == "broken"
    too_large = _ask(api(), photo, manifest=b"\0" * (MAX_STORE + 1))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "media.too_large")


def test_a_known_hash_answers_without_a_file(photo: bytes, work: Asset, signed_bytes: Read, api: Api) -> None:
    signed = signed_bytes(work)
    by_hash, by_file = api().get(f"{HERE}/{_sha256(signed)}"), _ask(api(), signed)
    assert by_hash.json() == by_file.json()
    assert (
        api().get(f"{HERE}/{_sha256(photo)}", {"as_of": "2020-01-01"}).json()["verdicts"]["time"]["state"] == "not_yet"
    )


@pytest.mark.parametrize("sha256", ["00" * 32, "AB" * 32, "short", "%00"])
def test_an_unknown_hash_asks_for_the_file(sha256: str, db: None, api: Api) -> None:
    answer = api().get(f"{HERE}/{sha256}")
    if sha256 == "%00":
        assert answer.status_code == 400
    else:
        assert (answer.status_code, answer.json()["code"]) == (404, "verification.unknown")
        assert "Send the file" in answer.json()["next_step"]


def test_a_hidden_work_is_unknown_to_the_public(work: Asset, alice: User, signed_bytes: Read, api: Api) -> None:
    sha256 = _sha256(signed_bytes(work))
    restrict(work, Asset.Restriction.HIDDEN)
    assert api().get(f"{HERE}/{sha256}").status_code == 404
    assert api(alice).get(f"{HERE}/{sha256}").status_code == 200


def test_a_work_registered_by_its_hash_is_found_by_it(alice: User, api: Api) -> None:
    sha256 = _sha256(b"a letter")
    register_hash(alice, sha256=sha256, size=8, media_type="text/plain", title="A letter")
    verdicts = api().get(f"{HERE}/{sha256}").json()["verdicts"]
    states = [verdicts[name]["state"] for name in ("presence", "integrity", "signer", "whole_file")]
    assert states == ["detached", "unchecked", "this_office", "registered"]


@pytest.mark.parametrize(("accept", "query"), [("application/ld+json", ""), ("*/*", "?format=crjson")])
def test_the_credential_is_told_as_crjson(
    accept: str, query: str, work: Asset, signed_bytes: Read, photo: bytes, api: Api
) -> None:
    answer = _ask(api(), signed_bytes(work), accept, query)
    assert answer["Content-Type"].startswith("application/ld+json")
    document = answer.json()
    assert set(document) >= {"@context", "manifests", "jsonGenerator"}
    assert document["manifests"][0]["label"].startswith("urn:c2pa:")
    bare = _ask(api(), media_made.as_jpeg(photo, width=200), accept, query).json()
    assert bare["manifests"] == []
    assert bare["jsonGenerator"]["name"]


def test_the_registered_hash_answers_as_crjson_too(work: Asset, signed_bytes: Read, api: Api) -> None:
    answer = api().get(f"{HERE}/{_sha256(signed_bytes(work))}", {"format": "crjson"})
    assert answer["Content-Type"].startswith("application/ld+json")
    assert answer.json()["manifests"]
    assert api().get(f"{HERE}/{_sha256(signed_bytes(work))}", {"format": "xml"}).status_code == 404
