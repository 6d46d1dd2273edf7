"""What was made from a hidden work, or copies it, does not lead back to it; nor does what tells of a redacted word."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from core.problems import Conflict, Forbidden
from ledger.models import Entry
from policy.filing.flags import raise_flag
from policy.models import Case, Flag
from provenance import descent, kept, manifests, redaction, resolution
from provenance.models import Asset
from provenance.registration import register_hash
from provenance.restriction import lift, public, restrict
from provenance.verification import known
from tests.provenance.asking import is_problem
from tests.provenance.conftest import Register, close_files, what_is_kept
from tests.provenance.recovering import HERE, Api, by_content, re_encoded
from tests.provenance.test_blocklist import _names, _verification

Read = Callable[..., bytes]
Block = Callable[[Asset], object]
SECRET = b"Dana Hill of 4 Elm Street"
HOW: dict[str, Block] = {
    "hidden": lambda work: restrict(work, "hidden"),
    "withheld": lambda work: raise_flag(work, Flag.Origin.CONSENT_WITHDRAWN),
}


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo, title="Rocket over the marsh", metadata={"dc:creator": SECRET.decode()})


@pytest.fixture
def child(work: Asset, bob: User, register: Register, signed_bytes: Read) -> Asset:
    """What Bob made from the file that Alice gave out."""
    return register(bob, signed_bytes(work), title="Marsh with a rocket")


def _by_hash(owner: User, data: bytes) -> Asset:
    sha256 = hashlib.sha256(data).hexdigest()
    return register_hash(owner, sha256=sha256, size=len(data), media_type="image/jpeg", title="Mine")


# --- The same bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_the_bytes_of_what_is_not_shown_are_registered_by_nobody_else(
    how: str, work: Asset, photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read
) -> None:
    HOW[how](work)
    before = what_is_kept()
    for data in (photo, signed_bytes(work)):
        for attempt in (register, _by_hash):
            with pytest.raises(Forbidden) as refusal:
                attempt(bob, data)
            assert refusal.value.code == "asset.blocked"
            told = str(refusal.value.as_dict())
            assert not [word for word in (work.title, str(work.pk), alice.name, str(alice.pk)) if word in told]
        with pytest.raises(Conflict) as exists:
            register(alice, data)
        assert exists.value.code == "asset.exists"
    assert what_is_kept() == before


def test_the_same_bytes_are_registered_again_when_the_work_is_shown_again(
    work: Asset, photo: bytes, bob: User, register: Register
) -> None:
    restrict(work, "hidden")
    lift(work)
    assert register(bob, photo).original_sha256 == work.original_sha256


def test_the_refusal_of_blocked_bytes_reaches_a_person_in_words(work: Asset, photo: bytes, bob: User, api: Api) -> None:
    restrict(work, "hidden")
    sha256 = hashlib.sha256(photo).hexdigest()
    said = {"sha256": sha256, "size": len(photo), "media_type": "image/jpeg", "title": "Mine"}
    answer = api(bob).post("/api/v1/assets/hashes", said, format="json")
    assert is_problem(answer, 403, "asset.blocked")
    assert "object" in answer.json()["next_step"]


# --- Near copies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_a_near_copy_of_what_is_not_shown_is_flagged_and_led_to_by_nothing_until_somebody_decides(
    how: str, work: Asset, photo: bytes, bob: User, register: Register, api: Api
) -> None:
    HOW[how](work)
    changed = re_encoded(photo)
    copy = register(bob, changed, title="Another rocket")
    flag = copy.flags.get()
    assert (flag.origin, flag.state, flag.case.state) == (Flag.Origin.COPY_OF_HIDDEN, "raised", Case.State.OPEN)
    assert copy not in public()
    assert by_content(api(), changed).json()["matches"] == []
    assert not _names(_verification(api(), changed), copy)
    assert _names(_verification(api(bob), changed), copy), "its owner may know"
    Flag.objects.filter(pk=flag.pk).update(state=Flag.State.CLEARED)
    assert copy in public()
    assert len(by_content(api(), changed).json()["matches"]) == 1


def test_a_near_copy_of_what_is_shown_raises_no_flag(work: Asset, photo: bytes, bob: User, register: Register) -> None:
    copy = register(bob, re_encoded(photo))
    assert [one["asset_id"] for one in copy.near_duplicates] == [str(work.pk)]
    assert not Flag.objects.exists()


# --- Children -------------------------------------------------------------------------------------------------------


def _doors(child: Asset) -> list[str]:
    labels = child.manifests.values_list("label", flat=True)
    return [
        f"/api/v1/assets/{child.pk}/file",
        f"/api/v1/assets/{child.pk}/manifest?form=embedded",
        f"/api/v1/assets/{child.pk}/manifest?form=detached",
        f"{HERE}/manifests/{child.pk}",
        *(f"{HERE}/manifests/{label}" for label in labels),
    ]


def _status(answer: Any) -> int:
    if answer.streaming:
        close_files(answer)
    return int(answer.status_code)


@pytest.mark.parametrize("how", HOW)
def test_what_was_made_from_a_work_that_is_not_shown_hands_out_none_of_its_manifests(
    how: str, work: Asset, child: Asset, bob: User, api: Api, signed_bytes: Read
) -> None:
    data = signed_bytes(child)
    assert work.title.encode() in data
    assert {_status(api().get(door)) for door in _doors(child)} == {200}
    HOW[how](work)
    for door in _doors(child):
        assert is_problem(api().get(door), 403, "asset.earlier_work_hidden")
    assert Client().get(f"/assets/{child.pk}/file/").status_code == 403
    assert by_content(api(), data).json()["matches"] == []
    register = _verification(api(), data).json()["register"]  # the credential is read from the file that was brought
    assert (register["exact"], register["matches"]) == (None, [])
    assert known(hashlib.sha256(data).hexdigest()) is None
    assert _status(api(bob).get(f"/api/v1/assets/{child.pk}/file")) == 200, "Bob has it anyway"
    lift(work)
    Flag.objects.update(state=Flag.State.CLEARED)
    assert {_status(api().get(door)) for door in _doors(child)} == {200}
    assert known(hashlib.sha256(data).hexdigest()) is not None


def test_a_grandchild_of_a_hidden_work_tells_of_it_no_more_either(
    work: Asset, child: Asset, rita: User, greta: User, register: Register, signed_bytes: Read
) -> None:
    grandchild = register(greta, signed_bytes(child), title="Rocket thrice")
    restrict(work, "hidden")
    told = descent.refusal(grandchild, None)
    assert told is not None
    assert told.code == "asset.earlier_work_hidden"
    assert descent.refusal(grandchild, rita) is None, "who decides about it sees it"
    assert descent.descendants(work.manifests.values_list("label", flat=True)) == {child.pk, grandchild.pk}


def test_a_kept_report_on_a_child_is_withheld_while_its_parent_is_hidden(
    work: Asset, child: Asset, api: Api, signed_bytes: Read
) -> None:
    found = kept.keep(_verification(api(), signed_bytes(child)).json())
    restrict(work, "hidden")
    assert is_problem(api().get(f"/api/v1/verifications/kept/{found.pk}"), 404, "not_found")


def test_a_work_that_was_made_from_nothing_is_not_opened_to_be_asked(
    work: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "store_of", lambda manifest: pytest.fail("it was read"))
    assert descent.refusal(work, None) is None
    assert resolution.manifest_called(str(work.pk)).asset == work


# --- Redaction ------------------------------------------------------------------------------------------------------


def test_what_was_made_from_a_work_before_a_statement_was_redacted_is_handed_out_to_nobody(
    work: Asset, child: Asset, bob: User, api: Api, signed_bytes: Read
) -> None:
    data = signed_bytes(child)
    assert SECRET in data
    redaction.redact(work, ["cawg.metadata"], ground="decision:7")
    for client in (api(), api(bob)):
        for door in _doors(child):
            assert is_problem(client.get(door), 403, "asset.history_redacted")
    assert known(hashlib.sha256(data).hexdigest(), bob) is None
    leaf = json.loads(bytes(Entry.objects.get(type="manifest:redacted").leaf))
    assert leaf["facts"]["descendants"] == 1


def test_what_is_made_from_a_work_after_the_redaction_is_handed_out(
    work: Asset, bob: User, api: Api, register: Register, signed_bytes: Read
) -> None:
    redaction.redact(work, ["cawg.metadata"], ground="decision:7")
    child = register(bob, signed_bytes(Asset.objects.get(pk=work.pk)), title="Marsh with a rocket")
    assert SECRET not in signed_bytes(child)
    assert {_status(api().get(door)) for door in _doors(child)} == {200}
