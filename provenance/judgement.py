"""Nine verdicts on one file, each with its why and a next step, never blended into one light. Pure.

| verdict      | asks                                                                  |
|--------------|-----------------------------------------------------------------------|
| presence     | Is there a credential, and where is it kept?                          |
| integrity    | Are the file and its credential as they were signed?                  |
| signer       | Who signed, and which named trust list, which version, vouches?       |
| time         | When was it signed, and was the certificate in force at that moment?  |
| identity     | Does the credential name people (CAWG), and is that confirmed?        |
| revocation   | Was the signer's certificate withdrawn?                               |
| ingredients  | Were all earlier files as they should be when they were taken in?     |
| whole_file   | Does the register know exactly these bytes?                           |
| soft_binding | Does the content look like what the credential or register describes? |

Codes decide, never the library's one-word state (`provenance.codes`). Dates decide as of the policy's date
(`provenance.validity`). C2PA leaves parts of files unprotected, so whole_file is asked besides integrity; a child of a
changed file is intact, so ingredients is.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from provenance import codes
from provenance.chain import damage
from provenance.credential import Credential, was_checked
from provenance.manifest_reading import mapping, once, text
from provenance.validity import EXPIRED, NOT_YET, STAMPED, UNSTAMPED, UNTRUSTED_STAMP, SigningTime, TrustPolicy

STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "presence": ("none", "embedded", "detached", "remote", "unreadable"),
    "integrity": ("intact", "broken", "unchecked", "absent"),
    "signer": ("this_office", "trusted", "unknown", "invalid", "absent"),
    "time": ("stamped", "unstamped", "expired", "untrusted_stamp", "not_yet", "absent"),
    "identity": ("absent", "present", "confirmed", "unknown", "failed"),
    "revocation": ("not_revoked", "revoked", "unknown", "absent"),
    "ingredients": ("none", "intact", "damaged", "unchecked"),
    "whole_file": ("registered", "other_bytes", "unknown", "unrecorded"),
    "soft_binding": ("none", "matched", "mismatched", "unknown"),
}

NOTHING: Final = "Nothing to do."


@dataclass(frozen=True)
class Verdict:
    """state: one of STATES. sentence: in plain words. next_step: for whoever relies on the file.

    codes: the raw codes it rests on, each {"code", "sentence", "next_step"}. more: what this verdict alone tells:
    signer {"list": {name, uri, version} or None}, time {"at": RFC 3339 or None, "authority"}, soft_binding
    {"compared_with": "", "credential" or "register"}.
    """

    state: str
    sentence: str
    next_step: str = NOTHING
    codes: list[dict[str, str]] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        told = {"state": self.state, "sentence": self.sentence, "next_step": self.next_step, "codes": self.codes}
        return {**told, **self.more}


@dataclass(frozen=True)
class Withdrawn:
    """A certificate in this office's table of revocations. at: from when on its signatures do not count."""

    at: dt.datetime
    reason: str


