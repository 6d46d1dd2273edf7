"""Every address of the house is closed unless it was opened on purpose, here, by name."""

import re
import uuid
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

# About addresses, not about rows: one database is enough.
pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

# What anyone may open without an account. Whoever adds a name here says in the commit why it is public.
PUBLIC_PAGES = {
    "home", "asset", "asset_receipt", "asset_receipt_json", "asset_receipt_proof", "asset_file",
    "asset_preview", "asset_heat_map", "register", "detectors", "detector_card", "problem", "healthz", "robots",
    "favicon", "login_link", "rules", "rule", "log_checkpoint", "log_key", "log_tile",
    "log_entry_bundle", "log_policy", "log_rotations", "log_promise-key", "log_tsa.crt", "asset_receipt_cose",
    "asset_acknowledgement", "schema", "api_docs",
    # The verify page needs no account: who checks a file first has none here.
    "verify", "verify_keep", "verify_kept", "verify_report_json", "verify_crjson",
    # Behind a secret instead of an account: a notice's number and PIN, a consent link.
    "report", "report_done", "notice", "notice_status", "notice_complete", "notice_attach", "notice_document",
    "notice_withdraw", "notice_contest", "notice_action", "notice_close", "notice_address",
    # Anybody may say that a flag is wrong, or that a page of a work worries them (R04, R05).
    "wrong_flag", "wrong_finding", "privacy_concern",
    "consent", "consent_answer", "consent_pin", "consent_picture", "consent_receipt", "consent_record", "my_data",
    "my_data_notice", "my_data_consent", "my_data_receipt",
    # A decision about one's own notice, or about a work one is shown in, is read and appealed behind the same secrets:
    # a right to appeal that needs an account would be none (DSA 20(1)).
    "notice_decision", "notice_decision_appeal", "notice_decision_document",
    "consent_decision", "consent_decision_appeal", "consent_decision_document",
    # What people are asked to agree to, on which other bases they are looked at, and what of people is kept, why and
    # for how long, is everybody's to read (R16).
    "consent_notice", "bases", "my_data_register",
    # What bills would change, should they become law, is for comment by everybody (R12, R29).
    "rule_bills",
    # What was reported and what came of it, naming nobody; with redacted words behind a researcher's secret link (R09).
    "register_notices", "register_notices_csv", "research",
    # What the office counts of itself, with its files; having it counted again needs no account either (I22).
    "transparency", "transparency_period", "transparency_report", "transparency_file", "transparency_rerun",
    # Whether the log is signed and confirmed, and how to check it without this office, is everybody's to know (R21).
    "log_status", "log_feed",
    # What deepfakes are, what detection can do, what to do if one is shown in one, how this office decides and what it
    # promises: whoever needs it most has no account (R02, R03, R11).
    "learn_start", "learn", "learn_topic", "learn_version", "how_we_decide_start", "how_we_decide",
    "charter_start", "charter", "charter_version", "charter_raw",
    # A change of the rules is open to everybody for comment, without an account (R38).
    "proposals", "proposal",
    # Which authorities look here, how often, and what was talked about with them: counted in public (I21, R12).
    "authorities",
    # allauth: coming in, and finding one's way back in.
    "account_login", "account_logout", "account_signup", "account_inactive",
    "account_email_verification_sent", "account_confirm_email", "account_reset_password",
    "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "account_confirm_login_code", "mfa_authenticate",
    "mfa_login_webauthn",
}  # fmt: skip
PUBLIC_API = {
    "/api/v1/assets/<uuid>", "/api/v1/assets/<uuid>/file", "/api/v1/assets/<uuid>/receipt",
    "/api/v1/assets/<uuid>/findings", "/api/v1/verifications", "/api/v1/notices",
    "/api/v1/notices/<str>", "/api/v1/log/entries/<int>/receipt", "/api/v1/findings/<uuid>/heatmap",
    "/api/v1/log/consistency", "/api/v1/log/leaves", "/api/v1/log/entries/<int>",
    "/api/v1/log/entries/<int>/proof", "/api/v1/log/entries/<int>/receipt.cose",
    "/api/v1/log/acknowledgements/<int>",
    # What finds a lost credential must be open to whoever holds the file; a kept report, to whoever has its link.
    "/api/v1/assets/<uuid>/manifest", "/api/v1/softbinding/matches/byBinding",
    "/api/v1/softbinding/matches/byContent", "/api/v1/softbinding/manifests/<str>",
    "/api/v1/softbinding/services/supportedAlgorithms", "/api/v1/verifications/kept/<uuid>",
    "/api/v1/verifications/<str>",
    # Behind the link of a consent; a receipt is checked by whoever is shown one; the bases are public.
    "/api/v1/consent/<str>", "/api/v1/consent/<str>/receipt", "/api/v1/consent-receipts/check", "/api/v1/bases",
    # With what receivers of web hooks check signatures.
    "/api/v1/webhooks/key",
    # With the PIN of a notice in a header, or as the signed-in uploader.
    "/api/v1/decisions/<uuid>/appeals", "/api/v1/notices/<str>/documents", "/api/v1/notices/<str>/contest",
    "/api/v1/notices/<str>/action", "/api/v1/notices/<str>/digests",
}  # fmt: skip
SAMPLES = {"uuid": str(uuid.UUID(int=7)), "int": "0", "str": "0-0", "slug": "a", "path": "000"}


