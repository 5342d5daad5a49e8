"""The terminology of this server: its own, whoever keeps it, and what follows from it. No other server is asked.

What several shelves have under one canonical URL is taken from the first of them; of one shelf the newest, unless |version is named.
Resources are made ready when they are first asked for, and kept until a shelf says that something has changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from gateway.fhir.errors import GatewayError, NotFound
from gateway.terminology import grammar
from gateway.terminology.code_system import CodeSystem
from gateway.terminology.concept_map import ConceptMap
from gateway.terminology.contract import Concept
from gateway.terminology.shelf import Kind, Shelf
from gateway.terminology.value_set import ValueSet

Made = TypeVar("Made")

KEPT = 2_000  # canonical URLs, those among them that nobody has; then all are made ready anew
FEW = 16  # codes that a person is shown all of
ANSWERED = 20_000  # the same few codes are asked for again and again by who validates


class LocalTerminology:
    """Code systems, value sets and concept maps of the shelves. Safe to share between threads."""

    def __init__(self, shelves: Sequence[Shelf]) -> None:
        self._shelves = tuple(shelves)
        self._stamp: tuple[int, ...] = ()
        self._ready: dict[tuple[str, str], object] = {}
        self._answers: dict[tuple[str, str | None, str], bool | None] = {}

    # as search and validation ask

    def contains(self, value_set: str, system: str | None, code: str) -> bool | None:
        self._fresh()
        answers, asked = self._answers, (value_set, system, code)
        try:
            return answers[asked]
        except KeyError:
            pass
        try:
            found = self.value_set(value_set)
            answer = found.contains(system, code, self) if found is not None else None
        except GatewayError:  # a definition that cannot be used tells nothing about any code
            answer = None
        if len(answers) > ANSWERED:
            answers.clear()
        answers[asked] = answer
        return answer

    def members(self, value_set: str) -> Iterable[Concept]:
        found = self.value_set(value_set)
        if found is None:
            raise no_value_set(value_set)
        return found.members(self).keys()

    def descendants(self, system: str, code: str) -> Iterable[str]:
        found = self.code_system(system)
        return found.descendants(code) if found is not None else (code,)

    def ancestors(self, system: str, code: str) -> Iterable[str]:
        found = self.code_system(system)
        return found.ancestors(code) if found is not None else (code,)

    # as operations ask

    def code_system(self, canonical: str) -> CodeSystem | None:
        """The code system of a canonical URL. Raises Invalid when what is kept is none."""
        return self._find("CodeSystem", canonical, CodeSystem)

    def value_set(self, canonical: str) -> ValueSet | None:
        """The value set of a canonical URL, an implicit one too. Raises Invalid when what is kept is none."""
        found = self._find("ValueSet", canonical, ValueSet)
        return found if found is not None or "?fhir_vs" not in canonical else self._implicit(canonical)

    def concept_map(self, canonical: str) -> ConceptMap | None:
        """The concept map of a canonical URL. Raises Invalid when what is kept is none."""
        return self._find("ConceptMap", canonical, ConceptMap)

    def concept_maps(self) -> Iterable[ConceptMap]:
        """Every concept map, one of each URL."""
        ready = self._fresh()
        found = ready.get(("ConceptMap", ""))
        if found is None:
            by_url: dict[str, ConceptMap] = {}
            for shelf in self._shelves:
                for content in shelf.concept_maps():
                    made = ConceptMap(content)
                    by_url.setdefault(made.url, made)
            found = ready["ConceptMap", ""] = list(by_url.values())
        return found  # type: ignore[return-value]

    def knows(self, system: str, code: str) -> bool | None:
        """Whether a code is one of its system's; None when this server cannot tell."""
        found = self.code_system(system)
        if found is None or found.content == "not-present":
            return grammar.fits(system.partition("|")[0], code)
        return True if found.find(code) is not None else (False if found.is_whole else None)

    def instead_of(self, system: str, code: str) -> Sequence[str] | None:
        """What may be meant by a code that its system does not have: the nearest, or all where they are few. None where it has it, and
        where this server cannot tell."""
        if self.knows(system, code) is not False:
            return None
        found = self.code_system(system)
        if found is None:
            return ()
        codes = list(found.concepts)
        return difflib.get_close_matches(code[:64], codes, 3) or (codes if len(codes) <= FEW else ())

    def _find(self, kind: Kind, canonical: str, made: Callable[[bytes], Made]) -> Made | None:
        ready = self._fresh()
        try:
            return ready[kind, canonical]  # type: ignore[return-value]
        except KeyError:
            pass
        url, _, version = canonical.partition("|")
        content = next((found for shelf in self._shelves if (found := shelf.find(kind, url, version))), None)
        done = made(content) if content is not None else None
        ready[kind, canonical] = done
        return done

    def _fresh(self) -> dict[tuple[str, str], object]:
        """What has been made ready; nothing, when any shelf has changed since."""
        stamp = tuple([shelf.stamp() for shelf in self._shelves])
        if stamp != self._stamp or len(self._ready) > KEPT:
            # A thread that still works with the former table fills it for nobody.
            self._ready, self._answers = {}, {}
            self._stamp = stamp
        return self._ready

    def _implicit(self, canonical: str) -> ValueSet | None:
        """system?fhir_vs is every code of a system, system?fhir_vs=isa/code what stands at or below one. FHIR R4 snomedct.html."""
        url, _, version = canonical.partition("|")
        system, _, told = url.partition("?")
        part: dict[str, object] = {"system": system, **({"version": version} if version else {})}
        name, _, argument = told.partition("=")
        if name != "fhir_vs" or (argument and not argument.startswith("isa/")):
            return None
        if argument:
            part["filter"] = [{"property": "concept", "op": "is-a", "value": unquote(argument[4:])}]
        made = {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [part]}}
        found = ValueSet(msgspec.json.encode(made))
        self._fresh()["ValueSet", canonical] = found
        return found


def no_value_set(canonical: str) -> NotFound:
    return NotFound(
        zh=f"没有值集 {canonical[:200]}；请先写入这个 ValueSet，或检查网址与版本。",
        en=f"There is no value set {canonical[:200]} here: store that ValueSet first, or check the URL and its version.",
        at="url",
    )


def no_code_system(canonical: str) -> NotFound:
    return NotFound(
        zh=f"没有代码系统 {canonical[:200]}；请先写入这个 CodeSystem，或检查网址与版本。",
        en=f"There is no code system {canonical[:200]} here: store that CodeSystem first, or check the URL and its version.",
        at="system",
    )
