"""This office's certificates for media: a root, one that signs, one that stamps the time, and those before them.

To the rest of the world its signatures come from an unknown signer until the operator brings a certificate that others
trust (`bring`); to this office they are its own: its root is its anchor, and each brought certificate by itself.

What an attacker who holds a file could do, all in `ASSAY_KEYS/c2pa/`, mode 0600 in a folder 0700:
  root.key            issue certificates that this office trusts: replace the folder, and tell the public. It is needed
                      to rotate only, and may be kept elsewhere in between
  leaf.key, leaf-2.key, …   sign media as this office: rotate, then revoke the certificate
  tsa.key, tsa-2.key, …     stamp any time in this office's name: the same, and believe no stamp of it alone
  root.pem, chain.pem, chain-2.pem, …   nothing; they are public. Changed on disk, they make signing or trusting fail

The certificate of the highest number signs. The others stay trusted for what they signed; their keys can be destroyed.
The keys never enter the guarded child that builds a credential: it asks this process to sign (`signing_answers`).
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from django.conf import settings

from core.guard import Unparseable
from ledger import timestampauthority
from ledger.durable import write_once
from ledger.keys import BadKey, KeyMissing, read_text
from provenance import certificates, tokens
from provenance.certificates import Issued
from provenance.models import Manifest
from provenance.validity import SIGNER, THIS_OFFICE, THIS_OFFICE_TIME, TSA, NamedList

log = structlog.get_logger()

# anyPolicy (RFC 5280 §4.2.1.4): this office promises no more than its clock. The log's authority has an OID of its own
# under 2.25, whose numbers are too large for some readers of media (encypher-c2pa calls such a token malformed).
TIME_POLICY: Final = "2.5.29.32.0"

_CHAIN = re.compile(r"chain(?:-([1-9][0-9]{0,5}))?\.pem", re.ASCII)
_TIME = re.compile(r"tsa(?:-([1-9][0-9]{0,5}))?\.key", re.ASCII)


@dataclass(frozen=True)
class Authority:
    """root: PEM of the trust anchor. chain: PEM of the certificate that signs, then those above it. number: its own."""

    folder: Path
    root: str
    chain: str
    number: int = 1

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The one that signs."""
        return x509.load_pem_x509_certificate(self.chain.encode())

    @property
    def serial(self) -> str:
        """Of that certificate, decimal."""
        return str(self.certificate.serial_number)

    @property
    def roots(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.root.encode())

    @cached_property
    def algorithm(self) -> str:
        """How it signs, by C2PA's name: es256, es384, es512, ed25519 or ps256."""
        return certificates.algorithm_of(self.certificate)

    @property
    def is_brought(self) -> bool:
        """Whether somebody else issued the certificate that signs."""
        return not _is_under(self.roots, self.certificate)

    def sign(self, data: bytes) -> bytes:
        """A signature over `data` by `algorithm` (ECDSA: DER). Raises KeyMissing, BadKey."""
        return sign_with(self._key_text(), self.algorithm, data)

    def signing_answers(self) -> Callable[[bytes], bytes]:
        """A function that signs one COSE structure and no more, to answer a guarded child with.

        A child taken over by a hostile file could ask for anything: it gets one signature over one COSE_Sign1
        `Sig_structure` (RFC 9052 §4.4: a CBOR array of four whose first item is the text "Signature1"), or none.
        """
        signed = 0

        def answer(data: bytes) -> bytes:
            nonlocal signed
            signed += 1
            if signed > 1 or not data.startswith(b"\x84\x6aSignature1") or len(data) > 1 << 20:
                log.error("authority.signature_refused", size=len(data), asked=signed)
                raise Unparseable("asked for a signature that it may not have")
            return self.sign(data)

        return answer

    def _key_text(self) -> str:
        path = self.folder / numbered("leaf", self.number, "key")
        if path.exists():
            return read_text(path)
        if self.is_brought and settings.ASSAY_C2PA_KEY:
            return str(settings.ASSAY_C2PA_KEY)
        raise KeyMissing(f"the key file {path} is missing: put it back from its backup")


def sign_with(key: str, algorithm: str, data: bytes) -> bytes:
    """A signature over `data` (ECDSA: DER) with a private key, PEM or by its name on a token (`provenance.tokens`).

    algorithm: C2PA's name, one that the key can. Raises Problem certificate.key, KeyStoreAway, BadKey.
    """
    if tokens.is_token(key):
        return tokens.sign(key, algorithm, data)
    return certificates.sign(certificates.read_key(key), algorithm, data)


def this_office() -> Authority:
    """The authority of this installation, made now if there never was one. Safe when several processes come first.

    Raises KeyMissing when works were signed before and the folder is gone: a fresh root would disown them all.
    """
    at = folder()
    if not at.is_dir():
        if Manifest.objects.exists():
            raise KeyMissing(f"the signing keys in {at} are missing: put them back from their backup")
        _make(at)
    number = max(chain_numbers(at), default=0)
    if not number:
        raise KeyMissing(f"the certificate {at / 'chain.pem'} is missing: put it back from its backup")
    return Authority(at, read_text(at / "root.pem"), read_text(at / numbered("chain", number, "pem")), number)


