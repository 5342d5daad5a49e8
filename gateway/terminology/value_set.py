"""What a value set holds: one definition of it, asked two ways, whether a code is in it and which are. FHIR R4 valueset.html#compositions.

An include is a code system, or some of its concepts, listed or filtered, or other value sets; where it names several of these, what is in
all of them. A value set is all its includes without its excludes. Value sets that import one another in a circle are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from gateway.fhir.errors import GatewayError, NotFound, Unsupported
from gateway.terminology import grammar
from gateway.terminology.code_system import CodeSystem, Concept, Designation, Filter
from gateway.terminology.reading import reader


class Library(Protocol):
    """Where a value set finds what it is made of."""

    def code_system(self, canonical: str) -> CodeSystem | None: ...
    def value_set(self, canonical: str) -> ValueSet | None: ...


class Member(NamedTuple):
    """A concept of a value set.

    listed       as the value set lists it, None where it takes it from a code system
    concept      as its code system has it, None where that is not here
    code_system  None where it is not here
    whole        it came with others of its code system, whose order an expansion may show
    """

    system: str
    code: str
    listed: Concept | None
    concept: Concept | None
    code_system: CodeSystem | None
    whole: bool = False

    @property
    def is_inactive(self) -> bool:
        found = self.code_system
        return found is not None and self.concept is not None and found.is_inactive(self.concept)

    @property
    def is_abstract(self) -> bool:
        found = self.code_system
        return found is not None and self.concept is not None and found.is_abstract(self.concept)


class _Filter(msgspec.Struct):
    property: str
    op: str
    value: str


class _Part(msgspec.Struct, rename="camel"):
    system: str = ""
    version: str = ""
    concept: list[Concept] = []
    filter: list[_Filter] = []
    value_set: list[str] = []


class _Compose(msgspec.Struct):
    include: list[_Part] = []
    exclude: list[_Part] = []
    inactive: bool = True


class _Contained(msgspec.Struct):
    system: str = ""
    code: str = ""
    display: str = ""
    abstract: bool = False
    designation: list[Designation] = []
    contains: list[_Contained] = []


class _Expansion(msgspec.Struct):
    contains: list[_Contained] = []


class _Resource(msgspec.Struct):
    url: str = ""
    version: str = ""
    compose: _Compose | None = None
    expansion: _Expansion | None = None


_read = reader("ValueSet", _Resource)

STEPS = 200_000
LISTING = 20  # steps that a listing counts as: it makes what a question only looks at


class Within(NamedTuple):
    """The value sets that are being looked through, the outermost first: none of them may come again.

    steps  counts how often any was entered: a few that import one another several times make very many
    """

    urls: tuple[str, ...]
    steps: list[int]


class ValueSet:
    """A ValueSet resource that can be asked. Never changed; safe to share between threads.

    content  the resource
    raises   Invalid for a resource that is none
    """

    def __init__(self, content: bytes) -> None:
        read = _read(content)
        self.content = content
        self.url, self.version = read.url, read.version
        compose = read.compose
        if compose is None:  # only an expansion was given: what it lists is what there is
            compose = _Compose(_listed(read.expansion.contains if read.expansion else []))
        self._takes_inactive = compose.inactive
        self._include = [_Ready(part) for part in compose.include]
        self._exclude = [_Ready(part) for part in compose.exclude]

    def contains(self, system: str | None, code: str, library: Library, within: Within | None = None) -> bool | None:
        """Whether it holds the code. system: None for the code of a code element, which bears none. None: cannot be told."""
        if system is None:
            systems = dict.fromkeys(self.systems(library, within))
            return _any(self.contains(system, code, library, within) for system in systems)
        within = self._entered(within)
        found = _any(part.contains(system, code, library, within) for part in self._include)
        if found is False:
            return False
        excluded = _any(part.contains(system, code, library, within) for part in self._exclude)
        if excluded:
            return False
        if found and not self._takes_inactive and self._member(system, code, library).is_inactive:
            return False
        return None if excluded is None else found

    def members(self, library: Library, within: Within | None = None) -> dict[tuple[str, str], Member]:
        """Every concept, in the order of the definition.

        raises  NotFound for a value set that it imports and that is not here; Unsupported for what cannot be listed
        """
        within = self._entered(within, LISTING)
        found: dict[tuple[str, str], Member] = {}
        for part in self._include:
            for member in part.members(library, within):
                found.setdefault((member.system, member.code), member)
        if self._exclude:
            found = {key: member for key, member in found.items() if not self._excludes(*key, library, within)}
        if not self._takes_inactive:
            found = {key: member for key, member in found.items() if not member.is_inactive}
        return found

    def systems(self, library: Library, within: Within | None = None) -> list[str]:
        """The code systems that its concepts may be of."""
        within = self._entered(within)
        found: list[str] = []
        for part in self._include:
            if part.system:
                found.append(part.system)
            else:
                for url in part.value_sets[:1]:
                    imported = library.value_set(url)
                    found += imported.systems(library, within) if imported is not None else []
        return found

    def listed(self, system: str, code: str, library: Library, within: Within | None = None) -> Concept | None:
        """A concept as this value set or one that it imports writes it down itself; None where it takes it as it is."""
        within = self._entered(within)
        for part in self._include:
            if part.system == system and (found := part.lists(code)) is not None:
                return found
            for url in part.value_sets:
                imported = library.value_set(url)
                if imported is not None and (found := imported.listed(system, code, library, within)) is not None:
                    return found
        return None

    def _excludes(self, system: str, code: str, library: Library, within: Within) -> bool:
        excluded = _any(part.contains(system, code, library, within) for part in self._exclude)
        if excluded is None:
            raise _not_listable(system)
        return excluded

    def _member(self, system: str, code: str, library: Library) -> Member:
        code_system = library.code_system(system)
        return Member(system, code, None, code_system.find(code) if code_system else None, code_system)

    def _entered(self, within: Within | None, steps: int = 1) -> Within:
        urls, taken = within or ((), [0])
        if self.url and self.url in urls:
            raise Unsupported(
                "business-rule",
                zh="值集互相引用成环，请改正其中一个的 compose。",
                en="Value sets import one another in a circle: correct the compose of one of them.",
                at="ValueSet.compose.include.valueSet",
                status=422,
            )
        taken[0] += steps
        if taken[0] > STEPS:
            raise Unsupported(
                "too-costly",
                zh="值集之间的引用太多，算不完；请减少 compose 中重复的 valueSet。",
                en="The value sets import one another too often to be worked out: leave out repeated imports.",
                at="ValueSet.compose.include.valueSet",
                status=422,
            )
        return Within((*urls, self.url), taken)


class _Ready:
    """An include or an exclude, made ready."""

    def __init__(self, part: _Part) -> None:
        self.system, self.value_sets = part.system, part.value_set
        self._named = f"{part.system}|{part.version}" if part.version else part.system
        self._listed = {concept.code: concept for concept in part.concept} if part.concept else None
        self._filters = part.filter
        self._passes: tuple[CodeSystem, list[Filter]] | None = None

    def lists(self, code: str) -> Concept | None:
        return self._listed.get(code) if self._listed is not None else None

    def contains(self, system: str, code: str, library: Library, within: Within) -> bool | None:
        found: bool | None = True
        if self.system:
            if system != self.system:
                return False
            found = self._of_system(code, library)
        elif not self.value_sets:
            return False
        for url in self.value_sets:
            if found is False:
                return False
            imported = library.value_set(url)
            holds = imported.contains(system, code, library, within) if imported is not None else None
            found = False if holds is False else None if holds is None else found
        return found

    def _of_system(self, code: str, library: Library) -> bool | None:
        if self._listed is not None and code in self._listed:
            return True
        code_system = library.code_system(self._named)
        if self._listed is not None:
            same = code_system.find(code) if code_system is not None else None
            return same is not None and same.code in self._listed
        if code_system is None or code_system.content == "not-present":
            return grammar.fits(self.system, code) if not self._filters else None
        concept = code_system.find(code)
        if concept is None:
            return False if code_system.is_whole else None
        return all(passes(concept) for passes in self._filters_of(code_system))

    def members(self, library: Library, within: Within) -> Iterator[Member]:
        others = self.value_sets
        if self.system:
            found = self._members_of_system(library)
        elif others:
            found, others = iter(_imported(others[0], library).members(library, within).values()), others[1:]
        else:
            found = iter(())
        imports = [_imported(url, library) for url in others]
        for member in found:
            holds = [value_set.contains(member.system, member.code, library, within) for value_set in imports]
            if None in holds:
                raise _not_listable(member.system)
            if all(holds):
                yield member

    def _members_of_system(self, library: Library) -> Iterator[Member]:
        code_system = library.code_system(self._named)
        if self._listed is not None:
            for code, listed in self._listed.items():
                concept = code_system.find(code) if code_system is not None else None
                yield Member(self.system, code, listed, concept, code_system)
            return
        if code_system is None or code_system.content == "not-present":
            raise _not_listable(self.system)
        passes = self._filters_of(code_system)
        for concept in code_system.concepts.values():
            if all(one(concept) for one in passes):
                yield Member(self.system, concept.code, None, concept, code_system, whole=True)

    def _filters_of(self, code_system: CodeSystem) -> list[Filter]:
        kept = self._passes
        if kept is None or kept[0] is not code_system:
            kept = (code_system, [code_system.filter(row.property, row.op, row.value) for row in self._filters])
            self._passes = kept
        return kept[1]


def _imported(url: str, library: Library) -> ValueSet:
    found = library.value_set(url)
    if found is None:
        raise NotFound(
            zh=f"所引用的值集 {url[:200]} 不在本服务器，请先写入。",
            en=f"The value set imports {url[:200]}, which is not here: store it first.",
            at="ValueSet.compose.include.valueSet",
        )
    return found


def _not_listable(system: str) -> GatewayError:
    if grammar.known(system):
        return Unsupported(
            "too-costly",
            zh=f"{system} 的代码按语法构成，无法列出；可用 $validate-code 判断单个代码。",
            en=f"The codes of {system} are made by a grammar and cannot be listed: ask for one by $validate-code.",
            at="ValueSet.compose",
            status=422,
        )
    return Unsupported(
        zh=f"代码系统 {system[:200] or '（未写明）'} 不在本服务器，无法列出其代码；请先写入这个 CodeSystem。",
        en=f"The code system {system[:200] or '(none named)'} is not here, so its codes cannot be listed: store that CodeSystem first.",
        at="ValueSet.compose.include.system",
        status=422,
    )


def _any(found: Iterator[bool | None]) -> bool | None:
    """True when one is, else None when one cannot tell, else False."""
    answer: bool | None = False
    for one in found:
        if one:
            return True
        answer = None if one is None else answer
    return answer


def _listed(rows: list[_Contained]) -> list[_Part]:
    by_system: dict[str, list[Concept]] = {}
    waiting = list(reversed(rows))
    while waiting:
        row = waiting.pop()
        if row.code and not row.abstract:
            by_system.setdefault(row.system, []).append(Concept(row.code, row.display, designation=row.designation))
        waiting += reversed(row.contains)
    return [_Part(system=system, concept=concepts) for system, concepts in by_system.items() if system]
