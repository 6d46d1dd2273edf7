"""What the codes of problems mean, by their first word. The words of each occurrence come with the problem itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Group:
    """title, meaning, help: for people."""

    title: str | Promise
    meaning: str | Promise
    help: str | Promise


GROUPS: Mapping[str, Group] = {
    "media": Group(
        _("Something about the file"),
        _("The file is empty, too large, damaged, carries a program, or is not what its name says."),
        _("Open it on your own device. If it opens, save it again as JPEG, PNG, WebP or MP4 and send that."),
    ),
    "asset": Group(
        _("Something about the work"),
        _("The work is registered already, is restricted, or was described in a way that cannot be recorded."),
        _("The message beside the code says which. Nothing was half kept."),
    ),
    "request": Group(
        _("Something about the request"),
        _("The request is not well formed, lacks a value, comes too often, or its form was open too long."),
        _("Reload the page and send the form again; programs find each field's error under “errors”."),
    ),
    "auth": Group(
        _("Who you are"),
        _("You are not signed in, the token is unknown or expired, or your role needs a second factor."),
        _("Sign in again, or make a new token on the page “Machine tokens”."),
    ),
    "forbidden": Group(
        _("Not allowed"),
        _("The office knows you, and your account or token may not do this."),
        _("If you should be allowed to, ask the operator of this office."),
    ),
    "not_found": Group(
        _("Not found"),
        _("Nothing is at this address, or it is something you may not know about."),
        _("Check the address. For a notice you need its number and PIN."),
    ),
    "conflict": Group(
        _("Somebody was faster"),
        _("The thing is not in the state any more in which this can be done."),
        _("Reload the page and look at it again."),
    ),
    "job": Group(
        _("Work in the background"),
        _("A worker could not finish a job and gave it up after three tries."),
        _("Ask for it again; if it fails again, tell the operator the time."),
    ),
    "model": Group(
        _("Something about a model"),
        _("A model, its card or its data is incomplete, was changed after it was signed, or did not pass the gate."),
        _("The message beside the code says which. Nothing was loaded, and what was in service still is."),
    ),
    "office": Group(
        _("Something on our side"),
        _("The office itself could not do its work. The error was recorded."),
        _("Try again in a minute; if it happens again, tell the operator the time."),
    ),
}
_SAME = {
    "state": "conflict",
    "restriction": "asset",
    "manifest": "asset",
    "receipt": "asset",
    "role": "forbidden",
    "link": "auth",
    "token": "auth",
    "party": "forbidden",
    "person": "request",
    "audit": "forbidden",
    "detection": "media",
    "file": "media",
    "attachment": "media",
    "label": "request",
    "training": "model",
    "federation": "model",
    "report": "request",
    "resolution": "request",
    "verification": "request",
    "trust_list": "request",
    "certificate": "request",
    "tdb": "office",
}
GENERAL = Group(
    _("A step of the process"),
    _("A rule of the process did not allow this step: a deadline, a missing answer, a conflict of interest."),
    _("The message beside the code says which rule, and what you can do instead."),
)
_PROCESS = frozenset(
    {
        "appeal",
        "basis",
        "case",
        "consent",
        "decision",
        "notice",
        "pin",
        "processing",
        "flag",
        "rule",
        "rules",
        "erasure",
        "export",
        "data",
        "hold",
        "interim",
        "log",
        "account",
        "breach",
        "clock",
        "counter_notice",
        "flagger",
        "hash",
        "hash_list",
        "misuse",
        "quality",
        "removal",
        "register",
        "research",
        "reviewer",
        "statement",
        "suspension",
        "comment",
        "proposal",
        "webhook",
        "charter",
        "example",
        "regulator",
        "query",
        "referral",
        "consultation",
    }
)


def about(code: str) -> Group | None:
    """The group of a code (`media.truncated`), or None for one that no part of this office uses."""
    first = code.partition(".")[0]
    if first in _PROCESS:
        return GENERAL
    return GROUPS.get(_SAME.get(first, first))
