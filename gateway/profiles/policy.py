"""What becomes of what others send when it breaks a profile: nothing (off), a remark (warn), or a refusal (refuse).

A message of a source is judged as the Bundle that was made of it; a REST write as the resource that would be stored.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

from gateway.fhir.errors import Invalid, Issue
from gateway.profiles.applies import Applies
from gateway.profiles.validator import Validator
from gateway.store.contract import Transaction

POLICIES = ("off", "warn", "refuse")
_OWN = frozenset({"source", "gateway"})  # a source's writes are judged by its own policy, ours by our tests
log = logging.getLogger(__name__)


def judged(document: dict[str, Any], policy: str, validator: Validator, applies: Applies | None = None) -> list[Issue]:
    """What to keep with a message: under warn its errors are warnings, under refuse they stay errors. Remarks are left out.

    applies  which of our profiles hold beside those that a resource claims
    """
    if policy not in ("warn", "refuse"):
        return []
    document = applies.claimed(document) if applies is not None else document
    found = [issue for issue in validator.validate(document) if issue.severity != "information"]
    if policy == "refuse":
        return found
    return [dataclasses.replace(issue, severity="warning") for issue in found]


def rule(policy: str, validator: Validator) -> Callable[[Any, Transaction], None]:
    """The door's rule for REST writes: refuse raises Invalid with every issue; warn leaves a line in the log, without values."""

    def judge(change: Any, within: Transaction) -> None:
        if change.after is None or within.principal.role in _OWN:
            return
        found = [issue for issue in validator.validate(change.after) if issue.severity in ("error", "fatal")]
        if found and policy == "refuse":
            raise Invalid(*found)
        if found:
            places = ", ".join(sorted({path for issue in found for path in issue.expression})[:20])
            log.warning("%s breaks R4 or a profile at %s", change.resource_type, places)

    return judge
