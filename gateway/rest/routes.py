"""Which interaction a method and a path mean: one table, from which the CapabilityStatement and the OpenAPI are told as well."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from gateway.fhir import document, elements
from gateway.fhir.errors import NotFound, Unsupported
from gateway.interactions import operation
from gateway.interactions.door import Door
from gateway.interactions.operation import Operation, Operations
from gateway.rest import handlers
from gateway.rest.reply import Reply, answer
from gateway.rest.request import ID, JSON_TYPES, Request
from gateway.search.compartments import compartments
from gateway.search.refusal import no_such_type

Handler = Callable[[Door, Request], Reply]


class Route(NamedTuple):
    """What is carried out, in the words of CapabilityStatement.rest.interaction, and what does it."""

    interactions: tuple[str, ...]
    handle: Handler


TABLE: dict[str, dict[str, Route]] = {
    "": {"GET": Route(("search-system",), handlers.search), "POST": Route(("transaction", "batch"), handlers.bundle)},
    "_search": {"POST": Route(("search-system",), handlers.search)},
    "_history": {"GET": Route(("history-system",), handlers.history)},
    "Type": {
        "GET": Route(("search-type",), handlers.search),
        "POST": Route(("create",), handlers.create),
        "PUT": Route(("update",), handlers.update),
        "PATCH": Route(("patch",), handlers.patch),
        "DELETE": Route(("delete",), handlers.delete),
    },
    "Type/_search": {"POST": Route(("search-type",), handlers.search)},
    "Type/_history": {"GET": Route(("history-type",), handlers.history)},
    "Type/id": {
        "GET": Route(("read",), handlers.read),
        "PUT": Route(("update",), handlers.update),
        "PATCH": Route(("patch",), handlers.patch),
        "DELETE": Route(("delete",), handlers.delete),
    },
    "Type/id/Member": {"GET": Route(("search-type",), handlers.search)},
    "Type/id/_history": {"GET": Route(("history-instance",), handlers.history)},
    "Type/id/_history/version": {"GET": Route(("vread",), handlers.vread)},
}


def interactions(place: str) -> list[str]:
    """The interactions of a type ("Type") or of the system (""), in the order of the table."""
    found: dict[str, None] = {}
    for where, methods in TABLE.items():
        if where.startswith("Type") == bool(place):
            found |= dict.fromkeys(code for route in methods.values() for code in route.interactions)
    return list(found)


def may_be_later(handle: Handler) -> bool:
    """Whether respond-async is heard: where much may be asked for at once."""
    return handle in (handlers.bundle, handlers.search, handlers.history) or getattr(handle, "func", None) is _operate


class Routes:
    """The table, and beside it what a server has of its own: its operations, its statement, other places (own)."""

    def __init__(self, operations: Operations, metadata: Handler) -> None:
        self._operations = operations
        self._metadata = metadata
        self.own: dict[str, dict[str, Handler]] = {}

    def find(self, request: Request) -> Handler:
        """The handler of a request.

        raises  NotFound, Unsupported (404, 405) with what there is instead
        """
        method = "GET" if request.method == "HEAD" else request.method
        methods = self._methods(request.path)
        found = methods.get(method)
        if found is None:
            raise _not_by_this(request.method, ", ".join(sorted(methods)))
        return found.handle if type(found) is Route else found  # type: ignore[return-value]

    def _methods(self, path: tuple[str, ...]) -> dict[str, Route] | dict[str, Handler]:
        if len(path) == 2 and path[0] in elements.resource_types() and ID.fullmatch(path[1]):
            return TABLE["Type/id"]
        place = _place(path)
        if place in TABLE:
            return TABLE[place]
        if place == "metadata":
            return {"GET": self._metadata}
        if place in self.own:
            return self.own[place]
        if place == "$":
            return self._of_operation(path)
        raise _no_such_place()

    def _of_operation(self, path: tuple[str, ...]) -> dict[str, Handler]:
        *place, code = path
        if place and place[0] not in elements.resource_types():
            raise _no_such_type(place[0])
        if len(place) > 2:
            raise _no_such_place()
        if len(place) == 2 and not ID.fullmatch(place[1]):
            raise _no_such_id()
        found = operation.find(self._operations, code[1:], *place, *[""] * (2 - len(place)))
        perform = functools.partial(_operate, found)
        return {"POST": perform} if found.definition.affects_state else {"GET": perform, "POST": perform}


def _place(path: tuple[str, ...]) -> str:
    """The row of the table that a path means: Patient/1/_history is Type/id/_history. Raises for what can be none."""
    if not path or path in (("metadata",), ("_history",)):
        return "".join(path)
    if path[-1].startswith("$"):
        return "$"
    if path[0].startswith("_"):
        return path[0]
    if path[0] not in elements.resource_types():
        raise _no_such_type(path[0])
    if len(path) == 1 or path[1].startswith("_"):
        return "/".join(("Type", *path[1:]))
    if not ID.fullmatch(path[1]):
        raise _no_such_id()
    if len(path) == 3 and path[0] in compartments() and (path[2] == "*" or path[2] in elements.resource_types()):
        return "Type/id/Member"
    rest_of_it = path[2:] if len(path) < 4 else (path[2], "version", *path[4:])
    return "/".join(("Type", "id", *rest_of_it))


def _operate(found: Operation, door: Door, request: Request) -> Reply:
    body = None
    if request.method == "POST" and request.body:
        body = request.binary() if found.binary and request.content_type not in JSON_TYPES else request.resource()
    values, criteria = operation.read(found, request.pairs, body)
    resource_type, id, *_ = *request.path[:-1], "", ""
    asked = operation.Asked(door, request.principal, resource_type, id, values, criteria)
    done = operation.perform(found, asked, request.method)
    return answer(request, done if isinstance(done, bytes) else document.write(done))


def _not_by_this(method: str, allowed: str) -> Unsupported:
    error = Unsupported(
        zh=f"此处不支持 {method}；可用：{allowed}。",
        en=f"{method} is not possible here: use {allowed}.",
        status=405,
    )
    error.allowed = allowed
    return error


def _no_such_place() -> Unsupported:
    return Unsupported(
        zh="没有这个网址；见 metadata 中列出的交互。",
        en="There is nothing at this URL: see metadata for what there is.",
        status=404,
    )


def _no_such_type(named: str) -> Unsupported:
    zh, en = no_such_type(named)
    return Unsupported(zh=f"{zh}；全部类型见 metadata。", en=f"{en}; see metadata for what there is.", status=404)


def _no_such_id() -> NotFound:
    return NotFound(
        zh="id 只能是 1 至 64 个字母、数字、“-”和“.”。",
        en="An id is 1 to 64 letters, digits, hyphens and dots: correct it.",
    )
