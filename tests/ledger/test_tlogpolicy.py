"""Trust policies, rule by rule of https://c2sp.org/tlog-policy."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import keys, notes, tlogpolicy
from ledger.tlogpolicy import BadPolicy, Policy, parse

LOG = keys.LogSigner("log.example/1", b"\x01" * 32)
WITNESSES = [keys.WitnessSigner(f"w{n}.example", bytes([n]) * 32) for n in range(1, 9)]
A, B, C, D, E, F, G, H = (signer.verifier for signer in WITNESSES)
SIX = "".join(
    f"witness {name} {key.vkey}\n"
    for name, key in zip(("X1", "X2", "X3", "Y1", "Y2", "Y3"), (A, B, C, D, E, F), strict=True)
)
# The example of the specification.
EXAMPLE = (
    f"log {LOG.verifier.vkey}\n\n{SIX}group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n"
    "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
)
W = f"witness W {A.vkey}\n"


def refused(text: str | bytes) -> str:
    with pytest.raises(BadPolicy) as caught:
        parse(text)
    return str(caught.value)


# --- What a policy means -------------------------------------------------------------------------------------------


def test_the_example_of_the_specification_asks_for_two_of_x_and_one_of_y() -> None:
    policy = parse(EXAMPLE)
    assert [log.verifier for log in policy.logs] == [LOG.verifier]
    for count in range(7):
        for cosigners in itertools.combinations((A, B, C, D, E, F), count):
            expected = len({A, B, C} & {*cosigners}) >= 2 and len({D, E, F} & {*cosigners}) >= 1
            assert policy.satisfied_by(cosigners) is expected


def test_a_single_witness_can_be_the_quorum() -> None:
    policy = parse(W + "quorum W\n")
    assert policy.satisfied_by([A])
    assert not policy.satisfied_by([B])
    assert not policy.satisfied_by([])


@pytest.mark.parametrize("text", ["quorum none\n", W + "quorum none\n", f"log {LOG.verifier.vkey}\nquorum none\n"])
def test_quorum_none_asks_for_nobody(text: str) -> None:
    assert parse(text).satisfied_by([])


@pytest.mark.parametrize(("threshold", "needed"), [("any", 1), ("all", 3), ("1", 1), ("2", 2), ("3", 3)])
def test_a_threshold_is_a_number_or_any_or_all(threshold: str, needed: int) -> None:
    policy = parse(f"{SIX}group X {threshold} X1 X2 X3\nquorum X\n")
    for count in range(4):
        for cosigners in itertools.combinations((A, B, C), count):
            assert policy.satisfied_by(cosigners) is (count >= needed)


def test_groups_may_hold_groups_as_deep_as_a_file_is_long() -> None:
    text = W + "group g0 any W\n" + "".join(f"group g{n} all g{n - 1}\n" for n in range(1, 200)) + "quorum g199\n"
    assert parse(text).satisfied_by([A])
    assert not parse(text).satisfied_by([B])


def test_a_cosignature_counts_by_key_not_by_name() -> None:
    same_name = keys.WitnessSigner("w1.example", b"\x63" * 32).verifier
    assert not parse(W + "quorum W\n").satisfied_by([same_name])


# --- What a checkpoint must carry ----------------------------------------------------------------------------------


def checkpoint(*signers: notes.Signer) -> notes.Note:
    return notes.sign(notes.TreeHead("log.example/1", 3, bytes(32)).text(), LOG, *signers)


def test_the_cosigners_on_a_checkpoint_are_checked_against_the_quorum() -> None:
    policy = parse(EXAMPLE)
    assert [w.name for w in policy.check(checkpoint(WITNESSES[0], WITNESSES[2], WITNESSES[4]))] == ["X1", "X3", "Y2"]
    with pytest.raises(notes.BadNote, match="cosigned by X1, Y2"):
        policy.check(checkpoint(WITNESSES[0], WITNESSES[4], WITNESSES[7]))
    with pytest.raises(notes.BadNote, match="nobody"):
        policy.check(checkpoint())


def test_a_wrong_cosignature_of_a_known_witness_spoils_the_note() -> None:
    good = checkpoint(WITNESSES[0])
    other = notes.Note(notes.TreeHead("log.example/1", 4, bytes(32)).text(), good.signatures)
    for policy in (parse(EXAMPLE), parse(W + "quorum none\n")):
        with pytest.raises(notes.BadNote, match=r"w1[.]example is wrong"):
            policy.check(other)


def test_a_logs_own_key_is_no_witness() -> None:
    """The same Ed25519 key under the other type has another key id, so its line is a stranger's."""
    as_log = keys.LogSigner("w1.example", b"\x01" * 32)
    with pytest.raises(notes.BadNote, match="quorum"):
        parse(W + "quorum W\n").check(checkpoint(as_log))


