"""Regular expressions that others wrote, as far as they are sure to end soon.

Python's engine tries every way to part the text. Patterns are refused whose repetitions hold further repetitions or choices, and those
that leave too many ways: each repetition without bound counts as many as a text has characters, each choice its alternatives.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

from gateway.fhir.errors import Unsupported

LENGTH = 500
TEXT = 200
WAYS = 50_000


def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether a text as a whole fits the pattern. Raises Unsupported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pattern's own making: [[a] may mean something else one day
            if len(pattern) > LENGTH or _ways(re._parser.parse(pattern), False) > WAYS:  # type: ignore[attr-defined]
                raise _refused()
            found = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise _refused() from error
    return lambda text: len(text) <= TEXT and found.fullmatch(text) is not None


def _ways(parsed: Any, inside: bool) -> int:
    """How many ways there are to part a text by a pattern."""
    ways = 1
    for operator, argument in parsed:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, repeated = int(argument[0]), int(argument[1]), argument[2]
            if inside:
                raise _refused()
            ways *= (min(most, TEXT) - min(least, TEXT) + 1) * _ways(repeated, most > 1)
        elif name == "SUBPATTERN":
            ways *= _ways(argument[3], inside)
        elif name == "BRANCH":
            if inside:
                raise _refused()
            ways *= sum(_ways(branch, inside) for branch in argument[1])
        elif name not in ("LITERAL", "NOT_LITERAL", "IN", "ANY", "AT", "RANGE", "CATEGORY"):
            raise _refused()  # looking round, referring back: not in the XML Schema patterns that FHIR means
    return ways


def _refused() -> Unsupported:
    return Unsupported(
        "too-costly",
        zh="值集的正则表达式不能保证很快算完：不要在重复中再用重复或选择，不限次数的重复至多 2 处。",
        en="The value set's regular expression is not sure to end soon: no repetition or choice inside a repetition, and "
        "at most 2 repetitions without bound.",
        at="ValueSet.compose.include.filter.value",
        status=422,
    )
