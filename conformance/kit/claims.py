"""Compares what /metadata claims with what the server does: each interaction, search parameter, include and operation of each type.

Both ways: what is claimed must be there, and what is not claimed must be refused by name rather than ignored. Nothing here
changes what is stored; what must be written to be seen is tried in effects.py.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import effects
from asking import Answer, Server

# A value of each kind that no resource bears; what is asked is only whether the parameter is understood.
VALUES = {
    "number": "1",
    "date": "2001-01-01",
    "string": "none-such",
    "token": "none-such",
    "reference": "none-such",
    "quantity": "1||kg",
    "uri": "urn:none-such",
}
# Each interaction, asked of a resource that is not there: whatever is said of it, the server knows how to do it.
ASKED = {
    "read": ("GET", "{type}/none-such", None),
    "vread": ("GET", "{type}/none-such/_history/1", None),
    "history-instance": ("GET", "{type}/none-such/_history", None),
    "history-type": ("GET", "{type}/_history?_count=1", None),
    "search-type": ("GET", "{type}?_count=1", None),
    "create": ("POST", "{type}", {"resourceType": "{type}", "none-such": 1}),
    "update": ("PUT", "{type}/none-such", {"resourceType": "{type}", "id": "none-such", "none-such": 1}),
    "patch": ("PATCH", "{type}/none-such", []),
    "delete": ("DELETE", "{type}/none-such", None),
}
# Parameters and includes of other types that are tried on each type: none may be taken for one of its own.
OF_OTHERS = 8


class Finding(NamedTuple):
    """claim  as it stands in /metadata; wrong  what happened instead, "" when it holds"""

    claim: str
    wrong: str


def compare(base: str, definitions: Path | None = None) -> tuple[list[Finding], int]:
    """Every claim, tried; and how many requests that took.

    base         of the server
    definitions  a folder of OperationDefinitions, where those that the statement names are looked for, beside the server itself
    """
    with Server(base) as server:
        statement = server.ask("GET", "metadata").document
        [rest] = statement["rest"]
        found = [
            *(finding for resource in rest["resource"] for finding in _of_type(server, resource, rest["resource"])),
            *_operations(server, rest, _read(definitions)),
            *_of_system(server, rest),
            *(Finding(claim, wrong) for claim, wrong in effects.compare(server, statement)),
        ]
        return found, server.count


def _of_type(server: Server, resource: dict[str, Any], others: list[dict[str, Any]]) -> Iterator[Finding]:
    name = resource["type"]
    yield from _interactions(server, resource)
    own = {parameter["name"]: parameter["type"] for parameter in resource.get("searchParam", ())}
    for code, kind in own.items():
        yield _taken(f"{name}?{code} ({kind})", server.ask("GET", f"{name}?{_criterion(name, code, kind)}&_count=1"))
    every = {parameter["name"]: parameter["type"] for one in others for parameter in one.get("searchParam", ())}
    for code in _some(sorted(every.keys() - own.keys()), name):
        yield _declined(f"{name}?{code}", server.ask("GET", f"{name}?{_criterion(name, code, every[code])}&_count=1"))
    yield _declined(f"{name}?none-such", server.ask("GET", f"{name}?none-such=1"))
    for kind, key in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
        values = resource.get(key, ())
        for value in values:
            yield _taken(f"{name}?{kind}={value}", server.ask("GET", f"{name}?{kind}={_quoted(value)}&_count=1"))
        foreign = sorted({value for one in others for value in one.get(key, ())} - set(values) - {"*"})
        if kind == "_include":
            # An include of another type is no fault: it finds nothing until something of that type is found.
            foreign = [f"{name}:{value.partition(':')[2]}" for value in foreign]
            foreign = sorted({value for value in foreign if value.partition(":")[2] not in {*own, "*"}})
        for value in _some(foreign, name):
            yield _declined(f"{name}?{kind}={value}", server.ask("GET", f"{name}?{kind}={_quoted(value)}&_count=1"))


def _interactions(server: Server, resource: dict[str, Any]) -> Iterator[Finding]:
    name = resource["type"]
    claimed = {row["code"] for row in resource.get("interaction", ())}
    for code, (method, place, body) in ASKED.items():
        more = {"Content_Type": "application/json-patch+json"} if code == "patch" else {}
        sent = body if not isinstance(body, dict) else {**body, "resourceType": name}
        answer = server.ask(method, place.replace("{type}", name), sent, **more)
        yield (_known if code in claimed else _refused)(f"{name}: {code}", answer)


def _criterion(name: str, code: str, kind: str) -> str:
    if code == "_has":
        return "_has:Provenance:target:_id=none-such"
    if code == "_filter":
        return _asked("_filter", "_id eq none-such")
    value = VALUES.get(kind) or ("none-such$none-such" if kind == "composite" else "none-such")
    return _asked(code, name if code == "_type" else value)


def _asked(code: str, value: str) -> str:
    return urllib.parse.urlencode({code: value})


def _quoted(value: str) -> str:
    return urllib.parse.quote(value, safe="")


def _some(names: list[str], of: str) -> Iterable[str]:
    """A few of many, others for each type: all of them on all types would be 150,000 requests."""
    start = sum(of.encode()) * 31 % max(len(names), 1)
    return islice(cycle(names), start, start + min(OF_OTHERS, len(names)))


def _of_system(server: Server, rest: dict[str, Any]) -> Iterator[Finding]:
    for parameter in rest.get("searchParam", ()):
        code = parameter["name"]
        question = (
            "?" + _criterion("Basic", code, parameter["type"]) + ("" if code == "_type" else "&_type=Basic,Patient")
        )
        yield _taken(f"?{code} ({parameter['type']})", server.ask("GET", question + "&_count=1"))
    yield _declined("?none-such", server.ask("GET", "?_type=Basic,Patient&none-such=1"))
    for url in rest.get("compartment", ()):
        name = url.rpartition("/")[2]
        name = name[0].upper() + name[1:]
        yield _known(f"compartment {name}", server.ask("GET", f"{name}/none-such/Communication?_count=1"))
    yield _refused("compartment Organization", server.ask("GET", "Organization/none-such/Communication?_count=1"))
    yield _refused("type None", server.ask("GET", "None?_count=1"))
    yield _refused("type None: read", server.ask("GET", "None/1"))


def _operations(server: Server, rest: dict[str, Any], definitions: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    places = {resource["type"]: resource.get("operation", ()) for resource in rest["resource"]}
    places[""] = rest.get("operation", ())
    every = {row["name"].lstrip("$") for rows in places.values() for row in rows}
    known = {row["definition"] for rows in places.values() for row in rows}
    for url in sorted(known):
        yield _defined(server, url, definitions)
    for name, rows in places.items():
        own = {row["name"].lstrip("$"): definitions.get(row["definition"]) for row in rows}
        for code, definition in own.items():
            yield from _performed(server, name, code, definition)
        for code in [*sorted(every - own.keys()), "none-such"]:
            # Of one that is not there, so that nothing can be harmed where it is performed all the same.
            yield _refused(f"{name}/${code}", server.ask("GET", f"{name}/none-such/${code}" if name else f"${code}"))


def _defined(server: Server, url: str, definitions: Mapping[str, dict[str, Any]]) -> Finding:
    """R4's own are at HL7; others are on the server, or in the folder that it was published with."""
    claim = f"the definition {url}"
    if url.startswith("http://hl7.org/fhir/OperationDefinition/"):
        return Finding(claim, "")
    found = definitions.get(url)
    if found is None:
        answer = server.ask("GET", f"OperationDefinition?{_asked('url', url)}")
        found = next((entry["resource"] for entry in answer.document.get("entry", ())), None)
    return Finding(claim, "" if found else "is nowhere to be found")


