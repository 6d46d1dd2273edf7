"""The only importer of the C2PA library. Used in guarded children alone (provenance.parsing); knows no Django.

Left to itself, the library opens the addresses it finds in hostile files, on reading and on adding ingredients. It is
closed twice: by settings, and, since a mistyped setting is accepted in silence, by a resolver of its HTTP requests that
sends none. Its own requests for time-stamps pass by both, so it is never given the address of an authority
(provenance.c2pa_stamp). `tests/provenance/test_offline.py` watches what really happens. Contexts die in a fork, so each
process makes its own.
"""

import ctypes
import datetime as dt
import hashlib
import io
import json
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import c2pa
from c2pa.c2pa import _lib

from provenance import c2pa_native as native
from provenance import c2pa_stamp, past
from provenance import c2pa_views as views
from provenance.manifest_reading import KINDS, MAX_STORE, results, status_codes
from provenance.questions import SIGN, STAMP
from provenance.validity import IDENTITY, SIGNER, TSA

TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"  # RFC 3161 §2.3
# Purposes of certificates that may sign claims and stamps. The library's own default leaves the first one out as soon
# as trust lists are given, and a list's own `trust_config` does not help (found by trying).
PURPOSES: Final = (
    "1.3.6.1.4.1.62558.2.1",  # c2pa-kp-claimSigning, C2PA 2.4 §14.5.1.1
    "1.3.6.1.5.5.7.3.4",  # emailProtection
    "1.3.6.1.5.5.7.3.36",  # documentSigning
    TIME_STAMPING,
    "1.3.6.1.5.5.7.3.9",  # OCSPSigning
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft's C2PA signing, in use before there was a purpose of C2PA's own
)
ALGORITHMS: Final = {
    "es256": c2pa.C2paSigningAlg.ES256,
    "es384": c2pa.C2paSigningAlg.ES384,
    "es512": c2pa.C2paSigningAlg.ES512,
    "ps256": c2pa.C2paSigningAlg.PS256,
    "ps384": c2pa.C2paSigningAlg.PS384,
    "ps512": c2pa.C2paSigningAlg.PS512,
    "ed25519": c2pa.C2paSigningAlg.ED25519,
}
_PARENT_STORE: Final = "parent.c2pa"

# {"uri": under which verdicts name the list, "pem", "kind": manifest|tsa|cawg, "allowed": PEM of single certificates}
Anchor = Mapping[str, str]
Ask = Callable[[bytes], bytes]

assert _lib is not None
library: ctypes.CDLL = _lib
native.declare(library)
VERSION: Final = str(c2pa.sdk_version())


def settings_for(
    anchors: Sequence[Anchor], *, identities: bool = False, thumbnail: bool = False, stamps: bool = False
) -> dict[str, Any]:
    """The library's settings. anchors: the trust lists.

    identities: also judge identity assertions. They may be resolved by did:web, over the network, and then fail
    genuine files offline, so that integrity is never read with them. stamps: only certificates for time-stamps count.
    """
    return {
        "verify": {
            "verify_after_reading": True,
            # What was signed is read back by provenance.signing, as a stranger would, and judged more strictly.
            "verify_after_sign": False,
            "verify_trust": True,
            "ocsp_fetch": False,
            "remote_manifest_fetch": False,
        },
        "core": {
            "allowed_network_hosts": [],
            "decode_identity_assertions": identities,
            # A large file is copied to disk beside the result, not into memory.
            "backing_store_memory_threshold_in_mb": 64,
        },
        "builder": {"thumbnail": {"enabled": thumbnail}},
        "trust": {
            "trust_config": TIME_STAMPING if stamps else "\n".join(PURPOSES),
            "anchors": [_anchor(one) for one in anchors],
        },
    }


def _anchor(one: Anchor) -> dict[str, str]:
    told = {"trust_anchors": one["pem"], "trust_uri": one["uri"], "trust_kind": one["kind"]}
    return {**told, "allowed_list": one["allowed"]} if one.get("allowed") else told


class ClosedContext(c2pa.ContextProvider):
    """A context of this process whose HTTP requests are answered by `answer`, and by nobody else."""

    def __init__(self, settings: Mapping[str, Any], answer: native.Answer = lambda *_: None) -> None:
        self._pid = os.getpid()
        self._resolve = native.resolver(library, answer)
        try:
            self._handle = native.context(library, json.dumps(settings).encode(), self._resolve)
        except native.NativeError as error:
            raise c2pa.C2paError(str(error)) from error
        weakref.finalize(self, _free, self._handle, self._pid)

    @property
    def is_valid(self) -> bool:
        return self._pid == os.getpid()

    @property
    def execution_context(self) -> Any:
        return self._handle


