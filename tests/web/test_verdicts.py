"""The one line and the nine cards of a report: words for every state, and no failure hides behind what holds."""

from typing import Any

import pytest

from provenance.judgement import NOTHING, STATES
from web import verdicts
from web.verdict_cards import PUNCHES, QUESTIONS, cards
from web.verdict_cards import STATES as WORDS

QUIET = {"presence": "none", "ingredients": "none", "whole_file": "unknown", "soft_binding": "none"}


def report(state: str = "none", trust: str = "", **states: Any) -> dict[str, Any]:
    """A report in short: verdict states by name; `exact` and `tier` are the register's."""
    exact, tier, claims = states.pop("exact", None), states.pop("tier", ""), states.pop("claims", [])
    found = {name: QUIET.get(name, "absent") for name in STATES} | states
    told = {"sentence": "A sentence.", "next_step": NOTHING, "codes": []}
    return {
        "verdicts": {name: {"state": one, **told} for name, one in found.items()},
        "credential": {"state": state, "trust": trust},
        "register": {"exact": exact, "claims": claims, "matches": [{"tier": tier}] if tier else []},
    }


VALID = {"presence": "embedded", "integrity": "intact", "signer": "this_office", "time": "stamped"}
WORK = {"asset_id": "1", "title": "Harbour"}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (report(), verdicts.UNKNOWN),
        (report(tier="candidate"), verdicts.ALIKE),
        (report(tier="re_encoded"), verdicts.RECOVERED),
        (report(exact=WORK, tier="exact"), verdicts.ORIGINAL),
        (report("unreadable", presence="remote"), verdicts.UNREADABLE),
        (report("valid", "this_office", **VALID, exact=WORK, whole_file="registered"), verdicts.KNOWN),
        (
            report("valid", "this_office", **{**VALID, "presence": "detached"}, exact=WORK, whole_file="registered"),
            verdicts.KNOWN_BESIDE,
        ),
        (report("valid", "this_office", **VALID, whole_file="other_bytes"), verdicts.OTHER_BYTES),
        (report("valid", "this_office", **VALID, whole_file="unrecorded"), verdicts.UNRECORDED),
        (report("valid", "trusted", **{**VALID, "signer": "trusted"}), verdicts.TRUSTED),
        (report("valid", "unknown_signer", **{**VALID, "signer": "unknown"}), verdicts.STRANGER),
        (report("invalid", "this_office", **{**VALID, "integrity": "broken"}), verdicts.BROKEN),
        (report("invalid", "this_office", **VALID, revocation="revoked"), verdicts.REVOKED),
        (report("invalid", "this_office", **{**VALID, "time": "expired"}), verdicts.EXPIRED),
        (report("invalid", **{**VALID, "time": "not_yet"}), verdicts.NOT_YET),
        (report("valid", "this_office", **VALID, exact=WORK, whole_file="other_bytes"), verdicts.OTHER_BYTES),
        (report(exact=WORK, claims=[WORK], whole_file="registered"), verdicts.CLAIMED),
        (report(claims=[WORK, WORK], whole_file="registered"), verdicts.CLAIMED),
        (report("invalid", claims=[WORK], **{**VALID, "integrity": "broken"}), verdicts.BROKEN),
        (report("invalid", "unknown_signer", **{**VALID, "signer": "invalid"}), verdicts.BAD_SIGNER),
    ],
)
def test_the_line_says_what_was_found(found: dict[str, Any], line: verdicts.Verdict) -> None:
    assert verdicts.verdict(found) is line


@pytest.mark.parametrize("trust", ["this_office", "trusted", "unknown_signer"])
def test_a_child_of_a_changed_file_is_never_called_simply_intact(trust: str) -> None:
    found = report("valid", trust, **VALID, exact=WORK, whole_file="registered", ingredients="damaged")
    assert verdicts.verdict(found) is verdicts.DAMAGED_EARLIER


def test_a_change_is_said_before_an_expiry_or_a_withdrawal() -> None:
    found = report("invalid", **{**VALID, "integrity": "broken", "time": "expired"}, revocation="revoked")
    assert verdicts.verdict(found) is verdicts.BROKEN


def test_every_state_of_every_verdict_has_a_word_and_a_tone() -> None:
    every = {(name, state) for name, states in STATES.items() for state in states if state != "absent"}
    assert set(WORDS) == every
    assert {tone for tone, _ in WORDS.values()} <= set(PUNCHES)
    assert set(QUESTIONS) == set(STATES)


def test_tones_are_told_apart_without_colour() -> None:
    assert len(set(PUNCHES.values())) == len(PUNCHES)


def test_what_cannot_be_asked_without_a_credential_is_listed_not_judged() -> None:
    told, silent = cards(report())
    assert [card.key for card in told] == ["presence", "whole_file", "soft_binding"]
    assert QUESTIONS["signer"] in silent and len(told) + len(silent) == len(STATES)


def test_the_list_that_vouches_is_named() -> None:
    found = report("valid", "trusted", **{**VALID, "signer": "trusted"})
    found["verdicts"]["signer"]["list"] = {"name": "C2PA", "uri": "urn:c2pa:list", "version": "2026-10"}
    by_key = {card.key: card for card in cards(found)[0]}
    assert by_key["signer"].trust_list == "urn:c2pa:list" and by_key["time"].trust_list == ""


def test_a_next_step_that_asks_for_nothing_is_not_shown() -> None:
    found = report()
    found["verdicts"]["presence"]["codes"] = [{"code": "x", "sentence": "A sentence.", "next_step": NOTHING}]
    told = cards(found)[0]
    assert {card.next_step for card in told} == {""} and told[0].codes[0]["next_step"] == ""


def test_no_line_calls_anybody_a_faker() -> None:
    lines = [one for one in vars(verdicts).values() if isinstance(one, verdicts.Verdict)]
    assert len(lines) > 12
    words = " ".join(f"{one.line} {one.why}" for one in lines).lower()
    assert not any(word in words for word in ("fake", "forger", "liar", "manipulated", "deepfake"))
