"""$match: which records may be the person that is described, each with its grade. FHIR R4 patient-operation-match.html.

The rules are those by which a message finds its Patient (gateway/identity): what is certain here would be one person there. A record
that was merged away is shown as its survivor. Nothing is written.
"""

from __future__ import annotations

from gateway.fhir import document
from gateway.fhir.errors import Invalid, Malformed
from gateway.identity.grade import Graded, candidates, graded
from gateway.identity.resolve import replaced_by
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.interactions.write import refuse_invalid
from gateway.operations.published import published

COUNT = 10
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_ORDER = ("certain", "probable", "possible", "certainly-not")
_LINKS_MAX = 8


def match(asked: Asked) -> Document:
    """A searchset, the best first; with onlyCertainMatches the one that is certain, or nothing where it is not one alone.

    raises  Invalid for a description by which nobody can be found; Malformed for a count below 1
    """
    described = asked.one("resource")
    if described.get("resourceType") != "Patient":
        raise Invalid(
            zh="参数 resource 应为 Patient。", en="The parameter resource is a Patient: send one.", at="resource"
        )
    refuse_invalid([("", described)])
    count = asked.one("count", COUNT)
    if count < 1:
        raise Malformed("value", zh="count 应为正整数。", en="count is a whole number above 0.", at="count")
    found = _found(asked, described)
    if asked.one("onlyCertainMatches", False):
        found = [one for one in found if one[1].grade == "certain"]
        found = found if len(found) == 1 else []
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        **({"entry": [_entry(asked, *one) for one in found[:count]]} if found else {}),
    }


def _found(asked: Asked, described: Document) -> list[tuple[Document, Graded]]:
    queries = list(candidates(described))
    if not queries:
        raise Invalid(
            "required",
            zh="无法据此查找：请给出 identifier，或姓名和出生日期（或性别），或电话。",
            en="Nobody can be found by this: give an identifier, or a name with birth date or sex, or a telephone number.",
            at="resource",
        )
    records: dict[str, Document] = {}
    for query in queries:
        for version in asked.door.store.search(query, asked.principal).matches:
            if (record := _survivor(asked, document.read(version.content))) is not None:
                records.setdefault(record["id"], record)
    # What a record was known by before a merge is borne by its survivor, so each is graded as it stands.
    judged = [(record, grade) for record in records.values() if (grade := graded(described, record)) is not None]
    return sorted(judged, key=lambda one: (_ORDER.index(one[1].grade), -one[1].score, one[0]["id"]))


def _survivor(asked: Asked, record: Document) -> Document | None:
    for _ in range(_LINKS_MAX):
        following = replaced_by(record)
        if not following:
            return record
        version = asked.door.store.read("Patient", following, asked.principal)
        if version is None or version.deleted:
            return None
        record = document.read(version.content)
    return None


def _entry(asked: Asked, record: Document, grade: Graded) -> Document:
    return {
        "fullUrl": f"{asked.door.base_url}/Patient/{record['id']}",
        "resource": record,
        "search": {
            "extension": [{"url": GRADE, "valueCode": grade.grade}],
            "mode": "match",
            "score": grade.score,
        },
    }


OPERATIONS = (Operation(published("Patient-match"), match),)
