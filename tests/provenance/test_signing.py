"""What this office signs: every format, every assertion as C2PA 2.4 wants it, stamped, and read back first of all."""

import base64
import io
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import User
from core import storage
from core.guard import Nursery, Unparseable
from core.problems import Problem
from ledger import timestampauthority
from provenance import assertions, authority, guarded, questions, signing, stamping, trust
from provenance import c2pa as engine
from provenance.assertions import Statement
from provenance.models import Asset
from provenance.validity import TrustPolicy
from provenance.vocabulary import SourceType
from tests.provenance import certificates_made, media_made, reading
from tests.provenance.conftest import Register

# Bytes and the engine are the same on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

Write = Callable[[str, bytes], Path]
GRANT = "sha256:" + "ab" * 32
CODES = {"iscc-image-256": bytes(range(32)), "dhash-64": bytes(8)}
JPEG = Statement("asset:1", "Rocket", "image/jpeg", "digitalCapture", "notAllowed", fingerprints=CODES)


@pytest.fixture
def sign(on_disk: Write, photo: bytes) -> Callable[..., tuple[signing.Signed, bytes]]:
    def call(said: Statement = JPEG, data: bytes = b"") -> tuple[signing.Signed, bytes]:
        source = on_disk("source", data or media_made.make(said.media_type, photo))
        with storage.scratch_path() as target:
            return signing.sign_file(source, target, said), target.read_bytes()

    return call


Sign = Callable[..., tuple[signing.Signed, bytes]]


@pytest.mark.parametrize("media_type", media_made.EMBEDDABLE)
def test_every_format_takes_the_credential_and_opens_as_trusted_in_the_librarys_own_reader(
    media_type: str, sign: Sign
) -> None:
    signed, data = sign(replace(JPEG, media_type=media_type))
    store = reading.read(data, media_type)
    assert store["validation_state"] == "Trusted"
    assert reading.codes(store) == []
    assert store["active_manifest"] == signed.label
    assert "timeStamp.trusted" in reading.codes(store, "success")
    assert signed.stamped_at is not None
    assert signed.serial == reading.active(store)["signature_info"]["cert_serial_number"]


def test_what_is_too_large_for_the_librarys_memory_is_put_beside_the_result(sign: Sign) -> None:
    """The child writes to one folder alone; a large file's working copy goes there and not to where others look."""
    size = 80 << 20
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", size) + bytes(size)
    signed, data = sign(replace(JPEG, media_type="audio/wav"), struct.pack("<4sI", b"RIFF", len(body)) + body)
    assert reading.read(data, "audio/wav")["active_manifest"] == signed.label


def test_a_claim_of_version_2_with_created_assertions_and_all_actions(sign: Sign) -> None:
    manifest = reading.active(reading.read(sign()[1], "image/jpeg"))
    assert manifest["claim_version"] == 2
    assert manifest["claim_generator_info"][0]["name"] == "Assay"
    assert manifest["claim_generator_info"][0]["specVersion"] == "2.4.0"
    assert all(one["created"] for one in manifest["assertions"])
    said = reading.said(manifest)
    assert said["c2pa.actions.v2"]["allActionsIncluded"] is True
    assert said["cawg.training-mining"]["entries"]["cawg.ai_training"] == {"use": "notAllowed"}
    assert set(said["org.assay.ledger"]) == {"origin", "vkey", "asset"}


def test_the_fingerprint_is_bound_as_the_iscc_standard_writes_it(sign: Sign) -> None:
    binding = reading.said(reading.active(reading.read(sign()[1], "image/jpeg")))["c2pa.soft-binding"]
    assert binding["alg"] == "io.iscc.v0"
    assert base64.b64decode(binding["blocks"][0]["value"]) == b"\x21\x07" + bytes(range(32))


