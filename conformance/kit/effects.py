"""Claims of /metadata that only writing shows: conditions, patch formats, versions, references; tried on Basic and Patient.

Every type takes the same way through a server; Basic needs nothing but a code. What is written is deleted again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from asking import Answer, Server

Tried = tuple[str, str]
SYSTEM = "urn:conformance"


def compare(server: Server, statement: dict[str, Any]) -> Iterator[Tried]:
    """(claim, what happened instead or "")."""
    [rest] = statement["rest"]
    claimed = next(resource for resource in rest["resource"] if resource["type"] == "Basic")
    codes = {row["code"] for row in claimed["interaction"]} | {row["code"] for row in rest["interaction"]}
    yield from _formats(server, statement)
    yield from _life(server, codes)
    yield from _patches(server, statement.get("patchFormat", ()))
    yield from _conditional_writes(server, claimed)
    yield from _conditional_deletes(server, claimed.get("conditionalDelete", "not-supported"))
    yield from _conditional_reads(server, claimed.get("conditionalRead", "not-supported"))
    yield from _versions(server, claimed)
    yield from _references(server, claimed.get("referencePolicy", ()))


def _basic(text: str = "claims", value: str = "", **more: Any) -> dict[str, Any]:
    mark = {"identifier": [{"system": SYSTEM, "value": value}]} if value else {}
    return {"resourceType": "Basic", "code": {"text": text}, **mark, **more}


def _created(server: Server, resource: dict[str, Any]) -> str:
    answer = server.ask("POST", resource["resourceType"], resource)
    if answer.status != 201:
        raise SystemExit(f"a {resource['resourceType']} cannot be created, so nothing can be tried: {answer}")
    return f"{resource['resourceType']}/{answer.document['id']}"


def _fresh() -> tuple[str, str]:
    """A value, and the criteria that find it."""
    value = uuid.uuid4().hex
    return value, f"identifier={SYSTEM}%7C{value}"


def _is(claim: str, is_claimed: bool, holds: bool, answer: Answer) -> Tried:
    if is_claimed == holds:
        return claim if is_claimed else f"not claimed: {claim}", ""
    return claim, f"{'claimed' if is_claimed else 'not claimed'}, but {answer}"


def _formats(server: Server, statement: dict[str, Any]) -> Iterator[Tried]:
    xml_first = "application/fhir+xml, application/fhir+json;q=0.9"
    tries = [(f"format {one}", {"Accept": one if "/" in one else "*/*"}, one) for one in statement["format"]]
    tries += [("XML first, JSON taken as well", {"Accept": xml_first}, "")]
    for claim, headers, one in tries:
        place = "Basic?_count=1" + (f"&_format={one.replace('+', '%2B')}" if one else "")
        answer = server.ask("GET", place, **headers)
        yield _is(claim, True, answer.status == 200 and "json" in answer.headers.get("content-type", ""), answer)


def _life(server: Server, codes: set[str]) -> Iterator[Tried]:
    value, criteria = _fresh()
    here = _created(server, _basic(value=value))
    put = {**_basic("again", value), "id": here.partition("/")[2]}
    entry = {"resource": _basic(), "request": {"method": "POST", "url": "Basic"}}
    bundle = {"resourceType": "Bundle", "entry": [entry, {"request": {"method": "GET", "url": here}}]}
    tries: list[tuple[str, str, str, Any, Any]] = [
        ("read", "GET", here, None, lambda a: a.document["code"]["text"] == "claims"),
        ("update", "PUT", here, put, lambda a: a.document["meta"]["versionId"] != "1"),
        ("vread", "GET", f"{here}/_history/1", None, lambda a: a.document["code"]["text"] == "claims"),
        ("history-instance", "GET", f"{here}/_history", None, lambda a: len(a.document["entry"]) == 2),
        ("history-type", "GET", "Basic/_history?_count=1", None, lambda a: len(a.document["entry"]) == 1),
        ("history-system", "GET", "_history?_count=1", None, lambda a: len(a.document["entry"]) == 1),
        ("search-type", "GET", f"Basic?{criteria}", None, lambda a: len(a.document["entry"]) == 1),
        ("search-system", "GET", f"?_type=Basic&_id={put['id']}", None, lambda a: len(a.document["entry"]) == 1),
        ("transaction", "POST", "", {**bundle, "type": "transaction"}, _answered),
        ("batch", "POST", "", {**bundle, "type": "batch"}, _answered),
    ]
    for code, method, place, body, shows in tries:
        answer = server.change(here, method, place, body)
        yield _is(code, code in codes, answer.status < 300 and bool(shows(answer)), answer)
    answer = server.change(here, "DELETE")
    gone = server.ask("GET", here)
    yield _is("delete", "delete" in codes, answer.status < 300 and gone.status == 410, gone)
    versions = server.ask("GET", f"{here}/_history")
    yield _is("the history of what was deleted", True, len(versions.document.get("entry", ())) == 3, versions)


def _answered(answer: Answer) -> bool:
    return [entry["response"]["status"][:3] for entry in answer.document["entry"]] == ["201", "200"]


def _patches(server: Server, claimed: Any) -> Iterator[Tried]:
    operation = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Basic.code.text"},
        {"name": "value", "valueString": "b"},
    ]
    bodies: dict[str, Any] = {
        "application/json-patch+json": [{"op": "replace", "path": "/code/text", "value": "b"}],
        "application/fhir+json": {
            "resourceType": "Parameters",
            "parameter": [{"name": "operation", "part": operation}],
        },
        "application/merge-patch+json": {"code": {"text": "b"}},
        "application/xml-patch+xml": "<diff/>",
        "text/plain": "b",
    }
    for kind, body in bodies.items():
        value, criteria = _fresh()
        here = _created(server, _basic(value=value))
        for claim, place in ((f"patch by {kind}", here), (f"conditional patch by {kind}", f"Basic?{criteria}")):
            answer = server.change(here, "PATCH", place, body, Content_Type=kind)
            now = server.ask("GET", here).document
            yield _is(claim, kind in claimed, answer.status == 200 and now["code"]["text"] == "b", answer)
        server.change(here, "DELETE")


def _conditional_writes(server: Server, claimed: dict[str, Any]) -> Iterator[Tried]:
    value, criteria = _fresh()
    first = server.ask("POST", "Basic", _basic(value=value), If_None_Exist=criteria)
    second = server.ask("POST", "Basic", _basic(value=value), If_None_Exist=criteria)
    total = server.ask("GET", f"Basic?{criteria}&_summary=count").document.get("total")
    yield _is("conditionalCreate", claimed.get("conditionalCreate", False), (first.status, total) == (201, 1), second)
    here = f"Basic/{first.document.get('id')}"
    answer = server.change(here, "PUT", f"Basic?{criteria}", _basic("c", value))
    now = server.ask("GET", f"Basic?{criteria}")
    holds = answer.status == 200 and [one["resource"]["code"]["text"] for one in now.document["entry"]] == ["c"]
    yield _is("conditionalUpdate", claimed.get("conditionalUpdate", False), holds, answer)
    server.change(here, "DELETE")
    value, criteria = _fresh()
    answer = server.ask("PUT", f"Basic?{criteria}", _basic(value=value))
    yield _is(
        "conditionalUpdate of none creates", claimed.get("conditionalUpdate", False), answer.status == 201, answer
    )
    server.ask("DELETE", f"Basic?{criteria}")
    id = str(uuid.uuid4())
    answer = server.ask("PUT", f"Basic/{id}", _basic(id=id))
    yield _is("updateCreate", claimed.get("updateCreate", False), answer.status == 201, answer)
    server.change(f"Basic/{id}", "DELETE")


def _conditional_deletes(server: Server, claimed: str) -> Iterator[Tried]:
    value, criteria = _fresh()
    here = _created(server, _basic(value=value))
    answer = server.change(here, "DELETE", f"Basic?{criteria}")
    left = server.ask("GET", f"Basic?{criteria}&_summary=count").document.get("total")
    yield _is("conditionalDelete", claimed != "not-supported", answer.status < 300 and left == 0, answer)
    two = [_created(server, _basic(value=value)) for _ in range(2)]
    answer = server.ask("DELETE", f"Basic?{criteria}")
    left = server.ask("GET", f"Basic?{criteria}&_summary=count").document.get("total")
    yield _is("conditionalDelete multiple", claimed == "multiple", answer.status < 300 and left == 0, answer)
    if claimed == "single":
        yield _is("conditionalDelete single", True, answer.status == 412 and left == 2, answer)
    for here in two:
        server.change(here, "DELETE")


def _conditional_reads(server: Server, claimed: str) -> Iterator[Tried]:
    here = _created(server, _basic())
    etag = server.ask("GET", here).headers.get("etag", "")
    answer = server.ask("GET", here, If_None_Match=etag)
    yield _is("conditionalRead not-match", claimed in ("not-match", "full-support"), answer.status == 304, answer)
    answer = server.ask("GET", here, If_None_Match='W/"none-such"')
    yield _is("conditionalRead of another version", True, answer.status == 200, answer)
    answer = server.ask("GET", here, If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT")
    yield _is(
        "conditionalRead modified-since", claimed in ("modified-since", "full-support"), answer.status == 304, answer
    )
    answer = server.ask("GET", here, If_Modified_Since="Sat, 01 Jan 2000 00:00:00 GMT")
    yield _is("conditionalRead of what is newer", True, answer.status == 200, answer)
    server.change(here, "DELETE")


def _versions(server: Server, claimed: dict[str, Any]) -> Iterator[Tried]:
    kind = claimed.get("versioning", "no-version")
    here = _created(server, _basic())
    body = _basic("new", id=here.partition("/")[2])
    answer = server.ask("PUT", here, body)
    yield _is("versioned-update: no update without If-Match", kind == "versioned-update", answer.status >= 400, answer)
    answer = server.ask("PUT", here, body, If_Match='W/"none-such"')
    yield _is("If-Match of another version is refused", kind != "no-version", answer.status in (409, 412), answer)
    etag = server.ask("GET", here).headers.get("etag", "")
    answer = server.ask("PUT", here, body, If_Match=etag)
    yield _is("If-Match of the current version", kind != "no-version", answer.status == 200, answer)
    for wish, key in (("minimal", ""), ("representation", "Basic"), ("OperationOutcome", "OperationOutcome")):
        answer = server.ask(
            "PUT", here, body, Prefer=f"return={wish}", If_Match=server.ask("GET", here).headers["etag"]
        )
        yield _is(f"Prefer: return={wish}", True, answer.document.get("resourceType", "") == key, answer)
    server.change(here, "DELETE")


def _references(server: Server, policies: Any) -> Iterator[Tried]:
    subject = _created(server, {"resourceType": "Patient", "name": [{"text": "测试"}]})
    missing = server.ask("POST", "Basic", _basic(subject={"reference": f"Patient/{uuid.uuid4()}"}))
    yield _is("referencePolicy enforced: what is not there", "enforced" in policies, missing.status >= 400, missing)
    literal = server.ask("POST", "Basic", _basic(subject={"reference": subject}))
    yield _is("referencePolicy literal", "literal" in policies, literal.status == 201, literal)
    answer = server.change(subject, "DELETE")
    yield _is("referencePolicy enforced: what is referred to", "enforced" in policies, answer.status == 409, answer)
    logical = server.ask("POST", "Basic", _basic(subject={"identifier": {"system": SYSTEM, "value": "none-such"}}))
    yield _is("a logical reference is taken", True, logical.status == 201, logical)
    for answer in (missing, literal, logical):
        if answer.status == 201:
            server.change(f"Basic/{answer.document['id']}", "DELETE")
    server.change(subject, "DELETE")
