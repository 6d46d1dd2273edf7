"""One line of plain words for a report, and the words for what happened in the log. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class Verdict:
    """tone: ok, warn, bad or neutral. shape, glyph: the punch beside the words (templatetags/assay)."""

    tone: str
    shape: str
    glyph: str
    line: Text
    why: Text


KNOWN = Verdict(
    "ok",
    "octagon",
    "check",
    _("This file carries this office’s credential and has not changed since it was signed."),
    _("The signature fits the bytes, and the register holds an entry for it."),
)
OURS_ELSEWHERE = Verdict(
    "ok",
    "octagon",
    "check",
    _("This file carries this office’s credential and has not changed since it was signed."),
    _("The signature fits the bytes. The register does not show a public entry for it."),
)
OTHER_BYTES = Verdict(
    "warn",
    "octagon",
    "warning",
    _("This office signed this work, but the file is not the one it gave out."),
    _("The credential fits; bytes that a credential does not protect were changed or added afterwards."),
)
UNRECORDED = Verdict(
    "bad",
    "lozenge",
    "cross",
    _("This file carries this office’s signature, but the register has no record of it."),
    _("Everything this office signs is in the register. Do not rely on this credential, and please tell the operator."),
)
ORIGINAL = Verdict(
    "ok",
    "oval",
    "seal",
    _("This file is registered here, byte for byte, but carries no credential of its own."),
    _("It is the file that the creator sent. The signed copy carries the credential."),
)
STRANGER = Verdict(
    "warn",
    "shield",
    "info",
    _("This file carries an intact credential from a signer this office does not know."),
    _("Nothing was changed after it was signed, but we cannot confirm who signed it."),
)
BROKEN = Verdict(
    "bad",
    "lozenge",
    "cross",
    _("The credential in this file does not fit it: the file was changed after it was signed."),
    _("The change may be harmless or not; the credential vouches for nothing any more."),
)
UNREADABLE = Verdict(
    "warn",
    "lozenge",
    "warning",
    _("There is a credential, but this office could not check it."),
    _("That says nothing about the file itself."),
)
ALIKE = Verdict(
    "warn",
    "oval",
    "search",
    _("No credential, but it looks like a work in the register."),
    _("Compare it with the work below: it may be a copy, a crop or another version."),
)
UNKNOWN = Verdict(
    "neutral",
    "square",
    "search",
    _("Nothing is known here about this file."),
    _("It carries no credential and looks like nothing in the register. Most files do; it means nothing."),
)


# Of a valid credential of ours, by what the register knows; a hidden work's own file is not shown as an entry.
OURS: Mapping[str, Verdict] = {"this_file": OURS_ELSEWHERE, "other_bytes": OTHER_BYTES, "none": UNRECORDED}


def verdict(report: Mapping[str, Any]) -> Verdict:
    """The one line about a file. report: `provenance.verification.Report.as_dict()`."""
    credential, register = report["credential"], report["register"]
    match credential["state"]:
        case "valid" if credential["trust"] == "this_office":
            return KNOWN if register["exact"] else OURS[register["record"]]
        case "valid":
            return STRANGER
        case "invalid":
            return BROKEN
        case "unreadable":
            return UNREADABLE
    if register["exact"]:
        return ORIGINAL
    return ALIKE if register["matches"] else UNKNOWN


EVENTS: Mapping[str, Text] = {
    "asset:registered": _("A work was registered and signed"),
    "asset:restricted": _("A work was restricted"),
    "asset:restored": _("A restriction was lifted"),
    "detection:recorded": _("An examination was recorded"),
    "consent:requested": _("A person shown was asked for consent"),
    "consent:given": _("Consent was given"),
    "consent:refused": _("Consent was refused"),
    "consent:withdrawn": _("Consent was withdrawn"),
    "notice:filed": _("A notice was filed"),
    "flag:raised": _("A work was flagged for a person to look at"),
    "flag:settled": _("A flag was settled"),
    "case:opened": _("A case was opened"),
    "case:assigned": _("A case was given to a reviewer"),
    "decision:made": _("A decision was made"),
    "action:executed": _("A decision took effect"),
    "action:reversed": _("A decision’s effect was undone"),
    "appeal:filed": _("An appeal was filed"),
    "appeal:decided": _("An appeal was decided"),
    "data:accessed": _("A person saw what is held about them"),
    "erasure:requested": _("Erasure was requested"),
    "erasure:performed": _("A person’s data was erased"),
    "export:made": _("A regulator took an export"),
    "access:audited": _("The audit log was read"),
    "token:created": _("A machine token was made"),
    "token:revoked": _("A machine token was revoked"),
    "media:viewed": _("A reviewer looked at sealed media"),
    "notice:completed": _("What a notice lacked was added"),
    "clock:missed": _("A deadline was missed"),
    "case:closed": _("A case was closed"),
    "case:reopened": _("A case was opened again"),
    "role:granted": _("A role was given to a person"),
    "login_link:made": _("A one-time login link was made"),
    "login_link:used": _("A one-time login link was used"),
    "key:rotated": _("The log’s key was replaced"),
    "log:succeeded": _("The log went on under a new name"),
    "record:changed": _("Records were changed without an entry"),
    "hold:placed": _("A legal hold was placed"),
    "hold:released": _("A legal hold was released"),
    "log:recovered": _("The log was recovered from its published copy"),
}
