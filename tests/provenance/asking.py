"""Asking this office: its API as a machine does, and its report on a file."""

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

from rest_framework.test import APIClient

from accounts.models import MachineToken, User
from provenance.verification import Report, verify_file


def with_token(user: User, *scopes: str, life: dt.timedelta = dt.timedelta(hours=1)) -> APIClient:
    """A client of the API that has a machine token of this user."""
    create: Any = MachineToken.objects.create
    _, secret = create(user=user, expiry=life, name="camera", scopes=list(scopes))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def is_problem(response: Any, status: int, code: str) -> bool:
    """Whether a request was refused as RFC 9457 has it. Fails when it was not, and shows the answer."""
    body = json.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["title"]
    return True


def reported(path: Path, **options: Any) -> Report:
    return verify_file(path, hashlib.sha256(path.read_bytes()).hexdigest(), **options)
