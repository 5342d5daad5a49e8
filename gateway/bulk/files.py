"""Files of resources read piece by piece: Bundles, single resources, NDJSON; folders of them; each of them gzipped.

Order    folders and files by name, lines and entries as they stand; a file is held whole in memory only when it is one document
Bounds   one document DOCUMENT_MAX bytes, unpacked
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from gateway.fhir.errors import GatewayError, Invalid, Malformed, TooLarge

DOCUMENT_MAX = 512 * 1024 * 1024
LINE_MAX = 64 * 1024 * 1024
_LINES = (".ndjson", ".jsonl")
_DOCUMENTS = (".json",)


class Piece(NamedTuple):
    """One document of a file.

    number  of its line, counted from 1; 0 where the file is one document
    read    bytes of the file (packed, where it is) that have been read so far
    """

    number: int
    data: bytes
    read: int
    refusal: GatewayError | None = None


def files(paths: Iterable[Path]) -> list[Path]:
    """The files that paths mean: themselves, or what folders hold of a known ending; hidden ones left out.

    raises  Invalid for a path that is not there, a file of another ending, or a folder that holds none of them
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [
                one
                for one in sorted(path.rglob("*"))
                if one.is_file()
                and _ending(one)
                and not any(part.startswith(".") for part in one.relative_to(path).parts)
            ]
            if not inside:
                raise Invalid(
                    "not-found",
                    zh="文件夹中没有 .json、.ndjson、.jsonl（或其 .gz）文件；请检查路径。",
                    en="the folder holds no .json, .ndjson, .jsonl, nor any of them as .gz: check the path.",
                    at=str(path),
                )
            found |= dict.fromkeys(inside)
        elif path.is_file() and _ending(path):
            found[path] = None
        else:
            raise Invalid(
                "not-found" if not path.exists() else "not-supported",
                zh="没有这个文件或文件夹。" if not path.exists() else "应为 .json、.ndjson、.jsonl，或它们的 .gz。",
                en="there is no such file or folder." if not path.exists() else "expected .json, .ndjson, .jsonl, or one of them as .gz.",
                at=str(path),
            )  # fmt: skip
    return list(found)


def identity(path: Path) -> str:
    """A name for a file as it is now: the same path with another size or another time is another file."""
    state = path.stat()
    told = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    return "load " + sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def pieces(path: Path) -> Iterator[Piece]:
    """The documents of a file, in order. A line or file that cannot be read is a piece with a refusal."""
    with path.open("rb") as raw:
        source: BufferedIOBase = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        try:
            if _ending(path) in _LINES:
                yield from _lines(source, raw)
            else:
                data = source.read(DOCUMENT_MAX + 1)
                yield Piece(0, data, raw.tell(), _too_large(DOCUMENT_MAX) if len(data) > DOCUMENT_MAX else None)
        except (OSError, EOFError, zlib.error):
            yield Piece(0, b"", raw.tell(), _unreadable())


def _lines(source: BufferedIOBase, raw: BufferedIOBase) -> Iterator[Piece]:
    number = 0
    while line := source.readline(LINE_MAX + 1):
        number += 1
        if len(line) > LINE_MAX:
            yield Piece(number, b"", raw.tell(), _too_large(LINE_MAX))
            while line and not line.endswith(b"\n"):
                line = source.readline(LINE_MAX)
        elif line.strip():
            yield Piece(number, line, raw.tell())


def _ending(path: Path) -> str:
    """.json, .ndjson or .jsonl, whether packed or not; "" for anything else."""
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    return suffix if suffix in (*_LINES, *_DOCUMENTS) else ""


def _too_large(limit: int) -> TooLarge:
    mib = limit // 1024 // 1024
    return TooLarge(
        zh=f"超过 {mib} MB；请拆成 NDJSON，一行一个资源。",
        en=f"it is larger than {mib} MB: split it into NDJSON, a resource a line.",
    )


def _unreadable() -> Malformed:
    return Malformed(
        zh="文件读不下去（压缩损坏或磁盘错误），其后的内容未载入；请换一份完好的文件。",
        en="the file cannot be read on (broken gzip, or the disk): what follows is not loaded, use an intact copy.",
    )
