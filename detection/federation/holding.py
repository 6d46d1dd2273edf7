"""What one institution trains with: a folder that never leaves it.

- `features.npy`: float32, (n, d), one row a picture (`features`); no pictures.
- `items.json`: for each row what it is and on what basis it may be used, and when that was last looked up.
- `key.pem`: the institution's Ed25519 private key, PKCS#8.

All are readable by their owner only. The folder is read again in every round. A basis that the office's register holds
(`consent:…`, `owner:…`) can end: `own_material.recheck` takes out, features and all, what has none any more, and a
holding that was not compared with the register within FRESH takes part in nothing (`Holding.is_stale`).
"""

import datetime as dt
import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detection.federation.plan import Plan, canonical
from detection.federation.rounds import Examples, examples

VERSION: Final = 1
MAX_ITEMS: Final = 1_000_000
FRESH: Final = dt.timedelta(hours=24)
LICENCE: Final = "licence:"  # a basis that is not withdrawn


class BadHolding(ValueError):
    """The folder is not a holding, or not one for this plan."""


@dataclass(frozen=True)
class Item:
    """One picture. sha256: of its file, hex. work: opaque id of the work it belongs to. made: by a machine. held_out:
    kept from training, for measuring. purposes: what it may be used for. instrument: what says so, “licence:<SPDX id>”
    or “consent:<leaf hash>”.
    """

    sha256: str
    work: str
    made: bool
    held_out: bool
    purposes: tuple[str, ...]
    instrument: str


@dataclass(frozen=True)
class Basis:
    """On what a contribution rests. items: how many were used. left_out: how many have no basis for the purpose.
    sha256: of the canonical list of (sha256, instrument) of those used; tells nobody what they are, and binds what was
    said.
    """

    items: int
    left_out: int
    sha256: str


@dataclass(frozen=True)
class Holding:
    """features: (n, d), in the order of items. checked: when the bases were last compared with the register, ISO 8601;
    "" for never.
    """

    institution: str
    features: npt.NDArray[np.float32]
    items: tuple[Item, ...]
    checked: str = ""

    def is_stale(self, at: dt.datetime) -> bool:
        """Whether a basis that can end was not looked up within FRESH before `at`."""
        if all(item.instrument.startswith(LICENCE) for item in self.items):
            return False
        return not self.checked or at - dt.datetime.fromisoformat(self.checked) > FRESH

    def digest(self) -> str:
        """SHA-256, hex, of what may be trained with: features, bit for bit, and labels."""
        rows = [[item.sha256, item.made, item.held_out, list(item.purposes)] for item in self.items]
        return hashlib.sha256(canonical(rows) + self.features.astype("<f4").tobytes()).hexdigest()

    def training(self, plan: Plan) -> tuple[Examples, Basis]:
        """What may be trained with, and the basis for it."""
        rows = [index for index, item in enumerate(self.items) if not item.held_out]
        used = [index for index in rows if plan.purpose in self.items[index].purposes]
        said = sorted([self.items[index].sha256, self.items[index].instrument] for index in used)
        basis = Basis(len(used), len(rows) - len(used), hashlib.sha256(canonical(said)).hexdigest())
        return self._examples(used, plan), basis

    def held_out(self, plan: Plan) -> tuple[Examples, list[str]]:
        """What is measured with, and the work of each."""
        used = [i for i, item in enumerate(self.items) if item.held_out and plan.purpose in item.purposes]
        return self._examples(used, plan), [self.items[index].work for index in used]

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, self.features, allow_pickle=False)
        told = {"v": VERSION, "institution": self.institution, "items": [asdict(item) for item in self.items]}
        private(folder / "features.npy", buffer.getvalue())
        private(folder / "items.json", canonical(told | {"checked": self.checked}))

    @classmethod
    def read(cls, folder: Path) -> "Holding":
        """Raises BadHolding."""
        try:
            features = np.load(folder / "features.npy", allow_pickle=False)
            told = json.loads((folder / "items.json").read_bytes())
            if told["v"] != VERSION:
                raise ValueError(f"version {told['v']} is not known here")
            checked, items = str(told.get("checked", "")), _items(told["items"])
            if checked and dt.datetime.fromisoformat(checked).tzinfo is None:
                raise ValueError("the moment of the last look has no time zone")
            made = cls(str(told["institution"]), np.asarray(features, np.float32), items, checked)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadHolding(f"{folder.name} is not a holding: {error}") from error
        if made.features.ndim != 2 or len(made.features) != len(made.items) or not np.isfinite(made.features).all():
            raise BadHolding(f"{folder.name}: {len(made.items)} items need as many rows of finite features")
        return made

    def _examples(self, rows: Sequence[int], plan: Plan) -> Examples:
        if self.features.shape[1] != len(plan.mean):
            raise BadHolding(f"the plan has {len(plan.mean)} features, this holding {self.features.shape[1]}")
        return examples(self.features[list(rows)], [float(self.items[index].made) for index in rows], plan)


def new_file(path: Path, data: bytes) -> None:
    """A file that was not there, readable by its owner only. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def private(path: Path, data: bytes) -> None:
    """There whole or not at all, in place of what was there, readable by its owner only."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    new_file(part, data)
    part.replace(path)


def new_key(folder: Path) -> str:
    """Makes `key.pem`; returns the public key, hex. Raises FileExistsError: a key is never replaced by accident."""
    folder.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    new_file(folder / "key.pem", pem)
    return key.public_key().public_bytes_raw().hex()


def key_of(folder: Path) -> Ed25519PrivateKey:
    """Raises BadHolding."""
    try:
        key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    except (OSError, ValueError) as error:
        raise BadHolding(f"{folder.name} has no usable key.pem") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadHolding(f"{folder.name}/key.pem is not an Ed25519 key")
    return key


def _items(told: Sequence[dict[str, Any]]) -> tuple[Item, ...]:
    if len(told) > MAX_ITEMS:
        raise ValueError(f"more than {MAX_ITEMS} items")
    return tuple(
        Item(
            sha256=str(one["sha256"]),
            work=str(one["work"]),
            made=bool(one["made"]),
            held_out=bool(one["held_out"]),
            purposes=tuple(str(purpose) for purpose in one["purposes"]),
            instrument=str(one["instrument"]),
        )
        for one in told
    )
