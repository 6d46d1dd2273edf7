"""The register of personal fields: why each is held, on which basis, how long, and how it is erased.

“What we hold about me” is generated from it; erasure (`rights.data_rights`) is written by hand. A field of these rooms
that could hold personal data and stands in neither list fails a test and the system check.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.apps import apps
from django.db import models

# Rooms of ours, and of others what they keep for us: addresses, second factors, sessions.
APPS = ("accounts", "policy", "provenance", "detection", "account", "mfa", "sessions")

KEY = "key destroyed"  # ciphertext: unreadable for ever once the person's key is gone; the column is emptied too
BLANK = "emptied"
DELETE = "row deleted"
KEPT = "kept"


@dataclass(frozen=True)
class PersonalField:
    """One column. basis: of GDPR Article 6(1). erased: one of KEY, BLANK, DELETE, KEPT."""

    purpose: str
    basis: str
    retention: str
    erased: str


_CASE_LIFE = "while the case and the time to appeal run, then as long as rule office.terms.keep_contact says"
_ACCOUNT_LIFE = "while the account exists"
_ANSWER = "to answer a notice and to hear an appeal"
_DUTY = "(c) legal obligation"
_CONTRACT = "(b) contract"
_QUOTES = "to say what a file says about itself; it may quote an author's name"
_ACCOUNTABLE = "to be able to show who did what"
_INTEREST = "(f) legitimate interests"

PERSONAL: dict[str, PersonalField] = {
    "policy.Person.sealed_contact": PersonalField(_ANSWER, _DUTY, _CASE_LIFE, KEY),
    "policy.Depiction.person": PersonalField("to know whose consent is needed", "(a) consent", _CASE_LIFE, KEPT),
    "policy.Consent.requested_by": PersonalField("to show who asked", "(a) consent", "as long as the work", KEPT),
    "policy.Notice.filer": PersonalField(_ANSWER, _DUTY, _CASE_LIFE, KEPT),
    "policy.Notice.account": PersonalField("to keep parties from judging", _DUTY, _CASE_LIFE, KEPT),
    "policy.Notice.sealed_text": PersonalField(_ANSWER, _DUTY, _CASE_LIFE, KEY),
    "policy.Notice.file_sha256": PersonalField("to find the reported file", _DUTY, _CASE_LIFE, BLANK),
    "policy.Notice.unfounded_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.Notice.pin_hash": PersonalField("to let the filer come back", _DUTY, _CASE_LIFE, KEPT),
    "policy.Case.assigned_to": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.Decision.decider": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.StatementOfReasons.user": PersonalField("to explain a decision", _DUTY, "as long as the case", KEPT),
    "policy.StatementOfReasons.notice": PersonalField("to explain a decision", _DUTY, "as long as the case", KEPT),
    "policy.Appeal.user": PersonalField("to hear an appeal", _DUTY, _CASE_LIFE, KEPT),
    "policy.Appeal.notice": PersonalField("to hear an appeal", _DUTY, _CASE_LIFE, KEPT),
    "policy.Appeal.sealed_grounds": PersonalField("to hear an appeal", _DUTY, _CASE_LIFE, KEY),
    "policy.Appeal.decider": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.DataRequest.person": PersonalField("to answer the request", _DUTY, "as proof that it was done", KEPT),
    "policy.DataRequest.user": PersonalField("to answer the request", _DUTY, "as proof that it was done", KEPT),
    "policy.Hold.person": PersonalField("to keep what a duty or a dispute needs", _DUTY, "as proof of the hold", KEPT),
    "policy.Hold.user": PersonalField("to keep what a duty or a dispute needs", _DUTY, "as proof of the hold", KEPT),
    "policy.RegulatorAccount.user": PersonalField("to know who may look", _DUTY, "as long as the log", KEPT),
    "policy.RegulatorAccount.invited_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the log", KEPT),
    "policy.SavedQuery.user": PersonalField("to ask again", _INTEREST, _ACCOUNT_LIFE, DELETE),
    "policy.SavedQuery.name": PersonalField("to ask again", _INTEREST, _ACCOUNT_LIFE, DELETE),
    "policy.ConsultationMessage.by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the consultation", KEPT),
    "policy.Referral.by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.TransparencyReport.made_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the report", KEPT),
    "policy.TransparencyReport.published_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the report", KEPT),
    "policy.RegisterEntry.notice": PersonalField(
        "to follow what becomes of a published notice", _DUTY, "as long as the case", KEPT
    ),
    "policy.RegisterEntry.redacted_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the entry", KEPT),
    "policy.ResearchAccess.granted_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the log", KEPT),
    "policy.Proposal.by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the proposal", KEPT),
    "policy.Comment.alias": PersonalField(
        "to show who commented, as they want to be called", "(a) consent", "as long as the proposal", BLANK
    ),
    "policy.Webhook.made_by": PersonalField(_ACCOUNTABLE, _CONTRACT, "as long as the web hook", KEPT),
    "policy.Export.user": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the log", KEPT),
    "policy.MediaView.reviewer": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.MediaView.reason": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", BLANK),
    "policy.Person.contact_mark": PersonalField(
        "to notice that one person misuses notices", _INTEREST, _CASE_LIFE, BLANK
    ),
    "policy.Consent.proxy": PersonalField("to know who answers for the person shown", "(a) consent", _CASE_LIFE, KEPT),
    "policy.ProcessingBasis.recorded_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the basis", KEPT),
    "policy.Attachment.owner": PersonalField(_ANSWER, _DUTY, _CASE_LIFE, KEPT),
    "policy.Attachment.notice": PersonalField(_ANSWER, _DUTY, _CASE_LIFE, KEPT),
    "policy.Attachment.sealed_name": PersonalField(_ANSWER, _DUTY, _CASE_LIFE, KEY),
    "policy.StatementOfReasons.person": PersonalField("to explain a decision", _DUTY, "as long as the case", KEPT),
    "policy.Decision.approver": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.Appeal.person": PersonalField("to hear an appeal", _DUTY, _CASE_LIFE, KEPT),
    "policy.Appeal.assigned_to": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.AppealMessage.by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.AppealMessage.sealed_text": PersonalField("to hear an appeal", _DUTY, _CASE_LIFE, KEY),
    "policy.CounterNotice.by": PersonalField("to answer a counter-notice", _DUTY, _CASE_LIFE, KEPT),
    "policy.CounterNotice.sealed_fields": PersonalField("to answer a counter-notice", _DUTY, _CASE_LIFE, KEY),
    "policy.HashEntry.notice": PersonalField("to keep copies out at a person's wish", _DUTY, _CASE_LIFE, KEPT),
    "policy.HashEntry.value": PersonalField("to keep copies out", _DUTY, "until it is withdrawn or runs out", BLANK),
    "policy.Suspension.user": PersonalField("to keep misuse out", _INTEREST, "as long as the case", KEPT),
    "policy.Strike.user": PersonalField("to keep misuse out", _INTEREST, "until it expires", KEPT),
    "policy.Misuse.user": PersonalField("to keep misuse out", _DUTY, "as long as the case", KEPT),
    "policy.Misuse.person": PersonalField("to keep misuse out", _DUTY, "as long as the case", KEPT),
    "policy.OutOfCourt.opened_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.Misuse.warned_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.ReviewerProfile.user": PersonalField(
        "to give cases to who is trained for them", _CONTRACT, "while the person reviews", KEPT
    ),
    "policy.ReviewerProfile.alias": PersonalField(
        "so that outsiders need not know a reviewer's name", _INTEREST, "as long as the cases", KEPT
    ),
    "policy.ReviewerProfile.languages": PersonalField(
        "to give cases to who reads them", _CONTRACT, "while the person reviews", BLANK
    ),
    "policy.ReviewerProfile.trained": PersonalField(
        "to give cases to who is trained for them", _CONTRACT, "while the person reviews", BLANK
    ),
    "policy.ReviewerProfile.manager": PersonalField(
        "to keep managers from judging", _DUTY, "while the person reviews", KEPT
    ),
    "policy.ReviewerProfile.floor": PersonalField(
        "to show media as the person can bear them", _CONTRACT, "while the person reviews", BLANK
    ),
    "policy.Recusal.reviewer": PersonalField(
        "to keep a case from who should not see it", _CONTRACT, "as long as the case", KEPT
    ),
    "policy.DeclaredConflict.reviewer": PersonalField(
        "to keep parties from judging", _DUTY, "while the person reviews", KEPT
    ),
    "policy.DeclaredConflict.user": PersonalField(
        "to keep parties from judging", _DUTY, "while the person reviews", KEPT
    ),
    "policy.SecondReview.reviewer": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the case", KEPT),
    "policy.PackVersion.author": PersonalField(_ACCOUNTABLE, _INTEREST, "as long as the pack", KEPT),
    "policy.PackApproval.by": PersonalField(_ACCOUNTABLE, _INTEREST, "as long as the pack", KEPT),
    "policy.DataRequest.sealed_text": PersonalField("to answer the request", _DUTY, "as proof that it was done", KEY),
    "policy.DataRequest.handled_by": PersonalField(_ACCOUNTABLE, _DUTY, "as proof that it was done", KEPT),
    "policy.DataRequest.written_by": PersonalField(_ACCOUNTABLE, _DUTY, "as proof that it was done", KEPT),
    "policy.DataRequest.proved_by": PersonalField(_ACCOUNTABLE, _DUTY, "as proof that it was done", KEPT),
    "policy.Person.pin_hash": PersonalField("to let the person shown come back", _DUTY, _CASE_LIFE, KEPT),
    "policy.Breach.opened_by": PersonalField(_ACCOUNTABLE, _DUTY, "as long as the log", KEPT),
    "policy.BreachParty.person": PersonalField("to tell whom a breach concerns", _DUTY, "as long as the log", KEPT),
    "policy.BreachParty.user": PersonalField("to tell whom a breach concerns", _DUTY, "as long as the log", KEPT),
    "accounts.User.email": PersonalField("to log in and to be told", _CONTRACT, _ACCOUNT_LIFE, BLANK),
    "accounts.User.name": PersonalField("shown to colleagues and on one's works", _CONTRACT, _ACCOUNT_LIFE, BLANK),
    "accounts.User.password": PersonalField("to log in", _CONTRACT, _ACCOUNT_LIFE, BLANK),
    "accounts.Membership.user": PersonalField("to know what one may do", _CONTRACT, _ACCOUNT_LIFE, DELETE),
    "accounts.MachineToken.user": PersonalField("to know whose machine it is", _CONTRACT, _ACCOUNT_LIFE, DELETE),
    "accounts.MachineToken.name": PersonalField("to tell one's tokens apart", _CONTRACT, _ACCOUNT_LIFE, DELETE),
    "accounts.LoginLink.user": PersonalField("to log in", _CONTRACT, "until it is used or expires", DELETE),
    "provenance.Asset.owner": PersonalField("to know whose work it is", _CONTRACT, "as long as the work", KEPT),
    "provenance.KeptReport.report": PersonalField(_QUOTES, "(f) legitimate interests", "30 days", DELETE),
    "provenance.Asset.title": PersonalField("to find one's works", _CONTRACT, "as long as the work", KEPT),
    "detection.Finding.statement": PersonalField(_QUOTES, _CONTRACT, "as long as the work", KEPT),
    "detection.Finding.details": PersonalField(_QUOTES, _CONTRACT, "as long as the work", KEPT),
    "detection.ModelVersion.registered_by": PersonalField(_ACCOUNTABLE, _INTEREST, "as long as the model", KEPT),
    "detection.Approval.by": PersonalField(_ACCOUNTABLE, _INTEREST, "as long as the model", KEPT),
    "detection.Label.submitter": PersonalField(_ACCOUNTABLE, _INTEREST, "as long as the label", KEPT),
    "detection.Corroboration.by": PersonalField(_ACCOUNTABLE, _INTEREST, "as long as the label", KEPT),
    "detection.Audit.audited_by": PersonalField(_ACCOUNTABLE, _INTEREST, "as long as the audit", KEPT),
    "account.EmailAddress.user": PersonalField("to log in and to be told", _CONTRACT, _ACCOUNT_LIFE, DELETE),
    "account.EmailAddress.email": PersonalField("to log in and to be told", _CONTRACT, _ACCOUNT_LIFE, DELETE),
    "mfa.Authenticator.user": PersonalField("to prove who one is", _CONTRACT, _ACCOUNT_LIFE, DELETE),
    "mfa.Authenticator.data": PersonalField("to prove who one is", _CONTRACT, _ACCOUNT_LIFE, DELETE),
    "sessions.Session.session_data": PersonalField(
        "to stay logged in", _CONTRACT, "until logged out, or two weeks", DELETE
    ),
}

# What people gave this office themselves: what they may take along (GDPR 20).
GIVEN: frozenset[str] = frozenset(
    {
        "policy.Person.sealed_contact",
        "policy.Notice.sealed_text",
        "policy.Notice.file_sha256",
        "policy.Appeal.sealed_grounds",
        "policy.AppealMessage.sealed_text",
        "policy.CounterNotice.sealed_fields",
        "policy.Attachment.sealed_name",
        "policy.DataRequest.sealed_text",
        "accounts.User.email",
        "accounts.User.name",
        "provenance.Asset.title",
    }
)

# Outside the database, so outside the two lists: what is kept there, how long, and what erasing does about it.
ELSEWHERE: dict[str, str] = {
    "mail that was sent": "An address and a sentence, at the mail server and the recipient; not reached by erasing.",
    "mail files of the demo": (
        "Without a mail server (ASSAY_SMTP_HOST) mail is written to `mail` in the data folder instead: an address and "
        "a sentence each. Nothing reads or deletes them; whoever runs the demo empties the folder. An office with a "
        "mail server has none."
    ),
    "files of works": "The original and the signed file may carry an author's name; they stay as long as the work.",
    "bundles of regulators": "Opened reasons name nobody; a bundle that was taken along is out of our reach.",
    "backups": (
        "As long as the operator keeps them. A key that was destroyed is still in older ones; when one of them is "
        "restored, the key is destroyed again before the office opens."
    ),
}

# Looked at, and found to hold nothing about a person, with the reason.
NOT_PERSONAL: dict[str, str] = {
    "accounts.User.language": "enumeration",
    "accounts.Organisation.name": "of an organisation; renamed when its only member is erased",
    "account.EmailConfirmation.key": "a random token; the model is not used, confirmation links are signed instead",
    "sessions.Session.session_key": "a random token",
    "accounts.LoginLink.token_hash": "hash of a random token",
    "accounts.MachineToken.digest": "hash of a random token",
    "accounts.MachineToken.token_key": "start of a random token",
    "accounts.MachineToken.scopes": "enumeration",
    "policy.Consent.purposes": "enumeration",
    "policy.Consent.token_hash": "hash of a random token",
    "policy.Consent.signed_sha256": "digest of a work",
    "policy.Consent.manifest_sha256": "digest of a work",
    "policy.ConsentEvent.signed_sha256": "digest of a work",
    "policy.ConsentEvent.manifest_sha256": "digest of a work",
    "policy.Case.jurisdictions": "enumeration",
    "policy.Notice.number": "random",
    "policy.Notice.jurisdiction": "enumeration",
    "policy.Notice.exemptions": "enumeration",
    "policy.Notice.missing": "enumeration",
    "policy.Notice.client_key": "digest of a key that a program chose",
    "policy.Flag.notice": "says that there is a notice, not whose",
    "policy.Flag.reason": "one of the office's own sentences",
    "policy.Decision.rule_refs": "rules",
    "policy.Decision.facts_text": "checked: no address, number or name of the people in the case",
    "policy.Decision.explanation": "checked: no address, number or name of the people in the case",
    "policy.Decision.returned_because": "checked: no address, number or name of the people in the case",
    "policy.Action.kind": "enumeration",
    "policy.Action.inverse": "enumeration",
    "policy.Action.pre_image": "enumeration and the office's own label",
    "policy.StatementOfReasons.structured": "made of the decision's checked texts",
    "policy.StatementOfReasons.text": "made of the decision's checked texts",
    "policy.Appeal.reasons": "checked: no address, number or name of the people in the case",
    "policy.Clock.notice": "says which notice it belongs to, not whose",
    "policy.Clock.rule_id": "rule",
    "policy.Clock.instrument": "rule",
    "policy.Clock.article": "rule",
    "policy.Clock.jurisdiction": "rule",
    "policy.Clock.pack": "digest of rules",
    "policy.Clock.legal_status": "enumeration",
    "policy.Clock.trace": "sentences about rules and dates",
    "policy.DataRequest.receipt": "counts, indices and roots",
    "policy.Hold.basis": "rule",
    "policy.Export.handed": "terms of an account, ids of cases and of keys",
    "policy.Export.query": "kinds, dates and places",
    "policy.Export.watermark": "random; which export it is stands in the log",
    "policy.Export.error_code": "enumeration",
    "policy.SavedQuery.query": "kinds, dates and places",
    "policy.RegulatorAccount.authority": "of an authority",
    "policy.RegulatorAccount.jurisdictions": "enumeration",
    "policy.RegulatorAccount.legal_basis": "a law, in an authority's words",
    "policy.RegulatorAccount.scopes": "enumeration",
    "policy.Consultation.subject": "published; checked for personal data",
    "policy.Consultation.outcome": "published; checked for personal data",
    "policy.ConsultationMessage.text": "between office and authority; checked for personal data",
    "policy.Referral.authority": "of an authority",
    "policy.Referral.jurisdiction": "enumeration",
    "policy.Referral.rule_id": "a rule",
    "policy.Referral.reference": "an authority's number",
    "policy.Referral.what": "checked: no address, number or name of the people in the case",
    "policy.TransparencyReport.root": "digest of the log",
    "policy.TransparencyReport.words": "published; checked for personal data",
    "policy.TransparencyReport.why": "published; checked for personal data",
    "policy.TransparencyReport.sha256": "digest of figures",
    "policy.Figure.section": "enumeration",
    "policy.Figure.key": "name of a figure",
    "policy.Figure.query": "kinds and dates",
    "policy.Figure.value": "counts",
    "policy.Figure.shown": "counts",
    "policy.RegisterEntry.number": "random",
    "policy.RegisterEntry.period": "a quarter",
    "policy.RegisterEntry.shown": "enumerations, of five works at least alike",
    "policy.RegisterEntry.amended": "a quarter",
    "policy.RegisterEntry.withheld_because": "the office's own words",
    "policy.RegisterEntry.redacted_text": "redacted by a person and checked for personal data",
    "policy.ResearchAccess.institution": "of an institution",
    "policy.ResearchAccess.purpose": "of an institution",
    "policy.ResearchAccess.token_hash": "hash of a random token",
    "policy.Proposal.title": "published; checked for personal data",
    "policy.Proposal.text": "published; checked for personal data",
    "policy.Proposal.answer": "published; checked for personal data",
    "policy.Comment.text": "published; checked for personal data",
    "policy.Comment.withheld_because": "the office's own words",
    "policy.Comment.reply": "published; checked for personal data",
    "policy.Webhook.url": "address of an organisation's service",
    "policy.Webhook.events": "enumeration",
    "policy.Webhook.sealed_secret": "a random secret, of an organisation",
    "policy.HookDelivery.event": "enumeration",
    "policy.HookDelivery.key": "an opaque id",
    "policy.HookDelivery.payload": "ids and states; no personal data",
    "policy.HookDelivery.error": "the office's own words",
    "policy.TdbSubmission.puid": "random",
    "policy.TdbSubmission.uuid": "random",
    "policy.TdbSubmission.errors": "names of fields and what was wrong with them",
    "policy.Export.purpose": "an authority's purpose, part of the public account of its accesses",
    "policy.Export.key": "address of a file",
    "policy.Export.sha256": "digest of a file",
    "policy.Person.language": "enumeration",
    "policy.Consent.granted": "enumeration",
    "policy.Consent.territory": "enumeration",
    "policy.Consent.notice_version": "of a text",
    "policy.Consent.language": "enumeration",
    "policy.ConsentEvent.purposes": "enumeration",
    "policy.Signal.value": "enumerations",
    "policy.ProcessingBasis.reference": "the office's own words",
    "policy.Case.language": "enumeration",
    "policy.Case.next_rule_id": "rule",
    "policy.TrustedFlagger.authority": "name of an authority",
    "policy.TrustedFlagger.jurisdiction": "enumeration",
    "policy.TrustedFlagger.areas": "enumeration",
    "policy.Notice.language": "enumeration",
    "policy.Notice.answers": "choices and yes/no answers",
    "policy.Notice.sworn": "which of the office's statements, when",
    "policy.Attachment.media_type": "enumeration",
    "policy.Attachment.key": "address of sealed bytes",
    "policy.Decision.also": "enumeration",
    "policy.Decision.territory": "enumeration",
    "policy.Decision.held_for": "enumeration",
    "policy.Decision.exemptions": "enumeration",
    "policy.StatementOfReasons.locale": "enumeration",
    "policy.StatementOfReasons.puid": "random",
    "policy.StatementOfReasons.tdb": "made of the decision's checked texts",
    "policy.Appeal.language": "enumeration",
    "policy.OutOfCourt.body": "name of a body",
    "policy.OutOfCourt.reference": "a body's file number",
    "policy.CounterNotice.sworn": "which of the office's statements, when",
    "policy.CounterNotice.missing": "enumeration",
    "policy.CounterNotice.forwarded_to": "ids",
    "policy.CounterNotice.actions": "ids, when, and what a lead found",
    "policy.HashEntry.territory": "enumeration",
    "policy.HashEntry.shared_with": "names of lists",
    "policy.Misuse.factors": "counts and enumerations",
    "policy.SecondReview.rule_ids": "rules",
    "policy.PackVersion.name": "name of a pack",
    "policy.PackVersion.version": "of a pack",
    "policy.PackVersion.digest": "digest of rules",
    "policy.PackVersion.content": "rules",
    "policy.PackVersion.signature": "signature over a digest",
    "policy.PackVersion.signer": "key of this office",
    "policy.Clock.inputs": "rules and dates",
    "policy.Clock.pauses": "dates and the office's own reasons",
    "policy.Clock.extension": "dates and the office's own reasons",
    "policy.DataRequest.plan": "names of columns",
    "policy.Breach.description": "checked: no address or number",
    "policy.Breach.measures": "checked: no address or number",
    "policy.Breach.late_because": "the office's own words",
    "policy.Breach.reference": "an authority's file number",
    "provenance.Asset.hidden_in": "enumeration",
    "policy.PipelineStep.step": "enumeration",
    "policy.PipelineStep.error_code": "enumeration",
    "detection.Run.detector": "enumeration",
    "detection.Run.version": "of a detector",
    "detection.Run.model_digest": "digest of a model",
    "detection.Run.error_code": "enumeration",
    "detection.Run.error_detail": "one of the office's own sentences",
    "detection.Finding.signal": "enumeration",
    "detection.Finding.score": "a number",
    "detection.Finding.answer": "enumeration",
    "detection.Finding.llr": "a number",
    "detection.Finding.low": "a number",
    "detection.Finding.high": "a number",
    "detection.Finding.calibration": "id of a calibration",
    "detection.Finding.calibrated": "yes or no",
    "detection.Finding.reason": "enumeration",
    "detection.Finding.places": "numbers: boxes in a picture, stretches of time",
    "detection.Run.question": "enumeration",
    "detection.Run.standing": "enumeration",
    "detection.Finding.heatmap_key": "address of a file",
    "detection.ModelVersion.detector": "enumeration",
    "detection.ModelVersion.version": "of a model",
    "detection.ModelVersion.digest": "digest of a model",
    "detection.ModelVersion.reason": "the office's own words; addresses are refused",
    "detection.ShadowReading.answer": "enumeration",
    "detection.ShadowReading.champion_answer": "enumeration",
    "detection.ShadowReading.llr": "a number",
    "detection.DriftWindow.detector": "enumeration",
    "detection.DriftWindow.digest": "digest of a model",
    "detection.DriftWindow.source": "id of an organisation",
    "detection.DriftWindow.ks_p": "a number",
    "detection.DriftWindow.psi": "a number",
    "detection.DriftWindow.psi_p": "a number",
    "detection.Label.sha256": "digest of a work",
    "detection.Label.source": "id of an organisation",
    "detection.Label.basis": "an opaque id",
    "detection.Label.excluded_for": "enumeration",
    "detection.PermanentTest.sha256": "digest of a work",
    "detection.Audit.detector": "enumeration",
    "detection.Audit.digest": "digest of a model",
    "detection.Audit.set_name": "name of a set of files",
    "detection.Audit.set_sha256": "digest of a list",
    "detection.Audit.attribute": "name of an attribute, nobody's",
    "detection.Audit.basis": "the office's own words",
    "detection.Audit.case": "an opaque id",
    "detection.Audit.table": "counts of groups of at least 20",
    "detection.FederationRound.federation": "name of a federation of institutions",
    "detection.FederationRound.plan": "digest of a plan",
    "detection.FederationRound.aggregation": "enumeration",
    "detection.FederationRound.purpose": "enumeration",
    "detection.FederationRound.before": "digest of a model",
    "detection.FederationRound.after": "digest of a model",
    "detection.FederationRound.epsilon": "a number",
    "detection.FederationRound.contributions": "names of institutions, digests and counts",
    "provenance.Asset.media_type": "enumeration",
    "provenance.Asset.label_text": "the office's own words",
    "provenance.Asset.original_sha256": "digest of a work",
    "provenance.Asset.near_duplicates": "ids of works",
    "provenance.Rendition.sha256": "digest of a work",
    "provenance.Rendition.media_type": "enumeration",
    "provenance.Rendition.key": "address of a file",
    "provenance.Manifest.label": "random",
    "provenance.Manifest.key": "address of a file",
    "provenance.Manifest.serial": "number of this office's certificate",
    "provenance.Manifest.sha256": "digest of a work",
    "provenance.Manifest.active": "what the signed file carries openly",
    "provenance.Fingerprint.value": "code of a work's pixels, not of a face",
    "provenance.TrustList.uri": "name of a public list",
    "provenance.TrustList.name": "name of a public list",
    "provenance.TrustList.version": "of a public list",
    "provenance.TrustList.pem": "public certificates",
    "provenance.TrustList.sha256": "digest of public certificates",
    "provenance.TrustList.source": "where a public list was taken from",
    "provenance.Revocation.serial": "number of a public certificate",
    "provenance.Revocation.issuer": "of a public certificate",
    "provenance.Revocation.reason": "the office's own words",
    "provenance.KeptReport.sha256": "digest of a file",
}


def suspicious() -> Iterable[str]:
    """Every field that could hold personal data: free text, bytes, JSON, and links to people."""
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.get_fields():
                if isinstance(field, models.Field) and _could_be_personal(field):
                    yield f"{label}.{model.__name__}.{field.name}"


def _could_be_personal(field: "models.Field[object, object]") -> bool:
    if isinstance(field, models.ForeignKey | models.OneToOneField):
        return field.related_model._meta.label in ("accounts.User", "policy.Person", "policy.Notice")
    free_text = isinstance(field, models.CharField | models.TextField) and not field.choices
    return free_text or isinstance(field, models.BinaryField | models.JSONField)


def unregistered() -> list[str]:
    """Fields that stand in neither list."""
    return sorted(set(suspicious()) - set(PERSONAL) - set(NOT_PERSONAL))
