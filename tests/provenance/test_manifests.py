"""Which manifest of a work holds, what is handed out for it, and taking one manifest out of its store."""

import struct
from collections.abc import Callable

import pytest

from accounts.models import User
from core import storage
from core.problems import NotFound, Problem
from provenance import manifests
from provenance.manifest_reading import MAX_STORE
from provenance.manifests import Form, alone
from provenance.models import Asset, Manifest
from tests.provenance.conftest import Register

Replace = Callable[[Manifest, bytes], Manifest]


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo)


@pytest.fixture
def replaced_by() -> Replace:
    """A later manifest in the place of an earlier one."""

    def call(earlier: Manifest, store: bytes) -> Manifest:
        key, sha256 = storage.keep_bytes(store)
        label = f"urn:c2pa:{sha256[:8]}"
        return Manifest.objects.create(
            asset=earlier.asset, form=Form.UPDATE, label=label, sha256=sha256, key=key, replaces=earlier, active={}
        )

    return call


# --- In force ----------------------------------------------------------------------------------------------------


def test_a_registered_photograph_has_both_forms(work: Asset) -> None:
    held = manifests.in_force(work)
    assert set(held) == {Form.EMBEDDED, Form.DETACHED}
    assert manifests.fitting(work, "signed") == held[Form.EMBEDDED]
    assert manifests.fitting(work, "original") == held[Form.DETACHED]
    assert manifests.of_form(work) == held[Form.EMBEDDED]


def test_an_update_takes_the_place_of_what_it_replaces(work: Asset, replaced_by: Replace) -> None:
    before = manifests.in_force(work)
    first = replaced_by(before[Form.EMBEDDED], b"first")
    second = replaced_by(first, b"second")
    after = manifests.in_force(work)
    assert after == {Form.EMBEDDED: second, Form.DETACHED: before[Form.DETACHED]}
    assert [manifests.successor(one) for one in (before[Form.EMBEDDED], first, second)] == [second] * 3


def test_a_manifest_whose_store_was_not_kept_is_not_handed_out(work: Asset) -> None:
    work.manifests.update(key="")
    assert manifests.in_force(work) == {}
    assert manifests.fitting(work) is None
    with pytest.raises(NotFound):
        manifests.of_form(work)
    with pytest.raises(NotFound):
        manifests.store_of(work.manifests.all()[0])


def test_a_store_that_nobody_would_read_is_never_handed_out_in_part(work: Asset, replaced_by: Replace) -> None:
    first = manifests.in_force(work)[Form.EMBEDDED]
    fits, too_large = (replaced_by(first, b"\0" * size) for size in (MAX_STORE, MAX_STORE + 1))
    assert len(manifests.store_of(fits)) == MAX_STORE
    with pytest.raises(Problem, match="too large"):
        manifests.store_of(too_large)


def test_the_sweep_of_unnamed_files_leaves_the_stores_alone(work: Asset) -> None:
    keys = {manifest.key for manifest in work.manifests.all()}
    assert len(keys) == 2
    assert not keys & set(storage.orphans(older_than=-storage.ORPHAN_LIFE))


# --- The link ----------------------------------------------------------------------------------------------------


def test_a_file_links_to_the_manifest_that_was_made_over_it(work: Asset) -> None:
    here = f"http://localhost:8000/api/v1/assets/{work.pk}/manifest"
    kind = 'rel="c2pa-manifest"; type="application/c2pa"'
    assert manifests.link(work, "signed") == f"<{here}?form=embedded>; {kind}"
    assert manifests.link(work, "original") == f"<{here}?form=detached>; {kind}"
    assert manifests.link(work, anchor="/x") == f'<{here}?form=embedded>; {kind}; anchor="/x"'


def test_a_preview_links_to_no_manifest_because_none_fits_its_bytes(work: Asset) -> None:
    assert manifests.link(work, "preview") == ""


def test_without_an_embedded_manifest_the_signed_file_links_to_none(work: Asset) -> None:
    work.manifests.filter(form=Form.EMBEDDED).update(key="")
    assert manifests.link(work, "signed") == ""


# --- One manifest of a store -------------------------------------------------------------------------------------


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _superbox(label: str, *content: bytes) -> bytes:
    description = _box(b"jumd", b"c2pa" + bytes(12) + b"\x03" + label.encode() + b"\0")
    return _box(b"jumb", description + b"".join(content))


PARENT, CHILD = _superbox("urn:c2pa:parent", _box(b"cbor", b"1")), _superbox("urn:c2pa:child", _box(b"cbor", b"22"))


def test_one_manifest_makes_a_store_of_its_own() -> None:
    store = _superbox("c2pa", PARENT, CHILD)
    assert alone(store, "urn:c2pa:child") == _superbox("c2pa", CHILD)
    assert alone(store, "urn:c2pa:parent") == _superbox("c2pa", PARENT)


def test_a_manifest_that_is_not_in_the_store_is_not_found() -> None:
    with pytest.raises(NotFound):
        alone(_superbox("c2pa", PARENT), "urn:c2pa:child")


@pytest.mark.parametrize("broken", [b"", b"\0\0", _box(b"ftyp", b""), _superbox("c2pa", PARENT)[:-1]])
def test_what_is_no_store_is_refused(broken: bytes) -> None:
    with pytest.raises((ValueError, NotFound)):
        alone(broken, "urn:c2pa:child")


def test_a_box_without_description_inside_a_store_is_refused() -> None:
    with pytest.raises(ValueError, match="description"):
        alone(_superbox("c2pa", _box(b"jumb", _box(b"free", b""))), "urn:c2pa:child")


def test_the_active_manifest_of_a_registered_photograph_stands_alone(work: Asset) -> None:
    manifest = manifests.of_form(work, Form.EMBEDDED)
    store = manifests.store_of(manifest)
    assert alone(store, manifest.label) == store  # a photograph without earlier files has one manifest