# --- Lines and white space -----------------------------------------------------------------------------------------


def test_items_are_separated_by_spaces_and_tabs_wherever_they_stand() -> None:
    text = f"\t witness \t W  {A.vkey}\t\n \t\n\n  # a comment \n#\n\tgroup\tg any\t W \nquorum   g\t \n"
    assert parse(text).text() == f"witness W {A.vkey}\ngroup g 1 W\nquorum g\n"


def test_a_hash_begins_a_comment_only_at_the_beginning_of_a_line() -> None:
    assert list(parse(f"witness #1 {A.vkey}\nquorum #1\n").witnesses) == ["#1"]
    assert "3 words" in refused(W + "quorum W # mine\n")


def test_other_white_space_is_part_of_a_name() -> None:
    for space in ("\u00a0", "\u2003", "\u0085", "\u2028"):
        policy = parse(f"witness a{space}b {A.vkey}\nquorum a{space}b\n")
        assert list(policy.witnesses) == [f"a{space}b"]


def test_every_line_is_ended_by_a_newline_alone() -> None:
    assert "not ended" in refused(W + "quorum W")
    assert "control" in refused((W + "quorum W\n").replace("\n", "\r\n"))


@pytest.mark.parametrize("octet", [*range(9), *range(11, 32), 127])
def test_no_control_character_but_tab_and_newline_is_allowed(octet: int) -> None:
    assert "control" in refused(b"# " + bytes([octet]) + b"\nquorum none\n")


@pytest.mark.parametrize("octet", [9, *range(32, 127), *range(128, 256)])
def test_every_other_octet_may_be_in_a_comment(octet: int) -> None:
    assert parse(b"# " + bytes([octet]) + b"\nquorum none\n").quorum == "none"


def test_names_are_octets_and_never_folded() -> None:
    """K and the Kelvin sign, é in two forms, and what is no UTF-8 at all are different names."""
    names = [b"K", b"\xe2\x84\xaa", b"k", "é".encode(), "e\u0301".encode(), b"\xe9", b"\xff\xfe"]
    lines = [b"witness %s %s\n" % (n, w.verifier.vkey.encode()) for n, w in zip(names, WITNESSES, strict=False)]
    for index, name in enumerate(names):
        policy = parse(b"".join(lines) + b"quorum " + name + b"\n")
        assert policy.satisfied_by([WITNESSES[index].verifier])
        assert not policy.satisfied_by([w.verifier for w in WITNESSES if w is not WITNESSES[index]])
        assert parse(policy.text()).text() == policy.text()


def test_non_ascii_text_may_be_in_an_address() -> None:
    policy = parse(f"witness W {A.vkey} https://zürich.example/w\nquorum none\n")
    assert policy.witnesses["W"].url == "https://zürich.example/w"


# --- Logs and witnesses --------------------------------------------------------------------------------------------


def test_addresses_are_optional() -> None:
    policy = parse(f"log {LOG.verifier.vkey} https://log.example/1\n{W}quorum none\n")
    assert policy.logs[0].url == "https://log.example/1"
    assert policy.witnesses["W"].url == ""


def test_two_keys_are_duplicates_when_only_their_names_differ() -> None:
    renamed = keys.LogSigner("other.example", LOG.seed).verifier
    assert "twice" in refused(f"log {LOG.verifier.vkey}\nlog {renamed.vkey}\nquorum none\n")
    alias = keys.WitnessSigner("alias.example", WITNESSES[0].seed).verifier
    assert "twice" in refused(f"{W}witness V {alias.vkey}\nquorum none\n")


def test_a_log_may_have_several_keys_of_one_name() -> None:
    other = keys.LogSigner(LOG.name, b"\x44" * 32).verifier
    assert len(parse(f"log {LOG.verifier.vkey}\nlog {other.vkey}\nquorum none\n").logs) == 2


def test_a_key_must_be_of_the_type_for_its_use() -> None:
    refused(f"log {A.vkey}\nquorum none\n")
    refused(f"witness W {LOG.verifier.vkey}\nquorum none\n")


@pytest.mark.parametrize(
    "vkey",
    [
        A.vkey[:-1],
        A.vkey + "A",
        A.vkey.replace("w1", "w2"),
        A.vkey.upper(),
        A.vkey.replace("+", "-"),
        "w1.example",
        "+" + A.vkey,
        "",
    ],
)
def test_a_damaged_key_is_refused_with_its_line(vkey: str) -> None:
    assert refused(f"# one\nwitness W {vkey}\nquorum none\n").startswith("line 2: ")


