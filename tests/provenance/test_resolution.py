"""Recovery: a file that lost its credential leads back to its registered manifest (Soft Binding Resolution API)."""

import base64
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from accounts.models import User
from provenance import manifests, resolution, resolution_api, softbinding
from provenance.models import Asset, Fingerprint
from provenance.redaction import redact
from tests.provenance import media_made, tampering
from tests.provenance.asking import is_problem
from tests.provenance.conftest import Register, close_files
from tests.provenance.recovering import HERE, Api, by_binding, by_content, re_encoded, verified

Read = Callable[..., bytes]


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo, title="Rocket over the marsh")


@pytest.fixture
def value(work: Asset) -> bytes:
    """The soft binding in the work's manifest."""
    codes = work.fingerprints.values_list("algorithm", "value")
    return softbinding.value_of({algorithm: bytes(code) for algorithm, code in codes})


# --- The way back ------------------------------------------------------------------------------------------------


def test_a_stripped_file_leads_back_to_the_manifest_that_proves_it(photo: bytes, alice: User, api: Api) -> None:
    form = {"file": SimpleUploadedFile("photo.jpg", photo), "title": "Rocket over the marsh"}
    links = api(alice).post("/api/v1/assets", form, format="multipart").json()["links"]
    response: Any = api().get(links["file"])
    signed = b"".join(response.streaming_content)
    close_files(response)
    stripped = tampering.stripped("image/jpeg", signed)
    assert b"c2pa" in signed
    assert b"c2pa" not in stripped

    [match] = by_content(api(), stripped).json()["matches"]
    store = api().get(f"{HERE}/manifests/{match['manifestId']}")
    assert match["similarityScore"] == 100
    assert (store.status_code, store["Content-Type"]) == (200, "application/c2pa")

    verdicts = verified(api(), stripped, store.content)
    assert verdicts["presence"] == "detached"
    assert verdicts["integrity"] == "intact"
    assert verdicts["signer"] == "this_office"


def test_a_re_encoded_file_leads_back_to_the_manifest_of_the_signed_file(
    photo: bytes, work: Asset, signed_bytes: Read, api: Api
) -> None:
    [match] = by_content(api(), re_encoded(photo)).json()["matches"]
    assert 84 <= match["similarityScore"] < 100
    store = api().get(f"{HERE}/manifests/{match['manifestId']}").content
    assert hashlib.sha256(store).hexdigest() == manifests.of_form(work, "embedded").sha256
    assert verified(api(), signed_bytes(work), store)["integrity"] == "intact"
    assert verified(api(), re_encoded(photo), store)["integrity"] == "broken"  # it says whose it was, not that it is


def test_each_file_of_a_work_leads_to_the_manifest_made_over_it(
    photo: bytes, work: Asset, signed_bytes: Read, api: Api
) -> None:
    held = manifests.in_force(work)
    found = {
        "as it was sent": by_content(api(), photo).json()["matches"],
        "signed": by_content(api(), signed_bytes(work)).json()["matches"],
        "preview": by_content(api(), signed_bytes(work, "preview")).json()["matches"],
    }
    assert found == {
        "as it was sent": [{"manifestId": held["detached"].label, "similarityScore": 100}],
        "signed": [{"manifestId": held["embedded"].label, "similarityScore": 100}],
        "preview": [{"manifestId": held["embedded"].label, "similarityScore": 100}],
    }


def test_the_soft_binding_of_a_manifest_leads_back_to_it(work: Asset, value: bytes, api: Api) -> None:
    assertions = manifests.of_form(work).active["assertions"]
    [declared] = [one["data"] for one in assertions if one["label"] == "c2pa.soft-binding"]
    assert declared["alg"] == softbinding.ALG
    label = manifests.of_form(work).label
    expected = {"matches": [{"manifestId": label, "similarityScore": 99}]}
    assert by_binding(api(), value).json() == expected
    body = {"alg": softbinding.ALG, "value": base64.b64encode(value).decode()}
    assert api().post(f"{HERE}/matches/byBinding", body, format="json").json() == expected