@dataclass(frozen=True)
class Likeness:
    """state: of STATES["soft_binding"]. compared_with: credential, register or "". title: of the registered work."""

    state: str = "none"
    compared_with: str = ""
    title: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that was found out about one file. found: what provenance.c2pa.read returned. whole_file: its state.

    claimed: the credential is this office's over a fingerprint that somebody named; the file was never sent here.
    inside: what is broken in the credential inside the file, when another was brought beside it. unseen: of these
    bytes the register has nothing but a fingerprint.
    """

    found: Mapping[str, Any]
    credential: Credential
    time: SigningTime
    policy: TrustPolicy
    withdrawn: Withdrawn | None = None
    whole_file: str = "unknown"
    claimed: bool = False
    inside: tuple[str, ...] = ()
    unseen: bool = False
    likeness: Likeness = Likeness()

    @property
    def signed(self) -> bool:
        """Whether there is a credential that could be read."""
        return bool(self.credential.label)

    def of_topic(self, *topics: str, kinds: Iterable[str] = ("failure", "informational", "success")) -> list[str]:
        """Codes as they are judged, of these verdicts."""
        decisive = self.credential.decisive
        return once(code for kind in kinds for code in decisive.get(kind, []) if codes.topic(code) in topics)


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    """A verdict for every key of STATES, in that order."""
    return {
        "presence": presence(evidence),
        "integrity": integrity(evidence),
        "signer": signer(evidence),
        "time": time(evidence),
        "identity": identity(evidence),
        "revocation": revocation(evidence),
        "ingredients": ingredients(evidence),
        "whole_file": whole_file(evidence),
        "soft_binding": soft_binding(evidence),
    }


def _coded(found: Iterable[str]) -> list[dict[str, str]]:
    return [codes.coded(code) for code in found]


def _by_code(state: str, found: list[str], **more: Any) -> Verdict:
    """A verdict in the words of its first code."""
    return Verdict(state, codes.sentence(found[0]), codes.next_step(found[0]), _coded(found), more)


# --- Presence -------------------------------------------------------------------------------------------------------


def presence(evidence: Evidence) -> Verdict:
    found = evidence.found
    match found["presence"]:
        case "none":
            return Verdict(
                "none",
                "This file carries no Content Credentials.",
                "Most files carry none, and that says nothing about them; see whether the register knows the file.",
            )
        case "remote":
            where = f" It names {text(found['host'])}." if found.get("host") else ""
            sentence = codes.sentence(codes.REMOTE) + where
            return Verdict("remote", sentence, codes.next_step(codes.REMOTE), _coded([codes.REMOTE]))
        case "embedded" | "detached" as where if evidence.signed:
            beside = "A credential was brought or kept beside the file."
            return Verdict(where, "The file carries Content Credentials." if where == "embedded" else beside)
    return _by_code("unreadable", [codes.UNREADABLE])


# --- Integrity ------------------------------------------------------------------------------------------------------


def integrity(evidence: Evidence) -> Verdict:
    """Of the file and of the credential, by codes alone: nothing about who signed or when."""
    if not evidence.signed:
        if evidence.found["presence"] == "none":
            return Verdict("absent", "There is no credential to compare the file with.")
        return Verdict("unchecked", "The credential could not be read, so nothing was compared.", _read_step(evidence))
    broken = damage(evidence.of_topic("integrity", "ingredients", "presence", kinds=("failure",)))
    if broken or evidence.inside:
        return _by_code("broken", once([*broken, *evidence.inside]))
    if evidence.claimed:
        return _by_code("unchecked", [codes.CLAIMED])
    if not was_checked(evidence.credential.decisive):
        return _by_code("unchecked", [codes.NOT_CHECKED])
    success = evidence.credential.decisive["success"]
    shown = [*(code for code in success if code in codes.BOUND), codes.SIGNATURE_VALID]
    remarks = evidence.of_topic("integrity", kinds=("informational",))
    sentence = "The file and its credential are as they were signed."
    if any(code.endswith("additionalExclusionsPresent") for code in remarks):
        sentence = "What the credential protects is as it was signed; it leaves some parts of the file out."
    return Verdict("intact", sentence, codes=_coded(once([*shown, *remarks])))


def _read_step(evidence: Evidence) -> str:
    return codes.next_step(codes.REMOTE if evidence.found["presence"] == "remote" else codes.UNREADABLE)


# --- Signer ---------------------------------------------------------------------------------------------------------

_NOT_A_SIGNATURE: Final = (codes.SIGNATURE_MISMATCH, "claimSignature.missing", codes.NOT_FOR_MEDIA)


def signer(evidence: Evidence) -> Verdict:
    """Who signed the credential. What became of the file since is not asked here."""
    if not evidence.signed:
        return Verdict("absent", "Nobody signed a credential for this file.", more={"list": None})
    credential = evidence.credential
    failed = [code for code in credential.decisive["failure"] if code in (*_NOT_A_SIGNATURE, codes.REVOKED)]
    if failed:
        return _by_code("invalid", failed, list=None)
    statement = credential.signer["statement"] if credential.signer else ""
    if credential.trust == "unknown_signer":
        found = evidence.of_topic("signer", kinds=("failure",)) or [codes.UNTRUSTED_CODE]
        return Verdict("unknown", statement, codes.next_step(found[0]), _coded(found), {"list": None})
    named = evidence.policy.list_named(credential.trust_list)
    cited = {"name": named.name, "uri": named.uri, "version": named.version} if named else None
    vouching = f" The trust list “{named.name}”, version {named.version}, vouches for the certificate." if named else ""
    return Verdict(credential.trust, statement + vouching, codes=_coded([codes.TRUSTED]), more={"list": cited})


# --- Time -----------------------------------------------------------------------------------------------------------


def time(evidence: Evidence) -> Verdict:
    """When it was signed, as far as that is proved, and whether the certificate was in force at that moment."""
    judged = evidence.time
    more = {"at": _moment(judged.at) if judged.at else None, "authority": judged.authority}
    if not evidence.signed:
        return Verdict("absent", "Nothing was signed, so there is no time of signing.", more=more)
    shown = _coded(once([*judged.codes, *evidence.of_topic("time")]))
    as_of = evidence.policy.as_of
    now = f"on {as_of:%Y-%m-%d}" if as_of else "now"
    match judged.state:
        case state if state == STAMPED and judged.at is not None:
            by = f" from {judged.authority}" if judged.authority else ""
            sentence = f"A trusted time-stamp{by} shows that it was signed by {_words(judged.at)}."
            return Verdict(state, sentence, codes=shown, more=more)
        case state if state == NOT_YET and judged.at is not None:
            later = f"it was signed only by {_words(judged.at)}, after the date you chose"
            sentence = f"A trusted time-stamp shows that {later}."
            return Verdict(state, sentence, codes.next_step(codes.STAMPED_LATER), shown, more)
        case state if state == EXPIRED:
            return _expired(judged, shown, more)
        case state if state == UNTRUSTED_STAMP:
            sentence = f"Its time-stamp proves nothing here; the signer's certificate is in force {now}."
            found = evidence.of_topic("time", kinds=("informational", "failure")) or [codes.STAMP_UNTRUSTED]
            return Verdict(state, sentence, codes.next_step(found[0]), shown, more)
        case state if state == UNSTAMPED:
            sentence = f"No time-stamp says when it was signed; the signer's certificate is in force {now}."
            step = "Once the certificate has expired, the signature will count no more; keep this report until then."
            return Verdict(state, sentence, step, shown, more)
    return Verdict("absent", "The credential does not say when it was signed.", more=more)


def _expired(judged: SigningTime, shown: list[dict[str, str]], more: dict[str, Any]) -> Verdict:
    begin, end = judged.certificate.not_before, judged.certificate.not_after
    if begin is not None and judged.moment < begin:
        found = [codes.coded(codes.NOT_YET)]
        return Verdict("expired", codes.sentence(codes.NOT_YET), codes.next_step(codes.NOT_YET), found, more)
    until = f"The signer's certificate expired on {end:%Y-%m-%d}" if end else "The signer's certificate has expired"
    stamp = (
        "the time-stamp is later than that" if judged.at else "no trusted time-stamp shows that it was signed before"
    )
    return Verdict("expired", f"{until}, and {stamp}.", codes.next_step(codes.EXPIRED), shown, more)


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _words(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


# --- Identity -------------------------------------------------------------------------------------------------------

_CONFIRMED: Final = {"cawg.identity.trusted", "cawg.x509.credential.trusted", "cawg.ica.credential_valid"}
# Failures that say only that this office, which asks nobody over the network, cannot tell.
_CANNOT_TELL: Final = {
    "cawg.identity.network_traffic_blocked",
    "cawg.identity.credential.untrusted",
    "cawg.identity.sig_type.unknown",
    "cawg.identity.timestamp.untrusted",
    "cawg.x509.credential.untrusted",
    "cawg.x509.time_stamp.untrusted",
    "cawg.ica.did_unavailable",
    "cawg.ica.did_unsupported_method",
    "cawg.ica.untrusted_issuer",
    "cawg.ica.revocation.unavailable",
    "cawg.ica.revocation.unsupported",
}


def identity(evidence: Evidence) -> Verdict:
    """CAWG identity assertions: kept apart, because offline they can fail in files that are perfectly genuine.

    They are judged in a reading of their own, and only when each needs nothing but certificates that it carries.
    """
    told = mapping(evidence.found.get("identity"))
    failed = once([*evidence.of_topic("identity", kinds=("failure",)), *_listed(told, "failure")])
    said = once([*failed, *evidence.of_topic("identity"), *_listed(told, "informational"), *_listed(told, "success")])
    if not evidence.signed or not (told.get("kinds") or said):
        return Verdict("absent", "The credential names no people behind the file.")
    wrong = [code for code in failed if code not in _CANNOT_TELL]
    if wrong:
        return _by_code("failed", once([*wrong, *said]))
    if failed:
        return _by_code("unknown", said)
    confirmed = [code for code in said if code in _CONFIRMED]
    if confirmed:
        return _by_code("confirmed", once([*confirmed, *said]))
    return _by_code("present", [codes.IDENTITY_NOT_JUDGED, *said])


def _listed(told: Mapping[str, Any], kind: str) -> list[str]:
    found = told.get(kind)
    return [text(code, 120) for code in found if isinstance(code, str)] if isinstance(found, list) else []


# --- Revocation -----------------------------------------------------------------------------------------------------

_STAPLED_GOOD: Final = ("signingCredential.ocsp.notRevoked", "signingCredential.notRevoked")
_STAPLED_BAD: Final = ("signingCredential.ocsp.revoked", codes.REVOKED)


def counts_as_revoked(withdrawn: Withdrawn | None, time: SigningTime) -> bool:
    """Whether the entry in the table reaches this signature: not, if a trusted time-stamp is older than it."""
    return withdrawn is not None and (time.at is None or time.at >= withdrawn.at)


def revocation(evidence: Evidence) -> Verdict:
    """By this office's own table, which it trusts first, and by what the credential carries (OCSP)."""
    if not evidence.signed:
        return Verdict("absent", "Nothing was signed, so no certificate can have been withdrawn.")
    said, withdrawn = evidence.of_topic("revocation"), evidence.withdrawn
    if withdrawn is not None and counts_as_revoked(withdrawn, evidence.time):
        sentence = f"The signer's certificate was withdrawn on {withdrawn.at:%Y-%m-%d}: {_ended(withdrawn.reason)}"
        return Verdict("revoked", sentence, codes.next_step(codes.REVOKED), _coded(once([codes.REVOKED, *said])))
    if found := [code for code in said if code in _STAPLED_BAD]:
        return _by_code("revoked", found)
    if withdrawn is not None:
        return _by_code("not_revoked", [codes.REVOKED_LATER, *said])
    if found := [code for code in said if code in _STAPLED_GOOD]:
        return _by_code("not_revoked", found)
    if evidence.credential.trust == "this_office":
        return Verdict("not_revoked", "This office issued the signer's certificate and has not withdrawn it.")
    return Verdict(
        "unknown",
        "This office has no word that the signer's certificate was withdrawn, and asks nobody over the network.",
        codes.next_step("signingCredential.ocsp.skipped"),
        _coded(said),
    )


