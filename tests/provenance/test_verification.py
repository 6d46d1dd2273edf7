"""What the office says about a file that somebody brings."""

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from core.canonical import canonical_json
from core.problems import Problem
from ledger import sequencer
from provenance import c2pa as engine
from provenance import verification
from provenance.authority import Authority, this_office
from provenance.codes import SENTENCES, sentence
from provenance.credential import judge
from provenance.models import Asset
from provenance.restriction import restrict
from provenance.verification import Report, register_section, verify_file
from tests.provenance import media_made
from tests.provenance.conftest import FORMATS, Register, what_is_kept
from web.verdicts import OTHER_BYTES, UNRECORDED, verdict

Read = Callable[..., bytes]
Write = Callable[[str, bytes], Path]
Verify = Callable[..., Report]


@pytest.fixture
def verify(db: None, on_disk: Write) -> Verify:
    def call(data: bytes, **options: Any) -> Report:
        return verify_file(on_disk("brought.bin", data), hashlib.sha256(data).hexdigest(), **options)

    return call


# --- The credential --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_signed_here_is_valid_and_ours(
    name: str, media_files: dict[str, bytes], alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, media_files[name])
    report = verify(signed_bytes(asset))
    assert (report.credential.state, report.credential.trust) == ("valid", "this_office")
    assert report.credential.signer is not None
    assert report.credential.signer["statement"] == "Signed by Assay signing."
    assert report.credential.training == "notAllowed"
    assert [one["words"] for one in report.credential.actions] == ["was created"]
    assert (report.exact, report.exact_role) == (asset, "signed")


@pytest.mark.parametrize("name", FORMATS)
def test_a_changed_picture_is_invalid_and_still_recognised(
    name: str, media_files: dict[str, bytes], alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, media_files[name], title="The rocket")
    report = verify(media_made.change_a_pixel(signed_bytes(asset), media_files[name]))
    code = "assertion.bmffHash.mismatch" if name.endswith("mp4") else "assertion.dataHash.mismatch"
    assert report.credential.state == "invalid"
    assert report.credential.codes[0] == code
    assert "changed after it was signed" in report.credential.reasons[0]
    assert report.exact is None
    if name == "photo.png":  # its own checksums fail too, so there is no picture to compare, and that is said
        assert report.notes == ["The picture itself is damaged and could not be compared with registered works."]
    else:
        assert [(one.asset_id, one.title) for one in report.matches] == [(asset.pk, "The rocket")]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda data: data.replace(b"c2pa.created", b"c2pa.crEated", 1), "assertion.hashedURI.mismatch"),
        (lambda data: data.replace(b"A photograph", b"A phOtograph", 1), "claimSignature.mismatch"),
        (lambda data: data + b"appended", "assertion.dataHash.mismatch"),
    ],
)
def test_what_was_changed_is_said(
    spoil: Callable[[bytes], bytes],
    code: str,
    photo: bytes,
    alice: User,
    register: Register,
    signed_bytes: Read,
    verify: Verify,
) -> None:
    report = verify(spoil(signed_bytes(register(alice, photo))))
    assert report.credential.state == "invalid"
    assert code in report.credential.codes
    assert sentence(code) in report.credential.reasons


