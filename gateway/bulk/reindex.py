"""Makes the search index anew while the server serves: for a new parameter, a changed setting, a newer extraction.

Order     rows by their age, up to the last one that is there when it begins: what comes later is indexed as it comes
Promise   what was broken off goes on where it stopped; run it after every process has the new program or the new settings
Bounds    BATCH resources a transaction, with a pause between them in which others write
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.bulk import index_settings
from gateway.fhir.elements import resource_types
from gateway.fhir.errors import Busy, Invalid
from gateway.interactions.custom_parameters import active
from gateway.interactions.door import Door
from gateway.search.extract import EXTRACTION, NOT_EXTRACTED
from gateway.search.parameters import indexed_as, parameter
from gateway.store.contract import Store
from gateway.store.progress import EXTRACTED
from gateway.store.reindex import WORDS, Scope
from gateway.store.row_id import now_us

BATCH = 200
PAUSE_S = 0.005
_ATTEMPTS = 8


class Done(NamedTuple):
    """resources: how many were worked now; standing: how many of them an earlier run had worked already."""

    resources: int
    standing: int


def reindex(
    door: Door,
    resource_type: str = "",
    code: str = "",
    begin: Callable[[int, int], Any] = lambda _total, _done: None,
    advance: Callable[[int], Any] = lambda _count: None,
    again: bool = False,
) -> Done:
    """Make the entries anew: of all, of one type, of one parameter of one type.

    begin    told the number of resources, and how many of them were worked before
    advance  told after each batch how many it had
    again    from the first, even where an earlier run was broken off
    raises   Invalid for what is no type or no parameter of it
    """
    refuse_unknown(resource_type, code)
    settings = index_settings.of_door(door)
    # A run that was broken off goes on only where what it made is what this one would make.
    name = f"reindex {EXTRACTION} {index_settings.summary(settings)} {resource_type or '*'} {code or '*'}"
    began = now_us()
    until, total = door.store.index_extent(Scope(resource_type))
    after = 0 if again else door.store.progress(name)
    rest = door.store.index_extent(Scope(resource_type), after)[1] if after else total
    begin(total, total - rest)
    done = 0
    scope = Scope(resource_type, code, until)
    while True:
        last, count = _batch(door, scope, after, name)
        if not count:
            break
        after, done = last, done + count
        advance(count)
        time.sleep(PAUSE_S)
    if not resource_type and not code:
        door.store.keep_progress(EXTRACTED, EXTRACTION)
        index_settings.keep(door.store, settings)
    door.store.keep_progress(_indexed(resource_type, code), began)
    return Done(done, total - rest)


def waiting(store: Store) -> list[tuple[str, str]]:
    """Custom parameters (type, code) that were defined or changed after what stands was last indexed by them."""
    found = []
    for kind, code, changed_at in active(store):
        indexed_at = max(store.progress(_indexed(*scope)) for scope in (("", ""), (kind, ""), (kind, code)))
        if indexed_at < changed_at:
            found.append((kind, code))
    return found


def _indexed(resource_type: str, code: str) -> str:
    return f"indexed {resource_type or '*'} {code or '*'}"


def is_behind(store: Store) -> bool:
    """Whether entries are there that an earlier program made, which lack what this one would find by."""
    return 0 < store.progress(EXTRACTED) < EXTRACTION


def _batch(door: Door, scope: Scope, after: int, name: str) -> tuple[int, int]:
    for attempt in range(_ATTEMPTS):
        try:
            return door.store.reindex(door.index, scope, after, BATCH, name)
        except Busy:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.02 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def refuse_unknown(resource_type: str, code: str = "") -> None:
    """Raises Invalid for what is no type, or no parameter of it that has entries of its own."""
    if resource_type and resource_type not in resource_types():
        raise Invalid(
            "not-found",
            zh="--type 不是 R4 的资源类型，注意大小写。",
            en="--type names no resource type of R4; mind the capitals.",
            at="--type",
        )
    if not code:
        return
    found = parameter(resource_type, code) if resource_type else None
    if found is None or indexed_as(code) != (code,):
        raise Invalid(
            "not-found",
            zh="--parameter 须与 --type 同用，且是该类型自己有索引的检索参数。",
            en="--parameter goes with --type, and must be a search parameter of it that has entries of its own.",
            at="--parameter",
        )
    if code in NOT_EXTRACTED and code not in WORDS:
        raise Invalid(
            "not-supported",
            zh=f"{code} 没有索引，无需重建。",
            en=f"{code} has no index: there is nothing to make anew.",
            at="--parameter",
        )