def test_a_key_whose_name_is_not_text_is_refused() -> None:
    assert "UTF-8" in refused(b"witness W \xff" + A.vkey.encode() + b"\nquorum none\n")


# --- Groups --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", ["0", "4", "-1", "01", "1.0", "some", "ALL", "٢", "²", "+1", "9" * 40])
def test_a_threshold_is_between_one_and_the_number_of_members(threshold: str) -> None:
    assert refused(f"{SIX}group X {threshold} X1 X2 X3\nquorum X\n").startswith("line 7: ")


def test_a_group_has_members() -> None:
    for threshold in ("any", "all", "1"):
        refused(f"{W}group g {threshold}\nquorum none\n")


def test_a_group_can_only_name_what_is_defined_before_it() -> None:
    assert "'W'" in refused(f"group g any W\n{W}quorum g\n")
    assert "'g'" in refused(W + "group g any g\nquorum g\n")
    assert "'h'" in refused(W + "group g any h\ngroup h any W\nquorum g\n")


def test_none_is_no_member_no_witness_and_no_group() -> None:
    refused(W + "group g any none\nquorum g\n")
    refused(f"witness none {A.vkey}\nquorum none\n")
    refused(W + "group none any W\nquorum none\n")


def test_a_name_is_a_member_at_most_once() -> None:
    refused(W + "group g any W W\nquorum g\n")
    refused(f"{SIX}group g any X1\ngroup h any X1\nquorum none\n")
    refused(f"{SIX}group g any X1\ngroup h any g\ngroup i any g X2\nquorum none\n")


def test_witnesses_and_groups_share_their_names() -> None:
    refused(W + f"witness W {B.vkey}\nquorum none\n")
    refused(W + "group W any W\nquorum none\n")
    refused(f"{SIX}group g any X1\ngroup g any X2\nquorum none\n")
    refused(f"{SIX}group g any X1\nwitness g {G.vkey}\nquorum none\n")


# --- The quorum ----------------------------------------------------------------------------------------------------


def test_there_is_exactly_one_quorum() -> None:
    assert "no quorum" in refused("")
    assert "no quorum" in refused("\n")
    assert "no quorum" in refused(W)
    assert "two quorum" in refused("quorum none\nquorum none\n")
    assert "two quorum" in refused(W + "quorum W\nquorum W\n")


def test_the_quorum_is_defined_before_its_line() -> None:
    refused("quorum W\n" + W)
    refused("quorum W\n")


def test_lines_may_follow_the_quorum() -> None:
    assert parse(W + f"quorum W\nwitness V {B.vkey}\nlog {LOG.verifier.vkey}\n").quorum == "W"


@pytest.mark.parametrize(
    "line",
    [
        "quorum",
        "quorum W W",
        "log",
        "witness W",
        "group g any",
        "Quorum W",
        "logs x",
        "\ufeffquorum none",
        "witness W a b c",
    ],
)
def test_any_other_line_is_refused(line: str) -> None:
    refused(f"{W}{line}\nquorum none\n")


# --- Limits --------------------------------------------------------------------------------------------------------


def test_more_than_32_logs_witnesses_and_groups_are_supported() -> None:
    logs = [keys.LogSigner(f"log{n}.example", bytes([n, 1] * 16)).verifier for n in range(40)]
    witnesses = [keys.WitnessSigner(f"w{n}.example", bytes([n, 2] * 16)).verifier for n in range(40)]
    text = "".join(f"log {log.vkey} https://log.example/\n" for log in logs)
    text += "".join(f"witness w{n} {key.vkey} https://w.example/\n" for n, key in enumerate(witnesses))
    text += "".join(f"group g{n} any w{n}\n" for n in range(40))
    text += f"group all 21 {' '.join(f'g{n}' for n in range(40))}\nquorum all\n"
    policy = parse(text)
    assert policy.satisfied_by(witnesses[:21])
    assert not policy.satisfied_by(witnesses[:20])


def test_a_file_has_an_end() -> None:
    assert "long" in refused("#" * (1 << 16) + "\nquorum none\n")
    assert "lines" in refused("\n" * 256 + "quorum none\n")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_is_read_is_a_policy_or_refused(data: st.DataObject) -> None:
    body = bytearray(EXAMPLE.encode())
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=3)):
        body[place] = data.draw(st.integers(0, 255))
    body += data.draw(st.binary(max_size=30))
    try:
        policy = parse(bytes(body))
    except BadPolicy:
        return
    assert isinstance(policy, Policy)
    assert parse(policy.text()).text() == policy.text()


def test_what_is_written_is_what_was_read() -> None:
    policy = parse(EXAMPLE)
    assert parse(policy.text()) == policy
    assert tlogpolicy.parse(policy.text().encode()) == policy