def test_a_photograph_of_something_else_leads_nowhere(work: Asset, api: Api) -> None:
    noise = Image.effect_noise((320, 240), 90)
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=90)
    assert by_content(api(), out.getvalue()).json() == {"matches": []}
    assert by_binding(api(), b"\x21\x07" + b"\xa5\x3c" * 16).json() == {"matches": []}


def test_any_file_is_looked_up_by_its_bytes(alice: User, register: Register, api: Api) -> None:
    novel = b"The marsh was quiet at noon.\n" * 50
    register(alice, novel, filename="novel.txt")
    [match] = by_content(api(), novel, "text/plain").json()["matches"]
    assert match["similarityScore"] == 100
    assert by_content(api(), novel + b" ", "text/plain").json() == {"matches": []}


def test_a_hint_leads_to_what_the_file_alone_does_not(work: Asset, value: bytes, api: Api) -> None:
    flat = io.BytesIO()
    Image.new("RGB", (200, 200), "grey").save(flat, "PNG")
    assert by_content(api(), flat.getvalue(), "image/png").json() == {"matches": []}
    hint = {"hintAlg": softbinding.ALG, "hintValue": base64.b64encode(value).decode()}
    [match] = by_content(api(), flat.getvalue(), "image/png", **hint).json()["matches"]
    assert match["manifestId"] == manifests.of_form(work).label


