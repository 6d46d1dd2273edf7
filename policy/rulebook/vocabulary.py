"""The names of a rule that code acts on: with which event it starts, and the few duties that change what this office
does. A name that is almost one of them would load, be approved and signed, and do nothing: the loader refuses it.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final

from policy.rulebook.facts import RuleError

# What happens in this office; each starts the clocks, terms and second looks of the rules that begin with it.
RAISED: Final = frozenset(
    {
        *("notice_submitted", "valid_notice_received", "valid_removal_request_received", "complaint_received"),
        *("complaint_by_individual_or_on_behalf", "complaint_to_provider", "false_positive_claimed"),
        *("privacy_concern_received", "information_asked", "order_received", "court_or_government_order_received"),
        *("esafety_removal_notice_given", "decision_proposed", "recipient_informed_of_decision"),
        *("restriction_imposed", "strike_given", "account_suspended", "hash_blocked", "appeal_filed"),
        "interim_measure_taken",
        *("appeal_question_asked", "appeal_decided", "case_reopened", "counter_notice_received"),
        *("complaint_received_by_certified_body", "dsr_received", "breach_aware", "misuse_counted"),
        *("misuse_suspended", "business_ended", "question_lapsed", "consent_requested"),
        *("consent_ended", "export_made", "kept_report_ended", "login_link_ended", "session_ended"),
        "case_exported",
    }
)
# What laws name and nothing here raises: such a row is on record and can be cited, and starts nothing.
ON_RECORD: Final = frozenset(
    {
        *("none", "consent_withdrawn", "creation_distribution_possession", "decision_made", "election_day"),
        *("first_exposure", "grievance_decision_communicated", "intimate_image_content_report_received"),
        *("knowledge_of_unauthorised_use", "last_interaction_or_purpose_satisfied", "ledger_head_anchored"),
        *("output_generated", "pattern_detected", "publication", "reporting_period_end", "threat_suspected"),
        *("unlabelled_output_provided_on_request", "upload_or_publication"),
    }
)
EVENTS: Final = RAISED | ON_RECORD

# What a rule begins with that says of a work itself that it must be marked, limited or taken away. “none”: a clause.
ABOUT_WORKS: Final = frozenset(
    {
        *("valid_notice_received", "valid_removal_request_received", "complaint_by_individual_or_on_behalf"),
        *("complaint_to_provider", "order_received", "court_or_government_order_received"),
        *("esafety_removal_notice_given", "intimate_image_content_report_received", "knowledge_of_unauthorised_use"),
        *("consent_withdrawn", "creation_distribution_possession", "election_day", "first_exposure"),
        *("output_generated", "publication", "upload_or_publication", "none"),
    }
)
# Besides, those on how we handle what is said of a work. No decision rests on the others: deadlines of requests about
# data, breaches, appeals, and how long something is kept.
CITABLE: Final = ABOUT_WORKS | {
    "notice_submitted",
    "complaint_received",
    "false_positive_claimed",
    "privacy_concern_received",
}

SECOND_APPROVAL: Final = "second_approval"
# The rules with it list in which kinds of issues the same bytes are refused (I8).
REFUSE_COPIES: Final = "refuse_exact_copies"
# The rules with it say of which cases an authority of their place gets the media in its bundle.
MEDIA_TO_AUTHORITY: Final = "media_to_authority"
# Duties that code acts on. All others are words for people.
ACTED_ON: Final = frozenset(
    {SECOND_APPROVAL, "second_person_is_a_lead_reviewer", "remove_at_once", REFUSE_COPIES, MEDIA_TO_AUTHORITY}
)
# Rules with these events act by nothing else.
_ACTS_BY: Final = {"decision_proposed": SECOND_APPROVAL, "case_exported": MEDIA_TO_AUTHORITY}
_NUMBERS: Final = {"misuse_counted": ("absolute", "percent")}
_NEAR: Final = 0.8


def check(row: Mapping[str, Any], where: str) -> None:
    """Raises RuleError for an unknown start event, a duty that is almost one that code acts on, or a row that lacks
    what its event acts by. row: of a pack, its fields of the right kinds.
    """
    event, duties = row["start_event"], row.get("duties") or ()
    if event not in EVENTS:
        raise RuleError(f"{where}: unknown start_event {event!r}{_perhaps(event, EVENTS)}")
    for duty in duties:
        if duty not in ACTED_ON and (meant := _perhaps(duty, ACTED_ON)):
            raise RuleError(f"{where}: unknown duty {duty!r}{meant}")
    if (needed := _ACTS_BY.get(event)) and needed not in duties:
        raise RuleError(f"{where}: a rule with the event {event} has the duty {needed}, or it does nothing")
    _check_numbers(row, where)


def _check_numbers(row: Mapping[str, Any], where: str) -> None:
    numbers, names = row.get("at_least") or {}, _NUMBERS.get(row["start_event"], ())
    if not isinstance(numbers, Mapping) or set(numbers) != set(names):
        raise RuleError(f"{where}: at_least has {' and '.join(names) or 'no numbers with this start_event'}")
    if not all(type(value) is int and 1 <= value <= 10_000 for value in numbers.values()):
        raise RuleError(f"{where}: the numbers of at_least are whole, from 1 to 10000")


def _perhaps(name: str, known: Collection[str]) -> str:
    tidy = "_".join(name.lower().replace("-", " ").replace("_", " ").split())
    near = difflib.get_close_matches(tidy, sorted(known), n=1, cutoff=_NEAR)
    return f": perhaps {near[0]!r}" if near else ""
