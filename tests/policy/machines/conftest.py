"""The ground of every machine: the cast, one work of Alice's with a file and a fingerprint, at a fixed noon."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from accounts.models import Role, User
from core import storage
from policy.law import rule_packs, rules
from policy.models import ReviewerProfile
from policy.rulebook import trial
from provenance.models import Asset, Fingerprint, Manifest, Rendition
from tests.conftest import _person
from tests.policy.conftest import MakeAsset
from tests.policy.machines.stage import BEGIN, Cast, Stage, play

Play = Callable[..., None]
Story = tuple[Callable[[Any], object], ...]


@pytest.fixture(autouse=True)
def hour() -> Iterator[Any]:
    with time_machine.travel(BEGIN, tick=False) as traveller:
        yield traveller


@pytest.fixture
def cast(
    hour: Any, any_date: None, alice: User, bob: User, mallory: User, rita: User, ravi: User, olga: User,
    lena: User,
    make_asset: MakeAsset,
) -> Cast:  # fmt: skip
    rosa, rune = (_person(name, Role.REVIEWER) for name in ("Rosa", "Rune"))
    leo = _person("Leo", Role.LEGAL)
    ReviewerProfile.objects.filter(user=rita).update(manager=ravi)
    work = make_asset(alice)
    key, sha256 = storage.keep_bytes(b"what the work shows")
    Rendition.objects.filter(asset=work).update(key=key, sha256=sha256)
    Asset.objects.filter(pk=work.pk).update(original_sha256=sha256)
    Fingerprint.objects.create(asset=work, algorithm="dhash-64", value=bytes(8))
    made_from_it, active = make_asset(bob, "Made from it"), {"ingredients": [{"active_manifest": "urn:c2pa:1"}]}
    Manifest.objects.filter(asset=made_from_it).update(label="urn:c2pa:2", active=active)
    work.refresh_from_db()
    return Cast(alice, bob, mallory, rita, ravi, rosa, rune, olga, lena, leo, work)


@pytest.fixture
def new_law(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Packs can be published: with keys of their own; and texts are tried here, not in a child process of their own,
    whose limits have tests of their own.
    """
    settings.ASSAY_KEYS = tmp_path / "keys"
    monkeypatch.setattr(rule_packs._nursery, "call", lambda name, args, limits: trial.examine(**args))
    yield
    rules._book.cache_clear()


@pytest.fixture
def run(cast: Cast, hour: Any) -> Play:
    """Play a machine with this cast; `reached` counts what its examples got to."""

    def with_cast(machine: type[Stage], story: Story = (), **how: Any) -> None:
        ready = type(machine.__name__, (machine,), {"cast": cast, "hour": hour, "reached": Counter(), "story": story})
        play(ready, **how)

    return with_cast
