"""Which settings the search index was made under: where one changed since, some searches miss what was stored before.

Of each a fingerprint is kept beside the extraction (gateway/store/progress.py), and its text, to be told. A database of a program that kept
none is taken to be of the settings that it is first opened with: nothing else is known of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from hashlib import blake2b
from typing import NamedTuple

from gateway.fhir.errors import Conflict, Issue
from gateway.interactions.door import Door
from gateway.store.contract import Store
from gateway.store.reindex import Scope

Under = Mapping[str, str]
"""The settings that entries depend on: variable → value."""

_MADE_OF = {
    "GATEWAY_PUBLIC_URL": {"public_url", "host", "port"},
    "GATEWAY_ZONE": {"zone"},
    "GATEWAY_FULL_TEXT": {"full_text"},
}


class Change(NamedTuple):
    """A setting that is another one than when the index was made; before is "" where an earlier program kept no text of it."""

    variable: str
    before: str
    now: str


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
    differing = [one.variable for one in changed(store, present)]
    if differing and not store.index_extent(Scope())[1]:
        unknown += differing
    keep(store, {variable: present[variable] for variable in unknown})
    for variable, value in present.items():  # kept by a program that kept no texts
        if store.progress(_name(variable)) == _fingerprint(value) and not store.progress(_text(variable, value)):
            store.keep_progress(_text(variable, value), _fingerprint(value))


def keep(store: Store, present: Under) -> None:
    """All entries are of these settings now."""
    for variable, value in present.items():
        store.keep_progress(_name(variable), _fingerprint(value))
        store.keep_progress(_text(variable, value), _fingerprint(value))


def changed(store: Store, present: Under) -> list[Change]:
    """The settings that were others when the index was made."""
    found = []
    for variable, value in present.items():
        kept = store.progress(_name(variable))
        if kept not in (0, _fingerprint(value)):
            beginning = _text(variable, "")
            texts = store.progress_named(beginning)
            before = next((name.removeprefix(beginning) for name, number in texts.items() if number == kept), "")
            found.append(Change(variable, shown(variable, before), shown(variable, value)))
    return found


def refuse_unmeant(store: Store, present: Under, said: Set[str]) -> None:
    """Refuse to make an index under other settings than before, where nobody here said them: they may be those of another shell.

    said    fields of the settings that do not stand at their default
    raises  Conflict, naming each such setting with both values
    """
    issues = []
    for variable, before, now in changed(store, present):
        if said.isdisjoint(_MADE_OF[variable]):
            was = before or "…"
            issues.append(
                Issue(
                    "conflict",
                    f"检索索引是按 {variable} = {before or '另一值'} 建立的，此处却是默认的 {now}；请以与服务相同的设置运行："
                    f"服务用前者，则 {variable}={was} gateway reindex；确要改为后者，则 {variable}={now} gateway reindex。",
                    f"The search index was made under {variable} = {before or 'another value'}, and here it is at its default, {now}: run this with "
                    f"the settings of the server, {variable}={was} gateway reindex where it has the former, and {variable}={now} gateway reindex "
                    "where the latter is meant.",
                    (variable,),
                )
            )
    if issues:
        raise Conflict(*issues)


def shown(variable: str, value: str) -> str:
    """A value as it is written in the environment."""
    return value.removesuffix("/fhir/") if variable == "GATEWAY_PUBLIC_URL" else value


def summary(present: Under) -> str:
    """One short text for equal settings: what a reindex that was broken off goes on under."""
    return f"{_fingerprint(repr(sorted(present.items()))):x}"


def _name(variable: str) -> str:
    return f"indexed under {variable}"


def _text(variable: str, value: str) -> str:
    """Stands beside the fingerprint, whose number it has as well: of several texts it is the one in force."""
    return f"indexed under {variable}={value}"


def _fingerprint(value: str) -> int:
    """Of 63 bits, for the column is signed; never 0, which stands for none."""
    return int.from_bytes(blake2b(value.encode(), digest_size=8).digest()) >> 1 or 1
