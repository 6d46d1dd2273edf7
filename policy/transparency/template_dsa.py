"""The parts of a transparency report that Annex I of Implementing Regulation (EU) 2024/2835 lists, 1.1 to 1.8 and 2.

Its list of contents was read; the columns of its tables were not, so each part says what we know to be missing.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from ledger.events import EventType as E
from policy.models import Appeal, Decision, Flag, Misuse, Notice, OutOfCourt, Suspension
from policy.models.decisions import Affected
from policy.transparency.template import (
    CATEGORIES,
    FINAL,
    GROUNDS,
    PLACES,
    RESTRICTIONS,
    YES_NO,
    Definition,
    Labels,
    Part,
    Rate,
    entries,
    labels_of,
    link,
)

_ROLES: Final = labels_of(Affected)
_ORDERS: Final = ["about.kind", "is", Notice.Kind.ORDER.value]
_REPORTS: Final = ["about.kind", "in", [Notice.Kind.REPORT.value, Notice.Kind.PRIVACY.value]]
_REPORT_CELLS: Final = ("notices_by_kind/report", "notices_by_kind/privacy")
_RESTRICTING: Final = [FINAL, ["facts.outcome", "is not", Decision.Outcome.NO_ACTION.value]]
_NOTICED: Final = {"notice": link(E.NOTICE_FILED, "object")}
_FILED: Final = {"filed": link(E.NOTICE_FILED, "facts.notice")}
_APPEALED: Final = {"filed": link(E.APPEAL_FILED, "facts.appeal")}
_MACHINES: Final = [
    Flag.Origin.DECLARED_SYNTHETIC.value,
    Flag.Origin.COPY_OF_HIDDEN.value,
    Flag.Origin.COPY_OF_LISTED.value,
]
_ON_ROSTER: Final[dict[str, Any]] = {"latest": "object", "where": [["facts.paused", "is", False]]}


def _time(kind: E, links: Mapping[str, Any], what: str, **more: Any) -> dict[str, Any]:
    """From what began it to its first end in the period."""
    return entries(kind, links=links, distinct=what, seconds_from=next(iter(links)), **more)


_IDENTIFICATION = Part("1.1", _("Report identification"), "Regulation (EU) 2024/2835, Annex I, 1.1")
_ORDERS_PART = Part(
    "1.2",
    _("Orders of authorities and courts"),
    "DSA 15(1)(a)",
    (
        Definition(
            "orders",
            _("Orders received, by the place they come from"),
            entries(E.NOTICE_FILED, where=[_ORDERS], by="about.jurisdiction"),
            PLACES,
            ("notices_by_kind/order",),
        ),
        Definition(
            "orders_time",
            _("Median time from an order to its answer"),
            _time(
                E.NOTICE_ANSWERED,
                {"filed": link(E.NOTICE_FILED, "facts.notice", where=[_ORDERS])},
                "facts.notice",
                where=[["filed", "is", True]],
            ),
        ),
    ),
    missing=(
        _("The time to tell the authority that its order has come: it reads so at once, when it files here."),
        _("Orders to give information (DSA 10): they come by letter and are not counted in the log."),
        _("The breakdown by single Member State: the office records the Union, Denmark and places outside of it."),
        _("How many single items an order names: one order is filed for one work."),
    ),
)
_NOTICES_PART = Part(
    "1.3",
    _("Notices"),
    "DSA 15(1)(b), 16",
    (
        Definition("notices", _("Notices received"), entries(E.NOTICE_FILED)),
        Definition(
            "notices_by_kind",
            _("Notices, by kind"),
            entries(E.NOTICE_FILED, by="about.kind"),
            labels_of(Notice.Kind),
            ("notices",),
        ),
        Definition(
            "notices_by_category",
            _("Reports and privacy concerns, by what they are about"),
            entries(E.NOTICE_FILED, where=[_REPORTS], by="about.category"),
            CATEGORIES,
            _REPORT_CELLS,
        ),
        Definition(
            "notices_by_place",
            _("Reports and privacy concerns, by the place whose law they call on"),
            entries(E.NOTICE_FILED, where=[_REPORTS], by="about.jurisdiction"),
            PLACES,
            _REPORT_CELLS,
        ),
        Definition(
            "notices_of_flaggers",
            _("Notices of trusted flaggers"),
            entries(
                E.NOTICE_FILED,
                where=[["about.trusted_flagger", "is not", ""], ["about.trusted_flagger", "is not", None]],
            ),
        ),
        Definition("notices_withdrawn", _("Notices taken back by who filed them"), entries(E.NOTICE_WITHDRAWN)),
        Definition("notices_unfounded", _("Notices found manifestly unfounded"), entries(E.NOTICE_UNFOUNDED)),
        Definition("answers", _("Notices answered"), entries(E.NOTICE_ANSWERED, distinct="facts.notice")),
        Definition(
            "answers_by_outcome",
            _("Notices answered, by the first answer"),
            entries(E.NOTICE_ANSWERED, distinct="facts.notice", by="facts.outcome"),
            labels_of(Notice.Outcome),
            ("answers",),
        ),
        Definition(
            "answer_time",
            _("Median time from a notice to its answer"),
            _time(E.NOTICE_ANSWERED, _FILED, "facts.notice"),
            note=_("From the moment it was filed, also where something was missing and came later."),
        ),
        Definition(
            "actions_on_notices",
            _("Decisions to restrict something, after a notice"),
            entries(E.DECISION_MADE, links=_NOTICED, where=[["notice", "is", True], *_RESTRICTING]),
        ),
        Definition(
            "actions_on_notices_by_ground",
            _("Restrictions after a notice, by ground"),
            entries(E.DECISION_MADE, links=_NOTICED, where=[["notice", "is", True], *_RESTRICTING], by="about.ground"),
            GROUNDS,
            ("actions_on_notices",),
        ),
        Definition(
            "actions_on_notices_by_category",
            _("Restrictions after a notice, by what the case is about"),
            entries(
                E.DECISION_MADE, links=_NOTICED, where=[["notice", "is", True], *_RESTRICTING], by="about.category"
            ),
            CATEGORIES,
            ("actions_on_notices",),
        ),
    ),
    missing=(_("The number of single items that notices name: one notice is about one work."),),
)
_OWN = {"links": _NOTICED, "where": [["notice", "is", False], *_RESTRICTING]}
_OWN_PART = Part(
    "1.4",
    _("On the office’s own initiative"),
    "DSA 15(1)(c)",
    (
        Definition("own", _("Decisions to restrict something, without any notice"), entries(E.DECISION_MADE, **_OWN)),
        Definition(
            "own_by_outcome",
            _("Restrictions without a notice, by outcome"),
            entries(E.DECISION_MADE, **_OWN, by="facts.outcome"),
            RESTRICTIONS,
            ("own",),
        ),
        Definition(
            "own_by_ground",
            _("Restrictions without a notice, by ground"),
            entries(E.DECISION_MADE, **_OWN, by="about.ground"),
            GROUNDS,
            ("own",),
        ),
        Definition(
            "own_by_category",
            _("Restrictions without a notice, by what the case is about"),
            entries(E.DECISION_MADE, **_OWN, by="about.category"),
            CATEGORIES,
            ("own",),
        ),
        Definition(
            "own_by_detection",
            _("Restrictions without a notice: whether a program pointed to the work"),
            entries(E.DECISION_MADE, **_OWN, by="facts.automated_detection"),
            YES_NO,
            ("own",),
        ),
    ),
    missing=(_("Restrictions of payments, and demotion: this office does neither."),),
)
_COMPLAINTS_PART = Part(
    "1.5",
    _("Appeals, bodies outside, suspensions"),
    "DSA 15(1)(d), 24(1)(a) and (b)",
    (
        Definition("appeals", _("Appeals filed"), entries(E.APPEAL_FILED)),
        Definition(
            "appeals_by_role",
            _("Appeals, by who filed them"),
            entries(E.APPEAL_FILED, by="facts.by"),
            _ROLES,
            ("appeals",),
        ),
        Definition("appeals_decided", _("Appeals decided"), entries(E.APPEAL_DECIDED)),
        Definition(
            "appeals_by_outcome",
            _("Appeals decided, by outcome"),
            entries(E.APPEAL_DECIDED, by="facts.outcome"),
            labels_of(Appeal.Outcome),
            ("appeals_decided",),
        ),
        Definition(
            "appeals_time",
            _("Median time from an appeal to its decision"),
            _time(E.APPEAL_DECIDED, _APPEALED, "facts.appeal"),
        ),
        Definition("outside_opened", _("Disputes taken to an out-of-court body"), entries(E.OUT_OF_COURT_OPENED)),
        Definition("outside_closed", _("Disputes that a body has ended"), entries(E.OUT_OF_COURT_CLOSED)),
        Definition(
            "outside_by_outcome",
            _("Disputes that a body has ended, by outcome"),
            entries(E.OUT_OF_COURT_CLOSED, by="facts.outcome"),
            labels_of(OutOfCourt.Outcome),
            ("outside_closed",),
        ),
        Definition(
            "outside_followed",
            _("Whether the office did what the body said"),
            entries(E.OUT_OF_COURT_CLOSED, by="facts.complied"),
            YES_NO,
            ("outside_closed",),
        ),
        Definition(
            "outside_time",
            _("Median time until a body ended a dispute"),
            _time(E.OUT_OF_COURT_CLOSED, {"opened": link(E.OUT_OF_COURT_OPENED, "facts.appeal")}, "facts.appeal"),
        ),
        Definition(
            "suspensions",
            _("Accounts suspended, by what from"),
            entries(E.ACCOUNT_SUSPENDED, by="facts.scope"),
            labels_of(Suspension.Scope),
        ),
        Definition(
            "warnings", _("Warnings of misuse"), entries(E.MISUSE_WARNED, by="facts.kind"), labels_of(Misuse.Kind)
        ),
    ),
    (Rate(_("Overturned on appeal"), "appeals_by_outcome/overturn", "appeals_decided"),),
    missing=(_("Suspensions for manifestly unfounded appeals: nobody is kept from appealing here."),),
)
_AUTOMATION_PART = Part(
    "1.6",
    _("Automated means"),
    "DSA 15(1)(e), 42(2)(c)",
    (
        Definition(
            "decisions",
            _("Decisions, measures for the meantime left out"),
            entries(E.DECISION_MADE, where=[FINAL]),
        ),
        Definition(
            "decisions_by_automation",
            _("Decisions, by how far a program took them"),
            entries(E.DECISION_MADE, where=[FINAL], by="facts.automated_decision"),
            {
                "AUTOMATED_DECISION_NOT_AUTOMATED": _("by people"),
                "AUTOMATED_DECISION_PARTIALLY": _("partly by a program"),
                "AUTOMATED_DECISION_FULLY": _("by a program alone"),
            },
            ("decisions",),
            plain=True,
        ),
        Definition(
            "decisions_by_detection",
            _("Decisions: whether a program pointed to the work"),
            entries(E.DECISION_MADE, where=[FINAL], by="facts.automated_detection"),
            YES_NO,
            ("decisions",),
        ),
        Definition(
            "machine_flags",
            _("Flags that a program raised, once a person decided"),
            entries(
                E.FLAG_SETTLED,
                where=[["about.origin", "in", _MACHINES], ["facts.state", "is not", Flag.State.RAISED.value]],
                by="facts.state",
            ),
            labels_of(Flag.State, Flag.State.RAISED),
            note=_("“Cleared” means that the program pointed at something that a person found to be in order."),
        ),
        Definition(
            "examinations",
            _("Examinations by detectors"),
            entries(E.DETECTION_RECORDED, by="facts.outcome"),
            {"done": _("done"), "failed": _("failed")},
            plain=True,
        ),
    ),
    missing=(
        _("One rate of error for all: each detector has its own, measured, with interval and date, on its card."),
    ),
)
_PEOPLE_PART = Part(
    "1.7",
    _("People who decide"),
    "DSA 42(2)(a) and (b)",
    (
        Definition(
            "reviewers",
            _("Reviewers on the roster on the last day, those who rest left out"),
            entries(E.REVIEWER_CHANGED, **_ON_ROSTER),
            plain=True,
        ),
        Definition(
            "reviewers_by_language",
            _("Reviewers, by language; a person may have several"),
            entries(E.REVIEWER_CHANGED, **_ON_ROSTER, by="facts.languages"),
            plain=True,
        ),
        Definition(
            "reviewers_by_training",
            _("Reviewers, by what they are trained for"),
            entries(E.REVIEWER_CHANGED, **_ON_ROSTER, by="facts.trained"),
            CATEGORIES,
            plain=True,
        ),
    ),
    missing=(_("Numbers on the training and support that reviewers were given: both are told in words, in part 2."),),
)
_RECIPIENTS_PART = Part(
    "1.8",
    _("Average monthly recipients"),
    "DSA 24(2), 42(3)",
    missing=(_("Not measured: this office keeps no count of its visitors."),),
)
_QUALITATIVE = Part(
    "2",
    _("In words"),
    "Regulation (EU) 2024/2835, Annex I, 2",
    missing=(_("The exact questions of the template: they were not read; these are ours, by the heads of DSA 15."),),
    words={
        "own_initiative": _("What the office looked at on its own initiative"),
        "notices": _("Notices: what they were about, and what they led to"),
        "complaints": _("Appeals: what was overturned, and what was learned"),
        "automated": _("Automated means: what for, and how well they did"),
        "safeguards": _("Safeguards on automated means"),
        "people": _("Training and support of the people who decide"),
        "mistakes": _("What went wrong, and what was done about it"),
    },
)

PARTS: Final = (
    *(_IDENTIFICATION, _ORDERS_PART, _NOTICES_PART, _OWN_PART, _COMPLAINTS_PART, _AUTOMATION_PART, _PEOPLE_PART),
    *(_RECIPIENTS_PART, _QUALITATIVE),
)
QUESTIONS: Final[Labels] = _QUALITATIVE.words
