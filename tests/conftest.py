"""The cast, the media and the ground everything is tested on.

Alice and Bob create, Dana is depicted, Rita and Ravi review, Greta regulates, Olga operates, Paula edits
rules, Lena is a lawyer, Mallory attacks.
Every test process has a data folder of its own, so the suite runs in parallel and touches nothing of yours.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# `config.settings` gave this test process a data folder of its own when pytest-django loaded it, before this file.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's sync API runs an event loop in the test's thread

import pytest
from _pytest.nodeid import NodeId
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Membership, Organisation, Role, User
from core import jobs
from core.models import Job
from ledger import proofs
from policy.audits import regulators
from policy.models import Category, RegulatorAccount, ReviewerProfile
from tests.append_only import let_flush_through

let_flush_through()

PHOTOGRAPHS = Path(__file__).resolve().parent.parent / "web" / "demo" / "photographs"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each database runs what is about it. On PostgreSQL, where the suite runs a second time, only what opens the
    database can say anything new.
    """
    left_out = [item for item in items if not _belongs_here(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _belongs_here(item)]
    if getattr(config.option, "loadgroup", False):
        for item in items:
            _keep_together(item)


def _keep_together(item: pytest.Item) -> None:
    """Tests of one group run in one process. pytest-xdist 3.8 writes the group where pytest 9.2 does not look any more,
    and without it every process starts the servers and makes the files of every group.
    """
    group = "_".join(sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")}))
    if group and not item.nodeid.endswith(f"@{group}"):
        item._id = NodeId.parse(f"{item.nodeid}@{group}")


def _belongs_here(item: pytest.Item) -> bool:
    only = item.get_closest_marker("only_on")
    if only is not None and only.args != (connection.vendor,):
        return False
    if connection.vendor == "sqlite":
        return True
    # Pages ask the database through the rooms below them, whose tests run here.
    return _opens_the_database(item) and "tests/web/" not in str(item.path)


def _opens_the_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(fixtures & {"db", "transactional_db", "live_server"} or item.get_closest_marker("django_db"))


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(settings.ASSAY_VAR, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: "pytest.FixtureRequest") -> None:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        call_command("createcachetable", verbosity=0)


@pytest.fixture(autouse=True)
def _fresh_ground(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stored media, head guard and caches of one test are not seen by the next."""
    for ground in ("live_server", "transactional_db", "db"):
        if ground in request.fixturenames:
            request.getfixturevalue(ground)  # an autouse fixture comes before the database is opened for the test
            cache.clear()
            break
    proofs.forget()
    monkeypatch.setattr("ledger.log._Latest.appended", None)  # tests travel in time
    yield
    for folder in ("media", "scratch", "ledger"):
        shutil.rmtree(Path(settings.ASSAY_VAR) / folder, ignore_errors=True)
    (Path(settings.ASSAY_VAR) / "scratch").mkdir(exist_ok=True)


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    """The slow hash is tested once, where it matters."""
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]


def _person(name: str, *roles: Role, organisation: str = "The Office") -> User:
    home, _ = Organisation.objects.get_or_create(name=organisation)
    user = User.objects.create_user(f"{name.lower()}@example.org", name=name)
    for role in roles:
        Membership.objects.create(user=user, organisation=home, role=role)
    if Role.REVIEWER in roles:
        trained = dict.fromkeys(Category.values, "2026-01-05")
        ReviewerProfile.objects.create(user=user, alias=f"R-{name}", languages=["en", "de"], trained=trained)
    return user


@pytest.fixture
def alice(db: None) -> User:
    return _person("Alice", Role.CREATOR, organisation="Alice’s Studio")


@pytest.fixture
def bob(db: None) -> User:
    return _person("Bob", Role.CREATOR, organisation="Bob’s Paper")


@pytest.fixture
def mallory(db: None) -> User:
    return _person("Mallory", Role.CREATOR, organisation="Mallory & Sons")


@pytest.fixture
def rita(db: None) -> User:
    return _person("Rita", Role.REVIEWER)


@pytest.fixture
def ravi(db: None) -> User:
    return _person("Ravi", Role.REVIEWER, Role.LEAD_REVIEWER)


@pytest.fixture
def greta(db: None) -> User:
    """Of an authority for the European Union, invited and come in; everything may be opened for it."""
    user = _person("Greta", Role.REGULATOR, organisation="The Regulator")
    terms = regulators.Terms("The Regulator", ["EU"], "DSA Articles 51 and 72", list(RegulatorAccount.Scope), 730)
    regulators.invite(None, terms, email=user.email)
    regulators.activate(user)
    return user


@pytest.fixture
def olga(db: None) -> User:
    return _person("Olga", Role.OPERATOR)


@pytest.fixture
def paula(db: None) -> User:
    return _person("Paula", Role.POLICY_EDITOR)


@pytest.fixture
def lena(db: None) -> User:
    return _person("Lena", Role.LEGAL)


@pytest.fixture
def api() -> Callable[..., APIClient]:
    """A client of the API: `api(alice)` is signed in, `api()` is anonymous."""

    def client(user: User | None = None) -> APIClient:
        client = APIClient()
        if user is not None:
            client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return client


@pytest.fixture(scope="session")
def photo_path() -> Path:
    """A small real photograph (640 × 427 JPEG), credited beside it."""
    return PHOTOGRAPHS / "rocket.jpg"


@pytest.fixture(scope="session")
def photo(photo_path: Path) -> bytes:
    return photo_path.read_bytes()


@pytest.fixture
def settle(db: None) -> Callable[[], None]:
    """Run what is queued, inline, until nothing is; then let the sequencer sign."""

    def run_all() -> None:
        from ledger import sequencer

        for _ in range(100):
            queued = list(Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True))
            if not queued:
                break
            for pk in queued:
                jobs.run(str(pk))
        else:
            raise AssertionError("jobs never settle")
        sequencer.tick()

    return run_all
