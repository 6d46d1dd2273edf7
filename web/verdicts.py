"""One line of plain words for a report, and the words for what happened in the log. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from provenance import codes

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
KNOWN_BESIDE = Verdict(
    "ok",
    "octagon",
    "check",
    _("This office holds a credential for exactly this file, which has not changed since it was signed."),
    _("The credential lies beside the file and covers every byte of it."),
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
TRUSTED = Verdict(
    "ok",
    "octagon",
    "check",
    _("This file carries a credential from a signer on a trusted list, and has not changed since it was signed."),
    _("Which list, and which version of it, is said below."),
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
DAMAGED_EARLIER = Verdict(
    "warn",
    "lozenge",
    "warning",
    _("This file is as it was signed, but a file it was made from had already failed its check."),
    _("What was changed before it came into this file is in this file. Look at the chain below."),
)
CLAIMED = Verdict(
    "warn",
    "oval",
    "info",
    _("Somebody registered exactly this file’s fingerprint here; the office has not seen the file."),
    _("That is a claim with a date. Send the file, and a credential in it is checked."),
)
NOT_YET = Verdict(
    "warn",
    "shield",
    "clock",
    _("Nothing shows that this file had been signed by the date you chose."),
    _("Its trusted time-stamp is later than that."),
)
REVOKED = Verdict(
    "bad",
    "lozenge",
    "cross",
    _("The certificate behind this credential was withdrawn: it vouches for nothing."),
    _("The file may be as it was signed; but whoever held the key may not have been who the certificate names."),
)
EXPIRED = Verdict(
    "warn",
    "shield",
    "clock",
    _("This file is as it was signed, but nothing proves that it was signed while the certificate was in force."),
    _("A time-stamp from a trusted service would prove it; there is none that counts."),
)
BAD_SIGNER = Verdict(
    "bad",
    "lozenge",
    "cross",
    _("The credential was signed with a certificate that may not sign media."),
    _("Nothing it says can be relied on."),
)
UNREADABLE = Verdict(
    "warn",
    "lozenge",
    "warning",
    _("There is a credential, but this office could not check it."),
    _("That says nothing about the file itself."),
)
RECOVERED = Verdict(
    "ok",
    "oval",
    "seal",
    _("No credential in this file, but it is a registered work, saved again: its credential was found here."),
    _("Credentials are lost when a file is saved again or sent through a service. Compare it with the work below."),
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
    _("It carries no credential and looks like nothing in the register. Most files are like that; it means nothing."),
)


# Of a valid credential of ours, by what the register knows; a hidden work's own file is not shown as an entry.
OURS: Mapping[str, Verdict] = {
    "registered": OURS_ELSEWHERE,
    "other_bytes": OTHER_BYTES,
    "unrecorded": UNRECORDED,
}


def verdict(report: Mapping[str, Any]) -> Verdict:
    """The one line about a file. report: `provenance.verification.Report.as_dict()`.

    What speaks against a file comes first: a failure anywhere is never hidden behind something that holds.
    """
    states = {name: one["state"] for name, one in report["verdicts"].items()}
    register = report["register"]
    if register.get("claims") and _vouches_for_no_file(report):
        return CLAIMED
    match report["credential"]["state"]:
        case "valid":
            return _intact(report, states)
        case "invalid":
            return _failed(states)
        case "unreadable":
            return UNREADABLE
    if register["exact"]:
        return ORIGINAL
    if not register["matches"]:
        return UNKNOWN
    return RECOVERED if register["matches"][0]["tier"] == "re_encoded" else ALIKE


def _vouches_for_no_file(report: Mapping[str, Any]) -> bool:
    """No credential of the file's own was read: there is none, or the one over the fingerprint that was claimed."""
    shown = [one["code"] for one in report["verdicts"]["integrity"]["codes"]]
    return report["credential"]["state"] == "none" or codes.CLAIMED in shown


def _intact(report: Mapping[str, Any], states: Mapping[str, str]) -> Verdict:
    register, trust = report["register"], report["credential"]["trust"]
    ours = OURS.get(states["whole_file"], OURS_ELSEWHERE) if trust == "this_office" else None
    if ours is UNRECORDED:
        return UNRECORDED
    if states["ingredients"] == "damaged":
        return DAMAGED_EARLIER
    if ours is None:
        return TRUSTED if trust == "trusted" else STRANGER
    if register["exact"] and states["whole_file"] == "registered":
        return KNOWN_BESIDE if states["presence"] == "detached" else KNOWN
    return ours


