"""What a principal may see: for now everything. The one place where that is said.

The store asks before every read, search, chain and include; what is answered here becomes part of the query itself, so that nothing
that may not be seen is counted, sorted or included. What may not be seen can neither be changed (write.py).

Two things are asked for as by the gateway itself, for everybody alike: code systems, value sets and concept maps by their canonical URL,
and the alliance's own search parameters. A policy that hides one of these by its id does not hide what it says.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.fhir.principal import Principal
from gateway.search.query import Clause


def restrict(resource_type: str, principal: Principal) -> Sequence[Clause]:
    """The clauses that everything of this type must satisfy to be seen by this principal; none: all is seen."""
    return ()
