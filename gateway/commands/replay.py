"""gateway replay: work messages again from their bytes, with the tables of today."""

from __future__ import annotations

from typing import Annotated

import typer


def replay(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID…]", help="消息号 · message ids")] = None,
    source: Annotated[str, typer.Option("--source", help="某来源的 · of this source")] = "",
    state: Annotated[str, typer.Option("--state", help="quarantined 或 stored · quarantined or stored")] = "",
    kind: Annotated[str, typer.Option("--kind", help="某类消息，如 ADT^A03 · of this kind")] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="就地处理完再返回 · work them here and now")] = True,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """重新处理消息：按号或按条件 · work messages again: by id or by a filter"""
    from gateway import app, screen, server
    from gateway.fhir.errors import Invalid
    from gateway.inbox.replay import replay as again
    from gateway.settings import settings
    from gateway.store.contract import MessageFilter

    if not (ids or source or state or kind):
        raise Invalid(
            "required",
            zh="请写消息号，或 --source、--state、--kind；消息号见 gateway ledger。",
            en="name message ids, or --source, --state, --kind; gateway ledger shows the ids.",
        )
    with server.building(lambda: app.build(settings())) as gateway:
        done = again(gateway.store, MessageFilter(tuple(ids or ()), source, state, kind))
        if wait:
            gateway.drain()
        made = tuple(message.id for message in done.attempts)
        after = gateway.store.messages(MessageFilter(made)) if made else []  # a filter without ids means every message
    missing = sorted(set(ids or ()) - {m.origin for m in done.attempts} - {found for found, _ in done.passed_over})
    if json:
        screen.as_json(
            {
                "attempts": [{"id": m.id, "replays": m.origin, "state": m.state} for m in after],
                "passed_over": [{"id": found, "state": state} for found, state in done.passed_over],
                "conflicts": list(done.conflicts),
                "unknown": missing,
            }
        )
    else:
        if after:
            screen.table(
                [("新消息号", "new id"), ("重放自", "replays"), ("类别", "kind"), ("状态", "state")],
                [(str(m.id), str(m.origin or "-"), m.kind or "?", m.state) for m in after],
            )
        for found, why in done.passed_over:
            screen.note(f"{found} 未重放：处于 {why}", f"{found} was not replayed: it is {why}")
        if done.conflicts:
            first = done.conflicts[0]
            screen.note(
                f"{len(done.conflicts)} 条未重放：消息编号与先到的消息相同而内容不同，须人工核对"
                f"（gateway ledger --quarantine）；确认采用某条后写明其消息号：gateway replay {first}",
                f"{len(done.conflicts)} not replayed: other content under a control id that was used before. Compare them"
                f" (gateway ledger --quarantine), and take one by its id: gateway replay {first}",
            )
        for found in missing:
            screen.note(f"没有消息 {found}", f"there is no message {found}")
    if missing or any(m.state == "quarantined" for m in after):
        raise typer.Exit(1)
