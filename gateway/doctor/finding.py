"""What a check of `gateway doctor` looks at, and what it says: one line, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from gateway.exchange import Exchange
from gateway.fhir.errors import GatewayError
from gateway.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

    from gateway.store.database import Database

State = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One line: what was seen, and, unless it is well, what to do."""

    state: State
    zh: str
    en: str
    fix_zh: str = ""
    fix_en: str = ""


@dataclass(frozen=True)
class Ground:
    """What all checks look at, opened once. close() it at the end."""

    settings: Settings

    @cached_property
    def opened(self) -> Exchange | GatewayError:
        """The sources of the alliance, or why they cannot be read."""
        from gateway.app import open_exchange

        try:
            return open_exchange(self.settings)
        except GatewayError as error:
            return error

    @property
    def exchange(self) -> Exchange:
        """The sources; with none of them when they cannot be read, which the check of the sites tells, and no other."""
        return self.opened if isinstance(self.opened, Exchange) else Exchange(self.settings.mappings, {})

    @cached_property
    def database_url(self) -> URL | None:
        """None when it cannot be read."""
        from sqlalchemy import exc, make_url

        try:
            url = make_url(self.settings.database_url)
            url.get_backend_name()
        except (exc.ArgumentError, exc.NoSuchModuleError):
            return None
        return url

    @cached_property
    def database(self) -> Database | None:
        """None when its URL cannot be read, and for a file that is not there yet: nothing is made here."""
        from gateway.store.database import Database

        url = self.database_url
        if url is None:
            return None
        if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).expanduser().exists():
            return None
        os.environ.setdefault("PGCONNECT_TIMEOUT", "5")  # read by libpq: a server that is away is told soon
        return Database(self.settings.database_url, pool_size=1)

    def close(self) -> None:
        opened = self.__dict__.get("database")
        if opened is not None:
            opened.close()

    @property
    def doors(self) -> list[tuple[str, str, int]]:
        """Where `gateway serve` will listen, as (setting, host, port)."""
        from gateway.listeners import doors

        return doors(self.settings, self.exchange)


class Check(NamedTuple):
    zh: str
    en: str
    look: Callable[[Ground], Iterator[Finding]]
