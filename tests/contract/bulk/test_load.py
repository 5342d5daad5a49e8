"""Files of resources loaded: what is written, what is refused and where, and that a second run changes nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.bulk import load as loading
from gateway.bulk.load import Loader, Report
from gateway.fhir import canonical
from gateway.fhir.document import read
from gateway.fhir.errors import Busy, Invalid, Issue
from gateway.fhir.principal import GATEWAY
from gateway.interactions import custom_parameters
from gateway.interactions.change import Change
from gateway.interactions.door import Door
from gateway.referral.rule import Referral
from gateway.store.contract import Transaction
from gateway.store.sql import SqlStore


def patient(id: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"text": f"试{id}"}], **more}


def ndjson(path: Path, *resources: dict[str, Any] | str) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in resources]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def bundle(path: Path, kind: str, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"resourceType": "Bundle", "type": kind, "entry": list(entries)}), "utf-8")
    return path


def load(store: SqlStore, *paths: Path, again: bool = False, lists: Path | None = None) -> Report:
    report = Loader(Door(store), GATEWAY, lists=lists).load(paths, again=again)
    assert report.resources == report.written + report.unchanged + report.refused_count
    return report


def ids(store: SqlStore, resource_type: str = "Patient") -> set[str]:
    _, page = Door(store).search(resource_type, [("_count", "100")], GATEWAY)
    return {match.id for match in page.matches}


def test_lines_are_loaded_under_their_own_ids(store: SqlStore, tmp_path: Path) -> None:
    report = load(store, ndjson(tmp_path / "a.ndjson", patient("a"), patient("b")))
    assert (report.resources, report.written, report.refused) == (2, 2, [])
    assert ids(store) == {"a", "b"}


def test_a_loaded_resource_is_found_like_a_written_one(store: SqlStore, tmp_path: Path) -> None:
    load(store, ndjson(tmp_path / "a.ndjson", patient("a")))
    _, page = Door(store).search("Patient", [("name", "试a")], GATEWAY)
    assert [match.id for match in page.matches] == ["a"]


def test_what_was_loaded_is_passed_over_and_loading_again_changes_nothing(store: SqlStore, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", patient("a"), patient("b"))
    load(store, path)
    assert load(store, path).skipped == 1
    again = load(store, path, again=True)
    assert (again.written, again.unchanged) == (0, 2)
    assert Door(store).read("Patient", "a", GATEWAY).version == 1


def test_a_changed_file_is_another_file(store: SqlStore, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", patient("a"))
    load(store, path)
    ndjson(path, patient("a"), patient("b"))
    report = load(store, path)
    assert (report.skipped, report.written, report.unchanged) == (0, 1, 1)


def test_folders_and_gzip_are_read(store: SqlStore, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.ndjson.gz").write_bytes(gzip.compress(json.dumps(patient("a")).encode()))
    (tmp_path / "deep" / "b.json.gz").write_bytes(gzip.compress(json.dumps(patient("b")).encode()))
    (tmp_path / "deep" / ".hidden.json").write_text(json.dumps(patient("hidden")))
    (tmp_path / "deep" / "notes.txt").write_text("no resource")
    assert load(store, tmp_path).files == 2
    assert ids(store) == {"a", "b"}


def test_what_is_refused_is_told_by_file_line_and_reason(store: SqlStore, tmp_path: Path) -> None:
    path = ndjson(
        tmp_path / "a.ndjson",
        patient("a"),
        "{not json",
        "",
        patient("c", gender="unsure"),
        {"resourceType": "Nothing"},
        patient("d"),
    )
    report = load(store, path)
    assert [(Path(one.file).name, one.line) for one in report.refused] == [
        ("a.ndjson", 2),
        ("a.ndjson", 4),
        ("a.ndjson", 5),
    ]
    assert report.refused[1].issues[0].expression == ("Patient.gender",)
    assert "unsure" not in str(report.refused)  # a reason names the place, never the value
    assert ids(store) == {"a", "d"}


def test_a_rule_refuses_a_change_of_what_is_here_and_takes_what_is_new(store: SqlStore, tmp_path: Path) -> None:
    def rule(change: Change, within: Transaction) -> None:
        if change.id == "p7":
            raise Invalid(Issue("business-rule", "不行", "no"))

    def loaded(**more: Any) -> Report:
        path = ndjson(tmp_path / "a.ndjson", *(patient(f"p{number}", **more) for number in range(20)))
        return Loader(Door(store, rules=(rule,)), GATEWAY).load([path])

    assert loaded().written == 20
    changed = loaded(active=True)
    assert [one.line for one in changed.refused] == [8]
    assert changed.written == 19


def test_a_closed_referral_of_another_system_is_loaded_and_then_follows_its_machine(
    store: SqlStore, tmp_path: Path
) -> None:
    rules = (Referral(canonical.BASE, "+08:00").task_rule,)
    task = {
        "resourceType": "Task", "id": "t", "status": "completed", "intent": "order",
        "code": {"coding": [{"system": canonical.code_system("task-code"), "code": "referral"}]},
        "businessStatus": {"coding": [{"system": canonical.code_system("referral-state"), "code": "closed"}]},
    }  # fmt: skip
    first = Loader(Door(store, rules=rules), GATEWAY).load([ndjson(tmp_path / "a.ndjson", task)])
    assert (first.written, first.refused) == (1, [])
    again = Loader(Door(store, rules=rules), GATEWAY).load(
        [ndjson(tmp_path / "b.ndjson", task | {"status": "requested"})]
    )
    assert len(again.refused) == 1


def test_a_parameter_of_its_own_is_judged_when_it_is_loaded(store: SqlStore, tmp_path: Path) -> None:
    wrong = {"resourceType": "SearchParameter", "id": "x", "url": "http://a.example/x", "name": "X", "status": "active",
             "description": "x", "code": "x", "base": ["Patient"], "type": "token", "expression": "Patient.nmae"}  # fmt: skip
    door = Door(store, invariants=(custom_parameters.rule,))
    assert len(Loader(door, GATEWAY).load([ndjson(tmp_path / "a.ndjson", wrong)]).refused) == 1


def test_the_entries_of_a_collection_are_resources(store: SqlStore, tmp_path: Path) -> None:
    path = bundle(
        tmp_path / "a.json",
        "collection",
        {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001", "resource": {"resourceType": "Patient"}},
        {"resource": {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                      "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}}},
        {"resource": {"resourceType": "Patient", "id": "bad", "gender": "x"}},
    )  # fmt: skip
    report = load(store, path)
    assert [(one.line, one.entry) for one in report.refused] == [(0, 2)]
    stored = read(Door(store).read("Observation", "o", GATEWAY).content)
    (found,) = ids(store)
    assert stored["subject"]["reference"] == f"Patient/{found}"


def test_a_transaction_stands_or_falls_as_one(store: SqlStore, tmp_path: Path) -> None:
    good = bundle(
        tmp_path / "a.json",
        "transaction",
        {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001", "resource": {"resourceType": "Patient"},
         "request": {"method": "POST", "url": "Patient"}},
        {"resource": {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "IMP"},
                      "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}},
         "request": {"method": "PUT", "url": "Encounter/e"}},
    )  # fmt: skip
    bad = bundle(
        tmp_path / "b.json",
        "transaction",
        {"resource": patient("x"), "request": {"method": "PUT", "url": "Patient/x"}},
        {"resource": patient("y", gender="x"), "request": {"method": "PUT", "url": "Patient/y"}},
    )
    report = load(store, good, bad)
    assert (report.written, len(report.refused)) == (2, 1)
    assert (report.resources, report.refused_count) == (4, 2)  # of the Bundle that fell, both
    assert ids(store) == {"00000000-0000-4000-8000-000000000001"}
    assert load(store, good, again=True).written == 0


def test_an_order_of_files_does_not_matter_and_what_never_comes_is_told(store: SqlStore, tmp_path: Path) -> None:
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
    early = ndjson(
        tmp_path / "1.ndjson",
        observation | {"subject": {"reference": "Patient/a"}},
        observation | {"id": "p", "subject": {"reference": "Patient/never"}},
    )
    late = ndjson(tmp_path / "2.ndjson", patient("a"))
    assert load(store, early, late).dangling == {"Patient/never": "1.ndjson:2 Observation.subject"}


def test_a_resource_written_twice_has_two_versions(store: SqlStore, tmp_path: Path) -> None:
    load(store, ndjson(tmp_path / "a.ndjson", patient("a"), patient("a", active=True)))
    assert Door(store).read("Patient", "a", GATEWAY).version == 2


def test_a_resource_without_an_id_is_loaded_once(store: SqlStore, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", {"resourceType": "Patient", "active": True})
    load(store, path)
    assert load(store, path, again=True).unchanged == 1


def test_a_document_is_kept_as_the_bundle_it_is(store: SqlStore, tmp_path: Path) -> None:
    composition = {"resourceType": "Composition", "status": "final", "type": {"text": "x"}, "title": "小结", "date": "2026",
                   "author": [{"display": "试某"}]}  # fmt: skip
    path = tmp_path / "a.json"
    document = {"resourceType": "Bundle", "id": "d", "type": "document", "timestamp": "2026-01-01T00:00:00+08:00",
                "identifier": {"system": "urn:x", "value": "1"},
                "entry": [{"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001", "resource": composition}]}  # fmt: skip
    path.write_text(json.dumps(document))
    report = load(store, path)
    assert report.refused == []
    assert ids(store, "Bundle") == {"d"}


def test_a_broken_off_load_goes_on_after_its_last_batch(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BATCH", 4)
    path = ndjson(tmp_path / "a.ndjson", *(patient(f"p{number}") for number in range(10)))
    batches = 0
    original = Loader._write

    def write(self: Loader, *rest: Any) -> None:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise Busy(zh="忙", en="busy")
        original(self, *rest)

    monkeypatch.setattr(Loader, "_write", write)
    with pytest.raises(Busy):
        load(store, path)
    monkeypatch.setattr(Loader, "_write", original)
    report = load(store, path)
    assert (report.resources, report.written) == (2, 2)
    assert len(ids(store)) == 10


def test_a_broken_gzip_is_told_and_what_came_before_is_kept(store: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    resources = (patient(f"p{number}", birthDate=f"{1900 + number % 100}") for number in range(3000))
    lines = "".join(json.dumps(one) + "\n" for one in resources)
    path.write_bytes(gzip.compress(lines.encode())[:-2000])
    report = load(store, path)
    assert [one.issues[0].code for one in report.refused] == ["structure"]
    assert 1000 < report.written < 3000


def test_nothing_follows_from_what_is_loaded(store: SqlStore, tmp_path: Path) -> None:
    asked: list[Any] = []
    door = Door(store, consequences=(lambda changes, within: asked.append(changes),))  # type: ignore[arg-type,return-value]
    Loader(door, GATEWAY).load([ndjson(tmp_path / "a.ndjson", patient("a"))])
    assert asked == []


@pytest.mark.parametrize("name", ["absent.json", "text.txt"])
def test_a_path_that_cannot_be_loaded_is_refused(store: SqlStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(Invalid):
        load(store, tmp_path / name)


@pytest.mark.parametrize(
    "line", ["null", "[]", '"Patient"', '{"resourceType":["Patient"]}', '{"resourceType":5}', '{"resourceType":"Patient","id":5}']
)  # fmt: skip
def test_a_line_that_is_no_resource_is_refused(store: SqlStore, tmp_path: Path, line: str) -> None:
    report = load(store, ndjson(tmp_path / "a.ndjson", line, patient("a")))
    assert ([one.line for one in report.refused], report.written) == ([1], 1)


def test_an_entry_whose_resource_is_no_object_is_refused(store: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"resourceType":"Bundle","type":"collection","entry":[{"resource":"x"},{"resource":null},{}]}')
    assert [one.entry for one in load(store, path).refused] == [0, 1]


def test_a_byte_order_mark_and_line_ends_of_any_kind_are_taken(store: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    lines = (json.dumps(patient("a")), "", "   ", json.dumps(patient("b")))
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert (load(store, path).written, ids(store)) == (2, {"a", "b"})


def test_a_second_load_tells_again_what_was_refused_and_where_the_list_is(store: SqlStore, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", patient("a"), patient("b", gender="x"), "{")
    first = load(store, path, lists=tmp_path / "lists")
    (listed,) = first.lists
    (earlier,) = load(store, path, lists=tmp_path / "lists").earlier
    assert (earlier.file, earlier.refused, earlier.list) == (str(path), 2, listed)
    assert [json.loads(line)["line"] for line in listed.read_text("utf-8").splitlines()] == [2, 3]
    again = load(store, path, again=True, lists=tmp_path / "lists")
    assert (again.refused_count, again.unchanged, len(listed.read_text("utf-8").splitlines())) == (2, 1, 2)
    assert [one.refused for one in load(store, path).earlier] == [2]


def test_a_second_load_tells_again_of_references_that_led_nowhere(store: SqlStore, tmp_path: Path) -> None:
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                   "subject": {"reference": "Patient/never"}}  # fmt: skip
    path = ndjson(tmp_path / "a.ndjson", observation)
    load(store, path)
    assert [(one.refused, one.dangling) for one in load(store, path).earlier] == [(0, 1)]
    load(store, ndjson(tmp_path / "b.ndjson", patient("never")))
    load(store, path, again=True)
    assert load(store, path).earlier == []


@pytest.mark.parametrize("stops", [1, 2, 3, 4, 5])
def test_a_load_that_is_broken_off_lists_each_refusal_once_in_the_end(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: int
) -> None:
    def rule(change: Change, within: Transaction) -> None:
        if change.id in ("p3", "p9"):
            raise Invalid(Issue("business-rule", "不行", "no"))

    monkeypatch.setattr(loading, "BATCH", 3)
    existing = Door(store)
    Loader(existing, GATEWAY).load([ndjson(tmp_path / "first.ndjson", patient("p3"), patient("p9"))])
    lines = [patient(f"p{number}", active=True) for number in range(12)]
    path = ndjson(tmp_path / "a.ndjson", *lines[:5], "{", *lines[5:7], patient("x", gender="x"), *lines[7:])
    lists, original, calls = tmp_path / "lists", Loader._store, 0

    def store_(self: Loader, *rest: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == stops:
            raise Busy(zh="忙", en="busy")
        return original(self, *rest)

    monkeypatch.setattr(Loader, "_store", store_)
    with pytest.raises(Busy):
        Loader(Door(store, rules=(rule,)), GATEWAY, lists=lists).load([path])
    monkeypatch.setattr(Loader, "_store", original)
    Loader(Door(store, rules=(rule,)), GATEWAY, lists=lists).load([path])
    (earlier,) = Loader(Door(store), GATEWAY, lists=lists).load([path]).earlier
    assert earlier.list is not None
    assert [json.loads(line)["line"] for line in earlier.list.read_text("utf-8").splitlines()] == [4, 6, 9, 12]
    assert earlier.refused == 4


def test_references_of_what_was_stored_before_a_break_are_followed_too(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                   "subject": {"reference": "Patient/never"}}  # fmt: skip
    path = ndjson(tmp_path / "a.ndjson", observation, *(patient(f"p{number}") for number in range(5)))
    monkeypatch.setattr(loading, "BATCH", 2)
    original, calls = Loader._store, 0

    def store_(self: Loader, *rest: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Busy(zh="忙", en="busy")
        return original(self, *rest)

    monkeypatch.setattr(Loader, "_store", store_)
    with pytest.raises(Busy):
        load(store, path)
    monkeypatch.setattr(Loader, "_store", original)
    report = load(store, path)
    assert (report.written, list(report.dangling)) == (2, ["Patient/never"])


def test_a_folder_without_such_files_is_refused(store: SqlStore, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(Invalid):
        load(store, tmp_path)
