"""What is asked of a search, and what a resource answers with: the two values between text and SQL.

Three comparisons carry all of FHIR search, a fourth kind joins two of them, a fifth holds words:

    Exact   equal to: token (system, code), reference (type, id), uri ("", uri)
    Range   overlaps: date (milliseconds since 1970 UTC), number and quantity (the value itself, unit)
    Text    begins with, contains: string, folded (case, width, accents, blanks) beside the text as written
    Pair    an equality and one of the three in one element: composite
    Words   hold a row of words: _text, _content

Beside its own entries a parameter may have entries under a name of its own; where each is asked for stands in decision 0008.

    subject:identifier          Exact   the identifier of a Reference, or of the contained resource it points to
    identifier:of-type          Exact   system = the type's system, code = "type code|value"
    code:text                   Text    what a token is called: CodeableConcept.text, Coding.display, Identifier.type.text
    value-quantity:canonical    Range   the value in the canonical unit of its dimension (units.py)
    near:latitude, :longitude   Range   a Location's position

They are Structs: a message makes a few hundred of them, each compared by its hash, at a third of a dataclass's cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct


class Exact(Struct, frozen=True):
    """One equality entry. reference: system is the target's type, code its id; token: system "" where there is none.

    An entry without a code says that the element is there and has none to compare: it is not :missing.
    """

    parameter: str
    code: str
    system: str = ""


class Range(Struct, frozen=True):
    """One interval entry, both ends inclusive; an open end is ±inf; unit "" for dates and plain numbers."""

    parameter: str
    low: float
    high: float
    unit: str = ""


class Text(Struct, frozen=True):
    """One text entry: folded for the ordinary comparison, exact for :exact."""

    parameter: str
    folded: str
    exact: str


class Pair(Struct, frozen=True):
    """One composite entry: a token, and what stands beside it in the same element.

    code, system  of the first component
    second        of the others, its parameter "": Exact (token, reference), Range (quantity, date), Text (string); of two
                  numbers (MolecularSequence) a Range whose low is the first number and whose high is the second
    """

    parameter: str
    code: str
    system: str
    second: Exact | Range | Text


class Words(Struct, frozen=True):
    """The words of a resource for _text and _content, in the order in which they stand (words.py)."""

    narrative: tuple[str, ...]
    content: tuple[str, ...]


Entry = Exact | Range | Text | Pair | Words
Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


@dataclass(frozen=True, slots=True)
class Value:
    """One of the comma-separated alternatives of a parameter, already read by the parameter's type.

    text     as written, unescaped
    prefix   of date, number, quantity
    system   token "system|code": None when no bar was given, "" for "|code"; reference: the target type, "" when none
             was given, and for absolute URLs, whose whole text is the code
    code     token code ("" in "system|" means any), reference id, uri, unit of a quantity ("" means any)
    low, high  the interval that a date, number or quantity means
    folded   string, folded as the index folds
    """

    text: str
    prefix: Prefix = "eq"
    system: str | None = None
    code: str = ""
    low: float = 0.0
    high: float = 0.0
    folded: str = ""


@dataclass(frozen=True, slots=True)
class Clause:
    """One parameter of a query: ANDed with its neighbours, its values ORed.

    kind    the search parameter's type (token, reference, date, string, uri, number, quantity, special)
    chain   for subject:Patient.name: the clause on the target, whose type is one of target_types; values are empty then
            subject:identifier becomes a token clause on the parameter "subject:identifier"
    reverse for _has: reserved, None on the first floor
    """

    parameter: str
    kind: str
    values: tuple[Value, ...]
    modifier: str = ""
    target_types: tuple[str, ...] = ()
    chain: Clause | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    parameter: str
    kind: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """_include or _revinclude: source type, reference parameter, optional target type."""

    source_type: str
    parameter: str
    target_type: str = ""
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A whole search on one type.

    count    page size; 0 asks for the total only
    total    none | estimate | accurate
    after    where the page begins: the sort key and row of the last entry before it (opaque to all but the store)
    applied  what was understood, as (name, text) pairs in order, for the self link
    """

    resource_type: str
    clauses: tuple[Clause, ...] = ()
    sort: tuple[Sort, ...] = ()
    includes: tuple[Include, ...] = ()
    count: int = 20
    total: str = "none"
    after: str = ""
    applied: Sequence[tuple[str, str]] = field(default_factory=tuple)
