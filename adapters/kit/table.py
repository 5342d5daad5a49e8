"""Mapping tables: rows of data that hospital analysts edit in a spreadsheet, read, checked and laid under a site's overlay.

A file is named source[target].csv; its columns are source, condition, element, conversion, codes, way, note.
The language is described in conformance/decisions/0004-mapping-language.md; nothing in it loops or remembers.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from gateway.fhir import elements
from gateway.fhir.errors import Invalid, Issue

COLUMNS = ("source", "condition", "element", "conversion", "codes", "way", "note")

_TABLE_NAME = re.compile(r"^(?P<source>[^\[\]]+)\[(?P<target>[A-Za-z.]+)\]$")
_STEP = re.compile(r"^(?P<name>_?[A-Za-z][A-Za-z0-9]*)(\[(?P<index>\d*)\])?$")
_INSTANCE = re.compile(r"^(?P<type>[A-Z][A-Za-z]+)(:(?P<name>[A-Za-z]+))?(?P<each>\[\])?$")
_CONDITION = re.compile(r"^(?P<path>.+?)\s+(?:(?P<verb>exists|absent)|(?P<compare>!=|=|in)\s*(?P<text>.+))$")

EACH = -1

Way = Literal["both", "in", "out"]
Verb = Literal["=", "!=", "in", "exists", "absent"]
_WAYS: Mapping[str, Way] = {"": "both", "both": "both", "in": "in", "out": "out"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row's value comes from.

    path      one or more source paths (several are joined with "-": a key), literal: a fixed text,
    instance  a reference to the resource of that name, null: the element is taken away
    """

    kind: Literal["path", "join", "literal", "instance", "null"]
    text: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; on the way back "=" writes its text."""

    path: str
    verb: Verb
    texts: frozenset[str]
    first: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One element below a target. index: None for the single value or the first item, EACH for one item a source node."""

    name: str
    many: bool
    type: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, checked; where names file and line for every complaint.

    trail  the names of its steps, as the ledger shows them; each: one of them makes an item a source node
    """

    origin: Origin
    condition: Condition | None
    instance: str
    each_instance: bool
    steps: tuple[Step, ...]
    conversion: str
    table: str
    codes: str
    way: Way
    note: str
    where: str
    ignored: bool
    trail: str = field(init=False)
    each: bool = field(init=False)

    def __post_init__(self) -> None:
        # Worked out once, because each message asks for them thousands of times.
        object.__setattr__(self, "trail", ".".join(step.name for step in self.steps))
        object.__setattr__(self, "each", any(step.index == EACH for step in self.steps))

    @property
    def key(self) -> tuple[str, str, str]:
        """What an overlay replaces: the rows of the same source, condition and instance."""
        held = self.condition
        return (self.origin.text, f"{held.path} {held.verb} {sorted(held.texts)}" if held else "", self.instance)


@dataclass(frozen=True, slots=True)
class Table:
    """One file: its rows in order. target is a FHIR type, or an element path such as Encounter.diagnosis, or Bundle."""

    name: str
    target: str
    rows: tuple[Row, ...]
    inbound: tuple[Row, ...] = field(default=())
    outbound: tuple[Row, ...] = field(default=())

    @property
    def is_message(self) -> bool:
        return self.target == "Bundle"


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables of one format for one source, and the version that every Provenance names (12 hex digits of their content)."""

    by_name: Mapping[str, Table]
    version: str

    def message(self, kind: str) -> Table | None:
        return self.by_name.get(kind.replace("^", "_") + "[Bundle]")