def patterns(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, str, URLPattern]]:
    """(an address to try, the same with <kind> for each parameter, the pattern) of every view there is."""
    for found in resolver.url_patterns:
        address = prefix + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from patterns(found, address)
        else:
            yield filled(address, found), shape(address), found


def filled(address: str, found: URLPattern) -> str:
    if not isinstance(found.pattern, RoutePattern):
        # The few regular expressions (allauth's links, the log's tiles), with something that matches.
        name = found.name or ""
        known = {
            "account_confirm_email": "/account/confirm-email/0/",
            "account_reset_password_from_key": "/account/password/reset/key/0-0/",
            "log_tile": "/log/tile/0/000",
        }
        return known[name]
    return re.sub(r"<(?:(\w+):)?\w+>", lambda match: SAMPLES[match[1] or "str"], address)


def shape(address: str) -> str:
    return re.sub(r"<(?:(\w+):)?\w+>", lambda match: f"<{match[1] or 'str'}>", address)


EVERY_VIEW = [pytest.param(*found, id=found[1]) for found in patterns(get_resolver())]


@pytest.mark.parametrize(("address", "form", "pattern"), EVERY_VIEW)
def test_an_anonymous_visitor_gets_nowhere_but_to_public_addresses(
    address: str, form: str, pattern: URLPattern
) -> None:
    if pattern.name in PUBLIC_PAGES or form in PUBLIC_API:
        return
    assert "<" not in address, f"{form} has a parameter this test does not fill"
    for method in ("get", "post"):
        response = getattr(Client(), method)(address)
        assert is_closed(response), (
            f"{method.upper()} {form} ({pattern.name}) answers {response.status_code} to anybody"
        )


def is_closed(response: object) -> bool:
    status = getattr(response, "status_code", 0)
    to_login = status == 302 and "/account/login/" in response.headers["Location"]  # type: ignore[attr-defined]
    return to_login or status in (401, 403, 405)


def test_the_list_of_public_names_has_no_leftovers() -> None:
    """A name that leads nowhere would open the next page that is given it."""
    names = {pattern.name for _, _, pattern in patterns(get_resolver())}
    forms = {form for _, form, _ in patterns(get_resolver())}
    assert PUBLIC_PAGES - names == set()
    assert PUBLIC_API - forms == set()


@pytest.mark.parametrize("name", sorted(name for name in PUBLIC_PAGES if not name.startswith(("account_", "mfa_"))))
def test_a_public_address_does_not_send_anybody_to_the_login(name: str) -> None:
    """Otherwise the list above would hide a page that closed by accident."""
    address = next(address for address, _, pattern in patterns(get_resolver()) if pattern.name == name)
    response = Client().get(address)
    assert "/account/login/" not in response.headers.get("Location", "")
