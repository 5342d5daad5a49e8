"""CSV from spreadsheets and exports: a delivery is a file, a message is one row with the header above it.

Each row is a message of its own, so that lanes, ledgers and quarantine are per person: one bad row stops nobody else.

options.kind        what the rows are, by which the table is found ("residents")
options.encoding    as the sender declares it; what the bytes show wins, with a warning (options "utf-8", "gb18030", …)
options.delimiter   where the sniffing is not enough
options.header_row  the header's line, from 1, where titles stand above it
options.required    columns that must be there
options.lane        the column that holds the person's local number, 居民编号 by default
options.empty_texts texts that mean nothing
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.kit.contract import Envelope, Source
from adapters.kit.encoding import decode
from adapters.tabular.rows import blank, cells, lines, sniff
from adapters.tabular.tree import RowTree
from gateway.fhir.errors import Issue, Malformed

EMPTY = ("null", "NULL")
LANE = "居民编号"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_DAMAGED = re.compile(r"\d(\.\d+)?[Ee]\+1\d")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A decoded delivery: head (the header and what stands above it), its columns, the rows with their line numbers."""

    codec: str
    mark: bytes
    delimiter: str
    head: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, str], ...]
    declared_truly: bool


def parse(data: bytes, source: Source) -> RowTree:
    """Read a header and one row.

    raises  Malformed with the row's number: no header, a column twice or missing, more or fewer cells than columns
    """
    sheet = _sheet(data, source)
    if len(sheet.rows) != 1:
        raise Malformed(
            "structure",
            zh=f"一条消息应是表头加一行数据，这里有 {len(sheet.rows)} 行；请整个文件投递，表头下要有数据",
            en=f"a message is a header and one row, here are {len(sheet.rows)}; deliver files whole, with rows below the header",
        )
    number, line = sheet.rows[0]
    found = cells(line, sheet.delimiter)
    if len(found) != len(sheet.columns):
        raise Malformed(
            "structure",
            zh=f"第 {number} 行有 {len(found)} 个单元格，表头有 {len(sheet.columns)} 列；请检查分隔符和引号",
            en=f"row {number} has {len(found)} cells, the header {len(sheet.columns)}; check delimiters and quotes",
            at=f"row {number}",
        )
    for column, cell in zip(sheet.columns, found, strict=True):
        if not cell.closed:
            raise Malformed(
                "structure",
                zh=f"第 {number} 行“{column}”列的引号没有闭合；请修正后重发",
                en=f"row {number}, column {column}: the quote does not close; correct it and send again",
                at=column,
            )
    pairs = zip(sheet.columns, found, strict=True)
    damaged = [column for column, cell in pairs if _DAMAGED.fullmatch(cell.text.strip())]
    issues = [_damaged(column, number) for column in damaged]
    if not sheet.declared_truly:
        issues.append(_misdeclared(sheet.codec))
    return RowTree(
        kind=_kind(source),
        columns=list(sheet.columns),
        found=found,
        delimiter=sheet.delimiter,
        codec=sheet.codec,
        data=data,
        head=sheet.head,
        mark=sheet.mark,
        empty=_empty(source),
        issues=tuple(issues),
        damaged=frozenset(damaged),
    )


def split(data: bytes, source: Source) -> list[bytes]:
    """The rows of a file, each under the header, byte for byte; the file itself when it has no readable header."""
    try:
        sheet = _sheet(data, source)
    except Malformed:
        return [data]  # parsed whole, it says what is wrong with it
    head = sheet.mark + sheet.head.encode(sheet.codec)
    return [head + line.encode(sheet.codec) for _, line in sheet.rows] or [data]


def envelope(data: bytes, source: Source) -> Envelope:
    """The id is the digest of header and row: the same row sent again is the same message, a corrected one is another.

    raises  Malformed as parse
    """
    tree = parse(data, source)
    column = str(source.options.get("lane", LANE))
    lane = next((node.text.strip() for node in tree.select(column)), "") if column else ""
    return Envelope(control_id=f"{tree.kind}-{hashlib.sha256(data).hexdigest()[:32]}", kind=tree.kind, lane=lane)


