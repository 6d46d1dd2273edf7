"""What a SuperNode starts in place of `flwr-clientapp`: the same, but it runs no code that the coordinator sends.
Flower carries an app as a bundle from the coordinator to the institutions and puts the bundle's folder first on the
import path, so whoever starts a run could run anything at an institution. Here a bundle is refused unless it is, byte
for byte, the one in this institution's own copy of the source (`bundle/`), which holds names and no code.
"""

import hashlib
from pathlib import Path
from typing import Any

from flwr.cli.build import build_fab_from_disk
from flwr.supernode.cli import flwr_clientapp
from flwr.supernode.runtime import run_clientapp as runtime

OURS = Path(__file__).resolve().parent / "bundle"
_install = runtime.install_from_fab


class AnotherBundle(RuntimeError):
    """The coordinator sent an app that this institution did not agree to run."""


def install(content: bytes, **options: Any) -> Any:
    """Flower's own installation, for our bundle only. Raises AnotherBundle, which the coordinator gets as an error."""
    if hashlib.sha256(content).digest() != hashlib.sha256(build_fab_from_disk(OURS)).digest():
        raise AnotherBundle("this institution runs its own copy of the app and no other")
    return _install(content, **options)


def main() -> None:
    runtime.install_from_fab = install
    flwr_clientapp()


if __name__ == "__main__":
    main()
