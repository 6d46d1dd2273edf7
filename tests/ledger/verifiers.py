"""Both verifiers side by side, the Python one in this process and the Go one as a program: they must agree."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ledger import keys, tlogpolicy, verify, verify_checks, verify_log, verify_source
from tests.ledger import forge

Patch = dict[int, bytes]


class Both:
    """verify-go at `binary`, and ledger.verify; `scratch` takes the files that are verified.

    by_go: the verdict that the Go program printed last.
    """

    def __init__(self, binary: Path, scratch: Path) -> None:
        self.binary, self.scratch = binary, scratch
        self.by_go: dict[str, Any] = {}

    def go(self, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
        """Exit status and verdict of the Go program."""
        done = subprocess.run(
            [self.binary, "-json", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
        )
        self.by_go = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
        return done.returncode, self.by_go

    def accept(self, data: bytes, *, key: forge.Key | keys.LogVerifier | None = forge.LOG, policy: str = "") -> bool:
        """Whether a file verifies. Fails when the two do not say the same."""
        file = self.scratch / "file"
        file.write_bytes(data)
        trust: list[str | Path] = ["-key", key.vkey] if key and not policy else []
        if policy:
            (self.scratch / "own-policy").write_text(policy)
            trust = ["-policy", self.scratch / "own-policy"]
        status, by_go = self.go(*trust, file)
        verdict = verify.verify_file(
            data,
            keys.parse_vkey(key.vkey) if key and not policy else None,
            policy=tlogpolicy.parse(policy) if policy else None,
        )
        assert status == (0 if verdict.ok else 1), (by_go, verdict.as_dict())
        return verdict.ok

    def accept_log(
        self,
        where: Path | str,
        *,
        key: forge.Key | keys.LogVerifier = forge.LOG,
        since: Path | None = None,
        tree_only: bool = False,
    ) -> bool:
        """Whether a whole log verifies. Fails when the two do not say the same."""
        extra: list[str | Path] = ["-tree-only"] if tree_only else []
        extra += ["-since", since] if since else []
        status, by_go = self.go("-key", key.vkey, *extra, where)
        source = verify_source.Folder(where) if isinstance(where, Path) else verify_source.Web(where)
        trust = verify_checks.Trust(keys.parse_vkey(key.vkey))
        earlier = since.read_bytes() if since else None
        verdict = verify_log.Log(source, trust, tree_only=tree_only, since=earlier).verdict
        assert status == (0 if verdict.ok else 1), (by_go, verdict.as_dict())
        return verdict.ok

    def survivors(self, data: bytes, patches: list[Patch], key: forge.Key = forge.LOG) -> list[Patch]:
        """Which damaged copies of `data` still verify. Fails when the two do not say the same of any."""
        file, trusted = self.scratch / "base", keys.parse_vkey(key.vkey)
        file.write_bytes(data)
        _write_patches(self.scratch / "patches", patches)
        with (self.scratch / "patches").open("rb") as lines, (self.scratch / "answers").open("wb") as answers:
            command: list[str | Path] = [self.binary, "-patches", "-key", key.vkey, file]
            with subprocess.Popen(command, stdin=lines, stdout=answers) as program:  # both work at the same time
                by_python = [verify.verify_file(patched(data, one), trusted, thorough=False).ok for one in patches]
        assert program.returncode == 0
        by_go = [line == b"1" for line in (self.scratch / "answers").read_bytes().split()]
        assert len(by_go) == len(patches)
        differing = [patch for patch, one, other in zip(patches, by_python, by_go, strict=True) if one != other]
        assert not differing, differing[:5]
        return [patch for patch, ok in zip(patches, by_python, strict=True) if ok]


def patched(data: bytes, patch: Patch) -> bytes:
    if len(patch) == 1:  # by far the most, and of megabytes: copied once
        ((at, content),) = patch.items()
        return b"".join((data[:at], content, data[at + len(content) :]))
    changed = bytearray(data)
    for at, content in patch.items():
        changed[at : at + len(content)] = content
    return bytes(changed)


def difference(old: bytes, new: bytes) -> Patch:
    """The bytes in which two files of the same length differ."""
    assert len(old) == len(new)
    return {at: new[at : at + 1] for at in range(len(old)) if old[at] != new[at]}


def _write_patches(file: Path, patches: Iterable[Patch]) -> None:
    lines = (",".join(f"{at}:{content.hex()}" for at, content in patch.items()) for patch in patches)
    file.write_text("".join(f"{line}\n" for line in lines))
