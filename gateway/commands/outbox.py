"""gateway outbox: what was promised to partners, what became of it, and sending it again."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.usage import ID_MAX


def outbox(
    resend: Annotated[
        list[int] | None, typer.Option("--resend", max=ID_MAX, help="重发这些（可多次） · send these again")
    ] = None,
    state: Annotated[
        str, typer.Option("--state", help="queued sent acknowledged dead superseded · only in this state")
    ] = "",
    target: Annotated[str, typer.Option("--target", help="发给某来源的 · to this source")] = "",
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """发件：状态、应答、失败原因，重发 · what is to be sent, its state and reason; send again"""
    from typing import get_args

    from gateway import screen, usage
    from gateway.access.policy import restrict
    from gateway.app import open_exchange
    from gateway.outbox.resend import resend as again
    from gateway.settings import settings
    from gateway.store.contract import JobState
    from gateway.store.reason import from_reason
    from gateway.store.sql import open_store
    from gateway.store.states import in_chinese

    usage.one_of("--state", state, get_args(JobState))
    store = open_store(settings().database_url, restrict)
    try:
        done = again(store, resend) if resend else None
        shown = sorted({*(resend or ()), *(job.id for job in done.jobs)}) if done else ()
        found = store.jobs(state=state, target=target, ids=shown)
        if target and not store.jobs(target=target, limit=1):
            usage.one_of("--target", target, open_exchange(settings()).sources)
    finally:
        store.close()
    rows = []
    for job in found:
        issues = from_reason(job.reason) if job.reason else ()
        rows.append((job, "; ".join(screen.said(issue.zh, issue.en) for issue in issues)))
    if json:
        screen.as_json(
            {
                "resent": [job.id for job in done.jobs] if done else [],
                "queued_for_now": list(done.hurried) if done else [],
                "unknown": list(done.unknown) if done else [],
                "passed_over": [{"id": job_id, "state": was} for job_id, was in done.passed_over] if done else [],
                "jobs": [
                    {"id": j.id, "target": j.target, "event": j.event, "focus": j.focus, "state": j.state,
                     "attempts": j.attempts, "control_id": j.control_id, "reason": reason}
                    for j, reason in rows
                ],
            }
        )  # fmt: skip
    else:
        if rows or not done:
            screen.table(
            [("编号", "id"), ("发给", "target"), ("事件", "event"), ("资源", "focus"), ("状态", "state"), ("次数", "tries"),
             ("原因", "reason")],
            [(str(j.id), j.target, j.event, j.focus, screen.said(in_chinese(j.state), j.state), str(j.attempts), reason) for j, reason in rows],
        )  # fmt: skip
        for job_id in done.hurried if done else ():
            screen.note(f"{job_id} 改为立即发送：编号与内容不变", f"{job_id} is queued for now: same id, same bytes")
        for job_id in done.unknown if done else ():
            screen.note(f"没有发件 {job_id}", f"there is no job {job_id}")
        for job_id, was in done.passed_over if done else ():
            screen.note(f"{job_id} 未重发：{in_chinese(was)}", f"{job_id} was not sent again: it is {was}")
    if (done and done.unknown) or any(job.state == "dead" for job, _ in rows):
        raise typer.Exit(1)
