"""Small numbers stay hidden, and cannot be computed from those that are shown. Pure.

A count of 1 … threshold-1 people is masked; 0 is shown, for it is nobody's. So is a part when only so few are missing from its
whole (98 of 100 tells of two). Then, for each population, further strata are masked until what the total gives away about the
masked ones together is again a group of at least two strata and of at least threshold people; when no stratum is left, the
total itself is masked.
"""

from __future__ import annotations

from collections.abc import Mapping

Counts = Mapping[str, int]
WHOLE = {"numerator": "denominator", "denominator": "initial-population", "measure-population": "initial-population"}
TOTAL = ""


def masks(total: Counts, strata: Mapping[str, Counts], threshold: int) -> set[tuple[str, str]]:
    """Which (stratum, population) must not be shown; the total is the stratum TOTAL.

    strata  partition the total: each member of a population stands in exactly one
    """
    rows = {TOTAL: total, **strata}
    masked = {(row, name) for row, counts in rows.items() for name in counts if _small(counts, name, threshold)}
    for name in total:
        _complement(name, total, strata, masked, threshold)
    return masked


def _small(counts: Counts, name: str, threshold: int) -> bool:
    return 0 < counts[name] < threshold or 0 < _missing(counts, name) < threshold


def _missing(counts: Counts, name: str) -> int:
    """How many of the whole are not in the part."""
    return counts.get(WHOLE.get(name, ""), counts[name]) - counts[name]


def _complement(
    name: str, total: Counts, strata: Mapping[str, Counts], masked: set[tuple[str, str]], threshold: int
) -> None:
    hidden = [row for row in strata if (row, name) in masked]
    shown = sorted(
        (row for row in strata if row not in hidden and strata[row][name]), key=lambda row: (strata[row][name], row)
    )
    while hidden and (TOTAL, name) not in masked:
        together = sum(strata[row][name] for row in hidden)
        missing = sum(_missing(strata[row], name) for row in hidden)
        if len(hidden) > 1 and together >= threshold and not 0 < missing < threshold:
            return
        if not shown:
            masked.add((TOTAL, name))
            return
        hidden.append(shown.pop(0))
        masked.add((hidden[-1], name))
