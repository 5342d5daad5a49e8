"""How fast resources are loaded into each database, beside a bare insert of the same bytes in the same run.

    python -m tests.bench.load [--resources N] [--rounds N]

Prints resources a second through the door (checked, judged, indexed, versioned) and their ratio to one statement that only keeps
the bytes. Times are of this machine and hour, ratios travel.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from gateway.bulk.load import Loader
from gateway.fhir.principal import GATEWAY
from gateway.interactions.door import Door
from gateway.store.sql import open_store
from tests.bench.validate import DOCUMENTS
from tests.conftest import Cluster, new_database


def lines(count: int) -> Iterator[bytes]:
    """Typical resources of a clinic, each with an id of its own; every eighth is a Patient, to which the others refer."""
    text = json.dumps(DOCUMENTS, ensure_ascii=False, default=float)
    kinds = json.loads(text)
    for number in range(count):
        document = kinds[number % len(kinds)]
        yield json.dumps(document | {"id": f"{document['id']}-{number}"}, ensure_ascii=False).encode()


def loaded(url: str, path: Path) -> float:
    store = open_store(url)
    began = time.perf_counter()
    report = Loader(Door(store), GATEWAY).load([path])
    seconds = time.perf_counter() - began
    store.close()
    assert not report.refused, report.refused[:3]
    return report.written / seconds


def bare_sqlite(path: Path, rows: list[tuple[int, bytes]]) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, content BLOB)")
    began = time.perf_counter()
    for start in range(0, len(rows), 500):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO bare VALUES (?, ?)", rows[start : start + 500])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return len(rows) / seconds


def bare_postgres(url: str, rows: list[tuple[int, bytes]]) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (id bigint PRIMARY KEY, content bytea)")
        began = time.perf_counter()
        for start in range(0, len(rows), 500):
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany("INSERT INTO bare VALUES (%s, %s)", rows[start : start + 500])
        return len(rows) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--resources", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = list(lines(chosen.resources))
        path = Path(folder) / "resources.ndjson"
        path.write_bytes(b"\n".join(data) + b"\n")
        rows = list(enumerate(data))
        mean = sum(map(len, data)) / len(data)
        print(f"{len(data)} resources, {mean:.0f} bytes each, best of {chosen.rounds}")
        cluster = Cluster(settings=())
        try:
            for name in ("sqlite", "postgres"):
                best = bare = 0.0
                for number in range(chosen.rounds):
                    if name == "sqlite":
                        best = max(best, loaded(f"sqlite:///{folder}/{number}.db", path))
                        bare = max(bare, bare_sqlite(Path(folder) / f"bare{number}.db", rows))
                    else:
                        with new_database(cluster.url) as url:
                            best = max(best, loaded(url, path))
                            bare = max(bare, bare_postgres(url, rows))
                print(f"{name:9} {best:7.0f} resources/s   bare insert {bare:8.0f}/s   ratio 1:{bare / best:.1f}")
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
