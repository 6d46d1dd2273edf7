"""What the office says about a file that somebody brings."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from core.canonical import canonical_json
from core.problems import Problem
from ledger import sequencer
from provenance import guarded, manifests, revocation, trust, verification
from provenance.models import Asset
from provenance.registration import register_hash
from provenance.restriction import restrict
from provenance.validity import THIS_OFFICE, TrustPolicy
from provenance.verification import Report, known, register_section, verify_file
from tests.provenance import media_made
from tests.provenance.conftest import FORMATS, Register, what_is_kept
from web.verdicts import CLAIMED, NOT_YET, UNRECORDED, verdict

# Of reading credentials. What it asks the database, `test_verification_api` and `test_blocklist` ask too.
pytestmark = pytest.mark.only_on("sqlite")

Read = Callable[..., bytes]
Write = Callable[[str, bytes], Path]
Verify = Callable[..., Report]

_KEYS = st.sampled_from(
    ["active_manifest", "manifests", "a", "signature_info", "time", "validation_results", "activeManifest", "success",
     "code", "label", "signature", "certificateInfo", "validity", "notAfter", "serialNumber", "timeStampInfo"]
)  # fmt: skip
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "timeStamp.trusted", "2026-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=30,
)


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


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_a_changed_picture_is_invalid_and_still_recognised(
    name: str, media_files: dict[str, bytes], alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, media_files[name], title="The rocket")
    report = verify(_changed_near_the_end(signed_bytes(asset), media_files[name]))
    assert report.credential.state == "invalid"
    assert report.credential.codes[0] == "assertion.dataHash.mismatch"
    assert "changed after it was signed" in report.credential.reasons[0]
    assert report.exact is None
    if name == "photo.png":  # its own checksums fail too, so there is no picture to compare, and that is said
        assert report.notes == ["The content itself is damaged and could not be compared with registered works."]
    else:
        assert [(one.asset_id, one.title) for one in report.matches] == [(asset.pk, "The rocket")]


def _changed_near_the_end(signed: bytes, original: bytes) -> bytes:
    """In the compressed data, so that most of the picture is still what it was."""
    at = len(original) * 9 // 10
    return media_made.flip(signed, signed.index(original[at : at + 48]))


def test_a_file_signed_with_a_stolen_key_is_not_taken_for_a_registered_one(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    """The signature is as good as any; that the register knows nothing of it is what gives it away."""
    asset = register(alice, photo)
    stolen = signed_bytes(asset)
    assert verify(stolen).verdicts["whole_file"].state == "registered"
    # What a thief of the key would make: everything is right, but no registration stands behind it.
    asset.renditions.all().delete()
    asset.manifests.all().delete()
    report = verify(stolen)
    assert (report.credential.state, report.credential.trust) == ("valid", "this_office")
    assert report.verdicts["whole_file"].state == "unrecorded"
    assert verdict(report.as_dict()) is UNRECORDED


def test_a_file_without_credentials_has_none(photo: bytes, verify: Verify) -> None:
    report = verify(photo)
    assert report.credential.state == "none"
    assert report.credential.reasons == ["This file carries no Content Credentials."]
    assert report.matches == []
    assert report.receipt is None


class Elsewhere:
    """An office that this one does not know, and that calls itself like a newspaper."""

    def __init__(self, folder: Path, settings: Any) -> None:
        self._folder, self._settings = folder, settings

    @contextmanager
    def _at_home(self) -> Iterator[None]:
        ours = (self._settings.ASSAY_KEYS, self._settings.ASSAY_OFFICE_NAME)
        self._settings.ASSAY_KEYS, self._settings.ASSAY_OFFICE_NAME = self._folder / "keys", "The Daily Truth"
        try:
            yield
        finally:
            self._settings.ASSAY_KEYS, self._settings.ASSAY_OFFICE_NAME = ours

    def root(self) -> str:
        with self._at_home():
            own = trust.policy().list_named(THIS_OFFICE)
            assert own is not None
            return own.pem

    def sign(self, photo: bytes) -> bytes:
        action = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/print"}
        manifest = {
            "claim_version": 2,
            "title": "<script>alert(1)</script>\x07",
            "claim_generator_info": [{"name": "Brush", "version": "1"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}, "created": True}],
        }
        source, target = media_made.written(self._folder, "in.jpg", photo), self._folder / "out.jpg"
        with self._at_home():
            guarded.sign(source, target, "image/jpeg", manifest=manifest)
        return target.read_bytes()


@pytest.fixture
def elsewhere(tmp_path: Path, settings: Any, db: None) -> Elsewhere:
    return Elsewhere(tmp_path, settings)


def test_an_unknown_signer_is_not_given_a_name(photo: bytes, elsewhere: Elsewhere, verify: Verify) -> None:
    report = verify(elsewhere.sign(photo))
    credential = report.credential
    assert report.verdicts["signer"].state == "unknown"
    assert report.verdicts["time"].state == "untrusted_stamp"
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
        report = verify(signed_bytes(work))
        assert report.credential.state == "valid"
        assert "had already failed its check" in report.verdicts["ingredients"].sentence
        assert [one["code"] for one in report.verdicts["ingredients"].codes] == ["assertion.dataHash.mismatch"]
    [parent] = report.credential.earlier.children
    [first] = parent["children"]
    assert (parent["state"], first["state"], first["children"]) == ("intact", "damaged", [])


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


# --- Lists, dates, revocations ---------------------------------------------------------------------------------------

SPRING, SUMMER = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (3, 7))


def test_a_named_list_vouches_from_its_date_on_and_is_named_with_its_version(
    photo: bytes, elsewhere: Elsewhere, verify: Verify
) -> None:
    signed = elsewhere.sign(photo)
    new = trust.NewList("https://example.org/press.pem", "Press list", "2026-07", "manifest", elsewhere.root(), SUMMER)
    trust.add_list(dataclasses.replace(new, expired_too=True))
    today = verify(signed)
    assert today.verdicts["signer"].state == "trusted"
    assert today.verdicts["signer"].as_dict()["list"] == {
        "name": "Press list",
        "uri": "https://example.org/press.pem",
        "version": "2026-07",
    }
    assert today.credential.signer is not None
    assert today.credential.signer["name"] == "The Daily Truth signing"
    assert ("Press list", "2026-07") in [(one["name"], one["version"]) for one in today.as_dict()["engine"]["policy"]]
    before = verify(signed, as_of=SPRING)
    assert before.verdicts["signer"].state == "unknown"
    assert before.as_dict()["as_of"] == "2026-03-01T00:00:00+00:00"


def test_by_a_date_before_its_certificate_a_file_was_not_signed_yet(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    report = verify(signed_bytes(register(alice, photo)), as_of=SPRING)
    assert (report.verdicts["time"].state, report.verdicts["integrity"].state) == ("not_yet", "intact")
    assert "after the date you chose" in report.verdicts["time"].sentence
    assert verdict(report.as_dict()) is NOT_YET
    assert report.credential.state == "invalid"


def test_a_withdrawn_certificate_takes_the_name_away(photo: bytes, elsewhere: Elsewhere, verify: Verify) -> None:
    signed = elsewhere.sign(photo)
    new = trust.NewList("https://example.org/press.pem", "Press list", "1", "manifest", elsewhere.root(), SUMMER)
    trust.add_list(dataclasses.replace(new, expired_too=True))
    serial = verify(signed).credential.signer["serial"]  # type: ignore[index]
    revocation.revoke(serial, reason="The key was stolen.", revoked_at=SUMMER)
    report = verify(signed)
    assert (report.verdicts["revocation"].state, report.verdicts["signer"].state) == ("revoked", "invalid")
    assert report.verdicts["integrity"].state == "intact"
    assert report.credential.state == "invalid"
    assert report.credential.signer["name"] == ""  # type: ignore[index]


# --- Beside the file, and by hash alone ------------------------------------------------------------------------------


def test_the_file_as_it_was_sent_is_read_with_the_manifest_kept_beside_it(
    photo: bytes, alice: User, register: Register, verify: Verify
) -> None:
    report_before = verify(photo)
    assert report_before.verdicts["presence"].state == "none"
    asset = register(alice, photo)
    report = verify(photo)
    states = {name: one.state for name, one in report.verdicts.items()}
    assert (states["presence"], states["integrity"]) == ("detached", "intact")
    assert (states["signer"], states["whole_file"], report.exact) == ("this_office", "registered", asset)


def test_a_manifest_brought_beside_a_file_is_judged_with_it(
    photo: bytes, alice: User, register: Register, on_disk: Write, verify: Verify
) -> None:
    asset = register(alice, photo)
    store = on_disk("m.c2pa", manifests.store_of(manifests.of_form(asset, "detached")))
    asset.renditions.all().delete()
    fits, other = verify(photo, manifest=store), verify(media_made.as_png(photo), manifest=store)
    assert (fits.verdicts["presence"].state, fits.verdicts["integrity"].state) == ("detached", "intact")
    assert (other.verdicts["presence"].state, other.verdicts["integrity"].state) == ("detached", "broken")
    assert other.credential.codes[0] == "assertion.dataHash.mismatch"
    nonsense = verify(photo, manifest=on_disk("n.c2pa", b"no manifest"))
    assert nonsense.verdicts["presence"].state == "unreadable"


def test_a_known_hash_needs_no_file(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, photo)
    signed = signed_bytes(asset)
    for data in (signed, photo):
        sha256 = hashlib.sha256(data).hexdigest()
        report = known(sha256)
        assert report is not None
        assert report.as_dict() == verify(data).as_dict()
        assert report.path is None
    assert known("00" * 32) is None
    restrict(asset, Asset.Restriction.HIDDEN)
    assert known(hashlib.sha256(signed).hexdigest(), bob) is None
    assert known(hashlib.sha256(signed).hexdigest(), alice) is not None


def test_a_work_registered_by_its_hash_is_known_without_its_file(alice: User, verify: Verify) -> None:
    data = b"A letter that never left the desk of Alice.\n"
    sha256 = hashlib.sha256(data).hexdigest()
    asset = register_hash(alice, sha256=sha256, size=len(data), media_type="text/plain", title="A letter")
    by_hash, sent = known(sha256), verify(data)
    assert by_hash is not None
    for report in (by_hash, sent):
        states = {name: one.state for name, one in report.verdicts.items()}
        assert (report.exact, report.claims, report.credential.state) == (asset, [asset], "unreadable")
        assert (states["presence"], states["integrity"], states["signer"]) == ("detached", "unchecked", "this_office")
        assert (states["whole_file"], states["time"], states["soft_binding"]) == ("registered", "stamped", "none")
        assert "nobody here has seen the file" in report.verdicts["integrity"].sentence
        assert verdict(report.as_dict()) is CLAIMED
    assert "never sent" in by_hash.notes[0]


def test_equal_bytes_are_told_as_such_and_not_as_a_likeness(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, photo)
    asset.manifests.all().delete()
    like = verify(photo).verdicts["soft_binding"]
    assert (like.state, "very bytes" in like.sentence) == ("none", True)


def test_of_a_hidden_work_the_public_is_not_told_that_its_bytes_are_registered(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    asset = register(alice, photo)
    signed = signed_bytes(asset)
    restrict(asset, Asset.Restriction.HIDDEN)
    assert verify(signed).verdicts["whole_file"].state == "unknown"
    assert verify(signed, viewer=alice).verdicts["whole_file"].state == "registered"


def test_the_report_says_who_read_it_and_by_which_settings(
    photo: bytes, alice: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    report = verify(signed_bytes(register(alice, photo)))
    engine = report.as_dict()["engine"]
    assert engine["name"] == "c2pa-rs"
    assert len(engine["settings"]) == 16
    assert THIS_OFFICE in [one["uri"] for one in engine["policy"]]
    assert report.crjson["manifests"][0]["label"] == report.credential.label
    assert [one.name for one in report.signals] == ["inception:signal_capturedMedia"]


def test_the_chain_of_a_child_is_a_tree(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    child = register(bob, signed_bytes(register(alice, photo, title="The rocket")), title="Mine")
    chain = verify(signed_bytes(child)).as_dict()["chain"]
    assert (chain["title"], chain["state"], chain["relationship"]) == ("Mine", "intact", "")
    (parent,) = chain["children"]
    assert (parent["state"], parent["relationship"]) == ("intact", "parentOf")
    assert [one["action"] for one in parent["actions"]] == ["c2pa.created"]
    assert parent["signer"]["confirmed"] is False


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

    register(alice, media_made.saved(Image.new("RGB", (100, 100), "navy"), "PNG"))
    assert verify(media_made.saved(Image.new("RGB", (90, 120), "white"), "PNG")).matches == []


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


@pytest.fixture
def policy(db: None) -> TrustPolicy:
    return trust.policy()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(store=ANY_JSON, crjson=ANY_JSON)
def test_a_reader_that_was_taken_over_is_refused_or_judged_and_breaks_nothing(
    policy: TrustPolicy, store: Any, crjson: Any
) -> None:
    found = {"presence": "embedded", "store": store, "crjson": crjson}
    try:
        evidence = verification.judged(found, policy)
    except Problem as refusal:
        assert refusal.code == "media.unparseable"
    else:
        assert evidence.credential.trust != "this_office"


# --- The report ------------------------------------------------------------------------------------------------------


def test_verifying_keeps_nothing(photo: bytes, verify: Verify, leaves_nothing: None) -> None:
    verify(photo)
    for bad in (photo[:5000], media_made.png_that_says(60_000, 60_000)):
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
