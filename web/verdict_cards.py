"""The nine verdicts of a report as cards for people: a question, a word, its tone. Pure.

Each stands alone; none of them is averaged with another (`provenance.judgement` says what each state means).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from provenance.judgement import NOTHING

Text = str | Promise

QUESTIONS: Mapping[str, Text] = {
    "presence": _("Does it carry a credential?"),
    "integrity": _("Was it changed since it was signed?"),
    "signer": _("Who signed it?"),
    "time": _("When was it signed?"),
    "identity": _("Does a person or an organisation stand behind it?"),
    "revocation": _("Was the signer’s certificate withdrawn?"),
    "ingredients": _("Are the files it was made from in order?"),
    "whole_file": _("Are these exactly the bytes in the register?"),
    "soft_binding": _("Does its content look like what is on record?"),
}

OK, WARN, BAD, INFO, NEUTRAL = "ok", "warn", "bad", "info", "neutral"
# Cartouche and glyph by tone, so that no meaning hangs on a colour.
PUNCHES: Mapping[str, tuple[str, str]] = {
    OK: ("octagon", "check"),
    WARN: ("shield", "warning"),
    BAD: ("lozenge", "cross"),
    INFO: ("oval", "info"),
    NEUTRAL: ("square", "search"),
}

STATES: Mapping[tuple[str, str], tuple[str, Text]] = {
    ("presence", "none"): (NEUTRAL, _("none")),
    ("presence", "embedded"): (OK, _("inside the file")),
    ("presence", "detached"): (OK, _("beside the file")),
    ("presence", "remote"): (WARN, _("kept elsewhere, not fetched")),
    ("presence", "unreadable"): (WARN, _("damaged")),
    ("integrity", "intact"): (OK, _("unchanged")),
    ("integrity", "broken"): (BAD, _("changed")),
    ("integrity", "unchecked"): (WARN, _("could not be checked")),
    ("signer", "this_office"): (OK, _("this office")),
    ("signer", "trusted"): (OK, _("on a trusted list")),
    ("signer", "unknown"): (WARN, _("not known here")),
    ("signer", "invalid"): (BAD, _("may not sign")),
    ("time", "stamped"): (OK, _("shown by a time-stamp")),
    ("time", "unstamped"): (INFO, _("no time-stamp")),
    ("time", "expired"): (WARN, _("certificate expired")),
    ("time", "not_yet"): (WARN, _("not yet, on that date")),
    ("time", "untrusted_stamp"): (WARN, _("time-stamp not trusted")),
    ("identity", "present"): (INFO, _("stated, not judged here")),
    ("identity", "confirmed"): (OK, _("confirmed")),
    ("identity", "unknown"): (WARN, _("not known here")),
    ("identity", "failed"): (BAD, _("not confirmed")),
    ("revocation", "not_revoked"): (OK, _("not withdrawn")),
    ("revocation", "revoked"): (BAD, _("withdrawn")),
    ("revocation", "unknown"): (INFO, _("not known")),
    ("ingredients", "none"): (NEUTRAL, _("none named")),
    ("ingredients", "intact"): (OK, _("in order")),
    ("ingredients", "damaged"): (BAD, _("one had failed its check")),
    ("ingredients", "unchecked"): (INFO, _("not checked")),
    ("whole_file", "registered"): (OK, _("byte for byte")),
    ("whole_file", "other_bytes"): (WARN, _("other bytes")),
    ("whole_file", "unknown"): (NEUTRAL, _("not in the register")),
    ("whole_file", "unrecorded"): (BAD, _("signed here, not on record")),
    ("soft_binding", "none"): (NEUTRAL, _("nothing like it")),
    ("soft_binding", "matched"): (OK, _("it does")),
    ("soft_binding", "mismatched"): (WARN, _("it does not")),
    ("soft_binding", "unknown"): (NEUTRAL, _("not compared")),
}


@dataclass(frozen=True)
class Card:
    """codes: [{code, sentence, next_step}], raw results of the check. trust_list: URI of the one that vouches."""

    key: str
    question: Text
    tone: str
    shape: str
    glyph: str
    word: Text
    sentence: str
    next_step: str
    codes: list[dict[str, str]]
    trust_list: str


def cards(report: Mapping[str, Any]) -> tuple[list[Card], list[Text]]:
    """The cards of the verdicts there are, and the questions that do not arise (there is no credential, say)."""
    verdicts = report["verdicts"]
    silent = {key for key, one in verdicts.items() if one["state"] == "absent"}
    if verdicts["integrity"]["state"] == "absent":
        silent.add("ingredients")
    told = [_card(key, verdicts[key]) for key in QUESTIONS if key not in silent]
    return told, [question for key, question in QUESTIONS.items() if key in silent]


def _card(key: str, verdict: Mapping[str, Any]) -> Card:
    tone, word = STATES[(key, verdict["state"])]
    shape, glyph = PUNCHES[tone]
    return Card(
        key=key,
        question=QUESTIONS[key],
        tone=tone,
        shape=shape,
        glyph=glyph,
        word=word,
        sentence=verdict["sentence"],
        next_step=_step(verdict),
        codes=[{**one, "next_step": _step(one)} for one in verdict["codes"]],
        trust_list=(verdict.get("list") or {}).get("uri", ""),
    )


def _step(told: Mapping[str, Any]) -> str:
    return "" if told["next_step"] == NOTHING else told["next_step"]