def test_the_best_come_first_and_no_more_than_asked_for(
    photo: bytes, alice: User, bob: User, register: Register, api: Api, work: Asset
) -> None:
    register(bob, media_made.as_jpeg(photo, 500), title="Copy")
    register(alice, media_made.as_jpeg(photo, 400), title="Another copy")
    asked = re_encoded(photo)
    scores = [one["similarityScore"] for one in by_content(api(), asked).json()["matches"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert len(by_content(api(), asked, maxResults=2).json()["matches"]) == 2
    assert len(by_content(api(), asked, maxResults=5000).json()["matches"]) == 3


@pytest.mark.parametrize(("distance", "score"), [(0.0, 99), (0.004, 99), (0.02, 98), (0.156, 84), (0.28, 72), (1.0, 0)])
def test_only_equal_bytes_score_a_hundred(distance: float, score: int) -> None:
    assert resolution.score(distance) == score


# --- Manifests by name -------------------------------------------------------------------------------------------


def test_a_manifest_comes_by_its_label_and_by_the_id_of_its_work(work: Asset, api: Api) -> None:
    embedded, detached = (manifests.of_form(work, form) for form in ("embedded", "detached"))
    for name, manifest in ((embedded.label, embedded), (detached.label, detached), (str(work.pk), embedded)):
        response = api().get(f"{HERE}/manifests/{name}")
        assert response.content == manifests.store_of(manifest)
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Disposition"].startswith("attachment")
        assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["1", "0", "urn:c2pa:nobody", "{id}", "ID", "sha", "%2e%2e", "x" * 500])
def test_other_names_lead_nowhere(name: str, work: Asset, api: Api) -> None:
    """Above all no numbers, which could be counted up."""
    other = {"{id}": f"{{{work.pk}}}", "ID": str(work.pk).upper(), "sha": manifests.of_form(work).sha256}
    assert is_problem(api().get(f"{HERE}/manifests/{other.get(name, name)}"), 404, "not_found")


@pytest.mark.parametrize(("asked", "status"), [("true", 200), ("false", 200), ("1", 200), ("perhaps", 400)])
def test_one_manifest_alone_is_a_store_too(asked: str, status: int, work: Asset, api: Api) -> None:
    label = manifests.of_form(work).label
    response = api().get(f"{HERE}/manifests/{label}?returnActiveManifest={asked}")
    assert response.status_code == status
    if status == 200:
        assert label.encode() in response.content


def test_alone_means_without_the_manifests_of_earlier_files(
    work: Asset, bob: User, register: Register, signed_bytes: Read, api: Api
) -> None:
    child = register(bob, signed_bytes(work), title="Taken further")
    label, earlier = manifests.of_form(child).label, manifests.of_form(work).label
    whole = api().get(f"{HERE}/manifests/{label}").content
    alone = api().get(f"{HERE}/manifests/{label}?returnActiveManifest=true").content
    assert [one.encode() in whole for one in (label, earlier)] == [True, True]
    assert len(alone) < len(whole)
    assert manifests.alone(alone, label) == alone


def test_what_was_redacted_is_behind_no_name_any_more(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, api: Api
) -> None:
    work = register(alice, photo, metadata={"dc:creator": "Dana Vale"})
    before = manifests.in_force(work)
    for manifest in before.values():
        assert b"Dana Vale" in api().get(f"{HERE}/manifests/{manifest.label}").content
    redact(work, ["cawg.metadata"], ground="erasure:1")
    after = manifests.in_force(Asset.objects.get(pk=work.pk))
    assert set(after) == set(before)
    for form, manifest in before.items():
        assert manifest.label != after[form].label
        for name in (manifest.label, after[form].label):
            response = api().get(f"{HERE}/manifests/{name}")
            assert (response.status_code, response.content) == (200, manifests.store_of(after[form]))
            assert b"Dana Vale" not in response.content
        alone = api().get(f"{HERE}/manifests/{manifest.label}?returnActiveManifest=true").content
        assert manifest.label.encode() in alone
        assert b"Dana Vale" not in alone
    [match] = by_content(api(), signed_bytes(work)).json()["matches"]
    assert match["manifestId"] == after["embedded"].label


def test_the_algorithms_are_told(db: None, api: Api) -> None:
    told = api().get(f"{HERE}/services/supportedAlgorithms").json()
    assert told == {"watermarks": [], "fingerprints": [{"alg": "io.iscc.v0"}]}


# --- The link on files and pages ---------------------------------------------------------------------------------


def test_files_and_pages_link_to_the_manifest(work: Asset, api: Api) -> None:
    target = f"http://localhost:8000/api/v1/assets/{work.pk}/manifest?form=embedded"
    for response in (api().get(f"/api/v1/assets/{work.pk}/file"), Client().get(f"/assets/{work.pk}/file/")):
        assert response["Link"] == f'<{target}>; rel="c2pa-manifest"; type="application/c2pa"'
        close_files(response)
    page = Client().get(f"/assets/{work.pk}/")["Link"]
    assert page.startswith(f'<{target}>; rel="c2pa-manifest"')
    assert page.endswith(f'anchor="http://testserver/assets/{work.pk}/file/"')
    preview = Client().get(f"/assets/{work.pk}/preview/")
    assert "Link" not in preview.headers
    close_files(preview)


def test_the_linked_manifest_fits_the_linked_file(work: Asset, signed_bytes: Read, api: Api) -> None:
    store = api().get(f"/api/v1/assets/{work.pk}/manifest?form=embedded").content
    assert verified(api(), signed_bytes(work), store)["integrity"] == "intact"


@pytest.mark.parametrize(("form", "status"), [("", 200), ("embedded", 200), ("detached", 200), ("update", 400)])
def test_manifests_of_a_work_by_form(form: str, status: int, work: Asset, api: Api) -> None:
    response = api().get(f"/api/v1/assets/{work.pk}/manifest", {"form": form} if form else {})
    assert response.status_code == status


# --- Bad questions -----------------------------------------------------------------------------------------------

VALUE = base64.b64encode(b"\x21\x07" + bytes(range(32))).decode()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "request.invalid"),
        ("!!!!", "resolution.value"),
        (VALUE.rstrip("="), "resolution.value"),  # no padding
        (VALUE[:-3] + chr(ord(VALUE[-3]) + 1) + "==", "resolution.value"),  # unused bits set
        (VALUE.replace("+", "-").replace("/", "_") + "_", "resolution.value"),
        (base64.b64encode(bytes(32)).decode(), "resolution.value"),  # a code without its header
        (base64.b64encode(b"\x00\x07" + bytes(32)).decode(), "resolution.value"),  # a Meta-Code alone
        ("Ä" * 40, "resolution.value"),
    ],
)
def test_a_value_that_is_no_soft_binding(value: str, code: str, db: None, api: Api) -> None:
    assert is_problem(by_binding(api(), value), 400, code)
    body = {"alg": softbinding.ALG, "value": value}
    assert is_problem(api().post(f"{HERE}/matches/byBinding", body, format="json"), 400, code)