def load(
    folders: tuple[Path, ...],
    known_conversion: Callable[[str], bool],
    known_codes: Callable[[str], bool],
    check_path: Callable[[str], object],
) -> Tables:
    """Read every table of a format, the base folder first, each overlay's rows over it.

    raises   Invalid with one Issue for each wrong row: file, row and column
    source   design.md §2 (8); style.md §4
    """
    found: dict[str, list[Row]] = {}
    issues: list[Issue] = []
    digest = hashlib.sha256()
    files = [(path, path.stem) for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.csv"))]
    names = {stem for _, stem in files if _TABLE_NAME.match(stem)}
    for path, name in files:
        if name not in names:
            continue
        data = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + data)
        reader = _Reader(path, name, names, known_conversion, known_codes, check_path, issues)
        rows = reader.rows(data)
        replaced = {row.key for row in rows}
        found[name] = [row for row in found.get(name, []) if row.key not in replaced] + rows
    if issues:
        raise Invalid(*issues)
    tables = {}
    for name, rows in found.items():
        inbound = tuple(row for row in rows if row.way != "out")
        outbound = tuple(row for row in rows if row.way != "in" and not row.ignored)
        tables[name] = Table(name, _target(name), tuple(rows), inbound, outbound)
    return Tables(tables, digest.hexdigest()[:12])


def _target(name: str) -> str:
    """What the table of this name makes: the part in its brackets, "" when no table can be named so."""
    match = _TABLE_NAME.match(name)
    return match["target"] if match else ""