def _failed(states: Mapping[str, str]) -> Verdict:
    if states["integrity"] == "broken":
        return BROKEN
    if states["revocation"] == "revoked":
        return REVOKED
    if states["time"] == "not_yet":
        return NOT_YET
    if states["time"] == "expired":
        return EXPIRED
    return BAD_SIGNER if states["signer"] == "invalid" else BROKEN


EVENTS: Mapping[str, Text] = {
    "asset:registered": _("A work was registered and signed"),
    "asset:restricted": _("A work was restricted"),
    "asset:restored": _("A restriction was lifted"),
    "detection:recorded": _("An examination was recorded"),
    "consent:requested": _("A person shown was asked for consent"),
    "consent:given": _("Consent was given"),
    "consent:refused": _("Consent was refused"),
    "consent:withdrawn": _("Consent was withdrawn"),
    "consent:renewed": _("Consent was given again"),
    "consent:expired": _("Consent ran out"),
    "consent:halted": _("Consent was stopped for now"),
    "consent:invalidated": _("Consent was declared not valid"),
    "consent:proved": _("A person shown proved their address"),
    "signal:seen": _("What a file or a browser says about use was noted"),
    "basis:recorded": _("A legal basis for looking at people was recorded"),
    "basis:withdrawn": _("A legal basis for looking at people was withdrawn"),
    "processing:refused": _("An examination of faces or voices was refused for want of a basis"),
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
    "case:recused": _("A case was given back for good"),
    "case:waiting": _("A case began or ceased to wait for an answer"),
    "case:routed": _("A case went to other reviewers"),
    "reviewer:changed": _("The roster of reviewers was changed"),
    "conflict:declared": _("A reviewer declared or ended a conflict"),
    "decision:reviewed_again": _("A decided case was looked at again"),
    "role:granted": _("A role was given to a person"),
    "login_link:made": _("A one-time login link was made"),
    "login_link:used": _("A one-time login link was used"),
    "key:rotated": _("The log’s key was replaced"),
    "log:succeeded": _("The log went on under a new name"),
    "record:changed": _("Records were changed without an entry"),
    "hold:placed": _("A legal hold was placed"),
    "hold:released": _("A legal hold was released"),
    "log:recovered": _("The log was recovered from its published copy"),
    "manifest:updated": _("A credential was added to"),
    "manifest:redacted": _("A statement was removed from a credential"),
    "trust_list:added": _("A version of a trust list was added"),
    "certificate:rotated": _("The certificate that signs media was replaced"),
    "certificate:revoked": _("A certificate was revoked"),
    "model:registered": _("A version of a model was registered"),
    "model:staged": _("A version of a model was put into or out of service"),
    "label:recorded": _("A work was labelled for learning"),
    "model:audited": _("A model was audited for fairness"),
    "drift:alarmed": _("A detector’s scores drifted"),
    "federation:round": _("Institutions trained a model together for a round"),
    "pack:proposed": _("A version of the rules was proposed"),
    "pack:submitted": _("A version of the rules was handed in for approval"),
    "pack:approved": _("A version of the rules was approved by a person"),
    "pack:published": _("A version of the rules was signed and published"),
    "pack:retired": _("A version of the rules was retired"),
    "clock:paused": _("A deadline rests while we wait for others"),
    "clock:resumed": _("A deadline runs on"),
    "clock:extended": _("A deadline was extended once, as its rule allows"),
    "clock:replaced": _("A deadline was replaced by one of a new rule"),
    "notice:withdrawn": _("A notice was taken back"),
    "notice:unfounded": _("A notice was found manifestly unfounded"),
    "notice:answered": _("A notice was answered"),
    "flagger:designated": _("A trusted flagger was entered"),
    "flagger:changed": _("The entry of a trusted flagger was changed"),
    "misuse:observed": _("Notices or uploads that may be misuse were counted"),
    "misuse:warned": _("Somebody was warned of misuse"),
    "misuse:suspended": _("Somebody was suspended for misuse, after a warning"),
    "misuse:ended": _("A warning or suspension for misuse ended"),
    "decision:proposed": _("A decision was proposed and waits for a second person"),
    "decision:approved": _("A decision was approved by a second person"),
    "decision:returned": _("A proposed decision was sent back"),
    "decision:expired": _("A decision came to the end of its time"),
    "action:planned": _("A decision’s effect was planned for later"),
    "action:failed": _("A decision’s effect could not be carried out or undone"),
    "hash:blocked": _("Digests were put on the list of blocked copies"),
    "hash:suspended": _("Digests on the list of blocked copies were suspended"),
    "hash:withdrawn": _("Digests were withdrawn from the list of blocked copies"),
    "hash:purged": _("Digests were deleted from the list of blocked copies"),
    "account:suspended": _("An account was suspended for a while"),
    "account:reinstated": _("An account was reinstated"),
    "strike:given": _("A decision was counted against who uploaded"),
    "strike:voided": _("A decision counts against nobody any more"),
    "statement:exported": _("A statement of reasons went to the transparency database"),
    "statement:corrected": _("A statement of reasons was corrected"),
    "appeal:assigned": _("An appeal was given to somebody who had no part in the decision"),
    "appeal:messaged": _("A message was written in an appeal"),
    "appeal:withdrawn": _("An appeal was taken back"),
    "appeal:final": _("An appeal became final"),
    "out_of_court:opened": _("A dispute went to an out-of-court body"),
    "out_of_court:closed": _("A dispute before an out-of-court body ended"),
    "counter_notice:filed": _("A counter-notice was filed"),
    "counter_notice:completed": _("What a counter-notice lacked was added"),
    "counter_notice:forwarded": _("A counter-notice was sent to who had complained"),
    "counter_notice:restored": _("A work came back after a counter-notice"),
    "counter_notice:blocked": _("A court action keeps a work from coming back"),
    "register:published": _("A settled notice entered, or was amended in, the register of notices"),
    "register:withheld": _("A row of the register of notices was withheld"),
    "register:redacted": _("The words of a notice were redacted for researchers"),
    "research:granted": _("A researcher was given a link to the redacted register"),
    "research:revoked": _("A researcher’s link was ended"),
    "research:read": _("A researcher read the redacted register"),
    "comment:received": _("Somebody commented on a proposal"),
    "comment:replied": _("A comment on a proposal was replied to"),
    "comment:shown": _("A comment on a proposal was shown"),
    "comment:withheld": _("A comment on a proposal was not shown"),
    "proposal:drafted": _("A change of the rules was drafted"),
    "proposal:opened": _("A change of the rules was opened for comment"),
    "proposal:closed": _("Comments on a proposal were closed"),
    "proposal:answered": _("The office answered a proposal’s comments"),
    "proposal:withdrawn": _("A proposal was withdrawn"),
    "report:drafted": _("A transparency report was drafted"),
    "report:frozen": _("The figures of a transparency report were counted"),
    "report:published": _("A transparency report was published"),
    "report:corrected": _("A transparency report was corrected"),
    "statement:submitted": _("Statements were handed to the EU’s transparency database"),
    "webhook:made": _("A web hook was entered"),
    "webhook:changed": _("A web hook was changed"),
    "webhook:disabled": _("A web hook was switched off"),
    "counter_notice:lifted": _("A lead reviewer found no court action: the work may come back"),
    "counter_notice:withdrawn": _("A counter-notice was taken back"),
    "data:requested": _("A person made a request about their data"),
    "data:answered": _("A request about personal data was answered"),
    "data:refused": _("A request about personal data was refused, with the reason"),
    "data:proved": _("Who sent a request about personal data proved that it is theirs"),
    "data:put_back": _("A request about personal data waits for somebody else to answer it"),
    "breach:opened": _("A breach of personal data was recorded"),
    "breach:assessed": _("What became known of a breach was recorded"),
    "notice:reopened": _("A notice is looked at again"),
    "decision:withdrawn": _("A proposed decision was taken back"),
    "clock:lapsed": _("Nobody answered in the time they had for it"),
    "breach:told": _("A breach was told to the authority or to the people concerned"),
    "breach:closed": _("The record of a breach was closed"),
    "hold:reviewed": _("A legal hold was looked at again"),
    "retention:purged": _("What was past its time was deleted"),
    "regulator:invited": _("Somebody of an authority was invited to look"),
    "regulator:activated": _("An authority took up its access"),
    "regulator:suspended": _("An authority’s access was suspended"),
    "regulator:expired": _("An authority’s access ended"),
    "regulator:changed": _("An authority’s access was renewed or resumed"),
    "export:requested": _("An authority asked for a bundle of the log"),
    "export:fetched": _("An authority downloaded a bundle"),
    "export:failed": _("A bundle could not be built"),
    "export:expired": _("The file of a bundle was past its time and deleted"),
    "consultation:opened": _("Authority and office began to talk about something"),
    "consultation:messaged": _("A message was written between authority and office"),
    "consultation:closed": _("A consultation with an authority was closed, and its outcome published"),
    "referral:recorded": _("That something was handed to an authority was recorded"),
    "charter:adopted": _("The office bound itself to a charter"),
    "example:chosen": _("A decided case was chosen as the public example"),
    "example:ended": _("The public example was taken away"),
}
