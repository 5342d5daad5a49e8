"""Entity tags as clients send them, read in the time that their length needs."""

from __future__ import annotations

import time

import pytest

from gateway.interactions.http_date import not_modified, tags


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('W/"1"', ["1"]),
        ('"1"', ["1"]),
        ("1", ["1"]),
        ("W/1", ["1"]),
        ("*", ["*"]),
        ("", []),
        ("   ", []),
        (' W/"1" , "2",3 ', ["1", "2", "3"]),
        ('"a,b", W/"c"', ["a,b", "c"]),
    ],
)
def test_tags_are_read_weak_strong_and_bare(header: str, found: list[str]) -> None:
    assert tags(header) == found


@pytest.mark.parametrize("part", [" ", '"', "W/", ",", ' "', 'W/"', "a ", '" ,'])
def test_no_header_takes_long(part: str) -> None:
    header = (part * 65_536)[:65_536]
    began = time.monotonic()
    tags(header)
    not_modified(header, "", 1, 0)
    assert time.monotonic() - began < 0.5
