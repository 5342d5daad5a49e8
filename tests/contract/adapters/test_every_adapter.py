"""What the kit asks of every adapter that there is: one body for all, found as the program finds them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kit.contract import Adapter, Envelope, Source
from gateway.exchange import find_adapters
from gateway.fhir.errors import GatewayError, Invalid, Issue, Malformed

MAPPINGS = Path(__file__).parents[3] / "mappings"
ADAPTERS = find_adapters()
EVERY = pytest.mark.parametrize("name", sorted(ADAPTERS))
CASES = {
    name: [path for path in sorted((MAPPINGS / name / "cases").iterdir()) if path.suffix not in (".json", ".toml")]
    for name in ADAPTERS
}
EVERY_CASE = pytest.mark.parametrize(
    ("name", "path"), [pytest.param(name, path, id=f"{name}/{path.name}") for name in CASES for path in CASES[name]]
)
ISSUES = (Issue("value", "某值无效", "a value is wrong", ("PID-7",)),)


def source(name: str) -> Source:
    return Source("example", "990100001", "示范市第一人民医院", format=name)


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A case with a piece cut out, doubled or overwritten; or bytes that were never a message."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=300))
    data = draw(st.sampled_from(CASES[name])).read_bytes()
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 200)))
        piece = draw(st.one_of(st.just(b""), st.just(data[start:end] * 2), st.binary(max_size=8)))
        data = data[:start] + piece + data[end:]
    return data


def adapted(name: str) -> tuple[Adapter, Source]:
    return ADAPTERS[name], source(name)


@EVERY
def test_an_adapter_is_named_after_its_folder_and_has_what_its_abilities_promise(name: str) -> None:
    adapter = ADAPTERS[name]
    assert (Path(__file__).parents[3] / "adapters" / name).is_dir()
    assert "reads" in adapter.abilities
    assert ("writes" in adapter.abilities) == (adapter.encode is not None and adapter.new is not None)
    if "replies" in adapter.abilities:
        assert None not in (adapter.accept, adapter.refuse, adapter.understand)
    assert CASES[name], "an adapter without a case shows nothing"


@EVERY
@settings(deadline=None)
@given(data=st.data())
def test_any_bytes_are_a_tree_or_malformed(name: str, data: st.DataObject) -> None:
    adapter, sender = adapted(name)
    body = data.draw(damaged(name))
    try:
        tree = adapter.parse(body, sender)
    except Malformed:
        return
    assert isinstance(tree.kind, str)
    for leaf in tree.leaves():
        assert isinstance(leaf.path, str)
        assert isinstance(leaf.text, str)


@EVERY
@settings(deadline=None)
@given(data=st.data())
def test_any_bytes_have_an_envelope_or_are_malformed(name: str, data: st.DataObject) -> None:
    adapter, sender = adapted(name)
    try:
        found = adapter.envelope(data.draw(damaged(name)), sender)
    except Malformed:
        return
    assert isinstance(found, Envelope)
    assert isinstance(found.control_id, str)


@EVERY
@settings(deadline=None)
@given(data=st.data())
def test_any_delivery_is_split_into_messages_or_refused(name: str, data: st.DataObject) -> None:
    adapter, sender = adapted(name)
    try:
        parts = adapter.split(data.draw(damaged(name)), sender)
    except GatewayError:
        return
    assert all(isinstance(part, bytes) for part in parts)


@EVERY
@settings(deadline=None)
@given(data=st.data())
def test_any_bytes_can_be_refused(name: str, data: st.DataObject) -> None:
    adapter, sender = adapted(name)
    if adapter.refuse is None:
        return  # a folder of files is refused beside the file, by the inbox
    refusal = adapter.refuse(data.draw(damaged(name)), sender, ISSUES, "AE")
    assert isinstance(refusal, bytes)  # b"" where the sender wants no answer, as MSH-15 and MSH-16 may say


@EVERY
@settings(deadline=None)
@given(data=st.data())
def test_any_reply_of_a_partner_is_understood_or_malformed(name: str, data: st.DataObject) -> None:
    adapter, sender = adapted(name)
    if adapter.understand is None:
        return
    try:
        reply = adapter.understand(data.draw(st.one_of(st.binary(max_size=200), damaged(name))), sender)
    except Malformed:
        return
    assert isinstance(reply.accepted, bool)


@EVERY
@settings(deadline=None)
@given(data=st.data())
def test_what_can_be_read_is_encoded_to_its_very_bytes(name: str, data: st.DataObject) -> None:
    adapter, sender = adapted(name)
    if adapter.encode is None:
        return
    body = data.draw(damaged(name))
    try:
        tree = adapter.parse(body, sender)
    except Malformed:
        return
    assert adapter.encode(tree, sender) == body


@EVERY_CASE
def test_reading_a_tree_changes_nothing_in_it(name: str, path: Path) -> None:
    adapter, sender = adapted(name)
    if adapter.encode is None:
        pytest.skip(f"{name} is read only")
    body = path.read_bytes()
    tree = adapter.parse(body, sender)
    for leaf in tree.leaves():
        assert leaf.text
    assert adapter.encode(tree, sender) == body


@EVERY_CASE
def test_every_leaf_has_a_path_of_its_own(name: str, path: Path) -> None:
    adapter, sender = adapted(name)
    paths = [leaf.path for leaf in adapter.parse(path.read_bytes(), sender).leaves()]
    assert paths
    assert len(paths) == len(set(paths))


@EVERY_CASE
def test_every_leaf_is_found_by_its_own_path(name: str, path: Path) -> None:
    adapter, sender = adapted(name)
    tree = adapter.parse(path.read_bytes(), sender)
    damaged = getattr(tree, "damaged", frozenset())  # cells that a spreadsheet spoilt stand in the ledger alone
    for leaf in tree.leaves():
        adapter.check_path(leaf.path)
        if leaf.path in damaged:
            continue
        found = tree.select(leaf.path)
        assert [(node.path, node.text) for node in found[:1]] == [(leaf.path, leaf.text)]


@EVERY_CASE
def test_putting_what_is_there_changes_no_byte(name: str, path: Path) -> None:
    adapter, sender = adapted(name)
    if adapter.encode is None:
        pytest.skip(f"{name} is read only")
    body = path.read_bytes()
    tree = adapter.parse(body, sender)
    for leaf in list(tree.leaves()):
        if not re.match(r"MSH-[12]\b", leaf.path):
            tree.put(leaf.path, leaf.text)
    assert adapter.encode(tree, sender) == body


@EVERY_CASE
def test_the_envelope_names_what_the_tree_is(name: str, path: Path) -> None:
    adapter, sender = adapted(name)
    body = path.read_bytes()
    for part in adapter.split(body, sender):
        envelope = adapter.envelope(part, sender)
        assert envelope.control_id
        assert envelope.kind == adapter.parse(part, sender).kind
        assert adapter.envelope(part, sender) == envelope


WRONG_PATHS = {  # a column may be called anything, so a table of columns has few wrong paths
    "hl7v2": ["", "PID-", "a[", "//", "@", "[1]", "\n", "PID-3-4", "PID.3"],
    "cda": ["", "a[", "//", "@", "[1]", "\n", "a/b[@c='", "a[0]", "a//"],
    "webservice": ["", "a[", "//", "@", "[1]", "\n", "a/b[@c='"],
    "tabular": ["", "\n"],
}


@pytest.mark.parametrize(("name", "path"), [(name, path) for name in sorted(ADAPTERS) for path in WRONG_PATHS[name]])
def test_a_path_that_cannot_be_read_is_a_value_error(name: str, path: str) -> None:
    adapter, sender = adapted(name)
    tree = adapter.parse(CASES[name][0].read_bytes(), sender)
    for read in (adapter.check_path, tree.select):
        with pytest.raises(ValueError, match=r"."):
            read(path)


@EVERY
@settings(deadline=None)
@given(path=st.one_of(st.text(max_size=20), st.text("PID-3.1[]/@='*.() ", max_size=20)))
def test_any_text_is_a_path_or_a_value_error(name: str, path: str) -> None:
    adapter, sender = adapted(name)
    tree = adapter.parse(CASES[name][0].read_bytes(), sender)
    try:
        adapter.check_path(path)
    except ValueError:
        return
    for node in tree.select(path):
        assert node.path or node.text is not None


@EVERY
def test_a_new_message_can_be_encoded_and_read_again(name: str) -> None:
    adapter, sender = adapted(name)
    if adapter.new is None or adapter.encode is None:
        pytest.skip(f"{name} is read only")
    kinds = [path.stem.removesuffix("[Bundle]") for path in sorted((MAPPINGS / name).glob("*[[]Bundle].csv"))]
    for kind in kinds:
        kind = kind.replace("_", "^") if name == "hl7v2" else kind
        try:
            tree = adapter.new(kind, sender, "77")
        except Invalid:
            continue  # a kind that can only be read says so
        assert tree.kind == kind
        body = adapter.encode(tree, sender)
        if name != "tabular":  # a header without a row is no message
            assert adapter.parse(body, sender).kind == kind