def time_authority() -> timestampauthority.Authority:
    """This office's own authority of time for media. An office of before time-stamps gets its certificate now.

    Raises KeyMissing, BadKey.
    """
    office = this_office()
    number = newest_time(office.folder)
    if not number:
        with alone(office.folder):
            issue_time(office, max(1, newest_time(office.folder)))
        number = newest_time(office.folder)
    own = timestampauthority.Authority(read_text(office.folder / numbered("tsa", number, "key")), TIME_POLICY)
    try:
        own.certificate  # noqa: B018 - a damaged file shows here
    except ValueError as error:
        raise BadKey(f"{numbered('tsa', number, 'key')} does not hold a key and its certificate") from error
    return own


def own_lists() -> tuple[NamedList, NamedList]:
    """This office as a signer and as an authority of time. A brought certificate is trusted as it is: to trust whoever
    issued it would take every other customer of theirs for this office.
    """
    office = this_office()
    name, allowed = settings.ASSAY_OFFICE_NAME, _brought_before(office)
    print_of = certificates.fingerprint(office.root + allowed)[:16]
    return (
        NamedList(THIS_OFFICE, name, print_of, SIGNER, office.root, allowed),
        NamedList(THIS_OFFICE_TIME, name, certificates.fingerprint(office.root)[:16], TSA, office.root),
    )


def folder() -> Path:
    return Path(settings.ASSAY_KEYS) / "c2pa"


def numbered(name: str, number: int, suffix: str) -> str:
    """leaf.key, leaf-2.key, leaf-3.key, …"""
    return f"{name}.{suffix}" if number == 1 else f"{name}-{number}.{suffix}"


def chain_numbers(at: Path) -> list[int]:
    """Numbers of all certificates that sign or signed, ascending."""
    return sorted(int(match[1] or 1) for path in at.glob("chain*.pem") if (match := _CHAIN.fullmatch(path.name)))


def newest_time(at: Path) -> int:
    """The number of the certificate that stamps; 0 if there is none yet."""
    return max((int(match[1] or 1) for path in at.glob("tsa*.key") if (match := _TIME.fullmatch(path.name))), default=0)


def leaf_of(at: Path, number: int) -> x509.Certificate:
    return x509.load_pem_x509_certificate((at / numbered("chain", number, "pem")).read_bytes())


def own_root(office: Authority) -> Issued:
    """With its private key. Raises KeyMissing where that is kept elsewhere, BadKey."""
    path = office.folder / "root.key"
    if not path.exists():
        raise KeyMissing(f"{path} is needed to issue a certificate: put it there, run this again, take it away")
    key = certificates.read_key(read_text(path))
    [certificate] = office.roots[:1]
    if not isinstance(key, certificates.EllipticKey) or key.public_key() != certificate.public_key():
        raise BadKey("root.key is not the key of root.pem")
    return Issued(key, certificate)


def issue_time(office: Authority, number: int) -> x509.Certificate:
    """Write key and certificate of a time-stamping authority; what is there already stays."""
    made = certificates.new_time_leaf(settings.ASSAY_OFFICE_NAME, own_root(office))
    write_once(office.folder / numbered("tsa", number, "key"), made.key_pem + made.pem)
    return made.certificate


@contextmanager
def alone(at: Path) -> Iterator[None]:
    """One process, and one thread of it, at a time: two would issue two certificates of one number."""
    handle = os.open(at, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _brought_before(office: Authority) -> str:
    """PEM of every certificate that was brought, the one that signs now among them."""
    chains = [read_text(office.folder / numbered("chain", number, "pem")) for number in chain_numbers(office.folder)]
    return "".join(_leaf_if_brought(chain, office.root) for chain in chains)


@lru_cache(maxsize=64)
def _leaf_if_brought(chain: str, root: str) -> str:
    """PEM; empty for one under the root. Asked at every reading, and never another answer for the same files."""
    leaf = x509.load_pem_x509_certificate(chain.encode())
    return "" if _is_under(x509.load_pem_x509_certificates(root.encode()), leaf) else certificates.pem_of(leaf)


def _is_under(roots: Iterable[x509.Certificate], leaf: x509.Certificate) -> bool:
    return any(certificates.issued(leaf, root) for root in roots)


def _make(at: Path) -> None:
    """Write everything into a folder beside, then rename it: whoever comes second finds the first one's, complete."""
    at.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(dir=at.parent, prefix=".c2pa-"))
    try:
        for name, text in _first_files().items():
            write_once(draft / name, text)
        draft.rename(at)
    except OSError:
        if not at.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _first_files() -> dict[str, str]:
    """The files of a fresh authority."""
    name = settings.ASSAY_OFFICE_NAME
    root = certificates.new_root(name)
    leaf, time = certificates.new_leaf(name, root), certificates.new_time_leaf(name, root)
    return {
        "root.key": root.key_pem,
        "leaf.key": leaf.key_pem,
        "tsa.key": time.key_pem + time.pem,
        "root.pem": root.pem,
        "chain.pem": leaf.pem + root.pem,
    }