def _ended(words: str) -> str:
    words = text(words).rstrip(".")
    return f"{words}." if words else "no reason is given."


# --- Earlier files --------------------------------------------------------------------------------------------------


def ingredients(evidence: Evidence) -> Verdict:
    """Over the whole store: a failure six files back is told as loudly as one in the direct parent."""
    earlier = evidence.credential.earlier
    if earlier.damaged:
        title, found = earlier.damaged[0]
        name = f"“{title}”" if title else "without a name"
        more = "" if len(earlier.damaged) == 1 else f" In all, {len(earlier.damaged)} earlier files failed."
        sentence = f"An earlier file, {name}, had already failed its check: {codes.sentence(found[0])}{more}"
        all_found = once(code for _, one in earlier.damaged for code in one)
        return Verdict("damaged", sentence, codes.next_step(found[0]), _coded(all_found))
    if not earlier.children:
        return Verdict("none", "The credential names no earlier file that this one was made from.")
    if earlier.unvouched:
        sentence = "Only whoever signed says so: that the earlier files had passed their checks, nobody vouches for."
        return Verdict("unchecked", sentence, codes.next_step(codes.UNTRUSTED_CODE))
    if earlier.cut or earlier.unproven:
        sentence = "For some of the earlier files no passed check is recorded; where they come from is open."
        return Verdict("unchecked", sentence, codes.next_step(codes.UNKNOWN_PROVENANCE))
    return Verdict("intact", "Every earlier file had passed its check when it was taken in.")


