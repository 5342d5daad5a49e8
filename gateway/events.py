"""The names of all that can be told to a source: Task.<code>.<state>, from the tables of states in mappings/."""

from __future__ import annotations

from functools import cache

from gateway.plans import plan_tasks
from gateway.referral import transitions


@cache
def names() -> frozenset[str]:
    """Every event that a source.toml may name under [events]; gateway/outbox/routes.py says when each comes about."""
    plans = {code: {state.status for state in plan_tasks.machine(code).states.values()} for code in plan_tasks.MACHINES}
    states = plans | {"referral": set(transitions.machine().states)}
    return frozenset(f"Task.{code}.{state}" for code, found in states.items() for state in found)
