"""The embedded broker: kombu's, of files in a folder, with messages that appear whole or not at all.

Kombu opens a message's file under its final name and then writes it; a worker that looks in between takes an empty
file, cannot parse it, and ends. The Job row is the truth, so a message that cannot be read is dropped: the sweeper
sends another.
"""

import uuid
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps

log = structlog.get_logger()


class Channel(filesystem.Channel):  # type: ignore[misc,unused-ignore]
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override,unused-ignore]
        folder = Path(self.data_folder_out)
        # Not the name of any queue's message.
        scratch = folder / f".{uuid.uuid4()}.part"
        try:
            scratch.write_text(dumps(payload), encoding="utf-8")
            scratch.replace(folder / f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg")
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise ChannelError(f"cannot put a message into {folder}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        while True:
            try:
                return super()._get(queue)
            except ValueError as error:
                log.warning("a message that cannot be read was dropped", queue=queue, error=str(error))


class Transport(filesystem.Transport):  # type: ignore[misc,unused-ignore]
    Channel = Channel
