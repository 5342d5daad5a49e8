"""Which settings the search index was made under: where one changed since, some searches miss what was stored before.

Of each a fingerprint is kept beside the extraction (gateway/store/progress.py). A database of a program that kept none is taken to
be of the settings that it is first opened with: nothing else is known of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from gateway.interactions.door import Door
from gateway.store.contract import Store
from gateway.store.reindex import Scope

Under = Mapping[str, str]
"""The settings that entries depend on: variable → value."""


def of_door(door: Door) -> Under:
    return under(door.own[0], door.zone, sorted(door.limits.full_text))


def under(base_url: str, zone: str, full_text: Sequence[str]) -> Under:
    """base_url: with the slash at its end; absolute references below it are found as relative ones."""
    return {
        "GATEWAY_PUBLIC_URL": base_url,
        "GATEWAY_ZONE": zone,
        "GATEWAY_FULL_TEXT": ",".join(sorted(full_text)),
    }


def begin(store: Store, present: Under) -> None:
    """Note the settings of a database that has none yet, or has nothing in it: to be called before it is written to."""
    unknown = [variable for variable in present if not store.progress(_name(variable))]
    differing = changed(store, present)
    if differing and not store.index_extent(Scope())[1]:
        unknown += differing
    for variable in unknown:
        store.keep_progress(_name(variable), _fingerprint(present[variable]))


def keep(store: Store, present: Under) -> None:
    """All entries are of these settings now."""
    for variable, value in present.items():
        store.keep_progress(_name(variable), _fingerprint(value))


def changed(store: Store, present: Under) -> list[str]:
    """The variables that were others when the index was made."""
    kept = {variable: store.progress(_name(variable)) for variable in present}
    return [variable for variable, value in present.items() if kept[variable] not in (0, _fingerprint(value))]


def summary(present: Under) -> str:
    """One short text for equal settings: what a reindex that was broken off goes on under."""
    return f"{_fingerprint(repr(sorted(present.items()))):x}"


def _name(variable: str) -> str:
    return f"indexed under {variable}"


def _fingerprint(value: str) -> int:
    """Of 63 bits, for the column is signed; never 0, which stands for none."""
    return int.from_bytes(blake2b(value.encode(), digest_size=8).digest()) >> 1 or 1
