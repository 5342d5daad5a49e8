"""What document.read refuses, and that it does so at once."""

from __future__ import annotations

import pickle
import time
from decimal import Decimal

import pytest

from gateway.fhir.document import DEPTH_LIMIT, Number, read, write
from gateway.fhir.errors import Fault, Malformed


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{} {}",
        b'{"a":1,"a":1}',
        b'{"b":{"a":1,"a":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00x"}',
        b'{"\\ud800":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b'{"a":["\\u0000"]}',
        b'{"a":01}',
        b'{"a":1e999999999}',
        b'{"a":1.' + b"0" * 1000 + b"}",
        b'{"a":' + b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT + b"}",
    ],
)
def test_what_is_not_one_json_object_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 10**7,
        b'{"a":' * 10**6,
        b'{"a":' + b"1" * 10**7 + b"}",
        b"{" + b",".join(b'"k%d":1' % n for n in range(10**5)) + b',"z":1,"z":2}',
        b'{"a":1.' + b"1" * 10**7 + b"}",
        b'{"a":"' + b"\\" * 10**7,
    ],
)
def test_huge_nonsense_is_refused_in_bounded_time(data: bytes) -> None:
    begin = time.perf_counter()
    with pytest.raises(Malformed):
        read(data)
    assert time.perf_counter() - begin < 2


def test_the_deepest_nesting_allowed_is_read() -> None:
    data = b'{"a":' + b"[" * (DEPTH_LIMIT - 1) + b"]" * (DEPTH_LIMIT - 1) + b"}"
    assert write(read(data)) == data


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert read(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}


def test_a_refusal_never_shows_a_value() -> None:
    with pytest.raises(Malformed) as caught:
        read('{"name":"测试甲","name":"测试乙"}'.encode())
    assert "测试" not in str(caught.value.issues)


@pytest.mark.parametrize(
    ("data", "at"),
    [
        ('{"name":1,"b":{"birthDate":1,"birthDate":2}}', ("birthDate",)),
        ('{"测试甲":1,"测试甲":2}', ()),
        ('{"a":[{"value":1e999999999}]}', ("value",)),
        ('{"a":{"values":[1,' + "1" * 5000 + "]}}", ("values",)),
        ('{"a":-1.' + "1" * 300 + "}", ("a",)),
        ('{"a":{"text":"x\\u0000"}}', ("text",)),
        ('{"a":{"given":["x","\\u0000"]}}', ("given",)),
    ],
)
def test_a_refusal_names_the_element_that_holds_it(data: str, at: tuple[str, ...]) -> None:
    with pytest.raises(Malformed) as caught:
        read(data.encode())
    assert caught.value.issues[0].expression == at


def test_decimals_are_decimals_and_integers_are_integers() -> None:
    document = read(b'{"a":1.0,"b":1,"c":1e1}')
    assert type(document["a"]) is Decimal
    assert type(document["b"]) is int
    assert document["c"] == Decimal("10")


def test_a_number_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(Number("1e1"))).text == "1e1"


def test_writing_a_lone_surrogate_is_our_fault() -> None:
    with pytest.raises(Fault):
        write({"a": "\ud800"})
