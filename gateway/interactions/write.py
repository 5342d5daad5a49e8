"""The one door behind which everything is written: entries → changes → rules → versions and index → what follows from them.

Order     locks in sorted order, then conditions, then current rows in sorted order: two transactions never wait for each other
          but in consequences, where the database breaks one off and it is tried again
Promise   all of it is one database transaction of the caller's
Bounds    consequences of consequences end after `rounds`, as a fault of ours
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gateway.fhir import document, reference
from gateway.fhir.check import check
from gateway.fhir.errors import Fault, Invalid, Issue, NotFound, PreconditionFailed, Unsupported
from gateway.interactions.change import Answer, Change, Document, Entry
from gateway.interactions.delete_multiple import spread
from gateway.interactions.document import copied, instant, same_content, stamped
from gateway.interactions.entries import read_entries, whole
from gateway.interactions.http_date import tags
from gateway.interactions.patched import patched
from gateway.interactions.referrers import refuse_referred
from gateway.interactions.resolve import Target, names_to_lock, refuse_dangling, rewrite_references, targets
from gateway.store.contract import Transaction, Version, Write

if TYPE_CHECKING:
    from gateway.interactions.door import Door

Gathered = dict[int, list[reference.Target]]
"""The targets of all references of a change's document, by the id() of the change."""


def write(door: Door, entries: Sequence[Entry], within: Transaction) -> list[Answer]:
    """Write entries (no GET among them) and all that follows from them.

    returns  one answer an entry, in order
    raises   GatewayError: the transaction must then be given up
    """
    if door.limits.delete_multiple and any(entry.method == "DELETE" and entry.criteria for entry in entries):
        entries, first = spread(door, entries, within)
        answers = _write(door, entries, within)
        return [answers[place] for place in first]
    return _write(door, entries, within)


def _write(door: Door, entries: Sequence[Entry], within: Transaction) -> list[Answer]:
    answers, changes = _round(door, entries, within, asked=True)
    for _ in range(door.limits.rounds):
        if not changes:
            return answers
        effects = [consequence(changes, within) for consequence in door.consequences]
        within.add_jobs([job for effect in effects for job in effect.jobs])
        further = [entry for effect in effects for entry in effect.entries]
        if not further:
            return answers
        follow = whole(read_entries({"resourceType": "Bundle", "entry": further}, door.base_url, len(further)))
        refuse_invalid([(entry.place, entry.resource) for entry in follow if entry.resource is not None])
        _, changes = _round(door, follow, within)
    raise Fault(
        zh="由变更引发的后续变更没有终止，这是网关自身的错误，请报告管理员。",
        en="What follows from the changes does not come to an end: this is the gateway's own mistake, please report it.",
    )


def refuse_invalid(documents: Sequence[tuple[str, Document | None]]) -> None:
    """Refuse documents that R4 does not allow, with every issue of every one of them."""
    issues: list[Issue] = []
    for place, found in documents:
        for issue in check(found or {}):
            if place:
                inside = tuple(f"{place}.resource.{path.partition('.')[2]}".rstrip(".") for path in issue.expression)
                issue = Issue(issue.code, issue.zh, issue.en, inside, issue.severity)
            issues.append(issue)
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise Invalid(*issues)


def _round(
    door: Door, entries: Sequence[Entry], within: Transaction, asked: bool = False
) -> tuple[list[Answer], list[Change]]:
    """asked: the entries are the principal's own, who changes only what they may see; what follows from them is the gateway's"""
    within.lock(names_to_lock(entries))
    found = targets(door, entries, within)
    current = within.current(
        (target.resource_type, target.id) for target in found if target is not None and target.id and not target.fresh
    )
    if asked:
        current = _seen(entries, found, current, within)
    changes: list[Change | None] = []
    for entry, target in zip(entries, found, strict=True):
        changes.append(_change(door, entry, target, current))
    resources = [
        (entry.place, change.after)
        for entry, change in zip(entries, changes, strict=True)
        if change is not None and change.after is not None
    ]
    rewrite_references(door, resources, entries, found, within)
    for change in changes:
        if change is not None:
            for rule in (*door.invariants, *door.rules):
                rule(change, within)
    effective = [change for change in changes if change is not None and not _is_nothing(change)]
    going = {(change.resource_type, change.id) for change in effective if change.after is None}
    staying = {(change.resource_type, change.id) for change in effective if change.after is not None}
    gathered: Gathered = {}
    if door.limits.referential_integrity:
        gathered = _refuse_dangling(entries, changes, effective, (staying, going), within)
    if going and door.limits.deletion_integrity:
        refuse_referred(going, staying, within)
    writes = _versions(door, effective, current, gathered, within)
    within.write(writes)
    written = {(one.version.resource_type, one.version.id): one.version for one in writes}
    answers = [_answer(entry, target, written, current) for entry, target in zip(entries, found, strict=True)]
    return answers, effective


