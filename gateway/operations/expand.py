"""ValueSet/$expand: the concepts of a value set. FHIR R4 valueset-operation-expand.html.

filter is what a person types to choose: a code's beginning, words of any designation in any order and width, or the pinyin or its initials
of a Chinese name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gateway.fhir.errors import Malformed
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import published
from gateway.operations.terminology import refuse, service, value_set
from gateway.search.fold import fold, is_han, pinyin
from gateway.terminology.expansion import Wanted, expand

SHOWN = {
    "filter": "String",
    "offset": "Integer",
    "count": "Integer",
    "includeDesignations": "Boolean",
    "activeOnly": "Boolean",
    "excludeNested": "Boolean",
    "excludeNotForUI": "Boolean",
    "displayLanguage": "Code",
}


def run(asked: Asked) -> Document:
    """Raises NotFound, Unsupported when the value set cannot be listed or is too large for one page."""
    refuse(
        asked, "context", "contextDirection", "date", "system-version", "check-system-version", "force-system-version"
    )
    designations: Sequence[str] | None = asked.all("designation")
    if not designations and asked.one("includeDesignations", False):
        designations = None
    text = asked.one("filter", "")
    wanted = Wanted(
        told=[(name, {f"value{kind}": asked.one(name)}) for name, kind in SHOWN.items() if asked.all(name)],
        matches=typed(text) if text.strip() else None,
        offset=_number(asked, "offset"),
        count=_number(asked, "count"),
        language=asked.one("displayLanguage", ""),
        designations=designations,
        active_only=asked.one("activeOnly", False),
        selectable_only=asked.one("excludeNotForUI", False),
        definition=asked.one("includeDefinition", False),
        flat=asked.one("excludeNested", False),
        exclude_systems={url.partition("|")[0] for url in asked.all("exclude-system")},
    )
    return expand(value_set(asked), service(asked), wanted)


def typed(text: str) -> Callable[[Sequence[str]], bool]:
    """Whether what a person typed means a concept, told by its code and then its names."""
    whole = fold(text)
    words = whole.split()
    compact = whole.replace(" ", "")
    is_latin = compact.isascii() and compact.isalpha()

    def matches(texts: Sequence[str]) -> bool:
        folded = [_folded(one) for one in texts]
        if folded and folded[0].startswith(whole):
            return True
        for name in folded[1:]:
            if all(word in name for word in words):
                return True
            if is_latin and is_han(name) and any(compact in spelling for spelling in _spelled(name)):
                return True
        return False

    return matches


# A person types letter by letter, and each letter goes through a whole code system: the caches of search are too small for one.
_folded = functools.lru_cache(maxsize=100_000)(fold.__wrapped__)


@functools.lru_cache(maxsize=50_000)
def _spelled(name: str) -> tuple[str, ...]:
    found: tuple[str, ...] = pinyin.__wrapped__(name, False)
    return found


def _number(asked: Asked, name: str) -> Any:
    found = asked.one(name)
    if found is not None and found < 0:
        raise Malformed(
            "value", zh=f"参数 {name} 不能为负数。", en=f"The parameter {name} is negative: give 0 or more.", at=name
        )
    return found


OPERATIONS = (Operation(published("ValueSet-expand"), run),)
