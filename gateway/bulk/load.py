"""Loads files of resources through the door: many in one transaction, each under its own id, what is refused told by its place.

Order     pieces as they stand; a resource that is written twice within a batch begins the next one
Promise   a batch is one database transaction, and how far the file has come and how much of it was refused are committed with it:
          what was broken off goes on there, and what was loaded already changes nothing, and is told again as it was
Bounds    BATCH resources or BATCH_BYTES a transaction; REFUSALS_KEPT refusals in the report; of references to what has not come
          yet, one place each
Rules     what is new is taken as it has become elsewhere (a closed referral is no edge of ours), if it keeps the door's invariants; a
          change of what is here already is judged by the door's rules; nothing follows from either: what is loaded is history, nobody is notified
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from gateway.bulk.files import Piece, files, identity, pieces
from gateway.bulk.refusals import List, Refusal
from gateway.fhir import document
from gateway.fhir.check import check
from gateway.fhir.elements import resource_types
from gateway.fhir.errors import GatewayError, Invalid, Issue
from gateway.fhir.principal import Principal
from gateway.fhir.reference import parse, references, rewrite
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


@dataclass(slots=True)
class Earlier:
    """A file that was loaded to its end before, with something amiss: how much of it was refused, and where the list stands.

    refused   0 when nothing was; dangling: how many references of it led nowhere then
    """

    file: str
    refused: int
    dangling: int
    list: Path | None


@dataclass(slots=True)
class Report:
    """What became of the files.

    resources  that were read: written + unchanged + refused_count
    refused    the first of those that were refused, one for all of a transaction Bundle
    dangling   references to what is not there after all, with the place that was met first
    earlier    files that were passed over, and were not loaded whole
    lists      where the refusals of this load stand
    """

    files: int = 0
    skipped: int = 0
    written: int = 0
    unchanged: int = 0
    refused_count: int = 0
    refused: list[Refusal] = field(default_factory=list)
    dangling: dict[str, str] = field(default_factory=dict)
    earlier: list[Earlier] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)

    @property
    def resources(self) -> int:
        return self.written + self.unchanged + self.refused_count


class Unit(NamedTuple):
    """What stands or falls as one: a resource, or all of a transaction Bundle. What is refused has no entries."""

    line: int
    entry: int
    entries: list[Entry]
    size: int
    refusal: Refusal | None = None


@dataclass(slots=True)
class _File:
    """A file that is being loaded, under the name by which its progress is kept; refused: how many refusals so far."""

    path: Path
    name: str
    list: List | None
    refused: int = 0

    @property
    def refused_name(self) -> str:
        return f"{self.name} refused"

    @property
    def dangling_name(self) -> str:
        return f"{self.name} dangling"


class Loader:
    """Loads into one door's store."""

    def __init__(
        self,
        door: Door,
        principal: Principal,
        tell: Callable[[Refusal], Any] = lambda _refusal: None,
        lists: Path | None = None,
    ) -> None:
        """Make one; it loads once.

        tell   told each refusal when its batch is stored
        lists  the folder in which the refusals of each file are kept; None: they are counted only
        """
        limits = replace(door.limits, referential_integrity=False, update_as_create=True)
        rules = tuple(_of_changes(rule) for rule in door.rules)
        self._door = Door(door.store, rules, (), door.base_url, door.zone, limits, invariants=door.invariants)
        self._principal = principal
        self._tell = tell
        self._lists = lists
        self._waiting: dict[
            tuple[str, str], tuple[_File, str]
        ] = {}  # referred to and not there yet: where it was met first
        self.report = Report()

    def load(
        self, paths: Iterable[Path], advance: Callable[[int], Any] = lambda _bytes: None, again: bool = False
    ) -> Report:
        """Load files and folders.

        advance  told how many bytes of the files have been worked since it was told last
        again    load files that were loaded before as well
        raises   Invalid for a path that cannot be loaded; Unavailable when the database is away: run it again, it goes on
        """
        store = self._door.store
        worked: list[_File] = []
        for path in files(paths):
            self.report.files += 1
            name = identity(path)
            file = _File(path, name, List(self._lists, path, name) if self._lists else None)
            done = 0 if again else store.progress(name)
            size = path.stat().st_size
            if done == DONE:
                self._pass_over(file)
                advance(size)
                continue
            if again:
                for kept in (file.name, file.refused_name, file.dangling_name):
                    store.keep_progress(kept, 0)
            self._file(file, done, size, advance)
            worked.append(file)
        self._settle(worked)
        return self.report

    def _pass_over(self, file: _File) -> None:
        self.report.skipped += 1
        store = self._door.store
        refused, dangling = store.progress(file.refused_name), store.progress(file.dangling_name)
        if refused or dangling:
            listed = file.list.path if refused and file.list is not None and file.list.path.is_file() else None
            self.report.earlier.append(Earlier(str(file.path), refused, dangling, listed))

    def _file(self, file: _File, done: int, size: int, advance: Callable[[int], Any]) -> None:
        file.refused = self._door.store.progress(file.refused_name) if done else 0
        if file.list is not None:
            file.list.keep(file.refused)
        units: list[Unit] = []
        keys: set[tuple[str, str]] = set()
        told = count = weight = 0
        for piece in pieces(file.path):
            for unit in self._units(file.path, piece):
                count += 1
                own = {(entry.resource_type, entry.id) for entry in unit.entries}
                if count == done + 1:
                    # What was stored before it was broken off: only its references may still wait for something.
                    self._note_references(file, units)
                    units, keys, weight = [], set(), 0
                if units and (len(units) >= BATCH or weight + unit.size > BATCH_BYTES or own & keys):
                    if count > done:
                        self._write(file, units, count - 1)
                    else:
                        self._note_references(file, units)
                    units, keys, weight = [], set(), 0
                    advance(piece.read - told)
                    told = piece.read
                units.append(unit)
                keys |= own
                weight += unit.size
        self._write(file, units if count > done else [], DONE)
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
                try:
                    self._refuse_invalid(resources)
                    yield Unit(piece.number, -1, whole(entries), len(piece.data))
                except GatewayError as error:
                    yield self._refuse(path, piece.number, -1, error, max(1, len(entries)))
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
        for place, resource in ((place, one["resource"]) for place, one in enumerate(listed) if "resource" in one):
            if not isinstance(resource, dict):
                wrong = Invalid(
                    "structure", zh="resource 应为对象。", en="resource must be an object.", at=f"Bundle.entry[{place}].resource"
                )  # fmt: skip
                yield self._refuse(path, piece.number, place, wrong)
                continue
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
            if not isinstance(resource_type, str) or resource_type not in resource_types():
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

    def _refuse(self, path: Path, line: int, entry: int, error: GatewayError, resources: int = 1) -> Unit:
        return Unit(line, entry, [], 0, Refusal(str(path), line, entry, error.issues, resources))

    def _write(self, file: _File, units: Sequence[Unit], done: int) -> None:
        """Store a batch, with how far the file has come by it and how much of it was refused."""
        refused = [unit.refusal for unit in units if unit.refusal is not None]
        accepted = [unit for unit in units if unit.entries]
        self._list(file, refused)
        try:
            changed = self._store(accepted, lambda within: _keep(within, file, done, len(refused)))
        except GatewayError as error:
            if not accepted or not _is_of_the_resource(error):
                raise
            # Which of them it is shows when each half is tried alone; how far the file has come is kept after both.
            accepted, found = self._halve(file, accepted, error)
            refused = sorted(refused + found, key=lambda one: (one.line, one.entry))
            self._list(file, refused)
            self._store((), lambda within: _keep(within, file, done, len(refused)))
        else:
            self._count(accepted, changed)
        if refused:
            if file.list is not None and file.list.path not in self.report.lists:
                self.report.lists.append(file.list.path)
            file.refused += len(refused)
            self.report.refused_count += sum(one.resources for one in refused)
            self.report.refused += refused[: REFUSALS_KEPT - len(self.report.refused)]
            for refusal in refused:
                self._tell(refusal)
        self._note_references(file, accepted)

    def _list(self, file: _File, refused: Sequence[Refusal]) -> None:
        """Write a batch's refusals before it is committed: what counts is never missing, what is beyond that is cut off."""
        if file.list is not None and refused:
            file.list.keep(file.refused)
            file.list.add(refused)

    def _store(self, units: Sequence[Unit], also: Callable[[Transaction], None] = lambda within: None) -> int:
        """Write what units hold, and what also() writes, in one transaction; gives how many resources it changed."""
        entries = [entry for unit in units for entry in unit.entries]

        def work(within: Transaction) -> int:
            changed = 0
            if entries:
                answers = write(self._door, entries, within)
                # What was changed bears this transaction's instant, which is after all that stood before.
                changed = sum(
                    answer.version is not None and answer.version.updated_at == within.now() for answer in answers
                )
            also(within)
            return changed

        return self._door.attempt(self._principal, work)

    def _halve(self, file: _File, units: Sequence[Unit], error: GatewayError) -> tuple[list[Unit], list[Refusal]]:
        """Units that cannot be stored together: those that were stored in the end, and why the others were not."""
        if len(units) == 1:
            (unit,) = units
            return [], [Refusal(str(file.path), unit.line, unit.entry, error.issues, len(unit.entries))]
        stored: list[Unit] = []
        refused: list[Refusal] = []
        for half in (units[: len(units) // 2], units[len(units) // 2 :]):
            try:
                changed = self._store(half)
            except GatewayError as inner:
                if not _is_of_the_resource(inner):
                    raise
                fine, found = self._halve(file, half, inner)
                stored, refused = stored + fine, refused + found
            else:
                self._count(half, changed)
                stored += half
        return stored, refused

    def _count(self, units: Sequence[Unit], changed: int) -> None:
        self.report.written += changed
        self.report.unchanged += sum(len(unit.entries) for unit in units) - changed

    def _note_references(self, file: _File, units: Sequence[Unit]) -> None:
        for unit in units:
            for entry in unit.entries:
                self._waiting.pop((entry.resource_type, entry.id), None)
        fresh: dict[tuple[str, str], tuple[_File, str]] = {}
        for unit in units:
            for entry in unit.entries:
                for where, owner in references(entry.resource or {}):
                    target = parse(owner["reference"])
                    if target.kind == "relative":
                        fresh.setdefault((target.type, target.id), (file, f"{_place(file.path, unit)} {where}"))
        fresh = {key: place for key, place in fresh.items() if key not in self._waiting}
        if fresh:
            there = self._existing(fresh)
            self._waiting |= {key: place for key, place in fresh.items() if key not in there}

    def _settle(self, worked: Sequence[_File]) -> None:
        """What was referred to and has still not come, after all files."""
        there = self._existing(self._waiting) if self._waiting else set()
        counts = {file.dangling_name: 0 for file in worked}
        for (resource_type, id), (file, place) in self._waiting.items():
            if (resource_type, id) not in there:
                self.report.dangling[f"{resource_type}/{id}"] = place
                counts[file.dangling_name] = counts.get(file.dangling_name, 0) + 1
        for name, count in counts.items():
            if count:
                self._door.store.keep_progress(name, count)

    def _existing(self, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        return self._door.attempt(self._principal, lambda within: within.existing(wanted))


def _keep(within: Transaction, file: _File, done: int, refused: int) -> None:
    within.keep_progress(file.name, done)
    if refused:
        within.keep_progress(file.refused_name, file.refused + refused)


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
