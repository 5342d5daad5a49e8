"""Code maps: ConceptMaps (FHIR R4 JSON) looked up both ways by name, a site's own folder before the shipped one.

A map is one file mappings/codes/<name>.json. Of several codes with one target, the one marked equal (or else the first)
answers on the way back. What a map says of codes it does not list stands in group.unmapped: fixed (a code for all others),
provided (the code passes as it is), or nothing: the code is unknown.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parents[2] / "mappings" / "codes"


@dataclass(frozen=True, slots=True)
class Target:
    """What a code means: known says that the map lists it, not that unmapped.fixed or .provided answered."""

    system: str
    code: str
    display: str = ""
    known: bool = True

    @property
    def coding(self) -> dict[str, Any]:
        parts = {"system": self.system, "code": self.code, "display": self.display}
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True, slots=True)
class CodeMap:
    """One ConceptMap, compiled."""

    name: str
    title: str
    source_system: str
    target_system: str
    forward: dict[str, Target]
    backward: dict[tuple[str, str], str]
    displays: dict[str, str]
    unmapped: Target | None = None
    provided: bool = False

    def translate(self, code: str) -> Target | None:
        """The standard code for a sender's code (blanks and width do not matter), None when it is unknown."""
        folded = fold(code)
        found = self.forward.get(folded)
        if found is not None:
            return found
        if self.provided and folded:
            return Target(self.target_system, folded, known=False)
        return self.unmapped

    def invert(self, code: str, system: str = "") -> str | None:
        """The sender's code for a standard code; system "" where the element fixes it (a code element)."""
        found = self.backward.get((system or self.target_system, code))
        return code if found is None and self.provided else found


@dataclass(slots=True)
class Codes:
    """The maps of one source: looked for in each folder in order, read once."""

    folders: Sequence[Path]
    read: dict[str, CodeMap | None] = field(default_factory=dict)

    @staticmethod
    def shipped() -> Codes:
        return _shipped()

    def named(self, name: str) -> CodeMap | None:
        """The map of that name, None when no folder has it. Raises ValueError when its file is not a ConceptMap."""
        if name not in self.read:
            paths = (folder / f"{name}.json" for folder in self.folders)
            path = next((path for path in paths if path.is_file()), None)
            self.read[name] = None if path is None else load(path)
        return self.read[name]

    def names(self) -> list[str]:
        return sorted({path.stem for folder in self.folders if folder.is_dir() for path in folder.glob("*.json")})


def overlay(*folders: Path) -> Codes:
    """The maps of a site's folders, then the shipped ones."""
    return Codes((*folders, SHIPPED))


def fold(code: str) -> str:
    """One spelling of a code: NFKC (full-width digits and letters), no outer blanks."""
    return unicodedata.normalize("NFKC", code).strip()


def load(path: Path) -> CodeMap:
    """Compile one ConceptMap file.

    raises   ValueError, naming file and element, when the file cannot serve as a map
    source   FHIR R4 conceptmap.html
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}: not JSON ({error}); correct the file") from error
    if not isinstance(document, dict) or document.get("resourceType") != "ConceptMap" or not document.get("group"):
        raise ValueError(f"{path.name}: not a ConceptMap with a group; see the maps beside it for the form")
    groups = document["group"]
    forward: dict[str, Target] = {}
    backward: dict[tuple[str, str], str] = {}
    preferred: set[tuple[str, str]] = set()
    displays: dict[str, str] = {}
    for group, element, target in _rows(groups):
        if "code" not in element or (target is not None and "code" not in target):
            raise ValueError(f"{path.name}: an element or target without code; give each a code")
        code = fold(element["code"])
        displays.setdefault(code, element.get("display", ""))
        if target is None:
            continue
        meaning = Target(group.get("target", ""), target["code"], target.get("display", ""))
        if code in forward:
            raise ValueError(f"{path.name}: code {code} is mapped twice; keep one")
        forward[code] = meaning
        key = (meaning.system, meaning.code)
        equal = target.get("equivalence") == "equal"
        if target.get("equivalence") in ("wider", "disjoint", "unmatched"):
            continue
        if key not in backward or (equal and key not in preferred):
            backward[key] = code
        if equal:
            preferred.add(key)
    rest = groups[0].get("unmapped", {})
    target_system = groups[0].get("target", "")
    fixed = rest.get("mode") == "fixed"
    return CodeMap(
        name=path.stem,
        title=document.get("title", path.stem),
        source_system=groups[0].get("source", ""),
        target_system=target_system,
        forward=forward,
        backward=backward,
        displays=displays,
        unmapped=Target(target_system, rest["code"], rest.get("display", ""), known=False) if fixed else None,
        provided=rest.get("mode") == "provided",
    )


def _rows(groups: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]]:
    for group in groups:
        for element in group.get("element", ()):
            yield group, element, next(iter(element.get("target", ())), None)


@lru_cache(maxsize=1)
def _shipped() -> Codes:
    return Codes((SHIPPED,))