@dataclass
class _Reader:
    """Reads one file; every complaint is an Issue that names the file, the row and the column."""

    path: Path
    name: str
    names: set[str]
    known_conversion: Callable[[str], bool]
    known_codes: Callable[[str], bool]
    check_path: Callable[[str], object]
    issues: list[Issue]
    line: int = 0

    def rows(self, data: bytes) -> list[Row]:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            self._complain("file", "不是 UTF-8；请在表格软件中另存为“CSV UTF-8”", "is not UTF-8: save it as CSV UTF-8")
            return []
        reader = csv.DictReader(text.split("\n"), skipinitialspace=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            self._complain("header", f"列应为 {','.join(COLUMNS)}", f"the columns must be {','.join(COLUMNS)}")
            return []
        rows = []
        for record in reader:
            self.line = reader.line_num
            if None in record or None in record.values():
                self._complain(
                    "note", "列数不对；含逗号的内容请加引号", "wrong number of cells; quote a cell that holds a comma"
                )
                continue
            cells = {column: (record[column] or "").strip() for column in COLUMNS}
            if not any(cells.values()):
                continue
            row = self._row(cells)
            if row is not None:
                rows.append(row)
        return rows

    def _row(self, cells: Mapping[str, str]) -> Row | None:
        before = len(self.issues)
        origin = self._origin(cells["source"])
        condition = self._condition(cells["condition"])
        instance, each, steps = self._element(cells["element"])
        table, conversion = "", cells["conversion"]
        if _TABLE_NAME.match(conversion):
            table, conversion = conversion, ""
            if table not in self.names:
                self._complain("conversion", f"没有表 {table}.csv", f"there is no table {table}.csv")
            elif cells["element"] and len(self.issues) == before:
                self._fits(table, steps[-1].type if steps else instance.partition(":")[0])
        elif conversion and not self.known_conversion(conversion):
            self._complain("conversion", f"没有名为 {conversion} 的转换", f"no conversion is named {conversion}")
        if cells["codes"] and not self.known_codes(cells["codes"]):
            self._complain(
                "codes",
                f"mappings/codes 和接入点的 codes/ 中都没有 {cells['codes']}.json",
                f"{cells['codes']}.json is not in mappings/codes, nor in the site's codes/",
            )
        way = _WAYS.get(cells["way"])
        if way is None:
            self._complain("way", "只能写 in、out 或留空", "write in, out or nothing")
        if not cells["element"] and not cells["note"]:
            self._complain("note", "不采用的字段要写明理由", "a field that is left out needs a note that says why")
        if way is None or len(self.issues) > before:
            return None
        if origin.kind in ("join", "null"):
            way = "in"
        return Row(
            origin, condition, instance, each, steps, conversion, table, cells["codes"], way,
            cells["note"], f"{self.path.name}:{self.line}", not cells["element"],
        )  # fmt: skip

    def _fits(self, table: str, wanted: str) -> None:
        """A table makes what its name says: an Identifier cannot stand where a HumanName does."""
        target = _target(table)
        if wanted not in ("", target) and not (wanted == "Reference" and target in elements.resource_types()):
            self._complain("conversion", f"{table} 得到的不是 {wanted}", f"{table} does not make a {wanted}")

    def _origin(self, text: str) -> Origin:
        if text == "null":
            return Origin("null", text)
        if len(text) >= 2 and text[0] == text[-1] == '"':
            return Origin("literal", text[1:-1])
        if text.startswith("@") and not text.startswith("@@") and re.fullmatch(r"@[A-Za-z][A-Za-z:]*", text):
            if text != "@source" and text[1:].partition(":")[0] not in elements.resource_types():
                self._complain("source", f"{text[1:]} 不是资源类型", f"{text[1:]} is not a resource type")
            return Origin("instance", text[1:])
        parts = tuple(part.strip() for part in text.split(" & "))
        for part in parts:
            self._path("source", part)
        return Origin("path" if len(parts) == 1 else "join", text, parts)

    def _condition(self, text: str) -> Condition | None:
        if not text:
            return None
        match = _CONDITION.match(text)
        if match is None:
            self._complain(
                "condition",
                "写成 路径 = 值、!=、in (a,b)、exists 或 absent",
                "write path = text, !=, in (a,b), exists or absent",
            )
            return None
        self._path("condition", match["path"])
        if match["verb"]:
            return Condition(match["path"], cast(Verb, match["verb"]), frozenset())
        raw = match["text"].strip()
        texts = (
            [item.strip().strip('"') for item in raw.strip("()").split(",")]
            if match["compare"] == "in"
            else [raw.strip('"')]
        )
        return Condition(match["path"], cast(Verb, match["compare"]), frozenset(texts), texts[0])

    def _path(self, column: str, path: str) -> None:
        try:
            self.check_path(path)
        except ValueError as error:
            self._complain(
                column,
                f"路径 {path} 不合这种格式的写法，见 conformance/decisions/0004-mapping-language.md",
                f"path {path} cannot be read: {error}",
            )

    def _element(self, text: str) -> tuple[str, bool, tuple[Step, ...]]:
        if not text:
            return "", False, ()
        head, _, rest = text.partition(".")
        target = _target(self.name)
        if target == "Bundle":
            match = _INSTANCE.match(head)
            if match is None or match["type"] not in elements.resource_types():
                self._complain("element", f"{head} 不是资源类型", f"{head} is not a resource type")
                return "", False, ()
            name = match["type"] + (f":{match['name']}" if match["name"] else "")
            return name, bool(match["each"]), self._steps(match["type"], rest) if rest else ()
        if not (text + ".").startswith(target + "."):
            self._complain("element", f"应以 {target} 开头", f"must begin with {target}")
            return "", False, ()
        rest = text[len(target) + 1 :]
        return "", False, self._steps(target, rest) if rest else ()

    def _steps(self, place: str, rest: str) -> tuple[Step, ...]:
        steps: list[Step] = []
        for part in rest.split("."):
            match = _STEP.match(part)
            structure = elements.structure(place)
            definition = structure.elements.get(match["name"]) if match and structure else None
            if match is None or definition is None:
                self._complain("element", f"{place} 没有元素 {part}", f"{place} has no element {part}")
                return tuple(steps)
            many = definition.maximum != 1
            index = None if match["index"] is None else EACH if match["index"] == "" else int(match["index"])
            if index is not None and not many:
                self._complain("element", f"{part} 不是数组，去掉 []", f"{part} is not a list: leave out the []")
            steps.append(Step(match["name"], many, definition.type, index))
            place = definition.type
        return tuple(steps)

    def _complain(self, column: str, zh: str, en: str) -> None:
        # Relative to the mappings folder: hl7v2/PID[Patient].csv, or sites/<site>/hl7v2/PID[Patient].csv for an overlay.
        parts = self.path.parts
        place = "/".join(parts[-4:] if parts[-4:-3] == ("sites",) else parts[-2:])
        self.issues.append(
            Issue(
                "invalid",
                f"映射表 {place} 第 {self.line or 1} 行 {column} 列：{zh}",
                f"mapping table {place}, row {self.line or 1}, column {column}: {en}",
                (f"{place}:{self.line or 1}:{column}",),
            )
        )