def _free(handle: Any, pid: int) -> None:
    if pid == os.getpid():  # after a fork it is the parent's
        native.free(library, handle)


@lru_cache(maxsize=4)
def _context(pid: int, settings: str) -> ClosedContext:
    return ClosedContext(json.loads(settings))


def context(anchors: Sequence[Anchor], **options: bool) -> ClosedContext:
    """This process's context for these trust lists, and `settings_for`'s options. It sends no request."""
    return _context(os.getpid(), _canonical(settings_for(anchors, **options)))


def _canonical(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, separators=(",", ":"))


def engine(anchors: Sequence[Anchor]) -> dict[str, str]:
    """Which library judged, with which settings: the first 16 hex digits of the SHA-256 of their sorted JSON."""
    settings = hashlib.sha256(_canonical(settings_for(anchors)).encode()).hexdigest()
    return {"name": "c2pa-rs", "version": VERSION, "settings": settings[:16]}


# --- Reading ---------------------------------------------------------------------------------------------------------


def read(
    path: Path,
    media_type: str,
    *,
    anchors: Sequence[Anchor],
    manifest: Path | None = None,
    as_of: dt.datetime | None = None,
) -> dict[str, Any]:
    """What the file's Content Credentials are, as the library tells it.

    manifest: a manifest store (JUMBF) that stands beside the file; it is read instead of what the file carries.
    as_of: the date whose lists the anchors are, when it is not now; a signer who was trusted then is trusted.
    Returns {"presence": none | embedded | detached | remote | unreadable, "engine": see `engine`}, and
    for remote: "host" (of the address, which is not opened);
    for unreadable: "error";
    for embedded and detached: "store", the library's JSON; "crjson", the same as crJSON (C2PA 2.4 §16), with the
    certificates; "detailed": {"bindings": {manifest label: {label of its hash assertion: {"alg", "hash": hex,
    "exclusions": how many ranges are left out}}}}; "identity": None, or {"kinds": signature types of the identity
    assertions, "judged": bool, "success", "informational", "failure": codes}, read apart from the rest.
    """
    told: dict[str, Any] = {"engine": engine(anchors)}
    try:
        file = _File(path, media_type, _sidecar(manifest))
        told |= _judged(file, anchors)
        at = past.moment(told, as_of)
        if at is not None:
            told |= _as_of(file, anchors, at)
    except c2pa.C2paError as error:
        return told | _absence(error)
    if told["presence"] in ("embedded", "detached"):
        told["identity"] = _identity(told["store"], file, anchors)
    return told


@dataclass(frozen=True)
class _File:
    """What is read. sidecar: the manifest store that is read instead of what the file carries."""

    path: Path
    media_type: str
    sidecar: bytes | None

    @contextmanager
    def opened(self, anchors: Sequence[Anchor], **options: bool) -> Iterator[c2pa.Reader]:
        """Raises C2paError."""
        closed = context(anchors, **options)
        with (
            self.path.open("rb") as file,
            c2pa.Reader(self.media_type, file, self.sidecar, context=closed) as reader,
        ):
            yield reader


def _judged(file: _File, anchors: Sequence[Anchor]) -> dict[str, Any]:
    """Signers by the lists of signers alone, time-stamps by those of authorities of time alone. Raises C2paError.

    Of one reading the library asks every list about both, and says which one vouched: an authority that issues
    certificates to signers could make itself stamps of any date. Where a list vouched for what it is not for, its
    verdicts are taken from two readings with the lists apart.
    """
    signers, stampers = _of(anchors, SIGNER), _of(anchors, TSA)
    if not any(one.get("allowed") for one in signers):  # of these the library names no list
        told = _reading(file, [*signers, *(one for one in stampers if one["pem"] not in _pems(signers))])
        if _own_kind_vouched(told, signers, stampers):
            return told
    told = _reading(file, signers)
    store = told.get("store") or {}
    _name_single(store, signers)
    if any(code.startswith("timeStamp.") for code in status_codes(results(store))):
        views.take_time(told, _reading(file, stampers, stamps=True))
    return told


def _reading(file: _File, anchors: Sequence[Anchor], **options: bool) -> dict[str, Any]:
    with file.opened(anchors, **options) as reader:
        return _told(reader, detached=file.sidecar is not None)


