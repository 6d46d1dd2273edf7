"""PostgreSQL, Valkey and S3 by environment variables alone: the same code lives a first hour on all three."""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.conftest import PHOTOGRAPHS
from tests.processes import ROOT

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("services")]

REGISTER = f"""
from core import storage
from accounts.models import Role
from accounts.people import create_person
from policy.consents import bases
from provenance.registration import register_asset
olga = create_person("olga@example.org", "Olga", roles=[Role.OPERATOR], organisation="The Office")
bases.record(olga, purpose="detect", ground="gdpr.6.1.f", reference="The assessment of 2026, in the office's files.")
alice = create_person("alice@example.org", "Alice", roles=[Role.CREATOR], organisation="Studio")
with storage.receive([open({str(PHOTOGRAPHS / "rocket.jpg")!r}, "rb").read()]) as scratch:
    asset = register_asset(alice, scratch, title="Launch", filename="rocket.jpg")
print(asset.pk)
"""

STATE = """
import json
from core.models import Job
from detection.models import Run
from ledger.models import Checkpoint, Entry
from ledger.receipts import receipt_for
from provenance.models import Asset
from django.db import connection
asset = Asset.objects.get()
print(json.dumps({
    "vendor": connection.vendor,
    "jobs": sorted(Job.objects.values_list("state", flat=True)),
    "runs": sorted(Run.objects.values_list("state", flat=True)),
    "receipt": receipt_for(asset.entry) is not None,
}))
"""


@pytest.fixture
def environment(postgres_url: str, valkey_url: str, s3_endpoint: str, tmp_path: Path) -> dict[str, str]:
    _s3(s3_endpoint).create_bucket(Bucket="media", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return {
        **os.environ,
        "ASSAY_VAR": str(tmp_path),
        "ASSAY_DATABASE_URL": postgres_url,
        "ASSAY_BROKER_URL": valkey_url,
        "ASSAY_CACHE_URL": valkey_url.replace("/0", "/1"),
        "ASSAY_S3_BUCKET": "media",
        "ASSAY_S3_ENDPOINT": s3_endpoint,
        "ASSAY_S3_REGION": "eu-central-1",
        "ASSAY_S3_ACCESS_KEY": "assay",
        "ASSAY_S3_SECRET_KEY": "assay-secret",
    }


def test_an_office_lives_on_postgresql_valkey_and_s3(environment: dict[str, str], s3_endpoint: str) -> None:
    _run(environment, "manage.py", "prepare")
    worker = ["-m", "celery", "-A", "config", "worker", "-c", "1", "--loglevel", "WARNING"]
    with ExitStack() as processes:
        processes.enter_context(_process(environment, *worker))
        processes.enter_context(_process(environment, "manage.py", "sequencer"))
        _run(environment, "manage.py", "shell", "-v", "0", "-c", REGISTER)
        state = _wait_until_settled(environment)
    assert state["vendor"] == "postgresql"
    assert set(state["jobs"]) == {"done"}
    assert set(state["runs"]) == {"done"}
    assert state["receipt"]
    assert _stored(s3_endpoint) >= 3  # original, signed, preview
    assert not (Path(environment["ASSAY_VAR"]) / "media").exists()
    _run(environment, "manage.py", "check_log")
    _run(environment, "manage.py", "doctor")


def _wait_until_settled(environment: Mapping[str, str]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        state = dict(json.loads(_run(environment, "manage.py", "shell", "-v", "0", "-c", STATE)))
        over = not {"queued", "running"} & set(state["jobs"])
        if over and state["runs"] and state["receipt"]:
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.5)


def _s3(endpoint: str) -> Any:
    keys = {"aws_access_key_id": "assay", "aws_secret_access_key": "assay-secret", "region_name": "eu-central-1"}
    make: Any = importlib.import_module("boto3").client
    return make("s3", endpoint_url=endpoint, **keys)


def _stored(endpoint: str) -> int:
    listing = _s3(endpoint).list_objects_v2(Bucket="media")
    return int(listing["KeyCount"])


def _run(environment: Mapping[str, str], *arguments: str) -> str:
    done = processes.run(*arguments, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def _process(environment: Mapping[str, str], *arguments: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=dict(environment))
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)
