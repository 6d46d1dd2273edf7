"""An installation on a real PostgreSQL, driven as its operator would: each step is a process of its own."""

import copy
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests import processes
from tests.processes import ROOT


class Office:
    """An installation whose database is a new one on the PostgreSQL server at `server`."""

    def __init__(self, server: str, var: Path) -> None:
        self.server = server
        self.var = var
        self.database = self._create_database("template1")
        parts = urlsplit(server)
        self.url = urlunsplit(parts._replace(path=f"/{self.database}"))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        self.environment = {**clean, "ASSAY_VAR": str(var), "ASSAY_DATABASE_URL": self.url}

    def copy(self, var: Path) -> Self:
        """One with the same history, for a test that goes on from here. Nobody may be connected to this one."""
        shutil.copytree(self.var, var)
        twin = copy.copy(self)
        twin.var = var
        twin.database = self._create_database(self.database)
        twin.url = self.url.replace(self.database, twin.database)
        twin.environment = {
            name: value.replace(self.database, twin.database).replace(str(self.var), str(var))
            for name, value in self.environment.items()
        }
        return twin

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *arguments: str) -> str:
        done = self.outcome(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def outcome(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """It may fail."""
        return processes.run(*arguments, environment=self.environment)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload,unused-ignore]
            return list(cursor.fetchall()) if cursor.description else []

    def _create_database(self, template: str) -> str:
        name = f"ledger_{uuid.uuid4().hex}"
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[call-overload,unused-ignore]
        return name