def _seen(
    entries: Sequence[Entry],
    found: Sequence[Target | None],
    current: dict[tuple[str, str], Version],
    within: Transaction,
) -> dict[tuple[str, str], Version]:
    """The current versions without those that the principal may not see: to be deleted or patched they are not there.

    raises  NotFound for an update of one, which would be taken for a new one
    """
    hidden = within.hidden(current)
    for entry, target in zip(entries, found, strict=True) if hidden else ():
        if entry.method == "PUT" and target is not None and (target.resource_type, target.id) in hidden:
            raise not_found(target.resource_type)
    return {key: version for key, version in current.items() if key not in hidden} if hidden else current


def _change(door: Door, entry: Entry, target: Target | None, current: dict[tuple[str, str], Version]) -> Change | None:
    """What an entry changes; None when it changes nothing. Its document is a copy: a second attempt begins from what was sent."""
    if target is None or target.standing:
        return None
    stands = current.get((target.resource_type, target.id))
    alive = stands is not None and not stands.deleted
    _refuse_stale(entry, stands)
    if entry.method == "DELETE" and not alive:
        return None
    before = document.read(stands.content) if stands is not None and alive else None
    if entry.method == "DELETE":
        return Change(target.resource_type, target.id, before, None, "DELETE")
    if entry.method == "PATCH":
        if before is None:
            raise not_found(target.resource_type)
        after = patched(before, entry.resource or {}, f"{entry.place}.resource" if entry.place else "patch")
        refuse_invalid([(entry.place, after)])
        return Change(target.resource_type, target.id, before, after, "PUT")
    if stands is None and entry.method == "PUT" and entry.id and not door.limits.update_as_create:
        raise Unsupported(
            zh="资源不存在，且本服务器不允许客户端自定 id；请用 POST 创建。",
            en="There is no such resource, and clients may not choose ids here: create it with POST.",
            at=entry.place,
            status=405,
        )
    after = stamped(copied(entry.resource), target.id, 0, "")
    return Change(target.resource_type, target.id, before, after, "PUT" if stands else entry.method)


def _refuse_stale(entry: Entry, stands: Version | None) -> None:
    if entry.if_none_match and entry.method != "DELETE" and stands is not None and not stands.deleted:
        found = tags(entry.if_none_match)
        if "*" in found or str(stands.version) in found:
            raise PreconditionFailed(
                "conflict",
                zh="If-None-Match 要求该资源或该版本尚不存在，而它已存在。",
                en="If-None-Match asks that the resource, or this version, is not there, and it is: read it first.",
                at=entry.place,
            )
    if not entry.if_match:
        return
    wanted = set(tags(entry.if_match))
    if (stands is None or stands.deleted) or ("*" not in wanted and str(stands.version) not in wanted):
        raise PreconditionFailed(
            "conflict",
            zh="If-Match 与当前版本不符，资源已被更新；请重新读取后再改。",
            en="If-Match is not the current version, the resource has changed: read it again and repeat your change.",
            at=entry.place,
        )


def _is_nothing(change: Change) -> bool:
    return change.before is not None and change.after is not None and same_content(change.before, change.after)


def _refuse_dangling(
    entries: Sequence[Entry],
    changes: Sequence[Change | None],
    effective: Sequence[Change],
    moved: tuple[set[tuple[str, str]], set[tuple[str, str]]],
    within: Transaction,
) -> Gathered:
    changed = {id(change) for change in effective}
    kept = [
        (entry.place, change)
        for entry, change in zip(entries, changes, strict=True)
        if change is not None and change.after is not None and id(change) in changed
    ]
    found = refuse_dangling([(place, change.after or {}) for place, change in kept], *moved, within)
    return {id(change): targets for (_, change), targets in zip(kept, found, strict=True)}


def _versions(
    door: Door,
    changes: Sequence[Change],
    current: dict[tuple[str, str], Version],
    gathered: Gathered,
    within: Transaction,
) -> list[Write]:
    if not changes:
        return []
    now = within.now()
    shown = instant(now, door.zone)
    writes: list[Write] = []
    for change in changes:
        stands = current.get((change.resource_type, change.id))
        change.version = (stands.version if stands else 0) + 1
        if change.after is None:
            version = Version(change.resource_type, change.id, change.version, now, "DELETE", b"")
            writes.append(Write(version))
            continue
        change.after = stamped(change.after, change.id, change.version, shown)
        method: Literal["POST", "PUT"] = "POST" if change.method == "POST" else "PUT"
        version = Version(change.resource_type, change.id, change.version, now, method, document.write(change.after))
        writes.append(Write(version, door.index(change.after, gathered.get(id(change)))))
    return writes


def _answer(
    entry: Entry,
    target: Target | None,
    written: dict[tuple[str, str], Version],
    current: dict[tuple[str, str], Version],
) -> Answer:
    if target is None:
        return Answer(204)
    key = (target.resource_type, target.id)
    version = written.get(key) or current.get(key)
    if entry.method == "DELETE":
        return Answer(204, version)
    if key not in written or target.standing:
        return Answer(200, version)
    return Answer(201 if key not in current or current[key].deleted else 200, version)


def not_found(resource_type: str) -> NotFound:
    return NotFound(
        zh=f"没有这个 {resource_type}；请检查 id，或先检索。",
        en=f"There is no such {resource_type}: check the id, or search for it.",
        at=resource_type,
    )
