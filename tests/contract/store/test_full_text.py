"""_text and _content on both databases: exactly what stands in the text, after every change of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.bulk.reindex import reindex
from gateway.fhir.principal import GATEWAY
from gateway.interactions.change import Limits
from gateway.interactions.door import Door
from gateway.interactions.search import understood
from gateway.store.database import Database
from gateway.store.query.full_text import matching
from gateway.store.sql import SqlStore
from gateway.store.statement import run

WANTED = Limits(full_text=frozenset({"DiagnosticReport"}))
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def report(id: str, conclusion: str, told: str = "") -> dict[str, object]:
    text = {"text": {"status": "generated", "div": DIV.format(told)}} if told else {}
    return {
        "resourceType": "DiagnosticReport",
        "id": id,
        "status": "final",
        "code": {"text": "胸片"},
        "conclusion": conclusion,
        **text,
    }


def found(url: str, parameter: str, wanted: str) -> set[str]:
    database = Database(url)
    with database.writing() as connection:
        statement, values = matching(connection.dialect.name, parameter, wanted)
        rows = run(connection, f"SELECT id FROM resource WHERE rid IN ({statement})", values).fetchall()
    database.close()
    return {row[0] for row in rows}


@pytest.fixture
def door(store: SqlStore) -> Door:
    made = Door(store, limits=WANTED)
    made.update("DiagnosticReport", "a", report("a", "双肺纹理增多，考虑支气管炎。", "右下肺炎 CT 3mm 结节"), GATEWAY)
    made.update("DiagnosticReport", "b", report("b", "气管居中；心影不大", "未見異常"), GATEWAY)
    made.update("Patient", "p", {"resourceType": "Patient", "id": "p", "name": [{"text": "支气管"}]}, GATEWAY)
    return made


@pytest.mark.parametrize(
    ("parameter", "wanted", "expected"),
    [
        ("_content", "支气管炎", {"a"}),
        ("_content", "气管", {"a", "b"}),
        ("_content", "炎", {"a"}),
        ("_content", "管", {"a", "b"}),
        ("_content", "肺炎", {"a"}),
        ("_content", "增多 气管", {"a"}),
        ("_content", "增多考虑", set()),
        ("_content", "胸片 未见异常", {"b"}),
        ("_text", "肺炎", {"a"}),
        ("_text", "支气管炎", set()),
        ("_text", "ct", {"a"}),
        ("_text", "3MM", {"a"}),
        ("_text", "CT 结节", {"a"}),
        ("_text", "'\\\" OR *", set()),
        ("_content", "，", set()),
    ],
)
def test_what_stands_in_the_text_is_found(
    door: Door, database_url: str, parameter: str, wanted: str, expected: set[str]
) -> None:
    assert found(database_url, parameter, wanted) == expected


def test_a_composition_is_found_by_the_narrative_of_its_sections(store: SqlStore) -> None:
    made = Door(store, limits=Limits(full_text=frozenset({"Composition"})))
    composition: dict[str, object] = {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "type": {"text": "出院小结"},
        "date": "2026-11-20",
        "author": [{"display": "某医生"}],
        "title": "出院小结",
        "section": [
            {"title": "医嘱", "section": [{"text": {"status": "generated", "div": DIV.format("伤口<b>每日</b>换药")}}]}
        ],
    }
    made.update("Composition", "c", composition, GATEWAY)
    for asked in ("_content=换药", "_text=换药", "_text=每日换药", "_content=出院小结"):
        name, text = asked.split("=")
        query = understood(made, "Composition", [(name, text)], lenient=False)
        assert [one.id for one in store.search(query, GATEWAY).matches] == ["c"], asked
    nothing = understood(made, "Composition", [("_text", "出院小结")], lenient=False)
    assert not store.search(nothing, GATEWAY).matches


def test_an_update_and_a_deletion_are_followed(door: Door, database_url: str) -> None:
    door.update("DiagnosticReport", "a", report("a", "未见明显异常"), GATEWAY)
    assert found(database_url, "_content", "支气管炎") == set()
    assert found(database_url, "_content", "明显异常") == {"a"}
    door.delete("DiagnosticReport", "a", GATEWAY)
    assert found(database_url, "_content", "明显异常") == set()


def test_a_type_is_found_when_it_is_wanted_and_reindexed(door: Door, store: SqlStore, database_url: str) -> None:
    assert found(database_url, "_content", "支气管") == {"a"}
    wider = Door(store, limits=replace(WANTED, full_text=frozenset({"DiagnosticReport", "Patient"})))
    assert reindex(wider, "Patient", "_content").resources == 1
    assert found(database_url, "_content", "支气管") == {"a", "p"}
    reindex(Door(store), "DiagnosticReport")
    assert found(database_url, "_content", "支气管") == {"p"}


def test_quotes_and_long_texts_are_kept(door: Door, database_url: str) -> None:
    door.update("DiagnosticReport", "q", report("q", "It's 'quoted' \\ and " + "患者" * 5000 + "终"), GATEWAY)
    assert found(database_url, "_content", "quoted") == {"q"}
    assert found(database_url, "_content", "患者患") == {"q"}
    door.update("DiagnosticReport", "q", report("q", "x" * 15_000 + " 終"), GATEWAY)
    assert found(database_url, "_content", "x" * 15_000) == found(database_url, "_content", "终") == {"q"}
