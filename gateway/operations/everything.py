"""$everything: a whole record, of a Patient, of an Encounter, of every Patient. FHIR R4 patient-operation-everything.html, encounter-….

What belongs to the compartment (match), and what that refers to, one level (include): staff, organisations, places, medications. After a
merge the record is the person's: what refers to the one that was merged away belongs to it. All of it comes on one page, up to the
server's page limit; _count asks for less; pages go on by the signed tokens of searches. Nothing is parsed on the way, but where _summary or
_elements ask for a part of each, as in a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from gateway.fhir import document
from gateway.fhir.bundle import Hit, searchset
from gateway.fhir.elements import resource_types
from gateway.fhir.errors import Malformed
from gateway.identity.persons import records_of
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Definition, Operation
from gateway.interactions.pages import url
from gateway.interactions.read import present
from gateway.interactions.search import PAGE_MARK
from gateway.interactions.view import View, view_of
from gateway.operations.criteria import refuse_unknown
from gateway.operations.published import published
from gateway.search.instant import interval
from gateway.store.query.record import Record


def everything(asked: Asked) -> bytes:
    """One page. Raises NotFound, Gone; Malformed for a parameter's value; Invalid (410) for a page link that expired."""
    door, principal = asked.door, asked.principal
    ids = _persons(asked) if asked.id else ()
    refuse_unknown(asked, {PAGE_MARK, "_summary", "_elements"})
    view = _view(asked)
    given = _given(asked)
    place = "/".join(part for part in (asked.resource_type, asked.id, "$everything") if part)
    bound = [place, *(f"{name}={text}" for name, text in given if name != "_count")]
    token = dict(asked.criteria).get(PAGE_MARK, "")
    after = door.seal().open(token, bound, principal).mark if token else ""
    parts, further = door.store.record(
        Record(
            asked.resource_type,
            ids,
            _types(asked),
            int(_moment(asked, "_since", 0)) * 1000,
            _moment(asked, "start", 0, -inf),
            _moment(asked, "end", 1, inf),
            _size(asked),
            after,
        ),
        principal,
    )
    shown = [*given, *view.pairs]
    links = [("self", url(door, place, shown))]
    if further:
        mark = door.seal().close(further, None, bound, principal)
        links.append(("next", url(door, place, [*shown, (PAGE_MARK, mark)])))
    base = door.base_url
    hits = [
        Hit(f"{base}/{kind}/{id}", view.of(content, own), "match" if own else "include")
        for kind, id, content, own in parts
    ]
    whole = not token and not further
    return searchset(hits, links, sum(part.belongs for part in parts) if whole else None)


def _view(asked: Asked) -> View:
    if ("_summary", "count") in asked.criteria:
        raise Malformed(
            "not-supported",
            zh="$everything 不单计总数；请用 Patient/…/*?_summary=count 检索。",
            en="$everything does not only count: search Patient/…/*?_summary=count.",
            at="_summary",
        )
    return view_of(asked.criteria)


def _persons(asked: Asked) -> tuple[str, ...]:
    """The ids of all records of that person, the one asked for first."""
    store, principal = asked.door.store, asked.principal
    version = present(asked.resource_type, store.read(asked.resource_type, asked.id, principal))
    if asked.resource_type != "Patient" or b'"link"' not in version.content:
        return (asked.id,)

    def read(id: str) -> Document | None:
        found = store.read("Patient", id, principal)
        return document.read(found.content) if found is not None and not found.deleted else None

    return tuple(records_of(asked.id, read))


def _given(asked: Asked) -> list[tuple[str, str]]:
    """What was asked, as a query: also what came in a body."""
    names = (parameter.name for parameter in _definition(asked).takes)
    return [(name, str(value)) for name in names for value in asked.all(name)]


def _types(asked: Asked) -> tuple[str, ...]:
    found = [part.strip() for value in asked.all("_type") for part in value.split(",") if part.strip()]
    for name in found:
        if name not in resource_types():
            raise Malformed(
                "value",
                zh=f"_type 中的 {name[:64]} 不是 R4 资源类型。",
                en=f"{name[:64]} in _type is no resource type of R4: correct it.",
                at="_type",
            )
    return tuple(dict.fromkeys(found))


def _moment(asked: Asked, name: str, end: int, otherwise: float = 0) -> int | float:
    """The first or the last millisecond of a date; without a zone it is the alliance's."""
    text = asked.one(name)
    if text is None:
        return otherwise
    covered = interval(text, asked.door.zone)
    if covered is None:
        raise Malformed("value", zh=f"{name} 不是日期。", en=f"{name} is no date: write YYYY-MM-DD.", at=name)
    return round(covered[end])


def _size(asked: Asked) -> int:
    most = asked.door.limits.count_max
    size = asked.one("_count", most)
    if size < 1:
        raise Malformed("value", zh="_count 应为正整数。", en="_count is a whole number above 0.", at="_count")
    return int(min(size, most))


def _definition(asked: Asked) -> Definition:
    return PATIENT if asked.resource_type == "Patient" else ENCOUNTER


PATIENT = published("Patient-everything")
ENCOUNTER = published("Encounter-everything")
OPERATIONS: Sequence[Operation] = (
    Operation(PATIENT, everything, criteria=True),
    Operation(ENCOUNTER, everything, criteria=True),
)