def _own_kind_vouched(told: Mapping[str, Any], signers: Sequence[Anchor], stampers: Sequence[Anchor]) -> bool:
    """Whether only lists of signers vouched for signers, and only those of authorities of time for time-stamps, in
    this credential and in all before it. Lists with the same certificates vouch for the same."""
    may_sign, may_stamp = _pems(signers), _pems(stampers)
    pem_of = {one["uri"]: one["pem"] for one in (*stampers, *signers)}
    for for_stamp, uri in views.vouchers((told.get("store") or {}).get("validation_results")):
        if pem_of.get(uri) not in (may_stamp if for_stamp else may_sign):
            return False
    return True


def _pems(anchors: Sequence[Anchor]) -> set[str]:
    return {one["pem"] for one in anchors}


def _of(anchors: Sequence[Anchor], *kinds: str) -> list[Anchor]:
    """The lists of these kinds. The library knows a `trust_kind`, and lets a list of any kind vouch for any signer."""
    return [one for one in anchors if one["kind"] in kinds]


def _sidecar(manifest: Path | None) -> bytes | None:
    if manifest is None:
        return None
    with manifest.open("rb") as file:
        store = file.read(MAX_STORE + 1)
    if not store or len(store) > MAX_STORE:
        raise c2pa.C2paError("the manifest store is empty or too large")
    return store


def _as_of(file: _File, anchors: Sequence[Anchor], at: dt.datetime) -> dict[str, Any]:
    """Another reading of what a certificate signed that has ended since: trusted, when it was so at `at`.

    The chain is followed by `past`; that it is the certificate of this signature, the library finds by comparing.
    """
    store = file.sidecar if file.sidecar is not None else _embedded(file.path, file.media_type)
    for uri, allowed in past.vouched_for(store, anchors, at).items():
        alone = {"uri": uri, "pem": "", "kind": SIGNER, "allowed": allowed}
        told = _judged(file, [*_of(anchors, TSA, IDENTITY), alone])
        if ((told.get("store") or {}).get("validation_results") or {}).get("trustListUri") == uri:
            return told
    return {}


def _embedded(path: Path, media_type: str) -> bytes:
    """The manifest store in a file, inside a store of ours that has it as an ingredient; any format, all bytes kept."""
    builder, out = c2pa.Builder(json.dumps({"title": ""}), context=context([])), io.BytesIO()
    with path.open("rb") as file:
        builder.add_ingredient(json.dumps({"title": "", "relationship": "componentOf"}), media_type, file)
    builder.to_archive(out)
    return out.getvalue()


def _name_single(store: Mapping[str, Any], anchors: Sequence[Anchor]) -> None:
    """Say which list it was. Of a certificate that is trusted as it is, and not for its chain, the library names none:
    it is the only list that has such.
    """
    results, single = store.get("validation_results") or {}, [one["uri"] for one in anchors if one.get("allowed")]
    if results.get("trustListUri") == "" and len(single) == 1:
        results["trustListUri"] = single[0]


def _told(reader: c2pa.Reader, *, detached: bool) -> dict[str, Any]:
    text = reader.json()
    if len(text) > MAX_STORE:
        return {"presence": "unreadable", "error": "the manifest store is too large"}
    crjson = _json(reader.crjson)
    return {
        "presence": "detached" if detached else "embedded",
        "store": json.loads(text),
        "crjson": crjson,
        "detailed": {"bindings": views.bindings(crjson)},
    }


