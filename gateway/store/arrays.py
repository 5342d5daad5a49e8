"""Columns of rows as PostgreSQL's arrays, in its binary form: a tenth of what psycopg spends on a list (decision 0011).

Each has its one type, so that a statement stays the same statement whatever its values are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper

_HEAD = struct.Struct("!iiIii")  # one dimension, no nulls, of a type, so many, counted from 1
_EMPTY = struct.Struct("!iiI")
_LENGTH = struct.Struct("!i").pack


class Texts(list[str]):
    """text[]"""


class Documents(list[bytes]):
    """bytea[]"""


class Integers(list[int]):
    """int[]"""


class Bigints(list[int]):
    """bigint[]"""


class Doubles(list[float]):
    """double precision[]"""


class Booleans(list[bool]):
    """boolean[]"""


class _ArrayDumper(Dumper):
    format = pq.Format.BINARY
    element_oid = 0

    def dump(self, obj: Sequence[Any]) -> bytes:
        if not obj:
            return _EMPTY.pack(0, 0, self.element_oid)
        return _HEAD.pack(1, 0, self.element_oid, len(obj), 1) + self.packed(obj)

    def packed(self, values: Sequence[Any]) -> bytes:
        raise NotImplementedError


class _OneSize(_ArrayDumper):
    item = ""

    def packed(self, values: Sequence[Any]) -> bytes:
        size = struct.calcsize(f"!{self.item}")
        flat: list[Any] = [size] * (2 * len(values))
        flat[1::2] = values
        return struct.pack("!" + f"i{self.item}" * len(values), *flat)


class _Texts(_ArrayDumper):
    element_oid, oid = 25, 1009

    def packed(self, values: Sequence[str]) -> bytes:
        parts: list[bytes] = []
        for value in values:
            data = value.encode()
            parts += (_LENGTH(len(data)), data)
        return b"".join(parts)


class _Documents(_ArrayDumper):
    element_oid, oid = 17, 1001

    def packed(self, values: Sequence[bytes]) -> bytes:
        return b"".join(part for value in values for part in (_LENGTH(len(value)), value))


class _Integers(_OneSize):
    element_oid, oid, item = 23, 1007, "i"


class _Bigints(_OneSize):
    element_oid, oid, item = 20, 1016, "q"


class _Doubles(_OneSize):
    element_oid, oid, item = 701, 1022, "d"


class _Booleans(_OneSize):
    element_oid, oid, item = 16, 1000, "?"


for _kind, _dumper in (
    (Texts, _Texts),
    (Documents, _Documents),
    (Integers, _Integers),
    (Bigints, _Bigints),
    (Doubles, _Doubles),
    (Booleans, _Booleans),
):
    psycopg.adapters.register_dumper(_kind, _dumper)
