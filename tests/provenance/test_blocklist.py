"""What is hidden, withheld or restricted is behind no door, from that moment on; an erased owner is named by none."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from policy.consents import consent
from policy.filing.flags import raise_flag
from policy.models import Flag
from policy.rights import data_rights
from provenance import kept, manifests, softbinding
from provenance.models import Asset
from provenance.restriction import lift, restrict
from tests.provenance.asking import is_problem
from tests.provenance.conftest import Register, close_files
from tests.provenance.recovering import HERE, Api, by_binding, by_content, re_encoded

Door = Callable[[APIClient, Asset, bytes], bool]


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo, title="Rocket over the marsh")


def _names(response: Any, work: Asset) -> bool:
    """Whether an answer says anything of the work."""
    names = [str(work.pk), work.title, *work.manifests.values_list("label", flat=True)]
    text = response.content.decode("utf-8", "replace")
    return any(name in text for name in names)


def _leads(response: Any) -> bool:
    assert response.status_code in (200, 404)
    if response.streaming:
        close_files(response)
    return bool(response.status_code == 200)


def _value(work: Asset) -> bytes:
    return softbinding.value_of({one.algorithm: bytes(one.value) for one in work.fingerprints.all()})


def _verification(client: APIClient, data: bytes) -> Any:
    form = {"file": SimpleUploadedFile("photo.jpg", data)}
    return client.post("/api/v1/verifications", form, format="multipart")


DOORS: dict[str, Door] = {
    "by binding": lambda client, work, photo: _names(by_binding(client, _value(work)), work),
    "by large binding": lambda client, work, photo: _names(
        client.post(
            f"{HERE}/matches/byBinding",
            {"alg": softbinding.ALG, "value": base64.b64encode(_value(work)).decode()},
            format="json",
        ),
        work,
    ),
    "by content": lambda client, work, photo: _names(by_content(client, photo), work),
    "by changed content": lambda client, work, photo: _names(by_content(client, re_encoded(photo)), work),
    "by a hint": lambda client, work, photo: _names(
        by_content(
            client, b"no picture", "text/plain",
            hintAlg=softbinding.ALG, hintValue=base64.b64encode(_value(work)).decode(),
        ),
        work,
    ),
    "manifest by label": lambda client, work, photo: _leads(
        client.get(f"{HERE}/manifests/{work.manifests.order_by('pk')[0].label}")
    ),
    "manifest by work": lambda client, work, photo: _leads(client.get(f"{HERE}/manifests/{work.pk}")),
    "manifest of the work": lambda client, work, photo: _leads(client.get(f"/api/v1/assets/{work.pk}/manifest")),
    "the work": lambda client, work, photo: _leads(client.get(f"/api/v1/assets/{work.pk}")),
    "its file": lambda client, work, photo: _leads(client.get(f"/api/v1/assets/{work.pk}/file")),
    "its page": lambda client, work, photo: _leads(Client().get(f"/assets/{work.pk}/")),
    "its preview": lambda client, work, photo: _leads(Client().get(f"/assets/{work.pk}/preview/")),
    "a report on its file": lambda client, work, photo: _names(_verification(client, photo), work),
    "a report on a copy": lambda client, work, photo: _names(_verification(client, re_encoded(photo)), work),
    "a report on its hash": lambda client, work, photo: _leads(
        client.get(f"/api/v1/verifications/{hashlib.sha256(photo).hexdigest()}")
    ),
}  # fmt: skip
REPORTS = ("a report on its file", "a report on a copy", "a report on its hash")
RECOVERY = ("by binding", "by large binding", "by content", "by changed content", "by a hint", "manifest by label")


@pytest.mark.parametrize("door", DOORS)
def test_a_hidden_work_is_behind_no_door_from_that_moment_on(
    door: str, photo: bytes, work: Asset, bob: User, api: Api
) -> None:
    assert DOORS[door](api(), work, photo)
    restrict(work, "hidden")
    for stranger in (api(), api(bob)):
        assert not DOORS[door](stranger, work, photo)
    lift(work)
    assert DOORS[door](api(), work, photo)


@pytest.mark.parametrize("door", RECOVERY)
def test_recovery_knows_nobody_not_even_the_owner_of_what_is_hidden(
    door: str, photo: bytes, work: Asset, alice: User, rita: User, api: Api
) -> None:
    restrict(work, "hidden")
    for insider in (api(alice), api(rita)):
        assert not DOORS[door](insider, work, photo)


@pytest.mark.parametrize("door", RECOVERY)
@pytest.mark.parametrize("origin", [Flag.Origin.CONSENT_REFUSED, Flag.Origin.CONSENT_WITHDRAWN])
def test_what_a_person_shown_withholds_is_led_to_no_more_before_anybody_decided(
    origin: Flag.Origin, door: str, photo: bytes, work: Asset, api: Api
) -> None:
    assert DOORS[door](api(), work, photo)
    raise_flag(work, origin)
    assert consent.is_withheld(work)
    assert not DOORS[door](api(), work, photo)


@pytest.mark.parametrize("door", REPORTS)
def test_a_report_names_what_is_withheld_to_its_owner_and_to_reviewers_alone(
    door: str, photo: bytes, work: Asset, alice: User, bob: User, rita: User, api: Api
) -> None:
    raise_flag(work, Flag.Origin.CONSENT_WITHDRAWN)
    for stranger in (api(), api(bob)):
        assert not DOORS[door](stranger, work, photo)
    for insider in (api(alice), api(rita)):
        assert DOORS[door](insider, work, photo)


def test_an_adults_only_work_is_found_and_its_file_is_not_given(photo: bytes, work: Asset, api: Api) -> None:
    restrict(work, "age_restricted")
    [match] = by_content(api(), photo).json()["matches"]
    assert api().get(f"{HERE}/manifests/{match['manifestId']}").status_code == 200
    assert is_problem(api().get(f"/api/v1/assets/{work.pk}/file"), 403, "asset.age_restricted")


def test_a_picture_in_the_manifest_of_an_adults_only_work_is_not_given_either(
    photo: bytes, alice: User, bob: User, register: Register, api: Api
) -> None:
    work = register(alice, photo, thumbnail=True)
    label = manifests.of_form(work, "embedded").label
    doors = (f"{HERE}/manifests/{label}", f"/api/v1/assets/{work.pk}/manifest?form=embedded")
    assert [api().get(door).status_code for door in doors] == [200, 200]
    restrict(work, "age_restricted")
    for door in doors:
        assert is_problem(api().get(door), 403, "asset.age_restricted")
    assert api(bob).get(doors[1]).status_code == 200


def test_an_erased_owner_is_named_by_no_door(photo: bytes, alice: User, bob: User, work: Asset, api: Api) -> None:
    """The work stays registered, owned by an account without a name."""
    name, address, actor = alice.name, alice.email, alice.actor
    data_rights.erase(alice)
    answers = [
        by_content(api(), photo),
        by_binding(api(), _value(work)),
        api().get(f"{HERE}/manifests/{work.pk}"),
        api().get(f"/api/v1/assets/{work.pk}"),
        api().get(f"/api/v1/assets/{work.pk}/manifest?form=detached"),
        _verification(api(), photo),
    ]
    for answer in answers:
        assert answer.status_code == 200
        text = answer.content.decode("utf-8", "replace")
        assert not [word for word in (name, address, actor, str(alice.pk)) if word in text]


def test_a_kept_report_leads_to_no_hidden_work(photo: bytes, work: Asset, api: Api) -> None:
    found = kept.keep(_verification(api(), photo).json())
    door = f"/api/v1/verifications/kept/{found.pk}"
    assert _names(api().get(door), work)
    restrict(work, "hidden")
    assert is_problem(api().get(door), 404, "not_found")
