"""The embedded broker: a message is there whole or not at all, and one that cannot be read ends no worker."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES


@pytest.fixture
def name() -> str:
    """Kombu remembers, for the life of a process, which queues it has declared."""
    return f"work{uuid.uuid4().hex}"


@pytest.fixture
def queue(tmp_path: Path, name: str) -> Iterator[Any]:
    import config.celery  # names the transport

    assert config.celery.app
    options = {f"data_folder_{way}": str(tmp_path) for way in ("in", "out")} | {"control_folder": str(tmp_path / "c")}
    connection = Connection("filesystem://", transport_options=options)
    with connection, connection.SimpleQueue(name) as queue:
        yield queue


def test_the_office_uses_it() -> None:
    import config.celery

    assert config.celery.app
    assert TRANSPORT_ALIASES["filesystem"] == "core.filebroker:Transport"


def test_a_message_arrives_and_leaves_nothing_behind(queue: Any, name: str, tmp_path: Path) -> None:
    queue.put({"job": 1})
    assert [path.name.split(".", 1)[1] for path in tmp_path.glob("*.*")] == [f"{name}.msg"]
    assert queue.get(block=False).payload == {"job": 1}
    assert list(tmp_path.glob("*.*")) == []


def test_an_empty_or_torn_message_is_dropped_and_the_next_one_is_served(queue: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / f"1_0.{name}.msg").touch()
    (tmp_path / f"1_1.{name}.msg").write_text('{"body": ')
    queue.put({"job": 2})
    assert queue.get(block=False).payload == {"job": 2}
    with pytest.raises((Empty, queue.Empty)):
        queue.get(block=False)
