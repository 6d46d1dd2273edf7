"""Our words for consent in those of the Data Privacy Vocabulary (W3C DPV 2.0, https://w3id.org/dpv).

A term is used only where it means what we mean: for a stop, and for an answer about other bytes, the vocabulary has
the broader “invalid for processing” alone, and for two purposes nothing closer than Purpose; what is done with the
media then says more.
"""

from typing import Final

from policy.models import Capacity, Consent, Purpose

DPV: Final = "https://w3id.org/dpv#"
CONTEXT: Final = {"dpv": DPV, "dct": "http://purl.org/dc/terms/"}

STATUS: Final[dict[str, str]] = {
    Consent.State.REQUESTED: "dpv:ConsentRequested",
    Consent.State.GIVEN: "dpv:ConsentGiven",
    Consent.State.REFUSED: "dpv:ConsentRefused",
    Consent.State.WITHDRAWN: "dpv:ConsentWithdrawn",
    Consent.State.RENEWED: "dpv:RenewedConsentGiven",
    Consent.State.EXPIRED: "dpv:ConsentExpired",
    Consent.State.HALTED: "dpv:ConsentStatusInvalidForProcessing",
    Consent.State.INVALIDATED: "dpv:ConsentInvalidated",
    "unbound": "dpv:ConsentStatusInvalidForProcessing",
    "not_yet": "dpv:ConsentStatusInvalidForProcessing",
}
# Why, and what is done with the media.
PURPOSE: Final[dict[str, tuple[str, str]]] = {
    Purpose.CAPTURE: ("dpv:RecordManagement", "dpv:Store"),
    Purpose.SYNTHESISE: ("dpv:Purpose", "dpv:Generate"),
    Purpose.PUBLISH: ("dpv:Purpose", "dpv:MakeAvailable"),
    Purpose.DETECT: ("dpv:MisusePreventionAndDetection", "dpv:Analyse"),
    Purpose.TRAIN: ("dpv:ResearchAndDevelopment", "dpv:Use"),
    Purpose.COMMERCIAL: ("dpv:CommercialPurpose", "dpv:Use"),
}
ROLE: Final[dict[str, str]] = {
    "controller": "dpv:DataController",
    "principal": "dpv:DataSubject",
    Capacity.GUARDIAN: "dpv:Representative",
    Capacity.ESTATE: "dpv:Representative",
}
BASIS: Final = "dpv:Consent"
RECORD: Final = "dpv:ConsentRecord"
EXPRESSED: Final = "dpv:ExplicitlyExpressedConsent"