def _sheet(data: bytes, source: Source) -> Sheet:
    options: Mapping[str, Any] = source.options
    if not data.strip():
        raise Malformed(
            "structure",
            zh="文件是空的；请检查导出后重新投递",
            en="the file is empty; look at the export and deliver it again",
        )
    text, codec, truly = decode(data, str(options.get("encoding", "")))
    mark, codec = _mark(data, codec)
    skipped, header, rest = _header(text, max(int(options.get("header_row", 1)), 1))
    delimiter = str(options.get("delimiter", "")) or sniff(header)
    whole = lines(header + rest, delimiter)
    header = whole[0] if whole else ""
    columns = tuple(cell.text.strip() for cell in cells(header, delimiter))
    _check_columns(columns, options.get("required", ()))
    numbered: list[tuple[int, str]] = []
    line_number = 1 + _height(skipped) + _height(header)
    for line in whole[1:]:
        if not blank(line, delimiter):
            numbered.append((line_number, line))
        line_number += _height(line)
    return Sheet(codec, mark, delimiter, skipped + header, columns, tuple(numbered), truly)


def _mark(data: bytes, codec: str) -> tuple[bytes, str]:
    """The byte order mark, and the codec that writes without one."""
    if codec == "utf-8-sig":
        return data[:3], "utf-8"
    if codec in ("utf-16", "utf-32"):
        width = 2 if codec == "utf-16" else 4
        return data[:width], f"{codec}-{'le' if data[:1] == bytes([0xFF]) else 'be'}"
    return b"", codec


def _header(text: str, row: int) -> tuple[str, str, str]:
    kept = _LINE.findall(text)
    position = sum(map(len, kept[: row - 1]))
    header = kept[row - 1] if row <= len(kept) else ""
    return text[:position], header, text[position + len(header) :]


def _height(lines_of_text: str) -> int:
    return len(_LINE.findall(lines_of_text))


def _check_columns(columns: tuple[str, ...], required: Any) -> None:
    if not any(columns):
        raise Malformed(
            "structure",
            zh="没有表头；第一行应为各列名称",
            en="there is no header; the first row should name the columns",
            at="row 1",
        )
    unnamed = [number for number, column in enumerate(columns, start=1) if not column]
    if unnamed:
        raise Malformed(
            "structure",
            zh=f"表头第 {unnamed[0]} 列没有名称；请补上或删除该列",
            en=f"column {unnamed[0]} of the header has no name; name it or delete the column",
            at="row 1",
        )
    twice = next((column for column in columns if columns.count(column) > 1), "")
    if twice:
        raise Malformed(
            "structure",
            zh=f"表头中“{twice}”重复；请改名后重发",
            en=f"the header names {twice} twice; rename one and send again",
            at="row 1",
        )
    missing = [str(column) for column in required if str(column) not in columns]
    if missing:
        raise Malformed(
            "required",
            zh=f"缺少列：{'、'.join(missing)}；请在导出时加上",
            en=f"columns are missing: {', '.join(missing)}; add them to the export",
            at="row 1",
        )


def _kind(source: Source) -> str:
    return str(source.options.get("kind", "residents"))


def _empty(source: Source) -> frozenset[str]:
    return frozenset(map(str, source.options.get("empty_texts", EMPTY))) | {""}


def _damaged(column: str, number: int) -> Issue:
    return Issue(
        "value",
        f"第 {number} 行“{column}”列的长数字被电子表格改成了科学计数法，末尾数字已丢失；请把该列设为文本后重新导出",
        f"row {number}, column {column}: a spreadsheet made scientific notation of a long number, its end is lost; "
        "format the column as text and export again",
        (column,),
        "warning",
    )


def _misdeclared(codec: str) -> Issue:
    return Issue(
        "structure",
        f"文件的编码与来源设置不符，已按 {codec} 读取；请核对来源的 encoding 选项",
        f"the file has another encoding than the source declares; read as {codec}; check the source's option encoding",
        (),
        "warning",
    )
