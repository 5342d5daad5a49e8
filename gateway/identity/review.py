"""The review queue: a pair of Patients that may be one person is a Task, written once however often the pair is met.

It tells the last decision: rejected or completed, it is not asked again, but a later merge of the pair completes it and a merge undone
rejects it, whatever it said before. Who decided what, and when, stands in its history. One entered in error is left alone.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from gateway.fhir import canonical, document
from gateway.fhir.bundle import transaction_entry
from gateway.identity.match import Comparison
from gateway.search.query import Clause, Query, Value
from gateway.store.contract import Transaction

Document = dict[str, Any]
CODE = "identity-review"


@dataclass(frozen=True, slots=True)
class Review:
    """A pair that a person must look at: ids of two Patients, and why they may be one."""

    one: str
    other: str
    comparison: Comparison

    @property
    def key(self) -> str:
        return key(self.one, self.other)


def key(one: str, other: str) -> str:
    """One value for a pair, whichever comes first."""
    return ".".join(sorted((one, other)))


def system(base: str = canonical.BASE) -> str:
    """The identifier system of the queue."""
    return f"{base}/sid/{CODE}"


def entry(review: Review, base: str = canonical.BASE) -> Document:
    """The Task of a pair, created only if the pair is not in the queue: also not when it was decided already.

    source   FHIR R4 http.html#ccreate
    """
    first, second = sorted((review.one, review.other))
    code = {"system": canonical.code_system("task-code", base), "code": CODE, "display": "患者身份核对"}
    task = {
        "resourceType": "Task",
        "identifier": [{"system": system(base), "value": review.key}],
        "status": "requested",
        "intent": "proposal",
        "code": {"coding": [code]},
        "description": "两份患者记录可能是同一人，请核对后合并，或标明不是同一人",
        "focus": {"reference": f"Patient/{first}"},
        "for": {"reference": f"Patient/{first}"},
        "input": [
            {"type": _input("candidate", "另一份记录", base), "valueReference": {"reference": f"Patient/{second}"}},
            {"type": _input("evidence", "依据", base), "valueString": review.comparison.explanation},
        ],
    }
    full_url = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, system(base) + review.key)}"
    return transaction_entry(task, full_url, if_none_exist=f"identifier={system(base)}|{review.key}")


def decided(
    transaction: Transaction, one: str, other: str, status: str, words: str, base: str = canonical.BASE
) -> list[Document]:
    """The entries by which the pair's Task tells a decision; none where it tells it already, or where there is no Task."""
    value = Value("", system=system(base), code=key(one, other))
    page = transaction.search(Query("Task", (Clause("identifier", "token", (value,)),)))
    entries = []
    for version in page.matches:
        task = document.read(version.content)
        if task.get("status") not in ("entered-in-error", status):
            told = task | {"status": status, "businessStatus": {"text": words}}
            entries.append(transaction_entry(told, method="PUT", if_match=f'W/"{version.version}"'))
    return entries


def _input(code: str, display: str, base: str) -> Document:
    return {"coding": [{"system": canonical.code_system("task-input", base), "code": code, "display": display}]}
