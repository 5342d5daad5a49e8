"""The alliance's own search parameters: judged when they are written, in use in every process soon after. FHIR R4 searchparameter.html.

What stands already is found by a new one only after `gateway reindex --type TYPE --parameter CODE`.
"""

from __future__ import annotations

import logging

from gateway.fhir import document
from gateway.fhir.errors import Conflict, GatewayError
from gateway.fhir.principal import GATEWAY
from gateway.interactions.change import Change
from gateway.search import custom, parameters
from gateway.search.parameters import Parameter
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Store, Transaction, Version
from gateway.store.index_rows import collision

log = logging.getLogger(__name__)

_ACTIVE = Query("SearchParameter", (Clause("status", "token", (Value("active", code="active"),)),), count=1000)


def rule(change: Change, within: Transaction) -> None:
    """Refuse an active SearchParameter that cannot be indexed, or whose code another one has on the same type.

    raises  Invalid, Conflict
    """
    if change.resource_type != "SearchParameter" or change.after is None:
        return
    for resource_type, parameter in custom.read(change.after):
        within.lock([f"SearchParameter {resource_type}.{parameter.code}"])
        for other in within.search(_ACTIVE).matches:
            if other.id != change.id and (resource_type, parameter.code) in _codes(other):
                raise Conflict(
                    "duplicate",
                    zh=f"{resource_type} 已有自定义参数 {parameter.code}；请换一个 code，或先停用那一个。",
                    en=f"{resource_type} has a custom parameter {parameter.code}: use another code, or retire that one first.",
                    at="SearchParameter.code",
                )
        if collision(resource_type, parameter.code):
            raise Conflict(
                "conflict",
                zh="该 code 在索引中的编号与另一参数相同，请换一个 code。",
                en="In the index this code has the number of another parameter: use another code.",
                at="SearchParameter.code",
            )


class CustomParameters:
    """Keeps the parameters of this process those of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[tuple[str, int], ...] = ()

    def refresh(self) -> bool:
        """Take over what is active in the store now. returns whether anything has changed"""
        found = self._store.search(_ACTIVE, GATEWAY).matches
        known = tuple((version.id, version.version) for version in found)
        if known == self._known:
            return False
        by_type: dict[str, dict[str, Parameter]] = {}
        for version in found:
            for resource_type, parameter in _read(version):
                by_type.setdefault(resource_type, {})[parameter.code] = parameter
        parameters.use(by_type)
        self._known = known
        return True

    def step(self, _worker: str) -> int:
        """For a loop: look whether another process has changed them."""
        self.refresh()
        return 0


def _codes(version: Version) -> set[tuple[str, str]]:
    return {(resource_type, parameter.code) for resource_type, parameter in _read(version)}


def _read(version: Version) -> custom.Found:
    """One that is stored and cannot be used (by an earlier program, or loaded past the door) is told and left out."""
    try:
        return custom.read(document.read(version.content))
    except GatewayError as error:
        log.warning("SearchParameter/%s is not used: %s", version.id, error)
        return []


def active(store: Store) -> list[tuple[str, str, int]]:
    """(type, code, changed at) of every custom parameter in use."""
    found = store.search(_ACTIVE, GATEWAY).matches
    return [(kind, parameter.code, version.updated_at) for version in found for kind, parameter in _read(version)]
