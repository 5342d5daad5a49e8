"""Which resource fits a condition (ifNoneExist, PUT Type?…, a conditional reference). FHIR R4 http.html#ccreate, #cond-update.

Nearly every condition of a message is one business identifier: those are asked of the store all at once, the rest one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.fhir.errors import Invalid, PreconditionFailed
from gateway.interactions.entries import criteria_pairs
from gateway.search.parameters import parameter
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

        raises  PreconditionFailed when there are several; Unsupported for a parameter that is not indexed
        """
        pairs = criteria_pairs(criteria)
        if not pairs:
            raise Invalid(
                zh="条件为空，请写出检索参数，例如 identifier=系统|值。",
                en="The condition is empty: name search parameters, for example identifier=system|value.",
                at=place,
            )
        identifier = plain(resource_type, criteria)
        if identifier is not None and identifier in self._known:
            found = self._known[identifier]
        else:
            query = self._door.query(resource_type, [*pairs, ("_count", "3")])
            found = [match.id for match in self._within.search(query).matches]
        ids = [id for id in found if (resource_type, id) not in self._going]
        if len(ids) > 1:
            raise PreconditionFailed(
                zh=f"有多个 {resource_type} 符合条件，请用更精确的条件（如 identifier=系统|值）。",
                en=f"Several {resource_type} fit the condition: use a narrower one, such as identifier=system|value.",
                at=place,
            )
        return ids[0] if ids else None


def plain(resource_type: str, criteria: str) -> Identifier | None:
    """The business identifier that a condition consists of, None for any other condition."""
    pairs = criteria_pairs(criteria)
    if len(pairs) != 1 or pairs[0][0] != "identifier" or parameter(resource_type, "identifier") is None:
        return None
    match = _PLAIN(pairs[0][1])
    return (resource_type, match[1], match[2]) if match else None
