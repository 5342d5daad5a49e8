"""GET entries of a Bundle: in a transaction they see what its other entries left behind, in a batch what is there by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.fhir.errors import Unsupported
from gateway.fhir.principal import Principal
from gateway.interactions.change import Answer, Document, Entry
from gateway.interactions.entries import criteria_pairs
from gateway.interactions.history_page import history_page
from gateway.interactions.http_date import not_modified
from gateway.interactions.pages import search_page
from gateway.interactions.read import present
from gateway.interactions.view import view_of
from gateway.store.contract import Transaction, Version

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def get(door: Door, entry: Entry, within: Transaction) -> Answer:
    """Read Type/id, or search Type?…, inside the transaction; what a search needs of the store beside it stands in search.py."""
    if len(entry.path) == 2 and entry.id:
        named = (entry.resource_type, entry.id)
        found = None if within.hidden([named]) else within.standing([named]).get(named)
        return _read(entry, present(entry.resource_type, found))
    if is_search(entry):
        pairs = criteria_pairs("?" + entry.criteria)
        page = search_page(door, entry.resource_type, pairs, within.principal, lenient=False, within=within)
        return Answer(200, document=_raw(page))
    raise Unsupported(
        zh="transaction 中的 GET 只支持 类型/id 与 类型?条件；其他的请放入 batch 或单独请求。",
        en="A GET in a transaction is Type/id or Type?criteria: ask for other things in a batch, or by themselves.",
        at=f"{entry.place}.request.url",
    )


def get_apart(door: Door, entry: Entry, principal: Principal) -> Answer:
    """Read, vread, history or search, as requests of their own would."""
    path, pairs = entry.path, criteria_pairs("?" + entry.criteria)
    if len(path) == 2 and entry.id:
        return _read(entry, door.read(*path, principal))
    if len(path) == 4 and path[2] == "_history":
        return _read(entry, door.vread(path[0], path[1], path[3], principal))
    if path[-1:] == ("_history",) and len(path) < 4:
        return Answer(200, document=_raw(history_page(door, path[:-1], pairs, principal)))
    if is_search(entry):
        return Answer(200, document=_raw(search_page(door, entry.resource_type, pairs, principal, lenient=False)))
    raise Unsupported(
        zh="batch 中的 GET 只支持读取、历史与检索。",
        en="A GET in a batch reads, searches or asks for a history: ask for other things by themselves.",
        at=f"{entry.place}.request.url",
    )


def is_search(entry: Entry) -> bool:
    return entry.path[-1:] != ("_history",) and (len(entry.path) < 2 or entry.path[1:] == ("_search",))


def _read(entry: Entry, version: Version) -> Answer:
    if not_modified(entry.if_none_match, entry.if_modified_since, version.version, version.updated_at):
        return Answer(304, version)
    view = view_of(criteria_pairs("?" + entry.criteria), entry.resource_type) if entry.criteria else None
    return Answer(200, version._replace(content=view.of(version.content)) if view else version)


def _raw(content: bytes) -> Document:
    """Bytes that are written into the answer as they are."""
    return msgspec.Raw(content)  # type: ignore[return-value]