def test_a_plus_that_arrives_as_a_space_is_understood(work: Asset, value: bytes, api: Api) -> None:
    """Clients in the field send the value without escaping it."""
    text = base64.b64encode(b"\x21\x07\0" + b"\xfb\xef\xbe" * 10 + b"\0").decode()
    assert "+" in text
    response = api().get(f"{HERE}/matches/byBinding?alg=io.iscc.v0&value={text}")
    assert (response.status_code, response.json()) == (200, {"matches": []})


@pytest.mark.parametrize("alg", ["io.iscc.v1", "com.adobe.trustmark.P", "dhash-64", "x" * 150, "'; DROP TABLE"])
def test_an_algorithm_without_an_index_here(alg: str, db: None, api: Api) -> None:
    assert is_problem(by_binding(api(), VALUE, alg=alg), 400, "resolution.algorithm")
    assert is_problem(by_content(api(), b"x", alg=alg), 400, "resolution.algorithm")
    assert is_problem(by_content(api(), b"x", hintAlg=alg, hintValue=VALUE), 400, "resolution.algorithm")


@pytest.mark.parametrize("many", ["0", "-1", "ten", "1.5", "", "9" * 2000])
def test_how_many_is_a_whole_number(many: str, db: None, api: Api) -> None:
    assert is_problem(by_binding(api(), VALUE, maxResults=many), 400, "request.invalid")
    assert is_problem(by_content(api(), b"x", maxResults=many), 400, "request.invalid")


def test_a_value_too_long_for_an_address_goes_by_post(db: None, api: Api) -> None:
    long = base64.b64encode((b"\x00\x07" + bytes(32)) * 60 + b"\x21\x07" + bytes(32)).decode()
    assert is_problem(by_binding(api(), long), 414, "resolution.value_too_long")
    body = {"alg": softbinding.ALG, "value": long}
    assert api().post(f"{HERE}/matches/byBinding", body, format="json").json() == {"matches": []}
    body["value"] = VALUE * 500
    assert is_problem(api().post(f"{HERE}/matches/byBinding", body, format="json"), 400, "request.invalid")


@pytest.mark.parametrize("missing", ["alg", "value"])
def test_both_parts_of_a_soft_binding_are_needed(missing: str, db: None, api: Api) -> None:
    query = {"alg": softbinding.ALG, "value": VALUE}
    del query[missing]
    assert is_problem(api().get(f"{HERE}/matches/byBinding", query), 400, "request.invalid")
    assert is_problem(api().post(f"{HERE}/matches/byBinding", query, format="json"), 400, "request.invalid")


@pytest.mark.parametrize("hint", [{"hintAlg": softbinding.ALG}, {"hintValue": VALUE}])
def test_half_a_hint_is_none(hint: dict, db: None, api: Api) -> None:
    assert is_problem(by_content(api(), b"x", **hint), 400, "request.invalid")


