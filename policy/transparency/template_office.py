"""The parts of a transparency report beyond the law's: how the office kept its own rules, and who looked at it."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from ledger.events import EventType as E
from policy.models import Appeal, Breach, Clock, DataRequest, Exemption, Referral
from policy.transparency.template import CATEGORIES, FINAL, OUTCOMES, Definition, Part, entries, labels_of, link

_CASE: Final = {"case": link(E.CASE_OPENED, "object")}
_OF_REGULATORS: Final = [["role", "is", "regulator"]]

_CONDUCT = Part(
    "A",
    _("How well the office kept its own rules"),
    _("Charter of this office"),
    (
        Definition(
            "decisions_by_outcome",
            _("Decisions, by outcome"),
            entries(E.DECISION_MADE, where=[FINAL], by="facts.outcome"),
            OUTCOMES,
            ("decisions",),
        ),
        Definition(
            "decisions_by_month",
            _("Decisions, by month"),
            entries(E.DECISION_MADE, where=[FINAL], by="month"),
            totals=("decisions",),
        ),
        Definition(
            "uncited",
            _("Decisions that cite no rule: must be none"),
            entries(E.DECISION_MADE, where=[["about.rules", "in", [[], None]]]),
            plain=True,
        ),
        Definition(
            "uncited_by_month",
            _("Decisions that cite no rule, by month"),
            entries(E.DECISION_MADE, where=[["about.rules", "in", [[], None]]], by="month"),
            totals=("uncited",),
            plain=True,
        ),
        Definition("missed", _("Deadlines missed"), entries(E.CLOCK_MISSED), plain=True),
        Definition(
            "missed_by_purpose",
            _("Deadlines missed, by what was due"),
            entries(E.CLOCK_MISSED, by="facts.purpose"),
            labels_of(Clock.Purpose),
            ("missed",),
            plain=True,
        ),
        Definition(
            "missed_by_rule",
            _("Deadlines missed, by rule"),
            entries(E.CLOCK_MISSED, by="about.rule"),
            totals=("missed",),
        ),
        Definition("corrected", _("Statements of reasons corrected"), entries(E.STATEMENT_CORRECTED), plain=True),
        Definition(
            "appeals_by_category",
            _("Appeals decided, by what the case is about"),
            entries(E.APPEAL_DECIDED, links=_CASE, by="case.about.category"),
            CATEGORIES,
            ("appeals_decided",),
        ),
        Definition(
            "overturned_by_category",
            _("Overturned on appeal, by what the case is about"),
            entries(
                E.APPEAL_DECIDED,
                links=_CASE,
                where=[["facts.outcome", "is", Appeal.Outcome.OVERTURN.value]],
                by="case.about.category",
            ),
            CATEGORIES,
            ("appeals_by_outcome/overturn",),
        ),
        Definition(
            "exemptions",
            _("Exemptions weighed in decisions; one decision may weigh several"),
            entries(E.DECISION_MADE, where=[FINAL], by="about.exemptions"),
            {**labels_of(Exemption), "none": _("none claimed or found")},
            ("decisions",),  # at least: enough to keep one hidden kind from being computed
            note=_("Older decisions do not say so in the log, and count under “none”."),
        ),
    ),
)
_SUPERVISION = Part(
    "B",
    _("Who looked at this office"),
    _("Charter of this office; DSA 18"),
    (
        Definition(
            "accesses",
            _("What regulators looked at"),
            entries(E.ACCESS_AUDITED, where=_OF_REGULATORS, by="facts.read"),
            {
                "entries": _("pages of the log"),
                "count": _("counts of what a query matches"),
                "cases": _("lists of cases"),
                "case_file": _("files of cases"),
            },
            plain=True,
        ),
        Definition("exports", _("Bundles made for regulators"), entries(E.EXPORT_MADE), plain=True),
        Definition("exports_fetched", _("Downloads of bundles"), entries(E.EXPORT_FETCHED), plain=True),
        Definition("referrals", _("Matters handed over to authorities"), entries(E.REFERRAL_RECORDED)),
        Definition(
            "referrals_by_kind",
            _("Matters handed over to authorities, by reason"),
            entries(E.REFERRAL_RECORDED, by="about.kind"),
            labels_of(Referral.Kind),
            ("referrals",),
        ),
        Definition(
            "consultations",
            _("Consultations with authorities that were closed"),
            entries(
                E.CONSULTATION_CLOSED,
                list=["day", "facts.authority", "facts.subject", "facts.outcome"],
            ),
            plain=True,
            columns=(_("Day"), _("Authority"), _("Subject"), _("Outcome")),
        ),
    ),
)
_DATA = Part(
    "C",
    _("People’s data"),
    "GDPR 12 to 22, 33, 34",
    (
        Definition(
            "data_requests",
            _("Requests about personal data, by kind"),
            entries(E.DATA_REQUESTED, E.DATA_ACCESSED, E.ERASURE_REQUESTED, by="facts.kind"),
            labels_of(DataRequest.Kind),
        ),
        Definition("data_refused", _("Of all answered, refused"), entries(E.DATA_REFUSED)),
        Definition("erasures", _("Erasures carried out"), entries(E.ERASURE_PERFORMED)),
        Definition(
            "breaches",
            _("Breaches of personal data, by kind"),
            entries(E.BREACH_OPENED, by="facts.kind"),
            labels_of(Breach.Kind),
            plain=True,
        ),
        Definition(
            "breaches_late",
            _("Breaches told to the authority too late"),
            entries(E.BREACH_TOLD, where=[["facts.whom", "is", "authority"], ["facts.late", "is", True]]),
            plain=True,
        ),
    ),
)
_WORKS = Part(
    "D",
    _("Works and consent"),
    _("Charter of this office"),
    (
        Definition("works", _("Works registered"), entries(E.ASSET_REGISTERED)),
        Definition(
            "consents",
            _("Consent of people shown"),
            entries(E.CONSENT_REQUESTED, E.CONSENT_GIVEN, E.CONSENT_REFUSED, E.CONSENT_WITHDRAWN, by="type"),
            {
                E.CONSENT_REQUESTED: _("asked for"),
                E.CONSENT_GIVEN: _("given"),
                E.CONSENT_REFUSED: _("refused"),
                E.CONSENT_WITHDRAWN: _("withdrawn"),
            },
        ),
    ),
)

PARTS: Final = (_CONDUCT, _SUPERVISION, _DATA, _WORKS)
