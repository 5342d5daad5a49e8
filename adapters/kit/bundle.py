"""What the engine made becomes a transaction Bundle: entries with business identifiers, the document, the original, Provenance."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from adapters.kit import organizations
from adapters.kit.ledger import Entry
from adapters.kit.translation import Document, Instance, Translation
from gateway.fhir import canonical, merge
from gateway.fhir.errors import Issue

if TYPE_CHECKING:
    from adapters.kit.engine import Assembly

EVENT_TIME = canonical.extension("event-time")
_NO_EVENT = frozenset(
    {"Practitioner"}
)  # staff are named in events, not changed by them: the same doctor stays the same
_INDEX = re.compile(r"\[\d+\]")
_NESTS = (dict, list)
_PATHS_LENGTH_MAX = 2000
_UNMAPPED_NAMED_MAX = 20


def finish(assembly: Assembly) -> Translation:
    """The transaction Bundle of one message.

    Each resource with a business identifier is a conditional update of it; two that share one become one; a resource
    that holds nothing of the message is left out, with every reference to it.

    source   FHIR R4 http.html#transaction, bundle.html#document, provenance.html
    """
    event = assembly.instances.pop(("Bundle", ""), None)
    occurred_at = event.document.get("timestamp", "") if event else ""
    kept = settled(assembly)
    for item in kept:
        item.document = _stamped(item.document, assembly.source.name, occurred_at)
    original = _original(assembly, kept)
    entries: list[Document] = [
        {"fullUrl": item.full_url, "resource": item.document, "request": request(item.document)} for item in kept
    ]
    if original is not None:
        entries.append(original)
    document = _document(assembly, kept)
    if document is not None:
        entries.append(document)
    if entries:
        entries.append(_provenance(assembly, kept))
    ledger = assembly.marks.settle(assembly.tree)
    issues = [*assembly.issues.found, *_unfindable(kept), *_nothing_made(assembly, entries), *_unmapped(ledger)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    if not entries:
        del bundle["entry"]
    removals = {item.full_url: [*item.removals, *_inside(item)] for item in kept if item.removals or item.inside}
    return Translation(bundle, ledger, issues, removals, occurred_at, assembly.tables.version)


def _inside(instance: Instance) -> list[str]:
    """The paths of what is taken away inside items, which are known by system and value."""
    whole = [(name, item, path) for name, item, path in instance.inside if item.get("value")]
    return [f"{merge.which(name, item, ('system', 'value'))}.{path}" for name, item, path in whole]


def settled(assembly: Assembly) -> list[Instance]:
    """The instances worth keeping, one for each business identifier, with references among them set right."""
    kept, assembly.renamed = _united([item for item in assembly.instances.values() if item.valued])
    urls = {item.full_url for item in kept}
    for item in kept:
        item.document = _pruned(item.document, urls, assembly.renamed)
    return kept


def request(resource: Document) -> Document:
    """How a translated resource is written: by its first business identifier, or else as a new one."""
    resource_type = resource["resourceType"]
    identifier = first_identifier(resource)
    if identifier is None:
        return {"method": "POST", "url": resource_type}
    value = f"{identifier.get('system', '')}|{_escape(identifier['value'])}"
    return {"method": "PUT", "url": f"{resource_type}?identifier={quote(value, safe=':/|')}"}


def first_identifier(resource: Document) -> Document | None:
    found = resource.get("identifier")
    for identifier in found if isinstance(found, list) else [found] if found else []:
        if identifier.get("system") and identifier.get("value"):
            return dict(identifier)
    return None


def _escape(value: str) -> str:
    return re.sub(r"([\\,$|])", r"\\\1", value)


def _united(instances: list[Instance]) -> tuple[list[Instance], dict[str, str]]:
    """One instance for each type and business identifier (a doctor named twice); the later fullUrl gives way."""
    kept: dict[tuple[str, str, str], Instance] = {}
    renamed: dict[str, str] = {}
    for item in instances:
        identifier = first_identifier(item.document)
        key = (
            (item.document["resourceType"], identifier["system"], identifier["value"])
            if identifier
            else ("", item.full_url, "")
        )
        first = kept.setdefault(key, item)
        if first is not item:
            renamed[item.full_url] = first.full_url
            first.document = _filled(first.document, item.document)
            first.paths.update(item.paths)
    return list(kept.values()), renamed


def _filled(first: Document, other: Document) -> Document:
    """What first leaves open, as other says it: a diagnosis at admission by code, at discharge by code and name."""
    filled = {**other, **first}
    for key, value in first.items():
        if isinstance(value, dict) and isinstance(other.get(key), dict):
            filled[key] = _filled(value, other[key])
    return filled


def _pruned(value: Any, urls: set[str], renamed: dict[str, str]) -> Any:
    """A copy without references to what was left out, and without what is empty then."""
    if type(value) is list:
        items = [_pruned(item, urls, renamed) if type(item) in _NESTS else item for item in value]
        return [item for item in items if item is not None and not (type(item) in _NESTS and not item)]
    kept: Document = {}
    for key, item in value.items():
        if type(item) in _NESTS:
            item = _pruned(item, urls, renamed)
            if not item:
                continue
        elif item is None:
            continue
        elif key == "reference" and type(item) is str and item.startswith("urn:uuid:"):
            item = renamed.get(item, item)
            if item not in urls:
                continue
        kept[key] = item
    return kept


def _stamped(document: Document, source_name: str, occurred_at: str) -> Document:
    """meta.source names the source; its event time lets a late, older message fill gaps only."""
    meta: Document = {}
    if occurred_at and document["resourceType"] not in _NO_EVENT:
        meta["extension"] = [{"url": EVENT_TIME, "valueDateTime": occurred_at}]
    meta["source"] = canonical.source_uri(source_name)
    meta.update({key: item for key, item in document.get("meta", {}).items() if key not in meta})
    rest = {key: item for key, item in document.items() if key not in ("resourceType", "meta")}
    return {"resourceType": document["resourceType"], "meta": meta, **rest}


def _original(assembly: Assembly, kept: list[Instance]) -> Document | None:
    """The bytes as received, as a Binary that the message's DocumentReference points to."""
    documents = [item for item in kept if item.document["resourceType"] == "DocumentReference"]
    if not documents:
        return None
    body = assembly.received.body
    name = uuid.uuid5(uuid.NAMESPACE_OID, assembly.seed)
    binary = {
        "resourceType": "Binary",
        "id": str(name),
        "contentType": assembly.received.media_type,
        "data": base64.b64encode(body).decode("ascii"),
    }
    attachment = {
        "contentType": assembly.received.media_type,
        "url": f"Binary/{name}",
        "size": len(body),
        "hash": base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode("ascii"),
    }
    for item in documents:
        for content in item.document.setdefault("content", [{}]):
            content["attachment"] = {**attachment, **content.get("attachment", {})}
    return {"fullUrl": f"urn:uuid:{name}", "resource": binary, "request": {"method": "PUT", "url": f"Binary/{name}"}}


