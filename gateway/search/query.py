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
    further  composite: what the components behind the first one must be, in their order
    """

    text: str
    prefix: Prefix = "eq"
    system: str | None = None
    code: str = ""
    low: float = 0.0
    high: float = 0.0
    folded: str = ""
    further: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """One parameter of a query: ANDed with its neighbours, its values ORed.

    parameter     as indexed: with its suffix where it has one (subject:identifier)
    kind          token, reference, date, string, uri, number, quantity, composite; words (_text, _content);
                  compartment (parameter its type, the values' codes its ids); either
    modifier      not, missing, exact, contains, below; what terminology or another index answers has become values and a suffix
    target_types  of a reference: the types meant by a bare id
    chain         subject:Patient.name: the clause on what is referred to, whose type is one of target_types; values are empty then
    reverse       _has: the clause in chain is on what refers to this, whose type is one of target_types, by this parameter of theirs
    either        for kind either: satisfied where one of these is; parameter is empty then
    components    of a composite: the kinds of those behind the first one
    """

    parameter: str
    kind: str
    values: tuple[Value, ...] = ()
    modifier: str = ""
    target_types: tuple[str, ...] = ()
    chain: Clause | None = None
    reverse: bool = False
    either: tuple[Clause, ...] = ()
    components: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sort:
    parameter: str
    kind: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """_include or _revinclude: source type, reference parameter ("*" for every one), optional target type."""

    source_type: str
    parameter: str
    target_type: str = ""
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A whole search on one type, or on several.

    resource_type  "" for a search over types
    types    of a search over types
    kept_s   how long the order of a sorted search is kept for the pages behind the first one
    count    page size; 0 asks for the total only
    total    none | estimate | accurate
    after    where the page begins: what the last one named as next (opaque to all but the store)
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
    types: tuple[str, ...] = ()
    kept_s: float = 3600.0
