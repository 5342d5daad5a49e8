"""Which resource fits a condition (ifNoneExist, PUT Type?…, a conditional reference). FHIR R4 http.html#ccreate, #cond-update.

Nearly every condition of a message is one business identifier: those are asked of the store all at once, the rest one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gateway.fhir.errors import Invalid, PreconditionFailed
from gateway.interactions.entries import criteria_pairs
from gateway.search.parameters import parameter
from gateway.search.query import Query
from gateway.store.contract import Identifier, Transaction

if TYPE_CHECKING:
    from gateway.interactions.door import Door

# One system and one value with nothing in them that a search would read as a mark or an escape.
_PLAIN = re.compile(r"([^,|$\\]*)\|([^,|$\\]+)").fullmatch


class Conditions:
    """The conditions of one round of a transaction, under locks.

    going  what the same transaction deletes by id: it fits no condition any more
    """

    def __init__(self, door: Door, within: Transaction, going: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._door, self._within, self._going = door, within, going
        self._known: dict[Identifier, list[str]] = {}

    def expect(self, conditions: Iterable[tuple[str, str]]) -> None:
        """Say which (type, criteria) will be asked for, so that the plain ones need one statement together."""
        wanted = {identifier for condition in conditions if (identifier := plain(*condition)) is not None}
        self._known |= self._within.identified(wanted - self._known.keys())

    def match(self, resource_type: str, criteria: str, place: str) -> str | None:
        """The id of the one resource that fits, None when there is none.

        raises  PreconditionFailed when there are several; Invalid for a condition that narrows nothing; Unsupported for a
                parameter that is not indexed
        """
        identifier = plain(resource_type, criteria)
        if identifier is not None and identifier in self._known:
            found = self._known[identifier]
        else:
            query = condition(self._door, resource_type, criteria, [("_count", "3")], place)
            found = [match.id for match in self._within.search(query).matches]
        ids = [id for id in found if (resource_type, id) not in self._going]
        if len(ids) > 1:
            raise PreconditionFailed(
                zh=f"有多个 {resource_type} 符合条件，请用更精确的条件（如 identifier=系统|值）。",
                en=f"Several {resource_type} fit the condition: use a narrower one, such as identifier=system|value.",
                at=place,
            )
        return ids[0] if ids else None


def condition(door: Door, resource_type: str, criteria: str, further: Sequence[tuple[str, str]], place: str) -> Query:
    """A condition with what is asked of its answer, as a query. Where a search passes over what is empty, a condition would fit everything.

    raises  Invalid for one that narrows nothing, or by a parameter without a value; what door.query raises
    """
    pairs = criteria_pairs(criteria)
    if any(not value for _, value in pairs):
        raise Invalid(
            zh="条件中有参数没有值，请补上，或去掉该参数。",
            en="A parameter of the condition has no value: give one, or leave the parameter out.",
            at=place,
        )
    query = door.query(resource_type, [*pairs, *further])
    if not query.clauses:
        raise Invalid(
            zh="条件为空，请写出检索参数，例如 identifier=系统|值。",
            en="The condition is empty: name search parameters, for example identifier=system|value.",
            at=place,
        )
    return query


def plain(resource_type: str, criteria: str) -> Identifier | None:
    """The business identifier that a condition consists of, None for any other condition."""
    pairs = criteria_pairs(criteria)
    if len(pairs) != 1 or pairs[0][0] != "identifier" or parameter(resource_type, "identifier") is None:
        return None
    match = _PLAIN(pairs[0][1])
    return (resource_type, match[1], match[2]) if match else None
