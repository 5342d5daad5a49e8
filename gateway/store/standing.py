"""Whether there is a database where the settings point: for commands that ask something of one and would never begin one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from gateway.fhir.errors import NotFound
from gateway.store import migrations
from gateway.store.database import Database


def refuse_absent(url: str, name: str) -> None:
    """Raises NotFound, naming the setting, where the file of a SQLite database is not there.

    name  what a person calls the database: its path, or the URL without a password
    """
    at = make_url(url)
    if at.get_backend_name() == "sqlite" and not Path(str(at.database)).expanduser().exists():
        raise NotFound(
            zh=f"没有数据库 {name}；请以与服务相同的 GATEWAY_DATABASE_URL 或 GATEWAY_DATA_DIR 运行。",
            en=f"There is no database {name}: run this with the GATEWAY_DATABASE_URL or GATEWAY_DATA_DIR of the server.",
            at="GATEWAY_DATABASE_URL",
        )


def refuse_other_tables(url: str, name: str) -> None:
    """Raises NotFound where the tables are not those of this program; they are left as they are."""
    refuse_absent(url, name)
    database = Database(url, pool_size=1)
    try:
        if not migrations.is_current(database):
            raise NotFound(
                zh=f"数据库 {name} 还没有本版程序的表；请先以同样的 GATEWAY_DATABASE_URL 运行 gateway serve。",
                en=f"The database {name} has no tables of this program yet: run gateway serve with this GATEWAY_DATABASE_URL first.",
                at="GATEWAY_DATABASE_URL",
            )
    finally:
        database.close()
