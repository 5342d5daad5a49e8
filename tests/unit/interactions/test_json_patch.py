"""JSON Patch by the cases that others wrote (FHIR/fhir-test-cases) and by the sentences of RFC 6902."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.fhir.errors import Invalid
from gateway.interactions.json_patch import json_patched
from gateway.interactions.patched import patched

CASES = Path(__file__).parents[4] / "shared" / "data" / "patch" / "json-patch-tests.json"


def cases() -> list[Any]:
    if not CASES.is_file():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"{CASES} is not at hand"))]
    return [pytest.param(case, id=case["comment"]) for case in json.loads(CASES.read_text("utf-8"))]


@pytest.mark.parametrize("case", cases())
def test_a_case_that_others_wrote_has_their_outcome(case: dict[str, Any]) -> None:
    before = json.dumps(case["doc"])
    if "error" in case:
        with pytest.raises(Invalid) as refused:
            json_patched(case["doc"], case["patch"], "patch")
        assert refused.value.issues[0].expression[0].startswith("patch[")
    else:
        assert json_patched(case["doc"], case["patch"], "patch") == case["expected"]
    assert json.dumps(case["doc"]) == before, "the document itself stays as it is"


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "replace", "path": "/a", "value": None}, {"a": None, "l": [1, 2]}),
        ({"op": "replace", "path": "/l/0", "value": 9}, {"a": 1, "l": [9, 2]}),
        ({"op": "copy", "from": "/l", "path": "/l/-"}, {"a": 1, "l": [1, 2, [1, 2]]}),
        ({"op": "move", "from": "/a", "path": "/l/1"}, {"l": [1, 1, 2]}),
        ({"op": "test", "path": "/l", "value": [1.0, 2]}, {"a": 1, "l": [1, 2]}),
    ],
)
def test_an_operation_does_what_its_section_says(operation: dict[str, Any], after: Any) -> None:
    from gateway.fhir.document import read

    operation = read(json.dumps(operation).encode())
    assert json_patched({"a": 1, "l": [1, 2]}, [operation], "patch") == after


@pytest.mark.parametrize(
    "operation",
    [
        "x",
        {"op": "fix", "path": "/a"},
        {"op": ["add"], "path": "/a"},
        {"path": "/a"},
        {"op": "add", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/~2", "value": 1},
        {"op": "add", "path": 1, "value": 1},
        {"op": "add", "path": "/l/3", "value": 1},
        {"op": "add", "path": "/l/01", "value": 1},
        {"op": "add", "path": "/l/-1", "value": 1},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "replace", "path": "/l/-", "value": 1},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "remove", "path": "/l/2"},
        {"op": "move", "from": "/l", "path": "/l/0"},
        {"op": "copy", "path": "/b"},
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/a", "value": "1"},
        {"op": "test", "path": "/l", "value": [2, 1]},
    ],
)
def test_an_operation_that_cannot_be_done_is_refused(operation: Any) -> None:
    with pytest.raises(Invalid):
        json_patched({"a": 1, "l": [1, 2]}, [operation], "patch")


def test_copies_of_copies_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 999
    with pytest.raises(Invalid):
        json_patched({"a": [1]}, doubling, "patch")
    deep = [{"op": "copy", "from": "/a", "path": "/a/x"}, {"op": "move", "from": "/a", "path": "/b/a"}]
    with pytest.raises(Invalid):
        json_patched({"a": {}, "b": {}}, [*deep[:1] * 200], "patch")
    with pytest.raises(Invalid):
        json_patched({}, [{"op": "test", "path": "", "value": {}}] * 1001, "patch")


def test_what_a_patch_empties_is_left_out() -> None:
    stands = {"resourceType": "Patient", "id": "p", "name": [{"given": ["小"]}], "gender": "male"}
    after = patched(stands, [{"op": "remove", "path": "/name/0/given/0"}], "patch")
    assert after == {"resourceType": "Patient", "id": "p", "gender": "male"}


@pytest.mark.parametrize("path", ["/resourceType", "/id"])
def test_type_and_id_cannot_be_patched(path: str) -> None:
    with pytest.raises(Invalid):
        patched({"resourceType": "Patient", "id": "p"}, [{"op": "replace", "path": path, "value": "Group"}], "patch")
    with pytest.raises(Invalid):
        patched({"resourceType": "Patient", "id": "p"}, [{"op": "replace", "path": "", "value": []}], "patch")
