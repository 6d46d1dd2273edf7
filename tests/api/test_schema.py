"""The API against its own OpenAPI document, fuzzed: no 5xx, no undocumented status, no answer of another shape."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from rest_framework.throttling import SimpleRateThrottle
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import MachineToken, Membership, Organisation, Role, Scope, User
from config.wsgi import application


def closing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The application, its responses closed as a server would: schemathesis' client leaves them open."""
    body: Any = application(environ, start_response)
    try:
        return [b"".join(body)]
    finally:
        body.close()


# The document itself, not a request for it: at import time there is no database for the request's rate limit.
generator: Any = SchemaGenerator
schema = schemathesis.openapi.from_dict(generator().get_schema(public=True))
schema.app = closing

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("fuzz")]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
QUIET = settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """A real WSGI request closes the database connection when it ends; here it holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def machine(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The headers of a token that may do everything, held by somebody with every role. Limits are off."""
    monkeypatch.setattr(SimpleRateThrottle, "allow_request", lambda *_: True)
    user = User.objects.create_user("machine@example.org", name="Machine")
    home = Organisation.objects.create(name="Fuzzers")
    for role in Role:
        Membership.objects.create(user=user, organisation=home, role=role)
    tokens: Any = MachineToken.objects
    _, token = tokens.create(user, name="fuzz", scopes=list(Scope))
    return {"Authorization": f"Bearer {token}"}


_found: list[Any] = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr]  # an Err must raise
OPERATIONS = {one.label: one for one in _found}


def _fuzz(operation: Any, headers: dict[str, str] | None = None) -> None:
    @QUIET
    @given(case=operation.as_strategy())
    def keeps_its_word(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    keeps_its_word()


@pytest.mark.parametrize("label", OPERATIONS)
def test_the_api_keeps_its_word_to_a_machine(label: str, machine: dict[str, str]) -> None:
    _fuzz(OPERATIONS[label], machine)


@pytest.mark.parametrize("label", OPERATIONS)
def test_the_api_keeps_its_word_to_a_stranger(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "allow_request", lambda *_: True)
    _fuzz(OPERATIONS[label])