def _document(assembly: Assembly, kept: list[Instance]) -> Document | None:
    """The document Bundle of a message that brought a Composition: complete in itself, with names of its own for what
    it holds, so that it reads the same for ever while the live resources go on."""
    composition = next((item for item in kept if item.document["resourceType"] == "Composition"), None)
    identifier = first_identifier(composition.document) if composition else None
    if composition is None or identifier is None:
        return None
    inside = [composition, *(item for item in kept if item is not composition)]
    names = {item.full_url: "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_OID, item.full_url)) for item in inside}
    document = {
        "resourceType": "Bundle",
        "meta": {"source": canonical.source_uri(assembly.source.name)},
        "identifier": identifier,
        "type": "document",
        "timestamp": assembly.received.received_at,
        "entry": [
            {"fullUrl": names[item.full_url], "resource": _standing_alone(renamed(item.document, names))}
            for item in inside
        ],
    }
    full_url = "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_OID, assembly.seed + "|document"))
    return {"fullUrl": full_url, "resource": document, "request": request(document)}


def renamed(value: Any, names: dict[str, str]) -> Any:
    """The same with other names for what is referred to."""
    if isinstance(value, dict):
        return {
            key: names.get(item, item) if key == "reference" and isinstance(item, str) else renamed(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return value


def _standing_alone(value: Any) -> Any:
    """Without conditional references, which only a transaction resolves: the identifier itself says who is meant.

    source   FHIR R4 references.html#logical
    """
    if isinstance(value, list):
        return [_standing_alone(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _standing_alone(item) for key, item in value.items()}
    kind, question, criteria = str(found.get("reference", "")).partition("?")
    if question and criteria.startswith("identifier="):
        system, _, code = criteria.removeprefix("identifier=").partition("|")
        del found["reference"]
        found = {"type": kind, "identifier": {"system": system, "value": code}, **found}
    return found


def _provenance(assembly: Assembly, kept: list[Instance]) -> Document:
    """Which message, by which version of the tables, from which source paths, each resource was made."""
    received, source = assembly.received, assembly.source
    targets = []
    for item in kept:
        paths = " ".join(dict.fromkeys(_INDEX.sub("", path) if "[" in path else path for path in item.paths))
        if len(paths) > _PATHS_LENGTH_MAX:
            paths = paths[:_PATHS_LENGTH_MAX].rpartition(" ")[0] + " …"
        target: Document = {"reference": item.full_url}
        if paths:
            target = {"extension": [{"url": canonical.extension("source-path"), "valueString": paths}], **target}
        targets.append(target)
    what = {
        "identifier": {
            "system": canonical.source_uri(source.name) + "/message",
            "value": received.control_id or assembly.seed,
        }
    }
    return {
        "fullUrl": "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_OID, assembly.seed + "|provenance")),
        "resource": {
            "resourceType": "Provenance",
            "meta": {"source": canonical.source_uri(source.name)},
            "extension": [
                {"url": canonical.extension("table-version"), "valueString": assembly.tables.version},
                {"url": canonical.extension("message-sha256"), "valueString": assembly.seed},
            ],
            "target": targets,
            "recorded": received.received_at,
            "activity": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation", "code": "CREATE"}]
            },
            "agent": [{"who": organizations.of_source(source)}],
            "entity": [{"role": "source", "what": what}],
        },
        "request": {"method": "POST", "url": "Provenance"},
    }


def _nothing_made(assembly: Assembly, entries: list[Document]) -> list[Issue]:
    """A message that comes to nothing, though its table makes something: most often what it should hold is missing."""
    table = assembly.tables.message(assembly.tree.kind)
    if entries or table is None or all(row.ignored for row in table.rows):
        return []
    return [
        Issue(
            "required",
            "消息没有产生任何资源：映射表要读的段、列或条件都没有出现；请核对发送方的内容与映射表",
            "the message comes to no resource: nothing that its table reads is there; check what the sender writes, and the table",
        )
    ]


def _unfindable(kept: list[Instance]) -> list[Issue]:
    """A person or a stay without a number, or a stay of nobody: the next message could not find it again, and would make
    another one."""
    issues = []
    for item in kept:
        kind = item.document["resourceType"]
        if kind in ("Patient", "Encounter") and first_identifier(item.document) is None:
            zh, en = {
                "Patient": ("患者号（如 PID-3）", "patient number (PID-3)"),
                "Encounter": ("就诊号或住院号（如 PV1-19、PID-18）", "visit or inpatient number (PV1-19, PID-18)"),
            }[kind]
            issues.append(
                Issue(
                    "required",
                    f"消息没有{zh}，无法入库；请发送方补上后重发",
                    f"the message has no {en} and cannot be stored: fill it at the sender and send it again",
                    (f"{kind}.identifier",),
                )
            )
        if kind == "Encounter" and "subject" not in item.document:
            issues.append(
                Issue(
                    "required",
                    "消息没有写明就诊的是谁（如 PID 段），无法入库；请发送方补上后重发",
                    "the message does not say whose stay it is (PID) and cannot be stored: fill it at the sender and send it again",
                    ("Encounter.subject",),
                )
            )
    return issues


def _unmapped(ledger: list[Entry]) -> list[Issue]:
    """One warning for all values that no row speaks of: a message that holds such is never green."""
    paths = tuple(entry.path for entry in ledger if entry.state == "unmapped")
    if not paths:
        return []
    named = paths[:_UNMAPPED_NAMED_MAX]
    return [
        Issue(
            "not-supported",
            f"有 {len(paths)} 个值没有映射，仍在原始消息中；请在映射表中为它们加行，或写明不采用的理由；已收到的消息之后可以重放",
            f"{len(paths)} values are not mapped, the original message has them: "
            "give each a row, or a reason to leave it out; what was received can then be replayed",
            named,
            "warning",
        )
    ]
