"""Loads files of resources through the door: many in one transaction, each under its own id, what is refused told by its place.

Order     pieces as they stand; a resource that is written twice within a batch begins the next one
Promise   a batch is one database transaction, and how far the file has come is committed with it: what was broken off goes on
          there, and what was loaded already changes nothing
Bounds    BATCH resources or BATCH_BYTES a transaction; REFUSALS_KEPT refusals in the report; of references to what has not come
          yet, one place each
Rules     what is new is taken as it has become elsewhere (a closed referral is no edge of ours); a change of what is here already is
          judged by the door's rules; nothing follows from either: what is loaded is history, nobody is notified
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from gateway.bulk.files import Piece, files, identity, pieces
from gateway.fhir import document
from gateway.fhir.check import check
from gateway.fhir.elements import resource_types
from gateway.fhir.errors import GatewayError, Invalid, Issue
from gateway.fhir.principal import Principal
from gateway.fhir.reference import parse, references, rewrite
from gateway.interactions import custom_parameters
from gateway.interactions.change import Change, Document, Entry, Rule
from gateway.interactions.door import Door
from gateway.interactions.entries import read_entries, whole
from gateway.interactions.write import write
from gateway.store.contract import Transaction

BATCH = 500
BATCH_BYTES = 16 * 1024 * 1024
REFUSALS_KEPT = 1000  # in the report; all of them are told as they come
DONE = 2**62  # progress of a file that was loaded to its end

_STORED_WHOLE = ("document", "message")  # Bundles that are one thing, and not a way to carry several


class Refusal(NamedTuple):
    """What was not loaded: its file, the line (0: the file is one document), the entry in a Bundle (-1: none), and why."""

    file: str
    line: int
    entry: int
    issues: tuple[Issue, ...]


@dataclass(slots=True)
class Report:
    """What became of the files.

    refused   the first of those that were refused; refused_count: of all
    dangling  references to what is not there after all, with the place that was met first
    """

    files: int = 0
    skipped: int = 0
    resources: int = 0
    written: int = 0
    unchanged: int = 0
    refused_count: int = 0
    refused: list[Refusal] = field(default_factory=list)
    dangling: dict[str, str] = field(default_factory=dict)


class Unit(NamedTuple):
    """What stands or falls as one: a resource, or all of a transaction Bundle."""

    line: int
    entry: int
    entries: list[Entry]
    size: int


class _Batch(NamedTuple):
    units: list[Unit]
    keys: set[tuple[str, str]]


class Loader:
    """Loads into one door's store."""

    def __init__(
        self, door: Door, principal: Principal, tell: Callable[[Refusal], Any] = lambda _refusal: None
    ) -> None:
        """tell: told each refusal when it is met."""
        limits = replace(door.limits, referential_integrity=False, update_as_create=True)
        rules = (custom_parameters.rule, *(_of_changes(rule) for rule in door.rules))
        self._door = Door(door.store, rules, (), door.base_url, door.zone, limits)
        self._principal = principal
        self._tell = tell
        self._waiting: dict[tuple[str, str], str] = {}  # referred to and not there yet: where it was met first
        self.report = Report()

    def load(
        self, paths: Iterable[Path], advance: Callable[[int], Any] = lambda _bytes: None, again: bool = False
    ) -> Report:
        """Load files and folders.

        advance  told how many bytes of the files have been worked since it was told last
        again    load files that were loaded before as well
        raises   Invalid for a path that cannot be loaded; Unavailable when the database is away: run it again, it goes on
        """
        for path in files(paths):
            self.report.files += 1
            name = identity(path)
            done = 0 if again else self._door.store.progress(name)
            size = path.stat().st_size
            if done == DONE:
                self.report.skipped += 1
                advance(size)
                continue
            self._file(path, name, done, size, advance)
        self._settle()
        return self.report

    def _file(self, path: Path, name: str, done: int, size: int, advance: Callable[[int], Any]) -> None:
        units: list[Unit] = []
        keys: set[tuple[str, str]] = set()
        told = count = weight = 0
        for piece in pieces(path):
            for unit in self._units(path, piece):
                count += 1
                if count <= done:
                    continue
                own = {(entry.resource_type, entry.id) for entry in unit.entries}
                if units and (len(units) >= BATCH or weight + unit.size > BATCH_BYTES or own & keys):
                    self._write(path, units, name, count - 1)
                    units, keys, weight = [], set(), 0
                    advance(piece.read - told)
                    told = piece.read
                units.append(unit)
                keys |= own
                weight += unit.size
        self._write(path, units, name, DONE)
        advance(size - told)

    def _units(self, path: Path, piece: Piece) -> Iterator[Unit]:
        """A refused one is a unit without entries: it is counted, so that the count is the same the next time."""
        try:
            if piece.refusal is not None:
                raise piece.refusal
            found = document.read(piece.data)
            if found.get("resourceType") == "Bundle" and found.get("type") not in _STORED_WHOLE:
                yield from self._bundle(path, piece, found)
            else:
                yield self._resource(path, piece, -1, found, len(piece.data))
        except GatewayError as error:
            yield self._refuse(path, piece.number, -1, error)

    def _bundle(self, path: Path, piece: Piece, bundle: Document) -> Iterator[Unit]:
        listed = bundle.get("entry", [])
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise Invalid(
                "structure", zh="entry 应为对象的数组。", en="entry must be an array of objects.", at="Bundle.entry"
            )
        size = len(piece.data) // max(1, len(listed))
        names = _named(listed)
        resources = [
            (place, one["resource"]) for place, one in enumerate(listed) if isinstance(one.get("resource"), dict)
        ]
        if bundle.get("type") in ("transaction", "batch"):
            entries = self._requests(bundle, names)
            if bundle["type"] == "transaction":
                self._refuse_invalid(resources)
                yield Unit(piece.number, -1, whole(entries), len(piece.data))
                return
            for place, (entry, issues) in enumerate(entries):
                try:
                    if issues:
                        raise Invalid(*issues)
                    if entry.resource is not None:
                        self._refuse_invalid([(place, entry.resource)])
                    yield Unit(piece.number, place, [entry], size)
                except GatewayError as error:
                    yield self._refuse(path, piece.number, place, error)
            return
        for place, resource in resources:
            resource.setdefault("id", _id_of(resource, str(listed[place].get("fullUrl", ""))))
            if names:
                rewrite(resource, names.get)
            yield self._resource(path, piece, place, resource, size)

    def _requests(self, bundle: Document, names: dict[str, str]) -> list[tuple[Entry, tuple[Issue, ...]]]:
        """The requests of a Bundle; what would be created under a new id is put under the id that it has."""
        found = read_entries(bundle, self._door.base_url, 10**9)
        for entry, _ in found:
            if entry.resource is not None and names:
                rewrite(entry.resource, names.get)
            if entry.method == "POST" and not entry.criteria and entry.resource is not None:
                entry.method, entry.id = (
                    "PUT",
                    str(entry.resource.setdefault("id", _id_of(entry.resource, entry.full_url))),
                )
        return [pair for pair in found if pair[0].method != "GET"]

    def _resource(self, path: Path, piece: Piece, place: int, resource: Document, size: int) -> Unit:
        try:
            resource_type = resource.get("resourceType")
            if resource_type not in resource_types():
                raise Invalid(
                    "structure", zh="resourceType 不是 R4 的资源类型。", en="resourceType names no type of R4.", at="resourceType"
                )  # fmt: skip
            id = resource.setdefault("id", _id_of(resource, ""))
            self._refuse_invalid([(-1, resource)])
            return Unit(
                piece.number, place, [Entry("", "PUT", str(resource_type), id=str(id), resource=resource)], size
            )
        except GatewayError as error:
            return self._refuse(path, piece.number, place, error)

    def _refuse_invalid(self, resources: Sequence[tuple[int, Document]]) -> None:
        issues: list[Issue] = []
        for place, resource in resources:
            found = check(resource)
            if any(issue.severity in ("error", "fatal") for issue in found):
                at = f"entry[{place}] " if len(resources) > 1 else ""
                issues += [
                    Issue(
                        issue.code, issue.zh, issue.en, tuple(at + where for where in issue.expression), issue.severity
                    )
                    for issue in found
                ]
        if issues:
            raise Invalid(*issues)

    def _refuse(self, path: Path, line: int, entry: int, error: GatewayError) -> Unit:
        refusal = Refusal(str(path), line, entry, error.issues)
        self.report.refused_count += 1
        if len(self.report.refused) < REFUSALS_KEPT:
            self.report.refused.append(refusal)
        self._tell(refusal)
        return Unit(line, entry, [], 0)

    def _write(self, path: Path, units: Sequence[Unit], name: str, done: int) -> None:
        entries = [entry for unit in units for entry in unit.entries]

        def work(within: Transaction) -> int:
            changed = 0
            if entries:
                answers = write(self._door, entries, within)
                # What was changed bears this transaction's instant, which is after all that stood before.
                changed = sum(
                    answer.version is not None and answer.version.updated_at == within.now() for answer in answers
                )
            if done:
                within.keep_progress(name, done)
            return changed

        try:
            changed = self._door.attempt(self._principal, work)
        except GatewayError as error:
            if len(units) == 1 and _is_of_the_resource(error):
                self._refuse(path, units[0].line, units[0].entry, error)
                self._write(path, [], name, done)
                return
            if len(units) < 2 or not _is_of_the_resource(error):
                raise
            # Which of them it is shows when each half is tried alone; the place is kept with the second half only.
            self._write(path, units[: len(units) // 2], name, 0)
            self._write(path, units[len(units) // 2 :], name, done)
            return
        self.report.resources += len(entries)
        self.report.written += changed
        self.report.unchanged += len(entries) - changed
        self._note_references(path, units)

    def _note_references(self, path: Path, units: Sequence[Unit]) -> None:
        for unit in units:
            for entry in unit.entries:
                self._waiting.pop((entry.resource_type, entry.id), None)
        fresh: dict[tuple[str, str], str] = {}
        for unit in units:
            for entry in unit.entries:
                for where, owner in references(entry.resource or {}):
                    target = parse(owner["reference"])
                    if target.kind == "relative":
                        fresh.setdefault((target.type, target.id), f"{_place(path, unit)} {where}")
        fresh = {key: place for key, place in fresh.items() if key not in self._waiting}
        if fresh:
            there = self._existing(fresh)
            self._waiting |= {key: place for key, place in fresh.items() if key not in there}

    def _settle(self) -> None:
        """What was referred to and has still not come, after all files."""
        if self._waiting:
            there = self._existing(self._waiting)
            for (resource_type, id), place in self._waiting.items():
                if (resource_type, id) not in there:
                    self.report.dangling[f"{resource_type}/{id}"] = place

    def _existing(self, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        return self._door.attempt(self._principal, lambda within: within.existing(wanted))


def _of_changes(rule: Rule) -> Rule:
    def judged(change: Change, within: Transaction) -> None:
        if change.before is not None:
            rule(change, within)

    return judged


def _named(listed: Sequence[Document]) -> dict[str, str]:
    """Type/id for the urn:uuid of each entry whose resource is kept under an id known beforehand."""
    found = {}
    for one in listed:
        full_url, resource = one.get("fullUrl"), one.get("resource")
        request = one.get("request") if isinstance(one.get("request"), dict) else {}
        if isinstance(full_url, str) and full_url.startswith("urn:uuid:") and isinstance(resource, dict):
            if (request or {}).get("ifNoneExist"):
                continue  # the door finds out which one it is
            found[full_url] = f"{resource.get('resourceType')}/{resource.get('id') or _id_of(resource, full_url)}"
    return found


def _id_of(resource: Document, full_url: str) -> str:
    """For a resource without an id one that is the same the next time: its urn:uuid, or made from its content."""
    if full_url.startswith("urn:uuid:") and len(full_url) <= 64 + 9:
        return full_url[9:]
    return sha256(document.write(resource)).hexdigest()[:32]


def _is_of_the_resource(error: GatewayError) -> bool:
    """Whether it is the resource's own fault, and not the database's or ours."""
    return not any(issue.code in ("exception", "transient", "throttled", "timeout") for issue in error.issues)


def _place(path: Path, unit: Unit) -> str:
    return f"{path.name}{f':{unit.line}' if unit.line else ''}{f' entry[{unit.entry}]' if unit.entry >= 0 else ''}"