# --- The register ---------------------------------------------------------------------------------------------------

_WHOLE_FILE: Final = {
    "registered": ("The register holds exactly these bytes.", NOTHING, ()),
    "unknown": (
        "The register does not hold these bytes.",
        "That says nothing about the file; see whether a registered work looks like it.",
        (),
    ),
    "other_bytes": (codes.sentence(codes.OTHER_BYTES), codes.next_step(codes.OTHER_BYTES), (codes.OTHER_BYTES,)),
    "unrecorded": (codes.sentence(codes.UNRECORDED), codes.next_step(codes.UNRECORDED), (codes.UNRECORDED,)),
}


def whole_file(evidence: Evidence) -> Verdict:
    """Stricter than a credential, which leaves parts of files unprotected (an added `free` box, padding)."""
    sentence, step, found = _WHOLE_FILE[evidence.whole_file]
    if evidence.whole_file == "registered" and evidence.unseen:
        return _by_code("registered", [codes.CLAIMED])
    return Verdict(evidence.whole_file, sentence, step, _coded(found))


def soft_binding(evidence: Evidence) -> Verdict:
    like = evidence.likeness
    more = {"compared_with": like.compared_with}
    match like.state, like.compared_with:
        case "matched", "register":
            sentence = f"The content looks like a registered work, “{text(like.title)}”."
            return Verdict("matched", sentence, codes.next_step(codes.OTHER_BYTES), more=more)
        case "matched", _:
            return _by_code("matched", [codes.SOFT_BINDING_MATCH], **more)
        case "mismatched", _:
            return _by_code("mismatched", [codes.SOFT_BINDING_MISMATCH], **more)
        case "unknown", "register":
            sentence = f"The content looks somewhat like a registered work, “{text(like.title)}”."
            return Verdict("unknown", sentence, codes.next_step(codes.OTHER_BYTES), more=more)
        case "unknown", _:
            return _by_code("unknown", [codes.SOFT_BINDING_UNKNOWN], **more)
    nothing = "No code of the content is given, and no registered work looks like it."
    if evidence.whole_file == "registered":
        nothing = "The register holds these very bytes, so there was nothing to compare by likeness."
    if evidence.claimed or evidence.unseen:
        nothing = "No registered file looks like it; with a fingerprint alone nothing can be compared."
    return Verdict("none", nothing, more=more)
