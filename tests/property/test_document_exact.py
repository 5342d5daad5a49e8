"""write(read(x)) carries the same digits, order and text as x, whatever x is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fhir.document import read, write
from gateway.fhir.errors import Malformed

texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)
digits = st.text("0123456789", min_size=1, max_size=30)
whole = digits.map(lambda text: text.lstrip("0") or "0")


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """The text of a JSON number, in every spelling that JSON allows."""
    text = draw(st.sampled_from(["", "-"])) + draw(whole)
    if draw(st.booleans()):
        text += "." + draw(digits)
    if draw(st.booleans()):
        text += draw(st.sampled_from("eE")) + draw(st.sampled_from(["", "+", "-"])) + str(draw(st.integers(0, 300)))
    return text


class Spelled:
    """A number by its text, so that two spellings of one value stay different."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spelled) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Spelled({self.text})"


def spell(value: Any) -> str:
    """Value as JSON text, its numbers as they were drawn."""
    if isinstance(value, Spelled):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {spell(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(spell(item) for item in value) + "]"
    return json.dumps(value)


def shape(data: str) -> Any:
    """What another reader sees: pairs in order, numbers as text."""
    return json.loads(data, object_pairs_hook=list, parse_float=Spelled, parse_int=Spelled)


values = st.recursive(
    st.none() | st.booleans() | texts | numbers().map(Spelled),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=5))
def test_what_is_read_is_written_again_with_the_same_digits_order_and_text(document: dict[str, Any]) -> None:
    text = spell(document)
    assert shape(write(read(text.encode())).decode()) == shape(text)


@given(st.binary(max_size=60) | st.text('[]{}":,0-9eE.\\u', max_size=40).map(str.encode))
def test_any_bytes_are_a_document_or_malformed(data: bytes) -> None:
    try:
        answer: Any = read(data)
    except Malformed as refusal:
        answer = refusal.issues[0]
    assert isinstance(answer, dict) or (answer.zh and answer.en)


@pytest.mark.parametrize(
    "number",
    ["1.00", "0.010", "1E2", "1e2", "1.0e+10", "-0", "-0.0", "1E0", "123456789012345678901234567890", "0.00000000"],
)
def test_a_number_keeps_its_spelling(number: str) -> None:
    assert write(read(b'{"a":%s}' % number.encode())) == b'{"a":%s}' % number.encode()
