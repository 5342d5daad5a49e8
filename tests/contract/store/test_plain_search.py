"""A plain search finds page by page what the general one finds, on both databases."""

from __future__ import annotations

import random
from math import inf

import pytest

from gateway.fhir.principal import GATEWAY
from gateway.search.query import Clause, Entry, Exact, Query, Range, Text, Value
from gateway.store import plain_search
from gateway.store.contract import Page, Version, Write
from gateway.store.sql import SqlStore

CODES = ("1", "2", "张", "x" * 300)
SYSTEMS = ("", "urn:a", "urn:b")
TEXTS = ("zhang", "zhang wei", "张", "张伟", "z\U0010ffff", "%_", "y" * 600)
TIMES = (-inf, 0.0, 10.0, 20.5, 30.0, inf)


def some_entries(chance: random.Random) -> list[Entry]:
    low, high = sorted(chance.choices(TIMES, k=2))
    found: list[Entry] = [
        Exact("identifier", chance.choice(CODES), chance.choice(SYSTEMS)),
        Exact("general-practitioner", chance.choice(CODES), chance.choice(("Practitioner", "Organization"))),
        Text("name", chance.choice(TEXTS), "as written"),
        Range("birthdate", low, high),
    ]
    return chance.sample(found, chance.randint(1, 4))


def some_clause(chance: random.Random) -> Clause:
    values = range(chance.randint(1, 3))
    match chance.choice(("token", "reference", "string", "date")):
        case "token":
            told = [(chance.choice(("", *CODES)), chance.choice((None, *SYSTEMS))) for _ in values]
            told = [one for one in told if one[0] or one[1]] or [("1", None)]
            return Clause("identifier", "token", tuple(Value("", system=s, code=c) for c, s in told))
        case "reference":
            system = chance.choice((None, "Practitioner"))
            types = chance.choice(((), ("Organization",), ("Practitioner", "Organization")))
            its = tuple(Value("", system=system, code=chance.choice(CODES)) for _ in values)
            return Clause("general-practitioner", "reference", its, target_types=types)
        case "string":
            return Clause("name", "string", tuple(Value("", folded=chance.choice(("", *TEXTS))) for _ in values))
    spans = [sorted(chance.choices(TIMES, k=2)) for _ in values]
    prefix = chance.choice(("eq", "eq", "ge", "ap"))
    return Clause("birthdate", "date", tuple(Value("", prefix=prefix, low=a, high=b) for a, b in spans))  # type: ignore[arg-type]


def every_page(store: SqlStore, clauses: tuple[Clause, ...], count: int) -> list[Page]:
    pages = [store.search(Query("Patient", clauses, count=count), GATEWAY)]
    while pages[-1].next:
        pages.append(store.search(Query("Patient", clauses, count=count, after=pages[-1].next), GATEWAY))
    return pages


def test_it_finds_what_the_general_search_finds(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(4)
    with store.transaction(GATEWAY) as within:
        within.write(
            [
                Write(Version(kind, f"p{number}", 1, 1000, "PUT", b"%d" % number), some_entries(chance))
                for kind in ("Patient", "Person")
                for number in range(60)
            ]
        )
        within.write([Write(Version("Patient", f"p{number}", 2, 2000, "DELETE", b"")) for number in range(5)])
    asked = [
        (tuple(some_clause(chance) for _ in range(chance.randint(1, 3))), chance.choice((1, 3, 100)))
        for _ in range(200)
    ]
    taken = []
    find = plain_search.find

    def counted(connection: object, query: Query) -> object:
        page = find(connection, query)  # type: ignore[arg-type]
        taken.append(page is not None)
        return page

    monkeypatch.setattr(plain_search, "find", counted)
    plain = [every_page(store, *one) for one in asked]
    assert sum(taken) > len(asked) / 4, "the plain search was hardly ever taken: nothing is compared"
    monkeypatch.setattr(plain_search, "find", lambda _connection, _query: None)
    assert plain == [every_page(store, *one) for one in asked]
    assert any(page.matches for pages in plain for page in pages)


@pytest.mark.parametrize(
    "query",
    [
        Query("Patient"),
        Query("Patient", (Clause("_id", "token", (Value("1", code="1"),)),)),
        Query("Patient", (Clause("identifier", "token", (Value("1", code="1"),), "not"),)),
        Query("Patient", (Clause("identifier", "token", (Value("1", code="1"),)),), total="accurate"),
        Query("Patient", (Clause("identifier", "token", (Value("1", code="1"),)),), count=0),
        Query("Patient", (Clause("birthdate", "date", (Value("", prefix="ge"),)),)),
    ],
)
def test_what_is_not_plain_is_left_to_the_general_search(store: SqlStore, query: Query) -> None:
    with store._database.reading() as connection:
        assert plain_search.find(connection, query) is None
