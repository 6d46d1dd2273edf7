"""Signed notes, checkpoints and proofs: one text, one meaning; a published note verifies."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import jcs, keys, notes
from tests.ledger import forge

# The example of Go's golang.org/x/mod/sumdb/note package.
NEUMANN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

LOG = keys.LogSigner("log.example/one", b"1" * 32)
OTHER = keys.LogSigner("log.example/two", b"2" * 32)
HEAD = notes.TreeHead(LOG.name, 7, b"r" * 32)
SIGNED = str(notes.sign(HEAD.text(), LOG))


def test_a_note_signed_by_gos_own_example_key_verifies() -> None:
    assert notes.open_note(NEUMANN, [keys.parse_vkey(NEUMANN_KEY)]).text.startswith("If you think")


def test_a_changed_letter_makes_the_signature_wrong() -> None:
    with pytest.raises(notes.BadNote, match="wrong"):
        notes.open_note(NEUMANN.replace("answer", "anzwer"), [keys.parse_vkey(NEUMANN_KEY)])


def test_a_checkpoint_reads_back() -> None:
    assert notes.open_checkpoint(SIGNED, LOG.name, [LOG.verifier]) == HEAD


def test_a_checkpoint_of_another_log_or_key_is_refused() -> None:
    with pytest.raises(notes.BadNote, match="another log"):
        notes.open_checkpoint(SIGNED, "log.example/other", [LOG.verifier])
    with pytest.raises(notes.BadNote, match="not signed by a key"):
        notes.open_checkpoint(SIGNED, LOG.name, [OTHER.verifier])
    impostor = keys.LogSigner(LOG.name, b"3" * 32)
    with pytest.raises(notes.BadNote):
        notes.open_checkpoint(SIGNED, LOG.name, [impostor.verifier])


def test_an_unknown_second_signature_is_ignored_and_a_bad_known_one_refuses() -> None:
    both = str(notes.sign(HEAD.text(), LOG, OTHER))
    assert notes.open_checkpoint(both, LOG.name, [LOG.verifier]) == HEAD
    damaged = both.splitlines(keepends=True)
    damaged[-1] = notes.Signature(OTHER.name, OTHER.key_id, b"\0" * 64).line()
    with pytest.raises(notes.BadNote, match="wrong"):
        notes.open_checkpoint("".join(damaged), LOG.name, [LOG.verifier, OTHER.verifier])


@pytest.mark.parametrize(
    "broken",
    {
        "no final newline": SIGNED[:-1],
        "trailing data": SIGNED + "more\n",
        "no signature": HEAD.text() + "\n",
        "no blank line": SIGNED.replace("\n\n", "\n"),
        "signed twice by one key": SIGNED + SIGNED.splitlines(keepends=True)[-1],
        "a hyphen for the dash": SIGNED.replace("— ", "- "),
        "two spaces": SIGNED.replace("— ", "—  "),
        "a control character": SIGNED.replace("log.example/one\n7", "log.example/one\r\n7"),
        "base64 without padding": SIGNED.rstrip("\n").rstrip("=") + "\n",
        "empty": "",
        "CRLF everywhere": SIGNED.replace("\n", "\r\n"),
        "CRLF after the signature": SIGNED[:-1] + "\r\n",
        "a NUL": SIGNED.replace("log.example/one\n7", "log.example/one\0\n7"),
        "a tab": SIGNED.replace("\n7\n", "\n7\t\n"),
        "no text": "\n" + SIGNED.splitlines(keepends=True)[-1],
        "only an empty line as text": "\n\n" + SIGNED.splitlines(keepends=True)[-1],
        "a signature of four bytes": SIGNED.rsplit(" ", 1)[0] + " AAAAAA==\n",
        "a signature with padding bits": SIGNED.rsplit(" ", 1)[0] + " AAAAAAB=\n",
        "an empty name": SIGNED.replace("— log.example/one ", "—  "),
        "a plus in a name": SIGNED.replace("— log.example/one ", "— log.example+one "),
        "an unknown key twice": SIGNED + 2 * notes.Signature("x", 7, b"s" * 64).line(),
        "an empty line between signatures": SIGNED + "\n" + notes.Signature("x", 7, b"s" * 64).line(),
    }.items(),
    ids=lambda item: item[0] if isinstance(item, tuple) else None,
)
def test_a_note_in_any_other_form_is_refused(broken: tuple[str, str]) -> None:
    with pytest.raises(notes.BadNote):
        notes.open_note(broken[1], [LOG.verifier])


def test_a_note_that_is_not_utf8_or_too_long_is_refused() -> None:
    with pytest.raises(notes.BadNote):
        notes.parse(b"\xff\n\n" + SIGNED.encode())
    with pytest.raises(notes.BadNote):
        notes.parse("a" * (notes.MAX_NOTE_BYTES + 1))


def test_sixty_four_signatures_are_read_and_one_more_is_not() -> None:
    lines = [notes.Signature(f"w{n}", n, b"s" * 64).line() for n in range(64)]
    assert notes.open_checkpoint(SIGNED + "".join(lines[:63]), LOG.name, [LOG.verifier]) == HEAD
    with pytest.raises(notes.BadNote, match="too many"):
        notes.parse(SIGNED + "".join(lines))


@pytest.mark.parametrize("size", ["007", "-1", "+7", "7 ", "", "٧", str(1 << 63), "1" * 5000])
def test_a_size_in_any_other_form_is_refused(size: str) -> None:
    with pytest.raises(notes.BadNote):
        notes.parse_tree_head(HEAD.text().replace("\n7\n", f"\n{size}\n"))


def test_a_root_of_another_length_and_an_extension_line_are_refused() -> None:
    short = base64.b64encode(b"r" * 31).decode()
    for text in [f"{LOG.name}\n7\n{short}\n", HEAD.text() + "extension\n", HEAD.text()[:-1], f"\n7\n{short}\n"]:
        with pytest.raises(notes.BadNote):
            notes.parse_tree_head(text)


def test_base64_with_padding_bits_that_are_not_zero_is_refused() -> None:
    """Two texts for one value would let two different receipts look like two proofs."""
    canonical = base64.b64encode(b"r" * 32).decode()
    twin = canonical[:-2] + chr(ord(canonical[-2]) + 1) + "="
    assert base64.b64decode(twin) == b"r" * 32
    with pytest.raises(notes.BadNote):
        notes.parse_tree_head(HEAD.text().replace(canonical, twin))


@given(at=st.integers(0, len(SIGNED.encode()) - 1), bit=st.integers(0, 7))
def test_no_bit_of_a_checkpoint_can_flip_unseen(at: int, bit: int) -> None:
    data = bytearray(SIGNED.encode())
    data[at] ^= 1 << bit
    with pytest.raises(notes.BadNote):
        notes.open_checkpoint(bytes(data), LOG.name, [LOG.verifier])


def test_a_proof_is_written_as_its_specification_says() -> None:
    text = str(notes.LoggedProof(5, (b"a" * 32, b"b" * 32), SIGNED))
    assert text.splitlines()[:2] == ["c2sp.org/tlog-proof@v1", "index 5"]
    assert forge.read_proof(text) == (5, [b"a" * 32, b"b" * 32], SIGNED)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u00a0b", "a\u2003b"])
def test_a_key_name_with_a_space_or_plus_is_refused(name: str) -> None:
    with pytest.raises(notes.BadNote):
        notes.check_key_name(name)


def test_a_vkey_whose_id_is_not_its_own_is_refused() -> None:
    vkey = LOG.verifier.vkey
    assert keys.parse_vkey(vkey) == LOG.verifier
    for wrong in [vkey.replace(f"{LOG.key_id:08x}", "00000000"), vkey[:-4], vkey + "A", "x", vkey.upper(), ""]:
        with pytest.raises(keys.BadKey):
            keys.parse_vkey(wrong)


def test_the_private_key_never_shows_in_its_text_or_errors() -> None:
    assert base64.b64encode(LOG.seed).decode() not in repr(LOG)
    with pytest.raises(keys.BadKey) as refusal:
        keys.parse_skey(LOG.skey[:-2])
    assert LOG.skey[-20:-2] not in str(refusal.value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=12,
)


@given(value=json_values)
def test_the_verifiers_canonical_json_is_that_of_the_service(value: object) -> None:
    from core.canonical import canonical_json

    data = canonical_json(value)  # type: ignore[arg-type]
    assert jcs.encode(value) == data
    assert jcs.decode(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b"1.0",
        b"1e3",
        b'"\\u0041"',
        b"\xff",
        b"NaN",
        b"[1,]",
        b"[" * 99999,
        b"[" * 65 + b"]" * 65,
        b"-0",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b"Infinity",
        b'{"a":[1.5]}',
        b"\xef\xbb\xbf{}",
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        '{"\uffff":1,"😀":2}'.encode(),
    ],
)
def test_json_in_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(jcs.NotCanonical):
        jcs.decode(data)


def test_json_is_nested_sixty_four_deep_and_no_deeper() -> None:
    deep = b"[" * 64 + b"]" * 64
    assert jcs.encode(jcs.decode(deep)) == deep
    assert jcs.decode(b'["' + b"[" * 99 + b'"]') == ["[" * 99]
    with pytest.raises(jcs.NotCanonical):
        jcs.encode([jcs.decode(deep)])
