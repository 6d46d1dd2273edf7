"""The embedded broker: a message is there whole or not at all, and one that cannot be read ends no worker."""

from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Any]:
    options = {f"data_folder_{way}": str(tmp_path) for way in ("in", "out")} | {"control_folder": str(tmp_path / "c")}
    connection = Connection("filesystem://", transport_options=options)
    with connection, connection.SimpleQueue("work") as queue:
        yield queue


def test_the_office_uses_it() -> None:
    import config.celery

    assert config.celery.app
    assert TRANSPORT_ALIASES["filesystem"] == "core.filebroker:Transport"


def test_a_message_arrives_and_leaves_nothing_behind(queue: Any, tmp_path: Path) -> None:
    queue.put({"job": 1})
    assert [path.name.split(".", 1)[1] for path in tmp_path.glob("*.*")] == ["work.msg"]
    assert queue.get(block=False).payload == {"job": 1}
    assert list(tmp_path.glob("*.*")) == []


def test_an_empty_or_torn_message_is_dropped_and_the_next_one_is_served(queue: Any, tmp_path: Path) -> None:
    (tmp_path / "1_0.work.msg").touch()
    (tmp_path / "1_1.work.msg").write_text('{"body": ')
    queue.put({"job": 2})
    assert queue.get(block=False).payload == {"job": 2}
    with pytest.raises((Empty, queue.Empty)):
        queue.get(block=False)
