"""The database's tables are those of schema.py, and come into being once, whoever opens first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.store import migrations
from gateway.store.database import Database
from gateway.store.schema import metadata
from gateway.store.sql import SqlStore, open_store


def test_migrated_tables_are_those_of_the_schema(store: SqlStore, database_url: str) -> None:
    database = Database(database_url)
    with database.reading() as connection:
        # The index of words is of each database's own kind, which SQLAlchemy has no words for (full_text.py).
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, _kind, _parents: not str(name).startswith("index_content")}
        )
        difference = compare_metadata(context, metadata)
    database.close()
    assert difference == []


def test_the_named_head_is_that_of_the_scripts() -> None:
    assert ScriptDirectory.from_config(migrations.configuration()).get_current_head() == migrations.HEAD


def test_several_that_open_a_new_database_at_once_all_succeed(new_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: open_store(new_database_url), range(4)))
    for one in stores:
        one.ping()
        one.close()
