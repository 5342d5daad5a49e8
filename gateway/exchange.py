"""The formats, sources and tables of one alliance tied together: bytes to Bundle, resources to bytes. Needs no database.

Part of the composition: it finds the folders below adapters/, so that adding a format edits no list.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import adapters
from adapters.kit import convert, engine, inverse, table
from adapters.kit.codes import Codes, Unusable
from adapters.kit.contract import Adapter, Source, Tree
from adapters.kit.sources import complaint, nearest
from adapters.kit.table import Tables
from adapters.kit.translation import Document, Received, Translation
from gateway.fhir.errors import GatewayError, Invalid, Issue, NotFound, Unsupported
from gateway.terminology.service import LocalTerminology
from gateway.terminology.shelf import Folders, Published


@functools.cache
def find_adapters() -> Mapping[str, Adapter]:
    """Every folder below adapters/ that exports an adapter, by name."""
    found = {}
    for module in pkgutil.iter_modules(adapters.__path__):
        if module.ispkg and module.name != "kit":
            adapter = getattr(importlib.import_module(f"adapters.{module.name}"), "adapter", None)
            if adapter is not None:
                found[adapter.name] = adapter
    return found


@dataclass(eq=False)
class Exchange:
    """Translation for every source of the alliance. Safe to share between threads.

    Tables are read and checked when first asked for, so that a command pays for what it uses; what runs for long asks
    check() at its start.

    mappings  the folder of tables, codes and sites
    sources   by name
    """

    mappings: Path
    sources: Mapping[str, Source]
    adapters: Mapping[str, Adapter] = field(default_factory=find_adapters)
    _read: dict[tuple[str, str], tuple[Tables, Codes]] = field(default_factory=dict, repr=False)
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @functools.cached_property
    def terminology(self) -> LocalTerminology:
        """What code maps are judged by: the code systems that R4 publishes, and those beside the maps."""
        return LocalTerminology((Folders([self.mappings / "codes"]), Published()))

    def check(self) -> None:
        """Read the tables of every source.

        raises  Invalid, with file, row and column of every wrong row, and every kind of message that no table writes
        """
        issues: dict[Issue, None] = {}  # a wrong base row is met again under every site
        for source in self.sources.values():
            if not source.format:
                continue
            try:
                tables, codes = self.tables(source)
            except Invalid as error:
                issues |= dict.fromkeys(error.issues)
            else:
                issues |= dict.fromkeys(_unwritable(source, tables))
                issues |= dict.fromkeys(_unusable(codes))
        if issues:
            raise Invalid(*issues)

    def reload(self) -> None:
        """Take tables and codes as they are on the disk now, all of them or none; sources stay as they were at start.

        raises  as check(): then the tables that were in force stay so
        """
        fresh = Exchange(self.mappings, self.sources, self.adapters)
        fresh.check()
        self._read = fresh._read  # one assignment: a translation sees the old tables or the new ones

    def source(self, name: str) -> Source:
        found = self.sources.get(name)
        if found is None:
            known = "、".join(sorted(self.sources)) or "（无）"
            raise NotFound(
                zh=f"没有名为 {name} 的来源；已知：{known}。请在 mappings/sites/ 中登记",
                en=f"no source is named {name}; known are {', '.join(sorted(self.sources))}. Register it under mappings/sites/",
                at=name,
            )
        return found

    def adapter(self, source: Source) -> Adapter:
        found = self.adapters.get(source.format)
        if found is None:
            raise Unsupported(
                zh=f"没有 {source.format} 格式的适配器；已有：{'、'.join(sorted(self.adapters))}",
                en=f"there is no adapter for the format {source.format}; there are {', '.join(sorted(self.adapters))}",
                at=source.name,
            )
        return found

    def base(self, format: str) -> Source:
        """A source without a site: the base tables of a format. Raises Unsupported when there is no such format."""
        source = Source(name=format, organisation="local", format=format)
        self.adapter(source)
        return source

    def guess(self, data: bytes, format: str = "", name: str = "") -> Source:
        """A source to read a file as when none is named: the base tables of a format, found by the content.

        raises   Unsupported when no format reads it
        """
        readable: list[Source] = []
        for candidate in [format] if format else sorted(self.adapters, key=lambda found: found == "tabular"):
            source = self.base(candidate)
            try:
                parts = self.adapters[candidate].split(data, source)
                tree = self.adapters[candidate].parse(parts[0], source) if parts else None
            except GatewayError:
                if format:
                    raise
                continue
            if tree is not None and (format or self.tables(source)[0].message(tree.kind) is not None):
                return source
            if tree is not None and tree.kind and candidate != "tabular":
                readable.append(source)
        if len(readable) == 1:
            return readable[0]  # one format reads it, though no table knows its kind: the translation will say so
        raise Unsupported(
            zh="看不出这个文件的格式；请用 --format 或 --source 指明",
            en="the format of this file cannot be told; name it with --format or --source",
            at=name,
        )

    def receiver(self, kind: str, format: str = "") -> Source:
        """A receiver for a kind of message when none is named: the format whose tables know the kind.

        raises   Unsupported when none does
        """
        for candidate in [format] if format else sorted(self.adapters):
            source = self.base(candidate)
            if self.tables(source)[0].message(kind) is not None:
                return source
        raise Unsupported(
            zh=f"没有 {kind} 的映射表；请核对 --to，或用 --source 指明接收方",
            en=f"no mapping table for {kind}: look at --to, or name the receiver with --source",
            at=kind,
        )

    def tables(self, source: Source) -> tuple[Tables, Codes]:
        """The tables and code maps of one source: the format's, and its site's laid over them."""
        key = (source.format, source.tables)
        read = self._read
        if key not in read:
            with self._reading:
                if key not in read:
                    read[key] = self._load(source)
        return read[key]

    def _load(self, source: Source) -> tuple[Tables, Codes]:
        sites = self.mappings / "sites"
        site = sites / source.tables if source.tables else None
        folders_of_codes = ([site / "codes"] if site else []) + [sites / "codes", self.mappings / "codes"]
        codes = Codes(folders_of_codes, self.terminology.instead_of)
        folders = [self.mappings / source.format] + ([site / source.format] if site else [])
        read = table.load(
            tuple(folders),
            convert.is_known,
            functools.partial(_is_known, codes),
            self.adapter(source).check_path,
        )
        return read, codes

    def translate(self, body: bytes, source: Source, control_id: str = "", received_at: str = "") -> Translation:
        """One message to a transaction Bundle and a ledger.

        received_at  FHIR instant; the epoch when empty, so that the same bytes give the same Bundle
        raises       Malformed (not a message of the format), Unsupported (no table for its kind)
        """
        adapter = self.adapter(source)
        tree = adapter.parse(body, source)
        tables, codes = self.tables(source)
        received = Received(body, received_at or EPOCH, control_id, adapter.media_type)
        translation = engine.to_bundle(tree, tables, codes, source, received)
        translation.issues = [*getattr(tree, "issues", ()), *translation.issues]
        return translation

    def write(
        self,
        resources: Sequence[tuple[str, Document]],
        kind: str,
        source: Source,
        control_id: str,
        original: bytes = b"",
    ) -> tuple[bytes, list[Issue]]:
        """Resources to one message of a kind, in the words of the source that will receive it.

        original  the message they came from, where there is one: the way back starts from its bytes
        raises    Unsupported when the format cannot be written, or has no table of that kind
        """
        adapter = self.adapter(source)
        if adapter.encode is None or adapter.new is None:
            raise Unsupported(
                zh=f"{source.format} 格式目前只能读入",
                en=f"the format {source.format} can only be read for now",
                at=source.name,
            )
        tree: Tree = adapter.parse(original, source) if original else adapter.new(kind, source, control_id)
        if original and kind and tree.kind != kind:
            raise Invalid(
                "value",
                zh=f"原始消息是 {tree.kind}，不能写成 {kind}；请去掉 --original，或把 --to 改为 {tree.kind}",
                en=f"the original is {tree.kind} and cannot be written as {kind}: leave --original out, or ask for {tree.kind}",
                at=kind,
            )
        tables, codes = self.tables(source)
        issues = inverse.to_tree(resources, tree, tables, codes, source, original)
        return adapter.encode(tree, source), issues

    def about(self, kind: str, source: Source) -> frozenset[str]:
        """The types of which a kind of message speaks of one, both ways: Patient and Encounter, for ADT^A08."""
        table = self.tables(source)[0].message(kind)
        single = (
            {row.instance for row in table.rows if not row.each_instance and ":" not in row.instance}
            if table
            else set()
        )
        both = [{row.instance for row in rows} for rows in ((table.inbound, table.outbound) if table else ())]
        return frozenset(single.intersection(*both)) - {""}

    def rewrite(
        self,
        resources: Sequence[tuple[str, Document]],
        kind: str,
        source: Source,
        control_id: str,
        original: bytes,
        gone: Sequence[Document] = (),
    ) -> tuple[bytes, list[Issue]] | None:
        """Resources to a further message of a kind, starting from one that the receiver sent: write(), and what it sent
        and no table speaks of comes back untouched.

        gone     what was made of the original and is deleted since
        returns  None when no such message may start from the original, or its character set cannot hold what is new
        """
        adapter = self.adapter(source)
        if adapter.encode is None or adapter.renew is None:
            return None
        tree = adapter.renew(original, kind, source, control_id)
        if tree is None:
            return None
        tables, codes = self.tables(source)
        issues = inverse.to_tree(resources, tree, tables, codes, source, original, gone)
        try:
            return adapter.encode(tree, source), issues
        except Invalid:
            return None


def _unusable(codes: Codes) -> Iterator[Issue]:
    """The maps that cannot serve, those as well that no table names: conversions and $translate look them up."""
    for name in codes.names():
        try:
            _is_known(codes, name)
        except Invalid as error:
            yield from error.issues


def _is_known(codes: Codes, name: str) -> bool:
    try:
        return codes.named(name) is not None
    except Unusable as error:
        raise Invalid(
            zh=f"代码表不可用：{error.zh}。", en=f"a code map cannot be used: {error}.", at=f"codes/{name}.json"
        ) from error


def _unwritable(source: Source, tables: Tables) -> Iterator[Issue]:
    """The kinds of [events] for which this source's tables cannot write a message."""
    writable = {
        table.name.removesuffix("[Bundle]") for table in tables.by_name.values() if table.is_message and table.outbound
    }
    for event, kind in source.events.items():
        if kind.replace("^", "_") not in writable:
            known = {name.replace("_", "^", 1) if "^" in kind else name for name in writable}
            zh, en = nearest(kind, known)
            place = f"mappings/{source.format}/{kind.replace('^', '_')}[Bundle].csv"
            yield complaint(
                source,
                f"events.{event}",
                f"没有能写出 {kind} 的映射表 {place}；{zh}",
                f"no table {place} writes {kind}; {en}",
            )


EPOCH = "1970-01-01T00:00:00.000Z"


def instant(microseconds: int) -> str:
    """A store's instant as FHIR text, to the millisecond, UTC."""
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def as_json(translation: Translation) -> dict[str, Any]:
    """The one JSON object that gateway convert writes for a message."""
    return {
        "bundle": translation.bundle,
        "ledger": [entry.as_json() for entry in translation.ledger],
        "issues": [issue_as_json(issue) for issue in translation.issues],
    }


def issue_as_json(issue: Issue) -> dict[str, Any]:
    return {
        "severity": issue.severity,
        "code": issue.code,
        "zh": issue.zh,
        "en": issue.en,
        "at": list(issue.expression),
    }