def _performed(server: Server, name: str, code: str, definition: dict[str, Any] | None) -> Iterator[Finding]:
    """By GET where it is asked for, by POST on a resource that is not there; one that changes something, by POST alone."""
    empty = {"resourceType": "Parameters"}
    levels = [level for level in ("system", "type", "instance") if definition is None or definition.get(level)]
    tries: list[tuple[str, Answer]] = []
    for level in levels:
        if (level == "system") != (not name):
            continue
        place = {"system": f"${code}", "type": f"{name}/${code}", "instance": f"{name}/none-such/${code}"}[level]
        tries.append((f"GET {place}", server.ask("GET", place)))
        if level == "instance":
            tries.append((f"POST {place}", server.ask("POST", place, empty)))
        if definition is not None and definition.get("affectsState"):
            answer = tries[-2 if level == "instance" else -1][1]
            yield Finding(f"{place} changes something: no GET", "" if answer.status == 405 else str(answer))
    # 405 for a GET says that it is there, for a POST that it is not; where the levels are not known, one will do.
    there = [not answer.refused or (how.startswith("GET") and answer.status == 405) for how, answer in tries]
    broken = [f"{how} {answer}" for how, answer in tries if answer.status >= 500]
    holds = (all(there) if definition is not None else any(there)) and not broken
    yield Finding(
        f"{name}/${code}" if name else f"${code}", "" if holds else "; ".join(broken or [f"{h} {a}" for h, a in tries])
    )


def _read(folder: Path | None) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))] if folder else []
    return {one["url"]: one for one in found if one.get("resourceType") == "OperationDefinition"}


def _taken(claim: str, answer: Answer) -> Finding:
    """A value of the wrong form is told as such, which shows that the parameter is known."""
    holds = answer.status == 200 or (answer.status == 400 and answer.codes == {"value"})
    return Finding(claim, "" if holds else str(answer))


def _known(claim: str, answer: Answer) -> Finding:
    return Finding(claim, str(answer) if answer.refused or answer.status >= 500 else "")


def _refused(what: str, answer: Answer) -> Finding:
    return Finding(f"not claimed: {what}", "" if answer.refused else str(answer))


def _declined(what: str, answer: Answer) -> Finding:
    """A parameter or a value of one: told, and not left out of the search."""
    return Finding(f"not claimed: {what}", "" if answer.status == 400 and answer.codes else str(answer))
