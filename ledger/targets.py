"""Where the static log is written to: a folder, or a prefix of an S3 bucket. A file appears whole or not at all."""

import fcntl
import importlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from ledger import durable


class Unreachable(Exception):
    """The target could not be read or written, in words. What was there before is still there."""


class Changed(Exception):
    """Somebody else wrote the file since it was read."""


class Target(Protocol):
    """Names are relative, with slashes."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else on this machine publishes here meanwhile. Raises Changed."""

    def read(self, name: str) -> bytes | None: ...

    def has(self, name: str) -> bool: ...

    def write(self, name: str, data: bytes, content_type: str, cache: str) -> None: ...

    def swap(self, name: str, expected: bytes | None, data: bytes, content_type: str, cache: str) -> None:
        """Write if it still is `expected`, as read before. Raises Changed."""

    def remove_all(self, folder: str) -> None: ...


def target_for(text: str) -> Target:
    """`s3://bucket/prefix`, or the path of a folder. Raises ValueError for what is neither."""
    parts = urlsplit(text)
    if parts.scheme == "s3" and parts.netloc:
        return Bucket(parts.netloc, parts.path.strip("/"))
    if "://" in text or not text:
        raise ValueError(f"not a folder and not s3://bucket/prefix: {text!r}")
    return Folder(Path(text))


class Folder:
    """Files are written aside, synced and renamed; server and publisher share nothing but the folder."""

    def __init__(self, root: Path) -> None:
        self._root, self._scratch = root, root / ".scratch"

    @contextmanager
    def alone(self) -> Iterator[None]:
        with _as_unreachable():
            self._scratch.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._scratch / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Changed("another process is publishing into this folder") from error
            for left in self._scratch.glob("new-*"):  # by a run that was killed
                left.unlink()
            yield
        finally:
            os.close(handle)

    def read(self, name: str) -> bytes | None:
        with _as_unreachable():
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def has(self, name: str) -> bool:
        return (self._root / name).is_file()

    def write(self, name: str, data: bytes, content_type: str, cache: str) -> None:
        with _as_unreachable():
            path, scratch = self._root / name, self._scratch / f"new-{secrets.token_hex(8)}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
            durable.sync_folder(path.parent)

    def swap(self, name: str, expected: bytes | None, data: bytes, content_type: str, cache: str) -> None:
        # `alone` keeps other publishers out, so this can only be somebody with a hand in the folder.
        if self.read(name) != expected:
            raise Changed(f"{name} was changed meanwhile by something else")
        self.write(name, data, content_type, cache)

    def remove_all(self, folder: str) -> None:
        with _as_unreachable():
            shutil.rmtree(self._root / folder, ignore_errors=True)


class Bucket:
    """An S3 bucket, reached as `ASSAY_S3_*` say. A PUT is atomic; the checkpoint's is conditional (If-Match)."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._etags: dict[str, str] = {}
        given = settings.ASSAY_S3
        make: Any = importlib.import_module("boto3").client
        self._client = make(
            "s3",
            endpoint_url=given["endpoint_url"],
            region_name=given["region_name"],
            aws_access_key_id=given["access_key"],
            aws_secret_access_key=given["secret_key"],
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        # A bucket has no lock. Two publishers write the same immutable files, and `swap` lets one checkpoint win.
        self._etags.clear()
        yield

    def read(self, name: str) -> bytes | None:
        with self._as_unreachable():
            try:
                found = self._client.get_object(**self._object(name))
                self._etags[name] = found["ETag"]
                return bytes(found["Body"].read())
            except self._client.exceptions.NoSuchKey:
                return None

    def has(self, name: str) -> bool:
        with self._as_unreachable():
            try:
                self._client.head_object(**self._object(name))
            except self._client.exceptions.ClientError as error:
                if _code(error) in ("404", "NoSuchKey", "NotFound"):
                    return False
                raise
            return True

    def write(self, name: str, data: bytes, content_type: str, cache: str) -> None:
        with self._as_unreachable():
            self._put(name, data, content_type, cache)

    def swap(self, name: str, expected: bytes | None, data: bytes, content_type: str, cache: str) -> None:
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": self._etags[name]}
        with self._as_unreachable():
            try:
                self._put(name, data, content_type, cache, **condition)
            except self._client.exceptions.ClientError as error:
                if _code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                    raise Changed(f"{name} was changed meanwhile by another publisher") from error
                if _code(error) not in ("NotImplemented", "501"):
                    raise
                # A store without conditional writes: only one publisher may be run.
                self._put(name, data, content_type, cache)

    def remove_all(self, folder: str) -> None:
        with self._as_unreachable():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/"):
                for found in page.get("Contents", []):
                    self._client.delete_object(Bucket=self._bucket, Key=found["Key"])

    def _put(self, name: str, data: bytes, content_type: str, cache: str, **condition: str) -> None:
        self._client.put_object(
            **self._object(name), Body=data, ContentType=content_type, CacheControl=cache, **condition
        )

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    @contextmanager
    def _as_unreachable(self) -> Iterator[None]:
        failures: Any = importlib.import_module("botocore.exceptions")
        try:
            yield
        except (failures.ClientError, failures.BotoCoreError) as error:
            raise Unreachable(f"the bucket {self._bucket} refused or did not answer: {error}") from error


@contextmanager
def _as_unreachable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unreachable(f"{error.filename or 'the folder'}: {error.strerror}") from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
