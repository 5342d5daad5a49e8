"""Search on both databases, from Query to page: each comparison, chains, includes, sorting, paging, totals, what may be seen."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pytest

from gateway.fhir.errors import Malformed
from gateway.fhir.principal import GATEWAY, Principal
from gateway.search.parameters import _tables, parameters
from gateway.search.query import Clause, Entry, Exact, Include, Query, Range, Sort, Text, Value
from gateway.store.contract import Version, Write
from gateway.store.index_rows import parameter_number
from gateway.store.sql import SqlStore, open_store


def put(store: SqlStore, reference: str, *entries: Entry, version: int = 1, at: int = 1_000_000) -> None:
    kind, id = reference.split("/")
    with store.transaction(GATEWAY) as transaction:
        transaction.write([Write(Version(kind, id, version, at, "PUT", reference.encode()), entries)])


def ask(store: SqlStore, *clauses: Clause, kind: str = "Patient", **more: object) -> list[str]:
    query = Query(kind, clauses, **{"count": 100, **more})  # type: ignore[arg-type]
    return [one.id for one in store.search(query, GATEWAY).matches]


def token(parameter: str, code: str = "", system: str | None = None, modifier: str = "") -> Clause:
    return Clause(parameter, "token", (Value(code, system=system, code=code),), modifier)


def text(parameter: str, value: str, modifier: str = "") -> Clause:
    return Clause(parameter, "string", (Value(value, folded=value.lower()),), modifier)


def when(prefix: str, low: float, high: float, parameter: str = "date") -> Clause:
    return Clause(parameter, "date", (Value("", prefix=prefix, low=low, high=high),))  # type: ignore[arg-type]


def test_token_by_code_system_both_or_either(store: SqlStore) -> None:
    put(store, "Patient/a", Exact("identifier", "1", "s"))
    put(store, "Patient/b", Exact("identifier", "1"))
    put(store, "Patient/c", Exact("identifier", "2", "s"))
    assert ask(store, token("identifier", "1")) == ["a", "b"]
    assert ask(store, token("identifier", "1", "s")) == ["a"]
    assert ask(store, token("identifier", "1", "")) == ["b"]
    assert ask(store, token("identifier", "", "s")) == ["a", "c"]
    assert ask(store, token("identifier", "1", modifier="not")) == ["c"]


def test_clauses_are_anded_and_values_ored(store: SqlStore) -> None:
    put(store, "Patient/a", Exact("gender", "male"), Exact("active", "true"))
    put(store, "Patient/b", Exact("gender", "female"), Exact("active", "true"))
    put(store, "Patient/c", Exact("gender", "other"), Exact("active", "false"))
    both = Clause("gender", "token", (Value("male", code="male"), Value("other", code="other")))
    assert ask(store, both) == ["a", "c"]
    assert ask(store, both, token("active", "true")) == ["a"]


def test_a_parameter_of_another_type_is_another_parameter(store: SqlStore) -> None:
    put(store, "Patient/a", Exact("identifier", "1"))
    put(store, "Encounter/a", Exact("identifier", "2"))
    assert ask(store, token("identifier", "1"), kind="Encounter") == []


def test_text_begins_with_contains_and_is_exact(store: SqlStore) -> None:
    put(store, "Patient/a", Text("name", "zhang wei", "Zhang Wei"))
    put(store, "Patient/b", Text("name", "张伟", "张伟"))
    put(store, "Patient/c", Text("name", "z%_\\", "z%_\\"))
    put(store, "Patient/d", Text("name", "z\U0010ffff\U0010ffffq", "Z"))
    assert ask(store, text("name", "zhang")) == ["a"]
    assert ask(store, text("name", "张")) == ["b"]
    assert ask(store, text("name", "z")) == ["a", "c", "d"]
    assert ask(store, text("name", "z\U0010ffff")) == ["d"]
    assert ask(store, text("name", "wei")) == []
    assert ask(store, text("name", "wei", "contains")) == ["a"]
    assert ask(store, text("name", "%_", "contains")) == ["c"]
    assert ask(store, text("name", "Zhang Wei", "exact")) == ["a"]
    assert ask(store, text("name", "zhang wei", "exact")) == []


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("eq", ["within"]),
        ("ne", ["before", "around", "open", "after"]),
        ("gt", ["around", "open", "after"]),
        ("lt", ["before", "around", "open"]),
        ("ge", ["within", "around", "open", "after"]),
        ("le", ["before", "within", "around", "open"]),
        ("sa", ["after"]),
        ("eb", ["before"]),
        ("ap", ["within", "around", "open"]),
    ],
)
def test_a_period_compares_by_every_prefix(store: SqlStore, prefix: str, expected: list[str]) -> None:
    """Searched for: 100 to 200."""
    stored = {"before": (10, 50), "within": (120, 150), "around": (50, 250), "open": (90, inf), "after": (300, 310)}
    for id, (low, high) in stored.items():
        put(store, f"Encounter/{id}", Range("date", low, high))
    assert ask(store, when(prefix, 100, 200), kind="Encounter") == expected


def test_missing_finds_what_has_and_what_has_not(store: SqlStore) -> None:
    put(store, "Patient/a", Range("birthdate", 1, 2))
    put(store, "Patient/b")
    assert ask(store, Clause("birthdate", "date", (Value("true"),), "missing")) == ["b"]
    assert ask(store, Clause("birthdate", "date", (Value("false"),), "missing")) == ["a"]


def test_quantity_compares_number_and_unit(store: SqlStore) -> None:
    put(store, "Observation/a", Range("value-quantity", 5.4, 5.4, "mmol/L"))
    put(store, "Observation/b", Range("value-quantity", 5.4, 5.4, "mg"))
    five = Value("", low=5.35, high=5.45, code="mmol/L")
    assert ask(store, Clause("value-quantity", "quantity", (five,)), kind="Observation") == ["a"]


def test_id_and_last_updated_are_columns_of_their_own(store: SqlStore) -> None:
    put(store, "Patient/a", at=1_000_000)
    put(store, "Patient/b", at=5_000_000)
    assert ask(store, token("_id", "b")) == ["b"]
    assert ask(store, token("_id", "b", modifier="not")) == ["a"]
    assert ask(store, when("gt", 1000, 1000, "_lastUpdated")) == ["b"]
    assert ask(store, when("eq", 1000, 1999, "_lastUpdated")) == ["a"]
    assert ask(store, when("ge", -inf, inf, "_lastUpdated")) == ["a", "b"]


def test_a_reference_is_found_by_type_and_id_and_through_a_chain(store: SqlStore) -> None:
    put(store, "Patient/p", Exact("identifier", "1", "s"), Exact("organization", "o", "Organization"))
    put(store, "Patient/q", Exact("identifier", "2", "s"))
    put(store, "Organization/o", Text("name", "clinic", "Clinic"))
    put(store, "Encounter/e", Exact("subject", "p", "Patient"))
    put(store, "Encounter/f", Exact("subject", "q", "Patient"))
    put(store, "Encounter/g", Exact("subject", "p", "Group"))

    def subject(system: str = "", types: Sequence[str] = ()) -> Clause:
        return Clause("subject", "reference", (Value("p", system=system, code="p"),), "", tuple(types))

    assert ask(store, subject(), kind="Encounter") == ["e", "g"]
    assert ask(store, subject("Patient"), kind="Encounter") == ["e"]
    assert ask(store, subject("", ["Group"]), kind="Encounter") == ["g"]
    chain = Clause("subject", "reference", (), "", ("Patient", "Group"), chain=token("identifier", "1", "s"))
    assert ask(store, chain, kind="Encounter") == ["e"]
    inner = Clause("organization", "reference", (), "", ("Organization",), chain=text("name", "clin"))
    two = Clause("subject", "reference", (), "", ("Patient",), chain=inner)
    assert ask(store, two, kind="Encounter") == ["e"]


def test_a_chain_ends_at_a_deleted_target(store: SqlStore) -> None:
    put(store, "Patient/p", Exact("identifier", "1"))
    put(store, "Encounter/e", Exact("subject", "p", "Patient"))
    with store.transaction(GATEWAY) as transaction:
        transaction.write([Write(Version("Patient", "p", 2, 2, "DELETE", b""))])
    chain = Clause("subject", "reference", (), "", ("Patient",), chain=token("_id", "p"))
    assert ask(store, chain, kind="Encounter") == []


def test_sorting_by_several_keys_puts_what_misses_them_last(store: SqlStore) -> None:
    put(store, "Patient/a", Text("family", "b", "b"), Range("birthdate", 5, 5))
    put(store, "Patient/b", Text("family", "a", "a"), Range("birthdate", 1, 1))
    put(store, "Patient/c", Text("family", "a", "a"), Range("birthdate", 9, 9))
    put(store, "Patient/d", Range("birthdate", 3, 3))
    family, birthdate = Sort("family", "string"), Sort("birthdate", "date", descending=True)
    assert ask(store, sort=(family, birthdate)) == ["c", "b", "a", "d"]
    assert ask(store, sort=(Sort("family", "string", descending=True), birthdate)) == ["a", "c", "b", "d"]
    assert ask(store, sort=(Sort("_id", "token", descending=True),)) == ["d", "c", "b", "a"]
    assert ask(store, sort=(Sort("_lastUpdated", "date"),)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "sort",
    [
        (),
        (Sort("family", "string"),),
        (Sort("family", "string", descending=True), Sort("birthdate", "date")),
        (Sort("birthdate", "date", descending=True),),
        (Sort("gender", "token"), Sort("_lastUpdated", "date", descending=True)),
    ],
)
def test_pages_together_are_the_unpaged_list(store: SqlStore, sort: tuple[Sort, ...]) -> None:
    for number in range(23):
        entries: list[Entry] = []
        if number % 3:
            entries.append(Text("family", f"f{number % 4}", ""))
        if number % 4:
            entries.append(Range("birthdate", number % 5, inf if number % 2 else number % 5))
        if number % 5:
            entries.append(Exact("gender", "ab"[number % 2]))
        put(store, f"Patient/p{number}", *entries, at=1_000_000 + 1000 * (number % 6))
    whole = ask(store, sort=sort)
    assert len(whole) == 23
    paged: list[str] = []
    after = ""
    while True:
        page = store.search(Query("Patient", sort=sort, count=4, after=after), GATEWAY)
        paged += [one.id for one in page.matches]
        after = page.next
        if not after:
            break
        # Written between two pages: must disturb nothing that is there already.
        put(store, f"Patient/later{len(paged)}", Text("family", "f0", ""))
    assert [one for one in paged if not one.startswith("later")] == whole
    assert len(set(paged)) == len(paged)


@pytest.mark.parametrize("mark", ["x", "W10", "WyJhIl0", "!!!", "WzEsMl0", "W3RydWVd", "eyJhIjoxfQ"])
def test_a_page_mark_of_somebody_else_is_refused(store: SqlStore, mark: str) -> None:
    with pytest.raises(Malformed):
        store.search(Query("Patient", after=mark), GATEWAY)


def test_total_counts_all_matches_and_count_zero_counts_only(store: SqlStore) -> None:
    for number in range(5):
        put(store, f"Patient/p{number}", Exact("gender", "male"))
    page = store.search(Query("Patient", (token("gender", "male"),), count=2, total="accurate"), GATEWAY)
    assert (page.total, len(page.matches), bool(page.next)) == (5, 2, True)
    assert store.search(Query("Patient", count=2), GATEWAY).total is None
    none = store.search(Query("Patient", count=0), GATEWAY)
    assert (none.total, none.matches, none.next) == (5, (), "")


def test_includes_bring_each_resource_once_and_no_match_again(store: SqlStore) -> None:
    put(store, "Patient/p", Exact("organization", "o", "Organization"))
    put(store, "Organization/o", Exact("partof", "root", "Organization"))
    put(store, "Organization/root")
    put(store, "Encounter/e", Exact("subject", "p", "Patient"))
    put(store, "Encounter/f", Exact("subject", "p", "Patient"), Exact("part-of", "e", "Encounter"))
    put(store, "Task/t", Exact("focus", "e", "Encounter"))

    def included(*includes: Include) -> list[str]:
        page = store.search(Query("Encounter", includes=includes), GATEWAY)
        assert [one.id for one in page.matches] == ["e", "f"]
        return [f"{one.resource_type}/{one.id}" for one in page.included]

    assert included(Include("Encounter", "subject")) == ["Patient/p"]
    assert included(Include("Encounter", "subject", "Group")) == []
    assert included(Include("Encounter", "part-of")) == []
    assert included(Include("Encounter", "*")) == ["Patient/p"]
    assert included(Include("Task", "focus", reverse=True)) == ["Task/t"]
    assert included(Include("Encounter", "subject"), Include("Patient", "organization")) == ["Patient/p"]
    chain = (
        Include("Encounter", "subject"),
        Include("Patient", "organization", iterate=True),
        Include("Organization", "partof", iterate=True),
    )
    assert included(*chain) == ["Patient/p", "Organization/o", "Organization/root"]


def test_deleted_resources_are_neither_found_nor_included(store: SqlStore) -> None:
    put(store, "Patient/p")
    put(store, "Encounter/e", Exact("subject", "p", "Patient"))
    with store.transaction(GATEWAY) as transaction:
        transaction.write([Write(Version("Patient", "p", 2, 2, "DELETE", b""))])
    assert ask(store) == []
    assert store.search(Query("Encounter", includes=(Include("Encounter", "subject"),)), GATEWAY).included == []


def test_a_transaction_finds_what_it_has_written(store: SqlStore) -> None:
    with store.transaction(GATEWAY) as transaction:
        transaction.write([Write(Version("Patient", "p", 1, 1, "PUT", b"{}"), (Exact("identifier", "1"),))])
        assert len(transaction.search(Query("Patient", (token("identifier", "1"),))).matches) == 1


def test_what_a_principal_may_not_see_is_nowhere(database_url: str) -> None:
    """Not read, not found, not counted, not chained through, not included."""

    def only_own(resource_type: str, principal: Principal) -> Sequence[Clause]:
        return (
            (token("organization", principal.organisation),)
            if resource_type == "Patient" and principal.organisation
            else ()
        )

    store = open_store(database_url, only_own)
    put(store, "Patient/mine", Exact("organization", "A"), Exact("identifier", "1"))
    put(store, "Patient/other", Exact("organization", "B"), Exact("identifier", "2"))
    put(store, "Encounter/e", Exact("subject", "other", "Patient"))
    clinic = Principal("clinic", "A")
    page = store.search(Query("Patient", total="accurate"), clinic)
    assert ([one.id for one in page.matches], page.total) == (["mine"], 1)
    assert store.read("Patient", "other", clinic) is None
    assert store.vread("Patient", "other", 1, clinic) is None
    assert store.history("Patient", "other", clinic).total == 0
    assert store.read("Patient", "mine", clinic) is not None
    assert store.read("Patient", "other", GATEWAY) is not None
    chain = Clause("subject", "reference", (), "", ("Patient",), chain=token("identifier", "2"))
    assert store.search(Query("Encounter", (chain,)), clinic).matches == []
    included = store.search(Query("Encounter", includes=(Include("Encounter", "subject"),)), clinic).included
    assert list(included) == []
    store.close()


def test_no_two_r4_parameters_share_a_number() -> None:
    names = {(kind, code) for kind in _tables() for code in parameters(kind)}
    numbers = {parameter_number(kind, code) for kind, code in names}
    numbers |= {parameter_number(kind, f"{code}:identifier") for kind, code in names}
    assert len(numbers) == 2 * len(names)
