"""transaction and batch: many entries at once, all or each for itself. FHIR R4 http.html#transaction."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.fhir.check import check
from gateway.fhir.errors import GatewayError, Invalid, TooLarge, face
from gateway.fhir.outcome import of_error
from gateway.fhir.principal import Principal
from gateway.interactions import bundle_get, bundle_operation
from gateway.interactions.change import Answer, Document, Entry
from gateway.interactions.document import instant
from gateway.interactions.entries import read_entries, whole
from gateway.interactions.fault import fault, note
from gateway.interactions.write import refuse_invalid, write
from gateway.store.contract import Transaction

if TYPE_CHECKING:
    from gateway.interactions.door import Door


ANSWER_MAX = 256 * 1024 * 1024
"""Bytes of resources in one response Bundle, beyond which nothing more is read for it: 5,000 entries may ask for 1,000 resources each."""


def transaction(
    door: Door, bundle: Document, principal: Principal, within: Transaction | None = None, representation: bool = False
) -> Document:
    """The response Bundle, its entries in the order of the request.

    DELETE, POST, PUT and PATCH are worked as one set, in which no two may write the same resource, so that their order
    cannot matter; GET sees what they left behind.

    raises  for a transaction, whatever any entry raises: then nothing was done
    """
    kind = bundle.get("type") if bundle.get("resourceType") == "Bundle" else None
    if kind == "batch" and within is None:
        return _batch(door, bundle, principal, representation)
    if kind != "transaction":
        raise Invalid(
            zh="此处需要 type 为 transaction 或 batch 的 Bundle。",
            en="A Bundle of type transaction or batch is needed here.",
            at="Bundle.type",
        )
    found = read_entries(bundle, door.base_url, door.limits.entries)
    errors = [issue for issue in check(bundle) if issue.severity in ("error", "fatal")]
    if errors:
        raise Invalid(*errors)
    entries = whole(found)
    bundle_operation.refuse(entries)

    def work(inside: Transaction) -> list[Answer]:
        changing = [entry for entry in entries if entry.method != "GET"]
        written = iter(write(door, changing, inside))
        answers = [next(written) if entry.method != "GET" else None for entry in entries]
        held = 0
        for place, entry in enumerate(entries):
            if answers[place] is None:
                _refuse_more(held, entry)
                answers[place] = bundle_get.get(door, entry, inside)
                held += _weight(answers[place])
        return [answer for answer in answers if answer is not None]

    if any(entry.method == "GET" and bundle_get.is_search(entry) for entry in entries):
        door.seal()  # its key is made in a transaction of its own, when it is asked for the first time
    answers = work(within) if within is not None else door.attempt(principal, work)
    return _response(
        "transaction-response", [_entry(door, *pair, representation) for pair in zip(entries, answers, strict=True)]
    )


def _batch(door: Door, bundle: Document, principal: Principal, representation: bool) -> Document:
    """Each entry in a transaction of its own, DELETE, POST, PUT, PATCH, GET in this order; what fails, fails alone."""
    found = read_entries(bundle, door.base_url, door.limits.entries)
    rank = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 3}
    order = sorted(range(len(found)), key=lambda place: rank.get(found[place][0].method, 4))
    answers: dict[int, Document] = {}
    held = 0
    for done, place in enumerate(order):
        door.progress(done, len(order))
        entry, issues = found[place]
        try:
            if issues:
                raise Invalid(*issues, status=400)
            if entry.method == "GET" or bundle_operation.is_operation(entry):
                _refuse_more(held, entry)
            answer = _alone(door, entry, principal)
            held += _weight(answer)
            answers[place] = _entry(door, entry, answer, representation)
        except GatewayError as error:
            note(error)
            answers[place] = _failed(error)
        except Exception as error:  # the other entries are done: they are told, whatever becomes of this one
            unexpected = fault(error)
            note(unexpected)
            answers[place] = _failed(unexpected)
    return _response("batch-response", [answers[place] for place in range(len(found))])


def _alone(door: Door, entry: Entry, principal: Principal) -> Answer:
    if bundle_operation.is_operation(entry):
        return bundle_operation.perform(door, entry, principal)
    if entry.method == "GET":
        return bundle_get.get_apart(door, entry, principal)
    if entry.resource is not None and entry.method != "PATCH":
        refuse_invalid([(entry.place, entry.resource)])
    return door.attempt(principal, lambda inside: write(door, [entry], inside)[0])


def _weight(answer: Answer | None) -> int:
    """Bytes that an answer holds in memory, as far as it is made of stored ones; what an operation builds has limits of its own."""
    if answer is None:
        return 0
    if isinstance(answer.document, msgspec.Raw):
        return len(answer.document)
    return len(answer.version.content) if answer.version is not None else 0


def _refuse_more(held: int, entry: Entry) -> None:
    if held > ANSWER_MAX:
        most = ANSWER_MAX // 1024 // 1024
        raise TooLarge(
            "too-costly",
            zh=f"此 Bundle 的应答已超过 {most} MB；请把其余的 GET 分到别的 Bundle。",
            en=f"The response to this Bundle is over {most} MB by now: ask for the rest in another Bundle.",
            at=entry.place,
        )


def _response(kind: str, entries: list[Document]) -> Document:
    return {"resourceType": "Bundle", "type": kind} | ({"entry": entries} if entries else {})


def _entry(door: Door, entry: Entry, answer: Answer, representation: bool) -> Document:
    response: dict[str, Any] = {"status": f"{answer.status} {HTTPStatus(answer.status).phrase}"}
    if answer.document is not None:
        return {"resource": answer.document, "response": response}
    version = answer.version
    if version is None:
        return {"response": response}
    reference = f"{version.resource_type}/{version.id}"
    if answer.status != 204:
        response["location"] = f"{reference}/_history/{version.version}"
    response["etag"] = f'W/"{version.version}"'
    response["lastModified"] = instant(version.updated_at, door.zone)
    if answer.status == 304:
        return {"response": response}
    found: Document = {"fullUrl": f"{door.base_url}/{reference}"}
    if version.content and (representation or entry.method == "GET"):
        found["resource"] = msgspec.Raw(version.content)
    return found | {"response": response}


def _failed(error: GatewayError) -> Document:
    status = face(error).http_status
    return {"response": {"status": f"{status} {HTTPStatus(status).phrase}", "outcome": of_error(error)}}