def test_a_box_appended_to_a_video_is_noticed_by_the_whole_file_hash(
    media_files: dict[str, bytes], alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    """C2PA leaves `free` boxes unprotected: the credential stays valid, but these are not the registered bytes."""
    signed = signed_bytes(register(alice, media_files["clip.mp4"]))
    report = verify(signed + struct.pack(">I", 24) + b"free" + b"hidden message !")
    assert report.credential.state == "valid"
    assert report.exact is None
    assert [one.tier for one in report.matches] == ["re_encoded"]
    assert report.record == "other_bytes"
    assert verdict(report.as_dict()) is OTHER_BYTES


def test_a_file_signed_with_a_stolen_key_is_not_taken_for_a_registered_one(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    """The signature is as good as any; that the register knows nothing of it is what gives it away."""
    asset = register(alice, photo)
    stolen = signed_bytes(asset)
    assert verify(stolen).record == "this_file"
    # What a thief of the key would make: everything is right, but no registration stands behind it.
    asset.renditions.all().delete()
    asset.manifests.all().delete()
    report = verify(stolen)
    assert (report.credential.state, report.credential.trust) == ("valid", "this_office")
    assert report.record == "none"
    assert verdict(report.as_dict()) is UNRECORDED


def test_a_file_without_credentials_has_none(photo: bytes, verify: Verify) -> None:
    report = verify(photo)
    assert report.credential.state == "none"
    assert report.credential.reasons == ["This file carries no Content Credentials."]
    assert report.matches == []
    assert report.receipt is None


def _signed_elsewhere(photo: bytes, on_disk: Write, tmp_path: Path, settings: Any) -> bytes:
    """Signed by an office that this one does not know, and that calls itself like a newspaper."""
    ours = (settings.ASSAY_KEYS, settings.ASSAY_OFFICE_NAME)
    settings.ASSAY_KEYS, settings.ASSAY_OFFICE_NAME = tmp_path / "mallory", "The Daily Truth"
    mallory: Authority = this_office()
    settings.ASSAY_KEYS, settings.ASSAY_OFFICE_NAME = ours
    action = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/print"}
    manifest = {
        "claim_version": 2,
        "title": "<script>alert(1)</script>\x07",
        "claim_generator_info": [{"name": "Brush", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}, "created": True}],
    }
    target = tmp_path / "elsewhere.jpg"
    engine.sign(
        on_disk("in.jpg", photo),
        target,
        "image/jpeg",
        manifest=manifest,
        ingredient=None,
        anchors=mallory.anchors,
        chain=mallory.chain,
        ask=mallory.signing_answers(),
    )
    return target.read_bytes()


def test_an_unknown_signer_is_not_given_a_name(
    photo: bytes, on_disk: Write, tmp_path: Path, settings: Any, verify: Verify
) -> None:
    credential = verify(_signed_elsewhere(photo, on_disk, tmp_path, settings)).credential
    assert (credential.state, credential.trust) == ("valid", "unknown_signer")
    assert "signingCredential.untrusted" in credential.codes
    assert credential.signer is not None
    assert credential.signer["name"] == ""
    assert credential.signer["confirmed"] is False
    assert credential.signer["statement"] == (
        "It says it was signed by “The Daily Truth signing”, which this office cannot confirm."
    )
    assert "\x07" not in credential.title


def test_a_good_child_of_a_changed_parent_carries_a_warning(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    """The library calls the child “Trusted” and says nothing at the top; the failure sits in the ingredient."""
    spoiled = media_made.change_a_pixel(signed_bytes(register(alice, photo)), photo)
    child = register(bob, spoiled, title="Mine")
    grandchild = register(alice, signed_bytes(child), title="Mine again")
    for work in (child, grandchild):
        credential = verify(signed_bytes(work)).credential
        assert credential.state == "valid"
        assert len(credential.warnings) == 1
        assert "had already failed its check" in credential.warnings[0]
    assert [one["depth"] for one in credential.ingredients] == [1, 2]
    assert credential.ingredients[1]["codes"] == ["assertion.dataHash.mismatch"]


def test_a_damaged_credential_is_unreadable_and_not_registered(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    signed = signed_bytes(register(alice, photo))
    damaged = media_made.flip(signed, signed.index(b"jumb") + 20, 0xFF)
    assert verify(damaged).credential.state == "unreadable"
    kept = what_is_kept()
    with pytest.raises(Problem) as refusal:
        register(bob, damaged)
    assert refusal.value.code == "media.credential_unreadable"
    assert what_is_kept() == kept


# --- Codes decide, not the library's state ---------------------------------------------------------------------------


def _store(success: list[str], failure: list[str], **more: Any) -> Mapping[str, Any]:
    results = {
        "activeManifest": {"success": [{"code": c} for c in success], "failure": [{"code": c} for c in failure]},
        **more,
    }
    manifests = {"urn:c2pa:1": {"signature_info": {"issuer": "X"}}}
    store = {"active_manifest": "urn:c2pa:1", "manifests": manifests, "validation_results": results}
    return {"presence": "embedded", "store": {**store, "validation_state": "Trusted"}}


GOOD = ["claimSignature.validated", "assertion.dataHash.match"]


def test_nothing_checked_is_never_called_valid() -> None:
    for success in ([], ["claimSignature.validated"], ["assertion.dataHash.match"]):
        credential = judge(_store(success, []))
        assert credential.state == "unreadable"
        assert credential.codes[0] == "assay.notChecked"


def test_a_failure_counts_although_the_library_says_trusted() -> None:
    assert judge(_store(GOOD, ["assertion.missing"])).state == "invalid"
    assert judge(_store(GOOD, ["signingCredential.expired"])).state == "invalid"
    assert judge(_store(GOOD, ["a.code.of.tomorrow"])).state == "invalid"
    assert judge(_store(GOOD, ["signingCredential.untrusted"])).state == "valid"


def test_a_failure_in_an_earlier_files_delta_counts() -> None:
    delta = {"validationDeltas": {"failure": [{"code": "ingredient.manifest.mismatch"}]}}
    assert judge(_store(GOOD, [], ingredientDeltas=[delta])).state == "invalid"


def test_trust_needs_our_own_list() -> None:
    trusted = [*GOOD, "signingCredential.trusted"]
    assert judge(_store(trusted, [], trustListUri="urn:assay:this-office")).trust == "this_office"
    assert judge(_store(trusted, [], trustListUri="urn:somebody-else")).trust == "unknown_signer"
    assert judge(_store(trusted, [])).trust == "unknown_signer"
    assert judge(_store(GOOD, [])).trust == "unknown_signer"


def test_every_code_has_one_plain_sentence() -> None:
    for code, words in SENTENCES.items():
        assert words.endswith("."), code
        assert "fake" not in words
    assert "no words for yet" in sentence("a.code.of.tomorrow")
    assert "people behind the file" in sentence("cawg.ica.did_unavailable")


def test_a_cycle_of_ingredients_ends() -> None:
    manifest = {"ingredients": [{"title": "me", "active_manifest": "urn:c2pa:1"}] * 3}
    found = _store(GOOD, [])
    found["store"]["manifests"]["urn:c2pa:1"].update(manifest)
    assert 0 < len(judge(found).ingredients) <= 200


# --- The register ----------------------------------------------------------------------------------------------------


def test_the_registered_bytes_lead_to_the_ledger(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, photo)
    assert verify(photo).receipt is None  # not signed yet
    sequencer.tick()
    for role in ("original", "signed"):
        report = verify(signed_bytes(asset, role))
        assert (report.exact, report.exact_role) == (asset, role)
        assert report.matches[0].tier == "exact"
        assert report.receipt is not None
        assert json.loads(bytes(asset.entry.leaf)) == report.receipt["entry"]


@pytest.mark.parametrize("remake", [media_made.as_webp, media_made.with_caption, media_made.as_png])
def test_a_re_encoded_copy_is_found_again(
    remake: Callable[[bytes], bytes], photo: bytes, alice: User, register: Register, verify: Verify
) -> None:
    asset = register(alice, photo, title="The rocket")
    (match,) = verify(remake(photo)).matches
    assert (match.asset_id, match.title) == (asset.pk, "The rocket")
    assert match.tier in ("re_encoded", "candidate")
    assert match.distance < 0.28


def test_another_photograph_is_not_found(
    photo: bytes, photo_path: Path, alice: User, register: Register, verify: Verify
) -> None:
    register(alice, photo)
    for other in ("cat.jpg", "coffee.jpg", "deep-field.jpg"):
        assert verify(media_made.as_jpeg((photo_path.parent / other).read_bytes())).matches == []


def test_flat_pictures_do_not_all_look_alike(photo: bytes, alice: User, register: Register, verify: Verify) -> None:
    from PIL import Image

    register(alice, media_made._saved(Image.new("RGB", (100, 100), "navy"), "PNG"))
    assert verify(media_made._saved(Image.new("RGB", (90, 120), "white"), "PNG")).matches == []


def test_a_hidden_work_is_named_to_its_owner_and_to_reviewers_only(
    photo: bytes, alice: User, bob: User, rita: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, photo)
    restrict(asset, Asset.Restriction.HIDDEN)
    for stranger in (None, bob):
        for data in (photo, signed_bytes(asset), media_made.as_webp(photo)):
            report = verify(data, viewer=stranger)
            assert (report.exact, report.matches, report.receipt) == (None, [], None)
            assert str(asset.pk) not in json.dumps(report.as_dict()["register"])
    for insider in (alice, rita):
        assert verify(photo, viewer=insider).exact == asset


# --- The report ------------------------------------------------------------------------------------------------------


def test_verifying_keeps_nothing(photo: bytes, verify: Verify, leaves_nothing: None) -> None:
    verify(photo)
    for bad in (photo[:5000], b"<svg/>", media_made.png_that_says(60_000, 60_000)):
        with pytest.raises(Problem):
            verify(bad)


def test_a_name_that_does_not_fit_is_a_remark_and_no_refusal(photo: bytes, verify: Verify) -> None:
    assert verify(photo, filename="x.png").notes == [
        "The name ends in “.png”, which says PNG, but the content is JPEG."
    ]


def test_a_report_is_canonical_json(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, photo)
    for data in (photo, signed_bytes(asset), media_made.as_png(photo)):
        assert canonical_json(verify(data).as_dict())


def test_upper_rooms_add_sections(photo: bytes, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_sections", {})
    register_section("weather", lambda report: {"of": report.sha256[:4]})
    with pytest.raises(RuntimeError, match="two sections"):
        register_section("weather", lambda report: None)
    assert verify(photo).as_dict()["sections"] == {"weather": {"of": hashlib.sha256(photo).hexdigest()[:4]}}
