"""What a check of `gateway doctor` looks at, and what it says: one line, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from gateway.exchange import Exchange
from gateway.fhir.errors import GatewayError
from gateway.settings import Settings

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
    """What all checks look at, opened once."""

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

    @property
    def doors(self) -> list[tuple[str, str, int]]:
        """Where `gateway serve` will listen, as (setting, host, port)."""
        from gateway.listeners import doors

        return doors(self.settings, self.exchange)


class Check(NamedTuple):
    zh: str
    en: str
    look: Callable[[Ground], Iterator[Finding]]