def _json(read_it: Callable[[], str]) -> dict[str, Any]:
    """A second view of what was read already: a hostile store may be fit for the first one alone."""
    try:
        text = read_it()
        told = json.loads(text) if len(text) <= MAX_STORE else {}
    except (c2pa.C2paError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _absence(error: Exception) -> dict[str, Any]:
    words = str(error)
    if words.startswith(("ManifestNotFound", "NotSupported")):  # a format that takes no credential inside has none
        return {"presence": "none"}
    if words.startswith("Remote"):  # “RemoteManifest: …” or “Remote: …”
        return {"presence": "remote", "host": _host(words)}
    return {"presence": "unreadable", "error": words[:300]}


def _host(words: str) -> str:
    """The host of the address in the library's message, for the report; the address itself is never opened."""
    try:
        return (urlsplit(words.rsplit(" ", 1)[-1]).hostname or "")[:253]
    except ValueError:
        return ""


def _identity(store: Mapping[str, Any], file: _File, anchors: Sequence[Anchor]) -> dict[str, Any] | None:
    """The identity assertions of the active manifest: judged in a reading of their own when each needs nothing but
    certificates that it carries (CAWG identity 1.1 §8.2); the others would need an address to be opened."""
    kinds = list(views.identity_kinds(store))
    if not kinds:
        return None
    told: dict[str, Any] = {"kinds": kinds, "judged": False, "success": [], "informational": [], "failure": []}
    if set(kinds) != {"cawg.x509.cose"}:
        return told
    try:
        with file.opened(_of(anchors, IDENTITY), identities=True) as reader:
            found = _json(reader.json)
    except c2pa.C2paError:
        return told
    return {
        **told,
        "judged": True,
        **{kind: [one for one in status_codes(results(found), kind) if one.startswith("cawg.")] for kind in KINDS},
    }


# --- Signing ---------------------------------------------------------------------------------------------------------


def sign(
    source: Path,
    target: Path,
    media_type: str,
    *,
    manifest: Mapping[str, Any],
    signer: Mapping[str, Any],
    ask: Ask,
    parent: Path | None = None,
    ingredient: Mapping[str, Any] | None = None,
    thumbnail: bool = False,
    update: bool = False,
) -> bytes:
    """Write `source` with the signed manifest embedded to `target`; returns the manifest store (JUMBF bytes).

    parent, ingredient: when given, this file with the credentials it carries becomes the ingredient described.
    signer: {"chain": certificates, PEM, leaf first; "algorithm": key of ALGORITHMS; "stamp": bool; "anchors"}.
    ask: signs and stamps outside this process (provenance.questions). update: an update manifest (C2PA 2.4 §11.2.3).
    """
    builder = c2pa.Builder(json.dumps(manifest), context=context(_of(signer["anchors"], SIGNER), thumbnail=thumbnail))
    if update:
        builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
    if parent is not None and ingredient is not None:
        _add_ingredient(builder, ingredient, media_type, parent)
    with source.open("rb") as reading, target.open("w+b") as writing:
        plain: bytes = builder.sign(_signer(signer, ask), media_type, reading, writing)
    store = _stamped(plain, signer, ask)
    if store != plain:
        c2pa_stamp.put(target, plain, store)
    return store


def sign_detached(
    digest: bytes,
    *,
    manifest: Mapping[str, Any],
    signer: Mapping[str, Any],
    ask: Ask,
    parent: Path | None = None,
    ingredient: Mapping[str, Any] | None = None,
) -> bytes:
    """The manifest store for a file of which only the SHA-256 (32 bytes) is known; nothing of it is left out.

    parent, ingredient: as in `sign`, when the file is here and carries credentials.
    """
    builder = c2pa.Builder(json.dumps(manifest), context=context(_of(signer["anchors"], SIGNER)))
    if parent is not None and ingredient is not None:
        _add_ingredient(builder, ingredient, str(manifest["format"]), parent)
    builder.set_no_embed()  # type: ignore[no-untyped-call]
    made = _signer(signer, ask)
    try:
        store = native.sign_hash(library, builder._handle, made._handle, digest, reserve=made.reserve_size())
    except native.NativeError as error:
        raise c2pa.C2paError(str(error)) from error
    return _stamped(store, signer, ask)


def update_detached(
    store: bytes, *, manifest: Mapping[str, Any], ingredient: Mapping[str, Any], signer: Mapping[str, Any], ask: Ask
) -> bytes:
    """The manifest store `store` with an update manifest on top; the file it is about is not needed.

    ingredient: describes `store`; with "active_manifest" and the "validation_results" it was found to have.
    """
    described = {**ingredient, "manifest_data": {"format": "application/c2pa", "identifier": _PARENT_STORE}}
    definition = json.dumps({**manifest, "ingredients": [described]})
    builder = c2pa.Builder(definition, context=context(_of(signer["anchors"], SIGNER)))
    builder.add_resource(_PARENT_STORE, io.BytesIO(store))
    builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
    builder.set_no_embed()  # type: ignore[no-untyped-call]
    updated: bytes = builder.sign(_signer(signer, ask), "application/c2pa", io.BytesIO(store), io.BytesIO())
    return _stamped(updated, signer, ask)


def _add_ingredient(builder: c2pa.Builder, ingredient: Mapping[str, Any], media_type: str, path: Path) -> None:
    with path.open("rb") as file:
        builder.add_ingredient(json.dumps(ingredient), media_type, file)


def _stamped(store: bytes, signer: Mapping[str, Any], ask: Ask) -> bytes:
    return c2pa_stamp.stamped(store, lambda request: ask(STAMP + request)) if signer["stamp"] else store


def _signer(signer: Mapping[str, Any], ask: Ask) -> c2pa.Signer:
    algorithm = ALGORITHMS[signer["algorithm"]]
    return c2pa.Signer.from_callback(lambda data: ask(SIGN + data), algorithm, signer["chain"])
