"""Flower's own processes on this machine: one SuperLink, one SuperNode an institution, TLS and node authentication.
Everybody has a folder of their own. Off are telemetry, the look for newer versions, and the installation of packages at
run time; no process inherits this office's settings or secrets.
"""

import datetime as dt
import ipaddress
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.clock import now

ROOT: Final = Path(__file__).resolve().parent.parent.parent
BUNDLE: Final = Path(__file__).resolve().parent / "bundle"
START: Final = 90.0  # seconds for a process to answer on its port
BETWEEN_STARTS: Final = 5.0  # seconds
MOST_STARTS: Final = 60
LOOPBACK: Final = "127.0.0.1"


class EngineFailed(RuntimeError):
    """A process of Flower's did not do what it should. The text names its log."""


@dataclass
class _Node:
    """A SuperNode that shall run. next_start: not before this moment of the monotonic clock."""

    command: list[str]
    starts: int = 1
    next_start: float = 0.0


@dataclass
class Engine:
    """folder: of this run. venv: Flower's environment (requirements/federation.txt). Use as a context manager."""

    folder: Path
    venv: Path
    port: int = field(default_factory=lambda: free_port())
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _nodes: dict[str, "_Node"] = field(default_factory=dict)
    _logs: list[IO[bytes]] = field(default_factory=list)

    def __enter__(self) -> "Engine":
        make_certificates(self.folder / "tls")
        tls = self.folder / "tls"
        self._start(
            "superlink",
            [
                *("flower-superlink", "--host", LOOPBACK, "--port", str(self.port)),
                *("--ssl-ca-certfile", str(tls / "ca.pem"), "--ssl-certfile", str(tls / "server.pem")),
                *("--ssl-keyfile", str(tls / "server.key"), "--enable-supernode-auth"),
                "--disable-runtime-dependency-installation",
            ],
        )
        self._answers("superlink", self.port)
        home = self._home("operator")
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "{LOOPBACK}:{self.port}"\n'
            f'root-certificates = "{tls / "ca.pem"}"\n'
        )
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self._running)):
            self.kill(name, signal.SIGTERM)
        for log in self._logs:
            log.close()

    def admit(self, institution: str) -> None:
        """Makes the node's key and registers it: only registered nodes are let in."""
        home = self._home(institution)
        key = ec.generate_private_key(ec.SECP384R1())
        ssh = serialization.PrivateFormat.OpenSSH
        _write_private(
            home / "node.key", key.private_bytes(serialization.Encoding.PEM, ssh, serialization.NoEncryption())
        )
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        (home / "node.pub").write_bytes(public)
        self._command("supernode", "register", str(home / "node.pub"), "here")

    def join(self, institution: str, holding: Path) -> None:
        """Starts the institution's SuperNode. If it ends, `check` starts it again, as a service manager does."""
        home = self._home(institution)
        self._own_app(home)
        self._nodes[institution] = _Node(
            [
                *("flower-supernode", "--superlink", f"{LOOPBACK}:{self.port}"),
                *("--root-certificates", str(self.folder / "tls" / "ca.pem")),
                *("--auth-supernode-private-key", str(home / "node.key")),
                *("--host", LOOPBACK, "--port", str(free_port())),
                *("--node-config", f'holding="{holding}"'),
            ]
        )
        self._start(institution, self._nodes[institution].command)

    def run(self, folder: Path) -> None:
        """Hands the plan's run in; returns as soon as it is accepted."""
        self._command("run", str(BUNDLE), "here", "--run-config", f'folder="{folder}"')

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends a process and everything it started, and waits until it is gone."""
        process = self._running.pop(name)
        self._nodes.pop(name, None)
        try:
            os.killpg(process.pid, how)
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        except ProcessLookupError:
            process.wait()

    def check(self) -> None:
        """Starts nodes that have ended again; raises EngineFailed if another process has, or one ends again and again.

        A node that was killed is refused by the SuperLink until it counts as gone: two heartbeats, a minute.
        """
        for name, process in list(self._running.items()):
            if process.poll() is None:
                continue
            node = self._nodes.get(name)
            if node is None or node.starts > MOST_STARTS:
                raise EngineFailed(f"{name} ended with status {process.returncode}; see {self._log_of(name)}")
            if time.monotonic() >= node.next_start:
                node.starts, node.next_start = node.starts + 1, time.monotonic() + BETWEEN_STARTS
                self._start(name, node.command)

    def _own_app(self, home: Path) -> None:
        """Puts `node` where the SuperNode looks for `flwr-clientapp`."""
        (home / "bin").mkdir(exist_ok=True)
        script = home / "bin" / "flwr-clientapp"
        script.write_text(f"#!{self.venv / 'bin' / 'python'}\nfrom detection.federation.node import main\n\nmain()\n")
        script.chmod(0o755)

    def _start(self, name: str, arguments: list[str]) -> None:
        log = self._log_of(name).open("ab")
        self._logs.append(log)
        # A session of its own, so that the processes it starts can be ended with it.
        self._running[name] = subprocess.Popen(  # noqa: S603 - Flower's own commands
            [str(self.venv / "bin" / arguments[0]), *arguments[1:]],
            cwd=self._home(name),
            env=self.environment(name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _command(self, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - Flower's own command
            [str(self.venv / "bin" / "flwr"), *arguments],
            cwd=self._home("operator"),
            env=self.environment("operator"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START,
            check=False,
        )
        with self._log_of("operator").open("a") as log:
            log.write(f"$ flwr {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
        if done.returncode:
            raise EngineFailed(f"“flwr {arguments[0]}” failed; see {self._log_of('operator')}")

    def _answers(self, name: str, port: int) -> None:
        end = time.monotonic() + START
        while time.monotonic() < end:
            self.check()
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex((LOOPBACK, port)) == 0:
                    return
            time.sleep(0.2)
        raise EngineFailed(f"{name} does not answer; see {self._log_of(name)}")

    def _home(self, name: str) -> Path:
        home = self.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        return home

    def _log_of(self, name: str) -> Path:
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{name}.log"

    def environment(self, name: str) -> Mapping[str, str]:
        """All that a process of Flower's gets from us."""
        return {
            "PATH": f"{self._home(name) / 'bin'}:{self.venv / 'bin'}:/usr/bin:/bin",
            "HOME": str(self._home(name)),
            "FLWR_HOME": str(self._home(name)),
            "PYTHONPATH": str(ROOT),  # each institution runs its own copy of this source
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def make_certificates(folder: Path) -> None:
    """A root and a server certificate for loopback, valid for a day, for a federation on one machine."""
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Assay federation drill")])
    root = _certificate(root_name, root_name, root_key, root_key, ca=True)
    server = _certificate(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), root_name, key, root_key, ca=False
    )
    (folder / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    pkcs8 = serialization.PrivateFormat.PKCS8
    _write_private(
        folder / "server.key", key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    at = now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - dt.timedelta(minutes=5))
        .not_valid_after(at + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if ca:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return builder.add_extension(usage, critical=True).sign(by, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    return builder.add_extension(names, critical=False).sign(by, hashes.SHA256())


def _write_private(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
