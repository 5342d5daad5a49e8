"""The referral's own machine: the table of mappings/referral under the alliance's code system, and what names a referral."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gateway.fhir.canonical import BASE, code_system
from gateway.fhir.lifecycle import Machine, State, load

FOLDER = Path(__file__).parents[2] / "mappings" / "referral"


@cache
def machine(base: str = BASE, folder: Path = FOLDER) -> Machine:
    """The table as it stands, checked; Fault names file, row and column when it is wrong."""
    return load(folder, code_system("referral-state", base))


def is_referral_task(task: Mapping[str, Any] | None, base: str = BASE) -> bool:
    """Whether a Task coordinates a referral: its code says so, or, in a partner's short answer, the state it gives."""
    if not task:
        return False
    stated = any(c.get("system") == machine(base).system for c in (task.get("businessStatus") or {}).get("coding", ()))
    return stated or has_coding(task.get("code"), code_system("task-code", base), "referral")


def is_referral(service_request: Mapping[str, Any] | None, base: str = BASE) -> bool:
    """Whether a ServiceRequest is a referral: one of its categories says so."""
    categories = (service_request or {}).get("category", ())
    return any(has_coding(category, code_system("service-category", base), "referral") for category in categories)


def direction(service_request: Mapping[str, Any], base: str = BASE) -> str:
    """up | down | peer, "" where it is not said."""
    for category in service_request.get("category", ()):
        for coding in category.get("coding", ()):
            if coding.get("system") == code_system("referral-direction", base):
                return str(coding.get("code", ""))
    return ""


def first_state(status: str, base: str = BASE) -> State | None:
    """The start state that goes with a ServiceRequest's status, None when a referral cannot begin there."""
    return next((s for s in machine(base).states.values() if s.kind == "start" and s.request == status), None)


def has_coding(concept: Any, system: str, code: str) -> bool:
    return any(
        coding.get("system") == system and coding.get("code") == code for coding in (concept or {}).get("coding", ())
    )
