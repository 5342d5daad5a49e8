"""Workflow I1, I2, I4, I7, I13 over any sequence of updates by anybody, against the table's own graph."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.fhir.errors import GatewayError
from gateway.fhir.lifecycle import Machine
from gateway.fhir.transition import allowed, begin, govern, state_of
from gateway.plans.plan_tasks import machine as plan_machine
from gateway.referral.transitions import machine as referral_machine

MACHINES = [referral_machine(), plan_machine("plan-take-up"), plan_machine("plan-activity")]
SIDES = st.sampled_from([{"placer"}, {"receiver"}, set(), {"placer", "receiver"}])
ABOUT = ("focus", "for", "requester", "owner", "partOf")


class AnyUpdates(RuleBasedStateMachine):
    machine: Machine
    task: dict[str, Any]

    @initialize(machine=st.sampled_from(MACHINES), data=st.data())
    def create(self, machine: Machine, data: st.DataObject) -> None:
        self.machine = machine
        start = data.draw(st.sampled_from([s for s in machine.states.values() if s.kind == "start"]))
        self.task = {"status": start.status, **{name: {"reference": f"Any/{name}"} for name in ABOUT}}
        begin(machine, self.task, {"placer"})
        self.first = copy.deepcopy(self.task)
        self.path = [start.name]

    @rule(
        data=st.data(),
        sides=SIDES,
        reason=st.booleans(),
        output=st.booleans(),
        how=st.sampled_from(["both", "status", "bare"]),
    )
    def update(self, data: st.DataObject, sides: set[str], reason: bool, output: bool, how: str) -> None:
        before, now = copy.deepcopy(self.task), state_of(self.machine, self.task)
        to = data.draw(st.sampled_from(list(self.machine.states.values())))
        after = copy.deepcopy(before) | {"status": to.status}
        if how == "bare":
            after = {"status": to.status}
        if how == "both" and self.machine.system:
            after["businessStatus"] = {"coding": [{"system": self.machine.system, "code": to.name}]}
        if reason:
            after["statusReason"] = {"text": "原因"}
        if output:
            after["output"] = [{"type": {"text": "回转单"}, "valueString": "已反馈"}]
        possible = {edge.to for edge in allowed(self.machine, now.name, sides)}
        try:
            taken = govern(self.machine, before, after, sides)
        except GatewayError as refused:
            both_languages = all(issue.zh and issue.en for issue in refused.issues)
            edges = [edge for edge in allowed(self.machine, now.name, sides) if edge.to == to.name]
            ready = any(("reason" not in e.needs or reason) and ("output" not in e.needs or output) for e in edges)
            assert both_languages
            assert not (how == "both" and ready), "what the table allows was refused"
            return
        reached = state_of(self.machine, after)
        if taken is None:
            assert reached.name == now.name
        else:
            assert reached.name in possible
            assert taken.actor in sides
            self.path.append(reached.name)
            if "reason" in taken.needs:
                assert after["statusReason"]
        self.task = after

    @rule(name=st.sampled_from(ABOUT))
    def turn_to_something_else(self, name: str) -> None:
        after = copy.deepcopy(self.task) | {name: {"reference": "Any/other"}}
        try:
            govern(self.machine, self.task, after, self.machine.actors)
        except GatewayError:
            return
        raise AssertionError(f"{name} changed")

    @invariant()
    def business_status_goes_with_status(self) -> None:
        if hasattr(self, "task"):
            assert state_of(self.machine, self.task).status == self.task["status"]

    @invariant()
    def it_is_about_what_it_was_about(self) -> None:
        if hasattr(self, "task"):
            assert all(self.task[name] == self.first[name] for name in ABOUT)

    @invariant()
    def every_step_is_an_edge_and_nothing_follows_an_end(self) -> None:
        if hasattr(self, "path"):
            edges = {(edge.state, edge.to) for edge in self.machine.edges}
            assert all(step in edges for step in zip(self.path, self.path[1:], strict=False))
            assert all(self.machine.states[name].kind != "end" for name in self.path[:-1])


TestAnyUpdates = AnyUpdates.TestCase
TestAnyUpdates.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
