"""Which deeds are for certain roles alone, and for which: the one place where that is said. Everything else is for everybody."""

from __future__ import annotations

from gateway.fhir.errors import Forbidden
from gateway.fhir.principal import Principal

_NAMES = {
    "operator": ("运维人员", "operators"),
    "hospital": ("医院信息科", "hospital IT"),
    "gateway": ("网关自身", "the gateway itself"),
}

ROLES: dict[str, tuple[str, ...]] = {
    "$expunge": ("operator",),  # nothing brings it back
    "$merge": ("operator", "hospital", "gateway"),  # whose index of patients is right is known where it is kept
    "$unmerge": ("operator", "hospital", "gateway"),
    "_explain": ("operator", "gateway"),  # shows the statement and the database's statistics
}
"""Deed → who may; an operation by its code with the $, a parameter by its name."""


def refuse_others(deed: str, principal: Principal) -> None:
    """Raises Forbidden, naming the roles, where the deed is not for this principal's."""
    allowed = ROLES.get(deed)
    if allowed is None or principal.role in allowed:
        return
    shown = [_NAMES[role] for role in allowed if role != "gateway"]
    raise Forbidden(
        zh=f"{deed} 只供{'、'.join(zh for zh, _ in shown)}使用；请请他们代办，或不用 {deed}。",
        en=f"{deed} is for {' and '.join(en for _, en in shown)}: ask them to do it, or do without.",
        at=deed,
    )