def test_what_the_owner_says_of_the_work_is_json_and_names_its_schemas(sign: Sign) -> None:
    signed, data = sign(replace(JPEG, metadata={"dc:creator": "Alice", "xmpRights:Marked": "true"}))
    manifest = reading.active(reading.read(data, "image/jpeg"))
    told = next(one for one in manifest["assertions"] if one["label"] == "cawg.metadata")
    assert told["kind"] == "Json"
    assert told["data"]["dc:creator"] == "Alice"
    assert set(told["data"]["@context"]) == {"dc", "xmpRights"}
    assert assertions.says_more_than_title(signed.active)
    assert not assertions.says_more_than_title(sign()[0].active)


@pytest.mark.parametrize(
    "metadata",
    [{"creator": "Alice"}, {"ns:creator": "Alice"}, {"dc:creator": "x" * 3000}, {f"dc:p{n}": "x" for n in range(60)}],
)
def test_metadata_outside_the_known_schemas_is_not_signed(metadata: dict[str, str]) -> None:
    with pytest.raises(Problem) as refusal:
        assertions.build_manifest(replace(JPEG, metadata=metadata))
    assert refusal.value.code == "asset.metadata"


@pytest.mark.parametrize("source_type", SourceType.values)
def test_a_model_is_disclosed_where_one_was_at_work_and_nowhere_else(source_type: str) -> None:
    manifest = assertions.build_manifest(replace(JPEG, source_type=source_type))
    told = {one["label"]: one["data"] for one in manifest["assertions"]}
    by_a_model = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic")
    assert ("c2pa.ai-disclosure" in told) == (source_type in by_a_model)
    action = told["c2pa.actions.v2"]["actions"][0]
    assert action["digitalSourceType"] == f"http://cv.iptc.org/newscodes/digitalsourcetype/{source_type}"


def test_an_ai_disclosure_is_signed_and_read_back(sign: Sign) -> None:
    _, data = sign(replace(JPEG, source_type="trainedAlgorithmicMedia"))
    said = reading.said(reading.active(reading.read(data, "image/jpeg")))
    assert said["c2pa.ai-disclosure"] == {"modelType": "c2pa.types.model"}


@pytest.mark.parametrize("grant", ["Dana Hill", "sha256:xyz", "ab" * 32, ""])
def test_a_name_never_gets_into_a_credential_as_a_consent(grant: str) -> None:
    with pytest.raises(Problem) as refusal:
        assertions.consent("asset:1", (grant,))
    assert refusal.value.code == "asset.consent"


def test_an_invisible_mark_is_declared_as_bound(sign: Sign) -> None:
    _, data = sign(replace(JPEG, watermark=b"\x01\x02\x03\x04"))
    manifest = reading.active(reading.read(data, "image/jpeg"))
    actions = [one["action"] for one in reading.said(manifest)["c2pa.actions.v2"]["actions"]]
    assert actions == ["c2pa.created", "c2pa.watermarked.bound"]
    bindings = [one["data"]["alg"] for one in manifest["assertions"] if one["label"].startswith("c2pa.soft-binding")]
    assert bindings == ["io.iscc.v0", "org.assay.rivagan-32"]


def test_no_thumbnail_unless_it_is_asked_for(sign: Sign, photo: bytes) -> None:
    plain, _ = sign(data=photo)
    pictured, _ = sign(replace(JPEG, thumbnail=True), photo)
    assert "thumbnail" not in plain.active
    assert pictured.active["thumbnail"]["format"] == "image/jpeg"
    assert len(pictured.store) > len(plain.store)


def test_an_upload_with_credentials_is_opened_and_linked_and_says_no_source_type_of_its_own(
    sign: Sign,
) -> None:
    first, data = sign()
    second, data = sign(replace(JPEG, asset="asset:2", has_parent=True), data)
    manifest = reading.active(reading.read(data, "image/jpeg"))
    assert manifest["ingredients"][0]["active_manifest"] == first.label
    action = reading.said(manifest)["c2pa.actions.v2"]["actions"][0]
    assert action["action"] == "c2pa.opened"
    assert "digitalSourceType" not in action
    assert action["parameters"]["ingredients"][0]["url"].endswith("c2pa.ingredient.v3")
    assert second.label != first.label


