"""A small log to work on."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from django.db import transaction

from ledger import log, sequencer, vault
from ledger.events import EventType
from ledger.models import Entry
from tests.append_only import let_flush_through
from tests.ledger.verifiers import Both

let_flush_through()

ALICE = "user:0193aaaa-0000-7000-8000-000000000001"
DANA = "person:0193dddd-0000-7000-8000-000000000002"

Record = Callable[..., Entry]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a fresh embedded installation, to be copied."""
    from tests.ledger.test_kill import manage

    var = tmp_path_factory.mktemp("office")
    manage(var, "migrate", "-v0")
    return var


@pytest.fixture
def record(db: None) -> Record:
    """Append one entry in a transaction of its own; `sealed` maps names to values sealed for Dana."""

    def append(
        type: EventType = EventType.ASSET_REGISTERED, *, actor: str = ALICE, sealed: Mapping[str, str] | None = None
    ) -> Entry:
        hidden = {name: log.Sealed(value, DANA) for name, value in (sealed or {}).items()}
        with transaction.atomic():
            return log.append(
                type, actor=actor, role="creator", object="asset:1", facts={"kind": "image"}, sealed=hidden
            )

    return append


def erase(person: str) -> vault.Erasure:
    """Destroyed and recorded in one transaction, as `policy.rights.data_rights` does it."""
    with transaction.atomic():
        erasure = vault.destroy(person)
        log.append(
            EventType.ERASURE_PERFORMED,
            actor="system",
            role="system",
            object="request:1",
            facts={"ground": "eu.gdpr.17", "count": len(erasure.indices), "keys": erasure.keys},
            sealed={"indices": log.Sealed(erasure.indices, "request:1")},
        )
    return erasure


@pytest.fixture
def signed_log(record: Record) -> Callable[[int], list[Entry]]:
    """Append so many entries, and let the sequencer sign them."""

    def grow(count: int) -> list[Entry]:
        rows = [record(sealed={"statement": f"Statement {n} of Dana"}) for n in range(count)]
        sequencer.tick()
        return rows

    return grow


DEBIANS_GO = Path("/usr/share/gocode")
VERIFY_GO = Path(__file__).resolve().parents[2] / "contrib" / "verify-go"


@pytest.fixture(scope="session")
def verify_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """contrib/verify-go, built once for all test processes."""
    if not shutil.which("go") or not (DEBIANS_GO / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.fail("The second verifier is written in Go: apt-get install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.getbasetemp()
    # Under xdist each process has a folder of its own beside the others.
    folder = folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder
    binary = folder / "verify-go"
    with (folder / "verify-go.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            built = subprocess.run(
                ["go", "build", "-o", binary, "."], cwd=VERIFY_GO, capture_output=True, text=True, check=False,
                env={**os.environ, "GO111MODULE": "off", "GOPATH": str(DEBIANS_GO), "GOFLAGS": ""},
            )  # fmt: skip
            assert built.returncode == 0, built.stderr
    return binary


@pytest.fixture
def both(verify_go: Path, tmp_path: Path) -> Both:
    """The Python and the Go verifier, which must agree."""
    scratch = tmp_path / "both"
    scratch.mkdir()
    return Both(verify_go, scratch)
