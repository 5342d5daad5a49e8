"""The referral's table: whole, closed, and refusing everything that it does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.fhir.canonical import code_system
from gateway.fhir.errors import Conflict, Fault, Forbidden, Invalid
from gateway.fhir.lifecycle import ACTORS, load
from gateway.fhir.transition import allowed, begin, edge, govern, state_of, step
from gateway.referral.transitions import direction, first_state, is_referral, is_referral_task, machine

M = machine()
R4_TASK_STATUS = {
    "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed",
    "completed", "entered-in-error",
}  # fmt: skip
WORKFLOW = (  # workflow §5, the status line of the table
    "draft{draft,approval} requested{submitted} received{received,info,counter} accepted{accepted,scheduled,noshow}"
    " in-progress{arrived,treating,stopreq} on-hold{paused} completed{outcome,acked,closed} rejected{rejected,diverted}"
    " cancelled{withdrawn,rwithdrawn,notattended,expired} failed{aborted,stopped} entered-in-error{void}"
)


def task(state: str, **more: object) -> dict[str, object]:
    status = M.states[state].status
    return {"status": status, "businessStatus": {"coding": [{"system": M.system, "code": state}]}, **more}


def test_every_state_of_the_workflow_stands_in_the_table_with_its_status() -> None:
    published = {
        state: group.partition("{")[0]
        for group in WORKFLOW.split()
        for state in group.partition("{")[2].rstrip("}").split(",")
    }
    assert {state.name: state.status for state in M.states.values()} == published
    assert set(published.values()) <= R4_TASK_STATUS


def test_every_state_and_edge_has_a_name_in_both_languages() -> None:
    assert all(each.zh and each.en for each in (*M.states.values(), *M.edges))


def test_end_states_have_no_exit_and_every_state_with_edges_reaches_an_end() -> None:
    for state in M.states.values():
        if state.kind == "end":
            assert not M.exits(state.name)
    for start in {e.state for e in M.edges} | {e.to for e in M.edges}:
        reached, border = {start}, [start]
        while border:
            for each in M.exits(border.pop()):
                if each.to not in reached:
                    reached.add(each.to)
                    border.append(each.to)
        assert any(M.states[name].kind == "end" for name in reached), start


def test_step_and_allowed_are_total_and_agree() -> None:
    events = {e.event for e in M.edges} | {"no-such-event"}
    for state in M.states:
        for actor in ACTORS:
            possible = {e.event for e in allowed(M, state, {actor})}
            for event in events:
                if event in possible:
                    assert step(M, state, event, {actor}).state == state
                    continue
                with pytest.raises((Conflict, Forbidden)) as refused:
                    step(M, state, event, {actor})
                assert refused.value.issues[0].zh
                assert refused.value.issues[0].en


def test_the_straight_path_runs_from_draft_to_closed() -> None:
    state = "draft"
    for event in ("submit", "sign-for", "accept", "arrive", "outcome", "ack", "close"):
        state = step(M, state, event, M.actors).to
    assert state == "closed"


def test_a_refusal_names_the_state_and_what_is_possible_instead() -> None:
    with pytest.raises(Conflict) as refused:
        step(M, "submitted", "arrive", {"receiver"})
    issue = refused.value.issues[0]
    assert "已提交" in issue.zh
    assert "签收（接收方）" in issue.zh
    assert "sign-for (receiver)" in issue.en


def test_the_placer_cannot_accept_its_own_referral() -> None:
    with pytest.raises(Forbidden, match="only the receiver may accept"):
        edge(M, task("submitted"), task("accepted"), {"placer"})


def test_a_client_that_only_sets_the_status_gets_the_business_status() -> None:
    after = {**task("received"), "status": "accepted"}
    taken = govern(M, task("received"), after, {"receiver"})
    assert taken is not None
    assert taken.event == "accept"
    assert state_of(M, after).name == "accepted"


def test_a_client_may_leave_the_business_status_out() -> None:
    after: dict[str, object] = {"status": "accepted"}
    govern(M, task("received"), after, {"receiver"})
    assert state_of(M, after).name == "accepted"


def test_other_systems_codings_stay_beside_ours() -> None:
    foreign = {"system": "http://other.example/state", "code": "7"}
    after = {"status": "accepted", "businessStatus": {"coding": [foreign]}}
    govern(M, task("received"), after, {"receiver"})
    assert foreign in after["businessStatus"]["coding"]  # type: ignore[index]


def test_a_business_status_that_contradicts_the_status_is_refused() -> None:
    with pytest.raises(Invalid, match=r"goes with Task\.status accepted"):
        edge(M, task("received"), {**task("accepted"), "status": "received"}, M.actors)


def test_an_unknown_business_status_is_refused_with_the_known_ones() -> None:
    after = {"status": "accepted", "businessStatus": {"coding": [{"system": M.system, "code": "maybe"}]}}
    with pytest.raises(Invalid, match="use one of draft"):
        edge(M, task("received"), after, M.actors)


@pytest.mark.parametrize(("state", "to"), [("received", "rejected"), ("accepted", "withdrawn")])
def test_rejecting_and_withdrawing_need_a_reason(state: str, to: str) -> None:
    with pytest.raises(Invalid) as refused:
        govern(M, task(state), task(to), M.actors)
    assert refused.value.issues[0].expression == ("Task.statusReason",)
    assert govern(M, task(state), task(to, statusReason={"text": "床位已满"}), M.actors) is not None


def test_the_outcome_needs_an_output() -> None:
    with pytest.raises(Invalid, match="outcome"):
        govern(M, task("arrived"), {**task("arrived"), "status": "completed"}, M.actors)


def test_a_reason_that_no_longer_holds_is_removed() -> None:
    reason = {"text": "等待检查结果"}
    after = task("received", statusReason=reason)
    govern(M, task("submitted", statusReason=reason), after, M.actors)
    assert "statusReason" not in after


@pytest.mark.parametrize("name", ["focus", "for", "requester", "owner", "partOf"])
def test_what_a_task_is_about_never_changes(name: str) -> None:
    before = task("received", **{name: {"reference": "Any/1"}})
    with pytest.raises(Conflict, match=f"Task.{name} never changes"):
        govern(M, before, task("received", **{name: {"reference": "Any/2"}}), M.actors)
    same = task("received", **{name: {"reference": "http://host.example/fhir/Any/1/_history/3", "display": "x"}})
    assert govern(M, before, same, M.actors) is None


def test_what_a_short_answer_leaves_out_is_kept() -> None:
    before = task("received", focus={"reference": "ServiceRequest/1"}, intent="order", authoredOn="2026-11-01")
    after: dict[str, object] = {"status": "accepted"}
    govern(M, before, after, M.actors)
    assert after["focus"] == before["focus"]
    assert after["authoredOn"] == before["authoredOn"]


def test_a_new_task_starts_as_draft_or_submitted() -> None:
    assert begin(M, {"status": "draft"}, {"placer"}).name == "draft"
    assert begin(M, {"status": "requested"}, {"placer"}).name == "submitted"
    with pytest.raises(Conflict, match="start as draft or submitted"):
        begin(M, {"status": "accepted"}, {"placer"})
    with pytest.raises(Forbidden):
        begin(M, {"status": "requested"}, {"receiver"})


def test_a_referral_is_known_by_its_category_and_code() -> None:
    request = {
        "category": [
            {
                "coding": [
                    {"system": code_system("service-category"), "code": "referral"},
                    {"system": code_system("referral-direction"), "code": "up"},
                ]
            }
        ]
    }
    assert is_referral(request)
    assert direction(request) == "up"
    assert not is_referral({"category": [{"text": "referral"}]})
    assert not is_referral(None)
    assert is_referral_task({"code": {"coding": [{"system": code_system("task-code"), "code": "referral"}]}})
    state = first_state("active")
    assert state is not None
    assert state.name == "submitted"


def test_a_wrong_table_is_refused_with_file_row_and_column(tmp_path: Path) -> None:
    (tmp_path / "states.csv").write_text(
        "state,status,kind,zh,en\na,draft,start,甲,a\nb,completed,finish,乙,b\n", encoding="utf-8"
    )
    (tmp_path / "transitions.csv").write_text(
        "actor,state,event,to,zh,en,needs,note\nnobody,a,go,c,去,go,luck,\n", encoding="utf-8"
    )
    with pytest.raises(Fault) as refused:
        load(tmp_path)
    places = {issue.expression[0].partition("/")[2] for issue in refused.value.issues}
    assert places == {"states.csv:3:kind", "transitions.csv:2:actor", "transitions.csv:2:to", "transitions.csv:2:needs"}
