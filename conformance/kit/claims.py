"""Compares what /metadata claims with what the server does: each interaction, search parameter, include and operation of each type.

Both ways: what is claimed must work, and what is not claimed must be refused by name rather than ignored.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

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


class Finding(NamedTuple):
    """claim  as it stands in /metadata; wrong  what happened instead, "" when it holds"""

    claim: str
    wrong: str


def compare(base: str) -> Iterator[Finding]:
    """Every claim, tried.

    base  of the server, without the slash at its end
    """
    _, statement = ask("GET", f"{base}/metadata")
    [rest] = statement["rest"]
    for resource in rest["resource"]:
        yield from _searches(base, resource)
    yield from _interactions(base, rest)


def _searches(base: str, resource: dict[str, Any]) -> Iterator[Finding]:
    name = resource["type"]
    for parameter in resource.get("searchParam", ()):
        value = VALUES.get(parameter["type"])
        if value is None:
            value = _composed(parameter["name"])
        query = urllib.parse.urlencode({parameter["name"]: value, "_count": 1})
        yield _tried(
            f"{name}?{parameter['name']} ({parameter['type']})", f"{base}/{name}?{query}", unless=(400, "value")
        )
    for kind, key in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
        for value in resource.get(key, ()):
            query = urllib.parse.urlencode({kind: value, "_count": 1})
            yield _tried(f"{name}?{kind}={value}", f"{base}/{name}?{query}")
    status, _ = ask("GET", f"{base}/{name}?not-claimed-by-anybody=1")
    yield Finding(f"{name}: an unknown parameter is refused", "" if status == 400 else f"answered {status}")


def _composed(name: str) -> str:
    """A value for a composite or special parameter; whether it fits is not asked here."""
    return "none-such$none-such" if "-" in name else "none-such"


def _tried(claim: str, url: str, unless: tuple[int, str] = (0, "")) -> Finding:
    status, answer = ask("GET", url)
    if status == 200:
        return Finding(claim, "")
    codes = {issue.get("code") for issue in answer.get("issue", ())}
    # A value of the wrong form is told as such, which shows that the parameter is known.
    return Finding(
        claim,
        ""
        if (status, unless[1]) == unless and codes == {unless[1]}
        else f"answered {status} {sorted(map(str, codes))}",
    )


def _interactions(base: str, rest: dict[str, Any]) -> Iterator[Finding]:
    """Basic stands for every type: it needs nothing but a code, and the routes are the same."""
    claimed = next(resource for resource in rest["resource"] if resource["type"] == "Basic")
    codes = {row["code"] for row in claimed["interaction"]} | {row["code"] for row in rest["interaction"]}
    mark = {"system": "urn:conformance", "value": str(uuid.uuid4())}
    basic = {"resourceType": "Basic", "code": {"text": "claims"}, "identifier": [mark]}
    status, kept = ask("POST", f"{base}/Basic", basic)
    yield Finding("create", "" if status == 201 else f"answered {status}")
    here = f"{base}/Basic/{kept.get('id')}"
    criteria = f"identifier={mark['system']}%7C{mark['value']}"
    empty = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    tries = {
        "read": ("GET", here, None, {}),
        "vread": ("GET", f"{here}/_history/1", None, {}),
        "update": ("PUT", here, {**kept, "code": {"text": "again"}}, {}),
        "patch": (
            "PATCH",
            here,
            [{"op": "replace", "path": "/code/text", "value": "b"}],
            {"Content-Type": "application/json-patch+json"},
        ),
        "history-instance": ("GET", f"{here}/_history", None, {}),
        "history-type": ("GET", f"{base}/Basic/_history?_count=1", None, {}),
        "history-system": ("GET", f"{base}/_history?_count=1", None, {}),
        "search-type": ("GET", f"{base}/Basic?{criteria}", None, {}),
        "search-system": ("GET", f"{base}?_type=Basic&_count=1", None, {}),
        "transaction": ("POST", base, empty, {}),
        "batch": ("POST", base, {**empty, "type": "batch"}, {}),
    }
    for code, (method, url, body, headers) in tries.items():
        status, _ = ask(method, url, body, headers)
        yield _held(code, code in codes, status)
    yield from _conditions(base, claimed, here, criteria, basic)
    status, _ = ask("DELETE", here)
    yield _held("delete", "delete" in codes, status)


def _conditions(
    base: str, claimed: dict[str, Any], here: str, criteria: str, basic: dict[str, Any]
) -> Iterator[Finding]:
    status, _ = ask("POST", f"{base}/Basic", basic, {"If-None-Exist": criteria})
    yield Finding(
        "conditionalCreate", "" if (status == 200) == claimed.get("conditionalCreate", False) else f"answered {status}"
    )
    status, _ = ask("PUT", f"{base}/Basic?{criteria}", {**basic, "code": {"text": "c"}})
    yield _held("conditionalUpdate", claimed.get("conditionalUpdate", False), status)
    if claimed.get("conditionalRead") in ("not-match", "full-support"):
        _, current = ask("GET", here)
        status, _ = ask("GET", here, None, {"If-None-Match": f'W/"{current["meta"]["versionId"]}"'})
        yield Finding("conditionalRead not-match", "" if status == 304 else f"answered {status}")
    if claimed.get("conditionalRead") in ("modified-since", "full-support"):
        status, _ = ask("GET", here, None, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})
        yield Finding("conditionalRead modified-since", "" if status == 304 else f"answered {status}")
    status, _ = ask("DELETE", f"{base}/Basic?identifier=urn:conformance%7Cnone-such")
    yield _held("conditionalDelete", claimed.get("conditionalDelete", "not-supported") != "not-supported", status)
    id = str(uuid.uuid4())
    status, _ = ask("PUT", f"{base}/Basic/{id}", {"resourceType": "Basic", "id": id, "code": {"text": "d"}})
    yield Finding("updateCreate", "" if (status < 400) == claimed.get("updateCreate", False) else f"answered {status}")


def _held(claim: str, is_claimed: bool, status: int) -> Finding:
    works = status < 400
    if works == is_claimed:
        return Finding(claim, "")
    return Finding(claim, f"claimed, but answered {status}" if is_claimed else f"not claimed, but answered {status}")


def ask(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one request."""
    data = None if body is None else json.dumps(body).encode()
    sent = {
        "Accept": "application/fhir+json",
        **({"Content-Type": "application/fhir+json"} if data else {}),
        **(headers or {}),
    }
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, _json(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read())


def _json(data: bytes) -> dict[str, Any]:
    found = json.loads(data) if data else {}
    return found if isinstance(found, dict) else {}