def test_what_does_not_say_what_was_asked_for_is_thrown_away(sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child taken over by the file signs something else: nobody gets to see it."""
    really_sign = guarded.sign

    def sign_for_mallory(*args: Any, manifest: dict[str, Any], **options: Any) -> bytes:
        return really_sign(*args, manifest=json.loads(json.dumps(manifest).replace("asset:1", "asset:9")), **options)

    monkeypatch.setattr(guarded, "sign", sign_for_mallory)
    with pytest.raises(Problem) as refusal:
        sign()
    assert (refusal.value.code, refusal.value.status) == ("office.signing_failed", 500)


@pytest.mark.parametrize(
    ("asked", "signed"),
    [
        ('"notAllowed"', '"allowed"'),
        ("digitalCapture", "negativeFilm"),
        ('"dc:title": "Rocket"', '"dc:title": "A rocket by Mallory"'),
        ("[33, 7, 0, 1,", "[33, 7, 0, 9,"),
        ('"title": "Rocket", "format"', '"title": "Pocket", "format"'),
        ('"assertions": [', '"assertions": [{"label": "org.mallory.claim", "created": true, "data": {"x": "y"}}, '),
    ],
)
def test_no_word_of_a_statement_can_be_changed_added_or_left_out_on_the_way(
    asked: str, signed: str, sign: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_sign = guarded.sign

    def sign_for_mallory(*args: Any, manifest: dict[str, Any], **options: Any) -> bytes:
        told = json.dumps(manifest)
        assert asked in told
        return really_sign(*args, manifest=json.loads(told.replace(asked, signed)), **options)

    monkeypatch.setattr(guarded, "sign", sign_for_mallory)
    with pytest.raises(Problem) as refusal:
        sign()
    assert refusal.value.code == "office.signing_failed"


# --- What a child may ask --------------------------------------------------------------------------------------------

SIG_STRUCTURE = b"\x84\x6aSignature1" + bytes(40)


def _answers(stamper: stamping.StampAuthority | None) -> Callable[[bytes], bytes]:
    return guarded._Answers(authority.this_office().signing_answers(), stamper)


def test_a_child_gets_one_signature_and_one_stamp() -> None:
    stamped: list[bytes] = []

    def stamp(request: bytes) -> bytes:
        stamped.append(request)
        return b"token"

    class Stamper:
        optional = False

    stamper: Any = Stamper()
    stamper.stamp = stamp
    answer = _answers(stamper)
    assert answer(questions.SIGN + SIG_STRUCTURE)
    assert answer(questions.STAMP + b"request") == b"token"
    for again in (questions.SIGN + SIG_STRUCTURE, questions.STAMP + b"request"):
        with pytest.raises(Unparseable):
            answer(again)
    assert stamped == [b"request"]


@pytest.mark.parametrize("function", ["sign_and_tell", "stamp_and_tell"])
def test_a_child_that_was_handed_a_signature_or_a_stamp_has_no_words_of_its_own_any_more(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mallory's file takes the child over, has a claim of his signed, and raises the signature as a refusal."""
    nursery = Nursery("tests.provenance.oracle")
    monkeypatch.setattr(guarded, "_nursery", nursery)
    with pytest.raises(Problem) as refusal:
        guarded._sign(f"tests.provenance.oracle:{function}", {})
    nursery.close()
    assert refusal.value.code == "media.unparseable"
    assert "told" not in json.dumps(refusal.value.as_dict())


def test_a_child_that_was_handed_nothing_says_what_is_wrong_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    nursery = Nursery("tests.provenance.oracle")
    monkeypatch.setattr(guarded, "_nursery", nursery)
    with pytest.raises(Problem) as refusal:
        guarded._sign("tests.provenance.oracle:tell", {})
    nursery.close()
    assert (refusal.value.code, refusal.value.detail) == ("media.told", "told: nothing")


@pytest.mark.parametrize("question", [b"", b"X", b"Gimme the key", questions.STAMP + b"x", SIG_STRUCTURE])
def test_a_child_gets_nothing_else(question: bytes) -> None:
    with pytest.raises(Unparseable):
        _answers(None)(question)


def _unreachable(*, optional: bool) -> stamping.StampAuthority:
    def fail(_: bytes) -> bytes:
        raise stamping.NotStamped("tsa.example", "it does not answer")

    return replace(stamping.authority(), name="tsa.example", optional=optional, answer=fail)


def test_without_a_time_stamp_nothing_is_registered(
    photo: bytes, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    dead = _unreachable(optional=False)
    monkeypatch.setattr(stamping, "authority", lambda: dead)
    with pytest.raises(Problem) as refusal:
        register(alice, photo)
    assert (refusal.value.code, refusal.value.status) == ("office.not_stamped", 503)
    assert "tsa.example" in refusal.value.detail


def test_an_operator_may_do_without_when_the_authority_is_away(
    photo: bytes, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = _unreachable(optional=True)
    monkeypatch.setattr(stamping, "authority", lambda: dead)
    asset = register(alice, photo)
    assert {one.stamped_at for one in asset.manifests.all()} == {None}


# --- The engine ------------------------------------------------------------------------------------------------------


def test_every_reading_names_the_engine_and_its_settings(sign: Sign, on_disk: Write) -> None:
    path = on_disk("signed.jpg", sign()[1])
    ours, nobodys = trust.policy(), TrustPolicy(None, ())
    one, other = (guarded.read_credential(path, "image/jpeg", policy=policy)["engine"] for policy in (ours, nobodys))
    assert one["name"] == "c2pa-rs"
    assert one["version"].startswith("0.")
    assert len(one["settings"]) == 16
    assert one["settings"] != other["settings"]
    assert one["settings"] == engine.engine(ours.anchors)["settings"]


def test_a_reading_has_the_certificates_as_crjson_and_the_hash_that_binds(sign: Sign, on_disk: Write) -> None:
    signed, data = sign()
    found = guarded.read_credential(on_disk("signed.jpg", data), "image/jpeg")
    (manifest,) = found["crjson"]["manifests"]
    assert manifest["signature"]["certificateInfo"]["validity"]["notAfter"]
    assert manifest["signature"]["timeStampInfo"]["timestamp"]
    binding = found["detailed"]["bindings"][signed.label]["c2pa.hash.data"]
    assert binding["alg"] == "sha256"
    assert binding["exclusions"] == 1
    assert len(binding["hash"]) == 64
    assert found["identity"] is None


def test_a_title_that_looks_like_a_path_opens_nothing_to_the_child(
    photo: bytes, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The guard opens what its arguments name as absolute paths: words of people are never arguments of their own."""
    secret = tmp_path / "secret"
    secret.write_text("keys")
    really_call = guarded._nursery.call

    def call(function: str, arguments: dict[str, Any], **options: Any) -> Any:
        assert str(secret) not in [value for value in arguments.values() if isinstance(value, str)]
        return really_call(function, arguments, **options)

    monkeypatch.setattr(guarded._nursery, "call", call)
    assert register(alice, photo, title=str(secret)).title == str(secret)


# --- The command -----------------------------------------------------------------------------------------------------


def _sign_file(*args: str) -> None:
    call_command("sign", *args, stdout=io.StringIO())


def test_the_command_registers_a_file_and_writes_the_signed_one_beside_it(
    alice: User, on_disk: Write, photo: bytes
) -> None:
    path = on_disk("rocket.jpg", photo)
    _sign_file(str(path), "--title", "Rocket")
    asset = Asset.objects.get()
    assert (asset.title, asset.owner) == ("Rocket", alice)
    store = reading.read((path.parent / "rocket-signed.jpg").read_bytes(), "image/jpeg")
    assert store["validation_state"] == "Trusted"


def test_the_command_writes_a_manifest_beside_what_takes_none_inside(alice: User, on_disk: Write) -> None:
    data = b"Minutes of the meeting.\n" * 40
    path = on_disk("minutes.txt", data)
    _sign_file(str(path), "--hash-only")
    assert not Asset.objects.get().held
    manifest = (path.parent / "minutes.txt.c2pa").read_bytes()
    assert reading.read(data, "text/plain", manifest=manifest)["validation_state"] == "Trusted"


def test_the_command_says_what_is_wrong_in_its_exit_code(alice: User, bob: User, on_disk: Write, photo: bytes) -> None:
    path, out = on_disk("rocket.jpg", photo), on_disk("there.jpg", b"")
    half, owner = on_disk("half.jpg", photo[:9000]), ("--owner", "alice@example.org")
    for arguments, code in (
        (("/nowhere/file.jpg", *owner), 66),
        ((str(path),), 64),  # two creators: whose is it?
        ((str(path), "--owner", "nobody@example.org"), 64),
        ((str(path), "--out", str(out), *owner), 73),
        ((str(half), *owner), 1),
        ((str(path), "--watermark", *owner), 1),  # switched off here
        ((str(path), "--watermark", "--hash-only", *owner), 64),
    ):
        with pytest.raises(CommandError) as refusal:
            _sign_file(*arguments)
        assert refusal.value.returncode == code, arguments
    assert not Asset.objects.exists()


# --- Lists of one kind do not vouch for another ----------------------------------------------------------------------


def _list(kind: str, of: certificates_made.Made) -> dict[str, str]:
    return {"uri": f"urn:example:{kind}", "pem": of.pem, "kind": kind}


def _read_with(path: Path, *lists: dict[str, str]) -> tuple[set[str], str]:
    store = engine.read(path, "image/jpeg", anchors=lists)["store"]
    return set(reading.codes(store, "success")), store["validation_results"].get("trustListUri", "")


@pytest.fixture
def foreign(
    on_disk: Write, photo: bytes, tmp_path: Path
) -> tuple[Path, certificates_made.Made, certificates_made.Made]:
    """A photograph that Dana signed, stamped by an authority with a root of its own; and the two roots."""
    signers, stampers = certificates_made.root(), certificates_made.root("Greta’s clock")
    clock = certificates_made.time_stamper(stampers)
    leaf, stamp = certificates_made.under(signers), timestampauthority.Authority(clock.key_pem + clock.pem).respond
    path = certificates_made.signed(on_disk("photo.jpg", photo), tmp_path / "foreign.jpg", leaf, stamp=stamp)
    return path, signers, stampers


def test_a_list_of_time_stamp_authorities_or_identities_never_vouches_for_a_signer(foreign: Any) -> None:
    """The library knows kinds of lists, and lets each of them vouch for signers: this office asks with one kind."""
    path, signers, _ = foreign
    for kind in ("tsa", "cawg"):
        success, uri = _read_with(path, _list(kind, signers))
        assert "signingCredential.trusted" not in success
        assert uri != f"urn:example:{kind}"
    success, uri = _read_with(path, _list("tsa", signers), _list("manifest", signers))
    assert "signingCredential.trusted" in success
    assert uri == "urn:example:manifest"


def test_a_list_of_time_stamp_authorities_vouches_for_the_stamp_alone(foreign: Any) -> None:
    path, signers, stampers = foreign
    success, uri = _read_with(path, _list("manifest", signers))
    assert "signingCredential.trusted" in success
    assert "timeStamp.trusted" not in success
    success, uri = _read_with(path, _list("manifest", signers), _list("tsa", stampers))
    assert {"signingCredential.trusted", "timeStamp.trusted"} <= success
    assert uri == "urn:example:manifest"
    success, _ = _read_with(path, _list("tsa", stampers))
    assert "timeStamp.trusted" in success
    assert "signingCredential.trusted" not in success
