"""The tables' history (Alembic), brought up to date by the store itself when it opens.

HEAD names the newest revision, so that an up-to-date database needs no Alembic at all to be opened; a test holds it against the scripts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

    from gateway.store.database import Database

HEAD = "0005"


def upgrade(database: Database) -> None:
    """Apply what is missing, in one transaction, while no other process does the same.

    raises  Unavailable, Busy; nothing is half applied
    """
    with database.reading() as connection:
        if _revision(connection) == HEAD:
            return
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7074000000000001)"))
        if _revision(connection) != HEAD:
            _apply(connection)


def is_current(database: Database) -> bool:
    """Whether the tables are those of this program."""
    with database.reading() as connection:
        return _revision(connection) == HEAD


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _apply(connection: Connection) -> None:
    from alembic import command

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def configuration() -> Config:
    """Alembic's configuration without a file: the scripts stand beside this one."""
    from alembic import config as alembic_config

    config = alembic_config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config
