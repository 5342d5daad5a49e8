"""The value sets that R4 lists in full: what is known where no terminology service is, or where it has nothing to say."""

from __future__ import annotations

import functools

import msgspec

from gateway.fhir.elements import codes
from gateway.profiles.definition import table
from gateway.profiles.visit import MemberOf
from gateway.terminology.contract import Terminology

_R4 = "http://hl7.org/fhir/ValueSet/"


def member_of(terminology: Terminology | None) -> MemberOf:
    """Whether a value set holds a code: asked of the terminology first, then of R4's lists."""

    def ask(value_set: str, system: str | None, code: str) -> bool | None:
        if terminology is not None:
            found = terminology.contains(value_set, system, code)
            if found is not None:
                return found
        return published(value_set, system, code)

    return ask


def published(value_set: str, system: str | None, code: str) -> bool | None:
    """By R4's lists; None for a value set that is not among them."""
    url = value_set.partition("|")[0]
    listed = _listed().get(url)
    if listed is not None:
        return any(code in held for held in listed.values()) if system is None else code in listed.get(system, ())
    if url.startswith(_R4) and system is None:
        plain = codes(url.removeprefix(_R4))
        return code in plain if plain else None
    return None


@functools.cache
def _listed() -> dict[str, dict[str, frozenset[str]]]:
    return msgspec.json.decode(table("value_sets.json"), type=dict[str, dict[str, frozenset[str]]])