@pytest.mark.parametrize(
    "declared", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "font/otf"]
)
def test_the_body_is_the_file_and_no_form(declared: str, photo: bytes, db: None, api: Api) -> None:
    assert is_problem(by_content(api(), photo, declared), 415, "request.media_type")


def test_what_is_declared_is_not_believed(photo: bytes, work: Asset, api: Api) -> None:
    for declared in ("application/octet-stream", "video/mp4", "text/plain"):
        assert len(by_content(api(), photo, declared).json()["matches"]) == 1


def test_a_damaged_picture_is_refused_and_an_empty_body_too(photo: bytes, db: None, api: Api) -> None:
    assert is_problem(by_content(api(), photo[:9000]), 422, "media.truncated")
    assert is_problem(by_content(api(), b""), 400, "media.empty")


def test_a_body_without_its_length_is_asked_for_it(db: None, api: Api) -> None:
    response = api().post(f"{HERE}/matches/byContent", content_type="image/jpeg", HTTP_TRANSFER_ENCODING="chunked")
    assert is_problem(response, 411, "request.length_missing")


def test_a_body_over_the_limit_is_not_taken_in(photo: bytes, db: None, api: Api, settings: Any) -> None:
    settings.ASSAY_MAX_UPLOAD_BYTES = 1000
    for size in (2000, 2 << 20):
        assert is_problem(by_content(api(), bytes(size)), 413, "media.too_large")


def test_asking_leaves_nothing_behind(photo: bytes, work: Asset, value: bytes, api: Api, leaves_nothing: None) -> None:
    by_content(api(), re_encoded(photo))
    by_content(api(), photo[:9000])
    by_binding(api(), value)


def test_an_address_is_never_opened_for_anybody(db: None, api: Api) -> None:
    """The spec's optional matches/byReference would open what a stranger names."""
    body = {"referenceUrl": "https://127.0.0.1/x.jpg", "assetLength": 10}
    assert api().post(f"{HERE}/matches/byReference", body, format="json").status_code == 404


# --- Cost, and other sites ---------------------------------------------------------------------------------------


def test_strangers_ask_a_limited_number_of_times(db: None, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution_api.ResolutionThrottle, "rate", "2/min")
    monkeypatch.setattr(resolution_api.ContentThrottle, "rate", "1/min")
    assert [by_binding(api(), VALUE).status_code for _ in range(3)] == [200, 200, 429]
    assert api().get(f"{HERE}/manifests/urn:c2pa:x").status_code == 429
    assert [by_content(api(), b"text", "text/plain").status_code for _ in range(2)] == [200, 429]
    assert int(by_binding(api(), VALUE)["Retry-After"]) > 0


def test_a_session_does_not_make_the_limit_wider(alice: User, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution_api.ResolutionThrottle, "rate", "2/min")
    assert [by_binding(api(alice), VALUE).status_code for _ in range(3)] == [200, 200, 429]


def test_verifiers_on_other_sites_may_read_the_answers(work: Asset, api: Api) -> None:
    for response in (by_binding(api(), VALUE), by_binding(api(), "?"), api().get(f"{HERE}/manifests/{work.pk}")):
        assert response["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
    asked = api().options(f"{HERE}/matches/byContent", HTTP_ORIGIN="https://verify.example")
    assert asked.status_code == 204
    assert asked["Access-Control-Allow-Headers"] == "Content-Type"
    assert "POST" in asked["Access-Control-Allow-Methods"]


def test_no_other_address_is_open_to_other_sites(work: Asset, api: Api) -> None:
    assert "Access-Control-Allow-Origin" not in api().get(f"/api/v1/assets/{work.pk}").headers


def test_the_fingerprints_that_are_looked_up_are_those_the_register_has() -> None:
    value = softbinding.value_of({name.value: bytes(32) for name in Fingerprint.Algorithm})
    assert set(softbinding.codes_in(value)) == {Fingerprint.Algorithm.ISCC_IMAGE, Fingerprint.Algorithm.ISCC_AUDIO}
