"""Regular expressions that others wrote, as far as they are sure to end soon.

Python's engine tries again for every way to part the text. Patterns are refused whose repetitions hold further repetitions or choices
(exponential), and those with more than three repetitions without bound (the fourth power of the length, and worse).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

from gateway.fhir.errors import Unsupported

LENGTH = 500
TEXT = 1000
OPEN = 3


def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether a text as a whole fits the pattern. Raises Unsupported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pattern's own making: [[a] may mean something else one day
            if len(pattern) > LENGTH or _open(re._parser.parse(pattern), False) > OPEN:  # type: ignore[attr-defined]
                raise _refused()
            found = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise _refused() from error
    return lambda text: len(text) <= TEXT and found.fullmatch(text) is not None


def _open(parsed: Any, inside: bool) -> int:
    """How many repetitions without bound there are."""
    count = 0
    for operator, argument in parsed:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            most = argument[1]
            if inside:
                raise _refused()
            repeats = int(most) > 20
            count += repeats + _open(argument[2], inside or int(most) > 1)
        elif name == "SUBPATTERN":
            count += _open(argument[3], inside)
        elif name == "BRANCH":
            if inside:
                raise _refused()
            count += sum(_open(branch, inside) for branch in argument[1])
        elif name not in ("LITERAL", "NOT_LITERAL", "IN", "ANY", "AT", "RANGE", "CATEGORY"):
            raise _refused()  # looking round, referring back: not in the XML Schema patterns that FHIR means
    return count


def _refused() -> Unsupported:
    return Unsupported(
        "too-costly",
        zh="值集的正则表达式不能保证很快算完：不要在重复中再用重复或选择，不限次数的重复至多 3 处。",
        en="The value set's regular expression is not sure to end soon: no repetition or choice inside a repetition, and "
        "at most 3 repetitions without bound.",
        at="ValueSet.compose.include.filter.value",
        status=422,
    )
