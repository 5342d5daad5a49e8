"""What a named conversion is: a pure function from a source's text to a FHIR value, with its inverse or one-way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.kit.codes import Codes
from adapters.kit.contract import Source
from gateway.fhir.canonical import BASE
from gateway.fhir.errors import Issues, Severity


@dataclass(slots=True)
class Context:
    """What a conversion may know beside the text.

    source  who sent it: organisation, time zone, options
    issues  where trouble is collected; nothing is raised
    path    the source path of the value (PID-7), or the FHIRPath on the way back
    stands  on the way back, the text that a value replaces: its style is the sender's
    base    the root of our own identifier systems (a setting)
    codes   the name in the row's code column, "" for none
    maps    the ConceptMaps by name, overlay first
    """

    source: Source
    issues: Issues = field(default_factory=Issues)
    path: str = ""
    stands: str = ""
    base: str = BASE
    codes: str = ""
    maps: Codes = field(default_factory=Codes.shipped)

    def option(self, name: str, default: Any = None) -> Any:
        return self.source.options.get(name, default)

    def report(self, code: str, zh: str, en: str, severity: Severity = "warning") -> None:
        """Collect one Issue at this value's path. The value itself never goes into the text."""
        self.issues.add(code, zh, en, self.path, severity)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Given instead of a value when the text means nothing by rule (1900-01-01, 无): ledger state ignored, and why."""

    why: str


Forward = Callable[[str, Context], Any]
Inverse = Callable[[Any, Context], str | None]


@dataclass(frozen=True, slots=True)
class Conversion:
    """One conversion of the registry.

    name     as written in a table, argument included: date, sid(inpatient-no)
    forward  text → FHIR value; None after an Issue when it cannot (ledger: invalid); Ignored: the text means nothing
    inverse  FHIR value → text, None when it has no text for it; absent when the conversion is one-way.
             inverse(forward(text)) == text for every text in the source's own writing
    target   the FHIR type made
    many     forward makes a list: one item each for an element written with []
    makes    what every item that it makes says, by which those of one field are told apart (use: home)
    """

    name: str
    forward: Forward
    inverse: Inverse | None
    target: str
    many: bool = False
    makes: Mapping[str, str] = field(default_factory=dict)
