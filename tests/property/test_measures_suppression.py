"""No small number is shown, and none follows from those that are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.measures.suppress import TOTAL, masks

ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)


def table(rows: list[tuple[int, int]]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    strata = {f"s{i}": {"denominator": a + b, "numerator": a} for i, (a, b) in enumerate(rows)}
    return {name: sum(s[name] for s in strata.values()) for name in ("denominator", "numerator")}, strata


@given(ROWS, st.integers(1, 8))
def test_no_small_count_and_no_small_remainder_is_shown(rows: list[tuple[int, int]], threshold: int) -> None:
    total, strata = table(rows)
    hidden = masks(total, strata, threshold)
    for row, counts in {TOTAL: total, **strata}.items():
        shown = {name: count for name, count in counts.items() if (row, name) not in hidden}
        assert all(count == 0 or count >= threshold for count in shown.values())
        if len(shown) == 2:
            remainder = shown["denominator"] - shown["numerator"]
            assert remainder == 0 or remainder >= threshold


@given(ROWS, st.integers(1, 8))
def test_what_the_total_gives_away_is_again_a_large_group_of_several(
    rows: list[tuple[int, int]], threshold: int
) -> None:
    total, strata = table(rows)
    hidden = masks(total, strata, threshold)
    for name in total:
        unseen = [row for row in strata if (row, name) in hidden]
        if unseen and (TOTAL, name) not in hidden:
            assert len(unseen) >= 2
            derived = total[name] - sum(strata[row][name] for row in strata if row not in unseen)
            assert derived >= threshold


@given(ROWS)
def test_a_threshold_of_one_hides_nothing(rows: list[tuple[int, int]]) -> None:
    total, strata = table(rows)
    assert masks(total, strata, 1) == set()


@given(ROWS, st.integers(1, 8), st.randoms())
def test_masking_does_not_depend_on_the_order_of_the_strata(
    rows: list[tuple[int, int]], threshold: int, chance: Any
) -> None:
    total, strata = table(rows)
    names = list(strata)
    chance.shuffle(names)
    assert masks(total, {name: strata[name] for name in names}, threshold) == masks(total, strata, threshold)
