"""The alliance's own organisations: those that the sources belong to. Messages refer to each by its code, so one Organization has it.

Promise   each is there before the first message; its code is neither given to a second Organization nor taken away
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.errors import Conflict, PreconditionFailed
from gateway.fhir.principal import GATEWAY
from gateway.interactions.change import Change, Document
from gateway.interactions.door import Door
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction

log = logging.getLogger(__name__)


class Members:
    """Who belongs to the alliance, by code; know() again when the sources have changed."""

    def __init__(self, members: Iterable[tuple[str, str]]) -> None:
        self._names: Mapping[str, str] = {}
        self.know(members)

    def know(self, members: Iterable[tuple[str, str]]) -> None:
        """Take these for the alliance's: (code, name)."""
        self._names = {code: name for code, name in members if code}

    def write(self, door: Door) -> None:
        """An Organization for each; one that is there already keeps what else is known of it."""
        entries = [_entry(code, name) for code, name in self._names.items()]
        try:
            _transact(door, entries)
        except PreconditionFailed:  # a code that two have: they came before it was a member's
            for code, entry in zip(self._names, entries, strict=True):
                try:
                    _transact(door, [entry])
                except PreconditionFailed:
                    log.warning("several Organization have the code %s: take it from all but one", code)

    def rule(self, change: Change, within: Transaction) -> None:
        """Refuse a second Organization of a member's code, and the loss of the only one. Raises Conflict."""
        if change.resource_type != "Organization":
            return
        before, after = self._codes(change.before), self._codes(change.after)
        for code in sorted(before ^ after):
            others = [one for one in _having(code, within) if one != change.id]
            if code in after and others:
                raise Conflict(
                    "duplicate",
                    zh=f"机构代码 {code} 已属于 Organization/{others[0]}，报文都指向它；请更新那一个，不要另建。",
                    en=f"Organization/{others[0]} has the code {code} already, and messages refer to it: update that one instead.",
                    at="Organization.identifier",
                )
            if code in before and not others:
                raise Conflict(
                    "business-rule",
                    zh=f"接入点属于机构 {code}，报文都指向它；请保留该机构及其代码，或先停用接入点。",
                    en=f"Sources belong to the organisation {code}, and messages refer to it: keep it and its code, or disable the sources first.",
                    at="Organization.identifier",
                )

    def _codes(self, organization: Document | None) -> set[str]:
        """The members' codes that a document carries."""
        identifiers = organization.get("identifier", ()) if organization else ()
        return {
            one["value"] for one in identifiers if one.get("system") == ORGANISATION and one.get("value") in self._names
        }


def _having(code: str, within: Transaction) -> list[str]:
    clause = Clause("identifier", "token", (Value(code, system=ORGANISATION, code=code),))
    return [version.id for version in within.search(Query("Organization", (clause,), count=2)).matches]


def _entry(code: str, name: str) -> Document:
    return {
        "resource": {
            "resourceType": "Organization",
            "identifier": [{"system": ORGANISATION, "value": code}],
            "active": True,
            "name": name or code,
        },
        "request": {"method": "POST", "url": "Organization", "ifNoneExist": f"identifier={ORGANISATION}|{code}"},
    }


def _transact(door: Door, entries: list[Document]) -> None:
    if entries:
        door.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries}, GATEWAY)
